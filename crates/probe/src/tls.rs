//! Whom a client trusts.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that this system trusts.
    #[default]
    System,
    /// Those in this PEM file, and no others.
    File(PathBuf),
    /// Anyone: for tests alone, since anyone in between can read and change what is sent.
    Anyone,
}

/// A client's configuration that offers this protocol (ALPN, RFC 7301).
///
/// # Errors
/// A file that cannot be read or has no certificate in it.
pub fn client_config(trust: &Trust, alpn: &str) -> Result<Arc<ClientConfig>, String> {
    config_with(verifier(trust)?, &[alpn])
}

/// A client's configuration that offers these protocols and remembers what certificate it was shown, also one that
/// it refuses. Certificates are for `name`, whatever name the greeting has.
///
/// # Errors
/// See [`client_config`].
pub fn showing_config(
    trust: &Trust,
    name: ServerName<'static>,
    alpn: &[&str],
) -> Result<(Arc<ClientConfig>, Arc<Shown>), String> {
    let shown = Arc::new(Shown::default());
    let showing = Showing { inner: verifier(trust)?, name, shown: Arc::clone(&shown) };
    Ok((config_with(Arc::new(showing), alpn)?, shown))
}

fn config_with(verifier: Arc<dyn ServerCertVerifier>, alpn: &[&str]) -> Result<Arc<ClientConfig>, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

fn verifier(trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let provider = Arc::new(ring::default_provider());
    if *trust == Trust::Anyone {
        return Ok(Arc::new(AnyCertificate(provider)));
    }
    let roots = Arc::new(roots(trust)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    verifier.map(|verifier| verifier as _).map_err(|error| format!("there is nobody to trust: {error}"))
}

fn roots(trust: &Trust) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Trust::File(path) = trust else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let wrong = |error: String| format!("{}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for certificate in certificates.map_err(|error| wrong(error.to_string()))? {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(roots) }
}

/// What a server has shown.
#[derive(Debug, Default)]
pub struct Shown(Mutex<Option<Certificates>>);

/// A server's certificates, its own first, and what verifying them said.
#[derive(Debug)]
pub struct Certificates {
    /// DER; at least one.
    pub chain: Vec<Vec<u8>>,
    /// Why they are not trusted; none when they are.
    pub refused: Option<String>,
}

impl Shown {
    /// What was shown last; none before, and after it was taken.
    pub fn take(&self) -> Option<Certificates> {
        self.0.lock().take()
    }
}

/// Verifies as another does, and remembers.
#[derive(Debug)]
struct Showing {
    inner: Arc<dyn ServerCertVerifier>,
    name: ServerName<'static>,
    shown: Arc<Shown>,
}

impl ServerCertVerifier for Showing {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(certificate, between, &self.name, ocsp, now);
        let chain = std::iter::once(certificate).chain(between).map(|der| der.as_ref().to_vec()).collect();
        let refused = verdict.as_ref().err().map(ToString::to_string);
        *self.shown.0.lock() = Some(Certificates { chain, refused });
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Takes any certificate, and still checks that its owner signs.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
