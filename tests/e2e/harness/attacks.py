"""What the tests of attacks share: a backend that takes one meaning only, and a client that sends what it likes."""

import contextlib
import os
import re
import select
import socket
import time
from collections import namedtuple

from .endings import tally
from .gateway import Gateway, config_for
from .wire import Backend, accept, read_all

LAST = "GET /last HTTP/1.1"
MARKER = b"GET /internal HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

Request = namedtuple("Request", "line fields body")


def request(line="GET / HTTP/1.1", *fields, body=b"", host="localhost"):
    """A request of these lines, given as text, latin-1."""
    lines = [line, *([f"Host: {host}"] if host else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def read_request(wire):
    """The first request, and what is behind it; none while it is not complete. Takes one meaning and no other."""
    head, found, rest = wire.partition(b"\r\n\r\n")
    if not found:
        return None, wire
    line, *lines = head.decode("latin-1").split("\r\n")
    assert re.fullmatch(r"[A-Z]+ /[!-~]* HTTP/1\.1", line), line
    fields = []
    for text in lines:
        parts = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)", text)
        assert parts, text
        fields.append((parts[1].lower(), parts[2].strip()))
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    assert len(lengths) + len(codings) <= 1, head
    assert [name for name, _ in fields].count("host") == 1, head
    if codings:
        assert codings == ["chunked"], head
        body, rest = read_chunks(rest)
    elif lengths:
        assert re.fullmatch(r"[0-9]+", lengths[0]), head
        size = int(lengths[0])
        body, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, rest)
    else:
        body = b""
    return (None, wire) if body is None else (Request(line, fields, body), rest)


def read_chunks(wire):
    """The body of these chunks, without extensions or trailers, and what is behind it; none when not complete."""
    body = b""
    while True:
        size, found, wire = wire.partition(b"\r\n")
        if not found:
            return None, wire
        assert re.fullmatch(rb"[0-9A-Fa-f]+", size), size
        size = int(size, 16)
        if len(wire) < size + 2:
            return None, wire
        assert wire[size : size + 2] == b"\r\n", wire
        body, wire = body + wire[:size], wire[size + 2 :]
        if size == 0:
            return body, wire


class Target(Backend):
    """A backend that keeps all that reaches it, and answers each request with the pieces of `answer(head)`."""

    def __init__(self, answer):
        super().__init__(self._serve)
        self.answer, self.ended = answer, 0
        self.forget()

    def forget(self):
        """Forgets what has reached it so far."""
        self.wires, self.requests, self.faults = [], [], []

    def _serve(self, _, sock, __):
        wire = bytearray()
        self.wires.append(wire)
        try:
            self._answer_all(sock, wire)
        except AssertionError as fault:
            self.faults.append(fault)
        finally:
            self.ended += 1

    def _answer_all(self, sock, wire):
        rest, switched = b"", False
        while part := sock.recv(65536):
            wire += part
            rest += part
            while not switched:
                found, behind = read_request(rest)
                if not found:
                    break
                head, rest = rest[: len(rest) - len(behind)], behind
                self.requests.append(found)
                pieces = OK if found.line == LAST else self.answer(head)
                pieces = [pieces] if isinstance(pieces, bytes) else pieces
                assert not rest + peek(sock), "bytes behind a request that has no answer yet"
                send_apart(sock, *pieces)
                switched = b"HTTP/1.1 101 " in b"".join(pieces)


def peek(sock):
    """What has come and was not read."""
    ready, _, _ = select.select([sock], [], [], 0)
    return sock.recv(65536, socket.MSG_PEEK) if ready else b""


class Front:
    """A gateway in front of a target."""

    def __init__(self, gateway, target):
        self.gateway, self.target = gateway, target

    def connect(self, source="127.0.0.1"):
        sock = socket.create_connection(("127.0.0.1", self.gateway.port), 10, (source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def attack(self, wire, expected):
        """Sends the wire, and the marker once there is an answer of the expected status; the answer, up to the end."""
        with self.connect() as client:
            client.sendall(wire)
            return last_answer(client, expected)

    def reached(self):
        """The request lines that have reached the target before one that is sent now."""
        with self.connect() as client:
            client.sendall(request(LAST, "Connection: close"))
            assert read_all(client).endswith(b"ok")
        assert self.target.faults == []
        assert not any(b"/internal" in wire for wire in self.target.wires)
        return [found.line.removesuffix(" HTTP/1.1") for found in self.target.requests if found.line != LAST]

    def counted(self, name="heartline_rejected_upgrades_total", by="check"):
        return tally(self.gateway.metrics(), name, by)


@contextlib.contextmanager
def front(answer, listener="", extra=""):
    with Target(answer) as target:
        config = config_for(target.address, extra=extra)
        config = config.replace("[{ listen: 127.0.0.1:0 }]", f"[{{ listen: 127.0.0.1:0{listener} }}]")
        with Gateway(config=config) as gateway:
            yield Front(gateway, target)


def unread(sock):
    """Bytes sent on a socket of this machine that the process at its other end has not read yet."""
    ours, theirs = (f":{name[1]:04X}" for name in (sock.getsockname(), sock.getpeername()))
    with open("/proc/net/tcp") as table:
        for line in table:
            _, local, remote, _, queues, *_ = line.split()
            if local.endswith(theirs) and remote.endswith(ours):
                return int(queues.partition(":")[2], 16)
    return 0


def send_apart(sock, *pieces):
    """Sends each piece once the one before has been read, so that the reader sees them one by one."""
    deadline = time.monotonic() + 10
    for piece in pieces[:-1]:
        sock.sendall(piece)
        while unread(sock):
            assert time.monotonic() < deadline, "the pieces are not read"
            os.sched_yield()
    sock.sendall(pieces[-1])


def status(head):
    return int(head.split(b" ", 2)[1])


def read_answer(sock):
    """Head of an answer, interim ones before it left out, and what has come behind it."""
    data = b""
    while True:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            part = sock.recv(65536)
            assert part, f"ended after {data}"
            data += part
        elif re.match(rb"HTTP/1\.1 1(?!01)", head):
            data = rest
        else:
            return head + found, rest


def read_up_to(sock, size, got=b""):
    """At least so many bytes, with those that were got before."""
    while len(got) < size:
        part = sock.recv(65536)
        assert part, f"ended after {got}"
        got += part
    return got


def last_answer(sock, *expected):
    """The one answer that comes before the end of the connection, whatever is sent behind it."""
    head, rest = read_answer(sock)
    assert status(head) in expected, head
    with contextlib.suppress(ConnectionError):
        sock.sendall(MARKER)
    answer = head + rest + read_all(sock)
    assert len(re.findall(rb"HTTP/1\.[01] [0-9]{3} ", answer)) == 1, answer
    return answer


KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
ACCEPT = accept(KEY)


def upgrade(line="GET / HTTP/1.1", *more, body=b"", **changed):
    """A handshake whose fields are changed: to a value, to several, or to none."""
    return request(line, *changed_fields(changed, key=KEY, version="13"), *more, body=body)


def answered(*more, **changed):
    """Its 101, whose fields are changed in the same way."""
    line = "HTTP/1.1 101 Switching Protocols"
    return request(line, *changed_fields(changed, accept=ACCEPT), *more, host=None)


def changed_fields(changed, **own):
    fields = {"upgrade": "websocket", "connection": "Upgrade", **own, **changed}
    for name, values in fields.items():
        prefix = "Sec-WebSocket-" if name in ("key", "version", "accept") else ""
        for value in [values] if isinstance(values, str) else values:
            yield f"{prefix}{name.title()}: {value}"
