//! What the store costs and how fast it answers: `cargo run --release -p store --example bench [DIRECTORY [series|journal [RECORDS]]]`.
//!
//! Series as a gateway has them, many for an hour and some for a week; then five million connections in one day, or as
//! many as are asked for.

use std::path::Path;
use std::time::{Duration, Instant};

use model::WallTime;
use model::filter::{Compare, Condition, Filter, NumberField, Pattern, Term, TextField};
use model::journal::{EndedRange, Journal, JournalQuery};
use model::series::{Labels, MatchOp, Matcher, SeriesSource, TimeRange};
use store::series::{SeriesId, SeriesStats, SeriesStore};
use store::{JournalOptions, Options, Store};

#[path = "../tests/support/records.rs"]
mod records;

use records::{mixed, record};

const START_MS: i64 = 1_790_000_000_000;
const STEP_MS: i64 = 5000;
const MANY_SERIES: usize = 20_000;
const MANY_STEPS: usize = 720;
const WEEK_SERIES: usize = 50;
const WEEK_STEPS: usize = 7 * 86_400 / 5;
const RECORDS: u64 = 5_000_000;

fn main() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = std::env::args_os().nth(1).map_or(temporary.path().to_owned(), Into::into);
    let what = std::env::args().nth(2);
    let is_wanted = |name: &str| what.as_deref().is_none_or(|what| what == name);
    if is_wanted("series") {
        many_series(&directory.join("many"));
        a_week(&directory.join("week"));
    }
    if is_wanted("journal") {
        let records =
            std::env::args().nth(3).map_or(RECORDS, |count| count.parse().expect("a number of records"));
        journal(&directory.join("journal"), records);
    }
}

/// A scrape of a gateway, step by step: most counters stand still, some count messages, some gauges go up and down,
/// and sums of seconds have fractions.
struct Scrape {
    ids: Vec<SeriesId>,
    values: Vec<(SeriesId, f64)>,
}

impl Scrape {
    fn new(store: &SeriesStore, count: usize) -> Scrape {
        let id = |number: usize| {
            let labels = Labels::new([
                ("__name__", &*format!("websocket_messages_{}_total", number / 400)),
                ("instance", "gateway-1.example.com:8080"),
                ("job", "heartline"),
                ("route", &*format!("route-{}", number % 20)),
                ("direction", if number.is_multiple_of(2) { "client_to_server" } else { "server_to_client" }),
                ("le", &*format!("{}", (number / 20 % 20) as f64 / 100.0)),
            ]);
            store.resolve(&labels).expect("there is room")
        };
        let ids: Vec<SeriesId> = (0..count).map(id).collect();
        let values = ids.iter().map(|id| (*id, 0.0)).collect();
        Scrape { ids, values }
    }

    fn step(&mut self, step: usize) -> &[(SeriesId, f64)] {
        for (number, (_, value)) in self.values.iter_mut().enumerate() {
            let random = mixed((step * self.ids.len() + number) as u64);
            match number % 20 {
                0..9 => {}
                9..15 => *value += (random % 50) as f64,
                15..18 => *value = (1000 + random % 64) as f64,
                18 => *value += if random.is_multiple_of(10) { 1.0 } else { 0.0 },
                _ => *value += (random % 1_000_000) as f64 / 1e6,
            }
        }
        &self.values
    }
}

fn many_series(directory: &Path) {
    let before = resident_bytes();
    let store = Store::open(directory, Options::default()).expect("opens").series;
    let mut scrape = Scrape::new(&store, MANY_SERIES);
    println!(
        "{MANY_SERIES} series, memory of each without samples: {} B",
        (resident_bytes() - before) / MANY_SERIES
    );
    let mut times = Vec::new();
    let mut writing = Duration::ZERO;
    for step in 0..MANY_STEPS {
        let samples = scrape.step(step);
        let begun = Instant::now();
        store.append_batch(START_MS + step as i64 * STEP_MS, samples);
        times.push(begun.elapsed());
        let begun = Instant::now();
        // As fast as it can be written; in life there are 5 s between two.
        while store.stats().queue_batches > 20 {
            std::thread::sleep(Duration::from_millis(5));
        }
        writing += begun.elapsed();
    }
    let begun = Instant::now();
    store.sync();
    writing += begun.elapsed();
    times.sort();
    let (sum, samples) = (times.iter().sum::<Duration>(), MANY_SERIES * MANY_STEPS);
    println!(
        "  append: {:.1} M samples/s, a batch {:?} (median) {:?} (max)",
        per_second(samples, sum) / 1e6,
        times[times.len() / 2],
        times[times.len() - 1]
    );
    println!("  append and write: {:.1} M samples/s", per_second(samples, sum + writing) / 1e6);
    let stats = store.stats();
    println!("  memory of each series with an hour: {} B", (resident_bytes() - before) / MANY_SERIES);
    tell_disk(&stats);
    let route = [matcher("route", MatchOp::Equal, "route-1")];
    let end = START_MS + MANY_STEPS as i64 * STEP_MS;
    for (what, matchers, window) in [
        ("all series, 5 min", &[][..], 300_000),
        ("1,000 series, 5 min", &route, 300_000),
        ("1,000 series, 1 h", &route, 3_600_000),
        ("all series, 1 h", &[], 3_600_000),
    ] {
        select(&store, what, matchers, TimeRange { from_ms: end - window, to_ms: end });
    }
    drop(store);
    let begun = Instant::now();
    let store = Store::open(directory, Options::default()).expect("opens").series;
    println!("  opened again in {:?}", begun.elapsed());
    select(&store, "all series, 1 h, from the disk", &[], TimeRange { from_ms: end - 3_600_000, to_ms: end });
}

