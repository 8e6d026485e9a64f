//! `undistro graph`: what builds on what.

use build::{Graph, NodeKind, When};

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

/// Say what builds on what.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is built for it. What definitions name is shown; what a solver puts into a root beside that is not. Seeds, the foreign
packages that builds start from, are grey.

Examples:
  undistro graph nginx
  undistro graph nginx --dot | dot -Tsvg > nginx.svg
  undistro graph --all --json")]
pub(crate) struct Args {
    /// Packages, or images whose packages are meant.
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Every definition.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Write it in the language of Graphviz.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &FetchArgs::default(), printer)?;
    let targets = if args.all { super::build::all(&workshop) } else { super::build::targets(&workshop, &args.names)? };
    let graph = build::graph(&workshop.distro, &targets).map_err(|error| super::build::failure(&error.into(), printer))?;
    if args.dot {
        printer.raw(graph.to_dot().as_bytes());
        return Ok(());
    }
    printer.json(&graph);
    for node in graph.nodes.iter().filter(|node| node.kind != NodeKind::Seed) {
        printer.line(&node.name);
        for (word, wanted) in [("built with", When::Build), ("runs with", When::Run)] {
            let names = needs(&graph, &node.name, wanted);
            if !names.is_empty() {
                printer.line(format!("  {word} {names}"));
            }
        }
    }
    Ok(())
}

/// What `name` needs then: our own names first.
fn needs(graph: &Graph, name: &str, when: When) -> String {
    let mut names: Vec<&str> =
        graph.edges.iter().filter(|edge| edge.from == name && edge.when == when).map(|edge| edge.to.as_str()).collect();
    names.sort_by_key(|name| (name.starts_with("seed:"), *name));
    names.join(" ")
}
