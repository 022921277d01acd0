//! The functions that Alertmanager's templates have beside Go's (`template/template.go`), and lookups.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::template::{go_duration, humanize_duration};
use gotmpl::{FuncMap, TemplateError, Value};
use regex::Regex;

use super::data::{self, DURATION, OFFSET, STRUCTURE, TIME, marked, string};
use super::{time, tree};

type Answer = Result<Value, TemplateError>;
type Function = Box<dyn Fn(&[Value]) -> Answer + Send + Sync>;

/// Names that templates can call.
pub(super) const NAMES: [&str; 22] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "safeHtml",
    "safeUrl",
    "urlUnescape",
    "reReplaceAll",
    "stringSlice",
    "date",
    "tz",
    "since",
    "humanizeDuration",
    "toJson",
    "list",
    "append",
    "dict",
    "now",
    "defaultTitle",
    "defaultBody",
];

/// What the default message says.
#[derive(Clone, Debug)]
pub(super) struct Default {
    pub(super) title: String,
    pub(super) body: String,
    /// Now, milliseconds since the Unix epoch.
    pub(super) at_ms: i64,
}

/// All of them.
pub(super) fn all(default: &Default) -> FuncMap {
    let mut functions = FuncMap::new();
    let mut add = |name: &str, least: usize, body: Function| {
        let owned = name.to_owned();
        let checked = move |given: &[Value]| match given.len() >= least {
            true => body(given),
            false => Err(TemplateError::ArgCount { name: owned.clone(), expected: least, got: given.len() }),
        };
        functions.insert(name.to_owned(), Arc::new(checked));
    };
    add(tree::LOOK_UP, 2, Box::new(|given| look_up(&given[0], &text(&given[1]), &given[2..])));
    add(tree::SHOW, 1, Box::new(|given| Ok(string(shown(&given[0])))));
    add("toUpper", 1, Box::new(|given| Ok(string(text(&given[0]).to_uppercase()))));
    add("toLower", 1, Box::new(|given| Ok(string(text(&given[0]).to_lowercase()))));
    add("title", 1, Box::new(|given| Ok(string(title(&text(&given[0]))))));
    add("trimSpace", 1, Box::new(|given| Ok(string(text(&given[0]).trim()))));
    add("join", 2, Box::new(|given| Ok(string(texts(&given[1])?.join(&text(&given[0]))))));
    add("match", 2, Box::new(|given| Ok(Value::Bool(pattern(&given[0])?.is_match(&text(&given[1]))))));
    for name in ["safeHtml", "safeUrl"] {
        add(name, 1, Box::new(|given| Ok(string(text(&given[0])))));
    }
    add("urlUnescape", 1, Box::new(|given| Ok(string(unescape(&text(&given[0]))))));
    add(
        "reReplaceAll",
        3,
        Box::new(|given| Ok(string(pattern(&given[0])?.replace_all(&text(&given[2]), &*text(&given[1]))))),
    );
    for name in ["stringSlice", "list"] {
        add(name, 0, Box::new(|given| Ok(Value::List(given.into()))));
    }
    add(
        "append",
        1,
        Box::new(|given| Ok(Value::List(items(&given[0])?.iter().chain(&given[1..]).cloned().collect()))),
    );
    add(
        "dict",
        0,
        Box::new(|given| {
            let pairs = given
                .chunks(2)
                .map(|pair| (text(&pair[0]).into(), pair.get(1).cloned().unwrap_or(Value::Nil)));
            Ok(Value::Map(Arc::new(pairs.collect())))
        }),
    );
    add("date", 2, Box::new(|given| look_up(&given[1], "Format", &given[..1])));
    add(
        "tz",
        2,
        Box::new(|given| {
            let zone = text(&given[0]);
            let offset_s = time::offset_s(&zone).ok_or_else(|| {
                failed(format!("the zone {zone:?} is not known here; those without summer time are"))
            })?;
            Ok(data::time(at_ms(&given[1])?, offset_s))
        }),
    );
    let now_ms = default.at_ms;
    add("now", 0, Box::new(move |_| Ok(data::time(now_ms, 0))));
    add("since", 1, Box::new(move |given| Ok(data::duration((now_ms - at_ms(&given[0])?) as f64 / 1000.0))));
    add(
        "humanizeDuration",
        1,
        Box::new(|given| {
            let seconds = marked(&given[0], DURATION).or_else(|| text(&given[0]).parse().ok());
            let seconds = seconds.ok_or_else(|| failed("not a length of time"))?;
            Ok(string(humanize_duration(seconds)))
        }),
    );
    add("toJson", 1, Box::new(|given| Ok(string(json(&given[0]).to_string()))));
    let Default { title, body, .. } = default.clone();
    add("defaultTitle", 0, Box::new(move |_| Ok(string(&title))));
    add("defaultBody", 0, Box::new(move |_| Ok(string(&body))));
    functions
}

fn failed(message: impl Into<String>) -> TemplateError {
    TemplateError::Exec(message.into())
}

