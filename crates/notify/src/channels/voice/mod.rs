//! Telephone calls by Twilio and Aliyun. One that may have gone through is not repeated; one of Twilio's that is still
//! queued can be taken back. That it was answered says nothing about who heard it.

use std::sync::Arc;
use std::time::Duration;

use super::phone::{self, Carrier};
use super::{aliyun, twilio};
use crate::channel::{Kind, Rate, Read, Traits};
use crate::http::{Answer, Call, one_line};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::text::{Filler, Format, Language, Limit, Text, spoken};

pub(super) const KIND: Kind = Kind {
    name: "voice",
    globals: &[],
    // Not to wake anybody for nothing (GoAlert's limits for one contact).
    traits: Traits {
        rates: &[
            Rate { count: 3, per: Duration::from_secs(15 * 60) },
            Rate { count: 7, per: Duration::from_secs(60 * 60) },
        ],
        has_digests: true,
        is_costly: true,
    },
    tells_end: false,
    read: Read::Http(|settings| phone::read(settings, &[("twilio", Twilio::read), ("aliyun", Aliyun::read)])),
};

/// Nobody listens to more.
const TEXT_MAX: Limit = Limit::chars(300);

#[derive(Debug)]
struct Twilio {
    account: twilio::Account,
    from: String,
    text: Option<Text>,
}

impl Twilio {
    fn read(settings: &mut Settings<'_>) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(Twilio {
            account: twilio::Account::read(settings)?,
            from: settings.needed("from")?,
            text: settings.text("text")?,
        }))
    }
}

impl Carrier for Twilio {
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String> {
        let text = filler.fill_if(self.text.as_ref());
        let text = text.unwrap_or_else(|| spoken(filler.message.notices, filler.language));
        let text = Format::Html.escape(&TEXT_MAX.cut(&one_line(&text)));
        let language = if filler.language == Language::Chinese { "zh-CN" } else { "en-US" };
        let twiml = format!("<Response><Say language=\"{language}\" loop=\"2\">{text}</Say></Response>");
        self.account.call(&["Calls.json"], &[("To", to), ("From", &self.from), ("Twiml", &twiml)])
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        twilio::judge(answer)
    }

    fn withdraw(&self, id: &str) -> Option<Result<Call, String>> {
        Some(self.account.call(&["Calls", &format!("{id}.json")], &[("Status", "canceled")]))
    }
}

#[derive(Debug)]
struct Aliyun {
    account: aliyun::Account,
    /// The number that is shown, where one was bought.
    from: Option<String>,
    tts_code: String,
}

impl Aliyun {
    fn read(settings: &mut Settings<'_>) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(Aliyun {
            account: aliyun::Account::read(settings, "https://dyvmsapi.aliyuncs.com")?,
            from: settings.option("from")?,
            tts_code: settings.needed("tts_code")?,
        }))
    }
}

impl Carrier for Aliyun {
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String> {
        let variables = self.account.variables(filler);
        let mut parameters = vec![
            ("CalledNumber", to),
            ("TtsCode", &*self.tts_code),
            ("TtsParam", &*variables),
            ("PlayTimes", "2"),
        ];
        parameters.extend(self.from.as_deref().map(|from| ("CalledShowNumber", from)));
        self.account.call("SingleCallByTts", &parameters, filler.message)
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        aliyun::judge(answer, "CallId")
    }
}
