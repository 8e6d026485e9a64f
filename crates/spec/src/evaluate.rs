//! From a package definition as written to a recipe as meant, collecting every mistake on the way.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use base::Arch;

use crate::diagnostic::Source;
use crate::package::{self, Document, Package};
use crate::pipeline::Pipelines;
use crate::recipe::{Capabilities, Recipe, Resources, Subpackage, Test};
use crate::yaml::{Span, Text};
use crate::{Code, Diagnostic, Diagnostics};

mod environment;
mod metadata;
mod outside;
mod scope;
mod steps;
mod triplet;
mod update;
mod uses;
mod variables;

pub(crate) use metadata::known_archs;
pub use triplet::Libc;

use outside::Outside;
use scope::Scope;

/// Most bytes that substitution may make of one definition: the largest real one makes 3 MB. Without a bound, sixty
/// lines of variables that double each other, or a table of a million rows, would fill any memory.
const MAX_MADE: usize = 64 << 20;
/// What each text counts beside its bytes.
const MADE_EACH: usize = 64;

/// What evaluation depends on besides the definition.
#[derive(Clone)]
pub struct Context<'a> {
    /// The architecture that is built for.
    pub arch: Arch,
    /// Where pipelines are found.
    pub pipelines: &'a dyn Pipelines,
    /// Options of the definition that are switched on.
    pub options: BTreeSet<String>,
    /// Values for `vars` from outside. They never become text of a script: the shell gets them as environment variables.
    pub vars: BTreeMap<String, String>,
    /// The C library of the distribution, for `host.triplet.*`.
    pub libc: Libc,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("arch", &self.arch)
            .field("options", &self.options)
            .field("vars", &self.vars)
            .field("libc", &self.libc)
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// Makes a context with no options and nothing from outside, for a distribution on musl.
    #[must_use]
    pub fn new(arch: Arch, pipelines: &'a dyn Pipelines) -> Self {
        Self { arch, pipelines, options: BTreeSet::new(), vars: BTreeMap::new(), libc: Libc::default() }
    }
}

/// Evaluates a definition for one architecture.
///
/// # Errors
/// Every mistake in what it means.
pub fn evaluate(package: &Package, context: &Context<'_>) -> Result<Recipe, Diagnostics> {
    let (recipe, mut diagnostics) = Evaluator::new(package, context).run();
    diagnostics.extend(package.warnings.clone());
    diagnostics.finish(recipe).map(|(recipe, warnings)| Recipe { warnings, ..recipe })
}

/// Parses and evaluates, so that mistakes of shape and of meaning are found together.
///
/// # Errors
/// Every mistake; after one in the YAML itself only those before it.
pub fn check(text: &str, context: &Context<'_>) -> Result<Recipe, Diagnostics> {
    let (package, mut diagnostics) = package::read(text);
    let recipe = package.and_then(|package| {
        let (recipe, found) = Evaluator::new(&package, context).run();
        diagnostics.extend(found);
        recipe
    });
    diagnostics.finish(recipe).map(|(recipe, warnings)| Recipe { warnings, ..recipe })
}

struct Evaluator<'a> {
    document: &'a Document,
    text: &'a str,
    context: &'a Context<'a>,
    /// Values of every variable that is the same in the whole definition; may hold values from outside.
    globals: BTreeMap<String, String>,
    outside: Outside,
    out: Diagnostics,
    /// Packages that the steps of the current root need.
    needs: Vec<String>,
    /// How much was made by substitution so far, against [`MAX_MADE`].
    made: usize,
    /// Scripts that were checked as written, by place, since `range` repeats them.
    checked: HashSet<usize>,
}

impl<'a> Evaluator<'a> {
    fn new(package: &'a Package, context: &'a Context<'a>) -> Self {
        Self {
            document: &package.document,
            text: &package.text,
            context,
            globals: BTreeMap::new(),
            outside: Outside::default(),
            out: Diagnostics::new(),
            needs: Vec::new(),
            made: 0,
            checked: HashSet::new(),
        }
    }

    /// Counts what is about to be made; once it is too much nothing more is.
    fn make(&mut self, bytes: usize) -> bool {
        let before = self.made;
        self.made = before.saturating_add(bytes + MADE_EACH);
        if before <= MAX_MADE && self.made > MAX_MADE {
            let message = format!("the definition grows beyond {MAX_MADE} bytes when its variables and ranges are filled in");
            self.out.push(Diagnostic { span: None, ..Diagnostic::error(Code::Limit, Span::default(), message) });
        }
        self.made <= MAX_MADE
    }

    fn run(mut self) -> (Option<Recipe>, Diagnostics) {
        self.options();
        self.variables();
        let rows = self.subpackage_rows();
        self.names(&rows);
        let recipe = self.recipe(&rows);
        (recipe, self.out)
    }

