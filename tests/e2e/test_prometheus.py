"""A real Prometheus with the published configuration and rules, and its judgement of the exposition."""

import asyncio
import contextlib
import json
import socket
import subprocess
import urllib.request

import pytest
import websockets
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_metrics

from harness import wire
from harness.books import total
from harness.gateway import ROOT, Gateway, config_for, until
from harness.processes import Service, answers, daemon, free_port

DEPLOY = ROOT / "deploy/prometheus"
CONNECTIONS, LATENCY = "WebSocket连接数异常", "WebSocket消息延迟过高"
SCRAPE = """\
scrape_configs:
  - job_name: 'websocket_metrics'
    static_configs:
      - targets: ['localhost:8080']
    metrics_path: '/metrics'
"""
RULES = {
    CONNECTIONS: ("websocket_active_connections > 10000", 300, "warning", "当前连接数: {{ $value }}"),
    LATENCY: ("websocket_message_latency_seconds_mean > 1", 120, "critical", "平均延迟: {{ $value }}秒"),
}
QUICK = f"""\
groups:
- name: quick
  rules:
  - alert: {CONNECTIONS}
    expr: websocket_active_connections > 3
    for: 1s
    annotations: {{ description: "当前连接数: {{{{ $value }}}}" }}
  - alert: {LATENCY}
    expr: websocket_message_latency_seconds_mean > 1
    for: 1s
"""


