//! Observers that cannot hurt what they look at: one that panics is not asked again, and the bytes go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static FAILED: AtomicU64 = AtomicU64::new(0);

/// Observers of this process that have panicked.
pub fn failed() -> u64 {
    FAILED.load(Relaxed)
}

/// An observer of one stream of bytes, until it panics.
#[derive(Debug)]
pub struct Guarded<O>(Option<O>);

impl<O> Guarded<O> {
    /// Guards `observer`.
    pub fn new(observer: O) -> Guarded<O> {
        Guarded(Some(observer))
    }

    /// Shows bytes to the observer by `look`. False when this look has panicked.
    pub fn look(&mut self, bytes: &[u8], look: impl FnOnce(&mut O, &[u8])) -> bool {
        let Some(observer) = &mut self.0 else { return true };
        let seen = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            tests::panic_at(bytes);
            look(observer, bytes);
        }));
        if seen.is_err() {
            self.0 = None;
            FAILED.fetch_add(1, Relaxed);
            tracing::error!(
                "an observer has panicked: its connection goes on unobserved; please report this"
            );
        }
        seen.is_ok()
    }

    /// The observer, while it works.
    pub fn get_mut(&mut self) -> Option<&mut O> {
        self.0.as_mut()
    }

    /// The observer, while it works.
    pub fn get(&self) -> Option<&O> {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests;
