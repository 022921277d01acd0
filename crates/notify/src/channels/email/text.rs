//! What a mail says.

use std::sync::Arc;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::date;
use crate::channel::Message;
use crate::http::one_line;
use crate::sign;
use crate::text::{Filler, Format, Language, Limit, Text, Texts};

/// Longest subject: a line of a mail has 998 letters (RFC 5322, 2.1.1).
const SUBJECT_MAX: Limit = Limit::chars(250);

/// Longest text.
const TEXT_MAX: Limit = Limit::bytes(200_000);

/// What makes mails.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: Mailbox,
    pub(super) to: Mailbox,
    /// By their names in the usual letters.
    pub(super) headers: Vec<(String, Text)>,
    pub(super) html: Option<Text>,
    pub(super) text: Option<Text>,
    pub(super) texts: Arc<Texts>,
    pub(super) language: Language,
}

impl Letter {
    /// # Errors
    /// What makes it no mail.
    pub(super) fn write(&self, message: &Message<'_>) -> Result<lettre::Message, String> {
        let filler = |format| Filler { texts: &self.texts, message, language: self.language, format };
        let document = filler(Format::Plain).document();
        let mut subject = document.title.clone();
        let mut others = Vec::new();
        for (name, text) in &self.headers {
            let value = filler(Format::Plain).fill(text).map(|value| one_line(&value));
            match (&**name, value) {
                (_, None) => {}
                ("Subject", Some(value)) => subject = value,
                // Envelope, date and identity are ours.
                ("From" | "To" | "Cc" | "Bcc" | "Date" | "Message-Id" | "References" | "In-Reply-To", _) => {}
                (_, Some(value)) => others.push((name, value)),
            }
        }
        let domain = self.from.email.domain();
        let identity = |text: &str| format!("<{text}@{domain}>");
        // All mails of a group are answers to one that there never was, so that they are one thread.
        let root = identity(&thread(message));
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(SUBJECT_MAX.cut(&one_line(&subject)))
            .date(date(message.at_ms))
            .message_id(Some(identity(message.id)))
            .in_reply_to(root.clone())
            .references(root);
        for (name, value) in others {
            let name = HeaderName::new_from_ascii(name.clone());
            let name = name.map_err(|_| "`headers` has what is no header".to_owned())?;
            mail = mail.raw_header(HeaderValue::new(name, value));
        }
        let plain = filler(Format::Plain).fill_if(self.text.as_ref());
        let plain = plain.unwrap_or_else(|| document.body(Format::Plain, TEXT_MAX));
        let html = filler(Format::Html).fill_if(self.html.as_ref()).unwrap_or_else(|| {
            let title = Format::Html.escape(&document.title);
            format!("<h3>{title}</h3>\n<p>{}</p>\n", document.body(Format::Html, TEXT_MAX))
        });
        let parts = MultiPart::alternative_plain_html(plain, html);
        mail.multipart(parts).map_err(|error| error.to_string())
    }
}

/// One for the groups of a message.
fn thread(message: &Message<'_>) -> String {
    let keys: Vec<&str> = message.notices.iter().map(alert::notice::Notice::shown_key).collect();
    sign::sha256(keys.join("\n").as_bytes())[..24].to_owned()
}
