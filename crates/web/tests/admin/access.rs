//! Who may ask what.

use std::io::Write;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use web::Server;
use web::config::AdminConfig;

use crate::harness::{Admin, Answer, BEARER, TOKEN, raw, request};

const GUARDED: [&str; 10] = [
    "/metrics",
    "/api/v1/overview",
    "/api/v1/host",
    "/api/v1/stream",
    "/api/v1/connections",
    "/api/v1/connections/0000000000007",
    "/api/v1/incidents",
    "/api/v1/incidents/1",
    "/api/v1/nothing",
    "/-/nothing",
];

/// Signs in and tells the cookie to send from then on.
async fn sign_in(admin: &Admin) -> String {
    let answer = admin.post("/api/v1/login", &[], &json!({"token": TOKEN}).to_string()).await;
    answer.is(204);
    answer.header("set-cookie").split(';').next().expect("a pair").to_owned()
}

#[tokio::test]
async fn a_token_guards_everything_but_the_page_itself() {
    let admin = Admin::guarded().await;
    for path in ["/", "/healthz", "/readyz", "/api/v1/status"] {
        admin.get(path, &[]).await.is(200);
    }
    for path in GUARDED {
        let answer = admin.get(path, &[]).await;
        answer.is_error(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"heartline\"");
        admin.get(path, &[("Cookie", "heartline_session=00ff")]).await.is_error(401, "unauthorized");
    }
    admin.post("/-/reload", &[], "").await.is_error(401, "unauthorized");
    admin.post("/api/v1/incidents/1/ack", &[], "").await.is_error(401, "unauthorized");
    admin.post("/api/v1/logout", &[], "").await.is_error(401, "unauthorized");
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 0);

    for path in ["/metrics", "/api/v1/overview", "/api/v1/connections"] {
        admin.get(path, &[BEARER]).await.is(200);
    }
    admin.post("/-/reload", &[BEARER], "").await.is(200);
    admin.get("/api/v1/nothing", &[BEARER]).await.is_error(404, "not_found");
}

#[tokio::test]
async fn with_a_token_any_host_is_served() {
    let admin = Admin::guarded().await;
    admin.get("/metrics", &[BEARER, ("Host", "heartline.example")]).await.is(200);
}

#[tokio::test]
async fn status_tells_who_is_signed_in() {
    let admin = Admin::guarded().await;
    let auth =
        async |headers: &[(&str, &str)]| admin.get("/api/v1/status", headers).await.json()["auth"].clone();
    let stranger = json!({"required": true, "authenticated": false});
    let known = json!({"required": true, "authenticated": true});
    assert_eq!(auth(&[]).await, stranger);
    assert_eq!(auth(&[BEARER]).await, known);
    let cookie = sign_in(&admin).await;
    assert_eq!(auth(&[("Cookie", &cookie)]).await, known);
}

#[tokio::test]
async fn a_session_lasts_until_its_end() {
    let admin = Admin::guarded().await;
    let cookie = sign_in(&admin).await;
    let session = ("Cookie", &*cookie);
    admin.get("/api/v1/overview", &[session]).await.is(200);

    let csrf = ("X-Heartline-CSRF", "1");
    admin.post("/api/v1/logout", &[session], "").await.is_error(403, "csrf");
    let answer = admin.post("/api/v1/logout", &[session, csrf], "").await;
    assert!(answer.is(204).header("set-cookie").starts_with("heartline_session=; Max-Age=0;"));
    admin.get("/api/v1/overview", &[session]).await.is_error(401, "unauthorized");
}

