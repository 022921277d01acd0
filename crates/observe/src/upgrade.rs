//! The upgrade discipline: which WebSocket handshakes (RFC 6455, section 4) may join two sockets.
//!
//! A proxy that takes a status code for an agreement opens a tunnel into the service behind it. So a request is
//! forwarded as an upgrade only when it is a valid handshake, and the sockets are joined only when the answer
//! proves that the upstream has understood it as one:
//!
//! 1. [`classify`] tells whether a request asks for a WebSocket at all.
//! 2. [`check_request`] refuses what is no valid handshake, and remembers what a valid one offers.
//! 3. [`check_answer`] holds a 101 against the offer.
//!
//! Whatever is forwarded, as an upgrade or not, goes through [`strip_hop_by_hop`] first.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use model::RejectedCheck;
use sha1::{Digest, Sha1};

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key (RFC 6455, section 4.1).
const KEY_BYTES: usize = 16;

/// Reads keys. Bits behind the last byte may be set: clients that make up 22 random characters set them, and
/// upstreams take that.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Fields that are said to the next hop alone, whether or not `Connection` names them (RFC 9110, section 7.6.1;
/// `HTTP2-Settings`: RFC 7540, section 3.2.1). Not `Trailer`, which announces what is relayed.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
];

/// Fields that `Connection` cannot take away, as no sender means them for the next hop alone: with them gone,
/// the receiver would see another message than the one that was sent and checked, or not see where it is from.
const END_TO_END: [HeaderName; 8] = [
    header::HOST,
    header::ORIGIN,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-real-ip"),
];

/// Beginnings of further such fields.
const END_TO_END_PREFIXES: [&str; 2] = ["x-forwarded-", "sec-websocket-"];

/// What a request asks for beside an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// A WebSocket. Whether it asks as it should is [`check_request`]'s to say.
    WebSocket,
    /// Cleartext HTTP/2 (RFC 7540, section 3.2; gone from RFC 9113).
    H2c,
    /// Some other protocol.
    Other,
}

/// Tells what a request asks for, whatever its method. HTTP/2 knows no `Upgrade` (RFC 9113, section 8.6).
pub fn classify(version: Version, headers: &HeaderMap) -> Asked {
    if version >= Version::HTTP_2 {
        return Asked::Nothing;
    }
    if has_element(headers, &header::UPGRADE, "websocket") {
        Asked::WebSocket
    } else if has_element(headers, &header::UPGRADE, "h2c") || headers.contains_key(HTTP2_SETTINGS) {
        Asked::H2c
    } else if headers.contains_key(header::UPGRADE) {
        Asked::Other
    } else {
        Asked::Nothing
    }
}

/// What must be remembered of a valid handshake to judge its answer. Shares the memory of the request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `Sec-WebSocket-Accept` of the answer.
    accept: String,
    /// Values of `Sec-WebSocket-Protocol`.
    protocols: Vec<HeaderValue>,
    /// Values of `Sec-WebSocket-Extensions`.
    extensions: Vec<HeaderValue>,
}

/// Why a request is no valid handshake, and the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule it broke.
    pub check: RejectedCheck,
    /// Status of the answer: 426, to be sent with `Sec-WebSocket-Version: 13`, for [`RejectedCheck::BadVersion`];
    /// else 400 (RFC 6455, section 4.2).
    pub status: StatusCode,
    /// What is wrong and what to do, for the one who sent it.
    pub text: &'static str,
}

