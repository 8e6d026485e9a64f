//! `undistro inspect`: what is in an image.

use std::path::PathBuf;

use base::Arch;
use oci::{Inspection, Manifest, Source};
use serde::Serialize;

use crate::failure::Failure;
use crate::printer::{Printer, size};

/// Say what is in an image: layers, packages, sizes, user, entrypoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undistro inspect ./out\n  undistro inspect image.tar --json")]
pub(crate) struct Args {
    /// An OCI layout, an OCI archive or a docker archive.
    path: PathBuf,
    /// Only the image for this architecture.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

#[derive(Debug, Serialize)]
struct Image {
    #[serde(flatten)]
    inspection: Inspection,
    packages: Vec<Package>,
}

#[derive(Debug, Serialize)]
struct Package {
    name: String,
    version: String,
    license: String,
    installed_size: u64,
}

/// Where the database of installed packages lies.
const DATABASE: &str = "usr/lib/apk/db/installed";

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let source = Source::open(&args.path).map_err(|error| Failure::input(&error))?;
    let manifests = match args.arch {
        Some(arch) => vec![source.manifest(Some(arch)).map_err(|error| Failure::input(&error))?],
        None => source.manifests().map_err(|error| Failure::input(&error))?,
    };
    let mut images = Vec::new();
    for descriptor in &manifests {
        let inspection = oci::inspect(&source, descriptor).map_err(|error| Failure::input(&error))?;
        let manifest = Manifest::read(&source, descriptor).map_err(|error| Failure::input(&error))?;
        let packages = packages(&source, &manifest)?;
        images.push(Image { inspection, packages });
    }
    for image in &images {
        tell(image, printer);
    }
    printer.json(&images);
    Ok(())
}

fn packages(source: &Source, manifest: &Manifest) -> Result<Vec<Package>, Failure> {
    let tree = oci::tree::merged(source, manifest, &|path| path.as_str() == DATABASE).map_err(|error| Failure::input(&error))?;
    let Some(bytes) = tree.content(DATABASE) else { return Ok(Vec::new()) };
    let database = apk::installed::Database::parse(bytes).map_err(|error| Failure::input(&error))?;
    let package = |one: &apk::installed::Installed| {
        let info = &one.record.info;
        Package {
            name: info.name.to_string(),
            version: info.version.to_string(),
            license: info.license.clone(),
            installed_size: info.installed_size,
        }
    };
    Ok(database.packages.iter().map(package).collect())
}

fn tell(image: &Image, printer: &Printer) {
    let about = &image.inspection;
    let variant = about.platform.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    printer.line(format!("{}/{}{variant}  {}", about.platform.os, about.platform.architecture, about.manifest));
    let rows = [
        ("created", about.created.clone().unwrap_or_default()),
        ("user", about.user.clone()),
        ("entrypoint", about.entrypoint.join(" ")),
        ("cmd", about.cmd.join(" ")),
        ("work-dir", about.work_dir.clone()),
        ("stop-signal", about.stop_signal.clone()),
        ("volumes", about.volumes.join(" ")),
        ("environment", about.environment.join(" ")),
    ];
    for (key, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        printer.line(format!("  {key:<12} {value}"));
    }
    printer.line(format!("  {:<12} {} in {} layers", "size", size(about.size), about.layers.len()));
    for layer in &about.layers {
        printer.line(format!("    {}  {:>10}  {}", layer.digest, size(layer.size), layer.comment.clone().unwrap_or_default()));
    }
    printer.line(format!("  {:<12} {}", "packages", image.packages.len()));
    for package in &image.packages {
        let name = format!("{}-{}", package.name, package.version);
        printer.line(format!("    {name:<40} {:>10}  {}", size(package.installed_size), package.license));
    }
}
