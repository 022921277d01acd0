//! What Twilio's messages and calls have in common (`twilio.com/docs/usage/api`).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;

use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Source;
use crate::settings::Settings;

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    api: Address,
    sid: String,
    /// Name of the key, or of the account.
    user: String,
    token: Source,
}

impl Account {
    /// # Errors
    /// Keys that are missing or cannot be read.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Account, String> {
        let sid: String = settings.needed("account_sid")?;
        if sid.is_empty() || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("`account_sid` is no identity of an account".to_owned());
        }
        Ok(Account {
            api: settings.url("api_url", "https://api.twilio.com")?,
            user: settings.option("api_key")?.unwrap_or_else(|| sid.clone()),
            sid,
            token: settings.secret("auth_token")?,
        })
    }

    /// A request to a resource of the account.
    ///
    /// # Errors
    /// The secret cannot be read.
    pub(super) fn call(&self, resource: &[&str], fields: &[(&str, &str)]) -> Result<Call, String> {
        let token = self.token.read()?;
        let address = self.api.clone().join(&["2010-04-01", "Accounts", &self.sid]).join(resource);
        let pair = BASE64_STANDARD.encode(format!("{}:{}", self.user, token.reveal()));
        Call::form(address, fields).hiding(token).secret_header(AUTHORIZATION, &format!("Basic {pair}"))
    }
}

/// 201 says that it is queued, 200 that it was changed.
pub(super) fn judge(answer: &Answer) -> Outcome {
    let body = answer.json();
    let number = |key: &str| body.as_ref().and_then(|body| body[key].as_i64());
    let detail = answer.told();
    let retry = |reason| Outcome::Retry { after: answer.retry_after, reason, detail: detail.clone() };
    match number("code") {
        Some(20429 | 21611) => return retry(Reason::RateLimited),
        Some(20003) => return Outcome::failed(Reason::Auth, detail),
        Some(21610 | 21215 | 13227 | 21408) => return Outcome::failed(Reason::Blocked, detail),
        Some(21617 | 21658 | 32018) => return Outcome::failed(Reason::TooLarge, detail),
        _ => {}
    }
    if let Some(outcome) = by_status(answer) {
        return outcome;
    }
    match body.as_ref().and_then(|body| body["sid"].as_str()) {
        Some(sid) => Outcome::Delivered { id: Some(sid.to_owned()) },
        None => unreadable(answer),
    }
}
