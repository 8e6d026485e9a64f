//! The fuzzer: libFuzzer's own `main`, and one function that it calls with every input.
//!
//! `FUZZ_TARGET` names the target; `FUZZ_SAMPLES=FOLDER` writes the samples of all and ends. The arguments are libFuzzer's.
#![no_main]
#![allow(unsafe_code, reason = "the macro exports the functions that libFuzzer calls; there is no other unsafe code")]

use std::process::exit;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fuzz::Target> = OnceLock::new();

#[expect(clippy::print_stderr, reason = "the one door to the terminal of this tool")]
fn fail(text: &str) -> ! {
    eprintln!("error: {text}");
    exit(2)
}

fn begin() {
    if let Some(folder) = std::env::var_os("FUZZ_SAMPLES") {
        match fuzz::write_samples(folder.as_ref()) {
            Ok(()) => exit(0),
            Err(error) => fail(&error.to_string()),
        }
    }
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = fuzz::target(&name).unwrap_or_else(|| fail(&format!("FUZZ_TARGET is `{name}`, which is no target")));
    let _ = TARGET.set(target);
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        (target.run)(bytes);
    }
});
