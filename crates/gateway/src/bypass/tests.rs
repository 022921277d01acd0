//! Two connections joined by a strand, and windows that are never overrun.

use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier};
use std::thread;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::AsyncWrite as _;

use super::cut::{Cutter, HEADER_BYTES, Head, PAYLOAD_BYTES_MAX, Piece, flag, kind, of_number};
use super::*;

mod windows;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&Head { length: payload.len(), kind, flags, stream }.to_bytes()[..], payload].concat()
}

fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, 0, stream, payload)
}

fn last(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flag::END_STREAM, stream, payload)
}

fn head(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS, stream, b"h")
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    of_number(kind::WINDOW_UPDATE, stream, increment).to_vec()
}

/// What is cut out of bytes that come in pieces.
fn cut(bytes: &[u8], piece: usize) -> (Vec<(Head, Vec<u8>)>, Vec<u8>) {
    let (mut frames, mut others, mut cutter) = (Vec::new(), Vec::new(), Cutter::new());
    for bytes in bytes.chunks(piece.max(1)) {
        cutter.cut(bytes, &mut |piece| match piece {
            Piece::Frame(head, bytes) => frames.push((head, bytes.to_vec())),
            Piece::Other(bytes) => others.extend_from_slice(bytes),
        });
    }
    (frames, others)
}

/// All that is to be written.
fn written(outbound: &mut Outbound) -> Vec<u8> {
    let parts = std::iter::repeat_with(|| outbound.take()).take_while(|part| !part.is_empty());
    parts.flatten().collect()
}

/// Frames that are there to be written, as (type, flags, stream, payload).
fn to_write(link: &Link) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let (frames, _) = cut(&written(&mut link.outbound.lock()), usize::MAX);
    let frames = frames.into_iter();
    frames.map(|(head, bytes)| (head.kind, head.flags, head.stream, bytes[HEADER_BYTES..].to_vec())).collect()
}

/// h2 writes frames.
fn say(pipe: &mut Pipe, frames: &[u8]) {
    let (mut pipe, mut cx) = (Pin::new(pipe), Context::from_waker(Waker::noop()));
    let written = pipe.as_mut().poll_write(&mut cx, frames);
    assert!(matches!(written, Poll::Ready(Ok(length)) if length == frames.len()));
    assert!(pipe.poll_flush(&mut cx).is_ready());
}

/// What h2 is given.
fn for_h2(link: &Link) -> Vec<u8> {
    let mut given = Vec::new();
    let mut room = [0; 1000];
    loop {
        let mut buf = ReadBuf::new(&mut room);
        match link.poll_read(&mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => given.extend_from_slice(buf.filled()),
            _ => return given,
        }
    }
}

/// RFC 9113, section 4.3: header blocks are contiguous.
#[test]
fn nobody_writes_between_the_frames_of_a_header_block() {
    const BLOCKS: u32 = 300;
    const FRAMES: usize = 20;
    let link = Link::new(Leg::Client);
    let mut pipe = link.pipe();
    let (begun, is_done) = (Barrier::new(2), AtomicBool::new(false));
    let blocks = thread::scope(|scope| {
        scope.spawn(|| {
            begun.wait();
            while !is_done.load(Relaxed) {
                if link.outbound.lock().length() < WRITING_MAX / 2 {
                    link.ping();
                }
            }
        });
        begun.wait();
        let mut block = |number: u32| {
            let flags = |place| if place == FRAMES - 1 { flag::END_HEADERS } else { 0 };
            let kind = |place| if place == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let frames =
                (0..FRAMES).map(|place| frame(kind(place), flags(place), 2 * number + 1, &[0; 1000]));
            say(&mut pipe, &frames.collect::<Vec<_>>().concat());
            let frames = to_write(&link).into_iter().map(|(kind, ..)| kind);
            frames.skip_while(|&kind| kind == kind::PING).take(FRAMES).collect::<Vec<u8>>()
        };
        let blocks: Vec<_> = (0..BLOCKS).map(&mut block).collect();
        is_done.store(true, Relaxed);
        blocks
    });
    assert!(blocks.iter().flatten().all(|&kind| kind != kind::PING));
}

/// Writes down what it is told.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    read: Vec<u8>,
    delivered: usize,
    stalls: Vec<usize>,
    is_stalled: bool,
}

impl Passing for Notes {
    fn read(&self, data: &[u8], _: Moment) -> bool {
        self.0.lock().read.extend_from_slice(data);
        true
    }

    fn delivered(&self, bytes: usize, _: Moment) {
        self.0.lock().delivered += bytes;
    }

    fn stalls(&self, bytes: usize) {
        let mut noted = self.0.lock();
        noted.stalls.push(bytes);
        noted.is_stalled = true;
    }

