//! The channels, a folder for each.

mod dingtalk;
mod slack;
mod webhook;

use crate::channel::Kind;

/// All of them.
pub(crate) const KINDS: &[Kind] = &[webhook::KIND, slack::KIND, dingtalk::KIND];

#[cfg(test)]
mod tests;
