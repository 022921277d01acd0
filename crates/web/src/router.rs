//! Which handler answers which path, and through which gates.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use http::{HeaderMap, StatusCode, Uri};
use model::quoted;

use crate::asker::Asker;
use crate::auth::{Authority, Caller};
use crate::error::ApiError;
use crate::prometheus::{self, Engine};
use crate::stream::Hub;
use crate::{
    ack, alertmanager, api, assets, examinations, findings, gate, grafana, incidents, licences, manuals,
    operate, probes, tryouts,
};

/// Bytes of a request's body.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// What the handlers share.
pub(crate) struct Site {
    pub(crate) asker: Asker,
    /// For questions about days.
    pub(crate) archivist: Asker,
    pub(crate) authority: Authority,
    pub(crate) hub: Hub,
    pub(crate) views: Arc<api::Views>,
    pub(crate) engine: Engine,
    pub(crate) board: tryouts::Board,
}

impl Site {
    /// Who sent a request; see [`Authority::caller`].
    pub(crate) fn caller(&self, address: IpAddr, headers: &HeaderMap, now: Instant) -> Caller {
        self.authority.caller(address, headers, now)
    }
}

/// The whole site. Requests carry a [`gate::Peer`].
pub(crate) fn router(site: Arc<Site>) -> Router {
    let known_callers_only = Router::new()
        .route("/metrics", get(operate::metrics))
        .route("/-/reload", post(operate::reload))
        .route("/-/{*rest}", any(unknown))
        .route("/api/v1/overview", get(api::overview))
        .route("/api/v1/host", get(api::host))
        .route("/api/v1/limits", get(api::limits))
        .route("/api/v1/system", get(api::system))
        .route("/api/v1/config", get(api::config))
        .route("/api/v1/stream", get(api::stream))
        .route("/api/v1/connections", get(api::connections))
        .route("/api/v1/connections/facets", get(api::facets))
        .route("/api/v1/connections/export", get(api::export))
        .route("/api/v1/connections/{id}", get(api::connection))
        .route("/api/v1/connections/{id}/events", get(api::events))
        .route("/api/v1/explain", get(api::explain))
        .route("/api/v1/logout", post(api::logout))
        .route("/api/v1/alerts/{fingerprint}", get(alertmanager::explain))
        .route("/api/v1/deliveries", get(alertmanager::deliveries))
        .route("/api/v1/deliveries/{number}/again", post(alertmanager::send_again))
        .route("/api/v1/findings", get(findings::findings))
        .route("/api/v1/findings/{id}", get(findings::finding))
        .route("/api/v1/findings/{id}/feedback", post(findings::feedback))
        .route("/api/v1/events", post(findings::event))
        .route("/api/v1/probes", get(probes::probes))
        .route("/api/v1/probes/{name}", get(probes::probe))
        .route("/api/v1/probes/{name}/run", post(probes::run))
        .route("/api/v1/diagnose", post(examinations::examine))
        .route("/api/v1/jobs/{id}", get(examinations::job))
        .route("/api/v1/tryouts", get(tryouts::tryouts).post(tryouts::begin))
        .route("/api/v1/tryouts/{id}", get(tryouts::tryout))
        .route("/api/v1/tryouts/{id}/connect", get(tryouts::connect))
        .route("/api/v1/geo", get(api::geo))
        .route("/api/v1/grafana/{dashboard}", get(grafana::dashboard))
        .route("/api/v1/incidents", get(incidents::incidents))
        .route("/api/v1/incidents/{id}", get(incidents::incident))
        .route("/api/v1/incidents/{id}/ack", post(incidents::ack))
        .merge(like_prometheus(&site))
        .merge(like_alertmanager())
        .route("/api/{*rest}", any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&site), gate::known_callers));

    Router::new()
        .route("/healthz", get(operate::healthz))
        .route("/readyz", get(operate::readyz))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/login", post(api::login))
        .route("/runbooks", get(manuals::runbooks))
        .route("/runbooks/", get(manuals::runbooks))
        .route("/runbooks/style.css", get(manuals::style))
        .route("/runbooks/{alert}", get(manuals::runbook))
        .route("/findings", get(manuals::findings))
        .route("/findings/", get(manuals::findings))
        .route("/findings/{id}", get(manuals::finding))
        .route("/licences", get(licences::licences))
        .route("/ack/{id}", get(ack::page).post(ack::post))
        .merge(known_callers_only)
        .fallback(assets::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(gate::same_site))
        .layer(from_fn_with_state(Arc::clone(&site), gate::loopback_names))
        .layer(from_fn(gate::in_time))
        .layer(from_fn(gate::secure))
        .with_state(site)
}

/// Prometheus' HTTP API.
fn like_prometheus(site: &Arc<Site>) -> Router<Arc<Site>> {
    let write = post(prometheus::write).layer(DefaultBodyLimit::max(prometheus::WRITE_LIMIT));
    Router::new()
        .route("/api/v1/query", get(prometheus::query).post(prometheus::query))
        .route("/api/v1/query_range", get(prometheus::query_range).post(prometheus::query_range))
        .route("/api/v1/series", get(prometheus::series).post(prometheus::series))
        .route("/api/v1/labels", get(prometheus::labels).post(prometheus::labels))
        .route("/api/v1/label/{name}/values", get(prometheus::label_values))
        .route_layer(from_fn_with_state(Arc::clone(site), prometheus::elsewhere))
        .route("/api/v1/rules", get(prometheus::rules))
        .route("/api/v1/alerts", get(prometheus::alerts))
        .route("/api/v1/metadata", get(prometheus::metadata))
        .route("/api/v1/status/buildinfo", get(prometheus::build_info))
        .route("/api/v1/write", write)
}

/// Alertmanager's HTTP API.
fn like_alertmanager() -> Router<Arc<Site>> {
    let alerts = get(alertmanager::alerts).post(alertmanager::post_alerts);
    Router::new()
        .route("/api/v2/status", get(alertmanager::status))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v2/alerts", alerts.layer(DefaultBodyLimit::max(alertmanager::BODY_LIMIT)))
        .route("/api/v2/alerts/groups", get(alertmanager::groups))
        .route("/api/v2/silences", get(alertmanager::silences).post(alertmanager::post_silence))
        .route("/api/v2/silence/{id}", get(alertmanager::silence).delete(alertmanager::delete_silence))
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", quoted(uri.path()))).hint(
        "known: /api/v1/{overview,host,limits,system,config,stream,explain,connections,connections/{facets,export,<id>},connections/<id>/events,status,login,logout}, \
         Prometheus' /api/v1/{query,query_range,series,labels,label/<name>/values,rules,alerts,metadata,status/buildinfo,write}, \
         Alertmanager's /api/v2/{status,receivers,alerts,alerts/groups,silences,silence/<id>}, \
         /api/v1/{findings,findings/<id>,findings/<id>/feedback,events}, /api/v1/{probes,probes/<name>,probes/<name>/run}, /api/v1/{diagnose,jobs/<id>}, /api/v1/{tryouts,tryouts/<id>,tryouts/<id>/connect}, /api/v1/alerts/<fingerprint>, /api/v1/deliveries, /api/v1/deliveries/<number>/again, /api/v1/{incidents,incidents/<id>,incidents/<id>/ack}, /api/v1/geo, /api/v1/grafana/<uid>.json, /-/reload",
    )
}

/// The path is known, its method is not.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the method does not fit this path")
        .hint("the header `Allow` of this answer names those that do")
}
