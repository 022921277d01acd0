"""heartline load: exact counts, latency as users see it, errors by kind, conditions, several processes."""

import contextlib
import json
import resource
import signal
import subprocess
import threading

import pytest

from harness.books import total
from harness.certificates import Authority, tls_listener
from harness.gateway import BINARY, Gateway, config_for, until
from harness.processes import free_port
from harness.wire import Backend, close_frame, frame, switching

STALL = 1.0


def load(protocol, url, *arguments, status=0, limit=None):
    """The report of a run that ends with this exit code; without one, what it says on standard error."""
    set_limit = limit and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    done = subprocess.run(
        [BINARY, "load", protocol, url, "--format", "json", *map(str, arguments)],
        capture_output=True, text=True, timeout=50, preexec_fn=set_limit,
    )
    assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


@contextlib.contextmanager
def serving(*arguments):
    """host:port of `heartline load serve`."""
    command = [BINARY, "load", "serve", "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


@pytest.fixture(scope="module")
def service():
    with serving("--rate", "50/s", "--size", "256") as address:
        yield address


@pytest.fixture(params=["directly", "through the gateway"])
def address(request, service):
    """The service, and the gateway that stands in front of it, if one does."""
    if request.param == "directly":
        yield service, None
        return
    with Gateway(config=config_for(service)) as gateway:
        yield gateway.address, gateway


def counted(gateway, *names):
    """What the gateway has counted, once every connection is closed."""
    if not gateway:
        return None
    until(lambda: not gateway.live(), "all connections are closed")
    return [total(gateway.metrics(), name) for name in names]


@pytest.mark.parametrize("arguments", [[], ["--rate", "2000/s"], ["--processes", "3"]], ids=" ".join)
def test_as_many_messages_as_were_asked_for(address, arguments):
    target, gateway = address
    report, _ = load("ws", f"ws://{target}/chat", "-c", 7, "--messages", 1000, *arguments)
    assert report["protocol"] == "websocket" and report["mode"] == "echo"
    assert report["messages_sent_total"] == report["messages_total"] == 1000
    assert report["latency_seconds"]["count"] == 1000
    assert report["received_bytes_total"] == 128_000
    assert report["handshakes_total"] == report["connections_open_max"] == 7
    assert report["unanswered_total"] == 0 and report["errors"] == report["handshake_errors"] == {}
    assert report["latency_seconds"]["p50"] <= report["latency_seconds"]["p99"] <= report["latency_seconds"]["max"]
    seen = counted(gateway, "websocket_messages_total", "websocket_handshakes_total")
    assert seen in (None, [2000, 7])
    if gateway:
        assert {(r["initiator"], r["reason"]) for r in gateway.closed()} == {("client", "normal")}


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, "300KiB"])
def test_messages_of_every_size(address, size):
    target, _ = address
    report, _ = load("ws", f"ws://{target}/", "-c", 2, "--messages", 20, "--size", size)
    bytes_each = 300 * 1024 if size == "300KiB" else size
    assert (report["messages_total"], report["received_bytes_total"]) == (20, 20 * bytes_each)
    report, _ = load("grpc", f"grpc://{target}/load.Load/Echo", "-c", 2, "--messages", 20, "--size", size)
    assert (report["messages_total"], report["received_bytes_total"]) == (20, 20 * bytes_each)


@pytest.mark.parametrize("streams", [1, 4])
def test_grpc_streams(address, streams):
    target, gateway = address
    url = f"grpc://{target}/load.Load/Echo"
    report, _ = load("grpc", url, "-c", 8, "--messages", 500, "--streams", streams, "--message-hex", "0a03616263")
    assert report["protocol"] == "grpc" and report["errors"] == {}
    assert (report["messages_total"], report["handshakes_total"]) == (500, 8)
    assert report["received_bytes_total"] == 2500
    assert report["connect_seconds"]["count"] == 8 / streams
    assert counted(gateway, "grpc_stream_messages_total") in (None, [1000])


