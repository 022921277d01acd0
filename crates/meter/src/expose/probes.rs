//! What scheduled probes have seen, by the names of blackbox_exporter (prometheus/blackbox_exporter, prober/) where it has
//! one.

use model::Word as _;
use model::probe::{Outcome, ProbeRun, StageName};

use super::Sink;
use crate::families::{self as f, Family};
use crate::scrape::ProbeFacts;

/// Its phases, and the stages that each is made of.
const PHASES: [(&str, &[StageName]); 5] = [
    ("resolve", &[StageName::Dns]),
    ("connect", &[StageName::Tcp]),
    ("tls", &[StageName::Tls]),
    ("processing", &[StageName::Http2, StageName::Http]),
    ("transfer", &[StageName::Upgrade, StageName::FirstMessage]),
];

/// Gives `sink` the samples of one family.
pub fn visit(family: &'static Family, probes: &[ProbeFacts], sink: &mut dyn Sink) {
    for probe in probes {
        let labels = [("probe", &*probe.name), ("target", &*probe.target)];
        let mut value = |value: f64| sink.sample("", &labels, value);
        match *family {
            f::PROBE_SKIPPED => value(probe.skipped as f64),
            f::PROBE_FINDINGS => value(probe.findings as f64),
            f::PROBE_RUNS => {
                for (outcome, count) in Outcome::ALL.iter().zip(probe.outcomes) {
                    sink.sample("", &with(labels, "outcome", outcome.as_str()), count as f64);
                }
            }
            _ => {
                if let Some(run) = &probe.last {
                    of_run(family, labels, run, sink);
                }
            }
        }
    }
}

fn of_run(family: &'static Family, labels: [(&str, &str); 2], run: &ProbeRun, sink: &mut dyn Sink) {
    let value = match *family {
        f::PROBE_SUCCESS => Some(f64::from(u8::from(run.is_success))),
        f::PROBE_DURATION => Some(run.opening_seconds()),
        f::PROBE_DNS => Some(run.stage_seconds(StageName::Dns)),
        f::PROBE_HTTP_STATUS => Some(f64::from(run.status.unwrap_or(0))),
        f::PROBE_CERT_EXPIRY => run.certificate_ends_at,
        f::PROBE_IP_PROTOCOL => run.ip_version.map(f64::from),
        f::PROBE_PING_RTT => run.ping_rtt_seconds,
        f::PROBE_LAST_RUN => Some(run.at.as_secs_f64()),
        f::PROBE_LAST_DURATION => Some(run.seconds),
        _ => None,
    };
    value.into_iter().for_each(|value| sink.sample("", &labels, value));
    match *family {
        f::PROBE_HTTP_DURATION => {
            for (phase, stages) in PHASES {
                let seconds = stages.iter().fold(0.0, |sum, stage| sum + run.stage_seconds(*stage));
                sink.sample("", &with(labels, "phase", phase), seconds);
            }
        }
        f::PROBE_TLS_VERSION => {
            if let Some(version) = &run.tls_version {
                sink.sample("", &with(labels, "version", &format!("TLS {version}")), 1.0);
            }
        }
        _ => {}
    }
}

fn with<'a>(labels: [(&'a str, &'a str); 2], name: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [labels[0], labels[1], (name, value)]
}
