//! Closed connections over days, from the journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::journal::{Cursor, EndedRange, JournalEntry, JournalError, JournalQuery};
use model::quoted;
use model::record::CloseRecord;
use model::{ConnectionId, WallTime};

use super::connections::ClosedFilter;
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
    let (from, to) = (query.instant("from")?, query.instant("to")?);
    let limit = query.number("limit", 1..=500)?.unwrap_or(100) as usize;
    let after = cursor(&mut query)?;
    let filter = ClosedFilter::read(&mut query)?.terms();
    query.finish()?;
    let ended =
        EndedRange { from: from.unwrap_or(EndedRange::ALWAYS.from), to: to.unwrap_or(EndedRange::ALWAYS.to) };
    let query = JournalQuery { filter, ended, after, limit, patience: PATIENCE };
    let list = site.archivist.ask(move |ports| read(ports, &query)).await??;
    Ok(Json(list).into_response())
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
    let failed = |JournalError(text): JournalError| {
        tracing::error!(error = text, "the journal could not be read");
        ApiError::internal("the journal could not be read")
    };
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
