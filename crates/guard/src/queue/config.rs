//! What a queue can be told.

use std::time::Duration;

use model::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most classes of a queue, those that are always there included.
pub const CLASSES_MAX: usize = 8;

/// The class of messages that no entry of `priority` takes.
pub const OTHER: &str = "other";

/// The class of events that have an `id`.
pub const IDS: &str = "ids";

/// Longest name of a class.
const NAME_BYTES_MAX: usize = 32;

/// A queue towards a slow client: while the client takes less than the upstream sends, the gateway goes on reading, and
/// what matters most goes first. It holds for WebSocket and event streams, on the way to the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// Bytes that wait for one client at most, such as `1MiB`. A message that is longer is passed on by itself, while
    /// nothing is read behind it.
    #[schemars(with = "String")]
    pub max_bytes: ByteSize,
    /// Messages that wait for one client at most.
    pub max_messages: u32,
    /// For how long a message may wait; older ones are dropped. Absent: for ever.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Duration>,
    /// What to do when more waits: `drop_oldest` (the oldest of all), `drop_lowest` (the oldest of the lowest class), or
    /// `disconnect` (the connection ends for the reason `slow_consumer`, with Close code 1008; over HTTP/2 the stream alone
    /// does, with `ENHANCE_YOUR_CALM`).
    pub policy: Policy,
    /// Of messages with the same key only the latest waits, in the place of the one before: `{ event: true }` for the
    /// name of an event, `{ json_pointer: /symbol }` for a value in text that is JSON.
    pub coalesce: Option<Coalesce>,
    /// Classes, highest priority first: the first entry that a message fits gives its class. Messages that fit none are
    /// of the class `other`, the lowest unless it has its place here. At most 8 classes, `other` and `ids` included.
    pub priority: Vec<PriorityConfig>,
    /// What may become of events that have an `id`: `keep`, `drop` or `ignore`.
    pub ids: Ids,
    /// Ask upstreams not to keep their compression's window from one message to the next
    /// (`server_no_context_takeover`: RFC 7692, section 7.1.1.1). Without it, WebSocket connections whose compression
    /// keeps it have no queue.
    pub renegotiate: bool,
    /// Bytes that the kernel may hold for one client and has not sent (`TCP_NOTSENT_LOWAT`): they have no priorities.
    #[schemars(with = "String")]
    pub kernel_bytes: ByteSize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        QueueConfig {
            max_bytes: ByteSize(1 << 20),
            max_messages: 10_000,
            max_age: None,
            policy: Policy::DropOldest,
            coalesce: None,
            priority: Vec::new(),
            ids: Ids::Keep,
            renegotiate: false,
            kernel_bytes: ByteSize(16 << 10),
        }
    }
}

/// What to do when more waits than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The oldest message of all is dropped.
    DropOldest,
    /// The oldest message of the lowest class is dropped.
    DropLowest,
    /// The receiver is given up.
    Disconnect,
}

/// What may become of events that have an `id`, by which a client says where to go on when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// They keep one order and are never dropped: they are the class `ids`, the highest unless it has its place in
    /// `priority`. When no more of them may wait, the upstream is not read.
    Keep,
    /// They keep one order, in the class `ids`, and may be dropped: a client that comes back does not get those before the
    /// last one that it has got.
    Drop,
    /// They are as any event. The last id of a client may go backwards, and it may get events twice or never.
    Ignore,
}

/// Where the key of a message is. Either one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Coalesce {
    /// The name of the event.
    pub event: bool,
    /// JSON pointer into the text, such as `/symbol`. Text longer than 64 KiB is not looked at.
    pub json_pointer: Option<String>,
}

/// Which messages are of a class: those that fit all that is given here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PriorityConfig {
    /// Name of the class: the `priority` label of metrics. Letters, digits, `_`, `-`; at most 32. Several entries may
    /// have the same.
    pub class: String,
    /// Name of the event; `message` for those without.
    pub event: Option<String>,
    /// `text` or `binary`.
    pub opcode: Option<OpcodeMatch>,
    /// Bytes of the message on the wire, at least.
    #[schemars(with = "Option<String>")]
    pub min_bytes: Option<ByteSize>,
    /// Bytes of the message on the wire, at most.
    #[schemars(with = "Option<String>")]
    pub max_bytes: Option<ByteSize>,
    /// A value in text that is JSON. Text longer than 64 KiB, or compressed, is not looked at.
    pub json: Option<JsonMatch>,
    /// A header of the request that has opened the connection.
    pub header: Option<NamedValue>,
    /// A parameter of that request's query.
    pub query: Option<NamedValue>,
}

/// Kind of a WebSocket message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpcodeMatch {
    /// Text.
    Text,
    /// Binary.
    Binary,
}

/// A value in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonMatch {
    /// JSON pointer (RFC 6901), such as `/priority`.
    pub pointer: String,
    /// The text, number or word that stands there.
    pub equals: String,
}

/// A header or parameter with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedValue {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

