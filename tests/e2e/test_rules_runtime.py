"""Rules that the running gateway evaluates: what a real Prometheus makes of them, and what outlives it."""

import asyncio
import contextlib
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import websockets

from harness.gateway import BINARY, ROOT, Gateway, config_for, until
from harness.processes import Service, answers, daemon, free_port
from harness.series import STALE, ask, push

PUBLISHED = ROOT / "deploy/prometheus/rules.yml"
QUICK = "data: {{ dir: {dir}, scrape_interval: 1s }}\nrules: [{rules}]\nevaluation: {{ interval: 1s{more} }}\n"

# No alert is there before the data: since when it is would depend on when each process started.
BOTH = """
groups:
- name: one
  interval: 1s
  rules:
  - {record: 'job:m:sum', expr: sum by (job) (m)}
  - {record: 'job:c:rate', expr: 'sum by (job) (rate(c[5s]))', labels: {kind: rate}}
  - alert: 高
    expr: m > 5
    for: 2s
    labels: {severity: '{{ if gt $value 8.0 }}critical{{ else }}warning{{ end }}', gone: ''}
    annotations:
      text: '{{ $labels.x }} of {{ $labels.job }}: {{ $value }} {{ humanize $value }} {{ printf "%.2f" $value }}'
      ask: '{{ with query "sum(m)" }}{{ . | first | value }}{{ end }}'
  - {alert: Kept, expr: 'm{x="b"} > 5', keep_firing_for: 4s}
  - {alert: Chain, expr: 'count by (x) (ALERTS{alertname="高",alertstate="firing"})'}
  - {alert: Absent, expr: 'absent(nothing{x="y"}) and on () m'}
  - {record: 'm:scalar', expr: 'time() > bool 0'}
- name: 'two; 二'
  interval: 2s
  limit: 1
  rules:
  - {record: 'm:doubled', expr: m * 2}
  - {record: 'm:max', expr: max(m) * 2}
  - {alert: Many, expr: m > 0}
  - {alert: Wrong, expr: 'm * on (job) m'}
  - {alert: Slow, expr: m > 5, for: 1h, labels: {severity: info}}
"""
# Values of m by x, one a second: None is the end of the series.
SCRIPT = {
    "a": [1, 6, 6, 6, 6, 9, 9, 9, 4, 4, 4, 7, 7, 7, 7, 7, 7, 7],
    "b": [7, 7, 7, 1, 1, 1, 1, 1, 1, 6, None, None, None, None, 2, 2, 2, 2],
}


def get(origin, path):
    return json.loads(urllib.request.urlopen(f"http://{origin}/api/v1/{path}", timeout=10).read())["data"]


def rules(origin, query=""):
    return [rule for group in get(origin, f"rules{query}")["groups"] for rule in group["rules"]]


def alerts(origin, name):
    return [alert for alert in get(origin, "alerts")["alerts"] if alert["labels"]["alertname"] == name]


def firing(origin, name):
    return [alert for alert in alerts(origin, name) if alert["state"] == "firing"]


def one_alert(annotation="first", duration="2s"):
    """A file with an alert that fires soon and stays."""
    return (
        f"groups: [{{name: g, rules: [{{alert: A, expr: vector(1), for: {duration}, annotations: {{t: {annotation}}}}}]}}]\n"
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(one_alert())
    return path


@pytest.fixture
def config(tmp_path, file):
    return config_for("127.0.0.1:1", extra=QUICK.format(dir=tmp_path / "data", rules=file, more=""))


@contextlib.contextmanager
def prometheus(directory, rule_file):
    """A real Prometheus with the rule file, fed by remote write: host and port."""
    port = free_port()
    (directory / "prometheus.yml").write_text(f"rule_files: [{rule_file}]\n")
    with daemon(
        "/usr/bin/prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
    ) as process:
        until(lambda: answers(port) or process.poll() is not None, "Prometheus listens", 30)
        assert process.poll() is None, "Prometheus does not start"
        yield f"127.0.0.1:{port}"


def script(start_ms):
    """The script as series: the same for whoever evaluates it, since all of it is there before its time."""
    for x, values in SCRIPT.items():
        labels = {"__name__": "m", "job": "j", "x": x}
        samples, ended = [], False
        for index, value in enumerate(values):
            if value is not None or not ended:
                samples.append((start_ms + 1000 * index, STALE if value is None else float(value)))
            ended = value is None
        yield labels, samples
    yield {"__name__": "c", "job": "j"}, [(start_ms + 1000 * n, float(n * n)) for n in range(len(values))]


def written(origin, end, seconds):
    """What rules have written: samples by series."""
    selector = '{__name__=~"ALERTS|ALERTS_FOR_STATE|job:.*|m:.*"}'
    result = ask(origin, "query", query=f"{selector}[{seconds}s]", time=end)[1]["data"]["result"]
    return {json.dumps(one["metric"], sort_keys=True, ensure_ascii=False): one["values"] for one in result}


def comparable(view):
    """A view of rules without what depends on the moment; times to the millisecond, errors up to the series."""
    if isinstance(view, list):
        return [comparable(one) for one in view]
    if isinstance(view, dict):
        passing = ("evaluationTime", "lastEvaluation")
        view = view | {"lastError": view.get("lastError", "").partition("[")[0]}
        kept = {key: comparable(value) for key, value in view.items() if key not in passing}
        return kept | {key: milliseconds(kept[key]) for key in ("activeAt", "keepFiringSince") if key in kept}
    return view


def milliseconds(instant):
    whole, _, fraction = instant.removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:3]:0<3}"


