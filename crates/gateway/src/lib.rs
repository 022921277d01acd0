//! Sockets: the gateway between clients and the services behind it.
//!
//! The way of a connection: `listener` accepts it, `exchange` finds the route of each request; one for a live stream
//! over HTTP/1.1 goes through `live` and, once the upstream has agreed, to `relay`; everything else goes through
//! `plain`, where an event stream is observed by `event_stream`, or `grpc`. `session` leaves the one close
//! record, `registry` knows all that is open. Bytes are never changed; what is seen of them is counted in
//! `meter`.

mod access_log;
mod acks;
mod admission;
mod answer;
mod beats;
mod body;
mod bypass;
pub mod ceiling;
pub mod clock;
pub mod config;
mod deadlines;
mod delivery;
mod edge;
mod entry;
mod event_stream;
mod events;
mod exchange;
mod flight;
mod forwarded;
mod frames;
#[cfg(test)]
mod front;
mod gather;
mod generation;
pub mod geo;
mod grpc;
mod guarded;
mod head;
mod heartbeats;
mod http1;
mod http2;
mod leg;
mod listener;
mod live;
mod outbox;
mod pacing;
mod plain;
mod proxy_protocol;
mod queued;
mod reactor;
mod recordings;
pub mod registry;
mod relay;
mod rest;
mod sampler;
mod scrape;
mod session;
mod socket;
mod table;
mod tcp_evidence;
mod tls;
mod tryout;
mod upstream;
mod visitor;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::host::AcceptQueue;
use model::journal::JournalSink;
use parking_lot::Mutex;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::access_log::AccessLog;
use crate::config::{GatewayConfig, ListenerConfig};
use crate::entry::Command;
use crate::exchange::{Shared, TaskGuard};
use crate::listener::Listener;
use crate::reactor::{Reactors, Task};
use crate::registry::Registry;
use crate::table::Table;
use crate::tls::Certificate;
pub use crate::tryout::EnterError;
pub use crate::upstream::source;

