//! Whether the messages of a stream come when they are made, or are held on the way.

use crate::attempt::{Attempt, BodyRead};
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

/// How what is held comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holding {
    /// When a buffer is full: bursts of so many bytes that end inside an event.
    BySize(u64),
    /// By a clock: whole events, each so many seconds.
    ByTime(f64),
    /// With the end of the body.
    UntilEnd,
}

/// Reads that are further apart are bursts of their own, seconds.
const PAUSE: f64 = 0.05;
/// How far sizes of full buffers, and periods of a clock, spread.
const SIZES_SPREAD: f64 = 0.02;
const PERIODS_SPREAD: f64 = 0.15;
/// Sizes of buffers are multiples of it.
const BUFFER: u64 = 512;
/// Fewest streams whose first bytes are compared, and least pause behind these: round trips are shorter, so that it is
/// not TCP's slow start (RFC 5681, section 3.1).
const BLOCKS_MIN: usize = 2;
const BLOCK_PAUSE: f64 = 1.0;

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

    /// How it is held; none when that does not show.
    fn holding(&self) -> Option<Holding> {
        let bursts = bursts(self.attempt);
        let sizes = |offset: fn(&BodyRead) -> u64| -> Vec<u64> {
            bursts.windows(2).map(|pair| offset(&pair[1]) - offset(&pair[0])).collect()
        };
        let periods: Vec<f64> = bursts.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        let inside = bursts.iter().filter(|burst| burst.is_inside).count();
        let are_sizes = |sizes: &[u64]| {
            let alike = sizes.len() >= 2 && spread(sizes.iter().map(|size| *size as f64)) <= SIZES_SPREAD;
            alike || is_round(sizes)
        };
        // What an answer's end brings is no full buffer.
        let has_ended = self.attempt.peer_end().is_some();
        if inside * 3 >= bursts.len() * 2 && self.is_bunched() {
            // A buffer holds the content, or what frames it as well.
            let both = [sizes(|read| read.offset), sizes(|read| read.framed)];
            let full = both.iter().map(|sizes| &sizes[..sizes.len().saturating_sub(usize::from(has_ended))]);
            if let Some(full) = full.filter(|sizes| are_sizes(sizes)).min_by_key(|sizes| !is_round(sizes)) {
                return full.get(full.len() / 2).map(|size| Holding::BySize(*size));
            }
        }
        let is_held = self.is_held() == Some(true);
        let ends_with_it = || {
            let at = self.attempt.peer_end()?.at;
            bursts.first().filter(|first| bursts.len() <= 2 && at - first.at < HELD_SECONDS)
        };
        if is_held && ends_with_it().is_some() {
            return Some(Holding::UntilEnd);
        }
        let is_clock = periods.len() >= 3 && spread(periods.iter().copied()) <= PERIODS_SPREAD;
        let period = periods.get(periods.len() / 2).copied()?;
        (is_held && inside == 0 && is_clock).then_some(Holding::ByTime(period))
    }

    /// Messages come one by one, or soon after they are made.
    pub fn is_live(&self) -> bool {
        let are_soon = !self.lags.is_empty() && self.longest() < HELD_SECONDS;
        let are_single = self.is_held() != Some(true) && self.reads * 5 >= self.messages * 4;
        self.messages >= MESSAGES_MIN && (are_soon || are_single)
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

    /// It is held: by its own times, or in comparison with another that is live, or brings what this one does not.
    pub fn is_held_against(&self, other: Option<&Flow<'_>>) -> bool {
        let is_held_there = |other: &Flow<'_>| other.is_held() == Some(true);
        match self.is_held() {
            Some(is_held) => is_held,
            None if self.messages == 0 => {
                other.is_some_and(|other| other.messages >= MESSAGES_MIN && !is_held_there(other))
            }
            None => other.is_some_and(Flow::is_live) && self.is_bunched(),
        }
    }
}

/// Reads of a body between which there was no pause: when each burst began, and where it ended.
fn bursts(attempt: &Attempt) -> Vec<BodyRead> {
    let mut bursts: Vec<BodyRead> = Vec::new();
    let mut last_at = f64::NEG_INFINITY;
    for read in attempt.stream.iter().flat_map(|stream| &stream.reads) {
        match bursts.last_mut() {
            Some(last) if read.at - last_at <= PAUSE => *last = BodyRead { at: last.at, ..*read },
            _ => bursts.push(*read),
        }
        last_at = read.at;
    }
    bursts
}

