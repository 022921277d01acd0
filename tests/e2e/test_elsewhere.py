"""Queries and rules that another engine answers (`query_url`)."""

import contextlib
import json
import socket
import time

import pytest

from harness.certificates import Authority
from harness.engines import ENGINES, engine
from harness.gateway import Gateway, config_for, until
from harness.processes import free_port
from harness.scripted import Scripted
from harness.series import ask, push

RULES = """
groups:
- name: sums
  rules:
  - {record: total, expr: sum(pushed)}
  - alert: Much
    expr: sum(pushed) > 2
    annotations: {text: 'of {{ with query "count(pushed)" }}{{ . | first | value }}{{ end }}'}
  - {alert: Chained, expr: total > 2}
  - {alert: Kept, expr: sum(pushed) > 2, for: 1h}
"""
EMPTY = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()
JSON = {"Content-Type": "application/json"}


def writer(directory, name, url):
    return config_for("127.0.0.1:1", extra=(
        f"data: {{ dir: {directory}/{name}, scrape_interval: 1s, instance: {name} }}\nrules: []\nremote_write: [{{ url: '{url}/api/v1/write' }}]\n"
    ))


def reader(directory, url, extra="", rules=RULES, write=True):
    (directory / "rules.yml").write_text(rules)
    sent = f"remote_write: [{{ url: '{url}/api/v1/write' }}]\n" if write else ""
    return config_for("127.0.0.1:1", extra=(
        f"data: {{ dir: {directory}/reader, scrape_interval: 1s, instance: reader }}\nrules: [{directory}/rules.yml]\n"
        f"evaluation: {{ interval: 1s, query_offset: 1s }}\n{sent}query_url: {url}\n{extra}"
    ))


