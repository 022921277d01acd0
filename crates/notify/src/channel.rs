//! What a channel is: from a message to one request, and from the answer to an outcome.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alert::notice::Notice;

use crate::channels::KINDS;
use crate::channels::email::{self, Mailer};
use crate::http::{Answer, Call, Client, HttpSettings, Reach};
use crate::outcome::{Outcome, Reason};
use crate::secret::{Secret, redact};
use crate::text::Texts;

/// Time for a request and its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its identity, which stays when it is repeated.
    pub id: &'a str,
    /// One notice, or those of several groups where the channel tells of them together.
    pub notices: &'a [Notice],
    /// Now, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Differs at each attempt.
    pub nonce: u64,
}

/// A vendor's side of a channel: pure but for secrets, which may be in files.
pub(crate) trait Vendor: Send + Sync + fmt::Debug {
    /// The request that tells of a message.
    ///
    /// # Errors
    /// A secret cannot be read.
    fn call(&self, message: &Message<'_>) -> Result<Call, String>;

    /// What an answer means.
    fn judge(&self, answer: &Answer) -> Outcome;

    /// The request that takes back what was delivered under this name, where that can be.
    fn withdraw(&self, _id: &str) -> Option<Result<Call, String>> {
        None
    }
}

/// At most so many messages within a time; never more, wherever the time begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: usize,
    pub(crate) per: Duration,
}

impl Rate {
    pub(crate) const fn per_second(count: usize) -> Rate {
        Rate { count, per: Duration::from_secs(1) }
    }

    pub(crate) const fn per_minute(count: usize) -> Rate {
        Rate { count, per: Duration::from_secs(60) }
    }
}

/// What holds for all channels of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    /// About 90 % of what the vendor takes.
    pub(crate) rates: &'static [Rate],
    /// Whether one message may tell of several groups.
    pub(crate) has_digests: bool,
    /// Whether a message costs money or wakes people, so that one that may have gone through is not repeated.
    pub(crate) is_costly: bool,
}

/// What a kind makes of its settings.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) vendor: Box<dyn Vendor>,
    pub(crate) traits: Traits,
    pub(crate) http: HttpSettings,
    pub(crate) timeout: Option<Duration>,
    pub(crate) sends_resolved: bool,
}

/// A kind of channels: one line in the list of `channels`.
pub(crate) struct Kind {
    /// As in the configuration, without `_configs`.
    pub(crate) name: &'static str,
    /// Keys of Alertmanager's `global` and the channel's keys that take their value.
    pub(crate) globals: &'static [(&'static str, &'static str)],
    pub(crate) read: Read,
}

/// How a kind reads its settings: a channel for each recipient that has messages of its own.
pub(crate) enum Read {
    /// By requests over HTTP.
    Http(fn(serde_json::Value, &Context) -> Result<Vec<Made>, String>),
    /// By mail.
    Mail(fn(serde_json::Value, &Context) -> Result<Vec<MadeMail>, String>),
}

/// What e-mail makes of its settings.
#[derive(Debug)]
pub(crate) struct MadeMail {
    pub(crate) mailer: Mailer,
    pub(crate) sends_resolved: bool,
}

/// What settings are read with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where relative names of files begin.
    pub directory: PathBuf,
    /// Templates and the language.
    pub texts: Arc<Texts>,
    /// Where requests may go.
    pub reach: Reach,
}

/// A way to reach people, ready to be used.
#[derive(Debug)]
pub struct Channel {
    kind: &'static str,
    traits: Traits,
    way: Way,
    sends_resolved: bool,
}

#[derive(Debug)]
enum Way {
    Http(Box<dyn Vendor>, Box<Client>),
    Mail(Box<Mailer>),
}

/// Names of all kinds of channels, as in the configuration.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// Gives the settings of a channel the values of Alertmanager's `global` that they leave out.
pub fn inherit(kind: &str, settings: &mut serde_json::Value, global: &serde_json::Value) {
    let Some(settings) = settings.as_object_mut() else { return };
    let own = KINDS.iter().find(|known| known.name == kind).map_or(&[][..], |kind| kind.globals);
    for (from, to) in own.iter().chain(&[("http_config", "http_config")]) {
        let Some(value) = global.get(from).filter(|value| !value.is_null()) else { continue };
        // A secret and the file that it is in are one thing.
        let (stem, twin) = match to.strip_suffix("_file") {
            Some(stem) => (stem, *to),
            None => (*to, &*format!("{to}_file")),
        };
        if *from != "http_config" && (settings.contains_key(stem) || settings.contains_key(twin)) {
            continue;
        }
        settings.entry(*to).or_insert_with(|| value.clone());
    }
}