impl QueueConfig {
    /// Names of the classes, highest priority first.
    pub fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = Vec::new();
        for entry in &self.priority {
            if !classes.contains(&entry.class.as_str()) {
                classes.push(&entry.class);
            }
        }
        if self.ids != Ids::Ignore && !classes.contains(&IDS) {
            classes.insert(0, IDS);
        }
        if !classes.contains(&OTHER) {
            classes.push(OTHER);
        }
        classes
    }

    /// What parses but cannot work: the key, and what is wrong with it.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.classes().len() > CLASSES_MAX {
            problems
                .push(("priority", format!("at most {CLASSES_MAX} classes, `{OTHER}` and `{IDS}` included")));
        }
        for entry in &self.priority {
            problems.extend(entry.problem().map(|problem| ("priority", problem)));
        }
        if self.max_bytes.0 == 0 || self.max_messages == 0 {
            problems.push(("max_bytes", "a queue for nothing: give a size and a number above 0".to_owned()));
        }
        if !(1..=1 << 30).contains(&self.kernel_bytes.0) {
            problems.push(("kernel_bytes", "give 1B to 1GiB".to_owned()));
        }
        if let Some(Coalesce { event, json_pointer }) = &self.coalesce {
            if *event == json_pointer.is_some() {
                problems.push(("coalesce", "give either `event: true` or `json_pointer`".to_owned()));
            }
            problems.extend(
                json_pointer.as_deref().and_then(pointer_problem).map(|problem| ("coalesce", problem)),
            );
        }
        problems
    }
}

impl QueueConfig {
    /// What works and may not do what is wanted: what of the route's traffic may go without the queue, and what to write.
    pub fn notice(&self) -> Option<&'static str> {
        let mut entries = self.priority.iter().filter(|entry| entry.class != IDS && entry.class != OTHER);
        let asks_for_events = entries.clone().next().is_some() && entries.all(|entry| entry.event.is_some());
        let by_event = self.coalesce.as_ref().is_some_and(|coalesce| coalesce.event);
        let is_for_events = by_event || asks_for_events;
        (!self.renegotiate && !is_for_events).then_some(
            "a WebSocket whose compression keeps its window from one message to the next (permessage-deflate with context \
             takeover, the default of most services) has no queue, since nothing may be dropped from it: write \
             `renegotiate: true`, which asks upstreams for `server_no_context_takeover`, or switch compression off in the \
             service",
        )
    }
}

impl PriorityConfig {
    /// What of the entry can be known before a message is there: none.
    fn is_for_all(&self) -> bool {
        *self == PriorityConfig { class: self.class.clone(), ..PriorityConfig::default() }
    }

    fn problem(&self) -> Option<String> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let is_named = (1..=NAME_BYTES_MAX).contains(&self.class.len()) && self.class.bytes().all(is_name);
        if !is_named {
            return Some(format!(
                "class `{}` must be 1 to {NAME_BYTES_MAX} letters, digits, `_` or `-`",
                self.class
            ));
        }
        if self.class == IDS && !self.is_for_all() {
            return Some(format!("the class `{IDS}` is that of events with an id: give it no condition"));
        }
        self.json.as_ref().and_then(|json| pointer_problem(&json.pointer))
    }
}

fn pointer_problem(pointer: &str) -> Option<String> {
    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
    (!is_pointer).then(|| format!("JSON pointer `{pointer}` must begin with `/`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str) -> PriorityConfig {
        PriorityConfig { class: name.to_owned(), ..PriorityConfig::default() }
    }

    #[test]
    fn classes_in_their_order() {
        let of = |names: &[&str], ids| {
            let priority = names.iter().map(|name| class(name)).collect();
            QueueConfig { priority, ids, ..QueueConfig::default() }.classes().join(" ")
        };
        assert_eq!(of(&[], Ids::Keep), "ids other");
        assert_eq!(of(&["high", "low", "high"], Ids::Ignore), "high low other");
        assert_eq!(of(&["high", "other", "ids", "low"], Ids::Drop), "high other ids low");
    }

    #[test]
    fn what_may_have_no_queue_is_told() {
        let is_told = |config: QueueConfig| config.notice().is_some();
        let of = |entry| QueueConfig { priority: vec![entry, class(OTHER)], ..QueueConfig::default() };
        assert!(is_told(QueueConfig::default()));
        assert!(is_told(of(PriorityConfig { opcode: Some(OpcodeMatch::Text), ..class("high") })));
        assert!(!is_told(QueueConfig { renegotiate: true, ..QueueConfig::default() }));
        assert!(!is_told(of(PriorityConfig { event: Some("a".to_owned()), ..class("high") })));
        let coalesce = Some(Coalesce { event: true, json_pointer: None });
        assert!(!is_told(QueueConfig { coalesce, ..QueueConfig::default() }));
    }

    #[test]
    fn problems() {
        let of =
            |config: QueueConfig| config.problems().iter().map(|(key, _)| *key).collect::<Vec<_>>().join(" ");
        let with = |entry| QueueConfig { priority: vec![entry], ..QueueConfig::default() };
        assert_eq!(of(with(class("high"))), "");
        assert_eq!(of(with(class("hi gh"))), "priority");
        assert_eq!(of(with(PriorityConfig { event: Some("a".to_owned()), ..class(IDS) })), "priority");
        let json = Some(JsonMatch { pointer: "p".to_owned(), equals: "1".to_owned() });
        assert_eq!(of(with(PriorityConfig { json, ..class("high") })), "priority");
        let many = (0..8).map(|number| class(&number.to_string())).collect();
        assert_eq!(of(QueueConfig { priority: many, ..QueueConfig::default() }), "priority");
        assert_eq!(of(QueueConfig { max_messages: 0, ..QueueConfig::default() }), "max_bytes");
        assert_eq!(
            of(QueueConfig { coalesce: Some(Coalesce::default()), ..QueueConfig::default() }),
            "coalesce"
        );
        assert_eq!(of(QueueConfig { kernel_bytes: ByteSize(0), ..QueueConfig::default() }), "kernel_bytes");
    }
}
