//! Findings of the running gateway: a thread gives close records and looks at what is open to `diagnose`, and keeps what
//! it says.

mod kept;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diagnose::population::{Ledger, Own, Reach, Told, Watch, WatchOptions};
use gateway::clock;
use meter::scrape::{ActiveFinding, FindingFacts};
use model::finding::{Coverage, Doubt, Finding, Place};
use model::host::HostFacts;
use model::journal::{JournalSink, Opening};
use model::live::LiveConnection;
use model::ports::Findings;
use model::record::CloseRecord;
use model::{Protocol, WallTime, Word as _};
use parking_lot::Mutex;

use self::kept::KeptDoubts;
use crate::Failure;
use crate::history::Kept;

/// Close records that wait for the thread; beyond it they are dropped, and counted.
const QUEUE: usize = 8192;
/// How often the queue is emptied, and after how many times of it causes are asked.
const PACE: Duration = Duration::from_millis(500);
const PACES: u64 = 10;

/// Longest kind and subject of what is told, characters.
const WORDS_MAX: usize = 100;

/// What open connections are looked at through, and the machines.
pub(crate) trait Sight: Send {
    /// Calls `take` with what is open of some routes and protocols, and what is known of the machines; false when the
    /// gateway is gone.
    fn look(
        &self,
        of: &[(Arc<str>, Protocol)],
        take: &mut dyn FnMut(&mut dyn Iterator<Item = LiveConnection>, HostFacts),
    ) -> bool;

    /// What the gateway knows of itself.
    fn own(&self) -> Own;
}

/// What the thread is told.
enum News {
    Closed(Arc<CloseRecord>),
    Told(Told),
}

/// The findings, as others see them.
pub(crate) struct Investigation {
    news: SyncSender<News>,
    ledger: Mutex<Ledger>,
    doubts: Mutex<KeptDoubts>,
    coverage: Mutex<Coverage>,
    looks: AtomicU64,
    overload: AtomicU64,
    routes: AtomicU64,
}

/// The thread; dropping it ends it.
pub(crate) struct Investigator {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Investigation {
    /// The place for findings, with the doubts that an earlier process kept, and what the thread reads.
    pub(crate) fn new(kept: Arc<Kept>) -> (Arc<Investigation>, NewsReader) {
        let (news, reader) = sync_channel(QUEUE);
        let doubts = KeptDoubts::new(kept);
        let mut ledger = Ledger::default();
        ledger.restore_doubts(doubts.load(), clock::wall());
        let investigation = Investigation {
            news,
            ledger: Mutex::new(ledger),
            doubts: Mutex::new(doubts),
            coverage: Mutex::default(),
            looks: AtomicU64::new(0),
            overload: AtomicU64::new(0),
            routes: AtomicU64::new(0),
        };
        (Arc::new(investigation), NewsReader(reader))
    }

    /// For the metrics page.
    pub(crate) fn facts(&self) -> FindingFacts {
        let active = self.ledger.lock().active();
        let undoubted = active.into_iter().filter(|finding| finding.doubt.is_none());
        let active = undoubted.map(|finding| ActiveFinding {
            id: finding.id.as_ref().into(),
            route: finding.route.unwrap_or_default(),
            level: finding.level.as_str(),
        });
        let mut active: Vec<ActiveFinding> = active.collect();
        // Two places of one cause are one series.
        active.sort_by(|a, b| (&a.id, &a.route, a.level).cmp(&(&b.id, &b.route, b.level)));
        active.dedup();
        let dropped = vec![("overload", self.overload.load(Relaxed)), ("routes", self.routes.load(Relaxed))];
        FindingFacts { active, looks: self.looks.load(Relaxed), dropped }
    }

    /// Takes in what a run of a probe found, and what it could have found.
    pub(crate) fn probed(
        &self,
        probe: &Arc<str>,
        route: Option<&Arc<str>>,
        found: Vec<Finding>,
        reach: Reach,
    ) {
        self.ledger.lock().probed(probe, route, found, reach, clock::wall());
    }

