//! Openings that fail, or differ in one thing.

use model::Word as _;
use model::finding::{Finding, Level};

use super::{Scene, answer, can_be_told, greeting};
use crate::attempt::{Answer, Attempt, Certificate, Fault, Stage, StageName, Stream, Tls};
use crate::examination::Examination;
use crate::experiment::{Check, Conduct, Experiment, Vary, Via};

/// An attempt that got no answer: it failed at this stage after so long.
pub(crate) fn fails(via: Via, vary: Option<Vary>, name: StageName, fault: Fault, seconds: f64) -> Attempt {
    let reached = StageName::ALL.iter().copied().take_while(|stage| *stage != name);
    let stage = |name, fault, seconds| Stage { name, seconds, fault, detail: String::new() };
    let mut stages: Vec<_> = reached.map(|name| stage(name, None, 0.001)).collect();
    stages.push(stage(name, Some(fault), seconds));
    Attempt { answer: None, stream: None, stages, ..greeting(Check::Handshake, via, vary, answer(101)) }
}

/// Connections opened one after the other, 3 ms apart, and kept: each with this answer, or none after 10 s.
pub(crate) fn crowd(via: Via, answers: impl IntoIterator<Item = Option<Answer>>) -> Attempt {
    let member = |answer: Option<Answer>| match answer {
        Some(answer) => greeting(Check::Concurrency, via, None, answer),
        None => fails(via, None, StageName::Http, Fault::Timeout, 10.0),
    };
    crowd_of(via, answers.into_iter().map(|answer| Some(member(answer))))
}

/// Connections opened at once: each as given, or opened by 101.
pub(crate) fn crowd_of(via: Via, members: impl IntoIterator<Item = Option<Attempt>>) -> Attempt {
    let opened = || greeting(Check::Concurrency, via, None, answer(101));
    let began =
        |(number, attempt): (usize, Attempt)| Attempt { began: 1.0 + 0.003 * number as f64, ..attempt };
    let members = members.into_iter().map(|member| member.unwrap_or_else(opened));
    let crowd: Vec<_> = members.enumerate().map(began).collect();
    let connections = u32::try_from(crowd.len()).expect("a small number");
    let experiment =
        Experiment { check: Check::Concurrency, via, vary: None, conduct: Conduct::Crowd { connections } };
    Attempt { experiment, crowd, ..fails(via, None, StageName::Http, Fault::Answer, 0.1) }
}

/// `count` times the same.
pub(crate) fn times(count: usize, answer: &Answer) -> Vec<Option<Answer>> {
    vec![Some(answer.clone()); count]
}

/// An attempt that fails because of this certificate.
pub(crate) fn shows(certificate: Certificate, vary: Option<Vary>) -> Attempt {
    let tls = Tls { certificate: Some(certificate), ..Tls::default() };
    Attempt { tls: Some(tls), ..fails(Via::Url, vary, StageName::Tls, Fault::Certificate, 0.02) }
}

impl Attempt {
    pub(crate) fn detail(mut self, detail: &str) -> Attempt {
        self.stages.last_mut().expect("a stage").detail = detail.to_owned();
        self
    }

    /// Its last stage took so long.
    pub(crate) fn slow(mut self, seconds: f64) -> Attempt {
        self.stages.last_mut().expect("a stage").seconds = seconds;
        self
    }

    /// The stream did this.
    pub(crate) fn streamed(mut self, stream: Stream) -> Attempt {
        self.stream = Some(stream);
        self
    }

    /// It is open to TLS: this was agreed on.
    pub(crate) fn agreed(mut self, alpn: &str) -> Attempt {
        self.tls = Some(Tls { alpn: Some(alpn.to_owned()), ..Tls::default() });
        self
    }
}

impl Scene {
    /// Inside TLS.
    pub(crate) fn tls(mut self) -> Scene {
        (self.0.target.is_tls, self.0.target.port) = (true, 443);
        self
    }

    /// With this path and query.
    pub(crate) fn path(mut self, path: &str) -> Scene {
        path.clone_into(&mut self.0.target.path);
        self
    }

    /// With this `Origin`.
    pub(crate) fn origin(mut self, origin: &str) -> Scene {
        self.0.target.origin = Some(origin.to_owned());
        self
    }

    /// With this field of credentials.
    pub(crate) fn credentials(mut self, field: &str) -> Scene {
        self.0.target.credentials.push(field.to_owned());
        self
    }

    /// Offers this subprotocol.
    pub(crate) fn subprotocol(mut self, name: &str) -> Scene {
        self.0.target.subprotocols.push(name.to_owned());
        self
    }

    /// What a request straight at the upstream got that differs in one thing.
    pub(crate) fn direct_with(self, check: Check, vary: Vary, answer: Answer) -> Scene {
        self.attempt(greeting(check, Via::Direct, Some(vary), answer))
    }

    /// The plain request got no answer.
    pub(crate) fn plain_fails(self, name: StageName, fault: Fault, seconds: f64) -> Scene {
        self.attempt(fails(Via::Url, None, name, fault, seconds))
    }

    /// Straight at the upstream it got none.
    pub(crate) fn direct_fails(self, name: StageName, fault: Fault, seconds: f64) -> Scene {
        self.attempt(fails(Via::Direct, None, name, fault, seconds))
    }
}

/// The cause is found at this level, can be told in each language, and names the deciding measurement unless it is
/// sure.
pub(crate) fn found(probe: fn(&Examination) -> Option<Finding>, scene: Scene, level: Level) -> Finding {
    let finding = probe(&scene.seen()).expect("it is found");
    can_be_told(&finding);
    assert_eq!(finding.level, level, "{finding:#?}");
    assert!(
        level == Level::High || finding.next_measurement.is_some(),
        "nothing says what would decide: {finding:#?}"
    );
    finding
}

/// The cause is not found.
pub(crate) fn none(probe: fn(&Examination) -> Option<Finding>, scene: Scene) {
    assert_eq!(probe(&scene.seen()), None);
}
