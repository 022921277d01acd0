//! Which class a message is of, and which key it has.

use model::Opcode;
use serde_json::Value;

use super::config::{Coalesce, IDS, Ids, JsonMatch, OTHER, OpcodeMatch, PriorityConfig, QueueConfig};

/// Text longer than this, in bytes, is not looked at.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A longer key is none.
const KEY_BYTES_MAX: usize = 256;

/// What a request says that opens a connection.
pub trait Opening {
    /// Whether it has a header of that name with that value.
    fn has_header(&self, name: &str, value: &str) -> bool;

    /// Whether its query has a parameter of that name with that value.
    fn has_parameter(&self, name: &str, value: &str) -> bool;
}

/// What is seen of a whole message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look<'a> {
    /// Name of the event, empty when it has none; none where it is no event.
    pub event: Option<&'a [u8]>,
    /// The event has an `id`.
    pub has_id: bool,
    /// `Text` or `Binary`; none where it is an event.
    pub opcode: Option<Opcode>,
    /// Bytes on the wire.
    pub size: u64,
    /// Its text, where it can be read.
    pub text: Option<&'a [u8]>,
}

/// Gives the messages of one connection their classes.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// Entries that the connection fits, with their classes.
    entries: Vec<(PriorityConfig, usize)>,
    other: usize,
    ids: Option<usize>,
    coalesce: Option<Coalesce>,
    /// Something of it stands in the text.
    reads_json: bool,
}

impl Classifier {
    /// For a connection that was opened like this.
    pub fn new(config: &QueueConfig, opening: &impl Opening) -> Classifier {
        let classes = config.classes();
        let place = |name: &str| classes.iter().position(|class| *class == name);
        let fits = |entry: &&PriorityConfig| {
            let has_header = |wanted| is_met(wanted, |name, value| opening.has_header(name, value));
            let has_parameter = |wanted| is_met(wanted, |name, value| opening.has_parameter(name, value));
            entry.class != IDS && has_header(&entry.header) && has_parameter(&entry.query)
        };
        let entries = config.priority.iter().filter(fits);
        let entries: Vec<(PriorityConfig, usize)> =
            entries.filter_map(|entry| Some((entry.clone(), place(&entry.class)?))).collect();
        let is_key_json = config.coalesce.as_ref().is_some_and(|coalesce| coalesce.json_pointer.is_some());
        Classifier {
            reads_json: is_key_json || entries.iter().any(|(entry, _)| entry.json.is_some()),
            entries,
            other: place(OTHER).unwrap_or(classes.len() - 1),
            ids: place(IDS).filter(|_| config.ids != Ids::Ignore),
            coalesce: config.coalesce.clone(),
        }
    }

    /// Whether it looks at text.
    pub fn reads_text(&self) -> bool {
        self.reads_json
    }

    /// The class of a message, and its key. Events of the class `ids` have none, since their order is kept.
    pub fn classify(&self, look: &Look<'_>) -> (usize, Option<Box<[u8]>>) {
        if let Some(ids) = self.ids.filter(|_| look.has_id) {
            return (ids, None);
        }
        let text = look.text.filter(|text| self.reads_json && text.len() <= TEXT_BYTES_MAX);
        let json: Option<Value> = text.and_then(|text| serde_json::from_slice(text).ok());
        let fits = |(entry, _): &&(PriorityConfig, usize)| fits(entry, look, json.as_ref());
        let class = self.entries.iter().find(fits).map_or(self.other, |&(_, class)| class);
        (class, self.key(look, json.as_ref()))
    }

    fn key(&self, look: &Look<'_>, json: Option<&Value>) -> Option<Box<[u8]>> {
        let key: Box<[u8]> = match self.coalesce.as_ref()? {
            Coalesce { json_pointer: Some(pointer), .. } => {
                said(json?.pointer(pointer)?)?.into_bytes().into()
            }
            Coalesce { json_pointer: None, .. } => look.event.filter(|name| !name.is_empty())?.into(),
        };
        (key.len() <= KEY_BYTES_MAX).then_some(key)
    }
}

fn is_met(wanted: &Option<super::NamedValue>, has: impl Fn(&str, &str) -> bool) -> bool {
    wanted.as_ref().is_none_or(|wanted| has(&wanted.name, &wanted.value))
}