    /// Reports options that are switched on but do not exist.
    fn options(&mut self) {
        for option in &self.context.options {
            if !self.document.options.contains_key(option.as_str()) {
                let names = self.document.options.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                let message = format!("the definition has no option `{option}`");
                let error = Diagnostic { span: None, ..Diagnostic::error(Code::UnknownOption, Span::default(), message) };
                let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {names}") };
                self.out.push(error.help(known));
            }
        }
    }

    fn recipe(&mut self, rows: &[Row<'a>]) -> Option<Recipe> {
        let document = self.document;
        let scope = self.scope();
        let meta = &document.package;
        let name = self.package_name(&scope, &meta.name);
        let version = self.version(&scope);

        let pipeline = self.steps(&scope, &document.pipeline);
        let mut subpackages = Vec::new();
        for row in rows {
            subpackages.extend(self.subpackage(row));
        }
        let needs = std::mem::take(&mut self.needs);
        let mut environment = self.environment(&scope, document.environment.as_ref(), needs);
        self.vary(&scope, &mut environment.packages);
        let test = document.test.as_ref().map(|test| self.test(&scope, test, &meta.name.value));
        let supported = self.supported(&scope, &meta.target_architecture);
        Some(Recipe {
            name: name?,
            version: version?,
            epoch: meta.epoch.value,
            arch: self.context.arch,
            supported,
            description: self.prose(&scope, meta.description.as_ref()).unwrap_or_default(),
            url: self.optional(&scope, meta.url.as_ref()).unwrap_or_default(),
            commit: self.commit(&scope, meta.commit.as_ref()),
            annotations: self.map(&scope, &meta.annotations),
            copyright: self.copyright(&scope, &meta.copyright),
            dependencies: self.dependencies(&scope, meta.dependencies.as_ref()),
            options: metadata::package_options(meta.options.as_ref()),
            scriptlets: self.scriptlets(&scope, meta.scriptlets.as_ref()),
            checks_disabled: self.checks(&scope, meta.checks.as_ref()),
            cpe: self.cpe(&scope, meta.cpe.as_ref()),
            setcap: self.setcap(&scope, &meta.setcap),
            timeout: self.duration(&scope, meta.timeout.as_ref()),
            resources: self.resources(&scope, meta.resources.as_ref()),
            test_resources: self.resources(&scope, meta.test_resources.as_ref()),
            capabilities: self.capabilities(&scope),
            environment,
            pipeline,
            subpackages,
            test,
            update: document.update.as_ref().map(|update| self.update(&scope, update)),
            warnings: Diagnostics::new(),
        })
    }

    fn subpackage(&mut self, row: &Row<'a>) -> Option<Subpackage> {
        let written = row.written;
        let scope = Scope { subpackage: Some(&row.name), range: borrow(&row.range), ..self.scope() };
        let active = written.condition.as_ref().is_none_or(|condition| self.condition(&scope, condition));
        let active = self.supported(&scope, &written.target_architecture) && active;
        // What does not exist here needs nothing here; its mistakes are found all the same.
        let before = self.needs.len();
        let name = self.package_name(&scope, &written.name);
        let pipeline = self.steps(&scope, &written.pipeline);
        let subpackage = Subpackage {
            name: name?,
            description: self.prose(&scope, written.description.as_ref()).unwrap_or_default(),
            url: self.optional(&scope, written.url.as_ref()).unwrap_or_default(),
            commit: self.commit(&scope, written.commit.as_ref()),
            annotations: self.map(&scope, &written.annotations),
            dependencies: self.dependencies(&scope, written.dependencies.as_ref()),
            options: metadata::package_options(written.options.as_ref()),
            scriptlets: self.scriptlets(&scope, written.scriptlets.as_ref()),
            checks_disabled: self.checks(&scope, written.checks.as_ref()),
            setcap: self.setcap(&scope, &written.setcap),
            pipeline,
            test: written.test.as_ref().map(|test| self.test(&scope, test, &row.name)),
        };
        if !active {
            self.needs.truncate(before);
        }
        active.then_some(subpackage)
    }

    fn test(&mut self, scope: &Scope<'_>, test: &package::Test, package: &str) -> Test {
        let build = std::mem::take(&mut self.needs);
        let pipeline = self.steps(scope, &test.pipeline);
        let mut needs = std::mem::replace(&mut self.needs, build);
        needs.push(self.outside.reveal(package));
        Test { environment: self.environment(scope, test.environment.as_ref(), needs), pipeline }
    }

    fn capabilities(&mut self, scope: &Scope<'_>) -> Capabilities {
        let Some(written) = &self.document.capabilities else { return Capabilities::default() };
        for (items, done) in [(&written.add, "given"), (&written.drop, "taken away")] {
            for item in items {
                let warning =
                    Diagnostic::warning(Code::NotHonoured, item.span, format!("`{item}` is not {done}: steps run as root inside"));
                self.report(scope, warning.help("what root inside may do is the same for every build"));
            }
        }
        Capabilities { add: self.list(scope, &written.add), drop: self.list(scope, &written.drop) }
    }

    fn resources(&mut self, scope: &Scope<'_>, written: Option<&package::Resources>) -> Resources {
        let Some(written) = written else { return Resources::default() };
        Resources {
            cpu: self.optional(scope, written.cpu.as_ref()),
            cpumodel: self.optional(scope, written.cpumodel.as_ref()),
            memory: self.optional(scope, written.memory.as_ref()),
            disk: self.optional(scope, written.disk.as_ref()),
        }
    }

    /// The scope of the definition itself.
    fn scope(&self) -> Scope<'a> {
        Scope { source: None, text: self.text, subpackage: None, range: None, inputs: None, origin: None, depth: 0, above: None }
    }

