//! Killed at any moment, a store opens again, has all that it said to have written, and nothing else.

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::WallTime;
use model::filter::Filter;
use model::journal::{EndedRange, Journal, JournalQuery};
use model::series::{Labels, MatchOp, Matcher, SeriesSource, TimeRange};
use store::series::SeriesId;
use store::{JournalOptions, Options, Store};

#[path = "support/records.rs"]
mod records;

use records::{mixed, record};

/// Names the data directory to a child, and the step that it begins with.
const CHILD: &str = "HEARTLINE_KILLED_STORE";

/// How many children are killed; a slow run wants more.
const ROUNDS: &str = "HEARTLINE_KILL_ROUNDS";

const SERIES: u64 = 200;
const START_MS: i64 = 1_700_000_000_000;

/// What a step may lose: what was appended no longer than this before the kill.
const LOSS_MAX: Duration = Duration::from_secs(5);

fn options() -> Options {
    let gather = Duration::from_millis(20);
    Options { journal: JournalOptions { gather, ..JournalOptions::default() }, ..Options::default() }
}

fn timestamp_ms(step: u64) -> i64 {
    START_MS + step as i64 * 5000
}

fn value(series: u64, step: u64) -> f64 {
    if series.is_multiple_of(3) {
        (step * series) as f64
    } else {
        mixed(series * 1_000_003 + step) as f64 / 7.0
    }
}

fn closed_at(step: u64) -> WallTime {
    WallTime(START_MS as u64 * 1_000_000 + step * 1_000_000_000)
}

/// Appends without end and tells what is appended, and what the store says that it has written.
fn ingest(directory: &Path, first: u64) -> ! {
    let store = Store::open(directory, options()).expect("a killed store opens");
    let series = |number: u64| {
        let labels = Labels::new([("__name__", "killed"), ("n", &*number.to_string())]);
        store.series.resolve(&labels).expect("there is room")
    };
    let ids: Vec<SeriesId> = (0..SERIES).map(series).collect();
    let mut out = std::io::stdout();
    for step in first.. {
        let samples: Vec<(SeriesId, f64)> =
            ids.iter().zip(0..).map(|(id, number)| (*id, value(number, step))).collect();
        assert_eq!(store.series.append_batch(timestamp_ms(step), &samples).appended.taken, SERIES);
        store.journal.closed(record(step, closed_at(step)));
        if step % 40 == 39 {
            store.series.sync();
        }
        let (batches, entries) = (store.series.stats().newest_written, store.journal.stats().written);
        writeln!(out, "step {step} {} {}", first + batches, first + entries).expect("the parent reads");
    }
    unreachable!("steps do not end")
}

/// What a child said before it was killed.
struct Told {
    steps: Range<u64>,
    /// Batches and entries of all steps before these are on the disk.
    written_before: (u64, u64),
    /// Steps before this one are older than may be lost.
    old_before: u64,
}

fn kill_one(directory: &Path, first: u64, life: Duration) -> Told {
    let name = "what_was_written_is_there";
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, format!("{first}:{}", directory.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped"));
    let mut told = Told { steps: first..first, written_before: (first, first), old_before: first };
    let mut times = Vec::new();
    let mut killed_at = None;
    for line in lines.lines() {
        let line = line.expect("text");
        let Some(numbers) = line.strip_prefix("step ") else { continue };
        let numbers: Vec<u64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [step, batches, entries] = numbers[..] else { continue };
        told.steps.end = step + 1;
        told.written_before = (batches, entries);
        let now = Instant::now();
        times.push((now, step));
        if killed_at.is_none() && now - times[0].0 >= life {
            child.kill().expect("is killed");
            killed_at = Some(now);
        }
    }
    assert!(!child.wait().expect("ends").success());
    let killed_at = killed_at.expect("it lived until it was killed");
    let old = times.iter().rev().find(|(at, _)| *at + LOSS_MAX < killed_at);
    told.old_before = old.map_or(first, |(_, step)| step + 1);
    told
}

/// The steps that are there, after a look at each value.
fn steps_on_disk(store: &Store) -> Vec<u64> {
    let all = Matcher { name: "__name__".to_owned(), op: MatchOp::Equal, value: "killed".to_owned() };
    let always = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };
    let mut steps: Option<Vec<u64>> = None;
    for series in store.series.select(&[all], always, usize::MAX).expect("is read") {
        let number: u64 = series.labels.get("n").parse().expect("a number");
        let step = |at: i64| ((at - START_MS) / 5000) as u64;
        for sample in &series.samples {
            let expected = value(number, step(sample.timestamp_ms));
            assert_eq!(sample.value.to_bits(), expected.to_bits(), "a wrong sample");
        }
        let found: Vec<u64> = series.samples.iter().map(|sample| step(sample.timestamp_ms)).collect();
        assert!(steps.is_none_or(|steps| steps == found), "a batch came in part");
        steps = Some(found);
    }
    steps.unwrap_or_default()
}

fn records_on_disk(store: &Store) -> usize {
    let patience = Duration::from_secs(60);
    let mut query = JournalQuery {
        filter: Filter::default(),
        ended: EndedRange::ALWAYS,
        after: None,
        limit: 500,
        patience,
    };
    let mut count = 0;
    loop {
        let page = store.journal.page(&query).expect("is read");
        count += page.entries.len();
        query.after = page.next;
        if page.next.is_none() {
            return count;
        }
    }
}

#[test]
fn what_was_written_is_there() {
    if let Ok(child) = std::env::var(CHILD) {
        let (first, directory) = child.split_once(':').expect("a step and a directory");
        ingest(Path::new(directory), first.parse().expect("a step"));
    }
    let rounds: u64 = std::env::var(ROUNDS).map_or(5, |rounds| rounds.parse().expect("a number"));
    let directory = tempfile::tempdir().expect("a directory");
    let (mut first, mut expected_records) = (0, 0);
    let mut known: Vec<u64> = Vec::new();
    let seed = u64::from(std::process::id());
    for round in 0..rounds {
        // Every tenth one lives for longer than what may be lost.
        let life = if round % 10 == 9 { 6000 } else { 20 + mixed(seed + round) % 700 };
        let told = kill_one(directory.path(), first, Duration::from_millis(life));
        let store = Store::open(directory.path(), options()).expect("a killed store opens");
        let steps = steps_on_disk(&store);
        let new: Vec<u64> = steps.iter().copied().filter(|step| *step >= first).collect();
        assert!(steps.starts_with(&known), "steps of earlier rounds are gone");
        assert!(new.iter().copied().eq(first..first + new.len() as u64), "a hole");
        let written_before = told.written_before.0.max(told.old_before);
        let end = first + new.len() as u64;
        assert!(end >= written_before, "{end} of {written_before} steps in {:?}", told.steps);
        // The last step may not have been told of.
        assert!(end <= told.steps.end + 1, "{end} steps, told of {:?}", told.steps);
        let records = records_on_disk(&store);
        let written = (told.written_before.1.max(told.old_before) - first) as usize;
        assert!(records >= expected_records + written, "{records} of {expected_records} + {written} entries");
        assert_eq!((store.series.stats().damaged, store.journal.stats().damaged), (0, 0));
        println!("round {round}: {} steps appended, {} kept", told.steps.end - told.steps.start, new.len());
        (known, first, expected_records) = (steps, told.steps.end + 1, records);
    }
    assert!(known.len() > 100, "the children did little");
}
