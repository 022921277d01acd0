//! Closed connections over days, from the journal.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::filter::Filter;
use model::journal::{Cursor, EndedRange, JournalEntry, JournalError, JournalQuery};
use model::quoted;
use model::record::CloseRecord;
use model::{ConnectionId, WallTime};

use super::connections::{ClosedFilter, Set};
use crate::Ports;
use crate::body::JournalList;
use crate::error::ApiError;
use crate::query::Query;
use crate::router::Site;

/// How long a page, or a count, is looked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counting ends here.
const COUNT_MAX: u64 = 100_000;

/// One page of what ended from `from` to `to`, newest first. What ended less than a second ago may not be there yet.
pub(super) async fn list(site: &Site, mut query: Query) -> Result<Response, ApiError> {
    let ended = range(&mut query)?.unwrap_or(EndedRange::ALWAYS);
    let limit = query.number("limit", 1..=500)?.unwrap_or(100) as usize;
    let after = cursor(&mut query)?;
    let filter = ClosedFilter::read(&mut query)?.terms();
    query.finish()?;
    let query = JournalQuery { filter, ended, after, limit, patience: PATIENCE };
    let list = site.archivist.ask(move |ports| read(ports, &query)).await??;
    Ok(Json(list).into_response())
}

/// The keys `from` and `to`: when connections ended; none when neither is given.
pub(super) fn range(query: &mut Query) -> Result<Option<EndedRange>, ApiError> {
    let (from, to) = (query.instant("from")?, query.instant("to")?);
    let always = EndedRange::ALWAYS;
    let range = EndedRange { from: from.unwrap_or(always.from), to: to.unwrap_or(always.to) };
    Ok((from.is_some() || to.is_some()).then_some(range))
}

/// The same where only closed connections have an end.
pub(super) fn range_of(set: Set, query: &mut Query) -> Result<Option<EndedRange>, ApiError> {
    match set {
        Set::Live => Ok(None),
        Set::Closed => range(query),
    }
}

/// Records of a range that lists and counts are made of.
const NEWEST: usize = 20_000;

/// The newest connections of a range, at most [`NEWEST`], and whether these were all.
///
/// # Errors
/// The journal could not be read.
pub(super) fn newest(
    ports: &Ports,
    filter: &Filter,
    range: EndedRange,
) -> Result<(Vec<Arc<CloseRecord>>, bool), ApiError> {
    let mut records = Vec::new();
    let is_complete = ended(ports, filter, range, NEWEST, |record| records.push(record))?;
    Ok((records, is_complete))
}

/// Entries that are read at a time.
const PAGE: usize = 5_000;

/// Gives the connections that ended in a range, newest first, to `take`, from the journal, or from memory where none is
/// kept. Whether these were all: no more than `count_max` are read, for no longer than [`PATIENCE`].
///
/// # Errors
/// The journal could not be read.
pub(super) fn ended(
    ports: &Ports,
    filter: &Filter,
    ended: EndedRange,
    count_max: usize,
    mut take: impl FnMut(Arc<CloseRecord>),
) -> Result<bool, ApiError> {
    let Some(journal) = &ports.journal else {
        let kept = ports.connections.closed();
        let reaches_back = kept.iter().any(|record| record.closed_at < ended.from);
        let mut within: Vec<_> = kept.into_iter().filter(|record| is_within(record, ended)).collect();
        within.retain(|record| filter.takes(record));
        within.sort_unstable_by_key(|record| std::cmp::Reverse(record.closed_at));
        let is_complete = reaches_back && within.len() <= count_max;
        within.into_iter().take(count_max).for_each(take);
        return Ok(is_complete);
    };
    let deadline = Instant::now() + PATIENCE;
    let (mut after, mut left) = (None, count_max);
    while left > 0 {
        let patience = deadline.saturating_duration_since(Instant::now());
        let query = JournalQuery { filter: filter.clone(), ended, after, limit: left.min(PAGE), patience };
        let page = journal.page(&query).map_err(failed)?;
        left -= page.entries.len().min(left);
        for entry in page.entries {
            if let JournalEntry::Closed { closed } = entry {
                take(closed);
            }
        }
        after = page.next;
        if !page.is_complete || after.is_none() {
            return Ok(page.is_complete);
        }
    }
    Ok(false)
}

fn is_within(record: &CloseRecord, range: EndedRange) -> bool {
    (range.from..=range.to).contains(&record.closed_at)
}

fn failed(JournalError(text): JournalError) -> ApiError {
    tracing::error!(error = text, "the journal could not be read");
    ApiError::internal("the journal could not be read")
}

fn cursor(query: &mut Query) -> Result<Option<Cursor>, ApiError> {
    let Some(text) = query.text("after") else { return Ok(None) };
    let key = text.parse().map_err(|_| {
        ApiError::bad_query(format!("after={} is out of place", quoted(&text)))
            .hint("give `next` of the page before")
    })?;
    Ok(Some(Cursor(key)))
}

fn read(ports: &Ports, query: &JournalQuery) -> Result<JournalList, ApiError> {
    let journal = ports.journal.as_ref().ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "no_journal", "no journal is kept: data.dir is null")
            .hint("without `from` and `to` the newest connections are listed from memory")
    })?;
    let page = journal.page(query).map_err(failed)?;
    let count = journal.count(&query.filter, query.ended, COUNT_MAX, PATIENCE).map_err(failed)?;
    let mut list = JournalList {
        as_of: WallTime::from(SystemTime::now()),
        items: Vec::new(),
        lost: Vec::new(),
        total: count.count,
        total_is_exact: count.is_exact,
        next: page.next.map(|Cursor(key)| key.to_string()),
        is_complete: page.is_complete,
    };
    for entry in page.entries {
        match entry {
            JournalEntry::Closed { closed } => list.items.push(closed),
            JournalEntry::Lost { lost } => list.lost.push(lost),
        }
    }
    Ok(list)
}

/// The record of a connection that memory has no more.
pub(super) fn closed_one(ports: &Ports, id: ConnectionId) -> Option<Arc<CloseRecord>> {
    match ports.journal.as_ref()?.one(id) {
        Ok(Some(JournalEntry::Closed { closed })) => Some(closed),
        Ok(_) => None,
        Err(error) => {
            tracing::error!(%error, "a connection was not looked for in the journal");
            None
        }
    }
}
