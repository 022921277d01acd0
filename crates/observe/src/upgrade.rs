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

use crate::fields::{Fields, elements};

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key (RFC 6455, section 4.1).
const KEY_BYTES: usize = 16;

/// Characters of the answer to a key: 20 bytes in base64.
const ACCEPT_CHARS: usize = 28;

/// Reads keys. Bits behind the last byte may be set: clients that make up 22 random characters set them, and
/// upstreams take that.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Fields that are said to the next hop alone, whether or not `Connection` names them (RFC 9110, section 7.6.1;
/// `HTTP2-Settings`: RFC 7540, section 3.2.1). Not `Trailer`, which announces what is relayed.
const HOP_BY_HOP: [&[u8]; 7] = [
    b"connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"keep-alive",
    b"proxy-connection",
    b"http2-settings",
];

/// Fields that `Connection` cannot take away, as no sender means them for the next hop alone: with them gone,
/// the receiver would see another message than the one that was sent and checked, or not see where it is from.
const END_TO_END: [&[u8]; 8] = [
    b"host",
    b"origin",
    b"content-length",
    b"content-type",
    b"content-encoding",
    b"forwarded",
    b"via",
    b"x-real-ip",
];

/// Beginnings of further such fields.
const END_TO_END_PREFIXES: [&[u8]; 2] = [b"x-forwarded-", b"sec-websocket-"];

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
pub fn classify(version: Version, fields: &impl Fields) -> Asked {
    if version >= Version::HTTP_2 {
        return Asked::Nothing;
    }
    if fields.has_element(&header::UPGRADE, b"websocket") {
        Asked::WebSocket
    } else if fields.has_element(&header::UPGRADE, b"h2c") || fields.has(&HTTP2_SETTINGS) {
        Asked::H2c
    } else if fields.has(&header::UPGRADE) {
        Asked::Other
    } else {
        Asked::Nothing
    }
}

const NO_WINDOW: &[u8] = b"server_no_context_takeover";

/// What must be remembered of a valid handshake to judge its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `Sec-WebSocket-Accept` of the answer.
    accept: [u8; ACCEPT_CHARS],
    /// The list of `Sec-WebSocket-Protocol`.
    protocols: Vec<u8>,
    /// The list of `Sec-WebSocket-Extensions`.
    extensions: Vec<u8>,
}

impl Offer {
    /// `Sec-WebSocket-Accept` of an answer that agrees.
    pub fn accept(&self) -> &[u8] {
        &self.accept
    }

    /// The first subprotocol that is offered. A browser that offers some and is given none fails the connection.
    pub fn first_protocol(&self) -> Option<&[u8]> {
        let first = self.protocols.split(|&byte| byte == b',').next()?.trim_ascii();
        (!first.is_empty()).then_some(first)
    }
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
pub fn check_request(method: &Method, version: Version, fields: &impl Fields) -> Result<Offer, Refusal> {
    use RejectedCheck::{BadConnection, BadKey, BadMethod, BadVersion, BodyWithUpgrade};
    let refuse = |check, text| Err(Refusal { check, status: StatusCode::BAD_REQUEST, text });
    if announces_body(fields) {
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
    if fields.single(&header::HOST).is_none() {
        return refuse(BadConnection, "Bad Request: send exactly one Host header");
    }
    if !upgrades_to_websocket(fields) {
        return refuse(
            BadConnection,
            "Bad Request: send `Upgrade: websocket` alone and `Connection: Upgrade`; a proxy in front must pass both on",
        );
    }
    if fields.single(&header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Refusal {
            check: BadVersion,
            status: StatusCode::UPGRADE_REQUIRED,
            text: "Upgrade Required: send exactly one `Sec-WebSocket-Version: 13`",
        });
    }
    let Some(key) = fields.single(&header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) else {
        return refuse(BadKey, "Bad Request: send exactly one Sec-WebSocket-Key, 16 random bytes in base64");
    };
    Ok(Offer {
        accept: accept_of(key),
        protocols: list(fields, &header::SEC_WEBSOCKET_PROTOCOL),
        extensions: list(fields, &header::SEC_WEBSOCKET_EXTENSIONS),
    })
}

/// What both sides have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate (RFC 7692).
    pub deflate: bool,
    /// The upstream's compressor keeps its window from one message to the next (RFC 7692, section 7.1.1): without each
    /// message before it, none can be read.
    pub keeps_window: bool,
}

