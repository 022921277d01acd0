//! Which experiment comes next: first the plain request; then, when it fails, requests that differ in one thing that
//! could tell causes of this failure apart; when it opens, what could break it later.
//!
//! Pure: it is asked again and again with what was seen, what is under way and the time, and says what to begin and what
//! to end.

use model::{Protocol, Word as _};

use crate::attempt::{Attempt, Fault, StageName};
use crate::examination::{Examination, Target};
use crate::experiment::{Alpn, Check, Conduct, Experiment, Vary, Via};

/// What may be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The checks that are made; the handshake always is.
    pub checks: Vec<Check>,
    /// Leaves out what could find limits the hard way: large messages, many connections, frequent PINGs.
    pub is_safe: bool,
    /// Longest hold, seconds.
    pub idle_max: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options { checks: Check::ALL.to_vec(), is_safe: false, idle_max: 70.0 }
    }
}

/// An experiment under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its number, by which it is ended.
    pub number: u64,
    /// What is done.
    pub experiment: Experiment,
    /// When it began, seconds after the start.
    pub began: f64,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Experiments to begin.
    pub start: Vec<Experiment>,
    /// Numbers of those to end.
    pub stop: Vec<u64>,
}

/// Short experiments that may be under way at once.
const AT_ONCE: usize = 3;
/// Connections of a crowd.
const CROWD: u32 = 20;
/// Echoes that are timed.
const ECHOES: u32 = 10;
/// Streams that are watched side by side, by the seconds between their Pings, and for how many seconds.
const WATCHES: [f64; 2] = [0.25, 0.3];
const WATCHED: f64 = 7.0;
/// How often the plain request is repeated when it fails.
const REPEATED: usize = 4;
/// How often a request is repeated that opens where the plain one fails.
const CONFIRMED: usize = 2;
/// The second silent hold begins so much later than the first, so that a clock that cuts both at once is told from a
/// timer of each.
const LATER: f64 = 2.3;
/// Sizes of messages that are tried, bytes.
const SIZES: [u64; 6] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// A message that nobody finds long, bytes.
const SMALL: u64 = 64;
/// Messages that a limit is bisected with.
const BISECTIONS: usize = 12;
/// Seconds between heartbeats of a hold that is kept busy.
const HEARTBEAT: f64 = 1.0;
/// Seconds between heartbeats as services send them; a hold with them is made when it has time for two.
const SPARSE_HEARTBEAT: f64 = 25.0;
/// Seconds between PING frames that clients of gRPC may send (its keepalive is no more frequent than that by default:
/// grpc/proposal, A8), and how long a server needs to mind.
const KEEPALIVE: f64 = 10.0;
const KEEPALIVE_SECONDS: f64 = 55.0;

/// The state of an examination's plan.
#[derive(Clone, Debug)]
pub struct Plan {
    options: Options,
    begun: Vec<Experiment>,
}

impl Plan {
    /// Nothing has been begun.
    pub fn new(options: Options) -> Plan {
        Plan { options, begun: Vec::new() }
    }

    /// What to do now, after what was seen and while this is running. Nothing to begin and nothing running: the end.
    pub fn next(&mut self, seen: &Examination, running: &[Running], now: f64) -> Step {
        let mut step = Step::default();
        let target = &seen.target;
        let mut first = vec![greeting(Check::Handshake, Via::Url, None)];
        first.extend(target.direct.is_some().then(|| greeting(Check::Handshake, Via::Direct, None)));
        let is_waiting =
            first.iter().any(|wanted| running.iter().any(|running| running.experiment == *wanted));
        self.begin(first, usize::MAX, &mut step);
        let Some(plain) = seen.plain().filter(|_| !is_waiting && step.start.is_empty()) else { return step };

        if plain.is_open() {
            self.hold(seen, running, now, &mut step);
        }
        let short = running.iter().filter(|running| !is_hold(&running.experiment)).count();
        let wanted = if plain.is_open() { self.while_open(seen, plain) } else { why_closed(seen, plain) };
        let wanted = wanted.into_iter().filter(|experiment| self.is_allowed(experiment)).collect();
        self.begin(wanted, AT_ONCE.saturating_sub(short), &mut step);
        if !plain.is_open() {
            self.confirm(seen, AT_ONCE.saturating_sub(short + step.start.len()), &mut step);
            self.repeat(seen, plain, AT_ONCE.saturating_sub(short + step.start.len()), &mut step);
        } else if short == 0 && step.start.is_empty() {
            step.start.extend(self.next_size(seen));
            self.begun.extend(step.start.iter().cloned());
        }
        step
    }

