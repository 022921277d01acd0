//! What flight recorders may keep.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Least events that are worth a recorder.
const EVENTS_MIN: u32 = 64;

/// Most events of one recorder.
const EVENTS_MAX: u32 = 65_536;

/// What flight recorders keep of each connection, open or closed: kinds, sizes and times, never payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderConfig {
    /// Events kept of one connection: the first 32 and the last ones; 0 records nothing, else from 64 to 65536. An
    /// event takes 16 bytes, and nothing is taken for what does not happen.
    pub events: u32,
    /// Memory of all recorders, such as `64MiB`: half for open connections, half for closed ones. When the first
    /// half is taken, further connections are not recorded; when the second is, the oldest recordings go.
    #[schemars(with = "String")]
    pub total_memory: ByteSize,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        RecorderConfig { events: 256, total_memory: ByteSize(64 << 20) }
    }
}

impl RecorderConfig {
    /// What is wrong with `events`.
    pub(super) fn problem(&self) -> Option<String> {
        let is_right = self.events == 0 || (EVENTS_MIN..=EVENTS_MAX).contains(&self.events);
        (!is_right).then(|| format!("the events must be 0 or from {EVENTS_MIN} to {EVENTS_MAX}"))
    }
}

/// A number of bytes, written with its unit: `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

const UNITS: &[(&str, u32)] = &[("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("size `{text}` must be a whole number with B, KiB, MiB or GiB, such as 64MiB");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = text[digits.len()..].trim_start();
        let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(ByteSize).ok_or_else(wrong)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0 != 0 && self.0.is_multiple_of(1 << shift);
        let (name, shift) = UNITS.iter().find(fits).unwrap_or(&("B", 0));
        write!(f, "{}{name}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: u64, shown: &str| {
            let size: ByteSize = text.parse().expect("a size");
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown));
        };
        check("64MiB", 64 << 20, "64MiB");
        check("1024 KiB", 1 << 20, "1MiB");
        check("1GiB", 1 << 30, "1GiB");
        check("0B", 0, "0B");
        check("1025B", 1025, "1025B");
        for wrong in ["64", "64MB", "MiB", "-1MiB", "1.5MiB", "99999999999GiB", ""] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn events() {
        let check = |events| RecorderConfig { events, ..RecorderConfig::default() }.problem().is_none();
        assert!(check(0) && check(64) && check(256) && check(65_536));
        assert!(!check(1) && !check(63) && !check(65_537));
    }
}
