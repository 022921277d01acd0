//! The settings of e-mail.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use serde::Deserialize;

use super::Mailer;
use super::text::Letter;
use crate::channel::{Context, MadeMail, settings};
use crate::secret::{Secret, Source};
use crate::text::{Language, Text};

/// Time for a whole mail: servers may make senders wait.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    to: Option<String>,
    from: Option<String>,
    hello: Option<String>,
    smarthost: Option<String>,
    auth_username: Option<String>,
    auth_password: Option<Secret>,
    auth_password_file: Option<PathBuf>,
    auth_secret: Option<Secret>,
    auth_secret_file: Option<PathBuf>,
    #[serde(rename = "auth_identity")]
    _auth_identity: Option<String>,
    require_tls: Option<bool>,
    tls_config: Option<WrittenTls>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    html: Option<String>,
    text: Option<String>,
    language: Option<Language>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenTls {
    ca: Option<Secret>,
    ca_file: Option<PathBuf>,
    server_name: Option<String>,
    insecure_skip_verify: bool,
}

/// A mailer for each recipient.
pub(super) fn read(written: serde_json::Value, context: &Context) -> Result<Vec<MadeMail>, String> {
    let Settings {
        send_resolved,
        to,
        from,
        hello,
        smarthost,
        auth_username,
        auth_password,
        auth_password_file,
        auth_secret,
        auth_secret_file,
        require_tls,
        tls_config,
        headers,
        html,
        text,
        language,
        ..
    } = settings(written)?;
    let missing = |key: &str| format!("`{key}` is missing");
    let to = to.filter(|to| !to.trim().is_empty()).ok_or_else(|| missing("to"))?;
    let from = from.ok_or_else(|| missing("from"))?;
    let smarthost = smarthost.ok_or_else(|| missing("smarthost"))?;
    let (host, port) = host_and_port(&smarthost)?;
    let directory = &context.directory;
    let password = Source::optional("auth_password", auth_password, auth_password_file, directory)?;
    let login = match (auth_username.filter(|name| !name.is_empty()), password) {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) | (Some(_), None) if auth_secret.is_some() || auth_secret_file.is_some() => {
            return Err(
                "`auth_secret` is for CRAM-MD5, which is not spoken here; give `auth_password`".to_owned()
            );
        }
        (Some(_), None) => return Err(missing("auth_password")),
        (None, Some(_)) => return Err(missing("auth_username")),
        (None, None) => None,
    };
    let tls = tls_config.unwrap_or_default();
    let authorities = Source::optional("ca", tls.ca, tls.ca_file, directory)?;
    let sender: Mailbox = from.parse().map_err(|_| format!("`from`: {from:?} is no address"))?;
    let texts = &context.texts;
    let headers = headers.into_iter().map(|(name, text)| {
        let text = Text::read("headers", &text, texts)?;
        Ok((canonical(&name)?, text))
    });
    let headers = headers.collect::<Result<Vec<_>, String>>()?;
    let html = Text::optional("html", html, texts)?;
    let text = Text::optional("text", text, texts)?;
    let recipients = to.split(',').map(str::trim).filter(|one| !one.is_empty());
    recipients
        .map(|recipient| {
            let recipient = recipient.parse().map_err(|_| format!("`to`: {recipient:?} is no address"))?;
            let letter = Letter {
                from: sender.clone(),
                to: recipient,
                headers: headers.clone(),
                html: html.clone(),
                text: text.clone(),
                texts: texts.clone(),
                language: language.unwrap_or(texts.language()),
            };
            let mailer = Mailer {
                host: host.clone(),
                port,
                hello: hello.clone(),
                login: login.clone(),
                needs_tls: require_tls.unwrap_or(true),
                authorities: authorities.clone(),
                server_name: tls.server_name.clone(),
                is_insecure: tls.insecure_skip_verify,
                reach: context.reach.clone(),
                letter,
                timeout: TIMEOUT,
            };
            Ok(MadeMail { mailer, sends_resolved: send_resolved.unwrap_or(false) })
        })
        .collect()
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
