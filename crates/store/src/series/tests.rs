//! The store of series against plain lists.

use std::collections::BTreeMap;
use std::path::Path;

use model::series::{MatchOp, Matcher, ReadError, Series, SeriesSource, TimeRange};

use super::*;
use crate::{Options, Store};

const ALWAYS: TimeRange = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };
const START_MS: i64 = 1_700_000_000_000;

fn options() -> Options {
    let series = SeriesOptions { retry: Duration::ZERO, ..SeriesOptions::default() };
    Options { series, ..Options::default() }
}

fn open(directory: &Path) -> SeriesStore {
    Store::open(directory, options()).expect("opens").series
}

fn labels(name: &str, n: usize) -> Labels {
    Labels::new([("__name__", name), ("n", &*n.to_string())])
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher { name: name.to_owned(), op, value: value.to_owned() }
}

/// What was appended, as it should be read.
#[derive(Default)]
struct Expected(BTreeMap<Labels, Vec<(i64, u64)>>);

impl Expected {
    /// Appends to the store what a scrape of some series may have, and remembers it.
    fn scrape(&mut self, store: &SeriesStore, steps: std::ops::Range<i64>, series: usize) {
        let all: Vec<Labels> = (0..series).map(|n| labels("load", n)).collect();
        let ids: Vec<SeriesId> = all.iter().map(|one| store.resolve(one).expect("there is room")).collect();
        for step in steps {
            let timestamp_ms = START_MS + step * 5000;
            let values = ids.iter().zip(0..).map(|(id, n)| (*id, ((step * n) as f64 / 3.0).floor()));
            let values: Vec<(SeriesId, f64)> = values.collect();
            assert_eq!(store.append_batch(timestamp_ms, &values).appended.taken, series as u64);
            for (one, (_, value)) in all.iter().zip(values) {
                self.0.entry(one.clone()).or_default().push((timestamp_ms, value.to_bits()));
            }
        }
    }

    fn within(&self, range: TimeRange) -> BTreeMap<Labels, Vec<(i64, u64)>> {
        let mut found = self.0.clone();
        for samples in found.values_mut() {
            samples.retain(|(at, _)| (range.from_ms..=range.to_ms).contains(at));
        }
        found.retain(|_, samples| !samples.is_empty());
        found
    }

    #[track_caller]
    fn check(&self, store: &SeriesStore, range: TimeRange) {
        let everything = [matcher("__name__", MatchOp::Regex, ".+")];
        let read = store.select(&everything, range, usize::MAX).expect("is read");
        assert!(read.is_sorted_by(|a, b| a.labels < b.labels), "in the order of labels");
        let read: BTreeMap<Labels, Vec<(i64, u64)>> = read.into_iter().map(bits).collect();
        assert!(read == self.within(range), "other samples than were appended");
        let identities = store.identities(&everything, range, usize::MAX).expect("is read");
        assert!(identities.iter().eq(read.keys()));
    }
}

fn bits(series: Series) -> (Labels, Vec<(i64, u64)>) {
    let samples = series.samples.iter().map(|sample| (sample.timestamp_ms, sample.value.to_bits()));
    (series.labels, samples.collect())
}

fn steps(from: i64, to: i64) -> TimeRange {
    TimeRange { from_ms: START_MS + from * 5000, to_ms: START_MS + to * 5000 - 1 }
}

#[test]
fn memory_and_disk_are_read_as_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::default();
    let mut options = options();
    options.series.head_window = Duration::from_secs(600);
    let store = Store::open(directory.path(), options).expect("opens").series;
    for part in 0..10 {
        expected.scrape(&store, part * 100..(part + 1) * 100, 20);
        expected.check(&store, ALWAYS);
        store.sync();
        expected.check(&store, ALWAYS);
    }
    for (from, to) in [(0, 1), (50, 51), (100, 400), (899, 1000), (0, 999), (990, 2000), (5000, 6000)] {
        expected.check(&store, steps(from, to));
    }
    let stats = store.stats();
    assert!(stats.chunks_written > 20 * 6, "{stats:?}");
    assert!(stats.head_chunks <= 20 * 3, "{stats:?}");
    assert_eq!((stats.samples.taken, stats.series, stats.newest_written), (20_000, 20, 1000));
}

#[test]
fn all_is_there_after_another_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::default();
    for (from, to) in [(0, 10), (10, 180), (180, 350), (350, 600)] {
        let store = open(directory.path());
        expected.check(&store, ALWAYS);
        expected.check(&store, steps(from - 5, to));
        expected.scrape(&store, from..to, 15);
        expected.check(&store, ALWAYS);
    }
    let store = open(directory.path());
    expected.check(&store, ALWAYS);
    expected.check(&store, steps(160, 400));
    assert_eq!(store.stats().damaged, 0);
}

