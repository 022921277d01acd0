"""Handshakes and subscriptions that come to nothing: one record and one count each, and nothing was ever open."""

import socket
import threading

import pytest

from harness.books import balance, messages
from harness.endings import kill_owner, tally, upstream_sockets, verdict
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, handshake, read_all, read_head, reset, switching

REQUESTS = {
    "websocket": handshake()[0],
    "sse": b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
}
COUNTERS = {"websocket": "websocket_handshakes_total", "sse": "sse_connections_total"}


def refused(gateway, protocol, request, status):
    """Sends a request that gets this status and, when it asked for an upgrade, the end of the connection."""
    with connect(gateway.port) as client:
        client.sendall(request)
        head, _ = read_head(client)
        assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
        if protocol == "websocket":
            read_all(client)


def check(gateway, protocol, result, status, upstream, broken=None):
    """`broken` is the rule of the upgrade discipline that was broken."""
    [record] = gateway.wait_closed()
    assert balance(gateway, protocol) == []
    opening = record["handshake"]
    assert (record["protocol"], opening["result"], opening["status"]) == (protocol, result, status)
    assert (verdict(record), record["layer"], record["causes"]) == ("- - - -", None, [])
    assert (messages(record), record["upstream"]) == ((0, 0), upstream)
    metrics = gateway.metrics()
    for counted, name in COUNTERS.items():
        assert tally(metrics, name, "result") == ({result: 1} if counted == protocol else {})
    assert tally(metrics, "heartline_rejected_upgrades_total", "check") == ({broken: 1} if broken else {})


def answers(text):
    wire = f"HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    return lambda sock: sock.sendall(wire)


OUTCOMES = {
    "401": (answers("401 Unauthorized"), "client_error", 401),
    "403": (answers("403 Forbidden"), "client_error", 403),
    "404": (answers("404 Not Found"), "client_error", 404),
    "500": (answers("500 Internal Server Error"), "server_error", 500),
    "503": (answers("503 Service Unavailable"), "server_error", 503),
    "200": (answers("200 OK"), "not_upgraded", 200),
    "302": (answers("302 Found\r\nLocation: /login"), "not_upgraded", 302),
    "hangs up": (lambda sock: None, "unreachable", 502),
    "resets": (reset, "unreachable", 502),
    "speaks no HTTP": (lambda sock: sock.sendall(b"220 mail.example.com ESMTP\r\n"), "unreachable", 502),
    "stops in its head": (lambda sock: sock.sendall(b"HTTP/1.1 101 Switching"), "unreachable", 502),
    "says nothing": (read_all, "timeout", 504),
}


@pytest.mark.parametrize("protocol", REQUESTS)
@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome_by_the_upstream(name, protocol):
    act, result, status = OUTCOMES[name]
    if protocol == "sse" and result == "not_upgraded":
        result = "not_event_stream"

    def serve(backend, sock, _):
        backend.read_head(sock)
        act(sock)

    route = "    timeouts: { response_head: 300ms }\n" if result == "timeout" else ""
    with Backend(serve) as backend, Gateway(config=config_for(backend.address, route=route)) as gateway:
        refused(gateway, protocol, REQUESTS[protocol], status)
        check(gateway, protocol, result, status, f"http://{backend.address}")


@pytest.mark.parametrize("protocol", REQUESTS)
def test_nobody_listens(protocol):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with Gateway(config=config_for(f"127.0.0.1:{taken.getsockname()[1]}")) as gateway:
            refused(gateway, protocol, REQUESTS[protocol], 502)
            check(gateway, protocol, "unreachable", 502, None)


@pytest.mark.parametrize("leave", [lambda sock: sock.close(), reset, kill_owner], ids=["fin", "rst", "killed"])
@pytest.mark.parametrize("protocol", REQUESTS)
def test_client_leaves_before_the_answer(protocol, leave):
    over = threading.Event()

    def serve(backend, sock, _):
        backend.read_head(sock)
        read_all(sock)
        over.set()

    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        client = connect(gateway.port)
        client.sendall(REQUESTS[protocol])
        until(lambda: backend.heads, "the upstream has the request")
        leave(client)
        assert over.wait(10), "the upstream is told at once"
        check(gateway, protocol, "client_aborted", None, f"http://{backend.address}")


BARE_101 = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
INVALID = {
    "another key's accept": (lambda head: switching(handshake()[0]), "bad_accept"),
    "no accept": (lambda head: BARE_101, "bad_accept"),
    "another protocol": (lambda head: switching(head).replace(b"websocket", b"h2c"), "bad_accept"),
    "a subprotocol": (lambda head: switching(head, "Sec-WebSocket-Protocol: chat\r\n"), "bad_subprotocol"),
    "an extension": (lambda head: switching(head, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "bad_extension"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_101(name):
    head, broken = INVALID[name]
    with upstream_sockets(head) as (backend, _), Gateway(config=config_for(backend.address)) as gateway:
        refused(gateway, "websocket", REQUESTS["websocket"], 502)
        check(gateway, "websocket", "invalid_upgrade", 502, f"http://{backend.address}", broken)


def test_unasked_101():
    """An event stream was asked for: no stream came, and the client was told so."""
    with upstream_sockets(lambda _: BARE_101) as (backend, _), Gateway(config=config_for(backend.address)) as gateway:
        refused(gateway, "sse", REQUESTS["sse"], 502)
        check(gateway, "sse", "not_event_stream", 502, f"http://{backend.address}", "non_101_tunnel")


MALFORMED = {
    "version": (b"Version: 13", b"Version: 12", "bad_version", 426),
    "no version": (b"Sec-WebSocket-Version: 13\r\n", b"", "bad_version", 426),
    "key": (b"Key: ", b"Key: AA", "bad_key", 400),
    "method": (b"GET ", b"POST ", "bad_method", 400),
    "body": (b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nhi", "body_with_upgrade", 400),
    "connection": (b"Connection: Upgrade", b"Connection: close", "bad_connection", 400),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_rejected_by_the_gateway(name):
    old, new, broken, status = MALFORMED[name]
    with upstream_sockets(switching) as (backend, _), Gateway(config=config_for(backend.address)) as gateway:
        refused(gateway, "websocket", REQUESTS["websocket"].replace(old, new), status)
        check(gateway, "websocket", "malformed", status, None, broken)
        assert backend.connections == 0
