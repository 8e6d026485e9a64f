//! From an image definition as written to a configuration as meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Arch, Dependency};

use super::command::words;
use super::{
    BaseImage, Certificates, Compression, Config, Contents, ContentsDocument, Entrypoint, EntrypointDocument, Format, Image, ImageDocument,
    Key, Layering, accounts, merge, paths,
};
use crate::diagnostic::Source;
use crate::evaluate::known_archs;
use crate::yaml::Text;
use crate::{Code, Diagnostic, Diagnostics};

/// How deep files may include files: apko's documents show one.
const MAX_INCLUDES: usize = 16;
/// Most layers: OCI runtimes mount each, and overlay file systems end at 128.
const MAX_LAYERS: u32 = 126;

/// Where included files are found.
pub trait Includes {
    /// Returns the name to show and the text of an included file.
    ///
    /// # Errors
    /// Why it can not be had, in words.
    fn load(&self, name: &str) -> Result<(String, String), String>;
}

/// Nothing can be included.
impl Includes for () {
    fn load(&self, _: &str) -> Result<(String, String), String> {
        Err("included files are not available here".to_owned())
    }
}

/// Evaluates an image definition; `host` is what `archs: [host]` means.
///
/// # Errors
/// Every mistake in what it means, those in included files among them.
pub fn evaluate(image: &Image, includes: &dyn Includes, host: Option<Arch>) -> Result<Config, Diagnostics> {
    let mut out = image.warnings.clone();
    let config = run(image, includes, host, &mut out);
    out.finish(Some(config)).map(|(config, _)| config)
}

/// Parses and evaluates, so that mistakes of shape and of meaning are found together; warnings come beside the result.
///
/// # Errors
/// Every mistake; after one in the YAML itself only those before it.
pub fn check(text: &str, includes: &dyn Includes, host: Option<Arch>) -> Result<(Config, Diagnostics), Diagnostics> {
    let (image, mut out) = super::read(text);
    let config = image.map(|image| run(&image, includes, host, &mut out));
    out.finish(config)
}

fn run(image: &Image, includes: &dyn Includes, host: Option<Arch>, out: &mut Diagnostics) -> Config {
    let mut document = image.document.clone();
    let own = config(&document, &image.text, host, out);
    if document.include.is_none() {
        return own;
    }
    include(&mut document, includes, &mut Vec::new(), out);
    // What is wrong with each file by itself was found in it. What is wrong with both together has no place in either.
    let mut together = Diagnostics::new();
    let config = config(&document, &image.text, host, &mut together);
    for found in together {
        if !out.iter().any(|known| known.message == found.message) {
            out.push(Diagnostic { span: None, related: Vec::new(), fix: None, ..found });
        }
    }
    config
}

fn include(document: &mut ImageDocument, includes: &dyn Includes, above: &mut Vec<String>, out: &mut Diagnostics) {
    let Some(name) = document.include.take().filter(|name| !name.is_empty()) else { return };
    let error = |message: String| Diagnostic::error(Code::BadInclude, name.span, message);
    if above.contains(&name.value) || above.len() >= MAX_INCLUDES {
        out.push(error(format!("`{name}` includes itself")));
        return;
    }
    match includes.load(&name) {
        Err(problem) => out.push(error(format!("`{name}` can not be included: {problem}"))),
        Ok((shown, text)) => {
            let source = Arc::new(Source { name: shown, text: text.as_str().into() });
            let (base, mut found) = super::read(&text);
            let base = base.map(|base| {
                let mut base = base.document;
                above.push(name.value.clone());
                include(&mut base, includes, above, &mut found);
                above.pop();
                config(&base, &text, None, &mut found);
                base
            });
            out.extend(found.within(&source));
            if let Some(base) = base {
                merge::merge(document, base);
            }
        }
    }
}

fn config(document: &ImageDocument, source: &str, host: Option<Arch>, out: &mut Diagnostics) -> Config {
    let accounts = document.accounts.as_ref().map(|written| accounts::accounts(written, out)).unwrap_or_default();
    let mut as_written = |line: &str| line.to_owned();
    Config {
        contents: document.contents.as_ref().map(|written| contents(written, out)).unwrap_or_default(),
        entrypoint: document.entrypoint.as_ref().map(|written| entrypoint(written, source, out)).unwrap_or_default(),
        cmd: document.cmd.as_ref().map(|cmd| words(cmd, source, out, &mut as_written)).unwrap_or_default(),
        accounts,
        environment: map(&document.environment),
        paths: document.paths.iter().filter_map(|written| paths::mutation(written, out)).collect(),
        archs: archs(&document.archs, host, out),
        work_dir: optional(document.work_dir.as_ref()),
        stop_signal: optional(document.stop_signal.as_ref()),
        volumes: list(&document.volumes),
        annotations: map(&document.annotations),
        layering: document.layering.as_ref().and_then(|written| {
            let strategy = written.strategy.as_ref().filter(|strategy| !strategy.is_empty());
            if let Some(strategy) = strategy.filter(|strategy| strategy.as_str() != "origin") {
                let message = format!("`{strategy}` is no way to divide into layers");
                out.push(Diagnostic::error(Code::BadValue, strategy.span, message).help("there is `origin`"));
            }
            let budget = written.budget.as_ref().map_or(10, |budget| budget.value);
            if let Some(bad) = written.budget.as_ref().filter(|budget| !(1..=MAX_LAYERS).contains(&budget.value)) {
                let message = format!("{} layers: 1 to {MAX_LAYERS} are possible", bad.value);
                out.push(Diagnostic::error(Code::BadNumber, bad.span, message));
            }
            strategy.map(|_| Layering { budget })
        }),
        vcs_url: optional(document.vcs_url.as_ref()),
        certificates: certificates(document),
        format: match document.format.as_ref().map(|text| (text.as_str(), text.span)) {
            None | Some(("" | "tar", _)) => Format::Tar,
            Some(("erofs", _)) => Format::Erofs,
            Some((other, span)) => {
                let error = Diagnostic::error(Code::BadValue, span, format!("`{other}` is no format of layers"));
                out.push(error.help("there are `tar` and `erofs`"));
                Format::Tar
            }
        },
        compression: compression(document.compression.as_ref(), out),
    }
}

