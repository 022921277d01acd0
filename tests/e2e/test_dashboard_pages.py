"""The dashboard's pages of findings, alerts, limits and the system, in a real browser before a running demo; what others
wrote is text there."""

import datetime
import json
import urllib.request

import pytest
from test_dashboard import ANYWHERE, in_a_browser, passes

from harness.gateway import Gateway, until

HOSTILE = "</script><img src=x onerror='window.ran=1'>\"{{constructor}}"


def post(demo, path, body):
    url = f"http://{demo.admin}{path}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def demo():
    with Gateway(*ANYWHERE, command="demo") as running:
        now = datetime.datetime.now(datetime.UTC)
        post(running, "/api/v2/alerts", [{
            "labels": {"alertname": "Hostile", "severity": "critical", "who": HOSTILE},
            "annotations": {"summary": HOSTILE, "runbook_url": "javascript:window.ran=1"},
        }])
        post(running, "/api/v2/silences", {
            "matchers": [{"name": "who", "value": "nobody", "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(), "endsAt": (now + datetime.timedelta(hours=1)).isoformat(),
            "createdBy": HOSTILE, "comment": HOSTILE,
        })
        until(lambda: json.loads(running.get("/api/v1/findings"))["total"] > 1, "findings", 60)
        yield running


@in_a_browser
def test_pages_in_a_browser(demo):
    passes("pages.mjs", f"http://{demo.admin}/", HOSTILE)


def test_limits_say_what_is_near(demo):
    items = json.loads(demo.get("/api/v1/limits"))["items"]
    shares = [item["used"] / item["limit"] for item in items]
    assert shares == sorted(shares, reverse=True)
    by_resource = {item["resource"]: item for item in items}
    live = len(demo.live())
    assert abs(by_resource["connections"]["used"] - live) <= live
    assert by_resource["open_files"]["used"] > by_resource["connections"]["used"] > 0
    assert by_resource["upstream_ports"]["subject"].startswith("http://127.0.0.1:")
    assert by_resource["viewers"]["limit"] == 64


def test_the_configuration_in_force(tmp_path):
    text = "admin: { listen: '127.0.0.1:0', token: correct-horse }\n" \
        "listeners: [{ listen: '127.0.0.1:0' }]\nroutes:\n  - name: chat\n    upstreams: ['http://127.0.0.1:1']\n"
    file = tmp_path / "heartline.yaml"
    file.write_text(text)
    with Gateway("-c", str(file), "--data-dir", str(tmp_path / "data")) as gateway:
        request = urllib.request.Request(
            f"http://{gateway.admin}/api/v1/config", headers={"Authorization": "Bearer correct-horse"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read().decode()
    assert "correct-horse" not in body
    settings = {item["path"]: item for item in json.loads(body)["items"]}
    told = {path: (item["value"], item["source"], item["line"]) for path, item in settings.items()}
    assert told["admin.token"] == ("***", "file", 1)
    assert told["routes[0].name"] == ("chat", "file", 4)
    assert told["data.dir"] == (str(tmp_path / "data"), "command_line", None)
    assert told["data.retention"][1] == "default"
