//! The gateway's own Pings on a WebSocket: each has a payload that nobody else sends, and the Pong that brings it back is
//! taken out of the stream, so that the other peer sees nothing of either (RFC 6455, sections 5.5.2 and 5.5.3).

use bytes::Bytes;
use model::{Direction, Leg, PerDirection, PerLeg};
use observe::ws;

/// Bytes of a payload.
pub const PAYLOAD_BYTES: u8 = 8;

/// Longest Pong with such a payload: two bytes, a mask, and the payload.
const PONG_BYTES_MAX: usize = 2 + 4 + PAYLOAD_BYTES as usize;

/// Pings towards one peer that can be answered; of more, the oldest are not known any more, and their Pongs go through.
const OPEN_MAX: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct OwnPings {
    /// Random, so that no peer can know what is next.
    seed: u64,
    count: u64,
    open: PerLeg<[Option<u64>; OPEN_MAX]>,
    streams: PerDirection<Stream>,
}

/// What was taken out of one direction.
#[derive(Debug, Default)]
struct Stream {
    cut: u64,
    held: [u8; PONG_BYTES_MAX],
    held_count: usize,
}

/// A Pong of ours, by its offsets in the stream that is read.
pub type Cut = (u64, u64);

impl OwnPings {
    /// Nothing was sent yet.
    pub fn new(seed: u64) -> OwnPings {
        OwnPings { seed, count: 0, open: PerLeg::default(), streams: PerDirection::default() }
    }

    /// A Ping towards `leg`, with its tag; the upstream takes us for a client, so it is masked there, with a key of zeros:
    /// nothing in it is chosen by a stranger.
    pub fn ping(&mut self, leg: Leg) -> (Bytes, u64) {
        self.count += 1;
        let payload = self.seed.wrapping_add(self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
        let tag = ws::tag(&payload);
        let place = (self.count % OPEN_MAX as u64) as usize;
        self.open[leg][place] = Some(tag);
        let head: &[u8] = match leg {
            Leg::Client => &[0x89, PAYLOAD_BYTES],
            Leg::Upstream => &[0x89, 0x80 | PAYLOAD_BYTES, 0, 0, 0, 0],
        };
        ([head, &payload].concat().into(), tag)
    }

    /// Whether a Pong with this tag, from the peer on `leg`, answers one of them. It does so once.
    pub fn is_answer(&mut self, leg: Leg, tag: u64) -> bool {
        let open = self.open[leg].iter_mut().find(|open| **open == Some(tag));
        open.is_some_and(|open| open.take().is_some())
    }

    /// Whether a Pong from the peer on `leg` may be an answer.
    pub fn is_open(&self, leg: Leg) -> bool {
        self.open[leg].iter().any(Option::is_some)
    }

    /// Bytes that were taken out of a direction so far.
    pub fn cut(&self, direction: Direction) -> u64 {
        self.streams[direction].cut
    }

    /// Bytes of a direction that wait for the rest of their frame.
    pub fn held(&self, direction: Direction) -> usize {
        self.streams[direction].held_count
    }

    /// What goes to the receiver in place of `bytes`, which end at offset `end` of the stream that is read: less the Pongs
    /// `cuts`, in order, and the last `unfinished` bytes, which wait. None when it is `bytes` themselves.
    pub fn weed(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        end: u64,
        cuts: &[Cut],
        unfinished: u64,
    ) -> Option<Bytes> {
        let stream = &mut self.streams[direction];
        if cuts.is_empty() && unfinished == 0 && stream.held_count == 0 {
            return None;
        }
        let all = [&stream.held[..stream.held_count], bytes].concat();
        let begin = end - all.len() as u64;
        let kept_end = all.len() - unfinished as usize;
        let mut left = Vec::with_capacity(kept_end);
        let mut at = 0;
        for &(from, to) in cuts {
            left.extend_from_slice(&all[at..(from - begin) as usize]);
            at = (to - begin) as usize;
            stream.cut += to - from;
        }
        left.extend_from_slice(&all[at..kept_end]);
        let held = &all[kept_end..];
        stream.held[..held.len()].copy_from_slice(held);
        stream.held_count = held.len();
        Some(left.into())
    }
}

#[cfg(test)]
mod tests {
    use model::Opcode;
    use model::event::WebSocketEvent;
    use observe::ws::Scanner;
    use proptest::prelude::*;

    use super::*;

