//! The settings of e-mail.

use std::time::Duration;

use lettre::message::Mailbox;

use super::text::Letter;
use super::tls::TlsSettings;
use super::{Mailer, TLS_PORT};
use crate::secret::Source;
use crate::settings::Settings;

/// Time for a whole mail: servers may make senders wait.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A mailer for each recipient.
pub(super) fn read(settings: &mut Settings<'_>) -> Result<Vec<Mailer>, String> {
    let to: String = settings.needed("to")?;
    let recipients = to.split(',').map(str::trim).filter(|one| !one.is_empty());
    let recipients: Vec<Mailbox> = recipients.map(|one| mailbox("to", one)).collect::<Result<_, _>>()?;
    let first = recipients.first().cloned().ok_or("`to` is missing")?;
    let from: String = settings.needed("from")?;
    let (host, port) = host_and_port(&settings.needed::<String>("smarthost")?)?;
    let login = login(settings)?;
    let tls = TlsSettings::read(settings)?;
    let headers = settings.pairs("headers")?.into_iter();
    let mailer = Mailer {
        host,
        port,
        hello: settings.option("hello")?,
        login,
        needs_tls: settings.option("require_tls")?.unwrap_or(true),
        begins_in_tls: settings.option("force_implicit_tls")?.unwrap_or(port == TLS_PORT),
        tls,
        reach: settings.context.reach.clone(),
        letter: Letter {
            to: first,
            from: mailbox("from", &from)?,
            headers: headers
                .map(|(name, text)| Ok((canonical(&name)?, text)))
                .collect::<Result<_, String>>()?,
            html: settings.text("html")?,
            text: settings.text("text")?,
            texts: settings.context.texts.clone(),
            language: settings.language()?,
        },
        timeout: TIMEOUT,
    };
    let letter = |to| Letter { to, ..mailer.letter.clone() };
    Ok(recipients.into_iter().map(|to| Mailer { letter: letter(to), ..mailer.clone() }).collect())
}

fn login(settings: &mut Settings<'_>) -> Result<Option<(String, Source)>, String> {
    settings.option::<String>("auth_identity")?;
    let name: Option<String> = settings.option("auth_username")?;
    let name = name.filter(|name| !name.is_empty());
    let secret = settings.secret_if("auth_secret")?;
    match (name, settings.secret_if("auth_password")?) {
        (Some(name), Some(password)) => Ok(Some((name, password))),
        (_, None) if secret.is_some() => {
            Err("`auth_secret` is for CRAM-MD5, which is not spoken here; give `auth_password`".to_owned())
        }
        (Some(_), None) => Err("`auth_password` is missing".to_owned()),
        (None, Some(_)) => Err("`auth_username` is missing".to_owned()),
        (None, None) => Ok(None),
    }
}

fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| format!("`{key}`: {text:?} is no address"))
}

fn host_and_port(smarthost: &str) -> Result<(String, u16), String> {
    let parts = smarthost.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| format!("`smarthost`: {smarthost:?} is not `host:port`"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() { Err("`smarthost` has no host".to_owned()) } else { Ok((host.to_owned(), port)) }
}

/// `x-my-header` as `X-My-Header`.
fn canonical(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name {
        return Err(format!("`headers`: {name:?} is no name of a header"));
    }
    let parts = name.split('-').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    Ok(parts.collect::<Vec<_>>().join("-"))
}
