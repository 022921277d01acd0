//! Quoted strings, with the escapes of Go.

use crate::error::Error;

/// The string at the start of the text, and its length with quotes. `at` is where the text begins.
pub(crate) fn quoted(rest: &str, at: usize) -> Result<(String, usize), Error> {
    let quote = rest.chars().next().expect("the caller has seen a quote");
    let unterminated = || Error::parse(&(at..at + rest.len()), format!("this string has no closing {quote}"));
    if quote == '`' {
        let length = rest[1..].find('`').ok_or_else(unterminated)?;
        return Ok((rest[1..=length].replace('\r', ""), length + 2));
    }
    let mut bytes = Vec::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '\n' => return Err(unterminated()),
            '\\' => {
                let (value, taken) = escape(&rest[index + 1..], quote).ok_or_else(|| {
                    let end = rest[index + 1..].chars().next().map_or(0, char::len_utf8);
                    Error::parse(
                        &(at + index..at + index + 1 + end),
                        "unknown escape; write \\\\ for a backslash, or quote the string with `",
                    )
                })?;
                bytes.extend(value);
                for _ in 0..taken {
                    chars.next();
                }
            }
            c if c == quote => {
                let length = index + 1;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Error::parse(&(at..at + length), "this string is not valid UTF-8"))?;
                return Ok((text, length));
            }
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Err(unterminated())
}

/// The bytes that an escape stands for, and how many characters it has after its backslash.
fn escape(rest: &str, quote: char) -> Option<(Vec<u8>, usize)> {
    let first = rest.chars().next()?;
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        c if c == quote => u8::try_from(c).ok()?,
        'x' => return digits(rest, 1, 2, 16).map(|value| (vec![value as u8], 3)),
        '0'..='7' => {
            return digits(rest, 0, 3, 8).filter(|value| *value < 256).map(|value| (vec![value as u8], 3));
        }
        'u' => {
            return digits(rest, 1, 4, 16).and_then(char::from_u32).map(|c| (c.to_string().into_bytes(), 5));
        }
        'U' => {
            return digits(rest, 1, 8, 16).and_then(char::from_u32).map(|c| (c.to_string().into_bytes(), 9));
        }
        _ => return None,
    };
    Some((vec![simple], 1))
}

fn digits(rest: &str, from: usize, count: usize, radix: u32) -> Option<u32> {
    let digits = rest.get(from..from + count)?;
    let all = digits.chars().all(|c| c.is_digit(radix));
    all.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}
