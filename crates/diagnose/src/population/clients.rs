//! What one client has open at a time, as far as its address and its program tell clients apart.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::finding::{Affected, Finding, Place, Said};
use model::record::CloseRecord;
use model::tcp::TcpLegs;
use model::{Initiator, Leg, Protocol, WallTime};

use super::Population;
use crate::cause::Cause;
use crate::claim::Claim;

/// Connections of a client at once from which on it may have forgotten some.
const MANY: usize = 3;
/// Clients that it takes, for nobody is told for the tabs of one person.
const MANY_CLIENTS: usize = 5;
/// What a page opens on purpose it opens at once; what it forgot was opened at different moments, seconds apart.
const APART: f64 = 1.0;
/// Connections of one address and program from which on it stands for many people; more are not looked at.
const CROWD: usize = 64;
/// Connections of HTTP/1.1 that a browser opens to one origin.
const BROWSER: usize = 6;
/// Browsers that have as many.
const BROWSERS_MIN: usize = 3;
/// The next one of a queue begins so soon after an end, seconds.
const AT_ONCE: f64 = 0.5;
/// An end is complete so much later than the client makes it, at most, seconds: the next one may be open by then.
const OVERLAP: f64 = 0.3;

/// A connection from its beginning to its end, in seconds before now: 0 is now.
#[derive(Clone, Copy, Debug)]
struct Span {
    opened: f64,
    /// None while it is open.
    ended: Option<f64>,
    by_client: bool,
}

impl Span {
    fn is_open_at(&self, at: f64) -> bool {
        self.opened < at && self.ended.is_none_or(|ended| ended > at)
    }
}

/// The connections of one client, in the order of their beginnings.
#[derive(Debug, Default)]
struct Client(Vec<Span>);

impl Client {
    /// Most that were open together.
    fn most(&self) -> usize {
        let stays = |other: &Span, opened: f64| {
            other.opened < opened && other.ended.is_none_or(|ended| ended > opened + OVERLAP)
        };
        let open_with = |span: &Span| self.0.iter().filter(|other| stays(other, span.opened)).count() + 1;
        self.0.iter().map(open_with).max().unwrap_or_default()
    }

    fn are_apart(&self) -> bool {
        let apart = self.0.windows(2).filter(|pair| pair[1].opened - pair[0].opened >= APART).count();
        apart * 10 >= (self.0.len() - 1) * 7
    }

    /// Those that the client ended while others of its stayed.
    fn ended_alone(&self) -> usize {
        let stays = |ended: f64| {
            self.0.iter().any(|other| other.is_open_at(ended) && other.is_open_at(ended + APART))
        };
        self.0.iter().filter(|span| span.by_client && span.ended.is_some_and(stays)).count()
    }

    /// Those that began right after an end at which all places were taken.
    fn handovers(&self) -> usize {
        let frees = |span: &Span, next: &Span| {
            span.ended.is_some_and(|ended| {
                let held = self.0.iter().filter(|other| other.is_open_at(ended - 0.001)).count();
                held >= BROWSER && (-OVERLAP..AT_ONCE).contains(&(next.opened - ended))
            })
        };
        self.0.iter().filter(|next| self.0.iter().any(|span| frees(span, next))).count()
    }
}

type Key<'a> = (IpAddr, &'a str);

fn clients<'a>(seen: &Population<'a>) -> BTreeMap<Key<'a>, Client> {
    let mut clients: BTreeMap<Key<'a>, Client> = BTreeMap::new();
    let before = |at: WallTime| (at.0 as f64 - seen.now.0 as f64) / 1e9;
    let is_own =
        |tcp: Option<&TcpLegs>| !tcp.and_then(|tcp| tcp.leg(Leg::Client)).is_some_and(|leg| leg.shared);
    let closed = seen.ends.iter().chain(&seen.orderly).filter(|record| is_own(record.tcp.as_deref()));
    let ended = closed.map(|record: &&'a CloseRecord| {
        let by_client = record.initiator == Some(Initiator::Client);
        let span =
            Span { opened: before(record.opened_at), ended: Some(before(record.closed_at)), by_client };
        ((record.client.ip, record.user_agent.as_deref().unwrap_or_default()), span)
    });
    let open = seen.open.iter().filter(|open| is_own(open.tcp.as_deref())).map(|open| {
        let span = Span { opened: before(open.opened_at), ended: None, by_client: false };
        ((open.client.ip, open.user_agent.as_deref().unwrap_or_default()), span)
    });
    for (key, span) in ended.chain(open) {
        let client = clients.entry(key).or_default();
        if client.0.len() <= CROWD {
            client.0.push(span);
        }
    }
    clients.values_mut().for_each(|client| client.0.sort_by(|a, b| a.opened.total_cmp(&b.opened)));
    clients
}

/// Clients that open one connection after the other and end none before all of them.
pub fn forgetful(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    // A part of the records does not show what was open together.
    if seen.protocol != Protocol::WebSocket || seen.weight > 1.0 {
        return None;
    }
    let clients = clients(seen);
    let is_so = |client: &&Client| {
        (MANY..=CROWD).contains(&client.0.len()) && client.are_apart() && client.most() >= MANY
    };
    let forgetful: Vec<&Client> = clients.values().filter(is_so).collect();
    let all: usize = forgetful.iter().map(|client| client.0.len()).sum();
    let alone: usize = forgetful.iter().map(|client| client.ended_alone()).sum();
    let are_many = forgetful.len() >= MANY_CLIENTS && forgetful.len() * 2 >= clients.len();
    if !are_many || alone * 10 > all {
        return None;
    }
    let most = forgetful.iter().map(|client| client.most()).max().unwrap_or_default();
    let several =
        Said::new("several").with("count", forgetful.len()).with("all", clients.len()).with("most", most);
    Some(
        Claim::of(cause, Place::Client, several)
            .corroborated(Said::new("none_alone").with("count", all).with("alone", alone))
            .unless(Said::new("shared"))
            .next(Said::new("count_keys"))
            .fix(Said::new("close_old"))
            .concerns(
                seen.route.clone(),
                seen.now,
                Affected { connections: all as u64, share_of_closes: None },
            )
            .finding(),
    )
}