fn a_week(directory: &Path) {
    let store = Store::open(directory, Options::default()).expect("opens").series;
    let mut scrape = Scrape::new(&store, WEEK_SERIES);
    for step in 0..WEEK_STEPS {
        store.append_batch(START_MS + step as i64 * STEP_MS, scrape.step(step));
        while store.is_behind() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    store.sync();
    println!("{WEEK_SERIES} series for a week");
    tell_disk(&store.stats());
    let range = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };
    for what in ["first", "again", "again"] {
        select(&store, what, &[], range);
    }
    let day = TimeRange { from_ms: START_MS + 3 * 86_400_000, to_ms: START_MS + 4 * 86_400_000 };
    select(&store, "one day of it", &[], day);
}

fn tell_disk(stats: &SeriesStats) {
    let (bytes, samples) = (stats.disk_bytes, stats.samples.taken);
    println!(
        "  disk: {:.1} MB, {:.2} B/sample with what is not in chunks yet",
        bytes as f64 / 1e6,
        bytes as f64 / samples as f64
    );
    println!(
        "  memory of samples: {:.1} MB in {} full chunks and what grows",
        stats.head_bytes as f64 / 1e6,
        stats.head_chunks
    );
}

fn select(store: &SeriesStore, what: &str, matchers: &[Matcher], range: TimeRange) {
    let begun = Instant::now();
    let found = store.select(matchers, range, usize::MAX).expect("is read");
    let took = begun.elapsed();
    let samples: usize = found.iter().map(|one| one.samples.len()).sum();
    println!("  select, {what}: {took:?} for {} series, {:.2} M samples", found.len(), samples as f64 / 1e6);
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher { name: name.to_owned(), op, value: value.to_owned() }
}

fn journal(directory: &Path, records: u64) {
    // So that the writer is what is measured.
    let journal = JournalOptions { gather: Duration::from_millis(20), ..JournalOptions::default() };
    let store = Store::open(directory, Options { journal, ..Options::default() }).expect("opens").journal;
    let day_ns = START_MS as u64 / 86_400_000 * 86_400_000 * 1_000_000;
    let closed_at = |number: u64| WallTime(day_ns + number * (86_400_000_000_000 / records));
    let (begun, mut making) = (Instant::now(), Duration::ZERO);
    let mut part = begun;
    for number in 0..records {
        let made = Instant::now();
        let record = record(number, closed_at(number));
        making += made.elapsed();
        while store.stats().queued > 20_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        store.closed(record);
        if (number + 1).is_multiple_of(records / 5) {
            let rate = per_second((records / 5) as usize, part.elapsed());
            println!("  entries up to {}: {rate:.0} entries/s", number + 1);
            part = Instant::now();
        }
    }
    store.sync();
    let (took, stats) = (begun.elapsed(), store.stats());
    println!(
        "{records} connections in one day: {:.0} entries/s, {making:?} of {took:?} to make them up",
        per_second(stats.written as usize, took)
    );
    println!(
        "  disk: {:.0} MB, {:.0} B/entry; {} dropped",
        stats.disk_bytes as f64 / 1e6,
        stats.disk_bytes as f64 / stats.written as f64,
        stats.dropped
    );
    let text = |field, text: &str| Condition::Text { field, pattern: Pattern::new(text) };
    let network = |address: &str, prefix_bits| Condition::Network {
        address: address.parse().expect("an address"),
        prefix_bits,
    };
    let (route, reason) = (text(TextField::Route, "chat"), text(TextField::Reason, "abnormal"));
    let long = Condition::Number { field: NumberField::Duration, compare: Compare::Above, value: 7199.0 };
    for (what, conditions) in [
        ("everything", vec![]),
        ("route, reason", vec![route.clone(), reason.clone()]),
        ("reason", vec![reason.clone()]),
        ("route", vec![route.clone()]),
        ("route, reason, duration", vec![route.clone(), reason, long.clone()]),
        ("duration", vec![long]),
        ("network /24", vec![network("10.1.7.0", 24)]),
        ("network /8", vec![network("10.0.0.0", 8)]),
        ("upstream glob", vec![text(TextField::Upstream, "*0.5:*")]),
        ("free text that none has", vec![Condition::Contains("nowhere".to_owned())]),
    ] {
        let terms = conditions.into_iter().map(|condition| Term { is_negated: false, condition }).collect();
        let query = JournalQuery {
            filter: Filter { terms },
            ended: EndedRange::ALWAYS,
            after: None,
            limit: 100,
            patience: Duration::from_secs(60),
        };
        let begun = Instant::now();
        let page = store.page(&query).expect("is read");
        let paged = begun.elapsed();
        let begun = Instant::now();
        let count = store.count(&query.filter, query.ended, u64::MAX, query.patience).expect("is read");
        println!(
            "  {what}: {} entries in {paged:?}; counted {} in {:?}",
            page.entries.len(),
            count.count,
            begun.elapsed()
        );
    }
    let begun = Instant::now();
    let found = store.one(record(1234, closed_at(1234)).id).expect("is read");
    println!("  one by its id: {:?}, {}", begun.elapsed(), found.is_some());
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Memory of this process (proc_pid_statm(5)); 0 where it cannot be told.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
