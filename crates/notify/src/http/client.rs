//! Makes requests.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::redirect::{Attempt, Policy};

use http::header::AUTHORIZATION;

use super::address::{LookUp, Refusal, Resolver, system};
use super::oauth2::Tokens;
use super::{ANSWER_BYTES_MAX, Address, Answer, Call, Failure, HttpSettings, Reach, retry_after};

/// Redirects that are followed where the settings say so.
const REDIRECTS_MAX: usize = 3;

/// How long a connection that nobody uses is kept.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Makes the requests of one channel.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    settings: HttpSettings,
    tokens: Option<Arc<Tokens>>,
    reach: Reach,
    timeout: Duration,
}

impl Client {
    /// Each request, with its answer, has `timeout`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(settings: &HttpSettings, reach: &Reach, timeout: Duration) -> Result<Client, String> {
        Client::with(settings, reach, timeout, system())
    }

    fn with(
        settings: &HttpSettings,
        reach: &Reach,
        timeout: Duration,
        look_up: LookUp,
    ) -> Result<Client, String> {
        let tokens = settings.grant.as_ref().map(|grant| {
            let client = Client::with(&grant.http, reach, timeout, look_up.clone())?;
            Ok::<_, String>(Arc::new(Tokens::new(grant.as_ref().clone(), client)))
        });
        let resolver = Resolver { reach: reach.clone(), look_up };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(settings.tls.config()?)
            .redirect(policy(settings.is_following, reach.clone()))
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("heartline/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(resolver));
        let http = settings.proxy.apply(builder)?.build().map_err(|error| told(&error.without_url()))?;
        let tokens = tokens.transpose()?;
        Ok(Client { http, settings: settings.clone(), tokens, reach: reach.clone(), timeout })
    }

    #[cfg(test)]
    pub(crate) fn with_timeout(self, timeout: Duration) -> Client {
        Client { timeout, ..self }
    }

    /// Makes one request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let call = self.settings.authorize(call).map_err(Failure::NotMade)?;
        let address = call.address.clone();
        let exchange = tokio::time::timeout(self.timeout, self.admitted(call));
        let seconds = self.timeout.as_secs_f64();
        exchange
            .await
            .unwrap_or_else(|_| Err(Failure::Timeout(format!("{address}: no answer within {seconds} s"))))
    }

    /// With a token where one lets us in; one that is refused is replaced once.
    async fn admitted(&self, call: Call) -> Result<Answer, Failure> {
        let Some(tokens) = &self.tokens else { return self.exchange(call).await };
        let mut refused = None;
        loop {
            let token = tokens.get(refused.as_ref()).await?;
            let value = format!("Bearer {}", token.reveal());
            let bearing = call.clone().hiding(token.clone()).secret_header(AUTHORIZATION, &value);
            let answer = self.exchange(bearing.map_err(Failure::NotMade)?).await?;
            if answer.status != 401 || refused.is_some() {
                return Ok(answer);
            }
            refused = Some(token);
        }
    }

    pub(super) async fn exchange(&self, call: Call) -> Result<Answer, Failure> {
        let Call { method, address, headers, body, secrets } = call;
        self.reach.judge_url(address.url()).map_err(Failure::Refused)?;
        let failed = |error: reqwest::Error| failure(&address, &error.without_url());
        let request = self.http.request(method, address.url().clone()).headers(headers);
        let mut response = request.body(body).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let retry_after = retry_after(&headers, SystemTime::now());
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX
            && let Some(piece) = response.chunk().await.map_err(failed)?
        {
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, retry_after, headers, body, secrets })
    }
}

/// Only redirects that keep method and body are followed, and none that leaves what may be reached.
fn policy(is_following: bool, reach: Reach) -> Policy {
    if !is_following {
        return Policy::none();
    }
    Policy::custom(move |attempt: Attempt<'_>| {
        let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
        if !keeps_body || attempt.previous().len() > REDIRECTS_MAX {
            return attempt.stop();
        }
        match reach.judge_url(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(_) => attempt.stop(),
        }
    })
}

fn failure(address: &Address, error: &reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Failure::Refused(refusal.to_string());
        }
        cause = error.source();
    }
    let why = format!("{address}: {}", told(error));
    match error {
        _ if error.is_builder() => Failure::NotMade(why),
        _ if error.is_connect() => Failure::Unreachable(why),
        _ if error.is_timeout() => Failure::Timeout(why),
        _ => Failure::Lost(why),
    }
}

/// What lies at the bottom of an error.
fn told(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    super::one_line(&innermost.to_string())
}
