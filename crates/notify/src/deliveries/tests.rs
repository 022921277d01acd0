//! Workers with real sockets.

use std::sync::mpsc::{Receiver, channel};

use alert::delivery::DeliveryOutcome;
use serde_json::json;

use super::*;
use crate::testing::server::{Reply, Server};
use crate::testing::{alert, context, notice};

fn world(mailbox: &Arc<InMemory>) -> (World, Receiver<Report>) {
    let (give, reports) = channel();
    let world = World {
        now_ms: Arc::new(|| 1_000_000),
        chance: Arc::new(|| 0.5),
        mailbox: mailbox.clone(),
        report: Arc::new(move |report| drop(give.send(report))),
        attempted: Arc::new(|_| {}),
    };
    (world, reports)
}

fn webhook(name: &str, base: &str) -> Destination {
    let channels = Channel::read("webhook", json!({"url": base}), &context()).expect("settings");
    let channel = channels.into_iter().next().expect("one channel");
    Destination { name: name.into(), channel }
}

fn some(group: &str) -> Notice {
    notice(group, vec![alert("A", 1_000_000, None)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_hangs_delays_no_other() {
    let hangs = Server::start(vec![Reply::Nothing]).await;
    let answers = Server::start(vec![Reply::Says(200, "", String::new()); 20]).await;
    let mailbox = Arc::new(InMemory::default());
    let (world, reports) = world(&mailbox);
    let destinations = vec![webhook("hangs", &hangs.base), webhook("answers", &answers.base)];
    let deliveries = Deliveries::start(destinations, &world).expect("deliveries");
    assert!(!deliveries.give("nobody", some("g")));
    assert!(deliveries.give("hangs", some("g")));
    for number in 0..20 {
        assert!(deliveries.give("answers", some(&format!("g{number}"))));
    }
    let told = tokio::task::spawn_blocking(move || {
        let told: Vec<Report> = reports.iter().take(20).collect();
        (told, reports)
    });
    let (told, _reports) = told.await.expect("reports");
    assert!(told.iter().all(|report| &*report.destination == "answers"), "{told:?}");
    assert!(told.iter().all(|report| report.told == Told::Delivered { withdraw: None }));
    let facts = deliveries.facts();
    let queue = |name: &str| facts.queues.iter().find(|queue| &*queue.channel == name).expect("a queue");
    assert_eq!((queue("answers").waiting, &queue("answers").counts[..]), (0, &[("delivered", "", 20)][..]));
    assert_eq!((queue("hangs").waiting, queue("hangs").counts.len()), (1, 0));
    assert_eq!(facts.seconds.len(), 1);
    assert_eq!(facts.seconds[0].1.count(), 20);
    tokio::task::spawn_blocking(move || drop(deliveries)).await.expect("an end");
    assert_eq!(mailbox.letters("hangs").len(), 1);
    assert_eq!(mailbox.letters("answers").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_leaves_the_next_one_tells() {
    let mailbox = Arc::new(InMemory::default());
    let hangs = Server::start(vec![Reply::Nothing]).await;
    let (first, _) = world(&mailbox);
    let deliveries = Deliveries::start(vec![webhook("ops", &hangs.base)], &first).expect("deliveries");
    deliveries.give("ops", some("g"));
    tokio::task::spawn_blocking(move || drop(deliveries)).await.expect("an end");
    let answers = Server::start(vec![Reply::Says(200, "", String::new())]).await;
    let (second, reports) = world(&mailbox);
    let deliveries = Deliveries::start(vec![webhook("ops", &answers.base)], &second).expect("deliveries");
    let report =
        tokio::task::spawn_blocking(move || reports.recv().expect("a report")).await.expect("a report");
    assert_eq!((report.notice, report.told), (some("g"), Told::Delivered { withdraw: None }));
    tokio::task::spawn_blocking(move || drop(deliveries)).await.expect("an end");
    assert_eq!(mailbox.letters("ops").len(), 0);
}

#[test]
fn names_are_of_one_channel_each() {
    let (world, _) = world(&Arc::default());
    let both = ["a", "a"].map(|name| webhook(name, "http://127.0.0.1:1"));
    let error = Deliveries::start(both.into(), &world).expect_err("two of one name");
    assert_eq!(error, "two channels have the name `a`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_is_told_of() {
    let server = Server::start(vec![
        Reply::Says(503, "Retry-After: 0\r\n", "busy".to_owned()),
        Reply::Says(200, "", String::new()),
    ])
    .await;
    let (world, reports) = world(&Arc::default());
    let (give, attempts) = channel();
    let world = World { attempted: Arc::new(move |attempt| drop(give.send(attempt))), ..world };
    let deliveries = Deliveries::start(vec![webhook("team", &server.base)], &world).expect("deliveries");
    assert!(deliveries.give("team", some("g")));
    let told = tokio::task::spawn_blocking(move || {
        let told: Vec<Delivery> = attempts.iter().take(2).collect();
        (told, reports, deliveries)
    });
    let (told, ..) = told.await.expect("attempts");
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&*first.channel, &*first.kind, &first.alerts[..]),
        ("team", "webhook", &["A".to_owned()][..])
    );
    assert_eq!((first.outcome, &*first.reason, first.tries), (DeliveryOutcome::Retried, "server", 1));
    assert!(first.detail.contains("busy") && first.next_at_ms.is_some(), "{first:?}");
    assert_eq!((second.outcome, second.tries, second.next_at_ms), (DeliveryOutcome::Delivered, 2, None));
    assert_eq!((second.firing, second.resolved, &*second.reason), (1, 0, ""));
}
