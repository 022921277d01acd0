//! Looks at the running gateway: once, or every second.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode, Uri};
use model::host::HostFacts;
use model::language::{Text, text};
use model::overview::{CountryNow, Overview};
use model::quoted;
use model::system::{Limit, LimitedResource, Setting, SystemFacts};
use serde::Serialize;

use crate::body::List;
use crate::error::ApiError;
use crate::headers::language;
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

/// `GET /api/v1/geo`: open connections by country; without a database, how to have one.
pub(crate) async fn geo(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Geography>, ApiError> {
    let overview = site.asker.ask(|ports| ports.overviews.overview(Duration::from_secs(1))).await?;
    let hint = overview.countries.is_none().then(|| NO_DATABASE.of(language(&uri, &headers)));
    let items = overview.countries.unwrap_or_default();
    Ok(Json(Geography { total: items.len(), items, hint }))
}

/// Open connections by country.
#[derive(Debug, Serialize)]
pub(crate) struct Geography {
    items: Vec<CountryNow>,
    total: usize,
    /// How to have a database, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

const NO_DATABASE: Text = text(
    "no database of countries is configured: set `geo: { database: PATH.mmdb }` to a file in MaxMind's format, such as \
     GeoLite2 Country or DB-IP Country Lite, and reload; see docs/geography.md",
    "没有配置国家数据库：将 `geo: { database: PATH.mmdb }` 设为一个 MaxMind 格式的文件（如 GeoLite2 Country 或 DB-IP Country Lite）并重新加载；\
     见 docs/geography.md",
);

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
