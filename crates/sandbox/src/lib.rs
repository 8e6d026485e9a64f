//! Runs a command in a root of its own: namespaces, overlay, landlock, seccomp, limits.
