//! The configuration of an image: how it runs and what its layers are (image-spec, config.md).
//!
//! Members are written in the order in which Go's container libraries write them, so that an image that another tool
//! would make has the same bytes here.

use std::collections::BTreeMap;

use base::Digest;
use serde::{Deserialize, Serialize};

/// An image's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Architecture, as Go names it.
    pub architecture: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// How each layer came to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// `linux`.
    pub os: String,
    /// The layers, by the digest of their uncompressed bytes.
    pub rootfs: RootFs,
    /// How it runs.
    #[serde(default)]
    pub config: Execution,
    /// Variant of the architecture: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// How an image runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// Arguments of the entrypoint, or the command itself.
    #[serde(default, skip_serializing_if = "nothing")]
    pub cmd: Option<Vec<String>>,
    /// What is run.
    #[serde(default, skip_serializing_if = "nothing")]
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "nothing")]
    pub env: Option<Vec<String>>,
    /// Anything else, by key.
    #[serde(default, skip_serializing_if = "nothing_by_key")]
    pub labels: Option<BTreeMap<String, String>>,
    /// User, or user and group: `65532:65532`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Where something may be mounted.
    #[serde(default, skip_serializing_if = "nothing_by_key")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Where it starts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Ports that it listens on: `8080/tcp`.
    #[serde(default, skip_serializing_if = "nothing_by_key")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// The signal that asks it to end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
}

/// An object without members, which is how Go writes a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// How a layer came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

fn nothing<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

fn nothing_by_key<T>(map: &Option<BTreeMap<String, T>>) -> bool {
    map.as_ref().is_none_or(BTreeMap::is_empty)
}

impl Config {
    /// Returns the bytes that its digest is of.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, lists and maps of strings are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_members_in_the_order_of_gos_libraries() {
        let config = Config {
            architecture: "amd64".into(),
            created: crate::rfc3339(0),
            os: "linux".into(),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![] },
            config: Execution {
                user: "65532".into(),
                cmd: Some(vec!["a".into()]),
                volumes: Some(BTreeMap::from([("/data".into(), Empty {})])),
                ..Execution::default()
            },
            ..Config::default()
        };
        let text = String::from_utf8(config.to_bytes()).unwrap();
        assert_eq!(
            text,
            r#"{"architecture":"amd64","created":"1970-01-01T00:00:00Z","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Cmd":["a"],"User":"65532","Volumes":{"/data":{}}}}"#
        );
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    }

    #[test]
    fn reads_null_where_go_writes_it() {
        let text = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Cmd":null,"Env":null}}"#;
        assert_eq!(serde_json::from_str::<Config>(text).unwrap().config, Execution::default());
    }
}
