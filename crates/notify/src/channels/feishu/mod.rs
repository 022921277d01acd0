//! Robots of Feishu and Lark: a card, optionally signed (`open.feishu.cn`, "custom bot").

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
    name: "feishu",
    globals: &[],
    // The vendor takes 100 a minute and 5 a second.
    traits: Traits {
        rates: &[Rate::per_minute(90), Rate::per_second(4)],
        has_digests: true,
        is_costly: false,
    },
    tells_end: true,
    read: Read::Http(read),
};

/// Bytes of a body.
const BODY_MAX: usize = 20_000;

/// Letters of a card's title.
const TITLE_MAX: Limit = Limit::chars(150);

#[derive(Debug)]
struct Feishu {
    robot: Robot,
    secret: Option<Source>,
    mentions: String,
    keyword: Option<String>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let robot = Robot::read(settings, ["url", "title", "text"], Format::Lark)?;
    robot.url.check(|url| url.path().contains("/bot/"), "it has no /bot/")?;
    // Identities of people (`ou_…`), or `all`.
    let at_user_ids: Vec<String> = settings.value("at_user_ids")?;
    let is_id = |id: &&String| !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if let Some(id) = at_user_ids.iter().find(is_id) {
        return Err(format!("`at_user_ids`: {id:?} is no identity of a person"));
    }
    let mentions: Vec<String> = at_user_ids.iter().map(|id| format!("<at id={id}></at>")).collect();
    Ok(vec![Box::new(Feishu {
        robot,
        secret: settings.secret_if("secret")?,
        mentions: mentions.join(" "),
        keyword: settings.option("keyword")?,
    })])
}

impl Vendor for Feishu {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let url = self.robot.url.read()?;
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