    fn goes_on(&self) {
        self.0.lock().is_stalled = false;
    }
}

/// Stream 1 of a client's connection, which may pass to stream 1 of an upstream's.
struct Pair {
    client: Arc<Link>,
    upstream: Arc<Link>,
    strand: Arc<Strand>,
    notes: Notes,
    accepted: u64,
}

impl Pair {
    fn new() -> Pair {
        let (client, upstream) = (Link::new(Leg::Client), Link::new(Leg::Upstream));
        let notes = Notes::default();
        let strand = Strand::new((&client, 1), (&upstream, 1), Box::new(notes.clone()));
        upstream.expect(1);
        upstream.outbound.lock().open(1);
        Pair { client, upstream, strand, notes, accepted: 0 }
    }

    /// The call has begun.
    fn begun() -> Pair {
        let pair = Pair::new();
        pair.read(&[PREFACE, &head(1)].concat());
        pair.client.pass(1, &pair.strand);
        for_h2(&pair.client);
        pair
    }

    fn read(&self, bytes: &[u8]) {
        self.client.read(bytes, Moment(0), &mut Vec::new());
    }

    /// All that is to be written to the upstream is accepted.
    fn deliver(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let frames = to_write(&self.upstream);
        self.accepted +=
            frames.iter().map(|(.., payload)| (HEADER_BYTES + payload.len()) as u64).sum::<u64>();
        self.upstream.settle(self.accepted, &mut Vec::new());
        frames
    }
}

#[test]
fn data_passes_and_h2_is_told_the_end() {
    let mut pair = Pair::begun();
    let ping = frame(6, 0, 0, &[0; 8]);
    pair.read(&[data(1, b"ab"), ping.clone(), last(1, b"c")].concat());
    assert_eq!(for_h2(&pair.client), [ping, last(1, b"")].concat());
    assert_eq!(pair.notes.0.lock().read, b"abc");
    assert_eq!(pair.deliver(), [(0, 0, 1, b"ab".to_vec()), (0, 0, 1, b"c".to_vec())]);
    assert_eq!(pair.notes.0.lock().delivered, 3);
    pair.read(&data(1, b"behind the end"));
    assert_eq!(for_h2(&pair.client), data(1, b"behind the end"), "h2 is to judge that");
}

#[test]
fn data_is_held_until_it_is_known_whose_it_is() {
    for passes in [true, false] {
        let mut pair = Pair::new();
        let [first, second] = [[PREFACE, &head(1), &data(1, b"ab")].concat(), last(1, b"c")];
        pair.read(&[first, second].concat());
        assert_eq!(for_h2(&pair.client), [PREFACE, &head(1)].concat());
        if passes {
            pair.client.pass(1, &pair.strand);
            assert_eq!(pair.deliver(), [(0, 0, 1, b"abc".to_vec())]);
            assert_eq!(for_h2(&pair.client), last(1, b""));
        } else {
            pair.client.leave(1);
            assert_eq!(for_h2(&pair.client), last(1, b"abc"));
            assert_eq!(pair.deliver(), []);
        }
    }
}

#[test]
fn what_ends_with_its_head_is_left_to_h2_in_order() {
    let pair = Pair::new();
    let trailers = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"t");
    pair.read(&[PREFACE, &head(1), &data(1, b"ab"), &trailers].concat());
    assert_eq!(for_h2(&pair.client), [PREFACE, &head(1), &data(1, b"ab"), &trailers].concat());
    pair.client.pass(1, &pair.strand);
    assert!(pair.notes.0.lock().read.is_empty());
}

#[test]
fn nothing_comes_between_the_parts_of_a_head() {
    let pair = Pair::new();
    let open = frame(kind::HEADERS, 0, 3, b"3");
    let more = frame(kind::CONTINUATION, flag::END_HEADERS, 3, b"3");
    pair.read(&[PREFACE, &head(1), &data(1, b"ab"), &open].concat());
    pair.client.leave(1);
    pair.read(&more);
    assert_eq!(for_h2(&pair.client), [PREFACE, &head(1), &open, &more, &data(1, b"ab")].concat());
}

#[test]
fn data_of_an_answer_without_head_is_for_h2() {
    let link = Link::new(Leg::Upstream);
    link.inbound.lock().ask(1);
    link.read(&data(1, b"ab"), Moment(0), &mut Vec::new());
    assert_eq!(for_h2(&link), data(1, b"ab"));
}

