//! The upgrade discipline: which WebSocket handshakes (RFC 6455, section 4) may join two sockets.
//!
//! A proxy that takes a status code for an agreement opens a tunnel into the service behind it. So a request is
//! forwarded as an upgrade only when it is a valid handshake, and the sockets are joined only when the answer
//! proves that the upstream has understood it as one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode, Version};
use model::RejectedCheck;
use sha1::{Digest, Sha1};

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key (RFC 6455, section 4.1).
const KEY_BYTES: usize = 16;

/// Fields that are said to the next hop alone, whether or not `Connection` names them (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Fields that `Connection` cannot take away: without them the next hop would see another request.
const END_TO_END: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// What a request asks for beside an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// A WebSocket.
    WebSocket,
    /// Cleartext HTTP/2 (RFC 7540, section 3.2; gone from RFC 9113).
    H2c,
    /// Some other protocol.
    Other,
}

/// Tells what a request asks for.
pub fn classify(version: Version, headers: &HeaderMap) -> Asked {
    if version >= Version::HTTP_2 {
        return Asked::Nothing;
    }
    let mut protocols = tokens(headers, &header::UPGRADE).peekable();
    if protocols.peek().is_none() {
        let has_settings = headers.contains_key("http2-settings");
        return if has_settings { Asked::H2c } else { Asked::Nothing };
    }
    let named: Vec<&str> = protocols.collect();
    let names = |protocol: &str| named.iter().any(|name| name.eq_ignore_ascii_case(protocol));
    if names("websocket") {
        Asked::WebSocket
    } else if names("h2c") {
        Asked::H2c
    } else {
        Asked::Other
    }
}

/// What must be remembered of a valid handshake to judge its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    accept: String,
    protocols: Vec<String>,
    extensions: Vec<String>,
}

/// Why a request is no valid handshake, and the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule it broke.
    pub check: RejectedCheck,
    /// Status of the answer.
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
    let refuse = |check, text| Refusal { check, status: StatusCode::BAD_REQUEST, text };
    if announces_body(headers) {
        return Err(refuse(BodyWithUpgrade, "Bad Request: a WebSocket handshake has no body"));
    }
    if method != Method::GET || version != Version::HTTP_11 {
        return Err(refuse(BadMethod, "Bad Request: a WebSocket handshake is a GET of HTTP/1.1"));
    }
    let protocols: Vec<&str> = tokens(headers, &header::UPGRADE).collect();
    let is_websocket_alone = matches!(protocols.as_slice(), [one] if one.eq_ignore_ascii_case("websocket"));
    if !is_websocket_alone || !has_token(headers, &header::CONNECTION, "upgrade") {
        let text = "Bad Request: send `Upgrade: websocket` and `Connection: Upgrade`";
        return Err(refuse(BadConnection, text));
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal {
            check: BadVersion,
            status: StatusCode::UPGRADE_REQUIRED,
            text: "Upgrade Required: send `Sec-WebSocket-Version: 13`",
        });
    }
    let key = single(headers, &header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES))
        .ok_or_else(|| refuse(BadKey, "Bad Request: send one Sec-WebSocket-Key, 16 bytes in base64"))?;
    Ok(Offer {
        accept: accept_of(key),
        protocols: tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect(),
        extensions: extension_names(headers).collect(),
    })
}

/// What both sides have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// permessage-deflate (RFC 7692).
    pub deflate: bool,
}