/// How streams there are held when nothing compresses them; none when that does not show.
pub fn holding(seen: &Examination, via: Via) -> Option<Holding> {
    let flow = flow(seen, via, false).filter(|flow| flow.coding().is_none())?;
    let is_plain = |attempt: &&Attempt| attempt.is_open() && attempt.experiment.vary.is_none();
    // What is held by the service comes so by every way.
    let is_on_way = |attempt: &&Attempt| via == Via::Direct || attempt.experiment.via == via;
    let streams = seen.attempts.iter().filter(is_plain).filter(is_on_way);
    flow.holding().or_else(|| first_block(streams, via).map(Holding::BySize))
}

/// What came first on each of several streams, some of them there, when it was as many bytes each time, ended inside an
/// event and was followed by a long pause: a buffer that was full, of which more takes longer than the streams were
/// followed.
fn first_block<'a>(streams: impl Iterator<Item = &'a Attempt>, via: Via) -> Option<u64> {
    let mut blocks = Vec::new();
    let mut is_there = false;
    for attempt in streams {
        let Some(stream) = &attempt.stream else { continue };
        let mut bursts = bursts(attempt).into_iter();
        let Some(first) = bursts.next() else { continue };
        let next = bursts.next();
        let until = next.map(|next| next.at).or(stream.end.as_ref().map(|end| end.at));
        let is_quiet = until.is_some_and(|until| until - first.at >= BLOCK_PAUSE);
        if !is_quiet && next.is_none() {
            continue; // It was left too soon to show anything.
        }
        let events = stream.messages.iter().take_while(|message| message.at <= first.at + PAUSE).count();
        if !is_quiet || !first.is_inside || events < MESSAGES_MIN {
            return None;
        }
        is_there |= attempt.experiment.via == via;
        blocks.push(first);
    }
    let block = blocks.first().filter(|_| is_there && blocks.len() >= BLOCKS_MIN)?;
    let is_same = |other: &BodyRead| other.offset == block.offset || other.framed == block.framed;
    blocks.iter().all(is_same).then_some(block.offset)
}

fn is_round(sizes: &[u64]) -> bool {
    !sizes.is_empty() && sizes.iter().all(|size| size % BUFFER == 0)
}

