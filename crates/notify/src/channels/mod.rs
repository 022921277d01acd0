//! The channels, a folder for each.

mod aliyun;
mod dingtalk;
mod discord;
pub(crate) mod email;
mod feishu;
mod incident;
mod msteams;
mod msteamsv2;
mod opsgenie;
mod pagerduty;
mod phone;
mod robot;
mod slack;
mod sms;
mod telegram;
mod twilio;
mod voice;
mod webhook;
mod wechat;
mod wecom;

use crate::channel::Kind;

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    webhook::KIND,
    slack::KIND,
    dingtalk::KIND,
    feishu::KIND,
    wecom::KIND,
    wechat::KIND,
    email::KIND,
    telegram::KIND,
    discord::KIND,
    sms::KIND,
    voice::KIND,
    msteams::KIND,
    msteamsv2::KIND,
    pagerduty::KIND,
    opsgenie::KIND,
];

#[cfg(test)]
mod tests;
