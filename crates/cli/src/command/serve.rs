//! `undistro serve`: the registry.

use std::path::PathBuf;
use std::sync::Arc;

use registry::{Limits, Registry, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::guard;
use crate::printer::Printer;
use crate::project;

/// Serve images to every OCI client: a registry over a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The registry lies in the folder `registry` of the store.

Example:
  undistro serve --listen 127.0.0.1:5000             everyone on this machine may pull and push
  skopeo copy oci:./out docker://127.0.0.1:5000/nginx:1 --dest-tls-verify=false")]
pub(crate) struct Args {
    /// The address to listen on; port 0 takes a free one. The address is printed when connections are taken.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: String,
    /// Who may do what: users, tokens, rules (docs/registry-access.md) [default: everyone may do everything].
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// Speak TLS with this chain of certificates, PEM; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::fault(&error))?;
    runtime.block_on(serve(args, global, printer))
}

/// Opens the registry's store: a folder within the store, or a bucket.
pub(crate) async fn open(global: &Global) -> Result<Store, Failure> {
    let named = global.store.as_ref().and_then(|store| store.to_str()).filter(|store| store.contains("://"));
    let address = match named {
        Some(address) => address.to_owned(),
        None => {
            let path = project::store_path(global)?.join("registry");
            path.into_os_string().into_string().map_err(|_| Failure::Input(Message::text("the store's path is not UTF-8")))?
        }
    };
    Store::open(&address).await.map_err(|error| Failure::fault(&error))
}

async fn serve(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls =
        tls.map(|(certificate, key)| registry::tls::acceptor(certificate, key)).transpose().map_err(|error| Failure::input(&error))?;
    let access = guard::open(args.access.as_deref(), tls.is_some())?;
    let registry = Arc::new(Registry::new(open(global).await?, access, Limits::default()));
    let listener = TcpListener::bind(&args.listen).await.map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{} can not be listened on", args.listen));
        Failure::Input(message.hint("name another address with --listen"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::fault(&error))?;
    printer.json(&serde_json::json!({ "listen": address.to_string() }));
    printer.line(format!("{}://{address}", if tls.is_some() { "https" } else { "http" }));
    registry::serve::serve(registry, listener, tls, asked_to_stop()?).await.map_err(|error| Failure::fault(&error))
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