/// How far values lie apart, as a part of their mean.
fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let (least, most) = values.fold((f64::MAX, 0.0), |(least, most), it| (it.min(least), it.max(most)));
    (most - least) / mean.max(f64::MIN_POSITIVE)
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
    use crate::attempt::{End, Sign};
    use crate::scene::{flushed, in_bursts, listened, untimed};

    fn holding(attempt: &Attempt) -> Option<Holding> {
        Flow::of(attempt).and_then(|flow| flow.holding())
    }

    #[test]
    fn full_buffers_end_inside_events() {
        let blocks = in_bursts(&[(1.0, 3900, true), (3.0, 7996, true), (5.1, 12_092, true)]);
        assert_eq!(holding(&blocks), Some(Holding::BySize(4096)));
        let with_framing = in_bursts(&[(1.0, 4000, true), (3.0, 8020, true), (5.1, 12_055, true)]);
        assert_eq!(holding(&with_framing), Some(Holding::BySize(4035)));
        let whole = in_bursts(&[(1.0, 4000, false), (3.0, 8000, false), (5.0, 12_000, false)]);
        assert_eq!(holding(&whole), None, "as many events each time: by a clock, or by count");
        let uneven = in_bursts(&[(1.0, 4000, true), (3.0, 5000, true), (5.0, 12_100, true)]);
        assert_eq!(holding(&uneven), None, "segments of a slow link");
        let in_pieces =
            in_bursts(&[(1.0, 2000, true), (1.02, 3900, true), (3.0, 7996, true), (5.1, 12_092, true)]);
        assert_eq!(holding(&in_pieces), Some(Holding::BySize(4096)));
    }

    #[test]
    fn a_buffer_holds_the_content_or_what_frames_it_as_well() {
        let framed_alike = in_bursts(&[(1.0, 3900, true), (3.0, 7850, true), (5.1, 11_890, true)])
            .stream_with(|stream| {
                for (read, framed) in stream.reads.iter_mut().zip([4096, 8192, 12_288]) {
                    read.framed = framed;
                }
            });
        assert_eq!(holding(&framed_alike), Some(Holding::BySize(4096)), "the content is uneven");
        let both_alike =
            in_bursts(&[(1.0, 4000, true), (3.0, 8020, true), (5.1, 12_040, true)]).stream_with(|stream| {
                for (read, framed) in stream.reads.iter_mut().zip([4096, 8192, 12_288]) {
                    read.framed = framed;
                }
            });
        assert_eq!(holding(&both_alike), Some(Holding::BySize(4096)), "sizes of buffers are round");
    }

    #[test]
    fn the_first_block_of_several_streams() {
        let once = |read: (f64, u64, bool), until: f64| {
            let mut attempt = ended(in_bursts(&[read]), until);
            attempt.experiment.vary = None;
            attempt
        };
        let held = |bursts: &[Attempt]| first_block(bursts.iter(), Via::Url);
        let full = once((4.5, 2048, true), 6.0);
        assert_eq!(held(&[full.clone(), full.clone()]), Some(2048));
        assert_eq!(held(std::slice::from_ref(&full)), None, "once may be chance");
        assert_eq!(held(&[full.clone(), once((4.5, 2100, true), 6.0)]), None, "by a clock");
        assert_eq!(held(&[full.clone(), once((4.5, 2048, false), 6.0)]), None, "by whole events");
        assert_eq!(held(&[full.clone(), full.clone(), once((5.9, 2048, true), 6.0)]), Some(2048));
        let straight =
            Attempt { experiment: listened(Via::Direct, None, Vec::new()).experiment, ..full.clone() };
        assert_eq!(first_block([&full, &straight].into_iter(), Via::Direct), Some(2048));
        assert_eq!(first_block([&full, &full].into_iter(), Via::Direct), None, "nothing is known of it");
        let slow_start = in_bursts(&[(1.0, 14_480, true), (1.2, 20_000, false)]);
        assert_eq!(held(&[slow_start.clone(), slow_start]), None);
    }

    #[test]
    fn pairs_that_come_soon_are_live() {
        let pairs = listened(Via::Url, None, flushed(12, 2, 0.1));
        assert!(Flow::of(&pairs).is_some_and(|flow| flow.is_live()));
        let unknown = listened(Via::Url, None, untimed(flushed(12, 2, 0.1)));
        assert!(Flow::of(&unknown).is_some_and(|flow| !flow.is_live()));
    }

    fn ended(attempt: Attempt, at: f64) -> Attempt {
        let end = End { at, age: at, silence: 0.0, is_ours: false, sign: Sign::Fin };
        attempt.stream_with(|stream| stream.end = Some(end))
    }

    #[test]
    fn an_end_brings_what_is_left() {
        let blocks =
            in_bursts(&[(1.0, 3900, true), (3.0, 7996, true), (5.0, 12_092, true), (5.5, 13_000, false)]);
        assert_eq!(holding(&ended(blocks.clone(), 5.5)), Some(Holding::BySize(4096)));
        assert_eq!(holding(&blocks), None, "it was no full buffer");
        let at_once = in_bursts(&[(5.0, 9000, false)]);
        assert_eq!(holding(&ended(at_once.clone(), 5.1)), Some(Holding::UntilEnd));
        assert_eq!(holding(&at_once), None);
        assert_eq!(holding(&ended(at_once, 8.0)), None, "the end came later");
    }

    #[test]
    fn a_clock_sends_whole_events() {
        let steps =
            in_bursts(&[(1.0, 400, false), (2.0, 900, false), (3.0, 1300, false), (4.0, 1800, false)]);
        assert_eq!(holding(&steps), Some(Holding::ByTime(1.0)));
        let unknown = steps.stream_with(|stream| stream.messages = untimed(stream.messages.clone()));
        assert_eq!(holding(&unknown), None, "they may be made together");
        let cut = in_bursts(&[(1.0, 400, true), (2.0, 900, false), (3.0, 1300, true), (4.0, 1800, false)]);
        assert_eq!(holding(&cut), None, "a clock sends what is whole");
        let uneven =
            in_bursts(&[(1.0, 400, false), (1.7, 900, false), (3.0, 1300, false), (4.0, 1800, false)]);
        assert_eq!(holding(&uneven), None, "no clock");
    }

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
