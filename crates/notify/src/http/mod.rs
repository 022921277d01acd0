//! One request to a vendor and its answer: bounded in time and size, to checked addresses only.

mod address;
mod client;
mod oauth2;
mod proxy;
mod settings;
mod tls;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use url::Url;

pub use address::Reach;
pub(crate) use client::Client;
pub(crate) use settings::HttpSettings;

use crate::outcome::{Outcome, Reason};
use crate::secret::{MASK, Secret, redact};

/// Bytes of an answer that are read.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Letters of an answer that are told in a line.
const TOLD_MAX: usize = 300;

/// Letters of its body that are shown when it is looked at.
const SHOWN_MAX: usize = 4000;

/// Longest wait that a vendor can ask for.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(3600);

/// A URL of which only scheme and host are shown: what is behind them is often the credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// An `http` or `https` URL with a host.
    ///
    /// # Errors
    /// It is none; the text does not show it.
    pub fn parse(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("not a URL that begins with https:// or http://".to_owned());
        }
        // Other spellings of an address, such as one number, hide where a request goes.
        if let Some(url::Host::Ipv4(ip)) = url.host()
            && !text.contains(&ip.to_string())
        {
            return Err(format!("its address must be written as {ip}"));
        }
        Ok(Address(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The same with these parameters behind its own.
    pub(crate) fn with_query(mut self, pairs: &[(&str, &str)]) -> Address {
        self.0.query_pairs_mut().extend_pairs(pairs);
        self
    }

    /// The same with these parameters and no others, as RFC 3986 encodes them, in the order of their names.
    pub(crate) fn with_sorted_query(mut self, pairs: &[(&str, &str)]) -> Address {
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        let pairs = sorted.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
        self.0.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
        self
    }

    /// Host and port as `Host` has them (RFC 9110, 7.2).
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The same with these segments behind its path.
    pub(crate) fn join(mut self, segments: &[&str]) -> Address {
        if let Ok(mut path) = self.0.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.authority())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything but RFC 3986's unreserved letters as `%XX`.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// A request.
#[derive(Clone)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What must not be shown of it and of its answer.
    pub(crate) secrets: Vec<Secret>,
}

impl Call {
    /// A GET.
    pub(crate) fn get(address: Address) -> Call {
        let secrets = secrets_of(&address);
        Call { method: Method::GET, address, headers: HeaderMap::new(), body: Bytes::new(), secrets }
    }

    /// A POST whose parameters are in its URL and are no secret; it has no body.
    pub(crate) fn open(address: Address) -> Call {
        Call { method: Method::POST, secrets: Vec::new(), ..Call::get(address) }
    }

    /// A POST with a body of this media type.
    pub(crate) fn post(address: Address, media_type: &'static str, body: impl Into<Bytes>) -> Call {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        let secrets = secrets_of(&address);
        Call { method: Method::POST, address, headers, body: body.into(), secrets }
    }

    /// A POST of JSON.
    pub(crate) fn json(address: Address, body: &impl serde::Serialize) -> Call {
        let text = serde_json::to_vec(body).unwrap_or_default();
        Call::post(address, "application/json", text)
    }

    /// A POST of a form.
    pub(crate) fn form(address: Address, fields: &[(&str, &str)]) -> Call {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Call::post(address, "application/x-www-form-urlencoded", text)
    }

    /// With one more header.
    ///
    /// # Errors
    /// No header can have this value, which is not shown.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Result<Call, String> {
        let wrong = || format!("no header `{name}` can have this value");
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With one more header whose value is not shown.
    ///
    /// # Errors
    /// No header can have this value, which is not shown.
    pub(crate) fn secret_header(mut self, name: HeaderName, value: &str) -> Result<Call, String> {
        self.headers.remove(&name);
        self.further_secret_header(name, value)
    }

    /// The same beside what the header says already.
    ///
    /// # Errors
    /// No header can have this value, which is not shown.
    pub(crate) fn further_secret_header(mut self, name: HeaderName, value: &str) -> Result<Call, String> {
        let parsed = HeaderValue::from_str(value);
        let mut parsed = parsed.map_err(|_| format!("no header `{name}` can have this value"))?;
        parsed.set_sensitive(true);
        self.secrets.push(Secret::new(value));
        self.headers.append(name, parsed);
        Ok(self)
    }

    /// With one more text that is not shown.
    pub(crate) fn hiding(mut self, secret: Secret) -> Call {
        self.secrets.push(secret);
        self
    }

    /// The request as people may see it.
    pub fn shown(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.address);
        for (name, value) in &self.headers {
            let value = if value.is_sensitive() { MASK } else { value.to_str().unwrap_or(MASK) };
            text += &format!("{name}: {value}\n");
        }
        text += "\n";
        let open = self.address.url().query().filter(|_| self.body.is_empty() && self.method == Method::POST);
        text += open.unwrap_or(&String::from_utf8_lossy(&self.body));
        redact(text, &self.secrets)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).field("address", &self.address).finish()
    }
}

/// The parts of a URL that an answer must not repeat: its path, and each value of its query.
fn secrets_of(address: &Address) -> Vec<Secret> {
    let url = address.url();
    let path = Some(url.path()).filter(|path| path.len() >= 8);
    let segments = url.path_segments().into_iter().flatten().filter(|segment| segment.len() >= 16);
    let query = url.query_pairs().map(|(_, value)| value.into_owned()).filter(|value| value.len() >= 8);
    let texts = path.into_iter().chain(segments).map(str::to_owned).chain(query);
    texts.chain(url.password().map(str::to_owned)).map(Secret::new).collect()
}

