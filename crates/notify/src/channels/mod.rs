//! The channels, a folder for each.

mod dingtalk;
mod discord;
pub(crate) mod email;
mod feishu;
mod robot;
mod slack;
mod telegram;
mod webhook;
mod wecom;

use crate::channel::Kind;

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
];

#[cfg(test)]
mod tests;
