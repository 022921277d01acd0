//! PagerDuty's Events API, version 2 (`developer.pagerduty.com`): one incident for each group, which a resolved notice
//! ends. The keys are Alertmanager's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alert::notice::Notice;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Address, Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::text::{Document, Format, Limit, Text, Texts, body_within};

pub(super) const KIND: Kind =
    Kind { name: "pagerduty", globals: &[("pagerduty_url", "url")], read: Read::Http(read) };

/// The vendor takes about 120 a minute for each key.
const TRAITS: Traits = Traits { rates: &[Rate::per_minute(108)], has_digests: false, is_costly: false };

const SUMMARY_MAX: Limit = Limit::chars(1024);
const BODY_MAX: usize = 500_000;

/// What each detail may take.
const DETAIL_MAX: usize = 50_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    routing_key: Option<Secret>,
    routing_key_file: Option<PathBuf>,
    url: Option<String>,
    client: Option<String>,
    client_url: Option<String>,
    description: Option<String>,
    severity: Option<String>,
    source: Option<String>,
    class: Option<String>,
    component: Option<String>,
    group: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, String>,
    #[serde(default)]
    images: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    links: Vec<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "crate::channel::duration")]
    timeout: Option<std::time::Duration>,
}

#[derive(Debug)]
struct PagerDuty {
    url: Address,
    key: Source,
    texts: Arc<Texts>,
    /// `client`, `client_url`, and what the payload has, by key.
    fields: BTreeMap<&'static str, Text>,
    details: Vec<(String, Text)>,
    images: Vec<Vec<(String, Text)>>,
    links: Vec<Vec<(String, Text)>>,
}

fn read(written: Value, context: &Context) -> Result<Vec<Made>, String> {
    if written.get("service_key").or(written.get("service_key_file")).is_some() {
        return Err(
            "`service_key` is of the Events API 1; make a key of version 2 and give `routing_key`".to_owned()
        );
    }
    let written: Settings = settings(written)?;
    let texts = &context.texts;
    let url = written.url.as_deref().unwrap_or("https://events.pagerduty.com/v2/enqueue");
    let directory = &context.directory;
    let fields = [
        ("client", Some(written.client.unwrap_or_else(|| "heartline".to_owned()))),
        ("client_url", Some(written.client_url.unwrap_or_else(|| "{{ .ExternalURL }}".to_owned()))),
        ("summary", written.description),
        ("severity", written.severity),
        ("source", written.source),
        ("class", written.class),
        ("component", written.component),
        ("group", written.group),
    ];
    let fields = fields.into_iter().filter_map(|(key, text)| Some((key, text?)));
    let fields = fields.map(|(key, text)| Ok((key, Text::read(key, &text, texts)?)));
    let pairs = |key: &'static str, pairs: BTreeMap<String, String>| {
        let read = pairs.into_iter().map(move |(name, text)| Ok((name, Text::read(key, &text, texts)?)));
        read.collect::<Result<Vec<_>, String>>()
    };
    let vendor = PagerDuty {
        url: Address::parse(url).map_err(|why| format!("`url` is {why}"))?,
        key: Source::required("routing_key", written.routing_key, written.routing_key_file, directory)?,
        texts: texts.clone(),
        fields: fields.collect::<Result<_, String>>()?,
        details: pairs("details", written.details)?,
        images: written.images.into_iter().map(|one| pairs("images", one)).collect::<Result<_, _>>()?,
        links: written.links.into_iter().map(|one| pairs("links", one)).collect::<Result<_, _>>()?,
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, directory)?,
        timeout: written.timeout,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for PagerDuty {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let key = self.key.read()?;
        let body = body_within(BODY_MAX, |room| {
            let limit = Limit::bytes(room.min(DETAIL_MAX));
            serde_json::to_vec(&self.body(message, key.reveal(), limit)).unwrap_or_default()
        });
        Ok(Call::post(self.url.clone(), "application/json", body).hiding(key))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        match answer.json().as_ref().map(|body| (&body["status"], body["dedup_key"].as_str())) {
            Some((status, id)) if status == "success" => Outcome::Delivered { id: id.map(str::to_owned) },
            _ => unreadable(answer),
        }
    }
}

impl PagerDuty {
    fn body(&self, message: &Message<'_>, key: &str, limit: Limit) -> Value {
        let language = self.texts.language();
        let document = Document::new(message.notices, language, message.at_ms);
        let expand =
            |text: &Text| self.texts.expand(text, message, language, Format::Plain).unwrap_or_default();
        let field = |key: &str| self.fields.get(key).map(expand).filter(|text| !text.is_empty());
        let summary = field("summary").unwrap_or_else(|| document.title.clone());
        let source = field("source").or_else(|| field("client")).unwrap_or_default();
        let common = message.notices.first().map(Notice::common_labels);
        let common = common.unwrap_or_default();
        let severity = field("severity").unwrap_or_else(|| common.get("severity").to_owned());
        let mut details: Map<String, Value> = Map::new();
        details.insert("alerts".to_owned(), document.body(Format::Plain, limit).into());
        for (name, text) in &self.details {
            details.insert(name.clone(), limit.cut(&expand(text)).into());
        }
        let mut payload = json!({
            "summary": SUMMARY_MAX.cut(&summary),
            "source": source,
            "severity": severity_word(&severity),
            "custom_details": details,
        });
        for name in ["class", "component", "group"] {
            if let Some(text) = field(name) {
                payload[name] = text.into();
            }
        }
        let all = |list: &[Vec<(String, Text)>]| -> Vec<Value> {
            let one = |pairs: &Vec<(String, Text)>| {
                pairs.iter().map(|(name, text)| (name.clone(), expand(text).into())).collect::<Map<_, _>>()
            };
            list.iter().map(|pairs| one(pairs).into()).collect()
        };
        json!({
            "routing_key": key,
            "event_action": if document.is_resolved { "resolve" } else { "trigger" },
            "dedup_key": super::group_hash(message),
            "client": field("client"),
            "client_url": field("client_url"),
            "images": all(&self.images),
            "links": all(&self.links),
            "payload": payload,
        })
    }
}

/// One of the vendor's four words.
fn severity_word(text: &str) -> &'static str {
    match text.to_lowercase().as_str() {
        "critical" | "page" => "critical",
        "warning" => "warning",
        "info" | "none" => "info",
        _ => "error",
    }
}
