//! Every channel against a vendor that answers by a script: outcome, wait, number of requests, the request itself
//! (files `golden.txt`, written anew with `UPDATE=1`), and no secret in anything that is shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alert::notice::Notice;
use serde_json::{Value, json};

use crate::testing::server::{Reply, Server};
use crate::testing::{alert, notice};
use crate::{Channel, Context, Language, Message, Outcome, Reach, Texts};

/// 2026-11-26 03:04:05 UTC.
const NOW_MS: i64 = 1_795_662_245_000;

/// A secret; it may be shown nowhere.
const CANARY: &str = "canary-0123456789abcdef";

/// How a vendor answers.
struct Vendor {
    /// Its name where a kind has several.
    name: &'static str,
    kind: &'static str,
    /// For the server's address.
    settings: fn(&str) -> Value,
    /// Status and body of success, and its outcome.
    success: (u16, &'static str, &'static str),
    /// Outcome of a page of HTML with status 200.
    html: &'static str,
    /// Outcome of no answer and of a lost connection.
    lost: &'static str,
    /// Status, body and outcome of errors.
    errors: &'static [(u16, &'static str, &'static str)],
}

const VENDORS: &[Vendor] = &[
    Vendor {
        name: "",
        kind: "webhook",
        settings: |base| json!({"url": format!("{base}/hook/{CANARY}"), "secret": CANARY, "http_config": {"bearer_token": CANARY}}),
        success: (200, "", "delivered"),
        html: "delivered",
        lost: "retry timeout",
        errors: &[
            (202, "anything", "delivered"),
            (400, "bad", "final bad_request"),
            (401, "", "final auth"),
            (404, "", "final bad_request"),
            (408, "", "retry timeout"),
            (413, "", "final too_large"),
            (425, "", "retry server"),
        ],
    },
    Vendor {
        name: "",
        kind: "slack",
        settings: |base| json!({"api_url": format!("{base}/services/T0/B0/{CANARY}"), "channel": "#ops"}),
        success: (200, "ok", "delivered"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (200, r#"{"ok":true,"ts":"1503435956.000247"}"#, "delivered 1503435956.000247"),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "final auth"),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, "final bad_request"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "retry rate_limited"),
            (200, r#"{"ok":false,"error":"msg_too_long"}"#, "final too_large"),
            (400, "invalid_payload", "final bad_request"),
            (403, "action_prohibited", "final auth"),
            (404, "no_service", "final bad_request"),
            (410, "channel_is_archived", "final bad_request"),
        ],
    },
    Vendor {
        name: "",
        kind: "dingtalk",
        settings: |base| {
            json!({
                "url": format!("{base}/robot/send?access_token={CANARY}"), "secret": CANARY,
                "at_mobiles": ["13800000000"], "keyword": "[prod]", "language": "zh-CN",
            })
        },
        success: (200, r#"{"errcode":0,"errmsg":"ok"}"#, "delivered"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "retry server"),
            (200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, "retry rate_limited 60s"),
            (200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, "final auth"),
            (200, r#"{"errcode":310000,"errmsg":"keywords not in content"}"#, "final blocked"),
            (200, r#"{"errcode":300001,"errmsg":"token is not exist"}"#, "final auth"),
            (200, r#"{"errcode":400035,"errmsg":"bad"}"#, "final bad_request"),
            (200, r#"{"status":1111,"wait":5,"punish":"deny"}"#, "retry rate_limited 60s"),
            (200, r#"{"status":1111,"wait":90,"punish":"deny"}"#, "retry rate_limited 90s"),
            (200, "{}", "retry unknown"),
        ],
    },
    Vendor {
        name: "",
        kind: "feishu",
        settings: |base| {
            json!({
                "url": format!("{base}/open-apis/bot/v2/hook/{CANARY}"), "secret": CANARY,
                "at_user_ids": ["ou_1", "all"], "language": "zh-CN",
            })
        },
        success: (200, r#"{"code":0,"data":{},"msg":"success"}"#, "delivered"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, "delivered"),
            (200, r#"{"code":11232,"msg":"frequency limited"}"#, "retry rate_limited"),
            (400, r#"{"code":11232,"msg":"frequency limited"}"#, "retry rate_limited"),
            (
                200,
                r#"{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}"#,
                "final auth",
            ),
            (200, r#"{"code":19021,"msg":"sign match fail"}"#, "final auth"),
            (200, r#"{"code":19022,"msg":"ip not allowed"}"#, "final blocked"),
            (200, r#"{"code":19024,"msg":"Key Words Not Found"}"#, "final blocked"),
            (400, r#"{"code":9499,"msg":"Bad Request"}"#, "final bad_request"),
            (200, r#"{"code":1,"msg":"other"}"#, "final bad_request"),
        ],
    },
    Vendor {
        name: "",
        kind: "wecom",
        settings: |base| json!({"url": format!("{base}/cgi-bin/webhook/send?key={CANARY}"), "at_user_ids": ["zhang"]}),
        success: (200, r#"{"errcode":0,"errmsg":"ok"}"#, "delivered"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "retry server"),
            (200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, "retry rate_limited"),
            (200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "final auth"),
            (
                200,
                r#"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}"#,
                "final too_large",
            ),
            (200, r#"{"errcode":40058,"errmsg":"invalid"}"#, "final bad_request"),
        ],
    },
    Vendor {
        name: "",
        kind: "telegram",
        settings: |base| json!({"api_url": base, "bot_token": format!("12:{CANARY}"), "chat_id": -100123}),
        success: (200, r#"{"ok":true,"result":{"message_id":7}}"#, "delivered 7"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (
                429,
                r#"{"ok":false,"error_code":429,"parameters":{"retry_after":31}}"#,
                "retry rate_limited 31s",
            ),
            (400, r#"{"ok":false,"error_code":400,"description":"message is too long"}"#, "final too_large"),
            (400, r#"{"ok":false,"error_code":400,"description":"chat not found"}"#, "final bad_request"),
            (
                400,
                r#"{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1}}"#,
                "final bad_request",
            ),
            (401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "final auth"),
            (403, r#"{"ok":false,"error_code":403,"description":"bot was kicked"}"#, "final blocked"),
            (502, r#"{"ok":false,"error_code":502,"description":"Bad Gateway"}"#, "retry server"),
        ],
    },
    Vendor {
        name: "",
        kind: "discord",
        settings: |base| json!({"webhook_url": format!("{base}/api/webhooks/1/{CANARY}")}),
        success: (200, r#"{"id":"1234"}"#, "delivered 1234"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (204, "", "retry unknown"),
            (
                429,
                r#"{"message":"rate limited","retry_after":1.5,"global":false}"#,
                "retry rate_limited 1.5s",
            ),
            (400, r#"{"embeds":["0"]}"#, "final bad_request"),
            (401, r#"{"code":50027}"#, "final auth"),
            (404, r#"{"message":"Unknown Webhook","code":10015}"#, "final bad_request"),
        ],
    },
    Vendor {
        name: "twilio",
        kind: "sms",
        settings: |base| json!({"provider": "twilio", "api_url": base, "account_sid": "AC1", "api_key": "SK1", "auth_token": CANARY, "to": ["+15550100"], "from": "+15550199"}),
        success: (201, r#"{"sid":"SM1","status":"queued"}"#, "delivered SM1"),
        html: "retry unknown",
        lost: "final timeout",
        errors: &[
            (400, r#"{"code":21211,"message":"invalid number"}"#, "final bad_request"),
            (400, r#"{"code":21610,"message":"unsubscribed"}"#, "final blocked"),
            (401, r#"{"code":20003,"message":"Authenticate"}"#, "final auth"),
            (429, r#"{"code":20429,"message":"too many"}"#, "retry rate_limited"),
        ],
    },
    Vendor {
        name: "aliyun",
        kind: "sms",
        settings: |base| json!({"provider": "aliyun", "api_url": base, "access_key_id": "id", "access_key_secret": CANARY, "to": ["13800000000"], "template_params": {"name": "{{ (index .Alerts 0).Labels.route }}", "none": ""}, "sign_name": "心跳", "template_code": "SMS_1"}),
        success: (200, r#"{"Code":"OK","BizId":"B1"}"#, "delivered B1"),
        html: "retry unknown",
        lost: "final timeout",
        errors: &[
            (400, r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL"}"#, "final rate_limited"),
            (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, "final bad_request"),
            (200, r#"{"Code":"isv.PARAM_LENGTH_LIMIT"}"#, "final too_large"),
            (200, r#"{"Code":"isp.SYSTEM_ERROR"}"#, "retry server"),
            (200, r#"{"Code":"isv.OUT_OF_SERVICE"}"#, "final blocked"),
            (400, r#"{"Code":"Throttling.User"}"#, "retry rate_limited"),
            (400, r#"{"Code":"SignatureDoesNotMatch"}"#, "final auth"),
            (404, r#"{"Code":"InvalidAccessKeyId.NotFound"}"#, "final auth"),
        ],
    },
    Vendor {
        name: "twilio",
        kind: "voice",
        settings: |base| json!({"provider": "twilio", "api_url": base, "account_sid": "AC1", "api_key": "SK1", "auth_token": CANARY, "to": ["+15550100"], "from": "+15550199"}),
        success: (201, r#"{"sid":"CA1","status":"queued"}"#, "delivered CA1"),
        html: "retry unknown",
        lost: "final timeout",
        errors: &[
            (400, r#"{"code":21211,"message":"invalid number"}"#, "final bad_request"),
            (400, r#"{"code":21610,"message":"unsubscribed"}"#, "final blocked"),
            (401, r#"{"code":20003,"message":"Authenticate"}"#, "final auth"),
            (429, r#"{"code":20429,"message":"too many"}"#, "retry rate_limited"),
        ],
    },
    Vendor {
        name: "aliyun",
        kind: "voice",
        settings: |base| json!({"provider": "aliyun", "api_url": base, "access_key_id": "id", "access_key_secret": CANARY, "to": ["13800000000"], "template_params": {"name": "{{ (index .Alerts 0).Labels.route }}", "none": ""}, "tts_code": "TTS_1"}),
        success: (200, r#"{"Code":"OK","CallId":"C1"}"#, "delivered C1"),
        html: "retry unknown",
        lost: "final timeout",
        errors: &[
            (400, r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL"}"#, "final rate_limited"),
            (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, "final bad_request"),
            (200, r#"{"Code":"isv.PARAM_LENGTH_LIMIT"}"#, "final too_large"),
            (200, r#"{"Code":"isp.SYSTEM_ERROR"}"#, "retry server"),
            (200, r#"{"Code":"isv.OUT_OF_SERVICE"}"#, "final blocked"),
            (400, r#"{"Code":"Throttling.User"}"#, "retry rate_limited"),
            (400, r#"{"Code":"SignatureDoesNotMatch"}"#, "final auth"),
            (404, r#"{"Code":"InvalidAccessKeyId.NotFound"}"#, "final auth"),
        ],
    },
    Vendor {
        name: "",
        kind: "msteamsv2",
        settings: |base| json!({"webhook_url": format!("{base}/workflows/1?sig={CANARY}")}),
        success: (202, "", "delivered"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (400, "bad", "final bad_request"),
            (401, "", "final auth"),
            (404, "gone", "final bad_request"),
            (413, "", "final too_large"),
        ],
    },
    Vendor {
        name: "",
        kind: "pagerduty",
        settings: |base| json!({"url": format!("{base}/v2/enqueue"), "routing_key": CANARY, "details": {"team": "{{ .Receiver }}"}}),
        success: (
            202,
            r#"{"status":"success","message":"Event processed","dedup_key":"k1"}"#,
            "delivered k1",
        ),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[
            (400, r#"{"status":"invalid event","message":"Event object is invalid"}"#, "final bad_request"),
            (403, "", "final auth"),
        ],
    },
    Vendor {
        name: "",
        kind: "opsgenie",
        settings: |base| json!({"api_url": base, "api_key": CANARY, "tags": "a, b", "priority": "P1"}),
        success: (202, r#"{"result":"Request will be processed","requestId":"r1"}"#, "delivered r1"),
        html: "retry unknown",
        lost: "retry timeout",
        errors: &[(401, "", "final auth"), (403, "", "final auth"), (422, "{}", "final bad_request")],
    },
];

fn context() -> Context {
    Context {
        directory: PathBuf::new(),
        texts: Arc::new(Texts::new(Language::English, &[]).expect("templates")),
        reach: Reach { is_trusted: true, allowed: Vec::new() },
    }
}

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
        let replies = script.iter().map(|(reply, _)| reply.clone()).collect();
        let server = Server::start(replies).await;
        let channel = channel(vendor, &server.base);
        let notices = hostile();
        for (index, (reply, expected)) in script.iter().enumerate() {
            let outcome = channel.send(&message(&notices)).await;
            let reply: String = format!("{reply:?}").chars().take(100).collect();
            assert_eq!(shown(&outcome), *expected, "{}: {reply}: {outcome:?}", vendor.kind);
            assert_eq!(server.requests().len(), index + 1, "{}: {reply}", vendor.kind);
        }
        golden(vendor, &server.requests()[0]);
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    for vendor in VENDORS {
        let server = Server::start(vec![Reply::Nothing]).await;
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
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, request).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(request, expected, "{}: run with UPDATE=1 if this is right", path.display());
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
