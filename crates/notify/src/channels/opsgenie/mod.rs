//! Opsgenie's alerts (`docs.opsgenie.com/docs/alert-api`), which the vendor ends in April 2027: one for each group, which a
//! resolved notice closes. The keys are Alertmanager's.

use http::header::AUTHORIZATION;
use serde_json::json;

use super::incident::Incident;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::secret::Source;
use crate::settings::{Pairs, Settings};
use crate::text::{Format, Limit};

pub(super) const KIND: Kind = Kind {
    name: "opsgenie",
    globals: &[
        ("opsgenie_api_url", "api_url"),
        ("opsgenie_api_key", "api_key"),
        ("opsgenie_api_key_file", "api_key_file"),
    ],
    traits: Traits { rates: &[Rate::per_minute(60)], has_digests: false, is_costly: false },
    tells_end: true,
    read: Read::Http(read),
};

const MESSAGE_MAX: Limit = Limit::chars(130);
const DESCRIPTION_MAX: Limit = Limit::chars(15_000);
const TAG_MAX: Limit = Limit::chars(50);
const TAGS_MAX: usize = 20;

#[derive(Debug)]
struct Opsgenie {
    api: Address,
    key: Source,
    incident: Incident,
    responders: Vec<Pairs>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    // An alert is told of as it is; nothing changes it afterwards.
    settings.option::<bool>("update_alerts")?;
    let fields = ["message", "description", "source", "entity", "note", "priority", "tags", "actions"];
    Ok(vec![Box::new(Opsgenie {
        api: settings.url("api_url", "https://api.opsgenie.com/")?,
        key: settings.secret("api_key")?,
        incident: Incident::read(settings, fields)?,
        responders: settings.list_of_pairs("responders")?,
    })])
}

impl Vendor for Opsgenie {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let key = self.key.read()?;
        let told = self.incident.tell(message);
        let document = &told.document;
        let source = told.field("source").unwrap_or_else(|| document.dashboard.clone());
        let alerts = self.api.clone().join(&["v2", "alerts"]);
        let call = if document.is_resolved {
            let close = alerts.join(&[&told.identity, "close"]).with_query(&[("identifierType", "alias")]);
            Call::json(close, &json!({"source": source}))
        } else {
            let description = told.field("description").map(|text| DESCRIPTION_MAX.cut(&text));
            let mut body = json!({
                "alias": told.identity,
                "message": MESSAGE_MAX.cut(&told.field("message").unwrap_or_else(|| document.title.clone())),
                "description": description.unwrap_or_else(|| document.body(Format::Plain, DESCRIPTION_MAX)),
                "source": source,
                "details": told.details(),
            });
            told.put(&mut body, ["entity", "note", "priority"]);
            for name in ["tags", "actions"] {
                let words = told.field(name).unwrap_or_default();
                let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
                let words: Vec<String> = words.take(TAGS_MAX).map(|word| TAG_MAX.cut(word)).collect();
                if !words.is_empty() {
                    body[name] = words.into();
                }
            }
            if !self.responders.is_empty() {
                body["responders"] = self.responders.iter().map(|one| told.object(one)).collect();
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
