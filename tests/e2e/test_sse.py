"""Server-sent events: passed on at once and untouched, counted exactly, and their ends told apart."""

import contextlib
import threading

import pytest

from harness.books import balance, ended, messages, total
from harness.gateway import Gateway, config_for, until
from harness.processes import run
from harness.wire import Backend, connect, header, read_all, read_head, reset

HEADERS = "Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
CHUNKED = f"HTTP/1.1 200 OK\r\n{HEADERS}Transfer-Encoding: chunked\r\nX-Service: Größe\r\n\r\n".encode("latin-1")
REQUEST = b"GET /events?room=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Stream:
    """An event stream of the backend that the test feeds piece by piece."""

    def __init__(self, head=CHUNKED):
        self.head, self.sock, self.over = head, None, threading.Event()
        self.backend = Backend(self._serve)

    def _serve(self, backend, sock, _):
        backend.read_head(sock)
        sock.sendall(self.head)
        self.sock = sock
        self.over.wait(60)

    def send(self, data):
        self.sock.sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.backend.listener.close()


@contextlib.contextmanager
def subscribed(head=CHUNKED):
    """A stream behind a gateway, and a client that has the response's head."""
    with (
        Stream(head) as stream,
        Gateway(config=config_for(stream.backend.address)) as gateway,
        connect(gateway.port) as client,
    ):
        client.sendall(REQUEST)
        seen, rest = read_head(client)
        assert seen.startswith(b"HTTP/1.1 200"), seen
        assert rest == b""
        until(lambda: stream.sock, "the backend has answered")
        yield stream, gateway, client, seen


def receive(client, expected):
    """Reads until the bytes are there; what is held back would be waited for in vain."""
    seen = b""
    while expected not in seen:
        part = client.recv(65536)
        assert part, f"ended after {seen!r}"
        seen += part
    return seen


def only(gateway):
    [record] = balance(gateway, "sse")
    return record


def test_each_event_arrives_before_the_next_is_sent():
    with subscribed() as (stream, gateway, client, _):
        for number in range(1, 21):
            event = f"id: {number}\ndata: 第 {number} 条\n\n".encode()
            stream.send(chunk(event))
            receive(client, event)
            until(lambda n=number: total(gateway.metrics(), "sse_events_total") == n, f"{number} events are counted")
        assert total(gateway.metrics(), "sse_active_subscriptions") == 1
        [live] = gateway.live()
        assert (live["protocol"], live["route"]) == ("sse", "test")


def test_a_half_event_is_passed_on_and_not_counted():
    with subscribed() as (stream, gateway, client, _):
        stream.send(chunk(b"data: half"))
        receive(client, b"data: half")
        stream.send(chunk(b" and whole\n"))
        receive(client, b" and whole\n")
        assert total(gateway.metrics(), "sse_events_total") == 0
        stream.send(chunk(b"\n"))
        receive(client, b"\n")
        until(lambda: total(gateway.metrics(), "sse_events_total") == 1, "the event is counted")


def test_head_is_untouched():
    with subscribed() as (stream, _, client, head):
        for name in ("content-type", "cache-control", "x-accel-buffering", "x-service"):
            assert header(head, name) == header(CHUNKED, name), name
        assert header(head, "content-encoding") is None
        assert header(head, "content-length") is None
        request = stream.backend.heads[0]
        assert request.startswith(b"GET /events?room=1 HTTP/1.1\r\n")
        assert header(request, "accept") == "text/event-stream"
        assert header(request, "host") == "localhost"


ENDS = {
    "complete": (lambda stream: stream.send(b"0\r\n\r\n"), "upstream", "complete"),
    "dies in mid chunk": (lambda stream: (stream.send(b"40\r\ndata: cut"), stream.sock.shutdown(2)), "upstream", "truncated"),
    "dies between chunks": (lambda stream: stream.sock.shutdown(2), "upstream", "truncated"),
    "reset": (lambda stream: reset(stream.sock), "upstream", "reset"),
}


@pytest.mark.parametrize("name", ENDS)
def test_end_by_the_upstream(name):
    end, initiator, reason = ENDS[name]
    with subscribed() as (stream, gateway, client, _):
        stream.send(chunk(b"data: 1\n\n"))
        receive(client, b"data: 1\n\n")
        end(stream)
        last = receive(client, b"0\r\n\r\n") if reason == "complete" else read_all(client)
        assert last.endswith(b"0\r\n\r\n") == (reason == "complete"), "a cut stream must not look complete"
        record = only(gateway)
        assert ended(record) == (initiator, reason, None, None), record["causes"]
        assert messages(record) == (0, 1)
        assert record["causes"][0]["leg"] == "upstream"