def shapes(view):
    """Names of the keys at each place, and the kinds of their values."""
    if isinstance(view, list):
        return [shapes(one) for one in view]
    if isinstance(view, dict):
        return {key: shapes(value) for key, value in view.items()}
    return "number" if isinstance(view, (int, float)) else type(view).__name__


def missed(origin):
    """How many evaluations a process says that it left out."""
    lines = urllib.request.urlopen(f"http://{origin}/metrics", timeout=10).read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if "_rule_group_iterations_missed_total{" in line)


@pytest.mark.timeout(150)
def test_rules_come_to_what_prometheus_makes_of_them(tmp_path):
    """The same file and data for both: the same samples at the same times, rule by rule and alert by alert.

    On a busy machine either may leave an evaluation out, and says so; then they are compared once more.
    """
    for attempt in range(3):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        if evaluated_alike(directory):
            return
    pytest.fail("one of them left evaluations out each time")


def evaluated_alike(directory):
    """Compares all that both made of the script; says whether neither left an evaluation out."""
    file = directory / "both.yml"
    file.write_text(BOTH)
    extra = QUICK.format(dir=directory / "data", rules=file, more=", restore: prometheus")
    with prometheus(directory, file) as theirs, Gateway(config=config_for("127.0.0.1:1", extra=extra)) as gateway:
        ours = gateway.admin
        for origin in (ours, theirs):
            until(lambda origin=origin: rules(origin)[0]["health"] == "ok", "rules are evaluated", 30)
        # Prometheus writes ALERTS from the third evaluation on.
        start_ms = int(time.time() * 1000) // 1000 * 1000 + 7377
        for origin in (ours, theirs):
            assert push(origin, list(script(start_ms)))[0] in (200, 204)
        seconds = len(SCRIPT["a"])
        end = start_ms / 1000 + seconds - 1
        until(lambda: time.time() > end + 1.5, "the script is over", 60)
        a, b = (written(origin, end, seconds) for origin in (ours, theirs))
        views = [get(origin, "rules") for origin in (ours, theirs)]
        listed = [get(origin, "alerts")["alerts"] for origin in (ours, theirs)]
        chosen = [[get(origin, f"rules?type={kind}") for origin in (ours, theirs)] for kind in ("alert", "record")]
        if missed(ours) + missed(theirs) > 0:
            return False
    assert a.keys() == b.keys()
    assert {series: (values, b[series]) for series, values in a.items() if values != b[series]} == {}
    assert len(a) > 20 and sum(map(len, a.values())) > 150, a
    for one, another in zip(*(view["groups"] for view in views), strict=True):
        for rule, counterpart in zip(one["rules"], another["rules"], strict=True):
            assert comparable(rule) == comparable(counterpart)
    for mine, other in [views, *chosen]:
        assert comparable(mine) == comparable(other)
    assert shapes(views[0]) == shapes(views[1])
    key = lambda alert: json.dumps(alert["labels"], sort_keys=True)  # noqa: E731
    mine, other = (sorted(alerts, key=key) for alerts in listed)
    assert comparable(mine) == comparable(other)
    health = {rule["name"]: rule["health"] for group in views[0]["groups"] for rule in group["rules"]}
    assert [name for name, word in health.items() if word != "ok"] == ["m:doubled", "Many", "Wrong"]
    return True


