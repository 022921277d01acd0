//! Conversations of both sides, and the windows they leave.

use model::Http2Error;
use model::event::Http2Settings;
use proptest::prelude::*;

use super::*;

mod properties;

const DOWN: Direction = Direction::ServerToClient;
const UP: Direction = Direction::ClientToServer;

fn data(stream: u32, length: u32) -> Http2Event {
    Http2Event::Data { stream, length, end_stream: false, end: 0 }
}

fn last_data(stream: u32, length: u32) -> Http2Event {
    Http2Event::Data { stream, length, end_stream: true, end: 0 }
}

fn headers(stream: u32) -> Http2Event {
    Http2Event::Headers { stream, end_stream: false, end: 0 }
}

fn last_headers(stream: u32) -> Http2Event {
    Http2Event::Headers { stream, end_stream: true, end: 0 }
}

fn reset(stream: u32) -> Http2Event {
    Http2Event::Reset { stream, error: Http2Error::Cancel, end: 0 }
}

fn update(stream: u32, increment: u32) -> Http2Event {
    Http2Event::WindowUpdate { stream, increment, end: 0 }
}

fn initial_window(size: u32) -> Http2Event {
    let settings = Http2Settings { initial_window_size: Some(size), ..Http2Settings::default() };
    Http2Event::Settings { ack: false, settings, end: 0 }
}

fn windows(events: &[(Direction, Http2Event)]) -> Windows {
    let mut windows = Windows::new();
    for (direction, event) in events {
        windows.note(*direction, event);
    }
    windows
}

/// The windows of stream 1 and of the connection for DATA of this direction.
#[track_caller]
fn check(events: &[(Direction, Http2Event)], direction: Direction, stream: Option<i64>, connection: i64) {
    let windows = windows(events);
    let found = (windows.stream_window(1, direction), windows.connection_window(direction));
    assert_eq!(found, (stream, connection));
}

#[test]
fn data_takes_and_updates_give() {
    let open = (UP, headers(1));
    check(&[], UP, None, 65_535);
    check(std::slice::from_ref(&open), UP, Some(65_535), 65_535);
    let sent = [open.clone(), (UP, data(1, 100)), (UP, data(1, 5)), (DOWN, data(1, 7))];
    check(&sent, UP, Some(65_430), 65_430);
    check(&sent, DOWN, Some(65_528), 65_528);
    check(&[open.clone(), (UP, data(1, 100)), (DOWN, update(1, 40))], UP, Some(65_475), 65_435);
    check(&[open.clone(), (UP, data(1, 100)), (DOWN, update(0, 40))], UP, Some(65_435), 65_475);
    check(&[open.clone(), (UP, update(1, 40)), (UP, update(0, 50))], UP, Some(65_535), 65_535);
    check(&[open, (UP, update(1, 40)), (UP, update(0, 50))], DOWN, Some(65_575), 65_585);
}

#[test]
fn streams_share_the_connection_and_nothing_else() {
    let events = [(UP, headers(1)), (UP, headers(3)), (DOWN, data(3, 65_535))];
    check(&events, DOWN, Some(65_535), 0);
    assert_eq!(windows(&events).stream_window(3, DOWN), Some(0));
}

#[test]
fn an_initial_window_is_for_open_streams_and_for_those_to_come() {
    let open = (UP, headers(1));
    check(&[(DOWN, initial_window(10)), open.clone()], UP, Some(10), 65_535);
    check(&[(DOWN, initial_window(10)), open.clone()], DOWN, Some(65_535), 65_535);
    check(&[open.clone(), (UP, initial_window(100_000))], DOWN, Some(100_000), 65_535);
    check(&[open.clone(), (UP, data(1, 50)), (DOWN, initial_window(10))], UP, Some(-40), 65_485);
    let back = [open, (UP, data(1, 50)), (DOWN, initial_window(0)), (DOWN, initial_window(60))];
    check(&back, UP, Some(10), 65_485);
    let ack = Http2Event::Settings { ack: true, settings: Http2Settings::default(), end: 0 };
    check(&[(DOWN, initial_window(10)), (UP, headers(1)), (UP, ack)], UP, Some(10), 65_535);
}