#[test]
fn a_series_with_damaged_labels_is_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::default();
    let store = open(directory.path());
    expected.scrape(&store, 0..200, 3);
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join(disk::FILE)).expect("opens");
    let damage = r#"UPDATE series SET labels = replace(labels, '"1"', '"7"')"#;
    file.execute_batch(damage).expect("is damaged");
    expected.0.remove(&labels("load", 1));
    let store = open(directory.path());
    expected.check(&store, ALWAYS);
    assert_eq!(store.stats().damaged, 1);
}

#[test]
fn a_sample_that_does_not_advance_is_counted() {
    let store = Store::in_memory(options()).expect("opens").series;
    let one = labels("one", 1);
    let id = store.resolve(&one).expect("there is room");
    let at = |timestamp_ms| (id, Sample { timestamp_ms, value: 1.0 });
    let other = (id, Sample { timestamp_ms: 10, value: -1.0 });
    let batch = store.append_samples(&[at(10), at(10), other, other, at(5), at(20), at(i64::MAX)]);
    assert_eq!(batch.appended.taken, 2);
    assert_eq!(batch.appended.dropped_for(DropReason::Duplicate), 1);
    assert_eq!(batch.appended.dropped_for(DropReason::Conflict), 2);
    assert_eq!(batch.appended.dropped_for(DropReason::OutOfOrder), 1);
    assert_eq!(batch.appended.dropped_for(DropReason::Time), 1);
    store.append(&[(Labels::default(), Sample { timestamp_ms: 1, value: 1.0 })]);
    let stats = store.stats();
    assert_eq!((stats.samples.taken, stats.samples.dropped_for(DropReason::Labels)), (2, 1));
}

#[test]
fn series_are_bounded() {
    let mut options = options();
    options.series.series_max = 2;
    let store = Store::in_memory(options).expect("opens").series;
    let sample = Sample { timestamp_ms: START_MS, value: 1.0 };
    let samples: Vec<(Labels, Sample)> = (0..5).map(|n| (labels("one", n), sample)).collect();
    store.append(&samples);
    let stats = store.stats();
    assert_eq!((stats.series, stats.samples.taken), (2, 2));
    assert_eq!(stats.samples.dropped_for(DropReason::SeriesMax), 3);
}

#[test]
fn an_end_is_marked_once() {
    let store = Store::in_memory(options()).expect("opens").series;
    let id = store.resolve(&labels("one", 1)).expect("there is room");
    store.append_batch(10, &[(id, 1.0)]);
    assert_eq!(store.mark_stale(20, &[id]).appended.taken, 1);
    assert_eq!(store.mark_stale(30, &[id]).appended.taken, 0);
    let read = store.select(&[matcher("n", MatchOp::Equal, "1")], ALWAYS, 10).expect("is read");
    let read: Vec<(i64, u64)> = bits(read[0].clone()).1;
    assert_eq!(read, [(10, 1.0_f64.to_bits()), (20, STALE_MARKER.to_bits())]);
}

#[test]
fn no_more_samples_are_read_than_allowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    Expected::default().scrape(&store, 0..400, 3);
    let all = [matcher("__name__", MatchOp::Equal, "load")];
    assert!(store.select(&all, ALWAYS, 1200).is_ok());
    assert_eq!(store.select(&all, ALWAYS, 1199), Err(ReadError::TooManySamples));
    assert_eq!(store.identities(&all, ALWAYS, 2).map(|found| found.len()), Ok(2));
}

