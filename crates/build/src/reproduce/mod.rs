//! Builds again under other circumstances and says what differs.
//!
//! ```text
//! Again      what a second build is made of          another process, user and store
//!   build    with a Variation of its circumstances   → Remade: packages
//! compare    first and second package                → Differing: fields, files, the first byte
//! ```
//! A second build on the same machine is a self-check. That others get the same they must say themselves.

mod again;
mod clock;
mod compare;
mod variation;

pub use again::{Again, Remade};
pub use clock::Clock;
pub use compare::{Differing, FileDifference, compare};
pub use variation::Variation;
