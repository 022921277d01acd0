"""The dashboards for Grafana: they are what Grafana understands, and all that they ask for is there."""

import contextlib
import itertools
import json
import math
import re
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from harness import mmdb, wire
from harness.gateway import BINARY, ROOT, Gateway, until
from harness.processes import PEERS
from harness.scripted import Scripted
from harness.series import ask
from test_grpc import Handler, method
from test_prometheus import Prometheus

DASHBOARDS = ROOT / "deploy/grafana/dashboards"

# Metrics without a series here, each with the reason.
NOT_HERE = {
    "probe_": "no probe is configured here; their series have tests of their own",
    "heartline_store_samples_dropped_total": "only since there is a sample to drop",
    "heartline_series_dropped_total": "only since there is a label value too many",
}
RULES = "groups: [{name: traffic, interval: 1s, rules: [{alert: Traffic, expr: sum(websocket_active_connections) >= 0}]}]\n"


def exported(directory, *arguments):
    subprocess.run([BINARY, "grafana", "export", directory, *arguments], check=True, capture_output=True)
    return sorted(directory.iterdir())


def test_published_dashboards_are_those_of_the_program(tmp_path):
    files = exported(tmp_path)
    assert [file.name for file in files] == sorted(file.name for file in DASHBOARDS.glob("*.json"))
    for file in files:
        assert file.read_text() == (DASHBOARDS / file.name).read_text()


def test_what_compose_runs():
    """Docker is not here; what it would mount is, and is understood."""
    compose = (ROOT / "deploy/compose.yaml").read_text()
    mounted = re.findall(r"- \./(.+):/.+:ro", compose)
    assert len(mounted) == 5
    assert [path for path in mounted if not (ROOT / "deploy" / path).exists()] == []
    for command in [["promtool", "check", "config", "--syntax-only", "prometheus.yml"], [BINARY, "check", "heartline.yaml"]]:
        done = subprocess.run(command, cwd=ROOT / "deploy/grafana", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_types_are_those_of_grafana(tmp_path, language):
    """The types that Grafana publishes, with the options of each kind of panel."""
    for file in exported(tmp_path / "json", "--lang", language):
        typed(tmp_path / f"{file.stem}.ts", file.read_text())
    said = tsc(tmp_path)
    assert said == "", said


def test_types_judge(tmp_path):
    """What is wrong is found, in options of panels too."""
    text = (DASHBOARDS / "heartline-overview.json").read_text()
    wrong = {
        "a_word": ('"donut"', '"doughnut"'),
        "a_type": ('"graphTooltip": 1', '"graphTooltip": "1"'),
        "an_option": ('"wideLayout"', '"wide"'),
        "a_kind": ('"type": "heatmap"', '"type": "heat"'),
    }
    for name, change in wrong.items():
        assert change[0] in text
        typed(tmp_path / f"{name}.ts", text.replace(*change))
    said = tsc(tmp_path)
    assert set(re.findall(r"^(\w+)\.ts\(", said, re.MULTILINE)) == set(wrong), said


def typed(path, dashboard):
    path.write_text(f"import type {{ Checked }} from '{PEERS}/grafana-dashboard.ts';\nexport const dashboard: Checked = {dashboard}")


def tsc(directory):
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
               "--skipLibCheck", "--allowImportingTsExtensions"]
    files = sorted(file.name for file in directory.glob("*.ts"))
    compiler = PEERS / "node_modules/typescript/bin/tsc"
    return subprocess.run(["node", compiler, *options, *files], cwd=directory, capture_output=True, text=True).stdout


