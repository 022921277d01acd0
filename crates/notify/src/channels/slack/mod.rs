//! Slack: incoming webhooks, and `chat.postMessage` with a bot's token (`docs.slack.dev`); also what takes webhooks as
//! Slack does. The keys are Alertmanager's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::settings::{Pairs, SecretUrl, Settings};
use crate::text::{Filler, Format, Language, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "slack",
    globals: &[("slack_api_url", "api_url"), ("slack_api_url_file", "api_url_file")],
    // The vendor takes one a second for each channel.
    traits: Traits {
        rates: &[Rate::per_minute(54), Rate { count: 1, per: Duration::from_millis(1100) }],
        has_digests: true,
        is_costly: false,
    },
    tells_end: false,
    read: Read::Http(read),
};

/// Alertmanager's own for a title (`notify/slack/slack.go`).
const TITLE_MAX: Limit = Limit::chars(1024);

/// As long as a section may be; an attachment may be longer, but nobody reads it.
const TEXT_MAX: Limit = Limit::chars(3000);

/// Other texts.
const SHORT_MAX: Limit = Limit::chars(1024);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenField {
    title: String,
    value: String,
    short: Option<bool>,
}

#[derive(Debug)]
struct Slack {
    url: SecretUrl,
    texts: Arc<Texts>,
    language: Language,
    /// Of the message itself.
    outer: BTreeMap<&'static str, Text>,
    message_text: Option<Text>,
    /// Of its one attachment.
    inner: BTreeMap<&'static str, Text>,
    title: Option<Text>,
    text: Option<Text>,
    fields: Vec<(Text, Text, bool)>,
    actions: Vec<Pairs>,
    link_names: bool,
    mrkdwn_in: Vec<String>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let texts = settings.context.texts.clone();
    let are_short: bool = settings.value("short_fields")?;
    let fields: Vec<WrittenField> = settings.value("fields")?;
    let fields = fields.into_iter().map(|WrittenField { title, value, short }| {
        let title = Text::read("fields.title", &title, &texts)?;
        Ok((title, Text::read("fields.value", &value, &texts)?, short.unwrap_or(are_short)))
    });
    let mrkdwn_in = || ["fallback", "pretext", "text"].map(str::to_owned).to_vec();
    Ok(vec![Box::new(Slack {
        url: settings.secret_url("api_url")?,
        fields: fields.collect::<Result<_, String>>()?,
        texts,
        language: settings.language()?,
        outer: settings.texts(["channel", "username", "icon_emoji", "icon_url"])?,
        message_text: settings.text("message_text")?,
        inner: settings.texts([
            "title_link",
            "pretext",
            "callback_id",
            "footer",
            "image_url",
            "thumb_url",
            "color",
            "fallback",
        ])?,
        title: settings.text("title")?,
        text: settings.text("text")?,
        actions: settings.list_of_pairs("actions")?,
        link_names: settings.value("link_names")?,
        mrkdwn_in: settings.option("mrkdwn_in")?.unwrap_or_else(mrkdwn_in),
    })])
}

impl Vendor for Slack {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        Ok(Call::json(self.url.read()?, &self.body(message)))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        // A webhook says `ok`, the Web API an object.
        if answer.body.trim() == "ok" {
            return Outcome::delivered();
        }
        let Some(body) = answer.json() else { return unreadable(answer) };
        match (body["ok"].as_bool(), body["error"].as_str()) {
            (Some(true), _) => Outcome::Delivered { id: body["ts"].as_str().map(str::to_owned) },
            (Some(false), error) => refused(error.unwrap_or_default(), answer),
            (None, _) => unreadable(answer),
        }
    }
}

/// Error words of the Web API.
fn refused(error: &str, answer: &Answer) -> Outcome {
    let detail = answer.told();
    let retry = |reason| Outcome::Retry { after: answer.retry_after, reason, detail: detail.clone() };
    match error {
        "ratelimited" | "rate_limited" => retry(Reason::RateLimited),
        "internal_error" | "fatal_error" | "service_unavailable" | "team_added_to_org" => {
            retry(Reason::Server)
        }
        "request_timeout" => retry(Reason::Timeout),
        "msg_too_long" | "msg_blocks_too_long" => Outcome::failed(Reason::TooLarge, detail),
        "restricted_action" | "ekm_access_denied" | "is_archived" => Outcome::failed(Reason::Blocked, detail),
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "missing_scope"
        | "access_denied"
        | "not_allowed_token_type" => Outcome::failed(Reason::Auth, detail),
        _ => Outcome::failed(Reason::BadRequest, detail),
    }
}

impl Slack {
    fn body(&self, message: &Message<'_>) -> Value {
        let filler = Filler { texts: &self.texts, message, language: self.language, format: Format::Slack };
        let document = filler.document();
        let title = Format::Slack.escape(&document.title);
        let text = filler.fill_if(self.text.as_ref()).map(|text| TEXT_MAX.cut(&text));
        let shown = filler.fill_if(self.title.as_ref()).unwrap_or_else(|| title.clone());
        let mut inner = Map::from_iter([
            ("color".to_owned(), Value::from(if document.is_resolved { "good" } else { "danger" })),
            ("fallback".to_owned(), title.into()),
            ("title".to_owned(), TITLE_MAX.cut(&shown).into()),
            ("text".to_owned(), text.unwrap_or_else(|| document.body(Format::Slack, TEXT_MAX)).into()),
            ("mrkdwn_in".to_owned(), json!(self.mrkdwn_in)),
        ]);
        if !document.dashboard.is_empty() {
            inner.insert("title_link".to_owned(), document.dashboard.clone().into());
        }
        let short = |text: &Text| {
            let text = filler.fill(text).filter(|text| !text.is_empty())?;
            Some(Value::from(SHORT_MAX.cut(&text)))
        };
        let all = |texts: &BTreeMap<&str, Text>| -> Vec<(String, Value)> {
            texts.iter().filter_map(|(key, text)| Some(((*key).to_owned(), short(text)?))).collect()
        };
        inner.extend(all(&self.inner));
        let fields = self.fields.iter().map(|(title, value, is_short)| {
            json!({"title": filler.fill(title), "value": filler.fill(value), "short": is_short})
        });
        let actions = self.actions.iter().map(|action| {
            let texts = action.iter().filter_map(|(key, text)| Some((key.clone(), short(text)?)));
            texts.collect::<Map<_, _>>().into()
        });
        let lists: [(&str, Vec<Value>); 2] = [("fields", fields.collect()), ("actions", actions.collect())];
        for (key, list) in lists {
            if !list.is_empty() {
                inner.insert(key.to_owned(), list.into());
            }
        }
        let mut outer = Map::from_iter(all(&self.outer));
        if let Some(text) = self.message_text.as_ref().and_then(short) {
            outer.insert("text".to_owned(), text);
        }
        if self.link_names {
            outer.insert("link_names".to_owned(), true.into());
        }
        outer.insert("attachments".to_owned(), vec![Value::Object(inner)].into());
        Value::Object(outer)
    }
}
