//! What each path answers to a caller who may ask.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use web::config::AdminConfig;
use web::{Server, StartError};

use crate::fakes::HOSTILE;
use crate::harness::{Admin, raw};

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let admin = Admin::open().await;
    for path in ["/", "/metrics", "/healthz", "/api/v1/status", "/api/v1/overview?window=1", "/nothing"] {
        let answer = admin.get(path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_ne!(answer.header("cache-control"), "", "{path}");
    }
    let refused = admin.get("/", &[("Host", "evil.example")]).await;
    assert_eq!(refused.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_dashboard() {
    let admin = Admin::open().await;
    let page = admin.get("/", &[]).await;
    assert!(page.is(200).body.contains("<html"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!(page.header("vary"), "accept-encoding");
    let held = admin.get("/", &[("If-None-Match", page.header("etag"))]).await;
    assert_eq!(held.is(304).body, "");

    let head = admin.ask("HEAD", "/", &[], "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    let wrong = admin.post("/", &[], "{}").await;
    assert_eq!(wrong.is_error(405, "method_not_allowed").header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn no_path_leads_out_of_the_dashboard() {
    let admin = Admin::open().await;
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../Cargo.toml",
        "//etc/passwd",
        "/index.html/../index.html",
        "/.git/config",
    ] {
        admin.get(path, &[]).await.is_error(404, "not_found");
    }
    let strange = admin.get("/%3Cscript%3E", &[]).await;
    assert_eq!(strange.header("content-type"), "application/json");
}

#[tokio::test]
async fn metrics_are_negotiated() {
    let admin = Admin::open().await;
    let text = admin.get("/metrics", &[("Accept", "*/*")]).await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(text.body, "# Text\n");
    let accept = ("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let open_metrics = admin.get("/metrics", &[accept]).await;
    assert_eq!(
        open_metrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert_eq!(open_metrics.body, "# OpenMetrics\n");
}

#[tokio::test]
async fn health_readiness_and_reload() {
    let admin = Admin::open().await;
    assert_eq!(admin.get("/healthz", &[]).await.is(200).json(), json!({"status": "ok"}));
    assert_eq!(admin.get("/readyz", &[]).await.is(200).json(), json!({"status": "ok"}));
    admin.post("/-/reload", &[], "").await.is(200);
    assert_eq!(admin.fake.reloads.load(Ordering::Relaxed), 1);

    admin.fake.is_broken.store(true, Ordering::Relaxed);
    let ready = admin.get("/readyz", &[]).await;
    assert_eq!(ready.is(503).json()["reason"], "route `chat` has no upstream");
    let reload = admin.post("/-/reload", &[], "").await;
    assert_eq!(reload.is_error(400, "bad_config").json()["error"]["message"], "route `chat` has no upstream");
    admin.get("/healthz", &[]).await.is(200);

    admin.fake.panics.store(true, Ordering::Relaxed);
    admin.post("/-/reload", &[], "").await.is_error(500, "internal");
    let got = admin.get("/-/reload", &[]).await;
    assert_eq!(got.is_error(405, "method_not_allowed").header("allow"), "POST");
}

#[tokio::test]
async fn status_and_overview() {
    let admin = Admin::open().await;
    let expected = json!({
        "version": "1.2.3",
        "started_at": "1970-01-01T00:00:00.000000000Z",
        "auth": {"required": false, "authenticated": true},
    });
    assert_eq!(admin.get("/api/v1/status", &[]).await.is(200).json(), expected);

    let overview = admin.get("/api/v1/overview", &[]).await;
    assert_eq!(overview.is(200).json()["window_seconds"], 900.0);
    assert_eq!(overview.header("content-type"), "application/json");
    assert_eq!(overview.header("cache-control"), "no-store");
    assert_eq!(admin.get("/api/v1/overview?window=10", &[]).await.json()["window_seconds"], 10.0);
    for window in ["9", "3601", "-1", "15m", "", "99999999999999999999"] {
        let answer = admin.get(&format!("/api/v1/overview?window={window}"), &[]).await;
        let hint = answer.is_error(400, "bad_query").json()["error"]["hint"].clone();
        assert_eq!(hint, "give a whole number from 10 to 3600");
    }
    let answer = admin.get("/api/v1/overview?windows=60", &[]).await;
    assert!(answer.is_error(400, "bad_query").body.contains("did you mean `window`?"));
}

#[track_caller]
fn ids(list: &Value) -> Vec<u64> {
    let items = list["items"].as_array().expect("items");
    let id = |item: &Value| item["id"].as_str().expect("an id").parse().expect("an id");
    items.iter().map(id).map(|model::ConnectionId(id)| id).collect()
}

#[tokio::test]
async fn live_connections_are_filtered_sorted_and_cut() {
    let admin = Admin::open().await;
    let check = async |query: &str, total: u64, expected: &[u64]| {
        let list = admin.get(&format!("/api/v1/connections?{query}"), &[]).await.is(200).json();
        assert_eq!(list["total"], total, "{query}");
        assert_eq!(ids(&list), expected, "{query}");
    };
    check("limit=3", 1000, &[999, 998, 997]).await;
    check("set=live&sort=opened_at&dir=asc&limit=3", 1000, &[0, 1, 2]).await;
    check("sort=duration&limit=2", 1000, &[0, 1]).await;
    check("sort=messages&limit=2&offset=998", 1000, &[1, 0]).await;
    check("sort=idle&limit=2", 1000, &[27, 54]).await;
    check("sort=idle&dir=asc&limit=2&offset=1", 1000, &[973, 946]).await;
    check("sort=backlog&limit=2", 1000, &[998, 995]).await;
    check("sort=backlog&dir=asc&limit=2", 1000, &[0, 3]).await;
    check("protocol=sse&limit=2", 250, &[996, 992]).await;
    check("state=slow&protocol=sse&limit=2", 50, &[980, 960]).await;
    check("route=chat&limit=1", 999, &[999]).await;
    check("route=nowhere", 0, &[]).await;
    check("offset=1000", 1000, &[]).await;
    check("offset=4294967295&limit=500", 1000, &[]).await;
    let list = admin.get("/api/v1/connections", &[]).await.json();
    assert_eq!(ids(&list).len(), 100);
    assert!(list["as_of"].as_str().is_some_and(|at| at.parse::<model::WallTime>().is_ok()));
}

#[tokio::test]
async fn pages_of_equals_do_not_overlap() {
    let admin = Admin::open().await;
    let mut seen = Vec::new();
    for offset in (0..1000).step_by(250) {
        let path = format!("/api/v1/connections?sort=backlog&limit=250&offset={offset}");
        seen.extend(ids(&admin.get(&path, &[]).await.json()));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn closed_connections_are_filtered_sorted_and_cut() {
    let admin = Admin::open().await;
    let check = async |query: &str, total: u64, expected: &[u64]| {
        let list = admin.get(&format!("/api/v1/connections?set=closed&{query}"), &[]).await.is(200).json();
        assert_eq!(list["total"], total, "{query}");
        let expected: Vec<u64> = expected.iter().map(|n| 1_000_000 + n).collect();
        assert_eq!(ids(&list), expected, "{query}");
    };
    check("limit=2", 300, &[299, 298]).await;
    check("sort=closed_at&dir=asc&limit=2", 300, &[0, 1]).await;
    check("sort=duration&limit=2", 300, &[257, 214]).await;
    check("reason=abnormal&limit=2", 100, &[298, 296]).await;
    check("reason=normal&initiator=upstream&protocol=websocket&limit=1", 100, &[299]).await;
    check("initiator=client", 0, &[]).await;
    check("result=unreachable&limit=1", 100, &[297]).await;
    check("route=chat&sort=opened_at&dir=asc&limit=1&offset=5", 300, &[5]).await;
}

#[tokio::test]
async fn what_a_list_does_not_understand_is_an_error() {
    let admin = Admin::open().await;
    for (query, hint) in [
        ("set=open", "did you mean"),
        ("sort=idel", "did you mean `idle`?"),
        ("sort=closed_at", "Known here: opened_at, duration, idle, messages, bytes, backlog"),
        ("set=closed&sort=closd_at", "did you mean `closed_at`?"),
        ("dir=up", "Known here: desc, asc"),
        ("limit=0", "from 1 to 500"),
        ("limit=501", "from 1 to 500"),
        ("offset=-1", "from 0 to"),
        ("protocol=websockets", "did you mean `websocket`?"),
        ("state=slwo", "did you mean `slow`?"),
        ("set=closed&reason=abnromal", "did you mean `abnormal`?"),
        ("set=closed&result=succes", "did you mean `success`?"),
        ("set=closed&initiator=server", "Known here: client, upstream, proxy"),
        ("set=closed&state=open", "Known here: set, sort, dir, limit, offset, protocol, route, reason"),
        ("reason=normal", "Known here: set, sort, dir, limit, offset, protocol, route, state"),
        ("protcol=sse", "did you mean `protocol`?"),
    ] {
        let answer = admin.get(&format!("/api/v1/connections?{query}"), &[]).await;
        let got = answer.is_error(400, "bad_query").json()["error"]["hint"].clone();
        assert!(got.as_str().is_some_and(|got| got.contains(hint)), "{query}: {got}");
    }
    admin.get("/api/v1/connections?limit=1&limit=2", &[]).await.is_error(400, "bad_query");
}

#[tokio::test]
async fn the_mistake_in_a_filter_is_data_too() {
    let admin = Admin::open().await;
    let answer = admin.get("/api/v1/connections?q=route:chat%20protocol:see", &[]).await;
    let filter = answer.is_error(400, "bad_query").json()["error"]["filter"].clone();
    let mistake = json!({
        "kind": "unknown_word", "key": "protocol", "value": "see", "meant": "sse", "known": "websocket, sse, grpc",
    });
    assert_eq!(filter, json!({ "at": 21, "mistake": mistake }));
    let other = admin.get("/api/v1/connections?limit=0", &[]).await;
    assert_eq!(other.is_error(400, "bad_query").json()["error"]["filter"], Value::Null);
}

/// Ids of a page of a view, and its other facts.
async fn view(admin: &Admin, query: &str) -> (Value, Vec<u64>) {
    let page = admin.get(&format!("/api/v1/connections?{query}"), &[]).await.is(200).json();
    let id = |item: &Value| {
        let one = &item[item["state"].as_str().expect("a state")];
        let id: model::ConnectionId = one["id"].as_str().expect("an id").parse().expect("an id");
        id.0
    };
    let ids = page["items"].as_array().expect("items").iter().map(id).collect();
    (page, ids)
}

#[tokio::test]
async fn a_view_is_read_in_parts() {
    let admin = Admin::open().await;
    let asked = "sort=idle&q=protocol:sse";
    let (first, ids) = view(&admin, &format!("view=new&{asked}&limit=2")).await;
    assert_eq!((&first["total"], &ids[..]), (&json!(250), &[108, 216][..]));
    let number = first["view"].as_str().expect("a number");
    let (next, ids) = view(&admin, &format!("view={number}&{asked}&limit=2&offset=249")).await;
    assert_eq!((&next["view"], &next["as_of"], ids.len()), (&first["view"], &first["as_of"], 1));
    let (past, ids) = view(&admin, &format!("view={number}&{asked}&offset=250")).await;
    assert_eq!((&past["view"], ids.len()), (&first["view"], 0));

    let (closed, ids) = view(&admin, "view=new&set=closed&dir=asc&limit=2").await;
    assert_eq!((&closed["total"], &ids[..]), (&json!(300), &[1_000_000, 1_000_001][..]));
}

#[tokio::test]
async fn a_view_of_another_question_is_made_anew() {
    let admin = Admin::open().await;
    let (first, _) = view(&admin, "view=new&limit=1").await;
    let number = first["view"].as_str().expect("a number");
    for other in ["dir=asc", "sort=idle", "q=route:chat", "set=closed"] {
        let (second, _) = view(&admin, &format!("view={number}&limit=1&{other}")).await;
        assert_ne!(second["view"], first["view"], "{other}");
    }
    let (unknown, ids) = view(&admin, "view=4000000&limit=1").await;
    assert_eq!((unknown["view"] == "4000000", &ids[..]), (false, &[999][..]));
    admin.get("/api/v1/connections?view=first", &[]).await.is_error(400, "bad_query");
    admin.get("/api/v1/connections?view=new&protocol=sse", &[]).await.is_error(400, "bad_query");
}

#[tokio::test]
async fn facets_count_what_a_filter_takes() {
    let admin = Admin::open().await;
    let facets = async |query: &str| {
        admin.get(&format!("/api/v1/connections/facets?{query}"), &[]).await.is(200).json()
    };
    let values = |answer: &Value, key: &str| {
        let facets = answer["facets"].as_array().expect("facets").iter();
        facets.clone().find(|facet| facet["key"] == key).expect("the facet")["values"].clone()
    };
    let all = facets("since=1970-01-01T00:16:30Z").await;
    assert_eq!((&all["total"], &all["newer"]), (&json!(1000), &json!(9)));
    let protocols = json!([{"value": "websocket", "count": 750}, {"value": "sse", "count": 250}]);
    assert_eq!(values(&all, "protocol"), protocols);
    let sse = facets("q=protocol:sse").await;
    assert_eq!((&sse["total"], &sse["newer"]), (&json!(250), &json!(0)));
    assert_eq!(values(&sse, "protocol"), protocols, "what else could be chosen");
    assert_eq!(
        values(&sse, "state"),
        json!([{"value": "open", "count": 200}, {"value": "slow", "count": 50}])
    );
    let closed = facets("set=closed&q=reason:normal&since=310").await;
    assert_eq!((&closed["total"], &closed["newer"]), (&json!(100), &json!(17)));
    assert_eq!(values(&closed, "result"), json!([{"value": "success", "count": 100}]));
    let wrong = admin.get("/api/v1/connections/facets?q=protcol:sse", &[]).await;
    assert!(wrong.is_error(400, "bad_query").body.contains("did you mean `protocol`"));
}

#[tokio::test]
async fn an_export_has_all_rows_as_lines() {
    let admin = Admin::open().await;
    for (query, count, first) in
        [("sort=idle", 1000, 27), ("q=protocol:sse", 250, 996), ("set=closed", 300, 1_000_299)]
    {
        // HTTP/1.0 has no chunks in the body.
        let request = format!("GET /api/v1/connections/export?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let export = raw(admin.server.address(), &request).await;
        assert_eq!(export.is(200).header("content-type"), "application/jsonl");
        assert!(export.header("content-disposition").starts_with("attachment"));
        let lines: Vec<Value> =
            export.body.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let ids: BTreeSet<&str> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
        assert_eq!((lines.len(), ids.len()), (count, count), "{query}: each once");
        assert_eq!(lines[0]["id"], model::ConnectionId(first).to_string(), "{query}");
    }
    admin.get("/api/v1/connections/export?limit=1", &[]).await.is_error(400, "bad_query");
}

#[tokio::test]
async fn one_connection() {
    let admin = Admin::open().await;
    let path = |id: u64| format!("/api/v1/connections/{}", model::ConnectionId(id));
    let live = admin.get(&path(7), &[]).await.is(200).json();
    assert_eq!((&live["state"], &live["live"]["idle_seconds"]), (&json!("live"), &json!(259.0)));
    let closed = admin.get(&path(1_000_001), &[]).await.is(200).json();
    assert_eq!((&closed["state"], &closed["closed"]["reason"]), (&json!("closed"), &json!("normal")));
    admin.get(&path(5000), &[]).await.is_error(404, "not_found");
    for wrong in ["abc", "..%2f..%2fetc", "0123456789abcde", "%ff", "%0d%0aX-Injected:1"] {
        let answer = admin.get(&format!("/api/v1/connections/{wrong}"), &[]).await;
        answer.is(400);
        assert_eq!(answer.header("x-injected"), "");
    }
}

#[tokio::test]
async fn events_of_a_connection() {
    let admin = Admin::open().await;
    let path = |query: &str| format!("/api/v1/connections/{}/events{query}", model::ConnectionId(7));
    let check = async |query: &str, total: usize, expected: &[u64]| {
        let list = admin.get(&path(query), &[]).await.is(200).json();
        let items = list["items"].as_array().expect("items");
        let numbers: Vec<u64> = items.iter().filter_map(|item| item["number"].as_u64()).collect();
        assert_eq!((list["total"].as_u64(), &numbers[..]), (Some(total as u64), expected), "{query}");
    };
    check("", 9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).await;
    check("?after=6", 2, &[7, 8]).await;
    check("?kind=message", 2, &[1, 2]).await;
    check("?kind=wait_began&format=json", 1, &[5]).await;
    check("?after=1&limit=2", 7, &[2, 3]).await;
    let pong = admin.get(&path("?kind=pong"), &[]).await.json()["items"][0].clone();
    let expected = json!({
        "number": 4, "at": "1970-01-01T00:01:44.000000000Z", "after_seconds": 4.0, "kind": "pong",
        "direction": "client_to_server", "bytes": 4, "rtt_seconds": 0.25,
    });
    assert_eq!(pong, expected);
    for wrong in ["?kind=pnog", "?limit=0", "?format=xml", "?aftr=1"] {
        admin.get(&path(wrong), &[]).await.is_error(400, "bad_query");
    }
    let gone = format!("/api/v1/connections/{}/events", model::ConnectionId(5000));
    admin.get(&gone, &[]).await.is_error(404, "not_found");
    admin.get("/api/v1/connections/abc/events", &[]).await.is_error(400, "bad_id");
}

#[tokio::test]
async fn events_as_lines_and_as_an_archive() {
    let admin = Admin::open().await;
    let path = |query: &str| format!("/api/v1/connections/{}/events{query}", model::ConnectionId(7));
    for (query, accept) in
        [("?format=jsonl", "*/*"), ("", "application/jsonl"), ("", "application/x-ndjson, */*;q=0.1")]
    {
        let lines = admin.get(&path(query), &[("Accept", accept)]).await;
        assert_eq!(lines.is(200).header("content-type"), "application/jsonl", "{query} {accept}");
        let numbers: Vec<Value> = lines
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an object")["number"].clone())
            .collect();
        assert_eq!(numbers, (0..9).map(Value::from).collect::<Vec<_>>());
    }
    for (query, accept) in [("?format=har", "*/*"), ("", "application/har+json")] {
        let har = admin.get(&path(query), &[("Accept", accept)]).await.is(200).json();
        let entry = &har["log"]["entries"][0];
        assert_eq!((&har["log"]["version"], &entry["_resourceType"]), (&json!("1.2"), &json!("websocket")));
        assert_eq!(entry["request"]["url"], "ws://10.0.0.1:3000/");
        assert_eq!((&entry["response"]["status"], &entry["time"]), (&json!(101), &json!(8500.0)));
        assert_eq!(entry["startedDateTime"], "1970-01-01T00:01:39.500000000Z");
        let messages = entry["_webSocketMessages"].as_array().expect("messages");
        let opcodes: Vec<_> = messages.iter().map(|message| message["opcode"].as_u64()).collect();
        assert_eq!(opcodes, [1, 2, 9, 10, 8].map(Some));
        let first = json!({"type": "send", "time": 101.0, "opcode": 1, "data": "", "_bytes": 412});
        assert_eq!(messages[0], first);
        assert!(messages.iter().all(|message| message["data"] == ""), "no payload");
    }
}

#[tokio::test]
async fn hostile_text_arrives_as_json_text() {
    let admin = Admin::open().await;
    let path = format!("/api/v1/connections/{}", model::ConnectionId(7));
    let answer = admin.get(&path, &[]).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["live"]["route"], HOSTILE);
    assert!(!answer.body.contains(['\r', '\n', '\u{1b}']), "one line, no control characters");
    let refused = admin.get("/api/v1/connections?sort=%3Cscript%3E%1b%0d%0a", &[]).await;
    assert!(!refused.is_error(400, "bad_query").body.contains(['\r', '\n', '\u{1b}']));
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let admin = Admin::open().await;
    for path in ["/api/v1/overviews", "/api/v3/status", "/api/", "/api", "/-/quit", "/overview"] {
        admin.get(path, &[]).await.is_error(404, "not_found");
    }
    for (method, path) in [
        ("POST", "/api/v1/overview"),
        ("DELETE", "/api/v1/connections"),
        ("GET", "/api/v1/login"),
        ("PUT", "/healthz"),
    ] {
        let answer = admin.ask(method, path, &[], "").await;
        assert_ne!(answer.is_error(405, "method_not_allowed").header("allow"), "", "{method} {path}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let admin = Admin::open().await;
    let long = "x".repeat(40_000);
    assert_eq!(admin.get("/healthz", &[("X-Long", &long)]).await.status, 431);
    let many = "X: y\r\n".repeat(200);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(raw(admin.server.address(), &request).await.status, 431);
}

#[tokio::test]
async fn a_start_that_fails_says_what_to_do() {
    let admin = Admin::open().await;
    let start = async |config: AdminConfig| {
        let started = Server::start(&config, admin.fake.ports()).await;
        started.err().expect("must not start")
    };
    let taken = AdminConfig { listen: admin.server.address(), ..AdminConfig::default() };
    let error = start(taken).await;
    assert!(matches!(error, StartError::Listen { .. }));
    let text = error.to_string();
    assert!(text.contains(&admin.server.address().to_string()) && text.contains("--admin ADDR"), "{text}");

    let everywhere = AdminConfig { listen: ([0, 0, 0, 0], 0).into(), ..AdminConfig::default() };
    let text = start(everywhere).await.to_string();
    assert!(text.contains("`admin.token_file`"), "{text}");

    let missing = AdminConfig { token_file: Some("no/such/file".into()), ..AdminConfig::default() };
    let text = start(missing).await.to_string();
    assert!(text.contains("no/such/file"), "{text}");
}

#[tokio::test]
async fn a_stopped_server_gives_its_address_back() {
    let admin = Admin::open().await;
    let address = admin.server.address();
    admin.server.stop().await;
    let again = AdminConfig { listen: address, ..AdminConfig::default() };
    let server = Server::start(&again, admin.fake.ports()).await.expect("starts again");
    assert_eq!(server.address(), address);
}

#[tokio::test]
async fn the_host() {
    let admin = Admin::open().await;
    let facts = admin.get("/api/v1/host", &[]).await.is(200).json();
    assert_eq!(facts["as_of"], "1970-01-01T00:00:01.000000000Z");
    assert_eq!(facts["listeners"], json!([{"listener": "127.0.0.1:8000", "waiting": 3, "limit": 1024}]));
    assert_eq!(facts["machine"]["memory"], json!({"total_bytes": null, "available_bytes": null}));
    admin.get("/api/v1/host?window=60", &[]).await.is_error(400, "bad_query");
}

#[tokio::test]
async fn incidents() {
    let admin = Admin::open().await;
    let listed = admin.get("/api/v1/incidents", &[]).await.is(200).json();
    assert_eq!((&listed["total"], &listed["items"][0]["number"]), (&json!(3), &json!(3)));
    assert_eq!(admin.get("/api/v1/incidents/2", &[]).await.is(200).json()["acked_by"], "Ann");
    admin.get("/api/v1/incidents/9", &[]).await.is_error(404, "not_found");
    let ack = async |number: &str, body: &str| {
        admin.post(&format!("/api/v1/incidents/{number}/ack"), &[], body).await
    };
    let acked = ack("1", r#"{"by": " Bob\u0007 "}"#).await.is(200).json();
    assert_eq!((&acked["state"], &acked["acked_by"]), (&json!("acked"), &json!("Bob")));
    assert_eq!(ack("1", "").await.is(200).json()["acked_by"], "API");
    ack("2", "").await.is_error(409, "acked");
    ack("3", "").await.is_error(409, "closed");
    ack("9", "").await.is_error(404, "not_found");
    ack("x", "").await.is_error(400, "bad_query");
    ack("1", r#"{"by": ""}"#).await.is_error(400, "bad_query");
    ack("1", "{").await.is_error(400, "bad_query");
}

/// Opening the page changes nothing, so that a preview does not acknowledge; what it shows is escaped.
#[tokio::test]
async fn the_page_that_acknowledges() {
    let admin = Admin::guarded().await;
    let good = |number: u64| format!("/ack/{number}?expires=1&signature=good");
    let page = admin.get(&good(1), &[("Accept-Language", "zh")]).await;
    assert!(page.is(200).body.contains("<form method=\"post\">") && page.body.contains("还没有人确认"));
    assert!(!page.body.contains("<img") && !page.body.contains("</script>"), "{}", page.body);
    assert_eq!((page.header("referrer-policy"), page.header("content-language")), ("same-origin", "zh-CN"));
    let acked = admin.post(&good(1), &[], "by=%3Cb%3EAnn").await;
    assert!(acked.is(200).body.contains("<main>"), "{}", acked.body);
    assert!(admin.post(&good(2), &[], "").await.is(409).body.contains("Acknowledged by Ann"));
    assert!(admin.get(&good(3), &[]).await.is(200).body.contains("It is over."));
    admin.get(&good(9), &[]).await.is(404);
    admin.post(&good(9), &[], "").await.is(404);
    for wrong in [
        "/ack/1",
        "/ack/x?expires=1&signature=good",
        "/ack/1?expires=1&signature=bad",
        "/ack/1?signature=good",
    ] {
        admin.get(wrong, &[]).await.is(403);
        admin.post(wrong, &[], "").await.is(403);
    }
    admin.post(&good(1), &[("Origin", "https://evil.example")], "").await.is_error(403, "cross_site");
}

#[tokio::test]
async fn findings_and_what_people_tell() {
    let admin = Admin::open().await;
    let count = |answer: &Value| answer["total"].as_u64();
    let active = admin.get("/api/v1/findings", &[]).await.is(200).json();
    assert_eq!(count(&active), Some(1));
    let item = &active["items"][0];
    assert_eq!((&item["code"], &item["where"]), (&json!("HL-101"), &json!("upstream_leg")));
    assert_eq!(item["title"], "the upgrade never reaches your server");
    assert_eq!(item["evidence"][0]["text"], "The answer is 426 after 10 ms");
    assert_eq!(item["evidence"][0]["params"], json!({ "status": 426, "seconds": 0.01 }));
    let chinese = admin.get("/api/v1/findings?lang=zh", &[]).await.is(200).json();
    assert_eq!(chinese["items"][0]["title"], "升级请求没有到达服务器");
    assert_eq!(count(&admin.get("/api/v1/findings?state=all", &[]).await.is(200).json()), Some(2));
    assert_eq!(count(&admin.get("/api/v1/findings?route=other", &[]).await.is(200).json()), Some(0));
    assert_eq!(count(&admin.get("/api/v1/findings/HL-101", &[]).await.is(200).json()), Some(2));
    admin.get("/api/v1/findings?state=maybe", &[]).await.is_error(400, "bad_query");
    admin.get("/api/v1/findings/nothing", &[]).await.is_error(404, "not_found");

    let limits = admin.get("/api/v1/limits", &[]).await.is(200).json();
    assert_eq!((&limits["total"], &limits["items"][0]["used"]), (&json!(3), &json!(9)));
    assert_eq!(limits["items"][2]["resource"], "viewers");
    admin.get("/api/v1/system", &[]).await.is(200);
    let config = admin.get("/api/v1/config", &[]).await.is(200).json();
    assert_eq!(config["items"][0]["source"], "default");

    let deliveries = admin.get("/api/v1/deliveries", &[]).await.is(200).json();
    assert_eq!((&deliveries["total"], &deliveries["items"][0]["outcome"]), (&json!(1), &json!("delivered")));

    let again = |number: &str| format!("/api/v1/deliveries/{number}/again");
    admin.post(&again("1"), &[], "").await.is(202);
    admin.post(&again("2"), &[], "").await.is_error(409, "not_repeatable");
    admin.post(&again("3"), &[], "").await.is_error(409, "over");
    admin.post(&again("4"), &[], "").await.is_error(429, "too_soon");
    admin.post(&again("5"), &[], "").await.is_error(404, "not_found");
    admin.post(&again("x"), &[], "").await.is_error(400, "bad_query");
    admin.post(&again("1"), &[("Origin", "https://evil.example")], "").await.is_error(403, "cross_site");

    let feedback = "/api/v1/findings/HL-101/feedback";
    let wrong = r#"{"wrong": true, "note": "a\u001bb", "route": "chat"}"#;
    let doubted = admin.post(feedback, &[], wrong).await.is(200).json();
    assert_eq!(doubted["items"][0]["doubt"]["note"], "ab");
    assert_eq!(doubted["coverage"]["explained"], 7);
    let sure = admin.post(feedback, &[], r#"{"wrong": false}"#).await.is(200).json();
    assert_eq!(sure["items"][0].get("doubt"), None);
    admin.post(feedback, &[], r#"{"wrong": true, "route": "other"}"#).await.is_error(404, "not_found");
    admin.post(feedback, &[], r#"{"right": true}"#).await.is_error(400, "bad_query");
    admin.post(feedback, &[("Origin", "https://evil.example")], wrong).await.is_error(403, "cross_site");

    let told = r#"{"kind": "deploy", "subject": "chat 1.2.3"}"#;
    admin.post("/api/v1/events", &[], told).await.is(202);
    assert_eq!(*admin.fake.told.lock().expect("not poisoned"), ["deploy chat 1.2.3"]);
    admin.post("/api/v1/events", &[], "deploy").await.is_error(400, "bad_query");
}

#[tokio::test]
async fn manual_pages_of_causes() {
    let admin = Admin::open().await;
    let page = admin.get("/findings/ws-upgrade-stripped?lang=en", &[]).await;
    assert!(page.is(200).body.contains("the upgrade never reaches your server"));
    assert_eq!(page.header("content-language"), "en");
    assert!(
        admin.get("/findings/HL-101?lang=zh-CN", &[]).await.is(200).body.contains("升级请求没有到达服务器")
    );
    assert!(admin.get("/findings/", &[]).await.is(200).body.contains("HL-101 ws-upgrade-stripped"));
    assert!(admin.get("/findings/%3Cb%3E", &[]).await.is(404).body.contains("&lt;b&gt;"));
}

#[tokio::test]
async fn scheduled_probes() {
    let admin = Admin::open().await;
    let list = admin.get("/api/v1/probes", &[]).await.is(200).json();
    let (probe, finding) = (&list["items"][0], &list["items"][0]["findings"][0]);
    assert_eq!((&list["total"], &probe["name"]), (&json!(1), &json!("echo")));
    assert_eq!(probe["last"]["stages"][0], json!({ "name": "tcp", "seconds": 0.25, "fault": "refused" }));
    assert_eq!(finding["vantages"], json!([{ "probe": "echo" }]));
    assert_eq!(admin.get("/api/v1/probes/echo", &[]).await.is(200).json(), *probe);
    let chinese = admin.get("/api/v1/probes/echo?lang=zh-CN", &[]).await.is(200).json();
    assert_eq!(chinese["findings"][0]["title"], "升级请求没有到达服务器");
    admin.get("/api/v1/probes/nobody", &[]).await.is_error(404, "not_found");

    let deep = "/api/v1/probes/echo/run?deep=true";
    admin.post("/api/v1/probes/nobody/run", &[], "").await.is_error(404, "not_found");
    admin.post(deep, &[("Origin", "https://evil.example")], "").await.is_error(403, "cross_site");
    assert!(admin.fake.told.lock().expect("not poisoned").is_empty());
    admin.post(deep, &[], "").await.is(202);
    admin.post(deep, &[], "").await.is_error(409, "running");
    admin.post("/api/v1/probes/echo/run?depth=1", &[], "").await.is(400);
    assert_eq!(*admin.fake.told.lock().expect("not poisoned"), ["probe echo deep"]);
}
