//! A part of a file whose meaning others know: a tree of values, each with its place.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::rules::{Text, place, text};

/// Line and column, from 1; zeros when there is none.
pub type Place = (u64, u64);

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Where it stands.
    pub place: Place,
    kind: Kind,
    /// The bytes of the file in which it is defined, if they are known.
    bytes: Option<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Scalar(Value),
    List(Vec<Setting>),
    Map(Vec<(Name, Setting)>),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq)]
struct Name {
    place: Place,
    text: String,
}

impl Setting {
    /// Takes numbers whose spelling would be lost for texts: `0123`, `+49170`, `1e5`. They may be parts of secrets or
    /// numbers of phones.
    pub(super) fn respell(&mut self, file: &str) {
        match &mut self.kind {
            Kind::Scalar(value) => {
                let spelled = self.bytes.clone().and_then(|bytes| file.get(bytes)).map(str::trim);
                let known = value.as_number().map(Number::to_string);
                if let (Some(spelled), Some(known)) = (spelled, known)
                    && known != spelled
                {
                    *value = spelled.into();
                }
            }
            Kind::List(items) => items.iter_mut().for_each(|item| item.respell(file)),
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, setting)| setting.respell(file)),
        }
    }

    /// The same as JSON, without places. Numbers that are not spelled as JSON has them are texts.
    pub fn json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Setting::json).collect(),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|(name, setting)| (name.text.clone(), setting.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// Where the value at a path of keys and indices stands; the place of the deepest part that is there.
    pub fn place_of<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Place {
        let mut at = self;
        for step in path {
            let next = match &at.kind {
                Kind::Map(_) => at.get(step),
                Kind::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
                Kind::Scalar(_) => None,
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at.place
    }

    /// Where a key of a map stands.
    pub fn place_of_key(&self, key: &str) -> Place {
        self.entries().find(|(name, ..)| *name == key).map_or(self.place, |(_, place, _)| place)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.entries().find(|(name, ..)| *name == key).map(|(.., setting)| setting)
    }

    /// Keys of a map with their places and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, Place, &Setting)> {
        let entries = if let Kind::Map(entries) = &self.kind { &entries[..] } else { &[] };
        entries.iter().map(|(name, setting)| (&*name.text, name.place, setting))
    }

    /// The parts of a list.
    pub(super) fn items(&self) -> Option<&[Setting]> {
        if let Kind::List(items) = &self.kind { Some(items) } else { None }
    }

    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Scalar(Value::Null)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// A scalar as a text; empty for null, none for anything else.
    pub(super) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text.clone()),
            Kind::Scalar(Value::Null) => Some(String::new()),
            Kind::Scalar(value) => Some(value.to_string()),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Setting, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let span = spanned.defined.span();
        let bytes = span.byte_offset().zip(span.byte_len()).and_then(|(offset, length)| {
            let begin = usize::try_from(offset).ok()?;
            Some(begin..begin + usize::try_from(length).ok()?)
        });
        Ok(Setting { place: place(&spanned), kind: spanned.value, bytes })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Kind, E> {
        self.visit_unit()
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some((name, setting)) = entries.next_entry::<Text, Setting>()? {
            map.push((Name { place: place(&name), text: text(&name).to_owned() }, setting));
        }
        Ok(Kind::Map(map))
    }
}