#[tokio::test]
async fn cookies_stay_at_home() {
    let admin = Admin::guarded().await;
    let login = json!({"token": TOKEN}).to_string();
    let plain = admin.post("/api/v1/login", &[], &login).await;
    let cookie = plain.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains(TOKEN), "{cookie}");
    let by_https = admin.post("/api/v1/login", &[("X-Forwarded-Proto", "https")], &login).await;
    assert!(by_https.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn changes_with_a_session_need_our_own_page() {
    let admin = Admin::guarded().await;
    let cookie = sign_in(&admin).await;
    let reload = async |headers: &[(&str, &str)]| {
        let headers = [&[("Cookie", &*cookie), ("Host", "heartline.example")], headers].concat();
        admin.post("/-/reload", &headers, "").await
    };
    let csrf = ("X-Heartline-CSRF", "1");
    reload(&[]).await.is_error(403, "csrf");
    reload(&[("X-Heartline-CSRF", "0")]).await.is_error(403, "csrf");
    reload(&[csrf, ("Origin", "https://evil.example")]).await.is_error(403, "cross_site");
    reload(&[csrf, ("Origin", "https://heartline.example.evil.example")]).await.is_error(403, "cross_site");
    reload(&[csrf, ("Origin", "null")]).await.is_error(403, "cross_site");
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 0);
    reload(&[csrf]).await.is(200);
    reload(&[csrf, ("Origin", "https://heartline.example")]).await.is(200);
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn bad_sign_ins() {
    let admin = Admin::guarded().await;
    let login = async |body: &str| admin.post("/api/v1/login", &[], body).await;
    login(r#"{"token": "wrong"}"#).await.is_error(401, "wrong_token");
    login(r#"{"token": ""}"#).await.is_error(401, "wrong_token");
    login("{").await.is_error(400, "bad_body");
    login(r#"{"password": "x"}"#).await.is_error(422, "bad_body");
    login(&json!({"token": "x".repeat(70_000)}).to_string()).await.is_error(413, "too_large");
    let form = [("Content-Type", "text/plain"), ("Content-Length", "2")];
    let answer = raw(admin.server.address(), &(request("POST", "/api/v1/login", &form, "") + "{}")).await;
    answer.is_error(415, "bad_body");
    let open = Admin::open().await;
    open.post("/api/v1/login", &[], "{}").await.is_error(400, "no_token");
}

#[tokio::test]
async fn guesses_are_slowed_down() {
    let admin = Admin::guarded().await;
    let session = sign_in(&admin).await;
    let wrong = ("Authorization", "Bearer wrong");
    admin.get("/api/v1/status", &[wrong]).await.is(200);
    for _ in 0..2 {
        admin.get("/metrics", &[wrong]).await.is_error(401, "unauthorized");
        admin.post("/api/v1/login", &[], r#"{"token": "wrong"}"#).await.is(401);
    }
    let check = |answer: &Answer| {
        answer.is_error(429, "too_many_attempts");
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1));
    };
    check(&admin.get("/metrics", &[wrong]).await);
    check(&admin.get("/metrics", &[BEARER]).await);
    check(&admin.post("/api/v1/login", &[], &json!({"token": TOKEN}).to_string()).await);
    let status = admin.get("/api/v1/status", &[BEARER]).await.json();
    assert_eq!(status["auth"]["authenticated"], false, "no oracle for guesses");
    admin.get("/metrics", &[("Cookie", &session)]).await.is(200);
    admin.get("/metrics", &[]).await.is_error(401, "unauthorized");
}

#[tokio::test]
async fn without_a_token_only_loopback_names_are_served() {
    let admin = Admin::open().await;
    for host in ["localhost", "localhost:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "LocalHost"] {
        admin.get("/api/v1/overview", &[("Host", host)]).await.is(200);
    }
    for host in
        ["evil.example", "localhost.evil.example", "10.0.0.1", "169.254.169.254:8080", "", "127.0.0.1@evil"]
    {
        for path in ["/", "/metrics", "/api/v1/overview", "/healthz"] {
            admin.get(path, &[("Host", host)]).await.is_error(403, "forbidden_host");
        }
        admin.post("/-/reload", &[("Host", host)], "").await.is_error(403, "forbidden_host");
    }
    let address = admin.server.address();
    let twice = [("Host", "localhost"), ("Host", "evil.example")];
    admin.get("/metrics", &twice).await.is_error(403, "forbidden_host");
    raw(address, "GET /metrics HTTP/1.0\r\n\r\n").await.is_error(403, "forbidden_host");
    let absolute = admin.get("http://evil.example/metrics", &[]).await;
    absolute.is_error(403, "forbidden_host");
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn without_a_token_pages_of_other_sites_change_nothing() {
    let admin = Admin::open().await;
    let reload = async |headers: &[(&str, &str)]| admin.post("/-/reload", headers, "").await;
    for headers in [
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://localhost:3000")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
    ] {
        reload(&headers).await.is_error(403, "cross_site");
    }
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 0);
    reload(&[]).await.is(200);
    reload(&[("Origin", "http://localhost"), ("Sec-Fetch-Site", "same-origin")]).await.is(200);
}

#[tokio::test]
async fn the_token_may_stand_in_a_file() {
    let name = format!("heartline-web-test-token-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let admin = Admin::open().await;
    let start = async |content: &str| {
        let mut file = std::fs::File::create(&path).expect("creates");
        file.write_all(content.as_bytes()).expect("writes");
        let config =
            AdminConfig { listen: ([127, 0, 0, 1], 0).into(), token_file: Some(path.clone()), token: None };
        Server::start(&config, admin.fake.ports()).await
    };
    let server = start("  file-token\r\n").await.expect("starts");
    let ask = async |token: &str| {
        let authorization = format!("Bearer {token}");
        raw(server.address(), &request("GET", "/metrics", &[("Authorization", &authorization)], "")).await
    };
    ask("file-token").await.is(200);
    ask("another").await.is(401);
    for content in ["", " \n", "two words\n"] {
        let error = start(content).await.err().expect("must not start").to_string();
        assert!(error.contains("holds no admin token"), "{error}");
        assert!(!error.contains("two words"), "{error}");
    }
    std::fs::remove_file(&path).expect("removes");
}

#[tokio::test]
async fn connections_are_bounded() {
    let admin = Admin::open().await;
    let address = admin.server.address();
    let mut held = Vec::new();
    for _ in 0..512 {
        held.push(TcpStream::connect(address).await.expect("connects"));
    }
    let mut refused = TcpStream::connect(address).await.expect("connects");
    let mut text = String::new();
    refused.read_to_string(&mut text).await.expect("reads");
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    assert_eq!(admin.server.refusals().connections, 1);
}
