//! Claims about images in registries: made once, found again, and put beside the image in both forms.

use attest::bundle::Bundle;
use attest::log::LogKey;
use attest::policy::{Policy, SIGNATURE, Tier};
use attest::signing::{Period, Ring, RingKey, Signer as _, SigningKey, VerifyingKey};
use attest::simple::Payload;
use attest::trust::{TrustRoot, TrustedLog};
use attest::verify::{Against, Found, verify};
use base::Digest;
use jiff::Timestamp;
use oci::remote::{Reference, Remote};
use serde_json::Value;

use crate::beside::{self, Older};
use crate::claims::{self, About, SigningArgs};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::remote::{self, RegistryArgs};
use crate::secret;

/// Options of verbs that put claims beside images.
#[derive(Debug, clap::Args)]
pub(crate) struct BesideArgs {
    /// Of an image: write bundles only, and not the older tags that podman, skopeo and cosign 2 look for.
    #[arg(long)]
    pub(crate) no_tags: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// A claim that is to be beside an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    /// The type of its predicate.
    pub(crate) kind: &'a str,
    pub(crate) predicate: &'a Value,
}

/// Signs a claim about an image and puts it beside it. One that is there already, and holds, is not made again.
pub(crate) fn put(name: &str, claim: Claim<'_>, signing: &SigningArgs, args: &BesideArgs, printer: &Printer) -> Result<(), Failure> {
    let reference = remote::reference(name)?;
    let client = args.registry.client()?;
    let remote = remote::open(&client, &reference)?;
    let failed = |error| remote::failure(&error);
    let subject = remote.manifest(&reference.pointer()).map_err(failed)?.descriptor;
    let repository = reference.repository.to_string();
    let about = About { name: repository.clone(), digest: subject.digest };
    let key = secret::signing_key(&signing.key, printer)?;
    let log = signing.log_key.as_ref().map(|path| secret::signing_key(path, printer)).transpose()?;
    let there = beside::bundles(&remote, &subject.digest).map_err(failed)?;
    if let Some(found) = already(&there, &about, claim, &key, signing, log.as_ref())? {
        printer.json(&serde_json::json!({ "subject": subject.digest, "manifest": found, "made": false }));
        printer.line(format!("{repository}@{}: has this claim already, in {found}", subject.digest));
        return Ok(());
    }
    let bundle = claims::make(&about, claim.kind, claim.predicate.clone(), &key, signing.log.as_deref().zip(log.as_ref()))?;
    let manifest = beside::attach(&remote, &subject, &bundle, claim.kind).map_err(failed)?;
    if !args.no_tags {
        older(&remote, &repository, &subject.digest, claim, &bundle, &key)?;
    }
    let entry = bundle.verification_material.tlog_entries.first().map(|entry| entry.log_index.as_str());
    printer.json(&serde_json::json!({ "subject": subject.digest, "manifest": manifest, "logIndex": entry, "made": true }));
    let logged = entry.map_or_else(|| "in no log".to_owned(), |index| format!("in the log at {index}"));
    printer.line(format!("{repository}@{}: signed, {logged}, beside it as {manifest}", subject.digest));
    Ok(())
}

/// Puts the claim under the older tag too.
fn older(
    remote: &Remote<'_>,
    repository: &str,
    subject: &Digest,
    claim: Claim<'_>,
    bundle: &Bundle,
    key: &SigningKey,
) -> Result<(), Failure> {
    let payload = Payload::new(repository, *subject);
    let signature = payload.sign(key).map_err(|error| Failure::fault(&error))?;
    let claim = match &bundle.dsse_envelope {
        _ if claim.kind == SIGNATURE => Older::Signature(&payload, &signature),
        Some(envelope) => Older::Attestation(envelope, claim.kind),
        None => return Ok(()),
    };
    beside::attach_older(remote, subject, claim).map_err(|error| remote::failure(&error))
}

/// Returns the manifest of a claim that says the same, by the same key, and is in the log if it should be.
fn already(
    there: &[(Digest, Vec<u8>)],
    about: &About,
    claim: Claim<'_>,
    key: &SigningKey,
    signing: &SigningArgs,
    log: Option<&SigningKey>,
) -> Result<Option<Digest>, Failure> {
    let root = match (signing.log.as_deref(), log) {
        (Some(folder), Some(log)) => {
            let origin = claims::checkpoint(&attest::log::Folder::new(folder))?.origin;
            let period = Period { from: Some(Timestamp::UNIX_EPOCH), until: None };
            let log = TrustedLog { key: LogKey::new(origin, log.public().clone()), period };
            TrustRoot::new(vec![log]).map_err(|error| Failure::fault(&error))?
        }
        _ => TrustRoot::default(),
    };
    let least = if log.is_some() { Tier::T1 } else { Tier::T0 };
    let policy = Policy::signed_by(ring(key.public()), least);
    let names: Vec<_> = there.iter().map(|(digest, _)| digest.to_string()).collect();
    let found: Vec<_> = names.iter().zip(there).map(|(name, (_, bundle))| Found { name, bundle }).collect();
    let report = verify(&about.digest, &found, &Against { policy: &policy, root: &root, seen: &[], now: claims::now() });
    let same = report.of_type(claim.kind).find(|one| one.tier >= least && one.predicate == *claim.predicate);
    Ok(same.and_then(|one| one.found.parse().ok()))
}

fn ring(key: &VerifyingKey) -> Ring {
    Ring::new(vec![RingKey { name: "the key".into(), key: key.clone(), period: Period::default() }])
}

/// Bundles with the names of the manifests that hold them.
type Bundles = Vec<(String, Vec<u8>)>;

/// Returns what an image is, and the bundles beside it with their names.
pub(crate) fn find(name: &str, args: &RegistryArgs) -> Result<(About, Bundles), Failure> {
    let reference: Reference = remote::reference(name)?;
    let client = args.client()?;
    let remote = remote::open(&client, &reference)?;
    let failed = |error| remote::failure(&error);
    let pointer = reference.pointer();
    let digest = remote.manifest(&pointer).map_err(failed)?.descriptor.digest;
    let found = beside::bundles(&remote, &digest).map_err(failed)?;
    let about = About { name: format!("{}@{digest}", reference.repository), digest };
    Ok((about, found.into_iter().map(|(digest, bundle)| (digest.to_string(), bundle)).collect()))
}
