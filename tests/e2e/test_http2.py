"""HTTP/2 towards clients: negotiated in TLS, or with prior knowledge; each stream is a request of its own."""

import contextlib
import hashlib
import json
import signal
import socket
import threading

import pytest

from harness.books import balance, messages, total
from harness.certificates import Authority, tls_listener
from harness.endings import logged, story, verdict
from harness.gateway import Gateway, config_for, until
from harness.processes import Peer
from harness.wire import Backend, header

EVENTS = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BIG = 3_000_000
INTERNAL_ERROR, CANCEL = 2, 8


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("http2") / "own")


class Service(Backend):
    """Answers with the body that it was sent, and `/events` with what the test sends to `streams`."""

    def __init__(self):
        super().__init__(Service._serve)
        self.streams, self.over = [], threading.Event()

    def _serve(self, sock, _):
        while True:
            head, body = self.read_head(sock)
            if not head:
                return
            path = head.split(b" ")[1]
            if path == b"/events":
                sock.sendall(EVENTS)
                self.streams.append(sock)
                self.over.wait(30)
                return
            if header(head, "transfer-encoding"):
                while not body.endswith(b"0\r\n\r\n"):
                    body += sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            else:
                length = int(header(head, "content-length") or 0)
                while len(body) < length:
                    body += sock.recv(65536)
                extra = "" if length else "X-Empty: yes\r\n"
                sock.sendall(f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {length}\r\n\r\n".encode() + body)


@contextlib.contextmanager
def talking(authority, extra="", upstream=None):
    """A service, a gateway that logs, and a client with one connection of HTTP/2."""
    with Service() as service:
        config = config_for(upstream or service.address, extra=f"closed: {{ log: closed.log }}\n{extra}")
        with (
            Gateway(config=tls_listener(config, authority.issue("http2"))) as gateway,
            Peer("http2-client.mjs", f"https://localhost:{gateway.port}", authority.pem) as client,
        ):
            assert client.next() == {"alpn": "h2", "connectProtocol": False}
            try:
                yield service, gateway, client
            finally:
                service.over.set()


def ask(client, number, path="/", method="GET", **options):
    """Opens a stream of that number."""
    client.tell(json.dumps({"id": number, "headers": {":path": path, ":method": method}, **options}))


def sha256(size):
    return hashlib.sha256(b"x" * size).hexdigest()


def test_requests(authority):
    with talking(authority) as (service, gateway, client):
        for method, body in (("GET", None), ("POST", 0), ("POST", 5), ("PUT", BIG)):
            ask(client, method, f"/?n={body}", method, body=body)
            answer = client.next()
            assert (answer["status"], answer["reset"]) == (200, 0)
            assert (answer["length"], answer["sha256"]) == (body or 0, sha256(body or 0))
            assert not {"connection", "transfer-encoding", "keep-alive"} & set(answer["headers"])
            head = service.heads[-1]
            assert head.startswith(f"{method} /?n={body} HTTP/1.1\r\n".encode())
            assert header(head, "host") == f"localhost:{gateway.port}"
            assert header(head, "x-forwarded-proto") == "https"
            assert header(head, "x-forwarded-for") == "127.0.0.1"
        ask(client, "HEAD", "/", "HEAD")
        answer = client.next()
        assert (answer["status"], answer["length"], answer["reset"]) == (200, 0, 0)
        assert total(gateway.metrics(), "sse_connections_total") == 0


def test_streams_side_by_side(authority):
    """None waits for another, and each gets its own answer."""
    with talking(authority) as (service, _, client):
        for number in range(50):
            ask(client, number, f"/{number}", "POST", body=number * 1000)
        answers = {answer["id"]: answer for answer in (client.next() for _ in range(50))}
        for number in range(50):
            answer = answers[number]
            assert (answer["status"], answer["length"], answer["sha256"]) == (200, number * 1000, sha256(number * 1000))
        assert len({head.split(b" ")[1] for head in service.heads}) == 50


def subscribe(service, client, number):
    """A subscription with one event delivered; the socket that feeds it."""
    ask(client, number, headers={":path": "/events", "accept": "text/event-stream"}, watch=True)
    stream = until(lambda: service.streams[number:], "the service has answered")[0]
    stream.sendall(b"9\r\ndata: 1\n\n\r\n")
    assert client.next() == {"id": number, "data": "data: 1\n\n"}
    return stream


def test_event_streams(authority):
    """One connection, three ends: by the client, by the service as announced, and in the midst of the body."""
    with talking(authority) as (service, gateway, client):
        streams = [subscribe(service, client, number) for number in range(3)]
        assert total(gateway.metrics(), "sse_active_subscriptions") == 3
        client.tell(json.dumps({"id": 0, "cancel": True}))
        assert client.next()["reset"] == CANCEL
        streams[1].sendall(b"0\r\n\r\n")
        end = client.next()
        assert (end["id"], end["status"], end["reset"]) == (1, 200, 0)
        assert end["headers"]["content-type"] == "text/event-stream"
        streams[2].shutdown(socket.SHUT_RDWR)
        end = client.next()
        assert (end["id"], end["length"], end["reset"]) == (2, 9, INTERNAL_ERROR), "a cut stream must not look complete"
        records = balance(gateway, "sse")
        assert {(story(record), verdict(record)) for record in records} == {
            ("client rst_stream", "client client_closed - -"),
            ("upstream body_end", "upstream complete - -"),
            ("upstream body_truncated", "upstream truncated - -"),
        }
        assert [messages(record) for record in records] == [(0, 1)] * 3
        ask(client, 3, "/after")
        assert client.next()["status"] == 200, "the connection goes on"


def test_an_upstream_that_is_not_there(authority):
    with talking(authority, upstream="127.0.0.1:1") as (_, __, client):
        ask(client, 1)
        end = client.next()
        assert (end["status"], end["reset"]) == (502, 0)
        assert end["length"] > 0


def test_stop(authority):
    """GOAWAY, the streams end as announced, what was asked before is answered, and every stream has its record."""
    with talking(authority, "drain: { window: 2s }\n") as (service, gateway, client):
        for number in range(3):
            subscribe(service, client, number)
        gateway.signal(signal.SIGTERM)
        told = [client.next()]
        while sum("id" in value for value in told) < 3:
            told.append(client.next())
        assert told[0] == {"goaway": 0}
        ends = {end["id"]: (end["status"], end["length"], end["reset"]) for end in told if "id" in end}
        assert ends == {number: (200, 9, 0) for number in range(3)}
        assert gateway.wait() == 0
        assert [verdict(record) for record in logged(gateway, 3)] == ["proxy shutdown - -"] * 3


def test_a_client_that_goes_away(authority):
    """Its streams end with its connection."""
    with talking(authority) as (service, gateway, client):
        for number in range(2):
            subscribe(service, client, number)
        client.process.kill()
        records = balance(gateway, "sse")
        assert {verdict(record) for record in records} <= {"client client_closed - -", "client reset - -"}
        assert len(records) == 2
