//! Frames as they are on the wire, and the events they must give, in any pieces.

use model::event::WebSocketEvent::{self, Close, Control, Frame, Message, Violation};
use proptest::prelude::*;

use super::*;

fn scan_in_pieces(direction: Direction, deflate: bool, bytes: &[u8], piece: usize) -> Vec<WebSocketEvent> {
    let mut scanner = Scanner::new(direction, deflate);
    let mut events = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        scanner.scan(part, &mut |event| events.push(event));
    }
    assert_eq!(scanner.offset(), bytes.len() as u64);
    events
}

#[track_caller]
fn check(direction: Direction, bytes: &[u8], expected: &[WebSocketEvent]) {
    for piece in [1, 2, 3, bytes.len()] {
        assert_eq!(scan_in_pieces(direction, true, bytes, piece), expected, "in pieces of {piece}");
    }
}

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
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
    bytes[1] |= 0x80;
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

const DOWN: Direction = Direction::ServerToClient;
const UP: Direction = Direction::ClientToServer;

fn text(frames: u32, bytes: u64, end: u64) -> WebSocketEvent {
    Message { opcode: Opcode::Text, frames, bytes, compressed: false, end }
}

#[test]
fn lengths_of_all_three_forms() {
    for length in [0usize, 1, 125, 126, 65_535, 65_536] {
        let bytes = frame(0x81, &vec![b'x'; length]);
        let end = bytes.len() as u64;
        check(DOWN, &bytes, &[Frame { opcode: Opcode::Text }, text(1, length as u64, end)]);
    }
}

#[test]
fn masks_belong_to_clients() {
    let at_zero = |violation| Violation { violation, at: 0 };
    check(UP, &masked(0x81, b"Hello"), &[Frame { opcode: Opcode::Text }, text(1, 5, 11)]);
    let unmasked = [Frame { opcode: Opcode::Text }, at_zero(FrameViolation::Unmasked), text(1, 5, 7)];
    check(UP, &frame(0x81, b"Hello"), &unmasked);
    let from_server = [Frame { opcode: Opcode::Text }, at_zero(FrameViolation::Masked), text(1, 5, 11)];
    check(DOWN, &masked(0x81, b"Hello"), &from_server);
}

#[test]
fn control_frames_may_stand_inside_a_message() {
    let bytes = [frame(0x01, b"Hel"), frame(0x89, b"?"), frame(0x80, b"lo")].concat();
    let expected = [
        Frame { opcode: Opcode::Text },
        Frame { opcode: Opcode::Ping },
        Control { opcode: Opcode::Ping, bytes: 1, end: 8 },
        Frame { opcode: Opcode::Continuation },
        text(2, 5, 12),
    ];
    check(DOWN, &bytes, &expected);
}

#[test]
fn compressed_messages_are_counted_as_they_are() {
    let expected = [
        Frame { opcode: Opcode::Binary },
        Message { opcode: Opcode::Binary, frames: 1, bytes: 3, compressed: true, end: 5 },
    ];
    check(DOWN, &frame(0xc2, b"abc"), &expected);
    let without = scan_in_pieces(DOWN, false, &frame(0xc2, b"abc"), 99);
    assert!(without.contains(&Violation { violation: FrameViolation::ReservedBit, at: 0 }));
}

#[test]
fn close_codes() {
    let close = |code: Option<u16>, end| Close { code: code.map(CloseCode), end };
    let head = Frame { opcode: Opcode::Close };
    check(DOWN, &frame(0x88, b""), &[head, close(None, 2)]);
    check(DOWN, &frame(0x88, &1000u16.to_be_bytes()), &[head, close(Some(1000), 4)]);
    let with_reason = [&4321u16.to_be_bytes()[..], b"gone"].concat();
    check(UP, &masked(0x88, &with_reason), &[head, close(Some(4321), 12)]);
    let short = Violation { violation: FrameViolation::CloseBodyLength, at: 0 };
    check(DOWN, &frame(0x88, b"x"), &[head, short, close(None, 3)]);
    let bad = Violation { violation: FrameViolation::CloseCode, at: 0 };
    check(DOWN, &frame(0x88, &1006u16.to_be_bytes()), &[head, bad, close(Some(1006), 4)]);
}

