//! What words that end connections mean: Close codes and statuses, whose sender owns the reason.

use std::collections::BTreeMap;

use model::event::CloseCode;
use model::finding::{Finding, Place, Said};
use model::record::CloseRecord;
use model::{Direction, Initiator, Leg, Protocol};

use super::heartbeats::{has_unanswered, is_way_well};
use super::{Clock, ENDS_MIN, Population, code};
use crate::cause::Cause;
use crate::claim::Claim;

/// Least number of ends with a code that says what is wrong.
const COUNT_MIN: usize = 3;
/// Least share of the ends for codes that say nothing by themselves.
const SHARE_MIN: f64 = 0.3;
/// Codes that say, at a certain age, that credentials are over.
const TIMED: [u16; 6] = super::timed::CREDENTIAL_CODES;
/// Registered with IANA as "Unauthorized"; applications spell it 4401 after HTTP's 401.
const UNAUTHORIZED: u16 = 3000;
/// Youngest age that is no handler that ends at once, seconds.
const AT_ONCE: f64 = 1.0;

/// Codes by which a side says that what it read was broken: protocol error, unsupported data, invalid payload.
const BREACHES: [u16; 3] = [1002, 1003, 1007];

/// The findings of codes that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let all = groups(seen).into_iter();
    all.filter(|((initiator, code), ends)| decided(seen, *initiator, *code, ends) == Some(cause.id))
        .map(|((initiator, code), ends)| told(cause, seen, initiator, code, &ends))
        .collect()
}

/// Whether clients end connections since the service does not answer their Pings.
pub fn are_for_want_of_pongs(seen: &Population<'_>) -> bool {
    let is_it = |((initiator, code), ends): &((Initiator, u16), Vec<&CloseRecord>)| {
        decided(seen, *initiator, *code, ends) == Some("event-loop-block-late-pong")
    };
    groups(seen).iter().any(|(key, ends)| is_it(&(*key, ends.clone())))
}

fn groups<'a>(seen: &Population<'a>) -> BTreeMap<(Initiator, u16), Vec<&'a CloseRecord>> {
    let mut groups: BTreeMap<(Initiator, u16), Vec<&CloseRecord>> = BTreeMap::new();
    let ends = seen.ends.iter().filter(|record| record.protocol == Protocol::WebSocket);
    for record in ends {
        let Some(initiator) = record.initiator else { continue };
        if let Some(code) = code(record, initiator) {
            groups.entry((initiator, code)).or_default().push(record);
        }
    }
    groups
}

/// Which cause a code is, when its ends are enough to say so.
fn decided(
    seen: &Population<'_>,
    initiator: Initiator,
    code: u16,
    ends: &[&CloseRecord],
) -> Option<&'static str> {
    let share = ends.len() as f64 / seen.connections().max(1) as f64;
    let is_clump = seen
        .clumps()
        .iter()
        .any(|clump| clump.code == Some(code) && clump.ends.len() * 2 > ends.len() && !clump.is_of_one_age);
    let is_timed = seen.timers().iter().any(|timer| {
        timer.code == Some(code) && timer.manner.initiator == initiator && timer.clock != Clock::Either
    });
    let at_once = ends.iter().filter(|record| record.duration_seconds < AT_ONCE).count();
    let is_at_once = ends.len() >= ENDS_MIN && at_once * 10 >= ends.len() * 9;
    // A ping timeout that python's websockets, and others, tell as an internal error.
    let unanswered = ends.iter().filter(|record| has_unanswered(record, initiator)).count();
    let is_ping_timeout = unanswered * 2 > ends.len() && ends.len() >= COUNT_MIN;
    match code {
        1001 | 1002 | 1006 | 1008 | 1011 | 3000..=4999 if is_ping_timeout => match initiator {
            Initiator::Upstream if seen.dead_paths().len() * 2 > ends.len() => None,
            Initiator::Upstream => Some("server-ping-timeout-client-silent"),
            _ => Some("event-loop-block-late-pong"),
        },
        1009 if ends.len() >= COUNT_MIN => Some("message-too-big-1009"),
        1007 if ends.len() >= COUNT_MIN => Some("invalid-utf8-1007"),
        1002 if ends.len() >= COUNT_MIN => Some("frame-protocol-error-1002-rsv-deflate"),
        _ if is_clump => None,
        1008 | 4001 | 4003 | 4401 | 4403 if is_at_once => Some("ws-auth-401"),
        // Servers say these (RFC 6455, section 7.4.1); what a client means by them is its program's own.
        1011..=1013 if initiator == Initiator::Upstream && ends.len() >= COUNT_MIN => {
            Some("server-exception-1011-or-overload-1012-1013")
        }
        1000 | 1005 if is_at_once && initiator == Initiator::Upstream && share >= SHARE_MIN => {
            Some("handler-exits-early")
        }
        // A service that ends its own connections in an orderly way says all there is to say.
        1000 | 1001 | 1005 => None,
        _ if is_timed && TIMED.contains(&code) => None,
        UNAUTHORIZED | 4401 if ends.len() >= ENDS_MIN => Some("token-expiry-close"),
        _ if ends.len() >= ENDS_MIN && share >= SHARE_MIN => Some("unexplained-codes"),
        _ => None,
    }
}

