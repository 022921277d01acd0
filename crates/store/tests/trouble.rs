//! A disk that is full, cannot be written or is damaged stops history and nothing else.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use model::WallTime;
use model::filter::Filter;
use model::journal::{EndedRange, Journal};
use model::series::{Labels, MatchOp, Matcher, Series, SeriesSource, TimeRange};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use store::series::SeriesId;
use store::{JournalOptions, Options, SeriesOptions, Store, StoreError};

#[path = "support/records.rs"]
mod records;

use records::{mixed, record};

/// Names the data directory to a child.
const CHILD: &str = "HEARTLINE_TROUBLED_STORE";

const SERIES: u64 = 100;
const START_MS: i64 = 1_700_000_000_000;
const ALWAYS: TimeRange = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };

fn options() -> Options {
    let series = SeriesOptions { retry: Duration::ZERO, ..SeriesOptions::default() };
    let journal =
        JournalOptions { retry: Duration::ZERO, gather: Duration::ZERO, ..JournalOptions::default() };
    Options { series, journal }
}

fn value(series: u64, step: u64) -> f64 {
    mixed(series * 1_000_003 + step) as f64
}

fn ingest(store: &Store, steps: std::ops::Range<u64>) {
    let series = |number: u64| {
        let labels = Labels::new([("__name__", "troubled"), ("n", &*number.to_string())]);
        store.series.resolve(&labels).expect("there is room")
    };
    let ids: Vec<SeriesId> = (0..SERIES).map(series).collect();
    for step in steps {
        let samples: Vec<(SeriesId, f64)> =
            ids.iter().zip(0..).map(|(id, number)| (*id, value(number, step))).collect();
        let batch = store.series.append_batch(START_MS + step as i64 * 1000, &samples);
        assert_eq!(batch.appended.taken, SERIES);
        store.journal.closed(record(step, WallTime(START_MS as u64 * 1_000_000 + step)));
    }
}

fn read(store: &Store) -> Result<Vec<Series>, model::series::ReadError> {
    let all = Matcher { name: "__name__".to_owned(), op: MatchOp::Equal, value: "troubled".to_owned() };
    store.series.select(&[all], ALWAYS, usize::MAX)
}

#[track_caller]
fn check_all(store: &Store, steps: u64) {
    let series = read(store).expect("is read");
    assert_eq!(series.len() as u64, SERIES);
    for one in series {
        let number: u64 = one.labels.get("n").parse().expect("a number");
        let expected = (0..steps).map(|step| (START_MS + step as i64 * 1000, value(number, step)));
        assert!(one.samples.iter().map(|sample| (sample.timestamp_ms, sample.value)).eq(expected));
    }
}

/// Runs the test of this name again in a process of its own, below a shell that first does `before`.
fn run_child(test: &str, before: &str, directory: &Path) -> ExitStatus {
    let test_program = std::env::current_exe().expect("this test");
    Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(test_program)
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .status()
        .expect("starts")
}

fn child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Tries until the store is well again.
fn recover(store: &Store) {
    for _ in 0..1000 {
        store.series.sync();
        store.journal.sync();
        if store.status().is_ok() {
            return store.journal.sync();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not recover: {:?}", store.status());
}

#[test]
fn a_full_disk_stops_history_only() {
    if let Some(directory) = child() {
        return fill_the_disk(&directory);
    }
    let directory = tempfile::tempdir().expect("a directory");
    // A write beyond the limit fails then, where it would end the process.
    let ended = run_child("a_full_disk_stops_history_only", "trap '' XFSZ;", directory.path());
    assert!(ended.success(), "{ended:?}, signal {:?}", ended.signal());
    let store = Store::open(directory.path(), options()).expect("opens");
    check_all(&store, 900);
    let patience = Duration::from_secs(60);
    let count = store.journal.count(&Filter::default(), EndedRange::ALWAYS, 10_000, patience);
    assert_eq!(count.expect("is read").count, 900, "what waited was written");
}

fn fill_the_disk(directory: &Path) {
    let store = Store::open(directory, options()).expect("opens");
    ingest(&store, 0..300);
    recover(&store);
    let unlimited = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(64 << 10), ..unlimited }).expect("is set");
    ingest(&store, 300..600);
    store.series.sync();
    store.journal.sync();
    let trouble = store.series.status().expect_err("the disk is full");
    assert!(trouble.contains("series.db"), "{trouble}");
    assert!(store.journal.status().is_err() && store.series.stats().write_errors > 0);
    check_all(&store, 600);
    setrlimit(Resource::Fsize, unlimited).expect("is set");
    recover(&store);
    ingest(&store, 600..900);
    store.series.sync();
    check_all(&store, 900);
}

