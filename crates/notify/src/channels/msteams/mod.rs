//! Microsoft Teams by a connector of Office 365: a message card. Microsoft has retired them; `msteamsv2` is for what is
//! left. The keys are Alertmanager's.

use serde_json::json;

use super::msteamsv2::{BODY_MAX, TITLE_MAX, TRAITS};
use super::robot::Robot;
use crate::channel::{Kind, Message, Read, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::settings::Settings;
use crate::text::{Format, Limit, Text, body_within};

pub(super) const KIND: Kind =
    Kind { name: "msteams", globals: &[], traits: TRAITS, tells_end: true, read: Read::Http(read) };

const RED: &str = "8C1A1A";
const GREEN: &str = "2DC72D";

#[derive(Debug)]
struct Connector {
    robot: Robot,
    summary: Option<Text>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    Ok(vec![Box::new(Connector {
        robot: Robot::read(settings, ["webhook_url", "title", "text"], Format::CommonMark)?,
        summary: settings.text("summary")?,
    })])
}

impl Vendor for Connector {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.robot.url.read()?;
        let said = self.robot.say(message);
        let title = said.title(TITLE_MAX);
        let summary = self.robot.filler(message).fill_if(self.summary.as_ref());
        let summary = TITLE_MAX.cut(&summary.unwrap_or_else(|| title.clone()));
        let body = body_within(BODY_MAX, |room| {
            let card = json!({
                "@type": "MessageCard",
                "@context": "http://schema.org/extensions",
                "title": title,
                "summary": summary,
                "themeColor": if said.document.is_resolved { GREEN } else { RED },
                "text": said.text(Limit::bytes(room)),
            });
            serde_json::to_vec(&card).unwrap_or_default()
        });
        Ok(Call::post(url, "application/json", body))
    }

    /// Errors come with the status 200 and a text that names the status that Teams has answered.
    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        let says = |code: &str| answer.body.contains(&format!("HTTP error {code}"));
        match answer.body.trim() {
            "1" => Outcome::delivered(),
            _ if says("429") => Outcome::retry(Reason::RateLimited, answer.told()),
            _ if says("413") => Outcome::failed(Reason::TooLarge, answer.told()),
            _ => unreadable(answer),
        }
    }
}