fn told<'a>(
    cause: &'static Cause,
    seen: &Population<'a>,
    initiator: Initiator,
    code: u16,
    ends: &[&'a CloseRecord],
) -> Finding {
    let sender = if initiator == Initiator::Client { Leg::Client } else { Leg::Upstream };
    let share = ends.len() as f64 / seen.ends.len().max(1) as f64;
    let counted = |said| {
        let leg = sender.to_string();
        Said::new(said).with("count", ends.len()).with("code", code).with("leg", leg).share("share", share)
    };
    let is_breach = BREACHES.contains(&code);
    let is_about_pings =
        matches!(cause.id, "server-ping-timeout-client-silent" | "event-loop-block-late-pong");
    // Whoever did not answer, or sent what was broken: the other side than the one that says so.
    let owner = if is_about_pings || is_breach { sender.other() } else { sender };
    let place = if owner == Leg::Client { Place::Client } else { Place::Upstream };
    let mut claim = Claim::of(cause, place, counted("ended_by_code"));
    if is_about_pings {
        claim = not_answered(claim, initiator, owner, ends);
    }
    let is_registered = !matches!(code, 3000..=4999) && CloseCode(code).is_sendable();
    claim = match is_registered && cause.id != "unexplained-codes" {
        _ if code == 1002 => broken(claim, owner, ends),
        true if is_breach => claim.corroborated(Said::new("code_accuses").with("code", code)),
        true => claim
            .corroborated(Said::new("code_is_registered").with("code", code).with("leg", sender.to_string())),
        false => claim
            .unless(Said::new("own_meaning").with("code", code))
            .next(Said::new("look_up_code").with("code", code)),
    };
    let young = ends.iter().filter(|record| record.duration_seconds < AT_ONCE).count();
    if young * 10 >= ends.len() * 9 {
        claim = claim.corroborated(Said::new("ended_at_once").with("count", young));
    }
    for said in seen.mostly(ends) {
        claim = claim.noted(said);
    }
    claim
        .titled(counted("title_code"))
        .fix(Said::new("ask_sender").with("leg", sender.to_string()).with("code", code))
        .concerns(seen.route.clone(), seen.since(ends), seen.affected(ends))
        .selects(seen.selection(ends))
        .finding()
}

/// The Pongs of the peer on this leg were missing, or late, though its kernel answered at once.
fn not_answered(claim: Claim, initiator: Initiator, owner: Leg, ends: &[&CloseRecord]) -> Claim {
    let unanswered = ends.iter().filter(|record| has_unanswered(record, initiator)).count();
    let well = ends.iter().filter(|record| is_way_well(record, owner)).count();
    let claim = claim.corroborated(Said::new("pings_unanswered").with("count", unanswered));
    let claim = if well * 2 > ends.len() {
        claim.corroborated(Said::new("kernel_answers").with("count", well))
    } else {
        claim.unless(Said::new("maybe_way"))
    };
    // Its machine may give it no time: that is not seen from here.
    if owner == Leg::Upstream { claim.unless(Said::new("maybe_machine")) } else { claim }
}

