"""`heartline load`: what it sends and counts, what it makes of a slow service, and when it fails."""

import contextlib
import json
import signal
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest

from harness.books import total
from harness.certificates import Authority, tls_listener
from harness.gateway import BINARY, Gateway, config_for, until
from harness.processes import free_port
from harness.wire import Backend, close_frame, frame, read_all, reset, switching

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
STALL = 1.0


def load(*arguments, code=0, under=()):
    """The report of a load in JSON, and what it said beside; `under` starts it."""
    command = [*under, BINARY, "load", "--format", "json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == code, (done.stdout, done.stderr)
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


class Frames:
    """Frames of a client, unmasked, one after the other; none when it has ended."""

    def __init__(self, sock, rest=b""):
        self.sock, self.wire = sock, rest

    def _take(self, size):
        while len(self.wire) < size:
            part = self.sock.recv(65536)
            if not part:
                raise EOFError
            self.wire += part
        taken, self.wire = self.wire[:size], self.wire[size:]
        return taken

    def next(self):
        first, second = self._take(2)
        assert first & 0x70 == 0 and second & 0x80, "no extension, and masked"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        key, body = self._take(4), self._take(size)
        mask = (key * (size // 4 + 1))[:size]
        whole = int.from_bytes(body, "big") ^ int.from_bytes(mask, "big")
        return first & 0xF, whole.to_bytes(size, "big")


class Echo(Backend):
    """Answers each message with itself; before the answer to message `stall_at` it does nothing for a second."""

    def __init__(self, stall_at=None, greet=b""):
        super().__init__(self._echo)
        self.stall_at, self.greet = stall_at, greet
        self.sizes, self.closes, self.seen_at_close = [], [], []
        self.lock, self.free = threading.Lock(), threading.Event()
        self.free.set()

    def _echo(self, _, sock, __):
        head, rest = self.read_head(sock)
        sock.sendall(switching(head) + self.greet)
        frames = Frames(sock, rest)
        with contextlib.suppress(EOFError):
            while True:
                opcode, payload = frames.next()
                if opcode == 8:
                    self.closes.append(payload)
                    self.seen_at_close.append(len(self.sizes))
                    sock.sendall(frame(8, payload))
                    return
                self._stall_once(len(payload))
                sock.sendall(frame(opcode, payload))

    def _stall_once(self, size):
        """All connections stand still together."""
        with self.lock:
            self.sizes.append(size)
            is_the_one = len(self.sizes) == self.stall_at
        if is_the_one:
            self.free.clear()
            time.sleep(STALL)
            self.free.set()
        self.free.wait(10)


@contextlib.contextmanager
def reached(address, is_direct):
    """The address itself, or that of a gateway in front of it."""
    if is_direct:
        yield address
    else:
        with Gateway(config=config_for(address)) as gateway:
            yield gateway.address


ways = pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "through the gateway"])


@ways
@pytest.mark.parametrize(("arguments", "messages", "sent"), [
    (["--messages", "500"], 500, 500),
    (["--rate", "200/s", "--duration", "1s"], 200, 200),
    (["--rate", "1000/s", "--messages", "100", "--size", "70000"], 100, 100),
], ids=["closed loop", "open loop", "open loop, large messages"])
def test_websocket_messages_are_exact(is_direct, arguments, messages, sent):
    with Echo() as backend, reached(backend.address, is_direct) as address:
        report, _ = load("ws", f"ws://{address}/chat", "--connections", 7, *arguments)
        assert report["errors"] == {}
        assert (report["messages_total"], report["messages_sent_total"]) == (messages, sent)
        assert report["handshakes_total"] == 7 == len(backend.heads)
        size = 70000 if "--size" in arguments else 128
        assert backend.sizes == [size] * messages
        assert backend.closes == [b"\x03\xe8"] * 7, "it says goodbye"
        assert report["latency_samples_total"] == messages


def test_the_gateway_counts_the_same():
    with Echo() as backend, Gateway(config=config_for(backend.address)) as gateway:
        report, _ = load("ws", f"ws://{gateway.address}/", "--connections", 3, "--messages", 300)
        records = gateway.wait_closed(3)
        assert {record["reason"] for record in records} == {"normal"}
        assert total(gateway.metrics(), "websocket_messages_total") == 600 == 2 * report["messages_total"]


def test_all_connections_stay_open_until_the_last_message():
    with Echo() as backend:
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", 20, "--rate", "20/s", "--messages", 5)
        assert (report["errors"], report["messages_total"]) == ({}, 5)
        assert backend.seen_at_close == [5] * 20


@pytest.mark.parametrize("is_open", [True, False], ids=["open loop", "closed loop"])
def test_a_service_that_stands_still_once(is_open):
    """An open loop shows all that would have been served in that second, a closed one what happened to wait."""
    connections, rate = 4, 200
    with Echo(stall_at=50) as backend:
        asked = ["--rate", f"{rate}/s", "--duration", "3s"] if is_open else ["--messages", "2000"]
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", connections, *asked)
        assert report["errors"] == {}
        latency = report["latency_seconds"]
        assert latency["max"] >= 0.9 * STALL
        if is_open:
            assert report["messages_total"] == 3 * rate
            assert latency["p90"] >= 0.4 * STALL, "a third of the messages was due while it stood still"
            assert latency["p50"] < 0.4 * STALL
        else:
            assert report["messages_total"] == 2000
            assert latency["p99"] < 0.4 * STALL < latency["p999"], f"{connections} of 2000 waited"


def test_messages_that_cannot_be_sent_count_from_when_they_were_due():
    """The sockets hold only the first megabytes of what is due while the service stands still."""
    with Echo(stall_at=5) as backend:
        asked = ["--rate", "40/s", "--size", "1MiB", "--duration", "1200ms", "--timeout", "30s"]
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", 1, *asked)
        assert (report["errors"], report["messages_total"]) == ({}, 48)
        assert report["messages_sent_late_total"] >= 10
        assert report["latency_seconds"]["p50"] >= 0.4 * STALL, "half of them waited for longer"


def pushing(events, head=EVENTS, end=None):
    """A backend that sends the same to each connection, and then waits for its end."""

    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(head + events)
        if end is not None:
            end(sock)
        read_all(sock)

    return Backend(serve)


def stamped(age, unit=b"data: %s\n\n"):
    return unit % f"ts={time.time_ns() - int(age * 1e9)} price=5".encode()


@ways
def test_events_are_counted_and_their_age(is_direct):
    events = b": hello\n\nid: 7\n\n" + stamped(100) * 20 + b"data: no stamp\n\n" * 5
    with pushing(events) as backend, reached(backend.address, is_direct) as address:
        report, _ = load("sse", f"http://{address}/events", "--connections", 4, "--messages", 100)
        assert (report["protocol"], report["arrivals"]) == ("sse", "push")
        assert (report["messages_total"], report["messages_sent_total"]) == (100, 0)
        assert report["latency_samples_total"] == 80
        assert 100 <= report["latency_seconds"]["p50"] < 160
        assert report["errors"] == {}


def test_a_websocket_that_pushes():
    def serve(backend, sock, _):
        head, rest = backend.read_head(sock)
        wire = frame(9, b"are you there?") + b"".join(frame(1, stamped(5, b"%s")) for _ in range(10))
        sock.sendall(switching(head))
        for byte in wire[:30]:
            sock.sendall(bytes([byte]))
        sock.sendall(wire[30:])
        frames = Frames(sock, rest)
        backend.seen = [frames.next()]
        with contextlib.suppress(EOFError):
            while True:
                backend.seen.append(frames.next())

    with Backend(serve) as backend:
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", 1, "--push", "--duration", "500ms")
        assert report["messages_total"] == report["latency_samples_total"] == 10
        assert 5 <= report["latency_seconds"]["max"] < 60
        assert backend.seen == [(10, b"are you there?"), (8, b"\x03\xe8")]


ENDS = {
    "reset": (reset, {"reset": 1}),
    "cut": (lambda sock: sock.shutdown(2), {"closed": 1}),
    "closed": (lambda sock: sock.sendall(close_frame(1001)), {"closed": 1}),
    "no frame": (lambda sock: sock.sendall(b"\x8f\x00"), {"protocol": 1}),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_before_the_end_is_an_error(name):
    end, errors = ENDS[name]

    def serve(backend, sock, _):
        head, rest = backend.read_head(sock)
        sock.sendall(switching(head))
        frames = Frames(sock, rest)
        for _ in range(3):
            sock.sendall(frame(*frames.next()))
        frames.next()
        end(sock)
        if name != "reset":
            read_all(sock)

    with Backend(serve) as backend:
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", 1)
        assert report["errors"] == {**errors, "unanswered": 1}
        assert (report["messages_sent_total"], report["messages_total"]) == (4, 3)


def test_what_is_never_answered():
    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head))
        read_all(sock)

    with Backend(serve) as backend:
        url = f"ws://{backend.address}/"
        limits = ["--connections", 2, "--duration", "200ms", "--timeout", "300ms"]
        report, _ = load("ws", url, *limits)
        assert (report["errors"], report["latency_seconds"]) == ({"unanswered": 2}, None)
        report, _ = load("ws", url, *limits, "--rate", "100/s")
        assert report["errors"] == {"unanswered": 20}


