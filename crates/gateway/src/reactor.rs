//! Threads that serve plain connections up to their end as live streams, each with a poll of its own: opening one and
//! carrying its messages costs no scheduler and no registration of wakers (`docs/decisions/relay.md`).
//!
//! A task is polled when one of its sockets is ready (edge-triggered: epoll(7)) or when someone wakes it, and stays on
//! the thread that adopted it. It may use tokio's timers and resolver, whose runtime the thread has entered.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::Poll::Ready;
use std::task::{Context, Wake, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use model::{Leg, Word as _};
use parking_lot::Mutex;
use slab::Slab;
use tokio::runtime::Handle as Runtime;

use crate::exchange::TaskGuard;
use crate::socket::Handle;

/// Sockets whose readiness is taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Tasks that a thread may have more than another and still keep those that it makes.
const AHEAD_MAX: usize = 8;

/// Stands for the thread itself; no relay has so high a place.
const WOKEN: Token = Token(usize::MAX);

/// What a thread serves: a future, and behind it what it gives as the next one.
pub struct Task(Pin<Box<dyn Future<Output = Option<Task>> + Send>>);

impl Task {
    /// The future must wait for nothing but its sockets and what wakes it.
    pub fn new(future: impl Future<Output = Option<Task>> + Send + 'static) -> Task {
        Task(Box::pin(future))
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

thread_local! {
    static HERE: Here = const {
        Here { own: OnceCell::new(), place: Cell::new(0), fresh: RefCell::new(Vec::new()) }
    };
}

/// What the task that a thread polls can reach of the thread.
struct Here {
    own: OnceCell<Own>,
    /// Of the task that is polled.
    place: Cell<usize>,
    /// Sockets that it has registered just now.
    fresh: RefCell<Vec<(Leg, Arc<Handle>)>>,
}

struct Own {
    registry: Registry,
    desk: Arc<Desk>,
}

/// Whether this thread serves tasks.
pub fn is_here() -> bool {
    HERE.with(|here| here.own.get().is_some())
}

/// Tells `handle` of the edges of its socket from now on. To be called by the task that has the socket; it has one of
/// each leg.
///
/// # Errors
/// As epoll_ctl(2), or the thread serves no tasks.
pub fn register(tcp: &mut TcpStream, leg: Leg, handle: &Arc<Handle>) -> io::Result<()> {
    wait_for(tcp, leg, Interest::READABLE | Interest::WRITABLE)?;
    HERE.with(|here| here.fresh.borrow_mut().push((leg, Arc::clone(handle))));
    Ok(())
}

/// Polls the task that calls this whenever `source` has become ready.
///
/// # Errors
/// As epoll_ctl(2), or the thread serves no tasks.
pub fn wait_for(source: &mut impl Source, leg: Leg, interest: Interest) -> io::Result<()> {
    HERE.with(|here| {
        let own = here.own.get().ok_or(io::ErrorKind::Unsupported)?;
        own.registry.register(source, token_of(here.place.get(), leg), interest)
    })
}

/// Takes back [`register`].
///
/// # Errors
/// As there.
pub fn deregister(tcp: &mut TcpStream) -> io::Result<()> {
    HERE.with(|here| here.own.get().ok_or(io::ErrorKind::Unsupported)?.registry.deregister(tcp))
}

/// One thread for each processor.
#[derive(Debug)]
pub struct Reactors(Vec<Reactor>);

impl Reactors {
    /// Starts the threads, which use `runtime`.
    ///
    /// # Errors
    /// No thread or no file is left.
    pub fn start(count: usize, runtime: &Runtime) -> io::Result<Reactors> {
        (0..count.max(1))
            .map(|number| Reactor::start(number, runtime.clone()))
            .collect::<io::Result<_>>()
            .map(Reactors)
    }

    /// Serves a task up to its end: on this thread, which costs no wake, unless it has [`AHEAD_MAX`] more than the
    /// one with the fewest; that one then.
    pub fn adopt(&self, task: Task, guard: TaskGuard) {
        let open = |desk: &Desk| desk.open.load(Relaxed);
        let Some(least) = self.0.iter().map(|reactor| &reactor.desk).min_by_key(|desk| open(desk)) else {
            return;
        };
        HERE.with(|here| {
            let own = here.own.get().map(|own| &own.desk);
            let desk = own.filter(|own| open(own) < open(least) + AHEAD_MAX).unwrap_or(least);
            desk.open.fetch_add(1, Relaxed);
            desk.post(Letter::Adopt(task, guard));
        });
    }
}

#[derive(Debug)]
struct Reactor {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Reactor {
    fn start(number: usize, runtime: Runtime) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let desk = Arc::new(Desk {
            letters: Mutex::default(),
            posted: AtomicUsize::new(0),
            is_awake: AtomicBool::new(true),
            open: AtomicUsize::new(0),
            waker: mio::Waker::new(poll.registry(), WOKEN)?,
        });
        let serving = Serving { poll, desk: Arc::clone(&desk), places: Slab::new() };
        let thread = std::thread::Builder::new().name(format!("relay-{number}"));
        let own = Own { registry: serving.poll.registry().try_clone()?, desk: Arc::clone(&desk) };
        let thread = thread.spawn(move || {
            let _entered = runtime.enter();
            let is_new = HERE.with(|here| here.own.set(own).is_ok());
            assert!(is_new, "the thread is new");
            serving.run();
        })?;
        Ok(Reactor { desk, thread: Some(thread) })
    }
}

impl Drop for Reactor {
    /// What is still relayed ends here, each with its record.
    fn drop(&mut self) {
        self.desk.post(Letter::Stop);
        // The last task may be the last one to know of the threads.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
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
    /// How many letters there ever were.
    posted: AtomicUsize,
    /// The thread looks at its letters before it sleeps.
    is_awake: AtomicBool,
    /// Tasks that the thread has, or is to adopt.
    open: AtomicUsize,
    waker: mio::Waker,
}

#[derive(Debug)]
enum Letter {
    Adopt(Task, TaskGuard),
    Wake(usize),
    Stop,
}

impl Desk {
    fn post(&self, letter: Letter) {
        self.letters.lock().push(letter);
        self.posted.fetch_add(1, SeqCst);
        if !self.is_awake.swap(true, SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a relay thread could not be woken");
        }
    }

    /// Whether the thread, which has `taken` so many letters, may sleep: nothing is left for it, and who leaves
    /// something from now on wakes it.
    fn may_sleep(&self, taken: usize) -> bool {
        self.is_awake.store(false, SeqCst);
        self.posted.load(SeqCst) == taken
    }

    /// Takes the letters, with the lock only where there is one.
    fn take(&self, taken: &mut usize) -> Vec<Letter> {
        if self.posted.load(Relaxed) == *taken {
            return Vec::new();
        }
        let letters = std::mem::take(&mut *self.letters.lock());
        *taken += letters.len();
        letters
    }
}

/// Wakes one task.
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
    task: Task,
    /// By [`Leg`].
    sockets: [Option<Arc<Handle>>; 2],
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
        let mut taken = 0;
        loop {
            let timeout = if self.desk.may_sleep(taken) { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "a relay thread cannot wait for its sockets");
                    return;
                }
                _ => {}
            }
            self.desk.is_awake.store(true, Relaxed);
            for event in events.iter().filter(|event| event.token() != WOKEN) {
                let (place, leg) = socket_of(event.token());
                if let Some(socket) =
                    self.places.get(place).and_then(|known| known.sockets[leg.index()].as_ref())
                {
                    socket.note_ready(event);
                }
                self.turn(place);
            }
            for letter in self.desk.take(&mut taken) {
                match letter {
                    Letter::Adopt(task, guard) => self.adopt(task, guard),
                    Letter::Wake(place) => {
                        if let Some(known) = self.places.get(place) {
                            known.nudge.is_posted.store(false, SeqCst);
                            self.turn(place);
                        }
                    }
                    Letter::Stop => return,
                }
            }
        }
    }

    fn adopt(&mut self, task: Task, guard: TaskGuard) {
        let entry = self.places.vacant_entry();
        let place = entry.key();
        let nudge =
            Arc::new(Nudge { place, desk: Arc::clone(&self.desk), is_posted: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&nudge));
        entry.insert(Place { task, sockets: [None, None], nudge, waker, _guard: guard });
        self.turn(place);
    }

    /// Polls a task, if it is still there, and goes on with the one behind it.
    fn turn(&mut self, place: usize) {
        let Some(Place { task, sockets, waker, .. }) = self.places.get_mut(place) else { return };
        let mut context = Context::from_waker(waker);
        HERE.with(|here| here.place.set(place));
        let poll = || {
            while let Ready(next) = task.0.as_mut().poll(&mut context) {
                match next {
                    Some(next) => *task = next,
                    None => return true,
                }
            }
            false
        };
        let is_over = catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| {
            tracing::error!("a task has panicked: its connection ends; please report this");
            true
        });
        HERE.with(|here| {
            for (leg, socket) in here.fresh.borrow_mut().drain(..) {
                sockets[leg.index()] = Some(socket);
            }
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

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_a_thread_makes_stays_there_until_another_has_far_fewer() {
        const MADE: usize = 20;
        let reactors = Arc::new(Reactors::start(2, &Runtime::current()).expect("there are threads"));
        let (guard, _alive) = tokio::sync::mpsc::channel(1);
        let (tell, told) = mpsc::channel();
        let (others, own) = (Arc::clone(&reactors), guard.clone());
        let here = || std::thread::current().name().map(str::to_owned);
        let making = async move {
            for _ in 0..MADE {
                let tell = tell.clone();
                let made = async move {
                    tell.send(here()).expect("somebody listens");
                    pending().await
                };
                others.adopt(Task::new(made), own.clone());
            }
            tell.send(here()).expect("somebody listens");
            ready(None).await
        };
        reactors.adopt(Task::new(making), guard);
        let mut places: Vec<_> = told.iter().take(MADE + 1).collect();
        places.sort();
        let first = places.iter().filter(|place| **place == places[0]).count();
        assert_eq!((first, places.len() - first), (14, 7), "{places:?}");
    }
}
