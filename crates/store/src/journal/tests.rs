//! The journal against a plain list of records.

use std::path::Path;

use model::filter::{Compare, Condition, Filter, Filtered as _, NumberField, Pattern, Term, TextField};
use model::journal::{Cursor, EndedRange, Journal, JournalEntry, JournalQuery, LostConnection};
use model::record::ClientAddress;
use model::{ConnectionId, Protocol, WallTime, Word};
use proptest::prelude::*;

use super::*;
use crate::{Options, Store};

#[path = "../../tests/support/records.rs"]
mod records;

use records::record;

const DAY_NS: u64 = 86_400 * 1_000_000_000;

/// 2026-01-28.
const START_NS: u64 = 20_481 * DAY_NS;

const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    let journal =
        JournalOptions { gather: Duration::ZERO, retry: Duration::ZERO, ..JournalOptions::default() };
    Options { journal, ..Options::default() }
}

fn open(directory: &Path) -> JournalStore {
    Store::open(directory, options()).expect("opens").journal
}

fn at(seconds: u64) -> WallTime {
    WallTime(START_NS + seconds * 1_000_000_000)
}

fn opening(id: u64) -> Opening {
    Opening {
        id: ConnectionId(id),
        protocol: Protocol::WebSocket,
        route: "chat".into(),
        client: ClientAddress { ip: [10, 0, 0, 1].into(), port: 5000, country: None, is_tryout: false },
        upstream: "http://10.0.0.1:3000".into(),
        opened_at: at(0),
    }
}

fn query(filter: Filter, limit: usize) -> JournalQuery {
    JournalQuery { filter, ended: EndedRange::ALWAYS, after: None, limit, patience: PATIENCE }
}

/// All pages of a query, one after the other.
fn pages(journal: &JournalStore, mut query: JournalQuery) -> Vec<JournalEntry> {
    let mut entries = Vec::new();
    loop {
        let page = journal.page(&query).expect("is read");
        assert!(page.is_complete && page.entries.len() <= query.limit);
        entries.extend(page.entries);
        if page.next.is_none() {
            return entries;
        }
        query.after = page.next;
    }
}

fn ids(entries: &[JournalEntry]) -> Vec<ConnectionId> {
    entries.iter().map(JournalEntry::id).collect()
}

/// A journal of 600 records over three days, some closed in the same nanosecond.
fn filled(directory: &Path) -> (JournalStore, Vec<Arc<CloseRecord>>) {
    let journal = open(directory);
    let records: Vec<_> = (0..600).map(|number| record(number, at(number / 3 * 1000))).collect();
    records.iter().for_each(|record| journal.closed(record.clone()));
    journal.sync();
    (journal, records)
}

/// A text that some records have, or a part of it, or none that any has.
fn text() -> impl Strategy<Value = Condition> {
    let field = prop::sample::select(TextField::ALL);
    let odd = prop_oneof![Just("*"), Just("[*?"), Just("?hat"), Just("[odd]?"), Just("'; --"), Just("c*t")];
    (field, 0_u64..600, 0_usize..4, odd).prop_map(|(field, number, form, odd)| {
        let text = record(number, at(number / 3 * 1000)).text(field).unwrap_or_else(|| odd.to_owned());
        let (head, tail) = text.split_at(text.floor_char_boundary(text.len() / 2));
        let pattern = match form {
            0 => odd.to_owned(),
            1 => format!("{head}*"),
            2 => format!("*{tail}"),
            _ => text,
        };
        Condition::Text { field, pattern: Pattern::new(&pattern) }
    })
}

fn number() -> impl Strategy<Value = Condition> {
    use Compare::{Above, AtLeast, AtMost, Below, Equal};
    let field = prop::sample::select(NumberField::ALL);
    let compare = prop::sample::select(&[Equal, Above, AtLeast, Below, AtMost]);
    (field, compare, 0_u64..600).prop_map(|(field, compare, number)| {
        let numbers = record(number, at(number / 3 * 1000)).numbers(field);
        Condition::Number { field, compare, value: numbers[0].unwrap_or(4000.0) }
    })
}

fn term() -> impl Strategy<Value = Term> {
    let address = prop_oneof![Just("10.1.0.0"), Just("2001:db8:0:2::"), Just("10.2.3.4")];
    let network = (address, 0_u8..=130).prop_map(|(address, prefix_bits)| Condition::Network {
        address: address.parse().expect("an address"),
        prefix_bits,
    });
    let contained = prop::sample::select(&["CHAT", "10.1", "zz", "orders", "'; --"]);
    let contains = contained.prop_map(|text| Condition::Contains(text.to_owned()));
    let condition = prop_oneof![4 => text(), 2 => number(), 1 => network, 1 => contains];
    (any::<bool>(), condition).prop_map(|(is_negated, condition)| Term { is_negated, condition })
}

