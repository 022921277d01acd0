//! `/api/v2/alerts` and what decides about one.

use std::sync::Arc;

use alert::delivery::{AgainError, DeliveryList};
use alert::dispatch::{AlertGroup, Explained, GettableAlert, PostedAlert};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use diagnose::text::{Told, told};
use http::{HeaderMap, StatusCode, Uri};
use model::quoted;
use serde::Serialize;

use super::{Refused, params};
use crate::error::ApiError;
use crate::headers::language;
use crate::router::Site;

/// `GET /api/v2/alerts`
pub(crate) async fn alerts(
    State(site): State<Arc<Site>>,
    uri: Uri,
) -> Result<Json<Vec<GettableAlert>>, Refused> {
    let query = params::alerts(&uri)?;
    Ok(Json(site.asker.ports().alertmanager.alerts(&query)))
}

/// `GET /api/v2/alerts/groups`
pub(crate) async fn groups(
    State(site): State<Arc<Site>>,
    uri: Uri,
) -> Result<Json<Vec<AlertGroup>>, Refused> {
    let query = params::alerts(&uri)?;
    Ok(Json(site.asker.ports().alertmanager.groups(&query)))
}

/// `POST /api/v2/alerts`: those that are well are taken, also when others are not.
pub(crate) async fn post_alerts(State(site): State<Arc<Site>>, body: Bytes) -> Result<StatusCode, Refused> {
    let posted: Vec<PostedAlert> = serde_json::from_slice(&body)
        .map_err(|error| Refused::bad(format!("parsing alerts body from \"\" failed, because {error}")))?;
    let alertmanager = Arc::clone(&site.asker.ports().alertmanager);
    let refused = tokio::task::spawn_blocking(move || alertmanager.take(posted)).await;
    match refused {
        Ok(refused) if refused.is_empty() => Ok(StatusCode::OK),
        Ok(refused) => Err(Refused::bad(refused.join("; "))),
        Err(_) => Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, "the alerts were not taken".to_owned())),
    }
}

/// What decides about an alert, and what may explain it.
#[derive(Debug, Serialize)]
pub(crate) struct AlertExplained {
    #[serde(flatten)]
    alert: Explained,
    findings: Vec<Told>,
}

/// `GET /api/v1/deliveries`: the newest attempts to tell people of alerts.
pub(crate) async fn deliveries(State(site): State<Arc<Site>>) -> Result<Json<DeliveryList>, ApiError> {
    site.asker.ask(|ports| ports.alertmanager.deliveries()).await.map(Json)
}

/// `POST /api/v1/deliveries/{number}/again`: a failed attempt is made again, with what is to be told of its alerts now.
/// Silences, inhibition and what the channel lets through in a time hold as ever.
pub(crate) async fn send_again(
    State(site): State<Arc<Site>>,
    Path(number): Path<String>,
) -> Result<StatusCode, ApiError> {
    let hint = "GET /api/v1/deliveries lists the newest 500";
    let number: u64 =
        number.parse().map_err(|_| ApiError::bad_query("the number of an attempt is expected").hint(hint))?;
    let asked = site.asker.ask(move |ports| ports.alertmanager.send_again(number)).await?;
    let conflict = |code: &str, message: &str| ApiError::new(StatusCode::CONFLICT, code, message);
    asked.map(|()| StatusCode::ACCEPTED).map_err(|error| match error {
        AgainError::Unknown => ApiError::not_found(format!("there is no attempt {number}")).hint(hint),
        AgainError::NotRepeatable => {
            conflict("not_repeatable", "this attempt did not fail, or an escalation goes on with it")
        }
        AgainError::Over => {
            conflict("over", "nothing is left to tell: its alerts are over, silenced, or were told since")
        }
        AgainError::TooSoon => {
            let message = "these alerts were looked at a moment ago";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_soon", message)
                .hint("ask again in five seconds")
        }
    })
}

/// `GET /api/v1/alerts/{fingerprint}`
pub(crate) async fn explain(
    State(site): State<Arc<Site>>,
    Path(fingerprint): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<AlertExplained>, ApiError> {
    let number = u64::from_str_radix(&fingerprint, 16).map_err(|_| {
        let hint = "it has 16 hexadecimal digits, as `fingerprint` in /api/v2/alerts";
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_fingerprint",
            format!("{} is no fingerprint", quoted(&fingerprint)),
        )
        .hint(hint)
    })?;
    let alertmanager = &site.asker.ports().alertmanager;
    let alert = alertmanager.explain(number).ok_or_else(|| {
        ApiError::not_found(format!("no alert {} is known", quoted(&fingerprint)))
            .hint("it has ended and was told, or never fired; /api/v2/alerts lists those that fire")
    })?;
    let language = language(&uri, &headers);
    let findings = alertmanager.suspects(number).iter().map(|finding| told(finding, language)).collect();
    Ok(Json(AlertExplained { alert, findings }))
}