    fn is_allowed(&self, experiment: &Experiment) -> bool {
        let is_hard = matches!(experiment.check, Check::Size | Check::Concurrency | Check::Keepalive);
        let is_chosen =
            experiment.check == Check::Handshake || self.options.checks.contains(&experiment.check);
        is_chosen && !(is_hard && self.options.is_safe)
    }

    /// Begins the first so many of those that were not begun yet.
    fn begin(&mut self, wanted: Vec<Experiment>, room: usize, step: &mut Step) {
        let fresh: Vec<Experiment> =
            wanted.into_iter().filter(|experiment| !self.begun.contains(experiment)).take(room).collect();
        self.begun.extend(fresh.iter().cloned());
        step.start.extend(fresh);
    }

    /// What opens in place of the plain request, again: it may have been chance.
    fn confirm(&mut self, seen: &Examination, room: usize, step: &mut Step) {
        let flips = |made: &&Attempt| made.experiment.vary.is_some() && made.is_open();
        for flip in seen.attempts.iter().filter(flips).map(|made| &made.experiment) {
            let begun = self.begun.iter().filter(|begun| *begun == flip).count();
            let is_done = seen.attempts.iter().filter(|made| made.experiment == *flip).count() == begun;
            if is_done && begun <= CONFIRMED && step.start.len() < room && !step.start.contains(flip) {
                self.begun.push(flip.clone());
                step.start.push(flip.clone());
            }
        }
    }

    /// The plain request again, since it may fail only sometimes.
    fn repeat(&mut self, seen: &Examination, plain: &Attempt, room: usize, step: &mut Step) {
        let reached_http = plain.stage(StageName::Http).is_some();
        let again = greeting(Check::Handshake, Via::Url, None);
        let begun = self.begun.iter().filter(|experiment| **experiment == again).count();
        let is_done = seen.attempts.iter().filter(|attempt| attempt.experiment == again).count() == begun;
        if reached_http && is_done && begun <= REPEATED && room > 0 {
            self.begun.push(again.clone());
            step.start.push(again);
        }
    }

