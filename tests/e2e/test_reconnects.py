"""Reconnects: who comes back, after how long, and where an event stream goes on; nobody learns who it was."""

import contextlib
import time

import pytest

from harness.books import total
from harness.endings import logged
from harness.gateway import Gateway, config_for, until
from harness.wire import (
    Backend, close_frame, connect, handshake, header, open_websocket, read_all, read_head, reset, switching,
)

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"d\r\ndata: hello\n\n\r\n"
)
HELLO = b"data: hello\n\n"


def serve(backend, sock, _):
    """Event streams say hello; WebSockets end when the client does; what asks for `/refused` is refused."""
    head, _ = backend.read_head(sock)
    if b"/refused" in head:
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        return
    sock.sendall(switching(head) if header(head, "sec-websocket-key") else STREAM)
    read_all(sock)
    if b"/lingers" in head:
        until(lambda: backend.listener.fileno() < 0, "the test is over", 60)


@contextlib.contextmanager
def gateway(key=None, extra=""):
    route = f"    client_key: {key}\n" if key else ""
    with Backend(serve) as backend, Gateway(config=config_for(backend.address, route=route, extra=extra)) as running:
        yield running


def close(sock):
    sock.sendall(close_frame(1000, mask=True))
    sock.close()


@contextlib.contextmanager
def websocket(gateway, path="/", extra="", leave=close):
    """A WebSocket that is open within the block, and has left its record behind it."""
    ended = len(gateway.closed())
    sock, _ = open_websocket(gateway.port, path, extra)
    yield sock
    leave(sock)
    until(lambda: len(gateway.closed()) > ended, "the connection has ended")


@contextlib.contextmanager
def stream(gateway, path="/", extra=""):
    """The same for an event stream."""
    ended = len(gateway.closed())
    with connect(gateway.port) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{extra}\r\n".encode())
        head, seen = read_head(sock)
        assert head.startswith(b"HTTP/1.1 200"), head
        while HELLO not in seen:
            seen += sock.recv(65536)
        yield sock
    until(lambda: len(gateway.closed()) > ended, "the stream has ended")


VISITS = {"websocket": websocket, "sse": stream}


def visit(gateway, protocol="websocket", *arguments, **named):
    """Comes, goes, and tells what the record says of a reconnect."""
    with VISITS[protocol](gateway, *arguments, **named):
        pass
    return gateway.closed()[0].get("reconnect")


def reconnects(gateway, protocol="websocket", **wanted):
    return total(gateway.metrics(), f"{protocol}_reconnects_total", **wanted)


@pytest.mark.parametrize("protocol", VISITS)
def test_a_client_comes_back(protocol):
    with gateway() as running:
        began = time.monotonic()
        assert visit(running, protocol) is None
        assert reconnects(running, protocol) == 0
        with VISITS[protocol](running):
            took = time.monotonic() - began
            until(lambda: reconnects(running, protocol) == 1, "the reconnect is counted")
            [live] = running.live()
        record = running.closed()[0]
        assert record["reconnect"] == live["reconnect"]
        assert record["reconnect"]["resumed"] is False
        assert 0 < record["reconnect"]["interval_seconds"] <= took
        if protocol == "websocket":
            metrics = running.metrics()
            assert total(metrics, "websocket_reconnect_interval_seconds_count") == 1
            summed = total(metrics, "websocket_reconnect_interval_seconds_sum")
            assert abs(summed - record["reconnect"]["interval_seconds"]) < 1e-6
        else:
            assert reconnects(running, protocol, resumed="true") == 0


def test_an_event_stream_is_resumed():
    with gateway() as running:
        assert visit(running, "sse", extra="Last-Event-ID: 41\r\n") is None, "nobody has left yet"
        assert visit(running, "sse", extra="Last-Event-ID: 42\r\n")["resumed"] is True
        assert visit(running, "sse")["resumed"] is False
        assert reconnects(running, "sse", resumed="true") == reconnects(running, "sse", resumed="false") == 1


def test_protocols_are_apart():
    with gateway() as running:
        assert visit(running, "sse") is None
        assert visit(running, "websocket") is None
        assert visit(running, "sse") is not None


KEYS = {
    "ip and user agent": ("ip_and_user_agent", ("/a", "User-Agent: x\r\n"), ("/b", "User-Agent: x\r\n"), True),
    "another user agent": (None, ("/", "User-Agent: x\r\n"), ("/", "User-Agent: y\r\n"), False),
    "cookie": ("{ cookie: sid }", ("/", "Cookie: a=b; sid=1\r\n"), ("/", "User-Agent: y\r\nCookie: sid=1\r\n"), True),
    "another cookie": ("{ cookie: sid }", ("/", "Cookie: sid=1\r\n"), ("/", "Cookie: sid=2\r\n"), False),
    "no cookie": ("{ cookie: sid }", ("/", ""), ("/", ""), False),
    "header": ("{ header: X-Client }", ("/", "X-Client: 1\r\n"), ("/", "x-client: 1\r\n"), True),
    "another header": ("{ header: X-Client }", ("/", "X-Client: 1\r\n"), ("/", "X-Client: 2\r\n"), False),
    "query": ("{ query: u }", ("/a?u=1", ""), ("/b?x&u=1", ""), True),
    "another query": ("{ query: u }", ("/?u=1", ""), ("/?u=2", ""), False),
}


