//! The queue beside a list that does the same slowly.

use proptest::prelude::*;

use super::*;

const CLASSES: usize = 3;

/// The same by one list in order of places: class, key, size, time, number.
#[derive(Debug, Default)]
struct Reference {
    waiting: Vec<(usize, Option<u8>, u64, Moment, u32)>,
}

#[derive(Clone, Debug)]
enum Step {
    Push { lane: usize, key: Option<u8>, size: u64 },
    Pop,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..CLASSES + 2, prop::option::of(0..3u8), 0..40u64)
            .prop_map(|(lane, key, size)| Step::Push { lane, key, size }),
        2 => Just(Step::Pop),
        1 => (0..8u64).prop_map(Step::Wait),
    ]
}

fn place(lane: usize) -> Place {
    match lane {
        0 => Place::First,
        lane if lane == CLASSES + 1 => Place::Last,
        lane => Place::Class(lane - 1),
    }
}

/// The class of index 1 may not be dropped from.
fn may_drop(lane: usize) -> bool {
    matches!(place(lane), Place::Class(class) if class != 1)
}

impl Reference {
    fn first(&self, of: impl Fn(usize) -> bool) -> Option<usize> {
        self.waiting.iter().position(|waiting| of(waiting.0))
    }

    fn expire(&mut self, limits: &Limits, now: Moment, dropped: &mut Vec<(usize, Shed)>) {
        let Some(age) = limits.age else { return };
        for lane in 0..CLASSES + 2 {
            while let Some(first) = self.first(|of| of == lane && may_drop(lane))
                && now.since(self.waiting[first].3) > age
            {
                self.waiting.remove(first);
                dropped.push((lane - 1, Shed::Expire));
            }
        }
    }

    fn exceeds(&self, limits: &Limits) -> bool {
        let bytes: u64 = self.waiting.iter().map(|waiting| waiting.2).sum();
        bytes > limits.bytes || self.waiting.len() > limits.messages
    }

    fn push(
        &mut self,
        limits: &Limits,
        message: (usize, Option<u8>, u64, Moment, u32),
        dropped: &mut Vec<(usize, Shed)>,
    ) -> Verdict {
        self.expire(limits, message.3, dropped);
        let (lane, key, ..) = message;
        let same = |waiting: &&mut (usize, Option<u8>, u64, Moment, u32)| {
            key.is_some() && (waiting.0, waiting.1) == (lane, key)
        };
        match self.waiting.iter_mut().find(same) {
            Some(old) => {
                *old = message;
                dropped.push((lane - 1, Shed::Coalesce));
            }
            None => self.waiting.push(message),
        }
        while self.exceeds(limits) {
            let (victim, why) = match limits.policy {
                Policy::Disconnect => return Verdict::Disconnect,
                Policy::DropOldest => (self.first(may_drop), Shed::DropOldest),
                Policy::DropLowest => {
                    let lowest =
                        self.waiting.iter().map(|waiting| waiting.0).filter(|&lane| may_drop(lane)).max();
                    (lowest.and_then(|lowest| self.first(|lane| lane == lowest)), Shed::DropLowest)
                }
            };
            let Some(victim) = victim else { break };
            let (lane, ..) = self.waiting.remove(victim);
            dropped.push((lane - 1, why));
        }
        Verdict::GoesOn
    }

    fn pop(
        &mut self,
        limits: &Limits,
        now: Moment,
        dropped: &mut Vec<(usize, Shed)>,
    ) -> Option<(usize, u32)> {
        self.expire(limits, now, dropped);
        let lane = self.waiting.iter().map(|waiting| waiting.0).min()?;
        let first = self.first(|of| of == lane)?;
        Some((lane, self.waiting.remove(first).4))
    }
}