#[test]
fn padding_is_given_back_and_not_passed_on() {
    let mut pair = Pair::begun();
    pair.read(&frame(kind::DATA, flag::PADDED, 1, b"\x03ab\0\0\0"));
    assert_eq!(pair.deliver(), [(0, 0, 1, b"ab".to_vec())]);
    for _ in 0..STREAM_WINDOW.client / 2 / 256 {
        pair.read(&frame(kind::DATA, flag::PADDED, 1, &[[255].as_slice(), &[0; 255]].concat()));
    }
    assert_eq!(to_write(&pair.client).len(), 1, "half of the stream's window");
    pair.read(&frame(kind::DATA, flag::PADDED, 1, b"\x09ab"));
    assert_eq!(for_h2(&pair.client), frame(kind::DATA, flag::PADDED, 1, b"\x09ab"), "h2 is to judge that");
}

#[test]
fn a_window_opens_when_data_is_delivered() {
    let mut pair = Pair::begun();
    pair.read(&update(0, 1));
    pair.upstream.outbound.lock().widen(1 << 20).expect("it is not too wide");
    pair.upstream.outbound.lock().widen_stream(1, 1 << 20).expect("it is not too wide");
    let half = STREAM_WINDOW.client as usize / 2;
    for _ in 0..half / 16_384 {
        pair.read(&data(1, &[7; 16_384]));
    }
    assert_eq!(to_write(&pair.client), [], "nothing is delivered yet");
    assert_eq!(pair.deliver().len(), half / 16_384);
    assert_eq!(to_write(&pair.client), [(kind::WINDOW_UPDATE, 0, 1, (half as u32).to_be_bytes().to_vec())]);
}

#[test]
fn who_overruns_a_window_is_given_to_h2() {
    let pair = Pair::begun();
    let full = STREAM_WINDOW.client as usize / 16_384;
    for _ in 0..full {
        pair.read(&data(1, &[7; 16_384]));
    }
    assert_eq!(for_h2(&pair.client), b"");
    pair.read(&data(1, b"x"));
    assert_eq!(for_h2(&pair.client), update(0, u32::MAX >> 1).repeat(2));
}

#[test]
fn data_of_a_stream_that_is_over_gives_its_window_back() {
    let mut pair = Pair::begun();
    pair.upstream.forget(1);
    for _ in 0..CONNECTION_WINDOW / 2 / 16_384 {
        pair.read(&data(1, &[7; 16_384]));
    }
    assert_eq!(pair.deliver(), []);
    let half = (CONNECTION_WINDOW / 2).to_be_bytes().to_vec();
    assert_eq!(to_write(&pair.client), [(kind::WINDOW_UPDATE, 0, 0, half)]);
}

#[test]
fn clients_that_take_nothing_hold_up_no_other_client() {
    let pair = Pair::begun();
    let [whole, streams] = [STREAM_WINDOW.upstream / 16_384, CONNECTION_WINDOW / STREAM_WINDOW.upstream];
    let read = |bytes: &[u8]| pair.upstream.read(bytes, Moment(0), &mut Vec::new());
    for stream in (3..).step_by(2).take(streams as usize) {
        let passing = Box::new(pair.notes.clone());
        let answer = Strand::new((&pair.upstream, stream), (&pair.client, 1), passing);
        pair.upstream.inbound.lock().ask(stream);
        read(&[head(stream), data(stream, &[7; 16_384])].concat());
        pair.upstream.pass(stream, &answer);
        (1..whole).for_each(|_| read(&data(stream, &[7; 16_384])));
    }
    assert_eq!(to_write(&pair.client), [], "nothing is delivered");
    let half = (CONNECTION_WINDOW / 2).to_be_bytes().to_vec();
    let opened = (kind::WINDOW_UPDATE, 0, 0, half);
    assert_eq!(to_write(&pair.upstream), [opened.clone(), opened], "the connection, and no stream");
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn who_waits_for_acceptance_is_woken_by_that_of_the_last_byte() {
    let link = Link::new(Leg::Client);
    for stream in [1, 3] {
        link.expect(stream);
        link.outbound.lock().open(stream);
    }
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let is_accepted = |stream| link.poll_accepted(stream, &mut Context::from_waker(&waker)).is_ready();
    let frame_bytes = |data: usize| (HEADER_BYTES + data) as u64;
    assert!(is_accepted(1), "nothing was sent");
    let size = 70_000;
    let frames = |data: usize| data.div_ceil(PAYLOAD_BYTES_MAX);
    link.send(1, &vec![7; size]).expect("it is open");
    let window = 65_535;
    let first = (frames(window) * HEADER_BYTES + window) as u64;
    assert_eq!((is_accepted(1), link.waiting(1)), (false, size - window));
    to_write(&link);
    link.settle(first, &mut Vec::new());
    assert_eq!((is_accepted(1), wakes.0.load(Relaxed)), (false, 0), "a part waits for the window");
    link.outbound.lock().widen(1 << 20).expect("it is not too wide");
    link.outbound.lock().widen_stream(1, 1 << 20).expect("it is not too wide");
    link.send(3, b"other").expect("it is open");
    to_write(&link);
    let second = first + frame_bytes(size - window);
    link.settle(second - 1, &mut Vec::new());
    assert_eq!((is_accepted(1), wakes.0.load(Relaxed)), (false, 0));
    link.settle(second, &mut Vec::new());
    assert_eq!((wakes.0.load(Relaxed), is_accepted(1), is_accepted(3)), (1, true, false));
    link.forget(3);
    link.settle(u64::MAX, &mut Vec::new());
    assert_eq!(
        (wakes.0.load(Relaxed), is_accepted(3)),
        (1, false),
        "a stream that is over is never accepted"
    );
}

#[test]
fn data_waits_for_the_head_of_its_stream() {
    let pair = Pair::begun();
    let answer = Strand::new((&pair.upstream, 1), (&pair.client, 1), Box::new(pair.notes.clone()));
    answer.pass(b"ab", Moment(0));
    assert_eq!(to_write(&pair.client), []);
    assert!(pair.notes.0.lock().stalls.is_empty(), "that is no fault of the client");
    say(&mut pair.client.pipe(), &[frame(kind::SETTINGS, 0, 0, b""), head(1)].concat());
    let kinds: Vec<u8> = to_write(&pair.client).iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [kind::SETTINGS, kind::HEADERS, kind::DATA]);
}

