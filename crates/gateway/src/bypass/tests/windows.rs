//! Whatever a peer allows and takes back, no more is sent than that, and all of it in the end.

use std::collections::BTreeMap;

use super::*;

const STREAMS: [u32; 3] = [1, 3, 5];

#[derive(Clone, Debug)]
enum Step {
    Push(u32, usize),
    Widen(u32),
    WidenStream(u32, u32),
    SetInitial(u32),
    Open(u32),
    Write,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stream = || prop::sample::select(&STREAMS[..]);
    let step = prop_oneof![
        6 => (stream(), 1_usize..40_000).prop_map(|(stream, length)| Step::Push(stream, length)),
        2 => (1_u32..100_000).prop_map(Step::Widen),
        3 => (stream(), 1_u32..50_000).prop_map(|(stream, by)| Step::WidenStream(stream, by)),
        1 => (0_u32..100_000).prop_map(Step::SetInitial),
        2 => stream().prop_map(Step::Open),
        2 => Just(Step::Write),
    ];
    prop::collection::vec(step, 0..60)
}

/// The peer: what it has allowed, and what has come.
struct Peer {
    window: i64,
    initial: i64,
    windows: BTreeMap<u32, i64>,
    came: BTreeMap<u32, Vec<u8>>,
}

impl Peer {
    fn take(&mut self, outbound: &mut Outbound) -> Result<(), TestCaseError> {
        let (frames, _) = cut(&written(outbound), usize::MAX);
        for (head, bytes) in frames {
            prop_assert_eq!(head.kind, kind::DATA);
            prop_assert!((1..=PAYLOAD_BYTES_MAX).contains(&head.length));
            let window = self.windows.get_mut(&head.stream).expect("it is open");
            *window -= head.length as i64;
            self.window -= head.length as i64;
            prop_assert!(*window >= 0, "stream {}: {window}", head.stream);
            prop_assert!(self.window >= 0, "connection: {}", self.window);
            self.came.entry(head.stream).or_default().extend_from_slice(&bytes[HEADER_BYTES..]);
        }
        Ok(())
    }

    fn set_initial(&mut self, size: u32) {
        let change = i64::from(size) - self.initial;
        self.initial += change;
        self.windows.values_mut().for_each(|window| *window += change);
    }
}

fn check(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut outbound = Outbound::default();
    let windows = STREAMS.map(|stream| (stream, 65_535)).into();
    let mut peer = Peer { window: 65_535, initial: 65_535, windows, came: BTreeMap::new() };
    let mut pushed: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    STREAMS.iter().for_each(|&stream| outbound.begin(stream));
    let all_open = STREAMS.map(Step::Open);
    let all_wide = STREAMS.map(|stream| Step::WidenStream(stream, 1 << 24));
    let rest = [&all_open[..], &[Step::Widen(1 << 24)], &all_wide, &[Step::Write]].concat();
    for (number, step) in steps.into_iter().chain(rest).enumerate() {
        match step {
            Step::Push(stream, length) => {
                let data = vec![number as u8; length];
                prop_assert!(matches!(outbound.push(stream, &data, None), Pushed::Taken(_)));
                pushed.entry(stream).or_default().extend(data);
            }
            Step::Widen(by) => {
                peer.window += i64::from(by);
                outbound.widen(by).expect("it is not too wide");
            }
            Step::WidenStream(stream, by) => {
                *peer.windows.entry(stream).or_default() += i64::from(by);
                prop_assert_eq!(outbound.widen_stream(stream, by), Ok(true));
            }
            Step::SetInitial(size) => {
                peer.take(&mut outbound)?;
                peer.set_initial(size);
                outbound.set_initial(size);
            }
            Step::Open(stream) => outbound.open(stream),
            Step::Write => peer.take(&mut outbound)?,
        }
    }
    prop_assert_eq!(peer.came, pushed);
    Ok(())
}

proptest! {
    #[test]
    fn windows_are_never_overrun(steps in steps()) {
        check(steps)?;
    }
}

#[test]
fn a_window_that_is_too_wide_is_told() {
    let mut outbound = Outbound::default();
    outbound.begin(1);
    let room = (1 << 31) - 1 - 65_535;
    assert_eq!(outbound.widen(room), Ok(()));
    assert_eq!(outbound.widen(1), Err(outbound::Overflow));
    assert_eq!(outbound.widen_stream(1, room), Ok(true));
    assert_eq!(outbound.widen_stream(1, 1), Err(outbound::Overflow));
    assert_eq!(outbound.widen_stream(3, 1), Ok(false));
}

#[test]
fn streams_take_turns_when_the_socket_is_slow() {
    let mut outbound = Outbound::default();
    outbound.widen(1 << 20).expect("it is not too wide");
    for stream in STREAMS {
        outbound.begin(stream);
        outbound.open(stream);
        outbound.widen_stream(stream, 1 << 20).expect("it is not too wide");
        for _ in 0..5 {
            assert!(matches!(outbound.push(stream, &[0; 16_384], None), Pushed::Taken(_)));
        }
    }
    let first = outbound.take();
    assert!(first.len() < 2 * WRITING_MAX, "{}", first.len());
    let (frames, _) = cut(&[first, written(&mut outbound)].concat(), usize::MAX);
    let streams: Vec<u32> = frames.iter().map(|(head, _)| head.stream).collect();
    assert_eq!(streams, [1, 1, 1, 1, 1, 3, 5, 3, 5, 3, 5, 3, 5, 3, 5]);
}

#[test]
fn streams_share_the_window_of_their_connection() {
    let mut outbound = Outbound::default();
    for stream in STREAMS {
        outbound.begin(stream);
        outbound.open(stream);
        assert!(matches!(outbound.push(stream, &[0; 65_535], None), Pushed::Taken(_)));
    }
    outbound.take();
    outbound.widen(3 * 16_384).expect("it is not too wide");
    let (frames, _) = cut(&outbound.take(), usize::MAX);
    let streams: Vec<u32> = frames.iter().map(|(head, _)| head.stream).collect();
    assert_eq!(streams, [3, 5, 3], "one after the other");
}
