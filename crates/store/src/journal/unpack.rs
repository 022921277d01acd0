//! The way back from [`super::pack`]: MessagePack with all names and words as texts.

use super::names::NameList;

/// Values within values that are followed.
const DEPTH_MAX: usize = 32;

/// A packed record with its names; none when it is damaged.
pub(super) fn with_names(mut packed: &[u8], names: &NameList) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(packed.len() * 4);
    value(&mut packed, names, &mut bytes, DEPTH_MAX)?;
    packed.is_empty().then_some(bytes)
}

fn value(packed: &mut &[u8], names: &NameList, bytes: &mut Vec<u8>, depth: usize) -> Option<()> {
    let marker = *packed.first()?;
    let depth = depth.checked_sub(1)?;
    match marker {
        0x90..=0x9f => array(packed, 1, usize::from(marker & 0xf), names, bytes, depth),
        0xdc => array(packed, 3, length(packed)?, names, bytes, depth),
        0xa0..=0xbf => copy(packed, 1 + usize::from(marker & 0x1f), bytes),
        0xda => copy(packed, 3 + length(packed)?, bytes),
        0xd5 => name(extension(packed, 0)?, names, bytes),
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 => copy(packed, 1, bytes),
        0xcc => copy(packed, 2, bytes),
        0xcd => copy(packed, 3, bytes),
        0xca | 0xce => copy(packed, 5, bytes),
        0xcb | 0xcf | 0xd3 => copy(packed, 9, bytes),
        _ => None,
    }
}

/// Takes an extension of a type from the front.
fn extension(packed: &mut &[u8], kind: u8) -> Option<u16> {
    let (head, rest) = packed.split_first_chunk()?;
    let [0xd5, found, high, low] = *head else { return None };
    *packed = rest;
    (found == kind).then_some(u16::from_be_bytes([high, low]))
}

fn length(packed: &[u8]) -> Option<usize> {
    packed.get(1..)?.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))
}

fn copy(packed: &mut &[u8], count: usize, bytes: &mut Vec<u8>) -> Option<()> {
    let (copied, rest) = packed.split_at_checked(count)?;
    *packed = rest;
    bytes.extend_from_slice(copied);
    Some(())
}

fn array(
    packed: &mut &[u8],
    head: usize,
    count: usize,
    names: &NameList,
    bytes: &mut Vec<u8>,
    depth: usize,
) -> Option<()> {
    if count > 0 && packed.get(head..)?.starts_with(&[0xd5, 1]) {
        *packed = &packed[head..];
        let fields = names.get(usize::from(extension(packed, 1)?))?.as_deref()?;
        bytes.push(0xde);
        bytes.extend_from_slice(&u16::try_from(count - 1).ok()?.to_be_bytes());
        let mut fields = fields.split(',');
        for _ in 1..count {
            text(fields.next()?, bytes)?;
            value(packed, names, bytes, depth)?;
        }
        return Some(());
    }
    copy(packed, head, bytes)?;
    (0..count).try_for_each(|_| value(packed, names, bytes, depth))
}

fn name(number: u16, names: &NameList, bytes: &mut Vec<u8>) -> Option<()> {
    text(names.get(usize::from(number))?.as_deref()?, bytes)
}

/// A name as a text: those of the program are short.
fn text(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    bytes.extend_from_slice(&[0xd9, u8::try_from(text.len()).ok()?]);
    bytes.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde::{Deserialize, Serialize};

    use super::super::names::Names;
    use super::super::pack::pack;
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        OneWord,
        Another,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Every {
        kinds: Vec<Kind>,
        address: IpAddr,
        none: Option<u8>,
        numbers: [u64; 6],
        signed: [i64; 4],
        floats: [f64; 4],
        short: [f32; 3],
        is: [bool; 2],
        texts: Vec<String>,
        letter: char,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        inner: Option<Box<Every>>,
    }

    fn every(inner: Option<Box<Every>>) -> Every {
        Every {
            kinds: vec![Kind::OneWord, Kind::Another, Kind::OneWord],
            address: "2001:db8::1".parse().expect("an address"),
            none: None,
            numbers: [0, 0x7f, 0x80, 0xffff, 0x1_0000, u64::MAX],
            signed: [-1, i64::MIN, 0, i64::MAX],
            floats: [0.0, -0.0, 1.5, f64::INFINITY],
            short: [0.0, 0.1, -0.0],
            is: [true, false],
            texts: [0, 31, 32, 300].map(|length| "é".repeat(length)).into(),
            letter: '聊',
            inner,
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let known = (0..300).map(|number| Some(format!("name {number}"))).collect();
        for list in [NameList::new(), known] {
            let mut names = Names::new(list);
            let (value, mut packed) = (every(Some(Box::new(every(None)))), Vec::new());
            pack(&value, &mut names, &mut packed).expect("is packed");
            let named = with_names(&packed, names.list()).expect("is whole");
            let back: Every = rmp_serde::from_slice(&named).expect("is read");
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
            for length in 0..packed.len() {
                assert_eq!(with_names(&packed[..length], names.list()), None, "{length} bytes");
            }
            assert_eq!(with_names(&packed, &NameList::new()), None);
        }
    }
}
