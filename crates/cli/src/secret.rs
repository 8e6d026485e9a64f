//! Keys that sign, and the passwords that open them.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use attest::signing::{SigningError, SigningKey, VerifyingKey, is_encrypted};
use fs_err as fs;

use crate::environment;
use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// Reads a private key, and asks for its password if it needs one.
pub(crate) fn signing_key(path: &Path, printer: &Printer) -> Result<SigningKey, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::input(&error))?;
    let password = if is_encrypted(&text) { Some(password(&format!("password of {}", path.display()), printer)?) } else { None };
    SigningKey::from_pem(&text, password.as_deref()).map_err(|error| of_file(path, &error))
}

/// Reads a public key.
pub(crate) fn public_key(path: &Path) -> Result<VerifyingKey, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::input(&error))?;
    VerifyingKey::from_pem(&text).map_err(|error| of_file(path, &error))
}

fn of_file(path: &Path, error: &SigningError) -> Failure {
    let mut message = Message::of(error);
    message.chain.insert(0, format!("the key {}", path.display()));
    Failure::Input(message)
}

/// Returns the password that the environment holds, or a line from standard input.
pub(crate) fn password(what: &str, printer: &Printer) -> Result<Vec<u8>, Failure> {
    for variable in [environment::KEY_PASSWORD, environment::COSIGN_PASSWORD] {
        if let Some(password) = variable.text() {
            return Ok(password.into_bytes());
        }
    }
    let stdin = std::io::stdin();
    let echo = stdin.is_terminal().then(Echo::off);
    if echo.is_some() {
        printer.talk(format!("{what}:"));
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    drop(echo);
    read.map_err(|error| Failure::fault(&error))?;
    let password = line.trim_end_matches(['\n', '\r']).to_owned();
    if password.is_empty() {
        let message = Message::text(format!("there is no {what}"));
        return Err(Failure::Input(message.hint(format!("type it, or set {}", environment::KEY_PASSWORD.name))));
    }
    Ok(password.into_bytes())
}

/// The terminal shows nothing of what is typed while this lives.
struct Echo(Option<rustix::termios::Termios>);

impl Echo {
    fn off() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let Ok(before) = tcgetattr(&stdin) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let changed = tcsetattr(&stdin, OptionalActions::Flush, &silent);
        Self(changed.is_ok().then_some(before))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Flush, before);
        }
    }
}
