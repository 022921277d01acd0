//! Routes that an operator tries from a browser: what was asked for, and the connections that were opened.
//!
//! A page can open sockets only to where it came from. So the admin address takes them, under a name that was asked for
//! by a change like any other, and passes them on to the gateway's own way in ([`Tryouts::enter`]): only configured
//! routes can be reached, and nothing of the dashboard's own cookies and tokens goes there. [`connect`] does the passing.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, StatusCode};
use meter::cells::Counts;
use model::{ConnectionId, Protocol, TryoutRefused, WallTime, Word as _, quoted};
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::body::{TryRoute, TryoutConnection, TryoutList, TryoutRoute, TryoutView};
use crate::error::ApiError;
use crate::router::Site;

mod connect;

pub(crate) use connect::connect;

/// Connections at the same time.
const CONNECTIONS: usize = 16;
/// Tryouts that are kept; the oldest without an open connection gives way.
const KEPT: usize = 64;
/// Connections of one tryout, one after the other.
const CONNECTIONS_EACH: usize = 20;
/// How long one may last, and how long after the question one may be opened.
const TIME: Duration = Duration::from_secs(600);
/// Bytes of a path with its query.
const PATH_MAX: usize = 2048;
/// Bytes of a host, and of an origin.
const NAME_MAX: usize = 300;

/// Ways in to the gateway.
pub trait Tryouts: Send + Sync {
    /// The routes in force, in the order in which they are asked.
    fn routes(&self) -> Vec<TryoutRoute>;

    /// Name of the route that takes requests for this host, without port, and this path.
    fn route_of(&self, host: &str, path: &str) -> Option<Arc<str>>;

    /// A connection to the gateway itself, not blocking, for one request of HTTP/1.1 from `client`, whose record is to be
    /// called `id`. May take a few system calls.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn enter(&self, client: SocketAddr, id: ConnectionId) -> Result<TcpStream, String>;
}

/// What is tried, and was.
pub(crate) struct Board {
    kept: Mutex<VecDeque<Arc<Tryout>>>,
    places: Arc<Semaphore>,
    refused: Arc<Counts<TryoutRefused>>,
    stopped: watch::Receiver<bool>,
}

/// A route that is tried.
pub(crate) struct Tryout {
    id: String,
    asked: TryRoute,
    route: Arc<str>,
    at: WallTime,
    until: Instant,
    connections: Mutex<Vec<TryoutConnection>>,
}

impl Board {
    /// Without any; `stopped` turns true when the server stops.
    pub(crate) fn new(refused: Arc<Counts<TryoutRefused>>, stopped: watch::Receiver<bool>) -> Board {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Board { kept: Mutex::default(), places, refused, stopped }
    }

    fn add(&self, asked: TryRoute, route: Arc<str>) -> Result<Arc<Tryout>, ApiError> {
        let id: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let at = WallTime::from(SystemTime::now());
        let until = Instant::now() + TIME;
        let tryout = Arc::new(Tryout { id, asked, route, at, until, connections: Mutex::default() });
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT {
            // At most `CONNECTIONS` are open, and those are fewer.
            let oldest = kept.iter().position(|tryout| !tryout.is_open()).unwrap_or(0);
            kept.remove(oldest);
        }
        kept.push_back(Arc::clone(&tryout));
        Ok(tryout)
    }

    fn get(&self, id: &str) -> Result<Arc<Tryout>, ApiError> {
        let found = self.kept.lock().iter().find(|tryout| tryout.id == id).cloned();
        found.ok_or_else(|| {
            ApiError::not_found(format!("there is no tryout {}", quoted(id)))
                .hint("ask for one with POST /api/v1/tryouts; the newest 64 are kept until a restart")
        })
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("{CONNECTIONS} connections are open from dashboards, and no more may be");
            self.refuse(TryoutRefused::Busy, StatusCode::SERVICE_UNAVAILABLE, message)
                .hint("close one of them")
        })
    }

    /// Counts a connection that does not begin.
    fn refuse(&self, why: TryoutRefused, status: StatusCode, message: impl Into<String>) -> ApiError {
        self.refused.inc(why);
        ApiError::new(status, why.as_str(), message)
    }

    /// Begins the next connection of a tryout.
    fn begin(&self, tryout: &Arc<Tryout>) -> Result<Open, ApiError> {
        let place = self.place()?;
        let id = ConnectionId(u64::from_ne_bytes(random()?));
        let mut connections = tryout.connections.lock();
        if Instant::now() > tryout.until {
            let message = "the time of this tryout is over: ask for another one";
            return Err(self.refuse(TryoutRefused::Over, StatusCode::GONE, message));
        }
        if connections.iter().any(|connection| connection.is_open) {
            let message = "this tryout has an open connection already";
            return Err(self.refuse(TryoutRefused::Open, StatusCode::CONFLICT, message));
        }
        if connections.len() >= CONNECTIONS_EACH {
            let message = "this tryout has had 20 connections: ask for another one";
            return Err(self.refuse(TryoutRefused::Over, StatusCode::GONE, message));
        }
        connections.push(TryoutConnection {
            id,
            at: WallTime::from(SystemTime::now()),
            seconds: None,
            status: None,
            content_type: None,
            subprotocol: None,
            extensions: None,
            body: None,
            error: None,
            is_open: true,
            is_cut: false,
        });
        let number = connections.len() - 1;
        drop(connections);
        Ok(Open { tryout: Arc::clone(tryout), number, id, began: Instant::now(), _place: place })
    }
}