    /// Adds a finding in the file that `scope` is in.
    fn report(&mut self, scope: &Scope<'_>, mut diagnostic: Diagnostic) {
        diagnostic.source = scope.source.cloned();
        self.out.push(diagnostic);
    }
}

/// One subpackage: as written, or one row of its `range`.
struct Row<'a> {
    written: &'a package::Subpackage,
    /// Key and value, with everything substituted.
    range: Option<(String, String)>,
    /// Its name with everything substituted.
    name: String,
}

impl<'a> Evaluator<'a> {
    fn subpackage_rows(&mut self) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        for written in &self.document.subpackages {
            let Some(range) = &written.range else {
                rows.push((written, None));
                continue;
            };
            match self.document.data.iter().find(|table| table.name == *range) {
                // In order of key, as melange does: the order of a mapping means nothing.
                Some(table) => {
                    let scope = self.scope();
                    for (key, value) in &table.items {
                        let row = (self.substitute(&scope, key), self.substitute(&scope, value));
                        rows.push((written, Some(row)));
                    }
                }
                None => {
                    let names = self.document.data.iter().map(|table| table.name.as_str());
                    let help = match crate::diagnostic::nearest(range, names) {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => "tables are listed under `data`".to_owned(),
                    };
                    let error = Diagnostic::error(Code::UnknownRange, range.span, format!("there is no table `{range}`"));
                    self.out.push(error.help(help));
                }
            }
        }
        rows.into_iter().map(|(written, range)| self.row(written, range)).collect()
    }

    fn row(&mut self, written: &'a package::Subpackage, range: Option<(String, String)>) -> Row<'a> {
        let scope = Scope { range: borrow(&range), ..self.scope() };
        let name = self.substitute(&scope, &written.name);
        Row { written, range, name }
    }

    /// Makes `targets.package.NAME` known, and reports names that are taken twice.
    fn names(&mut self, rows: &[Row<'a>]) {
        let main = self.globals.get("package.name").cloned().unwrap_or_default();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let all = std::iter::once((main, self.document.package.name.span))
            .chain(rows.iter().map(|row| (row.name.clone(), row.written.name.span)));
        for (name, span) in all {
            let shown = self.outside.reveal(&name);
            self.globals.insert(format!("targets.package.{shown}"), format!("{}/{name}", crate::recipe::OUTPUTS));
            if let Some(first) = seen.insert(shown.clone(), span) {
                let error = Diagnostic::error(Code::DuplicatePackage, span, format!("two packages are called `{shown}`"));
                let error = if first == span {
                    error.help("use `${{range.key}}` or `${{range.value}}` in the name, so that each row has its own")
                } else {
                    error.related(first, "the first")
                };
                self.out.push(error);
            }
        }
    }
}

fn borrow(range: &Option<(String, String)>) -> Option<(&str, &str)> {
    range.as_ref().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// What a step takes over from the steps above it.
#[derive(Debug, Clone, Default)]
struct Inherited {
    directory: Option<String>,
    environment: BTreeMap<String, String>,
}

/// The pipeline file that a scope is in, for messages.
type SourceRef<'s> = Option<&'s Arc<Source>>;

impl Evaluator<'_> {
    /// Substitutes an optional text for use outside a shell; empty is nothing.
    fn optional(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<String> {
        text.map(|text| self.plain(scope, text)).filter(|text| !text.is_empty())
    }

    /// Substitutes every text of a list.
    fn list(&mut self, scope: &Scope<'_>, texts: &[Text]) -> Vec<String> {
        texts.iter().map(|text| self.plain(scope, text)).collect()
    }

    /// Substitutes every value of a mapping.
    fn map(&mut self, scope: &Scope<'_>, texts: &BTreeMap<Text, Text>) -> BTreeMap<String, String> {
        texts.iter().map(|(key, text)| (key.value.clone(), self.plain(scope, text))).collect()
    }
}
