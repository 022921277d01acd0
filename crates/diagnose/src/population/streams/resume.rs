//! Event streams that clients come back to after an end that was not theirs: what was made meanwhile.

use model::Initiator;
use model::finding::{Affected, Finding, Place, Said, Topic};
use model::record::CloseRecord;

use super::{coding, median};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::population::{ENDS_MIN, Manner, Population};

/// Events that a stream leaves out behind the client's `Last-Event-ID`, and that it brings again, from which on it does
/// not go on there: one, and two, since some services begin with the event that the client names.
const SKIPPED: f64 = 0.6;
const AGAIN: f64 = -1.6;
/// Least share of the streams with `Last-Event-ID` that do so.
const SHARE: f64 = 0.8;
/// No service keeps events for a shorter time, seconds.
const KEPT: f64 = 5.0;
/// Least events that are made while a client is away, by the stream's own pace.
const MISSED: f64 = 0.5;

/// Streams that do not go on behind `Last-Event-ID`, or that cannot.
pub(super) fn lost(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    ignored(cause, seen).or_else(|| without_ids(cause, seen))
}

fn ignored(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let resumed = seen.ends_where(|record| skipped(record).is_some());
    if !are_cut(&resumed) {
        return None;
    }
    let such = |is: fn(f64) -> bool| -> Vec<&CloseRecord> {
        resumed.iter().copied().filter(|record| skipped(record).is_some_and(is)).collect()
    };
    let is_enough = |such: &Vec<&CloseRecord>| {
        such.len() >= ENDS_MIN && such.len() as f64 >= SHARE * resumed.len() as f64
    };
    let skipping = Some(such(|skipped| skipped >= SKIPPED)).filter(is_enough);
    let (ends, code) = match skipping {
        Some(ends) => (ends, "skip_events"),
        None => (Some(such(|skipped| skipped <= AGAIN)).filter(is_enough)?, "bring_again"),
    };
    let events = median(ends.iter().filter_map(|record| Some(skipped(record)?.abs())));
    let decisive = Said::new(code)
        .with("count", ends.len())
        .with("all", resumed.len())
        .with("events", format!("{events:.0}"));
    let as_made = ends.iter().filter(|record| {
        let made = made_meanwhile(record).unwrap_or_default();
        skipped(record).is_some_and(|skipped| skipped >= made / 2.0 - 1.0 && skipped <= made * 2.0 + 2.0)
    });
    let is_as_made = code == "skip_events" && as_made.count() * 3 >= ends.len() * 2;
    let away = median(ends.iter().filter_map(|record| Some(record.reconnect?.interval_seconds)));
    let is_kept = code == "bring_again" || (is_as_made && away < KEPT);
    let claim = Claim::of(cause, Place::Upstream, decisive)
        .corroborated(is_as_made.then(|| Said::new("as_many_as_made").seconds("seconds", away)))
        .unless((!is_kept).then(|| Said::new("kept_shorter")))
        .next(Said::new("compare_ids"))
        .fix(Said::new("ring"));
    Some(concerning(claim, seen, &ends))
}

fn without_ids(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let streams = seen.ends_where(|record| record.messages.server_to_client > 0 && coding(record).is_none());
    let nameless = streams.iter().filter(|record| ids(record) == Some(0)).count();
    let cut = streams.iter().filter(|record| is_cut(record)).count();
    let back = seen.ends_where(|record| {
        let is_back = record.reconnect.is_some_and(|reconnect| !reconnect.resumed);
        is_back && ids(record) == Some(0) && made_meanwhile(record).is_some()
    });
    let is_so = back.len() >= ENDS_MIN && are_cut(&streams) && nameless * 10 >= streams.len() * 9;
    let events = median(back.iter().filter_map(|record| made_meanwhile(record)));
    if !is_so || events < MISSED {
        return None;
    }
    let away = median(back.iter().filter_map(|record| Some(record.reconnect?.interval_seconds)));
    let decisive = Said::new("no_ids")
        .with("count", back.len())
        .with("cut", cut)
        .seconds("seconds", away)
        .with("events", format!("{events:.1}"));
    let claim = Claim::of(cause, Place::Upstream, decisive)
        .titled(Said::new("title_no_ids").with("count", back.len()))
        .unless(Said::new("state_again"))
        .next(Said::new("compare_clients"))
        .fix(Said::new("ring"));
    Some(concerning(claim, seen, &back))
}

