//! Generated streams, valid and not, cut into random pieces.

use super::*;

/// What an endpoint sends.
#[derive(Clone, Debug)]
enum Sent {
    /// A message as lengths of its fragments, and whether it is text and compressed.
    Message { fragments: Vec<usize>, is_text: bool, is_compressed: bool, pings_between: bool },
    /// A Ping or a Pong.
    Control { is_ping: bool, length: usize },
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..300, 1 => 65_530usize..65_540]
}

fn sent() -> impl Strategy<Value = Sent> {
    let message =
        (prop::collection::vec(length(), 1..5), any::<[bool; 3]>()).prop_map(|(fragments, flags)| {
            let [is_text, is_compressed, pings_between] = flags;
            Sent::Message { fragments, is_text, is_compressed, pings_between }
        });
    let control =
        (any::<bool>(), 0usize..=125).prop_map(|(is_ping, length)| Sent::Control { is_ping, length });
    prop_oneof![3 => message, 1 => control]
}

/// Writes frames, and the events that a scanner must give of them.
struct Endpoint {
    direction: Direction,
    wire: Vec<u8>,
    events: Vec<WebSocketEvent>,
}

impl Endpoint {
    fn frame(&mut self, opcode: Opcode, first: u8, payload: &[u8]) -> u64 {
        let to_wire = if self.direction == UP { masked } else { frame };
        self.wire.extend(to_wire(first, payload));
        self.events.push(Frame { opcode });
        self.wire.len() as u64
    }

    fn control(&mut self, is_ping: bool, length: usize) {
        let (opcode, bits) = if is_ping { (Opcode::Ping, 0x9) } else { (Opcode::Pong, 0xa) };
        let payload: Vec<u8> = (0..length as u8).map(|byte| byte ^ 0x5a).collect();
        let begin = self.wire.len() as u64;
        let end = self.frame(opcode, FIN | bits, &payload);
        self.events.push(Control { opcode, bytes: length as u64, tag: tag(&payload), begin, end });
    }

    fn close(&mut self, code: Option<u16>) {
        let body = code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default();
        let end = self.frame(Opcode::Close, FIN | 0x8, &body);
        self.events.push(Close { code: code.map(CloseCode), end });
    }

    fn message(&mut self, fragments: &[usize], opcode: Opcode, compressed: bool, pings_between: bool) {
        let bits = if opcode == Opcode::Text { 0x1 } else { 0x2 };
        for (index, &length) in fragments.iter().enumerate() {
            if pings_between && index > 0 {
                self.control(true, index);
            }
            let fin = if index + 1 == fragments.len() { FIN } else { 0 };
            let rsv1 = if compressed { RSV1 } else { 0 };
            let (opcode, first) =
                if index == 0 { (opcode, fin | rsv1 | bits) } else { (Opcode::Continuation, fin) };
            self.frame(opcode, first, &vec![0xa5; length]);
        }
        self.events.push(Message {
            opcode,
            frames: fragments.len() as u32,
            bytes: fragments.iter().sum::<usize>() as u64,
            compressed,
            end: self.wire.len() as u64,
        });
    }
}

fn send(direction: Direction, all: &[Sent], code: Option<u16>) -> Endpoint {
    let mut endpoint = Endpoint { direction, wire: Vec::new(), events: Vec::new() };
    for sent in all {
        match sent {
            Sent::Message { fragments, is_text, is_compressed, pings_between } => {
                let opcode = if *is_text { Opcode::Text } else { Opcode::Binary };
                endpoint.message(fragments, opcode, *is_compressed, *pings_between);
            }
            Sent::Control { is_ping, length } => endpoint.control(*is_ping, *length),
        }
    }
    endpoint.close(code);
    endpoint
}

/// Scans in pieces of these lengths, over and over.
fn scan_cut(direction: Direction, bytes: &[u8], pieces: &[usize]) -> Vec<WebSocketEvent> {
    let mut scanner = Scanner::new(direction, true);
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

/// Bytes that often are frame headers of some kind.
fn like_frames() -> impl Strategy<Value = Vec<u8>> {
    let header = (any::<u8>(), prop_oneof![0u8..8, 124u8..=127, 0x80u8..0x88, 0xfcu8..=0xff]);
    let piece = (header, prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..12))
        .prop_map(|((first, second), rest)| [vec![first, second], rest].concat());
    prop::collection::vec(piece, 0..100).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_are_the_truth(
        all in prop::collection::vec(sent(), 0..12),
        code in prop::option::of(prop_oneof![1000u16..=1003, 3000u16..=4999]),
        pieces in pieces(),
    ) {
        for direction in [UP, DOWN] {
            let endpoint = send(direction, &all, code);
            prop_assert_eq!(scan_cut(direction, &endpoint.wire, &pieces), endpoint.events);
        }
    }

    #[test]
    fn events_of_any_bytes_do_not_depend_on_pieces(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..2000), like_frames()],
        pieces in pieces(),
    ) {
        for direction in [UP, DOWN] {
            let whole = scan_cut(direction, &bytes, &[usize::MAX]);
            prop_assert_eq!(scan_cut(direction, &bytes, &pieces), whole);
        }
    }
}
