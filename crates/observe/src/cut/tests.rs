//! Pieces beside what they were cut from.

use proptest::prelude::*;

use super::*;

/// A server's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        long => {
            frame.push(126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// All pieces of `bytes`, cut from parts of `part` bytes; and how much was read.
fn cut(mut cutter: Cutter, bytes: &[u8], part: usize) -> Vec<(Piece, Vec<u8>)> {
    let mut pieces = Vec::new();
    for mut bytes in bytes.chunks(part) {
        while !bytes.is_empty() {
            let taken = cutter.cut(bytes, &mut |piece, bytes| pieces.push((piece, bytes)));
            bytes = &bytes[taken..];
        }
    }
    pieces
}

/// The parts of each long message joined.
fn joined(pieces: Vec<(Piece, Vec<u8>)>) -> Vec<(Piece, Vec<u8>)> {
    let mut joined: Vec<(Piece, Vec<u8>)> = Vec::new();
    for (piece, bytes) in pieces {
        match (&piece, joined.last_mut()) {
            (Piece::Part { is_last }, Some((Piece::Part { is_last: last @ false }, before))) => {
                *last = *is_last;
                before.extend(bytes);
            }
            _ => joined.push((piece, bytes)),
        }
    }
    joined
}

fn frames(longest: usize) -> Cutter {
    Cutter::Frames(Frames::new(longest))
}

fn events(longest: usize) -> Cutter {
    Cutter::Events(Events::new(longest))
}

const TEXT: Piece = Piece::Message(Kind::WebSocket { opcode: Opcode::Text, is_compressed: false });
const EVENT: Piece = Piece::Message(Kind::Event { has_id: false });
const EVENT_WITH_ID: Piece = Piece::Message(Kind::Event { has_id: true });

#[track_caller]
fn check(make: impl Fn() -> Cutter, bytes: &[u8], expected: &[(Piece, &[u8])]) {
    for part in [1, 2, 3, 5, 7, bytes.len().max(1)] {
        let pieces = joined(cut(make(), bytes, part));
        let pieces: Vec<(Piece, &[u8])> =
            pieces.iter().map(|(piece, bytes)| (piece.clone(), &bytes[..])).collect();
        assert_eq!(pieces, expected, "in parts of {part}");
    }
}

#[test]
fn fragments_are_one_message_and_control_frames_come_before() {
    let (begin, ping, end) = (frame(0x01, b"ab"), frame(0x89, b"p"), frame(0x80, b"c"));
    let close = frame(0x88, &[3, 232]);
    let wire = [&begin[..], &ping, &end, &close, &frame(0x81, b"late")].concat();
    let message = [begin, end].concat();
    check(
        || frames(100),
        &wire,
        &[(Piece::Control { end: 7 }, &ping), (TEXT, &message), (Piece::End, &close)],
    );
    let Piece::Message(kind) = TEXT else { unreachable!() };
    assert_eq!(text(kind, &message).as_deref(), Some(&b"abc"[..]));
}

#[test]
fn long_messages_are_passed_with_what_stands_in_them() {
    let (begin, ping, end) = (frame(0x02, &[7; 300]), frame(0x89, b"p"), frame(0x80, b"c"));
    let text = frame(0x81, b"t");
    let wire = [&text[..], &begin, &ping, &end, &text].concat();
    let long = [begin, ping, end].concat();
    check(|| frames(200), &wire, &[(TEXT, &text), (Piece::Part { is_last: true }, &long), (TEXT, &text)]);
}

#[test]
fn a_length_that_cannot_be_makes_it_blind() {
    let wire = [&frame(0x81, b"t")[..], &[0x81, 127, 255, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]].concat();
    let (first, rest) = wire.split_at(3);
    check(|| frames(200), &wire, &[(TEXT, first), (Piece::Part { is_last: false }, rest)]);
}

#[test]
fn blocks() {
    let wire =
        b": hi\nevent: a\ndata: 1\n\nid: 7\ndata: 2\ndata:3\n\nretry: 5\n\ndata: 4\n\nid: 8\n\ndata: 5";
    check(
        || events(100),
        wire,
        &[
            (Piece::Control { end: 0 }, b": hi\n"),
            (EVENT, b"event: a\ndata: 1\n\n"),
            (EVENT_WITH_ID, b"id: 7\ndata: 2\ndata:3\n\n"),
            (Piece::Control { end: 0 }, b"retry: 5\n\n"),
            (EVENT, b"data: 4\n\n"),
            (EVENT_WITH_ID, b"id: 8\n\n"),
        ],
    );
    assert_eq!(event_name(b"event: a\ndata: 1\n\n"), b"a");
    assert_eq!(&data_of(b"id: 7\ndata: 2\ndata:3\n\n"), b"2\n3");
}

fn data_of(event: &[u8]) -> Vec<u8> {
    text(Kind::Event { has_id: false }, event).map(Cow::into_owned).unwrap_or_default()
}

#[test]
fn line_ends() {
    let whole = |wire: &[u8]| cut(events(100), wire, wire.len());
    assert_eq!(
        whole(b"data: 1\r\n\r\ndata: 2\r\n\r\n"),
        [(EVENT, b"data: 1\r\n\r\n".to_vec()), (EVENT, b"data: 2\r\n\r\n".to_vec())]
    );
    assert_eq!(whole(b"data: 1\r\rdata: 2\r\r").len(), 2);
    let pieces = cut(events(100), b"data: 1\r\n\r\ndata: 2\r\n\r\n", 1);
    let messages: Vec<Vec<u8>> =
        pieces.into_iter().filter(|(piece, _)| *piece == EVENT).map(|(_, bytes)| bytes).collect();
    assert_eq!(messages, [b"data: 1\r\n\r".to_vec(), b"\ndata: 2\r\n\r".to_vec()]);
    assert_eq!(data_of(&messages[1]), b"2");
}

#[test]
fn long_events_are_passed() {
    let long = [&b"data: "[..], &[b'x'; 300], b"\nid: 4\n\n"].concat();
    let wire = [&b"data: 1\n\n"[..], &long, b"data: 2\n\n"].concat();
    let part = Piece::Part { is_last: true };
    check(|| events(100), &wire, &[(EVENT, b"data: 1\n\n"), (part, &long), (EVENT, b"data: 2\n\n")]);
}

proptest! {
    #[test]
    fn no_byte_of_an_event_stream_is_lost(
        lines in prop::collection::vec("(data|id|event|:|x)?:? ?[a-z]{0,12}", 0..30),
        ends in prop::collection::vec(prop::sample::select(&["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"][..]), 30),
        part in 1usize..20,
        longest in 1usize..40,
    ) {
        let wire: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
        let mut cutter = events(longest);
        let mut got = Vec::new();
        for mut bytes in wire.as_bytes().chunks(part) {
            while !bytes.is_empty() {
                let taken = cutter.cut(bytes, &mut |_, bytes| got.extend(bytes));
                bytes = &bytes[taken..];
                prop_assert!(cutter.held() <= longest + part);
            }
        }
        got.extend(cutter.take_held());
        prop_assert_eq!(got, wire.into_bytes());
    }

    #[test]
    fn any_bytes_can_be_cut(wire: Vec<u8>, part in 1usize..9, longest in 0usize..20) {
        cut(frames(longest), &wire, part);
        cut(events(longest), &wire, part);
    }

    #[test]
    fn frames_do_not_depend_on_parts(
        messages in prop::collection::vec((0usize..200, any::<bool>()), 0..20),
        part in 1usize..50,
        longest in 50usize..150,
    ) {
        let wire: Vec<u8> = messages.iter().flat_map(|&(length, is_ping)| {
            if is_ping { frame(0x89, &vec![1; length % 100]) } else { frame(0x82, &vec![2; length]) }
        }).collect();
        let pieces = joined(cut(frames(longest), &wire, part));
        prop_assert_eq!(&pieces, &joined(cut(frames(longest), &wire, wire.len().max(1))));
        prop_assert_eq!(pieces.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<u8>>(), wire);
    }
}
