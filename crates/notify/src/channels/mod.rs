//! The channels, a folder for each.

mod aliyun;
mod dingtalk;
mod discord;
pub(crate) mod email;
mod feishu;
mod msteamsv2;
mod opsgenie;
mod pagerduty;
mod robot;
mod slack;
mod sms;
mod telegram;
mod twilio;
mod voice;
mod webhook;
mod wecom;

use ring::digest::{SHA256, digest};

use crate::channel::{Kind, Message};

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    webhook::KIND,
    slack::KIND,
    dingtalk::KIND,
    feishu::KIND,
    wecom::KIND,
    email::KIND,
    telegram::KIND,
    discord::KIND,
    sms::KIND,
    voice::KIND,
    msteamsv2::KIND,
    pagerduty::KIND,
    opsgenie::KIND,
];

/// The identity of a group at vendors that keep incidents, as Alertmanager has it (`notify.Key.Hash`).
fn group_hash(message: &Message<'_>) -> String {
    let key = message.notices.first().map_or("", |notice| &*notice.group_key);
    digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers of telephones: digits, with `+` before them where the country is.
fn check_numbers(numbers: &[String]) -> Result<(), String> {
    let is_number = |number: &&String| {
        let digits = number.strip_prefix('+').unwrap_or(number);
        (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match numbers.iter().find(|number| !is_number(number)) {
        _ if numbers.is_empty() => Err("`to` is missing".to_owned()),
        Some(number) => Err(format!("`to`: {number:?} is no number of a telephone")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