#[track_caller]
fn check_matchers(matchers: &[(&str, MatchOp, &str)], expected: &[&str]) {
    let store = Store::in_memory(options()).expect("opens").series;
    for (name, route) in [("up", ""), ("opened", "chat"), ("opened", "feed"), ("closed", "chat\n2")] {
        let one = Labels::new([("__name__", name), ("route", route)]);
        store.append(&[(one, Sample { timestamp_ms: START_MS, value: 1.0 })]);
    }
    let matchers: Vec<Matcher> = matchers.iter().map(|(name, op, value)| matcher(name, *op, value)).collect();
    let found = store.identities(&matchers, ALWAYS, 10).expect("is read");
    let found: Vec<String> = found.iter().map(Labels::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn matchers_select() {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let (chat, feed) = (r#"opened{route="chat"}"#, r#"opened{route="feed"}"#);
    let closed = r#"closed{route="chat\n2"}"#;
    check_matchers(&[], &[closed, chat, feed, "up"]);
    check_matchers(&[("__name__", Equal, "opened")], &[chat, feed]);
    check_matchers(&[("__name__", Equal, "opened"), ("route", NotEqual, "chat")], &[feed]);
    check_matchers(&[("route", Equal, "")], &["up"]);
    check_matchers(&[("route", NotEqual, "")], &[closed, chat, feed]);
    check_matchers(&[("route", Regex, "chat.*")], &[closed, chat]);
    check_matchers(&[("route", Regex, "ha")], &[]);
    check_matchers(&[("route", Regex, "chat|")], &[chat, "up"]);
    check_matchers(&[("route", NotRegex, "chat|")], &[closed, feed]);
    check_matchers(&[("route", NotRegex, ".*")], &[]);
    check_matchers(&[("nothing", Equal, ""), ("__name__", Regex, "up|closed")], &[closed, "up"]);
    check_matchers(&[("nothing", Equal, "x")], &[]);
    let store = Store::in_memory(options()).expect("opens").series;
    let wrong = store.select(&[matcher("a", Regex, "(")], ALWAYS, 1);
    assert!(matches!(wrong, Err(ReadError::Regex(_))), "{wrong:?}");
}

#[test]
fn what_is_too_old_leaves_memory_disk_and_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options();
    options.series.retention = Duration::from_secs(3600);
    options.series.head_window = Duration::from_secs(600);
    let store = Store::open(directory.path(), options).expect("opens").series;
    let gone = store.resolve(&labels("gone", 1)).expect("there is room");
    let waiting = store.resolve(&labels("waiting", 1)).expect("there is room");
    store.append_batch(START_MS, &[(gone, 1.0)]);
    let mut expected = Expected::default();
    expected.scrape(&store, 0..2400, 5);
    store.sync();
    store.sync();
    let newest_ms = START_MS + 2399 * 5000;
    let kept = TimeRange { from_ms: newest_ms - 3_600_000, to_ms: newest_ms };
    expected.check(&store, kept);
    let oldest = store.select(&[matcher("n", MatchOp::Equal, "0")], ALWAYS, usize::MAX).expect("is read");
    let oldest_ms = oldest[0].samples[0].timestamp_ms;
    assert!(oldest_ms < kept.from_ms && kept.from_ms - oldest_ms < 1_000_000, "only whole chunks leave");
    assert_eq!(store.stats().series, 6, "a series without samples is gone");
    assert_eq!(store.append_batch(newest_ms, &[(waiting, 1.0)]).appended.taken, 1);
    assert_eq!(
        store.append_batch(newest_ms, &[(gone, 1.0)]).appended.dropped_for(DropReason::UnknownSeries),
        1
    );
    let again = store.resolve(&labels("gone", 1)).expect("there is room");
    assert_ne!(again, gone);
    store.append_batch(newest_ms, &[(again, 2.0)]);
    drop(store);
    let store = open(directory.path());
    let read = store.select(&[matcher("__name__", MatchOp::Equal, "gone")], ALWAYS, 10).expect("is read");
    assert_eq!(read[0].samples, [Sample { timestamp_ms: newest_ms, value: 2.0 }]);
}

#[test]
fn a_sample_of_the_future_does_not_remove_the_past() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let mut expected = Expected::default();
    let now = writer::now_ms() / 5000 * 5000;
    expected.scrape(&store, (now - START_MS) / 5000..(now - START_MS) / 5000 + 200, 1);
    store.append(&[(labels("future", 1), Sample { timestamp_ms: now + (1 << 50), value: 1.0 })]);
    store.sync();
    store.sync();
    assert_eq!(store.stats().chunks_written, 2, "what grows is not old");
    expected.check(&store, TimeRange { from_ms: i64::MIN, to_ms: now + (1 << 49) });
}

#[test]
fn the_disk_is_bounded() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options();
    options.series.disk_bytes_max = 400 << 10;
    options.series.head_window = Duration::ZERO;
    let store = Store::open(directory.path(), options).expect("opens").series;
    let mut expected = Expected::default();
    for part in 0..20 {
        expected.scrape(&store, part * 500..(part + 1) * 500, 40);
        store.sync();
    }
    for _ in 0..40 {
        store.sync();
    }
    let stats = store.stats();
    assert!((200 << 10..=400 << 10).contains(&stats.disk_bytes), "{stats:?}");
    expected.check(&store, steps(9000, 10_000));
    let all = store.select(&[], ALWAYS, usize::MAX).expect("is read");
    assert!(all.iter().all(|one| one.samples[0].timestamp_ms > START_MS));
}

#[test]
fn memory_is_bounded_without_a_disk() {
    let mut options = options();
    options.series.head_bytes_max = 64 << 10;
    let store = Store::in_memory(options).expect("opens").series;
    let mut expected = Expected::default();
    expected.scrape(&store, 0..4000, 20);
    store.sync();
    let stats = store.stats();
    assert!(stats.head_bytes < 96 << 10, "{stats:?}");
    assert_eq!((stats.samples_lost, stats.batches_unwritten), (0, 0), "nothing was to be kept");
    expected.check(&store, steps(3940, 4000));
}

#[test]
fn a_batch_that_does_not_fit_in_the_queue_comes_with_its_chunk() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options();
    options.series.queue_samples_max = 0;
    let store = Store::open(directory.path(), options).expect("opens").series;
    let mut expected = Expected::default();
    expected.scrape(&store, 0..3000, 20);
    store.sync();
    let stats = store.stats();
    assert!(
        stats.batches_unwritten > 0 && stats.batches_written + stats.batches_unwritten == 3000,
        "{stats:?}"
    );
    drop(store);
    let store = open(directory.path());
    expected.check(&store, steps(0, 2800));
}
