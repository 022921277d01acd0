//! One run of a probe: the experiments, the verdict, and what is told of both.

use std::net::SocketAddr;
use std::time::Duration;

use diagnose::attempt::Attempt;
use diagnose::examination::Examination;
use diagnose::experiment::{Check, Experiment};
use diagnose::limits::limits;
use diagnose::plan::Options;
use diagnose::population::Reach;
use diagnose::verdict::verdict;
use gateway::clock;
use model::finding::{Finding, Param, Said};
use model::probe::{Outcome, PathLimits, ProbeRun, ProbeStage, StageName};
use probe::diagnose::{Progress, Settings};

use crate::config::ProbeConfig;

/// Checks that take long, or find limits the hard way.
const DEEP: [Check; 4] = [Check::Idle, Check::Size, Check::Concurrency, Check::Keepalive];
/// Time of a deep run beside its longest silence.
const DEEP_TIME: Duration = Duration::from_secs(110);
/// Shorter ones are no secrets, and occur by chance.
const SECRET_MIN: usize = 4;

/// What came of it.
pub(super) struct Seen {
    pub(super) run: ProbeRun,
    pub(super) findings: Vec<Finding>,
    pub(super) reach: Reach,
    /// Of a deep run.
    pub(super) limits: Option<PathLimits>,
}

/// Runs it.
pub(super) async fn run(config: &ProbeConfig, is_deep: bool) -> Seen {
    let (at, began) = (clock::wall(), clock::now());
    let reach = Reach { is_deep, is_whole: false, attempts: 0 };
    let nothing = ProbeRun {
        at,
        seconds: 0.0,
        is_deep,
        is_success: false,
        outcome: Outcome::CouldNotTest,
        error: None,
        stages: Vec::new(),
        status: None,
        ip_version: None,
        tls_version: None,
        certificate_ends_at: None,
        ping_rtt_seconds: None,
    };
    let settings = match config.settings() {
        Ok(settings) => settings,
        Err(error) => {
            let run = ProbeRun { error: Some(error), ..nothing };
            return Seen { run, findings: Vec::new(), reach, limits: None };
        }
    };
    let secrets = secrets(&settings);
    let (options, limit) = experiments(config, is_deep);
    let seen = Examination::new(settings.examined());
    let seen = probe::diagnose::examine(settings, seen, options, limit, &mut Silent).await;
    let mut verdict = verdict(&seen);
    verdict.findings.iter_mut().for_each(|finding| mask(finding, &secrets));
    let seconds = clock::now().since(began).as_secs_f64();
    let run = ProbeRun { seconds, outcome: verdict.outcome, ..nothing };
    let plain = seen.plain();
    let is_open = plain.is_some_and(Attempt::is_open);
    Seen {
        run: plain.map_or(run.clone(), |plain| told(plain, run)),
        findings: verdict.findings,
        reach: Reach { is_deep, is_whole: is_open && !seen.is_cut, attempts: attempts(&seen) },
        limits: is_deep.then(|| limits(&seen)),
    }
}

/// What is done, and the time for it.
fn experiments(config: &ProbeConfig, is_deep: bool) -> (Options, Duration) {
    let is_wanted = |check: &Check| is_deep || !DEEP.contains(check);
    let checks = config.checks.iter().copied().filter(is_wanted).collect();
    let options = Options { checks, is_safe: !is_deep, idle_max: config.idle_max.as_secs_f64() };
    (options, if is_deep { config.idle_max + DEEP_TIME } else { config.time() })
}

/// Connections that were tried.
fn attempts(seen: &Examination) -> u64 {
    seen.attempts.iter().map(|attempt| attempt.crowd.len().max(1) as u64).sum()
}