#[track_caller]
fn violates(direction: Direction, bytes: &[u8], expected: FrameViolation) {
    let seen = scan_in_pieces(direction, false, bytes, bytes.len());
    let violations: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            Violation { violation, .. } => Some(*violation),
            _ => None,
        })
        .collect();
    assert_eq!(violations, [expected]);
}

#[test]
fn violations_are_told_apart() {
    violates(DOWN, &frame(0x91, b""), FrameViolation::ReservedBit);
    violates(DOWN, &frame(0x83, b""), FrameViolation::ReservedOpcode);
    violates(DOWN, &frame(0x8b, b""), FrameViolation::ReservedOpcode);
    violates(DOWN, &frame(0x89, &[0; 126]), FrameViolation::LongControl);
    violates(DOWN, &frame(0x09, b""), FrameViolation::FragmentedControl);
    violates(DOWN, &frame(0x80, b""), FrameViolation::UnexpectedContinuation);
    violates(DOWN, &[frame(0x01, b"a"), frame(0x81, b"b")].concat(), FrameViolation::InterruptedMessage);
    violates(DOWN, &[0x82, 126, 0, 1, 0], FrameViolation::NonMinimalLength);
    violates(DOWN, &[frame(0x88, b""), frame(0x81, b"")].concat(), FrameViolation::AfterClose);
}

#[test]
fn an_impossible_length_ends_the_scan_and_not_the_count() {
    let mut scanner = Scanner::new(DOWN, false);
    let mut events = Vec::new();
    let bytes = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    scanner.scan(&bytes, &mut |event| events.push(event));
    scanner.scan(&[0x81; 1000], &mut |event| events.push(event));
    assert!(scanner.is_blind() && !scanner.is_at_frame_boundary());
    assert_eq!(scanner.offset(), 1010);
    assert_eq!(events.last(), Some(&Violation { violation: FrameViolation::LengthOverflow, at: 0 }));
}

#[test]
fn boundaries_are_between_frames() {
    let mut scanner = Scanner::new(DOWN, false);
    let bytes = frame(0x01, b"ab");
    for (index, byte) in bytes.iter().enumerate() {
        assert_eq!(scanner.is_at_frame_boundary(), index == 0);
        scanner.scan(&[*byte], &mut |_| {});
    }
    assert!(scanner.is_at_frame_boundary() && scanner.is_inside_message());
}

#[test]
fn an_idle_scanner_is_small() {
    assert!(size_of::<Scanner>() <= 64, "{} bytes, twice for each connection", size_of::<Scanner>());
}

/// Messages as lists of fragment lengths, with what a scanner must count.
fn messages() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(prop_oneof![0usize..300, 65_530usize..65_540], 1..5), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_do_not_depend_on_pieces(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..200) {
        let whole = scan_in_pieces(UP, true, &bytes, bytes.len());
        prop_assert_eq!(scan_in_pieces(UP, true, &bytes, piece), whole);
    }

    #[test]
    fn counts_are_the_truth(messages in messages(), piece in 1usize..5000) {
        let mut wire = Vec::new();
        for fragments in &messages {
            for (index, &length) in fragments.iter().enumerate() {
                let opcode = if index == 0 { 2 } else { 0 };
                let fin = if index + 1 == fragments.len() { 0x80 } else { 0 };
                wire.extend(masked(fin | opcode, &vec![0; length]));
            }
        }
        let seen: Vec<(u32, u64)> = scan_in_pieces(UP, false, &wire, piece)
            .into_iter()
            .filter_map(|event| match event {
                Message { frames, bytes, .. } => Some((frames, bytes)),
                _ => None,
            })
            .collect();
        let truth: Vec<(u32, u64)> = messages
            .iter()
            .map(|fragments| (fragments.len() as u32, fragments.iter().sum::<usize>() as u64))
            .collect();
        prop_assert_eq!(seen, truth);
    }
}
