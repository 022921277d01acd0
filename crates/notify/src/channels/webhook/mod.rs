//! Generic webhook: the body of Alertmanager's webhook, version 4 (`notify/webhook/webhook.go`), optionally signed as
//! Standard Webhooks has it, and optionally with an answer that has to say more than 2xx.

use std::collections::BTreeMap;

use alert::notice::{Notice, NoticeAlert};
use model::series::Labels;
use serde::Serialize;

use crate::channel::{Kind, Message, Rate, Read, Traits, Vendor, Vendors};
use crate::http::{Answer, Call};
use crate::outcome::{Outcome, Reason, by_status};
use crate::secret::Source;
use crate::settings::{SecretUrl, Settings};
use crate::sign;
use crate::text::rfc3339;

pub(super) const KIND: Kind = Kind {
    name: "webhook",
    globals: &[],
    traits: Traits { rates: &[Rate::per_second(50)], has_digests: false, is_costly: false },
    tells_end: true,
    read: Read::Http(read),
};

#[derive(Debug)]
struct Webhook {
    url: SecretUrl,
    /// 0 for all.
    max_alerts: usize,
    secret: Option<Source>,
    /// Values that the body must have, by the dotted way to each.
    expect: BTreeMap<String, serde_json::Value>,
}

fn read(settings: &mut Settings<'_>) -> Result<Vendors, String> {
    Ok(vec![Box::new(Webhook {
        url: settings.secret_url("url")?,
        max_alerts: settings.value("max_alerts")?,
        secret: settings.secret_if("secret")?,
        expect: settings.value("expect")?,
    })])
}

impl Vendor for Webhook {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let [notice] = message.notices else { return Err("a webhook tells of one group".to_owned()) };
        let call = Call::json(self.url.read()?, &Body::new(notice, self.max_alerts));
        let Some(secret) = &self.secret else { return Ok(call) };
        let secret = secret.read()?;
        let at_s = message.at_ms.div_euclid(1000);
        let signature = sign::standard_webhooks(secret.reveal(), message.id, at_s, &call.body);
        call.header("webhook-id", message.id)?
            .header("webhook-timestamp", &at_s.to_string())?
            .header("webhook-signature", &signature)
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        if let Some(outcome) = by_status(answer) {
            return outcome;
        }
        let body = answer.json().unwrap_or_default();
        for (way, expected) in &self.expect {
            let found = way.split('.').try_fold(&body, |value, key| value.get(key));
            if found != Some(expected) {
                let why = format!("the answer does not say {way} = {expected}: {}", answer.told());
                return Outcome::retry(Reason::Unknown, why);
            }
        }
        Outcome::delivered()
    }
}

/// As Alertmanager's, in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    group_labels: Pairs<'a>,
    common_labels: Pairs<'a>,
    common_annotations: Pairs<'a>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

type Pairs<'a> = BTreeMap<std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>>;

impl<'a> Body<'a> {
    fn new(notice: &'a Notice, max_alerts: usize) -> Body<'a> {
        let count = notice.alerts.len();
        let shown = if max_alerts == 0 { count } else { count.min(max_alerts) };
        let annotations = notice.common_annotations();
        Body {
            receiver: &notice.receiver,
            status: notice.status(),
            alerts: notice.alerts[..shown].iter().map(Alert::new).collect(),
            group_labels: labels(&notice.group_labels),
            common_labels: owned(&notice.common_labels()),
            common_annotations: annotations
                .into_iter()
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
            external_url: &notice.external_url,
            version: "4",
            group_key: notice.shown_key(),
            truncated_alerts: count - shown,
        }
    }
}

impl<'a> Alert<'a> {
    fn new(alert: &'a NoticeAlert) -> Alert<'a> {
        // The end of an alert that fires is not known: a time to come is only when it shall be taken for ended.
        let ends_at_ms = if alert.is_resolved { alert.ends_at_ms } else { 0 };
        let annotations = alert.annotations.iter();
        Alert {
            status: alert.status(),
            labels: labels(&alert.labels),
            annotations: annotations.map(|(name, text)| ((&**name).into(), (&**text).into())).collect(),
            starts_at: rfc3339(alert.starts_at_ms),
            ends_at: rfc3339(ends_at_ms),
            generator_url: &alert.generator_url,
            fingerprint: format!("{:016x}", alert.fingerprint()),
        }
    }
}

fn labels(labels: &Labels) -> Pairs<'_> {
    labels.iter().map(|(name, value)| ((&**name).into(), (&**value).into())).collect()
}

fn owned<'a>(labels: &Labels) -> Pairs<'a> {
    labels.iter().map(|(name, value)| (name.to_string().into(), value.to_string().into())).collect()
}
