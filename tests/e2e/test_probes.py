"""Scheduled probes over real services: what they see, as API, metrics and findings, judged by promtool and a real
Prometheus."""

import json
import pathlib
import sys
import threading
import warnings

import pytest
import websockets.sync.server
from harness import wire
from harness.gateway import Gateway, until
from harness.processes import free_port
from test_prometheus import Prometheus, promtool

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab import service  # noqa: E402
from lab.site import Site  # noqa: E402

UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
PROBES = "/api/v1/probes"


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


def config_of(upstream, *probes, listen="127.0.0.1:0", admin="127.0.0.1:0"):
    """A gateway whose probes run when they are asked: each by itself once a day."""
    lines = [f"  - {{ every: 1d, timeout: 20s, {probe} }}\n" for probe in probes]
    return (
        f"admin: {{ listen: '{admin}' }}\n"
        f"listeners: [{{ listen: '{listen}' }}]\n"
        f"routes: [{{ name: test, upstreams: ['http://{upstream}'] }}]\n"
        f"probes:{'' if lines else ' []'}\n{''.join(lines)}"
    )


def probe_of(gateway, name, query=""):
    return json.loads(gateway.get(f"{PROBES}/{name}{query}"))


def run(gateway, name, query=""):
    """Asks for a run, and waits until it is over; the first run by the schedule may come at any time."""
    before = sum(probe_of(gateway, name)["outcomes"])
    status, body = gateway.post(f"{PROBES}/{name}/run{query}")
    assert status in (202, 409), body

    def is_over():
        seen = probe_of(gateway, name)
        return not seen["is_running"] and sum(seen["outcomes"]) > before and seen

    return until(is_over, f"a run of {name}", 60)


def run_deep(gateway, name):
    until(lambda: run(gateway, name, "?deep=true")["last"]["is_deep"], "a deep run", 60)
    return probe_of(gateway, name)


def ids(probe):
    return [finding["id"] for finding in probe["findings"]]


def test_a_service_that_is_fine_one_that_is_dead_and_one_that_cuts(site, tmp_path):
    app, dead, listen, admin = service.echo(site), site.closed_port(), *(f"127.0.0.1:{free_port()}" for _ in range(2))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; proxy_read_timeout 2s; }}")
    config = config_of(
        app,
        f"name: fine, url: 'ws://{listen}/'",
        f"name: dead, url: 'ws://{dead}/chat?token=s3cret'",
        f"name: cut, url: 'ws://{front}/', upstream: '{app}', checks: [idle], deep_every: 1d",
        listen=listen, admin=admin,
    )
    with Gateway(config=config) as gateway:
        fine, dead_one, cut = run(gateway, "fine"), run(gateway, "dead"), run_deep(gateway, "cut")
        assert (fine["route"], fine["last"]["outcome"], fine["findings"]) == ("test", "healthy", []), fine
        assert [stage["name"] for stage in fine["last"]["stages"]] == ["tcp", "http", "upgrade"]
        assert fine["last"]["ping_rtt_seconds"] > 0 and fine["limits"] is None
        assert [cell["is_success"] for cell in fine["runs"]] == [True] * sum(fine["outcomes"])

        assert (dead_one["url"], dead_one["route"]) == (f"ws://{dead}/chat", None)
        assert ids(dead_one) == ["network-unreachable-or-filtered"]
        assert dead_one["last"]["stages"][-1]["fault"] == "refused"

        assert (cut["last"]["is_success"], cut["last"]["outcome"], ids(cut)) == (True, "problem", ["idle-timeout-l7-proxy"])
        bracket = cut["limits"]["silence_cut_seconds"]
        assert bracket["count"] == 2 and 1.9 <= bracket["from"] <= bracket["to"] < 4

        everything = gateway.get(PROBES) + gateway.get("/api/v1/findings") + gateway.get("/metrics") + str(gateway.lines)
        assert "s3cret" not in everything
        assert promtool("check", "metrics", stdin=gateway.get("/metrics")) == (0, "")
        judged_by_prometheus(gateway, tmp_path)
        kept = until(
            lambda: json.loads(gateway.get("/api/v1/query?query=probe_success"))["data"]["result"], "the store's own history")
        assert {sample["metric"]["probe"] for sample in kept} == {"fine", "dead", "cut"}


def judged_by_prometheus(gateway, folder):
    config = folder / "prometheus.yml"
    config.write_text(
        "scrape_configs: [{ job_name: heartline, scrape_interval: 1s, "
        f"static_configs: [{{ targets: ['{gateway.admin}'] }}] }}]\n")
    with Prometheus(config, folder / "data") as prometheus:
        def value(query):
            found = prometheus.get(f"query?query={query}")["result"]
            return {sample["metric"]["probe"]: float(sample["value"][1]) for sample in found}

        until(lambda: value("probe_success"), "samples", 30)
        assert value("probe_success") == {"fine": 1, "dead": 0, "cut": 1}
        assert value("probe_http_status_code") == {"fine": 101, "dead": 0, "cut": 101}
        assert value("probe_ip_protocol") == {"fine": 4, "cut": 4}
        assert value("heartline_probe_findings") == {"fine": 0, "dead": 1, "cut": 1}
        phases, whole = value("sum%20by%20(probe)(probe_http_duration_seconds)"), value("probe_duration_seconds")
        assert phases == pytest.approx(whole)


