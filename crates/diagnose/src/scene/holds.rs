//! Streams that are open: held, talked on, measured.

use model::Protocol;
use model::event::CloseCode;

use super::{Scene, answer};
use crate::attempt::{Attempt, End, GrpcEnd, Message, Sign, Stage, StageName, Stream};
use crate::experiment::{Check, Conduct, Experiment, Via};

pub(crate) const DIRECT: Via = Via::Direct;
pub(crate) const URL: Via = Via::Url;

pub(crate) const SILENT: Conduct =
    Conduct::Hold { seconds: 600.0, ping_seconds: None, message_seconds: None };

pub(crate) fn pinged(period: f64) -> Conduct {
    Conduct::Hold { seconds: 600.0, ping_seconds: Some(period), message_seconds: None }
}

pub(crate) fn talked(period: f64) -> Conduct {
    Conduct::Hold { seconds: 600.0, ping_seconds: None, message_seconds: Some(period) }
}

pub(crate) fn close(code: u16, reason: &str) -> Sign {
    Sign::Close(Some(CloseCode(code)), reason.to_owned())
}

/// A stream that was opened for a check.
pub(crate) fn stream(check: Check, via: Via, conduct: Conduct, stream: Stream) -> Attempt {
    Attempt {
        experiment: Experiment { check, via, vary: None, conduct },
        began: 0.0,
        stages: vec![Stage { name: StageName::Upgrade, seconds: 0.001, fault: None, detail: String::new() }],
        peer: None,
        tls: None,
        answer: Some(answer(101)),
        stream: Some(stream),
        tcp: None,
        crowd: Vec::new(),
    }
}

/// A held stream that began then and that the peer ended; the silence is as long as what was done allows.
pub(crate) fn cut_at(via: Via, conduct: Conduct, began: f64, age: f64, sign: Sign) -> Attempt {
    let silence = match conduct {
        Conduct::Hold { ping_seconds: None, message_seconds: None, .. } => age,
        Conduct::Hold { ping_seconds, message_seconds, .. } => {
            age % ping_seconds.or(message_seconds).unwrap_or(age).max(0.001)
        }
        _ => 0.01,
    };
    held(via, conduct, began, End { at: age, age, silence, is_ours: false, sign })
}

/// A held stream that began then and that the probe ended.
pub(crate) fn lives(via: Via, conduct: Conduct, began: f64, age: f64) -> Attempt {
    let silent = matches!(conduct, Conduct::Hold { ping_seconds: None, message_seconds: None, .. });
    let end =
        End { at: age, age, silence: if silent { age } else { 0.1 }, is_ours: true, sign: close(1000, "") };
    held(via, conduct, began, end)
}

fn held(via: Via, conduct: Conduct, began: f64, end: End) -> Attempt {
    let mut attempt = stream(Check::Idle, via, conduct, Stream { end: Some(end), ..Stream::default() });
    attempt.began = began;
    attempt
}

/// An end of the peer at this age, right after something was said.
pub(crate) fn end(age: f64, sign: Sign) -> End {
    End { at: age, age, silence: 0.002, is_ours: false, sign }
}

/// The plain request opened a stream that did this.
pub(crate) fn greeted_by(via: Via, seen: Stream) -> Attempt {
    stream(Check::Handshake, via, Conduct::Greet, seen)
}

/// A message was sent in one frame and this became of it.
pub(crate) fn sent(via: Via, bytes: u64, fate: Result<f64, Option<Sign>>) -> Attempt {
    fragmented(via, bytes, 1, fate)
}

/// A message was sent in frames: its echo took so long, or the stream ended so, or nothing happened.
pub(crate) fn fragmented(via: Via, bytes: u64, frames: u32, fate: Result<f64, Option<Sign>>) -> Attempt {
    let (echo, sign) = match fate {
        Ok(seconds) => (Some(seconds), None),
        Err(sign) => (None, sign),
    };
    let ended = sign.map(|sign| end(0.05, sign));
    let ours = End { at: 5.0, age: 5.0, silence: 5.0, is_ours: true, sign: close(1000, "") };
    let seen = Stream { echoes: vec![echo], end: Some(ended.unwrap_or(ours)), ..Stream::default() };
    let check = if frames == 1 { Check::Size } else { Check::Fragments };
    stream(check, via, Conduct::Send { bytes, frames }, seen)
}

/// Echoes of small messages, with Pings beside.
pub(crate) fn echoed(via: Via, echoes: &[f64], pings: &[f64]) -> Attempt {
    let some = |values: &[f64]| values.iter().copied().map(Some).collect();
    let seen = Stream { echoes: some(echoes), pings: some(pings), ..Stream::default() };
    let messages = u32::try_from(echoes.len()).expect("few");
    stream(Check::Latency, via, Conduct::Echo { messages, with_pings: true }, seen)
}

/// A message that came.
pub(crate) fn message(at: f64, read: u64, bytes: u64) -> Message {
    Message {
        at,
        read,
        bytes,
        opcode: None,
        frames: 1,
        made_at: None,
        has_id: false,
        broken_at: None,
        numbers: Vec::new(),
    }
}

impl Attempt {
    pub(crate) fn stream_with(mut self, change: impl FnOnce(&mut Stream)) -> Attempt {
        change(self.stream.as_mut().expect("it is open"));
        self
    }

    pub(crate) fn grpc(self, code: u32, message: &str) -> Attempt {
        self.stream_with(|stream| {
            stream.grpc = Some(GrpcEnd { code: Some(code), message: message.to_owned() });
        })
    }
}

impl Scene {
    pub(crate) fn grpc() -> Scene {
        Scene::of(Protocol::Grpc)
    }

    pub(crate) fn sse() -> Scene {
        Scene::of(Protocol::Sse)
    }

    pub(crate) fn attempts(self, attempts: impl IntoIterator<Item = Attempt>) -> Scene {
        attempts.into_iter().fold(self, Scene::attempt)
    }

    /// A WebSocket whose plain request opens.
    pub(crate) fn opened() -> Scene {
        Scene::websocket().plain(answer(101))
    }
}

/// Silent streams at this way end so after this time, begun 0, 1.5 and 7 s after the first attempt.
pub(crate) fn silent_end(via: Via, seconds: f64, sign: &Sign) -> Vec<Attempt> {
    [0.0, 1.5, 7.0].map(|began| cut_at(via, SILENT, began, seconds + began / 200.0, sign.clone())).into()
}
