//! A happening in two words. The first: 48 bits of microseconds since the connection was established, 8 bits of
//! kind, 8 bits of detail. The second: 48 bits of a number, 16 bits of another. What does not fit is written as the
//! greatest that does.

use std::time::Duration;

use model::event::{CloseCode, FrameViolation};
use model::record::What;
use model::recording::Happening;
use model::{Direction, HandshakeResult, HappeningKind, Initiator, Leg, Opcode, Reason, Shed, Word};

const GREATEST: u64 = (1 << 48) - 1;

const VIOLATIONS: &[FrameViolation] = &[
    FrameViolation::Unmasked,
    FrameViolation::Masked,
    FrameViolation::ReservedBit,
    FrameViolation::ReservedOpcode,
    FrameViolation::LongControl,
    FrameViolation::FragmentedControl,
    FrameViolation::UnexpectedContinuation,
    FrameViolation::InterruptedMessage,
    FrameViolation::NonMinimalLength,
    FrameViolation::LengthOverflow,
    FrameViolation::CloseBodyLength,
    FrameViolation::CloseCode,
    FrameViolation::AfterClose,
];

const WHATS: &[What] = &[
    What::CloseFrame,
    What::BodyEnd,
    What::BodyTruncated,
    What::Fin,
    What::Rst,
    What::RstStream,
    What::GoAway,
    What::TcpTimeout,
    What::TlsAlert,
    What::IdleTimeout,
    What::HalfCloseTimeout,
    What::SlowConsumer,
    What::Drain,
    What::Operator,
    What::Internal,
    What::HeartbeatTimeout,
    What::RateLimit,
];

/// What a kind tells beside its time.
#[derive(Clone, Copy, Default)]
struct Fields {
    detail: u8,
    number: u64,
    small: u16,
}

#[inline]
pub(super) fn encode(after: Duration, what: &Happening) -> [u64; 2] {
    let Fields { detail, number, small } = fields(what);
    let micros = u64::try_from(after.as_micros()).unwrap_or(GREATEST).min(GREATEST);
    let kind = what.kind().index() as u64;
    [micros << 16 | kind << 8 | u64::from(detail), number.min(GREATEST) << 16 | u64::from(small)]
}

/// None when the words were not written by [`encode`].
pub(super) fn decode([first, second]: [u64; 2]) -> Option<(Duration, Happening)> {
    let kind = *HappeningKind::ALL.get((first >> 8 & 0xff) as usize)?;
    let fields = Fields { detail: first as u8, number: second >> 16, small: second as u16 };
    Some((Duration::from_micros(first >> 16), happening(kind, fields)?))
}

#[inline]
fn fields(what: &Happening) -> Fields {
    match *what {
        Happening::Handshake { result, status, seconds } => {
            Fields { detail: place(result), number: micros(seconds), small: status.unwrap_or(0) }
        }
        Happening::Message { direction, opcode, bytes, frames, compressed } => {
            let detail = place(direction) | place(opcode) << 1 | u8::from(compressed) << 4;
            Fields { detail, number: bytes, small: frames }
        }
        Happening::GrpcMessage { direction, bytes, compressed } => {
            Fields { detail: place(direction) | u8::from(compressed) << 1, number: bytes, small: 0 }
        }
        Happening::Event { bytes } => Fields { number: bytes, ..Fields::default() },
        Happening::Comment => Fields::default(),
        Happening::Ping { direction, bytes, by_gateway } => {
            Fields { detail: place(direction) | u8::from(by_gateway) << 1, number: 0, small: bytes }
        }
        Happening::Pong { direction, bytes, rtt_seconds, to_gateway } => {
            let number = rtt_seconds.map_or(0, |seconds| micros(seconds) + 1);
            Fields { detail: place(direction) | u8::from(to_gateway) << 1, number, small: bytes }
        }
        Happening::Close { direction, code } => {
            let number = u64::from(code.is_some());
            Fields { detail: place(direction), number, small: code.map_or(0, |code| code.0) }
        }
        Happening::WaitBegan { direction, bytes } => {
            Fields { detail: place(direction), number: bytes, small: 0 }
        }
        Happening::WaitEnded { direction, seconds } => {
            Fields { detail: place(direction), number: micros(seconds), small: 0 }
        }
        Happening::Shed { policy, messages, bytes } => {
            Fields { detail: place(policy), number: bytes, small: messages }
        }
        Happening::Violation { direction, violation, offset } => {
            let small = VIOLATIONS.iter().position(|&known| known == violation);
            Fields { detail: place(direction), number: offset, small: small.unwrap_or(usize::MAX) as u16 }
        }
        Happening::Cause { leg, what } => {
            let small = WHATS.iter().position(|&known| known == what).unwrap_or(usize::MAX) as u16;
            Fields { detail: leg.map_or(0, |leg| place(leg) + 1), number: 0, small }
        }
        Happening::End { initiator, reason } => {
            Fields { detail: place(initiator), number: 0, small: place(reason).into() }
        }
    }
}

