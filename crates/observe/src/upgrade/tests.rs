//! Handshakes as header lines, each a change of the one in RFC 6455, section 1.3.

use super::*;

/// Headers from lines; a line replaces an earlier one of its name, `+name: value` adds to it, `-name` takes it
/// away.
fn with(base: &str, changes: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in base.lines().chain(changes.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let plain: HeaderName = name.trim_start_matches(['+', '-']).parse().expect("a header name");
        let value = HeaderValue::from_str(value.trim()).expect("a header value");
        match name.as_bytes()[0] {
            b'+' => drop(headers.append(plain, value)),
            b'-' => drop(headers.remove(plain)),
            _ => drop(headers.insert(plain, value)),
        }
    }
    headers
}

const REQUEST: &str = "host: server.example.com
    upgrade: websocket
    connection: keep-alive, Upgrade
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
    sec-websocket-protocol: chat, superchat
    sec-websocket-extensions: x-first, permessage-deflate; client_max_window_bits
    sec-websocket-version: 13";

const ANSWER: &str = "upgrade: websocket
    connection: Upgrade
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[track_caller]
fn accepts(changes: &str) {
    let got = check_request(&Method::GET, Version::HTTP_11, &with(REQUEST, changes));
    assert_eq!(got.map(|offer| offer.accept), Ok(*b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[track_caller]
fn refuses(method: &Method, version: Version, changes: &str, check: RejectedCheck, status: u16) {
    let refusal = check_request(method, version, &with(REQUEST, changes)).expect_err("refused");
    assert_eq!((refusal.check, refusal.status.as_u16()), (check, status));
    let phrase = refusal.status.canonical_reason().expect("a known status");
    assert!(refusal.text.starts_with(phrase), "{:?} begins with {phrase:?}", refusal.text);
}

#[track_caller]
fn refuses_get(changes: &str, check: RejectedCheck) {
    refuses(&Method::GET, Version::HTTP_11, changes, check, 400);
}

#[test]
fn valid_handshakes_may_differ_in_what_is_free() {
    accepts("");
    accepts("upgrade: WebSocket\nconnection: UPGRADE");
    accepts("connection: keep-alive\n+connection: x,upgrade");
    accepts("content-length: 0");
    accepts("-sec-websocket-protocol\n-sec-websocket-extensions");
}

#[test]
fn a_handshake_is_a_get_of_http_1_1_to_one_host() {
    use RejectedCheck::{BadConnection, BadMethod};
    for method in [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS] {
        refuses(&method, Version::HTTP_11, "", BadMethod, 400);
    }
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        refuses(&Method::GET, version, "", BadMethod, 400);
    }
    refuses_get("-host", BadConnection);
    refuses_get("+host: other.example.com", BadConnection);
    refuses_get("+host: server.example.com", BadConnection);
}

#[test]
fn a_handshake_has_no_body() {
    let check = RejectedCheck::BodyWithUpgrade;
    for header in [
        "content-length: 5",
        "content-length: +0",
        "content-length: 00",
        "content-length: 0, 0",
        "content-length: 0\n+content-length: 5",
        "content-length: ",
        "transfer-encoding: chunked",
        "transfer-encoding: identity",
        "transfer-encoding: ",
        "content-length: 0\ntransfer-encoding: xchunked",
    ] {
        refuses_get(header, check);
        refuses(&Method::POST, Version::HTTP_11, header, check, 400);
    }
}

#[test]
fn a_handshake_upgrades_to_websocket_alone() {
    for changes in [
        "-upgrade",
        "upgrade: websocket, h2c",
        "upgrade: websocket,",
        "upgrade: websocket/13",
        "upgrade: websockets",
        "upgrade: h2c\n+upgrade: websocket",
        "+upgrade: websocket",
        "+upgrade: \u{e4}",
        "-connection",
        "connection: keep-alive",
        "connection: close, upgrades",
        "connection: \"upgrade\"",
    ] {
        refuses_get(changes, RejectedCheck::BadConnection);
    }
}

#[test]
fn only_version_13_is_spoken() {
    let refuses = |changes: &str| {
        refuses(&Method::GET, Version::HTTP_11, changes, RejectedCheck::BadVersion, 426);
    };
    for version in ["777", "8", "13, 8", "13,13", "013", "+13", "13;", "0xd", "", "1 3", "\u{e9}"] {
        refuses(&format!("sec-websocket-version: {version}"));
    }
    refuses("-sec-websocket-version");
    refuses("+sec-websocket-version: 13");
    refuses("+sec-websocket-version: 8");
}

#[test]
fn a_key_is_sixteen_bytes_in_base64() {
    let check = RejectedCheck::BadKey;
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBs ZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "????????????????????????",
        "=======================",
    ] {
        refuses_get(&format!("sec-websocket-key: {key}"), check);
    }
    refuses_get("-sec-websocket-key", check);
    refuses_get("+sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", check);
    let unused_bits_set = with(REQUEST, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZf==");
    assert!(check_request(&Method::GET, Version::HTTP_11, &unused_bits_set).is_ok());
}

#[track_caller]
fn answer(changes: &str, expected: Result<bool, RejectedCheck>) {
    let offer = check_request(&Method::GET, Version::HTTP_11, &with(REQUEST, "")).expect("valid");
    assert_eq!(check_answer(&offer, &with(ANSWER, changes)).map(|agreed| agreed.deflate), expected);
}

#[test]
fn an_answer_proves_that_it_is_one_to_this_handshake() {
    use RejectedCheck::BadAccept;
    answer("", Ok(false));
    answer("upgrade: WebSocket\nconnection: keep-alive, upgrade", Ok(false));
    answer("-sec-websocket-accept", Err(BadAccept));
    answer("sec-websocket-accept: ", Err(BadAccept));
    answer("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xO0=", Err(BadAccept));
    answer("sec-websocket-accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=", Err(BadAccept));
    answer("sec-websocket-accept: dGhlIHNhbXBsZSBub25jZQ==", Err(BadAccept));
    answer("+sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Err(BadAccept));
    answer("-upgrade", Err(BadAccept));
    answer("upgrade: h2c", Err(BadAccept));
    answer("upgrade: websocket, h2c", Err(BadAccept));
    answer("-connection", Err(BadAccept));
    answer("connection: close", Err(BadAccept));
}

#[test]
fn an_answer_selects_at_most_one_offered_subprotocol() {
    use RejectedCheck::BadSubprotocol;
    answer("sec-websocket-protocol: chat", Ok(false));
    answer("sec-websocket-protocol: superchat", Ok(false));
    answer("sec-websocket-protocol: Chat", Err(BadSubprotocol));
    answer("sec-websocket-protocol: other", Err(BadSubprotocol));
    answer("sec-websocket-protocol: ", Err(BadSubprotocol));
    answer("sec-websocket-protocol: \u{e4}", Err(BadSubprotocol));
    answer("sec-websocket-protocol: chat\n+sec-websocket-protocol: superchat", Err(BadSubprotocol));
    answer("sec-websocket-protocol: chat, superchat", Err(BadSubprotocol));
}

#[test]
fn an_answer_selects_offered_extensions_only() {
    use RejectedCheck::BadExtension;
    answer("sec-websocket-extensions: permessage-deflate; server_no_context_takeover", Ok(true));
    answer("sec-websocket-extensions: x-first\n+sec-websocket-extensions: Permessage-Deflate", Ok(true));
    answer("sec-websocket-extensions: x-first", Ok(false));
    answer("sec-websocket-extensions: ", Ok(false));
    answer("sec-websocket-extensions: x-unasked", Err(BadExtension));
    answer("sec-websocket-extensions: permessage-deflate, x-unasked", Err(BadExtension));
    answer("sec-websocket-extensions: x-first; a=\"1,2\"", Err(BadExtension));
    answer("sec-websocket-extensions: \u{e4}", Err(BadExtension));
}

#[test]
fn what_is_asked() {
    let asked = |lines: &str| classify(Version::HTTP_11, &with(lines, ""));
    assert_eq!(asked(""), Asked::Nothing);
    assert_eq!(asked("connection: upgrade"), Asked::Nothing);
    assert_eq!(asked("upgrade: WebSocket"), Asked::WebSocket);
    assert_eq!(asked("upgrade: h2c, websocket"), Asked::WebSocket);
    assert_eq!(asked("upgrade: h2c\n+upgrade: websocket"), Asked::WebSocket);
    assert_eq!(asked("upgrade: H2C"), Asked::H2c);
    assert_eq!(asked("http2-settings: AAMAAABkAAQAAP__"), Asked::H2c);
    assert_eq!(asked("upgrade: TLS/1.0"), Asked::Other);
    assert_eq!(asked("upgrade: websocket2"), Asked::Other);
    assert_eq!(classify(Version::HTTP_10, &with("upgrade: websocket", "")), Asked::WebSocket);
    assert_eq!(classify(Version::HTTP_2, &with("upgrade: websocket", "")), Asked::Nothing);
}

#[track_caller]
fn strips(lines: &str, expected: &str) {
    let mut headers = with(lines, "");
    strip_hop_by_hop(&mut headers);
    let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left.join(" "), expected);
}

#[test]
fn what_is_said_to_the_next_hop_is_not_said_to_the_one_behind() {
    strips(
        "host: a
        connection: Upgrade, HTTP2-Settings
        upgrade: h2c
        http2-settings: AAMAAABkAAQAAP__
        keep-alive: timeout=5
        proxy-connection: keep-alive
        te: gzip
        transfer-encoding: chunked
        trailer: x-checksum
        cookie: b",
        "cookie host trailer",
    );
    strips("connection: close, X-Internal,, x y\nx-internal: 1\n+connection: x-other\nx-other: 2\nx: 3", "x");
    strips("te: trailers", "te");
    strips("connection: te\nte: gzip, Trailers;q=1, trailers", "te");
}

#[test]
fn connection_takes_nothing_away_that_is_end_to_end() {
    let fields = [
        "content-encoding",
        "content-length",
        "content-type",
        "forwarded",
        "host",
        "origin",
        "sec-websocket-key",
        "sec-websocket-version",
        "via",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-real-ip",
    ];
    let lines: String = fields.iter().map(|name| format!("{name}: 1\n+connection: {name}\n")).collect();
    strips(&lines, &fields.join(" "));
}