/// Checks the fields of an answer with status 101 (RFC 6455, section 4.1, the list of what a client validates).
///
/// # Errors
/// The first rule that it breaks.
pub fn check_answer(offer: &Offer, fields: &impl Fields) -> Result<Agreed, RejectedCheck> {
    let accepts = fields.single(&header::SEC_WEBSOCKET_ACCEPT) == Some(&offer.accept[..]);
    if !accepts || !upgrades_to_websocket(fields) {
        return Err(RejectedCheck::BadAccept);
    }
    if fields.has(&header::SEC_WEBSOCKET_PROTOCOL) {
        let selected = fields.single(&header::SEC_WEBSOCKET_PROTOCOL);
        if !selected.is_some_and(|name| elements(&offer.protocols).any(|offered| offered == name)) {
            return Err(RejectedCheck::BadSubprotocol);
        }
    }
    let (mut deflate, mut keeps_window) = (false, false);
    for extension in fields.elements(&header::SEC_WEBSOCKET_EXTENSIONS) {
        let name = extension_name(extension);
        if !elements(&offer.extensions).map(extension_name).any(|offered| offered.eq_ignore_ascii_case(name))
        {
            return Err(RejectedCheck::BadExtension);
        }
        if is_deflate(name) {
            deflate = true;
            keeps_window |= !has_parameter(extension, NO_WINDOW);
        }
    }
    Ok(Agreed { deflate, keeps_window })
}

/// The extensions of an offer such that the upstream's compressor keeps no window (RFC 7692, section 7.1.1.1): each
/// offer of permessage-deflate asks for that.
pub fn ask_for_no_window(extensions: &[u8]) -> Vec<u8> {
    let mut asked = Vec::with_capacity(extensions.len() + NO_WINDOW.len() + 4);
    for extension in elements(extensions) {
        if !asked.is_empty() {
            asked.extend_from_slice(b", ");
        }
        asked.extend_from_slice(extension);
        if is_deflate(extension_name(extension)) && !has_parameter(extension, NO_WINDOW) {
            asked.extend_from_slice(b"; ");
            asked.extend_from_slice(NO_WINDOW);
        }
    }
    asked
}

fn is_deflate(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"permessage-deflate")
}

fn has_parameter(extension: &[u8], name: &[u8]) -> bool {
    let parameters = extension.split(|&byte| byte == b';').skip(1);
    let mut names =
        parameters.map(|parameter| parameter.split(|&byte| byte == b'=').next().unwrap_or_default());
    names.any(|known| known.trim_ascii().eq_ignore_ascii_case(name))
}

/// Whether a field of that name, in a message with these `fields`, is said to the next hop alone: the hop-by-hop
/// fields, and those that `Connection` names (RFC 9110, section 7.6.1).
///
/// What has nothing to do with a hop stays even when `Connection` names it: where the message is from
/// (`Forwarded`, `X-Forwarded-*`, `Via`, `X-Real-IP`, `Origin`), where it goes (`Host`), what its body is
/// (`Content-Length`, `Content-Type`, `Content-Encoding`), and the handshake (`Sec-WebSocket-*`).
pub fn is_for_next_hop(name: &[u8], fields: &impl Fields) -> bool {
    let is_it = |known: &&[u8]| known.eq_ignore_ascii_case(name);
    let begins_it = |prefix: &&[u8]| {
        name.split_at_checked(prefix.len()).is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
    };
    HOP_BY_HOP.iter().any(is_it)
        || fields.has_element(&header::CONNECTION, name)
            && !END_TO_END.iter().any(is_it)
            && !END_TO_END_PREFIXES.iter().any(begins_it)
}

/// Whether a message says `TE: trailers`. That is passed on although it is for the next hop: gRPC insists on it, and
/// trailers are relayed.
pub fn takes_trailers(fields: &impl Fields) -> bool {
    fields.has_element(&header::TE, b"trailers")
}

/// Removes what [`is_for_next_hop`], but for `TE: trailers`.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let takes_trailers = takes_trailers(headers);
    let is_gone = |name: &&HeaderName| is_for_next_hop(name.as_str().as_bytes(), headers);
    let gone: Vec<HeaderName> = headers.keys().filter(is_gone).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

fn announces_body(fields: &impl Fields) -> bool {
    fields.values(&header::CONTENT_LENGTH).any(|length| length != b"0")
        || fields.has(&header::TRANSFER_ENCODING)
}

fn upgrades_to_websocket(fields: &impl Fields) -> bool {
    fields.single(&header::UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        && fields.has_element(&header::CONNECTION, b"upgrade")
}

fn is_key(text: &[u8]) -> bool {
    // Base64 comes in groups of 3 bytes, the last of which need not be full.
    let mut room = [0; KEY_BYTES.next_multiple_of(3)];
    KEY_BASE64.decode_slice(text, &mut room).is_ok_and(|bytes| bytes == KEY_BYTES)
}

fn accept_of(key: &[u8]) -> [u8; ACCEPT_CHARS] {
    let mut accept = [0; ACCEPT_CHARS];
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes fill it");
    accept
}

/// A list that stands in several fields, as one.
fn list(fields: &impl Fields, name: &HeaderName) -> Vec<u8> {
    let mut list = Vec::new();
    for value in fields.values(name) {
        list.extend_from_slice(value);
        list.push(b',');
    }
    list
}

/// Name of an extension, without its parameters.
fn extension_name(extension: &[u8]) -> &[u8] {
    extension.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests;
