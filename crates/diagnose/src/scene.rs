//! Evidence made up for tests, in words.

use model::finding::Finding;
use model::language::Language;
use model::{Protocol, Word as _};

use model::event::CloseCode;

use crate::attempt::{Answer, Attempt, End, Sign, Stage, StageName, Stream};
use crate::examination::{Examination, Target};
use crate::experiment::{Check, Conduct, Experiment, Vary, Via};

mod flows;
mod holds;
mod openings;

pub(crate) use flows::*;
pub(crate) use holds::*;
pub(crate) use openings::*;

/// An examination under construction.
pub(crate) struct Scene(Examination);

impl Scene {
    pub(crate) fn of(protocol: Protocol) -> Scene {
        Scene(Examination::new(Target {
            url: "ws://example.com/chat".to_owned(),
            protocol,
            is_tls: false,
            host: "example.com".to_owned(),
            port: 80,
            path: "/chat".to_owned(),
            direct: None,
            origin: None,
            credentials: Vec::new(),
            subprotocols: Vec::new(),
            message_max: None,
            deadline: None,
        }))
    }

    pub(crate) fn websocket() -> Scene {
        Scene::of(Protocol::WebSocket)
    }

    /// The upstream is known.
    pub(crate) fn direct(mut self, address: &str) -> Scene {
        self.0.target.direct = Some(address.to_owned());
        self
    }

    /// Each call was told to have this deadline.
    pub(crate) fn deadline(mut self, seconds: f64) -> Scene {
        self.0.target.deadline = Some(seconds);
        self
    }

    /// Messages of this size have to pass.
    pub(crate) fn needs(mut self, bytes: u64) -> Scene {
        self.0.target.message_max = Some(bytes);
        self
    }

    /// What the plain request got.
    pub(crate) fn plain(self, answer: Answer) -> Scene {
        self.attempt(greeting(Check::Handshake, Via::Url, None, answer))
    }

    /// What the plain request got straight at the upstream.
    pub(crate) fn direct_answers(self, answer: Answer) -> Scene {
        self.attempt(greeting(Check::Handshake, Via::Direct, None, answer))
    }

    pub(crate) fn direct_opens(self) -> Scene {
        let status = if self.0.target.protocol == Protocol::WebSocket { 101 } else { 200 };
        self.direct_answers(answer(status))
    }

    /// What a request got that differs in one thing.
    pub(crate) fn with(self, check: Check, vary: Vary, answer: Answer) -> Scene {
        self.attempt(greeting(check, Via::Url, Some(vary), answer))
    }

    pub(crate) fn attempt(mut self, attempt: Attempt) -> Scene {
        self.0.attempts.push(attempt);
        self
    }

    /// The last attempt, changed.
    pub(crate) fn map(mut self, change: impl FnOnce(Attempt) -> Attempt) -> Scene {
        let last = self.0.attempts.pop().expect("there is one");
        self.attempt(change(last))
    }

    pub(crate) fn seen(self) -> Examination {
        self.0
    }
}

/// An answer with this status after 5 ms.
pub(crate) fn answer(status: u16) -> Answer {
    Answer { version: "1.1".to_owned(), status, seconds: 0.005, ..Answer::default() }
}

impl Answer {
    pub(crate) fn body(mut self, body: &str) -> Answer {
        self.body = body.to_owned();
        self
    }

    #[allow(clippy::should_implement_trait)]
    pub(crate) fn and(mut self, name: &str, value: &str) -> Answer {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

pub(crate) fn greeting(check: Check, via: Via, vary: Option<Vary>, answer: Answer) -> Attempt {
    greeted(Experiment { check, via, vary, conduct: Conduct::Greet }, answer)
}

/// What an experiment gets with this answer.
pub(crate) fn greeted(experiment: Experiment, answer: Answer) -> Attempt {
    let is_open =
        answer.status == 101 || (answer.status == 200 && answer.media_type() == "text/event-stream");
    let stage = |name| Stage { name, seconds: 0.001, fault: None, detail: String::new() };
    Attempt {
        experiment,
        began: 0.0,
        stages: vec![stage(StageName::Tcp), stage(StageName::Http)],
        peer: None,
        tls: None,
        stream: is_open.then(Stream::default),
        answer: Some(answer),
        tcp: None,
        crowd: Vec::new(),
    }
}

/// A message comes back, or the peer ends the connection over it.
pub(crate) fn passes(attempt: &mut Attempt, is_well: bool) {
    let stream = attempt.stream.get_or_insert_default();
    stream.echoes = vec![is_well.then_some(0.002)];
    stream.end = Some(End {
        at: 0.1,
        age: 0.1,
        silence: 0.0,
        is_ours: is_well,
        sign: Sign::Close(Some(CloseCode(if is_well { 1000 } else { 1009 })), String::new()),
    });
}

/// An open stream that the peer ends without a word after so many seconds of silence.
pub(crate) fn cut(experiment: Experiment, seconds: f64) -> Attempt {
    let mut attempt = greeted(experiment, answer(101));
    let end = End { at: seconds, age: seconds, silence: seconds, is_ours: false, sign: Sign::Fin };
    attempt.stream = Some(Stream { end: Some(end), ..Stream::default() });
    attempt
}

/// The finding can be told in each language: each sentence is in the catalogue and each gap is filled.
pub(crate) fn can_be_told(finding: &Finding) {
    for &language in Language::ALL {
        let told = crate::text::told(finding, language);
        let sentences = told.evidence.iter().chain(&told.against).chain(&told.not_excluded);
        let sentences =
            sentences.chain(&told.next_measurement).chain(told.fixes.iter().map(|fix| &fix.sentence));
        let mut all: Vec<(&str, &str)> =
            sentences.map(|said| (said.code.as_str(), said.text.as_str())).collect();
        all.push(("title", &told.title));
        for (code, text) in all {
            assert_ne!(code, text, "{}: no sentence `{code}` in {language}", finding.id);
            let gap = text.split('{').nth(1).and_then(|rest| rest.split('}').next()).unwrap_or(" ");
            let is_gap = gap.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
            assert!(!is_gap, "{}: `{code}` has a gap in {language}: {text}", finding.id);
        }
    }
}