fn happening(kind: HappeningKind, Fields { detail, number, small }: Fields) -> Option<Happening> {
    let direction = if detail & 1 == 0 { Direction::ClientToServer } else { Direction::ServerToClient };
    Some(match kind {
        HappeningKind::Handshake => Happening::Handshake {
            result: *HandshakeResult::ALL.get(usize::from(detail))?,
            status: (small != 0).then_some(small),
            seconds: seconds(number),
        },
        HappeningKind::Message => Happening::Message {
            direction,
            opcode: *Opcode::ALL.get(usize::from(detail >> 1 & 7))?,
            bytes: number,
            frames: small,
            compressed: detail & 0x10 != 0,
        },
        HappeningKind::GrpcMessage => {
            Happening::GrpcMessage { direction, bytes: number, compressed: detail & 2 != 0 }
        }
        HappeningKind::Event => Happening::Event { bytes: number },
        HappeningKind::Comment => Happening::Comment,
        HappeningKind::Ping => Happening::Ping { direction, bytes: small, by_gateway: detail & 2 != 0 },
        HappeningKind::Pong => {
            let rtt_seconds = number.checked_sub(1).map(seconds);
            Happening::Pong { direction, bytes: small, rtt_seconds, to_gateway: detail & 2 != 0 }
        }
        HappeningKind::Close => {
            Happening::Close { direction, code: (number != 0).then_some(CloseCode(small)) }
        }
        HappeningKind::WaitBegan => Happening::WaitBegan { direction, bytes: number },
        HappeningKind::WaitEnded => Happening::WaitEnded { direction, seconds: seconds(number) },
        HappeningKind::Shed => {
            Happening::Shed { policy: *Shed::ALL.get(usize::from(detail))?, messages: small, bytes: number }
        }
        HappeningKind::Violation => Happening::Violation {
            direction,
            violation: *VIOLATIONS.get(usize::from(small))?,
            offset: number,
        },
        HappeningKind::Cause => Happening::Cause {
            leg: usize::from(detail).checked_sub(1).and_then(|place| Leg::ALL.get(place).copied()),
            what: *WHATS.get(usize::from(small))?,
        },
        HappeningKind::End => Happening::End {
            initiator: *Initiator::ALL.get(usize::from(detail))?,
            reason: *Reason::ALL.get(usize::from(small))?,
        },
    })
}

fn place(word: impl Word) -> u8 {
    word.index() as u8
}

