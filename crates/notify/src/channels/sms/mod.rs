//! Short messages by Twilio, Aliyun and Tencent Cloud. One that may have gone through is not repeated.

mod tencent;

use std::sync::Arc;
use std::time::Duration;

use super::phone::{self, Carrier};
use super::{aliyun, twilio};
use crate::channel::{Kind, Rate, Read, Traits};
use crate::http::{Answer, Call};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::text::{Filler, Limit, Text};

pub(super) const KIND: Kind = Kind {
    name: "sms",
    globals: &[],
    // Not to wake anybody for nothing (GoAlert's limits for one contact).
    traits: Traits {
        rates: &[
            Rate { count: 5, per: Duration::from_secs(15 * 60) },
            Rate { count: 11, per: Duration::from_secs(60 * 60) },
        ],
        has_digests: true,
        is_costly: true,
    },
    tells_end: false,
    read: Read::Http(|settings| {
        phone::read(
            settings,
            &[("twilio", Twilio::read), ("aliyun", Aliyun::read), ("tencent", tencent::Tencent::read)],
        )
    }),
};

/// Two parts of a message in GSM's letters, or five in others.
const TEXT_MAX: Limit = Limit::chars(306);

#[derive(Debug)]
struct Twilio {
    account: twilio::Account,
    /// The parameter that says who sends, and its value.
    sender: (&'static str, String),
    text: Option<Text>,
}

impl Twilio {
    fn read(settings: &mut Settings<'_>) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(Twilio {
            account: twilio::Account::read(settings)?,
            sender: match (settings.option("from")?, settings.option("messaging_service_sid")?) {
                (Some(from), None) => ("From", from),
                (None, Some(sid)) => ("MessagingServiceSid", sid),
                _ => return Err("give one of `from` and `messaging_service_sid`".to_owned()),
            },
            text: settings.text("text")?,
        }))
    }
}

impl Carrier for Twilio {
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String> {
        let text = filler.fill_if(self.text.as_ref()).unwrap_or_else(|| filler.document().title);
        let (key, sender) = &self.sender;
        let fields = [("To", to), (*key, &**sender), ("Body", &*TEXT_MAX.cut(&text))];
        self.account.call(&["Messages.json"], &fields)
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        twilio::judge(answer)
    }
}

#[derive(Debug)]
struct Aliyun {
    account: aliyun::Account,
    sign_name: String,
    template_code: String,
}

impl Aliyun {
    fn read(settings: &mut Settings<'_>) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(Aliyun {
            account: aliyun::Account::read(settings, "https://dysmsapi.aliyuncs.com")?,
            sign_name: settings.needed("sign_name")?,
            template_code: settings.needed("template_code")?,
        }))
    }
}

impl Carrier for Aliyun {
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String> {
        let parameters = [
            ("PhoneNumbers", to),
            ("SignName", &*self.sign_name),
            ("TemplateCode", &*self.template_code),
            ("TemplateParam", &*self.account.variables(filler)),
        ];
        self.account.call("SendSms", &parameters, filler.message)
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        aliyun::judge(answer, "BizId")
    }
}
