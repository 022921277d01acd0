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
        0x80..=0x8f => map(packed, 1, usize::from(marker & 0xf), names, bytes, depth),
        0xde => map(packed, 3, length(packed)?, names, bytes, depth),
        0x90..=0x9f => array(packed, 1, usize::from(marker & 0xf), names, bytes, depth),
        0xdc => array(packed, 3, length(packed)?, names, bytes, depth),
        0xa0..=0xbf => copy(packed, 1 + usize::from(marker & 0x1f), bytes),
        0xda => copy(packed, 3 + length(packed)?, bytes),
        0xd5 => {
            let word = u16::from_be_bytes(*packed.get(2..)?.first_chunk()?);
            *packed = &packed[4..];
            name(word, names, bytes)
        }
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 => copy(packed, 1, bytes),
        0xcc => copy(packed, 2, bytes),
        0xcd => copy(packed, 3, bytes),
        0xca | 0xce => copy(packed, 5, bytes),
        0xcb | 0xcf | 0xd3 => copy(packed, 9, bytes),
        _ => None,
    }
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
    copy(packed, head, bytes)?;
    (0..count).try_for_each(|_| value(packed, names, bytes, depth))
}

fn map(
    packed: &mut &[u8],
    head: usize,
    count: usize,
    names: &NameList,
    bytes: &mut Vec<u8>,
    depth: usize,
) -> Option<()> {
    copy(packed, head, bytes)?;
    for _ in 0..count {
        let (number, key_bytes) = match *packed.first()? {
            number @ ..0x80 => (u16::from(number), 1),
            0xcc => (u16::from(*packed.get(1)?), 2),
            0xcd => (u16::try_from(length(packed)?).ok()?, 3),
            _ => return None,
        };
        *packed = packed.get(key_bytes..)?;
        name(number, names, bytes)?;
        value(packed, names, bytes, depth)?;
    }
    Some(())
}

/// A name as a text: those of the program are short.
fn name(number: u16, names: &NameList, bytes: &mut Vec<u8>) -> Option<()> {
    let name = names.get(usize::from(number))?.as_deref()?;
    bytes.extend_from_slice(&[0xd9, u8::try_from(name.len()).ok()?]);
    bytes.extend_from_slice(name.as_bytes());
    Some(())
}
