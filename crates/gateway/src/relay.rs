//! The relay of a live connection: bytes go through as they are while the observers of its [`Wire`] look at them.
//!
//! One hand-written future for each connection. It reads into a scratch buffer of its thread, so an idle
//! connection holds none; only what the receiver does not accept at once is copied to the heap, and the sender
//! is not read again before that is gone. A message's residence ends when its last byte is accepted by the
//! receiver's kernel socket, which behind TLS is when the record that holds it has been flushed.

mod event_stream;
mod own_pings;
mod paced;
mod queue;
mod websocket;
mod wire;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use model::event::CloseCode;
use model::record::What;
use model::recording::Happening;
use model::{Direction, Leg, Moment, PerDirection, PerLeg, Word};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::event_stream::EventBody;
pub use self::paced::Paced;
pub use self::websocket::Frames;
pub use self::wire::Wire;
use self::wire::{Farewell, Read, Seen};
use crate::clock;
use crate::entry::Command;
use crate::leg::{Stream, end_of};
use crate::outbox::Outbox;
use crate::reactor::Task;
use crate::session::Session;
use crate::tcp_evidence::Sockets;
use crate::upstream::OpenGuard;
use crate::worker;

const SCRATCH_BYTES: usize = 64 * 1024;

/// Ends of messages that are remembered while their bytes wait; of more, the last stands for all.
const WAITING_ENDS_MAX: usize = 1024;

/// Reads of one direction in one turn, so that a busy connection lets others run.
const READS_PER_TURN: usize = 8;

struct Scratch {
    bytes: Box<[u8]>,
    ends: Vec<MessageEnd>,
}

/// Stream offset behind a message's last byte, and how many messages it stands for.
#[derive(Clone, Copy, Debug)]
pub struct MessageEnd {
    at: u64,
    messages: u32,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        bytes: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        ends: Vec::with_capacity(WAITING_ENDS_MAX),
    });
}

/// See the module.
#[derive(Debug)]
pub struct Relay<W: Wire> {
    session: Session,
    wire: W,
    client: Stream,
    upstream: Stream,
    pipes: PerDirection<Pipe>,
    /// What waits for the client, when the route has a queue.
    outbox: Option<Box<Outbox>>,
    goodbye: Option<Goodbye>,
    /// Is woken for commands.
    listener: Option<Waker>,
    _open: OpenGuard,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    /// Bytes that were read and are carried.
    offset: u64,
    waiting: Option<Box<Waiting>>,
    /// The sender has ended, or the receiver takes no more: nothing is read any more.
    has_ended: bool,
    /// The receiver was told of the end.
    is_shut: bool,
    /// The gateway has said goodbye to the receiver: what the sender still sends is read and dropped.
    is_muted: bool,
    /// The acknowledgement of the next message that ends is to be timed.
    is_ack_due: bool,
    dropped_bytes: u64,
}

impl Pipe {
    /// Its sender has ended and its receiver was told, or is gone.
    fn is_over(&self) -> bool {
        self.has_ended && self.is_shut && self.waiting.is_none()
    }
}

/// Bytes that were read at one moment and are not all accepted, or not yet flushed.
#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    /// Stream offset of the end of `bytes`.
    end: u64,
    ends: Vec<MessageEnd>,
    /// A message has begun in them and not ended: it waits too.
    is_cut: bool,
    since: Moment,
}

/// The gateway's own farewell, said to each leg at the next frame boundary.
#[derive(Clone, Copy, Debug)]
struct Goodbye {
    is_said_to_client: bool,
    is_said_to_upstream: bool,
    /// Code for the client; the upstream is told that the client goes away.
    code: CloseCode,
}

impl Goodbye {
    fn new(code: CloseCode) -> Goodbye {
        Goodbye { is_said_to_client: false, is_said_to_upstream: false, code }
    }
}

/// The two connected streams, with what had been read of each beyond its head.
pub struct Ends {
    /// Towards the client.
    pub client: Stream,
    /// Bytes from the client that came with its request.
    pub client_early: Bytes,
    /// Towards the upstream.
    pub upstream: Stream,
    /// Bytes from the upstream that came with its answer.
    pub upstream_early: Bytes,
    /// A queue towards the client.
    pub outbox: Option<Box<Outbox>>,
}