@pytest.mark.parametrize("protocol", VISITS)
@pytest.mark.parametrize("name", KEYS)
def test_client_keys(name, protocol):
    key, first, second, is_same = KEYS[name]
    with gateway(key) as running:
        assert visit(running, protocol, *first) is None
        assert (visit(running, protocol, *second) is not None) == is_same
        assert reconnects(running, protocol) == is_same


@pytest.mark.parametrize("protocol", VISITS)
def test_what_a_program_calls_itself(protocol):
    with gateway() as running:
        with VISITS[protocol](running, "/", "User-Agent: chat/1.3\r\n"):
            until(lambda: running.live(), "it is open")
            [live] = running.live()
        visit(running, protocol, "/", f"User-Agent: {'x' * 5000}\r\n")
        assert live["user_agent"] == "chat/1.3"
        assert [record["user_agent"] for record in running.closed()] == ["x" * 200, "chat/1.3"]


def test_clients_behind_a_trusted_peer_are_apart():
    with gateway(extra="trusted_peers: [127.0.0.0/8]\n") as running:
        assert visit(running, extra="X-Forwarded-For: 203.0.113.1\r\n") is None
        assert visit(running, extra="X-Forwarded-For: 203.0.113.2\r\n") is None
        assert visit(running, extra="X-Forwarded-For: 203.0.113.1\r\n") is not None


LEAVES = {"fin": lambda sock: sock.close(), "reset": reset, "close frame": close}


@pytest.mark.parametrize("name", LEAVES)
def test_however_it_left(name):
    with gateway() as running:
        visit(running, leave=LEAVES[name])
        assert visit(running) is not None


def test_a_close_counts_for_one_opening():
    with gateway() as running:
        visit(running)
        with websocket(running), websocket(running), websocket(running):
            until(lambda: len(running.live()) == 3, "three are open")
            assert reconnects(running) == sum("reconnect" in live for live in running.live()) == 1
        until(lambda: not running.live(), "all have ended")
        with websocket(running), websocket(running), websocket(running), websocket(running):
            until(lambda: len(running.live()) == 4, "four are open")
            assert reconnects(running) == 1 + 3


def test_a_refused_opening_is_no_reconnect():
    with gateway() as running:
        visit(running)
        with connect(running.port) as sock:
            sock.sendall(handshake("/refused")[0])
            assert read_head(sock)[0].startswith(b"HTTP/1.1 403")
        until(lambda: len(running.closed()) == 2, "the attempt has its record")
        assert "reconnect" not in running.closed()[0]
        assert reconnects(running) == 0
        assert visit(running) is not None


def test_a_client_may_be_back_before_its_upstream_has_noticed():
    with gateway() as running:
        first, _ = open_websocket(running.port, "/lingers")
        first.sendall(close_frame(1000, mask=True))
        until(lambda: [live["state"] for live in running.live()] == ["closing"], "the first one is closing")
        with websocket(running):
            until(lambda: len(running.live()) == 2, "both are there")
            [back] = [live for live in running.live() if live["state"] != "closing"]
            assert "reconnect" in back
        first.close()


def test_of_too_many_closes_the_oldest_is_forgotten():
    with gateway("{ query: u }", extra="closed: { keep_for_reconnects: 2 }\n") as running:
        for user in "abc":
            visit(running, "websocket", f"/?u={user}")
        assert total(running.metrics(), "heartline_reconnect_closes_dropped_total") == 1
        back = {user: visit(running, "websocket", f"/?u={user}") is not None for user in "bca"}
        assert back == {"a": False, "b": True, "c": True}


@pytest.mark.parametrize("kind", ["cookie", "header", "query"])
def test_the_key_is_told_to_nobody(kind):
    secret = "Zq7secretQ9"
    path, extra = {
        "cookie": ("/", f"Cookie: sid={secret}\r\n"),
        "header": ("/", f"sid: {secret}\r\n"),
        "query": (f"/?sid={secret}", ""),
    }[kind]
    with gateway(f"{{ {kind}: sid }}", extra="closed: { log: closed.log }\n") as running:
        visit(running, "sse", path, extra)
        with stream(running, path, extra), websocket(running, path, extra):
            until(lambda: reconnects(running, "sse") == 1, "the client is known")
            told = [running.get(p) for p in ("/metrics", "/api/v1/overview", "/api/v1/connections?set=live")]
        told += [running.get("/api/v1/connections?set=closed"), str(logged(running, 3)), str(running.lines)]
        assert "interval_seconds" in told[2] and "interval_seconds" in told[4]
        assert not [text for text in told if secret in text]


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b", b"\0", b"a\n\rb"])
@pytest.mark.parametrize("ask", [b"Accept: text/event-stream\r\n", b""])
def test_a_last_event_id_with_control_characters_is_refused(value, ask):
    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as running:
        with connect(running.port) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + ask + b"Last-Event-ID: " + value + b"\r\n\r\n")
            assert read_all(sock).startswith(b"HTTP/1.1 400")
        assert backend.heads == [], "the upstream was told nothing"
        assert running.live() == []
