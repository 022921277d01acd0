//! What must hold for any bytes: the bodies of the fuzz targets, which a test runs on the kept inputs as well.
//!
//! Each function panics when something does not hold, and is of no use to anyone else.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};
use model::event::{GrpcEvent, Http2Event, SseEvent, WebSocketEvent};
use model::{Direction, GrpcCode, Word};

use crate::upgrade::{self, Asked, Refusal};
use crate::{grpc, h2, sse, text, ws};

/// WebSocket frames: events do not depend on the pieces, come in order, and count no byte twice.
///
/// The first byte of the input chooses: its lowest bit whether permessage-deflate was agreed, the others the
/// length of the pieces.
///
/// # Panics
/// When it does not hold.
pub fn ws(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let piece = usize::from(choice >> 1) + 1;
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let whole = ws_events(direction, choice & 1 == 1, bytes, usize::MAX);
        assert_eq!(ws_events(direction, choice & 1 == 1, bytes, piece), whole, "in pieces of {piece}");
        assert_eq!(ws_events(direction, choice & 1 == 1, bytes, 1), whole, "byte by byte");
        assert_in_order(whole.iter().filter_map(ws_end), bytes.len());
        let counted: u64 = whole.iter().map(ws_payload).sum();
        assert!(counted <= bytes.len() as u64, "{counted} bytes of payload in {}", bytes.len());
    }
}