/// Browsers of which none has more than six event streams, and each next one waits for an end.
pub fn full_browsers(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    if seen.protocol != Protocol::Sse || seen.weight > 1.0 {
        return None;
    }
    let mut clients = clients(seen);
    clients.retain(|(_, agent), client| {
        agent.starts_with("Mozilla/") && (BROWSER..=CROWD).contains(&client.0.len())
    });
    let most = clients.values().map(Client::most).max()?;
    let full: Vec<usize> =
        clients.values().filter(|client| client.most() == BROWSER).map(Client::handovers).collect();
    let waited: usize = full.iter().sum();
    if most != BROWSER || full.len() < BROWSERS_MIN || waited < BROWSERS_MIN {
        return None;
    }
    let six = Said::new("six").with("count", full.len());
    let affected = Affected { connections: (full.len() * BROWSER) as u64, share_of_closes: None };
    Some(
        Claim::of(cause, Place::Client, six)
            .corroborated(Said::new("next_waits").with("count", waited))
            .unless(Said::new("comes_back"))
            .next(Said::new("open_seven"))
            .fix(Said::new("speak_http2"))
            .concerns(seen.route.clone(), seen.now, affected)
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use crate::population::tests::{Made, end, told_of};

    const DOUBLES: &str = "duplicate-connections-client";
    const SIX: &str = "sse-browser-6-connection-limit";

    /// Connections of so many clients, four of each, opened 20 s apart; `ended(nth)`: how long ago.
    fn pages(clients: u64, ended: impl Fn(u64) -> f64) -> Vec<Made> {
        let one = |client: u64, nth: u64| {
            let (opened, ended) = (300.0 - 20.0 * nth as f64, ended(nth));
            end(client * 10 + nth).lived(ended, opened - ended, 1.0).close(model::Leg::Client, 1001).with(
                |record| {
                    record.client.ip = [10, 1, 0, client as u8].into();
                },
            )
        };
        (0..clients).flat_map(|client| (0..4).map(move |nth| (client, nth))).map(|(c, n)| one(c, n)).collect()
    }

    fn level(id: &str, records: Vec<Made>) -> Option<Level> {
        told_of(id, records.into_iter()).map(|(level, _)| level)
    }

    #[test]
    fn a_page_that_forgets_its_connections_loses_all_of_them_together() {
        assert_eq!(level(DOUBLES, pages(6, |_| 100.0)), Some(Level::Medium));
        assert_eq!(level(DOUBLES, pages(4, |_| 100.0)), None, "a few may be tabs");
    }

    #[test]
    fn people_of_an_office_leave_one_by_one() {
        assert_eq!(level(DOUBLES, pages(6, |nth| 100.0 - 9.0 * nth as f64)), None);
        let in_turn = pages(6, |nth| 290.0 - 20.0 * nth as f64);
        assert_eq!(level(DOUBLES, in_turn), None, "each is closed before the next");
    }

    /// Event streams of so many browsers, each of which has at most `most` and queues the others.
    fn browsers(clients: u64, most: u64, agent: &str) -> Vec<Made> {
        browsers_after(0.05, clients, most, agent)
    }

    /// The same; each place is taken so long after the end, which is told a little later where that is below 0.
    fn browsers_after(gap: f64, clients: u64, most: u64, agent: &str) -> Vec<Made> {
        let one = |client: u64, nth: u64| {
            // Each place is taken anew 40 s later.
            let (place, round) = (nth % most, nth / most);
            let opened = 200.0 - 40.0 * round as f64 - place as f64;
            end(client * 100 + nth).lived(opened - 40.0 + gap, 40.0 - gap, 1.0).with(|record| {
                record.protocol = model::Protocol::Sse;
                record.client.ip = [10, 1, 0, client as u8].into();
                record.user_agent = Some(agent.into());
            })
        };
        let all = (0..clients).flat_map(|client| (0..3 * most).map(move |nth| (client, nth)));
        all.map(|(client, nth)| one(client, nth)).collect()
    }

    #[test]
    fn browsers_have_six_streams_and_the_next_one_waits() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(level(SIX, browsers(3, 6, firefox)), Some(Level::Medium));
        assert_eq!(
            level(SIX, browsers_after(-0.1, 3, 6, firefox)),
            Some(Level::Medium),
            "the end is told late"
        );
        assert_eq!(level(SIX, browsers_after(-5.0, 3, 6, firefox)), None, "they have more");
        assert_eq!(level(SIX, browsers(3, 5, firefox)), None);
        assert_eq!(level(SIX, browsers(2, 6, firefox)), None);
        assert_eq!(level(SIX, browsers(3, 6, "curl/8")), None);
        let more = [browsers(3, 6, firefox), browsers(9, 7, firefox).split_off(8 * 21)].concat();
        assert_eq!(level(SIX, more), None, "one has seven");
    }
}
