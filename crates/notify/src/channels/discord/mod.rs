//! Discord's webhooks (`discord.com/developers/docs/resources/webhook`). The keys are Alertmanager's.

use std::time::Duration;

use serde_json::json;

use super::robot::Robot;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::settings::Settings;
use crate::text::{Format, Limit, Text};

pub(super) const KIND: Kind = Kind {
    name: "discord",
    globals: &[],
    // The vendor takes 5 in two seconds and 30 a minute for a webhook.
    traits: Traits {
        rates: &[Rate::per_minute(27), Rate::per_second(2)],
        has_digests: true,
        is_costly: false,
    },
    tells_end: true,
    read: Read::Http(read),
};

const CONTENT_MAX: Limit = Limit::chars(2000);
const TITLE_MAX: Limit = Limit::chars(256);
const TEXT_MAX: Limit = Limit::chars(4096);

const RED: u32 = 0x99_2d22;
const GREEN: u32 = 0x2e_cc71;

#[derive(Debug)]
struct Discord {
    robot: Robot,
    content: Option<Text>,
    username: Option<String>,
    avatar_url: Option<String>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    Ok(vec![Box::new(Discord {
        robot: Robot::read(settings, ["webhook_url", "title", "message"], Format::CommonMark)?,
        content: settings.text("content")?,
        username: settings.option("username")?,
        avatar_url: settings.option("avatar_url")?,
    })])
}

impl Vendor for Discord {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        // Without it there is an answer before the message is saved.
        let url = self.robot.url.read()?.with_query(&[("wait", "true")]);
        let said = self.robot.say(message);
        let content = self.robot.filler(message).fill_if(self.content.as_ref());
        let mut body = json!({
            "content": CONTENT_MAX.cut(&content.unwrap_or_default()),
            "embeds": [{
                "title": said.title(TITLE_MAX),
                "description": said.text(TEXT_MAX),
                "color": if said.document.is_resolved { GREEN } else { RED },
            }],
            "allowed_mentions": {"parse": []},
        });
        for (key, value) in [("username", &self.username), ("avatar_url", &self.avatar_url)] {
            if let Some(value) = value {
                body[key] = (&**value).into();
            }
        }
        Ok(Call::json(url, &body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        if answer.status == 429 {
            let asked = body.and_then(|body| body["retry_after"].as_f64());
            let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let after = asked.or(answer.retry_after);
            return Outcome::Retry { after, reason: Reason::RateLimited, detail: answer.told() };
        }
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        match body.as_ref().and_then(|body| body["id"].as_str()) {
            Some(id) => Outcome::Delivered { id: Some(id.to_owned()) },
            None => unreadable(answer),
        }
    }
}