#[test]
fn settings_hold_once_they_are_acknowledged() {
    let pair = Pair::begun();
    pair.read(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 5]));
    assert_eq!(pair.client.outbound.lock().window(), 65_535);
    let answer = Strand::new((&pair.upstream, 1), (&pair.client, 1), Box::new(pair.notes.clone()));
    let frames = [head(1), frame(kind::SETTINGS, flag::ACK, 0, b"")].concat();
    say(&mut pair.client.pipe(), &frames);
    answer.pass(b"abcdefg", Moment(0));
    assert_eq!(to_write(&pair.client).last(), Some(&(0, 0, 1, b"abcde".to_vec())));
    assert_eq!(pair.notes.0.lock().stalls, [2]);
    pair.read(&update(1, 9));
    assert_eq!(to_write(&pair.client), [(0, 0, 1, b"fg".to_vec())]);
    assert!(!pair.notes.0.lock().is_stalled);
}

#[test]
fn a_connection_that_is_over_holds_nothing() {
    let pair = Pair::begun();
    pair.read(&data(1, &[7; 1000]));
    pair.upstream.close();
    pair.client.close();
    let Pair { strand, notes, .. } = pair;
    assert_eq!(Arc::strong_count(&strand), 1);
    assert_eq!(notes.0.lock().delivered, 0);
}

/// Frames as a client may send them, right and wrong.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let any_frame = (0_u8..12, any::<u8>(), 0_u32..6, payload)
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    let data = (prop::bool::ANY, 0_u32..6, prop::collection::vec(any::<u8>(), 0..3000))
        .prop_map(|(ends, stream, payload)| frame(kind::DATA, ends.into(), stream, &payload));
    let head = (0_u32..6).prop_map(head);
    let one = prop_oneof![2 => any_frame, 4 => data, 2 => head];
    prop::collection::vec(one, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_pieces(
        bytes in prop_oneof![frames(), prop::collection::vec(any::<u8>(), 0..200)],
        piece in 1_usize..100,
    ) {
        prop_assert_eq!(cut(&bytes, piece), cut(&bytes, usize::MAX));
        let (frames, others) = cut(&bytes, piece);
        let all = frames.into_iter().flat_map(|(_, bytes)| bytes).chain(others).collect::<Vec<u8>>();
        let part = bytes.strip_prefix(&all[..]).expect("no byte is lost, and none comes twice");
        prop_assert!(part.len() < HEADER_BYTES + PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn what_passes_does_not_depend_on_pieces(bytes in frames(), piece in 1_usize..100) {
        let play = |piece: usize| {
            let pair = Pair::begun();
            bytes.chunks(piece).for_each(|bytes| pair.read(bytes));
            let read = pair.notes.0.lock().read.clone();
            (for_h2(&pair.client), read, to_write(&pair.upstream))
        };
        let (whole, pieces) = (play(usize::MAX), play(piece));
        prop_assert_eq!(&pieces, &whole);
        let passed: Vec<u8> = pieces.2.into_iter().flat_map(|(.., payload)| payload).collect();
        prop_assert_eq!(pieces.1, passed, "what is read goes out, in order");
    }
}
