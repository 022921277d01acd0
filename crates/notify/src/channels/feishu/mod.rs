//! Robots of Feishu and Lark: a card, optionally signed (`open.feishu.cn`, "custom bot").

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::robot::{self, Robot, Said};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::sign;
use crate::text::{Format, Language, Limit, body_within};

pub(super) const KIND: Kind = Kind { name: "feishu", globals: &[], read: Read::Http(read) };

/// The vendor takes 100 a minute and 5 a second.
const TRAITS: Traits =
    Traits { rates: &[Rate::per_minute(90), Rate::per_second(4)], has_digests: true, is_costly: false };

/// Bytes of a body.
const BODY_MAX: usize = 20_000;

/// Letters of a card's title.
const TITLE_MAX: Limit = Limit::chars(150);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    /// Identities of people (`ou_…`), or `all`.
    #[serde(default)]
    at_user_ids: Vec<String>,
    keyword: Option<String>,
    language: Option<Language>,
    title: Option<String>,
    text: Option<String>,
}

#[derive(Debug)]
struct Feishu {
    robot: Robot,
    secret: Option<Source>,
    mentions: String,
    keyword: Option<String>,
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let directory = &context.directory;
    let robot = robot::Written {
        key: "url",
        url: written.url,
        url_file: written.url_file,
        language: written.language,
        title: written.title,
        text: written.text,
    };
    let robot = Robot::read(robot, Format::Lark, context)?;
    if robot.written().is_some_and(|url| !url.url().path().contains("/bot/")) {
        return Err("`url` is not that of a robot: it has no /bot/".to_owned());
    }
    let is_id = |id: &&String| !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if let Some(id) = written.at_user_ids.iter().find(is_id) {
        return Err(format!("`at_user_ids`: {id:?} is no identity of a person"));
    }
    let mentions: Vec<String> = written.at_user_ids.iter().map(|id| format!("<at id={id}></at>")).collect();
    let vendor = Feishu {
        robot,
        secret: Source::optional("secret", written.secret, written.secret_file, directory)?,
        mentions: mentions.join(" "),
        keyword: written.keyword,
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for Feishu {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.robot.address()?;
        let at_s = message.at_ms.div_euclid(1000);
        let sign = match &self.secret {
            Some(secret) => Some(sign::feishu(secret.read()?.reveal(), at_s)),
            None => None,
        };
        let said = self.robot.say(message);
        let body = body_within(BODY_MAX, |room| self.body(&said, sign.as_deref(), at_s, Limit::bytes(room)));
        Ok(Call::post(url, "application/json", body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        let code = body.as_ref().and_then(|body| body["code"].as_i64().or(body["StatusCode"].as_i64()));
        let detail = answer.told();
        // Errors of the body may come with a status of their own.
        match code {
            Some(0) if answer.status == 200 => Outcome::delivered(),
            Some(11232) => Outcome::Retry { after: answer.retry_after, reason: Reason::RateLimited, detail },
            Some(19001 | 19021) => Outcome::failed(Reason::Auth, detail),
            Some(19022 | 19024) => Outcome::failed(Reason::Blocked, detail),
            Some(9499) => Outcome::failed(Reason::BadRequest, detail),
            _ => match (by_status(answer), code) {
                (Some(outcome), _) => outcome,
                (None, Some(_)) => Outcome::failed(Reason::BadRequest, detail),
                (None, None) => unreadable(answer),
            },
        }
    }
}

impl Feishu {
    fn body(&self, said: &Said, sign: Option<&str>, at_s: i64, limit: Limit) -> Vec<u8> {
        let title = said.title(TITLE_MAX);
        let title = self.keyword.as_ref().map_or(title.clone(), |keyword| format!("{keyword} {title}"));
        let gap = if self.mentions.is_empty() { "" } else { "\n" };
        let text = said.text(limit.less(self.mentions.len() + gap.len()));
        let color = if said.document.is_resolved { "green" } else { "red" };
        let mut body = json!({
            "msg_type": "interactive",
            "card": {
                "config": {"wide_screen_mode": true},
                "header": {"template": color, "title": {"tag": "plain_text", "content": title}},
                "elements": [{"tag": "markdown", "content": format!("{text}{gap}{}", self.mentions)}],
            },
        });
        if let Some(sign) = sign {
            body["timestamp"] = at_s.to_string().into();
            body["sign"] = sign.into();
        }
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