fn ws_events(direction: Direction, deflate: bool, bytes: &[u8], piece: usize) -> Vec<WebSocketEvent> {
    let mut scanner = ws::Scanner::new(direction, deflate);
    let mut events = Vec::new();
    for part in bytes.chunks(piece) {
        scanner.scan(part, &mut |event| events.push(event));
        assert!(!scanner.is_blind() || !scanner.is_at_frame_boundary(), "nobody knows where frames begin");
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

fn ws_end(event: &WebSocketEvent) -> Option<u64> {
    match *event {
        WebSocketEvent::Message { end, .. }
        | WebSocketEvent::Control { end, .. }
        | WebSocketEvent::Close { end, .. } => Some(end),
        WebSocketEvent::Frame { .. } | WebSocketEvent::Violation { .. } => None,
    }
}

fn ws_payload(event: &WebSocketEvent) -> u64 {
    match *event {
        WebSocketEvent::Message { bytes, .. } | WebSocketEvent::Control { bytes, .. } => bytes,
        _ => 0,
    }
}

/// Event streams: events do not depend on the pieces, come in order, and count no byte twice.
///
/// The first byte of the input chooses the length of the pieces.
///
/// # Panics
/// When it does not hold.
pub fn sse(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let piece = usize::from(choice) + 1;
    let whole = sse_events(bytes, usize::MAX);
    assert_eq!(sse_events(bytes, piece), whole, "in pieces of {piece}");
    assert_eq!(sse_events(bytes, 1), whole, "byte by byte");
    assert_in_order(whole.iter().filter_map(sse_end), bytes.len());
    let counted: u64 =
        whole.iter().map(|event| if let SseEvent::Event { bytes, .. } = event { *bytes } else { 0 }).sum();
    assert!(counted <= bytes.len() as u64, "{counted} bytes of events in {}", bytes.len());
}

fn sse_events(bytes: &[u8], piece: usize) -> Vec<SseEvent> {
    let mut scanner = sse::Scanner::new();
    let mut events = Vec::new();
    for part in bytes.chunks(piece) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

fn sse_end(event: &SseEvent) -> Option<u64> {
    match *event {
        SseEvent::Event { end, .. } | SseEvent::Comment { end } | SseEvent::Retry { end, .. } => Some(end),
        SseEvent::LongLine { .. } => None,
    }
}

/// Messages of gRPC: events do not depend on the pieces, come in order, and count each byte of a body that is
/// whole.
///
/// The first byte of the input chooses the length of the pieces.
///
/// # Panics
/// When it does not hold.
pub fn grpc(input: &[u8]) {
    const PREFIX_BYTES: u64 = 5;
    let Some((&choice, bytes)) = input.split_first() else { return };
    let piece = usize::from(choice) + 1;
    let (whole, is_whole) = grpc_events(bytes, usize::MAX);
    assert_eq!(grpc_events(bytes, piece), (whole.clone(), is_whole), "in pieces of {piece}");
    assert_eq!(grpc_events(bytes, 1), (whole.clone(), is_whole), "byte by byte");
    let messages = whole.iter().filter_map(|event| match *event {
        GrpcEvent::Message { bytes, end, .. } => Some((bytes, end)),
        GrpcEvent::Violation { .. } => None,
    });
    assert_in_order(messages.clone().map(|(_, end)| end), bytes.len());
    let counted: u64 = messages.map(|(bytes, _)| PREFIX_BYTES + bytes).sum();
    assert!(counted <= bytes.len() as u64, "{counted} bytes of messages in {}", bytes.len());
    assert!(!is_whole || counted == bytes.len() as u64, "{counted} bytes of messages in {}", bytes.len());
}

fn grpc_events(bytes: &[u8], piece: usize) -> (Vec<GrpcEvent>, bool) {
    let mut scanner = grpc::Scanner::new();
    let mut events = Vec::new();
    for part in bytes.chunks(piece) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    (events, scanner.is_at_message_boundary())
}

/// Headers of gRPC: what is read of a value says no more than the value, and is bounded.
///
/// The input is a value, read as each of the headers.
///
/// # Panics
/// When it does not hold.
pub fn grpc_head(input: &[u8]) {
    let message = grpc::message(input);
    assert!(message.len() <= grpc::MESSAGE_BYTES_MAX && !message.chars().any(text::steers), "{message}");
    if let Some((service, method)) = std::str::from_utf8(input).ok().and_then(grpc::method) {
        assert_eq!(format!("/{service}/{method}").as_bytes(), input);
        assert!(service.len().max(method.len()) <= grpc::METHOD_BYTES_MAX && !method.contains('/'));
    }
    if let Some(timeout) = grpc::timeout(input) {
        let (unit, digits) = input.split_last().expect("a unit");
        let units = match unit {
            b'H' => u128::from(timeout.as_secs() / 3600),
            b'M' => u128::from(timeout.as_secs() / 60),
            b'S' => u128::from(timeout.as_secs()),
            b'm' => timeout.as_millis(),
            b'u' => timeout.as_micros(),
            _ => timeout.as_nanos(),
        };
        let width = digits.len();
        assert_eq!(format!("{units:0width$}").as_bytes(), digits);
    }
    let code = grpc::code(Some(input));
    assert!(code == GrpcCode::Unknown || code.index().to_string().as_bytes() == input, "{code}");
    if grpc::is_grpc(input) {
        assert!(input.trim_ascii().len() >= "application/grpc".len());
    }
}

/// HTTP/2 frames: events do not depend on the pieces, come in order, and count no byte twice.
///
/// The first byte of the input chooses: its lowest bit the direction, the server's when set; the others the length
/// of the pieces.
///
/// # Panics
/// When it does not hold.
pub fn h2(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let direction = if choice & 1 == 1 { Direction::ServerToClient } else { Direction::ClientToServer };
    let piece = usize::from(choice >> 1) + 1;
    let whole = h2_events(direction, bytes, usize::MAX);
    assert_eq!(h2_events(direction, bytes, piece), whole, "in pieces of {piece}");
    assert_eq!(h2_events(direction, bytes, 1), whole, "byte by byte");
    assert_in_order(whole.iter().filter_map(h2_end), bytes.len());
    let counted: u64 = whole.iter().map(h2_payload).sum();
    assert!(counted <= bytes.len() as u64, "{counted} bytes of DATA in {}", bytes.len());
    for event in &whole {
        if let Http2Event::GoAway { debug, .. } = event {
            assert!(debug.len() <= h2::DEBUG_BYTES_MAX && !debug.chars().any(text::steers), "{debug}");
        }
    }
}

fn h2_events(direction: Direction, bytes: &[u8], piece: usize) -> Vec<Http2Event> {
    let mut scanner = h2::Scanner::new(direction);
    let mut events = Vec::new();
    for part in bytes.chunks(piece) {
        scanner.scan(part, &mut |event| events.push(event));
        assert!(!scanner.is_blind() || !scanner.is_at_frame_boundary(), "nobody knows where frames begin");
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

fn h2_end(event: &Http2Event) -> Option<u64> {
    match *event {
        Http2Event::Data { end, .. }
        | Http2Event::Headers { end, .. }
        | Http2Event::Reset { end, .. }
        | Http2Event::Settings { end, .. }
        | Http2Event::Ping { end, .. }
        | Http2Event::GoAway { end, .. }
        | Http2Event::WindowUpdate { end, .. } => Some(end),
        Http2Event::Violation { .. } => None,
    }
}

fn h2_payload(event: &Http2Event) -> u64 {
    if let Http2Event::Data { length, .. } = event { u64::from(*length) } else { 0 }
}

fn assert_in_order(ends: impl Iterator<Item = u64>, length: usize) {
    let mut last = 0;
    for end in ends {
        assert!(last < end && end <= length as u64, "{end} after {last} in {length} bytes");
        last = end;
    }
}

/// Handshakes: what is taken for one is one, an answer to another key is not taken, and taking away what is hop
/// by hop takes away no more.
///
/// The input is a request and an answer, as text with an empty line between: the method, then `name: value`
/// lines; and the answer's lines. Lines that cannot be header fields are left out.
///
/// # Panics
/// When it does not hold.
pub fn upgrade(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let method = lines.next().and_then(|method| Method::from_bytes(method).ok()).unwrap_or(Method::GET);
    let request: HeaderMap = lines.by_ref().take_while(|line| !line.is_empty()).filter_map(field).collect();
    let answer: HeaderMap = lines.filter_map(field).collect();
    match upgrade::check_request(&method, Version::HTTP_11, &request) {
        Ok(offer) => {
            assert_is_handshake(&method, &request);
            if upgrade::check_answer(&offer, &answer).is_ok() {
                assert_answers_this_key_alone(&request, &answer);
            }
        }
        Err(Refusal { status, text, .. }) => {
            assert!(status.is_client_error() && text.starts_with(status.canonical_reason().unwrap_or("?")));
        }
    }
    assert_strips_no_more(&request);
    assert_strips_no_more(&answer);
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?))
}

fn assert_is_handshake(method: &Method, request: &HeaderMap) {
    assert_eq!(method, Method::GET);
    assert_eq!(upgrade::classify(Version::HTTP_11, request), Asked::WebSocket);
    assert!(!request.contains_key(header::TRANSFER_ENCODING));
    for name in [header::HOST, header::UPGRADE, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION] {
        assert_eq!(request.get_all(&name).iter().count(), 1, "{name}");
    }
    for (method, version) in [(Method::POST, Version::HTTP_11), (Method::GET, Version::HTTP_10)] {
        assert!(upgrade::check_request(&method, version, request).is_err());
    }
}

fn assert_answers_this_key_alone(request: &HeaderMap, answer: &HeaderMap) {
    let mut other = request.clone();
    let used = &request[header::SEC_WEBSOCKET_KEY];
    let key = ["AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAQ=="].into_iter().find(|key| used != key);
    other
        .insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static(key.expect("one of two is another one")));
    let offer = upgrade::check_request(&Method::GET, Version::HTTP_11, &other).expect("a valid key as well");
    assert!(upgrade::check_answer(&offer, answer).is_err());
}

fn assert_strips_no_more(headers: &HeaderMap) {
    let mut stripped = headers.clone();
    upgrade::strip_hop_by_hop(&mut stripped);
    assert_eq!(upgrade::classify(Version::HTTP_11, &stripped), Asked::Nothing);
    assert!(!stripped.contains_key(header::CONNECTION) && !stripped.contains_key(header::TRANSFER_ENCODING));
    for name in [header::HOST, header::CONTENT_LENGTH, header::FORWARDED, header::SEC_WEBSOCKET_VERSION] {
        assert!(headers.get_all(&name).iter().eq(stripped.get_all(&name)), "{name}");
    }
    assert!(stripped.keys().all(|name| headers.contains_key(name)));
    let mut twice = stripped.clone();
    upgrade::strip_hop_by_hop(&mut twice);
    assert_eq!(twice, stripped);
}
