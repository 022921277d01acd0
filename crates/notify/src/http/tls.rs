//! Whom requests trust, and by what they are known.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};

use crate::secret::Source;
use crate::settings::Settings;

/// `tls_config`.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    authorities: Option<Source>,
    /// Our certificate and its key.
    own: Option<(Source, Source)>,
    /// The name that the peer's certificate must have, where it is not that of the URL.
    name: Option<ServerName<'static>>,
    is_anyone_trusted: bool,
    /// None stands for all.
    version: Option<&'static SupportedProtocolVersion>,
}

impl Tls {
    /// # Errors
    /// Keys that contradict each other, and what cannot be used.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Tls, String> {
        let read = settings.nested("tls_config", |tls| {
            let own = match (tls.secret_if("cert")?, tls.secret_if("key")?) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                _ => return Err("a certificate needs its key, and a key its certificate".to_owned()),
            };
            let name: Option<String> = tls.option("server_name")?;
            let name = name.filter(|name| !name.is_empty()).map(|name| {
                ServerName::try_from(name).map_err(|_| "`server_name` is no name of a host".to_owned())
            });
            Ok(Tls {
                authorities: tls.secret_if("ca")?,
                own,
                name: name.transpose()?,
                is_anyone_trusted: tls.value("insecure_skip_verify")?,
                version: version(tls.option("min_version")?, tls.option("max_version")?)?,
            })
        })?;
        Ok(read.unwrap_or_default())
    }

    /// # Errors
    /// Certificates or keys that cannot be read.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let all = [&TLS12, &TLS13];
        let versions = self.version.as_ref().map_or(&all[..], std::slice::from_ref);
        let roots = Arc::new(self.roots()?);
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let config = if self.is_anyone_trusted || self.name.is_some() {
            let verifier = Verifier::new(self, roots, provider)?;
            config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            config.with_root_certificates(roots)
        };
        let Some((certificate, key)) = &self.own else { return Ok(config.with_no_client_auth()) };
        let key = PrivateKeyDer::from_pem_slice(key.read()?.reveal().as_bytes())
            .map_err(|_| "tls_config: `key` holds no private key in PEM".to_owned())?;
        let own = config.with_client_auth_cert(certificates(certificate, "cert")?, key);
        own.map_err(|error| format!("tls_config: {error}"))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(authorities) => {
                for certificate in certificates(authorities, "ca")? {
                    roots.add(certificate).map_err(|error| format!("tls_config: `ca`: {error}"))?;
                }
            }
        }
        Ok(roots)
    }
}

/// The only version between two, of those that are spoken: 1.2 and 1.3.
fn version(
    min: Option<String>,
    max: Option<String>,
) -> Result<Option<&'static SupportedProtocolVersion>, String> {
    let number = |text: Option<String>, default| match text.as_deref() {
        None => Ok(default),
        Some("TLS10") => Ok(10),
        Some("TLS11") => Ok(11),
        Some("TLS12") => Ok(12),
        Some("TLS13") => Ok(13),
        Some(_) => Err("a version is one of TLS10, TLS11, TLS12 and TLS13".to_owned()),
    };
    match (number(min, 12)?, number(max, 13)?) {
        (_, ..12) => {
            Err("`max_version`: versions before TLS12 are not spoken, since they are broken".to_owned())
        }
        (min, max) if min > max => Err("`min_version` is above `max_version`".to_owned()),
        (13.., _) => Ok(Some(&TLS13)),
        (_, 12) => Ok(Some(&TLS12)),
        _ => Ok(None),
    }
}

fn certificates(source: &Source, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = source.read()?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.reveal().as_bytes()).collect();
    let read = read.ok().filter(|read| !read.is_empty());
    read.ok_or_else(|| format!("tls_config: `{key}` holds no certificate in PEM"))
}

/// Judges a certificate by another name than that of the URL, or not at all.
#[derive(Debug)]
struct Verifier {
    /// None trusts anyone.
    judge: Option<Arc<WebPkiServerVerifier>>,
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(tls: &Tls, roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Result<Verifier, String> {
        let judge = match tls.is_anyone_trusted {
            true => None,
            false => {
                let judge = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Some(judge.map_err(|error| format!("tls_config: {error}"))?)
            }
        };
        Ok(Verifier { judge, name: tls.name.clone(), provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(judge) = &self.judge else { return Ok(ServerCertVerified::assertion()) };
        judge.verify_server_cert(certificate, between, self.name.as_ref().unwrap_or(name), ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
