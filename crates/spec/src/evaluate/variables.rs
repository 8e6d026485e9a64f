//! The variables of a definition: what the machine gives, `package.*`, `vars`, and what transforms make of them.

use std::collections::BTreeMap;

use super::outside::Outside;
use super::{Evaluator, Libc, triplet};
use crate::package::Transform as Written;
use crate::recipe::{OUTPUTS, WORKSPACE};
use crate::text::{Piece, locate, pieces};
use crate::transform::Transform;
use crate::yaml::Text;
use crate::{Code, Diagnostic, Severity};

/// What gives a variable its value.
#[derive(Clone)]
enum Definition<'a> {
    /// A text that may name other variables.
    Text(&'a Text),
    /// A transform, and how many stand before it.
    Transform(&'a Written, usize),
    /// A value from outside, as a mark.
    Outside(String),
}

/// The definitions of one variable, later ones first asked.
type Definitions<'a> = BTreeMap<String, Vec<Definition<'a>>>;

/// A variable as the transform of this number sees it, hence without those after it.
type Key = (String, usize);

/// The values while they are looked up; nothing stands for one that is being looked up.
type Values = BTreeMap<Key, Option<String>>;

/// What everything but a transform sees.
const ALL: usize = usize::MAX;

impl<'a> Evaluator<'a> {
    /// Fills in every variable that is the same in the whole definition.
    ///
    /// `package.*`, `vars` and transforms may be made of each other in any order. (melange takes `vars` literally, or
    /// fails, as the order of a map has it; where it gives a value, this gives the same.)
    pub(super) fn variables(&mut self) {
        self.machine();
        let definitions = self.definitions();
        let mut values = Values::new();
        for name in definitions.keys() {
            self.resolve(name, ALL, &definitions, &mut values);
        }
        for ((name, seen), value) in values {
            if seen == ALL {
                self.globals.insert(name, value.unwrap_or_default());
            }
        }
        self.globals.entry("package.description".to_owned()).or_default();
        let version = self.globals.get("package.version").cloned().unwrap_or_default();
        self.globals.insert("package.full-version".to_owned(), self.full_version(&version));
        let name = self.globals.get("package.name").cloned().unwrap_or_default();
        let directory = format!("{OUTPUTS}/{name}");
        self.globals.insert("targets.destdir".to_owned(), directory.clone());
        self.globals.insert("targets.contextdir".to_owned(), directory);
        self.globals.insert("context.name".to_owned(), name);
    }

    fn machine(&mut self) {
        let (arch, libc) = (self.context.arch, self.context.libc);
        let values = [
            ("package.srcdir", WORKSPACE.to_owned()),
            ("targets.outdir", OUTPUTS.to_owned()),
            ("build.arch", arch.apk().to_owned()),
            ("build.goarch", triplet::go(arch).to_owned()),
            ("host.triplet.gnu", triplet::gnu(arch, libc)),
            ("host.triplet.rust", triplet::rust(arch, libc)),
            ("cross.triplet.gnu.glibc", triplet::gnu(arch, Libc::Gnu)),
            ("cross.triplet.gnu.musl", triplet::gnu(arch, Libc::Musl)),
            ("cross.triplet.rust.glibc", triplet::rust(arch, Libc::Gnu)),
            ("cross.triplet.rust.musl", triplet::rust(arch, Libc::Musl)),
            ("package.epoch", self.document.package.epoch.to_string()),
        ];
        self.globals.extend(values.map(|(name, value)| (name.to_owned(), value)));
        for option in self.document.options.keys() {
            let enabled = self.context.options.contains(&option.value);
            self.globals.insert(format!("options.{option}.enabled"), enabled.to_string());
        }
    }

    fn definitions(&mut self) -> Definitions<'a> {
        let package = &self.document.package;
        let mut definitions = Definitions::new();
        let described = package.description.as_ref().map(|text| ("package.description", text));
        for (name, text) in [("package.name", &package.name), ("package.version", &package.version)].into_iter().chain(described) {
            definitions.insert(name.to_owned(), vec![Definition::Text(text)]);
        }
        for (name, text) in &self.document.vars {
            definitions.insert(format!("vars.{name}"), vec![Definition::Text(text)]);
        }
        for option in self.context.options.iter().filter_map(|name| self.document.options.get(name.as_str())) {
            for (name, text) in &option.vars {
                definitions.insert(format!("vars.{name}"), vec![Definition::Text(text)]);
            }
        }
        for (name, value) in &self.context.vars {
            let name = format!("vars.{name}");
            let mark = self.outside.note(&name, value.clone());
            definitions.insert(name, vec![Definition::Outside(mark)]);
        }
        for (number, transform) in self.document.var_transforms.iter().enumerate() {
            if let Some((first, _)) = self.document.vars.get_key_value(transform.to.as_str()) {
                let message = format!("this transform replaces the variable `{}`", transform.to);
                let warning = Diagnostic::warning(Code::DuplicateVariable, transform.to.span, message);
                self.out.push(warning.related(first.span, "which is set here").help("give the result a name of its own"));
            }
            definitions.entry(format!("vars.{}", transform.to)).or_default().push(Definition::Transform(transform, number));
        }
        definitions
    }

    /// Returns the value of a variable as transform number `seen` sees it.
    fn resolve(&mut self, name: &str, seen: usize, definitions: &Definitions<'a>, values: &mut Values) -> Option<String> {
        if let Some(value) = self.globals.get(name) {
            return Some(value.clone());
        }
        if name == "package.full-version" {
            let version = self.resolve("package.version", seen, definitions, values)?;
            return Some(self.full_version(&version));
        }
        let key = (name.to_owned(), seen);
        if let Some(value) = values.get(&key) {
            return value.clone();
        }
        let before = |definition: &&Definition<'_>| !matches!(definition, Definition::Transform(_, number) if *number >= seen);
        let definition = definitions.get(name)?.iter().rev().find(before)?.clone();
        values.insert(key.clone(), None);
        let value = match definition {
            Definition::Outside(mark) => mark,
            Definition::Text(text) => self.fill(name, text, ALL, definitions, values),
            Definition::Transform(written, number) => {
                let from = self.fill(name, &written.from, number, definitions, values);
                let made = self.transform(name, written, &from);
                // A replacement may bring variables in, such as `${{host.triplet.gnu}}`.
                let text = Text::new(made, written.replace.span);
                self.fill(name, &text, number, definitions, values)
            }
        };
        values.insert(key, Some(value.clone()));
        Some(value)
    }

    /// Substitutes the text that gives `name` its value.
    fn fill(&mut self, name: &str, text: &Text, seen: usize, definitions: &Definitions<'a>, values: &mut Values) -> String {
        let mut value = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => value.push_str(literal),
                Piece::Variable(other, at) => match self.resolve(other, seen, definitions, values) {
                    Some(part) if self.make(part.len()) => value.push_str(&part),
                    Some(_) => {}
                    None if values.contains_key(&(other.to_owned(), seen)) => {
                        let span = locate(self.text, text.span, text, at);
                        let message = format!("`{name}` is made of `{other}`, which is made of `{name}`");
                        self.out.push(Diagnostic::error(Code::CyclicVariable, span, message));
                    }
                    // The description is for people, and is looked at again where it is used.
                    None if name == "package.description" => {}
                    None => {
                        let scope = self.scope();
                        self.undefined(&scope, text, other, at, Severity::Error);
                    }
                },
                Piece::Broken(_) if name == "package.description" => {}
                Piece::Broken(at) => {
                    let scope = self.scope();
                    self.broken(&scope, text, at, Severity::Error);
                }
            }
        }
        value
    }

    fn transform(&mut self, name: &str, written: &Written, from: &str) -> String {
        match Transform::new(&written.pattern, &written.replace) {
            Ok(transform) => {
                let value = transform.apply(&self.outside.reveal(from));
                if Outside::marks(from) { self.outside.note(name, value) } else { value }
            }
            Err(error) => {
                let message = format!("this regular expression can not be read: {error}");
                self.out.push(Diagnostic::error(Code::BadRegex, written.pattern.span, message));
                String::new()
            }
        }
    }

    fn full_version(&self, version: &str) -> String {
        format!("{version}-r{}", self.document.package.epoch.value)
    }
}