    /// Only these probes are there still.
    pub(crate) fn keep_probes(&self, is_kept: impl Fn(&str) -> bool) {
        self.ledger.lock().keep_probes(is_kept, clock::wall());
    }

    /// Findings that a probe sees now.
    pub(crate) fn findings_of(&self, probe: &str) -> u64 {
        self.ledger.lock().of_probe(probe) as u64
    }

    /// Keeps what has changed of the doubts; waits for the disk.
    fn keep_doubts(&self) {
        let mut doubts = self.doubts.lock();
        let changed = self.ledger.lock().changed_doubts();
        if let Some(changed) = changed {
            doubts.save(&changed);
        }
    }

    fn tell(&self, news: News) {
        if let Err(TrySendError::Full(_)) = self.news.try_send(news) {
            self.overload.fetch_add(1, Relaxed);
        }
    }
}

/// What the thread reads.
pub(crate) struct NewsReader(Receiver<News>);

impl Investigator {
    /// Starts the thread.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(
        investigation: Arc<Investigation>,
        news: NewsReader,
        sight: impl Sight + 'static,
    ) -> Result<Investigator, Failure> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("findings".to_owned())
            .spawn(move || run(&investigation, &news, &sight, &stopped))
            .map_err(|error| Failure::Running(format!("findings: {error}")))?;
        Ok(Investigator { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Investigator {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that makes findings panicked");
        }
    }
}

fn run(investigation: &Investigation, news: &NewsReader, sight: &dyn Sight, stopped: &Receiver<()>) {
    let mut watch = Watch::new(WatchOptions::default());
    for pace in 1_u64.. {
        if stopped.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        for news in news.0.try_iter().take(QUEUE) {
            match news {
                News::Closed(record) => watch.closed(record),
                News::Told(told) => watch.told(told),
            }
        }
        if pace % PACES != 0 {
            continue;
        }
        let began = Instant::now();
        if !sight.look(&watch.populations(), &mut |open, host| watch.look(open, Some(host))) {
            return;
        }
        watch.know(sight.own());
        let now = clock::wall();
        let found = watch.judge(now);
        investigation.routes.store(watch.left_out(), Relaxed);
        investigation.ledger.lock().looked(found, now);
        investigation.keep_doubts();
        *investigation.coverage.lock() = watch.coverage();
        investigation.looks.fetch_add(1, Relaxed);
        tracing::debug!(
            seconds = began.elapsed().as_secs_f64(),
            records = watch.records(),
            "looked for causes"
        );
    }
}

impl Findings for Investigation {
    fn active(&self) -> Vec<Finding> {
        self.ledger.lock().active()
    }

    fn over(&self) -> Vec<Finding> {
        self.ledger.lock().over()
    }

    fn coverage(&self) -> Coverage {
        *self.coverage.lock()
    }

    fn doubt(&self, id: &str, route: Option<&str>, place: Option<Place>, doubt: Option<Doubt>) -> usize {
        let judged = self.ledger.lock().doubt(id, route, place, doubt.as_ref());
        self.keep_doubts();
        judged
    }

    fn told(&self, kind: &str, subject: &str, at: WallTime) {
        let cut = |text: &str| text.chars().take(WORDS_MAX).collect();
        self.tell(News::Told(Told { kind: cut(kind), subject: cut(subject), at }));
    }
}

/// Close records for findings, and for the journal when there is one.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) investigation: Arc<Investigation>,
    pub(crate) journal: Arc<dyn JournalSink>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl JournalSink for Records {
    fn closed(&self, record: Arc<CloseRecord>) {
        self.investigation.tell(News::Closed(Arc::clone(&record)));
        self.journal.closed(record);
    }

    fn opened(&self, opening: Opening) {
        self.journal.opened(opening);
    }
}
