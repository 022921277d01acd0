//! Telephone calls by Twilio and Aliyun: a call and an outcome for each number. One that may have gone through is not
//! repeated; one of Twilio's that is still queued can be taken back. That it was answered says nothing about who heard it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{aliyun, twilio};
use crate::channel::{Context, Kind, Made, Message, Rate, Read, Traits, Vendor, settings};
use crate::http::{Answer, Call, HttpSettings, Written, one_line};
use crate::outcome::Outcome;
use crate::secret::Secret;
use crate::text::{Format, Language, Limit, Text, Texts, spoken};

pub(super) const KIND: Kind = Kind { name: "voice", globals: &[], read: Read::Http(read) };

/// Not to wake anybody for nothing (GoAlert's limits for one contact).
const TRAITS: Traits = Traits {
    rates: &[
        Rate { count: 3, per: Duration::from_secs(15 * 60) },
        Rate { count: 7, per: Duration::from_secs(60 * 60) },
    ],
    has_digests: true,
    is_costly: true,
};

/// Nobody listens to more.
const TEXT_MAX: Limit = Limit::chars(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    http_config: Written,
    provider: String,
    api_url: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    language: Option<Language>,
    text: Option<String>,
    from: Option<String>,
    account_sid: Option<String>,
    api_key: Option<String>,
    auth_token: Option<Secret>,
    auth_token_file: Option<PathBuf>,
    access_key_id: Option<String>,
    access_key_secret: Option<Secret>,
    access_key_secret_file: Option<PathBuf>,
    tts_code: Option<String>,
    #[serde(default)]
    template_params: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Voice {
    to: String,
    texts: Arc<Texts>,
    language: Language,
    provider: Arc<Provider>,
}

#[derive(Debug)]
enum Provider {
    Twilio {
        account: twilio::Account,
        from: String,
        text: Option<Text>,
    },
    /// `from` is the number that is shown, where one was bought.
    Aliyun {
        account: aliyun::Account,
        from: Option<String>,
        tts_code: String,
    },
}

fn read(written: serde_json::Value, context: &Context) -> Result<Vec<Made>, String> {
    let mut written: Settings = settings(written)?;
    let to = std::mem::take(&mut written.to);
    super::check_numbers(&to)?;
    let http = HttpSettings::read(std::mem::take(&mut written.http_config), &context.directory)?;
    let language = written.language.unwrap_or(context.texts.language());
    let provider = Arc::new(Provider::read(written, context)?);
    let made = to.into_iter().map(|to| Made {
        vendor: Box::new(Voice { to, texts: context.texts.clone(), language, provider: provider.clone() }),
        traits: TRAITS,
        http: http.clone(),
        timeout: None,
        sends_resolved: false,
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
                from: written.from.ok_or("`from` is missing")?,
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
                    account: aliyun::Account::read(account, "https://dyvmsapi.aliyuncs.com", context)?,
                    from: written.from,
                    tts_code: written.tts_code.ok_or("`tts_code` is missing")?,
                })
            }
            other => Err(format!("`provider` is twilio or aliyun, not {other:?}")),
        }
    }
}

impl Vendor for Voice {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        match &*self.provider {
            Provider::Twilio { account, from, text } => {
                let own = text.as_ref();
                let own = own.and_then(|text| self.texts.expand(text, message, self.language, Format::Plain));
                let text = own.unwrap_or_else(|| spoken(message.notices, self.language));
                let text = Format::Html.escape(&TEXT_MAX.cut(&one_line(&text)));
                let language = if self.language == Language::Chinese { "zh-CN" } else { "en-US" };
                let twiml =
                    format!("<Response><Say language=\"{language}\" loop=\"2\">{text}</Say></Response>");
                account.call(&["Calls.json"], &[("To", &self.to), ("From", from), ("Twiml", &twiml)])
            }
            Provider::Aliyun { account, from, tts_code } => {
                let variables = account.variables(message, &self.texts, self.language);
                let mut own = vec![
                    ("Action", "SingleCallByTts"),
                    ("CalledNumber", &*self.to),
                    ("TtsCode", tts_code),
                    ("TtsParam", &variables),
                    ("PlayTimes", "2"),
                ];
                own.extend(from.as_deref().map(|from| ("CalledShowNumber", from)));
                account.call(message, &own)
            }
        }
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        match &*self.provider {
            Provider::Twilio { .. } => twilio::judge(answer),
            Provider::Aliyun { .. } => aliyun::judge(answer, "CallId"),
        }
    }

    fn withdraw(&self, id: &str) -> Option<Result<Call, String>> {
        match &*self.provider {
            Provider::Twilio { account, .. } => {
                Some(account.call(&["Calls", &format!("{id}.json")], &[("Status", "canceled")]))
            }
            Provider::Aliyun { .. } => None,
        }
    }
}
