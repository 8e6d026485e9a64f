//! `undistro apk info`: what a package says of itself.

use std::path::PathBuf;

use apk::package::Layout;
use apk::{Package, Record};
use base::{Dependency, Digest};
use serde::Serialize;

use crate::failure::Failure;
use crate::printer::{Printer, size};

/// Say what a package says of itself. Nothing of it is verified but that its front can be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undistro apk info nginx-1.26.3-r0.apk\n  undistro apk info --json nginx-1.26.3-r0.apk")]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct About<'a> {
    #[serde(flatten)]
    record: &'a Record,
    datahash: Option<Digest>,
    /// Not checked.
    signatures: Vec<Signature>,
    /// Scripts by name, with their length in bytes.
    scripts: Vec<&'a str>,
    /// Other files of the control member.
    others: Vec<&'a str>,
    layout: &'a Layout,
}

#[derive(Debug, Serialize)]
struct Signature {
    key: String,
    algorithm: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let package = Package::open(&args.file).map_err(|error| super::package_failure(&error))?;
    let signatures = package.signatures().iter();
    let about = About {
        record: package.record(),
        datahash: package.datahash(),
        signatures: signatures.map(|one| Signature { key: one.key.clone(), algorithm: one.algorithm.to_string() }).collect(),
        scripts: package.scripts().keys().map(String::as_str).collect(),
        others: package.others().keys().map(String::as_str).collect(),
        layout: package.layout(),
    };
    for (key, value) in rows(&about) {
        if !value.is_empty() {
            printer.line(format!("{key:<18} {value}"));
        }
    }
    printer.json(&about);
    Ok(())
}

/// What a person reads, in apk's order. Lists have a row for each item.
fn rows(about: &About<'_>) -> Vec<(&'static str, String)> {
    let info = &about.record.info;
    let optional = |value: Option<String>| value.unwrap_or_default();
    let digest = |digest: Option<Digest>| optional(digest.map(|digest| digest.to_string()));
    let mut rows = vec![
        ("name", info.name.to_string()),
        ("version", info.version.to_string()),
        ("arch", info.arch.clone()),
        ("description", info.description.clone()),
        ("url", info.url.clone()),
        ("license", info.license.clone()),
        ("origin", optional(info.origin.as_ref().map(ToString::to_string))),
        ("commit", optional(info.commit.clone())),
        ("maintainer", optional(info.maintainer.clone())),
        ("packager", optional(info.packager.clone())),
        ("built", optional(info.build_time.and_then(oci::rfc3339))),
        ("size", format!("{} ({} bytes)", size(about.record.size), about.record.size)),
        ("installed size", format!("{} ({} bytes)", size(info.installed_size), info.installed_size)),
        ("checksum", about.record.checksum.to_string()),
        ("data", digest(about.datahash)),
        ("content", digest(about.record.content)),
        ("file", digest(about.record.file)),
        ("provider priority", optional(info.provider_priority.map(|priority| priority.to_string()))),
        ("replaces priority", optional(info.replaces_priority.map(|priority| priority.to_string()))),
        ("not installable", optional(about.record.uninstallable.clone())),
    ];
    let texts = |list: &[Dependency]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let signatures = about.signatures.iter().map(|one| format!("{} by {} (not checked)", one.algorithm, one.key)).collect();
    let lists = [
        ("depends", texts(&info.depends)),
        ("provides", texts(&info.provides)),
        ("replaces", texts(&info.replaces)),
        ("install if", texts(&info.install_if)),
        ("trigger", info.triggers.clone()),
        ("script", owned(&about.scripts)),
        ("other file", owned(&about.others)),
        ("signature", signatures),
    ];
    for (key, list) in lists {
        rows.extend(list.into_iter().map(|item| (key, item)));
    }
    rows
}
