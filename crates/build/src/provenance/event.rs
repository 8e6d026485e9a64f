//! One real run, as it is remembered.

use std::collections::BTreeMap;
use std::path::Path;

use attest::intoto::Resource;
use attest::slsa::{Builder, Predicate};
use attest::spdx::Purl;
use base::tree::TreePath;
use base::{Arch, Digest};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use source::{Fetched, Identity};

use crate::environment::Member;
use crate::provenance::kind;
use crate::seed::{Lock, Locked};
use crate::sources;
use crate::work::Fetch;

/// When a run was, who carried it out, and what went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// The key of the Run action.
    pub(crate) action: Digest,
    /// Its format number.
    pub(crate) format: u32,
    /// In seconds since 1970.
    pub(crate) started: i64,
    /// In seconds since 1970.
    pub(crate) finished: i64,
    /// Who.
    pub(crate) builder: Builder,
    /// Names the call of the program.
    pub(crate) invocation: String,
    /// How many processors it might use.
    pub(crate) cpus: usize,
    /// `SOURCE_DATE_EPOCH`.
    pub(crate) epoch: i64,
    /// Whether owners, set-id bits and devices that the steps made were recorded.
    pub(crate) owners_recorded: bool,
    /// The sources, in order of use.
    pub(crate) sources: Vec<Resource>,
    /// The packages of the root, in install order.
    pub(crate) environment: Vec<Resource>,
    /// Everything that the steps printed.
    pub(crate) log: Option<Digest>,
}

/// What is known of the seeds: how each was locked, and the links that are added to it.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    locked: BTreeMap<String, Locked>,
    links: BTreeMap<String, BTreeMap<TreePath, String>>,
}

/// Reads `seed.lock` and `seed.yaml` beside the definitions. Seeds of another origin are told without them.
pub(crate) fn seeds(distro: &Path) -> Seeds {
    let lock = fs::read_to_string(distro.join("seed.lock")).ok().and_then(|text| Lock::parse(&text).ok());
    let seed = spec::seed::load(&distro.join("seed.yaml")).ok();
    let locked = lock.into_iter().flat_map(|lock| lock.packages).map(|one| (one.name.clone(), one)).collect();
    Seeds { locked, links: seed.map(|seed| seed.links).unwrap_or_default() }
}

/// Describes the packages of a root.
pub(crate) fn environment(members: &[Member], distro: &str, arch: Arch, seeds: &Seeds) -> Vec<Resource> {
    members.iter().map(|member| if member.seed { seed(member, seeds) } else { package(member, distro, arch) }).collect()
}

fn package(member: &Member, distro: &str, arch: Arch) -> Resource {
    let purl = Purl::apk(distro, member.name.as_str(), member.version.as_str(), arch.apk(), None);
    let resource = Resource::sha256(member.name.as_str(), &member.content).uri(purl.to_string());
    resource.annotate("kind", "package").annotate("version", member.version.as_str())
}

fn seed(member: &Member, seeds: &Seeds) -> Resource {
    let resource = Resource::sha256(member.name.as_str(), &member.content);
    let resource = resource.annotate("kind", "seed").annotate("version", member.version.as_str());
    let Some(locked) = seeds.locked.get(member.name.as_str()) else { return resource };
    let purl =
        Purl::new("deb", locked.name.clone()).namespace("debian").version(locked.version.to_string()).qualifier("arch", &locked.arch);
    let resource = resource.uri(purl.to_string()).annotate("deb", json!(locked));
    match seeds.links.get(&locked.name) {
        Some(links) => resource.annotate("links", json!(links)),
        None => resource,
    }
}

/// Reads back which packages were in the root, in install order. The error is the name of what can not be read.
pub fn members(predicate: &Predicate) -> Result<Vec<Member>, String> {
    let is_member = |resource: &&Resource| matches!(resource.annotation("kind"), Some(kind::SEED | kind::PACKAGE));
    let member = |resource: &Resource| {
        let name = resource.name.as_deref()?;
        let seed = resource.annotation("kind") == Some(kind::SEED);
        Some(Member { name: name.parse().ok()?, version: resource.annotation("version")?.parse().ok()?, content: resource.digest()?, seed })
    };
    let all = predicate.build_definition.resolved_dependencies.iter().filter(is_member);
    all.map(|one| member(one).ok_or_else(|| one.name.clone().unwrap_or_default())).collect()
}

/// Describes a source that was brought.
pub(crate) fn source(fetch: &Fetch, fetched: &Fetched, package: &str) -> Resource {
    let mut resource = Resource::sha256(&fetch.file_name, &fetched.digest).uri(&fetch.uri);
    let expected = fetch.expected.to_string();
    if let Some(hex) = expected.strip_prefix("sha512:") {
        resource.digest.insert("sha512".into(), hex.to_owned());
    }
    let identity = Identity::of(&sources::request(fetch, package));
    resource.annotate("kind", "source").annotate("identity", identity.to_string()).annotate("size", fetched.size)
}