#[test]
fn a_directory_that_cannot_be_written_stops_history_only() {
    if let Some(directory) = child() {
        let store = Store::open(&directory, options()).expect("goes on without");
        let trouble = store.status().expect_err("it cannot be written");
        assert!(trouble.contains(&directory.display().to_string()), "{trouble}");
        ingest(&store, 0..300);
        store.series.sync();
        check_all(&store, 300);
        assert!(store.state.save("alerts", 1, "{}").is_err());
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let name = "a_directory_that_cannot_be_written_stops_history_only";
    let path = directory.path().display();
    let (before, undo) = if geteuid().is_root() {
        // Modes do not stop root: a mount of its own does, where that is allowed; else a place that is none.
        let mount = format!("mount --bind {path} {path} && mount -o remount,bind,ro {path}");
        let is_allowed = Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
        if is_allowed.is_ok_and(|output| output.status.success()) {
            (format!("unshare -m sh -c '{mount} && exec \"$0\" \"$@\"' \"$0\" \"$@\"; exit; "), String::new())
        } else {
            (format!("rmdir {path}; echo > {path};"), format!("rm {path}; mkdir {path}"))
        }
    } else {
        (format!("chmod 555 {path};"), format!("chmod 755 {path}"))
    };
    let ended = run_child(name, &before, directory.path());
    Command::new("sh").args(["-c", &undo]).status().expect("is undone");
    assert!(ended.success(), "{ended:?}");
    check_all_after(directory.path());
}

/// What can be written again is.
fn check_all_after(directory: &Path) {
    let store = Store::open(directory, options()).expect("opens");
    ingest(&store, 0..10);
    recover(&store);
    check_all(&store, 10);
}

#[test]
fn history_begins_when_it_can() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("data");
    std::fs::write(&directory, "in the way").expect("is written");
    let store = Store::open(&directory, options()).expect("goes on without");
    ingest(&store, 0..200);
    store.series.sync();
    assert!(store.status().is_err());
    std::fs::remove_file(&directory).expect("is removed");
    recover(&store);
    ingest(&store, 200..400);
    store.series.sync();
    drop(store);
    check_all(&Store::open(&directory, options()).expect("opens"), 400);
}

#[test]
fn another_database_beneath_gets_what_memory_has() {
    let place = tempfile::tempdir().expect("a directory");
    let store = Store::open(place.path(), options()).expect("opens");
    ingest(&store, 0..200);
    store.series.sync();
    for suffix in ["", "-wal", "-shm"] {
        std::fs::write(place.path().join(format!("series.db{suffix}")), [0x55; 20_000]).expect("is written");
    }
    ingest(&store, 200..300);
    store.series.sync();
    assert!(store.series.status().is_err(), "the file is destroyed");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.path().join(format!("series.db{suffix}")));
    }
    recover(&store);
    drop(store);
    check_all(&Store::open(place.path(), options()).expect("opens"), 300);
}

#[test]
fn damaged_pages_give_no_wrong_samples() {
    let place = tempfile::tempdir().expect("a directory");
    let store = Store::open(place.path(), options()).expect("opens");
    ingest(&store, 0..400);
    store.series.sync();
    drop(store);
    let file = place.path().join("series.db");
    let whole = std::fs::read(&file).expect("is read");
    let (mut refused, mut read_whole) = (0, 0);
    for round in 0..60 {
        let mut bytes = whole.clone();
        for hit in 0..3 {
            let at = (mixed(round * 10 + hit) % bytes.len() as u64) as usize;
            let end = (at + 1 + (mixed(round + hit) % 64) as usize).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
        }
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(place.path().join(format!("series.db{suffix}")));
        }
        std::fs::write(&file, bytes).expect("is written");
        let Ok(store) = Store::open(place.path(), options()) else {
            refused += 1;
            continue;
        };
        match read(&store) {
            Ok(series) => {
                read_whole += 1;
                for one in series {
                    let number: u64 = one.labels.get("n").parse().expect("a number");
                    for sample in one.samples {
                        let step = ((sample.timestamp_ms - START_MS) / 1000) as u64;
                        assert_eq!(sample.value, value(number, step), "a wrong sample");
                    }
                }
            }
            Err(_) => refused += 1,
        }
        let other = store.series.resolve(&Labels::new([("__name__", "other")])).expect("there is room");
        assert_eq!(store.series.append_batch(START_MS, &[(other, 1.0)]).appended.taken, 1);
        store.series.sync();
    }
    assert!(refused > 10 && read_whole > 10, "{refused} refused, {read_whole} read");
}

#[test]
fn a_directory_is_held_by_one() {
    let place = tempfile::tempdir().expect("a directory");
    let first = Store::open(place.path(), options()).expect("opens");
    let second = Store::open(place.path(), options()).expect_err("it is held");
    assert!(matches!(&second, StoreError::Locked(path) if path == place.path()), "{second}");
    drop(first);
    Store::open(place.path(), options()).expect("opens");
}

#[test]
fn files_of_others_are_refused() {
    let check = |file: &str, sql: &str, expected: &str| {
        let place = tempfile::tempdir().expect("a directory");
        drop(Store::open(place.path(), options()).expect("opens"));
        let connection = rusqlite::Connection::open(place.path().join(file)).expect("opens");
        connection.execute_batch(sql).expect("is done");
        drop(connection);
        let error = Store::open(place.path(), options()).expect_err("it is refused");
        assert!(error.is_fatal() && error.to_string().contains(expected), "{error}");
    };
    let newer = "schema 99; this one knows up to 1";
    check("series.db", "PRAGMA user_version = 99", newer);
    check("state.db", "PRAGMA user_version = 99", newer);
    check("journal/open.db", "PRAGMA user_version = 99", newer);
    check("series.db", "PRAGMA application_id = 1", "of another program");
}
