//! Credentials as docker, podman and curl keep them: `config.json`, `auth.json`, credential helpers, netrc.
//!
//! Which files there are says the caller, who also runs helpers: this only reads what it is handed. A file's entry for the most
//! specific name counts (`host/team/app` before `host/team` before `host`: containers-auth.json(5)); the first file that knows the
//! registry counts; netrc comes last.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{Credential, RemoteError, Repository, Secret};

/// The key under which docker keeps what it knows for its own registry.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";
/// The longest answer of a helper: a token can have some kilobytes.
const MAX_ANSWER: usize = 1 << 20;

/// Asks the program `docker-credential-NAME` for a registry's credentials, given on its standard input, and returns what it printed,
/// or `None` where it has none (docker's credential helper protocol, `get`).
pub trait Helper: Send + Sync {
    /// Runs `docker-credential-{name} get` with `server` on its standard input: what it printed, and whether it exited with 0.
    fn get(&self, name: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)>;
}

/// Every credential that this user has.
#[derive(Default)]
pub struct Keychain {
    files: Vec<AuthFile>,
    machines: Vec<(Option<String>, Credential)>,
    helper: Option<Box<dyn Helper>>,
}

/// Docker's `config.json`, podman's `auth.json`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    #[serde(skip)]
    name: String,
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        f.debug_struct("Keychain").field("files", &files).field("machines", &self.machines.len()).finish_non_exhaustive()
    }
}

impl Keychain {
    /// Adds a file; the first that was added and knows a registry counts. `name` says in errors which one it is.
    pub fn add_file(&mut self, name: &str, text: &[u8]) -> Result<(), RemoteError> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let mut file: AuthFile =
            serde_json::from_slice(text).map_err(|error| RemoteError::AuthFile { file: name.to_owned(), source: without_text(&error) })?;
        file.name = name.to_owned();
        self.files.push(file);
        Ok(())
    }

    /// Adds what a netrc file says. `default` counts for every host.
    pub fn add_netrc(&mut self, text: &str) {
        self.machines.extend(netrc(text));
    }

    /// Says how helpers are run. Without this, files that name one are passed over.
    pub fn set_helper(&mut self, helper: Box<dyn Helper>) {
        self.helper = Some(helper);
    }

    /// Returns what is known for a repository.
    pub fn find(&self, repository: &Repository) -> Result<Option<Credential>, RemoteError> {
        for file in &self.files {
            if let Some(credential) = self.in_file(file, repository)? {
                return Ok(Some(credential));
            }
        }
        let host = repository.host();
        let bare = bare_host(host);
        let machine = self.machines.iter().find(|(name, _)| name.as_deref().is_none_or(|name| name == host || name == bare));
        Ok(machine.map(|(_, credential)| credential.clone()))
    }

    fn in_file(&self, file: &AuthFile, repository: &Repository) -> Result<Option<Credential>, RemoteError> {
        let host = repository.host();
        let server = if host == "docker.io" { DOCKER_KEY } else { host };
        if let Some(name) = file.cred_helpers.get(host)
            && let Some(credential) = self.ask(name, server)?
        {
            return Ok(Some(credential));
        }
        let names = names(repository);
        for name in &names {
            let entry = file.auths.iter().find(|(key, _)| key.as_str() == *name || plain_key(key) == *name);
            if let Some((key, auth)) = entry
                && let Some(credential) = auth.credential(&file.name, key)?
            {
                return Ok(Some(credential));
            }
        }
        match &file.creds_store {
            Some(name) => self.ask(name, server),
            None => Ok(None),
        }
    }

    fn ask(&self, name: &str, server: &str) -> Result<Option<Credential>, RemoteError> {
        let Some(helper) = &self.helper else { return Ok(None) };
        let program = format!("docker-credential-{name}");
        let failed = |why: String| RemoteError::Helper { helper: program.clone(), host: server.to_owned(), why };
        // The name becomes part of a program's: it is one word, never a path.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(failed("its name is no name of a helper".into()));
        }
        let (done, output) = helper.get(name, server).map_err(|error| failed(error.to_string()))?;
        if output.len() > MAX_ANSWER {
            return Err(failed("its answer is too long".into()));
        }
        if !done {
            // Helpers say so on standard output (docker-credential-helpers, credentials/error.go).
            let said = String::from_utf8_lossy(&output);
            let none = said.contains("credentials not found") || said.trim().is_empty();
            return if none { Ok(None) } else { Err(failed(said.lines().next().unwrap_or_default().chars().take(200).collect())) };
        }
        let answer: Answer = serde_json::from_slice(&output).map_err(|_| failed("its answer is not that of a helper".into()))?;
        let secret = Secret::new(answer.secret);
        Ok(Some(if answer.username == "<token>" {
            Credential::Identity(secret)
        } else {
            Credential::Basic { user: answer.username, password: secret }
        }))
    }
}