/// How often silence is judged, and certificates are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What cut connections are given to leave their records.
const CUT_GRACE: Duration = Duration::from_secs(2);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    config: Mutex<GatewayConfig>,
    addresses: Vec<SocketAddr>,
    /// Gone when it no longer accepts.
    sockets: Vec<Weak<std::net::TcpListener>>,
    certificates: Vec<(String, Arc<Certificate>)>,
    stop: watch::Sender<bool>,
    /// Gone when no task is left.
    guard: mpsc::WeakSender<()>,
    tasks: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// Why a gateway cannot start or take over a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener's address cannot be bound.
    #[error("cannot listen on {address}: {error}{hint}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A listener's certificate or key cannot be used.
    #[error("listener {address}: {error}")]
    Certificate {
        /// The address.
        address: SocketAddr,
        /// What is wrong.
        error: tls::TlsError,
    },
    /// A route cannot be put in force.
    #[error(transparent)]
    Route(#[from] table::TableError),
    /// The access log cannot be written.
    #[error("access log {path}: {error}")]
    AccessLog {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The database of countries cannot be used.
    #[error("geo.database {path}: {error}")]
    Geo {
        /// The file.
        path: String,
        /// What is wrong.
        error: geo::DatabaseError,
    },
    /// No thread or no file is left for the relays.
    #[error("relay threads: {0}")]
    Threads(io::Error),
    /// A reload would change what only a restart can.
    #[error("listeners cannot change while running: restart to apply them; nothing was changed")]
    ListenersChanged,
}

impl Gateway {
    /// Binds the listeners and serves; `journal` is told of each end, and `counter` is asked of limits that several gateways
    /// hold together.
    ///
    /// # Errors
    /// See [`Error`]; nothing keeps running.
    pub async fn start(
        config: GatewayConfig,
        meters: Arc<meter::Registry>,
        journal: Option<Arc<dyn JournalSink>>,
        counter: Option<Arc<dyn guard::shared::Shared>>,
    ) -> Result<Gateway, Error> {
        let log = config.closed.log.as_deref().map(|path| {
            AccessLog::open(path)
                .map_err(|error| Error::AccessLog { path: path.display().to_string(), error })
        });
        let registry = Registry::new(meters, &config.closed, log.transpose()?, journal, &config.recorder);
        registry.geo.set(database(&config)?);
        let registry = Arc::new(registry);
        let table = Table::build(&config, &registry, None)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let reactors =
            Reactors::start(processors, &tokio::runtime::Handle::current()).map_err(Error::Threads)?;
        let shared = Arc::new(Shared { registry, table: ArcSwap::from_pointee(table), reactors, counter });
        let (stop, stopping) = watch::channel(false);
        let (guard, tasks) = mpsc::channel(1);
        let mut bound = Vec::new();
        for listener in &config.listeners {
            bound.push(bind(listener, &shared, &stopping).await?);
        }
        let mut gateway = Gateway {
            shared,
            config: Mutex::new(config),
            addresses: Vec::new(),
            sockets: Vec::new(),
            certificates: Vec::new(),
            stop,
            guard: guard.downgrade(),
            tasks: tokio::sync::Mutex::new(tasks),
        };
        for Bound { socket, address, listener, certificate } in bound {
            gateway.addresses.push(address);
            gateway.sockets.push(Arc::downgrade(socket.shown()));
            gateway.certificates.extend(certificate.map(|certificate| (address.to_string(), certificate)));
            let accepting = Task::new(listener.accept(socket, guard.clone()));
            gateway.shared.reactors.adopt(accepting, guard.clone());
        }
        gateway.shared.registry.set_sampling(gateway.config.lock().tcp_samples);
        tokio::spawn(sampler::run(Arc::clone(&gateway.shared.registry), stopping.clone()));
        tokio::spawn(sweep(
            Arc::clone(&gateway.shared.registry),
            gateway.certificates.clone(),
            stopping,
            guard,
        ));
        Ok(gateway)
    }

    /// Addresses of the listeners, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Who waits to be accepted, for each listener that still accepts; nothing where the kernel does not tell.
    pub fn accept_queues(&self) -> Vec<AcceptQueue> {
        let queue = |(address, socket): (&SocketAddr, &Weak<std::net::TcpListener>)| {
            let queue = kernel::accept_queue(socket.upgrade()?.as_fd()).ok()?;
            let (waiting, limit) = (queue.waiting.into(), queue.limit.into());
            Some(AcceptQueue { listener: address.to_string().into(), waiting, limit })
        };
        self.addresses.iter().zip(&self.sockets).filter_map(queue).collect()
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// All connections.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// Takes over routes, upstreams and limits as a whole; open connections are untouched.
    ///
    /// # Errors
    /// See [`Error`]; the old configuration stays in force.
    pub fn reload(&self, config: GatewayConfig) -> Result<(), Error> {
        let mut current = self.config.lock();
        if !same_listeners(&current.listeners, &config.listeners) {
            return Err(Error::ListenersChanged);
        }
        let table = Table::build(&config, &self.shared.registry, Some(&self.shared.table.load()))?;
        let database = database(&config)?;
        for (address, certificate) in &self.certificates {
            certificate.refresh().map_err(|error| Error::Certificate {
                address: address.parse().expect("an address"),
                error,
            })?;
        }
        self.shared.table.store(Arc::new(table));
        self.shared.registry.geo.set(database);
        self.shared.registry.set_sampling(config.tcp_samples);
        *current = config;
        Ok(())
    }

    /// Stops accepting, says goodbye to every connection at a random moment within the drain window, cuts what
    /// is left at its end, and returns when all is closed.
    pub async fn stop(&self) {
        let window = self.config.lock().drain.window;
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + window;
        // The last fifth of the window is for the answers to the last goodbyes.
        for (after, entry) in self.shared.registry.drain(window.mul_f64(0.8)) {
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                entry.tell(Command::Drain);
            });
        }
        let mut tasks = self.tasks.lock().await;
        if tokio::time::timeout_at(deadline, tasks.recv()).await.is_err() {
            let left = self.shared.registry.entries();
            tracing::warn!(connections = left.len(), "the drain window is over: cutting what is left");
            drop(tasks);
            self.cut().await;
            let untold = self.shared.registry.cut_untold();
            if untold > 0 {
                tracing::warn!(connections = untold, "some were cut before both sides could be told");
            }
        }
    }

    /// Cuts every connection, and returns when all have left their records.
    pub async fn cut(&self) {
        for entry in self.shared.registry.entries() {
            entry.tell(Command::Cut);
        }
        let mut tasks = self.tasks.lock().await;
        if tokio::time::timeout(CUT_GRACE, tasks.recv()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

fn database(config: &GatewayConfig) -> Result<Option<geo::Database>, Error> {
    let path = || config.geo.database.as_deref().unwrap_or(Path::new("")).display().to_string();
    geo::Database::of(&config.geo).map_err(|error| Error::Geo { path: path(), error })
}

struct Bound {
    socket: listener::Bound,
    address: SocketAddr,
    listener: Listener,
    certificate: Option<Arc<Certificate>>,
}

async fn bind(
    config: &ListenerConfig,
    shared: &Arc<Shared>,
    stopping: &watch::Receiver<bool>,
) -> Result<Bound, Error> {
    let wrong = |error: io::Error| Error::Bind { address: config.listen, hint: hint(&error), error };
    let socket = listen(config.listen).map_err(wrong)?;
    let address = socket.shown().local_addr().map_err(wrong)?;
    let certificate_error = |error| Error::Certificate { address, error };
    let certificate = config.tls.clone().map(Certificate::load).transpose().map_err(certificate_error)?;
    let tls = certificate.as_ref().map(Certificate::server_config).transpose().map_err(certificate_error)?;
    let listener = Listener {
        shared: Arc::clone(shared),
        tls: tls.map(TlsAcceptor::from),
        proxy_protocol: config.proxy_protocol,
        head_timeout: config.head_timeout,
        stopping: stopping.clone(),
        tryout: None,
    };
    Ok(Bound { socket, address, listener, certificate })
}

/// Connections that may wait to be accepted; the kernel takes at most `net.core.somaxconn` of them (listen(2)).
const BACKLOG: u32 = 65_535;

fn listen(address: SocketAddr) -> io::Result<listener::Bound> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    listener::Bound::new(socket.listen(BACKLOG)?.into_std()?)
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has it: choose another address or stop that program",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has this address",
        _ => "",
    }
}

fn same_listeners(old: &[ListenerConfig], new: &[ListenerConfig]) -> bool {
    old == new
}

async fn sweep(
    registry: Arc<Registry>,
    certificates: Vec<(String, Arc<Certificate>)>,
    mut stopping: watch::Receiver<bool>,
    guard: TaskGuard,
) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            _ = ticks.tick() => {}
        }
        registry.sweep();
        for (address, certificate) in &certificates {
            match certificate.refresh() {
                Ok(true) => tracing::info!(address, "a changed certificate is in use"),
                Ok(false) => {}
                Err(error) => tracing::error!(address, %error, "the old certificate stays in use"),
            }
        }
    }
    drop(guard);
}
