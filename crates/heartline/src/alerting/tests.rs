//! The thread's work, pass by pass, on a store in memory or in a folder.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use model::rules::RuleView;
use model::series::{METRIC_NAME, MatchOp, Matcher, SeriesSource as _, TimeRange};

use super::*;
use crate::config::DataConfig;

const RULES: &str = r#"
groups:
- name: g
  interval: 10s
  rules:
  - {record: two, expr: 1 + 1}
  - {alert: A, expr: two > 1}
  - {alert: Bad, expr: 'two + on () {__name__=~"two|ALERTS"}'}
- {name: h, interval: 10s, rules: [{alert: B, expr: vector(1), for: 20s}]}
"#;

fn groups(text: &str) -> Groups {
    let file = alert::rules::parse(text, &promql::Options::default()).expect("good rules");
    file.groups.into_iter().map(|group| ("f.yml".to_owned(), group)).collect()
}

/// A worker without its thread, and what it tells.
fn worker(dir: Option<&Path>, text: &str, now_ms: i64) -> (Worker, Receiver<Vec<Notification>>) {
    let config = DataConfig { dir: dir.map(Path::to_owned), ..DataConfig::default() };
    let (kept, board) = (Kept::open(&config, &[]).expect("opens"), Arc::new(Board::default()));
    let mut state = StateOfGroups::new(&kept);
    let mut engine = Engine::new(groups(text), Options::default(), now_ms);
    engine.restore(state.load(&kept), now_ms);
    board.show_all(&engine);
    let (told, receiver) = sync_channel(100);
    let tell: Tell = Box::new(move |sent| told.try_send(sent).expect("there is room"));
    (Worker { kept, elsewhere: None, board, engine, state, log: Log::default(), tell }, receiver)
}

impl Worker {
    /// Evaluates all that is due up to a time.
    fn run_until(&mut self, to_ms: i64) {
        while let Some(at_ms) = self.engine.next_at_ms().filter(|at_ms| *at_ms <= to_ms) {
            let due = self.engine.due(at_ms).expect("its time has come");
            self.pass(&due);
        }
    }

    fn values(&self, name: &str) -> Vec<f64> {
        let (name, op, value) = (METRIC_NAME.to_owned(), MatchOp::Equal, name.to_owned());
        let always = TimeRange { from_ms: 0, to_ms: i64::MAX / 4 };
        let found = self.kept.select(&[Matcher { name, op, value }], always, 1000).expect("is read");
        found.iter().flat_map(|series| &series.samples).map(|sample| sample.value).collect()
    }

    fn facts(&self, group: &str) -> RuleGroupFacts {
        let facts = self.board.facts();
        facts.into_iter().find(|facts| facts.name.ends_with(group)).expect("the group is known")
    }
}

fn states(board: &Board) -> Vec<String> {
    let groups = board.groups();
    let rules = groups.iter().flat_map(|group| &group.rules);
    let states = rules.filter_map(|rule| match rule {
        RuleView::Alerting { name, state, health, .. } => Some(format!("{name} {state} {health}")),
        RuleView::Recording { .. } => None,
    });
    states.collect()
}

/// Any time; series may be as old as they like.
const START_MS: i64 = 1_700_000_000_000;

#[test]
fn what_rules_give_is_written_shown_counted_and_told() {
    let (mut worker, told) = worker(None, RULES, START_MS);
    assert_eq!(states(&worker.board), ["A unknown unknown", "Bad unknown unknown", "B unknown unknown"]);
    worker.run_until(START_MS + 20_000);
    assert_eq!(states(&worker.board), ["A firing ok", "Bad inactive err", "B pending ok"]);
    assert_eq!(worker.values("two"), [2.0, 2.0]);
    assert_eq!(worker.values("ALERTS"), [1.0, 1.0, 1.0, 1.0]);
    let RuleGroupFacts { evaluations, failures, iterations, missed, .. } = worker.facts("f.yml;g");
    assert_eq!((evaluations, failures, iterations, missed), (6, 2, 2, 0));
    let names: Vec<String> =
        told.try_iter().flatten().map(|sent| sent.labels.get("alertname").to_owned()).collect();
    assert_eq!(names, ["A"]);
}

#[test]
fn a_panic_costs_one_evaluation() {
    let (mut worker, _) = worker(None, RULES, START_MS);
    worker.tell = Box::new(|_| panic!("a fault"));
    worker.run_until(START_MS + 100_000);
    let facts = worker.facts("f.yml;g");
    assert_eq!(
        (facts.iterations, facts.failures),
        (10, 10 + 2),
        "one rule fails, an alert is sent at once and after more than a minute"
    );
    assert_eq!(states(&worker.board), ["A firing ok", "Bad inactive err", "B firing ok"]);
}

#[test]
fn state_outlives_the_process_and_goes_with_its_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, _told) = worker(Some(folder.path()), RULES, START_MS);
    first.run_until(START_MS + 40_000);
    assert_eq!(states(&first.board), ["A firing ok", "Bad inactive err", "B firing ok"]);
    drop(first);
    let (mut second, told) = worker(Some(folder.path()), RULES, START_MS + 60_000);
    assert_eq!(
        second.engine.alerts().alerts.iter().filter(|alert| alert.state.word() == "firing").count(),
        2
    );
    second.run_until(START_MS + 70_000);
    assert_eq!(states(&second.board), ["A firing ok", "Bad inactive err", "B firing ok"]);
    assert_eq!(told.try_iter().flatten().count(), 0, "they are not sent again so soon");
    *second.board.anew.lock() = Some((groups("groups: []"), Options::default()));
    second.take_over();
    assert_eq!(second.kept.state().names("rules/").expect("is read"), [""; 0]);
    assert!(second.board.groups().is_empty());
}

#[test]
fn a_reload_is_taken_over_by_the_thread() {
    let (worker, _told) = worker(None, RULES, START_MS);
    let board = Arc::default();
    let input = (groups(RULES), Options::default());
    let alerting =
        Alerting::start((worker.kept, None), Arc::clone(&board), input, Box::new(|_| {})).expect("starts");
    board.reload(groups("groups: [{name: new}]"), Options::default());
    let names: Vec<String> = board.groups().iter().map(|group| group.name.clone()).collect();
    assert_eq!(names, ["new"]);
    drop(alerting);
}
