//! The pipelines that every definition may use, as signatures: inputs, defaults, what must be given, what is needed.
//!
//! The names and inputs are melange's. Some are carried out by undistro itself ([`is_native`]); the others have their
//! steps in a pipeline folder, and planning one whose steps nobody wrote is an error there, not here.

/// An input of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: &'static str,
    /// Its value when none is given.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

/// What a pipeline takes and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Name after `uses`.
    pub name: &'static str,
    /// Whether undistro carries it out itself; then nothing is needed in the build root for it.
    pub native: bool,
    /// Packages that its steps need in the build root.
    pub needs: &'static [&'static str],
    /// Its inputs.
    pub inputs: &'static [Input],
}

const fn native(name: &'static str, needs: &'static [&'static str], inputs: &'static [Input]) -> Signature {
    Signature { name, native: true, needs, inputs }
}

const fn outline(name: &'static str, needs: &'static [&'static str], inputs: &'static [Input]) -> Signature {
    Signature { name, native: false, needs, inputs }
}

const fn optional(name: &'static str) -> Input {
    Input { name, default: None, required: false }
}

const fn default(name: &'static str, value: &'static str) -> Input {
    Input { name, default: Some(value), required: false }
}

const fn required(name: &'static str) -> Input {
    Input { name, default: None, required: true }
}

/// Every built-in pipeline, in order of name.
#[rustfmt::skip]
pub const ALL: &[Signature] = &[
    outline("R/build", &["R", "R-dev", "R-doc", "busybox"], &[required("package"), default("path", "."), required("version")]),
    outline("autoconf/configure", &["autoconf", "automake", "libtool"], &[default("dir", "."), default("host", "${{host.triplet.gnu}}"), default("build", "${{host.triplet.gnu}}"), optional("opts")]),
    outline("autoconf/make", &["make"], &[default("dir", "."), optional("opts"), optional("targets")]),
    outline("autoconf/make-install", &["make"], &[default("dir", "."), optional("opts"), default("targets", "install")]),
    outline("cargo/build", &["build-base", "busybox", "cargo-auditable", "rust"], &[optional("output"), default("opts", "--release"), default("modroot", "."), optional("rustflags"), default("prefix", "usr"), default("install-dir", "bin"), default("output-dir", "target/release"), optional("jobs")]),
    outline("cmake/build", &["cmake", "ninja"], &[default("output-dir", "output"), optional("opts")]),
    outline("cmake/configure", &["cmake", "ninja"], &[default("output-dir", "output"), optional("opts")]),
    outline("cmake/install", &["cmake", "ninja"], &[default("output-dir", "output")]),
    native("fetch", &["wget"], &[default("strip-components", "1"), default("directory", "."), default("extract", "true"), optional("expected-sha256"), optional("expected-sha512"), optional("expected-none"), default("purl-name", "${{package.name}}"), default("purl-version", "${{package.version}}"), required("uri"), default("timeout", "5"), default("dns-timeout", "20"), default("retry-limit", "5"), default("delete", "false"), optional("reason")]),
    outline("git-am", &["git"], &[required("patches")]),
    native("git-checkout", &["git"], &[required("repository"), default("destination", "."), default("depth", "unset"), optional("branch"), optional("tag"), optional("expected-commit"), default("expected-commit-is-branch-tip", "false"), default("recurse-submodules", "false"), default("shallow-submodules", "false"), default("submodule-jobs", "1"), optional("cherry-picks"), optional("type-hint"), optional("sparse-paths"), default("max-retries", "3"), default("initial-backoff", "2"), default("max-backoff", "60"), optional("reason")]),
    outline("go/build", &["${{inputs.go-package}}", "build-base", "busybox", "ca-certificates-bundle"], &[default("go-package", "go"), required("packages"), optional("tags"), default("toolchaintags", "netgo,osusergo"), required("output"), default("vendor", "false"), default("modroot", "."), default("prefix", "usr"), optional("ldflags"), default("strip", "-w"), default("install-dir", "bin"), optional("deps"), optional("experiments"), optional("extra-args"), default("amd64", "v2"), default("arm64", "v8.0"), default("buildmode", "default"), default("tidy", "false"), default("ignore-untracked-files", "true")]),
    outline("go/build/v2", &["busybox", "ca-certificates-bundle"], &[default("packages", "."), optional("tags"), default("toolchaintags", "netgo,osusergo"), optional("output"), default("vendor", "false"), default("modroot", "."), default("prefix", "usr"), optional("ldflags"), default("strip", "-w"), default("install-dir", "bin"), optional("experiments"), optional("extra-args"), default("amd64", "v2"), default("arm64", "v8.0"), default("buildmode", "default"), default("ignore-untracked-files", "true")]),
    outline("go/bump", &["git", "gobump"], &[required("deps"), default("modroot", "."), optional("go-version"), optional("replaces"), default("tidy", "true"), default("show-diff", "false"), optional("tidy-compat"), default("work", "false")]),
    outline("go/covdata", &["${{inputs.package}}", "busybox", "jq"], &[default("package", "go"), default("cover-dir", "/home/build")]),
    outline("go/install", &["${{inputs.go-package}}", "build-base", "busybox", "ca-certificates-bundle", "git"], &[default("go-package", "go"), required("package"), optional("version"), default("prefix", "usr"), default("install-dir", "bin"), optional("ldflags"), default("strip", "-w"), optional("tags"), default("toolchaintags", "netgo,osusergo"), optional("experiments"), default("amd64", "v2"), default("arm64", "v8.0")]),
    outline("llvm/covreport", &["${{inputs.package}}"], &[default("package", "llvm-19"), optional("object"), optional("ignore-filename-regex")]),
    outline("maven/configure-mirror", &["busybox"], &[]),
    outline("maven/pombump", &["busybox", "pombump"], &[default("patch-file", "./pombump-deps.yaml"), default("properties-file", "./pombump-properties.yaml"), optional("dependencies"), optional("properties"), default("pom", "pom.xml"), default("debug", "false"), default("show-dependency-tree", "false")]),
    outline("meson/compile", &["meson"], &[default("output-dir", "output")]),
    outline("meson/configure", &["meson"], &[default("output-dir", "output"), optional("opts")]),
    outline("meson/install", &["meson"], &[default("output-dir", "output")]),
    outline("npm/install", &["${{inputs.npm-package}}", "busybox", "nodejs", "npm"], &[required("package"), required("version"), default("prefix", "${{targets.contextdir}}/usr/"), optional("overrides"), default("npm-package", "npm")]),
    native("patch", &["patch"], &[default("strip-components", "1"), default("fuzz", "2"), optional("patches"), optional("series")]),
    outline("pecl/install", &["automake", "busybox"], &[required("extension")]),
    outline("pecl/phpize", &["autoconf", "busybox"], &[default("php-config", "php-config"), default("prefix", "/usr")]),
    outline("perl/cleanup", &["busybox"], &[]),
    outline("perl/make", &["busybox", "perl"], &[]),
    outline("python/build", &["busybox", "python3"], &[]),
    outline("python/build-wheel", &["busybox", "py3-build", "py3-installer", "python3"], &[]),
    outline("python/import", &["wolfi-base"], &[default("python", "DEFAULT"), optional("import"), optional("from"), optional("imports"), optional("venv")]),
    outline("python/install", &["busybox", "python3"], &[]),
    outline("python/test", &["wolfi-base"], &[required("command")]),
    outline("ruby/build", &["busybox", "ca-certificates-bundle"], &[default("dir", "."), required("gem"), optional("output"), optional("opts")]),
    outline("ruby/clean", &["busybox", "ca-certificates-bundle"], &[]),
    outline("ruby/install", &["busybox", "ca-certificates-bundle"], &[default("dir", "."), optional("gem"), optional("gem-file"), required("version"), optional("opts")]),
    native("split/alldocs", &["busybox"], &[optional("package")]),
    native("split/bin", &["busybox"], &[optional("package")]),
    native("split/debug", &["binutils", "busybox", "scanelf"], &[optional("package")]),
    native("split/dev", &["busybox"], &[optional("package"), default("prefix", "/usr")]),
    native("split/infodir", &["busybox"], &[optional("package")]),
    native("split/lib", &["busybox"], &[optional("package"), optional("patterns"), optional("paths")]),
    native("split/locales", &["busybox"], &[optional("package")]),
    native("split/manpages", &["busybox"], &[optional("package")]),
    native("split/static", &["busybox"], &[optional("package")]),
    native("strip", &["binutils", "scanelf"], &[default("opts", "-g")]),
    outline("xcover/ensure", &["${{inputs.package}}", "busybox", "jq"], &[default("package", "xcover"), optional("min-coverage")]),
    outline("xcover/profile", &["${{inputs.package}}", "busybox"], &[default("package", "xcover"), required("executable-path"), optional("exclude-functions"), optional("include-functions"), default("scope", "project"), default("log-level", "info"), default("verbose", "false"), default("wait-timeout", "60")]),
    outline("xcover/status", &["${{inputs.package}}", "busybox"], &[default("package", "xcover")]),
    outline("xcover/stop", &["busybox"], &[default("package", "xcover")]),
    outline("xcover/wait", &["${{inputs.package}}", "busybox"], &[default("package", "xcover"), default("wait-timeout", "60")]),];

/// Returns the signature of a built-in pipeline.
#[must_use]
pub fn signature(name: &str) -> Option<&'static Signature> {
    ALL.binary_search_by(|signature| signature.name.cmp(name)).ok().map(|at| &ALL[at])
}

/// Returns whether undistro carries the pipeline out itself.
#[must_use]
pub fn is_native(name: &str) -> bool {
    signature(name).is_some_and(|signature| signature.native)
}

/// Returns whether the pipeline can be planned: undistro carries it out, or `pipelines` has its steps.
#[must_use]
pub fn has_body(name: &str, pipelines: &dyn crate::pipeline::Pipelines) -> bool {
    is_native(name) || matches!(pipelines.find(name), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_51_are_there_in_order() {
        assert_eq!(ALL.len(), 51);
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        assert!(is_native("fetch") && is_native("split/dev") && !is_native("autoconf/make") && !is_native("none"));
    }
}