fn fits(entry: &PriorityConfig, look: &Look<'_>, json: Option<&Value>) -> bool {
    let name = look.event.map(|name| if name.is_empty() { b"message" } else { name });
    let is_opcode = |wanted: OpcodeMatch| match wanted {
        OpcodeMatch::Text => look.opcode == Some(Opcode::Text),
        OpcodeMatch::Binary => look.opcode == Some(Opcode::Binary),
    };
    let has = |JsonMatch { pointer, equals }: &JsonMatch| {
        json.and_then(|json| json.pointer(pointer)).and_then(said).is_some_and(|value| value == *equals)
    };
    entry.event.as_ref().is_none_or(|wanted| name == Some(wanted.as_bytes()))
        && entry.opcode.is_none_or(is_opcode)
        && entry.min_bytes.is_none_or(|least| look.size >= least.0)
        && entry.max_bytes.is_none_or(|most| look.size <= most.0)
        && entry.json.as_ref().is_none_or(has)
}

/// A text, number or word.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Null => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use model::ByteSize;

    use super::super::NamedValue;
    use super::*;

    struct Vip(bool);

    impl Opening for Vip {
        fn has_header(&self, name: &str, value: &str) -> bool {
            self.0 && (name, value) == ("x-plan", "vip")
        }

        fn has_parameter(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    fn entry(class: &str) -> PriorityConfig {
        PriorityConfig { class: class.to_owned(), ..PriorityConfig::default() }
    }

    #[track_caller]
    fn check(config: &QueueConfig, is_vip: bool, look: Look<'_>, class: &str, key: Option<&str>) {
        let (index, got) = Classifier::new(config, &Vip(is_vip)).classify(&look);
        assert_eq!(config.classes()[index], class);
        assert_eq!(got.as_deref(), key.map(str::as_bytes));
    }

    #[test]
    fn the_first_entry_that_fits() {
        let json = Some(JsonMatch { pointer: "/p".to_owned(), equals: "1".to_owned() });
        let header = Some(NamedValue { name: "x-plan".to_owned(), value: "vip".to_owned() });
        let config = QueueConfig {
            priority: vec![
                PriorityConfig { json, ..entry("high") },
                PriorityConfig { event: Some("trade".to_owned()), ..entry("high") },
                PriorityConfig { header, ..entry("vip") },
                PriorityConfig {
                    opcode: Some(OpcodeMatch::Binary),
                    min_bytes: Some(ByteSize(100)),
                    ..entry("bulk")
                },
                PriorityConfig { event: Some("message".to_owned()), ..entry("plain") },
            ],
            ..QueueConfig::default()
        };
        let text = |text: &'static str| Look {
            text: Some(text.as_bytes()),
            opcode: Some(Opcode::Text),
            ..Look::default()
        };
        check(&config, false, text(r#"{"p":1}"#), "high", None);
        check(&config, false, text(r#"{"p":"1"}"#), "high", None);
        check(&config, false, text(r#"{"p":2}"#), "other", None);
        check(&config, false, text("{"), "other", None);
        check(&config, true, text("{"), "vip", None);
        check(&config, false, Look { event: Some(b"trade"), ..Look::default() }, "high", None);
        check(&config, false, Look { event: Some(b""), ..Look::default() }, "plain", None);
        check(&config, false, Look { event: Some(b"trade"), has_id: true, ..Look::default() }, "ids", None);
        let binary = |size| Look { opcode: Some(Opcode::Binary), size, ..Look::default() };
        check(&config, false, binary(100), "bulk", None);
        check(&config, false, binary(99), "other", None);
    }

    #[test]
    fn keys() {
        let of =
            |coalesce| QueueConfig { coalesce: Some(coalesce), ids: Ids::Drop, ..QueueConfig::default() };
        let pointer = of(Coalesce { json_pointer: Some("/s".to_owned()), event: false });
        let text = |text: &'static [u8]| Look { text: Some(text), ..Look::default() };
        check(&pointer, false, text(br#"{"s":"EURUSD"}"#), "other", Some("EURUSD"));
        check(&pointer, false, text(br#"{"s":[1]}"#), "other", None);
        check(&pointer, false, text(br#"{}"#), "other", None);
        let event = of(Coalesce { json_pointer: None, event: true });
        check(&event, false, Look { event: Some(b"tick"), ..Look::default() }, "other", Some("tick"));
        check(&event, false, Look { event: Some(b"tick"), has_id: true, ..Look::default() }, "ids", None);
    }
}
