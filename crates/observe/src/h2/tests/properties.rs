//! Generated connections, valid and not, cut into random pieces.

use super::*;

/// Frames as an endpoint sends them: type, flags, stream, payload, and the event without its place.
#[derive(Clone, Debug)]
struct Sent {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
    event: Option<Http2Event>,
}

fn sent(kind: u8, flags: u8, stream: u32, payload: Vec<u8>, event: Option<Http2Event>) -> Sent {
    Sent { kind, flags, stream, payload, event }
}

fn stream() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1u32..20, 1 => 1u32..=u32::MAX >> 1]
}

fn data() -> impl Strategy<Value = Sent> {
    let length = prop_oneof![4 => 0u32..300, 1 => 16_000u32..=FRAME_BYTES_INITIAL];
    (stream(), length, any::<bool>(), any::<bool>()).prop_map(|(stream, length, end_stream, is_padded)| {
        let flags = u8::from(end_stream) | if is_padded { 0x8 } else { 0 };
        let event = Data { stream, length, end_stream, end: 0 };
        sent(DATA, flags, stream, vec![0; length as usize], Some(event))
    })
}

fn headers() -> impl Strategy<Value = Sent> {
    (stream(), 0usize..200, any::<bool>(), any::<u8>()).prop_map(|(stream, length, end_stream, flags)| {
        let event = Headers { stream, end_stream, end: 0 };
        sent(HEADERS, flags & 0x2c | u8::from(end_stream), stream, vec![0xff; length], Some(event))
    })
}

fn settings_frame() -> impl Strategy<Value = Sent> {
    prop::collection::vec((0u16..10, any::<u32>()), 0..20).prop_map(|all| {
        let value = |id| all.iter().rev().find(|pair| pair.0 == id).map(|pair| pair.1);
        let settings = Http2Settings {
            header_table_size: value(1),
            enable_push: value(2),
            max_concurrent_streams: value(3),
            initial_window_size: value(4),
            max_frame_size: value(5),
            max_header_list_size: value(6),
            enable_connect_protocol: value(8),
        };
        sent(SETTINGS, 0, 0, pairs(&all), Some(Settings { ack: false, settings, end: 0 }))
    })
}

fn goaway() -> impl Strategy<Value = Sent> {
    (stream(), any::<u32>(), "[ -~]{0,200}").prop_map(|(last_stream, number, debug)| {
        let payload = [&words(&[last_stream, number])[..], debug.as_bytes()].concat();
        let kept = &debug[..debug.len().min(DEBUG_BYTES_MAX)];
        let event = GoAway { last_stream, error: number.into(), debug: kept.into(), end: 0 };
        sent(GOAWAY, 0, 0, payload, Some(event))
    })
}

fn small() -> impl Strategy<Value = Sent> {
    let reset = (stream(), any::<u32>()).prop_map(|(stream, number)| {
        sent(RST_STREAM, 0, stream, words(&[number]), Some(Reset { stream, error: number.into(), end: 0 }))
    });
    let update = (0u32..20, 1u32..=u32::MAX >> 1).prop_map(|(stream, increment)| {
        let event = WindowUpdate { stream, increment, end: 0 };
        sent(WINDOW_UPDATE, 0, stream, words(&[increment]), Some(event))
    });
    let ping = any::<(bool, u64)>().prop_map(|(ack, opaque)| {
        let event = Ping { ack, opaque, end: 0 };
        sent(PING, u8::from(ack), 0, opaque.to_be_bytes().to_vec(), Some(event))
    });
    let ack = Just(sent(SETTINGS, FLAG, 0, Vec::new(), Some(settings(1, 0))));
    prop_oneof![reset, update, ping, ack]
}

fn unknown() -> impl Strategy<Value = Sent> {
    (prop_oneof![Just(PRIORITY), Just(CONTINUATION), 10u8..], any::<u8>(), any::<u32>(), 0usize..300)
        .prop_map(|(kind, flags, stream, length)| sent(kind, flags, stream, vec![0x42; length], None))
}

fn any_sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        4 => data().boxed(),
        3 => headers().boxed(),
        3 => small().boxed(),
        1 => settings_frame().boxed(),
        1 => goaway().boxed(),
        1 => unknown().boxed(),
    ]
}

/// The bytes of one direction, and the events that a scanner must give of them.
fn send(direction: Direction, all: &[Sent]) -> (Vec<u8>, Vec<Http2Event>) {
    let mut wire = begin(direction);
    let mut events = vec![settings(0, wire.len() as u64)];
    for Sent { kind, flags, stream, payload, event } in all {
        wire.extend(frame(*kind, *flags, *stream, payload));
        events.extend(event.clone().map(|event| at_end(event, wire.len() as u64)));
    }
    (wire, events)
}

fn at_end(mut event: Http2Event, offset: u64) -> Http2Event {
    match &mut event {
        Data { end, .. }
        | Headers { end, .. }
        | Reset { end, .. }
        | Settings { end, .. }
        | Ping { end, .. }
        | GoAway { end, .. }
        | WindowUpdate { end, .. } => *end = offset,
        Violation { .. } => unreachable!("nothing invalid is sent"),
    }
    event
}

/// Scans in pieces of these lengths, over and over.
fn scan_cut(direction: Direction, bytes: &[u8], pieces: &[usize]) -> Vec<Http2Event> {
    let mut scanner = Scanner::new(direction);
    let mut events = Vec::new();
    let mut rest = bytes;
    for &piece in pieces.iter().cycle() {
        let (part, behind) = rest.split_at(piece.min(rest.len()));
        scanner.scan(part, &mut |event| events.push(event));
        rest = behind;
        assert_eq!(scanner.offset(), (bytes.len() - rest.len()) as u64);
        if rest.is_empty() {
            break;
        }
    }
    events
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..20, 1usize..5000], 1..20)
}

/// Bytes that often are frames of some kind, behind a right beginning.
fn like_frames() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![Just(0u32), 1u32..5, any::<u32>()];
    let length = prop_oneof![Just(4usize), Just(8), Just(6), 0usize..30];
    let piece = (0u8..12, any::<u8>(), stream, length, any::<u8>())
        .prop_map(|(kind, flags, stream, length, byte)| frame(kind, flags, stream, &vec![byte; length]));
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_are_the_truth(all in prop::collection::vec(any_sent(), 0..30), pieces in pieces()) {
        for direction in [UP, DOWN] {
            let (wire, events) = send(direction, &all);
            prop_assert_eq!(scan_cut(direction, &wire, &pieces), events);
        }
    }

    #[test]
    fn events_of_any_bytes_do_not_depend_on_pieces(
        bytes in prop_oneof![2 => like_frames(), 1 => prop::collection::vec(any::<u8>(), 0..500)],
        pieces in pieces(),
    ) {
        for direction in [UP, DOWN] {
            let bytes = [&begin(direction), &bytes[..]].concat();
            let whole = scan_cut(direction, &bytes, &[usize::MAX]);
            prop_assert_eq!(scan_cut(direction, &bytes, &pieces), whole);
        }
    }
}
