//! `cargo xtask soak`: hours of connections in a short time, and whether anything of them stays behind.
//!
//! A release gateway with everything switched on is taken through cycles. In each one clients of all protocols come,
//! talk and leave, others misbehave, upstreams are killed and come back, and the configuration is read again. Then all
//! is quiet, and memory, files and books are looked at; these must be the same at the end as after the warm-up.

mod faults;
mod judge;
mod load;
mod look;
mod site;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use judge::Look;
use site::Site;

use crate::bench::{peers, place};
use crate::install;

/// How it is used.
pub const HELP: &str = "cargo xtask soak [--minutes N]

  --minutes N   how long behind a warm-up of 15 minutes, 30 if not given";

const MINUTES: u64 = 30;

/// Findings look back over 10 minutes; until more has passed than that, what is kept of the past gets more.
const WARM_UP: Duration = Duration::from_secs(15 * 60);

/// Parts of the busy time of a cycle, with something done to the gateway between them.
const PART: Duration = Duration::from_secs(4);

/// For what is left of a cycle to end by itself.
const CALM_MAX: Duration = Duration::from_secs(60);

/// Then, for idle connections to upstreams to be closed.
const REST: Duration = Duration::from_secs(6);

/// Runs it; fails when something stays behind.
pub fn run(arguments: &[String]) -> ExitCode {
    let minutes = match arguments {
        [] => Ok(MINUTES),
        [option, minutes] if option == "--minutes" => minutes.parse().map_err(|error| format!("{error}")),
        _ => Err("not understood".to_owned()),
    };
    let minutes = match minutes {
        Ok(minutes) => minutes,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match soak(Duration::from_secs(60 * minutes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn soak(time: Duration) -> Result<(), String> {
    install::bench(&[])?;
    peers::build()?;
    place::allow_files()?;
    let mut site = Site::start()?;
    let begin = Instant::now();
    let mut looks: Vec<Look> = Vec::new();
    println!("{}", judge::HEADER);
    while begin.elapsed() < WARM_UP + time || looks.len() < judge::LOOKS_MIN {
        let busy = cycle(&mut site)?;
        let look = calm(&site, begin)?;
        println!("{}", judge::row(&look, &busy));
        looks.extend(Some(look).filter(|look| look.at >= WARM_UP));
    }
    site.stop()?;
    let problems = judge::judge(&looks);
    println!("\n{}", judge::summary(&looks));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The busy time of a cycle.
fn cycle(site: &mut Site) -> Result<load::Totals, String> {
    let running = load::Running::start(&site.targets());
    for step in [Site::restart_first, Site::reload, Site::restart_second, Site::reload] {
        sleep(PART);
        look::books(site, "under load")?;
        step(site)?;
    }
    sleep(PART);
    running.end()
}

/// Waits until nothing is open, and looks.
fn calm(site: &Site, begin: Instant) -> Result<Look, String> {
    let busy_end = Instant::now();
    while look::open(site)? > 0 {
        if busy_end.elapsed() > CALM_MAX {
            let open = look::open(site)?;
            return Err(format!("{open} connections stay open though all clients are gone"));
        }
        sleep(Duration::from_millis(200));
    }
    sleep(REST);
    look::books(site, "at rest")?;
    look::at_rest(site, begin.elapsed())
}
