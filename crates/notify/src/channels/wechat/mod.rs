//! Applications of WeCom (`developer.work.weixin.qq.com/document/path/90236`): a message to members, by a token that is
//! good for two hours. The keys are Alertmanager's.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use super::wecom;
use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, unreadable};
use crate::secret::{Secret, Source};
use crate::settings::Settings;
use crate::text::{Filler, Format, Language, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "wechat",
    globals: &[
        ("wechat_api_url", "api_url"),
        ("wechat_api_secret", "api_secret"),
        ("wechat_api_secret_file", "api_secret_file"),
        ("wechat_api_corp_id", "corp_id"),
    ],
    // The vendor takes 30 a minute for a member.
    traits: Traits { rates: &[Rate::per_minute(27)], has_digests: true, is_costly: false },
    tells_end: false,
    read: Read::Http(read),
};

const TEXT_MAX: Limit = Limit::bytes(2048);

/// How long a token is good at most, and where the vendor does not say, seconds.
const TOKEN_S: i64 = 7200;

#[derive(Debug)]
struct WeChat {
    api: Address,
    corp_id: String,
    secret: Source,
    texts: Arc<Texts>,
    language: Language,
    /// `text` or `markdown`.
    kind: String,
    message: Option<Text>,
    agent_id: Text,
    /// Members, departments and tags, each several with `|` between them.
    to: [(&'static str, Text); 3],
    /// The token, and until when it is good, milliseconds since the Unix epoch.
    token: Mutex<Option<(Secret, i64)>>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let kind = settings.option("message_type")?.unwrap_or_else(|| "text".to_owned());
    if !matches!(&*kind, "text" | "markdown") {
        return Err("`message_type` is text or markdown".to_owned());
    }
    let texts = settings.context.texts.clone();
    let mut text = |key: &str| match settings.text(key)? {
        Some(text) => Ok(text),
        None => Text::read(key, &format!("{{{{ template \"wechat.default.{key}\" . }}}}"), &texts),
    };
    let agent_id = text("agent_id")?;
    let to = [("touser", text("to_user")?), ("toparty", text("to_party")?), ("totag", text("to_tag")?)];
    Ok(vec![Box::new(WeChat {
        api: settings.url("api_url", "https://qyapi.weixin.qq.com/cgi-bin/")?,
        corp_id: settings.needed("corp_id")?,
        secret: settings.secret("api_secret")?,
        language: settings.language()?,
        texts,
        kind,
        message: settings.text("message")?,
        agent_id,
        to,
        token: Mutex::default(),
    })])
}

impl Vendor for WeChat {
    fn ahead(&self, at_ms: i64) -> Option<Result<Call, String>> {
        let is_good = |(_, until_ms): &(Secret, i64)| at_ms < *until_ms;
        if self.token.lock().as_ref().is_some_and(is_good) {
            return None;
        }
        Some(self.secret.read().map(|secret| {
            let address = self.api.clone().join(&["gettoken"]);
            let query = [("corpid", &*self.corp_id), ("corpsecret", secret.reveal())];
            Call::get(address.with_query(&query)).hiding(secret)
        }))
    }

    fn learn(&self, answer: &Answer, at_ms: i64) -> Result<(), Outcome> {
        let body = answer.json().unwrap_or_default();
        let Some(token) = body["access_token"].as_str() else {
            return Err(match wecom::judge(answer) {
                Outcome::Delivered { .. } => unreadable(answer),
                refused => refused,
            });
        };
        // In the last tenth of its time it is not used any more.
        let until_ms = at_ms + body["expires_in"].as_i64().unwrap_or(TOKEN_S).clamp(1, TOKEN_S) * 900;
        *self.token.lock() = Some((Secret::new(token), until_ms));
        Ok(())
    }

    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let token = self.token.lock().as_ref().map(|(token, _)| token.clone()).unwrap_or_default();
        let format = if self.kind == "text" { Format::Plain } else { Format::Markdown };
        let filler = Filler { texts: &self.texts, message, language: self.language, format };
        let text = filler.fill_if(self.message.as_ref()).map(|text| TEXT_MAX.cut(&text));
        let text = text.unwrap_or_else(|| {
            let document = filler.document();
            let title = format!("{}\n", format.bold(&document.title));
            format!("{title}{}", document.body(format, TEXT_MAX.less(title.len())))
        });
        let mut body = json!({
            "msgtype": self.kind,
            &*self.kind: {"content": text},
            "agentid": filler.fill(&self.agent_id),
        });
        for (key, text) in &self.to {
            body[key] = filler.fill(text).into();
        }
        let address = self.api.clone().join(&["message", "send"]);
        let address = address.with_query(&[("access_token", token.reveal())]);
        Ok(Call::json(address, &body).hiding(token))
    }

    /// A message that some do not get is not delivered.
    fn judge(&self, answer: &Answer) -> Outcome {
        let body = answer.json().unwrap_or_default();
        let is_empty = |key: &str| body[key].as_str().is_none_or(str::is_empty);
        if matches!(body["errcode"].as_i64(), Some(40014 | 42001)) {
            *self.token.lock() = None;
        }
        match wecom::judge(answer) {
            Outcome::Delivered { .. }
                if !["invaliduser", "invalidparty", "invalidtag"].into_iter().all(is_empty) =>
            {
                Outcome::failed(Reason::BadRequest, answer.told())
            }
            Outcome::Delivered { .. } => Outcome::Delivered { id: body["msgid"].as_str().map(str::to_owned) },
            refused => refused,
        }
    }
}
