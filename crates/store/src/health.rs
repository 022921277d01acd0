//! Whether something can be kept just now, and when to try again.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::StoreError;

/// Longest time between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What stands in the way of writing; told to the log when it changes.
#[derive(Debug)]
pub(crate) struct Health {
    what: &'static str,
    trouble: Mutex<Option<String>>,
}

impl Health {
    /// Well so far. `what` is what is kept, in a sentence's middle.
    pub(crate) fn new(what: &'static str) -> Health {
        Health { what, trouble: Mutex::new(None) }
    }

    /// # Errors
    /// What stands in the way.
    pub(crate) fn status(&self) -> Result<(), String> {
        match &*self.trouble.lock() {
            None => Ok(()),
            Some(trouble) => Err(format!("{} cannot be kept: {trouble}", self.what)),
        }
    }

    /// It went wrong.
    pub(crate) fn failed(&self, error: &StoreError) {
        let text = error.to_string();
        let mut trouble = self.trouble.lock();
        if trouble.as_ref() != Some(&text) {
            tracing::error!(error = %text, "{} cannot be kept", self.what);
        }
        *trouble = Some(text);
    }

    /// It went well.
    pub(crate) fn recovered(&self) {
        if self.trouble.lock().take().is_some() {
            tracing::info!("{} can be kept again", self.what);
        }
    }
}

/// When to try again: after each failure twice as late, up to a minute.
#[derive(Debug)]
pub(crate) struct Retry {
    first: Duration,
    delay: Duration,
    at: Option<Instant>,
}

impl Retry {
    /// The first failure is followed by an attempt after `first`.
    pub(crate) fn new(first: Duration) -> Retry {
        Retry { first, delay: first, at: None }
    }

    /// Whether it is time.
    pub(crate) fn is_due(&self) -> bool {
        self.at.is_none_or(|at| Instant::now() >= at)
    }

    /// It went wrong.
    pub(crate) fn failed(&mut self) {
        self.at = Some(Instant::now() + self.delay);
        self.delay = (self.delay * 2).min(RETRY_MAX);
    }

    /// It went well.
    pub(crate) fn succeeded(&mut self) {
        self.delay = self.first;
        self.at = None;
    }
}
