//! What a log signs: a checkpoint in a signed note (C2SP tlog-checkpoint, signed-note).

use base::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::Hash;
use super::{LogError, tree};
use crate::signing::{Algorithm, Signer, SigningError, VerifyingKey};

/// The longest checkpoint that is read: a log's signature and those of some dozen witnesses are a few KiB.
const MAX_NOTE: usize = 64 << 10;

/// What a log is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// The public key of a log, under the log's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    origin: String,
    key: VerifyingKey,
    id: Hash,
}

impl LogKey {
    /// Names the key of a log. Its id is of name and key for Ed25519 (C2SP signed-note), of the key alone otherwise (as Rekor has it).
    #[must_use]
    pub fn new(origin: impl Into<String>, key: VerifyingKey) -> Self {
        let origin = origin.into();
        let id = match key.algorithm() {
            Algorithm::Ed25519 => Digest::of([origin.as_bytes(), b"\n\x01", key.raw()].concat()),
            Algorithm::EcdsaP256 | Algorithm::Rsa => key.digest(),
        };
        Self { origin, key, id: *id.as_bytes() }
    }

    /// Returns the log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Returns the id that entries name the log by.
    #[must_use]
    pub fn id(&self) -> &Hash {
        &self.id
    }

    /// Reads a checkpoint that this key signed. Signatures of others, such as witnesses, are passed over.
    pub fn open(&self, note: &str) -> Result<Checkpoint, LogError> {
        let (body, signatures) = split(note)?;
        let checkpoint = Checkpoint::parse(body)?;
        if checkpoint.origin != self.origin {
            return Err(LogError::Origin { expected: self.origin.clone(), found: checkpoint.origin });
        }
        let mut ours = false;
        for line in signatures.lines() {
            let Some((name, signature)) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')) else {
                return Err(LogError::Checkpoint { reason: "a line of signatures is none" });
            };
            let bytes = STANDARD.decode(signature).map_err(|_| LogError::Checkpoint { reason: "a signature is not base64" })?;
            if name != self.origin || !bytes.starts_with(&self.id[..4]) {
                continue;
            }
            ours = true;
            if self.key.verify(body.as_bytes(), &bytes[4..]).is_ok() {
                return Ok(checkpoint);
            }
        }
        let origin = self.origin.clone();
        Err(if ours { LogError::Signature { origin } } else { LogError::Unsigned { origin } })
    }
}

/// Splits a note into what is signed and its signatures.
fn split(note: &str) -> Result<(&str, &str), LogError> {
    if note.len() > MAX_NOTE {
        return Err(LogError::Checkpoint { reason: "it is too long" });
    }
    let at = note.find("\n\n").ok_or(LogError::Checkpoint { reason: "it has no signatures" })?;
    Ok((&note[..=at], &note[at + 2..]))
}

impl Checkpoint {
    /// Reads what a note says, whoever signed it: enough to look at it, never to trust it.
    pub fn of_note(note: &str) -> Result<Self, LogError> {
        Self::parse(split(note)?.0)
    }

    fn parse(body: &str) -> Result<Self, LogError> {
        let refuse = |reason| LogError::Checkpoint { reason };
        let mut lines = body.lines();
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| refuse("it has no name"))?.to_owned();
        let size = lines.next().ok_or_else(|| refuse("it has no size"))?;
        let is_number = size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let size = size.parse().ok().filter(|_| is_number).ok_or_else(|| refuse("its size is no number"))?;
        let root = lines.next().ok_or_else(|| refuse("it has no root"))?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| refuse("its root is no hash"))?;
        Ok(Self { origin, size, root })
    }

    /// Writes and signs the checkpoint.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, SigningError> {
        let body = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        let key = LogKey::new(self.origin.clone(), signer.public().clone());
        let signature = [&key.id[..4], &signer.sign(body.as_bytes())?].concat();
        Ok(format!("{body}\n— {} {}\n", self.origin, STANDARD.encode(signature)))
    }

    /// Returns the checkpoint of a log without entries.
    #[must_use]
    pub fn empty(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), size: 0, root: tree::empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningKey;

    #[test]
    fn an_id_is_that_of_a_public_log() {
        // log2025-alpha3 of Sigstore's staging instance.
        let key =
            VerifyingKey::from_der(&STANDARD.decode("MCowBQYDK2VwAyEAlD3dVc8yaP25mPtT/sJ59D3LLxGBgW/qYrM6x6KmOqk=").unwrap()).unwrap();
        assert_eq!(
            STANDARD.encode(LogKey::new("log2025-alpha3.rekor.sigstage.dev", key).id()),
            "09OnDKEw7/hpZiYVPoTRzRbglHk0sylsUovegnRUlJY="
        );
    }

    #[test]
    fn opens_what_it_signed_and_nothing_else() {
        let signer = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let key = LogKey::new("log.example", signer.public().clone());
        let checkpoint = Checkpoint { size: 12, ..Checkpoint::empty("log.example") };
        let note = checkpoint.sign(&signer).unwrap();
        assert_eq!(key.open(&note).unwrap(), checkpoint);
        let witnessed = format!("{note}— witness.example AAAAAAAA\n");
        assert_eq!(key.open(&witnessed).unwrap(), checkpoint, "a witness may sign too");

        let refused = |note: &str| key.open(note).unwrap_err().to_string();
        let other = LogKey::new("log.example", SigningKey::generate(Algorithm::Ed25519).unwrap().public().clone());
        assert!(matches!(other.open(&note), Err(LogError::Unsigned { .. })));
        assert!(matches!(key.open(&note.replacen("log.example", "log.example2", 1)), Err(LogError::Origin { .. })));
        assert!(matches!(key.open(&note.replacen("\n12\n", "\n13\n", 1)), Err(LogError::Signature { .. })));
        let (body, signature) = note.rsplit_once(' ').unwrap();
        let mut bytes = STANDARD.decode(signature.trim()).unwrap();
        bytes[20] ^= 1;
        assert!(matches!(key.open(&format!("{body} {}\n", STANDARD.encode(&bytes))), Err(LogError::Signature { .. })));
        assert!(refused(&note.replacen("\n12\n", "\n012\n", 1)).contains("size is no number"));
        assert!(refused(&note.replacen("\n12\n", "\n", 1)).contains("size is no number"));
        assert!(refused(&note.replace('—', "-")).contains("line of signatures"));
        assert!(refused("log.example\n12\n").contains("no signatures"));
        assert!(refused(&note.replacen('\n', "\n\n", 1)).contains("no size"));
    }
}
