//! Turns of openings, and what those who are refused are told.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn turns(at_once: u32, waiting: u32, wait: Duration) -> Turns {
    let at_once = NonZeroU32::new(at_once).expect("some");
    Turns::new(HandshakesConfig { at_once, waiting, wait })
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn so_many_at_once_and_the_others_in_their_order() {
    let turns = turns(1, 2, MINUTE);
    let first = turns.take().await.expect("it is free");
    let (mut second, mut third) = (pin!(turns.take()), pin!(turns.take()));
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    assert_eq!((turns.under_way(), turns.waiting()), (1, 2));
    assert!(turns.take().await.is_none(), "there is no place to wait");
    drop(first);
    assert!(poll(third.as_mut()).is_pending());
    let Poll::Ready(Some(second)) = poll(second.as_mut()) else { panic!("it is the second's turn") };
    assert_eq!((turns.under_way(), turns.waiting()), (1, 1));
    drop(second);
    assert!(matches!(poll(third.as_mut()), Poll::Ready(Some(_))));
    assert_eq!((turns.under_way(), turns.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_waiting_takes_no_place() {
    let turns = turns(1, 1, MINUTE);
    let first = turns.take().await.expect("it is free");
    {
        let mut gone = pin!(turns.take());
        assert!(poll(gone.as_mut()).is_pending());
    }
    assert_eq!(turns.waiting(), 0);
    let mut next = pin!(turns.take());
    assert!(poll(next.as_mut()).is_pending());
    drop(first);
    assert!(matches!(poll(next.as_mut()), Poll::Ready(Some(_))));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_the_limit() {
    let turns = turns(1, 1, MINUTE);
    let _first = turns.take().await.expect("it is free");
    let began = tokio::time::Instant::now();
    assert!(turns.take().await.is_none());
    assert_eq!(began.elapsed(), MINUTE);
    assert_eq!(turns.waiting(), 0);
}

#[test]
fn limits_of_handshakes_have_two_forms() {
    let read = |text: &str| serde_json::from_str::<HandshakesConfig>(text).map_err(|error| error.to_string());
    let fifty = read("50").expect("a number");
    assert_eq!((fifty.at_once.get(), fifty.waiting, fifty.wait), (50, 1000, Duration::from_secs(5)));
    assert_eq!(read(r#"{"at_once": 50}"#), Ok(fifty));
    let keys = read(r#"{"at_once": 1, "waiting": 0, "wait": "250ms"}"#).expect("keys");
    assert_eq!((keys.waiting, keys.wait), (0, Duration::from_millis(250)));
    assert!(read("0").expect_err("none at once").contains("from 1"));
    assert!(read(r#"{"at_once": 1, "queue": 1}"#).is_err());
}

#[test]
fn what_those_who_are_refused_are_told() {
    let told = |reason, retry_after| {
        let refusal = Refusal { reason, limit: 5, retry_after };
        let refused = Refused { refusal, refuse_with: RefuseWith::Status };
        let answer = refused.answer();
        let after = answer.headers()[header::RETRY_AFTER].to_str().expect("digits").to_owned();
        (answer.status().as_u16(), after, refused.code(), refused.retry_millis())
    };
    let whole = told(AdmissionReason::Connections, Duration::from_secs(12));
    assert_eq!(whole, (503, "12".to_owned(), GrpcCode::Unavailable, 12_000));
    let part = told(AdmissionReason::ClientNewConnections, Duration::from_millis(11_001));
    assert_eq!(part, (429, "12".to_owned(), GrpcCode::ResourceExhausted, 11_001));
    assert_eq!(told(AdmissionReason::Handshakes, Duration::ZERO).0, 503);
}

/// Counts for several gateways: gives one answer, and remembers what it was asked.
#[derive(Debug)]
struct Counter {
    answer: fn() -> Answer,
    asked: parking_lot::Mutex<Vec<String>>,
}

impl shared::Shared for Counter {
    fn ask(&self, asks: Vec<shared::Ask>) -> shared::Answering {
        self.asked.lock().extend(asks.iter().map(|ask| ask.name.to_string()));
        let answer = (self.answer)();
        Box::pin(async move { answer })
    }
}

fn asking() -> Asking {
    let counted = crate::visitor::tests::counted(b"somebody");
    Asking { client: Some(counted), address: IpAddr::from([192, 0, 2, 1]) }
}

/// What comes of an attempt whose limits are shared: the reason where it is refused, or would be; and what was asked.
async fn shared(
    answer: fn() -> Answer,
    config: LimitsConfig,
) -> (Result<bool, AdmissionReason>, Vec<String>) {
    let rate = r#"{"tokens": 5, "interval": "10s"}"#;
    let rate = serde_json::from_str(rate).expect("a rate");
    let whole = LimitsConfig { new_connections: Some(rate), shared: true, ..LimitsConfig::default() };
    let route = Door::build(Scope::Route, "chat", &config, None);
    let admission = Admission { route, gateway: Door::build(Scope::Gateway, "", &whole, None) };
    let counter = Arc::new(Counter { answer, asked: parking_lot::Mutex::default() });
    let counting: Arc<dyn shared::Shared> = counter.clone();
    let (slots, _) = admission.ask(asking(), (|| 0, || 0)).expect("this gateway lets it in");
    let outcome = match admission.ask_shared(asking(), &slots, Some(&counting)).await {
        Ok((held, None)) => Ok(held.is_some()),
        Ok((_, Some(reason))) => Err(reason),
        Err(refused) => Err(refused.refusal.reason),
    };
    let asked = counter.asked.lock().clone();
    (outcome, asked)
}

#[tokio::test]
async fn what_other_gateways_have_a_part_in_is_asked_of_who_counts_for_all() {
    let config = LimitsConfig { connections: Some(7), shared: true, ..LimitsConfig::default() };
    let names = ["route:chat:connections".to_owned(), "all:new_connections".to_owned()].to_vec();
    let granted = shared(|| Answer::Granted(Held::new(())), config.clone()).await;
    assert_eq!(granted, (Ok(true), names.clone()));
    let of_route = shared(|| Answer::Refused { which: 0, retry_after: None }, config.clone()).await;
    assert_eq!(of_route.0, Err(AdmissionReason::Connections));
    let of_all = shared(|| Answer::Refused { which: 1, retry_after: None }, config.clone()).await;
    assert_eq!(of_all.0, Err(AdmissionReason::GatewayNewConnections));
    assert_eq!(shared(|| Answer::Unknown(None), config.clone()).await.0, Err(AdmissionReason::Unknown));
    assert_eq!(shared(|| Answer::Unknown(Some(Held::new(()))), config.clone()).await.0, Ok(true));
    let exempt = vec!["192.0.2.0/24".parse().expect("a network")];
    let only_all = shared(|| Answer::Granted(Held::new(())), LimitsConfig { exempt, ..config.clone() }).await;
    assert_eq!(only_all.1, names[1..]);
    let own = shared(|| Answer::Granted(Held::new(())), LimitsConfig { shared: false, ..config }).await;
    assert_eq!(own.1, names[1..]);
}

#[tokio::test]
async fn limits_of_each_client_are_asked_for_by_a_name_that_all_gateways_have() {
    let per_client: crate::config::PerClientConfig =
        serde_json::from_str(r#"{"connections": 2, "new_connections": {"tokens": 3, "interval": "60s"}}"#)
            .expect("limits");
    let config = LimitsConfig { connections: Some(7), per_client, shared: true, ..LimitsConfig::default() };
    let name = crate::visitor::tests::counted(b"somebody").shared.expect("a name");
    let (outcome, asked) = shared(|| Answer::Refused { which: 2, retry_after: None }, config.clone()).await;
    assert_eq!(outcome, Err(AdmissionReason::ClientNewConnections));
    let expected = [
        "route:chat:connections".to_owned(),
        format!("route:chat:client:{name}:connections"),
        format!("route:chat:client:{name}:new_connections"),
        "all:new_connections".to_owned(),
    ];
    assert_eq!(asked, expected);
    let own = LimitsConfig { shared: false, ..config };
    assert_eq!(shared(|| Answer::Granted(Held::new(())), own).await.1, expected[3..]);
}