/// Less than the greatest, so that one can be added.
fn micros(seconds: f64) -> u64 {
    ((seconds * 1e6).round() as u64).min(GREATEST - 1)
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_of<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
        prop::sample::select(all)
    }

    fn bytes() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_000u64, 0..=GREATEST]
    }

    fn time() -> impl Strategy<Value = f64> {
        (0..1u64 << 40).prop_map(seconds)
    }

    pub(crate) fn any_happening() -> impl Strategy<Value = Happening> {
        let direction = || one_of(Direction::ALL);
        prop_oneof![
            (one_of(HandshakeResult::ALL), prop::option::of(1u16..), time())
                .prop_map(|(result, status, seconds)| Happening::Handshake { result, status, seconds }),
            (direction(), one_of(Opcode::ALL), bytes(), any::<u16>(), any::<bool>()).prop_map(
                |(direction, opcode, bytes, frames, compressed)| Happening::Message {
                    direction,
                    opcode,
                    bytes,
                    frames,
                    compressed
                }
            ),
            (direction(), bytes(), any::<bool>()).prop_map(|(direction, bytes, compressed)| {
                Happening::GrpcMessage { direction, bytes, compressed }
            }),
            bytes().prop_map(|bytes| Happening::Event { bytes }),
            Just(Happening::Comment),
            (direction(), any::<u16>(), any::<bool>())
                .prop_map(|(direction, bytes, by_gateway)| Happening::Ping { direction, bytes, by_gateway }),
            (direction(), any::<u16>(), prop::option::of(time()), any::<bool>()).prop_map(
                |(direction, bytes, rtt_seconds, to_gateway)| Happening::Pong {
                    direction,
                    bytes,
                    rtt_seconds,
                    to_gateway
                }
            ),
            (direction(), prop::option::of(any::<u16>().prop_map(CloseCode)))
                .prop_map(|(direction, code)| Happening::Close { direction, code }),
            (direction(), bytes()).prop_map(|(direction, bytes)| Happening::WaitBegan { direction, bytes }),
            (direction(), time())
                .prop_map(|(direction, seconds)| Happening::WaitEnded { direction, seconds }),
            (one_of(Shed::ALL), any::<u16>(), bytes())
                .prop_map(|(policy, messages, bytes)| Happening::Shed { policy, messages, bytes }),
            (direction(), one_of(VIOLATIONS), bytes()).prop_map(|(direction, violation, offset)| {
                Happening::Violation { direction, violation, offset }
            }),
            (prop::option::of(one_of(Leg::ALL)), one_of(WHATS))
                .prop_map(|(leg, what)| Happening::Cause { leg, what }),
            (one_of(Initiator::ALL), one_of(Reason::ALL))
                .prop_map(|(initiator, reason)| Happening::End { initiator, reason }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(micros in 0..=GREATEST, what in any_happening()) {
            let after = Duration::from_micros(micros);
            prop_assert_eq!(decode(encode(after, &what)), Some((after, what)));
        }

        #[test]
        fn any_words_can_be_read(words in any::<[u64; 2]>()) {
            decode(words);
        }
    }

    #[test]
    fn what_does_not_fit_is_the_greatest_that_does() {
        let (after, what) =
            decode(encode(Duration::MAX, &Happening::Event { bytes: u64::MAX })).expect("known");
        assert_eq!((after, what), (Duration::from_micros(GREATEST), Happening::Event { bytes: GREATEST }));
        let pong = |rtt_seconds| Happening::Pong {
            direction: Direction::ClientToServer,
            bytes: 0,
            rtt_seconds,
            to_gateway: false,
        };
        let (_, what) = decode(encode(Duration::ZERO, &pong(Some(f64::INFINITY)))).expect("known");
        assert_eq!(what, pong(Some(seconds(GREATEST - 1))));
    }

    /// A new cause or violation does not compile here until it is in the tables above.
    #[test]
    fn the_tables_are_complete() {
        for &what in WHATS {
            match what {
                What::CloseFrame | What::BodyEnd | What::BodyTruncated | What::Fin | What::Rst => {}
                What::RstStream | What::TcpTimeout | What::TlsAlert | What::IdleTimeout => {}
                What::HalfCloseTimeout | What::SlowConsumer | What::Drain | What::Operator => {}
                What::Internal | What::GoAway | What::HeartbeatTimeout | What::RateLimit => {}
            }
        }
        let direction = Direction::ClientToServer;
        for &violation in VIOLATIONS {
            let what = Happening::Violation { direction, violation, offset: 0 };
            assert!(decode(encode(Duration::ZERO, &what)).is_some());
            match violation {
                FrameViolation::Unmasked | FrameViolation::Masked | FrameViolation::ReservedBit => {}
                FrameViolation::ReservedOpcode | FrameViolation::LongControl => {}
                FrameViolation::FragmentedControl | FrameViolation::UnexpectedContinuation => {}
                FrameViolation::InterruptedMessage | FrameViolation::NonMinimalLength => {}
                FrameViolation::LengthOverflow | FrameViolation::CloseBodyLength => {}
                FrameViolation::CloseCode | FrameViolation::AfterClose => {}
            }
        }
    }
}
