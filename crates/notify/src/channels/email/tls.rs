//! Whom mail servers must be, and by what they know us: Alertmanager's `tls_config`.

use lettre::transport::smtp::client::{Certificate, Identity, TlsParameters, TlsVersion};

use crate::secret::Source;
use crate::settings::Settings;

/// `tls_config`.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsSettings {
    authorities: Option<Source>,
    /// Our certificate and its key.
    own: Option<(Source, Source)>,
    server_name: Option<String>,
    is_insecure: bool,
    /// Whether TLS 1.2 is not enough.
    is_new: bool,
}

impl TlsSettings {
    /// # Errors
    /// Keys that contradict each other.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<TlsSettings, String> {
        let read = settings.nested("tls_config", |tls| {
            let own = match (tls.secret_if("cert")?, tls.secret_if("key")?) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                _ => return Err("a certificate needs its key, and a key its certificate".to_owned()),
            };
            let (least, most): (Option<String>, Option<String>) =
                (tls.option("min_version")?, tls.option("max_version")?);
            let is_new = match least.as_deref() {
                None | Some("TLS10" | "TLS11" | "TLS12") => false,
                Some("TLS13") => true,
                Some(_) => return Err("`min_version` is one of TLS10, TLS11, TLS12 and TLS13".to_owned()),
            };
            match most.as_deref() {
                None | Some("TLS13") => {}
                Some(_) => return Err("`max_version` can be TLS13 alone".to_owned()),
            }
            Ok(TlsSettings {
                authorities: tls.secret_if("ca")?,
                own,
                server_name: tls.option("server_name")?,
                is_insecure: tls.value("insecure_skip_verify")?,
                is_new,
            })
        })?;
        Ok(read.unwrap_or_default())
    }

    /// For a server of this name.
    ///
    /// # Errors
    /// Certificates or a key that cannot be read.
    pub(super) fn parameters(&self, host: &str) -> Result<TlsParameters, String> {
        let wrong = |what: &str| format!("tls_config: {what} in PEM");
        let name = self.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(host);
        let mut parameters = TlsParameters::builder(name.to_owned());
        if let Some(authorities) = &self.authorities {
            let certificate = Certificate::from_pem(authorities.read()?.reveal().as_bytes());
            parameters =
                parameters.add_root_certificate(certificate.map_err(|_| wrong("`ca` holds no certificate"))?);
        }
        if let Some((certificate, key)) = &self.own {
            let (certificate, key) = (certificate.read()?, key.read()?);
            let identity = Identity::from_pem(certificate.reveal().as_bytes(), key.reveal().as_bytes());
            parameters = parameters.identify_with(identity.map_err(|_| wrong("`cert` or `key` holds none"))?);
        }
        if self.is_insecure {
            parameters = parameters.dangerous_accept_invalid_certs(true);
        }
        if self.is_new {
            parameters = parameters.set_min_tls_version(TlsVersion::Tlsv13);
        }
        parameters.build().map_err(|error| format!("tls_config: {error}"))
    }
}
