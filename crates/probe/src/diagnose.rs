//! The hands of an active diagnosis: each experiment of `diagnose` is made over real sockets, and what is seen comes
//! back as facts.

mod connect;
mod crowd;
mod events;
mod http1;
mod http2;
mod numbers;
mod run;
mod watched;
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use diagnose::attempt::{Attempt, Fault, Stage, StageName};
use diagnose::examination::{self, deadline};
use diagnose::experiment::{Alpn, Check, Conduct, Experiment, Vary, Via};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Moment;
use tokio::sync::{mpsc, watch};

use self::watched::Watched;
use crate::clock;
use crate::target::{Protocol, Target};
use crate::tls::Trust;

pub use run::{Progress, examine};

/// What attempts have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is examined.
    pub target: Target,
    /// The upstream behind it.
    pub direct: Option<Upstream>,
    /// Fields of requests, beside those of the protocol.
    pub fields: HeaderMap,
    /// Subprotocols that are offered.
    pub subprotocols: Vec<String>,
    /// The message that is sent to see what comes back.
    pub message: String,
    /// Addresses in place of what the resolver says, each for a name and a port.
    pub resolved: Vec<(String, u16, SocketAddr)>,
    /// Whom to trust.
    pub trust: Trust,
    /// Longest wait for a stage of an opening.
    pub stage_time: Duration,
}

/// An upstream that is asked straight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether it speaks TLS; none when that is to be found out.
    pub is_tls: Option<bool>,
}

/// Fields that carry credentials (RFC 9110, section 11; RFC 6265), in lower case.
const CREDENTIALS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

impl Settings {
    /// Names of the fields with credentials.
    pub fn credentials(&self) -> Vec<String> {
        let names = self.fields.keys().map(HeaderName::as_str);
        names.filter(|name| is_credential(name)).map(str::to_owned).collect()
    }

    /// What is examined, as evidence has it.
    pub fn examined(&self) -> examination::Target {
        let target = &self.target;
        let origin = self.fields.get(http::header::ORIGIN);
        examination::Target {
            url: target.to_string(),
            protocol: target.protocol.into(),
            is_tls: target.is_tls,
            host: target.host.clone(),
            port: target.port,
            path: target.path.to_string(),
            direct: self.direct.as_ref().map(|Upstream { host, port, .. }| format!("{host}:{port}")),
            origin: origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned()),
            credentials: self.credentials(),
            subprotocols: self.subprotocols.clone(),
            message_max: None,
            deadline: self.fields.get("grpc-timeout").and_then(|value| deadline(value.to_str().ok()?)),
        }
    }
}

fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// One attempt under way: what it is about and what was seen of it so far.
pub(crate) struct Trial<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) experiment: &'a Experiment,
    pub(crate) began: Moment,
    pub(crate) seen: Attempt,
    /// True when it is to end.
    pub(crate) stop: watch::Receiver<bool>,
    /// Gone as soon as its request is answered, or never will be.
    pub(crate) waiting: Option<mpsc::Sender<()>>,
}

impl Trial<'_> {
    /// Seconds since it began.
    pub(crate) fn now(&self) -> f64 {
        clock::now().since(self.began).as_secs_f64()
    }

    /// What a step of an opening comes to; none when it takes too long, or the attempt is to end.
    pub(crate) async fn within<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = tokio::time::timeout(self.settings.stage_time, step) => done.ok(),
            () = stopped(&mut stop) => None,
        }
    }

    /// A stage is over, well or not.
    pub(crate) fn staged(&mut self, name: StageName, since: Moment, failed: Option<(Fault, String)>) {
        let (fault, detail) = failed.map_or((None, String::new()), |(fault, detail)| (Some(fault), detail));
        let seconds = clock::now().since(since).as_secs_f64();
        if name == StageName::Http || fault.is_some() {
            self.waiting = None;
        }
        self.seen.stages.push(Stage { name, seconds, fault, detail });
    }

    /// What differs from the plain request.
    pub(crate) fn vary(&self) -> Option<&Vary> {
        self.experiment.vary.as_ref()
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_tls(&self) -> bool {
        let target = &self.settings.target;
        match (self.experiment.via, self.vary()) {
            // Behind a proxy that ends TLS the service is often plain.
            (Via::Direct, _) => {
                self.settings.direct.as_ref().and_then(|direct| direct.is_tls).unwrap_or(target.is_tls)
            }
            (_, Some(Vary::OtherScheme)) => !target.is_tls,
            _ => target.is_tls,
        }
    }

    /// Whether HTTP/2 is spoken: as agreed on in TLS, and in the clear as gRPC does (prior knowledge).
    pub(crate) fn is_http2(&self) -> bool {
        let agreed = self.seen.tls.as_ref().map(|tls| tls.alpn.as_deref() == Some("h2"));
        let is_http1 = self.vary() == Some(&Vary::Alpn(Alpn::Http1));
        let is_known = self.settings.target.protocol == Protocol::Grpc;
        agreed.unwrap_or(false) || (is_known && !is_http1)
    }

    /// Name or address, and port, that are connected to.
    pub(crate) fn destination(&self) -> (&str, u16) {
        let target = &self.settings.target;
        match (self.experiment.via, &self.settings.direct) {
            (Via::Direct, Some(direct)) => (&direct.host, direct.port),
            _ => (&target.host, target.port),
        }
    }

    /// The name that TLS is asked for. A proxy knows its upstream by a name of its own, or by an address and the name
    /// that the client asked for.
    pub(crate) fn server_name(&self) -> &str {
        let (host, _) = self.destination();
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        if is_address { &self.settings.target.host } else { host }
    }

    /// Whom this attempt trusts. Proxies do not verify their upstreams by default, and no certificate of an upstream is
    /// for the name in the URL; what one says is told all the same.
    pub(crate) fn trust(&self) -> &Trust {
        if self.experiment.via == Via::Direct { &Trust::Anyone } else { &self.settings.trust }
    }

    /// Path and query of the request.
    pub(crate) fn path(&self) -> &str {
        match self.vary() {
            Some(Vary::Path(path)) => path,
            _ => self.settings.target.path.as_str(),
        }
    }

    /// `Host` or `:authority`.
    pub(crate) fn authority(&self) -> &str {
        match self.vary() {
            Some(Vary::Host(host)) => host,
            _ => &self.settings.target.authority,
        }
    }

    /// The fields that were asked for, as this attempt sends them.
    pub(crate) fn fields(&self) -> HeaderMap {
        let mut fields = self.settings.fields.clone();
        match self.vary() {
            Some(Vary::NoOrigin) => {
                fields.remove(http::header::ORIGIN);
            }
            Some(Vary::Origin(origin)) => {
                if let Ok(value) = HeaderValue::from_str(origin) {
                    fields.insert(http::header::ORIGIN, value);
                }
            }
            Some(Vary::NoCredentials) => {
                for name in CREDENTIALS {
                    fields.remove(name);
                }
            }
            _ => {}
        }
        fields
    }
}

