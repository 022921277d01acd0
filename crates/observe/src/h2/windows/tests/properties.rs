//! Generated conversations beside another way to keep the books: one window for each stream, changed by each
//! event as RFC 9113, section 6.9 tells it.

use std::collections::BTreeSet;

use super::*;

#[derive(Default)]
struct Books {
    initial: [i64; 2],
    connection: [i64; 2],
    /// Windows and ended halves of open streams.
    open: BTreeMap<u32, ([i64; 2], [bool; 2])>,
    opened: BTreeSet<u32>,
}

impl Books {
    fn new() -> Books {
        Books { initial: [65_535; 2], connection: [65_535; 2], ..Books::default() }
    }

    fn note(&mut self, direction: Direction, event: &Http2Event) {
        let (this, other) = (direction as usize, direction.other() as usize);
        match *event {
            Http2Event::Data { stream, length, end_stream, .. } => {
                self.connection[this] -= i64::from(length);
                if let Some((windows, _)) = self.open.get_mut(&stream) {
                    windows[this] -= i64::from(length);
                }
                self.end(stream, this, end_stream);
            }
            Http2Event::Headers { stream, end_stream, .. } => {
                let may_open = direction == UP && self.opened.iter().all(|&opened| opened < stream);
                if may_open && stream % 2 == 1 {
                    self.opened.insert(stream);
                    self.open.insert(stream, (self.initial, [false; 2]));
                }
                self.end(stream, this, end_stream);
            }
            Http2Event::Reset { stream, .. } => drop(self.open.remove(&stream)),
            Http2Event::WindowUpdate { stream: 0, increment, .. } => {
                self.connection[other] += i64::from(increment);
            }
            Http2Event::WindowUpdate { stream, increment, .. } => {
                if let Some((windows, _)) = self.open.get_mut(&stream) {
                    windows[other] += i64::from(increment);
                }
            }
            Http2Event::Settings {
                settings: Http2Settings { initial_window_size: Some(size), .. }, ..
            } => {
                let change = i64::from(size) - self.initial[other];
                self.initial[other] += change;
                self.open.values_mut().for_each(|(windows, _)| windows[other] += change);
            }
            _ => {}
        }
    }

    fn end(&mut self, stream: u32, half: usize, is_end: bool) {
        if let Some((_, ended)) = self.open.get_mut(&stream) {
            ended[half] |= is_end;
            if *ended == [true; 2] {
                self.open.remove(&stream);
            }
        }
    }

    fn is_stalled(&self, stream: u32, half: usize) -> bool {
        match self.open.get(&stream) {
            Some((_, ended)) if ended[half] => false,
            Some((windows, _)) => windows[half].min(self.connection[half]) <= 0,
            None => self.connection[half] <= 0,
        }
    }
}

fn event() -> impl Strategy<Value = (Direction, Http2Event)> {
    let stream = || 1u32..12;
    let length = prop_oneof![0u32..100, 30_000u32..70_000];
    let end_stream = prop::bool::weighted(0.1);
    let event = prop_oneof![
        6 => (stream(), length, end_stream)
            .prop_map(|(stream, length, end_stream)| Http2Event::Data { stream, length, end_stream, end: 0 }),
        6 => (stream(), end_stream)
            .prop_map(|(stream, end_stream)| Http2Event::Headers { stream, end_stream, end: 0 }),
        1 => stream().prop_map(reset),
        4 => (0u32..12, 1u32..70_000).prop_map(|(stream, increment)| update(stream, increment)),
        2 => prop_oneof![0u32..100, 60_000u32..200_000].prop_map(initial_window),
        1 => Just(Http2Event::Ping { ack: false, opaque: 0, end: 0 }),
    ];
    (prop::sample::select(vec![UP, DOWN]), event)
}

proptest! {
    #[test]
    fn windows_are_as_the_books_say(events in prop::collection::vec(event(), 0..80)) {
        let (mut windows, mut books) = (Windows::new(), Books::new());
        for (direction, event) in &events {
            windows.note(*direction, event);
            books.note(*direction, event);
            prop_assert_eq!(windows.followed(), books.open.len());
            for half in [UP, DOWN] {
                prop_assert_eq!(windows.connection_window(half), books.connection[half as usize]);
                for stream in 0..13 {
                    let expected = books.open.get(&stream).map(|(windows, _)| windows[half as usize]);
                    prop_assert_eq!(windows.stream_window(stream, half), expected, "{} after {:?}", stream, event);
                    let is_stalled = books.is_stalled(stream, half as usize);
                    prop_assert_eq!(windows.is_stalled(stream, half), is_stalled, "{} after {:?}", stream, event);
                }
            }
        }
    }
}
