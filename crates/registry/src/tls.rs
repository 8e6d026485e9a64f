//! The certificate that the registry shows, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use fs_err as fs;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// The longest file of certificates or keys: a chain has some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// Why a certificate can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can not be read.
    #[error("the certificate or its key can not be read")]
    Read(#[source] std::io::Error),
    /// A file is too large.
    #[error("{} has more than {MAX_FILE} bytes", .0.display())]
    Large(PathBuf),
    /// A file holds something else.
    #[error("{} is no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What the parser said.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not known.
    #[error("the certificate {} can not be used with its key", .0.display())]
    Pair(PathBuf, #[source] rustls::Error),
    /// TLS can not be set up.
    #[error("TLS can not be set up")]
    Setup(#[source] rustls::Error),
}

/// A certificate and its key, in files.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    stamp: Stamp,
    pair: Arc<CertifiedKey>,
}

/// By what a change of the two files is seen.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Makes what speaks TLS with the certificate in these files. A pair that can not be used later on changes nothing: the former is shown.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let shown = Shown { stamp: stamp(certificate, key), pair: Arc::new(load(certificate, key)?) };
    let files = Files { certificate: certificate.to_owned(), key: key.to_owned(), shown: Mutex::new(shown) };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(files));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Files {
    fn current(&self) -> Arc<CertifiedKey> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.certificate, &self.key);
        if stamp != shown.stamp {
            match load(&self.certificate, &self.key) {
                Ok(pair) => {
                    tracing::info!(certificate = %self.certificate.display(), "the certificate was read again");
                    shown.pair = Arc::new(pair);
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the certificate can not be read again; the former is shown");
                }
            }
            shown.stamp = stamp;
        }
        Arc::clone(&shown.pair)
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| fs::metadata(path).ok().and_then(|one| Some((one.modified().ok()?, one.len()))))
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&read(certificate)?).collect::<Result<_, _>>().map_err(pem(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(pem(key, "private key"))?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).map_err(|error| TlsError::Pair(certificate.to_owned(), error))
}

fn pem(path: &Path, what: &'static str) -> impl Fn(rustls::pki_types::pem::Error) -> TlsError {
    move |source| TlsError::Pem { path: path.to_owned(), what, source }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    if fs::metadata(path).map_err(TlsError::Read)?.len() > MAX_FILE {
        return Err(TlsError::Large(path.to_owned()));
    }
    fs::read(path).map_err(TlsError::Read)
}
