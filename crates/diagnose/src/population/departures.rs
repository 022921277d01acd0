//! What many ends at one moment mean: one decision for all causes that end connections together.

use std::collections::BTreeSet;

use model::finding::{Finding, Place, Said};
use model::{ConnectionId, Leg};

use super::{Clump, Population, YOUNG};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::text::SEVERAL;

/// The findings of clumps that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let is_settled = |clump: &&Clump<'_>| clump.is_settled;
    let clumps = seen.clumps().iter().filter(is_settled).filter(|clump| !is_timer(seen, clump));
    clumps.filter(|clump| decided(clump) == Some(cause.id)).map(|clump| told(cause, seen, clump)).collect()
}

/// Connections that were opened together and end together by a timer are no clump.
fn is_timer(seen: &Population<'_>, clump: &Clump<'_>) -> bool {
    let ids: BTreeSet<ConnectionId> = clump.ends.iter().map(|end| end.id).collect();
    let is_timed = |timer: &super::Timer<'_>| {
        let both = timer.ends.iter().filter(|end| ids.contains(&end.id)).count();
        timer.manner == clump.manner && both * 2 > clump.ends.len()
    };
    clump.is_of_one_age || seen.timers().iter().any(is_timed)
}

/// Codes by which a service says that it goes: going away, service restart.
const GOING: [u16; 2] = [1001, 1012];

/// Which cause a clump is.
fn decided(clump: &Clump<'_>) -> Option<&'static str> {
    let kind = clump.told.map(|told| told.kind.as_str());
    let is_back = !clump.manner.is_told && clump.back_after * 10 >= clump.ends.len() * 7;
    Some(match clump.manner.leg() {
        // Whatever stands in front of this gateway went, and its clients come back.
        Some(Leg::Client) if is_back => "proxy-reload-drain",
        // Clients that go together may have nothing left to do.
        Some(Leg::Client) => return None,
        _ if kind == Some("reload") => "proxy-reload-drain",
        _ if kind.is_some() => "rolling-deploy-or-restart",
        _ if clump.code.is_some_and(|code| GOING.contains(&code)) => "rolling-deploy-or-restart",
        // Other words than that they go are an application's own.
        _ if clump.manner.is_told && clump.code.is_some() => "clump-of-closes",
        // An end of the body as announced, or a status, is an answer.
        _ if clump.manner.is_told => return None,
        // A proxy is there, and reaches nobody: what it stands before has gone.
        _ if clump.unreached_after > 0 => "server-crash-or-oom",
        _ if clump.spared_youngest > 0 => "proxy-reload-drain",
        _ if clump.proxy.is_some() && (is_away(clump) || clump.youngest >= YOUNG) => "proxy-reload-drain",
        // Gone without a word, and nobody there afterwards: a process died.
        _ if is_away(clump) => "server-crash-or-oom",
        // Whoever ended them is there as before, and lets others in.
        _ if clump.upstream.is_none() || clump.is_new_process == Some(false) => "clump-of-closes",
        _ if clump.is_there_throughout => "clump-of-closes",
        _ => "server-crash-or-oom",
    })
}

/// Nobody was there for a while, or another process is there now.
fn is_away(clump: &Clump<'_>) -> bool {
    clump.refused_after > 0 || clump.away.is_some() || clump.is_new_process == Some(true)
}

fn told(cause: &'static Cause, seen: &Population<'_>, clump: &Clump<'_>) -> Finding {
    let place = match (clump.manner.leg(), cause.id) {
        (Some(Leg::Client), _) => Place::ClientLeg,
        (_, "proxy-reload-drain") => Place::UpstreamLeg,
        (_, "clump-of-closes") => Place::Unknown,
        _ => Place::Upstream,
    };
    let at = clump.upstream.as_deref().unwrap_or(SEVERAL);
    let decisive = Said::new("ended_together")
        .with("count", clump.ends.len())
        .share("share", clump.share)
        .with("upstream", at)
        .seconds("seconds", clump.seconds.max(0.001));
    let mut claim = Claim::of(cause, place, decisive);
    if let Some(code) = clump.code {
        let said = Said::new("with_code").with("code", code);
        claim = if GOING.contains(&code) { claim.corroborated(said) } else { claim.noted(said) };
    } else if !clump.manner.is_told {
        let leg = if clump.manner.leg() == Some(Leg::Client) { "client" } else { "upstream" };
        claim = claim.noted(Said::new("without_word").with("leg", leg));
    }
    if let Some(told) = clump.told {
        let said =
            Said::new("was_told").with("kind", told.kind.as_str()).with("subject", told.subject.as_str());
        claim = claim.corroborated(said);
    }
    if clump.refused_after > 0 {
        claim = claim.corroborated(Said::new("nobody_there").with("count", clump.refused_after));
    }
    let is_behind = clump.unreached_after > 0;
    claim = claim
        .corroborated(is_behind.then(|| Said::new("hop_reaches_nobody").with("count", clump.unreached_after)))
        .corroborated((clump.spared_youngest > 0).then(|| {
            Said::new("youngest_spared")
                .with("count", clump.spared_youngest)
                .seconds("seconds", clump.youngest)
        }))
        .corroborated(clump.away.map(|(seconds, count)| {
            Said::new("let_in_elsewhere").seconds("seconds", seconds).with("count", count)
        }))
        .noted(
            clump.is_there_throughout.then(|| Said::new("let_in_at_once").with("count", clump.opened_after)),
        )
        .noted(clump.proxy.map(|proxy| Said::new("proxy_listens").with("product", proxy)));
    claim = match clump.is_new_process {
        Some(true) => claim.corroborated(Said::new("new_process")),
        Some(false) if cause.id == "proxy-reload-drain" => claim.corroborated(Said::new("same_process")),
        Some(false) => claim.noted(Said::new("same_process")),
        None => claim,
    };
    let is_alone = clump.told.is_none() && clump.is_new_process != Some(true);
    if is_alone && cause.id == "server-crash-or-oom" {
        claim = claim.unless(Said::new("maybe_restart")).next(Said::new("tell_deploys"));
    }
    if clump.told.is_none() && cause.id == "proxy-reload-drain" {
        let other = match clump.manner.leg() {
            Some(Leg::Client) => "maybe_network",
            _ if clump.proxy.is_some() => "maybe_behind",
            _ => "maybe_handover",
        };
        claim = claim.unless(Said::new(other)).next(Said::new("tell_deploys"));
    }
    if cause.id == "clump-of-closes" {
        claim = claim.suspected().next(Said::new("tell_deploys"));
    }
    claim
        .titled(Said::new("title_clump").with("count", clump.ends.len()).with("upstream", at))
        .fix(Said::new(if cause.id == "proxy-reload-drain" { "raise" } else { "drain_first" }))
        .concerns(seen.route.clone(), clump.at, seen.affected(&clump.ends))
        .selects(seen.selection(&clump.ends))
        .finding()
}
