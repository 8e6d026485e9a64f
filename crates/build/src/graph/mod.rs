//! What has to be built before what: definitions, their environments and what these need at run time.

mod edges;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base::{Arch, PackageName};

use crate::distro::{Distro, Mistaken, name_of, products};

pub use edges::{Edge, Graph, Node, NodeKind, When, graph};

/// What has to be built, in an order in which it can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The definitions, each after those that its environment needs.
    pub definitions: Vec<PackageName>,
    /// For each, the definitions whose packages its environment may hold: direct needs and theirs.
    pub(crate) needs: BTreeMap<PackageName, BTreeSet<PackageName>>,
}

/// There is no order.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// Nothing of ours is called so.
    #[error("no definition makes a package `{name}`{}", did_you_mean.as_ref().map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// A name that is near.
        did_you_mean: Option<String>,
    },
    /// There are no definitions of packages at all.
    #[error("no definition makes a package `{name}`: {} holds none", folder.display())]
    NoPackages {
        /// The name.
        name: String,
        /// Where definitions would be.
        folder: PathBuf,
    },
    /// It is not for this architecture.
    #[error("`{name}` is not for {arch}: its `target-architecture` names others")]
    Arch {
        /// The definition.
        name: String,
        /// The architecture.
        arch: Arch,
    },
    /// The definition holds mistakes.
    #[error("{} holds mistakes: {}", .0.path.display(), .0.diagnostics)]
    Mistaken(Box<Mistaken>),
    /// Each needs the next to be built.
    #[error("these packages need one another to be built: {}", cycle.iter().map(PackageName::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle {
        /// The packages, the first again at the end.
        cycle: Vec<PackageName>,
    },
}

/// Orders what `targets` need: what must be built for them, and what they need at run time.
pub(crate) fn order(distro: &Distro, targets: &[String]) -> Result<Order, GraphError> {
    let mut walk = Walk { distro, order: Order::default(), above: Vec::new() };
    let mut waiting: Vec<PackageName> = Vec::new();
    for target in targets {
        waiting.push(origin_of(distro, target)?);
    }
    waiting.reverse();
    // What a package needs at run time is built too, but need not be built before it.
    while let Some(origin) = waiting.pop() {
        let known = walk.order.definitions.len();
        walk.visit(&origin)?;
        for built in &walk.order.definitions[known..] {
            waiting.extend(runtime_origins(distro, built)?.into_iter().rev());
        }
    }
    Ok(walk.order)
}

/// Orders what the root with these packages needs, as for a test.
pub(crate) fn order_for_root(distro: &Distro, packages: &[String]) -> Result<Order, GraphError> {
    let targets: Vec<String> = packages.iter().map(|package| name_of(package)).filter(|name| distro.provider(name).is_some()).collect();
    order(distro, &targets)
}

/// Returns the definition that makes the package called `name`.
pub(crate) fn origin_of(distro: &Distro, name: &str) -> Result<PackageName, GraphError> {
    if let Some(provider) = distro.provider(name) {
        return Ok(provider.origin.clone());
    }
    if let Some(mistaken) = distro.mistakes_of(name) {
        return Err(GraphError::Mistaken(Box::new(mistaken.clone())));
    }
    if distro.is_unsupported(name) {
        return Err(GraphError::Arch { name: name.to_owned(), arch: distro.arch });
    }
    if distro.definitions().next().is_none() && distro.mistaken().next().is_none() {
        return Err(GraphError::NoPackages { name: name.to_owned(), folder: distro.folder.join("packages") });
    }
    let did_you_mean = nearest(name, distro.package_names());
    Err(GraphError::Unknown { name: name.to_owned(), did_you_mean })
}

