//! The OCI configuration of an image, from its definition and its layers.

use std::collections::BTreeMap;

use base::{Arch, Digest};
use oci::{Config, Execution, History, Platform, RootFs, media};

/// What an image's environment holds unless its definition says otherwise (as apko's).
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin"), ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")];

/// Who is named as the maker.
const MAKER: &str = "undistro";

/// Returns the annotations of an image: those of its definition, when it was made, and where its definition is kept.
pub(crate) fn annotations(definition: &spec::image::Config, created: &str) -> BTreeMap<String, String> {
    let mut annotations = definition.annotations.clone();
    let mut add = |key: &str, value: &str| {
        annotations.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    };
    add(media::CREATED, created);
    if let Some((url, revision)) = definition.vcs_url.as_deref().map(|url| url.rsplit_once('@').unwrap_or((url, ""))) {
        add("org.opencontainers.image.source", url);
        if !revision.is_empty() {
            add("org.opencontainers.image.revision", revision);
        }
    }
    annotations
}

/// Makes the configuration. `layers` are diff ids with what the history says of each.
pub(crate) fn config(
    definition: &spec::image::Config,
    arch: Arch,
    created: &str,
    layers: &[(Digest, String)],
    labels: BTreeMap<String, String>,
) -> Config {
    let Platform { architecture, os, variant } = Platform::linux(arch);
    let history = |(_, comment): &(Digest, String)| History {
        created: Some(created.to_owned()),
        created_by: Some(MAKER.into()),
        comment: Some(comment.clone()),
        ..History::default()
    };
    let list = |words: Vec<String>| (!words.is_empty()).then_some(words);
    Config {
        architecture,
        os,
        variant,
        author: Some(MAKER.into()),
        created: Some(created.to_owned()),
        history: layers.iter().map(history).collect(),
        rootfs: RootFs { kind: "layers".into(), diff_ids: layers.iter().map(|(diff_id, _)| *diff_id).collect() },
        config: Execution {
            entrypoint: list(definition.entrypoint.words()),
            cmd: list(definition.cmd.clone()),
            env: list(environment(definition)),
            labels: Some(labels),
            user: definition.accounts.user().unwrap_or_default(),
            volumes: Some(definition.volumes.iter().map(|path| (path.clone(), oci::Empty {})).collect()),
            working_dir: definition.work_dir.clone().unwrap_or_default(),
            stop_signal: definition.stop_signal.clone().unwrap_or_default(),
            exposed_ports: None,
        },
    }
}

fn environment(definition: &spec::image::Config) -> Vec<String> {
    let mut environment: BTreeMap<&str, &str> = ENVIRONMENT.into();
    environment.extend(definition.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_definition_says() {
        let definition = spec::image::Config {
            environment: BTreeMap::from([("LANG".into(), "C".into()), ("PATH".into(), "/bin".into())]),
            cmd: vec!["-g".into(), "daemon off;".into()],
            volumes: vec!["/data".into()],
            vcs_url: Some("https://example.org/x@abc".into()),
            work_dir: Some("/".into()),
            stop_signal: Some("SIGQUIT".into()),
            ..spec::image::Config::default()
        };
        let labels = annotations(&definition, "1970-01-01T00:00:00Z");
        let config = config(&definition, Arch::Armv7, "1970-01-01T00:00:00Z", &[(Digest::of(""), "a layer".into())], labels);
        insta::assert_snapshot!(serde_json::to_string_pretty(&config).unwrap());
    }
}
