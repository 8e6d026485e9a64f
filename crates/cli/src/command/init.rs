//! `undistro init`: begins a definition from a template.

use base::PackageName;
use fs_err as fs;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::project;

/// Begin a definition from a template.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undistro init package hello\n  undistro init image hello")]
pub(crate) struct Args {
    /// What to begin.
    #[arg(value_enum)]
    what: What,
    /// Its name.
    name: PackageName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// packages/NAME/package.yaml
    Package,
    /// images/NAME/image.yaml
    Image,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let distro = project::distro(global)?;
    let (folder, file, text) = match args.what {
        What::Package => ("packages", "package.yaml", spec::scaffold::package(&args.name)),
        What::Image => ("images", "image.yaml", spec::scaffold::image(&args.name)),
    };
    let folder = distro.join(folder).join(args.name.as_str());
    let path = folder.join(file);
    if path.exists() {
        return Err(Failure::Input(Message::text(format!("{} exists already", path.display()))));
    }
    fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text)).map_err(|error| Failure::fault(&error))?;
    printer.json(&serde_json::json!({ "file": path }));
    printer.line(path.display().to_string());
    let next = match args.what {
        What::Package => format!("fill in its source and steps, then: undistro check {} && undistro build {}", path.display(), args.name),
        What::Image => format!("name its packages, then: undistro compose {} -o ./out", args.name),
    };
    printer.talk(next);
    Ok(())
}
