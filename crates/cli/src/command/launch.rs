//! The hidden verb by which this binary becomes a sandbox.

use std::process::ExitCode;

/// Becomes the sandbox if that is what the first argument asks for. Must come before any thread is started.
pub(crate) fn if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == sandbox::HIDDEN_VERB).then(|| sandbox::exec::main(arguments))
}

/// This binary, as a launcher of sandboxes.
pub(crate) fn launcher() -> sandbox::Launcher {
    sandbox::Launcher::new("/proc/self/exe")
}
