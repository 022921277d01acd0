//! Streams as text, and the events they must give, in any pieces.

use model::event::SseEvent::{self, Comment, Event, LongLine, Retry};
use proptest::prelude::*;

use super::*;

fn scan_in_pieces(bytes: &[u8], piece: usize) -> Vec<SseEvent> {
    let mut scanner = Scanner::new();
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

#[track_caller]
fn check(stream: &str, expected: &[SseEvent]) {
    for piece in [1, 2, 5, stream.len()] {
        assert_eq!(scan_in_pieces(stream.as_bytes(), piece), expected, "in pieces of {piece}");
    }
}

fn event(bytes: u64, data_lines: u32, end: u64) -> SseEvent {
    Event { bytes, data_lines, has_id: false, has_name: false, end }
}

#[test]
fn a_block_with_data_is_an_event() {
    check("data: x\n\n", &[event(9, 1, 9)]);
    check("data\n\ndata\ndata\n\ndata:", &[event(6, 1, 6), event(11, 2, 17)]);
    check("data:test\n\ndata: test\n\n", &[event(11, 1, 11), event(12, 1, 23)]);
    check("id: 1\nevent: tick\n\n", &[]);
    check("\n\n\n", &[]);
    check("dat: x\n\ndatas: x\n\nDATA: x\n\n", &[]);
}

#[test]
fn names_and_ids_are_seen() {
    let full = Event { bytes: 27, data_lines: 1, has_id: true, has_name: true, end: 27 };
    check("id: 1\nevent: tick\ndata: x\n\n", &[full]);
}

#[test]
fn every_line_end_ends_a_line() {
    check("data: a\r\rdata: b\r\r", &[event(9, 1, 9), event(9, 1, 18)]);
    check("data: a\r\n\r\ndata: b\n\n", &[event(10, 1, 10), event(10, 1, 20)]);
    check("data: a\r\n\ndata: b\n\r\n", &[event(10, 1, 10), event(9, 1, 19)]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    check("\u{feff}data: x\n\n", &[event(12, 1, 12)]);
    check("x\u{feff}data: x\n\n", &[]);
}

#[test]
fn comments_and_retry_are_told() {
    check(": keep-alive\n\n", &[Comment { end: 13 }]);
    check("retry: 3000\n", &[Retry { milliseconds: 3000, end: 12 }]);
    check("retry:3\n", &[Retry { milliseconds: 3, end: 8 }]);
    check("retry: 3s\nretry:\nretry\nretry:  4\n", &[]);
    let huge = "retry: 99999999999999999999999\n";
    check(huge, &[Retry { milliseconds: u64::MAX, end: huge.len() as u64 }]);
}

#[test]
fn a_long_line_is_reported_once_and_counts() {
    let stream = format!("data: {}\n\n", "x".repeat(2 * 1024 * 1024));
    let end = stream.len() as u64;
    for piece in [1000, stream.len()] {
        let expected = [LongLine { at: 0 }, event(end, 1, end)];
        assert_eq!(scan_in_pieces(stream.as_bytes(), piece), expected);
    }
}

/// Bytes that mean something to the grammar.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("data"),
        Just("id"),
        Just("event"),
        Just("retry"),
        Just(":"),
        Just(": "),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("7"),
        Just("x"),
        Just("\u{feff}"),
        Just("\0"),
    ];
    prop::collection::vec(word, 0..200).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn events_do_not_depend_on_pieces(bytes in stream(), piece in 1usize..20) {
        prop_assert_eq!(scan_in_pieces(&bytes, piece), scan_in_pieces(&bytes, bytes.len()));
    }

    #[test]
    fn any_bytes_will_do(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..200) {
        prop_assert_eq!(scan_in_pieces(&bytes, piece), scan_in_pieces(&bytes, bytes.len()));
    }

    #[test]
    fn counts_are_the_truth(lines in prop::collection::vec(1u32..5, 0..50), piece in 1usize..100) {
        let stream: String = lines.iter().map(|&count| "data: x\r\n".repeat(count as usize) + "\r\n").collect();
        let seen: Vec<u32> = scan_in_pieces(stream.as_bytes(), piece)
            .into_iter()
            .filter_map(|event| match event {
                Event { data_lines, .. } => Some(data_lines),
                _ => None,
            })
            .collect();
        prop_assert_eq!(seen, lines);
    }
}
