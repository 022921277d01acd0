//! `/api/v1/write`: the receiver of remote write, protocol 1.0
//! (`https://prometheus.io/docs/specs/prw/remote_write_spec/`).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use model::ports::Received;
use model::quoted;
use prost::Message as _;

use super::wire::WriteRequest;
use crate::router::Site;

/// Bytes of a request's body, compressed.
pub(crate) const BODY_LIMIT: usize = 4 << 20;

/// The same, unpacked.
const UNPACKED_LIMIT: usize = 32 << 20;

/// Why a request was not taken as a whole, in words for the sender's log.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused(status, message) = self;
        let mut response = (status, message + "\n").into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("5"));
        }
        response
    }
}

/// `POST /api/v1/write`: takes all samples that can be taken, and answers 204, or 400 when some could not and sending
/// them again would not help.
pub(crate) async fn write(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let turn = Arc::clone(&site.engine.writers).acquire_owned().await;
    let asker = site.asker.clone();
    let written = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let history = &asker.ports().history;
        if history.is_behind() {
            let why = "more waits to be written than may wait; send it again later";
            return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
        }
        let request = read(&headers, &body)?;
        let histograms = request.timeseries.iter().map(|series| series.histograms.len() as u64).sum();
        judge(history.receive(&request.into_samples()), histograms)
    });
    match written.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(refused)) => refused.into_response(),
        Err(error) => {
            tracing::error!(%error, "a remote write could not be taken");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<WriteRequest, Refused> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unsupported = |why: String| Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    if !is_version_1(text(CONTENT_TYPE)) {
        let kind = quoted(text(CONTENT_TYPE));
        return Err(unsupported(format!(
            "Content-Type {kind} is not taken: only remote write 1.0 is, application/x-protobuf"
        )));
    }
    if !text(CONTENT_ENCODING).eq_ignore_ascii_case("snappy") {
        let encoding = quoted(text(CONTENT_ENCODING));
        return Err(unsupported(format!("Content-Encoding {encoding} is not taken: only snappy is")));
    }
    let bad = |why: String| Refused(StatusCode::BAD_REQUEST, why);
    let length = snap::raw::decompress_len(body).map_err(|error| bad(format!("snappy: {error}")))?;
    if length > UNPACKED_LIMIT {
        let why = format!("the request unpacks to {length} bytes; at most {UNPACKED_LIMIT} are taken");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(body);
    let unpacked = unpacked.map_err(|error| bad(format!("snappy: {error}")))?;
    WriteRequest::decode(unpacked.as_slice()).map_err(|error| bad(format!("protobuf: {error}")))
}

/// Whether a content type names the message of version 1.0, by name or by saying nothing.
fn is_version_1(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_protobuf = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-protobuf"));
    is_protobuf
        && parts.all(|part| part.strip_prefix("proto=").is_none_or(|name| name == "prometheus.WriteRequest"))
}

fn judge(received: Received, histograms: u64) -> Result<(), Refused> {
    let dropped = [
        (received.out_of_order, "out of order"),
        (received.conflicting, "of an instant that has another value"),
        (received.invalid, "with labels or a time out of bounds"),
        (received.series_max, "of series beyond the bound"),
        (histograms, "native histograms, which are not kept"),
    ];
    let told: Vec<String> = dropped
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let message = format!("dropped samples: {}; taken: {}", told.join(", "), received.taken);
    Err(Refused(StatusCode::BAD_REQUEST, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_version_1_is_taken() {
        let check = |content_type: &str, expected| {
            assert_eq!(is_version_1(content_type), expected, "{content_type}");
        };
        check("application/x-protobuf", true);
        check("application/x-protobuf;proto=prometheus.WriteRequest", true);
        check("application/x-protobuf; proto=io.prometheus.write.v2.Request", false);
        check("application/json", false);
        check("", false);
    }

    #[test]
    fn what_was_sent_twice_is_no_error() {
        let status = |received| judge(received, 0).err().map(|Refused(status, _)| status);
        assert_eq!(status(Received { taken: 1, duplicate: 9, ..Received::default() }), None);
        let out_of_order = Received { taken: 1, out_of_order: 1, ..Received::default() };
        assert_eq!(status(out_of_order), Some(StatusCode::BAD_REQUEST));
        let conflicting = Received { taken: 1, conflicting: 1, ..Received::default() };
        assert_eq!(status(conflicting), Some(StatusCode::BAD_REQUEST));
        assert!(judge(Received::default(), 1).is_err());
    }
}