    /// A frame of a peer, with a mask of its own where it is a client's.
    fn frame(direction: Direction, first: u8, payload: &[u8]) -> Vec<u8> {
        let key: &[u8] = if direction == Direction::ClientToServer { &[7, 1, 250, 3] } else { &[] };
        let mask = key.iter().copied().cycle().chain(std::iter::repeat(0));
        let masked = payload.iter().zip(mask).map(|(byte, key)| byte ^ key);
        let second = payload.len() as u8 | if key.is_empty() { 0 } else { 0x80 };
        [&[first, second], key].concat().into_iter().chain(masked).collect()
    }

    /// What a direction carries, and what of it is to go on.
    #[derive(Clone, Debug)]
    enum Said {
        Text(Vec<u8>),
        Pong(Vec<u8>),
        /// The answer to the Ping of so many Pings ago.
        Answer(usize),
    }

    fn said() -> impl Strategy<Value = Vec<Said>> {
        let payload = || prop::collection::vec(any::<u8>(), 0..20);
        let one = prop_oneof![
            payload().prop_map(Said::Text),
            payload().prop_map(Said::Pong),
            (0usize..3).prop_map(Said::Answer),
        ];
        prop::collection::vec(one, 0..12)
    }

    /// As a relay does it: the bytes of a direction in pieces.
    fn carry(own: &mut OwnPings, direction: Direction, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut scanner = Scanner::new(direction, false);
        let leg = direction.sender();
        let mut carried = Vec::new();
        for bytes in bytes.chunks(piece) {
            let mut cuts = Vec::new();
            scanner.scan(bytes, &mut |event| {
                if let WebSocketEvent::Control { opcode: Opcode::Pong, tag, begin, end, .. } = event
                    && own.is_answer(leg, tag)
                {
                    cuts.push((begin, end));
                }
            });
            let unfinished = if own.is_open(leg) { scanner.unfinished_pong(PAYLOAD_BYTES) } else { 0 };
            match own.weed(direction, bytes, scanner.offset(), &cuts, unfinished) {
                Some(instead) => carried.extend_from_slice(&instead),
                None => carried.extend_from_slice(bytes),
            }
            assert_eq!(
                scanner.offset(),
                carried.len() as u64 + own.cut(direction) + own.held(direction) as u64
            );
        }
        carried
    }

    proptest! {
        #[test]
        fn what_goes_on_is_what_came_less_our_pongs(
            said in said(),
            piece in 1usize..40,
            is_client in any::<bool>(),
        ) {
            let leg = if is_client { Leg::Client } else { Leg::Upstream };
            let direction = leg.inbound();
            let mut own = OwnPings::new(99);
            let mut pings: Vec<Vec<u8>> = (0..3).map(|_| own.ping(leg).0[2..].to_vec()).collect();
            if !is_client {
                pings.iter_mut().for_each(|ping| *ping = ping[4..].to_vec());
            }
            let (mut sent, mut expected, mut answered) = (Vec::new(), Vec::new(), [false; 3]);
            for said in &said {
                let (bytes, is_ours) = match said {
                    Said::Text(text) => (frame(direction, 0x81, text), false),
                    Said::Pong(payload) => (frame(direction, 0x8a, payload), false),
                    Said::Answer(which) => {
                        let is_first = !std::mem::replace(&mut answered[*which], true);
                        (frame(direction, 0x8a, &pings[*which]), is_first)
                    }
                };
                sent.extend_from_slice(&bytes);
                if !is_ours {
                    expected.extend_from_slice(&bytes);
                }
            }
            prop_assert_eq!(carry(&mut own, direction, &sent, piece), expected);
        }
    }

    #[test]
    fn what_is_cut_off_is_held() {
        let mut own = OwnPings::new(1);
        own.ping(Leg::Client);
        let pong = frame(Direction::ClientToServer, 0x8a, b"12345678");
        assert_eq!(carry(&mut own, Direction::ClientToServer, &pong[..13], 5), b"");
        assert_eq!(own.held(Direction::ClientToServer), 13);
    }

    #[test]
    fn only_the_newest_pings_are_known() {
        let mut own = OwnPings::new(1);
        let tags: Vec<u64> = (0..=OPEN_MAX).map(|_| own.ping(Leg::Client).1).collect();
        assert!(!own.is_answer(Leg::Client, tags[0]) && !own.is_answer(Leg::Upstream, tags[1]));
        assert!(tags[1..].iter().all(|&tag| own.is_answer(Leg::Client, tag)));
        assert!(!own.is_open(Leg::Client));
    }
}