@pytest.mark.parametrize(("leave", "reason"), [(lambda sock: sock.shutdown(2), "client_closed"), (reset, "reset")])
def test_end_by_the_client(leave, reason):
    with subscribed() as (stream, gateway, client, _):
        stream.send(chunk(b"data: 1\n\n"))
        receive(client, b"data: 1\n\n")
        leave(client)
        record = only(gateway)
        assert ended(record) == ("client", reason, None, None), record["causes"]
        assert messages(record) == (0, 1)
        assert stream.sock.recv(1) == b"", "the upstream is told at once"


def test_end_of_a_body_without_length():
    """Without chunks or length the end of the stream is the end of the body: RFC 9112, section 6.3."""
    head = CHUNKED.replace(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n")
    with subscribed(head) as (stream, gateway, client, seen):
        assert header(seen, "connection") == "close", "the client is told where the body ends"
        stream.send(b"data: 1\n\n")
        receive(client, b"data: 1\n\n")
        stream.sock.shutdown(2)
        assert read_all(client) == b""
        assert ended(only(gateway))[:2] == ("upstream", "complete")


FORMS = {
    "comments, ids and names": (b": keep-alive\n\nid: 1\nevent: news\ndata: a\n\n:\n\nretry: 10\n\n", 1, 2),
    "carriage returns": (b"data: a\r\rdata: b\rdata: c\r\r: x\r\r", 2, 1),
    "mixed line ends": (b"data: a\r\n\r\ndata: b\n\rdata: c\r\r\n", 3, 0),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", 1, 0),
    "an id alone is no event": (b"id: 7\n\ndata\n\n", 1, 0),
    "an unfinished event": (b"data: a\n\ndata: b\n", 1, 0),
}


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
@pytest.mark.parametrize("name", FORMS)
def test_forms(name, pieces):
    body, events, comments = FORMS[name]
    with subscribed() as (stream, gateway, client, _):
        parts = [body] if pieces == "whole" else [body[i : i + 1] for i in range(len(body))]
        wire = b"".join(map(chunk, parts)) + b"0\r\n\r\n"
        stream.send(wire)
        assert dechunked(receive(client, b"\r\n0\r\n\r\n")) == body
        record = only(gateway)
        assert messages(record) == (0, events)
        assert total(gateway.metrics(), "sse_comments_total") == comments
        assert total(gateway.metrics(), "sse_errors_total") == 0


def dechunked(wire):
    body = b""
    while wire:
        size, _, wire = wire.partition(b"\r\n")
        body, wire = body + wire[: int(size, 16)], wire[int(size, 16) + 2 :]
    return body


def test_a_thousand_events_are_counted_exactly():
    with subscribed() as (stream, gateway, client, _):
        events = [f"id: {n}\ndata: {'x' * (n % 300)}\n\n".encode() for n in range(1000)]
        body = b"".join(events)
        sender = threading.Thread(target=stream.send, args=(b"".join(map(chunk, events)) + b"0\r\n\r\n",))
        sender.start()
        assert dechunked(receive(client, b"\r\n0\r\n\r\n")) == body
        sender.join(10)
        record = only(gateway)
        assert messages(record) == (0, 1000)
        metrics = gateway.metrics()
        assert total(metrics, "sse_events_total") == 1000
        assert total(metrics, "sse_connections_total", result="success") == 1


def test_npm_eventsource():
    body = b": hello\n\nid: 1\ndata: \xe4\xbd\xa0\xe5\xa5\xbd\n\nid: 2\nevent: news\ndata: two\ndata: lines\n\n"

    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(CHUNKED + chunk(body))
        read_all(sock)

    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        seen = run("sse-client.mjs", f"http://{gateway.address}/events", "2")
        assert seen == {"events": [["message", "你好", "1"], ["news", "two\nlines", "2"]]}
        record = only(gateway)
        assert record["initiator"] == "client"
        assert record["reason"] in ("client_closed", "reset"), "as the client's kernel had read all or not"
        assert messages(record) == (0, 2)
        assert backend.connections == 1
