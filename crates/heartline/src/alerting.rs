//! Rules at work: one thread evaluates groups when they are due, writes what they give into the store and keeps their
//! state. Where another engine answers queries, it evaluates their expressions. Nobody waits for it, but a reload until the new rules are taken over.

mod kept;
mod log;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alert::engine::{Due, Engine, Evaluation, Notification, Options, Pass};
use gateway::clock;
use meter::scrape::RuleGroupFacts;
use model::ports::Rules;
use model::rules::GroupView;
use model::series::SeriesSource;
use parking_lot::{Condvar, Mutex};
use promql::Limits;
use remote::{EngineSeries, RemoteEngine};
use tokio::runtime::Handle;

use crate::Failure;
use crate::history::Kept;
use crate::rules::Groups;
use kept::StateOfGroups;
use log::Log;

/// How long the evaluation of one rule may take, seconds; as long as a query of the HTTP API.
const RULE_SECONDS_MAX: f64 = 25.0;

/// The clock is looked at at least so often, since it may be put forward or back.
const NAP_MAX: Duration = Duration::from_secs(10);

/// How long a reload waits for an evaluation to end. What was read is taken over afterwards all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is told of alerts. It must not wait: what it cannot take it drops and counts.
pub(crate) type Tell = Box<dyn FnMut(Vec<Notification>) + Send>;

/// An engine elsewhere that is asked instead of the store.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// The engine.
    pub(crate) engine: RemoteEngine,
    /// Where requests to it run.
    pub(crate) runtime: Handle,
}

/// What the thread shares with those who ask.
#[derive(Debug, Default)]
pub(crate) struct Board {
    groups: Mutex<Vec<Shown>>,
    /// Rules that were read anew, until they are taken over.
    anew: Mutex<Option<(Groups, Options)>>,
    changed: Condvar,
    is_stopping: AtomicBool,
}

/// A group as others see it.
#[derive(Debug)]
struct Shown {
    view: Arc<GroupView>,
    facts: RuleGroupFacts,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Alerting {
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

impl Alerting {
    /// Restores what is known of the groups, and evaluates them from now on.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(
        (kept, elsewhere): (Arc<Kept>, Option<Elsewhere>),
        board: Arc<Board>,
        (groups, options): (Groups, Options),
        tell: Tell,
    ) -> Result<Alerting, Failure> {
        let mut state = StateOfGroups::new(&kept);
        let mut engine = Engine::new(groups, options, now_ms());
        engine.restore(state.load(&kept), now_ms());
        board.show_all(&engine);
        let mut worker =
            Worker { kept, elsewhere, board: Arc::clone(&board), engine, state, log: Log::default(), tell };
        let thread = std::thread::Builder::new()
            .name("rules".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Failure::Running(format!("rules: {error}")))?;
        Ok(Alerting { board, thread: Some(thread) })
    }
}

impl Drop for Alerting {
    fn drop(&mut self) {
        self.board.is_stopping.store(true, Relaxed);
        drop(self.board.anew.lock());
        self.board.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that evaluates rules panicked");
        }
    }
}

impl Board {
    /// Takes over rules that were read anew.
    pub(crate) fn reload(&self, groups: Groups, options: Options) {
        let mut anew = self.anew.lock();
        *anew = Some((groups, options));
        self.changed.notify_all();
        self.changed.wait_while_for(&mut anew, |anew| anew.is_some(), PATIENCE);
    }

    /// For the metrics page.
    pub(crate) fn facts(&self) -> Vec<RuleGroupFacts> {
        self.groups.lock().iter().map(|shown| shown.facts.clone()).collect()
    }

    fn show_all(&self, engine: &Engine) {
        let mut shown = self.groups.lock();
        let known: Vec<RuleGroupFacts> = shown.drain(..).map(|shown| shown.facts).collect();
        shown.extend(engine.rules().groups.into_iter().map(|view| {
            let name = format!("{};{}", view.file, view.name);
            let facts = known.iter().find(|facts| *facts.name == *name).cloned();
            let facts = facts.unwrap_or_else(|| RuleGroupFacts { name: name.into(), ..Default::default() });
            let facts = RuleGroupFacts { interval_seconds: view.interval, ..facts };
            Shown { view, facts }
        }));
    }

    fn show(&self, view: GroupView, count: impl FnOnce(&mut RuleGroupFacts)) {
        let mut groups = self.groups.lock();
        let is_it = |shown: &&mut Shown| (&shown.view.file, &shown.view.name) == (&view.file, &view.name);
        if let Some(shown) = groups.iter_mut().find(is_it) {
            count(&mut shown.facts);
            shown.view = Arc::new(view);
        }
    }
}

