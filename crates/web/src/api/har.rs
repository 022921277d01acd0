//! A recording as HAR 1.2 (HTTP Archive), with the extensions that Chrome writes for WebSocket messages and for
//! event streams. Sizes only: `data` is always empty, and `_bytes` tells its size. Neither path nor headers are
//! kept of a connection, so the URL is that of the upstream.

use http::StatusCode;
use model::recording::{Happening, Recorded, Recording};
use model::{Direction, Opcode, Protocol, WallTime};
use serde_json::{Value, json};

const COMMENT: &str = "sizes and times only: no payload, path or headers are kept";

/// The archive of one connection with these of its events.
pub(super) fn of(recording: &Recording, events: &[Recorded], version: &str) -> Value {
    json!({"log": {
        "version": "1.2",
        "creator": {"name": "heartline", "version": version},
        "pages": [],
        "entries": [entry(recording, events)],
    }})
}

fn entry(recording: &Recording, events: &[Recorded]) -> Value {
    let (status, wait) = opening(recording);
    let open = recording.events.last().map_or(0.0, |last| last.after_seconds * 1000.0);
    let started = WallTime(recording.established_at.0.saturating_sub((wait * 1e6) as u64));
    let (resource, messages_key, messages, mime) = match recording.protocol {
        Protocol::WebSocket => ("websocket", "_webSocketMessages", websocket(events), "x-unknown"),
        Protocol::Sse => ("eventsource", "_eventSourceMessages", event_stream(events), "text/event-stream"),
        Protocol::Grpc => ("fetch", "_messages", Value::Array(Vec::new()), "application/grpc"),
    };
    let mut entry = json!({
        "_connectionId": recording.id,
        "_resourceType": resource,
        "startedDateTime": started,
        "time": wait + open,
        "request": {
            "method": "GET", "url": url(recording), "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
            "queryString": [], "headersSize": -1, "bodySize": 0,
        },
        "response": {
            "status": status, "statusText": reason(status), "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [], "content": {"size": 0, "mimeType": mime}, "redirectURL": "", "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": open},
        "comment": COMMENT,
    });
    entry[messages_key] = messages;
    entry
}

/// Status that the client was sent, 0 for none; milliseconds from the request to it.
fn opening(recording: &Recording) -> (u16, f64) {
    match recording.events.first().map(|event| event.what) {
        Some(Happening::Handshake { status, seconds, .. }) => (status.unwrap_or(0), seconds * 1000.0),
        _ => (0, 0.0),
    }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

fn url(recording: &Recording) -> String {
    let upstream = recording.upstream.as_deref().unwrap_or("http://unreached.invalid");
    let upstream = upstream.trim_end_matches('/');
    match (recording.protocol, upstream.strip_prefix("http")) {
        (Protocol::WebSocket, Some(rest)) => format!("ws{rest}/"),
        _ => format!("{upstream}/"),
    }
}

fn websocket(events: &[Recorded]) -> Value {
    let frames = events.iter().filter_map(|event| {
        let (direction, opcode, bytes) = match event.what {
            Happening::Message { direction, opcode, bytes, .. } => {
                (direction, if opcode == Opcode::Text { 1 } else { 2 }, bytes)
            }
            Happening::Close { direction, code } => (direction, 8, if code.is_some() { 2 } else { 0 }),
            Happening::Ping { direction, bytes, .. } => (direction, 9, bytes.into()),
            Happening::Pong { direction, bytes, .. } => (direction, 10, bytes.into()),
            _ => return None,
        };
        let kind = if direction == Direction::ClientToServer { "send" } else { "receive" };
        Some(json!({
            "type": kind, "time": event.at.as_secs_f64(), "opcode": opcode, "data": "", "_bytes": bytes,
        }))
    });
    frames.collect()
}

fn event_stream(events: &[Recorded]) -> Value {
    let messages = events.iter().filter_map(|event| {
        let Happening::Event { bytes } = event.what else { return None };
        let time = event.at.as_secs_f64();
        Some(json!({"time": time, "eventName": "", "eventId": "", "data": "", "_bytes": bytes}))
    });
    messages.collect()
}
