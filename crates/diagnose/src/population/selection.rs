//! What connections that have ended have in common, said as a filter (`docs/filters.md`), so that people can list them.

use std::collections::BTreeSet;

use model::filter::{Filter, Filtered as _, NumberField, TextField, written};
use model::finding::Selection;
use model::record::CloseRecord;
use model::{ConnectionId, HandshakeResult, Word as _};

use super::{Population, network};

/// Most others that a filter may take, for each connection that is meant.
const STRANGERS_MAX: f64 = 0.1;

/// A number is characteristic when all values are within this part of the greatest.
const SPREAD_MAX: f64 = 0.2;
/// Smallest number of seconds that is characteristic.
const SECONDS_MIN: f64 = 0.1;

impl Population<'_> {
    /// A filter that takes all of these ends, of what ended between the first and the last of them; none when it would
    /// take too many others as well.
    pub fn selection(&self, ends: &[&CloseRecord]) -> Option<Selection> {
        let latest = ends.iter().map(|record| record.closed_at).max()?;
        let period = self.since(ends)..=latest;
        let meant: BTreeSet<ConnectionId> = ends.iter().map(|record| record.id).collect();
        let all = self
            .ends
            .iter()
            .chain(&self.orderly)
            .chain(&self.failed)
            .chain(&self.given_up)
            .chain(&self.refused);
        let mut strangers: Vec<&CloseRecord> = all
            .copied()
            .filter(|record| period.contains(&record.closed_at) && !meant.contains(&record.id))
            .collect();
        let route = self.route.to_string();
        let mut terms = vec![written("route", &route), written("protocol", self.protocol.as_str())];
        for text in characteristic(ends) {
            strangers = taken(&text, &strangers)?;
            terms.push(text);
        }
        for text in further(ends) {
            let left = taken(&text, &strangers)?;
            if left.len() < strangers.len() {
                strangers = left;
                terms.push(text);
            }
        }
        let filter = terms.join(" ");
        let is_told_apart = strangers.len() as f64 <= STRANGERS_MAX * ends.len() as f64;
        (is_told_apart && filter.parse::<Filter>().is_ok()).then_some(Selection { filter, latest })
    }
}

/// Terms that say how they ended, or how they failed, whoever else is there.
fn characteristic(ends: &[&CloseRecord]) -> Vec<String> {
    let is_open = ends.iter().all(|record| record.handshake.result == HandshakeResult::Success);
    let (words, number): (&[TextField], _) = match is_open {
        true => (&[TextField::Initiator, TextField::Reason], NumberField::Code),
        false => (&[TextField::Result], NumberField::Status),
    };
    let times = [NumberField::Idle, NumberField::Duration].into_iter().filter(|_| is_open);
    let words = words.iter().filter_map(|field| shared(ends, *field));
    let times = times.filter_map(|field| narrow(ends, field)).flatten();
    words.chain(shared_number(ends, number)).chain(times).collect()
}

/// Terms that are worth saying when they tell them from others.
fn further(ends: &[&CloseRecord]) -> Vec<String> {
    let words = [
        TextField::Layer,
        TextField::GrpcCode,
        TextField::Upstream,
        TextField::Service,
        TextField::Method,
        TextField::UserAgent,
    ];
    let numbers = [NumberField::Duration, NumberField::Messages];
    let greatest = |field| {
        let (_, most) = range(ends, field)?;
        Some(format!("{field}<={}", rounded(most, most, f64::ceil)))
    };
    let words = words.into_iter().filter_map(|field| shared(ends, field));
    words.chain(shared_network(ends)).chain(numbers.into_iter().filter_map(greatest)).collect()
}

/// Of these, those that a term takes; none when it is no term.
fn taken<'a>(term: &str, records: &[&'a CloseRecord]) -> Option<Vec<&'a CloseRecord>> {
    let filter: Filter = term.parse().ok()?;
    Some(records.iter().copied().filter(|record| filter.takes(*record)).collect())
}

