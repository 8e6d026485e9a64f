//! What is trusted from the start: logs and their keys; certificate and timestamp authorities for keyless claims.
//!
//! The file is Sigstore's `trusted_root.json` (`application/vnd.dev.sigstore.trustedroot+json;version=0.1`): one for us and for cosign.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::intoto::Bytes;
use crate::log::LogKey;
use crate::signing::{Period, VerifyingKey};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/// The longest trust root that is read; Sigstore's own is 10 KiB.
const MAX_SIZE: usize = 4 << 20;

/// Why a trust root can not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is too long.
    #[error("the trust root has {size} bytes, more than {MAX_SIZE}")]
    Size {
        /// How long it is.
        size: usize,
    },
    /// It is not JSON of that shape.
    #[error("the trust root is not of the shape that its format has")]
    Shape(#[source] serde_json::Error),
    /// A log's period.
    #[error("the log {log} says no time from which it is trusted")]
    Period {
        /// Where the log is.
        log: String,
    },
}

/// A log whose checkpoints are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedLog {
    /// Its name and key.
    pub key: LogKey,
    /// When they count.
    pub period: Period,
}

/// What is trusted from the start.
#[derive(Debug, Clone, Default)]
pub struct TrustRoot {
    logs: Vec<TrustedLog>,
    /// Logs that we do not read, such as those of Rekor v1: `crate::sigstore` may.
    others: usize,
    json: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<Tlog>,
    #[serde(default)]
    certificate_authorities: Vec<Value>,
    #[serde(default)]
    ctlogs: Vec<Value>,
    #[serde(default)]
    timestamp_authorities: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tlog {
    base_url: String,
    hash_algorithm: String,
    public_key: PublicKey,
    log_id: KeyId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    raw_bytes: Bytes,
    key_details: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_for: Option<ValidFor>,
}

#[derive(Serialize, Deserialize)]
struct ValidFor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyId {
    key_id: Bytes,
}

impl TrustRoot {
    /// Trusts logs. Each needs the time from which it is trusted, since others' readers ask for it.
    pub fn new(logs: Vec<TrustedLog>) -> Result<Self, TrustError> {
        if let Some(log) = logs.iter().find(|log| log.period.from.is_none()) {
            return Err(TrustError::Period { log: log.key.origin().to_owned() });
        }
        let tlogs = logs.iter().map(Tlog::of).collect();
        let (authorities, ctlogs, tsas) = (Vec::new(), Vec::new(), Vec::new());
        let file = File { media_type: MEDIA_TYPE.into(), tlogs, certificate_authorities: authorities, ctlogs, timestamp_authorities: tsas };
        let json = serde_json::to_string_pretty(&file).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}")) + "\n";
        Ok(Self { logs, others: 0, json })
    }

    /// Reads `trusted_root.json`.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        if text.len() > MAX_SIZE {
            return Err(TrustError::Size { size: text.len() });
        }
        let file: File = serde_json::from_str(text).map_err(TrustError::Shape)?;
        let (mut logs, mut others) = (Vec::new(), 0);
        for tlog in file.tlogs {
            match tlog.read()? {
                Some(log) => logs.push(log),
                None => others += 1,
            }
        }
        Ok(Self { logs, others, json: text.to_owned() })
    }

    /// Returns the file, for us and for cosign.
    #[must_use]
    pub fn to_json(&self) -> &str {
        &self.json
    }

    /// Returns the logs that we read.
    #[must_use]
    pub fn logs(&self) -> &[TrustedLog] {
        &self.logs
    }

    /// Returns how many logs it names that we do not read ourselves.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others
    }

    /// Returns the log of an id.
    pub(crate) fn log(&self, id: &[u8]) -> Option<&TrustedLog> {
        self.logs.iter().find(|log| log.key.id() == id)
    }
}

impl Tlog {
    fn of(log: &TrustedLog) -> Self {
        let key = log.key.key();
        let public_key = PublicKey {
            raw_bytes: Bytes(key.to_der().to_vec()),
            key_details: key.details().into(),
            valid_for: Some(ValidFor { start: log.period.from, end: log.period.until }),
        };
        Self {
            base_url: format!("https://{}", log.key.origin()),
            hash_algorithm: "SHA2_256".into(),
            public_key,
            log_id: KeyId { key_id: Bytes(log.key.id().to_vec()) },
        }
    }

    /// Takes a log whose id is the one that its name and key make: others are not of tiles.
    fn read(self) -> Result<Option<TrustedLog>, TrustError> {
        let origin = self.base_url.strip_prefix("https://").unwrap_or(&self.base_url).trim_end_matches('/').to_owned();
        let Ok(key) = VerifyingKey::from_der(&self.public_key.raw_bytes.0) else { return Ok(None) };
        let key = LogKey::new(origin.clone(), key);
        if key.id()[..] != self.log_id.key_id.0 {
            return Ok(None);
        }
        let period = self.public_key.valid_for.ok_or_else(|| TrustError::Period { log: origin.clone() })?;
        if period.start.is_none() {
            return Err(TrustError::Period { log: origin });
        }
        Ok(Some(TrustedLog { key, period: Period { from: period.start, until: period.end } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{Algorithm, Signer as _, SigningKey};

    #[test]
    fn a_root_survives_its_text() {
        let signer = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let key = LogKey::new("log.example", signer.public().clone());
        let log = TrustedLog { key, period: Period { from: Some(from), until: None } };
        let root = TrustRoot::new(vec![log.clone()]).unwrap();
        let read = TrustRoot::parse(root.to_json()).unwrap();
        assert_eq!((read.logs(), read.others()), (&[log.clone()][..], 0));
        assert!(read.log(log.key.id()).is_some());
        assert!(read.log(&[0; 32]).is_none());
        let open = TrustedLog { period: Period::default(), ..log };
        assert!(matches!(TrustRoot::new(vec![open]), Err(TrustError::Period { .. })));
        assert!(matches!(TrustRoot::parse(&root.to_json().replace("start", "begin")), Err(TrustError::Period { .. })));
        assert!(matches!(TrustRoot::parse("{}"), Err(TrustError::Shape(_))));
    }
}