@pytest.mark.parametrize(("protocol", "path", "arguments"), [
    ("sse", "/events", []),
    ("sse", "/events", ["--http2", "--streams", 3]),
    ("ws", "/push", ["--push"]),
    ("grpc", "/load.Load/Push", ["--push"]),
])
def test_what_is_pushed_has_a_time_of_delivery(address, protocol, path, arguments):
    target, _ = address
    scheme = "http" if protocol == "sse" else protocol
    report, _ = load(protocol, f"{scheme}://{target}{path}", "-c", 6, "--messages", 120, *arguments)
    assert report["mode"] == "push" and report["errors"] == {}
    assert (report["messages_total"], report["messages_sent_total"]) == (120, 0)
    assert report["received_bytes_total"] == 120 * 256
    assert report["delivery_seconds"]["count"] == 120
    assert 0 < report["delivery_seconds"]["p50"] < 5
    assert report["gap_seconds"]["count"] == 114
    assert report["latency_seconds"] is None


def test_a_query_says_what_is_pushed(service):
    report, _ = load("sse", f"http://{service}/?rate=400&size=1000", "-c", 1, "--messages", 100)
    assert report["received_bytes_total"] == 100_000
    assert report["gap_seconds"]["mean"] < 0.02


def test_connections_come_and_go(address):
    target, gateway = address
    report, _ = load("ws", f"ws://{target}/", "-c", 5, "--handshakes", 60)
    assert (report["handshakes_total"], report["messages_total"]) == (60, 0)
    report, _ = load("ws", f"ws://{target}/", "-c", 5, "--messages", 60, "--messages-each", 2)
    assert report["messages_total"] == 60 and 30 <= report["handshakes_total"] <= 35
    assert counted(gateway, "websocket_handshakes_total") in (None, [60 + report["handshakes_total"]])


def test_a_ramp_takes_its_time(service):
    report, _ = load("ws", f"ws://{service}/", "-c", 20, "--ramp", "20/s", "--messages-each", 0, "--handshakes", 20)
    assert report["handshakes_total"] == 20
    assert report["elapsed_seconds"] > 0.9
    assert report["connections_open_max"] < 20


def test_the_warmup_is_left_out(service):
    arguments = ["-c", 2, "--rate", "100/s", "--warmup", "1s", "-d", "1s"]
    report, _ = load("ws", f"ws://{service}/", *arguments)
    assert report["elapsed_seconds"] == pytest.approx(1, abs=0.5)
    assert report["messages_sent_total"] == report["messages_total"] == pytest.approx(100, abs=50)


def test_connections_come_from_several_addresses(service):
    with Gateway(config=config_for(service)) as gateway:
        load("ws", f"ws://{gateway.address}/", "-c", 30, "--messages", 30)
        records = gateway.wait_closed(30)
        assert len({record["client"]["ip"] for record in records}) == 14
        arguments = ["--source", "127.9.0.0/30"]
        load("ws", f"ws://{gateway.address}/", "-c", 4, "--messages", 4, *arguments)
        newest = [record["client"]["ip"] for record in gateway.wait_closed(34)[:4]]
        assert sorted(newest) == ["127.9.0.1", "127.9.0.1", "127.9.0.2", "127.9.0.2"]


def test_as_many_processes_as_the_limit_of_open_files_needs(service):
    report, _ = load("ws", f"ws://{service}/", "-c", 150, "--messages", 450, limit=128)
    assert (report["processes"], report["connections_open_max"]) == (3, 150)
    assert (report["handshakes_total"], report["messages_total"]) == (150, 450)
    assert report["errors"] == report["handshake_errors"] == {}


def echo(sock, on_message):
    """Echoes messages of eight bytes."""
    with sock.makefile("rb") as wire:
        for number in range(100_000):
            head = wire.read(14)
            if head[0] & 0x0F == 8:
                break
            key, masked = head[2:6], head[6:]
            on_message(number)
            sock.sendall(frame(1, bytes(byte ^ key[at % 4] for at, byte in enumerate(masked))))


def stalling(backend, sock, _):
    head, _ = backend.read_head(sock)
    sock.sendall(switching(head))
    echo(sock, lambda number: number == 50 and threading.Event().wait(STALL))


