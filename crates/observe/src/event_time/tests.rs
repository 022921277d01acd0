//! Ids, data and streams, and the times that they must tell.

use proptest::prelude::*;

use super::*;
use crate::sse;

/// 2026-08-01T12:00:00Z.
const NOON_MS: u64 = 1_785_585_600_000;
const NOON: WallTime = ms(NOON_MS);

const AUTO: IdForm = IdForm::Auto { snowflake_epoch_ms: TWITTER_EPOCH_MS };
const SNOWFLAKE: IdForm = IdForm::Snowflake { epoch_ms: TWITTER_EPOCH_MS };

const fn ms(ms: u64) -> WallTime {
    WallTime(ms * 1_000_000)
}

#[track_caller]
fn id(form: IdForm, text: &str, expected: Option<WallTime>) {
    assert_eq!(form.time(text), expected, "{text}");
}

#[test]
fn ulids() {
    // The example of the specification (ulid/spec): 1469918176385 ms is 01ARYZ6S41.
    id(IdForm::Ulid, "01ARYZ6S41TSV4RRFFQ69G5FAV", Some(ms(1_469_918_176_385)));
    id(IdForm::Ulid, "01aryz6s41tsv4rrffq69g5fav", Some(ms(1_469_918_176_385)));
    id(IdForm::Ulid, "00000000000000000000000000", Some(ms(0)));
    id(IdForm::Ulid, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", None);
    id(IdForm::Ulid, "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", None);
    id(IdForm::Ulid, "01ARYZ6S41TSV4RRFFQ69G5FA", None);
    id(IdForm::Ulid, "01ARYZ6S41TSV4RRFFQ69G5FAU", None);
    id(IdForm::Ulid, "01ARYZ6S41TSV4RRFFQ69G5Fé", None);
}

#[test]
fn uuids_of_version_7() {
    // RFC 9562, appendix A.6.
    let expected = Some(ms(0x017F_22E2_79B0));
    id(IdForm::UuidV7, "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", expected);
    id(IdForm::UuidV7, "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f", expected);
    id(IdForm::UuidV7, "017F22E2-79B0-4CC3-98C4-DC0C0C07398F", None);
    id(IdForm::UuidV7, "017F22E2-79B0-7CC3-08C4-DC0C0C07398F", None);
    id(IdForm::UuidV7, "017F22E279B07CC398C4DC0C0C07398F", None);
    id(IdForm::UuidV7, "+17F22E2-79B0-7CC3-98C4-DC0C0C07398F", None);
    id(IdForm::UuidV7, "", None);
}

#[test]
fn snowflakes() {
    id(SNOWFLAKE, "1541815603606036480", Some(ms(1_656_432_460_105)));
    // Discord's documentation: 175928847299117063 was made at 2016-04-30T11:18:25.796Z.
    let discord = IdForm::Snowflake { epoch_ms: 1_420_070_400_000 };
    id(discord, "175928847299117063", Some(ms(1_462_015_105_796)));
    id(discord, "-1", None);
    id(discord, "+1", None);
    id(discord, "18446744073709551616", None);
    id(IdForm::Snowflake { epoch_ms: u64::MAX }, "18446744073709551615", None);
}

#[test]
fn numbers_since_the_epoch() {
    id(IdForm::EpochMs, "1785585600000", Some(NOON));
    id(IdForm::EpochMs, "1785585600000-17", Some(NOON));
    id(IdForm::EpochS, "1785585600", Some(NOON));
    id(IdForm::EpochS, "1785585600.25", Some(ms(NOON_MS + 250)));
    id(IdForm::EpochS, "1785585600.0000000019", Some(WallTime(NOON.0 + 1)));
    for wrong in
        ["", "-", "-1", "1785585600000-", "1785585600000-x", "0x5", "1e9", " 1", "18446744073709551615"]
    {
        id(IdForm::EpochMs, wrong, None);
    }
    for wrong in [
        "",
        ".",
        "1785585600.",
        "1785585600.x",
        "1785585600.123456789x",
        "1785585600.-1",
        "99999999999999999999",
        "1.é",
    ] {
        id(IdForm::EpochS, wrong, None);
    }
}

#[test]
fn an_id_is_taken_for_what_it_looks_like() {
    id(AUTO, "01ARYZ6S41TSV4RRFFQ69G5FAV", Some(ms(1_469_918_176_385)));
    id(AUTO, "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", Some(ms(0x017F_22E2_79B0)));
    id(AUTO, "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f", Some(ms(0x017F_22E2_79B0)));
    id(AUTO, "1541815603606036480", Some(ms(1_656_432_460_105)));
    id(AUTO, "1785585600000", Some(NOON));
    id(AUTO, "1785585600000-0", Some(NOON));
    id(AUTO, "1785585600", Some(NOON));
    id(AUTO, "1785585600.5", Some(ms(NOON_MS + 500)));
    for counter in
        ["", "0", "42", "123456789", "17855856000", "event-7", "1785585600-1", "12345678901234567-1"]
    {
        id(AUTO, counter, None);
    }
}

fn in_data(pointer: &str) -> Source {
    Source::Data(pointer.to_owned())
}

/// All that a stream tells, read in pieces of a length.
fn read(source: &Source, stream: &[u8], piece: usize) -> Vec<Result<WallTime, EventTimeError>> {
    let mut reader = Reader::new(Arc::new(source.clone()));
    let mut times = Vec::new();
    for part in stream.chunks(piece) {
        reader.read(part, NOON, &mut |time| times.push(time));
    }
    times
}

#[track_caller]
fn check(source: &Source, stream: &str, expected: &[Result<WallTime, EventTimeError>]) {
    for piece in [1, 2, 7, stream.len()] {
        assert_eq!(read(source, stream.as_bytes(), piece), expected, "{stream:?} in pieces of {piece}");
    }
}

const MISSING: Result<WallTime, EventTimeError> = Err(EventTimeError::Missing);
const INVALID: Result<WallTime, EventTimeError> = Err(EventTimeError::Invalid);
const TOO_LARGE: Result<WallTime, EventTimeError> = Err(EventTimeError::TooLarge);

#[test]
fn times_in_ids() {
    let source = Source::Id(AUTO);
    check(&source, "id: 1785585600\ndata: x\n\n", &[Ok(NOON)]);
    check(&source, "data: x\r\nid:1785585600\r\n\r\ndata\r\rid:7\ndata\n\n", &[Ok(NOON), MISSING, INVALID]);
    check(&source, "\u{feff}id: 1785585600\ndata: x\n\n", &[Ok(NOON)]);
    check(&source, "id: 1785585600\n\ndata: x\n\n", &[MISSING]);
    check(&source, "id: 7\nid: 1785585600\ndata: x\n\n", &[Ok(NOON)]);
    check(&source, "id: 1785585600\nid\ndata: x\n\n", &[MISSING]);
    check(&source, "id: 1785585600\nid: 7\0\ndata: x\n\n", &[Ok(NOON)]);
    check(&source, "id:  1785585600\ndata: x\n\n", &[INVALID]);
    check(&source, ":id: 1785585600\nids: 1785585600\ndata: x\n\n", &[MISSING]);
    check(&source, "id: 1785585600\ndata: x\n", &[]);
    let long = format!("id: 1785585600{}\ndata: {}\n\n", "0".repeat(300), "x".repeat(300));
    check(&source, &long, &[INVALID]);
}

#[test]
fn a_time_that_no_new_event_can_have_is_none() {
    let source = Source::Id(IdForm::EpochS);
    let at = |seconds: u64| format!("id: {seconds}\ndata: x\n\n");
    let noon = NOON_MS / 1000;
    check(&source, &at(42), &[INVALID]);
    check(&source, &at(noon + 86_400), &[Ok(ms(NOON_MS + 86_400_000))]);
    check(&source, &at(noon + 86_401), &[INVALID]);
    check(&source, &at(noon - 86_400), &[Ok(ms(NOON_MS - 86_400_000))]);
    check(&source, &at(noon - 86_401), &[Err(EventTimeError::Old)]);
    check(&source, &at(noon - 3_650 * 86_400), &[Err(EventTimeError::Old)]);
    check(&source, &at(noon - 3_650 * 86_400 - 1), &[INVALID]);
}

#[track_caller]
fn data(pointer: &str, json: &str, expected: Result<WallTime, EventTimeError>) {
    check(&in_data(pointer), &format!("data: {json}\n\n"), &[expected]);
}

#[test]
fn times_in_data() {
    let noon = Ok(NOON);
    data("/ts", r#"{"ts": 1785585600}"#, noon);
    data("/ts", r#"{"ts": 1785585600.5}"#, Ok(ms(NOON_MS + 500)));
    data("/ts", r#"{"ts": 1785585600000}"#, noon);
    data("/ts", r#"{"ts": 1785585600000000}"#, noon);
    data("/ts", r#"{"ts": 1785585600000000000}"#, noon);
    data("/ts", r#"{"ts": "1785585600000"}"#, noon);
    data("/ts", r#"{"ts": "2026-08-01T12:00:00Z"}"#, noon);
    data("/ts", r#"{"ts": "2026-08-01T12:00:00.250Z"}"#, Ok(ms(NOON_MS + 250)));
    data("/ts", r#"{"ts": "2026-08-01T20:00:00+08:00"}"#, noon);
    data("/ts", r#"{"ts": "2026-08-01T08:30:00.000-03:30"}"#, noon);
    data("", "1785585600", noon);
    data("/0/a~1b/~0", r#"[{"a/b": {"~": 1785585600}}]"#, noon);
    data("/ts", r#"{"ts": null}"#, MISSING);
    data("/ts", r#"{"at": 1785585600}"#, MISSING);
    data("/ts", "[]", MISSING);
    for wrong in ["-1", "0", "1e300", "true", "{}", "\"\"", "\"soon\"", "\"NaN\"", "\"2026-08-01T12:00:00\""]
    {
        data("/ts", &format!(r#"{{"ts": {wrong}}}"#), INVALID);
    }
    for wrong in
        ["2026-08-01T12:00:00+24:00", "2026-08-01T12:00:00+1:000", "2026-08-01T12:00:00é00:00", "+00:00"]
    {
        data("/ts", &format!(r#"{{"ts": "{wrong}"}}"#), INVALID);
    }
    for wrong in ["", "ping", "{\"ts\": 1785585600", "{\"ts\": 1785585600} x"] {
        data("/ts", wrong, INVALID);
    }
    check(&in_data("/ts"), "data: {\ndata: \"ts\":\ndata:1785585600}\n\n", &[noon]);
    check(&in_data("/ts"), "id: 1785585600\ndata: {}\n\ndata: {\"ts\": 1785585600}\n\n", &[MISSING, noon]);
}

#[test]
fn data_beyond_its_bound_is_not_looked_at() {
    let source = in_data("/ts");
    let with = |length: usize| {
        let json = format!(r#"{{"ts": 1785585600, "x": "{}"}}"#, "x".repeat(length));
        (json.len(), format!("data: {json}\n\n"))
    };
    let (overhead, _) = with(0);
    let small = |stream: &str| read(&source, stream.as_bytes(), stream.len());
    for piece in [4_000, usize::MAX] {
        let (_, fits) = with(DATA_BYTES_MAX - overhead);
        assert_eq!(read(&source, fits.as_bytes(), piece), [Ok(NOON)]);
        let (_, exceeds) = with(DATA_BYTES_MAX - overhead + 1);
        assert_eq!(read(&source, exceeds.as_bytes(), piece), [TOO_LARGE]);
        let many = format!("{}\n{}", "data: x\n".repeat(DATA_BYTES_MAX), "data: {\"ts\": 1785585600}\n\n");
        assert_eq!(read(&source, many.as_bytes(), piece), [TOO_LARGE, Ok(NOON)]);
    }
    assert_eq!(small("data: 1\n\n"), [MISSING]);
    let mut deep = "[".repeat(10_000);
    deep.insert_str(0, "data: ");
    assert_eq!(small(&format!("{deep}\n\n")), [INVALID]);
}

#[test]
fn nothing_much_is_kept_between_events() {
    let mut reader = Reader::new(Arc::new(in_data("/ts")));
    let mut read = |part: &str| {
        reader.read(part.as_bytes(), NOON, &mut |_| {});
        (reader.line.capacity(), reader.block.data.capacity())
    };
    let (line, data) = read(&format!("data: {}", "x".repeat(10 * DATA_BYTES_MAX)));
    assert!(line <= 2 * DATA_BYTES_MAX && data == 0, "{line} {data}");
    assert_eq!(read("\n\n"), (0, 0));
    let (line, data) = read(&format!("data: {}\n\n", "x".repeat(DATA_BYTES_MAX / 2)));
    assert!(line == 0 && data <= KEPT_BYTES, "{line} {data}");
    let (line, data) = read("data: {}\n\n");
    assert!(line == 0 && data <= KEPT_BYTES, "{line} {data}");
}

/// Bytes that mean something to the grammar, in no order.
fn like_a_stream() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 14] = [
        b"data",
        b"id",
        b":",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"1785585600",
        b"{\"ts\":",
        b"}",
        b"\0",
        b"\xef\xbb\xbf",
        b"x",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..200).prop_map(|words| words.concat())
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        prop::sample::select(vec![
            AUTO,
            IdForm::Ulid,
            IdForm::UuidV7,
            SNOWFLAKE,
            IdForm::EpochMs,
            IdForm::EpochS
        ])
        .prop_map(Source::Id),
        Just(in_data("/ts")),
        Just(in_data("")),
    ]
}

proptest! {
    #[test]
    fn any_bytes_tell_one_time_for_each_event_in_any_pieces(
        source in source(),
        bytes in prop_oneof![like_a_stream(), prop::collection::vec(any::<u8>(), 0..2000)],
        piece in 1usize..50,
    ) {
        let whole = read(&source, &bytes, usize::MAX);
        prop_assert_eq!(&read(&source, &bytes, piece), &whole);
        let mut events = 0;
        sse::Scanner::new().scan(&bytes, &mut |event| {
            events += usize::from(matches!(event, model::event::SseEvent::Event { .. }));
        });
        prop_assert_eq!(whole.len(), events);
    }

    #[test]
    fn a_time_survives_every_form(at in 1_600_000_000_000u64..NOON_MS + 80_000_000, low in any::<u64>()) {
        let ulid = {
            let digit = |place: u32| {
                char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(at >> (5 * place)) as usize & 31])
            };
            (0..10).rev().map(digit).chain("0".repeat(16).chars()).collect::<String>()
        };
        let (a, b) = (low & 0xfff, low >> 16);
        let uuid = format!("{:08x}-{:04x}-7{a:03x}-8000-{b:012x}", at >> 16, at & 0xffff);
        let snowflake = (at - TWITTER_EPOCH_MS) << 22 | low & 0x3f_ffff;
        let exact = [
            (IdForm::Ulid, ulid),
            (IdForm::UuidV7, uuid),
            (SNOWFLAKE, snowflake.to_string()),
            (IdForm::EpochMs, format!("{at}-{low}")),
            (IdForm::EpochS, format!("{}.{:03}", at / 1000, at % 1000)),
        ];
        for (form, text) in exact {
            prop_assert_eq!(form.time(&text), Some(ms(at)), "{}", &text);
            prop_assert_eq!(AUTO.time(&text), Some(ms(at)), "{}", &text);
        }
        let mut reader = Reader::new(Arc::new(in_data("/ts")));
        let mut times = Vec::new();
        let stream = format!("data: {{\"ts\": \"{}\"}}\n\ndata: {{\"ts\": {at}}}\n\n", ms(at));
        reader.read(stream.as_bytes(), ms(at), &mut |time| times.push(time));
        prop_assert_eq!(times, [Ok(ms(at)), Ok(ms(at))]);
    }
}
