//! Robots of WeCom's groups: Markdown, or text where people are mentioned by their mobile numbers
//! (`developer.work.weixin.qq.com/document/path/91770`).

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::robot::{self, Robot};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Secret;
use crate::text::{Format, Language, Limit};

pub(super) const KIND: Kind = Kind { name: "wecom", globals: &[], read: Read::Http(read) };

/// The vendor takes 20 a minute.
const TRAITS: Traits = Traits { rates: &[Rate::per_minute(18)], has_digests: true, is_costly: false };

const MARKDOWN_MAX: Limit = Limit::bytes(4096);
const TEXT_MAX: Limit = Limit::bytes(2048);
const TITLE_MAX: Limit = Limit::bytes(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    /// Members by their identity.
    #[serde(default)]
    at_user_ids: Vec<String>,
    /// Members by their mobile numbers; Markdown cannot mention them so.
    #[serde(default)]
    at_mobiles: Vec<String>,
    language: Option<Language>,
    title: Option<String>,
    text: Option<String>,
}

#[derive(Debug)]
struct WeCom {
    robot: Robot,
    at_user_ids: Vec<String>,
    at_mobiles: Vec<String>,
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let Settings { url, url_file, language, title, text, at_user_ids, at_mobiles, .. } = written;
    if at_user_ids.iter().any(|id| id.contains(['<', '>', '\n'])) {
        return Err("`at_user_ids` has what is no identity of a member".to_owned());
    }
    let format = if at_mobiles.is_empty() { Format::Markdown } else { Format::Plain };
    let robot = robot::Written { key: "url", url, url_file, language, title, text };
    let robot = Robot::read(robot, format, context)?;
    if robot.written().is_some_and(|url| !url.url().query_pairs().any(|(name, _)| name == "key")) {
        return Err("`url` is not that of a robot: it has no `key`".to_owned());
    }
    Ok(vec![Made {
        vendor: Box::new(WeCom { robot, at_user_ids, at_mobiles }),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, &context.directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
}

impl Vendor for WeCom {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.robot.address()?;
        let said = self.robot.say(message);
        let title = said.title(TITLE_MAX);
        if !self.at_mobiles.is_empty() {
            let room = TEXT_MAX.less(title.len() + 1);
            let body = json!({"msgtype": "text", "text": {
                "content": format!("{title}\n{}", said.text(room)),
                "mentioned_list": self.at_user_ids,
                "mentioned_mobile_list": self.at_mobiles,
            }});
            return Ok(Call::json(url, &body));
        }
        let color = if said.document.is_resolved { "info" } else { "warning" };
        let head = format!("**<font color=\"{color}\">{}</font>**\n", Format::Markdown.escape(&title));
        let mentions: Vec<String> = self.at_user_ids.iter().map(|id| format!("<@{id}>")).collect();
        let tail = if mentions.is_empty() { String::new() } else { format!("\n{}", mentions.join("")) };
        let text = said.text(MARKDOWN_MAX.less(head.len() + tail.len()));
        let body = json!({"msgtype": "markdown", "markdown": {"content": format!("{head}{text}{tail}")}});
        Ok(Call::json(url, &body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        let Some(code) = answer.json().and_then(|body| body["errcode"].as_i64()) else {
            return unreadable(answer);
        };
        let detail = answer.told();
        match code {
            0 => Outcome::delivered(),
            -1 => Outcome::retry(Reason::Server, detail),
            45009 => Outcome::retry(Reason::RateLimited, detail),
            93000 => Outcome::failed(Reason::Auth, detail),
            40058 if detail.contains("length") => Outcome::failed(Reason::TooLarge, detail),
            _ => Outcome::failed(Reason::BadRequest, detail),
        }
    }
}
