//! `undistro render`: the evaluated form of a definition.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::Arch;
use spec::schema::Language;
use spec::{Context, Diagnostics, Libc};

use super::compose::Beside;
use crate::args::Global;
use crate::definitions::{self, Found, PipelineArgs};
use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// Print the evaluated form of a definition as JSON: pipelines expanded, variables filled in, conditions decided.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Pipelines are searched in the folders that are named, in `pipelines` beside the definition and above it, and in the
distribution. What undistro carries out itself stays a step of its own, with its inputs.

Examples:
  undistro render packages/nginx/package.yaml --arch aarch64
  undistro render images/nginx/image.yaml
  undistro render hello.yaml --var flavour=debug --build-option static")]
pub(crate) struct Args {
    /// The definition of a package or an image.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The architecture to evaluate for [default: this machine's].
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// The C library of the distribution, which the names of machines tell (`host.triplet.gnu`).
    #[arg(long, value_enum, default_value = "musl")]
    libc: LibcName,
    /// An option of the definition to switch on. May be given more than once.
    #[arg(long, value_name = "NAME")]
    build_option: Vec<String>,
    /// A value for a variable of the definition, as NAME=VALUE. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    var: Vec<(String, String)>,
    #[command(flatten)]
    pipelines: PipelineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LibcName {
    /// Ours.
    Musl,
    /// Wolfi's and Debian's.
    Gnu,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("it is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let text = spec::package::read_text(&args.file).map_err(|error| Failure::input(&error))?;
    let folders = definitions::pipeline_folders(&args.pipelines, std::slice::from_ref(&args.file), global);
    let arch = args.arch.or_else(Arch::host).unwrap_or(Arch::X86_64);
    let found = Found { path: args.file.clone(), named: true };
    let mistakes = |found: Diagnostics| {
        printer.talk(found.render(&args.file.display().to_string(), &text).trim_matches('\n'));
        Failure::Input(Message::text(format!("{} has mistakes", args.file.display())))
    };
    match definitions::language(&found, &text, &folders) {
        Some(Language::Image) => {
            let beside = Beside(args.file.parent().map(Path::to_owned).unwrap_or_default());
            let image = spec::image::parse(&text).and_then(|image| spec::image::evaluate(&image, &beside, Some(arch)));
            printer.data(&image.map_err(mistakes)?)
        }
        Some(Language::Package) => {
            let pipelines = definitions::pipelines(&folders);
            let libc = if args.libc == LibcName::Gnu { Libc::Gnu } else { Libc::Musl };
            let options: BTreeSet<_> = args.build_option.iter().cloned().collect();
            let vars: BTreeMap<_, _> = args.var.iter().cloned().collect();
            let context = Context { libc, options, vars, ..Context::new(arch, &pipelines) };
            printer.data(&spec::check(&text, &context).map_err(mistakes)?)
        }
        _ => Err(Failure::Input(Message::text(format!("{} is neither a package nor an image", args.file.display())))),
    }
}
