//! Several connections at once.

use std::time::Duration;

use diagnose::attempt::Attempt;
use diagnose::experiment::{Conduct, Experiment};
use model::Moment;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Settings, nothing, stopped};
use crate::clock;

/// Stages that one may wait in for as long as a stage may take: name, TCP, TLS, HTTP/2, HTTP.
const STAGES: f64 = 5.0;
/// Most connections of a crowd.
const CROWD_MAX: u32 = 500;
/// How long all are kept after the last one has its answer.
const KEPT: f64 = 1.0;

/// Opens so many at once. Those that open are kept until the last one has its answer, or none in the time of a stage:
/// a place that is given up would let in one that waits.
pub(super) async fn open(
    settings: &Settings,
    experiment: Experiment,
    connections: u32,
    start: Moment,
    mut stop: watch::Receiver<bool>,
) -> Attempt {
    let began = clock::now().since(start).as_secs_f64();
    let seconds = STAGES * settings.stage_time.as_secs_f64() + KEPT;
    let each = Experiment {
        conduct: Conduct::Hold { seconds, ping_seconds: None, message_seconds: None },
        ..experiment.clone()
    };
    let (end, is_over) = watch::channel(false);
    let (waiting, mut answered) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    for _ in 0..connections.min(CROWD_MAX) {
        let (settings, each, stop) = (settings.clone(), each.clone(), is_over.clone());
        let waiting = Some(waiting.clone());
        tasks.spawn(async move { super::alone(&settings, each, start, stop, waiting).await });
        // In an order that can be told, and no SYN flood.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    drop(waiting);
    let all_answered = async {
        answered.recv().await;
        tokio::time::sleep(Duration::from_secs_f64(KEPT)).await;
    };
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = all_answered => {}
    }
    // It fails when all have ended already.
    let _ = end.send(true);
    let mut crowd: Vec<Attempt> = tasks.join_all().await.into_iter().flatten().collect();
    crowd.sort_by(|a, b| a.began.total_cmp(&b.began));
    Attempt { crowd, ..nothing(experiment, began) }
}