proptest! {
    #[test]
    fn the_queue_is_its_reference(
        steps in prop::collection::vec(step(), 0..200),
        bytes in 1..200u64,
        messages in 1..12usize,
        age in prop::option::of(0..20u64),
        policy in prop::sample::select(&[Policy::DropOldest, Policy::DropLowest, Policy::Disconnect][..]),
    ) {
        let limits = Limits { bytes, messages, age: age.map(Duration::from_nanos), policy };
        let mut queue = Queue::new(limits, (1..=CLASSES).map(may_drop));
        let mut reference = Reference::default();
        let (mut now, mut shed, mut expected) = (Moment(0), Vec::new(), Vec::new());
        for (number, step) in (0u32..).zip(steps) {
            let mut on = |dropped: Dropped| shed.push((dropped.class, dropped.why));
            match step {
                Step::Push { lane, key, size } => {
                    let key = key.filter(|_| matches!(place(lane), Place::Class(_)));
                    let message = Message { bytes: number, size, key: key.map(|key| [key].into()), at: now };
                    let verdict = queue.push(place(lane), message, &mut on);
                    let expected = reference.push(&limits, (lane, key, size, now, number), &mut expected);
                    prop_assert_eq!(verdict, expected);
                    if verdict == Verdict::Disconnect {
                        break;
                    }
                }
                Step::Pop => {
                    let popped = queue.pop(now, &mut on).map(|(place, message)| (place, message.bytes));
                    let expected = reference.pop(&limits, now, &mut expected);
                    prop_assert_eq!(popped, expected.map(|(lane, number)| (place(lane), number)));
                }
                Step::Wait(nanos) => now = now + Duration::from_nanos(nanos),
            }
            prop_assert_eq!(&shed, &expected);
            prop_assert_eq!(queue.messages(), reference.waiting.len());
            prop_assert_eq!(queue.bytes(), reference.waiting.iter().map(|waiting| waiting.2).sum::<u64>());
            let is_stuck = reference.waiting.iter().all(|waiting| !may_drop(waiting.0));
            prop_assert!(is_stuck || !reference.exceeds(&limits), "it is bounded unless nothing may be dropped");
        }
    }
}

fn queue(limits: Limits) -> Queue<u64> {
    Queue::new(limits, [true, true])
}

const LIMITS: Limits = Limits { bytes: 100, messages: 10, age: None, policy: Policy::DropLowest };

fn message(bytes: u64) -> Message<u64> {
    Message { bytes, size: 10, key: None, at: Moment(bytes) }
}

#[test]
fn what_may_not_be_dropped_fills_it() {
    let mut queue = queue(LIMITS);
    for number in 0..10 {
        assert!(!queue.is_full());
        queue.push(Place::First, message(number), &mut |_| {});
    }
    assert!(queue.is_full());
    queue.push(Place::Class(1), message(11), &mut |dropped| assert_eq!(dropped.why, Shed::DropLowest));
    assert!(queue.is_full());
    queue.pop(Moment(12), &mut |_| {});
    assert!(!queue.is_full());
}

#[test]
fn it_is_not_full_while_something_may_be_dropped() {
    let mut queue = queue(LIMITS);
    for number in 0..LIMITS.messages as u64 {
        queue.push(Place::Class(0), message(number), &mut |_| {});
    }
    assert_eq!(queue.messages(), LIMITS.messages);
    assert!(!queue.is_full());
}

#[test]
fn what_is_given_up_is_told() {
    let mut queue = queue(LIMITS);
    queue.push(Place::Class(0), message(1), &mut |_| {});
    queue.push(Place::Class(1), message(2), &mut |_| {});
    queue.push(Place::First, message(3), &mut |_| {});
    assert_eq!(queue.waits_since(), Some(Moment(1)));
    let mut classes = Vec::new();
    assert_eq!(queue.give_up(Shed::Disconnect, &mut |dropped| classes.push(dropped.class)), 30);
    assert_eq!((classes, queue.is_empty(), queue.bytes()), (vec![0, 1], true, 0));
}