impl Ends {
    /// Takes both sockets from tokio, for a reactor; false when one is inside TLS and stays with its task.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn leave_tokio(&mut self) -> io::Result<bool> {
        let (Stream::Plain(client), Stream::Plain(upstream)) = (&mut self.client, &mut self.upstream) else {
            return Ok(false);
        };
        client.leave_tokio()?;
        upstream.leave_tokio()?;
        Ok(true)
    }

    /// Is told of their edges by the reactor whose task calls this.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&mut self) -> io::Result<()> {
        self.client.register(Leg::Client)?;
        self.upstream.register(Leg::Upstream)
    }

    /// The sockets, for others to look at.
    pub fn sockets(&self) -> Sockets {
        let socket = |stream: &Stream| Some(Arc::clone(stream.handle()));
        Sockets {
            client: socket(&self.client),
            upstream: socket(&self.upstream),
            is_shared: PerLeg::default(),
        }
    }
}

impl<W: Wire> Relay<W> {
    /// A relay for `session`.
    pub fn new(session: Session, ends: Ends, wire: W, open: OpenGuard) -> Relay<W> {
        let now = clock::now();
        let mut relay = Relay {
            session,
            wire,
            client: ends.client,
            upstream: ends.upstream,
            pipes: PerDirection::default(),
            outbox: ends.outbox,
            goodbye: None,
            listener: None,
            _open: open,
        };
        relay.pipes.client_to_server.is_shut = W::IS_ONE_WAY;
        relay.take_early(Direction::ClientToServer, ends.client_early, now);
        relay.take_early(Direction::ServerToClient, ends.upstream_early, now);
        relay
    }

    fn take_early(&mut self, direction: Direction, mut bytes: Bytes, now: Moment) {
        if bytes.is_empty() {
            return;
        }
        let mut ends = Vec::new();
        let Seen { carried, instead, end, .. } = self.observe(direction, &bytes, now, &mut ends);
        match instead {
            Some(instead) => bytes = instead,
            None => bytes.truncate(carried),
        }
        if self.has_queue(direction) {
            self.queue(&bytes, now);
        } else if carried > 0 {
            self.keep_waiting(direction, bytes, ends, now, self.pipes[direction].offset);
        }
        if let Some(what) = end {
            self.end_input(direction, what);
        }
    }

    /// Looks at bytes as they are read: counts, and notes what they say of the end.
    fn observe(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        at: Moment,
        ends: &mut Vec<MessageEnd>,
    ) -> Seen {
        let pipe = &mut self.pipes[direction];
        let read = Read { direction, bytes, offset: pipe.offset, at };
        let seen = self.wire.observe(&mut self.session, &read, ends);
        pipe.offset += seen.carried as u64;
        if seen.carried > 0 {
            pipe.is_ack_due |= self.session.entry.is_ack_due(direction, seen.messages);
            self.session.entry.count(direction, seen.bytes, seen.messages, at);
        }
        seen
    }

    /// Reads and forwards one direction until it would block; pending also when it is over. Ready when it could go
    /// on and lets others run first.
    fn pump(&mut self, direction: Direction, scratch: &mut Scratch, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_queue(direction) {
            return self.pump_queued(scratch, cx);
        }
        for _ in 0..READS_PER_TURN {
            if self.pipes[direction].waiting.is_some() {
                ready!(self.flush(direction, cx));
            }
            if self.pipes[direction].has_ended {
                self.shut(direction, cx);
                return Poll::Pending;
            }
            if self.goodbye.is_none() {
                ready!(self.wire.poll_read_allowed(&self.session.entry, direction, cx));
            }
            let sender = stream(&mut self.client, &mut self.upstream, direction.sender());
            if sender.is_drained() {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            match Pin::new(sender).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.end_read(direction, What::Fin),
                Poll::Ready(Err(error)) => self.end_read(direction, end_of(&error)),
                Poll::Ready(Ok(())) => {
                    let length = buffer.filled().len();
                    scratch.ends.clear();
                    let at = clock::now();
                    let seen = self.observe(direction, &scratch.bytes[..length], at, &mut scratch.ends);
                    if seen.carried > 0 {
                        let end = self.pipes[direction].offset;
                        let bytes = seen.instead.as_deref().unwrap_or(&scratch.bytes[..seen.carried]);
                        self.forward(direction, bytes, &scratch.ends, at, end, cx);
                    }
                    if let Some(what) = seen.end {
                        self.end_input(direction, what);
                    }
                }
            }
        }
        Poll::Ready(())
    }

