//! E-mail by SMTP (RFC 5321, RFC 6409). The keys are Alertmanager's. Each recipient has a message and an outcome of its
//! own.

mod settings;
mod text;
mod tls;

use std::time::{Duration, SystemTime};

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::Tls;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::channel::{Kind, Message, Rate, Read, Traits};
use crate::http::{Reach, one_line};
use crate::outcome::{Outcome, Reason};
use crate::secret::{Secret, Source, redact};

pub(super) const KIND: Kind = Kind {
    name: "email",
    globals: &[
        ("smtp_from", "from"),
        ("smtp_hello", "hello"),
        ("smtp_smarthost", "smarthost"),
        ("smtp_auth_username", "auth_username"),
        ("smtp_auth_password", "auth_password"),
        ("smtp_auth_password_file", "auth_password_file"),
        ("smtp_auth_secret", "auth_secret"),
        ("smtp_auth_secret_file", "auth_secret_file"),
        ("smtp_auth_identity", "auth_identity"),
        ("smtp_require_tls", "require_tls"),
        ("smtp_tls_config", "tls_config"),
        ("smtp_force_implicit_tls", "force_implicit_tls"),
    ],
    // What most providers take of one sender.
    traits: Traits { rates: &[Rate::per_minute(60)], has_digests: true, is_costly: false },
    tells_end: false,
    read: Read::Mail(settings::read),
};

/// The port on which TLS begins at once, where nothing else is said (RFC 8314, 7.3).
const TLS_PORT: u16 = 465;

/// One recipient, and the way there.
#[derive(Clone, Debug)]
pub(crate) struct Mailer {
    host: String,
    port: u16,
    hello: Option<String>,
    login: Option<(String, Source)>,
    needs_tls: bool,
    begins_in_tls: bool,
    tls: tls::TlsSettings,
    reach: Reach,
    letter: text::Letter,
    timeout: Duration,
}

impl Mailer {
    /// Tells of a message, once.
    pub(crate) async fn send(&self, message: &Message<'_>) -> Outcome {
        let password = self.login.as_ref().map(|(_, password)| password.read()).transpose();
        let (password, mail) = match password.and_then(|password| Ok((password, self.letter.write(message)?)))
        {
            Ok(both) => both,
            Err(why) => return Outcome::retry(Reason::Auth, why),
        };
        let sending = async {
            let transport = match self.transport(password.as_ref()).await {
                Ok(transport) => transport,
                Err(outcome) => return outcome,
            };
            match transport.send(mail).await {
                Ok(answer) => {
                    let words: String = answer.message().collect::<Vec<_>>().join(" ");
                    Outcome::Delivered { id: Some(one_line(&words)).filter(|words| !words.is_empty()) }
                }
                Err(error) => judge(&error),
            }
        };
        let outcome = tokio::time::timeout(self.timeout, sending).await;
        let late = || Outcome::retry(Reason::Timeout, format!("{}: no answer in time", self.host));
        let secrets: Vec<Secret> = password.into_iter().collect();
        outcome.unwrap_or_else(|_| late()).with_detail(|detail| redact(detail, &secrets))
    }

    /// The mail as people may see it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn dry_run(&self, message: &Message<'_>) -> Result<String, String> {
        let mail = self.letter.write(message)?;
        Ok(format!("SMTP {}:{}\n\n{}", self.host, self.port, String::from_utf8_lossy(&mail.formatted())))
    }

    /// The same with another time for a whole mail, where one is given.
    pub(crate) fn with_timeout(self, timeout: Option<Duration>) -> Mailer {
        Mailer { timeout: timeout.unwrap_or(self.timeout), ..self }
    }

    async fn transport(
        &self,
        password: Option<&Secret>,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, Outcome> {
        let ip = self.reach.find(&self.host).await.map_err(|failure| failure.outcome(false))?;
        let tls = self.tls().map_err(|why| Outcome::retry(Reason::Auth, why))?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(ip.to_string());
        let mut builder = builder.port(self.port).timeout(Some(self.timeout)).tls(tls);
        if let Some(hello) = &self.hello {
            builder = builder.hello_name(ClientId::Domain(hello.clone()));
        }
        if let (Some((name, _)), Some(password)) = (&self.login, password) {
            let known = vec![Mechanism::Plain, Mechanism::Login];
            let credentials = Credentials::new(name.clone(), password.reveal().to_owned());
            builder = builder.credentials(credentials).authentication(known);
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<Tls, String> {
        if !self.needs_tls && !self.begins_in_tls {
            return Ok(Tls::None);
        }
        let parameters = self.tls.parameters(&self.host)?;
        Ok(if self.begins_in_tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
    }
}

/// 4yz is repeated and 5yz is final (RFC 5321, 4.2.1).
fn judge(error: &lettre::transport::smtp::Error) -> Outcome {
    let detail = told(error);
    let code = error.status().map(u16::from);
    if error.is_permanent() {
        let reason = match code {
            Some(530 | 534 | 535 | 538) => Reason::Auth,
            Some(552) => Reason::TooLarge,
            Some(550 | 551 | 553 | 501) => Reason::BadRequest,
            Some(521 | 554 | 556) => Reason::Blocked,
            _ => Reason::BadRequest,
        };
        return Outcome::failed(reason, detail);
    }
    let reason = match code {
        Some(450..=452) => Reason::RateLimited,
        Some(454) => Reason::Auth,
        Some(_) => Reason::Server,
        None if error.is_timeout() => Reason::Timeout,
        None if is_tls(error) => return Outcome::failed(Reason::Auth, detail),
        // Such as a server that offers no TLS or none of the ways to log in.
        None if error.is_client() => return Outcome::failed(Reason::Auth, detail),
        None if is_connecting(error) => Reason::Unreachable,
        None => Reason::Timeout,
    };
    Outcome::retry(reason, detail)
}

/// Whether the peer is not who it should be, or speaks no TLS that is spoken here.
fn is_tls(error: &lettre::transport::smtp::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>()
            || inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
        {
            return true;
        }
        cause = error.source();
    }
    error.is_tls()
}

fn is_connecting(error: &lettre::transport::smtp::Error) -> bool {
    error.to_string().starts_with("Connection error")
}

fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    one_line(&texts.join(": ")).chars().take(300).collect()
}

/// For `Date`.
fn date(at_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests;
