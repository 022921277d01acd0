//! Header values, and what they say.

use proptest::prelude::*;

use super::*;

#[test]
fn content_types() {
    for value in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc+x-own",
        "application/grpc;charset=utf-8",
        "application/grpc+proto ; charset=utf-8",
        "Application/gRPC+Proto",
        " application/grpc ",
    ] {
        assert!(is_grpc(value.as_bytes()), "{value}");
    }
    for value in [
        "",
        "application/grp",
        "application/grpcx",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc/proto",
        "application/json",
        "application/json;application/grpc",
        "x-application/grpc",
    ] {
        assert!(!is_grpc(value.as_bytes()), "{value}");
    }
}

#[test]
fn paths() {
    let longest = "s".repeat(METHOD_BYTES_MAX);
    let long = "s".repeat(METHOD_BYTES_MAX + 1);
    for (path, expected) in [
        ("/chat.v1.Chat/Join", Some(("chat.v1.Chat", "Join"))),
        ("/Chat/Join", Some(("Chat", "Join"))),
        ("/a/b-c/D_e.1", Some(("a/b-c", "D_e.1"))),
        ("chat.Chat/Join", None),
        ("/Join", None),
        ("/Chat/", None),
        ("//Join", None),
        ("/a//Join", None),
        ("//a/Join", None),
        ("/", None),
        ("", None),
        ("*", None),
        ("/chat.Chat/Join?x=1", None),
        ("/chat.Chat/Join%20us", None),
        ("/chat.Chat/Größe", None),
        ("/chat.Chat\n/Join", None),
        (&format!("/{longest}/{longest}"), Some((longest.as_str(), longest.as_str()))),
        (&format!("/{long}/Join"), None),
        (&format!("/Chat/{long}"), None),
    ] {
        assert_eq!(method(path), expected, "{path}");
    }
}

#[test]
fn timeouts() {
    let seconds = Duration::from_secs;
    for (value, expected) in [
        ("1H", Some(seconds(3600))),
        ("2M", Some(seconds(120))),
        ("3S", Some(seconds(3))),
        ("4m", Some(Duration::from_millis(4))),
        ("5u", Some(Duration::from_micros(5))),
        ("6n", Some(Duration::from_nanos(6))),
        ("0n", Some(Duration::ZERO)),
        ("007S", Some(seconds(7))),
        ("99999999H", Some(seconds(99_999_999 * 3600))),
        ("99999999n", Some(Duration::from_nanos(99_999_999))),
        ("100000000n", None),
        ("", None),
        ("S", None),
        ("1", None),
        ("1h", None),
        ("1s", None),
        ("1ms", None),
        ("-1S", None),
        ("+1S", None),
        ("1.5S", None),
        ("1 S", None),
        (" 1S", None),
        ("1S ", None),
        ("\u{661}S", None),
    ] {
        assert_eq!(timeout(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn codes() {
    for (number, &expected) in <GrpcCode as model::Word>::ALL.iter().enumerate() {
        assert_eq!(code(Some(number.to_string().as_bytes())), expected, "{number}");
    }
    assert_eq!(code(None), GrpcCode::Unknown);
    for value in
        ["", "17", "19", "20", "99", "100", "00", "01", "007", " 0", "0 ", "-1", "+1", "OK", "1a", "\0"]
    {
        assert_eq!(code(Some(value.as_bytes())), GrpcCode::Unknown, "{value:?}");
    }
}

#[test]
fn messages() {
    let letters = "x".repeat(300);
    let signs = "%E5%A4%A7".repeat(100);
    for (value, expected) in [
        ("", ""),
        ("no such room", "no such room"),
        ("100%25 sure", "100% sure"),
        ("Gr%C3%B6%c3%9fe", "Größe"),
        ("a%0D%0Ab%09c%00", "a\\r\\nb\\tc\\u{0}"),
        ("%1B[2J", "\\u{1b}[2J"),
        ("%E2%80%AEtxt", "\\u{202e}txt"),
        ("%", "%"),
        ("%4", "%4"),
        ("50% off", "50% off"),
        ("%zz%4g%g4%+1", "%zz%4g%g4%+1"),
        ("%%41", "%A"),
        ("%2541", "%41"),
        ("%ff!", "\u{fffd}!"),
        (&letters, &letters[..MESSAGE_BYTES_MAX]),
        (&signs, &"大".repeat(MESSAGE_BYTES_MAX / 3)),
    ] {
        assert_eq!(message(value.as_bytes()), expected, "{value}");
    }
    assert_eq!(message("Größe".as_bytes()), "Größe", "bytes that should have been encoded");
}

#[test]
fn answers_without_status() {
    for (status, expected) in [
        (200, GrpcCode::Unknown),
        (302, GrpcCode::Unknown),
        (400, GrpcCode::Internal),
        (401, GrpcCode::Unauthenticated),
        (403, GrpcCode::PermissionDenied),
        (404, GrpcCode::Unimplemented),
        (415, GrpcCode::Unknown),
        (429, GrpcCode::Unavailable),
        (431, GrpcCode::Internal),
        (500, GrpcCode::Unknown),
        (502, GrpcCode::Unavailable),
        (503, GrpcCode::Unavailable),
        (504, GrpcCode::Unavailable),
        (505, GrpcCode::Unknown),
    ] {
        assert_eq!(code_of_http(status), expected, "{status}");
    }
}

#[test]
fn resets() {
    let expected = [
        GrpcCode::Internal,
        GrpcCode::Internal,
        GrpcCode::Internal,
        GrpcCode::Internal,
        GrpcCode::Internal,
        GrpcCode::Unknown,
        GrpcCode::Internal,
        GrpcCode::Unavailable,
        GrpcCode::Cancelled,
        GrpcCode::Internal,
        GrpcCode::Internal,
        GrpcCode::ResourceExhausted,
        GrpcCode::PermissionDenied,
        GrpcCode::Unknown,
        GrpcCode::Unknown,
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        assert_eq!(code_of_reset(Http2Error::from(number as u32)), expected, "{number}");
    }
}

/// As a gRPC server encodes it.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(text in "\\PC{0,40}") {
        prop_assume!(!text.chars().any(text::steers) && text.len() <= MESSAGE_BYTES_MAX);
        prop_assert_eq!(message(encoded(&text).as_bytes()), text);
    }

    #[test]
    fn a_long_message_begins_as_it_was_written(text in "[a-zß大😀%]{100,300}") {
        let shown = message(encoded(&text).as_bytes());
        prop_assert!(text.starts_with(&shown));
        prop_assert!(shown.len() <= MESSAGE_BYTES_MAX);
        prop_assert!(shown == text || shown.len() > MESSAGE_BYTES_MAX - 4, "{}", shown.len());
    }
}
