//! `/api/v1/metadata` and `/api/v1/status/buildinfo`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};
use meter::families::{self, Family, Kind};
use promql::Notes;
use serde::Serialize;
use serde_json::json;

use super::answer::{Body, Failed};
use super::params::Params;
use crate::router::Site;

/// The version of Prometheus whose language and API this one has; clients choose by it what they ask for.
const LIKE_PROMETHEUS: &str = "3.0.0";

#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: &'static str,
    help: &'static str,
    unit: &'static str,
}

impl Metadata {
    fn of(family: &Family) -> Metadata {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        Metadata { kind, help: family.help, unit: family.unit().unwrap_or_default() }
    }
}

/// `GET /api/v1/metadata`: what the metrics of this process mean.
pub(crate) async fn metadata(uri: Uri, headers: HeaderMap) -> Result<Body, Failed> {
    let params = Params::of(&uri, &headers, &[]);
    let (metric, limit) = (params.text("metric"), params.limit()?);
    let chosen = families::ALL.iter().filter(|family| metric.is_empty() || family.name == metric);
    let known: BTreeMap<&str, [Metadata; 1]> =
        chosen.take(limit).map(|family| (family.name, [Metadata::of(family)])).collect();
    Body::new(&known, &Notes::default())
}

/// `GET /api/v1/status/buildinfo`
pub(crate) async fn build_info(State(site): State<Arc<Site>>) -> Result<Body, Failed> {
    let about = &site.asker.ports().about;
    let info = json!({
        "application": "Heartline",
        "version": LIKE_PROMETHEUS,
        "revision": about.version,
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    Body::new(&info, &Notes::default())
}
