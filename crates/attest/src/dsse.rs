//! DSSE: a signed envelope around bytes of a named type (<https://github.com/secure-systems-lab/dsse>, v1.0).

use serde::{Deserialize, Serialize};

use crate::intoto::{Bytes, MEDIA_TYPE};
use crate::key::BadSignature;
use crate::signing::{Signer, SigningError, VerifyingKey};

/// The media type of an envelope, as cosign's `.att` tags name it.
pub const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// Bytes of a named type, and who signed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The bytes, exactly as they were signed.
    pub payload: Bytes,
    /// What they are.
    pub payload_type: String,
    /// Signatures over type and bytes.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A hint at the key. Nothing rests on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
    /// The signature.
    pub sig: Bytes,
}

/// Returns what is signed: type and payload, each with its length (`PAE` of the specification).
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a statement. The same statement and key give the same envelope.
    pub fn sign(statement: &str, signer: &dyn Signer) -> Result<Self, SigningError> {
        let sig = signer.sign(&pae(MEDIA_TYPE, statement.as_bytes()))?;
        let signature = Signature { keyid: String::new(), sig: Bytes(sig) };
        Ok(Self { payload: Bytes(statement.as_bytes().to_vec()), payload_type: MEDIA_TYPE.into(), signatures: vec![signature] })
    }

    /// Returns what its signatures are over.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload.0)
    }

    /// Verifies one of its signatures.
    pub fn verify(&self, signature: &Signature, key: &VerifyingKey) -> Result<(), BadSignature> {
        key.verify(&self.pae(), &signature.sig.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{Algorithm, SigningKey};

    #[test]
    fn encodes_as_the_specification_shows() {
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_signature_holds_for_this_type_and_these_bytes() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let envelope = Envelope::sign("{}", &key).unwrap();
        assert_eq!(envelope, Envelope::sign("{}", &key).unwrap());
        let verify = |envelope: &Envelope| envelope.verify(&envelope.signatures[0], key.public());
        assert_eq!(verify(&envelope), Ok(()));
        assert_eq!(verify(&Envelope { payload_type: "text/plain".into(), ..envelope.clone() }), Err(BadSignature));
        assert_eq!(verify(&Envelope { payload: Bytes(b"{ }".to_vec()), ..envelope.clone() }), Err(BadSignature));
    }
}
