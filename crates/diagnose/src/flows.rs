//! Whether the messages of a stream come when they are made, or are held on the way.

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::{Conduct, Vary, Via};

/// How messages came, on a stream that was only listened to.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow<'a> {
    /// The attempt.
    pub attempt: &'a Attempt,
    /// Messages that came.
    pub messages: usize,
    /// Reads that completed at least one of them.
    pub reads: usize,
    /// How much longer than the quickest each took from its making, in the order of arrival; empty when they do not carry
    /// the time of their making.
    pub lags: Vec<f64>,
}

/// Least wait that is not chance.
const HELD_SECONDS: f64 = 0.25;
/// Fewest messages that tell anything.
const MESSAGES_MIN: usize = 3;

impl Flow<'_> {
    /// Of an attempt that listened.
    pub fn of(attempt: &Attempt) -> Option<Flow<'_>> {
        let listened = matches!(attempt.experiment.conduct, Conduct::Listen { .. });
        let messages = &attempt.stream.as_ref().filter(|_| listened)?.messages;
        let mut reads: Vec<u64> = messages.iter().map(|message| message.read).collect();
        reads.dedup();
        let taken: Option<Vec<f64>> =
            messages.iter().map(|message| Some(message.at - message.made_at?)).collect();
        let taken = taken.unwrap_or_default();
        let quickest = taken.iter().copied().fold(f64::INFINITY, f64::min);
        let lags = taken.iter().map(|taken| taken - quickest).collect();
        Some(Flow { attempt, messages: messages.len(), reads: reads.len(), lags })
    }

    /// Several messages come in one read, after waiting for each other. None when their times are not known: a service
    /// may send several at once.
    pub fn is_held(&self) -> Option<bool> {
        if self.messages < MESSAGES_MIN || self.lags.is_empty() {
            return None;
        }
        let waited = self.lags.iter().filter(|lag| **lag >= HELD_SECONDS).count();
        Some(self.is_bunched() && waited * 3 >= self.messages)
    }

    /// Messages come one by one.
    pub fn is_live(&self) -> bool {
        self.messages >= MESSAGES_MIN && self.is_held() != Some(true) && self.reads * 5 >= self.messages * 4
    }

    /// Many messages come in one read.
    pub fn is_bunched(&self) -> bool {
        self.messages >= MESSAGES_MIN && self.messages * 2 >= self.reads * 3
    }

    /// The longest wait of a message.
    pub fn longest(&self) -> f64 {
        self.lags.iter().copied().fold(0.0, f64::max)
    }

    /// How the body is coded, when it is.
    pub fn coding(&self) -> Option<&str> {
        let answer = self.attempt.answer.as_ref()?;
        answer.field("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
    }

    /// It is held: by its own times, or in comparison with another that is live.
    pub fn is_held_against(&self, other: Option<&Flow<'_>>) -> bool {
        match self.is_held() {
            Some(is_held) => is_held,
            None => other.is_some_and(Flow::is_live) && (self.messages == 0 || self.is_bunched()),
        }
    }
}

/// The stream as it was asked for without or with compression.
pub fn flow(seen: &Examination, via: Via, is_compressed: bool) -> Option<Flow<'_>> {
    let flows =
        seen.attempts.iter().filter(|attempt| attempt.experiment.via == via).filter(|attempt| match attempt
            .experiment
            .vary
        {
            None | Some(Vary::Compression(false)) => !is_compressed,
            Some(Vary::Compression(true)) => is_compressed,
            _ => false,
        });
    flows.filter_map(Flow::of).max_by_key(|flow| flow.messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{flushed, listened};

    #[test]
    fn what_waits_for_others_is_held() {
        let held = listened(Via::Url, None, flushed(8, 4, 0.4));
        assert_eq!(Flow::of(&held).and_then(|flow| flow.is_held()), Some(true));
        let live = listened(Via::Url, None, flushed(8, 1, 0.4));
        assert_eq!(Flow::of(&live).and_then(|flow| flow.is_held()), Some(false));
        assert!(Flow::of(&live).is_some_and(|flow| flow.is_live()));
    }

    #[test]
    fn what_is_made_at_once_is_not_held() {
        let mut messages = flushed(9, 3, 0.4);
        for message in &mut messages {
            message.made_at = Some(message.at - 7.0);
        }
        let burst = listened(Via::Url, None, messages.clone());
        assert_eq!(Flow::of(&burst).and_then(|flow| flow.is_held()), Some(false));
        messages.iter_mut().for_each(|message| message.made_at = None);
        let unknown = listened(Via::Url, None, messages);
        assert_eq!(Flow::of(&unknown).and_then(|flow| flow.is_held()), None);
    }
}
