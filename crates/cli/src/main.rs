//! The undistro command.
fn main() {}
