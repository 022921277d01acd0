//! Slowing down guesses: after a few wrong tokens an address has to wait, each time twice as long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong tokens after which an address has to wait.
const PATIENCE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// An address is forgotten when it has been good for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);
/// Addresses remembered; when full, the one whose last failure is oldest gives way.
const REMEMBERED: usize = 1024;

/// Failures by address.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: HashMap<IpAddr, Failures>,
}

struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(&self) -> Duration {
        match self.count.checked_sub(PATIENCE) {
            None => Duration::ZERO,
            Some(doublings) => (FIRST_WAIT * (1 << doublings.min(16))).min(LONGEST_WAIT),
        }
    }
}

impl Backoff {
    /// How long `address` still has to wait; none when it may try now.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.failures.get(&whole_site(address))?;
        let left = (failures.last + failures.wait()).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// A wrong token came from `address`.
    pub(crate) fn failed(&mut self, address: IpAddr, now: Instant) {
        let address = whole_site(address);
        if !self.failures.contains_key(&address) {
            self.make_room(now);
        }
        let failures = self.failures.entry(address).or_insert(Failures { count: 0, last: now });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// The right token came from `address`.
    pub(crate) fn succeeded(&mut self, address: IpAddr) {
        self.failures.remove(&whole_site(address));
    }

    fn make_room(&mut self, now: Instant) {
        self.failures.retain(|_, failures| now.saturating_duration_since(failures.last) < FORGOTTEN_AFTER);
        if self.failures.len() < REMEMBERED {
            return;
        }
        let oldest = self.failures.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(address) = oldest.map(|(&address, _)| address) {
            self.failures.remove(&address);
        }
    }
}

/// Whoever has one IPv6 address has the 2^64 beside it too.
fn whole_site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let (mut backoff, guesser, start) = (Backoff::default(), address("192.0.2.1"), Instant::now());
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                backoff.failed(guesser, start);
                backoff.wait(guesser, start).unwrap_or_default().as_secs()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.wait(guesser, start + LONGEST_WAIT), None);
        assert_eq!(backoff.wait(address("192.0.2.2"), start), None);
        backoff.succeeded(guesser);
        assert_eq!(backoff.wait(guesser, start), None);
    }

    #[test]
    fn neighbours_in_a_64_bit_network_are_one() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for host in 1..=6 {
            backoff.failed(address(&format!("2001:db8::{host}")), start);
        }
        assert!(backoff.wait(address("2001:db8::99"), start).is_some());
        assert!(backoff.wait(address("2001:db8:0:1::1"), start).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for host in 0..5_000u32 {
            backoff
                .failed(IpAddr::V4((0x0a00_0000 + host).into()), start + Duration::from_millis(host.into()));
        }
        assert_eq!(backoff.failures.len(), REMEMBERED);
        assert!(backoff.failures.contains_key(&address("10.0.19.135")), "the last one is remembered");
        backoff.failed(address("192.0.2.1"), start + FORGOTTEN_AFTER * 2);
        assert_eq!(backoff.failures.len(), 1, "the others were good for long enough");
    }
}
