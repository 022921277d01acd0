//! DingTalk's robots: Markdown, optionally signed (`open.dingtalk.com`, "custom robot").

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, address, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::sign;
use crate::text::{Document, Format, Language, Limit, Text, Texts, body_within};

pub(super) const KIND: Kind = Kind { name: "dingtalk", globals: &[], read: Read::Http(read) };

/// The vendor takes 20 a minute.
const TRAITS: Traits = Traits { rates: &[Rate::per_minute(18)], has_digests: true, is_costly: false };

/// Bytes of a body.
const BODY_MAX: usize = 20_000;

/// How long a robot says nothing after too many messages, at least.
const THROTTLED: Duration = Duration::from_secs(60);

/// Letters of a title: it is what a telephone shows.
const TITLE_MAX: Limit = Limit::chars(100);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    #[serde(default)]
    at_mobiles: Vec<String>,
    #[serde(default)]
    at_user_ids: Vec<String>,
    #[serde(default)]
    at_all: bool,
    keyword: Option<String>,
    language: Option<Language>,
    title: Option<String>,
    text: Option<String>,
}

#[derive(Debug)]
struct DingTalk {
    url: Source,
    secret: Option<Source>,
    at_mobiles: Vec<String>,
    at_user_ids: Vec<String>,
    at_all: bool,
    /// What the robot demands in each message.
    keyword: String,
    texts: std::sync::Arc<Texts>,
    language: Language,
    title: Option<Text>,
    text: Option<Text>,
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let directory = &context.directory;
    let url = Source::required("url", written.url, written.url_file, directory)?;
    if let Source::Text(_) = url {
        let parsed = address(&url, "url")?;
        if !parsed.url().query_pairs().any(|(name, _)| name == "access_token") {
            return Err("`url` is not that of a robot: it has no `access_token`".to_owned());
        }
    }
    let vendor = DingTalk {
        url,
        secret: Source::optional("secret", written.secret, written.secret_file, directory)?,
        at_mobiles: written.at_mobiles,
        at_user_ids: written.at_user_ids,
        at_all: written.at_all,
        keyword: written.keyword.unwrap_or_default(),
        language: written.language.unwrap_or(context.texts.language()),
        title: Text::optional("title", written.title, &context.texts)?,
        text: Text::optional("text", written.text, &context.texts)?,
        texts: context.texts.clone(),
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for DingTalk {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let mut url = address(&self.url, "url")?;
        if let Some(secret) = &self.secret {
            let sign = sign::dingtalk(secret.read()?.reveal(), message.at_ms);
            url = url.with_query(&[("timestamp", &message.at_ms.to_string()), ("sign", &sign)]);
        }
        let document = Document::new(message.notices, self.language, message.at_ms);
        let expand = |text: &Option<Text>| {
            let text = text.as_ref()?;
            self.texts.expand(text, message, self.language, Format::Markdown)
        };
        let (title, text) = (expand(&self.title), expand(&self.text));
        let body = body_within(BODY_MAX, |room| {
            self.body(title.as_deref(), text.as_deref(), &document, Limit::bytes(room))
        });
        Ok(Call::post(url, "application/json", body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        let Some(body) = answer.json() else { return unreadable(answer) };
        let detail = answer.told();
        let retry = |after, reason| Outcome::Retry { after, reason, detail: detail.clone() };
        // Under punishment there is no code, but a wait.
        let Some(code) = body["errcode"].as_i64() else {
            let asked = body["wait"].as_u64().map(|seconds| Duration::from_secs(seconds).max(THROTTLED));
            let reason = if asked.is_some() { Reason::RateLimited } else { Reason::Unknown };
            return retry(asked, reason);
        };
        let said = body["errmsg"].as_str().unwrap_or_default();
        match code {
            0 => Outcome::delivered(),
            -1 | 90030 => retry(None, Reason::Server),
            130_101 => retry(Some(THROTTLED), Reason::RateLimited),
            300_001 | 300_005 => Outcome::failed(Reason::Auth, detail),
            // One code for three causes: signature, keyword, address.
            310_000 if said.contains("sign") || said.contains("timestamp") => {
                Outcome::failed(Reason::Auth, detail)
            }
            310_000 => Outcome::failed(Reason::Blocked, detail),
            _ => Outcome::failed(Reason::BadRequest, detail),
        }
    }
}

impl DingTalk {
    /// Title and text are those of the settings, or else the default message's.
    fn body(&self, title: Option<&str>, text: Option<&str>, document: &Document, limit: Limit) -> Vec<u8> {
        // The robot looks for its keyword as it is.
        let keyword = if self.keyword.is_empty() { String::new() } else { format!("{} ", self.keyword) };
        let title = TITLE_MAX.less(TITLE_MAX.length(&keyword)).cut(title.unwrap_or(&document.title));
        let head = format!("### {keyword}{}\n\n", Format::Markdown.escape(&title));
        let title = format!("{keyword}{title}");
        let mentions: Vec<String> = self.at_mobiles.iter().map(|mobile| format!("@{mobile}")).collect();
        let tail = if mentions.is_empty() { String::new() } else { format!("\n\n{}", mentions.join(" ")) };
        let room = limit.less(head.len() + tail.len());
        let text = text.map_or_else(|| document.body(Format::Markdown, room), |text| room.cut(text));
        let body = json!({
            "msgtype": "markdown",
            "markdown": {"title": title, "text": format!("{head}{text}{tail}")},
            "at": {"atMobiles": self.at_mobiles, "atUserIds": self.at_user_ids, "isAtAll": self.at_all},
        });
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
