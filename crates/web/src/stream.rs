//! The live stream: one look a second for each window that somebody watches, shared by all who watch it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use crate::asker::Asker;
use crate::server::stop_asked;

/// Subscribers at the same time; one more is told to poll.
const SEATS: usize = 64;
const PERIOD: Duration = Duration::from_secs(1);
/// Silence after which a comment is sent, so that proxies do not cut the stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A frame as it goes on the wire; none until the first look.
type Frame = Option<Bytes>;

/// All subscribers. Each holds only the latest frame: one who reads slowly skips frames.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    asker: Asker,
    seats: Arc<Semaphore>,
    /// One for each window that is watched; at most as many as there are seats.
    feeds: Mutex<HashMap<Duration, watch::Sender<Frame>>>,
    last_id: AtomicU64,
    refused: AtomicU64,
    stopped: watch::Receiver<bool>,
}

impl Hub {
    /// `stopped` turns true when the server stops, and all streams end.
    pub(crate) fn new(asker: Asker, stopped: watch::Receiver<bool>) -> Hub {
        Hub(Arc::new(Inner {
            asker,
            seats: Arc::new(Semaphore::new(SEATS)),
            feeds: Mutex::default(),
            last_id: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stopped,
        }))
    }

    /// Subscribers that were sent away so far.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Seats that are taken, and all there are.
    pub(crate) fn viewers(&self) -> (u64, u64) {
        let free = self.0.seats.available_permits();
        ((SEATS - free.min(SEATS)) as u64, SEATS as u64)
    }

    /// Frames with looks over `window`; none when all seats are taken.
    pub(crate) fn subscribe(
        &self,
        window: Duration,
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        let Ok(seat) = Arc::clone(&self.0.seats).try_acquire_owned() else {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let subscriber = Subscriber {
            frames: self.watch(window),
            stopped: self.0.stopped.clone(),
            greeted: false,
            _seat: seat,
        };
        Some(unfold(subscriber, |mut subscriber| async {
            let bytes = subscriber.next().await?;
            Some((Ok(bytes), subscriber))
        }))
    }

    fn watch(&self, window: Duration) -> watch::Receiver<Frame> {
        let mut feeds = self.0.feeds.lock();
        let feed = feeds.entry(window).or_insert_with(|| {
            let feed = watch::Sender::new(None);
            tokio::spawn(self.clone().look(window, feed.clone()));
            feed
        });
        let mut frames = feed.subscribe();
        frames.mark_changed();
        frames
    }

    /// Looks every second for as long as somebody watches.
    async fn look(self, window: Duration, feed: watch::Sender<Frame>) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = feed.closed() => {
                    let mut feeds = self.0.feeds.lock();
                    if feed.receiver_count() == 0 {
                        feeds.remove(&window);
                        return;
                    }
                    continue;
                }
            }
            let json =
                self.0.asker.ask(move |ports| serde_json::to_string(&ports.overviews.overview(window)));
            if let Ok(Ok(json)) = json.await {
                feed.send_replace(Some(self.frame(&json)));
            }
        }
    }

    fn frame(&self, json: &str) -> Bytes {
        let id = self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        format!("id: {id}\nevent: overview\ndata: {json}\n\n").into()
    }
}

struct Subscriber {
    frames: watch::Receiver<Frame>,
    stopped: watch::Receiver<bool>,
    greeted: bool,
    _seat: OwnedSemaphorePermit,
}

impl Subscriber {
    /// What to send next; none when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(greeting());
        }
        loop {
            tokio::select! {
                () = stop_asked(&mut self.stopped) => return None,
                changed = tokio::time::timeout(HEARTBEAT, self.frames.changed()) => match changed {
                    Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                    Ok(Err(_)) => return None,
                    Ok(Ok(())) => {
                        if let Some(frame) = self.frames.borrow_and_update().clone() {
                            return Some(frame);
                        }
                    }
                },
            }
        }
    }
}

