//! Microsoft Teams by a workflow: an Adaptive Card (`adaptivecards.io`, 1.2). That the flow has it does not say that it
//! could post it. The keys are Alertmanager's.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::robot::{self, Robot};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::secret::Secret;
use crate::text::{Format, Limit, body_within};

pub(super) const KIND: Kind = Kind { name: "msteamsv2", globals: &[], read: Read::Http(read) };

/// The vendor takes four a second.
const TRAITS: Traits = Traits { rates: &[Rate::per_second(3)], has_digests: true, is_costly: false };

/// The vendor's 28 KB are of the message as it is kept there, which is longer.
const BODY_MAX: usize = 20_000;

const TITLE_MAX: Limit = Limit::chars(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    webhook_url: Option<Secret>,
    webhook_url_file: Option<PathBuf>,
    title: Option<String>,
    text: Option<String>,
}

#[derive(Debug)]
struct Teams(Robot);

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let robot = robot::Written {
        key: "webhook_url",
        url: written.webhook_url,
        url_file: written.webhook_url_file,
        language: None,
        title: written.title,
        text: written.text,
    };
    Ok(vec![Made {
        vendor: Box::new(Teams(Robot::read(robot, Format::CommonMark, context)?)),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, &context.directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for Teams {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.0.address()?;
        let said = self.0.say(message);
        let color = if said.document.is_resolved { "Good" } else { "Attention" };
        let block = |text: String| json!({"type": "TextBlock", "text": text, "wrap": true});
        let body = body_within(BODY_MAX, |room| {
            let mut title = block(Format::CommonMark.escape(&said.title(TITLE_MAX)));
            title["weight"] = "Bolder".into();
            title["size"] = "Medium".into();
            title["color"] = color.into();
            let card = json!({
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "msteams": {"width": "Full"},
                "body": [title, block(said.text(Limit::bytes(room)))],
            });
            let content_type = "application/vnd.microsoft.card.adaptive";
            let attachments = [json!({"contentType": content_type, "content": card})];
            serde_json::to_vec(&json!({"type": "message", "attachments": attachments})).unwrap_or_default()
        });
        Ok(Call::post(url, "application/json", body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        match by_status(answer) {
            Some(outcome) => outcome,
            None if answer.status == 202 || answer.body.trim().is_empty() => Outcome::delivered(),
            None => unreadable(answer),
        }
    }
}
