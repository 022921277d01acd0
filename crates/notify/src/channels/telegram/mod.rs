//! Telegram's bots (`core.telegram.org/bots/api`). The keys are Alertmanager's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Address, Answer, Call, HttpSettings, Written};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::text::{Document, Format, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind {
    name: "telegram",
    globals: &[
        ("telegram_api_url", "api_url"),
        ("telegram_bot_token", "bot_token"),
        ("telegram_bot_token_file", "bot_token_file"),
    ],
    read: Read::Http(read),
};

/// The vendor takes about 20 a minute for a group, and one a second for a chat.
const TRAITS: Traits = Traits {
    rates: &[Rate::per_minute(18), Rate { count: 1, per: Duration::from_millis(1100) }],
    has_digests: true,
    is_costly: false,
};

const TEXT_MAX: Limit = Limit::utf16(4096);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    api_url: Option<String>,
    bot_token: Option<Secret>,
    bot_token_file: Option<PathBuf>,
    chat_id: Option<serde_json::Value>,
    chat_id_file: Option<PathBuf>,
    message_thread_id: Option<i64>,
    message: Option<String>,
    #[serde(default)]
    disable_notifications: bool,
    parse_mode: Option<String>,
}

#[derive(Debug)]
struct Telegram {
    api: Address,
    token: Source,
    chat: Source,
    thread: Option<i64>,
    texts: Arc<Texts>,
    text: Option<Text>,
    is_silent: bool,
    parse_mode: String,
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let written: Settings = settings(written)?;
    let directory = &context.directory;
    let api = written.api_url.as_deref().unwrap_or("https://api.telegram.org");
    let chat = written.chat_id.map(|chat| match chat {
        serde_json::Value::String(chat) => Secret::new(chat),
        chat => Secret::new(chat.to_string()),
    });
    let parse_mode = written.parse_mode.unwrap_or_else(|| "HTML".to_owned());
    if !matches!(&*parse_mode, "HTML" | "Markdown" | "MarkdownV2" | "") {
        return Err("`parse_mode` is HTML, Markdown, MarkdownV2 or empty".to_owned());
    }
    let vendor = Telegram {
        api: Address::parse(api).map_err(|why| format!("`api_url` is {why}"))?,
        token: Source::required("bot_token", written.bot_token, written.bot_token_file, directory)?,
        chat: Source::required("chat_id", chat, written.chat_id_file, directory)?,
        thread: written.message_thread_id,
        text: Text::optional("message", written.message, &context.texts)?,
        texts: context.texts.clone(),
        is_silent: written.disable_notifications,
        parse_mode,
    };
    Ok(vec![Made {
        vendor: Box::new(vendor),
        traits: TRAITS,
        http: HttpSettings::read(written.http_config, directory)?,
        timeout: None,
        sends_resolved: written.send_resolved.unwrap_or(true),
    }])
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
        let language = self.texts.language();
        let format = match &*self.parse_mode {
            "HTML" => Format::Telegram,
            "" => Format::Plain,
            _ => Format::CommonMark,
        };
        let given = self.text.as_ref().and_then(|text| self.texts.expand(text, message, language, format));
        if let Some(text) = given.filter(|text| format == Format::Plain || TEXT_MAX.holds(text)) {
            return (TEXT_MAX.cut(&text), self.parse_mode.clone());
        }
        let document = Document::new(message.notices, language, message.at_ms);
        let head = format!("{}\n\n", Format::Telegram.bold(&document.title));
        let body = document.body(Format::Telegram, TEXT_MAX.less(TEXT_MAX.length(&head)));
        (format!("{head}{body}"), "HTML".to_owned())
    }
}
