//! What the robots of chat programs have in common: a secret URL, a language, a title and a text.

use std::sync::Arc;

use crate::channel::Message;
use crate::settings::{SecretUrl, Settings};
use crate::text::{Document, Filler, Format, Language, Limit, Text, Texts};

/// What a robot says where, in which language; the default message where the settings leave it out.
#[derive(Debug)]
pub(super) struct Robot {
    pub(super) url: SecretUrl,
    format: Format,
    texts: Arc<Texts>,
    language: Language,
    title: Option<Text>,
    text: Option<Text>,
}

/// A message as the settings want it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) document: Document,
    format: Format,
    title: Option<String>,
    text: Option<String>,
}

impl Robot {
    /// Takes the keys of URL, title and text, and `language`.
    ///
    /// # Errors
    /// Keys that are missing or cannot be read.
    pub(super) fn read(
        settings: &mut Settings<'_>,
        [url, title, text]: [&'static str; 3],
        format: Format,
    ) -> Result<Robot, String> {
        Ok(Robot {
            url: settings.secret_url(url)?,
            format,
            texts: settings.context.texts.clone(),
            language: settings.language()?,
            title: settings.text(title)?,
            text: settings.text(text)?,
        })
    }

    pub(super) fn filler<'a>(&'a self, message: &'a Message<'a>) -> Filler<'a> {
        Filler { texts: &self.texts, message, language: self.language, format: self.format }
    }

    pub(super) fn say(&self, message: &Message<'_>) -> Said {
        let filler = self.filler(message);
        Said {
            document: filler.document(),
            format: self.format,
            title: filler.fill_if(self.title.as_ref()),
            text: filler.fill_if(self.text.as_ref()),
        }
    }
}

impl Said {
    /// One line without markup.
    pub(super) fn title(&self, limit: Limit) -> String {
        limit.cut(self.title.as_ref().unwrap_or(&self.document.title))
    }

    /// The text that stands below the title.
    pub(super) fn text(&self, limit: Limit) -> String {
        match &self.text {
            Some(text) => limit.cut(text),
            None => self.document.body(self.format, limit),
        }
    }
}
