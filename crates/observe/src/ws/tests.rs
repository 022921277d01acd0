//! Frames as they are on the wire, and the events they must give, in any pieces.

use model::event::WebSocketEvent::{self, Close, Control, Frame, Message, Violation};
use proptest::prelude::*;

use super::*;

mod properties;

const DOWN: Direction = Direction::ServerToClient;
const UP: Direction = Direction::ClientToServer;

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(length as u8),
        126..=0xffff => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// The same frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let plain = frame(first, payload);
    let head = plain.len() - payload.len();
    let mut bytes = plain[..head].to_vec();
    bytes[1] |= MASK;
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn scan(direction: Direction, deflate: bool, bytes: &[u8], piece: usize) -> Vec<WebSocketEvent> {
    let mut scanner = Scanner::new(direction, deflate);
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

/// `deflate` is agreed.
#[track_caller]
fn check(direction: Direction, bytes: &[u8], expected: &[WebSocketEvent]) {
    for piece in [1, 2, 3, bytes.len()] {
        assert_eq!(scan(direction, true, bytes, piece), expected, "in pieces of {piece}");
    }
}

fn text(frames: u32, bytes: u64, end: u64) -> WebSocketEvent {
    Message { opcode: Opcode::Text, frames, bytes, compressed: false, end }
}

/// What the tag of a payload must be.
fn violation(violation: FrameViolation, at: u64) -> WebSocketEvent {
    Violation { violation, at }
}

#[test]
fn lengths_of_all_three_forms() {
    for length in [0usize, 1, 125, 126, 127, 65_535, 65_536] {
        let bytes = frame(0x81, &vec![b'x'; length]);
        let end = bytes.len() as u64;
        check(DOWN, &bytes, &[Frame { opcode: Opcode::Text }, text(1, length as u64, end)]);
        let bytes = masked(0x81, &vec![b'x'; length]);
        check(UP, &bytes, &[Frame { opcode: Opcode::Text }, text(1, length as u64, end + 4)]);
    }
}

#[test]
fn masks_belong_to_clients() {
    let head = Frame { opcode: Opcode::Text };
    check(UP, &masked(0x81, b"Hello"), &[head, text(1, 5, 11)]);
    check(UP, &frame(0x81, b"Hello"), &[head, violation(FrameViolation::Unmasked, 0), text(1, 5, 7)]);
    check(DOWN, &masked(0x81, b"Hello"), &[head, violation(FrameViolation::Masked, 0), text(1, 5, 11)]);
}

#[test]
fn control_frames_may_stand_inside_a_message() {
    let bytes = [frame(0x01, b"Hel"), frame(0x89, b"?"), frame(0x00, b""), frame(0x80, b"lo")].concat();
    let expected = [
        Frame { opcode: Opcode::Text },
        Frame { opcode: Opcode::Ping },
        Control { opcode: Opcode::Ping, bytes: 1, tag: tag(b"?"), begin: 5, end: 8 },
        Frame { opcode: Opcode::Continuation },
        Frame { opcode: Opcode::Continuation },
        text(3, 5, 14),
    ];
    check(DOWN, &bytes, &expected);
}

#[test]
fn compressed_messages_are_counted_as_they_are() {
    let bytes = [frame(0x42, b"abc"), frame(0x80, b"d"), frame(0x81, b"")].concat();
    let expected = [
        Frame { opcode: Opcode::Binary },
        Frame { opcode: Opcode::Continuation },
        Message { opcode: Opcode::Binary, frames: 2, bytes: 4, compressed: true, end: 8 },
        Frame { opcode: Opcode::Text },
        text(1, 0, 10),
    ];
    check(DOWN, &bytes, &expected);
}

#[test]
fn close_codes() {
    let close = |code: Option<u16>, end| Close { code: code.map(CloseCode), end };
    let head = Frame { opcode: Opcode::Close };
    check(DOWN, &frame(0x88, b""), &[head, close(None, 2)]);
    check(DOWN, &frame(0x88, &1000u16.to_be_bytes()), &[head, close(Some(1000), 4)]);
    let with_reason = [&4321u16.to_be_bytes()[..], b"gone"].concat();
    check(UP, &masked(0x88, &with_reason), &[head, close(Some(4321), 12)]);
    let short = violation(FrameViolation::CloseBodyLength, 0);
    check(DOWN, &frame(0x88, b"x"), &[head, short, close(None, 3)]);
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535] {
        let bad = violation(FrameViolation::CloseCode, 0);
        check(UP, &masked(0x88, &code.to_be_bytes()), &[head, bad, close(Some(code), 8)]);
    }
}

