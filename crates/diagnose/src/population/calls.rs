//! What the ends of gRPC calls say of themselves: GOAWAY, statuses, windows.

use model::finding::{Finding, Place, Said};
use model::record::{CloseRecord, GrpcFacts};
use model::{GrpcCode, Http2Error, Initiator, Word as _};

use super::Population;
use crate::cause::Cause;
use crate::claim::Claim;

/// Calls that it takes.
const COUNT_MIN: usize = 3;
/// Seconds for which data waited for a window.
const STALLED: f64 = 3.0;

/// The findings of calls that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let ends = seen
        .ends_where(|record| record.grpc.as_ref().and_then(|grpc| decided(record, grpc)) == Some(cause.id));
    if ends.len() < COUNT_MIN {
        return Vec::new();
    }
    let facts: Vec<&GrpcFacts> = ends.iter().filter_map(|record| record.grpc.as_deref()).collect();
    let mut claim = Claim::of(cause, place(cause), Said::new("calls_ended").with("count", ends.len()));
    if let Some(goaway) = facts.iter().find_map(|grpc| grpc.upstream.goaway.as_ref()) {
        let said =
            Said::new("calls_goaway_says").with("error", goaway.error.as_str()).with("debug", &*goaway.debug);
        claim = claim.corroborated(said);
    }
    if let Some(message) =
        facts.iter().find_map(|grpc| grpc.message.as_deref()).filter(|text| !text.is_empty())
    {
        claim = claim.corroborated(Said::new("calls_status_says").with("message", message));
    }
    let mut stalls: Vec<f64> =
        facts.iter().map(|grpc| stalled(grpc)).filter(|seconds| *seconds > 0.0).collect();
    stalls.sort_by(f64::total_cmp);
    if let Some(median) = stalls.get(stalls.len() / 2).filter(|_| cause.id == "grpc-flow-control-stall") {
        claim = claim.corroborated(Said::new("calls_stalled_for").seconds("seconds", *median));
    }
    let fixed = claim.fix(Said::new("see_manual").with("id", cause.id));
    let concerning = fixed.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    vec![concerning.selects(seen.selection(&ends)).finding()]
}

/// Which cause an end of a call is.
fn decided(record: &CloseRecord, grpc: &GrpcFacts) -> Option<&'static str> {
    let goaway = grpc.upstream.goaway.as_ref().filter(|goaway| goaway.initiator == Initiator::Upstream);
    let says = |part: &str| grpc.message.as_deref().is_some_and(|message| message.contains(part));
    match grpc.code {
        _ if goaway.is_some_and(|goaway| goaway.error == Http2Error::EnhanceYourCalm) => {
            Some("grpc-too-many-pings")
        }
        GrpcCode::ResourceExhausted if says("larger than max") => Some("grpc-message-too-large"),
        _ if stalled(grpc) >= STALLED && stalled(grpc) * 2.0 > record.duration_seconds => {
            Some("grpc-flow-control-stall")
        }
        _ => None,
    }
}

fn stalled(grpc: &GrpcFacts) -> f64 {
    grpc.stalled_seconds.client_to_server.max(grpc.stalled_seconds.server_to_client)
}

fn place(cause: &Cause) -> Place {
    match cause.id {
        "grpc-too-many-pings" | "grpc-flow-control-stall" => Place::Client,
        _ => Place::Upstream,
    }
}
