//! Go templates over notices, as Alertmanager has them (`template/template.go`).
//!
//! The engine's trees are rewritten before they run, so that lookups of fields, methods and missing keys do as Go's.

mod data;
mod functions;
mod time;
mod tree;

use gotmpl::parse::{DefineNode, ListNode};
use gotmpl::{MissingKey, Template};

use serde_json::{Map, Value};

use super::words::Language;
use super::{Document, Format, Limit};
use crate::channel::Message;
use tree::Tree;

/// Name of the text itself among the templates; nobody else defines it.
const ROOT: &str = "the text itself";

/// Most rounds of one template's loops.
const ROUNDS_MAX: u64 = 100_000;

/// Longest text that a template gives, bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// The definitions that Alertmanager's users call by name, in our words.
const DEFAULT: &str = include_str!("default.tmpl");

/// The templates that texts can call, and the language of the default message.
#[derive(Debug)]
pub struct Texts {
    language: Language,
    defines: Vec<DefineNode>,
}

/// A text with templates in it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    source: String,
    tree: ListNode,
    defines: Vec<DefineNode>,
}

/// Fills in texts for one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filler<'a> {
    pub(crate) texts: &'a Texts,
    pub(crate) message: &'a Message<'a>,
    /// Of the default message.
    pub(crate) language: Language,
    pub(crate) format: Format,
}

impl Texts {
    /// The default templates and those of files; a later definition takes the place of an earlier one.
    ///
    /// # Errors
    /// The name of a file that cannot be read as templates, and why.
    pub fn new(language: Language, files: &[(String, String)]) -> Result<Texts, String> {
        let mut defines = Vec::new();
        for (name, text) in [(&String::new(), &DEFAULT.to_owned())]
            .into_iter()
            .chain(files.iter().map(|(name, text)| (name, text)))
        {
            let tree = tree::read(text).map_err(|why| format!("{name}: {why}"))?;
            defines.extend(tree.defines);
        }
        Ok(Texts { language, defines })
    }

    /// The language of the default message.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    fn has(&self, name: &str) -> bool {
        self.defines.iter().any(|define| *define.name == *name)
    }
}

impl Filler<'_> {
    /// The text with everything filled in, its labels and annotations escaped for the format. None when it fails, which
    /// goes to the log: the default message tells people all the same.
    pub(crate) fn fill(&self, text: &Text) -> Option<String> {
        if !text.source.contains("{{") {
            return Some(text.source.clone());
        }
        match self.try_to_fill(text) {
            Ok(filled) => Some(filled),
            Err(why) => {
                tracing::warn!(why, "a template of a message fails; the default is told");
                None
            }
        }
    }

    /// The same of a text that settings may leave out.
    pub(crate) fn fill_if(&self, text: Option<&Text>) -> Option<String> {
        self.fill(text?)
    }

    /// Texts by their names.
    pub(crate) fn object(&self, pairs: &[(String, Text)]) -> Map<String, Value> {
        let filled = |text| Value::from(self.fill(text).unwrap_or_default());
        pairs.iter().map(|(name, text)| (name.clone(), filled(text))).collect()
    }

    /// The default message.
    pub(crate) fn document(&self) -> Document {
        Document::new(self.message.notices, self.language, self.message.at_ms)
    }

    fn try_to_fill(&self, text: &Text) -> Result<String, String> {
        let Filler { texts, message, format, .. } = self;
        let document = self.document();
        let default = functions::Default {
            title: format.escape(&document.title),
            body: document.body(*format, Limit::bytes(TEXT_BYTES_MAX)),
            at_ms: message.at_ms,
        };
        let failed = |error: gotmpl::TemplateError| error.to_string();
        let mut template = Template::new("message")
            .missing_key(MissingKey::ZeroValue)
            .max_range_iters(ROUNDS_MAX)
            .funcs(functions::all(&default))
            .parse(&format!("{{{{template {ROOT:?} .}}}}"))
            .map_err(failed)?
            .add_parse_tree(ROOT, text.tree.clone());
        for define in texts.defines.iter().chain(&text.defines) {
            template = template.add_parse_tree(&define.name, define.body.clone());
        }
        let mut filled = Bounded(String::new());
        let data = data::of(message.notices, *format);
        template.execute_fmt(&mut filled, &data).map_err(failed)?;
        Ok(filled.0)
    }
}

impl Text {
    /// Whether its source has this piece.
    pub(crate) fn contains(&self, piece: &str) -> bool {
        self.source.contains(piece)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no template, or calls one that is not defined.
    pub(crate) fn read(key: &str, text: &str, texts: &Texts) -> Result<Text, String> {
        let Tree { root, defines, called } =
            tree::read(text).map_err(|why| format!("`{key}` is no template: {why}"))?;
        let is_own = |name: &str| defines.iter().any(|define| *define.name == *name);
        match called.into_iter().find(|name| !texts.has(name) && !is_own(name)) {
            Some(name) => Err(format!("`{key}` calls the template `{name}`, which nobody defines")),
            None => Ok(Text { source: text.to_owned(), tree: root, defines }),
        }
    }
}

/// A text that does not grow without end.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > TEXT_BYTES_MAX {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
