//! Accepting connections on the admin address, and stopping.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower_service::Service;

use crate::Ports;
use crate::asker::Asker;
use crate::auth::Authority;
use crate::config::{AdminConfig, Secret, TokenError};
use crate::gate::Peer;
use crate::prometheus::Engine;
use crate::router::{Site, router};
use crate::stream::Hub;
use crate::tryouts::Board;

/// Open connections; one more is answered 503 and closed.
const CONNECTIONS: usize = 512;
/// Time allowed for each request head; a connection without a request for so long is closed.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request head.
const HEAD_LIMIT: usize = 32 * 1024;
/// Time allowed for running answers when the server stops.
const STOP_TIME: Duration = Duration::from_secs(2);
/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Why the admin address cannot be served, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The token cannot be read or used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The address cannot be listened on.
    #[error(
        "the admin address {address} cannot be listened on: {source}. Choose another one with `--admin ADDR` \
         or `admin.listen`; `ss -ltnp` shows which program holds a port"
    )]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What was turned away for want of room, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Connections beyond the bound.
    pub connections: u64,
    /// Subscribers of the live stream beyond the bound; they were told to poll.
    pub streams: u64,
}

/// The admin address, being served.
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    refused_connections: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens and serves in the background until [`Server::stop`]. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The configuration cannot work, the token cannot be read, or the address is not free.
    pub async fn start(config: &AdminConfig, ports: Ports) -> Result<Server, StartError> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(StartError::Config(problem.message));
        }
        let token = config.read_token()?;
        let listen_error = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        let (stop, stopped) = watch::channel(false);
        let tryouts_refused = Arc::clone(&ports.tryouts_refused);
        let asker = Asker::new(ports);
        let hub = Hub::new(asker.clone(), stopped.clone());
        let authority = Authority::new(token.as_ref().map(Secret::reveal));
        let archivist = asker.apart();
        let site = Arc::new(Site {
            asker,
            archivist,
            authority,
            hub,
            views: Arc::default(),
            engine: Engine::new(),
            board: Board::new(tryouts_refused, stopped.clone()),
        });
        let refused_connections = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(
            listener,
            router(Arc::clone(&site)),
            Arc::clone(&refused_connections),
            stopped,
        ));
        Ok(Server { address, site, refused_connections, stop, accepting })
    }

    /// The address that is listened on, with the real port where the configuration says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was turned away for want of room.
    pub fn refusals(&self) -> Refusals {
        Refusals {
            connections: self.refused_connections.load(Ordering::Relaxed),
            streams: self.site.hub.refused(),
        }
    }

    /// Accepts nothing more, ends the live streams, lets running answers finish for two seconds, and cuts the
    /// rest.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the admin server ended badly");
        }
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    refused: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop_asked(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(place) => {
                    let connection = serve(stream, Peer(peer), router.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(_) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    turn_away(stream);
                }
            },
            Err(error) => {
                tracing::warn!(%error, "the admin address could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_TIME, all_done).await;
}

/// Says so if that is possible at once; a full server waits for nobody.
fn turn_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(FULL);
    }
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answer = router.clone().call(request);
        async { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop_asked(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %peer.0, "a connection to the admin address ended early");
    }
}

/// Ends when the server is asked to stop, or is gone.
pub(crate) async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