#[test]
fn streams_end_with_both_halves_or_a_reset() {
    let followed = |events: &[(Direction, Http2Event)]| windows(events).followed();
    let open = (UP, headers(1));
    assert_eq!(followed(&[open.clone(), (UP, last_data(1, 0))]), 1);
    assert_eq!(followed(&[open.clone(), (UP, last_data(1, 0)), (UP, last_headers(1))]), 1);
    assert_eq!(followed(&[open.clone(), (UP, last_data(1, 0)), (DOWN, last_headers(1))]), 0);
    assert_eq!(followed(&[open.clone(), (DOWN, headers(1)), (DOWN, last_headers(1))]), 1);
    assert_eq!(followed(&[open.clone(), (DOWN, last_headers(1)), (UP, last_data(1, 9))]), 0);
    assert_eq!(followed(&[(UP, last_headers(1)), (DOWN, last_data(1, 9))]), 0);
    assert_eq!(followed(&[open.clone(), (UP, reset(1))]), 0);
    assert_eq!(followed(&[open.clone(), (DOWN, reset(1))]), 0);
    assert_eq!(followed(&[open, (DOWN, reset(3))]), 1);
}

#[test]
fn late_frames_of_an_ended_stream_are_the_connections_alone() {
    let ended = [(UP, headers(1)), (UP, headers(3)), (UP, reset(1))];
    for late in [(DOWN, data(1, 100)), (DOWN, headers(1)), (DOWN, update(1, 5)), (UP, headers(1))] {
        let windows = windows(&[&ended[..], std::slice::from_ref(&late)].concat());
        assert_eq!((windows.followed(), windows.stream_window(1, DOWN)), (1, None), "{late:?}");
    }
    let late = [&ended[..], &[(DOWN, data(1, 100))]].concat();
    check(&late, DOWN, None, 65_435);
}

#[test]
fn pushed_streams_are_not_followed() {
    let events = [(UP, headers(1)), (DOWN, headers(2)), (UP, headers(4)), (DOWN, data(2, 100))];
    check(&events, DOWN, Some(65_535), 65_435);
    let windows = windows(&events);
    assert_eq!((windows.followed(), windows.not_followed()), (1, 0));
}

#[test]
fn followed_streams_are_bounded() {
    let mut windows = Windows::new();
    let id = |index: usize| 2 * index as u32 + 1;
    for index in 0..STREAMS_MAX + 5 {
        windows.note(UP, &headers(id(index)));
    }
    assert_eq!((windows.followed(), windows.not_followed()), (STREAMS_MAX, 5));
    windows.note(DOWN, &data(id(STREAMS_MAX), 100));
    assert_eq!(windows.stream_window(id(STREAMS_MAX), DOWN), None);
    assert_eq!(windows.connection_window(DOWN), 65_435);
    windows.note(UP, &reset(1));
    windows.note(UP, &headers(id(STREAMS_MAX + 5)));
    assert_eq!(windows.stream_window(id(STREAMS_MAX + 5), DOWN), Some(65_535));
    assert_eq!((windows.followed(), windows.not_followed()), (STREAMS_MAX, 5));
}

#[test]
fn a_stream_is_stalled_by_its_own_window_or_by_the_connections() {
    let is_stalled = |events: &[(Direction, Http2Event)]| {
        let events = [&[(UP, headers(1)), (UP, headers(3))], events].concat();
        [1, 3, 5].map(|stream| windows(&events).is_stalled(stream, DOWN))
    };
    assert_eq!(is_stalled(&[]), [false; 3]);
    assert_eq!(is_stalled(&[(DOWN, data(1, 65_534))]), [false; 3]);
    assert_eq!(is_stalled(&[(DOWN, data(1, 65_535))]), [true; 3]);
    assert_eq!(is_stalled(&[(UP, data(1, 65_535))]), [false; 3], "the other direction");
    let of_stream = [(UP, update(0, 9)), (DOWN, data(1, 65_535))];
    assert_eq!(is_stalled(&of_stream), [true, false, false]);
    assert_eq!(is_stalled(&[&of_stream[..], &[(UP, update(1, 1))]].concat()), [false; 3]);
    assert_eq!(is_stalled(&[(UP, initial_window(0))]), [true, true, false]);
    assert_eq!(is_stalled(&[(DOWN, last_data(1, 65_535))]), [false, true, true], "all is sent");
}

#[test]
fn numbers_without_end_do_no_harm() {
    let mut windows = windows(&[(UP, headers(1))]);
    for _ in 0..10 {
        windows.note(UP, &update(0, u32::MAX));
        windows.note(UP, &update(1, u32::MAX));
    }
    windows.connection[DOWN] = i64::MIN + 1;
    windows.note(UP, &update(0, u32::MAX));
    assert_eq!(windows.connection_window(DOWN), i64::MAX);
    windows.connection[DOWN] = i64::MAX;
    windows.note(DOWN, &data(1, u32::MAX));
    assert!(windows.connection_window(DOWN) < 0);
}
