//! in-toto Statement v1: a claim about artifacts that are named by digest
//! (<https://github.com/in-toto/attestation/tree/main/spec/v1>).

use std::collections::BTreeMap;

use base::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The type of every statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// The media type of a statement in JSON.
pub const MEDIA_TYPE: &str = "application/vnd.in-toto+json";

/// A claim of one type about its subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<P> {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What the claim is about; each has a digest.
    pub subject: Vec<Resource>,
    /// What sort of claim it is.
    pub predicate_type: String,
    /// The claim.
    pub predicate: P,
}

/// Something that is named by digest (in-toto's `ResourceDescriptor`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// What it is called, where that tells it from its neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is called everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Algorithm to lower-case hex: `sha256`, `sha512`, `gitCommit`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// Its bytes, where they are small and needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Bytes>,
    /// Where it can be had, if that is not its URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// What sort of bytes it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

/// Bytes, base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl<P> Statement<P> {
    /// Makes a statement.
    pub fn new(subject: Vec<Resource>, predicate_type: &str, predicate: P) -> Self {
        Self { kind: STATEMENT.into(), subject, predicate_type: predicate_type.into(), predicate }
    }
}

impl<P: Serialize> Statement<P> {
    /// Writes the statement on one line, as a payload or a line of a bundle: the same bytes for the same statement.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
    }
}

impl Resource {
    /// Names something by its sha256.
    #[must_use]
    pub fn sha256(name: impl Into<String>, digest: &Digest) -> Self {
        Self { name: Some(name.into()), digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]), ..Self::default() }
    }

    /// Sets the URI.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn media_type(mut self, media_type: &str) -> Self {
        self.media_type = Some(media_type.to_owned());
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotate(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// Returns its sha256, if it has one that can be read.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Digest::from_hex(self.digest.get("sha256")?).ok()
    }

    /// Returns the text of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)?.as_str()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_the_specification_names_its_fields() {
        let mut file = Resource::sha256("x.apk", &Digest::of("x")).uri("pkg:apk/x").annotate("content", "c").media_type("m");
        file.content = Some(Bytes(b"\0\xff".to_vec()));
        file.download_location = Some("https://x.example/x".into());
        let statement = Statement::new(vec![file], "https://x.example/v1", serde_json::json!({}));
        insta::assert_snapshot!(statement.to_json(), @r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x.apk","uri":"pkg:apk/x","digest":{"sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},"content":"AP8=","downloadLocation":"https://x.example/x","mediaType":"m","annotations":{"content":"c"}}],"predicateType":"https://x.example/v1","predicate":{}}"#);
        assert_eq!(serde_json::from_str::<Statement<Value>>(&statement.to_json()).unwrap(), statement);
    }

    #[test]
    fn refuses_content_that_is_no_base64() {
        assert!(serde_json::from_str::<Resource>(r#"{"content":"?"}"#).is_err());
    }
}
