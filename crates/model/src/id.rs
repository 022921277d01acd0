//! Names of single things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Opaque random name of one connection. Written as 13 characters of Crockford's base 32 in lower case, which
/// survive being read out, typed and put in a URL. Carries no meaning: not an address, a user or an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
pub struct ConnectionId(pub u64);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHARACTERS: usize = 13;

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; CHARACTERS];
        for (place, character) in text.iter_mut().rev().enumerate() {
            *character = ALPHABET[(self.0 >> (5 * place)) as usize & 31];
        }
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ConnectionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no connection id: it has {CHARACTERS} letters and digits");
        if text.len() != CHARACTERS {
            return Err(wrong());
        }
        let mut value = 0u64;
        for character in text.bytes() {
            let digit =
                ALPHABET.iter().position(|&a| a == character.to_ascii_lowercase()).ok_or_else(wrong)?;
            if value >> 59 != 0 {
                return Err(wrong());
            }
            value = value << 5 | digit as u64;
        }
        Ok(ConnectionId(value))
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(ConnectionId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text() {
        for value in [0, 1, 31, 32, 0x0123_4567_89ab_cdef, u64::MAX] {
            let id = ConnectionId(value);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(ConnectionId(u64::MAX).to_string(), "fzzzzzzzzzzzz");
        assert!("gzzzzzzzzzzzz".parse::<ConnectionId>().is_err(), "does not fit in 64 bits");
        assert!("short".parse::<ConnectionId>().is_err());
        assert!("../../etc/pas".parse::<ConnectionId>().is_err());
    }
}
