//! `undistro serve`: the registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use registry::sweep::{Rule, Sweep};
use registry::{Audit, Limits, Opening, Registry, Settings, Store};
use spec::package::LoadError;
use spec::serve::Serve;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Global;
use crate::environment;
use crate::failure::{Failure, Message};
use crate::guard;
use crate::printer::Printer;
use crate::project;

/// Serve images to every OCI client: a registry over a folder, or over S3-compatible storage.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The registry lies in the folder `registry` of the store, or, where the store is written `s3://bucket/prefix`, in that \
bucket; then any number of servers may share it. On SIGHUP the configuration is read again; on SIGTERM answers on their \
way are finished first. docs/registry.md is the operator's guide.

Examples:
  undistro serve --listen 127.0.0.1:5000             everyone on this machine may pull and push
  undistro serve --config serve.yaml --check         say what is wrong with the configuration, and end
  skopeo copy oci:./out docker://127.0.0.1:5000/nginx:1 --dest-tls-verify=false")]
pub(crate) struct Args {
    /// The address to listen on; port 0 takes a free one. The address is printed when connections are taken
    /// [default: 127.0.0.1:5000].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The configuration: who may do what, limits, sweeps, rules (docs/registry.md).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak TLS with this chain of certificates, PEM; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Read the configuration, open the store, and end.
    #[arg(long)]
    check: bool,
    /// How the log on stderr is written.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Log::Text)]
    log: Log,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Everything that configuration, options and environment say.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) store: String,
    pub(super) opening: Opening,
    pub(super) sweep: Sweep,
    listen: String,
    access: Option<spec::access::Access>,
    /// Where the configuration lies; paths in it are relative to this.
    folder: PathBuf,
    limits: Limits,
    audit: Option<PathBuf>,
    every: Option<Duration>,
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::fault(&error))
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let setup = Setup::load(args.config.as_deref(), global)?;
    log(args.log, printer.is_verbose());
    runtime()?.block_on(serve(args, setup, global, printer))
}

