//! From an event and the packages it made to a statement.

use std::collections::BTreeMap;

use apk::Record;
use attest::intoto::Resource;
use attest::slsa::{BuildDefinition, Metadata, PACKAGE_BUILD, Predicate, Provenance, RunDetails, timestamp};
use base::Digest;
use serde_json::{Value, json};
use spec::Recipe;

use super::{Event, ProvenanceError};
use crate::action::EMIT_FORMAT;
use crate::linked::Linked;

/// The values of the annotation `kind`, by which what was taken is told apart.
pub mod kind {
    /// A file of the definition; its bytes are in the statement.
    pub const DEFINITION: &str = "definition";
    /// A source that a step fetched.
    pub const SOURCE: &str = "source";
    /// A package of ours that was in the build root, or that an image is composed of.
    pub const PACKAGE: &str = "package";
    /// A foreign package that was in the build root.
    pub const SEED: &str = "seed";
    /// The commit that the definitions were checked out from.
    pub const CHECKOUT: &str = "checkout";
}

/// What a build made, besides the event.
pub(crate) struct Made<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) packages: &'a [Record],
    /// The key of the Emit action.
    pub(crate) emit: Digest,
    /// The definition's text.
    pub(crate) materials: Vec<Resource>,
    /// What was linked into the packages from the build root.
    pub(crate) linked: &'a Linked,
    /// Where it was checked out from.
    pub(crate) checkout: Option<Resource>,
}

/// Describes an unsigned package: its content is the sha256 of its control and data members, which are a file of their own.
fn subject(record: &Record) -> Option<Resource> {
    let content = record.content?;
    let resource = Resource::sha256(file_name(record), &content);
    Some(resource.annotate("content", content.to_string()).annotate("signed", false))
}

fn file_name(record: &Record) -> String {
    format!("{}.apk", record.info.identity())
}

/// Describes a signed package: the digest is that of the file that people have.
#[must_use]
pub fn subject_of_file(record: &Record, file: &Digest, content: &Digest) -> Resource {
    Resource::sha256(file_name(record), file).annotate("content", content.to_string()).annotate("signed", true)
}

/// States how the packages of a definition came to be.
pub(crate) fn statement(event: &Event, made: Made<'_>) -> Result<Provenance, ProvenanceError> {
    let time = |seconds| timestamp(seconds).ok_or(ProvenanceError::Time(seconds));
    let recipe = serde_json::to_vec(made.recipe).unwrap_or_else(|error| unreachable!("a recipe becomes JSON: {error}"));
    let mut resolved: Vec<Resource> = made.checkout.into_iter().collect();
    resolved.extend(made.materials);
    resolved.extend(event.sources.iter().cloned());
    resolved.extend(event.environment.iter().cloned());
    let mut byproducts = vec![Resource::sha256("recipe", &Digest::of(&recipe)).annotate("is", "the evaluated definition as JSON")];
    byproducts.extend(linked(made.linked));
    byproducts.extend(event.log.map(|log| Resource::sha256("log", &log).media_type("text/plain")));
    let predicate = Predicate {
        build_definition: BuildDefinition {
            build_type: PACKAGE_BUILD.into(),
            external_parameters: external(made.recipe),
            internal_parameters: internal(event, &made.emit),
            resolved_dependencies: resolved,
        },
        run_details: RunDetails {
            builder: event.builder.clone(),
            metadata: Metadata {
                invocation_id: event.invocation.clone(),
                started_on: time(event.started)?,
                finished_on: time(event.finished)?,
            },
            byproducts,
        },
    };
    Ok(predicate.about(made.packages.iter().filter_map(subject).collect()))
}

/// Lists the objects of the root that are in the packages, as far as they can be told.
fn linked(linked: &Linked) -> Option<Resource> {
    let object = |package: &base::PackageName, object: &crate::linked::Object| {
        let member = &object.member;
        json!({ "package": package, "file": object.file, "object": object.object, "of": member.name, "content": member.content, "seed": member.seed })
    };
    let objects: Vec<Value> = linked.iter().flat_map(|(name, all)| all.iter().map(move |one| object(name, one))).collect();
    let text = serde_json::to_vec(&objects).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"));
    let resource = Resource::sha256("linked", &Digest::of(text)).annotate("is", "objects of the build root whose code is in the packages");
    (!objects.is_empty()).then(|| resource.annotate("objects", objects))
}

/// An object that a statement says is in a package, as far as others ask for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct LinkedObject {
    /// The package that it is in.
    pub package: String,
    /// The package of the build root that has it.
    pub of: String,
    /// The content of that.
    pub content: Digest,
    /// Whether that is a seed.
    pub seed: bool,
}

/// The objects of the build root that a statement says are in the packages.
pub fn linked_objects(statement: &Provenance) -> impl Iterator<Item = LinkedObject> {
    let lists = statement.predicate.run_details.byproducts.iter().filter(|one| one.name.as_deref() == Some("linked"));
    let objects = lists.filter_map(|one| one.annotations.get("objects")?.as_array()).flatten();
    objects.filter_map(|object| serde_json::from_value(object.clone()).ok())
}

fn external(recipe: &Recipe) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("definition".to_owned(), json!(format!("packages/{}/package.yaml", recipe.name))),
        ("package".to_owned(), json!(recipe.name)),
        ("version".to_owned(), json!(recipe.full_version())),
        ("arch".to_owned(), json!(recipe.arch)),
    ])
}

fn internal(event: &Event, emit: &Digest) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("sourceDateEpoch".to_owned(), json!(event.epoch)),
        ("cpus".to_owned(), json!(event.cpus)),
        ("actions".to_owned(), json!({ "run": event.action, "emit": emit })),
        ("formats".to_owned(), json!({ "run": event.format, "emit": EMIT_FORMAT })),
        ("sandbox".to_owned(), json!({ "network": "none", "liftedGuards": [], "ownersRecorded": event.owners_recorded })),
    ])
}
