//! What is waited for, in one line that is written over, on a terminal alone.

use std::io::{IsTerminal as _, Write as _};

use ::diagnose::experiment::{Conduct, Experiment, Via};
use model::Word as _;

/// The line.
pub(super) struct Progress {
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { is_shown: std::io::stderr().is_terminal() }
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl probe::diagnose::Progress for Progress {
    fn running(&mut self, seconds: f64, experiments: &[&Experiment]) {
        if !self.is_shown {
            return;
        }
        let mut what: Vec<String> = experiments.iter().map(|experiment| line(experiment)).collect();
        what.dedup();
        let text: String = format!("{seconds:4.0} s  {}", what.join(", ")).chars().take(100).collect();
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[K{text}");
        let _ = stderr.flush();
    }
}

fn line(experiment: &Experiment) -> String {
    let way = if experiment.via == Via::Direct { " (direct)" } else { "" };
    let check = experiment.check.as_str();
    match experiment.conduct {
        Conduct::Hold { seconds, .. } => format!("{check}{way} up to {seconds:.0} s"),
        Conduct::Send { bytes, .. } => format!("{check}{way} {bytes} B"),
        _ => format!("{check}{way}"),
    }
}
