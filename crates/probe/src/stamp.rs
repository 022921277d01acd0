//! The time at which a message was made, where its payload says so: `ts=` and nanoseconds since 1970 in decimal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MARK: &[u8] = b"ts=";

/// Looks for the first stamp of each message. Bytes may come in any pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finder {
    /// How much of the mark has come.
    matched: usize,
    nanoseconds: u64,
    digits: u32,
    is_found: bool,
}

impl Finder {
    /// Looks at the next bytes of a message.
    pub fn scan(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.is_found {
                return;
            }
            if self.matched < MARK.len() {
                self.matched = match byte {
                    _ if byte == MARK[self.matched] => self.matched + 1,
                    _ if byte == MARK[0] => 1,
                    _ => 0,
                };
            } else if byte.is_ascii_digit() && self.digits < 19 {
                self.nanoseconds = self.nanoseconds * 10 + u64::from(byte - b'0');
                self.digits += 1;
            } else {
                self.is_found = self.digits > 0;
                self.matched = 0;
            }
        }
    }

    /// The stamp of the message that ends here; the next one begins.
    pub fn take(&mut self) -> Option<SystemTime> {
        let finder = std::mem::take(self);
        (finder.digits > 0).then(|| UNIX_EPOCH + Duration::from_nanos(finder.nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: Option<u64>) {
        let expected = expected.map(|ns| UNIX_EPOCH + Duration::from_nanos(ns));
        let mut whole = Finder::default();
        whole.scan(message.as_bytes());
        assert_eq!(whole.take(), expected, "{message}");
        let mut bytewise = Finder::default();
        for byte in message.bytes() {
            bytewise.scan(&[byte]);
        }
        assert_eq!(bytewise.take(), expected, "{message} byte by byte");
        assert_eq!(bytewise.take(), None, "nothing is left for the next");
    }

    #[test]
    fn stamps() {
        check("data: ts=1763000000123456789 x\n\n", Some(1_763_000_000_123_456_789));
        check("ts=5", Some(5));
        check("tts=5 ts=6", Some(5));
        check("ts= 5 ts=7,", Some(7));
        check("t=5", None);
        check("", None);
        check("ts=99999999999999999999", Some(9_999_999_999_999_999_999));
    }
}
