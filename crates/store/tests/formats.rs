//! Files of every version that was ever written open and say the same. `fixtures/vN` were written by version N and
//! do not change; `HEARTLINE_WRITE_FIXTURE=DIRECTORY` writes those of this version.

use std::path::Path;
use std::time::Duration;

use model::WallTime;
use model::filter::Filter;
use model::journal::{EndedRange, Journal, JournalEntry, JournalQuery, Opening};
use model::record::ClientAddress;
use model::series::{Labels, STALE_MARKER, Sample, SampleSink, Series, SeriesSource, TimeRange};
use model::{ConnectionId, Protocol};
use store::{Options, Saved, Store};

#[path = "support/records.rs"]
mod records;

use records::record;

const START_MS: i64 = 1_769_592_600_000;
const STEPS: i64 = 200;
const RECORDS: u64 = 5;

fn series() -> Vec<Series> {
    let one = |name: &str, text: &str, value: &dyn Fn(i64) -> f64| Series {
        labels: Labels::new([("__name__", name), ("text", text)]),
        samples: (0..STEPS)
            .map(|step| Sample { timestamp_ms: START_MS + step * 5000 + step % 7, value: value(step) })
            .collect(),
    };
    vec![
        one("counter", "聊天 \"quoted\"\n", &|step| (step * step) as f64),
        one("ends", "", &|step| if step % 50 == 49 { STALE_MARKER } else { 1.0 }),
        one("gauge", "a", &|step| (step % 13) as f64 / 10.0 - 0.5),
    ]
}

fn opening() -> Opening {
    Opening {
        id: ConnectionId(7),
        protocol: Protocol::WebSocket,
        route: "chat".into(),
        client: ClientAddress { ip: [10, 0, 0, 1].into(), port: 5000, country: None, is_tryout: false },
        upstream: "http://10.0.0.1:3000".into(),
        opened_at: closed_at(0),
    }
}

fn closed_at(number: u64) -> WallTime {
    WallTime(START_MS as u64 * 1_000_000 + number * 1_000_000_007)
}

fn saved() -> Saved {
    Saved { version: 3, text: r#"{"silences": []}"#.to_owned() }
}

fn write(directory: &Path) {
    let store = Store::open(directory, Options::default()).expect("opens");
    let series = series();
    for step in 0..STEPS as usize {
        let samples: Vec<(Labels, Sample)> =
            series.iter().map(|one| (one.labels.clone(), one.samples[step])).collect();
        store.series.append(&samples);
    }
    store.series.sync();
    store.journal.opened(opening());
    (0..RECORDS).for_each(|number| store.journal.closed(record(number, closed_at(number))));
    store.state.save("alerts", saved().version, &saved().text).expect("is written");
}

#[track_caller]
fn check(directory: &Path) {
    let store = Store::open(directory, Options::default()).expect("opens");
    assert_eq!(store.status(), Ok(()));
    let always = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };
    let bits = |all: Vec<Series>| -> Vec<(Labels, Vec<(i64, u64)>)> {
        let bits = |one: Sample| (one.timestamp_ms, one.value.to_bits());
        all.into_iter().map(|one| (one.labels, one.samples.into_iter().map(bits).collect())).collect()
    };
    assert_eq!(bits(store.series.select(&[], always, usize::MAX).expect("is read")), bits(series()));
    let patience = Duration::from_secs(60);
    let query = JournalQuery {
        filter: Filter::default(),
        ended: EndedRange::ALWAYS,
        after: None,
        limit: 50,
        patience,
    };
    let mut entries = store.journal.page(&query).expect("is read").entries;
    let Some(JournalEntry::Lost { lost }) = entries.first() else { panic!("what was open is lost") };
    assert_eq!(lost.opening, opening());
    entries.remove(0);
    let closed = |number| JournalEntry::Closed { closed: record(number, closed_at(number)) };
    assert_eq!(entries, (0..RECORDS).rev().map(closed).collect::<Vec<_>>());
    assert_eq!(store.state.load("alerts").expect("is read"), Some(saved()));
    assert_eq!((store.series.stats().damaged, store.journal.stats().damaged), (0, 0));
}

#[test]
fn what_this_version_writes_it_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path());
    if let Some(fixture) = std::env::var_os("HEARTLINE_WRITE_FIXTURE") {
        copy(directory.path(), Path::new(&fixture));
    }
    check(directory.path());
}

#[test]
fn old_files_open() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut checked = 0;
    for fixture in std::fs::read_dir(fixtures).expect("is there") {
        let directory = tempfile::tempdir().expect("a directory");
        copy(&fixture.expect("is read").path(), directory.path());
        check(directory.path());
        checked += 1;
    }
    assert!(checked > 0, "there are fixtures");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("is made");
    for entry in std::fs::read_dir(from).expect("is there") {
        let entry = entry.expect("is read");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("is known").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("is copied");
        }
    }
}
