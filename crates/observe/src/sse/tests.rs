//! Streams as text, and the events they must give, in any pieces.

use model::event::SseEvent::{self, Comment, Event, LongLine, Retry};
use proptest::prelude::*;

use super::*;

mod properties;

fn scan(bytes: &[u8], piece: usize) -> Vec<SseEvent> {
    let mut scanner = Scanner::new();
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

#[track_caller]
fn check_bytes(stream: &[u8], expected: &[SseEvent]) {
    for piece in [1, 2, 5, stream.len()] {
        assert_eq!(scan(stream, piece), expected, "in pieces of {piece}");
    }
}

#[track_caller]
fn check(stream: &str, expected: &[SseEvent]) {
    check_bytes(stream.as_bytes(), expected);
}

fn event(bytes: u64, data_lines: u32, end: u64) -> SseEvent {
    Event { bytes, data_lines, has_id: false, has_name: false, end }
}

#[test]
fn the_examples_of_the_specification() {
    check("data: YHOO\ndata: +2\ndata: 10\n\n", &[event(30, 3, 30)]);
    let stream =
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    let with_id = |bytes, end| Event { bytes, data_lines: 1, has_id: true, has_name: false, end };
    check(stream, &[Comment { end: 14 }, with_id(25, 40), with_id(22, 62), event(20, 1, 82)]);
    check("data\n\ndata\ndata\n\ndata:", &[event(6, 1, 6), event(11, 2, 17)]);
    check("data:test\n\ndata: test\n\n", &[event(11, 1, 11), event(12, 1, 23)]);
}

#[test]
fn a_block_without_data_is_no_event() {
    check("id: 1\nevent: tick\n\n", &[]);
    check("\n\n\n", &[]);
    check("id: 1\n\ndata: x\n\n", &[event(9, 1, 16)]);
    check("data: x\n", &[]);
}

#[test]
fn names_are_exact() {
    for name in ["dat", "datas", "DATA", " data", "data ", "x", "da\0ta", "a-rather-long-name", "eventdata"] {
        check(&format!("{name}: x\n\n"), &[]);
    }
    let full = Event { bytes: 27, data_lines: 1, has_id: true, has_name: true, end: 27 };
    check("id: 1\nevent: tick\ndata: x\n\n", &[full]);
    check(
        "id\nevent\ndata\n\n",
        &[Event { bytes: 15, data_lines: 1, has_id: true, has_name: true, end: 15 }],
    );
    check("ids: 1\nevents: tick\ndata: x\n\n", &[event(29, 1, 29)]);
    check(
        "data: x\nid: 1\n\ndata: y\n\n",
        &[Event { bytes: 15, data_lines: 1, has_id: true, has_name: false, end: 15 }, event(9, 1, 24)],
    );
}

#[test]
fn every_line_end_ends_a_line() {
    check("data: a\r\rdata: b\r\r", &[event(9, 1, 9), event(9, 1, 18)]);
    check("data: a\n\rdata: b\n\n", &[event(9, 1, 9), event(9, 1, 18)]);
    check("data: a\rdata: b\ndata: c\r\n\n", &[event(26, 3, 26)]);
}

#[test]
fn an_event_ends_at_its_cr_and_the_lf_is_of_the_next_block() {
    check("data: a\r\n\r\ndata: b\r\n\r\n", &[event(10, 1, 10), event(11, 1, 21)]);
    check("data: a\r\n\ndata: b\n\r\n", &[event(10, 1, 10), event(9, 1, 19)]);
    check("data: a\r\r\n\ndata: b\n\n", &[event(9, 1, 9), event(9, 1, 20)]);
    check(":a\r\n:b\r\n", &[Comment { end: 3 }, Comment { end: 7 }]);
}

#[test]
fn one_byte_order_mark_at_the_start_is_no_part_of_the_line() {
    check("\u{feff}data: x\n\n", &[event(12, 1, 12)]);
    check("\u{feff}retry: 1\n", &[Retry { milliseconds: 1, end: 12 }]);
    check("\u{feff}: x\n", &[Comment { end: 7 }]);
    check("\u{feff}\ndata: x\n\n", &[event(9, 1, 13)]);
    check("\u{feff}\u{feff}data: x\n\n", &[]);
    check("x\u{feff}data: x\n\n", &[]);
    check("\n\u{feff}data: x\n\n", &[]);
    check_bytes(b"\xef\xbbdata: x\n\n", &[]);
    check_bytes(b"\xefdata: x\n\n", &[]);
    check_bytes(b"\n\xbbdata: x\n\n", &[]);
}

#[test]
fn comments_are_told() {
    check(": keep-alive\n\n", &[Comment { end: 13 }]);
    check(":\n:\r:data: x\n\n", &[Comment { end: 2 }, Comment { end: 4 }, Comment { end: 13 }]);
    check("data: x\n:y\n\n", &[Comment { end: 11 }, event(12, 1, 12)]);
    check(":unfinished", &[]);
}

#[test]
fn retry_is_digits_alone() {
    check("retry: 3000\n", &[Retry { milliseconds: 3000, end: 12 }]);
    check("retry:3\r\n", &[Retry { milliseconds: 3, end: 8 }]);
    check("retry: 007\n", &[Retry { milliseconds: 7, end: 11 }]);
    for value in ["", " ", "  4", " 4 ", " 3s", " -1", " +1", " 1.5", ":1", " \u{661}", "\t1"] {
        check(&format!("retry:{value}\n"), &[]);
    }
    check("retry\nretry 5\nretrys: 5\n", &[]);
    let huge = "retry: 99999999999999999999999\n";
    check(huge, &[Retry { milliseconds: u64::MAX, end: huge.len() as u64 }]);
}

#[track_caller]
fn check_long(stream: &str, expected: &[SseEvent]) {
    for piece in [1000, LINE_BYTES_MAX as usize, stream.len()] {
        assert_eq!(scan(stream.as_bytes(), piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn a_long_line_is_reported_once_and_counts() {
    const MAX: usize = LINE_BYTES_MAX as usize;
    let line =
        |beginning: &str, length: usize| format!("{beginning}{}", "1".repeat(length - beginning.len()));
    let stream = format!("{}\n\n", line("data: ", 3 * MAX));
    let end = stream.len() as u64;
    check_long(&stream, &[LongLine { at: 0 }, event(end, 1, end)]);
    check_long(&format!("{}\n\n", line("data: ", MAX)), &[event(LINE_BYTES_MAX + 2, 1, LINE_BYTES_MAX + 2)]);
    check_long(&line("data: ", MAX + 1), &[LongLine { at: 0 }]);
    check_long(&format!("\n{}", line(":", MAX + 1)), &[LongLine { at: 1 }]);
    check_long(&format!("x\r\n{}\n", line("x", MAX + 1)), &[LongLine { at: 3 }]);
    let retry = Retry { milliseconds: u64::MAX, end: LINE_BYTES_MAX + 2 };
    check_long(&format!("{}\n", line("retry: ", MAX + 1)), &[LongLine { at: 0 }, retry]);
    let two = format!("{0}\n{0}\n", line("x", MAX + 1));
    check_long(&two, &[LongLine { at: 0 }, LongLine { at: LINE_BYTES_MAX + 2 }]);
}

#[test]
fn line_ends_are_found_wherever_they_are() {
    for length in 0..200 {
        for line_end in ["\n", "\r"] {
            let text = format!("{}{line_end}{}", "x".repeat(length), "\n".repeat(40));
            assert_eq!(bytes_to_line_end(text.as_bytes()), length);
        }
        assert_eq!(bytes_to_line_end("x".repeat(length).as_bytes()), length);
    }
}

#[track_caller]
fn check_ids(ids: &[&str], asked: u64, skipped: Option<f64>) {
    let stream: String = ids.iter().map(|id| format!("id: {id}\ndata: x\n\n")).collect();
    for piece in [1, 7, stream.len()] {
        let mut scanner = Scanner::new();
        stream.as_bytes().chunks(piece).for_each(|part| scanner.scan(part, &mut |_| {}));
        assert_eq!(scanner.ids().count, ids.len() as u64, "{ids:?}");
        assert_eq!(scanner.ids().skipped_behind(asked), skipped, "{ids:?} in pieces of {piece}");
    }
}

#[test]
fn ids_tell_what_is_left_out() {
    check_ids(&["8", "9", "10"], 7, Some(0.0));
    check_ids(&["12", "13", "15", "16"], 8, Some(2.0));
    check_ids(&["1", "2", "3"], 9, Some(-9.0));
    check_ids(&["200", "400", "600"], 100, Some(-0.5));
    check_ids(&["8", "9"], 7, None);
    check_ids(&["8", "9", "9"], 7, None);
    check_ids(&["8", "x", "10", "11"], 7, None);
    check_ids(&["8", "7", "9", "10"], 7, None);
    check_ids(&["99999999999999999999", "1", "2", "3"], 0, None);
}
