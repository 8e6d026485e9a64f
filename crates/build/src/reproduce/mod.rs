//! Builds again under other circumstances and says what differs.
//!
//! A build that is repeatable gives equal content whatever is varied here; see [`Variation`] for what that is.

mod variation;

pub use variation::Variation;
