//! Alertmanager's HTTP API, version 2 (`api/v2/openapi.yaml` of 0.25), so that `amtool`, Prometheus and other clients of
//! Alertmanager take this program for one.

mod alerts;
mod params;
mod silences;
mod status;

use alert::alertmanager::Matcher;
use alert::delivery::{AgainError, DeliveryList};
use alert::dispatch::{
    AlertGroup, AlertsQuery, Explained, GettableAlert, GettableSilence, PostedAlert, PostedSilence,
    ReceiverName, SilenceError,
};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::finding::Finding;

pub(crate) use alerts::{alerts, deliveries, explain, groups, post_alerts, send_again};
pub(crate) use silences::{delete_silence, post_silence, silence, silences};
pub(crate) use status::{receivers, status};

/// Bytes of posted alerts.
pub(crate) const BODY_LIMIT: usize = 4 << 20;

/// Who tells people of alerts.
pub trait Alertmanager: Send + Sync {
    /// Takes alerts; says what is wrong with those that are refused. May wait for the disk.
    fn take(&self, alerts: Vec<PostedAlert>) -> Vec<String>;

    /// Alerts that fire.
    fn alerts(&self, query: &AlertsQuery) -> Vec<GettableAlert>;

    /// Groups of alerts that fire.
    fn groups(&self, query: &AlertsQuery) -> Vec<AlertGroup>;

    /// Who can be told.
    fn receivers(&self) -> Vec<ReceiverName>;

    /// Silences that have these conditions among theirs.
    fn silences(&self, filter: &[Matcher]) -> Vec<GettableSilence>;

    /// One silence.
    fn silence(&self, id: &str) -> Option<GettableSilence>;

    /// Makes or changes a silence; gives its id. May wait for the disk.
    ///
    /// # Errors
    /// See [`SilenceError`].
    fn set_silence(&self, silence: PostedSilence) -> Result<String, SilenceError>;

    /// Ends a silence. May wait for the disk.
    ///
    /// # Errors
    /// [`SilenceError::Unknown`].
    fn expire_silence(&self, id: &str) -> Result<(), SilenceError>;

    /// All that decides about one alert.
    fn explain(&self, fingerprint: u64) -> Option<Explained>;

    /// The findings that may explain an alert, likeliest first; none when it is not known.
    fn suspects(&self, fingerprint: u64) -> Vec<Finding>;

    /// The newest attempts to tell people.
    fn deliveries(&self) -> DeliveryList;

    /// Gives the channel of a failed attempt what there is to tell of its alerts now, as if their groups were due. May
    /// wait for the disk.
    ///
    /// # Errors
    /// See [`AgainError`].
    fn send_again(&self, number: u64) -> Result<(), AgainError>;

    /// The configuration of routes and receivers, without what is secret.
    fn configuration(&self) -> String;
}

/// What is wrong with a request; the body is a text in JSON.
#[derive(Debug)]
pub(crate) struct Refused(StatusCode, String);

impl Refused {
    fn bad(why: impl Into<String>) -> Refused {
        Refused(StatusCode::BAD_REQUEST, why.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}
