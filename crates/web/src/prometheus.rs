//! Prometheus' HTTP API, for Grafana and every other client of it, and the receiver of remote write
//! (Prometheus HTTP API, `https://prometheus.io/docs/prometheus/latest/querying/api/`).
//!
//! Answers and errors are Prometheus', not those of the rest of the API: `{status, data, warnings, infos}` or
//! `{status, errorType, error}`. Parameters that are not known are ignored, as there.

mod about;
mod answer;
mod elsewhere;
mod engine;
mod params;
mod query;
mod receive;
mod rules;
mod series;
mod time;
mod wire;

pub(crate) use about::{build_info, metadata};
pub(crate) use elsewhere::elsewhere;
pub(crate) use engine::Engine;
pub(crate) use query::{query, query_range};
pub(crate) use receive::{BODY_LIMIT as WRITE_LIMIT, write};
pub(crate) use rules::{alerts, rules};
pub(crate) use series::{label_values, labels, series};
pub(crate) use time::instant_ms;