/// The text that all of them have.
fn shared(ends: &[&CloseRecord], field: TextField) -> Option<String> {
    let text = ends.first()?.text(field)?;
    let is_shared = ends.iter().all(|record| record.text(field).as_ref() == Some(&text));
    is_shared.then(|| written(field.as_str(), &text))
}

/// The network that all clients are in.
fn shared_network(ends: &[&CloseRecord]) -> Option<String> {
    let of = network(ends.first()?.client.ip);
    let is_shared = ends.iter().all(|record| network(record.client.ip) == of);
    is_shared.then(|| format!("ip:{of}/{}", if of.is_ipv4() { 24 } else { 48 }))
}

/// The number that all of them have.
fn shared_number(ends: &[&CloseRecord], field: NumberField) -> Option<String> {
    let first = ends.first()?.numbers(field).into_iter().flatten().next()?;
    let has_it = |record: &&CloseRecord| record.numbers(field).contains(&Some(first));
    ends.iter().all(has_it).then(|| format!("{field}:{first}"))
}

/// Bounds of seconds that hardly differ.
fn narrow(ends: &[&CloseRecord], field: NumberField) -> Option<[String; 2]> {
    let (least, most) = range(ends, field)?;
    let is_narrow = most - least <= SPREAD_MAX * most && most >= SECONDS_MIN;
    let from = || format!("{field}>={}s", rounded(least, most, f64::floor));
    let to = || format!("{field}<={}s", rounded(most, most, f64::ceil));
    is_narrow.then(|| [from(), to()])
}

fn range(ends: &[&CloseRecord], field: NumberField) -> Option<(f64, f64)> {
    let mut numbers = ends.iter().filter_map(|record| record.numbers(field)[0]);
    let first = numbers.next()?;
    Some(numbers.fold((first, first), |(least, most), number| (least.min(number), most.max(number))))
}

/// A number with as many decimals as the greatest has in three digits.
fn rounded(number: f64, greatest: f64, round: fn(f64) -> f64) -> String {
    let decimals = (2.0 - greatest.max(1e-6).log10().floor()).clamp(0.0, 6.0);
    let scale = 10_f64.powf(decimals);
    format!("{}", round(number * scale) / scale)
}

#[cfg(test)]
mod tests {
    use model::Leg;
    use model::record::What;

    use super::super::tests::{Made, end, judged, random};
    use super::*;

    /// The connections that a cause selects of these records, by its filter.
    #[track_caller]
    fn check(records: &[Made], id: &str, filter: &str, is_meant: impl Fn(&CloseRecord) -> bool) {
        let findings = judged(records.iter().cloned());
        let finding = findings.iter().find(|finding| finding.id == id);
        let finding = finding.unwrap_or_else(|| panic!("{id} is not among {findings:#?}"));
        assert_eq!(finding.selection.as_ref().map(|selection| &*selection.filter), Some(filter));
        let selected = finding.selected().expect("it can be read");
        for record in records.iter().cloned().map(Made::made) {
            assert_eq!(selected.takes(&record), is_meant(&record), "{record:?}");
        }
    }

    fn cut(number: u64) -> Made {
        let [ago, age, silence] = [1, 2, 3].map(|salt| random(10 * number + salt));
        end(number).lived(10.0 * ago, 70.0 + 100.0 * age, 60.0 + 0.04 * silence)
    }

    fn busy(number: u64) -> Made {
        let [ago, age, silence] = [1, 2, 3].map(|salt| random(10 * number + salt));
        end(number).lived(10.0 * ago, 300.0 * age, 3.0 * silence)
    }

    #[test]
    fn a_timer_is_told_by_who_ended_it_and_the_silence() {
        let records: Vec<Made> = (0..30).map(cut).chain((100..110).map(busy)).collect();
        let filter = "route:chat protocol:websocket initiator:upstream reason:abnormal idle>=60s idle<=60.1s";
        check(&records, "idle-timeout-l7-proxy", filter, |record| record.idle_seconds.any >= 60.0);
    }