/// What was read from the peer on this leg broke the protocol, as the other side says; here it is seen, or not.
fn broken(claim: Claim, owner: Leg, ends: &[&CloseRecord]) -> Claim {
    let from = if owner == Leg::Client { Direction::ClientToServer } else { Direction::ServerToClient };
    let seen: Vec<_> = ends.iter().filter_map(|record| record.violations[from]).collect();
    match seen.first() {
        Some(kind) if seen.len() * 2 > ends.len() => claim.corroborated(
            Said::new("breach_seen")
                .with("count", seen.len())
                .with("kind", format!("{kind:?}"))
                .with("leg", owner.to_string()),
        ),
        _ => claim.unless(Said::new("well_when_read").with("leg", owner.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use model::event::FrameViolation;
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::population::tests::{Made, end, evidence_of, random, told_of};

    /// Twenty ends by this side with this code, at random times.
    fn closed(leg: Leg, code: u16) -> impl Iterator<Item = Made> {
        (0..20).map(move |number| {
            let age = 5.0 + 300.0 * random(number);
            end(number).lived(500.0 * random(number + 50), age, age * random(number + 99)).close(leg, code)
        })
    }

    fn in_time(made: Made) -> Made {
        made.tcp(Leg::Upstream, TcpSample { rtt_seconds: Some(0.001), ..TcpSample::default() })
    }

    #[test]
    fn an_error_that_a_client_tells_is_not_the_servers() {
        const SERVER: &str = "server-exception-1011-or-overload-1012-1013";
        assert_eq!(told_of(SERVER, closed(Leg::Client, 1011)), None);
        assert_eq!(
            told_of("unexplained-codes", closed(Leg::Client, 1011)),
            Some((Level::Medium, Place::Client))
        );
        assert_eq!(told_of(SERVER, closed(Leg::Upstream, 1011)), Some((Level::High, Place::Upstream)));
    }

    #[test]
    fn pongs_that_come_once_the_client_has_given_up() {
        const LATE: &str = "event-loop-block-late-pong";
        let late = |rtt| move |made: Made| made.with(|record| record.ping_rtt_seconds.upstream = Some(rtt));
        let of = |rtt| closed(Leg::Client, 1011).map(late(rtt)).map(in_time);
        assert_eq!(told_of(LATE, of(2.4)), Some((Level::Medium, Place::Upstream)));
        assert_eq!(told_of(LATE, of(0.02)), None);
        let slow = TcpSample { rtt_seconds: Some(1.9), ..TcpSample::default() };
        assert_eq!(told_of(LATE, of(2.4).map(|made| made.tcp(Leg::Upstream, slow))), None, "the way is slow");
    }

    #[test]
    fn who_sent_what_is_broken_is_the_other_side() {
        const BROKEN: &str = "frame-protocol-error-1002-rsv-deflate";
        let seen = |made: Made| {
            made.with(|record| record.violations.server_to_client = Some(FrameViolation::ReservedOpcode))
        };
        let told = closed(Leg::Client, 1002).map(seen);
        assert_eq!(told_of(BROKEN, told), Some((Level::High, Place::Upstream)));
        assert_eq!(told_of(BROKEN, closed(Leg::Client, 1002)), Some((Level::Medium, Place::Upstream)));
        assert_eq!(told_of(BROKEN, closed(Leg::Upstream, 1002)), Some((Level::Medium, Place::Client)));
        let text = told_of("invalid-utf8-1007", closed(Leg::Upstream, 1007));
        assert_eq!(text, Some((Level::High, Place::Client)));
    }

    #[test]
    fn a_program_that_most_ends_are_of() {
        let agent = |number: u64| Some(if number < 20 { "chat/1.3" } else { "chat/1.2" }.into());
        let named =
            |(number, made): (usize, Made)| made.with(|record| record.user_agent = agent(number as u64));
        let left = |number| end(number).lived(500.0 * random(number), 30.0, 1.0).close(Leg::Client, 1000);
        let all = || closed(Leg::Upstream, 3010).chain((20..60).map(left)).enumerate();
        assert!(evidence_of("unexplained-codes", all().map(named)).contains(&"mostly_of".to_owned()));
        let alike = all().map(|(number, made)| named((number % 2 * 20, made)));
        assert!(!evidence_of("unexplained-codes", alike).contains(&"mostly_of".to_owned()));
    }

    #[test]
    fn unauthorized_in_the_middle_of_a_connection() {
        let level = |code| told_of("token-expiry-close", closed(Leg::Upstream, code)).map(|(level, _)| level);
        assert_eq!([4401, 3000, 4400].map(level), [Some(Level::Medium), Some(Level::Medium), None]);
    }
}
