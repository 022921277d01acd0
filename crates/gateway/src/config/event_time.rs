//! Where events say when they were made.

use std::str::FromStr;

use observe::event_time::{IdForm, Source, TWITTER_EPOCH_MS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the events of a route's event streams say when they were made: either in their id or in their data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTimeConfig {
    /// In their `id`, which has this form.
    #[serde(default)]
    pub id: Option<EventIdForm>,
    /// In their data, which is JSON, at this JSON pointer, such as `/meta/ts`: seconds, milliseconds, microseconds
    /// or nanoseconds since the Unix epoch, as the size of the number tells, or an RFC 3339 time. Data longer than
    /// 64 KiB is not looked at.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub json_pointer: Option<JsonPointer>,
    /// Begin of the snowflakes' time, in milliseconds since the Unix epoch; the default is Twitter's.
    #[serde(default = "twitter_epoch_ms")]
    pub snowflake_epoch_ms: u64,
}

/// How an id has its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventIdForm {
    /// By its look: a ULID, a UUID of version 7, 10 digits of seconds, 13 of milliseconds, or 17 to 19 of a
    /// snowflake.
    Auto,
    /// ULID.
    Ulid,
    /// UUID of version 7, with or without `urn:uuid:`.
    Uuidv7,
    /// Decimal number with milliseconds above its low 22 bits.
    Snowflake,
    /// Milliseconds since the Unix epoch; a `-` and a sequence may follow, as in ids of Redis streams.
    EpochMs,
    /// Seconds since the Unix epoch; a fraction may follow.
    EpochS,
}

fn twitter_epoch_ms() -> u64 {
    TWITTER_EPOCH_MS
}

impl EventTimeConfig {
    /// Where to read; none when it names no place or two.
    pub fn source(&self) -> Option<Source> {
        match (self.id, &self.json_pointer) {
            (Some(form), None) => Some(Source::Id(self.form(form))),
            (None, Some(pointer)) => Some(Source::Data(pointer.as_str().to_owned())),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    fn form(&self, form: EventIdForm) -> IdForm {
        match form {
            EventIdForm::Auto => IdForm::Auto { snowflake_epoch_ms: self.snowflake_epoch_ms },
            EventIdForm::Ulid => IdForm::Ulid,
            EventIdForm::Uuidv7 => IdForm::UuidV7,
            EventIdForm::Snowflake => IdForm::Snowflake { epoch_ms: self.snowflake_epoch_ms },
            EventIdForm::EpochMs => IdForm::EpochMs,
            EventIdForm::EpochS => IdForm::EpochS,
        }
    }
}

typed_text! {
    /// JSON pointer (RFC 6901).
    JsonPointer
}

impl FromStr for JsonPointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let begins_well = text.is_empty() || text.starts_with('/');
        let has_whole_escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if begins_well && has_whole_escapes {
            return Ok(JsonPointer(text.to_owned()));
        }
        Err(format!(
            "JSON pointer `{text}` must begin with `/`, and have `~` as `~0` and `/` in a key as `~1`"
        ))
    }
}
