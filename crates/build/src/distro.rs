//! The folder of definitions: settings, recipes, and who provides which name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::{Arch, Dependency, PackageName};
use fs_err as fs;
use spec::pipeline::Folder;
use spec::recipe::{self, Recipe};
use spec::{Context, Diagnostics, package::LoadError};

use crate::fixes;

/// One definition: what it means and where it lies.
#[derive(Debug)]
pub struct Definition {
    /// What it means.
    pub recipe: Recipe,
    /// Its folder, which holds `package.yaml` and maybe `files/` and `fixes.yaml`.
    pub folder: PathBuf,
    /// What became of the patches that others carry for the revision it pins.
    pub fixes: Option<spec::fixes::Fixes>,
}

/// A definition that holds mistakes.
#[derive(Debug, Clone)]
pub struct Mistaken {
    /// The file.
    pub path: PathBuf,
    /// Its text, to show the mistakes in.
    pub text: String,
    /// The mistakes.
    pub diagnostics: Diagnostics,
}

/// The folder of definitions, for one architecture.
#[derive(Debug)]
pub struct Distro {
    /// What `distro.yaml` says.
    pub settings: spec::distro::Distro,
    /// The architecture that the recipes are for.
    pub arch: Arch,
    /// The folder.
    pub folder: PathBuf,
    /// The definitions by the name of their main package.
    definitions: BTreeMap<PackageName, Definition>,
    /// The definitions that can not be used, by the name of their folder.
    mistaken: BTreeMap<String, Mistaken>,
    /// The definitions that are not meant for the architecture.
    unsupported: BTreeSet<PackageName>,
    /// Name of a package, or explicitly provided name, to the packages that have it.
    providers: BTreeMap<String, Vec<Provider>>,
}

/// A package that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// The definition.
    pub(crate) origin: PackageName,
    /// The package that it makes.
    pub(crate) package: PackageName,
    /// Whether the name is the package's own.
    own: bool,
    /// Of several, the greatest wins.
    priority: i64,
}

/// The folder can not be read.
#[derive(Debug, thiserror::Error)]
pub enum DistroError {
    /// A definition or `distro.yaml` can not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The operating system refused; its message names the path.
    #[error("while reading the definitions")]
    Io(#[source] std::io::Error),
    /// The name is taken.
    #[error("the package {name} is made by both {} and {}", first.display(), second.display())]
    Twice {
        /// The name.
        name: PackageName,
        /// A definition.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// The folder and the package in it have different names.
    #[error("{}: the folder is called `{folder}`, and the package in it `{name}`; give both one name", path.display())]
    FolderName {
        /// The definition.
        path: PathBuf,
        /// The name of its folder.
        folder: String,
        /// The name of the package.
        name: PackageName,
    },
}

impl Distro {
    /// Reads every definition below `folder`. One that holds mistakes hinders only what needs it.
    pub fn load(folder: &Path, arch: Arch) -> Result<Self, DistroError> {
        let settings = spec::distro::load(&folder.join("distro.yaml"))?;
        let pipelines = Folder::new([folder.join("pipelines")]);
        let context = Context::new(arch, &pipelines);
        let mut distro = Self {
            settings,
            arch,
            folder: folder.to_owned(),
            definitions: BTreeMap::new(),
            mistaken: BTreeMap::new(),
            unsupported: BTreeSet::new(),
            providers: BTreeMap::new(),
        };
        for folder in package_folders(&folder.join("packages"))? {
            distro.read(folder, &context)?;
        }
        distro.find_providers()?;
        Ok(distro)
    }

    fn read(&mut self, folder: PathBuf, context: &Context<'_>) -> Result<(), DistroError> {
        let path = folder.join("package.yaml");
        let text = spec::package::read_text(&path)?;
        let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match spec::check(&text, context) {
            Ok(recipe) if recipe.name.as_str() != folder_name => {
                return Err(DistroError::FolderName { path, folder: folder_name, name: recipe.name });
            }
            Ok(recipe) if recipe.supported => match fixes::beside(&folder, &recipe) {
                Ok(fixes) => drop(self.definitions.insert(recipe.name.clone(), Definition { recipe, folder, fixes })),
                Err(LoadError::Mistakes { path, text, diagnostics }) => {
                    self.mistaken.insert(folder_name, Mistaken { path, text, diagnostics });
                }
                Err(error) => return Err(error.into()),
            },
            Ok(recipe) => {
                self.unsupported.insert(recipe.name);
            }
            Err(diagnostics) => drop(self.mistaken.insert(folder_name, Mistaken { path, text, diagnostics })),
        }
        Ok(())
    }

    fn find_providers(&mut self) -> Result<(), DistroError> {
        let mut makers: BTreeMap<PackageName, PathBuf> = BTreeMap::new();
        for definition in self.definitions.values() {
            for product in products(&definition.recipe) {
                if let Some(first) = makers.insert(product.name.clone(), definition.folder.clone()) {
                    return Err(DistroError::Twice { name: product.name.clone(), first, second: definition.folder.clone() });
                }
                let mut add = |name: &str, own| {
                    let provider = Provider {
                        origin: definition.recipe.name.clone(),
                        package: product.name.clone(),
                        own,
                        priority: product.dependencies.provider_priority.unwrap_or_default(),
                    };
                    self.providers.entry(name.to_owned()).or_default().push(provider);
                };
                add(product.name.as_str(), true);
                for provided in &product.dependencies.provides {
                    add(&name_of(provided), false);
                }
            }
        }
        for providers in self.providers.values_mut() {
            providers.sort_by(|a, b| b.own.cmp(&a.own).then(b.priority.cmp(&a.priority)).then(a.package.cmp(&b.package)));
        }
        Ok(())
    }

    /// Returns the definition whose main package is `name`.
    #[must_use]
    pub fn definition(&self, name: &PackageName) -> Option<&Definition> {
        self.definitions.get(name)
    }

    /// Every definition, in order of name.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.values()
    }

    /// The definitions that hold mistakes.
    pub fn mistaken(&self) -> impl Iterator<Item = &Mistaken> {
        self.mistaken.values()
    }

    /// Returns the mistakes of the definition in the folder `name`, if it holds any.
    #[must_use]
    pub fn mistakes_of(&self, name: &str) -> Option<&Mistaken> {
        self.mistaken.get(name)
    }

    /// Whether there is a definition `name` that is not meant for the architecture.
    #[must_use]
    pub fn is_unsupported(&self, name: &str) -> bool {
        self.unsupported.contains(name)
    }

    /// Returns the package of ours that is taken for `name`: the one called so, else the one that provides it and has
    /// the greatest priority.
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.get(name).and_then(|providers| providers.first())
    }

