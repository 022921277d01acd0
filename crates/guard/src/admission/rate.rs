//! Token buckets: GCRA, by `governor`, on a clock that comes in.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use model::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where time comes from.
pub trait Clock: Clone + Debug {
    /// Now.
    fn now(&self) -> Moment;
}

/// So many in a time: a bucket of `tokens` that fills again evenly, all of it in `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many may come at once; each takes a token. 1 or more.
    pub tokens: NonZeroU32,
    /// Time in which an empty bucket is full again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
}

impl Rate {
    /// Time in which one token comes back.
    fn period(self) -> Duration {
        self.interval / self.tokens.get()
    }

    /// What cannot work about it.
    pub fn problem(self) -> Option<String> {
        self.period()
            .is_zero()
            .then(|| "the interval must be longer: a token comes back in no time".to_owned())
    }

    pub(super) fn bucket<C: Clock>(self, clock: &C) -> Bucket<C> {
        let period = self.period().max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("it is longer than nothing").allow_burst(self.tokens);
        Bucket(RateLimiter::direct_with_clock(quota, Ticking(clock.clone())))
    }
}

/// A bucket in use.
#[derive(Debug)]
pub(super) struct Bucket<C: Clock>(RateLimiter<NotKeyed, InMemoryState, Ticking<C>, NoOpMiddleware<Nanos>>);

impl<C: Clock> Bucket<C> {
    /// Takes a token.
    ///
    /// # Errors
    /// There is none; the time until there is one.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let now = self.0.clock().0.now();
        self.0.check().map_err(|until| until.wait_time_from(nanos(now)))
    }
}

#[derive(Clone, Debug)]
struct Ticking<C>(C);

impl<C: Clock> governor::clock::Clock for Ticking<C> {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        nanos(self.0.now())
    }
}

fn nanos(moment: Moment) -> Nanos {
    Nanos::from(moment.0)
}
