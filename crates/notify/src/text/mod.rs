//! What is said to people: the default message in two languages, written in each vendor's way and to its length.

mod document;
mod format;
mod limit;
mod template;
mod words;

pub(crate) use document::Document;
pub(crate) use format::Format;
pub(crate) use limit::{Limit, body_within};
pub use template::Texts;
pub(crate) use template::{Filler, Text};
pub use words::Language;
pub(crate) use words::{rfc3339, spoken};

#[cfg(test)]
mod tests;
