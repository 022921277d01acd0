//! Where in a YAML text the value of a path of keys stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A YAML document as nothing but places.
enum Tree {
    Map(Vec<(String, Spanned<Tree>)>),
    Sequence(Vec<Spanned<Tree>>),
    Leaf,
}

/// Line and column, counted from 1, of the deepest part of `path` that the text has.
pub fn locate(text: &str, path: &[String]) -> Option<(u64, u64)> {
    let places = Places::of(text);
    let (place, _) = places.deepest(path)?;
    Some((place.referenced.line(), place.referenced.column()))
}

/// Where all values of a text stand.
pub struct Places(Option<Spanned<Tree>>);

impl Places {
    /// Of a text that cannot be read nothing is known.
    pub fn of(text: &str) -> Places {
        Places(serde_saphyr::from_str(text).ok())
    }

    /// Line, counted from 1, of what the text says of `path`: of its value, or of what stands for more than that, such as
    /// a word where a map is meant. None when it says nothing of it.
    pub fn line(&self, path: &[String]) -> Option<u64> {
        let (place, is_whole) = self.deepest(path)?;
        let is_said = is_whole || matches!(place.value, Tree::Leaf);
        is_said.then(|| place.referenced.line())
    }

    /// The deepest part of `path` that there is, and whether that is all of it.
    fn deepest(&self, path: &[String]) -> Option<(&Spanned<Tree>, bool)> {
        let mut place = self.0.as_ref()?;
        for key in path {
            let child = match &place.value {
                Tree::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, child)| child),
                Tree::Sequence(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                Tree::Leaf => None,
            };
            match child {
                Some(child) => place = child,
                None => return Some((place, false)),
            }
        }
        Some((place, true))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

macro_rules! leaves {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<Tree, E> {
            Ok(Tree::Leaf)
        })+
    };
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Tree::Leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = items.next_element()? {
            children.push(child);
        }
        Ok(Tree::Sequence(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut children = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            children.push(entry);
        }
        Ok(Tree::Map(children))
    }
}
