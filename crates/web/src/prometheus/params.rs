//! Parameters of a request: those of a form in the body before those of the address.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Uri};
use meter::queries::QueryResult;
use model::series::{Matcher, TimeRange};
use promql::{Options, Query};

use super::answer::Failed;
use super::engine::TIME_MAX;
use super::time;

/// Beyond all samples, and so near that sums with durations fit.
const ALWAYS: TimeRange = TimeRange { from_ms: i64::MIN / 4, to_ms: i64::MAX / 4 };

/// See the module.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = BytesRejection;

    async fn from_request(request: Request, state: &S) -> Result<Params, BytesRejection> {
        let (uri, headers) = (request.uri().clone(), request.headers().clone());
        let body = Bytes::from_request(request, state).await?;
        Ok(Params::of(&uri, &headers, &body))
    }
}

impl Params {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Params {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let form = if is_form { body } else { &[] };
        let address = uri.query().unwrap_or_default().as_bytes();
        let pairs = [form, address].into_iter().flat_map(|text| form_urlencoded::parse(text).into_owned());
        Params(pairs.collect())
    }

    /// Those of these names, as they are.
    pub(super) fn only(self, names: &[&str]) -> Vec<(String, String)> {
        self.0.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
    }

    /// Value of a parameter; empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Values of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// An instant in milliseconds, or `default` when there is none.
    pub(super) fn time(&self, name: &str, default: impl FnOnce() -> Option<i64>) -> Result<i64, Failed> {
        let text = self.text(name);
        let time = if text.is_empty() { default() } else { time::instant_ms(text) };
        time.ok_or_else(|| {
            Failed::parameter(name, format_args!("cannot parse {text:?} to a valid timestamp"))
        })
    }

    /// A duration in milliseconds, if there is one.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, Failed> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        time::duration_ms(text)
            .map(Some)
            .ok_or_else(|| Failed::parameter(name, format_args!("cannot parse {text:?} to a valid duration")))
    }

    /// How long the evaluation may take.
    pub(super) fn timeout(&self) -> Result<Duration, Failed> {
        let asked = self.duration("timeout")?;
        Ok(asked.map_or(TIME_MAX, |ms| Duration::from_millis(ms.unsigned_abs())).min(TIME_MAX))
    }

    /// Most items of the answer.
    pub(super) fn limit(&self) -> Result<usize, Failed> {
        match self.text("limit") {
            "" => Ok(usize::MAX),
            text => match text.parse() {
                Ok(0) => Ok(usize::MAX),
                Ok(limit) => Ok(limit),
                Err(_) => Err(Failed::parameter("limit", "limit must be a whole number, 0 for none")),
            },
        }
    }

    /// The query, understood by these options unless it brings its own.
    pub(super) fn query(&self, options: &Options) -> Result<Query, Failed> {
        let mut options = options.clone();
        if let Some(ms) = self.duration("lookback_delta")? {
            options.lookback_ms = ms.max(1);
        }
        let text = self.text("query");
        Query::parse(text, &options).map_err(|error| Failed::parse("query", text, &error))
    }

    /// The range from `start` to `end`, all of time by default.
    pub(super) fn range(&self) -> Result<TimeRange, Failed> {
        let from_ms = self.time("start", || Some(ALWAYS.from_ms))?;
        let to_ms = self.time("end", || Some(ALWAYS.to_ms))?;
        if to_ms < from_ms {
            return Err(Failed::parameter("end", "end timestamp must not be before start time"));
        }
        Ok(TimeRange { from_ms, to_ms })
    }

    /// The selectors of `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Failed> {
        self.all("match[]").map(selector).collect()
    }

    /// # Errors
    /// There is no `match[]`.
    pub(super) fn some_selectors(&self) -> Result<Vec<Vec<Matcher>>, Failed> {
        let selectors = self.selectors()?;
        if selectors.is_empty() {
            return Err(Failed::new(QueryResult::BadData, "no match[] parameter provided"));
        }
        Ok(selectors)
    }
}

/// A selector of series and nothing else.
fn selector(text: &str) -> Result<Vec<Matcher>, Failed> {
    let query = Query::parse(text, &Options::default());
    let query = query.map_err(|error| Failed::parse("match[]", text, &error))?;
    let trimmed = text.trim();
    let is_name = trimmed.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let mut selectors = query.selectors();
    match selectors.pop() {
        Some(only)
            if selectors.is_empty()
                && only.range_ms.is_none()
                && text.get(only.position.clone()) == Some(trimmed)
                && (is_name || trimmed.ends_with('}')) =>
        {
            Ok(only.matchers)
        }
        _ => Err(Failed::parameter("match[]", "parse error: a selector of series is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_selector: bool) {
        assert_eq!(selector(text).is_ok(), is_selector, "{text}");
    }

    #[test]
    fn a_selector_is_nothing_else() {
        check("up", true);
        check(" up{job=\"a\"} ", true);
        check("{job=~\"a|b\"}", true);
        check("{}", false);
        check("up[5m]", false);
        check("up offset 5m", false);
        check("up @ 1", false);
        check("(up)", false);
        check("-up", false);
        check("up + up", false);
        check("rate(up[5m])", false);
        check("1", false);
        check("", false);
    }

    #[test]
    fn the_form_stands_before_the_address() {
        let uri = "/?query=a&match[]=x&start=1".parse().expect("a URI");
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8".parse().expect("a value"),
        );
        let params = Params::of(&uri, &headers, b"query=b%2Bc&match[]=y");
        assert_eq!((params.text("query"), params.text("start"), params.text("end")), ("b+c", "1", ""));
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["y", "x"]);
        headers.clear();
        assert_eq!(Params::of(&uri, &headers, b"query=b").text("query"), "a");
    }
}
