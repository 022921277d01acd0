//! One load in several processes of this program, where one may not open enough files. A part writes what it counts to
//! its standard output, one JSON value a line, and stops when its standard input ends.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use probe::load::part::Part;
use probe::load::results::Results;
use probe::load::{self, Outcome, Plan};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};

use super::print;
use crate::Failure;

/// More than any machine has use for: each holds thousands of connections.
pub(super) const PARTS_MAX: usize = 64;

/// Lines of all parts that wait to be looked at.
const LINES_MAX: usize = 2 * PARTS_MAX;

/// What a part tells.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// What it has counted so far, every second.
    SoFar(Box<Results>),
    /// At its end.
    Done(Box<Outcome>),
}

/// Runs one part, as its parent asked.
///
/// # Errors
/// The parent does not listen.
pub(super) async fn run_one(plan: Plan) -> Result<(), Failure> {
    let tell = |told: &Told| print(&(serde_json::to_string(told).expect("names and numbers") + "\n"));
    let outcome = load::run(plan, input_ended(), |results| {
        // A parent that does not listen has ended its standard input too.
        let _ = tell(&Told::SoFar(Box::new(results.clone())));
    })
    .await;
    tell(&Told::Done(Box::new(outcome)))
}

async fn input_ended() {
    let (ended, wait) = oneshot::channel::<()>();
    thread::spawn(move || {
        let _ = io::stdin().lock().read(&mut [0]);
        drop(ended);
    });
    let _ = wait.await;
}

/// Runs all parts, until they are done or `cancelled`; tells every second what they have counted together.
///
/// # Errors
/// A part cannot be started, or ends before it is done.
pub(super) async fn run_all(
    parts: &[Part],
    cancelled: impl Future<Output = ()>,
    mut each_second: impl FnMut(&Results),
) -> Result<Outcome, Failure> {
    let mut children = parts.iter().map(|part| start(*part)).collect::<Result<Vec<_>, _>>()?;
    let (teller, mut told) = mpsc::channel(LINES_MAX);
    for (index, child) in children.iter_mut().enumerate() {
        listen(index, child, teller.clone());
    }
    drop(teller);
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    let mut so_far = vec![Results::default(); parts.len()];
    let mut outcomes: Vec<Option<Outcome>> = vec![None; parts.len()];
    let mut cancelled = std::pin::pin!(cancelled);
    let mut is_cancelled = false;
    loop {
        tokio::select! {
            next = told.recv() => match next {
                Some((index, Told::SoFar(results))) => so_far[index] = *results,
                Some((index, Told::Done(outcome))) => outcomes[index] = Some(*outcome),
                None => break,
            },
            _ = ticks.tick() => each_second(&joined(&so_far)),
            () = &mut cancelled, if !is_cancelled => {
                is_cancelled = true;
                children.iter_mut().for_each(|child| drop(child.stdin.take()));
            }
        }
    }
    let mut all = Outcome::default();
    for ((part, mut child), outcome) in parts.iter().zip(children).zip(outcomes) {
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let outcome = outcome.ok_or_else(|| {
            Failure::Running(format!("the process for part {part} ended before it was done: {status}"))
        })?;
        all.merge(&outcome);
    }
    Ok(all)
}

fn start(part: Part) -> Result<Child, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::Running(format!("where this program is: {error}")))?;
    Command::new(program)
        .args(arguments(part))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Running(format!("a process for part {part} cannot be started: {error}")))
}

/// The arguments of this process, with the part behind the name of the sub-command.
fn arguments(part: Part) -> Vec<OsString> {
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let behind = arguments.iter().position(|argument| argument == "load").map_or(0, |at| at + 1);
    arguments.insert(behind, format!("--part={part}").into());
    arguments
}

fn listen(index: usize, child: &mut Child, teller: mpsc::Sender<(usize, Told)>) {
    let Some(output) = child.stdout.take() else { return };
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for told in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if teller.blocking_send((index, told)).is_err() {
                return;
            }
        }
    });
}

fn joined(parts: &[Results]) -> Results {
    let mut all = Results::default();
    parts.iter().for_each(|part| all.merge(part));
    all
}
