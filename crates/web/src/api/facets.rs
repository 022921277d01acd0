//! How many connections have which protocol, route, reason and so on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use http::Uri;
use model::WallTime;
use model::filter::{Condition, Filter, TextField};
use model::live::LiveConnection;
use model::record::CloseRecord;

use super::connections::{Listed, Set};
use super::journal;
use crate::body::{Facet, FacetValue, Facets};
use crate::error::ApiError;
use crate::query::Query;
use crate::router::Site;

/// Values of a facet that are told, the most frequent ones.
const VALUES: usize = 20;

/// `GET /api/v1/connections/facets?set=&q=&since=INSTANT&from=&to=`: how many connections the filter takes, how many of them
/// are in the set since after that instant, and how many have which values. What a filter says of a facet's own key
/// does not count for that facet, so that it shows what else could be chosen.
pub(crate) async fn facets(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<Facets>, ApiError> {
    let mut query = Query::of(&uri)?;
    let set = Set::read(&mut query)?;
    let filter = query.filter()?;
    let since = query.instant("since")?;
    let ended = journal::range_of(set, &mut query)?;
    query.finish()?;
    let asker = if ended.is_some() { &site.archivist } else { &site.asker };
    let facets = asker.ask(move |ports| match (set, ended) {
        (Set::Live, _) => Ok(count(LiveConnection::all(ports), &filter, since)),
        (Set::Closed, None) => Ok(count(Arc::<CloseRecord>::all(ports), &filter, since)),
        (Set::Closed, Some(ended)) => {
            let (records, _) = journal::newest(ports, &Filter::default(), ended)?;
            Ok(count(records.into_iter(), &filter, since))
        }
    });
    facets.await?.map(Json)
}

fn count<T: Listed>(all: impl Iterator<Item = T>, filter: &Filter, since: Option<WallTime>) -> Facets {
    let as_of = WallTime::from(SystemTime::now());
    let mut counters: Vec<Counter> = T::FACETS.iter().map(|&field| Counter::new(field, filter)).collect();
    let (mut total, mut newer) = (0, 0);
    for one in all {
        let takes = filter.takes(&one);
        total += usize::from(takes);
        newer += usize::from(takes && since.is_some_and(|since| one.since() > since));
        for counter in &mut counters {
            if takes || counter.others.as_ref().is_some_and(|others| others.takes(&one)) {
                counter.count(&one);
            }
        }
    }
    Facets { as_of, total, newer, facets: counters.into_iter().map(Counter::told).collect() }
}

/// Counts the values of one field.
struct Counter {
    field: TextField,
    /// The filter without what it says of this field; none when it says nothing of it.
    others: Option<Filter>,
    counts: BTreeMap<String, usize>,
}

impl Counter {
    fn new(field: TextField, filter: &Filter) -> Counter {
        let is_own =
            |condition: &Condition| matches!(condition, Condition::Text { field: own, .. } if *own == field);
        let others: Vec<_> = filter.terms.iter().filter(|term| !is_own(&term.condition)).cloned().collect();
        let others = (others.len() < filter.terms.len()).then_some(Filter { terms: others });
        Counter { field, others, counts: BTreeMap::new() }
    }

    fn count<T: Listed>(&mut self, one: &T) {
        if let Some(value) = one.text(self.field) {
            *self.counts.entry(value).or_default() += 1;
        }
    }

    fn told(self) -> Facet {
        let values = self.counts.into_iter().map(|(value, count)| FacetValue { value, count });
        let mut values: Vec<FacetValue> = values.collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.count));
        let others = values.iter().skip(VALUES).map(|value| value.count).sum();
        values.truncate(VALUES);
        Facet { key: self.field.to_string(), values, others }
    }
}
