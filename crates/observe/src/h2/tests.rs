//! Frames as they are on the wire, and the events they must give, in any pieces.

use model::Http2Error;
use model::event::Http2Event::{self, Data, GoAway, Headers, Ping, Reset, Settings, Violation, WindowUpdate};
use proptest::prelude::*;

use super::*;

mod properties;

const DOWN: Direction = Direction::ServerToClient;
const UP: Direction = Direction::ClientToServer;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PUSH_PROMISE: u8 = 0x5;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

/// Length of [`begin`] in a server's direction.
const BEGINNING: u64 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A payload of some numbers of four bytes.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A payload of settings.
fn pairs(pairs: &[(u16, u32)]) -> Vec<u8> {
    pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// What a side sends first, with an empty SETTINGS frame.
fn begin(direction: Direction) -> Vec<u8> {
    let preface = if direction == UP { &PREFACE[..] } else { &[] };
    [preface, &frame(SETTINGS, 0, 0, b"")].concat()
}

fn scan(direction: Direction, bytes: &[u8], piece: usize) -> Vec<Http2Event> {
    let mut scanner = Scanner::new(direction);
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

#[track_caller]
fn check_all(direction: Direction, bytes: &[u8], expected: &[Http2Event]) {
    for piece in [1, 2, 3, 10, bytes.len()] {
        assert_eq!(scan(direction, bytes, piece), expected, "in pieces of {piece}");
    }
}

/// What a server sends behind its first SETTINGS; offsets begin there.
#[track_caller]
fn check(bytes: &[u8], expected: &[Http2Event]) {
    let bytes = [&begin(DOWN), bytes].concat();
    for piece in [1, 2, 3, 10, bytes.len()] {
        let mut events = scan(DOWN, &bytes, piece);
        assert_eq!(events.remove(0), settings(0, BEGINNING));
        events.iter_mut().for_each(move_to_front);
        assert_eq!(events, expected, "in pieces of {piece}");
    }
}

fn move_to_front(event: &mut Http2Event) {
    match event {
        Data { end: place, .. }
        | Headers { end: place, .. }
        | Reset { end: place, .. }
        | Settings { end: place, .. }
        | Ping { end: place, .. }
        | GoAway { end: place, .. }
        | WindowUpdate { end: place, .. }
        | Violation { at: place, .. } => *place -= BEGINNING,
    }
}

fn settings(ack: u8, end: u64) -> Http2Event {
    Settings { ack: ack == 1, settings: Http2Settings::default(), end }
}

fn violation(violation: Http2Violation, at: u64) -> Http2Event {
    Violation { violation, at }
}

#[test]
fn both_sides_begin() {
    check_all(UP, &begin(UP), &[settings(0, 33)]);
    check_all(DOWN, &begin(DOWN), &[settings(0, 9)]);
    check_all(UP, &PREFACE[..23], &[]);
}

#[test]
fn what_does_not_begin_so_is_no_http2() {
    let preface = [violation(Http2Violation::Preface, 0)];
    check_all(UP, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &preface);
    check_all(UP, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", &preface);
    check_all(UP, b"PRI * HTTP/1.1\r\n\r\n", &preface);
    check_all(UP, &begin(DOWN), &preface);
    check_all(DOWN, b"HTTP/1.1 400 Bad Request\r\n\r\n", &preface);
    check_all(DOWN, &begin(UP), &preface);
    for first in [
        frame(SETTINGS, FLAG, 0, b""),
        frame(PING, 0, 0, &[0; 8]),
        frame(0xff, 0, 0, b""),
        frame(GOAWAY, 0, 0, &words(&[0, 1])),
    ] {
        check_all(DOWN, &[&first[..], &begin(DOWN)].concat(), &preface);
        let bytes = [&PREFACE[..], &first, &begin(DOWN)].concat();
        check_all(UP, &bytes, &[violation(Http2Violation::Preface, 24)]);
    }
}

#[test]
fn frames_of_streams() {
    let data = |stream, length, end_stream, end| Data { stream, length, end_stream, end };
    check(&frame(DATA, 0, 1, b"abc"), &[data(1, 3, false, 12)]);
    check(&frame(DATA, FLAG, 3, b""), &[data(3, 0, true, 9)]);
    check(&frame(DATA, 0x8 | FLAG, 5, b"\x02abc\0\0"), &[data(5, 6, true, 15)]);
    check(&frame(DATA, 0xfe, u32::MAX, b"a"), &[data(u32::MAX >> 1, 1, false, 10)]);
    check(&frame(HEADERS, 0x4, 1, b"\x88"), &[Headers { stream: 1, end_stream: false, end: 10 }]);
    check(
        &[frame(HEADERS, FLAG, 7, b"\x88"), frame(CONTINUATION, 0x4, 7, b"\x88")].concat(),
        &[Headers { stream: 7, end_stream: true, end: 10 }],
    );
    for (number, error) in [
        (0, Http2Error::NoError),
        (8, Http2Error::Cancel),
        (13, Http2Error::Http11Required),
        (14, Http2Error::Other),
        (0x8000_0008, Http2Error::Other),
    ] {
        check(&frame(RST_STREAM, 0, 9, &words(&[number])), &[Reset { stream: 9, error, end: 13 }]);
    }
}

#[test]
fn windows_are_given() {
    let update = |stream, increment| [WindowUpdate { stream, increment, end: 13 }];
    check(&frame(WINDOW_UPDATE, 0, 0, &words(&[1])), &update(0, 1));
    check(&frame(WINDOW_UPDATE, 0, 5, &words(&[u32::MAX])), &update(5, u32::MAX >> 1));
    check(&frame(WINDOW_UPDATE, FLAG, 1 << 31, &words(&[0])), &update(0, 0));
}

#[test]
fn pings_are_asked_and_answered() {
    let ping = |ack, end| Ping { ack, opaque: 0x0102_0304_0506_0708, end };
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
    let both = [frame(PING, 0, 0, &bytes), frame(PING, FLAG, 0, &bytes)].concat();
    check(&both, &[ping(false, 17), ping(true, 34)]);
}

#[test]
fn each_setting_has_its_place() {
    let all = [(1, 10), (2, 0), (3, 30), (4, 40), (5, 50), (6, 60), (7, 70), (8, 1), (0xff04, 9)];
    let expected = Http2Settings {
        header_table_size: Some(10),
        enable_push: Some(0),
        max_concurrent_streams: Some(30),
        initial_window_size: Some(40),
        max_frame_size: Some(50),
        max_header_list_size: Some(60),
        enable_connect_protocol: Some(1),
    };
    check(&frame(SETTINGS, 0, 0, &pairs(&all)), &[Settings { ack: false, settings: expected, end: 63 }]);
    check(&frame(SETTINGS, FLAG, 0, b""), &[settings(1, 9)]);
    let twice = Http2Settings { initial_window_size: Some(u32::MAX), ..Http2Settings::default() };
    check(
        &[frame(SETTINGS, 0, 0, &pairs(&[(4, 1), (4, u32::MAX)])), frame(SETTINGS, 0, 0, b"")].concat(),
        &[Settings { ack: false, settings: twice, end: 21 }, settings(0, 30)],
    );
}

#[test]
fn goaway_tells_why() {
    let goaway = |last_stream: u32, number: u32, debug: &[u8]| {
        frame(GOAWAY, 0, 0, &[&words(&[last_stream, number]), debug].concat())
    };
    let check = |bytes: &[u8], last_stream, error, debug: &str| {
        let end = bytes.len() as u64;
        check(bytes, &[GoAway { last_stream, error, debug: debug.into(), end }]);
    };
    check(&goaway(u32::MAX, 0, b""), u32::MAX >> 1, Http2Error::NoError, "");
    check(&goaway(7, 11, b"too_many_pings"), 7, Http2Error::EnhanceYourCalm, "too_many_pings");
    check(&goaway(0, 99, b"a\n\x1b[2J\xff"), 0, Http2Error::Other, "a\\n\\u{1b}[2J\u{fffd}");
    check(&goaway(1, 2, &[b'x'; 1000]), 1, Http2Error::InternalError, &"x".repeat(DEBUG_BYTES_MAX));
    check(&goaway(1, 2, &[0; 1000]), 1, Http2Error::InternalError, &"\\u{0}".repeat(DEBUG_BYTES_MAX / 5));
}

#[test]
fn the_text_of_one_goaway_is_not_that_of_the_next() {
    let first = frame(GOAWAY, 0, 0, &[&words(&[1, 0])[..], b"max_age"].concat());
    let second = frame(GOAWAY, 0, 0, &words(&[1, 0]));
    let goaway =
        |debug: &str, end| GoAway { last_stream: 1, error: Http2Error::NoError, debug: debug.into(), end };
    check(&[first, second].concat(), &[goaway("max_age", 24), goaway("", 41)]);
}

#[test]
fn frames_of_no_interest_are_no_events() {
    let between = [
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(PRIORITY, 0, 0, b""),
        frame(PUSH_PROMISE, 0x4, 1, &[0; 4]),
        frame(0x0a, 0xff, 0, b"h2=\":443\""),
        frame(0xff, FLAG, 77, &[0xff; 300]),
    ]
    .concat();
    let end = between.len() as u64 + 17;
    check(&[between, frame(PING, 0, 0, &[0; 8])].concat(), &[Ping { ack: false, opaque: 0, end }]);
}

#[test]
fn a_wrong_frame_is_no_event_and_hides_none() {
    use Http2Violation::{FrameLength, StreamId};
    for (bytes, expected) in [
        (frame(RST_STREAM, 0, 1, &[0; 3]), FrameLength),
        (frame(RST_STREAM, 0, 1, &[0; 5]), FrameLength),
        (frame(WINDOW_UPDATE, 0, 1, b""), FrameLength),
        (frame(WINDOW_UPDATE, 0, 1, &[0; 8]), FrameLength),
        (frame(PING, 0, 0, &[0; 7]), FrameLength),
        (frame(PING, 0, 0, &[0; 9]), FrameLength),
        (frame(GOAWAY, 0, 0, &[0; 7]), FrameLength),
        (frame(SETTINGS, 0, 0, &[0; 7]), FrameLength),
        (frame(SETTINGS, FLAG, 0, &[0; 6]), FrameLength),
        (frame(SETTINGS, 0, 1, &[0; 7]), FrameLength),
        (frame(DATA, 0, 0, b"abc"), StreamId),
        (frame(DATA, FLAG, 1 << 31, b"abc"), StreamId),
        (frame(HEADERS, 0, 0, b""), StreamId),
        (frame(RST_STREAM, 0, 0, &[0; 4]), StreamId),
        (frame(SETTINGS, 0, 1, &pairs(&[(4, 1)])), StreamId),
        (frame(PING, 0, 1, &[0; 8]), StreamId),
        (frame(GOAWAY, 0, 3, &[0; 8]), StreamId),
    ] {
        let at = 9;
        let end = bytes.len() as u64 + at + 9;
        let bytes = [frame(SETTINGS, 0, 0, b""), bytes, frame(SETTINGS, 0, 0, b"")].concat();
        check(&bytes, &[settings(0, 9), violation(expected, at), settings(0, end)]);
    }
}

#[test]
fn a_frame_that_the_receiver_does_not_take_ends_the_scan_and_not_the_count() {
    let longest = frame(DATA, 0, 1, &[0; FRAME_BYTES_INITIAL as usize]);
    let end = longest.len() as u64;
    let data = Data { stream: 1, length: FRAME_BYTES_INITIAL, end_stream: false, end };
    let long = frame(DATA, 0, 1, &[0; FRAME_BYTES_INITIAL as usize + 1]);
    let bytes = [longest, long, frame(PING, 0, 0, &[0; 8])].concat();
    check(&bytes, &[data, violation(Http2Violation::FrameTooLong, end)]);
    check(&frame(0xff, 0, 1, &[0; 20_000]), &[violation(Http2Violation::FrameTooLong, 0)]);
}

#[test]
fn a_receiver_may_take_longer_frames() {
    let bytes = [begin(DOWN), frame(DATA, 0, 1, &[0; 20_000])].concat();
    let is_blind = |allowed: &[u32]| {
        let mut scanner = Scanner::new(DOWN);
        allowed.iter().for_each(|&bytes| scanner.allow_frame_size(bytes));
        scanner.scan(&bytes, &mut |_| {});
        scanner.is_blind()
    };
    assert!(is_blind(&[]));
    assert!(is_blind(&[19_999]));
    assert!(!is_blind(&[20_000]));
    assert!(!is_blind(&[20_000, 0]), "what was allowed stays so");
}

/// Feeds byte by byte and writes, in front of each byte and at the end, `|` at a frame boundary, `x` when blind,
/// `.` for none of these.
fn states(direction: Direction, bytes: &[u8]) -> String {
    let mut scanner = Scanner::new(direction);
    let state = |scanner: &Scanner| match (scanner.is_at_frame_boundary(), scanner.is_blind()) {
        (true, false) => '|',
        (false, true) => 'x',
        (false, false) => '.',
        (true, true) => '?',
    };
    let mut states = String::from(state(&scanner));
    for byte in bytes {
        scanner.scan(&[*byte], &mut |_| {});
        states.push(state(&scanner));
    }
    states
}

#[test]
fn boundaries_are_between_frames() {
    assert_eq!(states(DOWN, &begin(DOWN)), "|........|");
    assert_eq!(states(UP, &begin(UP)), format!("{}|........|", ".".repeat(24)));
    let data = [begin(DOWN), frame(DATA, 0, 1, b"ab")].concat();
    assert_eq!(states(DOWN, &data), "|........|..........|");
    assert_eq!(states(DOWN, b"HTTP/1.1 400"), "|........xxxx");
    assert_eq!(states(UP, b"PRX"), "...x");
    let almost = [&PREFACE[..23], b"\r\r"].concat();
    assert_eq!(states(UP, &almost), format!("{}xx", ".".repeat(24)));
}

#[test]
fn an_idle_scanner_is_small() {
    assert!(size_of::<Scanner>() <= 280, "{} bytes, twice for each connection", size_of::<Scanner>());
}
