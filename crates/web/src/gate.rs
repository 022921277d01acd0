//! What a request must satisfy before a handler sees it, and the headers that every answer leaves with.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use model::quoted;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::router::Site;

/// Header that a page of another site cannot set without asking the browser first.
const X_HEARTLINE_CSRF: HeaderName = HeaderName::from_static("x-heartline-csrf");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Time allowed from a request's head to its answer's head.
const ANSWER_TIME: Duration = Duration::from_secs(30);

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Address of the peer that sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Puts the security headers on every answer; what does not say how long it may be kept may not be kept.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Gives up on answers that do not come.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER_TIME, next.run(request)).await.unwrap_or_else(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the answer took too long").into_response()
    })
}

/// Without a token the listener is for this machine only. A page whose name was rebound to a loopback address
/// (DNS rebinding) still names its own host: only loopback names pass.
pub(crate) async fn loopback_names(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if site.authority.is_required() {
        return Ok(next.run(request).await);
    }
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    match named.or_else(|| only_host(request.headers())) {
        Some(host) if is_loopback_name(host) => Ok(next.run(request).await),
        host => {
            let host = quoted(host.unwrap_or_default());
            let message = format!("the host {host} is not served: without a token only loopback names are");
            Err(ApiError::forbidden("forbidden_host", message)
                .hint("open http://localhost with the port of this address, or configure `admin.token_file`"))
        }
    }
}

/// Refuses changes that a page of another site asks for. Programs that are no browsers send neither header.
pub(crate) async fn same_site(request: Request, next: Next) -> Result<Response, ApiError> {
    if is_change(request.method()) && is_cross_site(request.headers()) {
        return Err(ApiError::forbidden("cross_site", "the request comes from a page of another site").hint(
            "use the dashboard at this very address; a proxy in front must pass the Host header on unchanged",
        ));
    }
    Ok(next.run(request).await)
}

/// Lets only known callers pass. A browser with a session must also show that our own page made the request.
pub(crate) async fn known_callers(
    State(site): State<Arc<Site>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match site.caller(peer.ip(), request.headers(), Instant::now()) {
        Caller::Guesser(wait) => Err(ApiError::too_many_attempts(wait)),
        Caller::Stranger => Err(ApiError::unauthorized()),
        Caller::Session if is_change(request.method()) && !has_csrf_header(request.headers()) => Err(
            ApiError::forbidden("csrf", "a change by a signed-in browser needs the header X-Heartline-CSRF")
                .hint("send `X-Heartline-CSRF: 1`"),
        ),
        Caller::Session | Caller::Token | Caller::Anybody => Ok(next.run(request).await),
    }
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn has_csrf_header(headers: &HeaderMap) -> bool {
    headers.get(X_HEARTLINE_CSRF).is_some_and(|value| value == "1")
}

/// Whether a page of another site asks, as far as the browser tells.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let told_so = headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none");
    told_so || headers.get(header::ORIGIN).is_some_and(|origin| !is_own_origin(origin, headers))
}

/// The scheme is left out: TLS may end in front of us.
fn is_own_origin(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    authority
        .is_some_and(|authority| only_host(headers).is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

/// The value of `Host`, when there is exactly one.
fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

fn is_loopback_name(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    if !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    if let Some(inside) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse() == Ok(Ipv6Addr::LOCALHOST);
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_ipv4() && address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080"] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost:80@evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "2130706433",
            "::1",
            "[::2]",
            "[::1].evil.example",
            "[::ffff:127.0.0.1]",
            "localhost:8080:1",
        ] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }

    #[test]
    fn cross_site_requests() {
        let check = |lines: &[(&'static str, &str)], expected| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("host", "heartline.example:8080")].iter().chain(lines) {
                headers.append(*name, value.parse().expect("a header value"));
            }
            assert_eq!(is_cross_site(&headers), expected, "{lines:?}");
        };
        check(&[], false);
        check(&[("origin", "http://heartline.example:8080")], false);
        check(&[("origin", "https://HEARTLINE.example:8080")], false);
        check(&[("origin", "http://heartline.example")], true);
        check(&[("origin", "http://heartline.example:8080.evil.example")], true);
        check(&[("origin", "null")], true);
        check(&[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")], true);
        check(&[("host", "evil.example"), ("origin", "http://evil.example")], true);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
    }
}