/// A field of a structure, a key of a map, or a method.
fn look_up(base: &Value, name: &str, given: &[Value]) -> Answer {
    if let Some(at_ms) = marked(base, TIME) {
        let offset_s = marked(base, OFFSET).unwrap_or_default() as i64;
        return of_time(at_ms as i64, offset_s, name, given);
    }
    if let Some(seconds) = marked(base, DURATION) {
        return match name {
            "Seconds" => Ok(Value::Float(seconds)),
            "Minutes" => Ok(Value::Float(seconds / 60.0)),
            "Hours" => Ok(Value::Float(seconds / 3600.0)),
            "String" => Ok(string(shown(base))),
            _ => Err(failed(format!("a length of time has no {name}"))),
        };
    }
    match base {
        Value::Map(fields) if fields.contains_key(STRUCTURE) => {
            fields.get(name).cloned().ok_or_else(|| failed(format!("there is no field {name}")))
        }
        Value::Map(pairs) => match name {
            "SortedPairs" => Ok(Value::List(sorted(pairs).map(|(name, value)| pair(name, value)).collect())),
            "Names" => Ok(Value::List(sorted(pairs).map(|(name, _)| string(name)).collect())),
            "Values" => Ok(Value::List(sorted(pairs).map(|(_, value)| value.clone()).collect())),
            "Remove" => {
                let without = given.first().map(texts).transpose()?.unwrap_or_default();
                let left = pairs.iter().filter(|(name, _)| !without.iter().any(|other| **other == ***name));
                Ok(Value::Map(Arc::new(left.map(|(name, value)| (name.clone(), value.clone())).collect())))
            }
            _ => Ok(pairs.get(name).cloned().unwrap_or_else(|| string(""))),
        },
        Value::List(items) => {
            let each = |wanted: &str| items.iter().map(|item| field(item, wanted)).collect();
            let having = |status: &str| {
                let is_it = |item: &&Value| text(&field(item, "Status")) == status;
                items.iter().filter(is_it).cloned().collect()
            };
            match name {
                "Firing" => Ok(Value::List(having("firing"))),
                "Resolved" => Ok(Value::List(having("resolved"))),
                "Names" => Ok(Value::List(each("Name"))),
                "Values" => Ok(Value::List(each("Value"))),
                _ => Err(failed(format!("a list has no {name}"))),
            }
        }
        _ => Err(failed(format!("nothing is called {name} here"))),
    }
}

fn of_time(at_ms: i64, offset_s: i64, name: &str, given: &[Value]) -> Answer {
    match name {
        "Format" => {
            let layout = given.first().map(text).ok_or_else(|| failed("Format needs a layout"))?;
            Ok(string(time::format(&layout, at_ms, offset_s)))
        }
        "Add" => {
            let nanoseconds = given.first().map(text).and_then(|text| text.parse::<f64>().ok());
            let nanoseconds = nanoseconds.ok_or_else(|| failed("Add needs nanoseconds"))?;
            Ok(data::time(at_ms.saturating_add((nanoseconds / 1e6) as i64), offset_s))
        }
        "UTC" | "Local" => Ok(data::time(at_ms, 0)),
        "Unix" => Ok(Value::Int(at_ms.div_euclid(1000))),
        "UnixMilli" => Ok(Value::Int(at_ms)),
        "IsZero" => Ok(Value::Bool(at_ms == 0)),
        "String" => Ok(string(shown(&data::time(at_ms, offset_s)))),
        _ => Err(failed(format!("a time has no {name}"))),
    }
}

/// The name of the alert first, as Alertmanager has it.
fn sorted(pairs: &BTreeMap<Arc<str>, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let first = pairs.iter().filter(|(name, _)| &***name == "alertname");
    let others = pairs.iter().filter(|(name, _)| &***name != "alertname");
    first.chain(others).map(|(name, value)| (&**name, value))
}

fn pair(name: &str, value: &Value) -> Value {
    data::structure([("Name", string(name)), ("Value", value.clone())])
}

fn field(item: &Value, name: &str) -> Value {
    item.field(name).cloned().unwrap_or(Value::Nil)
}

fn at_ms(value: &Value) -> Result<i64, TemplateError> {
    marked(value, TIME).map(|ms| ms as i64).ok_or_else(|| failed("not a time"))
}

/// As Go writes it in a text.
fn shown(value: &Value) -> String {
    if let Some(ms) = marked(value, TIME) {
        let offset_s = marked(value, OFFSET).unwrap_or_default() as i64;
        return match ms as i64 {
            0 => "0001-01-01 00:00:00 +0000 UTC".to_owned(),
            ms => time::format("2006-01-02 15:04:05.999999999 -0700 MST", ms, offset_s),
        };
    }
    match (marked(value, DURATION), value) {
        (Some(seconds), _) => go_duration(seconds),
        (None, Value::List(items)) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        (None, _) => text(value),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Map(fields) if fields.contains_key(STRUCTURE) && !fields.contains_key("Status") => {
            shown_structure(fields)
        }
        other => other.to_string(),
    }
}

/// A structure of which nobody has asked a field.
fn shown_structure(fields: &BTreeMap<Arc<str>, Value>) -> String {
    let values = fields.iter().filter(|(name, _)| !name.starts_with('\0')).map(|(_, value)| text(value));
    format!("{{{}}}", values.collect::<Vec<_>>().join(" "))
}

fn items(value: &Value) -> Result<&[Value], TemplateError> {
    match value {
        Value::List(items) => Ok(items),
        _ => Err(failed("not a list")),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, TemplateError> {
    Ok(items(value)?.iter().map(text).collect())
}

fn pattern(value: &Value) -> Result<Regex, TemplateError> {
    Regex::new(&text(value)).map_err(|error| failed(error.to_string()))
}

/// The first letter of each word as a capital.
fn title(text: &str) -> String {
    let mut begins = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        begins = !(c.is_alphanumeric() || matches!(c, '_' | '\''));
    }
    out
}

fn unescape(text: &str) -> String {
    form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn json(value: &Value) -> serde_json::Value {
    if let Some(ms) = marked(value, TIME) {
        return crate::text::rfc3339(ms as i64).into();
    }
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Value::Map(fields) => {
            let fields = fields.iter().filter(|(name, _)| !name.starts_with('\0'));
            fields
                .map(|(name, value)| (name.to_string(), json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => other.to_string().into(),
    }
}