def test_the_open_loop_sees_what_users_see_of_a_stall():
    with Backend(stalling) as backend:
        url = f"ws://{backend.address}/"
        closed, _ = load("ws", url, "-c", 1, "--size", 8, "--messages", 2000)
        opened, _ = load("ws", url, "-c", 1, "--size", 8, "--messages", 500, "--rate", "200/s")
    assert closed["latency_seconds"]["max"] >= STALL
    assert closed["latency_seconds"]["p99"] < STALL / 2
    assert opened["latency_seconds"]["max"] >= STALL
    assert opened["latency_seconds"]["p99"] > 0.9 * STALL
    assert opened["latency_seconds"]["p90"] > 0.5 * STALL


def answering(answer):
    """A backend whose answer to a request is `answer(head)`, and then it listens."""
    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(answer(head))
        while sock.recv(65536):
            pass

    return Backend(serve)


def closing_after(count, *last):
    """A backend that echoes so many messages, and then says its last."""
    class Enough(Exception):
        pass

    def stop(number):
        if number == count:
            raise Enough

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head))
        with contextlib.suppress(Enough):
            echo(sock, stop)
        sock.sendall(b"".join(last))
        if last:
            sock.recv(65536)

    return Backend(serve)


UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("protocol", "answer", "kind"), [
    ("ws", lambda _: UNAVAILABLE, "http_status_503"),
    ("sse", lambda _: UNAVAILABLE, "http_status_503"),
    ("sse", lambda _: PAGE, "protocol"),
    ("ws", lambda _: PAGE, "http_status_200"),
    ("ws", lambda _: b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
    ("ws", lambda head: switching(head).replace(b"Accept: ", b"Accept: x"), "protocol"),
    ("ws", lambda _: b"", "timeout"),
    ("sse", lambda _: b"", "timeout"),
])
def test_handshakes_that_fail(protocol, answer, kind):
    scheme = "http" if protocol == "sse" else protocol
    with answering(answer) as backend:
        report, error = load(protocol, f"{scheme}://{backend.address}/", "-c", 3, "--timeout", "1s", status=1)
    assert report["handshake_errors"] == {kind: 3}, report
    assert report["error_examples"][kind]
    assert "no connection was opened" in error


def test_nobody_listens():
    report, _ = load("ws", f"ws://127.0.0.1:{free_port()}/", "-c", 2, status=1)
    assert report["handshake_errors"] == {"connect_refused": 2}
    _, error = load("ws", "ws://no.such.host.invalid/", status=1)
    assert "name" in error


@pytest.mark.parametrize(("last", "kind"), [
    ([close_frame(1011)], "closed_1011"),
    ([frame(8)], "closed"),
    ([], "closed"),
    ([frame(3)], "protocol"),
    ([frame(1, b"12345678", mask=True)], "protocol"),
])
def test_sessions_that_end_early(last, kind):
    with closing_after(5, *last) as backend:
        url = f"ws://{backend.address}/"
        report, _ = load("ws", url, "-c", 2, "--size", 8, "--fail-if", "errors>1", status=1)
    assert report["errors"] == {kind: 2}, report
    assert (report["messages_total"], report["unanswered_total"]) == (10, 2)


def test_an_answer_that_does_not_come():
    with answering(switching) as backend:
        report, _ = load("ws", f"ws://{backend.address}/", "-c", 2, "--timeout", "1s")
    assert (report["errors"], report["unanswered_total"]) == ({"timeout": 2}, 2)


def test_pings_are_answered():
    pongs = []

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head) + frame(9, b"beat"))
        pong = sock.recv(10, 0x100)  # MSG_WAITALL
        pongs.append((pong[0], bytes(byte ^ pong[2 + at % 4] for at, byte in enumerate(pong[6:]))))
        sock.sendall(frame(1, b"12345678"))
        sock.recv(64)

    with Backend(serve) as backend:
        load("ws", f"ws://{backend.address}/", "-c", 1, "--push", "--messages", 1)
    assert pongs == [(0x8A, b"beat")]


def test_grpc_calls_that_fail():
    with Gateway(config=config_for(f"127.0.0.1:{free_port()}")) as gateway:
        report, _ = load("grpc", f"grpc://{gateway.address}/a.B/C", "-c", 2, "-d", "5s")
    assert report["errors"] == {"grpc_status_14": 2}