/// Finds out whether the upstream speaks TLS, when nobody has said: as the URL does, unless it does not understand that.
pub(crate) async fn find_scheme(settings: &mut Settings, start: Moment) {
    let is_open = |direct: &Upstream| direct.is_tls.is_none();
    if !settings.target.is_tls || !settings.direct.as_ref().is_some_and(is_open) {
        return;
    }
    let (check, conduct) = (Check::Handshake, Conduct::Greet);
    let experiment = Experiment { check, via: Via::Direct, vary: None, conduct };
    let began = clock::now();
    let seen = nothing(experiment.clone(), began.since(start).as_secs_f64());
    let (_stop, stop) = watch::channel(false);
    let mut trial = Trial { settings, experiment: &experiment, began, seen, stop, waiting: None };
    let _ = connect::connect(&mut trial).await;
    let tls = trial.seen.stage(StageName::Tls).map(|stage| stage.fault);
    let is_tls =
        !matches!(tls, Some(Some(Fault::OtherProtocol | Fault::Ended | Fault::Reset | Fault::Timeout)));
    if let Some(direct) = &mut settings.direct {
        direct.is_tls = Some(is_tls);
    }
}

/// Ends when the attempt is to end; never when nobody can say so any more.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Makes one attempt; it ends by itself, in the time that its conduct says and a bounded time for its opening, or
/// soon after `stop` becomes true: then without a result, when nothing can be told of it yet.
pub(crate) async fn attempt(
    settings: &Settings,
    experiment: Experiment,
    start: Moment,
    stop: watch::Receiver<bool>,
) -> Option<Attempt> {
    match experiment.conduct {
        Conduct::Crowd { connections } => {
            Some(crowd::open(settings, experiment, connections, start, stop).await)
        }
        _ => alone(settings, experiment, start, stop, None).await,
    }
}

/// An attempt of one connection; none when it was to end before anything could be told of it.
async fn alone(
    settings: &Settings,
    experiment: Experiment,
    start: Moment,
    stop: watch::Receiver<bool>,
    waiting: Option<mpsc::Sender<()>>,
) -> Option<Attempt> {
    let began = clock::now();
    let seen = nothing(experiment.clone(), began.since(start).as_secs_f64());
    let mut trial = Trial { settings, experiment: &experiment, began, seen, stop, waiting };
    if let Some(stream) = connect::connect(&mut trial).await {
        let stream = Watched::new(stream);
        let watch = stream.watch();
        match settings.target.protocol {
            _ if trial.is_http2() => http2::open(&mut trial, stream).await,
            Protocol::WebSocket => websocket::open(&mut trial, stream).await,
            Protocol::Sse | Protocol::Grpc => events::open(&mut trial, stream).await,
        }
        trial.seen.tcp = watch.sample();
    }
    let is_given_up = |stage: &Stage| {
        stage.fault == Some(Fault::Timeout) && stage.seconds < settings.stage_time.as_secs_f64()
    };
    let is_untold = *trial.stop.borrow() && trial.seen.failed().is_some_and(is_given_up);
    (!is_untold).then_some(trial.seen)
}

/// An attempt of which nothing is seen yet.
fn nothing(experiment: Experiment, began: f64) -> Attempt {
    Attempt {
        experiment,
        began,
        stages: Vec::new(),
        peer: None,
        tls: None,
        answer: None,
        stream: None,
        tcp: None,
        crowd: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
