//! Which sizes of a message pass, and what happens to those that do not.

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::{Check, Conduct, Via};
use crate::holds::Manner;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its echo came.
    Echoed,
    /// Neither an echo nor an end came.
    Unanswered,
    /// It came back changed.
    Altered,
    /// The stream ended.
    Ended(Manner),
}

impl Fate {
    /// Of the message of an attempt that sent one.
    pub fn of(attempt: &Attempt) -> Option<Fate> {
        let stream = attempt.stream.as_ref()?;
        sent(attempt)?;
        if stream.echoes.first().is_some_and(Option::is_some) {
            return Some(Fate::Echoed);
        }
        let refused = stream.grpc.as_ref().and_then(|grpc| grpc.code).filter(|code| *code != 0);
        if let Some(end) = attempt.peer_end() {
            return Some(Fate::Ended(refused.map_or_else(|| Manner::of(attempt, end), Manner::Status)));
        }
        Some(if stream.altered > 0 { Fate::Altered } else { Fate::Unanswered })
    }
}

/// Bytes and frames of the message that an attempt sent.
pub fn sent(attempt: &Attempt) -> Option<(u64, u32)> {
    match attempt.experiment.conduct {
        Conduct::Send { bytes, frames } => Some((bytes, frames)),
        _ => None,
    }
}

/// Messages up to a size pass, and from a size on none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// The largest that passed.
    pub passed: u64,
    /// The smallest that did not.
    pub failed: u64,
    /// What became of that one.
    pub fate: Fate,
    /// How many sizes were tried on both sides together.
    pub tries: usize,
}

impl Bracket {
    /// Another one around the same limit.
    pub fn is_same(&self, other: &Bracket) -> bool {
        self.passed < other.failed && other.passed < self.failed
    }
}

/// All messages in one frame, with what became of them.
pub fn whole(seen: &Examination, via: Via) -> Vec<(u64, Fate)> {
    let all = seen.of(Check::Size, via).chain(seen.of(Check::Fragments, via));
    all.filter_map(|attempt| {
        let (bytes, frames) = sent(attempt)?;
        (frames == 1).then_some((bytes, Fate::of(attempt)?))
    })
    .collect()
}

/// The service echoes: at least one message came back.
pub fn echoes(seen: &Examination, via: Via) -> bool {
    let streams = seen.attempts.iter().filter(|attempt| attempt.experiment.via == via);
    streams
        .filter_map(|attempt| attempt.stream.as_ref())
        .any(|stream| stream.echoes.iter().any(Option::is_some))
}

/// It was taken: it came back, or its call was done, or nothing ever comes back there.
fn passes(fate: Fate, echoes: bool) -> bool {
    matches!(fate, Fate::Echoed | Fate::Ended(Manner::Announced)) || (fate == Fate::Unanswered && !echoes)
}

/// The limit of size there, when there is one: an answer that is missing counts only where others come.
pub fn bracket(seen: &Examination, via: Via) -> Option<Bracket> {
    let echoes = echoes(seen, via);
    let passes = |fate: Fate| passes(fate, echoes);
    let all = whole(seen, via);
    let &(failed, fate) = all.iter().filter(|(_, fate)| !passes(*fate)).min_by_key(|(bytes, _)| *bytes)?;
    let passed = all.iter().filter(|(_, fate)| passes(*fate)).map(|(bytes, _)| *bytes).max()?;
    (passed < failed).then_some(Bracket { passed, failed, fate, tries: all.len() })
}

/// A message of at least this size passed straight at the service.
pub fn passes_straight(seen: &Examination, bytes: u64) -> bool {
    let echoes = echoes(seen, Via::Direct);
    whole(seen, Via::Direct).iter().any(|&(size, fate)| size >= bytes && passes(fate, echoes))
}
