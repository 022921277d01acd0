//! Threads that relay plain live connections, each with a poll of its own. tokio serves a connection up to the
//! handshake; a message of an open one then costs no scheduler, no timer and no registration of wakers
//! (`docs/decisions/relay.md`).
//!
//! A relay is polled when one of its sockets is ready (edge-triggered: epoll(7)) or when someone wakes it, and
//! stays on the thread that adopted it.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Wake, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};
use model::{Leg, Word as _};
use parking_lot::Mutex;
use slab::Slab;

use crate::exchange::TaskGuard;

/// Sockets whose readiness is taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Stands for the thread itself; no relay has so high a place.
const WOKEN: Token = Token(usize::MAX);

/// A live connection whose two sockets a reactor waits for. It is polled when one of them is ready, or when it is
/// woken.
pub trait Adopted: Future<Output = ()> + fmt::Debug + Send + Unpin {
    /// Is told when the socket of `leg` is ready, which must have left tokio.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    fn register(&mut self, leg: Leg, registry: &Registry, token: Token) -> io::Result<()>;

    /// The socket of `leg` may be ready.
    fn note_ready(&mut self, leg: Leg, event: &Event);
}

/// One thread for each processor.
#[derive(Debug)]
pub struct Reactors(Vec<Reactor>);

impl Reactors {
    /// Starts the threads.
    ///
    /// # Errors
    /// No thread or no file is left.
    pub fn start(count: usize) -> io::Result<Reactors> {
        (0..count.max(1)).map(Reactor::start).collect::<io::Result<_>>().map(Reactors)
    }

    /// Relays on the thread with the fewest relays, until the end of the connection.
    pub fn adopt(&self, relay: Box<dyn Adopted>, guard: TaskGuard) {
        let least = self.0.iter().min_by_key(|reactor| reactor.desk.open.load(Relaxed));
        if let Some(Reactor { desk, .. }) = least {
            desk.open.fetch_add(1, Relaxed);
            desk.post(Letter::Adopt(relay, guard));
        }
    }
}

#[derive(Debug)]
struct Reactor {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Reactor {
    fn start(number: usize) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let desk = Arc::new(Desk {
            letters: Mutex::default(),
            is_awake: AtomicBool::new(true),
            open: AtomicUsize::new(0),
            waker: mio::Waker::new(poll.registry(), WOKEN)?,
        });
        let serving = Serving { poll, desk: Arc::clone(&desk), places: Slab::new() };
        let thread = std::thread::Builder::new().name(format!("relay-{number}"));
        let thread = thread.spawn(move || serving.run())?;
        Ok(Reactor { desk, thread: Some(thread) })
    }
}

impl Drop for Reactor {
    /// What is still relayed ends here, each with its record.
    fn drop(&mut self) {
        self.desk.post(Letter::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a relay thread has panicked");
        }
    }
}

/// Where others leave what a thread is to do. Bounded by the connections: each is adopted once, and has one wake at
/// most on its way.
#[derive(Debug)]
struct Desk {
    letters: Mutex<Vec<Letter>>,
    /// The thread looks at its letters before it sleeps.
    is_awake: AtomicBool,
    /// Relays that the thread has, or is to adopt.
    open: AtomicUsize,
    waker: mio::Waker,
}

#[derive(Debug)]
enum Letter {
    Adopt(Box<dyn Adopted>, TaskGuard),
    Wake(usize),
    Stop,
}

impl Desk {
    fn post(&self, letter: Letter) {
        self.letters.lock().push(letter);
        if !self.is_awake.swap(true, SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a relay thread could not be woken");
        }
    }

    /// Whether the thread may sleep: nothing is left for it, and who leaves something from now on wakes it.
    fn may_sleep(&self) -> bool {
        self.is_awake.store(false, SeqCst);
        self.letters.lock().is_empty()
    }
}

/// Wakes one relay.
#[derive(Debug)]
struct Nudge {
    place: usize,
    desk: Arc<Desk>,
    is_posted: AtomicBool,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_posted.swap(true, SeqCst) {
            self.desk.post(Letter::Wake(self.place));
        }
    }
}

struct Place {
    relay: Box<dyn Adopted>,
    nudge: Arc<Nudge>,
    waker: Waker,
    _guard: TaskGuard,
}

struct Serving {
    poll: Poll,
    desk: Arc<Desk>,
    places: Slab<Place>,
}

impl Serving {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let timeout = if self.desk.may_sleep() { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "a relay thread cannot wait for its sockets");
                    return;
                }
                _ => {}
            }
            self.desk.is_awake.store(true, SeqCst);
            for event in events.iter().filter(|event| event.token() != WOKEN) {
                let (place, leg) = socket_of(event.token());
                self.turn(place, |relay| relay.note_ready(leg, event));
            }
            let letters = std::mem::take(&mut *self.desk.letters.lock());
            for letter in letters {
                match letter {
                    Letter::Adopt(relay, guard) => self.adopt(relay, guard),
                    Letter::Wake(place) => {
                        if let Some(known) = self.places.get(place) {
                            known.nudge.is_posted.store(false, SeqCst);
                            self.turn(place, |_| {});
                        }
                    }
                    Letter::Stop => return,
                }
            }
        }
    }

    fn adopt(&mut self, mut relay: Box<dyn Adopted>, guard: TaskGuard) {
        let entry = self.places.vacant_entry();
        let place = entry.key();
        for &leg in Leg::ALL {
            if let Err(error) = relay.register(leg, self.poll.registry(), token_of(place, leg)) {
                tracing::error!(%error, "a socket could not be waited for: its connection ends");
                self.desk.open.fetch_sub(1, Relaxed);
                return;
            }
        }
        let nudge =
            Arc::new(Nudge { place, desk: Arc::clone(&self.desk), is_posted: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&nudge));
        entry.insert(Place { relay, nudge, waker, _guard: guard });
        self.turn(place, |_| {});
    }

    /// Polls a relay, if it is still there, once it has been told what is new.
    fn turn(&mut self, place: usize, tell: impl FnOnce(&mut dyn Adopted)) {
        let Some(Place { relay, waker, .. }) = self.places.get_mut(place) else { return };
        let mut context = Context::from_waker(waker);
        let poll = || {
            tell(relay.as_mut());
            Pin::new(relay.as_mut()).poll(&mut context).is_ready()
        };
        let is_over = catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| {
            tracing::error!("a relay has panicked: its connection ends; please report this");
            true
        });
        if is_over {
            self.desk.open.fetch_sub(1, Relaxed);
            drop(self.places.remove(place));
        }
    }
}

fn token_of(place: usize, leg: Leg) -> Token {
    Token(place * Leg::ALL.len() + leg.index())
}

fn socket_of(Token(token): Token) -> (usize, Leg) {
    (token / Leg::ALL.len(), Leg::ALL[token % Leg::ALL.len()])
}