/// An answer.
#[derive(Clone, Default)]
pub struct Answer {
    pub(crate) status: u16,
    /// The wait that its header asks for (RFC 9110, 10.2.3).
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: HeaderMap,
    /// Its beginning, at most [`ANSWER_BYTES_MAX`].
    pub(crate) body: String,
    /// What must not be shown of it.
    pub(crate) secrets: Vec<Secret>,
}

impl Answer {
    /// The body as an object of JSON.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok().filter(serde_json::Value::is_object)
    }

    /// One line on it.
    pub(crate) fn told(&self) -> String {
        let text = redact(self.body.trim().to_owned(), &self.secrets);
        let text: String = text.chars().take(TOLD_MAX).collect();
        format!("{} {}", self.status, one_line(&text)).trim_end().to_owned()
    }

    /// It as people may see it: its status, the headers that say something, and the beginning of its body.
    pub fn shown(&self) -> String {
        let mut text = format!("HTTP {}\n", self.status);
        for (name, value) in self.headers.iter().filter(|(name, _)| says_something(name.as_str())) {
            text += &format!("{name}: {}\n", value.to_str().unwrap_or(MASK));
        }
        let body = redact(format!("{text}\n{}", self.body.trim()), &self.secrets);
        let mut letters = body.trim_end().chars();
        let text: String = letters.by_ref().take(SHOWN_MAX).collect();
        let more = if letters.next().is_some() { "…" } else { "" };
        let text: Vec<String> = text.lines().map(one_line).collect();
        format!("{}{more}", text.join("\n"))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Whether a header says something on what became of a request.
fn says_something(name: &str) -> bool {
    let parts = ["request-id", "requestid", "req-id", "ratelimit", "rate-limit", "trace"];
    ["content-type", "date", "location", "retry-after", "server", "via", "www-authenticate"].contains(&name)
        || parts.iter().any(|part| name.contains(part))
}

/// A text without what would break a line of a log.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(asked.min(ASKED_MAX))
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request cannot be made, such as for want of a secret.
    NotMade(String),
    /// Our rules do not let it go there.
    Refused(String),
    /// No connection.
    Unreachable(String),
    /// No answer in time; the vendor may have read the request.
    Timeout(String),
    /// The connection was lost; the vendor may have read the request.
    Lost(String),
}

impl Failure {
    /// What it means. A message that costs money or wakes people is not repeated when it may have gone through.
    pub(crate) fn outcome(self, is_costly: bool) -> Outcome {
        match self {
            Failure::NotMade(why) => Outcome::retry(Reason::Auth, why),
            Failure::Refused(why) => Outcome::failed(Reason::Blocked, why),
            Failure::Unreachable(why) => Outcome::retry(Reason::Unreachable, why),
            Failure::Timeout(why) | Failure::Lost(why) if is_costly => {
                Outcome::failed(Reason::Timeout, format!("{why}; it may have gone through"))
            }
            Failure::Timeout(why) | Failure::Lost(why) => Outcome::retry(Reason::Timeout, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_of_an_address_are_shown() {
        let address = Address::parse("https://u:pw@hooks.example.com:8443/T/canary?k=v").expect("a URL");
        assert_eq!(
            format!("{address} {address:?}"),
            "https://hooks.example.com:8443/… https://hooks.example.com:8443/…"
        );
    }

    #[test]
    fn addresses_are_urls_of_http() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Address::parse(text).expect_err("wrong"), expected, "{text}");
        };
        let scheme = "not a URL that begins with https:// or http://";
        check("file:///etc/passwd", scheme);
        check("gopher://a/", scheme);
        check("hooks.example.com/x", "not a URL: relative URL without a base");
        check("http://2130706433/", "its address must be written as 127.0.0.1");
        check("http://0x7f.1/", "its address must be written as 127.0.0.1");
    }

    #[test]
    fn the_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        let check = |text: &str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(
                http::header::RETRY_AFTER,
                HeaderValue::from_str(text).expect("a value"),
            )]);
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_millis() as u64), expected, "{text}");
        };
        check("7", Some(7000));
        check("0.5", Some(500));
        // The date of RFC 9110, 5.6.7, is 784111777.
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(77_000));
        check("Sat, 06 Nov 1993 08:49:37 GMT", Some(0));
        check("99999999", Some(3_600_000));
        check("-1", None);
        check("soon", None);
    }

    #[test]
    fn a_request_is_shown_without_secrets() {
        let address =
            Address::parse("https://a.example/hook/canary-in-the-path?token=canary-token").expect("a URL");
        let call = Call::json(address, &serde_json::json!({"text": "hi", "sign": "canary-sign"}));
        let call = call.secret_header(http::header::AUTHORIZATION, "Bearer canary").expect("a header");
        let shown = call.hiding(Secret::new("canary-sign")).shown();
        let expected = "POST https://a.example/…\ncontent-type: application/json\nauthorization: ***\n\n\
             {\"sign\":\"***\",\"text\":\"hi\"}";
        assert_eq!(shown, expected);
    }
}
