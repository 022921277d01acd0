//! `/api/v2/status` and `/api/v2/receivers`.

use std::sync::Arc;

use alert::dispatch::ReceiverName;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::router::Site;

/// `GET /api/v2/status`. There is no cluster.
pub(crate) async fn status(State(site): State<Arc<Site>>) -> Json<Value> {
    let ports = site.asker.ports();
    Json(json!({
        "cluster": { "status": "disabled", "peers": [] },
        "config": { "original": ports.alertmanager.configuration() },
        "uptime": ports.about.started_at.to_string(),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
            "revision": "",
            "version": ports.about.version,
        },
    }))
}

/// `GET /api/v2/receivers`
pub(crate) async fn receivers(State(site): State<Arc<Site>>) -> Json<Vec<ReceiverName>> {
    Json(site.asker.ports().alertmanager.receivers())
}