    /// Every name of a package that the definitions make.
    pub fn package_names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().filter(|(_, providers)| providers.iter().any(|provider| provider.own)).map(|(name, _)| name.as_str())
    }
}

fn package_folders(packages: &Path) -> Result<Vec<PathBuf>, DistroError> {
    let mut folders = Vec::new();
    let entries = match fs::read_dir(packages) {
        Ok(entries) => entries,
        // A distribution of images alone has none; who asks for a package hears so.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(folders),
        Err(error) => return Err(DistroError::Io(error)),
    };
    for entry in entries {
        let path = entry.map_err(DistroError::Io)?.path();
        if path.join("package.yaml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The name in a dependency as definitions write it.
pub(crate) fn name_of(dependency: &str) -> String {
    dependency.parse::<Dependency>().map_or_else(|_| dependency.to_owned(), |dependency| dependency.name)
}

/// One package of a recipe: the main one or a subpackage, seen alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) name: &'a PackageName,
    pub(crate) description: &'a str,
    pub(crate) url: &'a str,
    pub(crate) dependencies: &'a recipe::Dependencies,
    pub(crate) options: recipe::PackageOptions,
    pub(crate) scriptlets: &'a recipe::Scriptlets,
    pub(crate) checks_disabled: &'a [String],
    pub(crate) setcap: &'a [recipe::SetCap],
    pub(crate) test: Option<&'a recipe::Test>,
}

/// Every package of a recipe, the main one first.
pub(crate) fn products(recipe: &Recipe) -> Vec<Product<'_>> {
    let main = Product {
        name: &recipe.name,
        description: &recipe.description,
        url: &recipe.url,
        dependencies: &recipe.dependencies,
        options: recipe.options,
        scriptlets: &recipe.scriptlets,
        checks_disabled: &recipe.checks_disabled,
        setcap: &recipe.setcap,
        test: recipe.test.as_ref(),
    };
    let below = recipe.subpackages.iter().map(|sub| Product {
        name: &sub.name,
        description: if sub.description.is_empty() { &recipe.description } else { &sub.description },
        url: if sub.url.is_empty() { &recipe.url } else { &sub.url },
        dependencies: &sub.dependencies,
        options: sub.options,
        scriptlets: &sub.scriptlets,
        checks_disabled: &sub.checks_disabled,
        setcap: &sub.setcap,
        test: sub.test.as_ref(),
    });
    std::iter::once(main).chain(below).collect()
}
