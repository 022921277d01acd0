//! Links in messages by which somebody says that they care: signed, so that nobody needs a token for them.

use ring::hmac;

/// Name of the text that keeps the key.
pub(super) const NAME: &str = "ack_key";

/// How long a link may be used, seconds.
const LIFE_S: i64 = 7 * 86_400;

/// Signs links and checks them: HMAC-SHA256 over incident and end of use.
#[derive(Debug)]
pub(super) struct Links(hmac::Key);

impl Links {
    pub(super) fn new(key: &[u8; 32]) -> Links {
        Links(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The link for an incident; none when nobody has said where this server is reached.
    pub(super) fn link(&self, external_url: &str, incident: u64, now_ms: i64) -> Option<String> {
        let expires = now_ms / 1000 + LIFE_S;
        let signature = hex(hmac::sign(&self.0, signed(incident, expires).as_bytes()).as_ref());
        let link = || format!("{external_url}/ack/{incident}?expires={expires}&signature={signature}");
        (!external_url.is_empty()).then(link)
    }

    /// Whether a link is one of these, and not too old. Takes the same time for all signatures of the right length.
    pub(super) fn is_valid(&self, incident: u64, expires: i64, signature: &str, now_ms: i64) -> bool {
        let signature = bytes(signature);
        let is_signed = signature.is_some_and(|signature| {
            hmac::verify(&self.0, signed(incident, expires).as_bytes(), &signature).is_ok()
        });
        is_signed && now_ms / 1000 < expires
    }
}

fn signed(incident: u64, expires: i64) -> String {
    format!("ack\n{incident}\n{expires}")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What 64 hexadecimal digits stand for.
pub(super) fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_links_are_taken() {
        let links = Links::new(&[7; 32]);
        let link = links.link("https://gw.example", 12, 1_000_000).expect("there is one");
        let rest =
            link.strip_prefix("https://gw.example/ack/12?expires=605800&signature=").expect("its form");
        let check = |incident: u64, expires: i64, signature: &str, now_ms: i64, expected: bool| {
            assert_eq!(links.is_valid(incident, expires, signature, now_ms), expected);
        };
        check(12, 605_800, rest, 1_000_000, true);
        check(12, 605_800, rest, 605_800_000, false);
        check(13, 605_800, rest, 1_000_000, false);
        check(12, 605_801, rest, 1_000_000, false);
        check(12, 605_800, &rest[1..], 1_000_000, false);
        check(12, 605_800, &"0".repeat(64), 1_000_000, false);
        check(12, 605_800, &"é".repeat(32), 1_000_000, false);
        assert!(!Links::new(&[8; 32]).is_valid(12, 605_800, rest, 1_000_000));
        assert_eq!(links.link("", 12, 0), None);
        assert_eq!(bytes(&hex(&[9; 32])), Some([9; 32]));
    }
}
