//! Calls that the service ends with a status that says that something is wrong there.

use std::collections::{BTreeMap, BTreeSet};

use model::finding::{Finding, Place, Said};
use model::record::{CloseRecord, What};
use model::{ConnectionId, GrpcCode, Initiator, Protocol, Word as _};

use super::{aged, decided};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::population::{ENDS_MIN, Population, common};

/// Least share of the calls that ended.
const SHARE_MIN: f64 = 0.1;

/// Statuses by which a service says that it failed, not its caller (OpenTelemetry, semantic conventions of RPC: errors of
/// a server), and that it has no room.
const FAULTS: [GrpcCode; 7] = [
    GrpcCode::Unknown,
    GrpcCode::DeadlineExceeded,
    GrpcCode::Unimplemented,
    GrpcCode::Internal,
    GrpcCode::Unavailable,
    GrpcCode::DataLoss,
    GrpcCode::ResourceExhausted,
];

/// A finding for each status that enough calls ended with and that no other cause explains.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    if seen.protocol != Protocol::Grpc {
        return Vec::new();
    }
    let departed = seen.clumps().iter().filter(|clump| !clump.is_of_one_age).flat_map(|clump| &clump.ends);
    let aged = aged::of_one_age(seen, What::BodyEnd, &aged::OVER).map(|(_, ends)| ends).unwrap_or_default();
    let explained: BTreeSet<ConnectionId> = departed.chain(&aged).map(|end| end.id).collect();
    let is_explained = |record: &CloseRecord| explained.contains(&record.id);
    let mut groups: BTreeMap<GrpcCode, Vec<&CloseRecord>> = BTreeMap::new();
    for record in seen.ends_where(|record| is_told(record) && !is_explained(record)) {
        if let Some(grpc) = record.grpc.as_deref() {
            groups.entry(grpc.code).or_default().push(record);
        }
    }
    groups
        .into_iter()
        .filter(|(_, ends)| ends.len() >= ENDS_MIN && ends.len() as f64 >= SHARE_MIN * seen.ends.len() as f64)
        .map(|(code, ends)| told(cause, seen, code, &ends))
        .collect()
}

fn is_told(record: &CloseRecord) -> bool {
    let is_status = record.causes.first().is_some_and(|first| first.what == What::BodyEnd);
    let is_fault = record
        .grpc
        .as_deref()
        .is_some_and(|grpc| FAULTS.contains(&grpc.code) && decided(record, grpc).is_none());
    is_status && is_fault && record.initiator == Some(Initiator::Upstream) && !aged::is_at_deadline(record)
}

fn told<'a>(
    cause: &'static Cause,
    seen: &Population<'a>,
    code: GrpcCode,
    ends: &[&'a CloseRecord],
) -> Finding {
    let share = ends.len() as f64 / seen.ends.len().max(1) as f64;
    let counted =
        |said| Said::new(said).with("count", ends.len()).share("share", share).with("status", code.as_str());
    let facts = || ends.iter().filter_map(|record| record.grpc.as_deref());
    let message = facts().find_map(|grpc| grpc.message.as_deref()).filter(|text| !text.is_empty());
    let method = common(facts().map(|grpc| Some((&*grpc.service, &*grpc.method))));
    let mut claim = Claim::of(cause, Place::Upstream, counted("ended_with_status"))
        .titled(counted("title_status"))
        .noted(message.map(|message| Said::new("calls_status_says").with("message", message)))
        .noted(method.map(|(service, method)| {
            Said::new("most_of_method").with("method", format!("{service}/{method}"))
        }));
    for said in seen.mostly(ends) {
        claim = claim.noted(said);
    }
    claim
        .unless(Said::new("status_of_hop"))
        .next(Said::new("service_log"))
        .fix(Said::new("find_status"))
        .concerns(seen.route.clone(), seen.since(ends), seen.affected(ends))
        .selects(seen.selection(ends))
        .finding()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::GrpcFacts;
    use model::{Leg, Reason};

    use super::super::tests::facts;
    use super::*;
    use crate::population::tests::{Made, end, random, told_of};

    const ID: &str = "grpc-error-status";

    fn call(number: u64, code: GrpcCode) -> Made {
        let made = end(number).lived(500.0 * random(number), 60.0 * random(number + 1), random(number + 2));
        made.by(Leg::Upstream, What::BodyEnd, Reason::Complete).with(|record| {
            record.protocol = Protocol::Grpc;
            record.grpc = Some(Box::new(facts(code)));
        })
    }

    #[test]
    fn calls_that_fail_in_the_service() {
        let told = |code| {
            let failed = (0..12).map(move |number| call(number, code));
            told_of(ID, failed.chain((20..60).map(|number| call(number, GrpcCode::Ok))))
        };
        assert_eq!(told(GrpcCode::Internal), Some((Level::Medium, Place::Upstream)));
        assert_eq!(told(GrpcCode::NotFound), None, "an answer to what the caller asked");
        assert_eq!(told(GrpcCode::Ok), None);
    }

    #[test]
    fn what_another_cause_explains_is_not_told_again() {
        let page = (0..12).map(|number| {
            call(number, GrpcCode::Unknown).with(|record| {
                record.grpc = Some(Box::new(GrpcFacts { not_grpc: Some(502), ..facts(GrpcCode::Unknown) }));
            })
        });
        assert_eq!(told_of(ID, page), None);
        let few = (0..12).map(|number| call(number, GrpcCode::Internal));
        let many = (20..300).map(|number| call(number, GrpcCode::Ok));
        assert_eq!(told_of(ID, few.chain(many)), None, "now and then");
    }
}
