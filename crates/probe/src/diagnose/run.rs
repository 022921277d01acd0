//! The loop of an examination: what the plan wants is begun, what has ended is given to it, until it wants no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diagnose::attempt::Attempt;
use diagnose::examination::Examination;
use diagnose::experiment::Experiment;
use diagnose::plan::{Options, Plan, Running};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Settings;
use crate::clock;

/// How long attempts have to end when the time is over.
const GRACE: Duration = Duration::from_secs(3);
/// How often the plan is asked beside.
const STEP: Duration = Duration::from_millis(200);

/// What is told while an examination runs.
pub trait Progress {
    /// So many seconds have passed, and these are under way.
    fn running(&mut self, seconds: f64, experiments: &[&Experiment]);

    /// This one is over.
    fn ended(&mut self, _attempt: &Attempt) {}
}

/// Examines until the plan wants no more or `limit` has passed.
pub async fn examine(
    settings: Settings,
    seen: Examination,
    options: Options,
    limit: Duration,
    progress: &mut dyn Progress,
) -> Examination {
    let mut settings = settings;
    let start = clock::now();
    super::find_scheme(&mut settings, start).await;
    let settings = Arc::new(settings);
    let mut plan = Plan::new(options);
    let mut seen = seen;
    let mut tasks: JoinSet<(u64, Option<Attempt>)> = JoinSet::new();
    let mut stops: BTreeMap<u64, (Running, watch::Sender<bool>)> = BTreeMap::new();
    let mut number = 0;
    loop {
        let seconds = clock::now().since(start).as_secs_f64();
        let running: Vec<Running> = stops.values().map(|(running, _)| running.clone()).collect();
        let step = plan.next(&seen, &running, seconds);
        if seconds > limit.as_secs_f64() {
            let under_way = running.iter().map(|running| &running.experiment);
            under_way.chain(&step.start).for_each(|experiment| seen.leave_undone(experiment));
        }
        for (running, stop) in stops.values() {
            if seen.is_cut || step.stop.contains(&running.number) {
                let _ = stop.send(true);
            }
        }
        for experiment in step.start.into_iter().filter(|_| !seen.is_cut) {
            number += 1;
            let (stop, stopped) = watch::channel(false);
            let running = Running { number, experiment: experiment.clone(), began: seconds };
            stops.insert(number, (running, stop));
            let (settings, number) = (Arc::clone(&settings), number);
            tasks.spawn(async move { (number, super::attempt(&settings, experiment, start, stopped).await) });
        }
        if tasks.is_empty() || seconds > (limit + GRACE).as_secs_f64() {
            return seen;
        }
        let under_way: Vec<&Experiment> = stops.values().map(|(running, _)| &running.experiment).collect();
        progress.running(seconds, &under_way);
        match tokio::time::timeout(STEP, tasks.join_next()).await {
            Ok(Some(Ok((number, attempt)))) => {
                stops.remove(&number);
                attempt.iter().for_each(|attempt| progress.ended(attempt));
                seen.attempts.extend(attempt);
            }
            Ok(Some(Err(broken))) => std::panic::resume_unwind(broken.into_panic()),
            Ok(None) | Err(_) => {}
        }
    }
}