/// Whether random filters take the same of the journal as of the records themselves, oldest first.
#[track_caller]
fn check_filters(journal: &JournalStore, records: &[Arc<CloseRecord>], cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let found = std::cell::Cell::new(0);
    let filters = (proptest::collection::vec(term(), 0..4), 50_usize..700);
    let run = runner.run(&filters, |(terms, limit)| {
        let filter = Filter { terms };
        let mut expected: Vec<_> = records.iter().filter(|record| filter.takes(record.as_ref())).collect();
        expected.reverse();
        let expected: Vec<ConnectionId> = expected.iter().map(|record| record.id).collect();
        let count = journal.count(&filter, EndedRange::ALWAYS, 10_000, PATIENCE).expect("is read");
        prop_assert_eq!((count.count, count.is_exact), (expected.len() as u64, true));
        prop_assert_eq!(ids(&pages(journal, query(filter, limit))), expected);
        let tells_apart = count.count > 0 && count.count < records.len() as u64;
        found.set(found.get() + u32::from(tells_apart));
        Ok(())
    });
    run.expect("the same");
    // Few filters tell few records apart.
    assert!(
        records.len() < 100 || found.get() >= cases / 10,
        "only {} filters tell records apart",
        found.get()
    );
}

#[test]
fn a_filter_means_the_same_to_the_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, records) = filled(directory.path());
    check_filters(&journal, &records, 100);
    drop(journal);
    check_filters(&open(directory.path()), &records, 30);
}

/// Of a day that versions before had begun, those that they wrote and those that came since.
#[test]
fn a_filter_means_the_same_across_versions() {
    for version in ["v1", "v2", "v3", "v4"] {
        let directory = tempfile::tempdir().expect("a directory");
        let file = "journal/2026-01-28.db";
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version).join(file);
        std::fs::create_dir(directory.path().join("journal")).expect("is made");
        std::fs::copy(fixture, directory.path().join(file)).expect("is copied");
        let closed_at = |number| WallTime(1_769_592_600_000_000_000 + number * 1_000_000_007);
        let mut records: Vec<_> = (0..5).map(|number| record(number, closed_at(number))).collect();
        check_filters(&open(directory.path()), &records, 40);
        let journal = open(directory.path());
        // In between, and at the same time as the third.
        let new = (5..20).map(|number| record(number, closed_at(1) + Duration::from_nanos(number)));
        let new: Vec<_> = new.chain([record(20, closed_at(2)), record(21, closed_at(2))]).collect();
        new.iter().for_each(|record| journal.closed(record.clone()));
        journal.sync();
        records.splice(2..2, new[..15].iter().cloned());
        records.splice(18..18, new[15..].iter().cloned());
        check_filters(&journal, &records, 40);
        assert_eq!(journal.one(records[0].id).expect("is read").map(|entry| entry.id()), Some(records[0].id));
        assert_eq!(journal.stats().damaged, 0);
    }
}

fn number_of(journal: &JournalStore, what: &str) -> i64 {
    let path = journal.shared.directory.as_ref().expect("is kept");
    let connection = rusqlite::Connection::open(Day::of(at(0)).file(path)).expect("opens");
    connection.query_row(&format!("SELECT {what} FROM chunks"), [], |row| row.get(0)).expect("is read")
}

#[test]
fn few_entries_at_a_time_become_large_chunks() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = open(directory.path());
    let records: Vec<_> = (0..400).map(|number| record(number, at(number))).collect();
    for (number, record) in records.iter().enumerate() {
        journal.closed(record.clone());
        journal.sync();
        if number == 300 {
            drop(journal);
            journal = open(directory.path());
            assert_eq!(number_of(&journal, "count(*)"), 1);
        }
    }
    let chunks = number_of(&journal, "count(*)");
    assert!((2..=65).contains(&chunks), "{chunks} chunks");
    let expected: Vec<ConnectionId> = records.iter().rev().map(|record| record.id).collect();
    assert_eq!(ids(&pages(&journal, query(Filter::default(), 50))), expected);
    (400..5000).for_each(|number| journal.closed(record(number, at(number))));
    journal.sync();
    drop(journal);
    let journal = open(directory.path());
    let found = (number_of(&journal, "count(*)"), number_of(&journal, "max(entries)"));
    assert_eq!((found, number_of(&journal, "sum(entries)")), ((2, 4096), 5000));
    assert_eq!(journal.one(records[7].id).expect("is read").map(|entry| entry.id()), Some(records[7].id));
}