impl Tryout {
    fn is_open(&self) -> bool {
        self.connections.lock().iter().any(|connection| connection.is_open)
    }

    fn view(&self) -> TryoutView {
        TryoutView {
            id: self.id.clone(),
            asked: self.asked.clone(),
            route: Arc::clone(&self.route),
            at: self.at,
            connections: self.connections.lock().clone(),
        }
    }
}

/// A connection of a tryout, while it is open.
struct Open {
    tryout: Arc<Tryout>,
    number: usize,
    id: ConnectionId,
    began: Instant,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn note(&self, what: impl FnOnce(&mut TryoutConnection)) {
        if let Some(connection) = self.tryout.connections.lock().get_mut(self.number) {
            what(connection);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.note(|connection| connection.is_open = false);
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], ApiError> {
    let mut random = [0u8; BYTES];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map(|()| random).map_err(|_| ApiError::internal("the kernel gives no randomness"))
}

/// `GET /api/v1/tryouts`
pub(crate) async fn tryouts(State(site): State<Arc<Site>>) -> Result<Json<TryoutList>, ApiError> {
    let routes = site.asker.ask(|ports| ports.tryouts.routes()).await?;
    let board = &site.board;
    let open = CONNECTIONS - board.places.available_permits();
    let refused = board.refused.get(TryoutRefused::Busy);
    Ok(Json(TryoutList { routes, open, limit: CONNECTIONS, refused, seconds: TIME.as_secs() }))
}

/// `POST /api/v1/tryouts`
pub(crate) async fn begin(
    State(site): State<Arc<Site>>,
    body: Bytes,
) -> Result<(StatusCode, Json<TryoutView>), ApiError> {
    let asked: TryRoute = serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_query(format!("the body is not understood: {error}")).hint(
            r#"it is {"protocol": "websocket", "host": "example.com", "path": "/chat", "origin": "https://example.com"}; `origin` is optional"#,
        )
    })?;
    let (host, path) = checked(&asked).map_err(ApiError::bad_query)?;
    let (of_host, of_path) = (host.clone(), path.path().to_owned());
    let route = site.asker.ask(move |ports| ports.tryouts.route_of(&of_host, &of_path)).await?;
    let route = route.ok_or_else(|| {
        let message =
            format!("no route takes the host {} and the path {}", quoted(&host), quoted(path.path()));
        ApiError::not_found(message)
            .hint("`match` of a route says which it takes: GET /api/v1/tryouts lists them")
    })?;
    let tryout = site.board.add(asked, route)?;
    Ok((StatusCode::CREATED, Json(tryout.view())))
}

/// The host without port, and the path with its query.
fn checked(asked: &TryRoute) -> Result<(String, PathAndQuery), String> {
    let TryRoute { protocol, host, path, origin } = asked;
    if *protocol == Protocol::Grpc {
        return Err("`protocol` is `websocket` or `sse`: browsers cannot call gRPC".to_owned());
    }
    let wrong_host =
        || format!("the host {} is not one: give a name or an address, and a port if need be", quoted(host));
    let authority: Authority = host.parse().map_err(|_| wrong_host())?;
    if host.len() > NAME_MAX || host.contains('@') || authority.host().is_empty() {
        return Err(wrong_host());
    }
    let is_path = path.starts_with('/') && !path.contains('#') && path.len() <= PATH_MAX;
    let target = path.parse().ok().filter(|_| is_path);
    let target = target.ok_or_else(|| {
        format!("the path {} is not one: it begins with `/` and is at most {PATH_MAX} bytes", quoted(path))
    })?;
    if let Some(origin) = origin
        && (origin.len() > NAME_MAX || HeaderValue::from_str(origin).is_err())
    {
        return Err(format!("the origin {} is not one", quoted(origin)));
    }
    Ok((authority.host().to_owned(), target))
}

/// `GET /api/v1/tryouts/{id}`
pub(crate) async fn tryout(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Json<TryoutView>, ApiError> {
    Ok(Json(site.board.get(&id)?.view()))
}
