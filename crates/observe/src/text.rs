//! Text of a peer, made fit to be shown to people.

/// The beginning of a peer's text, at most `bytes_max` bytes, whole characters only. What is no UTF-8 becomes
/// U+FFFD; a character that would steer a terminal, break a line or turn the direction of the text is escaped as
/// in Rust source. Looks at all of `bytes`, so the caller bounds them.
pub fn printable(bytes: &[u8], bytes_max: usize) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        let length = text.len();
        if steers(character) {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
        if text.len() > bytes_max {
            text.truncate(length);
            break;
        }
    }
    text
}

/// Control characters, line and paragraph separators, and the controls of bidirectional text (Unicode,
/// Bidi_Control).
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], bytes_max: usize, expected: &str) {
        assert_eq!(printable(bytes, bytes_max), expected);
    }

    #[test]
    fn text_stays_as_it_is() {
        check(b"", 9, "");
        check(b"too_many_pings", 14, "too_many_pings");
        check("\"Größe\" \\ 大小".as_bytes(), 99, "\"Größe\" \\ 大小");
    }

    #[test]
    fn what_steers_is_escaped() {
        check(b"a\r\nb\tc\0", 99, "a\\r\\nb\\tc\\u{0}");
        check(b"\x1b[31mred\x7f", 99, "\\u{1b}[31mred\\u{7f}");
        check("a\u{202e}b\u{2028}c\u{85}".as_bytes(), 99, "a\\u{202e}b\\u{2028}c\\u{85}");
    }

    #[test]
    fn what_is_no_text_is_marked() {
        check(b"a\xffb\xc3", 99, "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn the_cut_is_between_characters() {
        check("aß".as_bytes(), 2, "a");
        check("aß".as_bytes(), 3, "aß");
        check(b"ab\nc", 3, "ab");
        check(b"ab\nc", 4, "ab\\n");
        check(b"abc", 0, "");
    }
}