/// Many at few instants, so that keys are taken in chunks that are full, in those that grow, and among the new.
#[test]
fn entries_of_the_same_nanosecond_are_all_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = open(directory.path());
    for number in 0..9000 {
        journal.closed(record(number, at(number % 3000)));
        if number % 1000 == 999 {
            journal.sync();
        }
        if number == 5000 {
            drop(journal);
            journal = open(directory.path());
        }
    }
    journal.sync();
    let entries = pages(&journal, query(Filter::default(), 500));
    let distinct: BTreeSet<ConnectionId> = entries.iter().map(JournalEntry::id).collect();
    assert_eq!((entries.len(), distinct.len()), (9000, 9000));
    assert!(entries.is_sorted_by(|newer, older| newer.ended_at() >= older.ended_at()));
    let ended = EndedRange { from: at(70), to: at(70) + Duration::from_nanos(2) };
    assert_eq!(ids(&pages(&journal, JournalQuery { ended, ..query(Filter::default(), 2) })).len(), 3);
}

#[test]
fn entries_of_one_group_come_newest_first_however_they_came() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = JournalOptions { gather: Duration::from_millis(50), ..JournalOptions::default() };
    let journal =
        Store::open(directory.path(), Options { journal, ..Options::default() }).expect("opens").journal;
    let records: Vec<_> = (0..300).map(|number| record(number, at(number))).collect();
    (0..300).for_each(|number| journal.closed(records[number * 7 % 300].clone()));
    journal.sync();
    let expected: Vec<ConnectionId> = records.iter().rev().map(|record| record.id).collect();
    assert_eq!(ids(&pages(&journal, query(Filter::default(), 50))), expected);
    let ended = EndedRange { from: at(100), to: at(110) };
    assert_eq!(
        ids(&pages(&journal, JournalQuery { ended, ..query(Filter::default(), 50) })),
        expected[189..200]
    );
}

#[test]
fn a_text_stands_once_in_a_column() {
    let mut column = column::Texts::default();
    let texts: Vec<String> = (0..40).map(|number| format!("room-{number}")).collect();
    for text in texts.iter().chain(&texts).chain(texts.iter().rev()) {
        column.push(Some(text));
    }
    let mut bytes = Vec::new();
    column.write(&mut bytes);
    assert_eq!(bytes[0], 40);
    let read = column::TextRows::read(&bytes, 120).expect("is whole");
    let numbers: Vec<usize> = read.numbers().collect();
    assert_eq!(numbers, (1..=40).chain(1..=40).chain((1..=40).rev()).collect::<Vec<_>>());
    assert_eq!(read.list, texts);
}

#[test]
fn damaged_chunks_are_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = filled(directory.path());
    drop(journal);
    let file = Day::of(at(0)).file(&directory.path().join("journal"));
    let connection = rusqlite::Connection::open(file).expect("opens");
    let damage = |table: &str, column: &str| {
        let flipped = format!(
            "UPDATE {table} SET {column} = CAST(substr({column}, 1, 12) || x'2a2b' || substr({column}, 15) AS BLOB)"
        );
        assert!(connection.execute(&flipped, []).expect("is done") > 0);
    };
    let reason = Condition::Text { field: TextField::Reason, pattern: Pattern::new("*") };
    let with_reason = Filter { terms: vec![Term { is_negated: false, condition: reason }] };
    let first_day = number_of(&open(directory.path()), "sum(entries)") as u64;
    let count = |journal: &JournalStore, filter: &Filter| {
        journal.count(filter, EndedRange::ALWAYS, 10_000, PATIENCE).expect("is read").count
    };
    let before = count(&open(directory.path()), &with_reason);
    damage("chunks", "reason");
    let journal = open(directory.path());
    let after = count(&journal, &with_reason);
    assert!(after > 0 && after < before, "{after} of {before}");
    assert_eq!((journal.stats().damaged, count(&journal, &Filter::default())), (first_day, 600));
    drop(journal);
    damage("records", "bytes");
    let journal = open(directory.path());
    assert_eq!(pages(&journal, query(Filter::default(), 50)).len() as u64, 600 - first_day);
    assert_eq!(journal.stats().damaged, first_day);
    journal.closed(record(700, at(50)));
    journal.sync();
    assert_eq!((journal.status(), journal.stats().written), (Ok(()), 1));
}