def test_the_published_rules_run_unmodified(tmp_path):
    """Beside them the same expressions with short times, on real traffic."""
    quick = tmp_path / "quick.yml"
    quick.write_text(
        PUBLISHED.read_text().replace("for: 5m", "for: 1s").replace("for: 2m", "for: 1s").replace("> 10000", "> 3")
    )
    assert quick.read_text().count("for: 1s") == 2
    name = "WebSocket连接数异常"
    with Service("ws-echo.mjs") as echo:
        extra = QUICK.format(dir="null", rules=f"{PUBLISHED}, {quick}", more="")
        with Gateway(config=config_for(echo.address, extra=extra)) as gateway:
            loaded = get(gateway.admin, "rules")["groups"]
            assert [group["file"] for group in loaded] == [str(PUBLISHED), str(quick)]

            async def hold():
                async with contextlib.AsyncExitStack() as stack:
                    for _ in range(5):
                        await stack.enter_async_context(websockets.connect(f"ws://{gateway.address}/", proxy=None))
                    await asyncio.to_thread(until, lambda: firing(gateway.admin, name), "the alert fires", 30)
                    [alert] = firing(gateway.admin, name)
                    assert alert["annotations"]["description"] == "当前连接数: 5"
                    assert alert["labels"]["route"] == "test" and alert["labels"]["severity"] == "warning"
                    series = ask(gateway.admin, "query", query=f'ALERTS{{alertname="{name}",alertstate="firing"}}')
                    assert [one["value"][1] for one in series[1]["data"]["result"]] == ["1"]

            asyncio.run(hold())
            until(lambda: not firing(gateway.admin, name), "it ends when they are gone", 30)
            until(lambda: {rule["health"] for rule in rules(gateway.admin)} == {"ok"}, "all are evaluated", 30)


@pytest.mark.parametrize(("restore", "again"), [("full", "firing"), ("prometheus", "pending")])
def test_a_killed_process_keeps_its_alerts(tmp_path, file, restore, again):
    """With `restore: prometheus` an alert with a short `for` is forgotten, as there."""
    file.write_text(one_alert(duration="3s"))
    extra = QUICK.format(dir=tmp_path / "data", rules=file, more=f", restore: {restore}")
    with Gateway(config=config_for("127.0.0.1:1", extra=extra)) as first:
        [before] = until(lambda: firing(first.admin, "A"), "it fires", 20)
        evaluated = rules(first.admin)[0]["lastEvaluation"]
        until(lambda: rules(first.admin)[0]["lastEvaluation"] > evaluated, "it is evaluated again")
        first.signal(signal.SIGKILL)
        first.wait()
    with Gateway(config=config_for("127.0.0.1:1", extra=extra)) as second:
        if restore == "full":
            assert alerts(second.admin, "A") == [before], "before the first evaluation"
        until(lambda: rules(second.admin)[0]["health"] == "ok", "it is evaluated")
        [after] = alerts(second.admin, "A")
        assert (after["state"], after["activeAt"] == before["activeAt"]) == (again, restore == "full")


def test_a_reload_keeps_state_and_is_all_or_nothing(config, file):
    with Gateway(config=config) as gateway:
        [before] = until(lambda: firing(gateway.admin, "A"), "it fires", 20)
        file.write_text(one_alert("second"))
        assert gateway.post("/-/reload")[0] == 200
        text = lambda: [alert["annotations"]["t"] for alert in firing(gateway.admin, "A")]  # noqa: E731
        until(lambda: text() == ["second"], "the new text is there")
        assert alerts(gateway.admin, "A")[0]["activeAt"] == before["activeAt"]
        assert gateway.metrics()["heartline_config_last_reload_successful"] == 1

        file.write_text(one_alert("third").replace("vector(1)", "'vector(1'"))
        other = "routes:\n  - name: other\n    upstreams: [http://127.0.0.1:1]\n"
        gateway.write_config(config.replace("routes:\n  - name: test\n    upstreams: [http://127.0.0.1:1]\n", other))
        status, body = gateway.post("/-/reload")
        error = json.loads(body)["error"]
        assert (status, error["code"]) == (400, "bad_config")
        assert f"{file}:1:" in error["message"] and "vector(1" in error["message"], error
        assert gateway.metrics()["heartline_config_last_reload_successful"] == 0
        assert text() == ["second"]
        assert 'route="test"' in gateway.get("/metrics") and 'route="other"' not in gateway.get("/metrics")

        file.write_text("groups: []\n")
        gateway.signal(signal.SIGHUP)
        until(lambda: rules(gateway.admin) == [], "the rules are gone")
        assert alerts(gateway.admin, "A") == []
        until(lambda: gateway.metrics()["heartline_config_last_reload_successful"] == 1, "the reload is done")
        until(lambda: not ask(gateway.admin, "query", query="ALERTS")[1]["data"]["result"], "their series end")


