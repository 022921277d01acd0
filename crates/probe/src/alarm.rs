//! Waking at a moment, more precisely than the runtime's timer wheel, whose ticks are whole milliseconds.

use std::io;

use model::Moment;

#[cfg(target_os = "linux")]
pub use linux::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use super::{Moment, io};
    use crate::clock;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::AsyncReadExt as _;
    use tokio::net::unix::pipe::Receiver;

    /// One timer (timerfd_create(2)).
    #[derive(Debug)]
    pub struct Alarm {
        /// To the runtime, something to read from.
        timer: Receiver,
    }

    impl Alarm {
        /// A timer that is not set.
        ///
        /// # Errors
        /// No file is left.
        pub fn new() -> io::Result<Alarm> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Alarm { timer: Receiver::from_owned_fd_unchecked(timer)? })
        }

        /// Waits until `at`; not at all when that has passed.
        ///
        /// # Errors
        /// The kernel refuses, which no timer of ours has given it a reason for.
        pub async fn wait_until(&mut self, at: Moment) -> io::Result<()> {
            let ahead = at.since(clock::now());
            if ahead.is_zero() {
                return Ok(());
            }
            let it_value = Timespec {
                tv_sec: i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: ahead.subsec_nanos().into(),
            };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            // A count of eight bytes; since the room is larger, the runtime knows that nothing is left to read.
            let mut expirations = [0; 16];
            self.timer.read(&mut expirations).await.map(drop)
        }
    }
}

/// The runtime's own timer, to the millisecond.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// A timer that is not set.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Alarm> {
        Ok(Alarm)
    }

    /// Waits until `at`.
    ///
    /// # Errors
    /// None here.
    pub async fn wait_until(&mut self, at: Moment) -> io::Result<()> {
        tokio::time::sleep(at.since(crate::clock::now())).await;
        Ok(())
    }
}
