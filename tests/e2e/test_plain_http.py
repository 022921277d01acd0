"""Requests that are neither WebSocket nor event stream pass through as they are."""

import contextlib
import hashlib
import os
import threading

import pytest

from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, header, read_all, read_head

SIZE = 10_000_000
DATA = os.urandom(1 << 16) * (SIZE >> 16)
LENGTH = f"Content-Length: {len(DATA)}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def chunks(data, trailers=b""):
    """The data as a chunked body, in chunks of many sizes."""
    wire, sizes = [], (1, 10, 1000, 70_000, 300_000)
    start = number = 0
    while start < len(data):
        piece = data[start : start + sizes[number % len(sizes)]]
        wire.append(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        start, number = start + len(piece), number + 1
    return b"".join(wire) + b"0\r\n" + trailers + b"\r\n"


class Reader:
    """Messages from a socket, one after the other."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def _more(self):
        part = self.sock.recv(1 << 20)
        assert part, f"ended after {self.rest[:100]!r}"
        self.rest += part

    def _take(self, size):
        while len(self.rest) < size:
            self._more()
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def _until(self, end):
        while end not in self.rest:
            self._more()
        return self._take(self.rest.index(end) + len(end))

    def head(self):
        return self._until(b"\r\n\r\n")

    def body(self, head):
        """The body, and the trailers behind it."""
        if header(head, "transfer-encoding") != "chunked":
            return self._take(int(header(head, "content-length") or 0)), b""
        body = []
        while size := int(self._until(b"\r\n").strip(), 16):
            body.append(self._take(size))
            assert self._take(2) == b"\r\n"
        trailers = b""
        while (line := self._until(b"\r\n")) != b"\r\n":
            trailers += line
        return b"".join(body), trailers

    def message(self, has_body=True):
        head = self.head()
        return head, *(self.body(head) if has_body else (b"", b""))

    def is_over(self):
        return self.rest == b"" and read_all(self.sock) == b""


class Service(Backend):
    """Answers each request with the bytes that the test says, or as `answer(head, body)` says."""

    def __init__(self, answer):
        super().__init__(Service._serve)
        self.answer, self.requests = answer, []

    def _serve(self, sock, _):
        reader = Reader(sock)
        with contextlib.suppress(AssertionError):
            while True:
                head, body, trailers = reader.message()
                self.requests.append((head, body, trailers))
                sock.sendall(self.answer(head, body) if callable(self.answer) else self.answer)


@contextlib.contextmanager
def behind(backend):
    """A client's connection to a gateway in front of the backend."""
    with backend, Gateway(config=config_for(backend.address)) as gateway, connect(gateway.port) as sock:
        yield sock


@contextlib.contextmanager
def through(answer):
    with Service(answer) as service, behind(service) as sock:
        yield service, sock, Reader(sock)


def request(line, extra="", body=b""):
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode() + body


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODIES = {"sized": (LENGTH, DATA), "chunked": (CHUNKED, chunks(DATA))}


@pytest.mark.parametrize("down", BODIES)
@pytest.mark.parametrize("up", BODIES)
def test_big_bodies(up, down):
    answer = f"HTTP/1.1 200 OK\r\n{BODIES[down][0]}\r\n".encode() + BODIES[down][1]
    with through(answer) as (service, sock, client):
        sender = threading.Thread(target=sock.sendall, args=(request("PUT /big", *BODIES[up]),))
        sender.start()
        head, body, _ = client.message()
        sender.join(10)
        [(sent, received, _)] = service.requests
        assert [hashlib.sha256(seen).digest() for seen in (received, body)] == [hashlib.sha256(DATA).digest()] * 2
        for seen, framing in ((sent, up), (head, down)):
            assert header(seen, "content-length") == (str(len(DATA)) if framing == "sized" else None)
            assert header(seen, "transfer-encoding") == ("chunked" if framing == "chunked" else None)


def test_connections_are_kept_and_used_again():
    """One of the client's, one of the service's, for requests one after the other."""
    with through(OK) as (service, sock, client):
        for number in range(20):
            method, extra, body = ("POST", "Content-Length: 3\r\n", b"abc") if number % 2 else ("GET", "", b"")
            sock.sendall(request(f"{method} /{number}", extra, body))
            assert client.message()[1] == b"ok"
        assert [head.split(b" ")[1] for head, _, _ in service.requests] == [f"/{n}".encode() for n in range(20)]
        assert service.connections == 1


def test_requests_in_a_pipeline():
    with through(lambda head, _: OK.replace(b"ok", head.split(b" ")[1])) as (_, sock, client):
        sock.sendall(b"".join(request(f"GET /{number}") for number in range(9)))
        assert [client.message()[1] for _ in range(9)] == [f"/{number}".encode() for number in range(9)]


def test_a_service_that_closes_after_each_answer():
    """It is the hop's own affair: the client's connection is kept."""
    with through(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as (service, sock, client):
        for number in range(5):
            sock.sendall(request(f"GET /{number}"))
            head, body, _ = client.message()
            assert (header(head, "connection"), body) == (None, b"ok")


WITHOUT_BODY = {
    "HEAD": ("HEAD", b"200 OK\r\nContent-Length: 12345", ["12345"]),
    "HEAD of a chunked answer": ("HEAD", b"200 OK\r\nTransfer-Encoding: chunked", [None]),
    "204": ("GET", b"204 No Content", [None]),
    "304": ("GET", b"304 Not Modified", [None]),
    "304 with a length": ("GET", b"304 Not Modified\r\nContent-Length: 12345", [None, "12345"]),
    "200 with length 0": ("GET", b"200 OK\r\nContent-Length: 0", ["0"]),
    "answer to a DELETE": ("DELETE", b"204 No Content", [None]),
}


@pytest.mark.parametrize("name", WITHOUT_BODY)
def test_answers_without_body(name):
    """The next answer on the connection is where it should be."""
    method, answer, lengths = WITHOUT_BODY[name]
    answer = b"HTTP/1.1 " + answer + b"\r\nETag: \"1\"\r\n\r\n"
    with through(lambda head, _: OK if b"/next" in head else answer) as (service, sock, client):
        sock.sendall(request(f"{method} /", "If-None-Match: \"1\"\r\n") + request("GET /next"))
        head = client.head()
        assert head.split(b"\r\n")[0] == answer.split(b"\r\n")[0]
        assert header(head, "etag") == '"1"' and header(head, "content-length") in lengths
        assert client.message()[1] == b"ok"
        assert header(service.requests[0][0], "if-none-match") == '"1"'
        assert service.connections == 1


def test_expect_100_continue():
    """The client is told to go on, and the service gets the body."""
    with through(OK) as (service, sock, client):
        sock.sendall(request("POST /", "Expect: 100-continue\r\nContent-Length: 5\r\n"))
        assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert client.message()[1] == b"ok"
        assert service.requests[0][1] == b"hello"


def early(status):
    """A service that answers when it has the head alone, and then takes what comes."""
    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(f"HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno".encode())
        read_all(sock)

    return Backend(serve)


@pytest.mark.parametrize("status", ["413", "417", "401"])
@pytest.mark.parametrize("extra", [LENGTH, f"{LENGTH}Expect: 100-continue\r\n", CHUNKED])
def test_an_answer_before_the_body(extra, status):
    """It comes through although the client has sent nothing of its body."""
    with behind(early(status)) as sock:
        sock.sendall(request("POST /", extra))
        client = Reader(sock)
        head, body, _ = client.message()
        while head.startswith(b"HTTP/1.1 100 "):
            head, body, _ = client.message()
        assert (head.split(b" ")[1].decode(), body) == (status, b"no")


SUM = b"X-Sum: 5d41402a\r\n"


def test_trailers():
    """Both ways, when both ends have said that they know them: RFC 9110, section 6.5.1."""
    answer = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"hello", SUM)
    with through(answer) as (service, sock, client):
        sock.sendall(request("POST /", f"{CHUNKED}TE: trailers\r\nTrailer: X-Sum\r\n", chunks(b"hello", SUM)))
        [down, up] = [client.message(), until(lambda: service.requests, "the service has it")[0]]
        for head, body, trailers in (down, up):
            assert (body, header(b"\r\n" + trailers, "x-sum")) == (b"hello", "5d41402a"), head


def test_trailers_that_nobody_asked_for():
    """They may be dropped; the body must be whole, and the connection go on."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"hello", SUM)
    with through(answer) as (_, sock, client):
        for _ in range(2):
            sock.sendall(request("GET /"))
            assert client.message()[1] == b"hello"


def test_a_body_that_ends_with_the_connection():
    """A client of HTTP/1.1 is told in chunks where it ends, one of HTTP/1.0 by the end of the connection."""
    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + DATA[:100_000])

    with Backend(serve) as service, Gateway(config=config_for(service.address)) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(request("GET /"))
            head, body, _ = Reader(sock).message()
            assert (header(head, "transfer-encoding"), body) == ("chunked", DATA[:100_000])
        with connect(gateway.port) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            head, rest = read_head(sock)
            assert header(head, "transfer-encoding") is None
            assert rest + read_all(sock) == DATA[:100_000]


def test_a_body_that_is_cut():
    """A cut answer must not look complete."""
    for answer in (b"Content-Length: 10\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"):
        def serve(backend, sock, _, answer=answer):
            backend.read_head(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + answer)

        with behind(Backend(serve)) as sock:
            sock.sendall(request("GET /"))
            head, rest = read_head(sock)
            seen = rest + read_all(sock)
            assert b"hello" in seen and not seen.endswith(b"0\r\n\r\n")


TARGETS = [
    "/", "/a%2Fb//c/./../d", "/?x=1&x=%00&y", "/%E4%BD%A0?q=a+b%20c", "/a;b=c,d!$&'()*+:@~", "//evil.example/", "/?",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_sent_as_it_is(target):
    with through(OK) as (service, sock, client):
        sock.sendall(request(f"GET {target}"))
        assert client.message()[1] == b"ok"
        assert service.requests[0][0].split(b" ")[1].decode() == target


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "LINK"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    with through(OK) as (service, sock, client):
        sock.sendall(request(f"{method} /"))
        assert client.message()[1] == b"ok"
        assert service.requests[0][0].startswith(f"{method} / HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("status", ["200 Fine", "299 Own Words", "404 Gone Fishing", "599 x"])
def test_the_reason_is_sent_as_it_is(status):
    with through(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()) as (_, sock, client):
        sock.sendall(request("GET /"))
        assert client.head().startswith(f"HTTP/1.1 {status}\r\n".encode())


FIELDS = [
    "X-Twice: 1", "x-lower: 1", 'X-ODD: a, b;c="d"', "X-Twice: 2", "Cookie: a=1; b=2", "X-Empty: ", "X-Latin: Größe",
]
LINES = "".join(f"{field}\r\n" for field in FIELDS)


def own_fields(head):
    """Those lines of a head, in order of their names; what has one name keeps its order."""
    def name(line):
        return line.partition(":")[0]

    names = {name(field).lower() for field in FIELDS}
    lines = [line.rstrip() for line in head.decode("latin-1").split("\r\n")]
    return sorted((line for line in lines if name(line).lower() in names), key=name)


def test_fields_are_sent_as_they_are():
    """As they are spelled, and each as often as it is there."""
    wire = f"HTTP/1.1 200 OK\r\n{LINES}Server: own\r\nContent-Length: 2\r\n\r\nok".encode("latin-1")
    with through(wire) as (service, sock, client):
        sock.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\n{LINES}\r\n".encode("latin-1"))
        answer = client.head()
        assert own_fields(service.requests[0][0]) == own_fields(wire)
        assert header(answer, "server") == "own"
        assert own_fields(answer) == own_fields(wire)
