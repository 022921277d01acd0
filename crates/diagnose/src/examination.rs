//! All attempts of a probe at one service: the evidence of an active diagnosis.

use serde::{Deserialize, Serialize};

use model::event::FrameViolation;
use model::{Protocol, Word as _};

use crate::attempt::Attempt;
use crate::experiment::{Check, Conduct, Experiment, Vary, Via};
use crate::sizes::{self, Fate};

/// What is examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The URL as it was given.
    pub url: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Whether inside TLS.
    pub is_tls: bool,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// `HOST:PORT` of the upstream behind it, when it was told.
    pub direct: Option<String>,
    /// `Origin` of the plain request, when one was given.
    pub origin: Option<String>,
    /// Names of the fields with credentials that were given.
    pub credentials: Vec<String>,
    /// Subprotocols that are offered.
    pub subprotocols: Vec<String>,
    /// The longest message that has to pass, bytes; none when the user did not say: then a limit that the service tells
    /// of is no fault.
    pub message_max: Option<u64>,
    /// The deadline that each call was told to have (`grpc-timeout`), seconds.
    #[serde(default)]
    pub deadline: Option<f64>,
}

/// Seconds of a `grpc-timeout` (grpc/grpc, doc/PROTOCOL-HTTP2.md).
pub fn deadline(field: &str) -> Option<f64> {
    let unit = match field.chars().last()? {
        'H' => 3600.0,
        'M' => 60.0,
        'S' => 1.0,
        'm' => 1e-3,
        'u' => 1e-6,
        'n' => 1e-9,
        _ => return None,
    };
    let digits = &field[..field.len() - 1];
    let is_value = (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_value.then(|| digits.parse::<f64>().ok().map(|value| value * unit)).flatten()
}

impl Target {
    /// Browsers send cookies with what pages of any site ask for.
    pub fn has_cookie(&self) -> bool {
        self.credentials.iter().any(|field| field == "cookie")
    }
}

/// The evidence so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// What is examined.
    pub target: Target,
    /// What was done, in the order in which it ended.
    pub attempts: Vec<Attempt>,
    /// The time was over before all was done.
    pub is_cut: bool,
    /// Openings that differ from the plain request and came to different results though nothing else did: they prove
    /// nothing of what they vary.
    pub unsteady: Vec<Attempt>,
    /// The checks of which something was not begun or not brought to its end then, each once.
    pub undone: Vec<Check>,
}

impl Examination {
    /// Nothing is known yet.
    pub fn new(target: Target) -> Examination {
        Examination { target, attempts: Vec::new(), is_cut: false, unsteady: Vec::new(), undone: Vec::new() }
    }

    /// The same, with what is unsteady apart from the attempts that causes compare.
    pub fn settled(&self) -> Examination {
        let is_opening = |it: &Experiment| it.vary.is_some() && matches!(it.conduct, Conduct::Greet);
        let came_to = |wanted: &Experiment, opens: bool| {
            let is = |made: &&Attempt| made.experiment == *wanted && made.is_over();
            self.attempts.iter().filter(is).any(|made| made.is_open() == opens)
        };
        let is_unsteady = |made: &Attempt| {
            let it = &made.experiment;
            is_opening(it) && came_to(it, true) && came_to(it, false)
        };
        let (unsteady, attempts) = self.attempts.iter().cloned().partition(is_unsteady);
        Examination { attempts, unsteady, ..self.clone() }
    }

    /// The time is over, and this is not done.
    pub fn leave_undone(&mut self, experiment: &Experiment) {
        self.is_cut = true;
        if !self.undone.contains(&experiment.check) {
            self.undone.push(experiment.check);
        }
    }

    /// Leaves out texts that the service wrote: bodies of answers, reasons of ends, messages of statuses.
    pub fn leave_out_texts(&mut self) {
        for attempt in &mut self.attempts {
            attempt.leave_out_texts();
        }
    }

    /// The plain attempt at the URL.
    pub fn plain(&self) -> Option<&Attempt> {
        self.greeting(Via::Url, None)
    }

    /// The plain attempt straight at the upstream.
    pub fn direct(&self) -> Option<&Attempt> {
        self.greeting(Via::Direct, None)
    }

    /// The first attempt at the URL that differs in this.
    pub fn with(&self, vary: &Vary) -> Option<&Attempt> {
        self.greeting(Via::Url, Some(vary))
    }

    /// The first attempt straight at the upstream that differs in this.
    pub fn direct_with(&self, vary: &Vary) -> Option<&Attempt> {
        self.greeting(Via::Direct, Some(vary))
    }

