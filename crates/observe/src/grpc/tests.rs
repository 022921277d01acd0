//! Bodies as they are on the wire, and the events they must give, in any pieces.

use model::event::GrpcEvent::{self, Message, Violation};
use proptest::prelude::*;

use super::*;

mod properties;

/// A message with its prefix.
fn prefixed(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&[flag], &length[..], payload].concat()
}

fn scan(bytes: &[u8], piece: usize) -> Vec<GrpcEvent> {
    let mut scanner = Scanner::new();
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

#[track_caller]
fn check(bytes: &[u8], expected: &[GrpcEvent]) {
    for piece in [1, 2, 3, 5, bytes.len()] {
        assert_eq!(scan(bytes, piece), expected, "in pieces of {piece}");
    }
}

fn plain(bytes: u64, end: u64) -> GrpcEvent {
    Message { bytes, compressed: false, end }
}

#[test]
fn messages_of_any_length() {
    check(b"", &[]);
    for length in [0, 1, 255, 256, 65_535, 65_536, 100_000] {
        check(&prefixed(0, &vec![0xff; length]), &[plain(length as u64, length as u64 + 5)]);
    }
}

#[test]
fn messages_follow_each_other() {
    let body = [prefixed(0, b"abc"), prefixed(0, b""), prefixed(0, b""), prefixed(0, b"d")].concat();
    check(&body, &[plain(3, 8), plain(0, 13), plain(0, 18), plain(1, 24)]);
}

#[test]
fn compressed_messages_are_counted_as_they_are() {
    let body = [prefixed(1, b"\x1f\x8b\x08"), prefixed(0, b"x"), prefixed(1, b"")].concat();
    let compressed = |bytes, end| Message { bytes, compressed: true, end };
    check(&body, &[compressed(3, 8), plain(1, 14), compressed(0, 19)]);
}

#[test]
fn the_longest_length_is_waited_for() {
    let body = [&[0, 0xff, 0xff, 0xff, 0xff][..], &[0x80; 1000]].concat();
    check(&body, &[]);
    let mut scanner = Scanner::new();
    scanner.scan(&body, &mut |_| {});
    assert!(!scanner.is_blind() && !scanner.is_at_message_boundary());
}

#[test]
fn another_flag_ends_the_scan_and_not_the_count() {
    for flag in [2, 0x80, 0xff, b'<'] {
        let body = [prefixed(0, b"abc"), prefixed(flag, b"abc"), prefixed(0, b"abc")].concat();
        check(&body, &[plain(3, 8), Violation { flag, at: 8 }]);
        check(&[flag], &[Violation { flag, at: 0 }]);
    }
}

/// Feeds byte by byte and writes, in front of each byte and at the end, `|` at a message boundary, `x` when blind,
/// `.` for none of these.
fn states(bytes: &[u8]) -> String {
    let mut scanner = Scanner::new();
    let state = |scanner: &Scanner| match (scanner.is_at_message_boundary(), scanner.is_blind()) {
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
fn boundaries_are_between_messages() {
    assert_eq!(states(&prefixed(0, b"ab")), "|......|");
    assert_eq!(states(&[prefixed(0, b""), prefixed(1, b"a")].concat()), "|....|.....|");
    assert_eq!(states(b"\0\0\x02"), "|...");
    assert_eq!(states(b"\0\0\0\0\0\x02\0"), "|....|xx");
}

#[test]
fn an_idle_scanner_is_small() {
    assert!(size_of::<Scanner>() <= 40, "{} bytes, twice for each stream", size_of::<Scanner>());
}
