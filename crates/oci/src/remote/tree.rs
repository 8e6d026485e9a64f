//! An image as a tree: index, manifests, layers, and what refers to each.

use std::collections::BTreeMap;

use base::Digest;
use serde::Serialize;

use super::{Document, Fetched, Origin, Plan, Referrers, RemoteError};
use crate::{Descriptor, Platform};

/// One manifest or index, and what hangs from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Its digest.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// What it is for, where it is no image.
    pub artifact_type: Option<String>,
    /// What it runs on, as the index says.
    pub platform: Option<Platform>,
    /// The tag by which it is found, where that is cosign's older form.
    pub tag: Option<String>,
    /// Bytes of the manifest itself.
    pub size: u64,
    /// Anything else, by key.
    pub annotations: BTreeMap<String, String>,
    /// The configuration of a manifest.
    pub config: Option<Descriptor>,
    /// The layers of a manifest.
    pub layers: Vec<Descriptor>,
    /// The manifests of an index.
    pub manifests: Vec<Self>,
    /// What refers to it.
    pub referrers: Vec<Self>,
}

impl Tree {
    /// Reads an image with everything that refers to it. No blob is opened.
    pub fn of(origin: &dyn Origin, root: Fetched) -> Result<Self, RemoteError> {
        let plan = Plan::new(origin, root, Referrers::With)?;
        let steps = plan.steps.iter().map(|step| (step.fetched.descriptor.digest, &step.fetched)).collect();
        Grown { plan: &plan, steps }.branch(&plan.root, None, None, &mut Vec::new())
    }
}

struct Grown<'a> {
    plan: &'a Plan,
    steps: BTreeMap<Digest, &'a Fetched>,
}

impl Grown<'_> {
    /// `above` are the manifests on the way here: a manifest can not be below itself, but for a hostile registry's word.
    fn branch(&self, one: &Fetched, platform: Option<&Platform>, tag: Option<&str>, above: &mut Vec<Digest>) -> Result<Tree, RemoteError> {
        let descriptor = &one.descriptor;
        let document = Document::parse(&one.bytes, &descriptor.digest)?;
        let mut manifests = Vec::new();
        let mut referrers = Vec::new();
        if !above.contains(&descriptor.digest) {
            above.push(descriptor.digest);
            for child in document.manifests.iter().flatten() {
                if let Some(fetched) = self.steps.get(&child.digest) {
                    manifests.push(self.branch(fetched, child.platform.as_ref(), None, above)?);
                }
            }
            for referrer in self.plan.referrers.iter().filter(|one| one.subject == descriptor.digest) {
                if let Some(fetched) = self.steps.get(&referrer.digest) {
                    referrers.push(self.branch(fetched, None, referrer.tag.as_deref(), above)?);
                }
            }
            above.pop();
        }
        Ok(Tree {
            digest: descriptor.digest,
            media_type: descriptor.media_type.clone(),
            artifact_type: document.artifact_type(),
            platform: platform.cloned(),
            tag: tag.map(str::to_owned),
            size: descriptor.size,
            annotations: document.annotations.unwrap_or_default(),
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            manifests,
            referrers,
        })
    }
}
