//! Tencent Cloud's short messages (`cloud.tencent.com/document/api/382`, `SendSms` 2021-01-11).

use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::super::phone::{self, Carrier};
use crate::http::{Address, Answer, Call};
use crate::outcome::{Outcome, Reason, by_status, unreadable};
use crate::secret::Source;
use crate::settings::{Pairs, Settings};
use crate::sign;
use crate::text::{Filler, Language};

/// As it is signed.
const MEDIA_TYPE: &str = "application/json; charset=utf-8";

#[derive(Debug)]
pub(super) struct Tencent {
    api: Address,
    region: String,
    secret_id: String,
    secret_key: Source,
    sdk_app_id: String,
    sign_name: Option<String>,
    template_id: String,
    variables: Pairs,
}

impl Tencent {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(Tencent {
            api: settings.url("api_url", "https://sms.tencentcloudapi.com")?,
            region: settings.option("region")?.unwrap_or_else(|| "ap-guangzhou".to_owned()),
            secret_id: settings.needed("secret_id")?,
            secret_key: settings.secret("secret_key")?,
            sdk_app_id: settings.needed("sdk_app_id")?,
            sign_name: settings.option("sign_name")?,
            template_id: settings.needed("template_id")?,
            variables: phone::variables(settings, true)?,
        }))
    }
}

impl Carrier for Tencent {
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String> {
        let key = self.secret_key.read()?;
        let at_s = filler.message.at_ms.div_euclid(1000);
        let variables: Vec<String> =
            self.variables.iter().map(|(_, text)| phone::variable(text, filler)).collect();
        let country = if to.starts_with('+') { "" } else { "+86" };
        let mut body = json!({
            "PhoneNumberSet": [format!("{country}{to}")],
            "SmsSdkAppId": self.sdk_app_id,
            "TemplateId": self.template_id,
            "TemplateParamSet": variables,
        });
        if let Some(name) = &self.sign_name {
            body["SignName"] = (&**name).into();
        }
        let call = Call::json(self.api.clone(), &body);
        let host = self.api.authority();
        let signed = [("content-type", MEDIA_TYPE), ("host", &*host)];
        let credentials = (&*self.secret_id, key.reveal());
        let signature = sign::tencent(credentials, "sms", at_s, &signed, &call.body);
        let language = if filler.language == Language::Chinese { "zh-CN" } else { "en-US" };
        call.header("content-type", MEDIA_TYPE)?
            .header("x-tc-action", "SendSms")?
            .header("x-tc-version", "2021-01-11")?
            .header("x-tc-timestamp", &at_s.to_string())?
            .header("x-tc-region", &self.region)?
            .header("x-tc-language", language)?
            .hiding(key)
            .secret_header(AUTHORIZATION, &signature)
    }

    /// The message has gone when the code of each number says so.
    fn judge(&self, answer: &Answer) -> Outcome {
        let response = answer.json().map(|mut body| body["Response"].take()).unwrap_or_default();
        if let Some(code) = response["Error"]["Code"].as_str() {
            return refused(code, answer);
        }
        let statuses = response["SendStatusSet"].as_array().filter(|statuses| !statuses.is_empty());
        let Some(statuses) = statuses else {
            return by_status(answer).unwrap_or_else(|| unreadable(answer));
        };
        let code = |status: &Value| status["Code"].as_str().unwrap_or_default().to_owned();
        match statuses.iter().map(code).find(|code| code != "Ok") {
            Some(code) => refused(&code, answer),
            None => Outcome::Delivered { id: statuses[0]["SerialNo"].as_str().map(str::to_owned) },
        }
    }
}

fn refused(code: &str, answer: &Answer) -> Outcome {
    let detail = answer.told();
    match code {
        // Limits that hold for seconds; those for an hour or a day are for another channel.
        "LimitExceeded.DeliveryFrequencyLimit" | "LimitExceeded.PhoneNumberThirtySecondLimit" => {
            Outcome::Retry { after: answer.retry_after, reason: Reason::RateLimited, detail }
        }
        _ if code.starts_with("RequestLimitExceeded") => {
            Outcome::Retry { after: answer.retry_after, reason: Reason::RateLimited, detail }
        }
        _ if code.starts_with("LimitExceeded") => Outcome::failed(Reason::RateLimited, detail),
        _ if code.starts_with("InternalError") => Outcome::retry(Reason::Server, detail),
        _ if code.starts_with("AuthFailure") || code.starts_with("UnauthorizedOperation") => {
            Outcome::failed(Reason::Auth, detail)
        }
        _ if code.ends_with("ContentLengthLimit") => Outcome::failed(Reason::TooLarge, detail),
        "FailedOperation.InsufficientBalanceInSmsPackage"
        | "FailedOperation.PhoneNumberInBlacklist"
        | "FailedOperation.ContainSensitiveWord" => Outcome::failed(Reason::Blocked, detail),
        _ => Outcome::failed(Reason::BadRequest, detail),
    }
}
