//! Payload of messages as it came, and what was sent, told from each other.

/// What came is what was sent, changed: it goes on otherwise, is the same in other places, or most of it is the same.
pub(super) fn is_altered(payload: &[u8], wanted: &[u8]) -> bool {
    const BEGINNING: usize = 24;
    if wanted.len() > BEGINNING + 8 && contains(payload, &wanted[..BEGINNING]) {
        return true;
    }
    if payload.len() != wanted.len() || payload.is_empty() {
        return false;
    }
    let same = payload.iter().zip(wanted).filter(|(a, b)| a == b).count();
    let in_order = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    same * 2 >= wanted.len() || in_order(payload) == in_order(wanted)
}

/// A text as JSON writes it that knows ASCII alone (RFC 8259, section 7).
pub(super) fn escaped(text: &[u8]) -> Vec<u8> {
    let mut units = [0; 2];
    let mut escaped = Vec::with_capacity(text.len() + 32);
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' => escaped.extend([b'\\', character as u8]),
            ' '..='~' => escaped.push(character as u8),
            _ => {
                for unit in character.encode_utf16(&mut units) {
                    escaped.extend(format!("\\u{unit:04x}").into_bytes());
                }
            }
        }
    }
    escaped
}

pub(super) fn contains(payload: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && payload.windows(wanted.len()).any(|window| window == wanted)
}

/// Payload of the frames of one message from a server, which are not masked.
pub(super) fn payload(raw: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((header, length)) = frame_of(rest) {
        let end = header.saturating_add(length).min(rest.len());
        payload.extend_from_slice(&rest[header.min(rest.len())..end]);
        rest = &rest[end..];
    }
    payload
}

/// Payload of a control frame at the end of these bytes: at most 125 bytes behind a header of two.
pub(super) fn last_payload(raw: &[u8]) -> &[u8] {
    (0..=125.min(raw.len().saturating_sub(2)))
        .map(|length| &raw[raw.len() - length - 2..])
        .find(|tail| tail[0] & 0x88 == 0x88 && usize::from(tail[1]) == tail.len() - 2)
        .map_or(&[], |tail| &tail[2..])
}

/// Bytes of a frame's header and of its payload.
fn frame_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let &[_, length, ..] = bytes else { return None };
    let number = |count: usize| {
        let bytes = bytes.get(2..2 + count)?;
        Some(bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let (header, length) = match length & 0x7f {
        126 => (4, number(2)?),
        127 => (10, number(8)?),
        short => (2, u64::from(short)),
    };
    Some((header, usize::try_from(length).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_changed() {
        let check =
            |payload: &[u8], expected: bool| assert_eq!(is_altered(payload, b"hello world"), expected);
        check(b"hellO World", true);
        check(b"dlrow olleh", true);
        check(b"price 17.05", false);
        check(b"HELLO WORLD", false);
        check(b"hello", false);
        assert!(is_altered(&b"0123456789".repeat(3), &b"0123456789".repeat(4)));
    }

    #[test]
    fn texts_as_json_of_ascii_writes_them() {
        assert_eq!(escaped("a\"\u{e9}\u{6f22}\u{1f600}".as_bytes()), b"a\\\"\\u00e9\\u6f22\\ud83d\\ude00");
    }

    #[test]
    fn payload_of_fragments() {
        assert_eq!(payload(&[0x01, 1, b'a', 0x80, 2, b'b', b'c']), b"abc");
        assert_eq!(payload(&[0x81, 0]), b"");
        assert_eq!(last_payload(&[0x01, 1, b'a', 0x89, 2, 7, 8]), [7, 8]);
        assert!(last_payload(&[0x88, 0]).is_empty());
    }
}