def test_a_finding_comes_and_goes(site):
    port, unreachable = free_port(), "network-unreachable-or-filtered"
    with Gateway(config=config_of(site.closed_port(), f"name: door, url: 'ws://127.0.0.1:{port}/'")) as gateway:
        assert ids(run(gateway, "door")) == [unreachable]
        active = f'heartline_finding_active{{finding="{unreachable}",route="",level="high"}}'
        assert gateway.metrics()[active] == 1

        def echo(connection):
            for message in connection:
                connection.send(message)

        with websockets.sync.server.serve(echo, "127.0.0.1", port) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            assert unreachable in ids(run(gateway, "door")), "once may be chance"
            until(lambda: unreachable not in ids(run(gateway, "door")), "three runs that do not see it", 60)
            server.shutdown()
        assert active not in gateway.metrics()
        resolved = json.loads(gateway.get("/api/v1/findings?state=resolved"))["items"]
        others = [finding for finding in resolved if finding["id"] != unreachable]
        if others:
            warnings.warn(f"the probe has seen more: {json.dumps(others)}", stacklevel=1)
        [over] = [finding for finding in resolved if finding["id"] == unreachable]
        assert over["vantages"] == [{"probe": "door"}]
        assert over["until"] > over["since"]


def test_both_vantages_of_one_cause_are_one_finding(site):
    listen = f"127.0.0.1:{free_port()}"
    config = config_of(site.closed_port(), f"name: door, url: 'ws://{listen}/'", listen=listen)
    with Gateway(config=config) as gateway:
        for _ in range(40):
            with wire.connect(gateway.port) as sock:
                sock.sendall(wire.handshake()[0])
                assert wire.read_head(sock)[0].startswith(b"HTTP/1.1 502")
        run(gateway, "door")

        def joined():
            found = json.loads(gateway.get("/api/v1/findings?route=test"))["items"]
            return [finding for finding in found if finding["vantages"] == ["inside", {"probe": "door"}]]

        [finding] = until(joined, "a finding of both", 30)
        assert (finding["id"], finding["level"]) == ("upstream-down-502-503", "high")
        codes = [said["code"] for said in finding["evidence"]]
        assert "attempts_failed" in codes and "gateway_says" in codes
        assert ids(probe_of(gateway, "door")) == ["upstream-down-502-503"]
        chinese = probe_of(gateway, "door", "?lang=zh-CN")["findings"][0]
        assert chinese["title"] != finding["title"] and chinese["code"] == finding["code"]


def test_probes_follow_the_configuration(site):
    app, dead = service.echo(site), site.closed_port()
    first = config_of(app, f"name: a, url: 'ws://{app}/'", f"name: b, url: 'ws://{dead}/'")
    with Gateway(config=first) as gateway:
        kept, gone = run(gateway, "a"), run(gateway, "b")
        assert ids(gone)
        assert gateway.post(f"{PROBES}/nobody/run")[0] == 404
        gateway.write_config(config_of(app, f"name: a, url: 'ws://{app}/'", f"name: c, url: 'ws://{app}/'"))
        assert gateway.post("/-/reload")[0] == 200
        listed = json.loads(gateway.get(PROBES))["items"]
        assert [probe["name"] for probe in listed] == ["a", "c"]
        assert sum(listed[0]["outcomes"]) >= sum(kept["outcomes"]), "what stays has kept what it saw"
        assert run(gateway, "c")["last"]["is_success"]
        assert not [name for name in gateway.metrics() if 'probe="b"' in name]
        assert json.loads(gateway.get("/api/v1/findings"))["items"] == []

        for wrong, said in [
            (f"name: a, url: 'ftp://{app}/'", "it begins with ws:"),
            (f"name: a, url: 'ws://{app}/', route: other", "there is no route of this name"),
            (f"name: 'a b', url: 'ws://{app}/'", "a name is 1 to 64"),
            (f"name: a, url: 'ws://{app}/', headers: {{ Host: s3cret }}", "is set by Heartline itself"),
        ]:
            gateway.write_config(config_of(app, wrong))
            status, body = gateway.post("/-/reload")
            assert (status, said in body, "s3cret" in body) == (400, True, False), body
        assert len(json.loads(gateway.get(PROBES))["items"]) == 2
        gateway.signal()
        assert gateway.wait() == 0
