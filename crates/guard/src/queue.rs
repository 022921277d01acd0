//! A queue with priorities towards a receiver that is slow.
//!
//! What waits is whole messages. Each class keeps its order; the highest class that has one goes next. In front of all
//! classes is a lane for what may not wait behind them (control frames), and behind all a lane for what ends the stream.
//! When more waits than the limits allow, the policy says what goes, and every message that goes is told with the
//! reason. What may not be dropped stays: then the queue is full, and its owner stops reading the sender.
//!
//! A message with a key takes the place of the one with the same key that waits, which is dropped: so the order among
//! those of one key is kept, a key that changes often is not put off for ever, and among different keys the order is
//! that of their first.

mod classify;
mod config;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{Moment, Shed};

pub use self::classify::{Classifier, Look, Opening};
pub use self::config::{
    CLASSES_MAX, Coalesce, IDS, Ids, JsonMatch, NamedValue, OTHER, OpcodeMatch, Policy, PriorityConfig,
    QueueConfig,
};

/// Space for more messages than this is given back when a lane is empty.
const KEPT_MESSAGES: usize = 16;

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that wait.
    pub bytes: u64,
    /// Messages that wait.
    pub messages: usize,
    /// For how long a message may wait.
    pub age: Option<Duration>,
    /// What to do with more.
    pub policy: Policy,
}

/// Where a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In front of all classes; is not dropped.
    First,
    /// In a class, 0 being the highest.
    Class(usize),
    /// Behind all classes; is not dropped.
    Last,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<T> {
    /// Its bytes.
    pub bytes: T,
    /// How many these are.
    pub size: u64,
    /// A later message of the same class and key takes its place.
    pub key: Option<Box<[u8]>>,
    /// When it was complete.
    pub at: Moment,
}

/// A message that is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its class.
    pub class: usize,
    /// Why.
    pub why: Shed,
    /// Its bytes.
    pub size: u64,
}

/// Whether the queue goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message waits, or another was dropped for it, or it was dropped itself.
    GoesOn,
    /// The limits are exceeded and the policy is to give the receiver up.
    Disconnect,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    limits: Limits,
    /// `First`, the classes, `Last`.
    lanes: Vec<Lane<T>>,
    bytes: u64,
    messages: usize,
    /// Counts what was pushed.
    pushed: u64,
}

#[derive(Clone, Debug)]
struct Lane<T> {
    may_drop: bool,
    waiting: VecDeque<Waiting<T>>,
    /// Messages that have left from the front.
    left: u64,
    /// Where the message of a key is, counted from the lane's first ever.
    keys: HashMap<Box<[u8]>, u64>,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    message: Message<T>,
    /// Place in the order of all that was pushed.
    order: u64,
}

impl<T> Lane<T> {
    fn new(may_drop: bool) -> Lane<T> {
        Lane { may_drop, waiting: VecDeque::new(), left: 0, keys: HashMap::new() }
    }

    fn pop(&mut self) -> Option<Message<T>> {
        let message = self.waiting.pop_front()?.message;
        if let Some(key) = &message.key {
            self.keys.remove(key);
        }
        self.left += 1;
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_MESSAGES {
            self.waiting = VecDeque::new();
            self.keys = HashMap::new();
        }
        Some(message)
    }

    /// Puts a message into the place of the one with its key; gives it back when there is none.
    fn replace(&mut self, message: Message<T>) -> Result<Message<T>, Message<T>> {
        let at = message.key.as_ref().and_then(|key| self.keys.get(key));
        let place = at.and_then(|at| usize::try_from(at - self.left).ok());
        match place.and_then(|place| self.waiting.get_mut(place)) {
            Some(old) => Ok(std::mem::replace(&mut old.message, message)),
            None => Err(message),
        }
    }

    fn push(&mut self, message: Message<T>, order: u64) {
        if let Some(key) = &message.key {
            self.keys.insert(key.clone(), self.left + self.waiting.len() as u64);
        }
        self.waiting.push_back(Waiting { message, order });
    }
}

impl<T> Queue<T> {
    /// A queue of as many classes, each of which may be dropped from or not.
    pub fn new(limits: Limits, may_drop: impl IntoIterator<Item = bool>) -> Queue<T> {
        let classes = may_drop.into_iter().map(Lane::new);
        let lanes = std::iter::once(Lane::new(false)).chain(classes).chain([Lane::new(false)]).collect();
        Queue { limits, lanes, bytes: 0, messages: 0, pushed: 0 }
    }

