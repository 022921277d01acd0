//! Microsoft Teams by a workflow: an Adaptive Card (`adaptivecards.io`, 1.2). That the flow has it does not say that it
//! could post it. The keys are Alertmanager's.

use serde_json::json;

use super::robot::Robot;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, by_status, unreadable};
use crate::settings::Settings;
use crate::text::{Format, Limit, body_within};

pub(super) const KIND: Kind =
    Kind { name: "msteamsv2", globals: &[], traits: TRAITS, tells_end: true, read: Read::Http(read) };

/// The vendor takes four a second.
pub(super) const TRAITS: Traits =
    Traits { rates: &[Rate::per_second(3)], has_digests: true, is_costly: false };

/// The vendor's 28 KB are of the message as it is kept there, which is longer.
pub(super) const BODY_MAX: usize = 20_000;

pub(super) const TITLE_MAX: Limit = Limit::chars(300);

#[derive(Debug)]
struct Teams(Robot);

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let robot = Robot::read(settings, ["webhook_url", "title", "text"], Format::CommonMark)?;
    Ok(vec![Box::new(Teams(robot))])
}

impl Vendor for Teams {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.0.url.read()?;
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
