//! Reading a query: what is not understood is an error with the nearest known word, never ignored.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::Uri;
use model::filter::Filter;
use model::quoted;
use model::{WallTime, Word};

use crate::error::ApiError;
use crate::prometheus::instant_ms;

/// A query that is read key by key; what nobody read in the end is an error.
#[derive(Debug)]
pub(crate) struct Query {
    unread: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Query {
    /// # Errors
    /// A key stands twice.
    pub(crate) fn of(uri: &Uri) -> Result<Query, ApiError> {
        let axum::extract::Query(unread) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
                .map_err(|error| ApiError::bad_query(format!("the query cannot be read: {error}")))?;
        let twice = unread.iter().enumerate().find(|(at, (key, _))| {
            let earlier = &unread[..*at];
            earlier.iter().any(|(other, _)| other == key)
        });
        if let Some((_, (key, _))) = twice {
            return Err(ApiError::bad_query(format!("the query has {} twice", quoted(key))));
        }
        Ok(Query { unread, known: Vec::new() })
    }

    /// Whether there is such a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.unread.iter().any(|(other, _)| other == key)
    }

    /// Some keys as they stand in the query: equal for equal questions.
    pub(crate) fn key_of(&self, keys: &[&str]) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for key in keys {
            if let Some((key, value)) = self.unread.iter().find(|(other, _)| other == key) {
                text.append_pair(key, value);
            }
        }
        text.finish()
    }

    /// Value of a key, an instant: RFC 3339, or seconds since 1970.
    pub(crate) fn instant(&mut self, key: &'static str) -> Result<Option<WallTime>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let ms = instant_ms(&text).and_then(|ms| u64::try_from(ms).ok());
        match ms.and_then(|ms| ms.checked_mul(1_000_000)).filter(|&nanos| nanos <= i64::MAX as u64) {
            Some(nanos) => Ok(Some(WallTime(nanos))),
            None => Err(ApiError::bad_query(format!("{key}={} is no instant", quoted(&text)))
                .hint("give RFC 3339, such as 2026-01-28T09:30:00Z, or seconds since 1970")),
        }
    }

    /// Value of a key, any text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let at = self.unread.iter().position(|(other, _)| other == key)?;
        Some(self.unread.swap_remove(at).1)
    }

    /// Value of a key, a whole number within `range`.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (first, last) = range.into_inner();
                Err(ApiError::bad_query(format!("{key}={} is out of place", quoted(&text)))
                    .hint(format!("give a whole number from {first} to {last}")))
            }
        }
    }

    /// Value of a key, one of the names of `choices`.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(Some(*value));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Err(ApiError::bad_query(format!("{key}={} is not known", quoted(&text)))
            .hint(did_you_mean(&text, &names)))
    }

    /// Value of a key, a word of a closed enumeration.
    pub(crate) fn word<T: Word>(&mut self, key: &'static str) -> Result<Option<T>, ApiError> {
        let choices: Vec<(&'static str, T)> = T::ALL.iter().map(|&word| (word.as_str(), word)).collect();
        self.choice(key, &choices)
    }

    /// The key `q`: a filter of connections; all of them without it.
    pub(crate) fn filter(&mut self) -> Result<Filter, ApiError> {
        let Some(text) = self.text("q") else { return Ok(Filter::default()) };
        text.parse().map_err(ApiError::bad_filter)
    }

    /// The key `window`: seconds that counts and trends are taken over.
    pub(crate) fn window(&mut self) -> Result<Duration, ApiError> {
        Ok(Duration::from_secs(self.number("window", 10..=3600)?.unwrap_or(900)))
    }

    /// # Errors
    /// The query has a key that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.unread.first() {
            None => Ok(()),
            Some((key, _)) => Err(ApiError::bad_query(format!("the key {} is not known here", quoted(key)))
                .hint(did_you_mean(key, &self.known))),
        }
    }
}

fn did_you_mean(text: &str, known: &[&str]) -> String {
    const COMPARED: usize = 64;
    let text: String = text.chars().take(COMPARED).collect();
    let nearest = known.iter().min_by_key(|word| strsim::damerau_levenshtein(&text, word));
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? Known here: {}", known.join(", ")),
        None => "this address takes no query".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use model::Reason;

    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<(Option<u64>, Option<Reason>), &str>) {
        let read = || {
            let mut query = Query::of(&format!("/?{query}").parse().expect("a URI"))?;
            let read = (query.number("limit", 1..=500)?, query.word::<Reason>("reason")?);
            query.finish().map(|()| read)
        };
        match (read(), expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected),
            (Err(error), Err(part)) => {
                let text = format!("{error:?}");
                assert!(text.contains(part), "{text}");
                assert_eq!(error.into_response().status(), 400);
            }
            (read, _) => panic!("{query}: {read:?}"),
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        check("", Ok((None, None)));
        check("reason=slow_consumer&limit=500", Ok((Some(500), Some(Reason::SlowConsumer))));
        check("limit=501", Err("from 1 to 500"));
        check("limit=-1", Err("from 1 to 500"));
        check("limit=1e3", Err("whole number"));
        check("limit=", Err("whole number"));
        check("limit=1&limit=2", Err("`limit` twice"));
        check("resaon=reset", Err("did you mean `reason`"));
        check("reason=slow_costumer", Err("did you mean `slow_consumer`"));
        check("reason=%0d%0aX", Err(r"`\\r\\nX`"));
        check("reason=Reset", Err("did you mean `reset`"));
    }
}
