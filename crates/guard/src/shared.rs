//! Limits that several gateways hold together: what is asked of the one who counts for all, and what it answers.
//!
//! Each opening asks for all its limits at once and waits for one answer. Who is asked has a time limit of its own, so
//! that an answer always comes; when it cannot know, the operator's choice ([`OnFailure`]) decides.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One limit that an opening must pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The limit, the same on all gateways that hold it together.
    pub name: Arc<str>,
    /// What it limits, and to how much.
    pub kind: Kind,
    /// It is of one client. There are many of them, so what is held of each is told less often, and believed for longer.
    pub is_of_client: bool,
}

/// What a shared limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is open at the same time on all gateways.
    Ceiling {
        /// How many may be.
        max: u32,
    },
    /// What is opened in the course of time on all gateways.
    Bucket {
        /// How many at once, and as many again in each `interval`.
        tokens: u32,
        /// In which an empty bucket fills.
        interval: Duration,
    },
}

/// Whether an opening may go on.
#[derive(Debug)]
pub enum Answer {
    /// All limits have room. Of each ceiling one place is taken until [`Held`] is dropped.
    Granted(Held),
    /// One has none; nothing was taken of any.
    Refused {
        /// Its place among those that were asked for.
        which: usize,
        /// When a bucket has a token again; nobody knows it of a ceiling.
        retry_after: Option<Duration>,
    },
    /// Nobody answered in time. There is a place where the choice is to let in.
    Unknown(Option<Held>),
}

/// Places that one opening has taken; dropping it gives them back.
pub struct Held(#[expect(dead_code, reason = "lives until it is dropped")] Box<dyn Send + Sync>);

impl Held {
    /// Of a value whose end gives the places back.
    pub fn new(places: impl Send + Sync + 'static) -> Held {
        Held(Box::new(places))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// An answer that is under way. Dropped before it came, nothing stays taken.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who counts for all gateways.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Asks for the limits of one opening, all or none of which it passes. Needs no particular runtime.
    fn ask(&self, asks: Vec<Ask>) -> Answering;
}

/// What becomes of openings while nobody answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are let in, within the limits that each gateway holds by itself.
    #[default]
    Open,
    /// They are refused.
    Closed,
}
