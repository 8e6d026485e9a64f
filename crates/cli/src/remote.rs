//! How verbs speak with registries: credentials from the user's files, and ways out where a registry refuses.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use oci::remote::{Client, Helper, Keychain, Reference, Remote, RemoteError, Secret, Settings};

use crate::environment::{self, Variable};
use crate::failure::{Failure, Message, with_usual_hints};

/// Options of verbs that speak with registries.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RegistryArgs {
    /// Speak without TLS to every registry; without this only to one on this machine: localhost, 127.0.0.1 or ::1.
    #[arg(long, help_heading = "Registry options")]
    plain_http: bool,
    /// Trust the certificates of the authorities in this PEM file, in place of those that browsers trust.
    #[arg(long, value_name = "FILE", help_heading = "Registry options")]
    tls_ca: Option<PathBuf>,
}

/// The longest file of credentials or certificates: what people have is some kilobytes.
const MAX_FILE: u64 = 4 << 20;

/// How many blobs travel at once. More gains little on one connection to one registry, and registries count connections.
pub(crate) const PARALLEL: usize = 4;

impl RegistryArgs {
    /// Makes a client with the user's credentials.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let proxy = environment::PROXIES.into_iter().find_map(Variable::text).map(Secret::new);
        let authorities = match &self.tls_ca {
            Some(path) => Some(read(path)?.ok_or_else(|| Failure::Input(Message::text(format!("there is no {}", path.display()))))?),
            None => None,
        };
        let settings = Settings { plain_http: self.plain_http, proxy, authorities, parallel: PARALLEL, ..Settings::default() };
        Client::new(&settings, keychain()?).map_err(|error| failure(&error))
    }
}

/// Opens the repository of a reference.
pub(crate) fn open<'a>(client: &'a Client, reference: &Reference) -> Result<Remote<'a>, Failure> {
    client.open(&reference.repository).map_err(|error| failure(&error))
}

/// Parses a name in a registry.
pub(crate) fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse().map_err(|error| Failure::input(&error))
}

/// Where docker and podman keep credentials, the first before the others (containers-auth.json(5)).
fn keychain() -> Result<Keychain, Failure> {
    let folder = |variable: Variable| variable.value().map(PathBuf::from);
    let home = folder(environment::HOME);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let files = [
        folder(environment::REGISTRY_AUTH_FILE),
        folder(environment::RUNTIME).map(|folder| folder.join("containers/auth.json")),
        folder(environment::CONFIG).or_else(|| below_home(".config")).map(|folder| folder.join("containers/auth.json")),
        folder(environment::DOCKER_CONFIG).or_else(|| below_home(".docker")).map(|folder| folder.join("config.json")),
    ];
    let mut keychain = Keychain::default();
    for path in files.into_iter().flatten() {
        if let Some(text) = read(&path)? {
            keychain.add_file(&path.display().to_string(), &text).map_err(|error| Failure::input(&error))?;
        }
    }
    if let Some(path) = folder(environment::NETRC).or_else(|| below_home(".netrc"))
        && let Some(text) = read(&path)?
    {
        keychain.add_netrc(&String::from_utf8_lossy(&text));
    }
    keychain.set_helper(Box::new(Programs));
    Ok(keychain)
}

/// Reads a file that may not be there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::input(&error)),
    }
}

/// Runs `docker-credential-…`.
struct Programs;

impl Helper for Programs {
    fn get(&self, name: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
        let mut child = Command::new(format!("docker-credential-{name}"))
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A helper that does not read has answered already.
            let _ = input.write_all(server.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok((output.status.success(), output.stdout))
    }
}

/// What a registry's refusal means for the command, and the way out.
pub(crate) fn failure(error: &RemoteError) -> Failure {
    let message = with_usual_hints(Message::of(error), error);
    match error {
        RemoteError::Unauthorised { had_credentials: false, .. } => {
            Failure::No(message.hint("log in with `docker login` or `podman login`; their files are read"))
        }
        RemoteError::Unauthorised { .. } => {
            Failure::No(message.hint("the credentials that were found may not do this; log in as another user"))
        }
        RemoteError::Missing { what, .. } if what.starts_with("tags") => {
            Failure::No(message.hint("check the name; nothing was pushed there"))
        }
        RemoteError::Missing { .. } => Failure::No(message.hint("`undistro tags REPOSITORY` lists what is there")),
        RemoteError::Changed { .. } => {
            Failure::No(message.hint("nothing was kept; the registry, or something before it, changed the bytes"))
        }
        RemoteError::Tls { plain: true, .. } => {
            Failure::Input(message.hint("if it is meant to be spoken to without TLS, say so with --plain-http"))
        }
        RemoteError::Tls { .. } => {
            Failure::Input(message.hint("if its certificate is from an authority of your own, name that with --tls-ca"))
        }
        RemoteError::Http { source, .. } if is_refused(source) => {
            Failure::No(message.hint("nothing listens there: check host and port, and whether the registry runs"))
        }
        RemoteError::Http { .. } | RemoteError::Status { .. } | RemoteError::Truncated { .. } => Failure::No(message),
        RemoteError::Store(_) | RemoteError::Io { .. } => Failure::Fault(message),
        _ => Failure::Input(message),
    }
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    error.to_string().contains("Connection refused")
}
