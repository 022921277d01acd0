//! What a real peer sends beside what is seen in it.
//!
//! `chat-grpc-python` is one call of a bidirectional stream through grpcio 1.85 without TLS: three messages each
//! way, ended by the server with FAILED_PRECONDITION and `room 100% full`; then the server goes away.

use std::fs;
use std::path::Path;

use model::Direction;
use model::event::{GrpcEvent, Http2Event};
use observe::{grpc, h2};

#[track_caller]
fn check(file: &str, direction: Direction, expected: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(file);
    let bytes = fs::read(&path).expect("a readable file");
    let mut frames = h2::Scanner::new(direction);
    let mut messages = grpc::Scanner::new();
    let mut lines = Vec::new();
    frames.scan(&bytes, &mut |event| {
        lines.push(frame(&event));
        messages.scan(payload(&bytes, &event), &mut |event| lines.push(message(event)));
    });
    assert_eq!(lines, expected);
    assert!(frames.is_at_frame_boundary() && messages.is_at_message_boundary());
}

/// What a DATA frame without padding carries.
fn payload<'a>(bytes: &'a [u8], event: &Http2Event) -> &'a [u8] {
    match *event {
        Http2Event::Data { length, end, .. } => &bytes[end as usize - length as usize..end as usize],
        _ => &[],
    }
}

fn frame(event: &Http2Event) -> String {
    let last = |is_end: bool| if is_end { " last" } else { "" };
    match event {
        Http2Event::Data { stream, length, end_stream, .. } => {
            format!("data {stream} {length}{}", last(*end_stream))
        }
        Http2Event::Headers { stream, end_stream, .. } => format!("headers {stream}{}", last(*end_stream)),
        Http2Event::Settings { ack: true, .. } => "settings ack".to_owned(),
        Http2Event::Settings { settings, .. } => {
            format!("settings window {:?} frame {:?}", settings.initial_window_size, settings.max_frame_size)
        }
        Http2Event::Ping { ack, opaque, .. } => format!("ping {opaque:x}{}", if *ack { " ack" } else { "" }),
        Http2Event::WindowUpdate { stream, increment, .. } => format!("window {stream} +{increment}"),
        Http2Event::GoAway { last_stream, error, debug, .. } => {
            format!("goaway {last_stream} {error} {debug}")
        }
        Http2Event::Reset { .. } | Http2Event::Violation { .. } => format!("{event:?}"),
    }
}

fn message(event: GrpcEvent) -> String {
    match event {
        GrpcEvent::Message { bytes, compressed: false, .. } => format!("  message {bytes}"),
        GrpcEvent::Message { .. } | GrpcEvent::Violation { .. } => format!("  {event:?}"),
    }
}

#[test]
fn a_chat_by_grpc_python() {
    let client = [
        "settings window Some(4194304) frame Some(4194304)",
        "window 0 +4128769",
        "settings ack",
        "headers 1",
        "window 1 +5",
        "data 1 10",
        "  message 5",
        "window 0 +5",
        "data 1 5",
        "  message 0",
        "data 1 8",
        "  message 3",
        "data 1 0 last",
        "ping c96fc3e67d3db23 ack",
        "window 1 +15",
        "window 0 +15",
        "ping 58be2d7389ff7ad3",
        "ping 892d87a5026d8875 ack",
        "window 0 +19",
    ];
    check("chat-grpc-python.client", Direction::ClientToServer, &client);
    let server = [
        "settings window Some(4194304) frame Some(4194304)",
        "window 0 +4128769",
        "settings ack",
        "ping c96fc3e67d3db23",
        "headers 1",
        "data 1 20",
        "  message 15",
        "window 0 +23",
        "ping 58be2d7389ff7ad3 ack",
        "data 1 5",
        "  message 0",
        "data 1 14",
        "  message 9",
        "headers 1 last",
        "goaway 2147483647 NO_ERROR Server shutdown",
        "ping 892d87a5026d8875",
    ];
    check("chat-grpc-python.server", Direction::ServerToClient, &server);
}