impl Channel {
    /// The channels that settings describe: one, or one for each recipient that has calls of its own.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn read(kind: &str, settings: serde_json::Value, context: &Context) -> Result<Vec<Channel>, String> {
        let known = KINDS.iter().find(|known| known.name == kind);
        let known = known.ok_or_else(|| format!("there is no channel `{kind}`"))?;
        let failed = |why: String| format!("{kind}: {why}");
        match known.read {
            Read::Http(read) => {
                let made = read(settings, context).map_err(failed)?;
                made.into_iter()
                    .map(|made| Channel::made(known.name, made, context).map_err(failed))
                    .collect()
            }
            Read::Mail(read) => {
                let made = read(settings, context).map_err(failed)?;
                let channel = |MadeMail { mailer, sends_resolved }| {
                    let way = Way::Mail(Box::new(mailer));
                    Channel { kind: known.name, traits: email::TRAITS, way, sends_resolved }
                };
                Ok(made.into_iter().map(channel).collect())
            }
        }
    }

    fn made(kind: &'static str, made: Made, context: &Context) -> Result<Channel, String> {
        let Made { vendor, traits, http, timeout, sends_resolved } = made;
        let client = Client::new(&http, &context.reach, timeout.unwrap_or(TIMEOUT))?;
        Ok(Channel { kind, traits, way: Way::Http(vendor, Box::new(client)), sends_resolved })
    }

    /// The same with another time for a request and its answer.
    #[cfg(test)]
    pub(crate) fn with_timeout(self, timeout: Duration) -> Channel {
        let way = match self.way {
            Way::Http(vendor, client) => Way::Http(vendor, Box::new(client.with_timeout(timeout))),
            Way::Mail(mailer) => Way::Mail(Box::new(mailer.with_timeout(timeout))),
        };
        Channel { way, ..self }
    }

    /// Its kind, as in the configuration.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether it tells of alerts that have ended.
    pub fn sends_resolved(&self) -> bool {
        self.sends_resolved
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    /// Tells of a message, once.
    pub async fn send(&self, message: &Message<'_>) -> Outcome {
        match &self.way {
            Way::Mail(mailer) => mailer.send(message).await,
            Way::Http(vendor, client) => self.exchange(&**vendor, client, vendor.call(message)).await,
        }
    }

    /// Takes back what was delivered under a name; none where that cannot be.
    pub async fn withdraw(&self, id: &str) -> Option<Outcome> {
        let Way::Http(vendor, client) = &self.way else { return None };
        Some(self.exchange(&**vendor, client, vendor.withdraw(id)?).await)
    }

    pub(crate) fn can_withdraw(&self) -> bool {
        matches!(&self.way, Way::Http(vendor, _) if vendor.withdraw("").is_some())
    }

    async fn exchange(&self, vendor: &dyn Vendor, client: &Client, call: Result<Call, String>) -> Outcome {
        let call = match call {
            Ok(call) => call,
            Err(why) => return Outcome::retry(Reason::Auth, why),
        };
        let secrets = call.secrets.clone();
        let outcome = match client.send(call).await {
            Ok(answer) => vendor.judge(&answer),
            Err(failure) => failure.outcome(self.traits.is_costly),
        };
        outcome.with_detail(|detail| redact(detail, &secrets))
    }

    /// The request that would tell of a message, without what is secret.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn dry_run(&self, message: &Message<'_>) -> Result<String, String> {
        match &self.way {
            Way::Mail(mailer) => mailer.dry_run(message),
            Way::Http(vendor, _) => vendor.call(message).map(|call| call.shown()),
        }
    }
}

/// The settings as a kind's own type.
pub(crate) fn settings<T: serde::de::DeserializeOwned>(written: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(written).map_err(|error| error.to_string())
}

/// A URL that is a secret, as it is now.
pub(crate) fn address(source: &crate::secret::Source, key: &str) -> Result<crate::http::Address, String> {
    let text: Secret = source.read()?;
    crate::http::Address::parse(text.reveal()).map_err(|why| format!("`{key}` is {why}"))
}

/// A length of time as Prometheus writes it: `1m30s`; a number counts seconds.
pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Option<Duration>, D::Error> {
    use serde::Deserialize as _;
    use serde::de::Error as _;
    let value = serde_json::Value::deserialize(given)?;
    let ms = match &value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(text) => alert::duration::parse(text).map_err(D::Error::custom)?,
        other => {
            let seconds = other.as_u64().ok_or_else(|| D::Error::custom("not a length of time"))?;
            i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
        }
    };
    Ok((ms > 0).then(|| Duration::from_millis(ms.unsigned_abs())))
}