class Traffic:
    """Clients and services of all three protocols that end in many ways, again and again until the block ends."""

    def __init__(self, stack):
        self.is_over = threading.Event()
        self.websockets = stack.enter_context(serve(self._chat, "127.0.0.1", 0, ping_interval=0.2))
        threading.Thread(target=self.websockets.serve_forever, daemon=True).start()
        stack.callback(self.websockets.shutdown)
        self.events = stack.enter_context(wire.Backend(self._events))
        self.much = stack.enter_context(wire.Backend(self._much))
        self.calls = grpc.server(futures.ThreadPoolExecutor(16), handlers=[Handler()])
        self.calls_port = self.calls.add_insecure_port("127.0.0.1:0")
        self.calls.start()
        stack.callback(self.calls.stop, None)

    @staticmethod
    def _chat(socket):
        silence = 1 if socket.request.path == "/silent" else None
        try:
            while True:
                message = socket.recv(silence)
                if message == "fail":
                    return socket.close(1011)
                socket.send(message)
        except TimeoutError:
            wire.reset(socket.socket)
        except ConnectionClosed:
            pass

    @staticmethod
    def _events(backend, sock, number):
        backend.read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            sock.sendall(b"9\r\ndata: x\n\n\r\n")
            time.sleep(0.05)
        if number % 2:
            wire.reset(sock)
        else:
            sock.sendall(b"0\r\n\r\n")

    @staticmethod
    def _much(backend, sock, _):
        """More than a client takes at once."""
        backend.read_head(sock)
        event = b"data: %s\n\n" % (b"x" * 4000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall((b"%x\r\n%s\r\n" % (len(event), event)) * 2000 + b"0\r\n\r\n")

    @contextlib.contextmanager
    def running(self, port):
        def again_and_again(client):
            while not self.is_over.wait(0.2):
                with contextlib.suppress(OSError, ConnectionClosed):
                    client(port)

        clients = [getattr(self, name) for name in dir(self) if name.startswith("client_")]
        threads = [threading.Thread(target=again_and_again, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join(20)

    def client_talks(self, port):
        with connect(f"ws://127.0.0.1:{port}/chat", proxy=None) as socket:
            for _ in range(10):
                socket.send("hello")
                socket.recv()
                time.sleep(0.05)

    def client_is_failed(self, port):
        with connect(f"ws://127.0.0.1:{port}/chat", proxy=None) as socket:
            socket.send("fail")
            socket.recv()

    def client_is_silent(self, port):
        """Twelve at once, some of which speak for a while: only silence is what they have in common."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(connect(f"ws://127.0.0.1:{port}/silent", proxy=None)) for _ in range(12)]
            for said in range(3):
                for socket in sockets[:4 * said]:
                    socket.send("x")
                    socket.recv()
                time.sleep(0.3)
            for socket in sockets:
                with contextlib.suppress(ConnectionClosed):
                    socket.recv()

    def client_breaks_the_protocol(self, port):
        socket, _ = wire.open_websocket(port, "/chat")
        with socket:
            socket.sendall(wire.frame(3, mask=True))
            wire.read_all(socket)

    def client_vanishes(self, port):
        socket, _ = wire.open_websocket(port, "/chat")
        wire.reset(socket)

    def client_knocks_in_vain(self, port):
        with wire.connect(port) as socket:
            socket.sendall(wire.handshake("/broken")[0])
            wire.read_all(socket)

    def client_is_refused(self, port):
        for request in [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", wire.handshake("/chat")[0].replace(b"Version: 13", b"Version: 7")]:
            with wire.connect(port) as socket:
                socket.sendall(request)
                wire.read_head(socket)

    def client_subscribes(self, port):
        with wire.connect(port) as socket:
            socket.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            wire.read_all(socket)

    def client_reads_too_little(self, port):
        with wire.connect(port) as socket:
            socket.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            socket.recv(1000)
            self.is_over.wait(0.5)
            wire.read_all(socket)

    def client_calls(self, port):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method(channel, "Echo")(b"hello", timeout=10)
            with contextlib.suppress(grpc.RpcError):
                method(channel, "Fail")(b"no", timeout=10)
            ticks = method(channel, "Tick", "unary_stream")(b"", timeout=10)
            list(itertools.islice(ticks, 5))
            ticks.cancel()


def config(traffic, directory, engine, sink):
    route = "  - {{ name: {}, match: {{ path: {} }}, upstreams: ['http://127.0.0.1:{}'] }}\n"
    routes = [("broken", "/broken", 1), ("events", "/events", traffic.events.port), ("calls", "/demo.Chat", traffic.calls_port),
              ("chat", "/", traffic.websockets.socket.getsockname()[1])]
    return (
        "admin: { listen: 127.0.0.1:0 }\nlisteners: [{ listen: 127.0.0.1:0 }]\nroutes:\n"
        + f"  - {{ name: much, match: {{ path: /much }}, upstreams: ['http://127.0.0.1:{traffic.much.port}'], queue: {{ max_bytes: 64KiB }} }}\n"
        + "".join(route.format(*each) for each in routes)
        + f"geo: {{ database: {directory}/country.mmdb }}\n"
        + f"data: {{ dir: {directory}/kept, scrape_interval: 1s }}\nrules: [{directory}/rules.yml]\n"
        f"remote_write: [{{ url: '{engine}' }}]\nalerting: {{ receivers: [{{ name: ops, webhook: [{{ url: '{sink}' }}] }}] }}\n"
    )


def queries():
    """All that panels and annotations ask, with what Grafana puts in place of its variables."""
    for file in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(file.read_text())
        panels = [each for panel in dashboard["panels"] for each in [panel, *panel.get("panels", [])]]
        asked = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", [])]
        asked += [(one["name"], one["target"]["expr"]) for one in dashboard["annotations"]["list"] if "target" in one]
        for title, expr in asked:
            for variable, value in [("$__rate_interval", "30s"), ("$__range", "5m"), ("$job", ".+"), ("$instance", ".+"), ("$route", ".+")]:
                expr = expr.replace(variable, value)
            assert "$" not in expr, (file.stem, title, expr)
            yield file.stem, title, expr


def has_values(origin, expr):
    status, answer = ask(origin, "query", query=expr)
    assert status == 200, (expr, answer)
    return any(not math.isnan(float(sample["value"][1])) for sample in answer["data"]["result"])


def test_every_panel_has_data(tmp_path):
    """In a real Prometheus that scrapes a gateway with traffic, and in Heartline itself."""
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "country.mmdb").write_bytes(mmdb.database({"127.0.0.0/8": "DE"}))
    with contextlib.ExitStack() as stack:
        traffic = Traffic(stack)
        engine, sink = stack.enter_context(Scripted()), stack.enter_context(Scripted(rest=(200, {}, b"ok")))
        gateway = stack.enter_context(Gateway(config=config(traffic, tmp_path, engine.origin, f"{sink.origin}/hook")))
        for file in DASHBOARDS.glob("*.json"):
            assert gateway.get(f"/api/v1/grafana/{file.name}?lang=en") == file.read_text()
        prometheus_config = tmp_path / "prometheus.yml"
        prometheus_config.write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [rules.yml]\n"
            f"scrape_configs: [{{ job_name: heartline, static_configs: [{{ targets: ['{gateway.admin}'] }}] }}]\n"
        )
        prometheus = stack.enter_context(Prometheus(prometheus_config, tmp_path / "prometheus"))
        stack.enter_context(traffic.running(gateway.port))
        origins = (f"127.0.0.1:{prometheus.port}", gateway.admin)
        without = {(origin, *each) for origin in origins for each in queries() if not any(name in each[2] for name in NOT_HERE)}

        def is_all_there():
            without.difference_update([each for each in without if has_values(each[0], each[3])])
            return not without

        with contextlib.suppress(AssertionError):
            until(is_all_there, "all panels have data", 120)
        assert not without, sorted(without)
