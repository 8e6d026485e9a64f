//! What builds on what, edge by edge, for people and pictures.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{GraphError, Order, order};
use crate::distro::{Distro, name_of, products};

/// What builds on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The definitions and the foreign packages that they use, by name.
    pub nodes: Vec<Node>,
    /// Which needs which, once for each way of needing.
    pub edges: Vec<Edge>,
}

/// A definition, or a foreign package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// Its name. A seed's begins with `seed:`, since a definition may have the same.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// The packages that the definition makes; of a seed, none.
    pub packages: Vec<String>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A definition that was asked for.
    Target,
    /// A definition.
    Own,
    /// A package that is not built here.
    Seed,
}

/// One needs another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Which needs.
    pub from: String,
    /// Which is needed.
    pub to: String,
    /// When.
    pub when: When,
}

/// When one needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// To be built: it is in the environment.
    Build,
    /// To run.
    Run,
}

/// Says what `targets` build on, all the way down, with the names as definitions write them: what a solver will put into
/// an environment beside them is not told.
pub fn graph(distro: &Distro, targets: &[String]) -> Result<Graph, GraphError> {
    let Order { definitions, .. } = order(distro, targets)?;
    let mut asked = BTreeSet::new();
    for target in targets {
        asked.insert(super::origin_of(distro, target)?);
    }
    let (mut nodes, mut edges) = (BTreeMap::new(), BTreeSet::new());
    for origin in &definitions {
        let Some(definition) = distro.definition(origin) else { continue };
        let made = products(&definition.recipe);
        let kind = if asked.contains(origin) { NodeKind::Target } else { NodeKind::Own };
        let packages = made.iter().map(|product| product.name.to_string()).collect();
        nodes.insert(origin.to_string(), Node { name: origin.to_string(), kind, packages });
        let environment = definition.recipe.environment.packages.iter().map(|want| (want, When::Build));
        let runtime = made.iter().flat_map(|product| &product.dependencies.runtime).map(|want| (want, When::Run));
        for (want, when) in environment.chain(runtime).filter(|(want, _)| !want.starts_with('!')) {
            let name = name_of(want);
            let ours = distro.provider(&name).map(|provider| &provider.origin);
            let to = match ours {
                // A package that asks for itself to be built gets the seed of that name.
                Some(ours) if ours != origin => ours.to_string(),
                Some(_) if when == When::Run => continue,
                // Who provides `so:` and `cmd:` is known of built packages only.
                None if name.contains(':') => continue,
                _ => {
                    let name = format!("seed:{name}");
                    nodes.entry(name.clone()).or_insert_with(|| Node { name: name.clone(), kind: NodeKind::Seed, packages: Vec::new() });
                    name
                }
            };
            edges.insert(Edge { from: origin.to_string(), to, when });
        }
    }
    Ok(Graph { nodes: nodes.into_values().collect(), edges: edges.into_iter().collect() })
}

impl Graph {
    /// Writes it in the language of Graphviz: targets with a double line, seeds in grey, needs at run time dashed.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph undistro {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
        for node in &self.nodes {
            let name = quoted(&node.name);
            text += &match node.kind {
                NodeKind::Target => format!("  {name} [penwidth=2, peripheries=2];\n"),
                NodeKind::Own => format!("  {name};\n"),
                NodeKind::Seed => {
                    let label = quoted(node.name.trim_start_matches("seed:"));
                    format!("  {name} [label={label}, color=grey, fontcolor=grey];\n")
                }
            };
        }
        for edge in &self.edges {
            let style = match edge.when {
                When::Build if edge.to.starts_with("seed:") => " [color=grey]",
                When::Build => "",
                When::Run => " [style=dashed]",
            };
            text += &format!("  {} -> {}{style};\n", quoted(&edge.from), quoted(&edge.to));
        }
        text + "}\n"
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
