//! What Aliyun's messages and calls have in common: its RPC (`help.aliyun.com`, Dysmsapi and Dyvmsapi 2017-05-25).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::channel::{Context, Message};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::{Secret, Source};
use crate::sign;
use crate::text::{Format, Language, Limit, Text, Texts, rfc3339};

/// Letters of a variable.
const VARIABLE_MAX: Limit = Limit::chars(35);

/// An account, and a template whose variables are filled in.
#[derive(Debug)]
pub(super) struct Account {
    api: Address,
    key_id: String,
    key_secret: Source,
    variables: Vec<(String, Text)>,
}

/// The settings of one.
pub(super) struct Written {
    pub(super) api_url: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) key_secret: Option<Secret>,
    pub(super) key_secret_file: Option<PathBuf>,
    pub(super) variables: BTreeMap<String, String>,
}

impl Account {
    /// # Errors
    /// Keys that are missing or cannot be read.
    pub(super) fn read(written: Written, default_url: &str, context: &Context) -> Result<Account, String> {
        let Written { api_url, key_id, key_secret, key_secret_file, variables } = written;
        let api = api_url.unwrap_or_else(|| default_url.to_owned());
        let variables = variables.into_iter().map(|(name, text)| {
            if text.contains("http://") || text.contains("https://") || text.contains("ExternalURL") {
                return Err(format!("`template_params`: `{name}` has a URL, which the vendor refuses"));
            }
            let text = Text::read("template_params", &text, &context.texts)?;
            Ok((name, text))
        });
        Ok(Account {
            api: Address::parse(&api).map_err(|why| format!("`api_url` is {why}"))?,
            key_id: key_id.ok_or("`access_key_id` is missing")?,
            key_secret: Source::required(
                "access_key_secret",
                key_secret,
                key_secret_file,
                &context.directory,
            )?,
            variables: variables.collect::<Result<_, String>>()?,
        })
    }

    /// The variables as JSON. What is empty is `-`: the vendor refuses nothing.
    pub(super) fn variables(&self, message: &Message<'_>, texts: &Texts, language: Language) -> String {
        let filled = self.variables.iter().map(|(name, text)| {
            let text = texts.expand(text, message, language, Format::Plain).unwrap_or_default();
            let text = VARIABLE_MAX.cut(crate::http::one_line(&text).trim());
            (name.clone(), if text.is_empty() { "-".to_owned() } else { text })
        });
        let filled: BTreeMap<String, String> = filled.collect();
        serde_json::to_string(&filled).unwrap_or_default()
    }

    /// A signed request.
    ///
    /// # Errors
    /// The secret cannot be read.
    pub(super) fn call(&self, message: &Message<'_>, own: &[(&str, &str)]) -> Result<Call, String> {
        let secret = self.key_secret.read()?;
        let at = rfc3339(message.at_ms.div_euclid(1000) * 1000);
        let nonce = format!("{}-{:x}", message.id, message.nonce);
        let common = [
            ("AccessKeyId", &*self.key_id),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &at),
            ("Version", "2017-05-25"),
        ];
        let mut fields: Vec<(&str, &str)> = common.into_iter().chain(own.iter().copied()).collect();
        let signature = sign::aliyun_rpc(secret.reveal(), "POST", &fields);
        fields.push(("Signature", &signature));
        Ok(Call::form(self.api.clone(), &fields).hiding(secret))
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
