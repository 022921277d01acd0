//! Mail against a server that answers by a script.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::testing::{alert, context, notice};
use crate::{Channel, Message, Outcome};

/// 2026-11-26 03:04:05 UTC.
const NOW_MS: i64 = 1_795_662_245_000;
const CANARY: &str = "canary-0123456789abcdef";

/// A server that gives these answers to commands that begin so, and takes everything else; what it was told.
async fn server(answers: &'static [(&'static str, &'static str)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(b"220 mail.example.com\r\n").await;
            let mut is_data = false;
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let text = std::mem::take(&mut line).trim_end().to_owned();
                seen.lock().push(text.clone());
                let scripted =
                    answers.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, answer)| *answer);
                let answer = match &*text {
                    "." if is_data => {
                        is_data = false;
                        scripted.unwrap_or("250 queued as 1A2B")
                    }
                    _ if is_data => continue,
                    "DATA" => {
                        is_data = scripted.is_none();
                        scripted.unwrap_or("354 go on")
                    }
                    _ if text.starts_with("EHLO") => scripted.unwrap_or("250-hi\r\n250 AUTH PLAIN LOGIN"),
                    _ if text.starts_with("AUTH") => scripted.unwrap_or("235 in"),
                    _ => scripted.unwrap_or("250 ok"),
                };
                if answer.is_empty() || stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (address, told)
}

fn settings(smarthost: &str) -> Value {
    json!({
        "to": "Ops <ops@example.org>", "from": "heartline@example.com", "smarthost": smarthost, "hello": "here",
        "require_tls": false, "auth_username": "u", "auth_password": CANARY,
        "headers": {"x-team": "{{ .CommonLabels.severity }}\r\nBcc: all@example.org"},
    })
}

async fn send(smarthost: &str) -> Outcome {
    let channel = Channel::read("email", settings(smarthost), &context()).expect("settings").remove(0);
    let channel = channel.with_timeout(Duration::from_millis(2000));
    assert!(!format!("{channel:?}").contains(CANARY));
    let notices = [notice("g", vec![alert("Slow\r\nBcc: all@example.org", NOW_MS - 60_000, None)])];
    let message = Message { id: "msg_1", notices: &notices, at_ms: NOW_MS, nonce: 0 };
    assert!(!channel.dry_run(&message).expect("a mail").contains(CANARY));
    channel.send(&message).await
}

fn shown(outcome: &Outcome) -> String {
    assert!(!format!("{outcome:?}").contains(CANARY), "{outcome:?}");
    match outcome {
        Outcome::Delivered { .. } => "delivered".to_owned(),
        Outcome::Retry { reason, .. } => format!("retry {}", reason.word()),
        Outcome::Final { reason, .. } => format!("final {}", reason.word()),
    }
}

#[tokio::test]
async fn answers_are_judged() {
    let table: [(&'static [(&'static str, &'static str)], &str); 11] = [
        (&[], "delivered"),
        (&[("AUTH", "535 5.7.8 no canary-0123456789abcdef")], "final auth"),
        (&[("AUTH", "454 4.7.0 later")], "retry auth"),
        (&[("MAIL", "421 closing")], "retry server"),
        (&[("RCPT", "450 4.2.1 greylisted")], "retry rate_limited"),
        (&[("RCPT", "550 5.1.1 no such user")], "final bad_request"),
        (&[("DATA", "451 4.3.0 try again")], "retry rate_limited"),
        (&[(".", "552 5.3.4 too big")], "final too_large"),
        (&[(".", "554 5.7.1 spam")], "final blocked"),
        (&[("EHLO", "250 hi")], "final auth"),
        (&[("RCPT", "")], "retry timeout"),
    ];
    for (answers, expected) in table {
        let (address, _) = server(answers).await;
        let outcome = send(&address).await;
        assert_eq!(shown(&outcome), expected, "{answers:?}: {outcome:?}");
    }
    assert_eq!(shown(&send("127.0.0.1:1").await), "retry unreachable");
}

#[tokio::test]
async fn a_mail_has_one_recipient_and_no_header_of_labels() {
    let (address, told) = server(&[]).await;
    send(&address).await;
    let told = told.lock().clone();
    // The head ends with the first empty line.
    let head = told.iter().take_while(|line| !line.is_empty());
    let head: Vec<&String> = head.collect();
    let lines = |begin: &str| -> Vec<&str> {
        head.iter().filter(|line| line.starts_with(begin)).map(|line| line.as_str()).collect()
    };
    assert_eq!(lines("MAIL FROM"), ["MAIL FROM:<heartline@example.com>"]);
    assert_eq!(lines("RCPT TO"), ["RCPT TO:<ops@example.org>"]);
    assert_eq!(lines("Bcc"), Vec::<&str>::new());
    assert_eq!(lines("Subject"), ["Subject: [FIRING:1] Slow  Bcc: all@example.org route=chat"]);
    assert_eq!(lines("X-Team"), ["X-Team: critical  Bcc: all@example.org"]);
    assert_eq!(lines("Message-ID"), ["Message-ID: <msg_1@example.com>"]);
    assert_eq!(lines("Date"), ["Date: Thu, 26 Nov 2026 03:04:05 +0000"]);
    // The first 12 bytes of the SHA-256 of `g`.
    assert_eq!(lines("References"), ["References: <cd0aa9856147b6c5b4ff2b7d@example.com>"]);
    assert_eq!(lines("Content-Type"), ["Content-Type: multipart/alternative;"]);
    let types = told.iter().filter(|line| line.starts_with("Content-Type: text/"));
    assert_eq!(types.count(), 2);
}

#[test]
fn settings_that_cannot_work_are_told() {
    let check = |change: Value, expected: &str| {
        let mut settings = settings("127.0.0.1:25");
        for (key, value) in change.as_object().expect("an object") {
            settings[key] = value.clone();
        }
        let error = Channel::read("email", settings, &context()).expect_err("wrong");
        assert!(error.contains(expected), "{error}");
    };
    check(json!({"to": null}), "`to` is missing");
    check(json!({"to": "nobody"}), "`to`: \"nobody\" is no address");
    check(json!({"smarthost": "mail"}), "`smarthost`: \"mail\" is not `host:port`");
    check(json!({"auth_password": null}), "`auth_password` is missing");
    check(json!({"auth_password": null, "auth_secret": "a"}), "is for CRAM-MD5");
    check(json!({"headers": {"a b": "c"}}), "is no name of a header");
    let many =
        json!({"to": "a@example.org, b@example.org", "from": "c@example.com", "smarthost": "127.0.0.1:25"});
    assert_eq!(Channel::read("email", many, &context()).expect("settings").len(), 2);
}

#[tokio::test]
async fn where_tls_is_demanded_nothing_is_sent_without() {
    let (address, told) = server(&[]).await;
    let mut settings = settings(&address);
    settings["require_tls"] = true.into();
    let channel = Channel::read("email", settings, &context()).expect("settings").remove(0);
    let notices = [notice("g", vec![alert("A", NOW_MS, None)])];
    let message = Message { id: "msg_1", notices: &notices, at_ms: NOW_MS, nonce: 0 };
    assert_eq!(shown(&channel.send(&message).await), "final auth");
    assert!(told.lock().iter().all(|line| line.starts_with("EHLO") || line.starts_with("QUIT")));
}