    /// Experiments on a service that answers as it should.
    fn while_open(&self, seen: &Examination, plain: &Attempt) -> Vec<Experiment> {
        let target = &seen.target;
        let vary = |check, vary| greeting(check, Via::Url, Some(vary));
        let mut wanted = Vec::new();
        if target.protocol != Protocol::Grpc && target.origin.is_none() {
            let own = vary(Check::Origin, Vary::Origin(own_origin(target)));
            let is_refused = seen.attempts.iter().any(|made| made.experiment == own && !made.is_open());
            wanted.push(own.clone());
            wanted.extend(
                (is_refused && target.direct.is_some()).then_some(Experiment { via: Via::Direct, ..own }),
            );
        }
        if target.protocol != Protocol::Grpc {
            let foreign = vary(Check::Origin, Vary::Origin(FOREIGN_ORIGIN.to_owned()));
            let is_let_in = seen.attempts.iter().any(|made| made.experiment == foreign && made.is_open());
            wanted.push(foreign);
            let is_worth = is_let_in && target.protocol == Protocol::WebSocket && target.has_cookie();
            wanted.extend(is_worth.then(|| vary(Check::Credentials, Vary::NoCredentials)));
        }
        if target.is_tls && target.protocol != Protocol::Grpc {
            wanted.push(vary(Check::Http, Vary::Alpn(Alpn::Both)));
        }
        match target.protocol {
            Protocol::WebSocket => {
                wanted.push(vary(Check::Compression, Vary::Compression(true)));
                if feeds(plain) {
                    // Whether what comes is late, and what a Ping waits for meanwhile.
                    let watched =
                        Conduct::Hold { seconds: 6.0, ping_seconds: Some(0.5), message_seconds: None };
                    wanted.push(experiment(Check::Latency, Via::Url, watched));
                    wanted.extend(
                        target.direct.is_some().then(|| experiment(Check::Latency, Via::Direct, watched)),
                    );
                } else {
                    // What stands still for all streams together is seen on several at once.
                    let watched = |via, seconds| {
                        let ping_seconds = Some(seconds);
                        let hold = Conduct::Hold { seconds: WATCHED, ping_seconds, message_seconds: None };
                        experiment(Check::Latency, via, hold)
                    };
                    wanted.extend(WATCHES.map(|seconds| watched(Via::Url, seconds)));
                    wanted.extend(target.direct.is_some().then(|| watched(Via::Direct, WATCHES[0])));
                }
                if echoes(plain) {
                    let echo = |via| {
                        experiment(Check::Latency, via, Conduct::Echo { messages: ECHOES, with_pings: true })
                    };
                    wanted.push(echo(Via::Url));
                    let longer = Conduct::Echo { messages: 40, with_pings: true };
                    wanted.extend(is_uneven(seen).then(|| experiment(Check::Latency, Via::Url, longer)));
                    wanted.extend(target.direct.is_some().then(|| echo(Via::Direct)));
                    let send = |via, frames| {
                        experiment(Check::Fragments, via, Conduct::Send { bytes: 4096, frames })
                    };
                    let pieces = send(Via::Url, 4);
                    let is_lost = seen.attempts.iter().any(|made| made.experiment == pieces && !echoes(made));
                    wanted.extend([send(Via::Url, 1), pieces]);
                    wanted.extend(is_lost.then(|| send(Via::Url, 3)));
                    wanted.extend((is_lost && target.direct.is_some()).then(|| send(Via::Direct, 4)));
                } else if takes_messages(plain) {
                    // Nothing is learnt by an echo, so that none has to be waited for before the next one.
                    let (_, failed) = seen.size_limit(Via::Url);
                    let sizes = sizes(target).filter(|size| failed.is_none_or(|failed| *size < failed));
                    wanted.extend(sizes.map(size));
                }
            }
            Protocol::Sse => {
                let listen = Conduct::Listen { seconds: 6.0, messages: 24 };
                wanted.push(experiment(Check::Flush, Via::Url, listen));
                wanted.extend(target.direct.is_some().then(|| experiment(Check::Flush, Via::Direct, listen)));
                let resumed = Conduct::Listen { seconds: 3.0, messages: 6 };
                wanted.extend(left_at(seen).map(|id| Experiment {
                    check: Check::Flush,
                    via: Via::Url,
                    vary: Some(Vary::LastEventId(id.to_owned())),
                    conduct: resumed,
                }));
                let gzip = Some(Vary::Compression(true));
                wanted.push(Experiment {
                    check: Check::Compression,
                    via: Via::Url,
                    vary: gzip.clone(),
                    conduct: listen,
                });
                if target.direct.is_some() {
                    wanted.push(Experiment {
                        check: Check::Compression,
                        via: Via::Direct,
                        vary: gzip,
                        conduct: listen,
                    });
                }
            }
            Protocol::Grpc => {
                wanted.push(vary(Check::Deadline, Vary::DeadlineMs(Some(2000))));
                // Until after the deadline that each call was told to have.
                let told = target.deadline.filter(|deadline| *deadline <= self.options.idle_max);
                wanted.extend(told.map(|deadline| {
                    let seconds = deadline + 1.0;
                    let held = Conduct::Hold { seconds, ping_seconds: None, message_seconds: None };
                    experiment(Check::Deadline, Via::Url, held)
                }));
            }
        }
        let crowd = |via| experiment(Check::Concurrency, via, Conduct::Crowd { connections: CROWD });
        let is_refused =
            seen.of(Check::Concurrency, Via::Url).flat_map(|made| &made.crowd).any(|one| !one.is_open());
        wanted.push(crowd(Via::Url));
        wanted.extend((is_refused && target.direct.is_some()).then(|| crowd(Via::Direct)));
        wanted
    }