def test_headers_reach_the_service():
    with answering(lambda _: UNAVAILABLE) as backend:
        arguments = ["-H", "Authorization: Bearer x", "-H", "Host: example.com"]
        load("ws", f"ws://{backend.address}/a?b=c", "-c", 1, *arguments, status=1)
        head = backend.heads[0].decode().lower()
    assert head.startswith("get /a?b=c http/1.1\r\n")
    assert "\r\nauthorization: bearer x\r\n" in head
    assert head.count("\r\nhost: ") == 1 and "\r\nhost: example.com\r\n" in head


@pytest.mark.parametrize(("conditions", "status"), [
    (["p99>50s", "errors>0", "handshake_errors>1%", "unanswered>0", "messages<100"], 0),
    (["errors>0", "p50>1ns"], 1),
    (["delivery_p99>1s"], 1),
])
def test_conditions(service, conditions, status):
    arguments = [part for condition in conditions for part in ("--fail-if", condition)]
    report, error = load("ws", f"ws://{service}/", "--messages", 100, *arguments, status=status)
    assert report["messages_total"] == 100
    assert error.startswith(f"error: {conditions[-1]}: ") if status else error == ""


@pytest.mark.parametrize(("protocol", "arguments", "expected"), [
    ("ws", ["http://127.0.0.1/"], "begins with ws:"),
    ("grpc", ["grpc://127.0.0.1/Method"], "names a method"),
    ("ws", ["ws://127.0.0.1/", "--fail-if", "p99>50"], "has no unit"),
    ("ws", ["ws://127.0.0.1/", "--rate", "0/s"], "more than 0"),
    ("ws", ["ws://127.0.0.1/", "--rate", "1/s", "--push"], "cannot be used with"),
    ("ws", ["ws://127.0.0.1/", "-H", "no colon"], "a header field is such as"),
    ("sse", ["http://127.0.0.1/", "--streams", "2"], "needs --http2"),
    ("grpc", ["grpc://127.0.0.1/a.B/C", "--message-file", "no.such.file"], "no.such.file"),
])
def test_bad_usage(protocol, arguments, expected):
    _, error = load(protocol, *arguments, status=2)
    assert expected in error


def test_tls_and_trust(tmp_path, service):
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other")
    config = tls_listener(config_for(service), own.issue("listener"))
    with Gateway(config=config) as gateway:
        for protocol, scheme, path in [("ws", "wss", "/"), ("sse", "https", "/"), ("grpc", "grpcs", "/a.B/Echo")]:
            url = f"{scheme}://{gateway.address}{path}"
            for trust in [["--cacert", own.pem], ["--insecure"]]:
                report, _ = load(protocol, url, "-c", 2, "--messages", 20, *trust)
                assert report["messages_total"] == 20
                assert report["tls_seconds"]["count"] == 2
            report, _ = load(protocol, url, "-c", 2, "--cacert", other.pem, status=1)
            assert report["handshake_errors"] == {"tls": 2}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_ends_it_with_a_result(service, processes):
    command = [BINARY, "load", "ws", f"ws://{service}/", "-c", "4", "-d", "10m", "--format", "json"]
    command += ["--processes", str(processes)]
    with Gateway(config=config_for(service)) as gateway:
        command[3] = f"ws://{gateway.address}/"
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            until(lambda: len(gateway.live()) == 4, "it has connected")
            process.send_signal(signal.SIGTERM)
            report = json.loads(process.communicate(timeout=20)[0])
            assert process.returncode == 0
    assert report["handshakes_total"] == 4
    assert report["messages_total"] == report["messages_sent_total"] > 0


def test_the_result_for_people(service):
    done = subprocess.run(
        [BINARY, "load", "ws", f"ws://{service}/", "-c", "2", "--messages", "10"],
        capture_output=True, text=True, timeout=30,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == f"target       ws://{service}/ (closed loop)"
    assert lines[1] == "connections  2 of 2 open, 2 handshakes"
    assert lines[3:6] == ["unanswered   0 of 10 sent", "errors       none", "not opened   none"]
    assert [line.split()[0] for line in lines[8:]] == ["connect", "answer", "latency", "gap"]
    assert done.stderr == ""
