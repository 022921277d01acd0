//! Discord's webhooks (`discord.com/developers/docs/resources/webhook`). The keys are Alertmanager's.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::robot::{self, Robot};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Secret;
use crate::text::{Format, Limit, Text};

pub(super) const KIND: Kind = Kind { name: "discord", globals: &[], read: Read::Http(read) };

/// The vendor takes 5 in two seconds and 30 a minute for a webhook.
const TRAITS: Traits =
    Traits { rates: &[Rate::per_minute(27), Rate::per_second(2)], has_digests: true, is_costly: false };

const CONTENT_MAX: Limit = Limit::chars(2000);
const TITLE_MAX: Limit = Limit::chars(256);
const TEXT_MAX: Limit = Limit::chars(4096);

const RED: u32 = 0x99_2d22;
const GREEN: u32 = 0x2e_cc71;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    webhook_url: Option<Secret>,
    webhook_url_file: Option<PathBuf>,
    content: Option<String>,
    title: Option<String>,
    message: Option<String>,
    username: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Debug)]
struct Discord {
    robot: Robot,
    texts: std::sync::Arc<crate::text::Texts>,
    content: Option<Text>,
    username: Option<String>,
    avatar_url: Option<String>,
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let robot = robot::Written {
        key: "webhook_url",
        url: written.webhook_url,
        url_file: written.webhook_url_file,
        language: None,
        title: written.title,
        text: written.message,
    };
    let vendor = Discord {
        robot: Robot::read(robot, Format::CommonMark, context)?,
        texts: context.texts.clone(),
        content: Text::optional("content", written.content, &context.texts)?,
        username: written.username,
        avatar_url: written.avatar_url,
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, &context.directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for Discord {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        // Without it there is an answer before the message is saved.
        let url = self.robot.address()?.with_query(&[("wait", "true")]);
        let said = self.robot.say(message);
        let language = self.texts.language();
        let content = self.content.as_ref();
        let content = content.and_then(|text| self.texts.expand(text, message, language, Format::CommonMark));
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