    /// Begins holds, and ends those that nothing more is learnt from.
    fn hold(&mut self, seen: &Examination, running: &[Running], now: f64, step: &mut Step) {
        let seconds = self.options.idle_max;
        let pinged = Conduct::Hold {
            seconds: KEEPALIVE_SECONDS,
            ping_seconds: Some(KEEPALIVE),
            message_seconds: None,
        };
        let keepalive = experiment(Check::Keepalive, Via::Url, pinged);
        let is_patient = seen.target.protocol == Protocol::Grpc && seconds >= KEEPALIVE_SECONDS;
        let keepalive = Some(keepalive).filter(|wanted| is_patient && self.is_allowed(wanted));
        self.begin(keepalive.into_iter().collect(), usize::MAX, step);
        if !self.options.checks.contains(&Check::Idle) || seconds <= 0.0 {
            return;
        }
        let hold = |via, ping_seconds, message_seconds| {
            experiment(Check::Idle, via, Conduct::Hold { seconds, ping_seconds, message_seconds })
        };
        let plain = seen.plain().expect("a hold follows the plain attempt");
        // Timers of whole requests begin when theirs is over, which a client that goes on talking never lets be.
        let is_subscription = seen.target.protocol == Protocol::Grpc && is_subscription(plain);
        let quiet =
            |via| Experiment { vary: is_subscription.then_some(Vary::RequestEnded), ..hold(via, None, None) };
        let mut wanted = vec![quiet(Via::Url)];
        match seen.target.protocol {
            Protocol::WebSocket => {
                wanted.push(hold(Via::Url, Some(HEARTBEAT), None));
                let is_long = seconds > 2.0 * SPARSE_HEARTBEAT;
                wanted.extend(is_long.then(|| hold(Via::Url, Some(SPARSE_HEARTBEAT), None)));
                wanted.extend(echoes(plain).then(|| hold(Via::Url, None, Some(HEARTBEAT))));
            }
            // Services of gRPC take frequent PING frames for an attack (grpc/proposal, A8).
            Protocol::Grpc if is_subscription => {}
            Protocol::Grpc => wanted.push(hold(Via::Url, None, Some(HEARTBEAT))),
            Protocol::Sse => {}
        }
        if let Some(direct) = seen.direct().filter(|direct| direct.is_open()) {
            wanted.push(quiet(Via::Direct));
            wanted.extend(echoes(direct).then(|| hold(Via::Direct, None, Some(HEARTBEAT))));
        }
        self.begin(wanted, usize::MAX, step);
        let silent = quiet(Via::Url);
        let begun = self.begun.iter().filter(|experiment| **experiment == silent).count();
        let first = running.iter().find(|running| running.experiment == silent).map(|running| running.began);
        let is_early_end = first.is_none() && step.start.iter().all(|started| *started != silent);
        if begun == 1 && (is_early_end || first.is_some_and(|began| now - began > LATER)) {
            self.begun.push(silent.clone());
            step.start.push(silent);
        }
        step.stop.extend(finished(seen, running, now));
    }

    /// The next message of a search for the largest one that passes.
    fn next_size(&self, seen: &Examination) -> Option<Experiment> {
        let plain =
            seen.plain().filter(|plain| seen.target.protocol != Protocol::Sse && takes_messages(plain))?;
        let is_grpc = seen.target.protocol == Protocol::Grpc;
        if !self.is_allowed(&size(0)) {
            return None;
        }
        let tried: Vec<(u64, bool)> = seen.sizes(Via::Url).collect();
        let bytes = match seen.size_limit(Via::Url) {
            // Each message that gets no answer takes seconds: where exactly it begins is not worth them.
            (passed, Some(failed))
                if failed - passed > 1
                    && !seen.is_lost(Via::Url)
                    && tried.len() < sizes(&seen.target).count() + BISECTIONS =>
            {
                passed + (failed - passed) / 2
            }
            (passed, Some(failed)) => {
                // Whether it is the message or the frame that is too long, and who says so.
                let pieces = experiment(Check::Size, Via::Url, Conduct::Send { bytes: failed, frames: 4 });
                let straight =
                    experiment(Check::Size, Via::Direct, Conduct::Send { bytes: failed, frames: 1 });
                // What is lost may be lost in a band: a small one may come back, and larger ones.
                let larger: Vec<u64> = sizes(&seen.target).filter(|size| *size > failed).collect();
                let around =
                    [(passed == 0).then_some(SMALL), larger.first().copied(), larger.last().copied()];
                let around = around.into_iter().flatten().filter(|_| seen.is_lost(Via::Url)).map(size);
                let straight = seen.target.direct.is_some().then_some(straight);
                let more = straight.into_iter().chain(around).chain((!is_grpc).then_some(pieces));
                return more.into_iter().find(|wanted| !self.begun.contains(wanted));
            }
            (passed, None) => sizes(&seen.target).find(|size| *size > passed)?,
        };
        let wanted = size(bytes);
        let is_pointless = tried.len() > 2 && !echoes(plain) && bytes > 64 << 10 && self.options.is_safe;
        (!self.begun.contains(&wanted) && !is_pointless).then_some(wanted)
    }
}

/// Numbers of holds that have shown what they can.
fn finished(seen: &Examination, running: &[Running], now: f64) -> Vec<u64> {
    let silences: Vec<f64> =
        seen.silent(Via::Url).filter_map(|hold| Some(hold.peer_end()?.silence.max(hold.lived()))).collect();
    if silences.len() < 2 {
        return Vec::new();
    }
    let longest = silences.iter().copied().fold(0.0, f64::max);
    let enough = (2.5 * longest).max(longest + 3.0);
    let is_done = |hold: &&Running| is_hold(&hold.experiment) && now - hold.began > enough;
    running.iter().filter(is_done).map(|hold| hold.number).collect()
}

