//! What comes of handing a message to a channel. There are three outcomes and no more.

use std::time::Duration;

use crate::http::Answer;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The vendor has it, by the vendor's own criterion.
    Delivered {
        /// The vendor's name for it, when there is one.
        id: Option<String>,
    },
    /// To be repeated.
    Retry {
        /// The wait that the vendor asks for.
        after: Option<Duration>,
        /// Why, in a word.
        reason: Reason,
        /// What the vendor said.
        detail: String,
    },
    /// It will not go through, however often it is repeated.
    Final {
        /// Why, in a word.
        reason: Reason,
        /// What the vendor said.
        detail: String,
    },
}

/// Why a message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Credentials or a signature are wrong or missing.
    Auth,
    /// More than the vendor takes.
    RateLimited,
    /// The vendor cannot read it, or does not know where it should go.
    BadRequest,
    /// Longer than the vendor takes.
    TooLarge,
    /// Refused by a rule: of the vendor, or ours on addresses.
    Blocked,
    /// No connection.
    Unreachable,
    /// No answer; the vendor may have it all the same.
    Timeout,
    /// The vendor is in trouble.
    Server,
    /// An answer that nobody can make sense of.
    Unknown,
}

impl Reason {
    /// As a label value.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::RateLimited => "rate_limited",
            Reason::BadRequest => "bad_request",
            Reason::TooLarge => "too_large",
            Reason::Blocked => "blocked",
            Reason::Unreachable => "unreachable",
            Reason::Timeout => "timeout",
            Reason::Server => "server",
            Reason::Unknown => "unknown",
        }
    }
}

impl Outcome {
    pub(crate) fn delivered() -> Outcome {
        Outcome::Delivered { id: None }
    }

    pub(crate) fn retry(reason: Reason, detail: impl Into<String>) -> Outcome {
        Outcome::Retry { after: None, reason, detail: detail.into() }
    }

    pub(crate) fn failed(reason: Reason, detail: impl Into<String>) -> Outcome {
        Outcome::Final { reason, detail: detail.into() }
    }

    /// The same with what is told of it changed.
    pub(crate) fn with_detail(self, change: impl FnOnce(String) -> String) -> Outcome {
        match self {
            Outcome::Delivered { id } => Outcome::Delivered { id },
            Outcome::Retry { after, reason, detail } => {
                Outcome::Retry { after, reason, detail: change(detail) }
            }
            Outcome::Final { reason, detail } => Outcome::Final { reason, detail: change(detail) },
        }
    }
}

/// What a status other than success means where a vendor says nothing else (RFC 9110, 15): none for 2xx.
pub(crate) fn by_status(answer: &Answer) -> Option<Outcome> {
    let detail = answer.told();
    let retry = |reason| Outcome::Retry { after: answer.retry_after, reason, detail: detail.clone() };
    Some(match answer.status {
        200..=299 => return None,
        300..=399 => Outcome::failed(Reason::BadRequest, format!("redirects are not followed: {detail}")),
        401 | 403 | 407 => Outcome::failed(Reason::Auth, detail),
        408 => retry(Reason::Timeout),
        413 => Outcome::failed(Reason::TooLarge, detail),
        425 => retry(Reason::Server),
        429 => retry(Reason::RateLimited),
        400..=499 => Outcome::failed(Reason::BadRequest, detail),
        500..=599 => retry(Reason::Server),
        _ => Outcome::failed(Reason::Unknown, detail),
    })
}

/// What a chat robot's answer means when its body is not what the vendor sends: something stands between, such as
/// the page of a captive portal.
pub(crate) fn unreadable(answer: &Answer) -> Outcome {
    Outcome::retry(Reason::Unknown, format!("the answer is not the vendor's: {}", answer.told()))
}
