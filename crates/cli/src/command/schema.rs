//! `undistro schema`: the JSON Schema of a language, for editors.

use spec::schema::Language;

use crate::failure::Failure;
use crate::printer::Printer;

/// Print the JSON Schema of a language, for editors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  undistro schema package > package.schema.json
  # yaml-language-server: $schema=package.schema.json      as the first line of a definition: editors then complete and check")]
pub(crate) struct Args {
    /// Which language.
    #[arg(value_enum)]
    language: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Package definitions.
    Package,
    /// Image definitions.
    Image,
    /// Pipeline files.
    Pipeline,
    /// distro.yaml
    Distro,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let language = match args.language {
        Which::Package => Language::Package,
        Which::Image => Language::Image,
        Which::Pipeline => Language::Pipeline,
        Which::Distro => Language::Distro,
    };
    printer.data(&spec::schema::schema(language))
}