def test_a_rule_that_fails_hurts_no_other(config, file):
    file.write_text(
        "groups:\n- name: g\n  rules:\n  - {record: first, expr: vector(1)}\n"
        "  - {alert: Wrong, expr: 'first + on () {__name__=~\"first|up\"}'}\n  - {record: last, expr: first + 1}\n"
    )
    with Gateway(config=config) as gateway:
        failures = f'heartline_rule_evaluation_failures_total{{rule_group="{file};g"}}'
        until(lambda: gateway.metrics().get(failures, 0) >= 3, "it fails again and again", 20)
        first, wrong, last = rules(gateway.admin)
        assert (first["health"], wrong["health"], last["health"]) == ("ok", "err", "ok")
        assert "group" in wrong["lastError"], wrong
        assert ask(gateway.admin, "query", query="last")[1]["data"]["result"][0]["value"][1] == "2"
        [line] = gateway.logged("a rule fails")
        assert (line["rule"], line["error"]) == ("Wrong", wrong["lastError"])
        counted = gateway.metrics()
        of = lambda name: counted[f'heartline_rule_{name}{{rule_group="{file};g"}}']  # noqa: E731
        assert of("evaluations_total") >= 9 and of("group_iterations_total") >= 3
        assert of("group_interval_seconds") == 1 and of("group_last_evaluation_timestamp_seconds") > 1e9
        file.write_text("groups: [{name: g, rules: [{alert: Wrong, expr: vector(0) > 1}]}]\n")
        assert gateway.post("/-/reload")[0] == 200
        until(lambda: gateway.logged("a rule works again"), "it works again")


def test_rules_come_with_the_program(tmp_path):
    for extra, files in (("", {"built-in/heartline.yml"}), ("rules: []\n", set())):
        with Gateway(config=config_for("127.0.0.1:1", extra=f"data: {{ dir: null }}\n{extra}")) as gateway:
            assert {group["file"] for group in get(gateway.admin, "rules")["groups"]} == files
            named = rules(gateway.admin, "?rule_name[]=Watchdog&type=alert")
            assert [rule["query"] for rule in named] == (["vector(1)"] if files else [])


def test_rule_files_are_found_beside_the_configuration():
    with Gateway(config=config_for("127.0.0.1:1", extra="rules: [default, 'rules.*']\n")) as gateway:
        assert {group["file"] for group in get(gateway.admin, "rules")["groups"]} == {"built-in/heartline.yml"}
        assert gateway.logged("no rule file matches")
        file = gateway.config_path.parent / "rules.yml"
        file.write_text(one_alert())
        assert gateway.post("/-/reload")[0] == 200
        assert [group["file"] for group in get(gateway.admin, f"rules?file[]={file}")["groups"]] == [str(file)]


def runbook(gateway, path, accept=""):
    request = urllib.request.Request(f"http://{gateway.admin}{path}", headers={"Accept-Language": accept})
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        return answer.status, answer.headers["Content-Language"], answer.read().decode()


def test_runbooks_in_both_languages():
    pages = {path.name.removesuffix(".md") for path in (ROOT / "docs/runbooks").glob("*.md")}
    names = {name for name in pages if "." not in name}
    with Gateway(config=config_for("127.0.0.1:1", extra="data: { dir: null }\n")) as gateway:
        linked = (rule["annotations"]["runbook_url"] for rule in rules(gateway.admin, "?type=alert"))
        rated = {url.removeprefix("{{ $externalURL }}") for url in linked}
        assert {f"/runbooks/{name}" for name in names} >= rated and len(rated) > 30
        for url in sorted(rated):
            for accept, tag, heading in (("en", "en", "What to do"), ("zh-CN,zh;q=0.9", "zh-CN", "处理")):
                status, language, text = runbook(gateway, url, accept)
                assert (status, language) == (200, tag), url
                assert f"<h1>{url.removeprefix('/runbooks/')}</h1>" in text and heading in text, text
        assert runbook(gateway, "/runbooks/Watchdog?lang=zh-CN", "en")[1] == "zh-CN"
        status, _, text = runbook(gateway, "/runbooks/")
        assert status == 200 and all(f'href="/runbooks/{name}?lang=en"' in text for name in names)
        for bad in ("NoSuch", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "..%2FCONTRIBUTING", "Watchdog.zh-CN"):
            status, _, text = runbook(gateway, f"/runbooks/{bad}")
            assert status == 404 and "/runbooks/Watchdog?lang=en" in text, text
            assert "<script" not in text
        assert "text/css" in urllib.request.urlopen(f"http://{gateway.admin}/runbooks/style.css").headers["Content-Type"]


def test_a_bad_rule_file_stops_the_start_and_fails_the_check(config, file, tmp_path):
    file.write_text(one_alert().replace("vector(1)", "'sum('"))
    path = tmp_path / "heartline.yaml"
    path.write_text(config)
    for command in (("run", "-c"), ("check",)):
        done = subprocess.run([BINARY, *command, path], capture_output=True, text=True, timeout=20, cwd=tmp_path)
        assert done.returncode == 2 and f"{file}:1:" in done.stderr, done.stderr
