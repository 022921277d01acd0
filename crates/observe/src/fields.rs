//! The fields of a head, read alike however they are kept: in a map, or where they stand in the bytes of the head.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// See the module.
pub trait Fields {
    /// Values of the fields of that name, in their order.
    fn values<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]>;

    /// Whether there is such a field.
    fn has(&self, name: &HeaderName) -> bool {
        self.values(name).next().is_some()
    }

    /// The field's value when the field stands exactly once.
    fn single(&self, name: &HeaderName) -> Option<&[u8]> {
        let mut values = self.values(name);
        let value = values.next()?;
        values.next().is_none().then(|| value.trim_ascii())
    }

    /// Values that are text: visible characters of ASCII, blanks and tabs.
    fn texts<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a str> {
        self.values(name).filter_map(text)
    }

    /// The elements of a list (RFC 9110, section 5.6.1), in all fields of that name.
    fn elements<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.values(name).flat_map(elements)
    }

    /// Whether a list has an element, in whatever case.
    fn has_element(&self, name: &HeaderName, wanted: &[u8]) -> bool {
        let lists = self.values(name).filter(|list| list.len() >= wanted.len());
        lists.flat_map(elements).any(|element| element.eq_ignore_ascii_case(wanted))
    }
}

impl Fields for HeaderMap {
    fn values<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// The elements of one list. Quoted commas divide as well: no field read here may have any.
pub(crate) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn text(value: &[u8]) -> Option<&str> {
    let is_text = value.iter().all(|&byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    std::str::from_utf8(value).ok().filter(|_| is_text)
}
