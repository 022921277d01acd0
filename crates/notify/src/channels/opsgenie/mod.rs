//! Opsgenie's alerts (`docs.opsgenie.com/docs/alert-api`), which the vendor ends in April 2027: one for each group, which a
//! resolved notice closes. The keys are Alertmanager's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Address, Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::text::{Document, Format, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "opsgenie",
    globals: &[
        ("opsgenie_api_url", "api_url"),
        ("opsgenie_api_key", "api_key"),
        ("opsgenie_api_key_file", "api_key_file"),
    ],
    read: Read::Http(read),
};

const TRAITS: Traits = Traits { rates: &[Rate::per_minute(60)], has_digests: false, is_costly: false };

const MESSAGE_MAX: Limit = Limit::chars(130);
const DESCRIPTION_MAX: Limit = Limit::chars(15_000);
const TAG_MAX: Limit = Limit::chars(50);
const TAGS_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    api_key: Option<Secret>,
    api_key_file: Option<PathBuf>,
    api_url: Option<String>,
    message: Option<String>,
    description: Option<String>,
    source: Option<String>,
    entity: Option<String>,
    note: Option<String>,
    priority: Option<String>,
    tags: Option<String>,
    actions: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, String>,
    #[serde(default)]
    responders: Vec<BTreeMap<String, String>>,
    #[serde(rename = "update_alerts")]
    _update_alerts: Option<bool>,
}

#[derive(Debug)]
struct Opsgenie {
    api: Address,
    key: Source,
    texts: Arc<Texts>,
    fields: BTreeMap<&'static str, Text>,
    details: Vec<(String, Text)>,
    responders: Vec<Vec<(String, Text)>>,
}

fn read(written: Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let texts = &context.texts;
    let api = written.api_url.as_deref().unwrap_or("https://api.opsgenie.com/");
    let fields = [
        ("message", written.message),
        ("description", written.description),
        ("source", written.source),
        ("entity", written.entity),
        ("note", written.note),
        ("priority", written.priority),
        ("tags", written.tags),
        ("actions", written.actions),
    ];
    let fields = fields.into_iter().filter_map(|(key, text)| Some((key, text?)));
    let fields = fields.map(|(key, text)| Ok((key, Text::read(key, &text, texts)?)));
    let pairs = |key: &'static str, pairs: BTreeMap<String, String>| {
        let read = pairs.into_iter().map(move |(name, text)| Ok((name, Text::read(key, &text, texts)?)));
        read.collect::<Result<Vec<_>, String>>()
    };
    let responders = written.responders.into_iter().map(|one| pairs("responders", one));
    let vendor = Opsgenie {
        api: Address::parse(api).map_err(|why| format!("`api_url` is {why}"))?,
        key: Source::required("api_key", written.api_key, written.api_key_file, &context.directory)?,
        texts: texts.clone(),
        fields: fields.collect::<Result<_, String>>()?,
        details: pairs("details", written.details)?,
        responders: responders.collect::<Result<_, _>>()?,
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, &context.directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for Opsgenie {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let key = self.key.read()?;
        let alias = super::group_hash(message);
        let language = self.texts.language();
        let document = Document::new(message.notices, language, message.at_ms);
        let expand =
            |text: &Text| self.texts.expand(text, message, language, Format::Plain).unwrap_or_default();
        let field = |key: &str| self.fields.get(key).map(expand).filter(|text| !text.is_empty());
        let source = field("source").unwrap_or_else(|| document.dashboard.clone());
        let alerts = self.api.clone().join(&["v2", "alerts"]);
        let call = if document.is_resolved {
            let close = alerts.join(&[&alias, "close"]).with_query(&[("identifierType", "alias")]);
            Call::json(close, &json!({"source": source}))
        } else {
            let description = field("description").map(|text| DESCRIPTION_MAX.cut(&text));
            let object = |pairs: &[(String, Text)]| -> Map<String, Value> {
                pairs.iter().map(|(name, text)| (name.clone(), expand(text).into())).collect()
            };
            let mut body = json!({
                "alias": alias,
                "message": MESSAGE_MAX.cut(&field("message").unwrap_or_else(|| document.title.clone())),
                "description": description.unwrap_or_else(|| document.body(Format::Plain, DESCRIPTION_MAX)),
                "source": source,
                "details": object(&self.details),
            });
            for name in ["entity", "note", "priority"] {
                if let Some(text) = field(name) {
                    body[name] = text.into();
                }
            }
            for name in ["tags", "actions"] {
                let words = field(name).unwrap_or_default();
                let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
                let words: Vec<String> = words.take(TAGS_MAX).map(|word| TAG_MAX.cut(word)).collect();
                if !words.is_empty() {
                    body[name] = words.into();
                }
            }
            if !self.responders.is_empty() {
                body["responders"] = self.responders.iter().map(|one| object(one)).collect::<Vec<_>>().into();
            }
            Call::json(alerts, &body)
        };
        let value = format!("GenieKey {}", key.reveal());
        call.hiding(key).secret_header(AUTHORIZATION, &value)
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        match answer.json().as_ref().and_then(|body| body["requestId"].as_str()) {
            Some(id) => Outcome::Delivered { id: Some(id.to_owned()) },
            None => unreadable(answer),
        }
    }
}