/// Requests that differ in what could be the cause of this failure.
fn why_closed(seen: &Examination, plain: &Attempt) -> Vec<Experiment> {
    let target = &seen.target;
    let Some(failed) = plain.failed() else { return Vec::new() };
    let vary = |check, vary| greeting(check, Via::Url, Some(vary));
    let mut wanted = Vec::new();
    match failed.name {
        StageName::Dns | StageName::Tcp => {}
        StageName::Tls | StageName::Http2 | StageName::Http if target.protocol == Protocol::Grpc => {
            wanted.push(vary(Check::Http, Vary::Alpn(Alpn::Http1)));
            wanted.push(vary(Check::Http, Vary::OtherScheme));
            wanted.push(vary(Check::Host, Vary::NoServerName));
        }
        StageName::Tls | StageName::Http2 => {
            wanted.push(vary(Check::Http, Vary::OtherScheme));
            wanted.push(vary(Check::Host, Vary::NoServerName));
            wanted.push(vary(Check::Http, Vary::Alpn(Alpn::None)));
            wanted.push(vary(Check::Http, Vary::Alpn(Alpn::Both)));
        }
        StageName::Http if !matches!(failed.fault, Some(Fault::Timeout)) => {
            wanted.push(vary(Check::Http, Vary::OtherScheme));
            wanted.push(vary(Check::Http, Vary::NoUpgrade));
            wanted.extend(target.is_tls.then(|| vary(Check::Http, Vary::Alpn(Alpn::Both))));
        }
        StageName::Http => wanted.push(vary(Check::Http, Vary::NoUpgrade)),
        StageName::Upgrade | StageName::FirstMessage => wanted.extend(why_refused(seen, plain)),
    }
    wanted
}

/// Requests that differ from one that an HTTP answer has refused.
fn why_refused(seen: &Examination, plain: &Attempt) -> Vec<Experiment> {
    let target = &seen.target;
    let is_direct_tls = seen.direct().is_some_and(|direct| direct.tls.is_some());
    let vary = |check, vary| greeting(check, Via::Url, Some(vary));
    let mut wanted = Vec::new();
    if target.protocol == Protocol::WebSocket {
        wanted.push(vary(Check::Http, Vary::NoUpgrade));
        // What the service says to a plain GET tells a lost upgrade from a changed path.
        let get = Experiment { via: Via::Direct, ..vary(Check::Http, Vary::NoUpgrade) };
        wanted.extend(target.direct.is_some().then_some(get));
        wanted.push(vary(Check::Http, Vary::LowerCaseFields));
    }
    if target.protocol != Protocol::Grpc {
        wanted.push(vary(Check::Origin, Vary::Origin(own_origin(target))));
        if target.origin.is_some() {
            wanted.push(vary(Check::Origin, Vary::NoOrigin));
        }
    }
    if !target.subprotocols.is_empty() {
        wanted.push(vary(Check::Handshake, Vary::Subprotocol(None)));
    }
    if !target.credentials.is_empty() {
        wanted.push(vary(Check::Credentials, Vary::NoCredentials));
    }
    if !matches!(plain.status(), Some(401 | 407 | 429)) {
        wanted.extend(paths(&target.path).into_iter().map(|path| vary(Check::Path, Vary::Path(path))));
        wanted.push(vary(Check::Path, Vary::Path("/heartline-no-such-path".to_owned())));
    }
    if let Some(direct) = &target.direct {
        wanted.push(vary(Check::Host, Vary::Host(direct.clone())));
    }
    if is_direct_tls && matches!(plain.status(), Some(500..=599)) {
        // Proxies that speak TLS to the service may not tell it the name.
        wanted.push(Experiment { via: Via::Direct, ..vary(Check::Host, Vary::NoServerName) });
    }
    // Servers of TLS answer plain HTTP so.
    if !target.is_tls && plain.status() == Some(400) {
        wanted.push(vary(Check::Http, Vary::OtherScheme));
    }
    if target.is_tls {
        wanted.push(vary(Check::Http, Vary::Alpn(Alpn::Both)));
        wanted.push(vary(Check::Http, Vary::Alpn(Alpn::None)));
    }
    wanted
}

