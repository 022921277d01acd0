//! Which worker thread this is, so that each counts on a shard of its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Number of this thread, in the order in which threads first asked.
pub fn index() -> usize {
    INDEX.with(|index| {
        index.get().unwrap_or_else(|| {
            let fresh = NEXT.fetch_add(1, Relaxed);
            index.set(Some(fresh));
            fresh
        })
    })
}
