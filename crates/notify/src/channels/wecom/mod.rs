//! Robots of WeCom's groups: Markdown, or text where people are mentioned by their mobile numbers
//! (`developer.work.weixin.qq.com/document/path/91770`).

use serde_json::json;

use super::robot::Robot;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::settings::Settings;
use crate::text::{Format, Limit};

pub(super) const KIND: Kind = Kind {
    name: "wecom",
    globals: &[],
    // The vendor takes 20 a minute.
    traits: Traits { rates: &[Rate::per_minute(18)], has_digests: true, is_costly: false },
    tells_end: true,
    read: Read::Http(read),
};

const MARKDOWN_MAX: Limit = Limit::bytes(4096);
const TEXT_MAX: Limit = Limit::bytes(2048);
const TITLE_MAX: Limit = Limit::bytes(300);

#[derive(Debug)]
struct WeCom {
    robot: Robot,
    /// Members by their identity.
    at_user_ids: Vec<String>,
    /// Members by their mobile numbers; Markdown cannot mention them so.
    at_mobiles: Vec<String>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let at_user_ids: Vec<String> = settings.value("at_user_ids")?;
    let at_mobiles: Vec<String> = settings.value("at_mobiles")?;
    if at_user_ids.iter().any(|id| id.contains(['<', '>', '\n'])) {
        return Err("`at_user_ids` has what is no identity of a member".to_owned());
    }
    let format = if at_mobiles.is_empty() { Format::Markdown } else { Format::Plain };
    let robot = Robot::read(settings, ["url", "title", "text"], format)?;
    robot.url.check(|url| url.query_pairs().any(|(name, _)| name == "key"), "it has no `key`")?;
    Ok(vec![Box::new(WeCom { robot, at_user_ids, at_mobiles })])
}

impl Vendor for WeCom {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.robot.url.read()?;
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
        judge(answer)
    }
}

/// What WeCom's answers mean, those of robots and those of its API
/// (`developer.work.weixin.qq.com/document/path/90313`).
pub(super) fn judge(answer: &Answer) -> Outcome {
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
        40014 | 42001 => Outcome::retry(Reason::Auth, detail),
        45009 | 45033 => Outcome::retry(Reason::RateLimited, detail),
        40001 | 40013 | 40056 | 41002 | 41004 | 93000 => Outcome::failed(Reason::Auth, detail),
        40058 if detail.contains("length") => Outcome::failed(Reason::TooLarge, detail),
        60020 => Outcome::failed(Reason::Blocked, detail),
        _ => Outcome::failed(Reason::BadRequest, detail),
    }
}
