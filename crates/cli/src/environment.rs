//! Every environment variable that undistro reads, declared once: the code uses this table, and docs/cli.md is made of it.

use std::ffi::OsString;

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What it sets, in one sentence. docs/cli.md is made of it, by a test.
    #[cfg(test)]
    pub(crate) meaning: &'static str,
}

impl Variable {
    /// Returns its value. One that is set to nothing counts as not set.
    pub(crate) fn value(self) -> Option<OsString> {
        std::env::var_os(self.name).filter(|value| !value.is_empty())
    }

    /// Returns its value where that is UTF-8.
    pub(crate) fn text(self) -> Option<String> {
        self.value()?.into_string().ok()
    }
}

macro_rules! variables {
    ($($variable:ident = $name:literal: $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(crate) const $variable: Variable = Variable {
                name: $name,
                #[cfg(test)]
                meaning: $meaning,
            };
        )*

        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[Variable] = &[$($variable,)*];
    };
}

variables! {
    STORE = "UNDISTRO_STORE": "The folder that keeps sources, packages, images and results; as `--store`.";
    DISTRO = "UNDISTRO_DISTRO": "The folder of definitions; as `--distro`.";
    JOBS = "UNDISTRO_JOBS": "How many jobs a build runs at once; as `--jobs`.";
    MAX_SIZE = "UNDISTRO_MAX_SIZE": "The most that the store is to take, as `undistro store gc --max-size`; `build` and `compose` see to it at their end.";
    MIRROR = "UNDISTRO_MIRROR": "Folders or URLs laid out by digest, divided by blanks, asked before any other place; as `--mirror`.";
    DEBIAN_MIRROR = "UNDISTRO_DEBIAN_MIRROR": "The base URL of the Debian mirror for `debian:` sources and seeds; without it, the mirror of the host's apt is used.";
    KEY_PASSWORD = "UNDISTRO_KEY_PASSWORD": "The password of an encrypted private key; without it, it is asked for.";
    COSIGN_PASSWORD = "COSIGN_PASSWORD": "As `UNDISTRO_KEY_PASSWORD`, where that is not set.";
    CACHE = "XDG_CACHE_HOME": "The store lies in `undistro` below it, where none is named.";
    HOME = "HOME": "The store lies in `.cache/undistro` below it, where neither a store nor `XDG_CACHE_HOME` is named.";
    REGISTRY_AUTH_FILE = "REGISTRY_AUTH_FILE": "The file of registry credentials, as podman reads it; before all others.";
    RUNTIME = "XDG_RUNTIME_DIR": "Registry credentials lie in `containers/auth.json` below it, where `podman login` writes them.";
    CONFIG = "XDG_CONFIG_HOME": "Registry credentials lie in `containers/auth.json` below it; without it, below `.config` in `HOME`.";
    DOCKER_CONFIG = "DOCKER_CONFIG": "Registry credentials lie in `config.json` below it, where `docker login` writes them; without it, below `.docker` in `HOME`.";
    NETRC = "NETRC": "A netrc file, which is asked for registry credentials last; without it, `.netrc` in `HOME`.";
    NO_COLOR = "NO_COLOR": "Set to anything: no colour.";
    HTTPS_PROXY_LOWER = "https_proxy": "The proxy for fetching. The first that is set counts, in the order of this table.";
    HTTPS_PROXY = "HTTPS_PROXY": "As `https_proxy`.";
    HTTP_PROXY_LOWER = "http_proxy": "As `https_proxy`. The upper case is not read: a server's environment can hold it by a request's header.";
    ALL_PROXY_LOWER = "all_proxy": "As `https_proxy`.";
    ALL_PROXY = "ALL_PROXY": "As `https_proxy`.";
    BUCKET_ID = "AWS_ACCESS_KEY_ID": "Who asks, where the registry's store is a bucket.";
    BUCKET_SECRET = "AWS_SECRET_ACCESS_KEY": "The secret of `AWS_ACCESS_KEY_ID`.";
    BUCKET_TOKEN = "AWS_SESSION_TOKEN": "The token of a session, where the secret belongs to one.";
    BUCKET_REGION = "AWS_REGION": "The bucket's region; `us-east-1` where it is not set.";
    BUCKET_ENDPOINT = "AWS_ENDPOINT_URL": "The server of S3-compatible storage, where it is not AWS's.";
    BUCKET_HTTP = "AWS_ALLOW_HTTP": "`true`: the server of `AWS_ENDPOINT_URL` is asked without TLS.";
    BUCKET_ROLE = "AWS_ROLE_ARN": "The role that a workload's token stands for.";
    BUCKET_IDENTITY = "AWS_WEB_IDENTITY_TOKEN_FILE": "The file with a workload's token.";
}

/// What is handed to the bucket's client.
pub(crate) const BUCKET: [Variable; 8] =
    [BUCKET_ID, BUCKET_SECRET, BUCKET_TOKEN, BUCKET_REGION, BUCKET_ENDPOINT, BUCKET_HTTP, BUCKET_ROLE, BUCKET_IDENTITY];

/// Where the proxy for fetching may stand, the first before the others.
pub(crate) const PROXIES: [Variable; 5] = [HTTPS_PROXY_LOWER, HTTPS_PROXY, HTTP_PROXY_LOWER, ALL_PROXY_LOWER, ALL_PROXY];

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn nothing_else_reads_the_environment() {
        let mut files = Vec::new();
        for room in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap() {
            sources(&room.unwrap().path().join("src"), &mut files);
        }
        assert!(files.len() > 100, "{} files", files.len());
        for file in files.iter().filter(|file| !file.ends_with("cli/src/environment.rs")) {
            let text = fs_err::read_to_string(file).unwrap();
            // Tests beside the code may look for what they need.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            // These are tests, and the sandbox's own binaries are tools of its tests.
            let tests = ["tests.rs", "proof.rs", "reference.rs"];
            let of_tests = tests.iter().any(|name| file.ends_with(name)) || file.components().any(|part| part.as_os_str() == "bin");
            let reads = code.contains("env::var") && !of_tests;
            assert!(!reads, "{}: reads the environment; name the variable in cli/src/environment.rs", file.display());
        }
    }

    #[test]
    fn each_is_declared_once() {
        let mut names: Vec<_> = ALL.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