    /// Offers bytes, which end at stream offset `end`, to the receiver and keeps what it does not take.
    fn forward(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        ends: &[MessageEnd],
        at: Moment,
        end: u64,
        cx: &mut Context<'_>,
    ) {
        if self.pipes[direction].is_muted {
            self.pipes[direction].dropped_bytes += bytes.len() as u64;
            return;
        }
        let message = message_length(bytes, end, ends);
        let accepted = match self.offer(direction, bytes, message, cx) {
            Poll::Ready(Ok(accepted)) => accepted,
            Poll::Pending => 0,
            Poll::Ready(Err(error)) => return self.end_output(direction, &error, bytes.len()),
        };
        let receiver = stream(&mut self.client, &mut self.upstream, direction.receiver());
        let is_flushed = match Pin::new(receiver).poll_flush(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
            Poll::Ready(Err(error)) => return self.end_output(direction, &error, bytes.len() - accepted),
        };
        if is_flushed && accepted == bytes.len() {
            self.wire.reached(&self.session.entry, direction, end);
            self.measure(direction, ends.iter().map(|end| end.messages).sum(), at);
        } else {
            self.keep_waiting(direction, Bytes::copy_from_slice(&bytes[accepted..]), ends.to_vec(), at, end);
        }
    }

    /// Offers bytes to the receiver. When the acknowledgement of a message that ends in them, behind the first
    /// `message` of them, is to be timed, these go first, so that its last byte is the one acknowledged.
    fn offer(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        message: Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let receiver = stream(&mut self.client, &mut self.upstream, direction.receiver());
        let mut receiver = Pin::new(receiver);
        let is_due = &mut self.pipes[direction].is_ack_due;
        let Some(message) = message.filter(|_| *is_due) else { return receiver.poll_write(cx, bytes) };
        let Some(sampling) = self.session.entry.sample_ack(direction, receiver.handle()) else {
            *is_due = false;
            return receiver.poll_write(cx, bytes);
        };
        let (message, rest) = bytes.split_at(message);
        let accepted = ready!(receiver.as_mut().poll_write(cx, message))?;
        if accepted < message.len() || receiver.as_mut().poll_flush(cx)?.is_pending() {
            return Poll::Ready(Ok(accepted));
        }
        sampling.complete();
        *is_due = false;
        if rest.is_empty() {
            return Poll::Ready(Ok(accepted));
        }
        // What fails here fails again, once the message is accounted for.
        match receiver.poll_write(cx, rest) {
            Poll::Ready(Ok(more)) => Poll::Ready(Ok(accepted + more)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(Ok(accepted)),
        }
    }

    /// Offers what waits to the receiver; ready when nothing waits any more.
    fn flush(&mut self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(mut waiting) = self.pipes[direction].waiting.take() {
            let left = waiting.bytes.len();
            let written = if left == 0 {
                Poll::Ready(Ok(0))
            } else {
                let message = message_length(&waiting.bytes, waiting.end, &waiting.ends);
                self.offer(direction, &waiting.bytes, message, cx)
            };
            if let Poll::Ready(Ok(accepted)) = &written {
                let _ = waiting.bytes.split_to(*accepted);
            }
            self.pipes[direction].waiting = Some(waiting);
            let receiver = stream(&mut self.client, &mut self.upstream, direction.receiver());
            let flushed = Pin::new(receiver).poll_flush(cx);
            match (written, flushed) {
                (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => {
                    self.end_output(direction, &error, left);
                }
                (Poll::Ready(Ok(_)), flushed) => {
                    if flushed.is_pending() {
                        return Poll::Pending;
                    }
                    self.note_progress(direction);
                }
                (Poll::Pending, _) => {
                    self.note_progress(direction);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }

    /// Everything before the rest that waits has been accepted and flushed.
    fn note_progress(&mut self, direction: Direction) {
        let Some(waiting) = &mut self.pipes[direction].waiting else { return };
        let reached = waiting.end - waiting.bytes.len() as u64;
        let done = waiting.ends.iter().take_while(|end| end.at <= reached).count();
        let messages = waiting.ends.drain(..done).map(|end| end.messages).sum();
        let since = waiting.since;
        let flow = self.session.entry.flow(direction);
        if waiting.bytes.is_empty() {
            flow.note_drained();
            self.pipes[direction].waiting = None;
            let now = clock::now();
            let seconds = now.since(since).as_secs_f64();
            self.session.entry.note(now, &Happening::WaitEnded { direction, seconds });
        } else {
            flow.note_waiting(waiting.bytes.len(), waiting.messages(), since);
        }
        self.wire.reached(&self.session.entry, direction, reached);
        self.measure(direction, messages, since);
    }

    fn keep_waiting(
        &mut self,
        direction: Direction,
        bytes: Bytes,
        ends: Vec<MessageEnd>,
        since: Moment,
        end: u64,
    ) {
        let is_cut = !self.has_queue(direction) && self.wire.is_inside_message(direction);
        let waiting = Box::new(Waiting { bytes, end, ends, is_cut, since });
        let bytes = waiting.bytes.len();
        self.session.entry.flow(direction).note_waiting(bytes, waiting.messages(), since);
        let what = Happening::WaitBegan { direction, bytes: bytes as u64 };
        self.session.entry.note(since, &what);
        self.pipes[direction].waiting = Some(waiting);
    }

    fn measure(&mut self, direction: Direction, messages: u32, since: Moment) {
        if messages > 0 {
            let seconds = clock::now().since(since).as_secs_f64();
            self.wire.accepted(&self.session.entry, direction, messages.into(), seconds);
        }
    }

    /// Nothing more can be read from the sender of `direction`.
    fn end_read(&mut self, direction: Direction, what: What) {
        self.end_input(direction, self.wire.end_of_input(direction.sender(), what));
    }

    /// The sender of `direction` has ended. After anything but an orderly end its other direction is over too.
    fn end_input(&mut self, direction: Direction, what: What) {
        let leg = direction.sender();
        self.session.cause(Some(leg), what, clock::now());
        self.wire.count_broken(&self.session.entry, leg, what);
        self.pipes[direction].has_ended = true;
        if let Some(outbox) = self.outbox.as_mut().filter(|_| leg == Leg::Upstream) {
            outbox.end(what == What::BodyEnd);
        }
        self.pipes[direction].dropped_bytes += self.wire.held(direction) as u64;
        if W::IS_ONE_WAY || what != What::Fin {
            self.drop_output(leg.other().inbound());
        }
        if !W::IS_ONE_WAY && what == What::Rst {
            stream(&mut self.client, &mut self.upstream, leg.other()).reset_on_drop();
            self.pipes[direction].is_shut = true;
        }
    }

    /// The receiver of `direction` takes no more.
    fn end_output(&mut self, direction: Direction, error: &io::Error, lost: usize) {
        let leg = direction.receiver();
        let what = end_of(error);
        self.session.cause(Some(leg), what, clock::now());
        self.wire.count_broken(&self.session.entry, leg, what);
        if self.pipes[direction].waiting.is_none() {
            self.pipes[direction].dropped_bytes += lost as u64;
        }
        self.drop_output(direction);
        if W::IS_ONE_WAY {
            self.drop_output(leg.inbound());
        } else if what == What::Rst {
            stream(&mut self.client, &mut self.upstream, leg.other()).reset_on_drop();
        }
    }

    fn drop_output(&mut self, direction: Direction) {
        let has_queue = self.has_queue(direction);
        let pipe = &mut self.pipes[direction];
        if let Some(outbox) = self.outbox.as_mut().filter(|_| has_queue) {
            pipe.dropped_bytes += outbox.give_up(None, clock::now());
        }
        pipe.dropped_bytes += pipe.waiting.take().map_or(0, |waiting| waiting.bytes.len() as u64);
        pipe.has_ended = true;
        pipe.is_shut = true;
        self.session.entry.flow(direction).note_drained();
    }

    /// Passes the sender's end on to the receiver. When it was the last to be passed on, closing the socket does it.
    fn shut(&mut self, direction: Direction, cx: &mut Context<'_>) {
        let is_last = self.pipes[direction.receiver().inbound()].is_over();
        let receiver = stream(&mut self.client, &mut self.upstream, direction.receiver());
        let pipe = &mut self.pipes[direction];
        if !pipe.is_shut {
            let is_said_by_closing = is_last && matches!(receiver, Stream::Plain(_));
            pipe.is_shut = is_said_by_closing || Pin::new(receiver).poll_shutdown(cx).is_ready();
        }
    }

    /// Is woken when it is told something.
    fn listen(&mut self, waker: &Waker) {
        if !self.listener.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.session.entry.listen(waker);
            self.listener = Some(waker.clone());
        }
    }

    /// Does what it was told; true when that ends the relay.
    fn obey(&mut self, command: Command) -> bool {
        if command == Command::Drain && self.goodbye.is_some() {
            return false;
        }
        let given_up = self.session.entry.given_up().filter(|_| command == Command::HeartbeatTimeout);
        self.session.cause(given_up, command.what(), clock::now());
        if let Some(direction) = given_up.map(|leg| leg.other().inbound())
            && self.pipes[direction].waiting.is_some()
        {
            self.drop_output(direction);
        }
        match command {
            Command::Cut => {
                if !self.goodbye.is_some_and(|said| said.is_said_to_client && said.is_said_to_upstream) {
                    self.session.entry.route.meter.shard(worker::index()).cut_untold.inc();
                }
                true
            }
            Command::HalfCloseTimeout => true,
            Command::Drain | Command::IdleTimeout | Command::HeartbeatTimeout | Command::RateLimit => {
                self.goodbye.get_or_insert(Goodbye::new(command.close_code()));
                false
            }
        }
    }

    /// Says what the gateway itself has to say, where it may stand now.
    fn speak(&mut self, cx: &mut Context<'_>) {
        match self.goodbye {
            Some(goodbye) => self.goodbye = Some(self.say_goodbye(goodbye, cx)),
            None => self.beat(cx),
        }
    }

    /// Gives the signs of life that are due where they may stand now.
    fn beat(&mut self, cx: &mut Context<'_>) {
        for &leg in Leg::ALL {
            let direction = leg.other().inbound();
            let pipe = &self.pipes[direction];
            let entry = Arc::clone(&self.session.entry);
            let Some(beats) = entry.beats.as_ref().filter(|beats| beats.is_due(leg)) else { continue };
            if pipe.has_ended || pipe.waiting.is_some() || self.is_inside_passed(direction) {
                continue;
            }
            let now = clock::now();
            if let Some(words) = self.wire.beat(&entry, leg, pipe.offset, now) {
                let end = self.pipes[direction].offset;
                self.forward(direction, &words, &[], now, end, cx);
                beats.sent(leg, entry.flow(leg.inbound()), now);
            }
        }
    }

    /// Says goodbye where a frame of ours may stand now.
    fn say_goodbye(&mut self, mut goodbye: Goodbye, cx: &mut Context<'_>) -> Goodbye {
        if !goodbye.is_said_to_client {
            goodbye.is_said_to_client = self.say_goodbye_to(Leg::Client, goodbye.code, cx);
        }
        if !goodbye.is_said_to_upstream {
            goodbye.is_said_to_upstream = self.say_goodbye_to(Leg::Upstream, CloseCode::GOING_AWAY, cx);
        }
        goodbye
    }

    fn say_goodbye_to(&mut self, leg: Leg, code: CloseCode, cx: &mut Context<'_>) -> bool {
        let direction = leg.other().inbound();
        if self.pipes[direction].has_ended {
            return true;
        }
        let is_clear = self.pipes[direction].waiting.is_none() && !self.has_queued(direction);
        match self.farewell(leg, code) {
            Farewell::Nothing => true,
            Farewell::Say(words) if is_clear => {
                if !words.is_empty() {
                    let end = self.pipes[direction].offset;
                    self.forward(direction, &words, &[], clock::now(), end, cx);
                }
                self.pipes[direction].is_muted = true;
                true
            }
            Farewell::Say(_) | Farewell::Later => false,
        }
    }

    /// Both directions have ended, and their receivers were told or are gone. The end of one can be that of the
    /// other, which had its turn before.
    fn is_over(&self) -> bool {
        self.pipes.client_to_server.is_over()
            && self.pipes.server_to_client.is_over()
            && !self.has_queued(Direction::ServerToClient)
    }

    /// Both peers were told and both have answered.
    fn is_goodbye_over(&self) -> bool {
        let given_up = self.session.entry.given_up();
        let has_answered = |leg: Leg| {
            self.pipes[leg.inbound()].has_ended || self.wire.has_said_farewell(leg) || given_up == Some(leg)
        };
        let is_flushed = |direction| self.pipes[direction].waiting.is_none();
        self.goodbye.is_some_and(|goodbye| goodbye.is_said_to_client && goodbye.is_said_to_upstream)
            && has_answered(Leg::Client)
            && has_answered(Leg::Upstream)
            && is_flushed(Direction::ClientToServer)
            && is_flushed(Direction::ServerToClient)
    }
}

impl<W: Wire> Future for Relay<W> {
    type Output = Option<Task>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Task>> {
        let relay = &mut *self;
        relay.listen(cx.waker());
        if let Some(command) = relay.session.entry.take_command()
            && relay.obey(command)
        {
            return Poll::Ready(None);
        }
        let speaks = relay.goodbye.is_some() || relay.session.entry.beats.is_some();
        if speaks {
            relay.speak(cx);
        }
        let turns = SCRATCH.with_borrow_mut(|scratch| {
            [Direction::ClientToServer, Direction::ServerToClient]
                .map(|direction| relay.pump(direction, scratch, cx))
        });
        if speaks {
            relay.speak(cx);
        }
        if relay.is_over() || relay.is_goodbye_over() {
            return Poll::Ready(None);
        }
        if turns.contains(&Poll::Ready(())) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<W: Wire> Drop for Relay<W> {
    fn drop(&mut self) {
        self.note_last_sheds(clock::now());
        self.wire.end(&mut self.session);
        for &direction in Direction::ALL {
            let pipe = &self.pipes[direction];
            let waiting = pipe.waiting.as_ref().map_or(0, |waiting| waiting.bytes.len() as u64);
            let has_queue = direction == Direction::ServerToClient;
            let queued = self.outbox.as_ref().filter(|_| has_queue).map_or(0, |outbox| outbox.bytes());
            self.session.unsent(direction, pipe.dropped_bytes + waiting + queued);
        }
    }
}

fn stream<'a>(client: &'a mut Stream, upstream: &'a mut Stream, leg: Leg) -> &'a mut Stream {
    match leg {
        Leg::Client => client,
        Leg::Upstream => upstream,
    }
}

/// How many of the bytes up to stream offset `end` are those up to the last end of a message.
fn message_length(bytes: &[u8], end: u64, ends: &[MessageEnd]) -> Option<usize> {
    let behind = usize::try_from(end - ends.last()?.at).ok()?;
    bytes.len().checked_sub(behind)
}

impl Waiting {
    /// Messages that wait, whole or in part.
    fn messages(&self) -> usize {
        self.ends.iter().map(|end| end.messages as usize).sum::<usize>() + usize::from(self.is_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::wire::push_end;
    use super::*;

    #[test]
    fn remembered_ends_are_bounded() {
        let mut ends = Vec::new();
        for at in 0..5000 {
            push_end(&mut ends, at);
        }
        assert_eq!(ends.len(), WAITING_ENDS_MAX);
        assert_eq!(ends.iter().map(|end| end.messages).sum::<u32>(), 5000);
        assert_eq!(ends.last().map(|end| end.at), Some(4999));
    }
}
