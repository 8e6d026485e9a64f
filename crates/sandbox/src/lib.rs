//! Runs a command in a root of its own: namespaces, overlay, landlock, seccomp, limits.
//!
//! A [`Plan`] is plain data and says everything about a run. [`run()`] hands it to a *launcher*: this same
//! program, started anew with [`HIDDEN_VERB`], because only a process with one thread may enter a user
//! namespace. The launcher calls [`exec::main`], which builds the root, becomes small and starts the command.
//!
//! ```text
//! caller ── run(plan) ──▶ launcher (own user, mount, pid, net, ipc, uts namespaces; keeps the wall clock)
//!                            └─▶ init, pid 1 (mounts, pivots, reaps)
//!                                   └─▶ the command (no capability that matters, landlock, seccomp)
//! ```
//! Each parent's death kills its child, and the death of pid 1 kills everything inside.
//!
//! Inside there is one user. [`record()`] runs a plan and answers, in the launcher, the calls by which a build gives
//! files to others: they succeed, change nothing on the host, and are written to an [`Ownership`].

mod describe;
mod error;
pub mod exec;
mod message;
mod notify;
mod ownership;
mod plan;
mod probe;
mod run;
mod scratch;
mod system;

pub use error::{Failure, SandboxError, Step};
pub use exec::HIDDEN_VERB;
pub use ownership::{Capability, Device, FileId, Ownership, Record, SET_ID};
pub use plan::{Bind, DOMAIN, Guard, HOSTNAME, Limits, Outcome, OverlayMethod, Plan, Root, UMASK};
pub use probe::{Finding, Health, probe};
pub use run::{Launcher, Recorded, record, run};