#[test]
fn records_come_back_whole_and_newest_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, records) = filled(directory.path());
    drop(journal);
    let journal = open(directory.path());
    let read = pages(&journal, query(Filter::default(), 50));
    let expected: Vec<JournalEntry> =
        records.iter().rev().map(|closed| JournalEntry::Closed { closed: closed.clone() }).collect();
    assert!(read == expected, "other records than were written");
    assert_eq!(journal.one(records[17].id).expect("is read").as_ref(), expected.get(600 - 1 - 17));
    assert_eq!(journal.one(ConnectionId(1)).expect("is read"), None);
    let stats = journal.stats();
    assert_eq!((stats.days, stats.damaged, stats.lost), (3, 0, 0));
}

#[test]
fn a_range_of_time_and_a_place_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, records) = filled(directory.path());
    // Those that ended in the same nanosecond stand some nanoseconds apart.
    let ended = EndedRange { from: at(86_000), to: at(87_000) + Duration::from_nanos(2) };
    let entries = pages(&journal, JournalQuery { ended, ..query(Filter::default(), 2) });
    let expected: Vec<ConnectionId> = records[258..264].iter().rev().map(|record| record.id).collect();
    assert_eq!(ids(&entries), expected);
    let count = journal.count(&Filter::default(), EndedRange::ALWAYS, 100, PATIENCE).expect("is read");
    assert_eq!((count.count, count.is_exact), (100, false));
    let after = JournalQuery { after: Some(Cursor(0)), ..query(Filter::default(), 2) };
    assert_eq!(pages(&journal, after), []);
}

#[test]
fn time_runs_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = filled(directory.path());
    let nothing = Filter {
        terms: vec![Term { is_negated: false, condition: Condition::Contains("nowhere".to_owned()) }],
    };
    let hasty = JournalQuery { patience: Duration::ZERO, ..query(nothing.clone(), 10) };
    assert!(!journal.page(&hasty).expect("is read").is_complete);
    assert!(!journal.count(&nothing, EndedRange::ALWAYS, 10, Duration::ZERO).expect("is read").is_exact);
}

/// Who made the file of a day was killed before its tables were there.
#[test]
fn a_day_without_tables_has_no_entries() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path());
    journal.opened(opening(7));
    journal.closed(record(1, at(100)));
    journal.sync();
    let file = Day::of(at(100)).file(&directory.path().join("journal"));
    drop(journal);
    std::fs::write(file.with_file_name("2026-01-29.db"), []).expect("is written");
    let journal = open(directory.path());
    assert_eq!((journal.status(), journal.stats().lost), (Ok(()), 1));
    let entries = pages(&journal, query(Filter::default(), 10));
    assert_eq!(entries.len(), 2, "the closed one and the lost one");
    assert_eq!(journal.one(ConnectionId(99)).expect("is read"), None);
}

#[test]
fn what_was_open_is_lost_with_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path());
    let closed = record(1, at(100));
    journal.opened(opening(7));
    journal.opened(Opening { id: closed.id, ..opening(0) });
    journal.sync();
    assert_eq!(journal.stats().openings, 2);
    journal.closed(closed.clone());
    journal.sync();
    assert_eq!(journal.stats().openings, 1);
    drop(journal);
    let journal = open(directory.path());
    assert_eq!((journal.stats().lost, journal.stats().openings), (1, 0));
    let Some(JournalEntry::Lost { lost: LostConnection { opening: lost, seen_at } }) =
        journal.one(ConnectionId(7)).expect("is read")
    else {
        panic!("it is not there as lost")
    };
    assert_eq!(lost, opening(7));
    assert!(seen_at > at(100), "the process was seen later than that");
    let route = Condition::Text { field: TextField::Route, pattern: Pattern::new("chat") };
    let chat = Filter { terms: vec![Term { is_negated: false, condition: route }] };
    assert!(ids(&pages(&journal, query(chat, 10))).contains(&ConnectionId(7)));
    drop(journal);
    assert_eq!(open(directory.path()).stats().lost, 0);
}

#[test]
fn a_close_record_that_came_to_the_disk_is_no_loss() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, records) = filled(directory.path());
    journal.opened(Opening { id: records[599].id, ..opening(0) });
    journal.sync();
    drop(journal);
    assert_eq!(open(directory.path()).stats().lost, 0);
}

