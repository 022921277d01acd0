//! What the robots of chat programs have in common: a secret URL, a language, a title and a text.

use std::path::PathBuf;
use std::sync::Arc;

use crate::channel::{Context, Message, address};
use crate::http::Address;
use crate::secret::{Secret, Source};
use crate::text::{Document, Format, Language, Limit, Text, Texts};

/// What a robot says, and where.
#[derive(Debug)]
pub(super) struct Robot {
    url: Source,
    key: &'static str,
    format: Format,
    texts: Arc<Texts>,
    language: Language,
    title: Option<Text>,
    text: Option<Text>,
}

/// The settings of one.
pub(super) struct Written {
    /// The key of the URL.
    pub(super) key: &'static str,
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) language: Option<Language>,
    pub(super) title: Option<String>,
    pub(super) text: Option<String>,
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
    /// # Errors
    /// Keys that are missing or cannot be read.
    pub(super) fn read(written: Written, format: Format, context: &Context) -> Result<Robot, String> {
        let Written { key, url, url_file, language, title, text } = written;
        let url = Source::required(key, url, url_file, &context.directory)?;
        if let Source::Text(_) = url {
            address(&url, key)?;
        }
        Ok(Robot {
            url,
            key,
            format,
            language: language.unwrap_or(context.texts.language()),
            title: Text::optional("title", title, &context.texts)?,
            text: Text::optional("text", text, &context.texts)?,
            texts: context.texts.clone(),
        })
    }

    /// Where it is reached.
    ///
    /// # Errors
    /// The secret cannot be read, or is no URL.
    pub(super) fn address(&self) -> Result<Address, String> {
        address(&self.url, self.key)
    }

    /// The URL if it is written in the configuration.
    pub(super) fn written(&self) -> Option<Address> {
        matches!(self.url, Source::Text(_)).then(|| self.address().ok()).flatten()
    }

    pub(super) fn say(&self, message: &Message<'_>) -> Said {
        let expand = |text: &Option<Text>| {
            let text = text.as_ref()?;
            self.texts.expand(text, message, self.language, self.format)
        };
        Said {
            document: Document::new(message.notices, self.language, message.at_ms),
            format: self.format,
            title: expand(&self.title),
            text: expand(&self.text),
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