/// Checks the headers of a 101 (RFC 6455, section 4.1, list after "once the client's opening handshake has been
/// sent").
///
/// # Errors
/// The first rule that it breaks.
pub fn check_answer(offer: &Offer, headers: &HeaderMap) -> Result<Agreed, RejectedCheck> {
    let upgrades =
        single(headers, &header::UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
    let accepts = single(headers, &header::SEC_WEBSOCKET_ACCEPT) == Some(offer.accept.as_str());
    if !upgrades || !accepts || !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(RejectedCheck::BadAccept);
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let selected = single(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        if !selected.is_some_and(|name| offer.protocols.iter().any(|offered| offered == name)) {
            return Err(RejectedCheck::BadSubprotocol);
        }
    }
    if !extension_names(headers).all(|name| offer.extensions.contains(&name)) {
        return Err(RejectedCheck::BadExtension);
    }
    Ok(Agreed { deflate: extension_names(headers).any(|name| name == "permessage-deflate") })
}

/// Removes what a message says to the next hop alone: the hop-by-hop fields, and those that `Connection` names,
/// but for the ones without which it would be another message.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        tokens(headers, &header::CONNECTION).filter_map(|name| name.parse().ok()).collect();
    for name in named.iter().filter(|name| !END_TO_END.contains(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn announces_body(headers: &HeaderMap) -> bool {
    let has_length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
    has_length || headers.contains_key(header::TRANSFER_ENCODING)
}

fn accept_of(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The field's value when the field stands exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.trim())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Names of the extensions, without their parameters, in lower case.
fn extension_names(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let extensions = tokens(headers, &header::SEC_WEBSOCKET_EXTENSIONS);
    extensions
        .filter_map(|extension| extension.split(';').next())
        .map(|name| name.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Headers from lines; a line replaces an earlier one of its name, `+name: value` adds to it, `-name` takes
    /// it away.
    fn with(base: &str, changes: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in base.lines().chain(changes.lines()).map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            let plain: HeaderName = name.trim_start_matches(['+', '-']).parse().expect("a header name");
            let value = HeaderValue::from_str(value).expect("a header value");
            match name.as_bytes()[0] {
                b'+' => drop(headers.append(plain, value)),
                b'-' => drop(headers.remove(plain)),
                _ => drop(headers.insert(plain, value)),
            }
        }
        headers
    }

    /// The handshake of RFC 6455, section 1.3.
    const REQUEST: &str = "host: server.example.com
        upgrade: websocket
        connection: keep-alive, Upgrade
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
        sec-websocket-protocol: chat, superchat
        sec-websocket-extensions: permessage-deflate; client_max_window_bits
        sec-websocket-version: 13";
    const ANSWER: &str = "upgrade: websocket
        connection: Upgrade
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[track_caller]
    fn request(changes: &str, expected: Result<(), RejectedCheck>) {
        let got = check_request(&Method::GET, Version::HTTP_11, &with(REQUEST, changes));
        assert_eq!(got.map(drop).map_err(|refusal| refusal.check), expected);
    }

    #[test]
    fn requests() {
        use RejectedCheck::*;
        request("", Ok(()));
        request("upgrade: WebSocket\nconnection: upgrade\ncontent-length: 0", Ok(()));
        for version in ["777", "8", "13, 8", "013"] {
            request(&format!("sec-websocket-version: {version}"), Err(BadVersion));
        }
        request("-sec-websocket-version", Err(BadVersion));
        request("+sec-websocket-version: 13", Err(BadVersion));
        for key in ["short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSE=", "????????????????????????"]
        {
            request(&format!("sec-websocket-key: {key}"), Err(BadKey));
        }
        request("-sec-websocket-key", Err(BadKey));
        request("+sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", Err(BadKey));
        request("content-length: 5", Err(BodyWithUpgrade));
        request("transfer-encoding: chunked", Err(BodyWithUpgrade));
        request("upgrade: websocket, h2c", Err(BadConnection));
        request("connection: keep-alive", Err(BadConnection));
        let wrong = |method, version| check_request(&method, version, &with(REQUEST, ""));
        assert_eq!(wrong(Method::POST, Version::HTTP_11).expect_err("refused").check, BadMethod);
        assert_eq!(wrong(Method::GET, Version::HTTP_10).expect_err("refused").check, BadMethod);
        let old = check_request(&Method::GET, Version::HTTP_11, &with(REQUEST, "sec-websocket-version: 8"));
        assert_eq!(old.expect_err("refused").status, StatusCode::UPGRADE_REQUIRED);
    }

    #[track_caller]
    fn answer(changes: &str, expected: Result<bool, RejectedCheck>) {
        let offer = check_request(&Method::GET, Version::HTTP_11, &with(REQUEST, "")).expect("valid");
        assert_eq!(check_answer(&offer, &with(ANSWER, changes)).map(|agreed| agreed.deflate), expected);
    }

    #[test]
    fn answers() {
        use RejectedCheck::{BadAccept, BadExtension, BadSubprotocol};
        answer("", Ok(false));
        answer("sec-websocket-protocol: superchat", Ok(false));
        answer("sec-websocket-extensions: permessage-deflate; server_no_context_takeover", Ok(true));
        answer("-sec-websocket-accept", Err(BadAccept));
        answer("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xO0=", Err(BadAccept));
        answer("+sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Err(BadAccept));
        answer("-upgrade", Err(BadAccept));
        answer("connection: close", Err(BadAccept));
        answer("sec-websocket-protocol: other", Err(BadSubprotocol));
        answer("sec-websocket-protocol: chat\n+sec-websocket-protocol: superchat", Err(BadSubprotocol));
        answer("sec-websocket-protocol: chat, superchat", Err(BadSubprotocol));
        answer("sec-websocket-extensions: x-unasked", Err(BadExtension));
    }

    #[test]
    fn what_is_asked() {
        let asked = |lines: &str| classify(Version::HTTP_11, &with(lines, ""));
        assert_eq!(asked(""), Asked::Nothing);
        assert_eq!(asked("upgrade: WebSocket"), Asked::WebSocket);
        assert_eq!(asked("upgrade: h2c, websocket"), Asked::WebSocket);
        assert_eq!(asked("upgrade: h2c"), Asked::H2c);
        assert_eq!(asked("http2-settings: AAMAAABkAAQAAP__"), Asked::H2c);
        assert_eq!(asked("upgrade: TLS/1.0"), Asked::Other);
        assert_eq!(classify(Version::HTTP_2, &with("upgrade: websocket", "")), Asked::Nothing);
    }

    #[test]
    fn connection_takes_away_only_what_is_hop_by_hop() {
        let mut headers = with(
            "host: a
             connection: close, X-Internal, X-Forwarded-For, Host, Content-Length
             x-internal: 1
             x-forwarded-for: 203.0.113.9
             content-length: 3
             keep-alive: timeout=5
             http2-settings: AAMAAABkAAQAAP__
             upgrade: h2c
             cookie: b",
            "",
        );
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "cookie", "host", "x-forwarded-for"]);
    }
}
