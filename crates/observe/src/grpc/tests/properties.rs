//! Generated bodies, valid and not, cut into random pieces.

use super::*;

/// Writes messages, and the events that a scanner must give of them.
fn send(messages: &[(bool, usize)]) -> (Vec<u8>, Vec<GrpcEvent>) {
    let mut wire = Vec::new();
    let mut events = Vec::new();
    for &(compressed, length) in messages {
        wire.extend(prefixed(u8::from(compressed), &vec![0xa5; length]));
        events.push(Message { bytes: length as u64, compressed, end: wire.len() as u64 });
    }
    (wire, events)
}

/// Scans in pieces of these lengths, over and over.
fn scan_cut(bytes: &[u8], pieces: &[usize]) -> (Vec<GrpcEvent>, bool) {
    let mut scanner = Scanner::new();
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
    (events, scanner.is_at_message_boundary())
}

fn messages() -> impl Strategy<Value = Vec<(bool, usize)>> {
    let length = prop_oneof![3 => 0usize..20, 1 => 0usize..70_000];
    prop::collection::vec((any::<bool>(), length), 0..12)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..20, 1usize..5000], 1..20)
}

/// Bytes that often are short messages.
fn like_messages() -> impl Strategy<Value = Vec<u8>> {
    let flag = prop_oneof![20 => 0u8..2, 1 => any::<u8>()];
    let message = (flag, 0u8..12, prop::collection::vec(any::<u8>(), 0..12))
        .prop_map(|(flag, length, payload)| [&[flag, 0, 0, 0, length], &payload[..]].concat());
    prop::collection::vec(message, 0..50).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_are_the_truth(messages in messages(), pieces in pieces()) {
        let (wire, events) = send(&messages);
        prop_assert_eq!(scan_cut(&wire, &pieces), (events, true));
    }

    #[test]
    fn a_body_cut_short_is_told_from_a_whole_one(messages in messages(), at in any::<prop::sample::Index>()) {
        let (wire, events) = send(&messages);
        let at = at.index(wire.len() + 1);
        let mut boundaries = vec![0];
        boundaries.extend(events.iter().map(|event| if let Message { end, .. } = event { *end } else { 0 }));
        let (_, is_whole) = scan_cut(&wire[..at], &[usize::MAX]);
        prop_assert_eq!(is_whole, boundaries.contains(&(at as u64)));
    }

    #[test]
    fn events_of_any_bytes_do_not_depend_on_pieces(
        bytes in prop_oneof![like_messages(), prop::collection::vec(any::<u8>(), 0..200)],
        pieces in pieces(),
    ) {
        prop_assert_eq!(scan_cut(&bytes, &pieces), scan_cut(&bytes, &[usize::MAX]));
    }
}