def test_what_cannot_be_sent_in_time():
    is_over = threading.Event()

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head))
        is_over.wait(30)

    with Backend(serve) as backend:
        url = f"ws://{backend.address}/"
        asked = ["--rate", "200/s", "--size", "1MiB", "--duration", "200ms", "--timeout", "300ms"]
        report, _ = load("ws", url, "--connections", 1, *asked)
        is_over.set()
        assert set(report["errors"]) == {"unanswered", "not_sent"}
        assert report["errors_total"] == 40
        assert report["messages_sent_total"] == report["errors"]["unanswered"]


class Calls(grpc.GenericRpcHandler):
    """Methods of bytes: one answers each message with itself, one sends stamped messages, one refuses."""

    def service(self, details):
        methods = {"/demo.Chat/Talk": self.talk, "/demo.Chat/Tick": self.tick, "/demo.Chat/Refuse": self.refuse}
        method = methods.get(details.method)
        return method and grpc.stream_stream_rpc_method_handler(method)

    def talk(self, requests, _):
        for request in requests:
            assert set(request) <= {0}
            yield request

    def tick(self, requests, context):
        for _ in requests:
            yield from (stamped(30, b"%s") for _ in range(20))
        while context.is_active():
            time.sleep(0.01)

    def refuse(self, _, context):
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")