/// Paths beside this one that a mistake in a path would be seen by.
fn paths(path: &str) -> Vec<String> {
    let (path, query) =
        path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
    let toggled = match path.strip_suffix('/') {
        Some(without) if !without.is_empty() => without.to_owned(),
        Some(_) => return Vec::new(),
        None => format!("{path}/"),
    };
    let last = path.trim_end_matches('/').rsplit('/').next().map(|last| format!("/{last}"));
    let mut all = vec![format!("{toggled}{query}"), "/".to_owned()];
    all.extend(last.filter(|last| last != path).map(|last| format!("{last}{query}")));
    all.extend(other_engine(&query).map(|query| format!("{path}{query}")));
    all
}

/// The query of the other version of engine.io that is in use: a client of one is refused by a server of the other
/// (socket.io/docs/v4/troubleshooting-connection-issues).
fn other_engine(query: &str) -> Option<String> {
    let swapped = |from, to| query.contains(from).then(|| query.replace(from, to));
    swapped("EIO=3", "EIO=4").or_else(|| swapped("EIO=4", "EIO=3"))
}

/// The origin of a page that has nothing to do with any service (RFC 6761, section 6.4).
pub const FOREIGN_ORIGIN: &str = "https://heartline.invalid";

/// The origin that a page of the service itself has.
pub fn own_origin(target: &Target) -> String {
    let scheme = if target.is_tls { "https" } else { "http" };
    let is_default = target.port == if target.is_tls { 443 } else { 80 };
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    if is_default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", target.port) }
}

fn greeting(check: Check, via: Via, vary: Option<Vary>) -> Experiment {
    Experiment { check, via, vary, conduct: Conduct::Greet }
}

fn experiment(check: Check, via: Via, conduct: Conduct) -> Experiment {
    Experiment { check, via, vary: None, conduct }
}

/// Sizes of messages that are tried, in their order: also the one that has to pass.
fn sizes(target: &Target) -> impl Iterator<Item = u64> {
    let needed = target.message_max.filter(|needed| !SIZES.contains(needed));
    let mut sizes: Vec<u64> = SIZES.into_iter().chain(needed).collect();
    sizes.sort_unstable();
    sizes.into_iter()
}

fn size(bytes: u64) -> Experiment {
    experiment(Check::Size, Via::Url, Conduct::Send { bytes, frames: 1 })
}

/// What goes on beside the rest.
fn is_hold(experiment: &Experiment) -> bool {
    matches!(experiment.check, Check::Idle | Check::Keepalive)
}

fn echoes(plain: &Attempt) -> bool {
    plain.stream.as_ref().is_some_and(|stream| stream.echoes.iter().any(Option::is_some))
}

/// A call on which the service goes on when its client has nothing more to say.
fn is_subscription(plain: &Attempt) -> bool {
    plain.peer_end().is_none() && plain.stream.as_ref().is_some_and(|stream| stream.messages_seen > 1)
}

/// The id of an event in the middle of the first event stream that the service ended: its client comes back with one,
/// and nothing behind this one may be lost.
fn left_at(seen: &Examination) -> Option<&str> {
    let ended = seen.of_open(Via::Url).find(|attempt| {
        let is_plain = attempt.experiment.vary.is_none();
        is_plain && attempt.peer_end().is_some() && attempt.stream.as_ref().is_some_and(|it| it.ids.len() > 3)
    })?;
    let ids = &ended.stream.as_ref()?.ids;
    ids.get(ids.len() / 2).map(String::as_str)
}

/// Messages come that nobody has asked for.
fn feeds(plain: &Attempt) -> bool {
    !echoes(plain) && plain.stream.as_ref().is_some_and(|stream| stream.messages_seen >= 3)
}

/// Most round trips are quick, and some are late by what TCP waits before it sends again.
fn is_uneven(seen: &Examination) -> bool {
    let rows = seen.of(Check::Latency, Via::Url).filter_map(|attempt| attempt.stream.as_ref());
    let mut trips: Vec<f64> =
        rows.flat_map(|stream| stream.echoes.iter().chain(&stream.pings)).flatten().copied().collect();
    trips.sort_by(f64::total_cmp);
    let middle = trips.get(trips.len() / 2).copied().unwrap_or_default();
    trips.last().is_some_and(|latest| *latest > middle + 0.15 && middle < 0.1)
}

/// The service did not end the connection over a small message.
fn takes_messages(plain: &Attempt) -> bool {
    plain.is_well()
}

#[cfg(test)]
mod tests;
