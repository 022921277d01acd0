//! Connections whose client's side fell silent without an end: a flow that a middlebox forgot, a network that was lost.

use model::finding::{Finding, Place, Said};
use model::record::CloseRecord;

use super::Population;
use crate::cause::Cause;
use crate::claim::Claim;

/// Connections that it takes.
const COUNT_MIN: usize = 5;
/// Silence before the first byte without acknowledgement that makes a forgotten flow likelier, seconds.
const IDLE: f64 = 1.5;

/// The findings of dead paths that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let dead = seen.dead_paths();
    if dead.len() < COUNT_MIN {
        return Vec::new();
    }
    let mut gaps: Vec<f64> = dead.iter().filter_map(|record| silent_before(record)).collect();
    gaps.sort_by(f64::total_cmp);
    let gap = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
    let decided = if gap > IDLE { "nat-or-firewall-silent-drop" } else { "client-network-loss" };
    if decided != cause.id {
        return Vec::new();
    }
    let before = if gap > IDLE {
        Said::new("silent_before").seconds("seconds", gap)
    } else {
        Said::new("busy_before")
    };
    vec![
        Claim::of(cause, Place::ClientLeg, Said::new("unacked_at_end").with("count", dead.len()))
            .corroborated(before)
            .unless(Said::new("maybe_other_loss"))
            .fix(Said::new("watch_and_beat"))
            .concerns(seen.route.clone(), seen.since(&dead), seen.affected(&dead))
            .selects(seen.selection(&dead))
            .finding(),
    ]
}

/// How long the client had said nothing when the last acknowledgement came.
fn silent_before(record: &CloseRecord) -> Option<f64> {
    let close = record.tcp.as_ref()?.client.as_ref()?.close?;
    Some((record.idle_seconds.client_to_server - f64::from(close.last_ack_seconds)).max(0.0))
}