impl Auth {
    fn credential(&self, file: &str, host: &str) -> Result<Option<Credential>, RemoteError> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Ok(Some(Credential::Token(Secret::new(token))));
        }
        if let Some(token) = set(&self.identitytoken) {
            return Ok(Some(Credential::Identity(Secret::new(token))));
        }
        if let Some(text) = set(&self.auth) {
            let entry = || RemoteError::AuthEntry { file: file.to_owned(), host: host.to_owned() };
            return Credential::from_base64(&text).map(Some).ok_or_else(entry);
        }
        let user = set(&self.username).zip(set(&self.password));
        Ok(user.map(|(user, password)| Credential::Basic { user, password: Secret::new(password) }))
    }
}

/// The parser's message can quote what it read; its place can not.
fn without_text(error: &serde_json::Error) -> serde_json::Error {
    serde::de::Error::custom(format_args!("at line {} column {}", error.line(), error.column()))
}

/// The names under which a file may know a repository, the most specific first.
fn names(repository: &Repository) -> Vec<String> {
    let whole = repository.to_string();
    let host = repository.host();
    let mut names: Vec<String> = vec![whole.clone()];
    let mut rest = whole.as_str();
    while let Some((shorter, _)) = rest.rsplit_once('/') {
        names.push(shorter.to_owned());
        rest = shorter;
    }
    if host == "docker.io" {
        names.extend(["index.docker.io".to_owned(), "registry-1.docker.io".to_owned()]);
    }
    names
}

/// `https://example.org/v1/` is `example.org`, as older docker wrote it.
fn plain_key(key: &str) -> &str {
    match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => key,
    }
}

/// A host without its port.
fn bare_host(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Reads `machine NAME login USER password WORD` and `default …`; macros are passed over, which end at an empty line.
fn netrc(text: &str) -> Vec<(Option<String>, Credential)> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut macros = false;
    for line in text.lines() {
        macros = (macros || line.trim_start().starts_with("macdef")) && !line.trim().is_empty();
        if !macros && !line.trim_start().starts_with('#') {
            words.extend(line.split_whitespace());
        }
    }
    let mut words = words.into_iter();
    let mut entry: Option<(Option<String>, String, String)> = None;
    let mut end = |entry: Option<(Option<String>, String, String)>| {
        if let Some((name, user, password)) = entry.filter(|(_, user, password)| !user.is_empty() && !password.is_empty()) {
            found.push((name, Credential::Basic { user, password: Secret::new(password) }));
        }
    };
    while let Some(word) = words.next() {
        match (word, &mut entry) {
            ("machine", _) => end(entry.replace((words.next().map(str::to_owned), String::new(), String::new()))),
            ("default", _) => end(entry.replace((None, String::new(), String::new()))),
            ("login", Some((_, user, _))) => *user = words.next().unwrap_or_default().to_owned(),
            ("password", Some((_, _, password))) => *password = words.next().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    end(entry);
    found
}

#[cfg(test)]
mod tests;