/// Checks a request that asks for a WebSocket (RFC 6455, section 4.2.1).
///
/// # Errors
/// The first rule that it breaks.
pub fn check_request(method: &Method, version: Version, headers: &HeaderMap) -> Result<Offer, Refusal> {
    use RejectedCheck::{BadConnection, BadKey, BadMethod, BadVersion, BodyWithUpgrade};
    let refuse = |check, text| Err(Refusal { check, status: StatusCode::BAD_REQUEST, text });
    if announces_body(headers) {
        return refuse(BodyWithUpgrade, "Bad Request: a WebSocket handshake has no body, send none");
    }
    if method != Method::GET {
        return refuse(BadMethod, "Bad Request: a WebSocket handshake is a GET, send one");
    }
    if version != Version::HTTP_11 {
        return refuse(
            BadMethod,
            "Bad Request: a WebSocket handshake is HTTP/1.1; a proxy in front must use it too",
        );
    }
    if single(headers, &header::HOST).is_none() {
        return refuse(BadConnection, "Bad Request: send exactly one Host header");
    }
    if !upgrades_to_websocket(headers) {
        return refuse(
            BadConnection,
            "Bad Request: send `Upgrade: websocket` alone and `Connection: Upgrade`; a proxy in front must pass both on",
        );
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Refusal {
            check: BadVersion,
            status: StatusCode::UPGRADE_REQUIRED,
            text: "Upgrade Required: send exactly one `Sec-WebSocket-Version: 13`",
        });
    }
    let Some(key) = single(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) else {
        return refuse(BadKey, "Bad Request: send exactly one Sec-WebSocket-Key, 16 random bytes in base64");
    };
    let values = |name| headers.get_all(name).iter().cloned().collect();
    Ok(Offer {
        accept: accept_of(key),
        protocols: values(header::SEC_WEBSOCKET_PROTOCOL),
        extensions: values(header::SEC_WEBSOCKET_EXTENSIONS),
    })
}

/// What both sides have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate (RFC 7692).
    pub deflate: bool,
}

/// Checks the headers of an answer with status 101 (RFC 6455, section 4.1, the list of what a client validates).
///
/// # Errors
/// The first rule that it breaks.
pub fn check_answer(offer: &Offer, headers: &HeaderMap) -> Result<Agreed, RejectedCheck> {
    let accepts = single(headers, &header::SEC_WEBSOCKET_ACCEPT) == Some(offer.accept.as_bytes());
    if !accepts || !upgrades_to_websocket(headers) {
        return Err(RejectedCheck::BadAccept);
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let selected = single(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        if !selected.is_some_and(|name| elements(&offer.protocols).any(|offered| offered == name)) {
            return Err(RejectedCheck::BadSubprotocol);
        }
    }
    let mut deflate = false;
    for name in extension_names(headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS)) {
        if !extension_names(&offer.extensions).any(|offered| offered.eq_ignore_ascii_case(name)) {
            return Err(RejectedCheck::BadExtension);
        }
        deflate |= name.eq_ignore_ascii_case(b"permessage-deflate");
    }
    Ok(Agreed { deflate })
}

/// Removes what a message says to the next hop alone: the hop-by-hop fields, and those that `Connection` names
/// (RFC 9110, section 7.6.1).
///
/// What has nothing to do with a hop stays even when `Connection` names it: where the message is from
/// (`Forwarded`, `X-Forwarded-*`, `Via`, `X-Real-IP`, `Origin`), where it goes (`Host`), what its body is
/// (`Content-Length`, `Content-Type`, `Content-Encoding`), and the handshake (`Sec-WebSocket-*`). `TE: trailers`
/// stays as well: gRPC insists on it, and trailers are relayed.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let takes_trailers = has_element(headers, &header::TE, "trailers");
    let named: Vec<HeaderName> = elements(headers.get_all(header::CONNECTION))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !is_end_to_end(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

fn is_end_to_end(name: &HeaderName) -> bool {
    END_TO_END.contains(name) || END_TO_END_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

fn announces_body(headers: &HeaderMap) -> bool {
    let has_length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
    has_length || headers.contains_key(header::TRANSFER_ENCODING)
}

fn upgrades_to_websocket(headers: &HeaderMap) -> bool {
    single(headers, &header::UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        && has_element(headers, &header::CONNECTION, "upgrade")
}

fn is_key(text: &[u8]) -> bool {
    KEY_BASE64.decode(text).is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The field's value when the field stands exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes().trim_ascii())
}

/// The elements of a list (RFC 9110, section 5.6.1). Quoted commas divide as well: no field read here may have
/// any.
fn elements<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    values
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

fn has_element(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    elements(headers.get_all(name)).any(|element| element.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Names of the extensions, without their parameters.
fn extension_names<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    elements(values)
        .map(|extension| extension.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii())
}

#[cfg(test)]
mod tests;
