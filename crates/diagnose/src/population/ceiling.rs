//! A ceiling: attempts fail while a number of connections is open, and others take the places of those that go.

use model::WallTime;
use model::record::CloseRecord;

use super::{ENDS_MIN, Population};

/// Least number of connections that is called a ceiling.
const LEVEL_MIN: f64 = 4.0;
/// Greatest variance of the number that is open, over its mean. Where each attempt fails or not by itself, the number of
/// those that are open varies about as much as its mean (Poisson); a ceiling holds it.
const DISPERSION_MAX: f64 = 0.1;

/// The number of connections above which further ones are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Connections that were open when one was refused, the median.
    pub connections: usize,
    /// Attempts that were let in after the first one was refused.
    pub let_in: usize,
}

impl Population<'_> {
    /// The ceiling at which these attempts failed; none when the number of connections does not explain them.
    pub fn ceiling(&self, failed: &[&CloseRecord]) -> Option<Ceiling> {
        let first = failed.iter().map(|record| record.opened_at).min()?;
        let ended = || self.ends.iter().chain(&self.orderly);
        let open = self.open.iter().map(|open| open.opened_at);
        let mut opened: Vec<WallTime> = ended().map(|record| record.opened_at).chain(open).collect();
        let mut closed: Vec<WallTime> = ended().map(|record| record.closed_at).collect();
        opened.sort_unstable();
        closed.sort_unstable();
        let level = |at: WallTime| {
            let before = |times: &[WallTime]| times.partition_point(|time| *time < at);
            before(&opened).saturating_sub(before(&closed))
        };
        let mut levels: Vec<usize> = failed.iter().map(|record| level(record.opened_at)).collect();
        levels.sort_unstable();
        let connections = levels[levels.len() / 2];
        let let_in = opened.iter().filter(|at| **at > first).count();
        // A number that does not change for want of coming and going is no ceiling.
        let has_turned_over = let_in >= connections.max(ENDS_MIN);
        let (mean, variance) = moments(&levels);
        let is_held = mean >= LEVEL_MIN && variance <= DISPERSION_MAX * mean;
        let is_whole = self.weight <= 1.0;
        (is_whole && has_turned_over && is_held && self.are_let_in_at_times(failed))
            .then_some(Ceiling { connections, let_in })
    }

    /// Whether most of those who fail are, as far as can be told, not others than those who are let in.
    fn are_let_in_at_times(&self, failed: &[&CloseRecord]) -> bool {
        let ended =
            self.ends.iter().chain(&self.orderly).map(|record| (record.client.ip, &record.user_agent));
        let open = self.open.iter().map(|open| (open.client.ip, &open.user_agent));
        let known: std::collections::BTreeSet<_> = ended.chain(open).collect();
        let both = failed.iter().filter(|record| known.contains(&(record.client.ip, &record.user_agent)));
        both.count() * 2 > failed.len()
    }
}

fn moments(values: &[usize]) -> (f64, f64) {
    let of =
        |value: fn(f64) -> f64| values.iter().map(|n| value(*n as f64)).sum::<f64>() / values.len() as f64;
    let mean = of(|value| value);
    (mean, of(|value| value * value) - mean * mean)
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Place};
    use model::{HandshakeResult, Leg};

    use crate::population::tests::{Made, NOW, at, end, random, told_of};

    const LIMIT: &str = "edge-rate-limit-or-ban";

    fn refused(number: u64, when: f64, status: u16) -> Made {
        end(number).with(|record| {
            record.handshake.result = HandshakeResult::ServerError;
            record.handshake.status = Some(status);
            record.opened_at = at(NOW - when);
            record.closed_at = record.opened_at;
            (record.duration_seconds, record.initiator) = (0.0, None);
            record.client.ip = [10, 0, 0, 1].into();
        })
    }

    /// Twenty places that are taken again a moment after somebody goes, for two hundred seconds.
    fn served(gap: impl Fn(u64) -> f64) -> Vec<Made> {
        let visit = |place: u64, turn: u64| {
            let ago = 200.0 - 20.0 * turn as f64 - place as f64;
            let number = place * 10 + turn;
            let made = end(number).lived(ago - 20.0 + gap(number), 20.0 - gap(number), 1.0);
            made.close(Leg::Client, 1000).with(|record| record.client.ip = [10, 0, 0, 1].into())
        };
        (0..20).flat_map(|place| (0..8).map(move |turn| visit(place, turn))).collect()
    }

    fn attempts(status: u16) -> impl Iterator<Item = Made> {
        (0..80).map(move |number| refused(5000 + number, 170.0 - number as f64, status))
    }

    #[test]
    fn further_connections_are_refused_while_so_many_are_open() {
        let told = |id, status| told_of(id, served(|_| 0.05).into_iter().chain(attempts(status)));
        assert_eq!(told(LIMIT, 503), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told("fd-limit-proxy", 500), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told(LIMIT, 500).or(told("fd-limit-proxy", 503)), None);
    }

    #[test]
    fn what_fails_at_any_number_has_no_ceiling() {
        let comes_and_goes = served(|number| 19.0 * random(number)).into_iter();
        assert_eq!(told_of(LIMIT, comes_and_goes.chain(attempts(503))), None);
    }

    #[test]
    fn who_is_never_let_in_is_refused_for_another_reason() {
        let others = attempts(503).map(|made| made.with(|record| record.client.ip = [10, 9, 9, 9].into()));
        assert_eq!(told_of(LIMIT, served(|_| 0.05).into_iter().chain(others)), None);
    }

    #[test]
    fn a_service_that_lets_nobody_in_any_more_has_no_ceiling() {
        let before = (0..20).map(|number| {
            let made = end(number).lived(1.0 + 0.1 * random(number), 189.0, 1.0).close(Leg::Client, 1000);
            made.with(|record| record.client.ip = [10, 0, 0, 1].into())
        });
        assert_eq!(told_of(LIMIT, before.chain(attempts(503))), None);
    }
}
