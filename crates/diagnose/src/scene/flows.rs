//! Event streams that are listened to.

use super::{answer, greeting};
use crate::attempt::{Answer, Attempt, BodyRead, Message, Stream};
use crate::experiment::{Check, Conduct, Experiment, Vary, Via};

/// The head of an event stream.
pub(crate) fn event_stream() -> Answer {
    answer(200).and("content-type", "text/event-stream")
}

/// Messages made every `period` seconds, of which `batch` come together when the last of them is made.
pub(crate) fn flushed(count: u32, batch: u32, period: f64) -> Vec<Message> {
    let made = |number: u32| f64::from(number) * period;
    let message = |number: u32| {
        let read = number / batch;
        let at = made((read * batch + batch - 1).min(count - 1)) + 0.01;
        let made_at = Some(made(number) + 100.0);
        Message {
            at,
            read: read.into(),
            bytes: 40,
            opcode: None,
            frames: 1,
            made_at,
            has_id: true,
            broken_at: None,
            numbers: Vec::new(),
        }
    };
    (0..count).map(message).collect()
}

/// The same without the time of their making.
pub(crate) fn untimed(mut messages: Vec<Message>) -> Vec<Message> {
    messages.iter_mut().for_each(|message| message.made_at = None);
    messages
}

/// An event stream that brought these.
pub(crate) fn listened(via: Via, vary: Option<Vary>, messages: Vec<Message>) -> Attempt {
    let check = if vary.is_some() { Check::Compression } else { Check::Flush };
    let messages_seen = messages.len() as u64;
    let stream = Stream { messages, messages_seen, bytes_seen: messages_seen * 48, ..Stream::default() };
    let conduct = Conduct::Listen { seconds: 6.0, messages: 24 };
    let experiment = Experiment { check, via, vary: vary.clone(), conduct };
    Attempt { experiment, ..greeting(check, via, vary, event_stream()).streamed(stream) }
}

/// One whose reads came so: when, up to which byte, and whether inside an event; of 24 events that are made each 0.2 s.
pub(crate) fn in_bursts(reads: &[(f64, u64, bool)]) -> Attempt {
    let read =
        |&(at, offset, is_inside): &(f64, u64, bool)| BodyRead { at, offset, framed: offset + 9, is_inside };
    let reads = reads.iter().map(read).collect();
    let attempt = listened(Via::Url, None, flushed(24, 8, 0.2));
    attempt.stream_with(|stream| stream.reads = reads)
}

impl Attempt {
    /// Its body is coded so.
    pub(crate) fn coded(mut self, coding: &str) -> Attempt {
        self.answer = self.answer.map(|answer| answer.and("content-encoding", coding));
        self
    }
}