@contextlib.contextmanager
def calls():
    """The address of a gRPC service."""
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Calls()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(10)


@ways
@pytest.mark.parametrize("arguments", [
    ["--messages", "200"], ["--rate", "100/s", "--duration", "1s"], ["--messages", "100", "--size", "200KiB"],
], ids=["closed loop", "open loop", "messages beyond the window"])
def test_grpc_messages_are_exact(is_direct, arguments):
    with calls() as service, reached(service, is_direct) as address:
        report, _ = load("grpc", f"grpc://{address}/demo.Chat/Talk", "--connections", 3, *arguments)
        messages = 200 if arguments[1] == "200" else 100
        assert report["errors"] == {}
        assert report["messages_sent_total"] == report["messages_total"] == messages
        assert (report["protocol"], report["handshakes_total"]) == ("grpc", 3)


def test_a_call_that_pushes():
    with calls() as service:
        url = f"grpc://{service}/demo.Chat/Tick"
        report, _ = load("grpc", url, "--connections", 2, "--push", "--messages", 40)
        assert (report["errors"], report["messages_total"]) == ({}, 40)
        assert 30 <= report["latency_seconds"]["p50"] < 90


def test_a_call_that_is_refused():
    with calls() as service:
        for name in ["Refuse", "Nothing"]:
            report, _ = load("grpc", f"grpc://{service}/demo.Chat/{name}", "--connections", 2)
            assert report["errors"]["grpc_status"] == 2


def test_tls(tmp_path):
    authority = Authority(tmp_path / "ca")
    files = authority.issue("server")
    trust = ["--cacert", authority.pem]
    with Echo() as backend, Gateway(config=tls_listener(config_for(backend.address), files)) as gateway:
        url = f"wss://localhost:{gateway.port}/"
        few = ["--connections", 2, "--messages", 20]
        for trusting in [trust, ["--insecure"]]:
            report, _ = load("ws", url, *few, *trusting)
            assert (report["errors"], report["messages_total"]) == ({}, 20)
            assert report["handshake_stage_seconds"]["tls"]["max"] > 0
        report, _ = load("ws", url, *few, code=1)
        assert report["errors"] == {"tls": 2}
        _, said = load("ws", url, "--cacert", files[1], code=2)
        assert "no certificate" in said
    with calls() as service, Gateway(config=tls_listener(config_for(service), files)) as gateway:
        report, _ = load("grpc", f"grpcs://localhost:{gateway.port}/demo.Chat/Talk", *few, *trust)
        assert (report["errors"], report["messages_total"]) == ({}, 20)
    with pushing(stamped(1)) as backend, Gateway(config=tls_listener(config_for(backend.address), files)) as gateway:
        report, _ = load("sse", f"https://localhost:{gateway.port}/", "--messages", 2, "--connections", 2, *trust)
        assert (report["errors"], report["messages_total"]) == ({}, 2)


