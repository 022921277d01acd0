//! What Aliyun's messages and calls have in common: its API, signed as version 3 of its mechanism has it
//! (`help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature`; Dysmsapi and Dyvmsapi 2017-05-25).

use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::phone;
use crate::channel::Message;
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Source;
use crate::settings::{Pairs, Settings};
use crate::sign;
use crate::text::{Filler, rfc3339};

/// An account, and a template whose variables are filled in.
#[derive(Debug)]
pub(super) struct Account {
    api: Address,
    key_id: String,
    key_secret: Source,
    variables: Pairs,
}

impl Account {
    /// # Errors
    /// Keys that are missing or cannot be read.
    pub(super) fn read(settings: &mut Settings<'_>, default_url: &str) -> Result<Account, String> {
        Ok(Account {
            api: settings.url("api_url", default_url)?,
            key_id: settings.needed("access_key_id")?,
            key_secret: settings.secret("access_key_secret")?,
            variables: phone::variables(settings, false)?,
        })
    }

    /// The variables as JSON.
    pub(super) fn variables(&self, filler: &Filler<'_>) -> String {
        let filled = |(name, text): &(String, _)| (name.clone(), phone::variable(text, filler).into());
        Value::Object(self.variables.iter().map(filled).collect::<Map<_, _>>()).to_string()
    }

    /// A signed request.
    ///
    /// # Errors
    /// The secret cannot be read.
    pub(super) fn call(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
        message: &Message<'_>,
    ) -> Result<Call, String> {
        let secret = self.key_secret.read()?;
        let mut call = Call::open(self.api.clone().with_sorted_query(parameters));
        let headers = [
            ("x-acs-action", action),
            ("x-acs-content-sha256", &*sign::sha256(&call.body)),
            ("x-acs-date", &*rfc3339(message.at_ms.div_euclid(1000) * 1000)),
            ("x-acs-signature-nonce", &*format!("{}-{:x}", message.id, message.nonce)),
            ("x-acs-version", "2017-05-25"),
        ];
        for (name, value) in headers {
            call = call.header(name, value)?;
        }
        let host = self.api.authority();
        let signed: Vec<(&str, &str)> = [("host", &*host)].into_iter().chain(headers).collect();
        let query = call.address.url().query().unwrap_or_default();
        let signature = sign::aliyun((&self.key_id, secret.reveal()), query, &signed, &call.body);
        call.hiding(secret).secret_header(AUTHORIZATION, &signature)
    }
}

/// Success is the word `OK`, whatever the status says. `id` is the key of the vendor's name for it.
pub(super) fn judge(answer: &Answer, id: &str) -> Outcome {
    let Some(body) = answer.json() else {
        return by_status(answer).unwrap_or_else(|| unreadable(answer));
    };
    let Some(code) = body["Code"].as_str() else {
        return by_status(answer).unwrap_or_else(|| unreadable(answer));
    };
    let detail = answer.told();
    match code {
        "OK" => Outcome::Delivered { id: body[id].as_str().map(str::to_owned) },
        "isp.SYSTEM_ERROR" | "isp.RAM_PERMISSION_DENY_RETRY" | "ServiceUnavailable" | "InternalError" => {
            Outcome::retry(Reason::Server, detail)
        }
        _ if code.starts_with("Throttling") => Outcome::retry(Reason::RateLimited, detail),
        // The quota of the number: another channel must tell.
        "isv.BUSINESS_LIMIT_CONTROL" | "isv.DAY_LIMIT_CONTROL" => {
            Outcome::failed(Reason::RateLimited, detail)
        }
        "isv.PARAM_LENGTH_LIMIT" => Outcome::failed(Reason::TooLarge, detail),
        "isv.OUT_OF_SERVICE" | "isv.AMOUNT_NOT_ENOUGH" | "isv.BLACK_KEY_CONTROL_LIMIT" => {
            Outcome::failed(Reason::Blocked, detail)
        }
        _ if code.starts_with("InvalidAccessKeyId")
            || code.starts_with("Signature")
            || code.starts_with("Forbidden")
            || code == "isp.RAM_PERMISSION_DENY" =>
        {
            Outcome::failed(Reason::Auth, detail)
        }
        _ if answer.status >= 500 => Outcome::retry(Reason::Server, detail),
        _ => Outcome::failed(Reason::BadRequest, detail),
    }
}
