//! Users and their passwords: an htpasswd file with argon2id or bcrypt, read again when it changes.
//!
//! A check costs memory and tenths of a second, on purpose; few run at once, and a password that was found right is known by a keyed
//! hash for a while. A user that is not there costs as much as one that is, so that the time does not tell who is.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier as _, phc::PasswordHash};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use fs_err as fs;
use tokio::sync::Semaphore;

/// The longest file: a hundred thousand users.
const MAX_FILE: u64 = 16 << 20;
/// The longest password. bcrypt looks at 72 bytes, argon2 at all.
const MAX_PASSWORD: usize = 1024;
/// The most memory that a hash in the file may ask for, in KiB: OWASP's largest recommendation is 46 MiB.
const MAX_MEMORY: u32 = 256 << 10;
/// The most passes over that memory.
const MAX_PASSES: u32 = 16;
/// The highest cost of bcrypt: 14 is a second.
const MAX_COST: u32 = 15;
/// How many checks run at once: each may take the memory above, and a processor.
const CHECKS: usize = 2;
/// How long a password that was found right is known.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// How many are known at once.
const MAX_KNOWN: usize = 4096;
/// A hash of nothing that anyone knows, with htpasswd's usual cost.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuQ6l1Oq0SlqnBmcfYiMNrKzJYX2V7bxG";

/// Users and their passwords.
#[derive(Debug)]
pub struct Passwords {
    path: PathBuf,
    state: Mutex<State>,
    checks: Semaphore,
    key: hmac::Key,
}

#[derive(Debug, Default)]
struct State {
    stamp: Option<Stamp>,
    users: BTreeMap<String, Hash>,
    /// What was found right: a keyed hash over user, their entry and the password, and when.
    known: BTreeMap<Vec<u8>, Instant>,
}

/// By what a change of the file is seen.
type Stamp = (SystemTime, u64, u64);

#[derive(Clone)]
enum Hash {
    Argon2(String),
    Bcrypt(String),
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(…)")
    }
}

/// Why a file of passwords can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// It can not be read.
    #[error("the file of passwords can not be read")]
    Read(#[source] std::io::Error),
    /// It is too large to be one.
    #[error("the file of passwords {} has more than {MAX_FILE} bytes", .0.display())]
    Large(PathBuf),
    /// A line is not `user:hash` with a hash that is safe to keep.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The machine has no randomness.
    #[error("there is no randomness to be had")]
    Random,
}

impl Passwords {
    /// Reads the file; a hash that is quickly guessed (MD5, SHA-1, crypt, plain text) is refused.
    pub fn open(path: &Path) -> Result<Self, PasswordsError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| PasswordsError::Random)?;
        let (stamp, users) = load(path)?;
        let state = State { stamp: Some(stamp), users, known: BTreeMap::new() };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state), checks: Semaphore::new(CHECKS), key })
    }

    /// Whether it is `user`'s password.
    pub async fn verify(&self, user: &str, password: &str) -> bool {
        if password.len() > MAX_PASSWORD {
            return false;
        }
        self.refresh();
        let hash = self.state().users.get(user).cloned();
        let id = self.id(user, hash.as_ref(), password);
        if hash.is_some() && self.state().known.get(&id).is_some_and(|since| since.elapsed() < KNOWN_FOR) {
            return true;
        }
        let Ok(_room) = self.checks.acquire().await else { return false };
        let exists = hash.is_some();
        let (hash, password) = (hash.unwrap_or_else(|| Hash::Bcrypt(NOBODY.to_owned())), password.to_owned());
        let right = tokio::task::spawn_blocking(move || check(&hash, &password)).await.unwrap_or(false);
        if !(right && exists) {
            return false;
        }
        let mut state = self.state();
        if state.known.len() >= MAX_KNOWN {
            state.known.clear();
        }
        state.known.insert(id, Instant::now());
        true
    }

    /// Binds a password to the user's entry: one that was changed is not found.
    fn id(&self, user: &str, hash: Option<&Hash>, password: &str) -> Vec<u8> {
        let entry = match hash {
            Some(Hash::Argon2(text) | Hash::Bcrypt(text)) => text,
            None => "",
        };
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, entry, password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    /// Reads the file again if it changed. One that can not be used changes nothing: those who had a login keep it.
    fn refresh(&self) {
        let found = stamp(&self.path);
        if found.is_some() && found == self.state().stamp {
            return;
        }
        match load(&self.path) {
            Ok((stamp, users)) => {
                tracing::info!(path = %self.path.display(), users = users.len(), "the passwords were read again");
                *self.state() = State { stamp: Some(stamp), users, known: BTreeMap::new() };
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the passwords can not be read again; those from before count");
                self.state().stamp = found;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(hash: &Hash, password: &str) -> bool {
    match hash {
        Hash::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        Hash::Argon2(text) => {
            PasswordHash::new(text).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn load(path: &Path) -> Result<(Stamp, BTreeMap<String, Hash>), PasswordsError> {
    let metadata = fs::metadata(path).map_err(PasswordsError::Read)?;
    if metadata.len() > MAX_FILE {
        return Err(PasswordsError::Large(path.to_owned()));
    }
    let stamp = (metadata.modified().map_err(PasswordsError::Read)?, metadata.len(), metadata.ino());
    let text = fs::read_to_string(path).map_err(PasswordsError::Read)?;
    let mut users = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why| PasswordsError::Line { path: path.to_owned(), line: number + 1, why };
        let (user, hash) = line.split_once(':').filter(|(user, _)| !user.is_empty()).ok_or_else(|| wrong("it is not `user:hash`"))?;
        users.insert(user.to_owned(), read(hash).map_err(wrong)?);
    }
    Ok((stamp, users))
}

fn read(text: &str) -> Result<Hash, &'static str> {
    if text.starts_with("$argon2id$") {
        let parsed = PasswordHash::new(text).map_err(|_| "its argon2id hash can not be understood")?;
        let number = |name: &str| parsed.params.get_decimal(name).unwrap_or(u32::MAX);
        if number("m") > MAX_MEMORY || number("t") > MAX_PASSES {
            return Err("its argon2id hash asks for more than 256 MiB or 16 passes; each login would take the server down");
        }
        return Ok(Hash::Argon2(text.to_owned()));
    }
    if ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)) {
        let cost = text.get(4..6).and_then(|cost| cost.parse::<u32>().ok()).filter(|_| text.len() == 60 && text.is_ascii());
        return match cost {
            Some(4..=MAX_COST) => Ok(Hash::Bcrypt(text.to_owned())),
            Some(_) => Err("its bcrypt hash has a cost above 15; each login would take seconds"),
            None => Err("its bcrypt hash can not be understood"),
        };
    }
    Err("its hash is neither argon2id nor bcrypt, and others are guessed quickly; `htpasswd -B` makes one")
}

#[cfg(test)]
mod tests;