/// The definitions that the packages called `names` come from, with all they need at run time. Names of no package of
/// ours are seeds' or nobody's; the solver will tell.
fn closure<'a>(distro: &Distro, names: impl Iterator<Item = &'a String>) -> Result<BTreeSet<PackageName>, GraphError> {
    let mut waiting: Vec<String> = names.map(|name| name_of(name)).collect();
    let (mut seen, mut origins) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = waiting.pop() {
        let Some(provider) = distro.provider(&name) else {
            match distro.mistakes_of(&name) {
                Some(mistaken) => return Err(GraphError::Mistaken(Box::new(mistaken.clone()))),
                None => continue,
            }
        };
        if !seen.insert(provider.package.clone()) {
            continue;
        }
        origins.insert(provider.origin.clone());
        let Some(definition) = distro.definition(&provider.origin) else { continue };
        for product in products(&definition.recipe).iter().filter(|product| *product.name == provider.package) {
            waiting.extend(product.dependencies.runtime.iter().filter(|text| !text.starts_with('!')).map(|text| name_of(text)));
        }
    }
    Ok(origins)
}

/// The definitions that the packages of `origin` need at run time.
fn runtime_origins(distro: &Distro, origin: &PackageName) -> Result<Vec<PackageName>, GraphError> {
    let Some(definition) = distro.definition(origin) else { return Ok(Vec::new()) };
    let needed: Vec<String> = products(&definition.recipe).iter().flat_map(|product| product.dependencies.runtime.clone()).collect();
    let needed: Vec<String> = needed.into_iter().filter(|text| !text.starts_with('!')).collect();
    Ok(closure(distro, needed.iter())?.into_iter().collect())
}

struct Walk<'a> {
    distro: &'a Distro,
    order: Order,
    /// The definitions whose environments are being followed, outermost first.
    above: Vec<PackageName>,
}

impl Walk<'_> {
    /// Adds `origin` after all that its environment needs, and returns those.
    fn visit(&mut self, origin: &PackageName) -> Result<BTreeSet<PackageName>, GraphError> {
        if let Some(needs) = self.order.needs.get(origin) {
            return Ok(needs.clone());
        }
        if let Some(at) = self.above.iter().position(|name| name == origin) {
            let cycle = self.above[at..].iter().chain([origin]).cloned().collect();
            return Err(GraphError::Cycle { cycle });
        }
        let Some(definition) = self.distro.definition(origin) else { return Ok(BTreeSet::new()) };
        self.above.push(origin.clone());
        let mut needs = BTreeSet::new();
        for direct in closure(self.distro, definition.recipe.environment.packages.iter())? {
            // A package that asks for itself gets the seed of that name.
            if direct != *origin {
                needs.extend(self.visit(&direct)?);
                needs.insert(direct);
            }
        }
        self.above.pop();
        self.order.definitions.push(origin.clone());
        self.order.needs.insert(origin.clone(), needs.clone());
        Ok(needs)
    }
}

