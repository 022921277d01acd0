//! Slack: incoming webhooks, and `chat.postMessage` with a bot's token (`docs.slack.dev`); also what takes webhooks as
//! Slack does. The keys are Alertmanager's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, address, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::text::{Document, Format, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "slack",
    globals: &[("slack_api_url", "api_url"), ("slack_api_url_file", "api_url_file")],
    read: Read::Http(read),
};

/// The vendor takes one a second for each channel.
const TRAITS: Traits = Traits {
    rates: &[Rate::per_minute(54), Rate { count: 1, per: Duration::from_millis(1100) }],
    has_digests: true,
    is_costly: false,
};

/// Alertmanager's own for a title (`notify/slack/slack.go`).
const TITLE_MAX: Limit = Limit::chars(1024);

/// As long as a section may be; an attachment may be longer, but nobody reads it.
const TEXT_MAX: Limit = Limit::chars(3000);

/// Other texts.
const SHORT_MAX: Limit = Limit::chars(1024);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    api_url: Option<Secret>,
    api_url_file: Option<PathBuf>,
    channel: Option<String>,
    username: Option<String>,
    color: Option<String>,
    title: Option<String>,
    title_link: Option<String>,
    pretext: Option<String>,
    text: Option<String>,
    message_text: Option<String>,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    short_fields: bool,
    footer: Option<String>,
    fallback: Option<String>,
    callback_id: Option<String>,
    icon_emoji: Option<String>,
    icon_url: Option<String>,
    image_url: Option<String>,
    thumb_url: Option<String>,
    #[serde(default)]
    link_names: bool,
    mrkdwn_in: Option<Vec<String>>,
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default, deserialize_with = "crate::channel::duration")]
    timeout: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    title: String,
    value: String,
    short: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    url: Option<String>,
    style: Option<String>,
    name: Option<String>,
    value: Option<String>,
}

/// A text of the message and the key that it stands under.
type Keyed = (&'static str, Text);

#[derive(Debug)]
struct Slack {
    url: Source,
    texts: Arc<Texts>,
    /// Of the message itself.
    outer: Vec<Keyed>,
    /// Of its one attachment.
    inner: Vec<Keyed>,
    title: Option<Text>,
    text: Option<Text>,
    fallback: Option<Text>,
    color: Option<Text>,
    fields: Vec<(Text, Text, bool)>,
    actions: Vec<Vec<Keyed>>,
    link_names: bool,
    mrkdwn_in: Vec<String>,
}

fn read(written: Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let directory = &context.directory;
    let url = Source::required("api_url", written.api_url, written.api_url_file, directory)?;
    if let Source::Text(_) = url {
        address(&url, "api_url")?;
    }
    let texts = &context.texts;
    let optional = |key: &str, text: Option<String>| Text::optional(key, text, texts);
    let fields = written.fields.into_iter().map(|field| {
        let is_short = field.short.unwrap_or(written.short_fields);
        let title = Text::read("fields.title", &field.title, texts)?;
        Ok((title, Text::read("fields.value", &field.value, texts)?, is_short))
    });
    let actions = written.actions.into_iter().map(|action| {
        keyed(
            [
                ("type", Some(action.kind)),
                ("text", Some(action.text)),
                ("url", action.url),
                ("style", action.style),
                ("name", action.name),
                ("value", action.value),
            ],
            texts,
        )
    });
    let mrkdwn_in = || ["fallback", "pretext", "text"].map(str::to_owned).to_vec();
    let vendor = Slack {
        url,
        texts: texts.clone(),
        outer: keyed(
            [
                ("channel", written.channel),
                ("username", written.username),
                ("icon_emoji", written.icon_emoji),
                ("icon_url", written.icon_url),
                ("text", written.message_text),
            ],
            texts,
        )?,
        inner: keyed(
            [
                ("title_link", written.title_link),
                ("pretext", written.pretext),
                ("callback_id", written.callback_id),
                ("footer", written.footer),
                ("image_url", written.image_url),
                ("thumb_url", written.thumb_url),
            ],
            texts,
        )?,
        title: optional("title", written.title)?,
        text: optional("text", written.text)?,
        fallback: optional("fallback", written.fallback)?,
        color: optional("color", written.color)?,
        fields: fields.collect::<Result<_, String>>()?,
        actions: actions.collect::<Result<_, String>>()?,
        link_names: written.link_names,
        mrkdwn_in: written.mrkdwn_in.unwrap_or_else(mrkdwn_in),
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, directory)?,
        timeout: written.timeout,
        sends_resolved: written.send_resolved.unwrap_or(false),
    }])
}

fn keyed<const N: usize>(
    pairs: [(&'static str, Option<String>); N],
    texts: &Texts,
) -> Result<Vec<Keyed>, String> {
    let given = pairs.into_iter().filter_map(|(key, text)| text.map(|text| (key, text)));
    given.map(|(key, text)| Ok((key, Text::read(key, &text, texts)?))).collect()
}

impl Vendor for Slack {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        Ok(Call::json(address(&self.url, "api_url")?, &self.body(message)))
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
        let language = self.texts.language();
        let document = Document::new(message.notices, language, message.at_ms);
        let expand = |text: &Text| self.texts.expand(text, message, language, Format::Slack);
        let given = |text: &Option<Text>| text.as_ref().and_then(expand);
        let title = || Format::Slack.escape(&document.title);
        let title_shown = given(&self.title).unwrap_or_else(title);
        let text = given(&self.text).map(|text| TEXT_MAX.cut(&text));
        let color = if document.is_resolved { "good" } else { "danger" };
        let mut inner = Map::new();
        inner.insert("color".to_owned(), given(&self.color).unwrap_or_else(|| color.to_owned()).into());
        inner.insert("fallback".to_owned(), given(&self.fallback).unwrap_or_else(title).into());
        inner.insert("title".to_owned(), TITLE_MAX.cut(&title_shown).into());
        inner
            .insert("text".to_owned(), text.unwrap_or_else(|| document.body(Format::Slack, TEXT_MAX)).into());
        inner.insert("mrkdwn_in".to_owned(), json!(self.mrkdwn_in));
        if !document.dashboard.is_empty() {
            inner.insert("title_link".to_owned(), document.dashboard.clone().into());
        }
        let put = |into: &mut Map<String, Value>, texts: &[Keyed]| {
            for (key, text) in texts {
                if let Some(text) = expand(text).filter(|text| !text.is_empty()) {
                    into.insert((*key).to_owned(), SHORT_MAX.cut(&text).into());
                }
            }
        };
        put(&mut inner, &self.inner);
        let fields = self.fields.iter().map(|(title, value, is_short)| {
            json!({"title": expand(title), "value": expand(value), "short": is_short})
        });
        let fields: Vec<Value> = fields.collect();
        let actions = self.actions.iter().map(|action| {
            let mut object = Map::new();
            put(&mut object, action);
            Value::Object(object)
        });
        let actions: Vec<Value> = actions.collect();
        for (key, list) in [("fields", fields), ("actions", actions)] {
            if !list.is_empty() {
                inner.insert(key.to_owned(), list.into());
            }
        }
        let mut outer = Map::new();
        put(&mut outer, &self.outer);
        if self.link_names {
            outer.insert("link_names".to_owned(), true.into());
        }
        outer.insert("attachments".to_owned(), vec![Value::Object(inner)].into());
        Value::Object(outer)
    }
}