class Prometheus:
    """A Prometheus with a configuration file, and its API."""

    def __init__(self, config, data):
        self.config, self.data, self.port = config, data, free_port()
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        process = self.stack.enter_context(daemon(
            "/usr/bin/prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ))
        try:
            until(lambda: answers(self.port) or process.poll() is not None, "Prometheus listens", 30)
            assert process.poll() is None, "Prometheus does not start with this configuration"
            until(self.scraped, "Prometheus scrapes heartline", 60)
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def scraped(self):
        with contextlib.suppress(OSError):
            targets = self.get("targets")["activeTargets"]
            down = [target["lastError"] for target in targets if target["health"] == "down"]
            assert not down, down
            return targets and all(target["health"] == "up" for target in targets)
        return False

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self, name):
        return [a for a in self.get("alerts")["alerts"] if a["labels"]["alertname"] == name and a["state"] == "firing"]


@pytest.fixture
def port_8080():
    """The address that the published configuration scrapes, free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError as error:
            pytest.fail(f"port 8080 is needed for this test and is taken: {error}")


@pytest.fixture
def gateway(port_8080):
    """Heartline with its metrics where the published configuration looks for them."""
    with Service("ws-echo.mjs") as echo:
        with Gateway("--upstream", f"http://{echo.address}", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:8080") as running:
            yield running


@pytest.fixture
def quick(tmp_path):
    """The published scrape configuration with rules that take seconds."""
    (tmp_path / "rules.yml").write_text(QUICK)
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"{SCRAPE}    scrape_interval: 1s\nglobal: {{ evaluation_interval: 1s }}\nrule_files: [rules.yml]\n"
    )
    return config


def promtool(*arguments, stdin=None):
    done = subprocess.run(
        ["/usr/bin/promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_published_files_pass_promtool():
    code, said = promtool("check", "rules", DEPLOY / "rules.yml")
    assert code == 0 and "2 rules found" in said, said
    code, said = promtool("check", "config", DEPLOY / "prometheus.yml")
    assert code == 0, said
    assert SCRAPE + "    scrape_interval: 15s\n" in (DEPLOY / "prometheus.yml").read_text()


def test_published_configuration_unmodified(gateway, tmp_path):
    with Prometheus(DEPLOY / "prometheus.yml", tmp_path / "data") as prometheus:
        loaded = prometheus.rules()
        assert {
            rule["name"]: (
                rule["query"], rule["duration"], rule["labels"]["severity"], rule["annotations"]["description"]
            ) for rule in loaded
        } == RULES
        assert [target["scrapeUrl"] for target in prometheus.get("targets")["activeTargets"]] == [
            "http://localhost:8080/metrics"
        ]
        # A target is up some moments before the samples of its scrape can be asked for.
        query = "query?query=websocket_active_connections"
        until(lambda: prometheus.get(query)["result"], "the first scrape is kept", 30)
        [sample] = prometheus.get(query)["result"]
        assert sample["metric"] | {"instance": ""} == {
            "__name__": "websocket_active_connections", "route": "default", "job": "websocket_metrics", "instance": "",
        }
        assert sample["value"][1] == "0"
        until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), "both rules are evaluated", 90)


def test_connections_fire(gateway, quick, tmp_path):
    async def hold(prometheus):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(websockets.connect(f"ws://127.0.0.1:{gateway.port}/", proxy=None))
            await asyncio.to_thread(until, lambda: prometheus.firing(CONNECTIONS), "the alert fires", 30)
            [alert] = prometheus.firing(CONNECTIONS)
            assert alert["annotations"]["description"] == "当前连接数: 5"
            assert alert["labels"]["route"] == "default"

    with Prometheus(quick, tmp_path / "data") as prometheus:
        assert not prometheus.firing(CONNECTIONS)
        asyncio.run(hold(prometheus))
        until(lambda: not prometheus.firing(CONNECTIONS), "the alert resolves when they are gone", 30)


@pytest.mark.parametrize("messages", [100 * wire.frame(2, bytes(100)), wire.frame(2, bytes(1 << 26))], ids=["small", "large"])
def test_a_reader_that_stops_fires_the_latency_rule(port_8080, quick, tmp_path, messages):
    """Messages for a client that reads none wait, and their age is in the mean; also that of one which has only begun.

    What the kernel's buffers took at first counts as delivered at once, as long as the window reaches back to it.
    """

    def push(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(wire.switching(head))
        while True:
            sock.sendall(messages)

    with wire.Backend(push) as backend:
        config = config_for(backend.address, extra="metrics: { mean_window: 10s }\n")
        config = config.replace("127.0.0.1:0", "127.0.0.1:8080", 1)
        with Gateway(config=config) as gateway, Prometheus(quick, tmp_path / "data") as prometheus:
            assert not prometheus.firing(LATENCY)
            client, _ = wire.open_websocket(gateway.port)
            with client:
                until(lambda: prometheus.firing(LATENCY), "the alert fires", 60)
                [alert] = prometheus.firing(LATENCY)
                assert alert["labels"]["direction"] == "server_to_client"
                assert float(alert["value"]) > 1
                metrics = gateway.metrics()
                assert total(metrics, "websocket_backlog_messages", direction="server_to_client") > 0
                assert total(metrics, "websocket_backlog_messages", direction="client_to_server") == 0
                assert total(metrics, "websocket_backlog_oldest_age_seconds", direction="server_to_client") > 1


def test_exposition_is_clean():
    """After traffic of both protocols, with every family in it."""

    async def talk(port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
            await client.send("hello")
            await client.recv()

    with Service("site.mjs") as site, Gateway(config=config_for(site.address)) as gateway:
        asyncio.run(talk(gateway.port))
        with wire.connect(gateway.port) as client:
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            wire.read_head(client)
        gateway.wait_closed(2)
        text = gateway.get("/metrics")
        code, said = promtool("check", "metrics", stdin=text)
        assert (code, said) == (0, ""), said
        plain = {family.name for family in plain_metrics(text)}

        request = urllib.request.Request(
            f"http://{gateway.admin}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            families = {family.name: family for family in open_metrics(answer.read().decode())}
        assert set(families) == plain
        assert {"websocket_active_connections", "websocket_message_latency_seconds_mean", "sse_events"} <= set(families)
        for family in families.values():
            assert family.documentation, family.name
            assert not family.unit or family.name.endswith(family.unit), family.name
