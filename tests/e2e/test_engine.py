"""History: own metrics and remote write are kept and answered as Prometheus answers them."""

import contextlib
import json
import math
import signal
import subprocess
import time
import urllib.request

import pytest

from harness.gateway import BINARY, Gateway, config_for, until
from harness.processes import answers, daemon, free_port
from harness.series import STALE, ask, own_metrics, push, push_in_order

STEP, PHASE_MS = 15, -4217
RANGES = ("1m", "5m", "17m")
GAUGES = ("websocket_active_connections", "websocket_slow_consumers", "process_resident_memory_bytes")
COUNTERS = ("websocket_messages_total", "websocket_connections_closed_total")
OVER_TIME = ("avg", "min", "max", "sum", "count", "stddev", "stdvar", "last", "present")
RATES = ("rate", "increase", "irate", "resets", "changes")
TRENDS = ("delta", "idelta", "deriv", "changes")
AGGREGATES = ("sum", "avg", "min", "max", "count", "stddev", "stdvar", "group")
GROUPINGS = ("", "by (route)", "without (instance)")
MATHS = ("abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "-")
OPERATORS = ("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool")
A, B = GAUGES[:2]
MESSAGES, CLOSED = COUNTERS
BUCKETS = "websocket_message_latency_seconds_bucket"
OTHERS = (
    *(f"histogram_quantile({q}, sum by ({by}) (rate({BUCKETS}[5m])))" for q in (0, 0.5, 0.9, 0.99, 1) for by in ("le", "le, route")),
    f"histogram_quantile(0.9, rate({BUCKETS}[10m]))",
    "sum by (route) (rate(websocket_message_latency_seconds_sum[5m])) / sum by (route) (rate(websocket_message_latency_seconds_count[5m]))",
    f"sum(rate({BUCKETS}{{le='0.05'}}[5m])) by (route) / sum(rate(websocket_message_latency_seconds_count[5m])) by (route)",
    f"sum by (reason) (rate({CLOSED}{{route='chat'}}[5m]))",
    f"sum by (reason) (increase({CLOSED}[10m])) > 20",
    f"topk(2, {A})", f"bottomk(2, {A})", f"topk by (route) (1, rate({MESSAGES}[5m]))", f"quantile(0.3, {A})",
    f"quantile by (route) (0.75, {A})", f"count_values('n', {B})", f"sort({A})", f"sort_desc({A})",
    f"label_replace({A}, 'to', '$1-x', 'instance', 'gw-(.*)')", f"label_join({A}, 'both', '/', 'route', 'instance')",
    f"absent({A}{{route='none'}})", f"absent_over_time({A}{{route='none', x='y'}}[5m])", f"absent({A})", "absent(nothing)",
    f"clamp({A}, 200, 500)", f"clamp_min({A}, 300)", f"clamp_max({A}, 300)", f"round({A}, 7)", f"round({A} / 3)",
    "time()", "vector(1.5)", f"scalar(sum({A}))", f"scalar({A})", "1 + 2 * 3 ^ 2", "-1 ^ 2", "'text'",
    f"timestamp({A})", f"timestamp({A} offset 1m)", f"time() - process_start_time_seconds",
    *(f"{name}(process_start_time_seconds)" for name in ("minute", "hour", "day_of_week", "day_of_month", "month", "year", "days_in_month")),
    f"{A} and on (route) {B} > 2", f"{A} or {B}", f"{A} unless on (route, instance) ({B} > 1)", f"{A} and {A} > 300",
    f"{A} * on (instance) group_left (version) heartline_build_info", f"heartline_build_info * on (instance) group_right () {A}",
    f"sum by (route) ({A}) / ignoring (instance) group_left sum({A})".replace("ignoring (instance) group_left", "on () group_left"),
    f"{A} offset 7m", f"rate({MESSAGES}[5m] offset 13m)", f"{A} offset -3m",
    f"sum(rate({MESSAGES}[5m])) / sum(rate({MESSAGES}[5m] offset 10m)) - 1",
    f"max_over_time({A}[10m:1m])", f"avg_over_time(rate({MESSAGES}[2m])[10m:30s])", f"sum_over_time(sum({A})[5m:])",
    f"max_over_time(deriv({A}[3m])[15m:1m])", f"min_over_time({A}[10m:1m] offset 2m)", f"quantile_over_time(0.9, {A}[10m])",
    f"quantile_over_time(0.5, {B}[7m])", f"predict_linear({A}[10m], 3600)", f"predict_linear(process_resident_memory_bytes[20m], 600)",
    f"{{__name__=~'websocket_.*_consumers', route!~'c.*'}}", f"{A}{{route=~'chat|events', instance!='gw-1'}}", f"{A}{{route!=''}}",
    f"count by (__name__) ({{job='heartline', route='chat'}})", f"avg(up) by (job)", f"min_over_time(up[5m]) == 0",
    f"sum({A}) > 10 and sum({B}) >= 0", f"{A} > 10 < 500", f"({A} > bool 300) * {A}", f"sum without (instance, job) ({A}) % 7",
    f"{A} / 0", f"0 / ({A} - {A})", f"-{A} / 0", f"{A} > NaN", f"{A} * Inf", f"sum({A} * NaN)", f"count(up == 0) or vector(0)",
    f"stddev(rate({MESSAGES}[5m]))", f"increase({MESSAGES}{{direction='client_to_server'}}[1h])", f"changes(up[30m])",
    f"sum(heartline_path_idle_timeout_seconds > 300) by (hop)", f"{A} atan2 {B}".replace(B, f"on (route, instance) {B}"), f"rad({A})", f"deg({B})",
    f"sin({B})", f"cos({B})", f"tan({B})", f"asinh({B})", f"pi()", f"sgn({B} - 2)",
)
QUERIES = list(dict.fromkeys((
    *(f"{name}_over_time({gauge}[{window}])" for name in OVER_TIME for gauge in GAUGES[:2] for window in RANGES[1:]),
    *(f"{name}({counter}[{window}])" for name in RATES for counter in COUNTERS for window in RANGES),
    *(f"{name}({gauge}[{window}])" for name in TRENDS for gauge in GAUGES for window in RANGES[1:]),
    *(f"{name} {by} ({gauge})" for name in AGGREGATES for by in GROUPINGS for gauge in GAUGES[:2]),
    *(f"{name}({A})" for name in MATHS),
    *(f"{A} {operator} on (route, instance) {B}" for operator in OPERATORS),
    *(f"{A} {operator} 300" for operator in OPERATORS),
    *OTHERS,
)))


@pytest.fixture(scope="module")
def times():
    """Start and end of the made-up data: an hour that ended some minutes ago."""
    end = (int(time.time()) - 900) // 60 * 60
    return end - 3600, end


@pytest.fixture(scope="module")
def gateway():
    with Gateway(config=config_for("127.0.0.1:1", extra="data: { scrape_interval: 1s }\n")) as running:
        yield running


@pytest.fixture(scope="module")
def filled(gateway, times):
    push_in_order(gateway.admin, own_metrics(*times, STEP, PHASE_MS))
    return gateway


def is_ready(origin):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://{origin}/-/ready", timeout=10).status == 200
    return False


@pytest.fixture(scope="module")
def prometheus(times, tmp_path_factory):
    """A real Prometheus with the same data: host and port."""
    directory, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (directory / "prometheus.yml").write_text("global: {}\n")
    with daemon(
        "/usr/bin/prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
    ) as process:
        until(lambda: answers(port) or process.poll() is not None, "Prometheus listens", 30)
        origin = f"127.0.0.1:{port}"
        until(lambda: is_ready(origin), "Prometheus is ready", 30)
        push_in_order(origin, own_metrics(*times, STEP, PHASE_MS))
        yield origin


def close(a, b):
    a, b = float(a), float(b)
    return math.isnan(a) and math.isnan(b) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def difference(ours, theirs, ordered):
    """The first difference of two answers, if there is one."""
    if ours["status"] != "success" or theirs["status"] != "success":
        return (ours.get("error"), theirs.get("error"))
    kind, a, b = ours["data"]["resultType"], ours["data"]["result"], theirs["data"]["result"]
    if kind != theirs["data"]["resultType"]:
        return (kind, theirs["data"]["resultType"])
    if kind in ("scalar", "string"):
        return None if a == b or kind == "scalar" and a[0] == b[0] and close(a[1], b[1]) else (a, b)
    if not ordered:
        a, b = (sorted(one, key=lambda series: json.dumps(series["metric"], sort_keys=True)) for one in (a, b))
    if [one["metric"] for one in a] != [one["metric"] for one in b]:
        return ([one["metric"] for one in a], [one["metric"] for one in b])
    for one, other in zip(a, b):
        x, y = (series.get("values") or [series["value"]] for series in (one, other))
        if [at for at, _ in x] != [at for at, _ in y] or not all(close(v, w) for (_, v), (_, w) in zip(x, y)):
            return (one["metric"], [(v, w) for v, w in zip(x, y) if v[0] != w[0] or not close(v[1], w[1])][:3], len(x), len(y))
    return None


def test_there_are_many_queries():
    assert len(QUERIES) >= 200, len(QUERIES)


@pytest.mark.parametrize("part", range(8))
def test_answers_are_those_of_prometheus(filled, prometheus, times, part):
    """Between the samples and between whole minutes: there 2.x and 3.x mean the same by a range."""
    start, end = times
    differences, empty = [], []
    for query in QUERIES[part::8]:
        ordered = query.startswith("sort")
        for at in (start + 1207.345, start + 1802.345, end - 3.655):
            answer = [ask(origin, "query", query=query, time=at)[1] for origin in (filled.admin, prometheus)]
            differences.append((query, at, difference(*answer, ordered)))
        if not query.startswith("'"):
            span = {"start": start + 601.345, "end": end - 3.655, "step": 97}
            answer = [ask(origin, "query_range", query=query, **span)[1] for origin in (filled.admin, prometheus)]
            differences.append((query, "range", difference(*answer, False)))
            empty += [] if answer[0].get("data", {}).get("result") else [query]
    wrong = [one for one in differences if one[2] is not None]
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert len(empty) <= 4, f"nothing is compared: {empty}"


@pytest.mark.parametrize(("path", "parameters"), [
    ("labels", {}),
    ("labels", {"match": "up"}),
    ("label/route/values", {}),
    ("label/instance/values", {"match": ["up", "heartline_build_info"]}),
    ("series", {"match": "websocket_active_connections{route='chat'}"}),
    ("series", {"match": ["up", "{__name__=~'process_.*'}"]}),
])
def test_lists_are_those_of_prometheus(filled, prometheus, times, path, parameters):
    span = {"start": times[0], "end": times[1]}
    ours, theirs = (ask(origin, path, **parameters, **span)[1]["data"] for origin in (filled.admin, prometheus))
    key = lambda one: json.dumps(one, sort_keys=True)  # noqa: E731
    assert sorted(ours, key=key) == sorted(theirs, key=key)


@pytest.mark.parametrize(("path", "parameters"), [
    ("query", {"query": "sum("}),
    ("query", {"query": "rate(up)"}),
    ("query", {"query": "up", "time": "x"}),
    ("query", {"query": "up * on (job) up"}),
    ("query_range", {"query": "up", "start": 0, "end": 100}),
    ("query_range", {"query": "up", "start": 0, "end": 100, "step": 0}),
    ("query_range", {"query": "up", "start": 100, "end": 0, "step": 1}),
    ("query_range", {"query": "up", "start": 0, "end": 20_000, "step": 1}),
    ("query_range", {"query": "up[1m]", "start": 0, "end": 100, "step": 1}),
    ("series", {}),
    ("series", {"match": "up[5m]"}),
])
def test_errors_are_those_of_prometheus(filled, prometheus, times, path, parameters):
    parameters = {"time": times[1], **parameters} if path == "query" else parameters
    ours, theirs = (ask(origin, path, **parameters) for origin in (filled.admin, prometheus))
    assert (ours[0], ours[1]["errorType"]) == (theirs[0], theirs[1]["errorType"]), (ours, theirs)


def test_an_error_has_its_place(gateway):
    status, answer = ask(gateway.admin, "query", query="sum(up) +\n  rate(up)")
    assert (status, answer["errorType"]) == (400, "bad_data")
    assert answer["error"].startswith('invalid parameter "query": 2:8: parse error: '), answer


def test_own_metrics_answer_queries():
    with Gateway(config=config_for("127.0.0.1:1", extra="data: { scrape_interval: 1s, instance: gw-7 }\nrules: []\n")) as running:
        def first(query):
            result = ask(running.admin, "query", query=query)[1]["data"]["result"]
            return result and result[0]

        until(lambda: first("count_over_time(up[1m]) > 1"), "two scrapes")
        assert first("up")["metric"] == {"__name__": "up", "job": "heartline", "instance": "gw-7"}
        assert first("websocket_active_connections")["metric"]["route"] == "test"
        assert first("heartline_store_kept{part='journal'}")["value"][1] == "1"
        exposed = {name.partition("{")[0] for name in running.metrics()}
        kept = set(ask(running.admin, "label/__name__/values")[1]["data"])
        assert kept - exposed == {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
        assert exposed - kept == set()
        assert running.metrics()['heartline_queries_total{result="success"}'] >= 4


def test_a_series_that_vanishes_ends(tmp_path):
    """A clean stop ends the series of this process at once; a reader does not see them for five more minutes."""
    arguments = ("--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                 "--data-dir", str(tmp_path / "data"))
    with Gateway(*arguments) as first:
        until(lambda: ask(first.admin, "query", query="up")[1]["data"]["result"], "a scrape")
        (old,) = ask(first.admin, "label/instance/values")[1]["data"]
        first.signal()
        first.wait()
    with Gateway(*arguments) as second:
        until(lambda: ask(second.admin, "query", query="count(up)")[1]["data"]["result"], "a scrape")
        up = ask(second.admin, "query", query="up")[1]["data"]["result"]
        assert [one["metric"]["instance"] for one in up] == [second.address] != [old]
        assert ask(second.admin, "query", query=f"count_over_time(up{{instance='{old}'}}[5m])")[1]["data"]["result"]


def test_a_client_such_as_grafana(filled, times):
    origin, (start, end) = filled.admin, times
    assert ask(origin, "query", form=True, query="1+1", time=end)[1]["data"]["result"] == [end, "2"]
    info = ask(origin, "status/buildinfo")[1]["data"]
    assert info["version"].startswith("3.") and info["application"] == "Heartline"
    assert ask(origin, "metadata", limit=1)[1]["status"] == "success"
    names = ask(origin, "label/__name__/values", start=start, end=end)[1]["data"]
    assert "websocket_active_connections" in names
    assert "route" in ask(origin, "labels", form=True, match="websocket_active_connections")[1]["data"]
    panel = {"query": "sum by (route) (websocket_active_connections)", "start": start + 600, "end": end, "step": "15s"}
    by_form = ask(origin, "query_range", form=True, **panel)
    assert by_form[0] == 200 and len(by_form[1]["data"]["result"]) == 2
    assert by_form == ask(origin, "query_range", **panel)


def test_remote_write(gateway):
    now = int(time.time() * 1000)
    labels = {"__name__": "written", "游戏": "a\"b"}
    assert push(gateway.admin, [(labels, [(now - 2000, 1.0), (now - 1000, 2.5)])]) == (204, "")
    assert push(gateway.admin, [(labels, [(now - 1000, 2.5)])])[0] == 204, "sent again"
    status, text = push(gateway.admin, [(labels, [(now - 1000, 2.6)])])
    assert (status, "1 of an instant that has another value" in text) == (400, True), text
    status, text = push(gateway.admin, [(labels, [(now - 3000, 1.0), (now, 3.0)])])
    assert (status, "1 out of order" in text) == (400, True), text
    query = 'written{"游戏"="a\\"b"}[1m]'
    values = ask(gateway.admin, "query", query=query, time=now / 1000 + 1)[1]["data"]["result"][0]["values"]
    assert [value for _, value in values] == ["1", "2.5", "3"]
    assert push(gateway.admin, [(labels, [(now + 1000, STALE)])])[0] == 204
    assert ask(gateway.admin, "query", query="written", time=now / 1000 + 2)[1]["data"]["result"] == []
    v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    assert push(gateway.admin, [(labels, [(now, 1.0)])], **{"Content-Type": v2})[0] == 415
    assert gateway.metrics()['heartline_store_samples_dropped_total{reason="out_of_order"}'] == 1


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_series(tmp_path, end):
    arguments = ("--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                 "--data-dir", str(tmp_path / "data"))
    now = int(time.time() * 1000)
    with Gateway(*arguments) as first:
        assert push(first.admin, [({"__name__": "kept"}, [(now - ms, float(ms)) for ms in range(20_000, 0, -1000)])])[0] == 204
        until(lambda: first.metrics()['heartline_store_waiting{part="series"}'] == 0, "all is written")
        first.signal(end)
        first.wait()
    with Gateway(*arguments) as second:
        query = {"query": "kept[1m]", "time": now / 1000}
        values = ask(second.admin, "query", **query)[1]["data"]["result"][0]["values"]
        assert [float(value) for _, value in values] == [float(ms) for ms in range(20_000, 0, -1000)]
        locked = subprocess.run([BINARY, "run", *arguments], capture_output=True, text=True, timeout=20, cwd=tmp_path)
        assert locked.returncode == 1
        assert "another process uses the data directory" in locked.stderr and "--data-dir" in locked.stderr, locked.stderr


def test_closed_connections_outlive_the_process(tmp_path):
    """A handshake that is refused leaves a record."""
    arguments = ("--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                 "--data-dir", str(tmp_path / "data"))
    with Gateway(*arguments) as first:
        request = urllib.request.Request(f"http://{first.address}/", headers={"Upgrade": "websocket"})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10)
        record = first.wait_closed()[0]
        first.signal()
        first.wait()
    with Gateway(*arguments) as second:
        assert second.closed() == []
        page = json.loads(second.get("/api/v1/connections?set=closed&from=0&result=malformed"))
        assert (page["items"], page["total"], page["next"]) == ([record], 1, None)
        assert json.loads(second.get("/api/v1/connections?set=closed&from=0&result=success"))["items"] == []
        assert json.loads(second.get(f"/api/v1/connections/{record['id']}"))["closed"] == record


def test_a_read_only_directory_stops_history_alone(tmp_path):
    """A file stands where the directory should be."""
    (tmp_path / "data").write_text("")
    with Gateway(config=config_for("127.0.0.1:1", extra=f"data: {{ dir: {tmp_path}/data, scrape_interval: 1s }}\n")) as running:
        ready = json.loads(running.get("/readyz"))
        assert ready["status"] == "ok" and ready["history"]["kept"] is False and "data" in ready["history"]["reason"]
        assert running.metrics()['heartline_store_kept{part="series"}'] == 0
        until(lambda: ask(running.admin, "query", query="up")[1]["data"]["result"], "own metrics are in memory")