#[test]
fn old_days_are_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options();
    options.journal.retention = Duration::from_secs(2 * 86_400);
    let journal = Store::open(directory.path(), options).expect("opens").journal;
    for day in 0..6 {
        journal.closed(record(day, at(day * 86_400 + 10)));
        journal.sync();
    }
    assert_eq!(pages(&journal, query(Filter::default(), 10)).len(), 3);
    let mut files: Vec<String> = std::fs::read_dir(directory.path().join("journal"))
        .expect("is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".db"))
        .collect();
    files.sort();
    assert_eq!(files, ["2026-01-31.db", "2026-02-01.db", "2026-02-02.db", "open.db"]);
}

#[test]
fn a_journal_that_is_too_large_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options();
    options.journal.disk_bytes_max = 200_000;
    let journal = Store::open(directory.path(), options).expect("opens").journal;
    let total = 5000;
    for number in 0..total {
        journal.closed(record(number, at(number % 1000)));
        if number % 500 == 0 {
            journal.sync();
        }
    }
    journal.sync();
    let stats = journal.stats();
    assert!(stats.dropped > 0 && stats.written + stats.dropped == total, "{stats:?}");
    assert!(journal.status().is_err());
}

#[test]
fn a_directory_that_comes_back_is_used() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("data");
    std::fs::write(&path, "in the way").expect("is written");
    let mut options = options();
    options.journal.queue_max = 16;
    let journal = Store::open(&path, options).expect("goes on without").journal;
    journal.closed(record(1, at(1)));
    assert!(journal.status().is_err());
    for number in 2..20_000 {
        journal.closed(record(number, at(number)));
    }
    let dropped = journal.stats().dropped;
    assert!(dropped > 1000, "what does not fit is dropped: {dropped}");
    std::fs::remove_file(&path).expect("is removed");
    while journal.status().is_err() || journal.stats().queued > 0 {
        journal.sync();
    }
    journal.sync();
    let stats = journal.stats();
    assert_eq!(stats.written + stats.dropped, 19_999);
    assert!(journal.one(record(1, at(1)).id).expect("is read").is_some());
}

#[test]
fn user_agents_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path());
    for number in 0..300 {
        let mut closed = CloseRecord::clone(&record(number, at(number)));
        closed.user_agent = (number % 3 != 0).then(|| format!("app/{} \"x\"", number % 3).into());
        journal.closed(Arc::new(closed));
    }
    journal.sync();
    let found = |filter: &str| {
        let filter: Filter = filter.parse().expect("a filter");
        let count = journal.count(&filter, EndedRange::ALWAYS, 1000, PATIENCE).expect("is read").count;
        assert_eq!(pages(&journal, query(filter, 40)).len() as u64, count);
        count
    };
    assert_eq!(
        [r#"user_agent:"app/1 \"x\"""#, "user_agent:app*", "-user_agent:app*", "user_agent:\"app*\""]
            .map(found),
        [100, 200, 100, 0]
    );
}

#[test]
fn tryouts_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path());
    for number in 0..300 {
        let mut closed = CloseRecord::clone(&record(number, at(number)));
        closed.client.is_tryout = number % 3 == 0;
        journal.closed(Arc::new(closed));
    }
    for (id, is_tryout) in [(1, true), (2, false), (3, false)] {
        let mut lost = opening(id);
        lost.client.is_tryout = is_tryout;
        journal.opened(lost);
    }
    drop(journal);
    let journal = open(directory.path());
    let count = |filter: &str| {
        let filter: Filter = filter.parse().expect("a filter");
        journal.count(&filter, EndedRange::ALWAYS, 1000, PATIENCE).expect("is read").count
    };
    let filters = ["tryout:true", "tryout:false", "-tryout:true", "tryout:true state:lost", "tryout:*"];
    assert_eq!(filters.map(count), [101, 202, 202, 1, 303]);
}

#[test]
fn countries_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path());
    for (number, country) in [Some("CN"), Some("DE"), None, Some("CN")].into_iter().enumerate() {
        let mut closed = CloseRecord::clone(&record(number as u64, at(number as u64)));
        closed.client.country = country.and_then(|code| code.parse().ok());
        journal.closed(Arc::new(closed));
    }
    journal.sync();
    let count = |filter: &str| {
        let filter = filter.parse().expect("a filter");
        let found = pages(&journal, query(filter, 10)).len() as u64;
        assert_eq!(
            journal
                .count(&"country:CN".parse().expect("a filter"), EndedRange::ALWAYS, 10, PATIENCE)
                .expect("is read")
                .count,
            2
        );
        found
    };
    assert_eq!((count("cc:cn"), count("country:DE"), count("-country:CN"), count("country:*")), (2, 1, 2, 3));
}
