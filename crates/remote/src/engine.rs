//! The engine elsewhere that answers queries: any with Prometheus' HTTP API.

mod outcome;
mod selector;
mod series;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use meter::scrape::QueryEngineFacts;
use model::ports::{Answering, EngineAnswer, EngineError, QueryEngine, Question};
use tokio::sync::watch;

use crate::access::Access;
use crate::client::{Answer, CallError, HttpClient};
use outcome::{Outcome, Outcomes};
pub use series::EngineSeries;

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// An engine with Prometheus' HTTP API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RemoteEngine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: HttpClient,
    outcomes: Outcomes,
    stop: watch::Sender<bool>,
}

/// Why a question has no answer, with what is counted.
struct Failed {
    outcome: Outcome,
    why: String,
}

impl RemoteEngine {
    /// Nothing is connected yet; the path of the URL stands before `/api/v1/…`.
    ///
    /// # Errors
    /// Credentials or the authorities to trust cannot be read.
    pub fn new(access: Access) -> Result<RemoteEngine, String> {
        access.credentials.header()?;
        let outcomes = Outcomes::new(access.host());
        let client = HttpClient::new(access)?;
        Ok(RemoteEngine(Arc::new(Inner { client, outcomes, stop: watch::Sender::new(false) })))
    }

    /// Ends all questions, and answers no more.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// For the metrics page.
    pub fn facts(&self) -> QueryEngineFacts {
        self.0.outcomes.facts()
    }

    /// Host and port, to be told to people.
    pub fn host(&self) -> &str {
        self.0.client.access().host()
    }

    async fn answer(&self, question: Question) -> Result<EngineAnswer, EngineError> {
        let mut stopped = self.0.stop.subscribe();
        let answer = tokio::select! {
            answer = self.call(question) => answer,
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {
                return Err(EngineError::Unavailable("Heartline is stopping".to_owned()));
            }
        };
        let outcome = answer.as_ref().map_or_else(|failed| failed.outcome, |_| Outcome::Answered);
        self.0.outcomes.count(outcome, answer.as_ref().err().map(|failed| failed.why.as_str()));
        answer.map_err(|Failed { outcome, why }| match outcome {
            Outcome::Timeout => EngineError::Timeout(why),
            _ => EngineError::Unavailable(why),
        })
    }

    async fn call(&self, question: Question) -> Result<EngineAnswer, Failed> {
        let Question { path, parameters, timeout } = question;
        // Prometheus takes no form where the values of a label are.
        let is_get = path.ends_with("/values");
        let mut request = self.0.client.request(if is_get { Method::GET } else { Method::POST }, &path);
        if is_get {
            request.url_mut().query_pairs_mut().extend_pairs(&parameters);
        } else {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
            *request.body_mut() = Some(form.into());
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        let answer = self.0.client.send(request, ANSWER_BYTES_MAX, timeout).await;
        answer.map_err(|error| self.unasked(&error)).and_then(|answer| self.judge(answer))
    }

    fn unasked(&self, error: &CallError) -> Failed {
        let host = self.host();
        let (outcome, why) = match error {
            CallError::Timeout(_) => (Outcome::Timeout, format!("the engine at {host} gave {error}")),
            CallError::Credentials(_) => {
                (Outcome::Credentials, format!("the engine at {host} cannot be asked: {error}"))
            }
            CallError::Network(_) => {
                (Outcome::Network, format!("the engine at {host} cannot be asked: {error}"))
            }
        };
        Failed { outcome, why }
    }

    /// Answers in Prometheus' form pass; anything else is none, least of all what would make a browser ask for a
    /// password or go elsewhere.
    fn judge(&self, answer: Answer) -> Result<EngineAnswer, Failed> {
        let Answer { status, headers, body, is_cut } = answer;
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        // VictoriaMetrics has the second one for samples as they are.
        let is_json = ["application/json", "application/stream+json"].contains(&kind);
        let passes = [
            StatusCode::OK,
            StatusCode::BAD_REQUEST,
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if is_json && passes.contains(&status) && !is_cut {
            return Ok(EngineAnswer { status: status.as_u16(), body: body.into() });
        }
        let (outcome, hint) = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                (Outcome::Credentials, "look at the credentials of `query`")
            }
            StatusCode::NOT_FOUND => (Outcome::Unusable, "look at the path of `query_url`"),
            _ if is_cut => (Outcome::Unusable, "it is longer than 32 MiB"),
            _ if !is_json => (Outcome::Unusable, "it is not JSON"),
            _ => (Outcome::Unusable, "it is none of Prometheus' API"),
        };
        let why = format!("the answer of the engine at {} cannot be used: {status}; {hint}", self.host());
        Err(Failed { outcome, why })
    }
}

impl QueryEngine for RemoteEngine {
    fn ask(&self, question: Question) -> Answering {
        let engine = self.clone();
        Box::pin(async move { engine.answer(question).await })
    }
}

#[cfg(test)]
mod tests;