impl Rules for Board {
    fn groups(&self) -> Vec<Arc<GroupView>> {
        self.groups.lock().iter().map(|shown| Arc::clone(&shown.view)).collect()
    }
}

/// What the thread has.
struct Worker {
    kept: Arc<Kept>,
    elsewhere: Option<Elsewhere>,
    board: Arc<Board>,
    engine: Engine,
    state: StateOfGroups,
    log: Log,
    tell: Tell,
}

impl Worker {
    fn run(&mut self) {
        while !self.board.is_stopping.load(Relaxed) {
            self.take_over();
            self.engine.realign(now_ms());
            match self.engine.due(now_ms()) {
                Some(due) => self.pass(&due),
                None => self.sleep(),
            }
        }
    }

    /// Takes over rules that were read anew, if there are any.
    fn take_over(&mut self) {
        let mut anew = self.board.anew.lock();
        let Some((groups, options)) = anew.take() else { return };
        self.engine.reload(groups, options, now_ms());
        self.board.show_all(&self.engine);
        self.board.changed.notify_all();
        drop(anew);
        self.state.retain(&self.kept, &self.engine.rules());
    }

    fn sleep(&mut self) {
        let ended = self.engine.take_ended(now_ms());
        self.kept.write(&ended);
        let mut anew = self.board.anew.lock();
        let is_quiet = anew.is_none() && !self.board.is_stopping.load(Relaxed);
        let next_ms = self.engine.next_at_ms().map_or(i64::MAX, |at_ms| at_ms - now_ms());
        if is_quiet && next_ms > 0 {
            let nap = Duration::from_millis(next_ms.unsigned_abs()).min(NAP_MAX);
            self.board.changed.wait_for(&mut anew, nap);
        }
    }

    /// Evaluates a group, and all that follows. A panic is a fault of this program, and costs one evaluation.
    fn pass(&mut self, due: &Due) {
        if catch_unwind(AssertUnwindSafe(|| self.work(due))).is_err() {
            tracing::error!(file = due.file, group = due.group, "the evaluation of rules panicked");
            self.engine.skip(due);
            let failed = |facts: &mut RuleGroupFacts| facts.failures += 1;
            self.engine
                .group(&due.file, &due.group)
                .into_iter()
                .for_each(|view| self.board.show(view, failed));
        }
    }

    fn work(&mut self, due: &Due) {
        let Some(evaluation) = self.evaluate(due) else { return };
        self.kept.write(&evaluation.samples);
        if let Some(view) = self.engine.group(&due.file, &due.group) {
            let seconds = view.evaluation_time;
            self.board.show(view, |facts| count(facts, due, &evaluation, seconds));
        }
        self.log.evaluated(due, &evaluation);
        if let Some(saved) = self.engine.saved_group(&due.file, &due.group) {
            self.state.save(&self.kept, &saved);
        }
        if !evaluation.notifications.is_empty() {
            (self.tell)(evaluation.notifications);
        }
    }

    fn evaluate(&mut self, due: &Due) -> Option<Evaluation> {
        let (began, board) = (Instant::now(), &self.board);
        let series = self.elsewhere.as_ref().map(Elsewhere::series);
        let ask = series.as_ref().map(|series| |query: &str, at_ms| series.instant(query, at_ms));
        let pass = Pass {
            source: series.as_ref().map_or(&*self.kept as &dyn SeriesSource, |series| series),
            elsewhere: ask.as_ref().map(|ask| ask as _),
            limits: Limits { expired: &|| board.is_stopping.load(Relaxed), ..Limits::default() },
            elapsed: &|| began.elapsed().as_secs_f64(),
            rule_seconds_max: RULE_SECONDS_MAX,
        };
        self.engine.evaluate(due, &pass)
    }
}

impl Elsewhere {
    fn series(&self) -> EngineSeries {
        let timeout = Duration::from_secs_f64(RULE_SECONDS_MAX);
        EngineSeries::new(self.engine.clone(), self.runtime.clone(), timeout)
    }
}

fn count(facts: &mut RuleGroupFacts, due: &Due, evaluation: &Evaluation, seconds: f64) {
    facts.evaluations += evaluation.rules as u64;
    facts.failures += evaluation.failures.len() as u64;
    facts.iterations += 1 + evaluation.missed;
    facts.missed += evaluation.missed;
    facts.last_seconds = seconds;
    facts.last_at = due.now_ms as f64 / 1000.0;
}

fn now_ms() -> i64 {
    (clock::wall().as_secs_f64() * 1000.0) as i64
}

#[cfg(test)]
mod tests;
