//! What the solver promises: apk's answers on apk's own cases, and answers that are right on any.

mod case;
mod explain;
mod random;
mod small;
mod vectors;