    /// Takes a message, and tells `on` of what is dropped.
    pub fn push(&mut self, place: Place, message: Message<T>, on: &mut impl FnMut(Dropped)) -> Verdict {
        self.expire(message.at, on);
        let lane = self.lane(place);
        self.bytes += message.size;
        match self.lanes[lane].replace(message) {
            Ok(old) => {
                self.bytes -= old.size;
                on(Dropped { class: lane - 1, why: Shed::Coalesce, size: old.size });
            }
            Err(message) => {
                self.lanes[lane].push(message, self.pushed);
                self.messages += 1;
                self.pushed += 1;
            }
        }
        while self.exceeds() {
            let (victim, why) = match self.limits.policy {
                Policy::Disconnect => return Verdict::Disconnect,
                Policy::DropOldest => (self.oldest_lane(), Shed::DropOldest),
                Policy::DropLowest => (self.lowest_lane(), Shed::DropLowest),
            };
            let Some(lane) = victim else { break };
            self.drop_first(lane, why, on);
        }
        Verdict::GoesOn
    }

    /// The message that goes next.
    pub fn pop(&mut self, now: Moment, on: &mut impl FnMut(Dropped)) -> Option<(Place, Message<T>)> {
        self.expire(now, on);
        let lane = self.lanes.iter().position(|lane| !lane.waiting.is_empty())?;
        let message = self.take_first(lane)?;
        Some((self.place(lane), message))
    }

    /// Drops what may be dropped and gives the bytes of all that waited.
    pub fn give_up(&mut self, why: Shed, on: &mut impl FnMut(Dropped)) -> u64 {
        let bytes = self.bytes;
        for lane in 0..self.lanes.len() {
            while !self.lanes[lane].waiting.is_empty() {
                if matches!(self.place(lane), Place::Class(_)) {
                    self.drop_first(lane, why, on);
                } else {
                    self.take_first(lane);
                }
            }
        }
        bytes
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages that wait.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether as much waits as may, and nothing of it may be dropped for more: its owner reads no more before some has
    /// gone. The last message may go beyond the limits.
    pub fn is_full(&self) -> bool {
        let is_at_limit = self.bytes >= self.limits.bytes || self.messages >= self.limits.messages;
        is_at_limit && self.lowest_lane().is_none() && self.limits.policy != Policy::Disconnect
    }

    /// When the message was complete that is the oldest of the first ones of all classes.
    pub fn waits_since(&self) -> Option<Moment> {
        self.lanes.iter().filter_map(|lane| lane.waiting.front()).map(|waiting| waiting.message.at).min()
    }

    fn lane(&self, place: Place) -> usize {
        match place {
            Place::First => 0,
            Place::Class(class) => (1 + class).min(self.lanes.len() - 2),
            Place::Last => self.lanes.len() - 1,
        }
    }

    fn place(&self, lane: usize) -> Place {
        match lane {
            0 => Place::First,
            last if last + 1 == self.lanes.len() => Place::Last,
            class => Place::Class(class - 1),
        }
    }

    fn exceeds(&self) -> bool {
        self.bytes > self.limits.bytes || self.messages > self.limits.messages
    }

    /// Lanes that have something to drop, highest first.
    fn droppable(&self) -> impl DoubleEndedIterator<Item = (usize, &Waiting<T>)> {
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.may_drop);
        lanes.filter_map(|(index, lane)| Some((index, lane.waiting.front()?)))
    }

    fn oldest_lane(&self) -> Option<usize> {
        self.droppable().min_by_key(|(_, first)| first.order).map(|(lane, _)| lane)
    }

    fn lowest_lane(&self) -> Option<usize> {
        self.droppable().next_back().map(|(lane, _)| lane)
    }

    fn expire(&mut self, now: Moment, on: &mut impl FnMut(Dropped)) {
        let Some(age) = self.limits.age else { return };
        for lane in 0..self.lanes.len() {
            while self.lanes[lane].may_drop
                && self.lanes[lane].waiting.front().is_some_and(|first| now.since(first.message.at) > age)
            {
                self.drop_first(lane, Shed::Expire, on);
            }
        }
    }

    fn drop_first(&mut self, lane: usize, why: Shed, on: &mut impl FnMut(Dropped)) {
        if let Some(message) = self.take_first(lane) {
            on(Dropped { class: lane - 1, why, size: message.size });
        }
    }

    fn take_first(&mut self, lane: usize) -> Option<Message<T>> {
        let message = self.lanes[lane].pop()?;
        self.bytes -= message.size;
        self.messages -= 1;
        Some(message)
    }
}

#[cfg(test)]
mod tests;