REFUSALS = {
    "a status": (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", {"http_status": 3}),
    "no agreement": (b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", {"bad_handshake": 3}),
    "nothing": (b"", {"handshake_closed": 3}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_handshakes_that_fail(name):
    answer, errors = REFUSALS[name]

    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(answer)

    with Backend(serve) as backend:
        report, said = load("ws", f"ws://{backend.address}/", "--connections", 3, code=1)
        assert report["errors"] == errors
        assert (report["handshakes_total"], report["handshake_errors_total"]) == (0, 3)
        assert "no connection could be opened" in said


def test_a_port_where_nobody_listens():
    for protocol, url in [("ws", "ws://{}/"), ("sse", "http://{}/"), ("grpc", "grpc://{}/a.B/C")]:
        url = url.format(f"127.0.0.1:{free_port()}")
        report, _ = load(protocol, url, "--connections", 5, code=1)
        assert report["errors"] == {"refused": 5}


def test_a_stream_that_is_something_else():
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"
    with pushing(b"", head=page) as backend:
        report, _ = load("sse", f"http://{backend.address}/", "--connections", 1, code=1)
        assert report["errors"] == {"bad_handshake": 1}


@pytest.mark.parametrize(("condition", "code"), [
    ("max>0ms", 1), ("max>40s", 0), ("errors>0", 0), ("errors<1", 1), ("handshake_errors>50%", 0), ("messages<50", 0),
    ("messages<51", 1),
])
def test_conditions_of_failure(condition, code):
    with Echo() as backend:
        url = f"ws://{backend.address}/"
        report, said = load(
            "ws", url, "--connections", 2, "--messages", 50, "--fail-if", "p50>40s", "--fail-if", condition, code=code
        )
        assert report["failed_if"] == ([condition] if code else [])
        assert (condition in said) == bool(code)


def test_the_names_in_the_report():
    with Echo() as backend:
        report, _ = load("ws", f"ws://{backend.address}/", "--connections", 2, "--rate", "50/s", "--messages", 10)
    quantiles = {"p50", "p90", "p99", "p999", "max"}
    assert set(report) == {
        "url", "protocol", "arrivals", "connections", "rate_per_second", "message_bytes", "dns_seconds",
        "handshakes_total", "handshake_errors_total", "messages_total", "messages_sent_total",
        "messages_sent_late_total", "messages_per_second", "ramp_seconds", "elapsed_seconds", "errors_total",
        "errors", "handshake_seconds", "handshake_stage_seconds", "latency_seconds", "latency_samples_total",
        "failed_if",
    }
    assert (report["protocol"], report["arrivals"], report["connections"]) == ("websocket", "open", 2)
    assert (report["rate_per_second"], report["message_bytes"]) == (50, 128)
    assert set(report["latency_seconds"]) == set(report["handshake_seconds"]) == quantiles
    assert set(report["handshake_stage_seconds"]) == {"tcp", "tls", "http"}
    assert report["handshake_stage_seconds"]["tls"] is None


@pytest.mark.parametrize(("arguments", "messages"), [
    (["--messages", "301"], 301), (["--rate", "200/s", "--duration", "1s"], 200),
    (["--rate", "500/s", "--messages", "201"], 201),
])
def test_several_processes_when_there_are_too_few_files(arguments, messages):
    files = ["prlimit", "--nofile=72:72"]
    with Echo() as backend:
        url = f"ws://{backend.address}/"
        report, _ = load(*arguments, "--connections", 100, "--", "ws", url, under=files)
        assert (report["errors"], report["connections"]) == ({}, 100)
        assert report["messages_total"] == report["messages_sent_total"] == len(backend.sizes) == messages
        assert report["latency_samples_total"] == messages
        assert report["handshakes_total"] == backend.connections == 100
        _, said = load("ws", url, "--connections", 10000, under=files, code=2)
        assert "ulimit -n" in said


@pytest.mark.parametrize("connections", [4, 60], ids=["one process", "several processes"])
def test_interrupted(connections):
    with Echo() as backend:
        command = ["prlimit", "--nofile=72:72", BINARY, "load", "ws", f"ws://{backend.address}/"]
        more = ["--connections", str(connections), "--duration", "1h", "--format", "json"]
        with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True) as process:
            until(lambda: len(backend.sizes) > 2 * connections, "it runs")
            process.send_signal(signal.SIGINT)
            report = json.loads(process.communicate(timeout=20)[0])
        assert process.returncode == 0
        assert 0 < report["handshakes_total"] <= connections
        assert report["messages_total"] > 0


MISTAKES = [
    (["ws", "http:/x"], "URL"),
    (["ws", "ws://127.0.0.1:1/", "--size", "1GiB"], "64MiB"),
    (["ws", "ws://127.0.0.1:1/", "--rate", "0/s"], "100/s"),
    (["sse", "http://127.0.0.1:1/", "--rate", "5/s"], "--rate"),
    (["grpc", "grpc://127.0.0.1:1/"], "a service and a method"),
    (["ws", "ws://127.0.0.1:1/", "--fail-if", "p98>1s"], "p50, p90"),
]


@pytest.mark.parametrize(("arguments", "told"), MISTAKES)
def test_mistakes(arguments, told):
    _, said = load(*arguments, code=2)
    assert told in said
