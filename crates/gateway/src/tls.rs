//! TLS on both legs: certificates of listeners that are read again when their files change, and the trust in
//! upstreams.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{TlsConfig, UpstreamTlsConfig};

/// What is wrong with a certificate, a key or an authority, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or is no PEM.
    #[error("{path}: {error}; it must be a readable PEM file with a {what}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What the system or the parser said.
        error: String,
    },
    /// A key that does not fit its certificate, or is of an unknown kind.
    #[error("{path}: {error}", path = path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What rustls said.
        error: String,
    },
    /// An authority that cannot be trusted as given.
    #[error("authorities: {0}")]
    Roots(String),
    /// TLS cannot be set up at all.
    #[error("TLS: {0}")]
    Library(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        TlsError::Library(error.to_string())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificate of one listener.
#[derive(Debug)]
pub struct Certificate {
    files: TlsConfig,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<Option<(SystemTime, SystemTime)>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(files: TlsConfig) -> Result<Arc<Certificate>, TlsError> {
        let seen = modified(&files);
        let current = ArcSwap::from_pointee(read_certified_key(&files)?);
        Ok(Arc::new(Certificate { files, current, seen: Mutex::new(seen) }))
    }

    /// Reads the files again when they have changed since they were last read well. New handshakes use what was
    /// read; a bad file keeps the old certificate. Returns whether it was replaced.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let now = modified(&self.files);
        let mut seen = self.seen.lock();
        if now.is_none() || *seen == now {
            return Ok(false);
        }
        let fresh = read_certified_key(&self.files)?;
        self.current.store(Arc::new(fresh));
        *seen = now;
        Ok(true)
    }

    /// End of validity of the first certificate, Unix seconds.
    pub fn not_after(&self) -> Option<i64> {
        let key = self.current.load();
        let (_, parsed) = x509_parser::parse_x509_certificate(key.cert.first()?).ok()?;
        Some(parsed.validity().not_after.timestamp())
    }

    /// The configuration of a listener that serves this certificate. A client keeps its session itself, in a ticket
    /// (RFC 5077; RFC 8446, section 2.2): any number of them come back without a whole handshake, which is what an
    /// outage of the network asks for. Keys of tickets are this listener's and process's own; each encrypts for 6 hours
    /// and decrypts for 12.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// The trust in a route's upstreams.
///
/// # Errors
/// See [`TlsError`].
pub fn client_config(config: &UpstreamTlsConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            for authority in read_certificates(path)? {
                roots.add(authority).map_err(|error| TlsError::Roots(error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

fn modified(files: &TlsConfig) -> Option<(SystemTime, SystemTime)> {
    let of = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    Some((of(&files.cert_file)?, of(&files.key_file)?))
}

fn read_certified_key(files: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let chain = read_certificates(&files.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file).map_err(|error| TlsError::File {
        path: files.key_file.clone(),
        what: "private key",
        error: error.to_string(),
    })?;
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| TlsError::Key { path: files.key_file.clone(), error: error.to_string() })
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error: String| TlsError::File { path: path.to_owned(), what: "certificate", error };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(certificates) }
}