def rules(gateway):
    groups = json.loads(gateway.get("/api/v1/rules"))["data"]["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


def alerts(gateway):
    return {alert["labels"]["alertname"]: alert for alert in json.loads(gateway.get("/api/v1/alerts"))["data"]["alerts"]}


def states(gateway):
    return {name: alert["state"] for name, alert in alerts(gateway).items()}


def result(answer):
    return answer[1]["data"]["result"] if answer[0] == 200 else []


@pytest.mark.parametrize("kind", ENGINES)
def test_rules_and_queries_see_all_gateways(tmp_path, kind):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(contextlib.ExitStack())
        origin = running.enter_context(engine(kind, tmp_path / kind, port))
        gateways = {name: stack.enter_context(Gateway(config=writer(tmp_path, name, url))) for name in ("gw-1", "gw-2")}
        heartline = stack.enter_context(Gateway(config=reader(tmp_path, url)))
        until(lambda: rules(heartline)["Much"]["health"] == "ok", "rules are evaluated")
        assert states(heartline) == {}
        began = int(time.time() * 1000)
        for (name, gateway), value in zip(gateways.items(), (1.5, 1.0), strict=True):
            assert push(gateway.admin, [({"__name__": "pushed", "instance": name}, [(began, value)])])[0] == 204

        expected = {"Much": "firing", "Chained": "firing", "Kept": "pending"}
        until(lambda: states(heartline) == expected, "the sum of both is too much", 20)
        before = alerts(heartline)
        assert before["Much"]["annotations"] == {"text": "of 2"}
        assert float(before["Much"]["value"]) == 2.5
        is_sent = lambda: result(ask(origin, "query", query='ALERTS{alertname="Much",alertstate="firing"}', nocache=1))
        until(is_sent, "the engine has ALERTS")

        at = began / 1000 + 1
        answers_are_those_of_the_engine(heartline, origin, at)
        metrics = heartline.metrics()
        assert metrics[f'heartline_query_engine_up{{engine="127.0.0.1:{port}"}}'] == 1
        assert metrics['heartline_queries_total{result="success"}'] >= 3

        running.close()
        until(lambda: rules(heartline)["Much"]["health"] == "err", "rules fail")
        assert f"the engine at 127.0.0.1:{port} cannot be asked: " in rules(heartline)["Much"]["lastError"]
        status, answer = ask(heartline.admin, "query", query="pushed")
        assert (status, answer["status"], answer["errorType"]) == (502, "error", "unavailable")
        assert f"the engine at 127.0.0.1:{port} cannot be asked: " in answer["error"]
        assert ask(heartline.admin, "labels")[0] == 502
        assert heartline.metrics()[f'heartline_query_engine_up{{engine="127.0.0.1:{port}"}}'] == 0
        assert heartline.get("/api/v1/overview") and heartline.get("/healthz")
        assert alerts(heartline) == before, "alerts stay as they are"
        assert heartline.logged("queries are not answered")

        stack.enter_context(engine(kind, tmp_path / kind, port))
        until(lambda: {rule["health"] for rule in rules(heartline).values()} == {"ok"}, "it is back", 20)
        since = {name: alert["activeAt"] for name, alert in before.items()}
        assert {name: alert["activeAt"] for name, alert in alerts(heartline).items()} == since
        assert result(ask(heartline.admin, "query", query="sum(pushed)", time=at))[0]["value"][1] == "2.5"
        assert heartline.logged("queries are answered again")


def answers_are_those_of_the_engine(heartline, origin, at):
    start, end = at - 60, at
    for form, path, parameters in [
        (False, "query", {"query": "sum(pushed)", "time": at}),
        (True, "query", {"query": 'pushed{instance="gw-1"}', "time": at}),
        (False, "query_range", {"query": "count(pushed)", "start": start, "end": end, "step": 5}),
        (True, "query_range", {"query": "up", "start": start, "end": end, "step": "15s"}),
        (False, "series", {"match": ["pushed"], "start": start, "end": end}),
        (True, "labels", {"match": ["pushed"], "start": start, "end": end}),
        (False, "label/instance/values", {"match": ["pushed"], "start": start, "end": end}),
        (False, "query", {"query": "sum(pushed", "time": at}),
    ]:
        ours, theirs = (ask(one, path, form=form, **parameters) for one in (heartline.admin, origin))
        without_statistics = [(status, {name: answer.get(name) for name in ("status", "data", "error") if name in answer}) for status, answer in (ours, theirs)]
        for _, answer in without_statistics:
            if path == "series" and "data" in answer:
                answer["data"].sort(key=json.dumps)
        assert without_statistics[0] == without_statistics[1], path
        assert (ours[0] == 200) == (parameters.get("query") != "sum(pushed")
        assert ours[0] != 200 or ours[1]["data"], path


def test_an_engine_that_does_not_answer_holds_nobody_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Gateway(config=reader(tmp_path, url, extra="query: { timeout: 1s }\n", write=False)) as gateway:
            status, answer = ask(gateway.admin, "query", query="up")
            assert (status, answer["errorType"]) == (503, "timeout")
            assert "gave no answer within 1 s" in answer["error"]
            until(lambda: rules(gateway)["Kept"]["health"] == "err", "rules fail")
            assert "no answer within 1 s" in rules(gateway)["Kept"]["lastError"]
            assert len(gateway.logged("queries are not answered")) == 1
            assert any("remote_write` is not" in line["message"] for line in gateway.lines)
        with Gateway(config=reader(tmp_path, url, extra="query: { timeout: 25s }\n", write=False)) as gateway:
            until(lambda: int(gateway.metrics().get("heartline_query_engine_up{}", 1)), "it runs")
            gateway.signal()
            assert gateway.wait(15) == 0


def test_who_is_asked_and_how(tmp_path):
    """TLS with an authority of one's own; nothing of who asks goes there, and no redirect is followed."""
    authority = Authority(tmp_path / "ca")
    files = authority.issue("engine")
    (tmp_path / "token").write_text("opensesame\n")
    trust = f"ca_file: {authority.pem}"
    query = f"query: {{ {trust}, bearer_token_file: {tmp_path}/token, headers: {{ X-Scope-OrgID: chat }} }}\n"
    with Scripted(files, rest=(200, JSON, EMPTY)) as fake, Scripted(files) as receiver, Scripted() as other:
        extra = f"{query}remote_write: [{{ url: '{receiver.url}', {trust} }}]\n"
        with Gateway(config=reader(tmp_path, f"{fake.origin}/select/", extra=extra, rules="groups: []", write=False)) as gateway:
            gateway.get("/api/v1/query?query=up&secret=1&limit=3", {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "User-Agent": "me"})
            gateway.get("/api/v1/label/job/values?match[]=up&secret=1")
            assert ask(gateway.admin, "label/..%2f..%2fadmin/values")[0] == 400
            assert [(path, body) for _, path, _, body, _ in fake.requests] == [
                ("/select/api/v1/query", b"query=up&limit=3"), ("/select/api/v1/label/job/values?match%5B%5D=up", b""),
            ]
            headers = {name.lower(): value for name, value in fake.requests[0][2].items()}
            assert headers.pop("user-agent").startswith("heartline/")
            assert sorted(headers) == ["accept", "authorization", "content-length", "content-type", "host", "x-scope-orgid"]
            assert (headers["authorization"], headers["x-scope-orgid"]) == ("Bearer opensesame", "chat")
            until(lambda: receiver.requests, "samples are sent in TLS")
            for answer, part in [
                ((302, {"Location": other.origin}), "302 Found"),
                ((401, {"WWW-Authenticate": "Basic"}), "401 Unauthorized; look at the credentials of `query`"),
                ((404, JSON, b"{}"), "404 Not Found; look at the path of `query_url`"),
                ((200, {"Content-Type": "text/html"}, EMPTY), "it is not JSON"),
                ((429, JSON, b"{}"), "429 Too Many Requests; it is none of Prometheus' API"),
            ]:
                fake.answers.append(answer)
                status, said = ask(gateway.admin, "query", query="up")
                assert (status, said["errorType"]) == (502, "unavailable")
                assert part in said["error"]
            assert not other.requests
            assert "opensesame" not in json.dumps(gateway.lines)
        with Gateway(config=reader(tmp_path, fake.origin, extra=f"remote_write: [{{ url: '{receiver.url}' }}]\n", rules="groups: []", write=False)) as gateway:
            status, said = ask(gateway.admin, "query", query="up")
            assert status == 502 and "certificate" in said["error"]
            failures = f'heartline_remote_write_failures_total{{remote="{receiver.origin[8:]}",reason="network"}}'
            until(lambda: gateway.metrics()[failures] > 0, "nothing is sent to whom is not trusted")
