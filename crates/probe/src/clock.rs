//! The one source of time of this shell.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use model::{Moment, WallTime};

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic time since the first call in this process.
pub fn now() -> Moment {
    Moment(u64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Wall-clock time.
pub fn wall() -> WallTime {
    SystemTime::now().into()
}