#[test]
fn a_pong_has_the_tag_of_its_ping() {
    // Published test vectors of FNV-1a.
    assert_eq!(tag(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(tag(b"foobar"), 0x8594_4171_f739_67e8);
    let payload: Vec<u8> = (0..125).collect();
    for length in [0, 1, 4, 7, 125] {
        let payload = &payload[..length];
        let (ping, pong) = (frame(0x89, payload), masked(0x8a, payload));
        let control = |opcode, end| {
            [Frame { opcode }, Control { opcode, bytes: length as u64, tag: tag(payload), begin: 0, end }]
        };
        check(DOWN, &ping, &control(Opcode::Ping, ping.len() as u64));
        check(UP, &pong, &control(Opcode::Pong, pong.len() as u64));
    }
}

#[test]
fn a_pong_that_is_not_complete_is_seen() {
    let pong = masked(0x8a, b"12345678");
    for length in 0..pong.len() {
        let mut scanner = Scanner::new(UP, false);
        scanner.scan(&[&masked(0x81, b"a"), &pong[..length]].concat(), &mut |_| {});
        assert_eq!(scanner.unfinished_pong(8), length as u64);
        let expected = if length < 2 { length as u64 } else { 0 };
        assert_eq!(scanner.unfinished_pong(7), expected);
        scanner.scan(&pong[length..], &mut |_| {});
        assert_eq!(scanner.unfinished_pong(8), 0);
    }
    for other in [masked(0x89, b"12345678"), masked(0x82, b"12345678")] {
        let mut scanner = Scanner::new(UP, false);
        scanner.scan(&other[..9], &mut |_| {});
        assert_eq!(scanner.unfinished_pong(8), 0);
    }
}

#[test]
fn a_violation_does_not_hide_what_follows() {
    let ping = |end| {
        [
            Frame { opcode: Opcode::Ping },
            Control { opcode: Opcode::Ping, bytes: 0, tag: tag(b""), begin: end - 2, end },
        ]
    };
    let check = |first: &[u8], events: &[WebSocketEvent]| {
        let bytes = [first, &frame(0x89, b"")].concat();
        check(DOWN, &bytes, &[events, &ping(bytes.len() as u64)].concat());
    };
    use FrameViolation::*;
    let head = |opcode| Frame { opcode };
    check(&frame(0xa1, b"a"), &[head(Opcode::Text), violation(ReservedBit, 0), text(1, 1, 3)]);
    check(&frame(0x83, b"a"), &[head(Opcode::Reserved), violation(ReservedOpcode, 0)]);
    check(&frame(0x0b, b"a"), &[head(Opcode::Reserved), violation(ReservedOpcode, 0)]);
    let long = Control { opcode: Opcode::Pong, bytes: 126, tag: tag(&[0; 125]), begin: 0, end: 130 };
    check(&frame(0x8a, &[0; 126]), &[head(Opcode::Pong), violation(LongControl, 0), long]);
    let fragment = Control { opcode: Opcode::Ping, bytes: 0, tag: tag(b""), begin: 0, end: 2 };
    check(&frame(0x09, b""), &[head(Opcode::Ping), violation(FragmentedControl, 0), fragment]);
    check(&[0x81, 126, 0, 1, 0], &[head(Opcode::Text), violation(NonMinimalLength, 0), text(1, 1, 5)]);
    let wide = [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0];
    check(&wide, &[head(Opcode::Text), violation(NonMinimalLength, 0), text(1, 0, 10)]);
}

#[test]
fn a_continuation_needs_a_message_to_continue() {
    let orphan =
        |at| [Frame { opcode: Opcode::Continuation }, violation(FrameViolation::UnexpectedContinuation, at)];
    check(DOWN, &frame(0x80, b"a"), &orphan(0));
    check(DOWN, &[frame(0x00, b"a"), frame(0x80, b"b")].concat(), &[orphan(0), orphan(3)].concat());
    let after = [frame(0x81, b""), frame(0x80, b"b")].concat();
    check(DOWN, &after, &[&[Frame { opcode: Opcode::Text }, text(1, 0, 2)], &orphan(2)[..]].concat());
}

#[test]
fn a_message_inside_a_message_takes_its_place() {
    let bytes = [frame(0x42, b"ab"), frame(0x01, b"c"), frame(0x80, b"d")].concat();
    let expected = [
        Frame { opcode: Opcode::Binary },
        Frame { opcode: Opcode::Text },
        violation(FrameViolation::InterruptedMessage, 4),
        Frame { opcode: Opcode::Continuation },
        text(2, 2, 10),
    ];
    check(DOWN, &bytes, &expected);
}

#[test]
fn after_a_close_frame_nothing_may_come() {
    let bytes = [frame(0x88, b""), frame(0x81, b"a"), frame(0x88, b"")].concat();
    let close = |end| Close { code: None, end };
    let expected = [
        Frame { opcode: Opcode::Close },
        close(2),
        Frame { opcode: Opcode::Text },
        violation(FrameViolation::AfterClose, 2),
        text(1, 1, 5),
        Frame { opcode: Opcode::Close },
        violation(FrameViolation::AfterClose, 5),
        close(7),
    ];
    check(DOWN, &bytes, &expected);
}

#[test]
fn reserved_bits_are_defined_by_deflate_alone_and_for_first_frames_alone() {
    let is_reported = |deflate, bytes: &[u8]| {
        let events = scan(DOWN, deflate, bytes, bytes.len());
        events.contains(&violation(FrameViolation::ReservedBit, bytes.len() as u64 - 2))
    };
    let continued = [frame(0x01, b""), frame(0xc0, b"")].concat();
    for (bytes, with_deflate) in [
        (frame(0xc1, b""), false),
        (frame(0xc2, b""), false),
        (frame(0xe1, b""), true),
        (frame(0xd1, b""), true),
        (frame(0xc9, b""), true),
        (frame(0xc8, b""), true),
        (continued, true),
    ] {
        assert!(is_reported(false, &bytes), "{bytes:x?}");
        assert_eq!(is_reported(true, &bytes), with_deflate, "{bytes:x?}");
    }
}

#[test]
fn an_impossible_length_ends_the_scan_and_not_the_count() {
    let mut bytes = vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0x81; 1000]);
    check(DOWN, &bytes, &[Frame { opcode: Opcode::Binary }, violation(FrameViolation::LengthOverflow, 0)]);
    let mut scanner = Scanner::new(DOWN, false);
    scanner.scan(&bytes[..9], &mut |_| {});
    assert!(!scanner.is_blind());
    scanner.scan(&bytes[9..], &mut |_| {});
    assert!(scanner.is_blind() && !scanner.is_at_frame_boundary());
}

