//! Texts in quotes as Go writes and reads them (`strconv.Quote`, `strconv.Unquote`).

use std::fmt::Write as _;

/// The text in double quotes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\u{7}' => write!(quoted, "\\a"),
            '\u{8}' => write!(quoted, "\\b"),
            '\u{c}' => write!(quoted, "\\f"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\u{b}' => write!(quoted, "\\v"),
            c if c < ' ' || c == '\u{7f}' => write!(quoted, "\\x{:02x}", u32::from(c)),
            c if is_printed(c) => write!(quoted, "{c}"),
            c if u32::from(c) < 0x1_0000 => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

/// Whether Go's `unicode.IsPrint` holds, told from what Rust would escape.
fn is_printed(c: char) -> bool {
    c == ' ' || c == '\'' || (c.escape_debug().len() == 1 && !c.is_whitespace())
}

/// What a text in double quotes means; none if it is not one.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let body = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let (mut bytes, mut rest) = (Vec::with_capacity(body.len()), body);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' | '\n' => return None,
            '\\' => rest = unescape(rest, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Reads what is behind a backslash; gives what follows it.
fn unescape<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Option<&'t str> {
    let letter = text.chars().next()?;
    let rest = &text[letter.len_utf8()..];
    let mut number = |from: &'t str, digits: usize, radix: u32| {
        let spelled = from.get(..digits).filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
        let code = u32::from_str_radix(spelled, radix).ok()?;
        if digits <= 3 {
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        from.get(digits..)
    };
    match letter {
        'x' => return number(rest, 2, 16),
        'u' => return number(rest, 4, 16),
        'U' => return number(rest, 8, 16),
        '0'..='7' => return number(text, 3, 8),
        _ => {}
    }
    bytes.push(match letter {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        _ => return None,
    });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_in_go() {
        let check = |text: &str, quoted: &str| {
            assert_eq!(quote(text), quoted);
            assert_eq!(unquote(quoted).as_deref(), Some(text));
        };
        check("", r#""""#);
        check("it's 中文 é", r#""it's 中文 é""#);
        check("a\"b\\c\n\t\r", r#""a\"b\\c\n\t\r""#);
        check("\u{1}\u{7f}\u{a0}\u{200b}", r#""\x01\x7f\u00a0\u200b""#);
        check("\u{e0001}", r#""\U000e0001""#);
    }

    #[test]
    fn what_is_not_quoted_well_is_refused() {
        assert_eq!(unquote(r#""\101\x41""#).as_deref(), Some("AA"));
        for text in [r#""a"#, "a", r#""\'""#, r#""\q""#, "\"\n\"", r#""\x4""#, r#""\xff""#, r#""a"b""#] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }
}
