//! `undistro explain`: why each package is in an image, and whose a file is.

use base::Dependency;
use base::tree::TreePath;
use build::provenance::kept;
use image::explain::{Because, Reason, Step};
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::remote::RegistryArgs;
use crate::subject::{Image, Prefer, Subject, Thing};
use crate::workshop::FetchArgs;

/// Say why each package is in an image: the chain of requirements; or which package a file is of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undistro explain nginx\n  undistro explain ./out /usr/lib/libz.so.1\n  undistro explain ./out --json")]
pub(crate) struct Args {
    /// An image, its name in a registry, or in the distribution.
    image: String,
    /// A file in it.
    path: Option<String>,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Serialize)]
struct Owned<'a> {
    path: String,
    owners: Vec<String>,
    reasons: Vec<&'a Reason>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(&args.image, Prefer::Image, global, &args.fetch, &args.registry, printer)?;
    let Thing::Image(image) = &subject.thing else {
        return Err(Failure::Input(Message::text(format!("{} is no image", subject.name))));
    };
    let snapshot = subject.snapshot(&|_| false)?;
    let infos: Vec<_> = snapshot.database.packages.iter().map(|one| &one.record.info).collect();
    let reasons = image::explain(&infos, &wants(&subject, image)?);
    let Some(path) = &args.path else {
        reasons.iter().for_each(|reason| printer.line(format!("{:<40} {}", reason.package, chain(reason))));
        printer.json(&reasons);
        return Ok(());
    };
    let path = TreePath::parse(path.trim_start_matches('/')).map_err(|error| Failure::input(&error))?;
    if !snapshot.entries.contains_key(&path) {
        return Err(Failure::No(Message::text(format!("{} holds no /{path}", subject.name))));
    }
    let owners = snapshot.owners(&path);
    if owners.is_empty() {
        printer.line(format!("/{path} is of no package: composing the image made it"));
    }
    let why: Vec<&Reason> = reasons.iter().filter(|reason| owners.contains(&reason.package)).collect();
    why.iter().for_each(|reason| printer.line(format!("/{path} is of {}: {}", reason.package, chain(reason))));
    printer.json(&Owned { path: format!("/{path}"), owners, reasons: why });
    Ok(())
}

/// What the definition asked for, where its provenance is known.
fn wants(subject: &Subject, image: &Image) -> Result<Vec<Dependency>, Failure> {
    for digest in &image.digests {
        let statements = kept(&subject.store, digest).map_err(|error| Failure::fault(&error))?;
        let parameters = statements.into_iter().next().map(|one| one.predicate.build_definition.external_parameters);
        if let Some(wants) = parameters.and_then(|mut all| all.remove("wants")) {
            return serde_json::from_value(wants).map_err(|error| Failure::fault(&error));
        }
    }
    Ok(Vec::new())
}

fn chain(reason: &Reason) -> String {
    let step = |step: &Step| match &step.because {
        Because::Wanted(want) => format!("the image asks for {want}"),
        Because::Needed(need) => format!("→ {need} ({})", step.package),
        Because::Companion(of) => {
            format!("it comes with {}", of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }
        Because::Top => format!("{}, which no other package needs", step.package),
    };
    reason.chain.iter().map(step).collect::<Vec<_>>().join(" ")
}
