//! Telegram's bots (`core.telegram.org/bots/api`). The keys are Alertmanager's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::settings::Settings;
use crate::text::{Filler, Format, Language, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "telegram",
    globals: &[
        ("telegram_api_url", "api_url"),
        ("telegram_bot_token", "bot_token"),
        ("telegram_bot_token_file", "bot_token_file"),
    ],
    // The vendor takes about 20 a minute for a group, and one a second for a chat.
    traits: Traits {
        rates: &[Rate::per_minute(18), Rate { count: 1, per: Duration::from_millis(1100) }],
        has_digests: true,
        is_costly: false,
    },
    tells_end: true,
    read: Read::Http(read),
};

const TEXT_MAX: Limit = Limit::utf16(4096);

#[derive(Debug)]
struct Telegram {
    api: Address,
    token: Source,
    chat: Source,
    thread: Option<i64>,
    texts: Arc<Texts>,
    language: Language,
    text: Option<Text>,
    is_silent: bool,
    parse_mode: String,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    let parse_mode = settings.option("parse_mode")?.unwrap_or_else(|| "HTML".to_owned());
    if !matches!(&*parse_mode, "HTML" | "Markdown" | "MarkdownV2" | "") {
        return Err("`parse_mode` is HTML, Markdown, MarkdownV2 or empty".to_owned());
    }
    Ok(vec![Box::new(Telegram {
        api: settings.url("api_url", "https://api.telegram.org")?,
        token: settings.secret("bot_token")?,
        chat: settings.secret("chat_id")?,
        thread: settings.option("message_thread_id")?,
        texts: settings.context.texts.clone(),
        language: settings.language()?,
        text: settings.text("message")?,
        is_silent: settings.value("disable_notifications")?,
        parse_mode,
    })])
}

impl Vendor for Telegram {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let token = self.token.read()?;
        let address = self.api.clone().join(&[&format!("bot{}", token.reveal()), "sendMessage"]);
        let chat = self.chat.read()?;
        let chat = chat.reveal().parse::<i64>().map_or_else(|_| json!(chat.reveal()), |id| json!(id));
        let (text, parse_mode) = self.text(message);
        let mut body = json!({
            "chat_id": chat,
            "text": text,
            "disable_notification": self.is_silent,
            "link_preview_options": {"is_disabled": true},
        });
        if !parse_mode.is_empty() {
            body["parse_mode"] = parse_mode.into();
        }
        if let Some(thread) = self.thread {
            body["message_thread_id"] = thread.into();
        }
        // A token is the number of the bot and the secret.
        let secret = token.reveal().rsplit(':').next().unwrap_or_default();
        Ok(Call::json(address, &body).hiding(Secret::new(secret)).hiding(token))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let Some(body) = answer.json() else {
            return by_status(answer).unwrap_or_else(|| unreadable(answer));
        };
        let detail = answer.told();
        if body["ok"] == true {
            return Outcome::Delivered { id: body["result"]["message_id"].as_i64().map(|id| id.to_string()) };
        }
        let parameters = &body["parameters"];
        if let Some(chat) = parameters["migrate_to_chat_id"].as_i64() {
            return Outcome::failed(
                Reason::BadRequest,
                format!("the group is now `chat_id: {chat}`: {detail}"),
            );
        }
        match body["error_code"].as_i64() {
            Some(429) => {
                let asked = parameters["retry_after"].as_u64().map(Duration::from_secs);
                Outcome::Retry { after: asked.or(answer.retry_after), reason: Reason::RateLimited, detail }
            }
            Some(403) => Outcome::failed(Reason::Blocked, detail),
            // A token that does not exist.
            Some(401 | 404) => Outcome::failed(Reason::Auth, detail),
            Some(400) if detail.contains("too long") => Outcome::failed(Reason::TooLarge, detail),
            _ => by_status(answer).unwrap_or_else(|| unreadable(answer)),
        }
    }
}

impl Telegram {
    /// The text, and how it is to be read. A text of the settings that is too long cannot be cut where it has markup: the
    /// default message stands in for it.
    fn text(&self, message: &Message<'_>) -> (String, String) {
        let format = match &*self.parse_mode {
            "HTML" => Format::Telegram,
            "" => Format::Plain,
            _ => Format::CommonMark,
        };
        let filler = Filler { texts: &self.texts, message, language: self.language, format };
        let given = filler.fill_if(self.text.as_ref());
        if let Some(text) = given.filter(|text| format == Format::Plain || TEXT_MAX.holds(text)) {
            return (TEXT_MAX.cut(&text), self.parse_mode.clone());
        }
        let document = filler.document();
        let head = format!("{}\n\n", Format::Telegram.bold(&document.title));
        let body = document.body(Format::Telegram, TEXT_MAX.less(TEXT_MAX.length(&head)));
        (format!("{head}{body}"), "HTML".to_owned())
    }
}
