//! PagerDuty's Events API, version 2 (`developer.pagerduty.com`): one incident for each group, which a resolved notice
//! ends. The keys are Alertmanager's.

use alert::notice::Notice;
use serde_json::{Value, json};

use super::incident::Incident;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::secret::Source;
use crate::settings::{Pairs, Settings};
use crate::text::{Format, Limit, body_within};

pub(super) const KIND: Kind = Kind {
    name: "pagerduty",
    globals: &[("pagerduty_url", "url")],
    // The vendor takes about 120 a minute for each key.
    traits: Traits { rates: &[Rate::per_minute(108)], has_digests: false, is_costly: false },
    tells_end: true,
    read: Read::Http(read),
};

const SUMMARY_MAX: Limit = Limit::chars(1024);
const BODY_MAX: usize = 500_000;

/// What each detail may take.
const DETAIL_MAX: usize = 50_000;

#[derive(Debug)]
struct PagerDuty {
    url: Address,
    key: Source,
    incident: Incident,
    images: Vec<Pairs>,
    links: Vec<Pairs>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    if settings.secret_if("service_key")?.is_some() {
        return Err(
            "`service_key` is of the Events API 1; make a key of version 2 and give `routing_key`".to_owned()
        );
    }
    let fields = ["client", "client_url", "description", "severity", "source", "class", "component", "group"];
    Ok(vec![Box::new(PagerDuty {
        url: settings.url("url", "https://events.pagerduty.com/v2/enqueue")?,
        key: settings.secret("routing_key")?,
        incident: Incident::read(settings, fields)?,
        images: settings.list_of_pairs("images")?,
        links: settings.list_of_pairs("links")?,
    })])
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
        let told = self.incident.tell(message);
        let document = &told.document;
        let common = message.notices.first().map(Notice::common_labels).unwrap_or_default();
        let client = told.field("client").unwrap_or_else(|| "heartline".to_owned());
        let mut details = told.details();
        for detail in details.values_mut() {
            *detail = limit.cut(detail.as_str().unwrap_or_default()).into();
        }
        details.entry("alerts").or_insert_with(|| document.body(Format::Plain, limit).into());
        let mut payload = json!({
            "summary": SUMMARY_MAX.cut(&told.field("description").unwrap_or_else(|| document.title.clone())),
            "source": told.field("source").unwrap_or_else(|| client.clone()),
            "severity": severity_word(&told.field("severity").unwrap_or_else(|| common.get("severity").to_owned())),
            "custom_details": details,
        });
        told.put(&mut payload, ["class", "component", "group"]);
        let all = |list: &[Pairs]| list.iter().map(|pairs| told.object(pairs)).collect::<Vec<_>>();
        json!({
            "routing_key": key,
            "event_action": if document.is_resolved { "resolve" } else { "trigger" },
            "dedup_key": told.identity,
            "client": client,
            "client_url": told.field("client_url").unwrap_or_else(|| document.dashboard.clone()),
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
