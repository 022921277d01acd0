"""How a gRPC stream ended: the close record tells it as it happened on the wire, whoever ended it, how and when.

Both ends are played frame by frame. A script says what happens: `client text, upstream rst CANCEL`. The other side
must have seen a step before the next one is taken, so the gateway has too.
"""

import contextlib
import signal
import socket
import struct

import pytest

from harness.books import messages, total
from harness.endings import kill_owner, logged, tally
from harness.gateway import Gateway, config_for, until
from harness.http2 import End
from harness.wire import connect, reset

OTHER = {"client": "upstream", "upstream": "client"}
ASK = {
    ":method": "POST", ":scheme": "http", ":path": "/demo.Chat/Talk", ":authority": "localhost",
    "content-type": "application/grpc", "te": "trailers", "grpc-timeout": "30S",
}
ANSWER = {":status": "200", "content-type": "application/grpc"}
TEXT = struct.pack(">BI", 0, 5) + b"hello"
PART = TEXT[:7]
SETTINGS = {"client": {3: 70, 4: 70_000, 5: 17_000}, "upstream": {3: 80, 4: 80_000, 5: 18_000}}


class Side:
    """One end of a stream through the gateway, and its steps; the other end checks what it sees of them."""

    def __init__(self, name, sock):
        self.name, self.sock, self.other = name, sock, None
        self.end_of_wire = End(sock, name == "client", SETTINGS[name])
        self.stream, self.has_head = 1, False

    def sees(self, *expected):
        for what in expected:
            seen = self.end_of_wire.next()
            assert seen.what == what, f"the {self.name} waits for {what}"
            assert seen.stream in (0, self.stream)
        return seen

    def ask(self):
        """The head of the question, that nobody has to see yet."""
        self.has_head = True
        self.end_of_wire.head(self.stream, ASK)

    def head(self):
        """The head of the answer, once."""
        if not self.has_head:
            self.has_head = True
            self.end_of_wire.head(self.stream, ANSWER)
            self.other.sees("head")

    def send(self, data):
        self.head()
        self.end_of_wire.data(self.stream, data)
        assert self.other.end_of_wire.take(len(data)) == data

    def text(self):
        self.send(TEXT)

    def part(self):
        self.send(PART)

    def half(self):
        """Its half ends; the other one goes on."""
        self.end_of_wire.data(self.stream, b"", "END_STREAM")
        self.other.sees("end")

    def end(self):
        """Its half ends without trailers."""
        self.head()
        self.end_of_wire.data(self.stream, b"", "END_STREAM")

    def trailers(self, **fields):
        self.head()
        self.end_of_wire.head(self.stream, {name.replace("_", "-"): text for name, text in fields.items()}, "END_STREAM")

    def status(self, code, message=None):
        self.trailers(grpc_status=code, **({"grpc_message": message} if message else {}))

    def no_status(self):
        self.trailers(other="field")

    def only(self, status, code=None):
        """The answer is a head alone."""
        self.has_head = True
        head = ANSWER if status == "200" else {"content-type": "text/plain"}
        fields = {**head, ":status": status, **({"grpc-status": code} if code else {})}
        self.end_of_wire.head(self.stream, fields, "END_STREAM")

    def rst(self, code):
        self.end_of_wire.rst(self.stream, code)

    def goaway(self, last_stream, code, debug=""):
        self.end_of_wire.goaway(int(last_stream), code, debug)

    def goodbye(self, code, debug=""):
        """A GOAWAY for streams to come; this one goes on."""
        self.goaway({"client": 0, "upstream": self.stream}[self.name], code, debug)
        self.end_of_wire.settle()

    def fin(self):
        self.end_of_wire.settle()
        self.sock.shutdown(socket.SHUT_WR)

    def tcp_rst(self):
        reset(self.sock)

    def killed(self):
        self.end_of_wire.settle()
        kill_owner(self.sock)


class Pair:
    """A client and an upstream, joined by a gateway, who play a script."""

    def __init__(self, gateway, client, upstream):
        self.gateway, self.client, self.upstream = gateway, client, upstream
        client.other, upstream.other = upstream, client
        upstream.sees("head")

    def play(self, script):
        for step in filter(None, script.split(", ")):
            who, what, *arguments = step.split()
            getattr(getattr(self, who), what)(*arguments)