/// Whether most of them ended, and so were asked for again, by no wish of their clients: one that leaves comes back to a
/// page that is made anew.
fn are_cut(streams: &[&CloseRecord]) -> bool {
    let cut = streams.iter().filter(|record| is_cut(record)).count();
    cut >= ENDS_MIN && cut * 2 >= streams.len()
}

fn is_cut(record: &CloseRecord) -> bool {
    record.initiator != Some(Initiator::Client) || Manner::of(record).is_some_and(|manner| manner.is_reset)
}

fn skipped(record: &CloseRecord) -> Option<f64> {
    record.event_stream.as_ref()?.skipped_events
}

fn ids(record: &CloseRecord) -> Option<u64> {
    Some(record.event_stream.as_ref()?.ids)
}

/// Events that were made while its client was away, by the pace of the stream.
fn made_meanwhile(record: &CloseRecord) -> Option<f64> {
    let pace = record.messages.server_to_client as f64 / record.duration_seconds;
    Some(record.reconnect?.interval_seconds * pace).filter(|events| *events > 0.0)
}

fn concerning(claim: Claim, seen: &Population<'_>, ends: &[&CloseRecord]) -> Finding {
    let connections = (ends.len() as f64 * seen.weight).round() as u64;
    let affected = Affected { connections, share_of_closes: None };
    let concerning = claim.concerns(seen.route.clone(), seen.since(ends), affected);
    concerning.about(Topic::Delivery).selects(seen.selection(ends)).finding()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::{EventStreamFacts, Reconnect, What};
    use model::{Leg, Protocol, Reason};

    use super::*;
    use crate::population::tests::{Made, end, evidence_of, random, told_of};

    const ID: &str = "sse-no-resume";

    /// A stream of five events a second that is cut at some age; its client was away for so long before.
    fn stream(number: u64, away: f64, resumed: bool, ids: u64, skipped: Option<f64>) -> Made {
        let age = 3.0 + 10.0 * random(number);
        let made = end(number).by(Leg::Upstream, What::BodyTruncated, Reason::Abnormal);
        made.lived(100.0 * random(number + 3), age, 0.2 * random(number + 5)).with(|record| {
            record.protocol = Protocol::Sse;
            record.messages.server_to_client = (5.0 * age) as u64;
            record.reconnect = Some(Reconnect { interval_seconds: away, resumed });
            record.event_stream = Some(Box::new(EventStreamFacts {
                ids,
                skipped_events: skipped,
                ..EventStreamFacts::default()
            }));
        })
    }

    #[test]
    fn last_event_id_is_ignored() {
        let skips = |away: f64| (0..20).map(move |n| stream(n, away, true, 20, Some(5.0 * away - 1.0)));
        assert_eq!(told_of(ID, skips(2.0)), Some((Level::High, Place::Upstream)));
        assert_eq!(told_of(ID, skips(30.0)).map(|told| told.0), Some(Level::Medium), "kept for less?");
        let again = (0..20).map(|number| stream(number, 2.0, true, 20, Some(-40.0)));
        assert_eq!(evidence_of(ID, again), ["bring_again"]);
    }

    #[test]
    fn without_ids_nothing_can_be_resumed() {
        let nameless = (0..20).map(|number| stream(number, 1.0, false, 0, None));
        assert_eq!(told_of(ID, nameless), Some((Level::Medium, Place::Upstream)));
    }

    #[test]
    fn look_alikes_are_others() {
        let none = |what: &str, made: &dyn Fn(u64) -> Made| {
            assert_eq!(told_of(ID, (0..20).map(made)), None, "{what}");
        };
        none("it goes on", &|n| stream(n, 2.0, true, 20, Some(0.0)));
        none("it begins with the one that is named", &|n| stream(n, 2.0, true, 20, Some(-1.0)));
        none("with ids", &|n| stream(n, 1.0, false, 20, None));
        none("half of them with ids", &|n| stream(n, 1.0, false, if n % 2 == 0 { 0 } else { 20 }, None));
        none("the client knew where it was", &|n| stream(n, 1.0, true, 0, None));
        none("too quick to lose anything", &|n| stream(n, 0.02, false, 0, None));
        let leaves = |made: Made| made.by(Leg::Client, What::Fin, Reason::ClientClosed);
        none("clients leave", &|n| leaves(stream(n, 1.0, false, 0, None)));
        none("clients leave and come back", &|n| leaves(stream(n, 2.0, true, 20, Some(9.0))));
        none("for the first time", &|n| stream(n, 1.0, false, 0, None).with(|r| r.reconnect = None));
    }
}
