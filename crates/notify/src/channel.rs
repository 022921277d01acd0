//! What a channel is: from a message to one request, and from the answer to an outcome.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alert::notice::Notice;

use crate::channels::KINDS;
use crate::channels::email::Mailer;
use crate::http::{Answer, Call, Client, Failure, HttpSettings, Reach};
use crate::outcome::{Outcome, Reason};
use crate::secret::redact;
use crate::settings::Settings;
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

    /// A request whose answer `call` needs, such as a token; none while it is known. Time is milliseconds since the Unix
    /// epoch.
    fn ahead(&self, _at_ms: i64) -> Option<Result<Call, String>> {
        None
    }

    /// Takes the answer of `ahead`.
    ///
    /// # Errors
    /// What becomes of the message, since it is no answer.
    fn learn(&self, _answer: &Answer, _at_ms: i64) -> Result<(), Outcome> {
        Ok(())
    }

    /// The request that takes back what was delivered under this name, where that can be.
    fn withdraw(&self, _id: &str) -> Option<Result<Call, String>> {
        None
    }
}

/// A vendor for each recipient that has messages of its own.
pub(crate) type Vendors = Vec<Box<dyn Vendor>>;

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

/// A kind of channels: one line in the list of `channels`.
pub(crate) struct Kind {
    /// As in the configuration, without `_configs`.
    pub(crate) name: &'static str,
    /// Keys of Alertmanager's `global` and the channel's keys that take their value.
    pub(crate) globals: &'static [(&'static str, &'static str)],
    pub(crate) traits: Traits,
    /// Whether Alertmanager tells of the end of alerts by it where its file does not say.
    pub(crate) tells_end: bool,
    pub(crate) read: Read,
}

/// How a kind reads its settings, but for those that all have: a channel for each recipient that has messages of its
/// own.
pub(crate) enum Read {
    /// By requests over HTTP.
    Http(fn(&mut Settings<'_>) -> Result<Vendors, String>),
    /// By mail.
    Mail(fn(&mut Settings<'_>) -> Result<Vec<Mailer>, String>),
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
    /// Whether channels tell of the end of alerts by default, unless they cost money or wake people; else they do where
    /// Alertmanager's do.
    pub tells_end: bool,
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
        Channel::of(known, settings, context).map_err(|why| format!("{kind}: {why}"))
    }

    fn of(
        kind: &'static Kind,
        written: serde_json::Value,
        context: &Context,
    ) -> Result<Vec<Channel>, String> {
        let Kind { name, traits, tells_end, read, .. } = kind;
        let mut settings = Settings::new(written, context)?;
        let tells_end = if context.tells_end { !traits.is_costly } else { *tells_end };
        let sends_resolved = settings.option("send_resolved")?.unwrap_or(tells_end);
        let timeout = settings.duration("timeout")?;
        let http = settings.nested("http_config", HttpSettings::read)?.unwrap_or_default();
        let ways: Vec<Way> = match read {
            Read::Http(read) => {
                let client = Client::new(&http, &context.reach, timeout.unwrap_or(TIMEOUT))?;
                let way = |vendor| Way::Http(vendor, Box::new(client.clone()));
                read(&mut settings)?.into_iter().map(way).collect()
            }
            Read::Mail(read) => {
                let way = |mailer: Mailer| Way::Mail(Box::new(mailer.with_timeout(timeout)));
                read(&mut settings)?.into_iter().map(way).collect()
            }
        };
        settings.finish()?;
        let channel = |way| Channel { kind: name, traits: *traits, way, sends_resolved };
        Ok(ways.into_iter().map(channel).collect())
    }

    /// The same with another time for a request and its answer.
    #[cfg(test)]
    pub(crate) fn with_timeout(self, timeout: Duration) -> Channel {
        let way = match self.way {
            Way::Http(vendor, client) => Way::Http(vendor, Box::new(client.with_timeout(timeout))),
            Way::Mail(mailer) => Way::Mail(Box::new(mailer.with_timeout(Some(timeout)))),
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
        self.try_out(message).await.0
    }

    /// The same, with what a vendor answers over HTTP; what gives a token, which is secret, is not among it.
    pub async fn try_out(&self, message: &Message<'_>) -> (Outcome, Vec<Answer>) {
        let mut heard = Vec::new();
        let outcome = match &self.way {
            Way::Mail(mailer) => mailer.send(message).await,
            Way::Http(vendor, client) => {
                let told = self.tell(&**vendor, client, message, &mut heard).await;
                told.unwrap_or_else(|outcome| outcome)
            }
        };
        (outcome, heard)
    }

    /// Takes back what was delivered under a name; none where that cannot be.
    pub async fn withdraw(&self, id: &str) -> Option<Outcome> {
        let Way::Http(vendor, client) = &self.way else { return None };
        let asked = self.ask(client, vendor.withdraw(id)?).await;
        Some(asked.map_or_else(|outcome| outcome, |answer| judged(&**vendor, &answer)))
    }

    pub(crate) fn can_withdraw(&self) -> bool {
        matches!(&self.way, Way::Http(vendor, _) if vendor.withdraw("").is_some())
    }

    /// What was asked ahead may be worth nothing any more, which an answer tells: then both are asked once more.
    async fn tell(
        &self,
        vendor: &dyn Vendor,
        client: &Client,
        message: &Message<'_>,
        heard: &mut Vec<Answer>,
    ) -> Result<Outcome, Outcome> {
        let mut is_again = false;
        loop {
            if let Some(call) = vendor.ahead(message.at_ms) {
                let answer = self.ask(client, call).await?;
                if let Err(outcome) = vendor.learn(&answer, message.at_ms) {
                    heard.push(answer);
                    return Err(outcome);
                }
            }
            let answer = self.ask(client, vendor.call(message)).await?;
            let outcome = judged(vendor, &answer);
            heard.push(answer);
            if is_again || vendor.ahead(message.at_ms).is_none() {
                return Ok(outcome);
            }
            is_again = true;
        }
    }

    async fn ask(&self, client: &Client, call: Result<Call, String>) -> Result<Answer, Outcome> {
        let call = call.map_err(|why| Outcome::retry(Reason::Auth, why))?;
        let secrets = call.secrets.clone();
        let failed = |failure: Failure| {
            let outcome = failure.outcome(self.traits.is_costly);
            outcome.with_detail(|detail| redact(detail, &secrets))
        };
        client.send(call).await.map_err(failed)
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

/// What an answer means, in words without secrets.
fn judged(vendor: &dyn Vendor, answer: &Answer) -> Outcome {
    vendor.judge(answer).with_detail(|detail| redact(detail, &answer.secrets))
}
