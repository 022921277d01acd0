//! `/api/v1/query` and `/api/v1/query_range`.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use meter::queries::QueryResult;
use promql::{Notes, Range, Value};

use super::answer::{Body, Failed};
use super::engine::Engine;
use super::params::Params;
use crate::router::Site;

/// Points of one series of a range query.
const STEPS_MAX: i64 = 11_000;

/// `GET` or `POST /api/v1/query`: the value at one time.
pub(crate) async fn query(State(site): State<Arc<Site>>, params: Params) -> Result<Body, Failed> {
    Engine::query(&site, params.timeout()?, move |ports, limits| {
        let at_ms = params.time("time", || Some(now_ms()))?;
        let (query, limit) = (params.query(&ports.promql)?, params.limit()?);
        let answer = query.instant(&*ports.history, at_ms, limits);
        let mut answer = answer.map_err(|error| Failed::evaluation(&error))?;
        match &mut answer.value {
            Value::Vector(samples) => truncate(samples, limit, &mut answer.notes),
            Value::Matrix(matrix) => truncate(&mut matrix.0, limit, &mut answer.notes),
            Value::Scalar(_) | Value::Text { .. } => {}
        }
        Body::new(&answer.value, &answer.notes)
    })
    .await
}

/// `GET` or `POST /api/v1/query_range`: the values at the steps of a range of times.
pub(crate) async fn query_range(State(site): State<Arc<Site>>, params: Params) -> Result<Body, Failed> {
    Engine::query(&site, params.timeout()?, move |ports, limits| {
        let range = range(&params)?;
        let (query, limit) = (params.query(&ports.promql)?, params.limit()?);
        if !query.has_value_at_each_step() {
            let why = "invalid expression type for range query, must be Scalar or instant Vector";
            return Err(Failed::parameter("query", why));
        }
        let answer = query.range(&*ports.history, range, limits);
        let mut answer = answer.map_err(|error| Failed::evaluation(&error))?;
        truncate(&mut answer.value.0, limit, &mut answer.notes);
        Body::new(&answer.value, &answer.notes)
    })
    .await
}

fn range(params: &Params) -> Result<Range, Failed> {
    let start_ms = params.time("start", || None)?;
    let end_ms = params.time("end", || None)?;
    if end_ms < start_ms {
        return Err(Failed::parameter("end", "end timestamp must not be before start time"));
    }
    let step_ms = params.duration("step")?;
    let step_ms =
        step_ms.ok_or_else(|| Failed::parameter("step", "cannot parse \"\" to a valid duration"))?;
    if step_ms <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Failed::parameter("step", why));
    }
    if (end_ms - start_ms) / step_ms > STEPS_MAX {
        return Err(Failed::new(
            QueryResult::BadData,
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX)",
        ));
    }
    Ok(Range { start_ms, end_ms, step_ms })
}

fn truncate<T>(items: &mut Vec<T>, limit: usize, notes: &mut Notes) {
    if items.len() > limit {
        items.truncate(limit);
        notes.warnings.push("results truncated due to limit".to_owned());
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
