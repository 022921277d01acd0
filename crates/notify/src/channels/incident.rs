//! What vendors that keep incidents have in common: one for each group, with fields and details by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::channel::Message;
use crate::settings::{Pairs, Settings};
use crate::sign;
use crate::text::{Document, Filler, Format, Language, Text, Texts};

/// What the settings say of each incident.
#[derive(Debug)]
pub(super) struct Incident {
    texts: Arc<Texts>,
    language: Language,
    fields: BTreeMap<&'static str, Text>,
    details: Pairs,
}

/// An incident as a message tells of it.
#[derive(Debug)]
pub(super) struct Told<'a> {
    incident: &'a Incident,
    filler: Filler<'a>,
    pub(super) document: Document,
    /// As Alertmanager has it (`notify.Key.Hash`).
    pub(super) identity: String,
}

impl Incident {
    /// Takes these keys, `details` and `language`.
    ///
    /// # Errors
    /// Keys that cannot be read.
    pub(super) fn read<const N: usize>(
        settings: &mut Settings<'_>,
        fields: [&'static str; N],
    ) -> Result<Incident, String> {
        Ok(Incident {
            texts: settings.context.texts.clone(),
            language: settings.language()?,
            fields: settings.texts(fields)?,
            details: settings.pairs("details")?,
        })
    }

    pub(super) fn tell<'a>(&'a self, message: &'a Message<'a>) -> Told<'a> {
        let filler = Filler { texts: &self.texts, message, language: self.language, format: Format::Plain };
        let key = message.notices.first().map_or("", |notice| &*notice.group_key);
        Told { incident: self, filler, document: filler.document(), identity: sign::sha256(key.as_bytes()) }
    }
}

impl Told<'_> {
    /// What a field says; none where it says nothing.
    pub(super) fn field(&self, key: &str) -> Option<String> {
        self.filler.fill_if(self.incident.fields.get(key)).filter(|text| !text.is_empty())
    }

    /// Puts what these fields say into an object.
    pub(super) fn put<const N: usize>(&self, object: &mut Value, keys: [&str; N]) {
        for key in keys {
            if let Some(text) = self.field(key) {
                object[key] = text.into();
            }
        }
    }

    pub(super) fn details(&self) -> Map<String, Value> {
        self.object(&self.incident.details)
    }

    pub(super) fn object(&self, pairs: &[(String, Text)]) -> Map<String, Value> {
        self.filler.object(pairs)
    }
}