    #[test]
    fn a_clump_is_told_by_its_moment() {
        let of =
            |number: u64, ago: f64| end(number).lived(ago, 200.0 * random(number), 40.0 * random(number + 1));
        let together = (0..30).map(|number| of(number, 300.0 + random(number + 2)).upstream("http://b"));
        let others = (100..120).map(|number| of(number, (number - 100) as f64 * 29.0));
        let left = [of(200, 300.5).close(Leg::Client, 1001)];
        let records: Vec<Made> = together.chain(others).chain(left).collect();
        let filter = "route:chat protocol:websocket initiator:upstream reason:abnormal";
        check(&records, "server-crash-or-oom", filter, |record| {
            record.upstream.as_deref() == Some("http://b")
        });
    }

    #[test]
    fn the_upstream_is_told_where_it_tells_them_apart() {
        let records: Vec<_> = (0..20)
            .map(|number| {
                let url = if number % 2 == 0 { "http://a" } else { "http://b" };
                busy(number).upstream(url).made()
            })
            .collect();
        let seen = population(records.iter().map(|record| &**record).collect());
        let selection =
            seen.selection(&seen.ends_where(|record| record.upstream.as_deref() == Some("http://b")));
        let filter = "route:chat protocol:websocket initiator:upstream reason:abnormal upstream:http://b";
        assert_eq!(selection.map(|selection| selection.filter).as_deref(), Some(filter));
    }

    #[test]
    fn refusals_are_told_by_outcome_and_status() {
        let refused = |number: u64| {
            let made = end(number).lived(number as f64, 0.0, 0.0);
            made.with(|record| {
                record.handshake.result = HandshakeResult::ClientError;
                record.handshake.status = Some(429);
                (record.initiator, record.reason) = (None, None);
            })
        };
        let records: Vec<Made> = (0..20).map(refused).chain((100..110).map(busy)).collect();
        let filter = "route:chat protocol:websocket result:client_error status:429";
        check(&records, "edge-rate-limit-or-ban", filter, |record| record.handshake.status == Some(429));
    }

    #[test]
    fn what_no_filter_tells_apart_is_not_selected() {
        let records: Vec<_> = (0..40).map(busy).map(Made::made).collect();
        let seen = population(records.iter().map(|record| &**record).collect());
        assert_eq!(seen.selection(&seen.ends[10..20]), None);
        assert!(seen.selection(&seen.ends).is_some());
        assert_eq!(seen.selection(&[]), None);
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        let name = "a \"*\" \\ b";
        let named = |number| end(number).close(Leg::Upstream, 1011).with(|record| record.route = name.into());
        let records: Vec<_> = (0..9).map(|number| named(number).made()).collect();
        let seen =
            Population { route: name.into(), ..population(records.iter().map(|record| &**record).collect()) };
        let selection = seen.selection(&seen.ends).expect("a filter");
        let filter: Filter = selection.filter.parse().expect("it can be read");
        assert!(records.iter().all(|record| filter.takes(&**record)), "{}", selection.filter);
        assert!(!filter.takes(&*end(1).by(Leg::Client, What::Fin, model::Reason::Abnormal).made()));
    }

    fn population(ends: Vec<&CloseRecord>) -> Population<'_> {
        Population {
            route: "chat".into(),
            protocol: model::Protocol::WebSocket,
            now: super::super::tests::at(super::super::tests::NOW),
            ends,
            orderly: Vec::new(),
            failed: Vec::new(),
            given_up: Vec::new(),
            refused: Vec::new(),
            weight: 1.0,
            open: &[],
            told: &[],
            host: None,
            own_heartbeat: None,
            claimed: Default::default(),
            known: super::super::Known::default(),
        }
    }
}
