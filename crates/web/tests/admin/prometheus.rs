//! Prometheus' HTTP API, remote write, and the journal.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::fakes::second;
use crate::harness::Admin;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn queries_are_answered_in_prometheus_form() {
    let admin = Admin::open().await;
    let answer = admin.get("/api/v1/query?query=sum(up)&time=100", &[]).await.is(200).json();
    let expected = json!({"status": "success", "data": {"resultType": "vector",
        "result": [{"metric": {}, "value": [100, "2"]}]}});
    assert_eq!(answer, expected);
    let range =
        "/api/v1/query_range?query=up%7Binstance%3D%22a%22%7D&start=1970-01-01T00:01:40Z&end=160&step=1m";
    let answer = admin.get(range, &[]).await.is(200).json();
    assert_eq!(answer["data"]["resultType"], "matrix");
    assert_eq!(answer["data"]["result"][0]["values"], json!([[100, "1"], [160, "1"]]));
    let with_feature = admin.get("/api/v1/query?query=sum(up%20offset(1s-1s))&time=100", &[]).await;
    assert_eq!(with_feature.is(200).json()["status"], "success");
    let without = admin.get("/api/v1/query?query=up%2Bfill(0)up&time=100", &[]).await;
    assert_eq!(without.is(400).json()["errorType"], "bad_data");

    let answer = admin.get("/api/v1/query?query=up&time=100&limit=1", &[]).await.is(200).json();
    assert_eq!(answer["warnings"], json!(["results truncated due to limit"]));
    assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn errors_have_prometheus_kinds() {
    let admin = Admin::open().await;
    for (path, status, kind, part) in [
        ("query?query=sum(", 400, "bad_data", "invalid parameter \"query\": 1:"),
        ("query?query=up&time=now", 400, "bad_data", "cannot parse \"now\" to a valid timestamp"),
        ("query?query=up&timeout=x", 400, "bad_data", "invalid parameter \"timeout\""),
        ("query?query=up&limit=-1", 400, "bad_data", "invalid parameter \"limit\""),
        ("query?query=up%2Bon()up&time=100", 422, "execution", ""),
        ("query?query=%7Ba%3D%22bad%22%7D", 500, "internal", "damaged"),
        ("query?query=up&timeout=0", 503, "timeout", ""),
        ("query_range?query=up&start=0&end=1", 400, "bad_data", "invalid parameter \"step\""),
        ("query_range?query=up&start=0&end=1&step=0", 400, "bad_data", "zero or negative"),
        ("query_range?query=up&start=1&end=0&step=1", 400, "bad_data", "must not be before start"),
        ("query_range?query=up&start=0&end=11001&step=1", 400, "bad_data", "11,000 points"),
        ("query_range?query=up%5B1m%5D&start=0&end=1&step=1", 400, "bad_data", "invalid expression type"),
        ("series", 400, "bad_data", "no match[] parameter"),
        ("series?match[]=up%5B5m%5D", 400, "bad_data", "invalid parameter \"match[]\""),
        ("labels?start=1&end=0", 400, "bad_data", "must not be before start"),
    ] {
        let answer = admin.get(&format!("/api/v1/{path}"), &[]).await.is(status).json();
        assert_eq!((&answer["status"], &answer["errorType"]), (&json!("error"), &json!(kind)), "{path}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{path}: {answer}");
    }
}

#[tokio::test]
async fn rules_and_alerts() {
    let admin = Admin::open().await;
    let groups = async |query: &str| -> Value {
        admin.get(&format!("/api/v1/rules?{query}"), &[]).await.is(200).json()["data"]["groups"].take()
    };
    let all = groups("").await;
    assert_eq!((&all[0]["name"], &all[0]["interval"]), (&json!("g"), &json!(60.0)));
    let types = |groups: &Value| {
        [&groups[0]["rules"][0]["type"], &groups[0]["rules"][1]["type"]].map(Value::to_string)
    };
    assert_eq!(types(&all), ["\"recording\"", "\"alerting\""]);
    assert_eq!(all[0]["rules"][1]["alerts"][0]["state"], "firing");
    assert_eq!(types(&groups("type=record").await), ["\"recording\"", "null"]);
    assert_eq!(groups("type=alert&exclude_alerts=true").await[0]["rules"][0]["alerts"], json!([]));
    assert_eq!(groups("rule_group[]=x").await, json!([]));
    for bad in ["type=x", "exclude_alerts=maybe", "match[]=up[5m]"] {
        let answer = admin.get(&format!("/api/v1/rules?{bad}"), &[]).await.is(400).json();
        assert_eq!(answer["errorType"], "bad_data", "{bad}");
    }
    let alerts = admin.get("/api/v1/alerts", &[]).await.is(200).json();
    assert_eq!(alerts["data"]["alerts"][0]["value"], "1e+00");
}

#[tokio::test]
async fn lists_of_series_and_labels() {
    let admin = Admin::open().await;
    let data = async |path: &str| -> Value {
        admin.get(&format!("/api/v1/{path}"), &[]).await.is(200).json()["data"].take()
    };
    assert_eq!(data("labels").await, json!(["__name__", "instance"]));
    assert_eq!(data("label/instance/values?match[]=up").await, json!(["a", "b"]));
    let series = json!([{"__name__": "up", "instance": "a"}]);
    assert_eq!(data("series?match[]=up&limit=1").await, series);
    let metadata = data("metadata?metric=websocket_messages_total").await;
    assert_eq!(metadata["websocket_messages_total"][0]["type"], "counter");
    assert_eq!(data("status/buildinfo").await["application"], "Heartline");
}

#[tokio::test]
async fn a_form_is_a_query_too() {
    let admin = Admin::open().await;
    let form = crate::harness::request("POST", "/api/v1/query", &[FORM, ("Content-Length", "18")], "");
    let answer = crate::harness::raw(admin.server.address(), &(form + "query=up&time=100.")).await;
    assert_eq!(answer.is(200).json()["data"]["result"][1]["metric"]["instance"], "b");
}

#[tokio::test]
async fn remote_write_of_version_1_is_taken() {
    let admin = Admin::open().await;
    let send = async |kind: &str, encoding: &str, body: &str| {
        let length = body.len().to_string();
        let headers = [("Content-Type", kind), ("Content-Encoding", encoding), ("Content-Length", &length)];
        let request = crate::harness::request("POST", "/api/v1/write", &headers, "");
        crate::harness::raw(admin.server.address(), &(request + body)).await
    };
    let (protobuf, v2) =
        ("application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    // A series of one label, and a sample at 5 ms whose value is left out: 0.
    let body = "\x17\x58\x0a\x15\x0a\x0f\x0a\x08__name__\x12\x03abc\x12\x02\x10\x05";
    assert_eq!(send(protobuf, "snappy", body).await.status, 204);
    {
        let received = admin.fake.received.lock().expect("no panic");
        let [(labels, sample)] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!((labels.to_string().as_str(), sample.timestamp_ms, sample.value), ("abc", 5, 0.0));
    }
    let nameless = "\x06\x14\x0a\x04\x12\x02\x10\x05";
    assert_eq!(send(protobuf, "snappy", nameless).await.status, 400);
    assert_eq!(send(v2, "snappy", body).await.status, 415);
    assert_eq!(send("application/json", "snappy", body).await.status, 415);
    assert_eq!(send(protobuf, "gzip", body).await.status, 415);
    assert_eq!(send(protobuf, "snappy", "no snappy").await.status, 400);
    assert_eq!(send(protobuf, "snappy", "\u{80}\u{80}\x01").await.status, 413);
    admin.fake.is_behind.store(true, Relaxed);
    let answer = send(protobuf, "snappy", body).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (503, "5"));
}

#[tokio::test]
async fn the_journal_is_read_by_time() {
    let admin = Admin::open().await;
    let get = async |query: &str| admin.get(&format!("/api/v1/connections?set=closed{query}"), &[]).await;
    let all = get("&from=0").await.is(200).json();
    assert_eq!(
        (all["items"].as_array().map(Vec::len), all["lost"].as_array().map(Vec::len)),
        (Some(9), Some(1))
    );
    let some = get("&from=1970-01-01T00:01:03Z&to=65&reason=normal").await.is(200).json();
    assert_eq!(some["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(some["items"][0]["closed_at"], json!(second(65)));
    for (bad, part) in [
        ("&from=yesterday", "is no instant"),
        ("&from=0&after=x", "is out of place"),
        ("&from=0&offset=1", "did you mean"),
    ] {
        let answer = get(bad).await;
        let body = &answer.is(400).body;
        assert!(body.contains(part), "{bad}: {body}");
    }
    let in_journal_alone = model::ConnectionId(3_000_001);
    let one = admin.get(&format!("/api/v1/connections/{in_journal_alone}"), &[]).await.is(200).json();
    assert_eq!(one["closed"]["id"], in_journal_alone.to_string());
}

#[tokio::test]
async fn without_history_it_is_ready_and_says_so() {
    let admin = Admin::open().await;
    admin.fake.has_no_history.store(true, Relaxed);
    let ready = admin.get("/readyz", &[]).await.is(200).json();
    assert_eq!(ready["history"], json!({"kept": false, "reason": "the disk is full"}));
}
