//! Several connections at once.

use std::time::Duration;

use diagnose::attempt::Attempt;
use diagnose::experiment::{Conduct, Experiment};
use model::Moment;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Settings, nothing};
use crate::clock;

/// Most connections of a crowd.
const CROWD_MAX: u32 = 500;
/// How long each one is kept after all have begun.
const KEPT: f64 = 2.0;

/// Opens so many at once, each one kept for a while.
pub(super) async fn open(
    settings: &Settings,
    experiment: Experiment,
    connections: u32,
    start: Moment,
    stop: watch::Receiver<bool>,
) -> Attempt {
    let began = clock::now().since(start).as_secs_f64();
    let each = Experiment {
        conduct: Conduct::Hold { seconds: KEPT, ping_seconds: None, message_seconds: None },
        ..experiment.clone()
    };
    let mut tasks = JoinSet::new();
    for _ in 0..connections.min(CROWD_MAX) {
        let (settings, each, stop) = (settings.clone(), each.clone(), stop.clone());
        tasks.spawn(async move { super::alone(&settings, each, start, stop).await });
        // In an order that can be told, and no SYN flood.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut crowd: Vec<Attempt> = tasks.join_all().await.into_iter().flatten().collect();
    crowd.sort_by(|a, b| a.began.total_cmp(&b.began));
    Attempt { crowd, ..nothing(experiment, began) }
}
