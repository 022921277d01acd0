//! What is kept of many things, by one writer and under the eyes of readers.

use proptest::prelude::*;

use super::*;

/// The `number`th thing: its size and its time are its number.
fn note(recorder: &Recorder, number: u64, room: usize) {
    recorder.note(Duration::from_micros(number), &Happening::Event { bytes: number }, || room);
}

/// Numbers that are kept, each of which has its own time and size.
fn numbers(tape: &Tape) -> Vec<u64> {
    tape.iter()
        .map(|(number, after, what)| {
            assert_eq!(after, Duration::from_micros(number));
            assert_eq!(what, Happening::Event { bytes: number });
            number
        })
        .collect()
}

#[test]
fn the_first_and_the_last_are_kept() {
    let check = |count: u64, room: usize, expected: &[(u64, u64)]| {
        let recorder = Recorder::new();
        (0..count).for_each(|number| note(&recorder, number, room));
        let tape = recorder.tape();
        let expected: Vec<u64> = expected.iter().flat_map(|&(from, to)| from..to).collect();
        assert_eq!(numbers(&tape), expected, "{count} things, room for {room}");
        assert_eq!(tape.noted(), count);
        assert_eq!(tape.bytes(), expected.len() * SLOT_BYTES);
    };
    check(0, 10, &[]);
    check(1, 10, &[(0, 1)]);
    check(32, 10, &[(0, 32)]);
    check(33, 10, &[(0, 33)]);
    // A full ring keeps one less: its oldest slot may be the next one to be written.
    check(42, 10, &[(0, 32), (33, 42)]);
    check(1000, 10, &[(0, 32), (991, 1000)]);
    check(1000, 0, &[(0, 32)]);
    check(1000, 1, &[(0, 32)]);
}

#[test]
fn a_slot_is_small() {
    assert_eq!(SLOT_BYTES, 16);
    let beside = size_of::<Recorder>() - FIRST * SLOT_BYTES;
    assert!(beside <= 32, "{beside}");
}

#[test]
fn room_is_asked_for_once_and_late() {
    let recorder = Recorder::new();
    let mut asked = 0;
    for number in 0..200 {
        recorder.note(Duration::ZERO, &Happening::Comment, || {
            assert_eq!(number, FIRST);
            asked += 1;
            64
        });
    }
    assert_eq!(asked, 1);
}

#[test]
fn readers_see_no_half_written_thing() {
    let recorder = Recorder::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !done.load(Relaxed) {
                        let numbers = numbers(&recorder.tape());
                        assert!(numbers.is_sorted());
                        seen += numbers.len();
                    }
                    seen
                })
            })
            .collect();
        (0..300_000).for_each(|number| note(&recorder, number, 8));
        done.store(true, Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()));
    });
    assert_eq!(numbers(&recorder.tape()).last(), Some(&299_999));
}

proptest! {
    #[test]
    fn memory_is_bounded_and_the_newest_is_there(count in 0u64..2000, room in 0usize..300) {
        let recorder = Recorder::new();
        (0..count).for_each(|number| note(&recorder, number, room));
        let kept = numbers(&recorder.tape());
        prop_assert!(kept.len() <= FIRST + room);
        prop_assert!(kept.len() as u64 + 1 >= count.min((FIRST + room) as u64));
        prop_assert!(kept.is_sorted());
        let newest = if room > 1 { count } else { count.min(FIRST as u64) };
        prop_assert_eq!(kept.last().copied(), newest.checked_sub(1));
    }
}
