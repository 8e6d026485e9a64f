//! A key with its name: the name is how a signature says which key made it.

use fs_err::os::unix::fs::OpenOptionsExt as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{KeyError, PrivateKey, PublicKey};

/// The longest name of a key: with `.SIGN.RSA256.` before it, it stays a file name (Linux `NAME_MAX` is 255).
const MAX_NAME: usize = 200;

/// A key and the file name of its public half, such as `alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<K> {
    name: String,
    key: K,
}

impl<K> Named<K> {
    /// Names a key. The name is the whole file name of the public half, `.rsa.pub` included.
    pub fn new(name: impl Into<String>, key: K) -> Result<Self, KeyError> {
        let name = name.into();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"@._+-".contains(&byte);
        if name.is_empty() || name.starts_with('.') || name.len() > MAX_NAME || !name.bytes().all(good) {
            return Err(KeyError::Name { name: name.chars().take(MAX_NAME).collect() });
        }
        Ok(Self { name, key })
    }

    /// Returns the file name of the public half.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String, KeyError> {
    fs::read_to_string(path).map_err(|source| KeyError::File { doing: "reading a key", source })
}

fn content(path: &Path) -> impl Fn(KeyError) -> KeyError + '_ {
    |source| KeyError::Content { path: path.to_owned(), source: Box::new(source) }
}

impl Named<PublicKey> {
    /// Reads a public key; its file name is its name.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let key = PublicKey::from_pem(&read(path)?).map_err(content(path))?;
        Self::new(file_name(path), key)
    }
}

impl Named<PrivateKey> {
    /// Reads a private key; its file name and `.pub` is its name, as melange has it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let key = PrivateKey::from_pem(&read(path)?).map_err(content(path))?;
        Self::new(format!("{}.pub", file_name(path)), key)
    }

    /// Writes `NAME.rsa`, readable by its owner alone, and `NAME.rsa.pub` into `dir`. Never overwrites a file.
    pub fn save(&self, dir: &Path) -> Result<(PathBuf, PathBuf), KeyError> {
        let public = dir.join(&self.name);
        let private = dir.join(self.name.strip_suffix(".pub").unwrap_or(&self.name));
        if private == public {
            return Err(KeyError::Name { name: self.name.clone() });
        }
        let files = [(&private, 0o600, self.key.to_pem()?), (&public, 0o644, self.key.public()?.to_pem())];
        for (path, mode, text) in files {
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|source| KeyError::File { doing: "writing a key", source })?;
        }
        Ok((private, public))
    }

    /// Returns the public half under the same name.
    pub fn public(&self) -> Result<Named<PublicKey>, KeyError> {
        Ok(Named { name: self.name.clone(), key: self.key.public()? })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn saves_and_loads_without_overwriting() {
        let dir = tempfile::tempdir().unwrap();
        let key = Named::new("me.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
        let (private, public) = key.save(dir.path()).unwrap();
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Named::<PrivateKey>::load(&private).unwrap();
        assert_eq!(loaded.name(), "me.rsa.pub");
        assert_eq!(Named::<PublicKey>::load(&public).unwrap(), loaded.public().unwrap());
        assert!(matches!(key.save(dir.path()), Err(KeyError::File { .. })));
    }

    #[test]
    fn refuses_names_that_are_paths() {
        for name in ["", "../a.rsa.pub", "a/b", ".a", "a b", "a\n"] {
            assert!(Named::new(name, ()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_the_file_that_holds_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.rsa.pub");
        fs::write(&path, "no key").unwrap();
        assert!(Named::<PublicKey>::load(&path).unwrap_err().to_string().contains("x.rsa.pub"));
    }
}
