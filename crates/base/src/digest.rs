//! The sha256 digest that names every input and output, and hashing while copying.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

/// A sha256 digest.
///
/// Written as OCI writes it, `sha256:` and 64 lower-case hex digits (image-spec, descriptor.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// What was wrong with the text of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Another algorithm than sha256, or none.
    #[error("`{0}` does not begin with `sha256:`")]
    Algorithm(String),
    /// Not 64 lower-case hex digits.
    #[error("`{0}` is not 64 lower-case hex digits")]
    Hex(String),
}

impl Digest {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps 32 bytes that are already a sha256.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hex digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Parses 64 lower-case hex digits without the algorithm, as melange's `expected-sha256` has it.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError::Hex(text.to_owned());
        if text.len() != 64 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or_else(|| DigestError::Algorithm(text.to_owned()))?;
        Self::from_hex(hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A reader or writer that hashes and counts what passes through it.
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Begins to hash what passes through `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    /// Returns how many bytes have passed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns where the hash stands, so that what follows can be hashed later without what has passed.
    pub fn state(&self) -> HashState {
        HashState { bytes: self.bytes, sha256: self.hasher.serialize().to_vec() }
    }

    /// Goes on from a state; `None` where the state is none of sha256.
    pub fn resume(inner: T, state: &HashState) -> Option<Self> {
        let serialized = SerializedState::<Sha256>::try_from(state.sha256.as_slice()).ok()?;
        Some(Self { inner, hasher: Sha256::deserialize(&serialized).ok()?, bytes: state.bytes })
    }

    /// Ends hashing: the inner value, the digest of what passed, and its length in bytes.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, Digest(self.hasher.finalize().into()), self.bytes)
    }
}

/// Where a hash stood after some bytes. It is as good as these bytes: kept where nobody else can write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashState {
    /// How many bytes had passed.
    pub bytes: u64,
    sha256: Vec<u8>,
}

impl<T> fmt::Debug for Hashing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn prints_what_it_parses() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
    }

    #[test]
    fn refuses_what_is_not_a_sha256() {
        for text in ["", "e3b0", "sha512:00", "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn hashes_while_copying() {
        let mut hashing = Hashing::new(&b"abc"[..]);
        io::copy(&mut hashing, &mut io::sink()).unwrap();
        let (_, digest, bytes) = hashing.finish();
        assert_eq!((digest, bytes), (Digest::of(b"abc"), 3));
    }

    #[test]
    fn goes_on_where_it_stood() {
        for cut in [0, 1, 64, 100, 511, 512] {
            let bytes = [7; 512];
            let mut first = Hashing::new(io::sink());
            first.write_all(&bytes[..cut]).unwrap();
            let kept: HashState = serde_json::from_slice(&serde_json::to_vec(&first.state()).unwrap()).unwrap();
            let mut second = Hashing::resume(io::sink(), &kept).unwrap();
            second.write_all(&bytes[cut..]).unwrap();
            let (_, digest, length) = second.finish();
            assert_eq!((digest, length), (Digest::of(bytes), 512), "{cut}");
        }
        assert!(Hashing::resume((), &HashState { bytes: 0, sha256: vec![0; 3] }).is_none());
    }
}
