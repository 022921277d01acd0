//! One connection from a browser, passed on to the gateway: its head is written anew, what follows is passed as it is.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::{Protocol, TryoutRefused};
use tokio::io::copy_bidirectional;
use tokio::sync::watch;

use super::{Open, TIME, Tryout};
use crate::error::ApiError;
use crate::gate::{self, Peer};
use crate::router::Site;
use crate::server::stop_asked;

/// Time allowed for the head of the gateway's answer; within that of an answer of the admin address.
const HEAD_TIME: Duration = Duration::from_secs(25);
/// Time allowed for the beginning of an answer that is not what was asked for.
const BODY_TIME: Duration = Duration::from_secs(3);
/// Bytes of it.
const BODY_MAX: usize = 2048;

/// What of the browser's request goes on to the service. Nothing by which it shows who it is here: no cookie, no token.
const PASSED_ON: [HeaderName; 10] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::USER_AGENT,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
    LAST_EVENT_ID,
];
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What of the gateway's answer goes back to the browser: nothing that a service could tell the dashboard's pages by.
const PASSED_BACK: [HeaderName; 7] = [
    header::CONNECTION,
    header::UPGRADE,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

/// `GET /api/v1/tryouts/{id}/connect`: what `new WebSocket` and `new EventSource` of the test page open.
pub(crate) async fn connect(
    State(site): State<Arc<Site>>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response, ApiError> {
    // A browser asks a WebSocket's server without any question before it, whoever's page it is.
    if gate::is_cross_site(request.headers()) {
        let message = "the request comes from a page of another site";
        return Err(site.board.refuse(TryoutRefused::CrossSite, StatusCode::FORBIDDEN, message));
    }
    let tryout = site.board.get(&id)?;
    let protocol = tryout.asked.protocol;
    if (protocol == Protocol::WebSocket) != asks_for_websocket(request.headers()) {
        let message = format!("this tryout is of {protocol}, and the request is not");
        return Err(ApiError::bad_query(message).hint("open it with `new WebSocket` or `new EventSource`"));
    }
    let open = site.board.begin(&tryout)?;
    tracing::info!(%peer, route = %tryout.route, connection = %open.id, "a route is tried from the dashboard");
    let onward = onward(&tryout, request.headers())?;
    let browser = (protocol == Protocol::WebSocket).then(|| hyper::upgrade::on(&mut request));
    let answer = match ask(&site, peer, &open, onward).await {
        Ok(answer) => answer,
        Err(why) => {
            open.note(|connection| connection.error = Some(why.clone()));
            return Err(unanswered(why));
        }
    };
    note_head(&open, &answer);
    let stopped = site.board.stopped.clone();
    match (browser, answer.status()) {
        (Some(browser), StatusCode::SWITCHING_PROTOCOLS) => Ok(join(open, browser, answer, stopped)),
        (None, StatusCode::OK) if is_event_stream(&answer) => Ok(stream(open, answer, stopped)),
        _ => Err(refused(&open, answer).await),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn is_event_stream(answer: &http::Response<Incoming>) -> bool {
    let named = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = named.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The request as the gateway gets it.
fn onward(tryout: &Tryout, headers: &HeaderMap) -> Result<http::Request<Body>, ApiError> {
    let asked = &tryout.asked;
    let request = http::Request::builder().method(Method::GET).uri(&*asked.path).body(Body::empty());
    let host = HeaderValue::from_str(&asked.host);
    let (Ok(mut request), Ok(host)) = (request, host) else {
        return Err(ApiError::internal("the request cannot be written"));
    };
    let onward = request.headers_mut();
    onward.insert(header::HOST, host);
    if let Some(origin) = asked.origin.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
        onward.insert(header::ORIGIN, origin);
    }
    pass(&PASSED_ON, headers, onward);
    if asked.protocol == Protocol::WebSocket {
        onward.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        onward.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    Ok(request)
}

fn pass(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
}

async fn ask(
    site: &Site,
    peer: SocketAddr,
    open: &Open,
    request: http::Request<Body>,
) -> Result<http::Response<Incoming>, String> {
    let id = open.id;
    let entered = site.asker.ask(move |ports| ports.tryouts.enter(peer, id)).await;
    let socket = entered.map_err(|_| "the gateway could not be asked".to_owned())??;
    let socket = tokio::net::TcpStream::from_std(socket).map_err(|error| error.to_string())?;
    let (mut gateway, connection) =
        http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a tried connection ended early");
        }
    });
    match tokio::time::timeout(HEAD_TIME, gateway.send_request(request)).await {
        Ok(answer) => {
            answer.map_err(|error| format!("the gateway closed the connection without an answer: {error}"))
        }
        Err(_) => Err(format!("there was no answer within {} s", HEAD_TIME.as_secs())),
    }
}

fn note_head(open: &Open, answer: &http::Response<Incoming>) {
    let seconds = open.began.elapsed().as_secs_f64();
    let text = |name: HeaderName| {
        let value = answer.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    open.note(|connection| {
        connection.seconds = Some(seconds);
        connection.status = Some(answer.status().as_u16());
        connection.content_type = text(header::CONTENT_TYPE);
        connection.subprotocol = text(header::SEC_WEBSOCKET_PROTOCOL);
        connection.extensions = text(header::SEC_WEBSOCKET_EXTENSIONS);
    });
}

/// Passes the head back, and then bytes both ways.
fn join(
    open: Open,
    browser: OnUpgrade,
    mut answer: http::Response<Incoming>,
    mut stopped: watch::Receiver<bool>,
) -> Response {
    let gateway = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let Ok((browser, gateway)) = tokio::try_join!(browser, gateway) else { return };
        let (mut browser, mut gateway) = (TokioIo::new(browser), TokioIo::new(gateway));
        tokio::select! {
            passed = copy_bidirectional(&mut browser, &mut gateway) => {
                if let Err(error) = passed {
                    tracing::debug!(%error, connection = %open.id, "a tried connection broke");
                }
            }
            () = over(&mut stopped) => open.note(|connection| connection.is_cut = true),
        }
    });
    back(&answer, Body::empty())
}

fn stream(open: Open, answer: http::Response<Incoming>, mut stopped: watch::Receiver<bool>) -> Response {
    let (parts, body) = answer.into_parts();
    let over = Box::pin(async move { over(&mut stopped).await });
    back(&http::Response::from_parts(parts, ()), Body::new(Passed { open, body, over }))
}

fn back<B>(answer: &http::Response<B>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status();
    pass(&PASSED_BACK, answer.headers(), response.headers_mut());
    response
}

/// Ends when a connection has lasted long enough, or the server stops.
async fn over(stopped: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(TIME) => {}
        () = stop_asked(stopped) => {}
    }
}

/// The body of an event stream.
struct Passed {
    open: Open,
    body: Incoming,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.over.as_mut().poll(cx).is_ready() {
            self.open.note(|connection| connection.is_cut = true);
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Keeps the beginning of an answer that is not what was asked for, and tells the browser no more than that.
async fn refused(open: &Open, answer: http::Response<Incoming>) -> ApiError {
    let status = answer.status();
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < BODY_MAX
            && let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    };
    let _ = tokio::time::timeout(BODY_TIME, read).await;
    bytes.truncate(BODY_MAX);
    open.note(|connection| connection.body = Some(String::from_utf8_lossy(&bytes).into_owned()));
    unanswered(format!("the route answered {status}"))
}

fn unanswered(why: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "refused", why)
        .hint("GET /api/v1/tryouts/<id> has what the gateway answered, its record what it saw")
}