impl Setup {
    /// Reads the configuration. An option counts over it.
    pub(super) fn load(config: Option<&Path>, global: &Global) -> Result<Self, Failure> {
        let serve = match config {
            Some(path) => spec::serve::load(path).map_err(|error| mistakes(&error))?,
            None => Serve::default(),
        };
        let limits = Limits::default();
        let limits = Limits {
            manifest: serve.manifest.unwrap_or(limits.manifest).min(registry::MAX_MANIFEST_LIMIT),
            blob: serve.blob.unwrap_or(limits.blob),
            uploads: serve.uploads.unwrap_or(limits.uploads),
            connections: serve.connections.unwrap_or(limits.connections),
            requests_per_second: serve.requests_per_second,
            cache: serve.cache.map_or(limits.cache, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            ..limits
        };
        let sweep = Sweep::default();
        let sweep = Sweep {
            grace: serve.grace.unwrap_or(sweep.grace),
            uploads: serve.abandoned.unwrap_or(sweep.uploads),
            rules: serve.retention.iter().map(rule).collect::<Result<_, _>>()?,
            dry_run: false,
        };
        let bucket = environment::BUCKET.iter().filter_map(|variable| Some((variable.name.to_owned(), variable.text()?))).collect();
        Ok(Self {
            store: place(&serve, global)?,
            opening: Opening { bucket, single_writer: serve.single_writer, redirect: serve.redirect, grace: sweep.grace },
            sweep,
            listen: serve.listen.unwrap_or_else(|| "127.0.0.1:5000".to_owned()),
            access: serve.access,
            folder: config.and_then(Path::parent).unwrap_or(Path::new("")).to_owned(),
            limits,
            audit: serve.audit.map(PathBuf::from),
            every: serve.sweep_every,
        })
    }

    fn settings(&self, tls: bool) -> Result<Settings, Failure> {
        Ok(Settings { access: guard::open(self.access.as_ref(), &self.folder, tls)?, limits: self.limits.clone() })
    }
}

/// Shows the mistakes of the configuration with their lines.
fn mistakes(error: &LoadError) -> Failure {
    match error {
        LoadError::Mistakes { path, text, diagnostics } => {
            let shown = diagnostics.render(&path.display().to_string(), text);
            Failure::Input(Message::text(format!("{} has mistakes\n{shown}", path.display())))
        }
        other => Failure::input(other),
    }
}

/// Where the registry lies: what `--store` names counts over the configuration.
fn place(serve: &Serve, global: &Global) -> Result<String, Failure> {
    let named = global.store.as_ref().and_then(|store| store.to_str()).or(serve.store.as_deref());
    if let Some(bucket) = named.filter(|store| store.contains("://")) {
        return Ok(bucket.to_owned());
    }
    let folder = match named {
        Some(folder) => PathBuf::from(folder),
        None => project::store_path(global)?,
    };
    folder.join("registry").into_os_string().into_string().map_err(|_| Failure::Input(Message::text("the store's path is not UTF-8")))
}

fn rule(rule: &spec::serve::Rule) -> Result<Rule, Failure> {
    let pattern = |text: &str| text.parse().map_err(|error: registry::sweep::PatternError| Failure::input(&error));
    Ok(Rule {
        repositories: pattern(&rule.repositories)?,
        tags: pattern(&rule.tags)?,
        newest: rule.newest,
        younger: rule.younger,
        untagged: rule.untagged,
    })
}

/// Lets the log of the server go to stderr.
fn log(form: Log, verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match form {
        Log::Text => log.with_ansi(false).init(),
        Log::Json => log.json().flatten_event(true).init(),
    }
}

async fn serve(args: &Args, setup: Setup, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let store = Store::open(&setup.store, &setup.opening).await.map_err(|error| match &error {
        registry::StoreError::Address(_) => Failure::input(&error),
        _ => Failure::fault(&error),
    })?;
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = tls.map(|(certificate, key)| registry::tls::acceptor(certificate, key)).transpose();
    let tls = tls.map_err(|error| Failure::input(&error))?;
    let settings = setup.settings(tls.is_some())?;
    let audit = setup.audit.as_deref().map(Audit::open).transpose().map_err(|error| Failure::input(&error))?;
    if args.check {
        printer.line(format!("{}: the store can be opened", setup.store));
        return Ok(());
    }
    let listen = args.listen.as_deref().unwrap_or(&setup.listen);
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{listen} can not be listened on"));
        Failure::Input(message.hint("name another address with --listen"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::fault(&error))?;
    let process = format!("{:x}", std::process::id());
    let registry = Arc::new(Registry::new(store, settings, audit, &process));
    printer.json(&serde_json::json!({ "listen": address.to_string() }));
    printer.line(format!("{}://{address}", if tls.is_some() { "https" } else { "http" }));
    let reload = tokio::spawn(reload(registry.clone(), args.config.clone(), tls.is_some(), global.clone()));
    let sweeps = setup.every.map(|every| tokio::spawn(sweep(registry.clone(), setup.sweep, every)));
    let result = registry::serve::serve(registry, listener, tls, asked_to_stop()?).await;
    reload.abort();
    if let Some(sweeps) = sweeps {
        sweeps.abort();
    }
    result.map_err(|error| Failure::fault(&error))
}

/// Reads the configuration again whenever SIGHUP comes. One with mistakes changes nothing.
async fn reload(registry: Arc<Registry>, config: Option<PathBuf>, tls: bool, global: Global) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        let loaded = Setup::load(config.as_deref(), &global);
        match loaded.and_then(|setup| setup.settings(tls)).map(|settings| registry.reload(settings)) {
            Ok(Ok(())) => tracing::info!("the configuration was read again"),
            Ok(Err(error)) => tracing::error!(%error, "the audit log can not be opened anew"),
            Err(failure) => {
                let why = failure.message().map(|message| message.chain.join(": ")).unwrap_or_default();
                tracing::error!(why, "the configuration has mistakes; the one before stays");
            }
        }
    }
}

/// Sweeps from time to time. Where another server on the bucket does, this one does not.
async fn sweep(registry: Arc<Registry>, plan: Sweep, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match registry::sweep(registry.store(), &plan).await {
            Ok(swept) => {
                registry.note(&swept);
                tracing::info!(manifests = swept.manifests, blobs = swept.removed_blobs, freed = swept.freed, "swept");
            }
            Err(error) => tracing::warn!(%error, "not swept"),
        }
    }
}

/// Ends when the process is asked to: Ctrl-C, or the SIGTERM of a service manager.
fn asked_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failure::fault(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure::fault(&error))?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
