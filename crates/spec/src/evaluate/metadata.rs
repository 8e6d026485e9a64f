//! What a package says about itself, checked.

use std::collections::BTreeMap;

use base::{Arch, Dependency, PackageName, Version};

use super::Evaluator;
use super::scope::Scope;
use crate::diagnostic::nearest;
use crate::package;
use crate::recipe::{Copyright, Cpe, Dependencies, PackageOptions, Scriptlets, SetCap, Trigger};
use crate::text::locate;
use crate::yaml::Text;
use crate::{Code, Diagnostic, license, shell};

/// Capabilities that a file may get: those that packages of this field use; others give away the machine.
const CAPABILITIES: [&str; 5] = ["cap_ipc_lock", "cap_net_admin", "cap_net_bind_service", "cap_net_raw", "cap_sys_admin"];

impl Evaluator<'_> {
    /// A name for a package of ours: no leading `_` or `.`, which only apk itself gives.
    pub(super) fn package_name(&mut self, scope: &Scope<'_>, text: &Text) -> Option<PackageName> {
        let name = self.plain(scope, text);
        let parsed = name.parse::<PackageName>().ok().filter(|_| name.starts_with(|c: char| c.is_ascii_alphanumeric()));
        // An undefined variable in it was reported as such.
        if parsed.is_none() && !name.contains("${{") && !(name.is_empty() && text.contains("${{")) {
            let error = Diagnostic::error(Code::BadName, text.span, format!("`{name}` is not a package name"));
            self.report(scope, error.help("names begin with a letter or digit and go on with letters, digits and `+`, `_`, `.`, `-`"));
        }
        parsed
    }

    pub(super) fn version(&mut self, scope: &Scope<'_>) -> Option<String> {
        let written = &self.document.package.version;
        let version = self.plain(scope, written);
        let error = |message: String, help: &str| Diagnostic::error(Code::BadVersion, written.span, message).help(help);
        if version.is_empty() {
            self.report(scope, error("the version is empty".to_owned(), "write upstream's version"));
            return None;
        }
        if version.rsplit_once("-r").is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            let message = format!("`{version}` holds a release number");
            self.report(scope, error(message, "the number behind `-r` goes into `epoch`"));
            return None;
        }
        if format!("{version}-r{}", self.document.package.epoch.value).parse::<Version>().is_err() {
            let help = match version.strip_prefix('v') {
                Some(bare) if bare.parse::<Version>().is_ok() => format!("without the `v` it is one: `{bare}`"),
                _ if version.contains('-') => "apk writes pre-releases and dates with `_`: `1.2_rc1`, `1.2_git20260101`".to_owned(),
                _ => "versions look like `1.2.3`, `1.2.3a`, `1.2_rc1` or `0_git20260101`".to_owned(),
            };
            self.report(scope, error(format!("`{version}` is not an apk version"), &help));
            return None;
        }
        Some(version)
    }

    /// Whether a package is meant for this architecture.
    pub(super) fn supported(&mut self, scope: &Scope<'_>, written: &[Text]) -> bool {
        let mut supported = written.is_empty();
        for text in written {
            let name = self.plain(scope, text);
            if name == "all" {
                supported = true;
                let warning = Diagnostic::warning(Code::Deprecated, text.span, "`all` is what is meant without this key");
                self.report(scope, warning.help("drop `target-architecture`"));
                continue;
            }
            match name.parse::<Arch>() {
                Ok(arch) => supported |= arch == self.context.arch,
                Err(_) => {
                    let error = Diagnostic::error(Code::UnknownArch, text.span, format!("there is no architecture `{name}`"));
                    self.report(scope, error.help(known_archs(&name)));
                }
            }
        }
        supported
    }

    pub(super) fn commit(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<String> {
        let commit = self.optional(scope, text)?;
        if let (Some(problem), Some(text)) = (crate::hash::problem("expected-commit", &commit), text) {
            let message = problem.message.replace("expected-commit", "commit");
            self.report(scope, Diagnostic::error(Code::BadHash, text.span, message).help(problem.help));
        }
        Some(commit)
    }

    pub(super) fn copyright(&mut self, scope: &Scope<'_>, written: &[package::Copyright]) -> Vec<Copyright> {
        let mut out = Vec::new();
        for entry in written {
            let license = self.license(scope, entry);
            out.push(Copyright {
                paths: self.list(scope, &entry.paths),
                attestation: self.optional(scope, entry.attestation.as_ref()),
                license,
                license_path: self.optional(scope, entry.license_path.as_ref()),
                detection_override: self.optional(scope, entry.detection_override.as_ref()),
            });
        }
        out
    }

    /// Returns the SPDX expression of an entry, those of its group joined.
    fn license(&mut self, scope: &Scope<'_>, entry: &package::Copyright) -> String {
        let own = self.optional(scope, entry.license.as_ref());
        if entry.licenses.is_empty() && entry.operator.is_none() {
            if own.is_none() {
                let error = Diagnostic::error(Code::MissingKey, entry.head, "this licence says nothing");
                self.report(scope, error.help("add `license:` with an SPDX expression"));
            }
            if let (Some(own), Some(license)) = (&own, &entry.license) {
                self.expression(scope, own, license);
            }
            return own.unwrap_or_default();
        }
        if let (Some(_), Some(license)) = (&own, &entry.license) {
            let error = Diagnostic::error(Code::BadValue, license.span, "an entry has either `license` or `licenses`");
            self.report(scope, error.help("make two entries of it"));
        }
        let operator = match entry.operator.as_ref().map(|text| (text.as_str(), text.span)) {
            None | Some(("AND", _)) => " AND ",
            Some(("OR", _)) => " OR ",
            Some((other, span)) => {
                let error = Diagnostic::error(Code::BadValue, span, format!("`{other}` does not join licences"));
                self.report(scope, error.help("write `AND` or `OR`"));
                " AND "
            }
        };
        let parts = entry.licenses.iter().map(|inner| self.license(scope, inner)).collect::<Vec<_>>();
        let joined = parts.join(operator);
        if parts.len() > 1 { format!("({joined})") } else { joined }
    }

    /// A licence that SPDX does not know becomes a reference to its own text: worth a warning.
    fn expression(&mut self, scope: &Scope<'_>, expression: &str, written: &Text) {
        let Some(problem) = license::problem(expression) else { return };
        let as_written = written.value == expression;
        let span = if as_written { locate(scope.text, written.span, written, problem.at) } else { written.span };
        self.report(scope, Diagnostic::warning(Code::BadLicense, span, problem.message).maybe_help(problem.help));
    }

    pub(super) fn dependencies(&mut self, scope: &Scope<'_>, written: Option<&package::Dependencies>) -> Dependencies {
        let Some(written) = written else { return Dependencies::default() };
        Dependencies {
            runtime: self.dependency_list(scope, &written.runtime),
            provides: self.dependency_list(scope, &written.provides),
            replaces: self.dependency_list(scope, &written.replaces),
            provider_priority: self.priority(scope, written.provider_priority.as_ref()),
            replaces_priority: self.priority(scope, written.replaces_priority.as_ref()),
        }
    }

    pub(super) fn dependency_list(&mut self, scope: &Scope<'_>, written: &[Text]) -> Vec<String> {
        let mut list = Vec::with_capacity(written.len());
        for text in written {
            let entry = self.plain(scope, text);
            if let Err(problem) = entry.parse::<Dependency>() {
                if entry.is_empty() && text.contains("${{") {
                    continue;
                }
                let source = std::error::Error::source(&problem).map(|source| format!(": {source}")).unwrap_or_default();
                let message = format!("this is not a dependency: {problem}{source}");
                let error = Diagnostic::error(Code::BadDependency, text.span, message);
                self.report(scope, error.help("dependencies look like `name`, `name>=1.2`, `name~1.2` or `!name`"));
                continue;
            }
            list.push(entry);
        }
        list
    }

    fn priority(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<i64> {
        let text = text?;
        let value = self.plain(scope, text);
        if value.is_empty() {
            return None;
        }
        let priority = value.parse().ok();
        if priority.is_none() {
            let error = Diagnostic::error(Code::BadPriority, text.span, format!("`{value}` is not a priority"));
            self.report(scope, error.help("priorities are whole numbers; the greater one is preferred"));
        }
        priority
    }

    pub(super) fn scriptlets(&mut self, scope: &Scope<'_>, written: Option<&package::Scriptlets>) -> Scriptlets {
        let Some(written) = written else { return Scriptlets::default() };
        let trigger = written.trigger.as_ref().and_then(|trigger| {
            let script = self.scriptlet(scope, trigger.script.as_ref())?;
            Some(Trigger { script, paths: self.list(scope, &trigger.paths) })
        });
        Scriptlets {
            trigger,
            pre_install: self.scriptlet(scope, written.pre_install.as_ref()),
            post_install: self.scriptlet(scope, written.post_install.as_ref()),
            pre_deinstall: self.scriptlet(scope, written.pre_deinstall.as_ref()),
            post_deinstall: self.scriptlet(scope, written.post_deinstall.as_ref()),
            pre_upgrade: self.scriptlet(scope, written.pre_upgrade.as_ref()),
            post_upgrade: self.scriptlet(scope, written.post_upgrade.as_ref()),
        }
    }

    /// Substitutes a script of a package, and checks that a shell can read it if a shell is to run it.
    fn scriptlet(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<String> {
        let script = self.optional(scope, text)?;
        if let Some(text) = text
            && is_for_a_shell(&script)
            && self.checked.insert(text.span.start)
        {
            shell::check(text, scope.text, &mut self.out);
        }
        Some(script)
    }

    pub(super) fn checks(&mut self, scope: &Scope<'_>, written: Option<&package::Checks>) -> Vec<String> {
        written.map(|checks| self.list(scope, &checks.disabled)).unwrap_or_default()
    }

    pub(super) fn cpe(&mut self, scope: &Scope<'_>, written: Option<&package::Cpe>) -> Option<Cpe> {
        let written = written?;
        if let Some(part) = written.part.as_ref().filter(|part| !matches!(part.as_str(), "a" | "o" | "")) {
            let error = Diagnostic::error(Code::BadCpe, part.span, format!("`{part}` is not a part of the CPE dictionary"));
            self.report(scope, error.help("`a` is for applications, `o` for operating systems"));
        }
        if let (Some(one), None) | (None, Some(one)) = (&written.vendor, &written.product) {
            let error = Diagnostic::error(Code::BadCpe, one.span, "a CPE name has both `vendor` and `product`");
            self.report(scope, error);
        }
        let mut field = |text: &Option<Text>| {
            let value = self.optional(scope, text.as_ref())?;
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let starts = value.bytes().next().is_some_and(good);
            if !(starts && value.bytes().all(|b| good(b) || b"+_.-".contains(&b))) {
                let span = text.as_ref().map_or(written.head, |text| text.span);
                let error = Diagnostic::error(Code::BadCpe, span, format!("`{value}` can not stand in a CPE name"));
                self.report(scope, error.help("write small letters, digits and `+`, `_`, `.`, `-`"));
            }
            Some(value)
        };
        Some(Cpe {
            vendor: field(&written.vendor),
            product: field(&written.product),
            edition: field(&written.edition),
            language: field(&written.language),
            sw_edition: field(&written.sw_edition),
            target_sw: field(&written.target_sw),
            target_hw: field(&written.target_hw),
            other: field(&written.other),
            part: written.part.as_ref().map(|part| part.value.clone()).filter(|part| !part.is_empty()),
        })
    }

    pub(super) fn setcap(&mut self, scope: &Scope<'_>, written: &[package::SetCap]) -> Vec<SetCap> {
        let mut out = Vec::new();
        for entry in written {
            for key in entry.add.keys() {
                for name in key.split(',').filter(|name| !CAPABILITIES.contains(name)) {
                    let error = Diagnostic::error(Code::BadCapability, key.span, format!("files may not get `{name}`"));
                    let help = match nearest(name, CAPABILITIES) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("they may get {}", CAPABILITIES.join(", ")),
                    };
                    self.report(scope, error.help(help));
                }
            }
            let reason = self.optional(scope, entry.reason.as_ref());
            if reason.is_none() {
                let error = Diagnostic::error(Code::MissingKey, entry.head, "a file gets capabilities without a reason");
                self.report(scope, error.help("add `reason:`"));
            }
            let path = self.plain(scope, &entry.path);
            let add: BTreeMap<_, _> = self.map(scope, &entry.add);
            out.push(SetCap { path, add, reason: reason.unwrap_or_default() });
        }
        out
    }
}

/// Whether the first line of a script names a shell, or nothing.
fn is_for_a_shell(script: &str) -> bool {
    let Some(line) = script.lines().next().and_then(|line| line.strip_prefix("#!")) else { return true };
    let is_shell = |word: &str| matches!(word.rsplit('/').next(), Some("sh" | "ash" | "bash" | "dash"));
    line.split_whitespace().take(3).any(is_shell)
}

pub(super) fn package_options(written: Option<&package::Options>) -> PackageOptions {
    let Some(written) = written else { return PackageOptions::default() };
    PackageOptions {
        no_provides: written.no_provides == Some(true),
        no_depends: written.no_depends == Some(true),
        no_commands: written.no_commands == Some(true),
        no_versioned_shlib_deps: written.no_versioned_shlib_deps == Some(true),
    }
}

/// Help for the name of an architecture that nobody knows.
pub(crate) fn known_archs(name: &str) -> String {
    let names = Arch::ALL.map(Arch::apk);
    match nearest(name, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", names.join(", ")),
    }
}
