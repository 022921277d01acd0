//! Every channel against a vendor that answers by a script: outcome, wait, number of requests, the request itself
//! (files `golden.txt`, written anew with `UPDATE=1`), and no secret in anything that is shown.

mod vendors;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use alert::notice::Notice;
use serde_json::{Value, json};

use vendors::{VENDORS, Vendor, aliyun};

use crate::testing::server::{Reply, Server};
use crate::testing::{alert, context, notice};
use crate::{Channel, Context, Message, Outcome, Reach, sign};

/// 2026-11-26 03:04:05 UTC.
const NOW_MS: i64 = 1_795_662_245_000;

/// A secret; it may be shown nowhere.
const CANARY: &str = "canary-0123456789abcdef";

/// Alerts whose labels would like to be more than labels.
fn hostile() -> Vec<Notice> {
    let mut firing = alert("SlowFeed", NOW_MS - 754_000, None);
    let labels =
        [("alertname", "SlowFeed"), ("severity", "critical"), ("route", "<!channel> *b* [x](http://e) \"}")];
    firing.labels = model::series::Labels::new(labels);
    firing.annotations = vec![
        (
            "summary".to_owned(),
            "p99 > 2 s & rising\r\nBcc: all@example.com @everyone <at user_id=\"all\">".to_owned(),
        ),
        ("runbook_url".to_owned(), "https://example.com/r?a=1&b=(2)".to_owned()),
    ];
    vec![notice(
        "{}:{route=\"chat\"}",
        vec![firing, alert("Reconnects", NOW_MS - 90_000, Some(NOW_MS - 30_000))],
    )]
}

fn channel(vendor: &Vendor, base: &str) -> Channel {
    let mut made = Channel::read(vendor.kind, (vendor.settings)(base), &context()).expect("settings");
    assert_eq!(made.len(), 1, "{}", vendor.kind);
    let channel = made.remove(0).with_timeout(Duration::from_millis(2000));
    assert!(!format!("{channel:?}").contains(CANARY), "{channel:?}");
    channel
}

fn message<'a>(notices: &'a [Notice]) -> Message<'a> {
    Message { id: "msg_0001", notices, at_ms: NOW_MS, nonce: 0x0123_4567_89ab }
}

fn shown(outcome: &Outcome) -> String {
    assert!(!format!("{outcome:?}").contains(CANARY), "{outcome:?}");
    match outcome {
        Outcome::Delivered { id: None } => "delivered".to_owned(),
        Outcome::Delivered { id: Some(id) } => format!("delivered {id}"),
        Outcome::Retry { after: None, reason, .. } => format!("retry {}", reason.word()),
        Outcome::Retry { after: Some(after), reason, .. } => {
            format!("retry {} {}s", reason.word(), after.as_secs_f64())
        }
        Outcome::Final { reason, .. } => format!("final {}", reason.word()),
    }
}

