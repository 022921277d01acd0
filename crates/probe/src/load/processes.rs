//! The same plan by several processes: when one may not open enough files, or one core is not enough.
//!
//! A child process does one [`Share`] and writes each part as a line of JSON to its standard output.
//! It stops when its standard input ends, so that none is left behind when the parent dies.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use super::Share;
use super::run::Part;

/// Files that a process needs beside its connections.
const RESERVED_FILES: u64 = 64;

/// Parts on their way to the parent.
const PARTS_MAX: usize = 16;

/// How many processes so many connections need, after the soft limit of open files was raised to the hard one
/// (getrlimit(2)).
pub fn needed(connections: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = files.saturating_sub(RESERVED_FILES).max(1);
    u32::try_from(u64::from(connections).div_ceil(each)).unwrap_or(u32::MAX)
}

/// Starts `parts` processes, each by `command(share)`, and hands over what they see, with the number of the
/// process, until all have ended or `stopped`, after which they are told to stop.
///
/// # Errors
/// A process could not be started, or did not end well.
pub async fn run(
    parts: u32,
    command: impl Fn(Share) -> io::Result<Command>,
    stopped: impl Future<Output = ()>,
    mut on_part: impl FnMut(usize, Part),
) -> Result<(), String> {
    let (sender, mut receiver) = mpsc::channel(PARTS_MAX);
    let mut children = Vec::new();
    for part in 0..parts {
        let child = command(Share { part, parts }).and_then(|command| start(command, part as usize, &sender));
        children
            .push(child.map_err(|error| format!("process {part} of {parts} could not be started: {error}"))?);
    }
    drop(sender);
    tokio::pin!(stopped);
    let mut is_stopped = false;
    loop {
        tokio::select! {
            received = receiver.recv() => match received {
                Some((process, part)) => on_part(process, part),
                None => break,
            },
            () = &mut stopped, if !is_stopped => {
                is_stopped = true;
                children.iter_mut().for_each(|child| drop(child.0.stdin.take()));
            }
        }
    }
    for (number, child) in children.iter_mut().enumerate() {
        let ended = child.0.wait().map_err(|error| error.to_string())?;
        if !ended.success() {
            return Err(format!("process {number} of {parts} failed: {ended}"));
        }
    }
    Ok(())
}

/// A process that does not outlive its parent's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
}

fn start(mut command: Command, process: usize, parts: &mpsc::Sender<(usize, Part)>) -> io::Result<Running> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut child = Running(child);
    let output = child.0.stdout.take().ok_or_else(|| io::Error::other("it has no standard output"))?;
    let parts = parts.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let part = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(part) = part else { return };
            if parts.blocking_send((process, part)).is_err() {
                return;
            }
        }
    });
    Ok(child)
}

/// Writes a part for the parent, as a child does.
pub fn tell(part: &Part) {
    let line = serde_json::to_string(part).expect("a part is JSON");
    let mut output = io::stdout().lock();
    if let Err(error) = writeln!(output, "{line}").and_then(|()| output.flush()) {
        tracing::debug!(%error, "nobody listens");
    }
}

/// Waits until the parent has nothing more to say, as a child does.
pub async fn parent_gone() {
    let mut word = [0; 64];
    let mut input = tokio::io::stdin();
    while input.read(&mut word).await.is_ok_and(|length| length > 0) {}
}
