//! Looks at the running gateway: once, or every second.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{StatusCode, Uri};
use model::host::HostFacts;
use model::overview::Overview;
use model::quoted;
use model::system::{Limit, LimitedResource, Setting, SystemFacts};

use crate::body::List;
use crate::error::ApiError;
use crate::query::Query;
use crate::router::Site;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET /api/v1/overview?window=SECONDS`
pub(crate) async fn overview(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<Overview>, ApiError> {
    let mut query = Query::of(&uri)?;
    let window = query.window()?;
    query.finish()?;
    site.asker.ask(move |ports| ports.overviews.overview(window)).await.map(Json)
}

/// `GET /api/v1/host`
pub(crate) async fn host(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<HostFacts>, ApiError> {
    Query::of(&uri)?.finish()?;
    site.asker.ask(|ports| ports.hosts.host()).await.map(Json)
}

/// `GET /api/v1/limits`: what there is only so much of, nearest to its limit first.
pub(crate) async fn limits(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<List<Limit>>, ApiError> {
    Query::of(&uri)?.finish()?;
    let mut items = site.asker.ask(|ports| ports.workings.limits()).await?;
    let (used, limit) = site.hub.viewers();
    items.push(Limit { resource: LimitedResource::Viewers, subject: String::new(), used, limit });
    let share = |limit: &Limit| limit.used as f64 / limit.limit.max(1) as f64;
    items.sort_by(|a, b| share(b).total_cmp(&share(a)));
    Ok(Json(List { as_of: SystemTime::now().into(), total: items.len(), items }))
}

/// `GET /api/v1/system`: what is kept, and what is sent elsewhere.
pub(crate) async fn system(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<SystemFacts>, ApiError> {
    Query::of(&uri)?.finish()?;
    site.asker.ask(|ports| ports.workings.system()).await.map(Json)
}

/// `GET /api/v1/config`: the settings in force, without what is secret.
pub(crate) async fn config(State(site): State<Arc<Site>>, uri: Uri) -> Result<Json<List<Setting>>, ApiError> {
    Query::of(&uri)?.finish()?;
    let items = site.asker.ask(|ports| ports.workings.settings()).await?;
    Ok(Json(List { as_of: SystemTime::now().into(), total: items.len(), items }))
}

/// `GET /api/v1/stream?topics=overview&window=SECONDS`: server-sent events. 204 when all seats are taken; then
/// poll the overview instead. Each frame is a whole look, so that a client which reconnects has missed nothing
/// it needs: `Last-Event-ID` is not read.
pub(crate) async fn stream(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let topics = query.text("topics");
    let window = query.window()?;
    query.finish()?;
    for topic in topics.as_deref().unwrap_or("overview").split(',') {
        if topic != "overview" {
            return Err(ApiError::bad_query(format!("the topic {} is not known", quoted(topic)))
                .hint("known here: overview"));
        }
    }
    let Some(frames) = site.hub.subscribe(window) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let headers =
        [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(frames)).into_response())
}
