//! The one source of time of this shell. Pure rooms get their time from here.

use std::sync::LazyLock;
use std::time::SystemTime;

use model::{Moment, WallTime};
use rustix::time::{ClockId, Timespec, clock_gettime};

static ORIGIN: LazyLock<u64> = LazyLock::new(monotonic);

/// Monotonic time since the first call in this process.
pub fn now() -> Moment {
    let origin = *ORIGIN;
    Moment(monotonic() - origin)
}

/// Nanoseconds on the clock that [`std::time::Instant`] has too (clock_gettime(2)), without its arithmetic: every message
/// asks twice.
fn monotonic() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    (tv_sec * 1_000_000_000 + tv_nsec).cast_unsigned()
}

/// Wall-clock time.
pub fn wall() -> WallTime {
    SystemTime::now().into()
}

/// Wall-clock time of a moment of the past, by its distance from now.
pub fn wall_of(moment: Moment) -> WallTime {
    let ago = now().since(moment).as_nanos();
    WallTime(wall().0.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX)))
}
