"""Checks that somebody asks a running gateway for: what it may be asked, how one goes on, and what it reports."""

import json
import pathlib
import sys
import urllib.error
import urllib.request

import pytest
from harness.gateway import Gateway, until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab import service  # noqa: E402
from lab.site import Site  # noqa: E402

TOKEN = "correct-horse"
CONFIG = (
    f"admin: {{ listen: '127.0.0.1:0', token: {TOKEN} }}\n"
    "listeners: [{ listen: '127.0.0.1:0' }]\nroutes: [{ name: test, upstreams: ['http://127.0.0.1:1'] }]\n"
)


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


def call(gateway, path, body=None, token=TOKEN, **fields):
    headers = {"Content-Type": "application/json", **fields}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{gateway.admin}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def report(gateway, path):
    def over():
        job = call(gateway, path)[1]
        return job["state"] == "over" and job

    return until(over, "the report", 120)


def test_a_check_that_is_asked_for(site):
    dead = site.closed_port()
    with Gateway(config=CONFIG) as gateway:
        status, asked = call(gateway, "/api/v1/diagnose", {"target": f"ws://{dead}/chat?token=s3cret", "lang": "zh-CN"})
        assert status == 202, asked
        refused = report(gateway, asked["report"])
        assert (refused["outcome"], refused["target"]) == ("problem", f"ws://{dead}/chat")
        assert refused["stages"][-1]["fault"] == "refused"
        assert [step["check"] for step in refused["steps"]][0] == "handshake"
        assert not any(step["is_running"] for step in refused["steps"])
        assert "s3cret" not in json.dumps(refused)
        english = call(gateway, f"/api/v1/jobs/{asked['job']}?lang=en")[1]
        titles = refused["findings"][0]["title"], english["findings"][0]["title"]
        assert titles[0] != titles[1] and titles[1].isascii()


def test_one_runs_and_the_others_wait(site):
    app = service.echo(site)
    with Gateway(config=CONFIG) as gateway:
        asked = [call(gateway, "/api/v1/diagnose", {"target": f"ws://{app}/", "safe": True})[1] for _ in range(2)]
        first = until(lambda: (job := call(gateway, asked[0]["report"])[1])["stages"] and job, "the stages", 60)
        waiting = call(gateway, asked[1]["report"])[1]
        assert (first["state"], waiting["state"], waiting["ahead"]) == ("running", "waiting", 1)
        answers = [call(gateway, "/api/v1/diagnose", {"target": f"ws://{app}/"})[0] for _ in range(4)]
        assert answers == [202, 202, 202, 429]
        metrics = gateway.get("/metrics", {"Authorization": f"Bearer {TOKEN}"})
        assert "\nheartline_diagnose_refused_total 1\n" in metrics


def test_what_may_not_be_asked():
    with Gateway(config=CONFIG) as gateway:
        ask = {"target": "ws://127.0.0.1:1/"}
        assert call(gateway, "/api/v1/diagnose", ask, token=None)[0] == 401
        assert call(gateway, "/api/v1/diagnose", ask, Origin="http://evil.example")[0] == 403
        assert call(gateway, "/api/v1/jobs/nothing")[0] == 404
        for wrong in ["file:///etc/passwd", "ftp://127.0.0.1/", "ws://a:b@127.0.0.1/", ""]:
            assert call(gateway, "/api/v1/diagnose", {"target": wrong})[0] == 400, wrong
        assert call(gateway, "/api/v1/diagnose", {**ask, "more": 1})[0] == 400