#[test]
fn the_longest_length_is_waited_for() {
    let bytes = [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    check(DOWN, &bytes, &[Frame { opcode: Opcode::Binary }]);
    let endless = [frame(0x02, b""), bytes.to_vec()].concat();
    let mut scanner = Scanner::new(DOWN, false);
    scanner.scan(&endless, &mut |_| {});
    assert!(!scanner.is_blind() && !scanner.is_at_frame_boundary());
}

/// Feeds byte by byte and writes, in front of each byte and at the end, `b` at a frame boundary, `m` inside a
/// message, `c` after a Close frame, `.` for none of these.
fn states(bytes: &[u8]) -> String {
    let mut scanner = Scanner::new(DOWN, false);
    let state = |scanner: &Scanner| {
        let letters = [
            (scanner.is_at_frame_boundary(), "b"),
            (scanner.is_inside_message(), "m"),
            (scanner.close_seen(), "c"),
        ];
        let text: String = letters.iter().filter(|(holds, _)| *holds).map(|(_, letter)| *letter).collect();
        if text.is_empty() { ".".to_owned() } else { text }
    };
    let mut states = vec![state(&scanner)];
    for byte in bytes {
        scanner.scan(&[*byte], &mut |_| {});
        states.push(state(&scanner));
    }
    states.join(" ")
}

#[test]
fn boundaries_are_between_frames() {
    assert_eq!(states(&frame(0x81, b"a")), "b . m b");
    assert_eq!(states(&[frame(0x01, b"a"), frame(0x80, b"")].concat()), "b . m bm m b");
    assert_eq!(states(&[frame(0x01, b""), frame(0x89, b"?")].concat()), "b . bm m m bm");
    assert_eq!(states(&[frame(0x88, b"\x03\xe8"), frame(0x8a, b"")].concat()), "b . . . bc c bc");
    assert_eq!(states(&frame(0x00, b"")), "b . b", "an orphan begins no message");
}

#[test]
fn an_idle_scanner_is_small() {
    assert!(size_of::<Scanner>() <= 72, "{} bytes, twice for each connection", size_of::<Scanner>());
}
