//! Limiters with a real Redis.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use guard::shared::{Held, Kind};
use tempfile::TempDir;

use super::*;

/// A Redis that keeps nothing, on a socket of its own.
struct Server {
    place: TempDir,
    options: &'static [&'static str],
    child: Child,
}

impl Server {
    fn start(options: &'static [&'static str]) -> Server {
        let place = tempfile::tempdir().expect("a directory");
        let child = spawn(&place, options);
        Server { place, options, child }
    }

    fn socket(&self) -> PathBuf {
        self.place.path().join("redis.sock")
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    fn stop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn again(&mut self) {
        self.child = spawn(&self.place, self.options);
    }

    /// Sends a signal.
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().expect("there is kill");
        assert!(status.success());
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection =
            until("a connection", async || client.get_multiplexed_async_connection().await.ok()).await;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await.expect("an answer")
    }

    fn settings(&self, on_failure: OnFailure) -> LimiterSettings {
        LimiterSettings {
            url: RedisUrl::Inline(self.url()),
            ca_file: None,
            prefix: "test".to_owned(),
            timeout: Duration::from_secs(5),
            on_failure,
        }
    }

    async fn limiter(&self, on_failure: OnFailure) -> Arc<Limiter> {
        let limiter = Limiter::start(self.settings(on_failure));
        is_up(&limiter).await;
        limiter
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(place: &TempDir, options: &[&str]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no"]);
    command.args(options).current_dir(place.path()).stdout(Stdio::null());
    command.spawn().expect("redis-server is installed (cargo xtask test says how)")
}

/// What `look` finds, at last.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("never: {what}"))
}

async fn is_up(limiter: &Limiter) {
    until("it is up", async || limiter.facts().is_up.then_some(())).await;
}

async fn is_down(limiter: &Limiter) {
    until("it is down", async || (!limiter.facts().is_up).then_some(())).await;
}

fn ceiling(name: &str, max: u32) -> Ask {
    Ask { name: name.into(), kind: Kind::Ceiling { max }, is_of_client: false }
}

fn bucket(name: &str, tokens: u32, interval: Duration) -> Ask {
    Ask { name: name.into(), kind: Kind::Bucket { tokens, interval }, is_of_client: false }
}

fn granted(answer: Answer) -> Held {
    match answer {
        Answer::Granted(held) => held,
        answer => panic!("{answer:?}"),
    }
}

/// Asks with all limiters at once, so many times each; what was granted.
async fn storm(limiters: &[Arc<Limiter>], times: usize, asks: &[Ask]) -> Vec<Held> {
    let mut under_way = Vec::new();
    for _ in 0..times {
        for limiter in limiters {
            under_way.push(tokio::spawn(limiter.ask(asks.to_vec())));
        }
    }
    let mut held = Vec::new();
    for answer in under_way {
        match answer.await.expect("does not panic") {
            Answer::Granted(place) => held.push(place),
            Answer::Refused { .. } => {}
            Answer::Unknown(_) => panic!("nobody answered"),
        }
    }
    held
}

