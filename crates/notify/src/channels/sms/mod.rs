//! Short messages by Twilio and Aliyun: a message and an outcome for each number. One that may have gone through is not
//! repeated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{aliyun, twilio};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written};
use crate::outcome::Outcome;
use crate::secret::Secret;
use crate::text::{Document, Format, Language, Limit, Text, Texts};

pub(super) const KIND: Kind = Kind { name: "sms", globals: &[], read: Read::Http(read) };

/// Not to wake anybody for nothing (GoAlert's limits for one contact).
const TRAITS: Traits = Traits {
    rates: &[
        Rate { count: 5, per: Duration::from_secs(15 * 60) },
        Rate { count: 11, per: Duration::from_secs(60 * 60) },
    ],
    has_digests: true,
    is_costly: true,
};

/// Two parts of a message in GSM's letters, or five in others.
const TEXT_MAX: Limit = Limit::chars(306);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: Written,
    provider: String,
    api_url: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    language: Option<Language>,
    text: Option<String>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    account_sid: Option<String>,
    api_key: Option<String>,
    auth_token: Option<Secret>,
    auth_token_file: Option<PathBuf>,
    access_key_id: Option<String>,
    access_key_secret: Option<Secret>,
    access_key_secret_file: Option<PathBuf>,
    sign_name: Option<String>,
    template_code: Option<String>,
    #[serde(default)]
    template_params: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Sms {
    to: String,
    texts: Arc<Texts>,
    language: Language,
    provider: Arc<Provider>,
}

#[derive(Debug)]
enum Provider {
    /// The parameter that says who sends, and its value.
    Twilio {
        account: twilio::Account,
        sender: (&'static str, String),
        text: Option<Text>,
    },
    Aliyun {
        account: aliyun::Account,
        sign_name: String,
        template_code: String,
    },
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let mut written: Settings = settings(written)?;
    let to = std::mem::take(&mut written.to);
    super::check_numbers(&to)?;
    let http = HttpSettings::read(std::mem::take(&mut written.http_config), &context.directory)?;
    let language = written.language.unwrap_or(context.texts.language());
    let sends_resolved = written.send_resolved.unwrap_or(false);
    let provider = Arc::new(Provider::read(written, context)?);
    let made = to.into_iter().map(|to| Made {
        vendor: Box::new(Sms { to, texts: context.texts.clone(), language, provider: provider.clone() }),
        traits: TRAITS,
        http: http.clone(),
        timeout: None,
        sends_resolved,
    });
    Ok(made.collect())
}

impl Provider {
    fn read(written: Settings, context: &Context) -> Result<Provider, String> {
        match &*written.provider {
            "twilio" => Ok(Provider::Twilio {
                account: twilio::Account::read(
                    written.api_url,
                    written.account_sid,
                    written.api_key,
                    (written.auth_token, written.auth_token_file),
                    context,
                )?,
                sender: match (written.from, written.messaging_service_sid) {
                    (Some(from), None) => ("From", from),
                    (None, Some(sid)) => ("MessagingServiceSid", sid),
                    _ => return Err("give one of `from` and `messaging_service_sid`".to_owned()),
                },
                text: Text::optional("text", written.text, &context.texts)?,
            }),
            "aliyun" => {
                let account = aliyun::Written {
                    api_url: written.api_url,
                    key_id: written.access_key_id,
                    key_secret: written.access_key_secret,
                    key_secret_file: written.access_key_secret_file,
                    variables: written.template_params,
                };
                Ok(Provider::Aliyun {
                    account: aliyun::Account::read(account, "https://dysmsapi.aliyuncs.com", context)?,
                    sign_name: written.sign_name.ok_or("`sign_name` is missing")?,
                    template_code: written.template_code.ok_or("`template_code` is missing")?,
                })
            }
            other => Err(format!("`provider` is twilio or aliyun, not {other:?}")),
        }
    }
}

impl Vendor for Sms {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        match &*self.provider {
            Provider::Twilio { account, sender: (key, sender), text } => {
                let own = text.as_ref();
                let own = own.and_then(|text| self.texts.expand(text, message, self.language, Format::Plain));
                let title = || Document::new(message.notices, self.language, message.at_ms).title;
                let text = TEXT_MAX.cut(&own.unwrap_or_else(title));
                account.call(&["Messages.json"], &[("To", &self.to), (key, sender), ("Body", &text)])
            }
            Provider::Aliyun { account, sign_name, template_code } => {
                let variables = account.variables(message, &self.texts, self.language);
                let own = [
                    ("Action", "SendSms"),
                    ("PhoneNumbers", &*self.to),
                    ("SignName", sign_name),
                    ("TemplateCode", template_code),
                    ("TemplateParam", &variables),
                ];
                account.call(message, &own)
            }
        }
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        match &*self.provider {
            Provider::Twilio { .. } => twilio::judge(answer),
            Provider::Aliyun { .. } => aliyun::judge(answer, "BizId"),
        }
    }
}
