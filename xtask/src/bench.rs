//! `cargo xtask bench`: what Heartline costs beside other proxies, measured on this machine.
//!
//! Each round takes every figure of every peer once, the peers in random order, and ratios are those of one
//! round: what else the machine does falls on all alike. A proxy has one core, load and upstream have the others.

mod asked;
pub mod case1;
pub mod case2;
mod chart;
mod connect;
mod counted;
mod cpu;
mod dashboard;
pub mod echo;
pub mod envoy;
mod events;
mod figures;
pub mod findings;
pub mod history;
mod load;
mod measures;
pub mod memory;
mod options;
pub mod peers;
pub mod place;
pub mod processes;
mod queues;
mod report;
mod rounds;
pub mod stalled;
pub mod stats;
pub mod tls;
mod upstream;

use std::process::ExitCode;

use options::Options;
pub use peers::Peer;
use rounds::Results;

use crate::install;

const HELP: &str = "cargo xtask bench [FIGURE...] [--rounds N] [--peers A,B] [--report]
cargo xtask bench --quick
cargo xtask bench history [...]
cargo xtask bench findings [...]
cargo xtask bench dashboard [--streams N]
cargo xtask bench case1 [--short]
cargo xtask bench case2 [--short]
cargo xtask bench stalled [--short]

  --rounds N    rounds, 5 if not given
  --peers A,B   peers, all if not given; the first one is judged
  --report      writes docs/performance.md and docs/performance.svg
  history       what history costs and how fast it answers: `cargo xtask bench history --help`
  findings      what passive diagnosis takes: `cargo xtask bench findings --help`
  dashboard     how quick the dashboard is with 50,000 live connections, and whether the relay notices it
  case1         a crowd of ten times what an app can carry comes, without limits and with them
  case2         clients take two events of five, without a queue and with one
  stalled       clients that read nothing beside others, without a queue and with one
  --quick       only what does not depend on load, of Heartline alone; fails beyond a limit";

/// How it is used, with what there is to measure.
pub fn help() -> String {
    format!("{HELP}\n\nFigures: {}\nPeers: {}", options::figures(), options::peers())
}

/// Measures and reports; fails when something could not be measured or, with `--quick`, is beyond its limit.
pub fn run(arguments: &[String]) -> ExitCode {
    if let [serve, kind] = arguments
        && serve == upstream::SERVE
    {
        return told(upstream::serve(kind).map_err(|error| error.to_string()));
    }
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("history", arguments)) => return told(history::run(arguments)),
        Some(("case1", arguments)) => return told(case1::run(arguments)),
        Some(("case2", arguments)) => return told(case2::run(arguments)),
        Some(("stalled", arguments)) => return told(stalled::run(arguments)),
        Some(("dashboard", arguments)) => return told(dashboard::run(arguments)),
        Some(("findings", scales)) => return told(findings::run(scales)),
        _ => {}
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{}", help());
            return ExitCode::from(2);
        }
    };
    told(measure(&options))
}

fn told(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), String> {
    install::bench(&options.peers)?;
    peers::build()?;
    place::settle()?;
    let results = Results::take(options)?;
    println!("\n{}", report::tables(&results));
    if options.writes_report {
        report::write(&results)?;
    }
    if options.is_quick { report::judge(&results) } else { Ok(()) }
}