#[tokio::test]
async fn answers_are_judged() {
    for vendor in VENDORS {
        let (ok_status, ok_body, ok) = vendor.success;
        let says = |status: u16, body: &str| Reply::Says(status, "", body.to_owned());
        let html = "<html><body>Please log in</body></html>";
        let mut script = vec![
            (says(ok_status, ok_body), ok),
            (Reply::Says(429, "Retry-After: 7\r\n", "slow down".to_owned()), "retry rate_limited 7s"),
            (says(429, "slow down"), "retry rate_limited"),
            (says(500, &format!("oops {CANARY}")), "retry server"),
            (Reply::Says(503, "Retry-After: 9\r\n", String::new()), "retry server 9s"),
            (says(200, html), vendor.html),
            (says(200, &"a".repeat(5 << 20)), vendor.html),
            (Reply::Says(302, "Location: http://127.0.0.1:1/\r\n", String::new()), "final bad_request"),
            (Reply::Reset, vendor.lost),
        ];
        script.extend(vendor.errors.iter().map(|(status, body, outcome)| (says(*status, body), *outcome)));
        let ahead = vendor.ahead.map(|body| says(200, body));
        let first = usize::from(ahead.is_some());
        let replies = ahead.into_iter().chain(script.iter().map(|(reply, _)| reply.clone())).collect();
        let server = Server::start(replies).await;
        let channel = channel(vendor, &server.base);
        let notices = hostile();
        for (index, (reply, expected)) in script.iter().enumerate() {
            let outcome = channel.send(&message(&notices)).await;
            let reply: String = format!("{reply:?}").chars().take(100).collect();
            assert_eq!(shown(&outcome), *expected, "{}: {reply}: {outcome:?}", vendor.kind);
            assert_eq!(server.requests().len(), first + index + 1, "{}: {reply}", vendor.kind);
        }
        golden(vendor, &server.requests()[first]);
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    for (vendor, reply) in
        VENDORS.iter().flat_map(|vendor| [(vendor, Reply::Nothing), (vendor, Reply::Stalls)])
    {
        let server = Server::start(vec![reply]).await;
        let channel = channel(vendor, &server.base).with_timeout(Duration::from_millis(50));
        let notices = hostile();
        let outcome = channel.send(&message(&notices)).await;
        assert_eq!(shown(&outcome), vendor.lost, "{}: {outcome:?}", vendor.kind);
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    for vendor in VENDORS {
        let server = Server::start(Vec::new()).await;
        let channel = channel(vendor, &server.base.clone());
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let free = format!("http://{}", socket.local_addr().expect("an address"));
        drop((socket, server, channel));
        let channel = self::channel(vendor, &free);
        let notices = hostile();
        let outcome = channel.send(&message(&notices)).await;
        assert_eq!(shown(&outcome), "retry unreachable", "{}: {outcome:?}", vendor.kind);
    }
}

#[test]
fn a_dry_run_shows_no_secret() {
    for vendor in VENDORS {
        let notices = hostile();
        let shown = channel(vendor, "http://127.0.0.1:1").dry_run(&message(&notices)).expect("a request");
        assert!(shown.starts_with("POST http://127.0.0.1:1/…\n") && !shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn settings_that_cannot_work_are_told() {
    let check = |kind: &str, settings: Value, expected: &str| {
        let error = Channel::read(kind, settings, &context()).expect_err("wrong");
        assert!(error.contains(expected) && !error.contains("canary"), "{error}");
    };
    for vendor in VENDORS {
        let mut settings = (vendor.settings)("http://127.0.0.1:1");
        settings["chanel"] = "x".into();
        check(vendor.kind, settings, "unknown field `chanel`");
        let least = if vendor.name.is_empty() { json!({}) } else { json!({"provider": vendor.name}) };
        check(vendor.kind, least, "is missing");
    }
    check("pigeon", json!({}), "there is no channel `pigeon`");
    check("webhook", json!({"url": "a", "url_file": "b"}), "webhook: give one of `url` and `url_file`");
    check(
        "webhook",
        json!({"url": "file:///canary"}),
        "webhook: `url` is not a URL that begins with https://",
    );
    check("slack", json!({"api_url": "https://e/", "title": "{{ .X "}), "slack: `title` is no template");
    check(
        "slack",
        json!({"api_url": "https://e/", "text": "{{ template \"a\" }}"}),
        "the template `a`, which nobody",
    );
    check("dingtalk", json!({"url": "https://oapi.dingtalk.com/robot/send"}), "it has no `access_token`");
    let wechat = json!({"corp_id": "ww1", "api_secret": "a", "message_type": "card"});
    check("wechat", wechat, "`message_type` is text or markdown");
    let sms = |key: &str, value: Value| {
        let mut settings =
            json!({"provider": "twilio", "to": ["+15550100"], "account_sid": "AC1", "auth_token": "a"});
        settings[key] = value;
        settings
    };
    check("sms", sms("provider", "pigeon".into()), "`provider` is one of twilio, aliyun, tencent");
    check("sms", sms("to", json!([])), "`to` is missing");
    check("sms", sms("to", json!(["+1-555"])), "\"+1-555\" is no number of a telephone");
    check("sms", sms("messaging_service_sid", 7.into()), "`messaging_service_sid`: a string is expected");
    check("sms", sms("text", "{{ .X ".into()), "give one of `from` and `messaging_service_sid`");
    let url = aliyun("https://e/", &json!({"template_params": {"a": "see {{ .ExternalURL }}"}}));
    check("sms", url, "`template_params`: `a` has a URL");
}

#[test]
fn what_is_left_out_comes_from_global() {
    let global = json!({"slack_api_url": "https://e/global", "http_config": {"bearer_token": "t"}});
    let check = |mut settings: Value, expected: Value| {
        crate::inherit("slack", &mut settings, &global);
        assert_eq!(settings, expected);
    };
    check(json!({}), json!({"api_url": "https://e/global", "http_config": {"bearer_token": "t"}}));
    check(
        json!({"api_url_file": "own", "http_config": {}}),
        json!({"api_url_file": "own", "http_config": {}}),
    );
    let mut email = json!({"to": "a@example.org", "from": "b@example.org", "smarthost": "127.0.0.1:25"});
    crate::inherit("email", &mut email, &global);
    Channel::read("email", email, &context()).expect("settings");
}

#[tokio::test]
async fn a_webhook_may_have_to_say_more() {
    let server = Server::start(
        [r#"{"errcode":0}"#, r#"{"errcode":310000}"#, "ok"]
            .map(|body| Reply::Says(200, "", body.to_owned()))
            .to_vec(),
    )
    .await;
    let settings = json!({"url": server.base, "expect": {"errcode": 0}});
    let channel = Channel::read("webhook", settings, &context()).expect("settings").remove(0);
    let notices = hostile();
    for expected in ["delivered", "retry unknown", "retry unknown"] {
        assert_eq!(shown(&channel.send(&message(&notices)).await), expected);
    }
}

#[tokio::test]
async fn requests_go_where_they_may() {
    let untrusted = Context { reach: Reach::default(), ..context() };
    let server = Server::start(Vec::new()).await;
    let channel =
        Channel::read("webhook", json!({"url": server.base}), &untrusted).expect("settings").remove(0);
    let notices = hostile();
    assert_eq!(shown(&channel.send(&message(&notices)).await), "final blocked");
    let metadata = json!({"url": "http://169.254.169.254/latest"});
    let channel = Channel::read("webhook", metadata, &context()).expect("settings").remove(0);
    assert_eq!(shown(&channel.send(&message(&notices)).await), "final blocked");
    assert_eq!(server.requests().len(), 0);
}

fn golden(vendor: &Vendor, request: &str) {
    let name =
        if vendor.name.is_empty() { "golden.txt".to_owned() } else { format!("{}.golden.txt", vendor.name) };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/channels").join(vendor.kind).join(name);
    // It is over the host, whose port differs each time.
    let signature = regex::Regex::new("Signature=[0-9a-f]{64}").expect("a pattern");
    let request = &*signature.replace(request, "Signature=…");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, request).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(request, expected, "{}: run with UPDATE=1 if this is right", path.display());
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    for vendor in VENDORS.iter().filter(|vendor| ["aliyun", "tencent"].contains(&vendor.name)) {
        let (status, body, outcome) = vendor.success;
        let server = Server::start(vec![Reply::Says(status, "", body.to_owned())]).await;
        assert_eq!(shown(&channel(vendor, &server.base).send(&message(&hostile())).await), outcome);
        let request = server.requests().remove(0);
        let (head, body) = request.split_once("\n\n").expect("a head");
        let body: Option<Value> = serde_json::from_str(body).ok();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let host = server.base.trim_start_matches("http://");
        let sent: BTreeMap<&str, &str> =
            head.lines().skip(1).filter_map(|line| line.split_once(": ")).chain([("host", host)]).collect();
        let (signature, names) = (sent["authorization"], |names: &str| -> Vec<(&str, &str)> {
            let names = names.split(';').map(str::to_owned);
            names.filter_map(|name| sent.get_key_value(&*name)).map(|(name, value)| (*name, *value)).collect()
        });
        let expected = if vendor.name == "aliyun" {
            let all = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
            let query = head.lines().next().and_then(|line| line.split_once('?')).expect("a query").1;
            sign::aliyun(("id", CANARY), query, &names(all), body.as_bytes())
        } else {
            let at_s = NOW_MS / 1000;
            sign::tencent(("AKID1", CANARY), "sms", at_s, &names("content-type;host"), body.as_bytes())
        };
        assert_eq!(signature, expected, "{request}");
    }
}

#[tokio::test]
async fn what_ended_closes_what_vendors_keep() {
    let check = async |kind: &str, begin: &str, part: &str| {
        let vendor = VENDORS.iter().find(|vendor| vendor.kind == kind).expect("a vendor");
        let (status, body, outcome) = vendor.success;
        let server = Server::start(vec![Reply::Says(status, "", body.to_owned())]).await;
        let notices = [notice("g", vec![alert("A", NOW_MS - 1000, Some(NOW_MS))])];
        assert_eq!(shown(&channel(vendor, &server.base).send(&message(&notices)).await), outcome);
        let request = server.requests().remove(0);
        assert!(request.starts_with(begin) && request.contains(part), "{request}");
    };
    // The SHA-256 of `g`.
    let hash = "cd0aa9856147b6c5b4ff2b7dfee5da20aa38253099ef1b4a64aced233c9afe29";
    let close = format!("POST /v2/alerts/{hash}/close?identifierType=alias\n");
    check("opsgenie", &close, "\"source\"").await;
    check("pagerduty", "POST /v2/enqueue\n", "\"event_action\": \"resolve\"").await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_once_more() {
    let vendor = VENDORS.iter().find(|vendor| vendor.kind == "wechat").expect("a vendor");
    let says = |body: &str| Reply::Says(200, "", body.to_owned());
    let token = || says(vendor.ahead.expect("a token"));
    let check = async |script: Vec<Reply>, expected: &str, paths: &[&str]| {
        let server = Server::start(script).await;
        let channel = channel(vendor, &server.base);
        let notices = hostile();
        let (outcome, heard) = channel.try_out(&message(&notices)).await;
        assert_eq!(shown(&outcome), expected, "{outcome:?}");
        assert!(heard.iter().all(|answer| !answer.shown().contains("canary")), "{heard:?}");
        let requests = server.requests();
        let path = |request: &String| request.split([' ', '?', '\n']).nth(1).map(str::to_owned);
        let asked: Vec<String> = requests.iter().filter_map(path).collect();
        let paths: Vec<String> = paths.iter().map(|path| format!("/cgi-bin/{path}")).collect();
        assert_eq!(asked, paths);
    };
    let all = ["gettoken", "message/send", "gettoken", "message/send"];
    for code in [42001, 40014] {
        let stale = || says(&format!("{{\"errcode\":{code},\"errmsg\":\"access_token\"}}"));
        let good = says(vendor.success.1);
        check(vec![token(), stale(), token(), good], "delivered m1", &all).await;
        check(vec![token(), stale(), token(), stale()], "retry auth", &all).await;
    }
    // The least time for which a token can be good does not make it two messages.
    let short = says(&vendor.ahead.expect("a token").replace("7200", "0"));
    check(vec![short, says(vendor.success.1)], "delivered m1", &all[..2]).await;
    check(vec![says(r#"{"errcode":40001,"errmsg":"bad secret"}"#)], "final auth", &all[..1]).await;
    check(vec![Reply::Says(502, "", String::new())], "retry server", &all[..1]).await;
}

#[test]
fn the_end_is_told_as_alertmanager_does_it_or_by_all_that_wake_nobody() {
    let tells_end = |tells_end: bool| {
        let context = Context { tells_end, ..context() };
        let told = VENDORS.iter().filter(|vendor| {
            let settings = (vendor.settings)("http://127.0.0.1:1");
            let made = Channel::read(vendor.kind, settings, &context).expect("settings");
            made.iter().all(Channel::sends_resolved)
        });
        told.map(|vendor| vendor.kind).collect::<Vec<_>>()
    };
    // The defaults of Alertmanager's `docs/configuration.md`.
    let silent = ["slack", "wechat", "sms", "voice"];
    let not = |silent: &[&str]| {
        let kinds = VENDORS.iter().map(|vendor| vendor.kind);
        kinds.filter(|kind| !silent.contains(kind)).collect::<Vec<_>>()
    };
    assert_eq!(tells_end(false), not(&silent));
    assert_eq!(tells_end(true), not(&silent[2..]));
}

#[tokio::test]
async fn a_trial_shows_what_the_vendor_says() {
    let headers = "Content-Type: text/plain\r\nX-Request-Id: r1\r\nSet-Cookie: c=1\r\nLocation: /T0/B0/canary-0123456789abcdef\r\n";
    let body = format!("no_service \u{1b}[31m {CANARY}\n{}", "a".repeat(5000));
    let server = Server::start(vec![Reply::Says(404, headers, body)]).await;
    let slack = VENDORS.iter().find(|vendor| vendor.kind == "slack").expect("a vendor");
    let (outcome, heard) = channel(slack, &server.base).try_out(&message(&hostile())).await;
    assert_eq!(shown(&outcome), "final bad_request");
    let [answer] = &heard[..] else { panic!("{heard:?}") };
    let text = answer.shown();
    let begin = "HTTP 404\ncontent-type: text/plain\nx-request-id: r1\nlocation: /T0/B0/***\n\nno_service  [31m ***\naaa";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.ends_with('…') && text.chars().count() <= 4001, "{}", text.len());
}

#[tokio::test]
async fn no_secret_that_is_repeated_is_told() {
    let body = format!("{}{CANARY}", "a".repeat(290));
    let server = Server::start(vec![Reply::Says(400, "", body)]).await;
    let settings = json!({"url": server.base, "http_config": {"bearer_token": CANARY}});
    let channel = Channel::read("webhook", settings, &context()).expect("settings").remove(0);
    let Outcome::Final { detail, .. } = channel.send(&message(&hostile())).await else { panic!("refused") };
    // A line on an answer has 300 letters: a secret is not cut before it is masked.
    assert_eq!(detail, format!("400 {}***", "a".repeat(290)));
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_anew_when_it_is_refused() {
    let token = |name: &str| {
        Reply::Says(200, "", format!(r#"{{"access_token":"{name}-{CANARY}","expires_in":3600}}"#))
    };
    let refused = || Reply::Says(401, "", r#"{"error":"invalid_client"}"#.to_owned());
    let gives =
        Server::start(vec![refused(), token("first"), refused(), refused(), token("second"), token("third")])
            .await;
    let said = |status, token| Reply::Says(status, "", format!("no {token}-{CANARY}"));
    let server = Server::start(vec![
        said(200, "first"),
        said(200, "first"),
        said(401, "first"),
        said(401, "second"),
        said(401, "third"),
    ])
    .await;
    let settings = json!({"url": server.base, "http_config": {"oauth2": {
        "client_id": "me", "client_secret": CANARY, "token_url": format!("{}/token", gives.base),
        "scopes": ["a", "b"], "endpoint_params": {"audience": "x"},
    }}});
    let channel = Channel::read("webhook", settings, &context()).expect("settings").remove(0);
    let mut told = Vec::new();
    for _ in 0..4 {
        let outcome = channel.send(&message(&hostile())).await;
        assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
        told.push(shown(&outcome));
    }
    // The second time the token is refused, and the vendor of tokens refuses too.
    assert_eq!(told, ["delivered", "delivered", "retry auth", "final auth"]);
    let grants = gives.requests();
    let form = "grant_type=client_credentials&scope=a+b&audience=x";
    assert!(
        grants[0].contains("authorization: Basic ") && grants[0].ends_with(&format!("\n{form}\n")),
        "{}",
        grants[0]
    );
    let with_client = format!("\n{form}&client_id=me&client_secret={CANARY}\n");
    assert!(grants[1].ends_with(&with_client) && !grants[1].contains("authorization"), "{}", grants[1]);
    let of = |request: String| {
        let bearer = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
        bearer.and_then(|token| token.split_once('-')).map_or(String::new(), |(name, _)| name.to_owned())
    };
    let bearers: Vec<String> = server.requests().into_iter().map(of).collect();
    assert_eq!(bearers, ["first", "first", "first", "second", "third"]);
}

#[tokio::test]
async fn a_proxy_is_asked() {
    let proxy = Server::start(vec![Reply::Says(200, "", "ok".to_owned())]).await;
    let settings = json!({"url": "http://hooks.example.com/x", "http_config": {
        "proxy_url": proxy.base.replace("://", &format!("://me:{CANARY}@")), "no_proxy": "other.example.com",
    }});
    let channel = Channel::read("webhook", settings, &context()).expect("settings").remove(0);
    assert_eq!(shown(&channel.send(&message(&hostile())).await), "delivered");
    let request = proxy.requests().remove(0);
    assert!(request.starts_with("POST http://hooks.example.com/x\n"), "{request}");
    assert!(request.contains("proxy-authorization: Basic "), "{request}");
}

#[tokio::test]
async fn a_queued_call_can_be_taken_back() {
    let server =
        Server::start(vec![Reply::Says(200, "", r#"{"sid":"CA1","status":"canceled"}"#.to_owned())]).await;
    let twilio =
        VENDORS.iter().find(|vendor| (vendor.kind, vendor.name) == ("voice", "twilio")).expect("a vendor");
    let channel = channel(twilio, &server.base);
    assert!(channel.can_withdraw());
    assert_eq!(shown(&channel.withdraw("CA1").await.expect("an outcome")), "delivered CA1");
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /2010-04-01/Accounts/AC1/Calls/CA1.json\n"), "{request}");
    assert!(request.ends_with("\nStatus=canceled\n"), "{request}");
}
