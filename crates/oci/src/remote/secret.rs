//! Secrets, which are never printed, and what is proved with them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A text that is shown to nobody: neither by `Debug` nor in errors.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, to be sent to whom it is for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who asks, as a registry knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and their password, or what a registry takes for one.
    Basic {
        /// The user.
        user: String,
        /// Their password.
        password: Secret,
    },
    /// A token that is exchanged for others (OAuth 2's refresh token; docker's `identitytoken`).
    Identity(Secret),
    /// A token that is shown as it is (docker's `registrytoken`).
    Token(Secret),
}

impl Credential {
    /// Returns the header that shows user and password, where they are that.
    pub(super) fn basic(&self) -> Option<Secret> {
        let Self::Basic { user, password } = self else { return None };
        Some(Secret(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))))
    }

    /// Reads `user:password` in base64, as docker's files have it. Some writers pad the text with NUL.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Self::Basic { user: user.to_owned(), password: Secret::new(password.trim_end_matches('\0')) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let credential = Credential::Basic { user: "me".into(), password: Secret::new("hunter2") };
        assert!(!format!("{credential:?}").contains("hunter2"));
        assert!(!format!("{:?}", credential.basic()).contains("bWU6"));
        assert_eq!(credential.basic().unwrap().expose(), "Basic bWU6aHVudGVyMg==");
    }
}
