//! Settings of a channel, taken key by key: what nobody has taken is a mistake.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::channel::Context;
use crate::http::Address;
use crate::secret::{Secret, Source};
use crate::text::{Language, Text};

/// Texts and what they are called.
pub(crate) type Pairs = Vec<(String, Text)>;

/// Settings as they are written.
pub(crate) struct Settings<'a> {
    /// What they are read with.
    pub(crate) context: &'a Context,
    left: Map<String, Value>,
    known: Vec<String>,
}

impl<'a> Settings<'a> {
    /// # Errors
    /// They are no map.
    pub(crate) fn new(written: Value, context: &'a Context) -> Result<Settings<'a>, String> {
        match written {
            Value::Object(left) => Ok(Settings { context, left, known: Vec::new() }),
            _ => Err("settings are a map".to_owned()),
        }
    }

    /// # Errors
    /// There is a key that nobody has taken.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.left.keys().next() {
            Some(key) => Err(format!("unknown field `{key}`; there are {}", self.known.join(", "))),
            None => Ok(()),
        }
    }

    /// That something is missing, and what may stand for it by mistake.
    fn missing(&self, what: &str) -> String {
        let left: Vec<&str> = self.left.keys().map(String::as_str).collect();
        let left = if left.is_empty() { String::new() } else { format!(" beside {}", left.join(", ")) };
        format!("{what} is missing{left}")
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// The value of a key that can be left out.
    ///
    /// # Errors
    /// It is of another type.
    pub(crate) fn option<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let read =
            |value| serde_json::from_value(value).map_err(|error| format!("`{key}`: {}", unquoted(&error)));
        self.take(key).map(read).transpose()
    }

    /// The settings under a key that can be left out.
    ///
    /// # Errors
    /// They are no map, `read` does not take them, or they have a key that it has not taken.
    pub(crate) fn nested<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Settings<'a>) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(written) = self.take(key) else { return Ok(None) };
        let read = || {
            let mut settings = Settings::new(written, self.context)?;
            let read = read(&mut settings)?;
            settings.finish().map(|()| read)
        };
        read().map(Some).map_err(|why| format!("{key}: {why}"))
    }

    /// The same; its type's default when it is left out.
    ///
    /// # Errors
    /// It is of another type.
    pub(crate) fn value<T: DeserializeOwned + Default>(&mut self, key: &str) -> Result<T, String> {
        Ok(self.option(key)?.unwrap_or_default())
    }

    /// The value of a key that cannot be left out.
    ///
    /// # Errors
    /// It is missing, or of another type.
    pub(crate) fn needed<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, String> {
        self.option(key)?.ok_or_else(|| self.missing(&format!("`{key}`")))
    }

    /// A secret from a key, or from the file that its twin with `_file` names.
    ///
    /// # Errors
    /// Both are given.
    pub(crate) fn secret_if(&mut self, key: &str) -> Result<Option<Source>, String> {
        let text = match self.take(key) {
            None => None,
            Some(Value::String(text)) => Some(Secret::new(text)),
            Some(Value::Number(number)) => Some(Secret::new(number.to_string())),
            Some(_) => return Err(format!("`{key}` is no text")),
        };
        let file: Option<PathBuf> = self.option(&format!("{key}_file"))?;
        Source::optional(key, text, file, &self.context.directory)
    }

    /// The same for one that cannot be left out.
    ///
    /// # Errors
    /// Both are given, or none.
    pub(crate) fn secret(&mut self, key: &str) -> Result<Source, String> {
        self.secret_if(key)?.ok_or_else(|| self.missing(&format!("`{key}` or `{key}_file`")))
    }

    /// A URL that is a secret.
    ///
    /// # Errors
    /// It is missing, or no URL.
    pub(crate) fn secret_url(&mut self, key: &'static str) -> Result<SecretUrl, String> {
        let url = SecretUrl { source: self.secret(key)?, key };
        url.written().transpose()?;
        Ok(url)
    }

    /// A URL that is none.
    ///
    /// # Errors
    /// It is no URL.
    pub(crate) fn url(&mut self, key: &str, default: &str) -> Result<Address, String> {
        let text: Option<String> = self.option(key)?;
        Address::parse(text.as_deref().unwrap_or(default)).map_err(|why| format!("`{key}` is {why}"))
    }

    /// A length of time as Prometheus writes it: `1m30s`; a number counts seconds. 0 is none.
    ///
    /// # Errors
    /// It is no length of time.
    pub(crate) fn duration(&mut self, key: &str) -> Result<Option<Duration>, String> {
        let ms = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) => {
                alert::duration::parse(&text).map_err(|why| format!("`{key}`: {why}"))?
            }
            Some(other) => {
                let seconds = other.as_u64().ok_or_else(|| format!("`{key}` is no length of time"))?;
                i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
            }
        };
        Ok((ms > 0).then(|| Duration::from_millis(ms.unsigned_abs())))
    }

    /// The language of messages.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn language(&mut self) -> Result<Language, String> {
        Ok(self.option("language")?.unwrap_or(self.context.texts.language()))
    }

    /// A text with templates in it.
    ///
    /// # Errors
    /// It is no template.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<Text>, String> {
        let text: Option<String> = self.option(key)?;
        text.map(|text| Text::read(key, &text, &self.context.texts)).transpose()
    }

    /// Texts by their keys; those that are left out are not among them.
    ///
    /// # Errors
    /// One is no template.
    pub(crate) fn texts<const N: usize>(
        &mut self,
        keys: [&'static str; N],
    ) -> Result<BTreeMap<&'static str, Text>, String> {
        let read = keys.into_iter().filter_map(|key| Some((key, self.text(key).transpose()?)));
        read.map(|(key, text)| Ok((key, text?))).collect()
    }

    /// A map of texts.
    ///
    /// # Errors
    /// It is none, or one of them is no template.
    pub(crate) fn pairs(&mut self, key: &str) -> Result<Pairs, String> {
        let written = self.value(key)?;
        self.pairs_of(key, written)
    }

    /// A list of texts; their names are their places, from 1.
    ///
    /// # Errors
    /// It is none, or one of them is no template.
    pub(crate) fn list(&mut self, key: &str) -> Result<Pairs, String> {
        let written: Vec<String> = self.value(key)?;
        let read = |(place, text): (usize, &String)| {
            Ok(((place + 1).to_string(), Text::read(key, text, &self.context.texts)?))
        };
        written.iter().enumerate().map(read).collect()
    }

    /// A list of maps of texts.
    ///
    /// # Errors
    /// It is none, or one of them is no template.
    pub(crate) fn list_of_pairs(&mut self, key: &str) -> Result<Vec<Pairs>, String> {
        let written: Vec<_> = self.value(key)?;
        written.into_iter().map(|one| self.pairs_of(key, one)).collect()
    }

    fn pairs_of(&self, key: &str, written: BTreeMap<String, String>) -> Result<Pairs, String> {
        let read = |(name, text): (String, String)| Ok((name, Text::read(key, &text, &self.context.texts)?));
        written.into_iter().map(read).collect()
    }
}

/// What is wrong with the type of a value, without the value, which may be secret.
fn unquoted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(", expected ") {
        Some((begin, wanted)) if begin.starts_with("invalid ") => format!("{wanted} is expected"),
        _ => text,
    }
}

/// A URL that is a secret.
#[derive(Debug)]
pub(crate) struct SecretUrl {
    source: Source,
    key: &'static str,
}

impl SecretUrl {
    /// The URL as it is now.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn read(&self) -> Result<Address, String> {
        let text = self.source.read()?;
        Address::parse(text.reveal()).map_err(|why| format!("`{}` is {why}", self.key))
    }

    /// The URL if it is written in the configuration.
    pub(crate) fn written(&self) -> Option<Result<Address, String>> {
        matches!(self.source, Source::Text(_)).then(|| self.read())
    }

    /// # Errors
    /// It is written, and is not what the vendor gives.
    pub(crate) fn check(&self, is_right: impl Fn(&url::Url) -> bool, why: &str) -> Result<(), String> {
        match self.written().transpose()? {
            Some(url) if !is_right(url.url()) => Err(format!("`{}` is not that of a robot: {why}", self.key)),
            _ => Ok(()),
        }
    }
}
