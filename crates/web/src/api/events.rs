//! What a flight recorder has kept of one connection, as a list, as JSON lines, or as HAR.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Uri};
use model::recording::{Recorded, Recording};
use model::{HappeningKind, WallTime};

use crate::api::connections::{no_connection, parse_id};
use crate::api::har;
use crate::body::List;
use crate::error::ApiError;
use crate::headers::{RecordingFormat, recording_format};
use crate::query::Query;
use crate::router::Site;

const FORMATS: &[(&str, RecordingFormat)] =
    &[("json", RecordingFormat::Json), ("jsonl", RecordingFormat::JsonLines), ("har", RecordingFormat::Har)];

/// `GET /api/v1/connections/{id}/events?after=NUMBER&kind=KIND&limit=N&format=json|jsonl|har`: what is kept, in
/// order of time. Without `format`, `Accept` decides.
pub(crate) async fn events(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let mut query = Query::of(&uri)?;
    let format = query.choice("format", FORMATS)?.unwrap_or_else(|| recording_format(&headers));
    let filter = Filter::read(&mut query)?;
    query.finish()?;
    let as_of = WallTime::from(SystemTime::now());
    let recording = site.asker.ask(move |ports| ports.recordings.recording(id)).await?;
    let recording = recording.ok_or_else(|| no_connection(id))?;
    let (items, total) = filter.of(&recording);
    Ok(match format {
        RecordingFormat::Json => Json(List { as_of, items, total }).into_response(),
        RecordingFormat::JsonLines => ([(CONTENT_TYPE, "application/jsonl")], lines(&items)?).into_response(),
        RecordingFormat::Har => {
            let har = har::of(&recording, &items, &site.asker.ports().about.version);
            ([(CONTENT_TYPE, "application/json")], har.to_string()).into_response()
        }
    })
}

fn lines(items: &[Recorded]) -> Result<String, ApiError> {
    let mut text = String::new();
    for item in items {
        let line = serde_json::to_string(item);
        text += &line.map_err(|_| ApiError::internal("an event cannot be written as JSON"))?;
        text.push('\n');
    }
    Ok(text)
}

/// Which events.
struct Filter {
    /// Only those behind this number.
    after: Option<u64>,
    kind: Option<HappeningKind>,
    /// At most so many, the oldest first.
    limit: Option<u64>,
}

impl Filter {
    fn read(query: &mut Query) -> Result<Filter, ApiError> {
        Ok(Filter {
            after: query.number("after", 0..=u64::MAX)?,
            kind: query.word("kind")?,
            limit: query.number("limit", 1..=u64::from(u32::MAX))?,
        })
    }

    /// The events asked for, and how many there are without the limit.
    fn of(&self, recording: &Recording) -> (Vec<Recorded>, usize) {
        let takes = |event: &&Recorded| {
            self.after.is_none_or(|after| event.number > after)
                && self.kind.is_none_or(|kind| event.what.kind() == kind)
        };
        let mut items: Vec<Recorded> = recording.events.iter().filter(takes).copied().collect();
        let total = items.len();
        items.truncate(self.limit.map_or(total, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
        (items, total)
    }
}