/// What the plain opening tells.
fn told(plain: &Attempt, run: ProbeRun) -> ProbeRun {
    let stream = plain.stream.as_ref();
    let grpc = stream.and_then(|stream| stream.grpc.as_ref()?.code);
    let stage = |stage: &diagnose::attempt::Stage| ProbeStage {
        name: stage.name,
        seconds: stage.seconds,
        fault: stage.fault,
    };
    let is_connected = plain.stage(StageName::Tcp).is_some_and(|tcp| tcp.fault.is_none());
    let peer = plain.peer.as_deref().filter(|_| is_connected);
    let peer: Option<SocketAddr> = peer.and_then(|peer| peer.parse().ok());
    let certificate = plain.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    ProbeRun {
        is_success: plain.is_well() && grpc.is_none_or(|code| code == 0),
        stages: plain.stages.iter().map(stage).collect(),
        status: plain.status(),
        ip_version: peer.map(|peer| if peer.is_ipv4() { 4 } else { 6 }),
        tls_version: plain.tls.as_ref().and_then(|tls| tls.version.clone()),
        certificate_ends_at: certificate.map(|certificate| certificate.chain_ends_at),
        ping_rtt_seconds: stream.and_then(|stream| stream.pings.iter().copied().flatten().reduce(f64::min)),
        ..run
    }
}

/// What no finding may repeat, though a service repeats it: the query of the URL, values of headers.
pub(crate) fn secrets(settings: &Settings) -> Vec<String> {
    let query = settings.target.path.query().map(str::to_owned);
    let values = settings.fields.iter().filter(|(_, value)| value.is_sensitive());
    let values = values.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
    query.into_iter().chain(values).filter(|secret| secret.len() >= SECRET_MIN).collect()
}

pub(crate) fn mask(finding: &mut Finding, secrets: &[String]) {
    let Finding { title, evidence, against, not_excluded, next_measurement, fixes, .. } = finding;
    let fixes = fixes.iter_mut().flat_map(|fix| std::iter::once(&mut fix.text).chain(&mut fix.config));
    let said = std::iter::once(title).chain(evidence).chain(against).chain(not_excluded);
    let said = said.chain(next_measurement).chain(fixes);
    for param in said.flat_map(|said: &mut Said| said.params.values_mut()) {
        if let Param::Text(text) = param {
            for secret in secrets {
                *text = text.replace(secret.as_str(), "***");
            }
        }
    }
}

/// Nobody looks on.
struct Silent;

impl Progress for Silent {
    fn running(&mut self, _: f64, _: &[&Experiment]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> ProbeConfig {
        let text = format!(r#"{{"name": "echo", "url": "ws://127.0.0.1:1/ws?token=s3cret"{more}}}"#);
        serde_json::from_str(&text).expect("a probe")
    }

    #[test]
    fn ordinary_runs_are_short_and_safe() {
        let (options, limit) = experiments(&config(""), false);
        assert!(options.is_safe && !options.checks.iter().any(|check| DEEP.contains(check)));
        assert!(options.checks.contains(&Check::Latency));
        assert_eq!(limit, Duration::from_secs(15));
        let (options, limit) = experiments(&config(""), true);
        assert!(!options.is_safe && options.checks.contains(&Check::Idle));
        assert_eq!((options.idle_max, limit), (70.0, Duration::from_secs(180)));
        let (options, limit) = experiments(&config(r#", "checks": ["idle"], "every": "5s""#), false);
        assert_eq!((options.checks.len(), limit), (0, Duration::from_secs(5)));
    }

    #[test]
    fn secrets_are_masked_in_findings() {
        let settings = config(r#", "headers": {"Cookie": "sid=abcdef"}"#).settings().expect("settings");
        let said =
            Said::new("x").with("url", "ws://h/ws?token=s3cret").with("body", "no user sid=abcdef here");
        let cause = diagnose::causes::ALL[0];
        let claim = diagnose::claim::Claim::of(cause, model::finding::Place::Unknown, said.clone());
        let mut finding = claim.fix_by(said.clone(), said).finding();
        mask(&mut finding, &secrets(&settings));
        let told = format!("{finding:?}");
        assert!(!told.contains("s3cret") && !told.contains("abcdef"), "{told}");
        assert_eq!(told.matches("ws://h/ws?***").count(), 3);
    }

    #[test]
    fn a_token_is_read_for_each_run() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let with = config(&format!(r#", "bearer_token_file": {:?}"#, file.path()));
        std::fs::write(file.path(), "one\n").expect("is written");
        let sent =
            |config: &ProbeConfig| config.settings().map(|settings| settings.fields["authorization"].clone());
        assert_eq!(sent(&with).expect("is read"), "Bearer one");
        std::fs::remove_file(file.path()).expect("is removed");
        assert!(sent(&with).is_err());
    }
}
