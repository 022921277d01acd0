//! Who is asking: the holder of the token, somebody who signed in with it, or nobody we know.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::backoff::Backoff;
use crate::sessions::{Digest, LIFETIME, Sessions, digest};

const COOKIE_NAME: &str = "heartline_session";
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody: no token is configured.
    Anybody,
    /// Somebody with the token in the request.
    Token,
    /// A browser that signed in.
    Session,
    /// Nobody we know.
    Stranger,
    /// Somebody whose address sent too many wrong tokens: how long it has to wait.
    Guesser(Duration),
}

impl Caller {
    /// Whether the caller may see what needs a token.
    pub(crate) fn is_known(self) -> bool {
        matches!(self, Caller::Anybody | Caller::Token | Caller::Session)
    }
}

/// The token, the sessions that were opened with it, and the failed attempts.
pub(crate) struct Authority {
    token: Option<Digest>,
    sessions: Mutex<Sessions>,
    backoff: Mutex<Backoff>,
}

impl Authority {
    /// With the token, or without one: then everybody may do everything.
    pub(crate) fn new(token: Option<&str>) -> Authority {
        Authority { token: token.map(digest), sessions: Mutex::default(), backoff: Mutex::default() }
    }

    /// Whether a token is needed.
    pub(crate) fn is_required(&self) -> bool {
        self.token.is_some()
    }

    /// Who sent a request with these headers from `address`.
    pub(crate) fn caller(&self, address: IpAddr, headers: &HeaderMap, now: Instant) -> Caller {
        if self.token.is_none() {
            return Caller::Anybody;
        }
        if session_cookie(headers).is_some_and(|id| self.sessions.lock().is_open(id, now)) {
            return Caller::Session;
        }
        match bearer(headers) {
            Some(token) => self.check(address, token, now),
            None => Caller::Stranger,
        }
    }

    /// Compares a token and counts the failure. While an address has to wait, its tokens are not even
    /// compared: an answer would be what a guesser is after.
    pub(crate) fn check(&self, address: IpAddr, token: &str, now: Instant) -> Caller {
        let Some(expected) = self.token else { return Caller::Anybody };
        let mut backoff = self.backoff.lock();
        if let Some(wait) = backoff.wait(address, now) {
            return Caller::Guesser(wait);
        }
        if digest(token).ct_eq(&expected).into() {
            backoff.succeeded(address);
            return Caller::Token;
        }
        backoff.failed(address, now);
        Caller::Stranger
    }

    /// Opens a session; the value of its `Set-Cookie`.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub(crate) fn sign_in(
        &self,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<String, ring::error::Unspecified> {
        let id = self.sessions.lock().open(now)?;
        Ok(cookie(&id, LIFETIME, headers))
    }

    /// Ends the session of a request; the value of a `Set-Cookie` that removes its cookie.
    pub(crate) fn sign_out(&self, headers: &HeaderMap) -> String {
        if let Some(id) = session_cookie(headers) {
            self.sessions.lock().close(id);
        }
        cookie("", Duration::ZERO, headers)
    }
}

fn cookie(id: &str, lifetime: Duration, headers: &HeaderMap) -> String {
    let by_https = headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let secure = if by_https { "; Secure" } else { "" };
    let seconds = lifetime.as_secs();
    format!("{COOKIE_NAME}={id}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, id)| id)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    #[test]
    fn callers() {
        let (authority, now) = (Authority::new(Some("correct horse")), Instant::now());
        let check = |lines: &[(HeaderName, &str)], expected| {
            assert_eq!(authority.caller(HOME, &headers(lines), now), expected, "{lines:?}");
        };
        let set_cookie = authority.sign_in(&HeaderMap::new(), now).expect("randomness");
        let pair = set_cookie.split(';').next().expect("a pair");

        check(&[], Caller::Stranger);
        check(&[(AUTHORIZATION, "Bearer correct horse")], Caller::Token);
        check(&[(AUTHORIZATION, "bearer  correct horse")], Caller::Token);
        check(&[(AUTHORIZATION, "Bearer correct")], Caller::Stranger);
        check(&[(AUTHORIZATION, "Basic correct horse")], Caller::Stranger);
        check(&[(COOKIE, pair)], Caller::Session);
        check(&[(COOKIE, &format!("theme=dark; {pair}; lang=en"))], Caller::Session);
        check(&[(COOKIE, "heartline_session=")], Caller::Stranger);
        authority.sign_out(&headers(&[(COOKIE, pair)]));
        check(&[(COOKIE, pair)], Caller::Stranger);
        assert_eq!(Authority::new(None).caller(HOME, &HeaderMap::new(), now), Caller::Anybody);
    }

    #[test]
    fn a_guesser_is_not_even_told_when_he_is_right() {
        let (authority, now) = (Authority::new(Some("right")), Instant::now());
        for _ in 0..5 {
            assert_eq!(authority.check(HOME, "wrong", now), Caller::Stranger);
        }
        let wait = Duration::from_secs(5);
        assert_eq!(authority.check(HOME, "right", now), Caller::Guesser(wait));
        assert_eq!(authority.check(HOME, "right", now + wait), Caller::Token);
        assert_eq!(authority.check(HOME, "wrong", now + wait), Caller::Stranger);
    }

    #[test]
    fn a_cookie_is_for_this_site_only() {
        let plain = cookie("id", LIFETIME, &HeaderMap::new());
        assert_eq!(plain, "heartline_session=id; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict");
        assert!(cookie("id", LIFETIME, &headers(&[(X_FORWARDED_PROTO, "https")])).ends_with("; Secure"));
    }
}
