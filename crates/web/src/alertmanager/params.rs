//! Parameters of a query.

use alert::alertmanager::{Matcher, parse_matchers};
use alert::dispatch::AlertsQuery;
use http::Uri;
use promql::Pattern;

use super::Refused;

/// Most conditions of a filter.
const CONDITIONS_MAX: usize = 64;

/// Which alerts are asked for: `filter`, `active`, `silenced`, `inhibited`, `receiver`.
pub(super) fn alerts(uri: &Uri) -> Result<AlertsQuery, Refused> {
    let mut query = AlertsQuery { filter: filter(uri)?, ..AlertsQuery::default() };
    for (key, value) in pairs(uri) {
        match key.as_ref() {
            "active" => query.active = flag(&key, &value)?,
            "silenced" => query.silenced = flag(&key, &value)?,
            "inhibited" => query.inhibited = flag(&key, &value)?,
            "receiver" => {
                let pattern = Pattern::new(&value);
                query.receiver = Some(
                    pattern
                        .map_err(|error| Refused::bad(format!("failed to parse receiver param: {error}")))?,
                );
            }
            _ => {}
        }
    }
    Ok(query)
}

/// The conditions of all `filter`.
pub(super) fn filter(uri: &Uri) -> Result<Vec<Matcher>, Refused> {
    let mut matchers = Vec::new();
    for (_, text) in pairs(uri).filter(|(key, _)| key == "filter") {
        matchers.extend(
            parse_matchers(&text).map_err(|error| Refused::bad(format!("bad matcher format: {error}")))?,
        );
        if matchers.len() > CONDITIONS_MAX {
            return Err(Refused::bad(format!("more than {CONDITIONS_MAX} matchers")));
        }
    }
    Ok(matchers)
}

fn pairs(uri: &Uri) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

fn flag(key: &str, value: &str) -> Result<bool, Refused> {
    match value {
        "true" | "1" | "t" => Ok(true),
        "false" | "0" | "f" => Ok(false),
        _ => Err(Refused::bad(format!("{key} in query must be of type boolean"))),
    }
}
