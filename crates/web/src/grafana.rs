//! Dashboards for Grafana, of the same table of families as the exposition.
//!
//! They are classic dashboards of schema version 39, as Grafana 10.4 writes them; newer ones take them unchanged. What
//! Grafana's data source, Grafana's own variables and its panels understand is said where it is written.

mod disconnects;
mod layout;
mod overview;
mod own;
mod panel;
mod probes;
mod query;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Uri};
use model::Language;
use model::language::Text;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::grafana::layout::Row;
use crate::grafana::query::of;
use crate::headers::language;
use meter::families as f;

/// A dashboard.
pub struct Dashboard {
    /// Its name in addresses, which stays the same.
    pub uid: &'static str,
    title: Text,
    about: Text,
    rows: fn() -> Vec<Row>,
}

/// All dashboards.
pub const ALL: [Dashboard; 4] =
    [overview::DASHBOARD, disconnects::DASHBOARD, probes::DASHBOARD, own::DASHBOARD];

/// The schema of dashboards that Grafana 10.4 writes.
const SCHEMA_VERSION: u8 = 39;

/// Names its data source by the dashboard's variable.
fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

impl Dashboard {
    /// The dashboard as Grafana imports it.
    pub fn json(&self, language: Language) -> String {
        let value = json!({
            "annotations": { "list": annotations(language) },
            "description": self.about.of(language),
            "editable": false,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "id": null,
            "links": [{
                "asDropdown": false, "icon": "external link", "includeVars": true, "keepTime": true, "tags": ["heartline"],
                "targetBlank": false, "title": "Heartline", "tooltip": "", "type": "dashboards", "url": "",
            }],
            "panels": layout::place(&(self.rows)(), language),
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": ["heartline"],
            "templating": { "list": variables() },
            "time": { "from": "now-1h", "to": "now" },
            "timepicker": {},
            "timezone": "browser",
            "title": self.title.of(language),
            "uid": self.uid,
            "version": 1,
            "weekStart": "",
        });
        format!("{value:#}\n")
    }
}

/// Alerts and findings over the graphs.
fn annotations(language: Language) -> [Value; 3] {
    let own = |name: Text, colour: &str, title: &str, expr: &str| {
        json!({
            "datasource": data_source(), "enable": true, "hide": false, "iconColor": colour, "name": name.of(language),
            "target": { "expr": expr, "refId": "A" }, "titleFormat": title, "textFormat": "{{route}}",
        })
    };
    [
        json!({
            "builtIn": 1, "datasource": { "type": "grafana", "uid": "-- Grafana --" }, "enable": true, "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
        }),
        own(ALERTS, "red", "{{alertname}}", query::FIRING),
        own(FINDINGS, "orange", "{{finding}}", &of(f::FINDING_ACTIVE).by("finding, route").max()),
    ]
}

const ALERTS: Text = Text { en: "Alerts", zh: "告警" };
const FINDINGS: Text = Text { en: "Findings", zh: "诊断结论" };

/// Data source, jobs, instances and routes to choose from, and where this program's own dashboard is.
fn variables() -> [Value; 5] {
    let series = of(f::WEBSOCKET_ACTIVE);
    let query = |name: &str, label: &str, from: &str| {
        let query = format!("label_values({from}, {name})");
        json!({
            "allValue": ".+", "current": { "selected": true, "text": ["All"], "value": ["$__all"] }, "datasource": data_source(),
            "hide": 0, "includeAll": true, "label": label, "multi": true, "name": name, "options": [],
            "query": query, "refresh": 2, "regex": "", "skipUrlSync": false, "sort": 1, "type": "query",
        })
    };
    let here = "http://127.0.0.1:8080";
    [
        json!({
            "current": { "selected": false, "text": "default", "value": "default" }, "hide": 0, "includeAll": false,
            "label": "Data source", "multi": false, "name": "datasource", "options": [], "query": "prometheus", "refresh": 1,
            "regex": "", "skipUrlSync": false, "type": "datasource",
        }),
        query("job", "Job", f::WEBSOCKET_ACTIVE.name),
        query("instance", "Instance", &format!("{}{{job=~\"$job\"}}", f::WEBSOCKET_ACTIVE.name)),
        query("route", "Route", &series.of_any_route()),
        json!({
            "current": { "selected": true, "text": here, "value": here }, "hide": 0, "label": "Heartline", "name": "heartline",
            "options": [{ "selected": true, "text": here, "value": here }], "query": here, "skipUrlSync": false, "type": "textbox",
        }),
    ]
}

/// `GET /api/v1/grafana/{uid}.json`
pub(crate) async fn dashboard(
    Path(file): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = ALL.iter().find(|dashboard| file.strip_suffix(".json") == Some(dashboard.uid));
    let Some(found) = found else {
        let names = ALL.map(|dashboard| dashboard.uid).join(", ");
        let error = ApiError::not_found(format!("there is no dashboard {}", model::quoted(&file)));
        return Err(error.hint(format!("there are {names}, each with .json behind it")));
    };
    Ok(([(CONTENT_TYPE, "application/json")], found.json(language(&uri, &headers))).into_response())
}