@contextlib.contextmanager
def joined(**options):
    """A gateway, and a call through it that has reached the upstream."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Gateway(config=config_for(f"127.0.0.1:{listener.getsockname()[1]}", **options)) as gateway,
        connect(gateway.port) as to_gateway,
    ):
        client = Side("client", to_gateway)
        client.ask()
        listener.settimeout(10)
        from_gateway, _ = listener.accept()
        with from_gateway:
            from_gateway.settimeout(10)
            yield gateway, Pair(gateway, client, Side("upstream", from_gateway))


WHEN = {
    "at once": "",
    "unanswered": "client text, client half",
    "idle": "client text, upstream text",
    "inside a message": "client text, upstream text, client part, upstream part",
    "half closed": "client text, client half, upstream text",
}
COMPLETE, CUT = "upstream body_end", "upstream body_truncated"
WAYS = [
    # What happens; what the other side sees of it; the causes; who ended it, why, and with which code.
    ("upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream status 9 why", "status 9", COMPLETE, "upstream complete FAILED_PRECONDITION"),
    ("upstream status 4", "status 4", COMPLETE, "upstream complete DEADLINE_EXCEEDED"),
    ("upstream status 17", "status 17", COMPLETE, "upstream complete UNKNOWN"),
    ("upstream status 0, upstream rst NO_ERROR", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream no_status", "status -", CUT, "upstream truncated UNKNOWN"),
    ("upstream end", "end", CUT, "upstream truncated UNKNOWN"),
    ("upstream rst NO_ERROR", "rst NO_ERROR", "upstream rst_stream NO_ERROR", "upstream reset INTERNAL"),
    ("upstream rst CANCEL", "rst CANCEL", "upstream rst_stream CANCEL", "upstream reset CANCELLED"),
    ("upstream rst INTERNAL_ERROR", "rst INTERNAL_ERROR", "upstream rst_stream INTERNAL_ERROR", "upstream reset INTERNAL"),
    ("upstream rst REFUSED_STREAM", "rst REFUSED_STREAM", "upstream rst_stream REFUSED_STREAM", "upstream reset UNAVAILABLE"),
    ("upstream rst ENHANCE_YOUR_CALM", "rst ENHANCE_YOUR_CALM", "upstream rst_stream ENHANCE_YOUR_CALM", "upstream reset RESOURCE_EXHAUSTED"),
    ("upstream fin", "status 14", "upstream fin", "upstream truncated UNAVAILABLE"),
    ("upstream killed", "status 14", "upstream fin", "upstream truncated UNAVAILABLE"),
    ("upstream tcp_rst", "status 14", "upstream rst", "upstream reset UNAVAILABLE"),
    ("client rst CANCEL", "rst CANCEL", "client rst_stream CANCEL", "client client_closed CANCELLED"),
    ("client fin", "rst CANCEL", "client fin", "client client_closed CANCELLED"),
    ("client killed", "rst CANCEL", "client fin", "client client_closed CANCELLED"),
    ("client tcp_rst", "rst CANCEL", "client rst", "client reset CANCELLED"),
]


def story(record):
    """The causes of a record: `upstream rst_stream CANCEL`."""
    causes = [(c["leg"] or "proxy", c["what"], c.get("error")) for c in record["causes"]]
    return ", ".join(" ".join(filter(None, cause)) for cause in causes)


def verdict(record):
    return " ".join([record["initiator"], record["reason"], record["grpc"]["code"]])


def bytes_of(script, side):
    return script.count(f"{side} text") * len(TEXT) + script.count(f"{side} part") * len(PART)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("way", "seen", "causes", "expected"), WAYS, ids=[row[0] for row in WAYS])
def test_ending(way, seen, causes, expected, when):
    with joined() as (gateway, pair):
        pair.play(WHEN[when])
        pair.play(way)
        getattr(pair, OTHER[way.split()[0]]).sees(seen)
        [record] = until(lambda: gateway.closed(), "a record")
        assert (story(record), verdict(record)) == (causes, expected)
