//! `undistro sbom`: what a package or an image is made of.

use attest::cyclonedx::Bom;
use attest::spdx::Document;
use base::Digest;
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::remote::RegistryArgs;
use crate::subject::{Image, Prefer, Subject, Thing, files};
use crate::workshop::FetchArgs;

/// Print the SBOM of a package or an image, or check that it, the package database and the files agree.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undistro sbom nginx                              SPDX 2.3 of the image
  undistro sbom ./out --format cyclonedx           CycloneDX 1.6
  undistro sbom packages/x86_64/zlib-1.3.1-r0.apk
  undistro sbom ./out --verify                     SBOM = package database = files")]
pub(crate) struct Args {
    /// A package's file, an image, its name in a registry, or the name of either in the distribution.
    subject: String,
    /// The form.
    #[arg(long, value_enum, default_value = "spdx")]
    format: Format,
    /// Compare an image's SBOM with its package database and every file of it; exit 1 if anything differs.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The form of an SBOM.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// SPDX 2.3.
    Spdx,
    /// CycloneDX 1.6.
    Cyclonedx,
}

#[derive(Debug, Serialize)]
struct Verified {
    packages: usize,
    findings: Vec<String>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(&args.subject, Prefer::Image, global, &args.fetch, &args.registry, printer)?;
    let text = match &subject.thing {
        Thing::Package(package) => {
            let path = format!("var/lib/db/sbom/{}.spdx.json", package.info().identity());
            let found = files(package, &|one| one.as_str() == path)?.pop();
            found.map(|(_, text)| text).ok_or_else(|| Failure::No(Message::text(format!("{} holds no SBOM at /{path}", subject.name))))?
        }
        Thing::Image(image) => of_image(&subject, image)?,
    };
    if args.verify {
        return verify(&subject, &text, printer);
    }
    match args.format {
        Format::Spdx => printer.raw(&text),
        Format::Cyclonedx => printer.raw(format!("{}\n", Bom::of(&parse(&subject, &text)?).to_json().trim_end()).as_bytes()),
    }
    Ok(())
}

fn parse(subject: &Subject, text: &[u8]) -> Result<Document, Failure> {
    Document::from_json(text, &subject.name).map_err(|error| Failure::input(&error))
}

/// The SBOM of an image lies beside it, not in it: by its manifest's digest, in the store that composed it.
fn of_image(subject: &Subject, image: &Image) -> Result<Vec<u8>, Failure> {
    for digest in &image.digests {
        let known = subject.store.record::<Digest>(super::compose::SBOM, digest).map_err(|error| Failure::fault(&error))?;
        if let Some(sbom) = known {
            return subject.store.read_blob(&sbom).map_err(|error| Failure::fault(&error));
        }
    }
    let message = Message::text(format!("the SBOM of {} is not in this store", subject.name));
    Err(Failure::No(message.hint("compose the image with this store; equal definitions give the same image and SBOM")))
}

fn verify(subject: &Subject, text: &[u8], printer: &Printer) -> Result<(), Failure> {
    let Thing::Image(image) = &subject.thing else {
        return Err(Failure::Input(Message::text(
            "--verify compares an image; a package's SBOM is part of the package, which its hashes cover",
        )));
    };
    let document = parse(subject, text)?;
    let findings =
        image::verify(image.blobs(&subject.store), image.only(&subject.name)?, &document).map_err(|error| Failure::input(&error))?;
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let packages = document.packages.len();
    findings.iter().for_each(|finding| printer.line(finding));
    if findings.is_empty() {
        printer.line(format!("{}: SBOM, package database and files agree", subject.name));
    }
    let failed = !findings.is_empty();
    printer.json(&Verified { packages, findings });
    if failed { Err(Failure::Said) } else { Ok(()) }
}
