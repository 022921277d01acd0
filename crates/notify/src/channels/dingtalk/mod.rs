//! DingTalk's robots: Markdown, optionally signed (`open.dingtalk.com`, "custom robot").

use std::time::Duration;

use serde_json::json;

use super::robot::{Robot, Said};
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Source;
use crate::settings::Settings;
use crate::sign;
use crate::text::{Format, Limit, body_within};

pub(super) const KIND: Kind = Kind {
    name: "dingtalk",
    globals: &[],
    // The vendor takes 20 a minute.
    traits: Traits { rates: &[Rate::per_minute(18)], has_digests: true, is_costly: false },
    tells_end: true,
    read: Read::Http(read),
};

/// Bytes of a body.
const BODY_MAX: usize = 20_000;

/// How long a robot says nothing after too many messages, at least.
const THROTTLED: Duration = Duration::from_secs(60);

/// Letters of a title: it is what a telephone shows.
const TITLE_MAX: Limit = Limit::chars(100);

#[derive(Debug)]
struct DingTalk {
    robot: Robot,
    secret: Option<Source>,
    at_mobiles: Vec<String>,
    at_user_ids: Vec<String>,
    at_all: bool,
    /// What the robot demands in each message.
    keyword: String,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let robot = Robot::read(settings, ["url", "title", "text"], Format::Markdown)?;
    let has_token = |url: &url::Url| url.query_pairs().any(|(name, _)| name == "access_token");
    robot.url.check(has_token, "it has no `access_token`")?;
    Ok(vec![Box::new(DingTalk {
        robot,
        secret: settings.secret_if("secret")?,
        at_mobiles: settings.value("at_mobiles")?,
        at_user_ids: settings.value("at_user_ids")?,
        at_all: settings.value("at_all")?,
        keyword: settings.value("keyword")?,
    })])
}

impl Vendor for DingTalk {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let mut url = self.robot.url.read()?;
        if let Some(secret) = &self.secret {
            let sign = sign::dingtalk(secret.read()?.reveal(), message.at_ms);
            url = url.with_query(&[("timestamp", &message.at_ms.to_string()), ("sign", &sign)]);
        }
        let said = self.robot.say(message);
        let body = body_within(BODY_MAX, |room| self.body(&said, Limit::bytes(room)));
        Ok(Call::post(url, "application/json", body))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        let Some(body) = answer.json() else { return unreadable(answer) };
        let detail = answer.told();
        let retry = |after, reason| Outcome::Retry { after, reason, detail: detail.clone() };
        // Under punishment there is no code, but a wait.
        let Some(code) = body["errcode"].as_i64() else {
            let asked = body["wait"].as_u64().map(|seconds| Duration::from_secs(seconds).max(THROTTLED));
            let reason = if asked.is_some() { Reason::RateLimited } else { Reason::Unknown };
            return retry(asked, reason);
        };
        let said = body["errmsg"].as_str().unwrap_or_default();
        match code {
            0 => Outcome::delivered(),
            -1 | 90030 => retry(None, Reason::Server),
            130_101 => retry(Some(THROTTLED), Reason::RateLimited),
            300_001 | 300_005 => Outcome::failed(Reason::Auth, detail),
            // One code for three causes: signature, keyword, address.
            310_000 if said.contains("sign") || said.contains("timestamp") => {
                Outcome::failed(Reason::Auth, detail)
            }
            310_000 => Outcome::failed(Reason::Blocked, detail),
            _ => Outcome::failed(Reason::BadRequest, detail),
        }
    }
}

impl DingTalk {
    fn body(&self, said: &Said, limit: Limit) -> Vec<u8> {
        // The robot looks for its keyword as it is.
        let keyword = if self.keyword.is_empty() { String::new() } else { format!("{} ", self.keyword) };
        let title = said.title(TITLE_MAX.less(TITLE_MAX.length(&keyword)));
        let head = format!("### {keyword}{}\n\n", Format::Markdown.escape(&title));
        let mentions: Vec<String> = self.at_mobiles.iter().map(|mobile| format!("@{mobile}")).collect();
        let tail = if mentions.is_empty() { String::new() } else { format!("\n\n{}", mentions.join(" ")) };
        let text = said.text(limit.less(head.len() + tail.len()));
        let body = json!({
            "msgtype": "markdown",
            "markdown": {"title": format!("{keyword}{title}"), "text": format!("{head}{text}{tail}")},
            "at": {"atMobiles": self.at_mobiles, "atUserIds": self.at_user_ids, "isAtAll": self.at_all},
        });
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