async fn three(server: &Server) -> Vec<Arc<Limiter>> {
    let mut limiters = Vec::new();
    for _ in 0..3 {
        limiters.push(server.limiter(OnFailure::Closed).await);
    }
    limiters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_hold_a_ceiling_together() {
    let server = Server::start(&[]);
    let limiters = three(&server).await;
    let asks = [ceiling("chat", 500)];
    let mut held = storm(&limiters, 1000, &asks).await;
    assert_eq!(held.len(), 500);
    held.truncate(200);
    let counts = async || {
        let counts: Vec<String> = server.ask(&["HVALS", "{test}:open:chat"]).await;
        let count = |count: &String| count.split(' ').next().and_then(|count| count.parse::<u32>().ok());
        counts.iter().filter_map(count).sum::<u32>()
    };
    until("300 are given back", async || (counts().await == 200).then_some(())).await;
    held.extend(storm(&limiters, 300, &asks).await);
    assert_eq!(held.len(), 500);
    let asked: u64 = limiters.iter().map(|limiter| limiter.facts().granted + limiter.facts().refused).sum();
    assert_eq!(asked, 3900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_share_a_bucket() {
    let server = Server::start(&[]);
    let limiters = three(&server).await;
    let begun = Instant::now();
    let asks = [bucket("chat", 1000, Duration::from_secs(3600))];
    let count = storm(&limiters, 700, &asks).await.len();
    let filled = begun.elapsed().as_secs_f64() / 3.6;
    assert!(count >= 1000 && count as f64 <= 1001.0 + filled, "{count}");
    let again = || limiters[0].ask(vec![bucket("quick", 1, Duration::from_millis(50))]);
    granted(again().await);
    until("it fills again", async || matches!(again().await, Answer::Granted(_)).then_some(())).await;
}

#[tokio::test]
async fn all_limits_of_an_opening_are_taken_or_none() {
    let server = Server::start(&[]);
    let limiter = server.limiter(OnFailure::Closed).await;
    let hour = Duration::from_secs(3600);
    let asks = vec![bucket("rate", 2, hour), ceiling("narrow", 1), ceiling("wide", 9)];
    let held = granted(limiter.ask(asks.clone()).await);
    let Answer::Refused { which: 1, retry_after: None } = limiter.ask(asks.clone()).await else {
        panic!("the second limit has no room")
    };
    drop(held);
    let _held = granted(limiter.ask(asks.clone()).await);
    let Answer::Refused { which: 0, retry_after: Some(wait) } = limiter.ask(asks).await else {
        panic!("two tokens are taken, none by who was refused")
    };
    assert!(wait <= hour / 2 && wait > hour / 3, "{wait:?}");
}

#[tokio::test]
async fn who_no_longer_waits_takes_nothing() {
    let server = Server::start(&[]);
    let limiter = server.limiter(OnFailure::Closed).await;
    for _ in 0..50 {
        drop(limiter.ask(vec![ceiling("chat", 1)]));
        let asking = limiter.ask(vec![ceiling("chat", 1)]);
        tokio::select! { biased; _ = asking => {}, () = tokio::task::yield_now() => {} }
    }
    until("the place is free", async || {
        matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Granted(_)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_gateway_held_is_given_back() {
    let server = Server::start(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (dead, held) = {
        let settings = server.settings(OnFailure::Closed);
        let limiter = {
            let _inside = runtime.enter();
            Limiter::start(settings)
        };
        is_up(&limiter).await;
        let held = granted(limiter.ask(vec![ceiling("chat", 1)]).await);
        (limiter, held)
    };
    runtime.shutdown_background();
    let alive = server.limiter(OnFailure::Closed).await;
    let asks = || vec![ceiling("chat", 1)];
    assert!(matches!(alive.ask(asks()).await, Answer::Refused { .. }), "its place is not free at once");
    until("its place is free", async || matches!(alive.ask(asks()).await, Answer::Granted(_)).then_some(()))
        .await;
    drop((dead, held));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_held_do_not_expire() {
    let server = Server::start(&[]);
    let (one, other) = (server.limiter(OnFailure::Closed).await, server.limiter(OnFailure::Closed).await);
    let _held = granted(one.ask(vec![ceiling("chat", 1)]).await);
    let expires = async || -> Option<u64> {
        let counts: Vec<String> = server.ask(&["HVALS", "{test}:open:chat"]).await;
        counts.first()?.split(' ').nth(1)?.parse().ok()
    };
    let first = expires().await.expect("it is held");
    let longer = keeper::EXPIRY.as_micros() as u64 + first;
    until("it is renewed", async || expires().await.filter(|&now| now > longer)).await;
    assert!(matches!(other.ask(vec![ceiling("chat", 1)]).await, Answer::Refused { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_it_is_as_chosen_and_what_was_let_in_counts_afterwards() {
    let mut server = Server::start(&[]);
    let (open, closed) = (server.limiter(OnFailure::Open).await, server.limiter(OnFailure::Closed).await);
    let mut held = vec![granted(open.ask(vec![ceiling("chat", 2)]).await)];
    server.stop();
    is_down(&open).await;
    is_down(&closed).await;
    for _ in 0..3 {
        match open.ask(vec![ceiling("chat", 2)]).await {
            Answer::Unknown(Some(place)) => held.push(place),
            answer => panic!("{answer:?}"),
        }
        assert!(matches!(closed.ask(vec![ceiling("chat", 2)]).await, Answer::Unknown(None)));
    }
    assert!(closed.facts().unknown >= 3);
    server.again();
    is_up(&open).await;
    is_up(&closed).await;
    let counts: Vec<String> = server.ask(&["HVALS", "{test}:open:chat"]).await;
    assert!(counts.len() == 1 && counts[0].starts_with("4 "), "{counts:?}");
    assert!(matches!(closed.ask(vec![ceiling("chat", 4)]).await, Answer::Refused { .. }));
    held.pop();
    until("one is given back", async || {
        matches!(closed.ask(vec![ceiling("chat", 4)]).await, Answer::Granted(_)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_left_after_the_time_limit() {
    let server = Server::start(&[]);
    let timeout = Duration::from_millis(200);
    let limiter = Limiter::start(LimiterSettings { timeout, ..server.settings(OnFailure::Open) });
    is_up(&limiter).await;
    server.signal("-STOP");
    is_down(&limiter).await;
    assert!(matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Unknown(Some(_))));
    server.signal("-CONT");
    is_up(&limiter).await;
}

/// Why Redis cannot be asked.
async fn why(limiter: &Limiter, part: &str) -> String {
    until(part, async || limiter.state.why.lock().clone().filter(|why| why.contains(part))).await
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let server = Server::start(&["--requirepass", "hidden"]);
    let limiter = Limiter::start(server.settings(OnFailure::Closed));
    why(&limiter, "Authentication required").await;
    let url = RedisUrl::Inline(format!("{}?pass=wrong-one", server.url()));
    let limiter = Limiter::start(LimiterSettings { url, ..server.settings(OnFailure::Closed) });
    let text = why(&limiter, "assword").await;
    assert!(!text.contains("wrong-one"), "{text}");

    let server = Server::start(&[]);
    let () = server.ask(&["SET", "{test}:open:chat", "a string"]).await;
    let limiter = server.limiter(OnFailure::Closed).await;
    assert!(matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Unknown(None)));
    let text = why(&limiter, "WRONGTYPE").await;
    assert!(text.contains("{test}:open:chat"), "{text}");
}

#[test]
fn what_is_no_url_is_told_without_secrets() {
    let why = RedisUrl::Inline("http://user:hidden@host".to_owned()).client(None).expect_err("no Redis");
    assert!(why.contains("redis://10.0.0.5:6379") && !why.contains("hidden"), "{why}");
    let why = RedisUrl::File("no/such/file".into()).client(None).expect_err("no file");
    assert!(why.contains("no/such/file"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_has_its_places_and_its_keys_expire() {
    let server = Server::start(&[]);
    let (one, other) = (server.limiter(OnFailure::Closed).await, server.limiter(OnFailure::Closed).await);
    let of = |client: &str| {
        let of_client = |ask| Ask { is_of_client: true, ..ask };
        let rate = bucket(&format!("client:{client}"), 3, Duration::from_secs(3600));
        vec![ceiling("chat", 9), of_client(ceiling(&format!("client:{client}"), 2)), of_client(rate)]
    };
    let mut held = vec![granted(one.ask(of("a")).await), granted(other.ask(of("a")).await)];
    for limiter in [&one, &other] {
        assert!(matches!(limiter.ask(of("a")).await, Answer::Refused { which: 1, .. }));
    }
    held.push(granted(one.ask(of("b")).await));
    held.swap_remove(0);
    let again = async || matches!(other.ask(of("a")).await, Answer::Granted(_)).then_some(());
    until("its place is free, and the third token its own", again).await;
    let spent = async || matches!(one.ask(of("a")).await, Answer::Refused { which: 2, .. }).then_some(());
    until("its bucket is empty", spent).await;
    let ttl: i64 = server.ask(&["PTTL", "{test}:open:client:b"]).await;
    assert!(ttl > i64::try_from(keeper::EXPIRY.as_millis()).expect("short") && ttl <= 15_000, "{ttl}");
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    for key in keys {
        let ttl: i64 = server.ask(&["PTTL", &key]).await;
        assert!(ttl > 0, "{key} stays for ever");
    }
}

#[tokio::test]
async fn an_outage_says_since_when_and_how_many_were_decided_without() {
    let mut server = Server::start(&[]);
    let limiter = server.limiter(OnFailure::Open).await;
    assert_eq!(limiter.outage(), None);
    server.stop();
    is_down(&limiter).await;
    let before = limiter.outage().expect("it is out").unknown;
    for _ in 0..3 {
        assert!(matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Unknown(Some(_))));
    }
    let outage = limiter.outage().expect("it is out");
    assert_eq!(outage.unknown, before + 3);
    assert!(outage.seconds > 0.0 && !outage.why.is_empty(), "{outage:?}");
    server.again();
    is_up(&limiter).await;
    until("it is over", async || limiter.outage().is_none().then_some(())).await;
}

/// A certificate for `localhost` of an authority of its own, as files beside each other.
fn certificates(place: &Path) {
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let status = command.args(arguments).current_dir(place).stderr(Stdio::null()).status();
        assert!(status.expect("openssl is installed").success(), "{arguments:?}");
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let authority = ["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority"];
    openssl(&[&authority[..], &key].concat());
    let server =
        ["req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem", "-out", "cert.pem"];
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext"];
    openssl(&[&server[..], &key, &name, &["basicConstraints=critical,CA:FALSE"]].concat());
}

#[tokio::test]
async fn a_redis_in_tls_is_asked_when_its_authority_is_known() {
    let place = tempfile::tempdir().expect("a directory");
    certificates(place.path());
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let mut command = Command::new("redis-server");
    let files = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "ca.pem"];
    command.args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--save", ""]);
    command.args(files).args(["--bind", "127.0.0.1"]).current_dir(place.path()).stdout(Stdio::null());
    let server = Server { place, options: &[], child: command.spawn().expect("redis-server is installed") };
    let url = RedisUrl::Inline(format!("rediss://localhost:{port}"));
    let ca_file = Some(server.place.path().join("ca.pem"));
    let settings = LimiterSettings { url, ca_file, ..server.settings(OnFailure::Closed) };
    let limiter = Limiter::start(settings.clone());
    is_up(&limiter).await;
    let _held = granted(limiter.ask(vec![ceiling("chat", 1)]).await);
    assert!(matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Refused { .. }));
    let stranger = Limiter::start(LimiterSettings { ca_file: None, ..settings });
    let text = why(&stranger, "certificate").await;
    assert!(!stranger.facts().is_up, "{text}");
}

#[tokio::test]
async fn who_has_waited_for_too_long_is_no_fault_of_redis() {
    let server = Server::start(&[]);
    let limiter = server.limiter(OnFailure::Closed).await;
    *limiter.state.why.lock() = None;
    let (answer, late) = oneshot::channel();
    let opening = Opening { asks: vec![ceiling("chat", 1)], answer, deadline: Instant::now() };
    limiter.queue.try_send(opening).expect("there is room");
    assert!(matches!(late.await, Ok(Answer::Unknown(None))));
    let _held = granted(limiter.ask(vec![ceiling("chat", 1)]).await);
    assert!(limiter.facts().is_up && limiter.outage().is_none());
    assert_eq!(*limiter.state.why.lock(), None, "the connection was never given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_out_of_time_during_a_call_takes_no_place() {
    let server = Server::start(&[]);
    let limiter = server.limiter(OnFailure::Closed).await;
    *limiter.state.why.lock() = None;
    server.signal("-STOP");
    let (answer, late) = oneshot::channel();
    let deadline = Instant::now() + Duration::from_millis(50);
    limiter.queue.try_send(Opening { asks: vec![ceiling("chat", 1)], answer, deadline }).expect("room");
    assert!(matches!(late.await, Ok(Answer::Unknown(None))), "it is told while the call goes on");
    server.signal("-CONT");
    let next =
        async || matches!(limiter.ask(vec![ceiling("chat", 1)]).await, Answer::Granted(_)).then_some(());
    until("what Redis had given to it is free", next).await;
    assert_eq!(*limiter.state.why.lock(), None, "the connection was never given up");
}
