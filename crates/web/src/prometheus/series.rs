//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/<name>/values`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use http::{HeaderMap, Uri};
use meter::queries::QueryResult;
use model::ports::History;
use model::series::{Labels, Matcher, ReadError, TimeRange};
use promql::Notes;
use serde::Serialize;

use super::answer::{Body, Failed};
use super::engine::{Engine, TIME_MAX};
use super::params::Params;
use crate::router::Site;

/// `GET` or `POST /api/v1/series`: the labels of matching series.
pub(crate) async fn series(State(site): State<Arc<Site>>, params: Params) -> Result<Body, Failed> {
    Engine::read(&site, TIME_MAX, move |ports, _| {
        let (range, limit) = (params.range()?, params.limit()?);
        let found = identities(&*ports.history, params.some_selectors()?, range)?;
        let shown = |labels: &Labels| -> BTreeMap<String, String> {
            labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        list(found.iter().map(shown), limit)
    })
    .await
}

/// `GET` or `POST /api/v1/labels`: names of labels.
pub(crate) async fn labels(State(site): State<Arc<Site>>, params: Params) -> Result<Body, Failed> {
    Engine::read(&site, TIME_MAX, move |ports, _| {
        let (range, limit) = (params.range()?, params.limit()?);
        let found = identities(&*ports.history, params.selectors()?, range)?;
        let names: BTreeSet<&str> =
            found.iter().flat_map(|labels| labels.iter().map(|(name, _)| &**name)).collect();
        list(names.into_iter(), limit)
    })
    .await
}

/// `GET /api/v1/label/<name>/values`: values of one label.
pub(crate) async fn label_values(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Body, Failed> {
    let params = Params::of(&uri, &headers, &[]);
    let name = unescaped(&name);
    if name.is_empty() {
        return Err(Failed::new(QueryResult::BadData, "invalid label name: \"\""));
    }
    Engine::read(&site, TIME_MAX, move |ports, _| {
        let (range, limit) = (params.range()?, params.limit()?);
        let found = identities(&*ports.history, params.selectors()?, range)?;
        let values: BTreeSet<&str> =
            found.iter().map(|labels| labels.get(&name)).filter(|value| !value.is_empty()).collect();
        list(values.into_iter(), limit)
    })
    .await
}

/// Those that any of the selectors takes; all without a selector.
fn identities(
    history: &dyn History,
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
) -> Result<BTreeSet<Labels>, Failed> {
    let selectors = if selectors.is_empty() { vec![Vec::new()] } else { selectors };
    let mut found = BTreeSet::new();
    for matchers in selectors {
        let identities = history.identities(&matchers, range, usize::MAX);
        found.extend(identities.map_err(|error| match error {
            ReadError::Regex(text) => Failed::parameter("match[]", text),
            other => Failed::new(QueryResult::Internal, other.to_string()),
        })?);
    }
    Ok(found)
}

fn list<T: Serialize>(items: impl ExactSizeIterator<Item = T>, limit: usize) -> Result<Body, Failed> {
    let mut notes = Notes::default();
    if items.len() > limit {
        notes.warnings.push("results truncated due to limit".to_owned());
    }
    let items: Vec<T> = items.take(limit).collect();
    Body::new(&items, &notes)
}

/// The name of a label as it stands in a path: `U__` says that `_` and two or more hexadecimal digits and `_` stand
/// for a character, and `__` for `_` (Prometheus 3, UTF-8 names).
fn unescaped(name: &str) -> String {
    let plain = || name.to_owned();
    let Some(mut rest) = name.strip_prefix("U__") else { return plain() };
    let mut text = String::new();
    while let Some(at) = rest.find('_') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            text.push('_');
            rest = after;
            continue;
        }
        let Some((digits, after)) = rest.split_once('_') else { return plain() };
        match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
            Some(character) => text.push(character),
            None => return plain(),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        let check = |name: &str, expected: &str| assert_eq!(unescaped(name), expected);
        check("job", "job");
        check("U__http_2e_status", "http.status");
        check("U__a__b", "a_b");
        check("U___6e38__620f_", "游戏");
        check("U__a_zz_", "U__a_zz_");
        check("U__a_b", "U__a_b");
    }
}