fn compression(written: Option<&Text>, out: &mut Diagnostics) -> Compression {
    match written.map(|text| (text.as_str(), text.span)) {
        None | Some(("gzip", _)) => Compression::Gzip,
        Some(("zstd", _)) => Compression::Zstd,
        Some((other, span)) => {
            let error = Diagnostic::error(Code::BadValue, span, format!("`{other}` is no compression of layers"));
            out.push(error.help("there are `gzip` and `zstd`"));
            Compression::Gzip
        }
    }
}

fn contents(written: &ContentsDocument, out: &mut Diagnostics) -> Contents {
    for package in &written.packages {
        if let Err(problem) = package.parse::<Dependency>() {
            let source = std::error::Error::source(&problem).map(|source| format!(": {source}")).unwrap_or_default();
            let message = format!("this can not be asked for: {problem}{source}");
            let error = Diagnostic::error(Code::BadDependency, package.span, message);
            out.push(error.help("packages look like `name`, `name=1.2-r0`, `name~1.2` or `!name`"));
        }
    }
    let mut names = BTreeMap::new();
    for key in &written.runtime_keyring {
        let good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if key.name.is_empty() || key.name.starts_with('.') || !key.name.chars().all(good) {
            let error = Diagnostic::error(Code::BadName, key.name.span, format!("`{}` is no name for a key", key.name));
            out.push(error.help("write letters, digits and `_`, `-`, `.`"));
        }
        if let Some(first) = names.insert(key.name.as_str(), key.name.span) {
            let message = format!("two keys are called `{}`", key.name);
            out.push(Diagnostic::error(Code::BadName, key.name.span, message).related(first, "the first"));
        }
    }
    let repositories = |texts: &[Text]| texts.iter().map(|text| text.trim_end_matches('/').to_owned()).collect();
    Contents {
        repositories: repositories(&written.repositories),
        build_repositories: repositories(&written.build_repositories),
        runtime_repositories: repositories(&written.runtime_repositories),
        keyring: list(&written.keyring),
        runtime_keyring: written
            .runtime_keyring
            .iter()
            .map(|key| Key { name: key.name.value.clone(), content: key.content.value.clone() })
            .collect(),
        packages: list(&written.packages),
        baseimage: written
            .baseimage
            .as_ref()
            .map(|base| BaseImage { image: base.image.value.clone(), apkindex: base.apkindex.value.clone() }),
    }
}

fn entrypoint(written: &EntrypointDocument, source: &str, out: &mut Diagnostics) -> Entrypoint {
    let kind = written.kind.as_ref().filter(|kind| !kind.is_empty());
    if let Some(kind) = kind {
        if kind.as_str() == "service-bundle" {
            return Entrypoint::ServiceBundle(map(&written.services));
        }
        let error = Diagnostic::error(Code::BadValue, kind.span, format!("`{kind}` is no type of entrypoint"));
        out.push(error.help("there is `service-bundle`; leave it out for a single command"));
    }
    if let Some(fragment) = written.shell_fragment.as_ref().filter(|fragment| !fragment.is_empty()) {
        crate::shell::check(fragment, source, out);
        return Entrypoint::ShellFragment(fragment.value.clone());
    }
    let command = written.command.as_ref().map(|command| words(command, source, out, &mut str::to_owned)).unwrap_or_default();
    if command.is_empty() { Entrypoint::None } else { Entrypoint::Command(command) }
}

fn archs(written: &[Text], host: Option<Arch>, out: &mut Diagnostics) -> Vec<Arch> {
    let mut archs = Vec::new();
    for name in written {
        match (name.as_str(), host) {
            ("all", _) => archs.extend(Arch::ALL),
            ("host", Some(host)) => archs.push(host),
            ("host", None) => {}
            (other, _) => match other.parse() {
                Ok(arch) => archs.push(arch),
                Err(_) => {
                    let error = Diagnostic::error(Code::UnknownArch, name.span, format!("there is no architecture `{other}`"));
                    out.push(error.help(known_archs(other)));
                }
            },
        }
    }
    archs.sort_unstable();
    archs.dedup();
    archs
}

fn certificates(document: &ImageDocument) -> Certificates {
    let Some(written) = &document.certificates else { return Certificates::default() };
    let additional = written.additional.iter().enumerate().map(|(index, certificate)| Key {
        name: optional(certificate.name.as_ref()).unwrap_or_else(|| format!("additional-{index}")),
        content: certificate.content.value.clone(),
    });
    Certificates { additional: additional.collect(), providers: list(&written.providers) }
}

fn list(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| text.value.clone()).collect()
}

fn map(texts: &BTreeMap<Text, Text>) -> BTreeMap<String, String> {
    texts.iter().map(|(key, text)| (key.value.clone(), text.value.clone())).collect()
}

fn optional(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.value.clone()).filter(|text| !text.is_empty())
}