/// The name that differs least, if any is near.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    // A third of the letters may be wrong, as in the diagnostics of definitions.
    let limit = (name.len() / 3).max(1);
    let scored = names.map(|known| (strsim::damerau_levenshtein(name, known), known));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    /// Writes definitions `name: environment | runtime` and loads them.
    fn distro(definitions: &[(&str, &str, &str)]) -> (tempfile::TempDir, Distro) {
        let dir = tempfile::tempdir().unwrap();
        let text = "name: test\nid: test\narchs: [x86_64]\nsource-date-epoch: 1\n";
        fs::write(dir.path().join("distro.yaml"), text).unwrap();
        for (name, environment, runtime) in definitions {
            let folder = dir.path().join("packages").join(name);
            fs::create_dir_all(&folder).unwrap();
            let text = format!(
                "package:\n  name: {name}\n  version: 1\n  epoch: 0\n  description: x\n  copyright:\n    - license: MIT\n  dependencies:\n    runtime: [{runtime}]\nenvironment:\n  contents:\n    packages: [{environment}]\nsubpackages:\n  - name: {name}-dev\n    dependencies:\n      runtime: [{name}]\n      provides: [virtual-{name}=1]\n"
            );
            fs::write(folder.join("package.yaml"), text).unwrap();
        }
        let distro = Distro::load(dir.path(), Arch::X86_64).unwrap();
        let mistakes: Vec<_> = distro.mistaken().map(|m| m.diagnostics.to_string()).collect();
        assert!(mistakes.is_empty(), "{mistakes:?}");
        (dir, distro)
    }

    fn ordered(definitions: &[(&str, &str, &str)], targets: &[&str]) -> Result<String, String> {
        let (_dir, distro) = distro(definitions);
        let targets: Vec<_> = targets.iter().map(|t| (*t).to_owned()).collect();
        let order = order(&distro, &targets).map_err(|error| error.to_string())?;
        Ok(order.definitions.iter().map(PackageName::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn environments_come_first_with_what_they_need_at_run_time() {
        let definitions = [
            ("app", "lib-dev, seed-tool", "tool"),
            ("lib", "cc", ""),
            ("cc", "", "libc"),
            ("libc", "", ""),
            ("tool", "", ""),
            ("other", "", ""),
        ];
        assert_eq!(ordered(&definitions, &["app"]).unwrap(), "cc libc lib app tool");
        assert_eq!(ordered(&definitions, &["lib-dev"]).unwrap(), "cc libc lib");
        assert_eq!(ordered(&definitions, &["virtual-tool"]).unwrap(), "tool");
    }

    #[test]
    fn the_picture_shows_targets_seeds_and_needs_at_run_time() {
        let (_dir, distro) = distro(&[("app", "lib-dev, gcc", "tool"), ("lib", "gcc", ""), ("tool", "", ""), ("other", "", "")]);
        let graph = graph(&distro, &["app".to_owned()]).unwrap();
        insta::assert_snapshot!(graph.to_dot(), @r#"
        digraph undistro {
          rankdir=LR;
          node [shape=box, style=rounded];
          "app" [penwidth=2, peripheries=2];
          "lib";
          "seed:gcc" [label="gcc", color=grey, fontcolor=grey];
          "tool";
          "app" -> "lib";
          "app" -> "seed:gcc" [color=grey];
          "app" -> "tool" [style=dashed];
          "lib" -> "seed:gcc" [color=grey];
        }
        "#);
        assert_eq!(graph.nodes[1].packages, ["lib", "lib-dev"]);
    }

    #[test]
    fn what_needs_itself_at_run_time_is_no_cycle() {
        assert_eq!(ordered(&[("a", "", "b"), ("b", "a", "a-dev")], &["b"]).unwrap(), "a b");
    }

    #[test]
    fn an_environment_of_itself_means_the_seed() {
        assert_eq!(ordered(&[("cc", "cc", "")], &["cc"]).unwrap(), "cc");
    }

    #[test]
    fn a_cycle_is_named() {
        let error = ordered(&[("a", "b", ""), ("b", "c-dev", ""), ("c", "a", "")], &["a"]).unwrap_err();
        assert_eq!(error, "these packages need one another to be built: a → b → c → a");
    }

    #[test]
    fn a_definition_for_other_machines_is_told_so() {
        let (dir, _) = distro(&[("firmware", "", "")]);
        let path = dir.path().join("packages/firmware/package.yaml");
        let text = fs::read_to_string(&path).unwrap().replacen("  dependencies:", "  target-architecture: [aarch64]\n  dependencies:", 1);
        fs::write(path, text).unwrap();
        let distro = Distro::load(dir.path(), Arch::X86_64).unwrap();
        let error = order(&distro, &["firmware".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "`firmware` is not for x86_64: its `target-architecture` names others");
    }

    #[test]
    fn a_folder_of_images_alone_loads_and_has_no_packages() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("distro.yaml"), "name: test\nid: test\narchs: [x86_64]\nsource-date-epoch: 1\n").unwrap();
        let distro = Distro::load(dir.path(), Arch::X86_64).unwrap();
        assert_eq!(order(&distro, &[]).unwrap(), Order::default());
        let error = order(&distro, &["nginx".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("no definition makes a package `nginx`: ") && error.ends_with("packages holds none"), "{error}");
    }

    #[test]
    fn an_unknown_target_is_named_with_its_neighbour() {
        let error = ordered(&[("nginx", "", "")], &["ngnix"]).unwrap_err();
        assert_eq!(error, "no definition makes a package `ngnix`; did you mean `nginx`?");
    }
}
