//! What a log holds of a signature: `hashedrekord` 0.0.2, what was signed by digest, the signature, the key
//! (rekor-tiles, `hashedrekord.proto`; canonical JSON of RFC 8785).

use base::Digest;
use serde::{Deserialize, Serialize};

use crate::intoto::Bytes;
use crate::signing::VerifyingKey;

/// The kind of every entry.
pub const KIND: &str = "hashedrekord";

/// The version of the kind.
pub const VERSION: &str = "0.0.2";

/// What a log holds of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The sha256 of what was signed.
    pub digest: Digest,
    /// The signature.
    pub signature: Vec<u8>,
    /// The key.
    pub key: VerifyingKey,
}

// Fields stand in the order of their names: canonical JSON sorts them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(rename = "hashedRekordV002")]
    record: Record,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    data: Data,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    algorithm: String,
    digest: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    content: Bytes,
    verifier: Verifier,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Verifier {
    key_details: String,
    public_key: PublicKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublicKey {
    raw_bytes: Bytes,
}

impl Entry {
    /// Writes the entry as the log holds it.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let key = PublicKey { raw_bytes: Bytes(self.key.to_der().to_vec()) };
        let body = Body {
            api_version: VERSION.into(),
            kind: KIND.into(),
            spec: Spec {
                record: Record {
                    data: Data { algorithm: "SHA2_256".into(), digest: Bytes(self.digest.as_bytes().to_vec()) },
                    signature: Signature {
                        content: Bytes(self.signature.clone()),
                        verifier: Verifier { key_details: self.key.details().into(), public_key: key },
                    },
                },
            },
        };
        serde_json::to_vec(&body).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
    }

    /// Reads an entry. One that is written in another way than [`Entry::to_body`] does is refused.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let read: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let Record { data, signature } = read.spec.record;
        let digest: [u8; 32] = data.digest.0.try_into().map_err(|_| "its digest has not 32 bytes")?;
        let key = VerifyingKey::from_der(&signature.verifier.public_key.raw_bytes.0).map_err(|error| error.to_string())?;
        let entry = Self { digest: Digest::from_bytes(digest), signature: signature.content.0, key };
        if entry.to_body() == body { Ok(entry) } else { Err("it is not written canonically".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{Algorithm, Signer as _, SigningKey};

    #[test]
    fn prints_what_it_parses_and_nothing_else() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let entry = Entry { digest: Digest::of("x"), signature: vec![1, 2, 3], key: key.public().clone() };
        let body = String::from_utf8(entry.to_body()).unwrap();
        assert_eq!(Entry::parse(body.as_bytes()).unwrap(), entry);
        for (from, to) in [
            ("0.0.2", "0.0.1"),
            ("hashedrekord", "dsse"),
            ("SHA2_256", "SHA2_512"),
            ("{\"data\"", "{ \"data\""),
            ("P256", "P384"),
            ("\"kind\"", "\"sort\""),
        ] {
            assert!(body.contains(from), "{from}");
            assert!(Entry::parse(body.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
        }
    }
}