    fn greeting(&self, via: Via, vary: Option<&Vary>) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| {
            let Experiment { via: way, vary: differs, conduct, .. } = &attempt.experiment;
            *way == via && differs.as_ref() == vary && matches!(conduct, Conduct::Greet)
        })
    }

    /// The checks that were made, in the order of [`Check::ALL`](model::Word::ALL).
    pub fn checks(&self) -> Vec<Check> {
        let is_made = |check: &Check| self.attempts.iter().any(|attempt| attempt.experiment.check == *check);
        Check::ALL.iter().copied().filter(is_made).collect()
    }

    /// The attempts of a check, at the URL or straight at the upstream.
    pub fn of(&self, check: Check, via: Via) -> impl Iterator<Item = &Attempt> {
        self.attempts
            .iter()
            .filter(move |attempt| attempt.experiment.check == check && attempt.experiment.via == via)
    }

    /// Attempts that opened the stream, at the URL or straight at the upstream.
    pub fn of_open(&self, via: Via) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.experiment.via == via && attempt.is_open())
    }

    /// The first breach of the protocol on each stream that has one, with its byte.
    pub fn breaches(&self, via: Via) -> Vec<(FrameViolation, u64)> {
        self.of_open(via).filter_map(|attempt| attempt.stream.as_ref()?.violations.first().copied()).collect()
    }

    /// Streams that lost the borders of frames: one stream has breaches of several kinds. What answers a fragmented
    /// message may err in fragments.
    pub fn scrambled(&self, via: Via) -> usize {
        let is_scrambled = |attempt: &&Attempt| {
            let violations = attempt.stream.as_ref().map_or(&[][..], |stream| &stream.violations);
            violations.iter().any(|(kind, _)| *kind != violations[0].0)
        };
        let is_whole =
            |attempt: &&Attempt| !matches!(attempt.experiment.conduct, Conduct::Send { frames: 2.., .. });
        self.of_open(via).filter(is_whole).filter(is_scrambled).count()
    }

    /// Streams over which something came.
    pub fn heard(&self, via: Via) -> usize {
        let has_spoken = |attempt: &&Attempt| attempt.stream.as_ref().is_some_and(|it| it.bytes_seen > 0);
        self.of_open(via).filter(has_spoken).count()
    }

    /// Attempts that held a connection silent, at the URL or straight at the upstream.
    pub fn silent(&self, via: Via) -> impl Iterator<Item = &Attempt> {
        self.of(Check::Idle, via).filter(|attempt| {
            matches!(
                attempt.experiment.conduct,
                Conduct::Hold { ping_seconds: None, message_seconds: None, .. }
            )
        })
    }

    /// Attempts that held a connection with a heartbeat or with messages.
    pub fn busy(&self, via: Via) -> impl Iterator<Item = &Attempt> {
        self.of(Check::Idle, via).filter(|attempt| {
            let is_silent = matches!(
                attempt.experiment.conduct,
                Conduct::Hold { ping_seconds: None, message_seconds: None, .. }
            );
            matches!(attempt.experiment.conduct, Conduct::Hold { .. }) && !is_silent
        })
    }

    /// Sizes of whole messages that were sent in one frame, and whether each passed: it came back, or where nothing
    /// does it was taken and the connection stayed.
    pub fn sizes(&self, via: Via) -> impl Iterator<Item = (u64, bool)> {
        let echoes = sizes::echoes(self, via);
        let passed = move |attempt: &Attempt| {
            attempt.is_well() && !(echoes && Fate::of(attempt) == Some(Fate::Unanswered))
        };
        self.of(Check::Size, via).filter_map(move |attempt| match attempt.experiment.conduct {
            Conduct::Send { bytes, frames: 1 } if attempt.is_open() => Some((bytes, passed(attempt))),
            _ => None,
        })
    }

    /// The smallest message that did not pass met no answer, rather than an end.
    pub fn is_lost(&self, via: Via) -> bool {
        let (_, failed) = self.size_limit(via);
        sizes::whole(self, via).iter().any(|&(bytes, fate)| Some(bytes) == failed && fate == Fate::Unanswered)
    }

    /// The largest size that passed, 0 when none did, and the smallest that did not.
    pub fn size_limit(&self, via: Via) -> (u64, Option<u64>) {
        let failed = self.sizes(via).filter(|(_, passed)| !passed).map(|(bytes, _)| bytes).min();
        let below = |bytes: &u64| failed.is_none_or(|failed| *bytes < failed);
        let passed =
            self.sizes(via).filter(|(_, passed)| *passed).map(|(bytes, _)| bytes).filter(below).max();
        (passed.unwrap_or(0), failed)
    }
}