/// Asks the client to come back in 2 s, and fills the buffer of a proxy that holds back short answers.
fn greeting() -> Bytes {
    const PAD: usize = 2048;
    format!("retry: 2000\n:{:PAD$}\n\n", "").into()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;
    use model::ports::{
        Connections, History, Hosts, Metrics, MetricsFormat, Operations, Overviews, Received, Recordings,
        Rules,
    };
    use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
    use model::{ConnectionId, WallTime};

    use super::*;
    use crate::{About, Ports};

    struct Silent;

    impl Connections for Silent {
        fn live(&self) -> Box<dyn Iterator<Item = model::live::LiveConnection> + '_> {
            Box::new(std::iter::empty())
        }
        fn closed(&self) -> Vec<Arc<model::record::CloseRecord>> {
            Vec::new()
        }
        fn live_one(&self, _: ConnectionId) -> Option<model::live::LiveConnection> {
            None
        }
        fn closed_one(&self, _: ConnectionId) -> Option<Arc<model::record::CloseRecord>> {
            None
        }
    }

    impl Recordings for Silent {
        fn recording(&self, _: ConnectionId) -> Option<model::recording::Recording> {
            None
        }
    }

    impl crate::Alertmanager for Silent {
        fn take(&self, _: Vec<alert::dispatch::PostedAlert>) -> Vec<String> {
            vec![]
        }

        fn alerts(&self, _: &alert::dispatch::AlertsQuery) -> Vec<alert::dispatch::GettableAlert> {
            vec![]
        }

        fn groups(&self, _: &alert::dispatch::AlertsQuery) -> Vec<alert::dispatch::AlertGroup> {
            vec![]
        }

        fn receivers(&self) -> Vec<alert::dispatch::ReceiverName> {
            vec![]
        }

        fn silences(&self, _: &[alert::alertmanager::Matcher]) -> Vec<alert::dispatch::GettableSilence> {
            vec![]
        }

        fn silence(&self, _: &str) -> Option<alert::dispatch::GettableSilence> {
            None
        }

        fn set_silence(
            &self,
            _: alert::dispatch::PostedSilence,
        ) -> Result<String, alert::dispatch::SilenceError> {
            Ok(String::new())
        }

        fn expire_silence(&self, _: &str) -> Result<(), alert::dispatch::SilenceError> {
            Ok(())
        }

        fn explain(&self, _: u64) -> Option<alert::dispatch::Explained> {
            None
        }

        fn suspects(&self, _: u64) -> Vec<model::finding::Finding> {
            Vec::new()
        }

        fn deliveries(&self) -> alert::delivery::DeliveryList {
            alert::delivery::DeliveryList::default()
        }

        fn send_again(&self, _: u64) -> Result<(), alert::delivery::AgainError> {
            Ok(())
        }

        fn configuration(&self) -> String {
            String::new()
        }
    }

    impl crate::Incidents for Silent {
        fn is_link(&self, _: u64, _: i64, signature: &str) -> bool {
            signature == "good"
        }

        fn incidents(&self) -> Vec<alert::escalation::IncidentView> {
            vec![]
        }

        fn incident(&self, _: u64) -> Option<alert::escalation::IncidentView> {
            None
        }

        fn ack(
            &self,
            _: u64,
            _: &str,
            _: &str,
        ) -> Result<alert::escalation::IncidentView, alert::escalation::AckError> {
            Err(alert::escalation::AckError::Unknown)
        }
    }

    impl Rules for Silent {
        fn groups(&self) -> Vec<Arc<model::rules::GroupView>> {
            Vec::new()
        }
    }

    impl Metrics for Silent {
        fn expose(&self, _: MetricsFormat) -> String {
            String::new()
        }
    }

    impl model::ports::Examinations for Silent {
        fn examine(&self, _: &model::examination::Asked) -> Result<String, model::examination::Denial> {
            Err(model::examination::Denial::Busy)
        }

        fn examination(&self, _: &str) -> Option<model::examination::Examined> {
            None
        }
    }

    impl model::ports::Probes for Silent {
        fn probes(&self) -> Vec<model::probe::ProbeView> {
            vec![]
        }
        fn run(&self, _: &str, _: bool) -> Result<(), model::probe::Refusal> {
            Ok(())
        }
    }

    impl Hosts for Silent {
        fn host(&self) -> model::host::HostFacts {
            model::host::HostFacts::default()
        }
    }

    impl model::ports::Workings for Silent {
        fn limits(&self) -> Vec<model::system::Limit> {
            vec![]
        }
        fn system(&self) -> model::system::SystemFacts {
            model::system::SystemFacts::default()
        }
        fn settings(&self) -> Vec<model::system::Setting> {
            vec![]
        }
    }

    impl Operations for Silent {
        fn reload(&self) -> Result<(), String> {
            Ok(())
        }
        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
        fn history(&self) -> Result<(), String> {
            Ok(())
        }
    }

    impl SeriesSource for Silent {
        fn select(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<Series>, ReadError> {
            Ok(vec![])
        }
        fn identities(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<Labels>, ReadError> {
            Ok(vec![])
        }
    }

    impl model::ports::Findings for Silent {
        fn active(&self) -> Vec<model::finding::Finding> {
            vec![]
        }
        fn over(&self) -> Vec<model::finding::Finding> {
            vec![]
        }
        fn coverage(&self) -> model::finding::Coverage {
            model::finding::Coverage::default()
        }
        fn doubt(
            &self,
            _: &str,
            _: Option<&str>,
            _: Option<model::finding::Place>,
            _: Option<model::finding::Doubt>,
        ) -> usize {
            0
        }
        fn told(&self, _: &str, _: &str, _: WallTime) {}
    }

    impl crate::Tryouts for Silent {
        fn routes(&self) -> Vec<crate::body::TryoutRoute> {
            vec![]
        }
        fn route_of(&self, _: &str, _: &str) -> Option<Arc<str>> {
            None
        }
        fn enter(&self, _: std::net::SocketAddr, _: ConnectionId) -> Result<std::net::TcpStream, String> {
            Err("silent".to_owned())
        }
    }

    impl History for Silent {
        fn receive(&self, _: &[(Labels, Sample)]) -> Received {
            Received::default()
        }
        fn is_behind(&self) -> bool {
            false
        }
    }

    /// Counts the looks; fails when told to.
    #[derive(Default)]
    struct Looks {
        count: AtomicU64,
        fails: bool,
    }

    impl Overviews for Looks {
        fn overview(&self, window: Duration) -> model::overview::Overview {
            self.count.fetch_add(1, Ordering::Relaxed);
            assert!(!self.fails, "told to fail");
            model::overview::Overview {
                countries: None,
                as_of: WallTime::default(),
                started_at: WallTime::default(),
                window_seconds: window.as_secs_f64(),
                now: Default::default(),
                trend: Default::default(),
                ended: vec![],
                handshakes: vec![],
                errors: vec![],
                routes: vec![],
                ceiling: Default::default(),
            }
        }
    }

    fn hub(looks: &Arc<Looks>) -> (Hub, watch::Sender<bool>) {
        let ports = Ports {
            connections: Arc::new(Silent),
            recordings: Arc::new(Silent),
            metrics: Arc::new(Silent),
            overviews: Arc::clone(looks) as Arc<dyn Overviews>,
            hosts: Arc::new(Silent),
            workings: Arc::new(Silent),
            probes: Arc::new(Silent),
            examinations: Arc::new(Silent),
            tryouts: Arc::new(Silent),
            operations: Arc::new(Silent),
            rules: Arc::new(Silent),
            alertmanager: Arc::new(Silent),
            incidents: Arc::new(Silent),
            findings: Arc::new(Silent),
            history: Arc::new(Silent),
            promql: promql::Options::default(),
            engine: None,
            journal: None,
            queries: Arc::default(),
            tryouts_refused: Arc::default(),
            about: About { version: String::new(), started_at: WallTime::default() },
        };
        let (stop, stopped) = watch::channel(false);
        (Hub::new(Asker::new(ports), stopped), stop)
    }

    async fn text(stream: &mut (impl Stream<Item = Result<Bytes, Infallible>> + Unpin)) -> String {
        let bytes = stream.next().await.expect("not over").expect("infallible");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    const WINDOW: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_look_serves_all_who_watch_the_same_window() {
        let looks = Arc::default();
        let (hub, _stop) = hub(&looks);
        let mut first = pin!(hub.subscribe(WINDOW).expect("a seat"));
        let mut second = pin!(hub.subscribe(WINDOW).expect("a seat"));
        for stream in [&mut first, &mut second] {
            let greeting = text(stream).await;
            assert!(greeting.starts_with("retry: 2000\n:") && greeting.len() > 2048, "{greeting}");
        }
        for id in 1..=3 {
            let frame = text(&mut first).await;
            assert!(frame.starts_with(&format!("id: {id}\nevent: overview\ndata: {{")), "{frame}");
            assert_eq!(text(&mut second).await, frame);
        }
        assert_eq!(looks.count.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_watches_nobody_looks() {
        let looks = Arc::default();
        let (hub, _stop) = hub(&looks);
        {
            let mut stream = pin!(hub.subscribe(WINDOW).expect("a seat"));
            text(&mut stream).await;
            text(&mut stream).await;
        }
        while !hub.0.feeds.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(looks.count.load(Ordering::Relaxed), 1);
        let mut again = pin!(hub.subscribe(WINDOW).expect("a seat"));
        text(&mut again).await;
        assert!(text(&mut again).await.starts_with("id: 2\n"), "ids go on");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments() {
        let (hub, _stop) = hub(&Arc::new(Looks { fails: true, ..Looks::default() }));
        let mut stream = pin!(hub.subscribe(WINDOW).expect("a seat"));
        text(&mut stream).await;
        assert_eq!(text(&mut stream).await, ": alive\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn seats_are_bounded_and_given_back() {
        let (hub, stop) = hub(&Arc::default());
        let mut taken: Vec<_> = (0..SEATS).map(|_| hub.subscribe(WINDOW).expect("a seat")).collect();
        assert!(hub.subscribe(WINDOW).is_none());
        assert_eq!(hub.refused(), 1);
        taken.pop();
        let mut last = pin!(hub.subscribe(WINDOW).expect("the seat given back"));
        text(&mut last).await;
        stop.send_replace(true);
        assert!(last.next().await.is_none(), "a stopped server ends its streams");
    }
}
