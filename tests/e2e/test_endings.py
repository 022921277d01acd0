"""Who ended a connection, why and in which order: the close record tells it as it happened on the wire.

A script says what happens: `client close 1000, upstream fin`. The other side must have seen a step before the next
one is taken, so the gateway has too; what of a script ends the connection, the record must tell word for word.
"""

import contextlib
import signal
import socket
import struct
import threading

import pytest

from harness.books import balance, messages, total
from harness.endings import kill_owner, logged, story, tally, upstream_sockets, verdict
from harness.gateway import Gateway, config_for, until
from harness.wire import (
    close_frame, connect, frame, handshake, open_websocket, read_all, read_head, reset, switching,
)

LAYERS = {
    "close_frame": "websocket", "fin": "tcp", "rst": "tcp", "body_end": "http", "body_truncated": "http",
    "idle_timeout": "policy", "half_close_timeout": "policy", "drain": "policy", "rate_limit": "policy",
}
STOPPING = "stopping: connections are told to go away; a second signal exits at once"
OTHER = {"client": "upstream", "upstream": "client"}
HALF_CLOSE = "    timeouts: { half_close: 1500ms }\n"
IDLE = "    timeouts: { idle: 1500ms, half_close: 2500ms }\n"


class Side:
    """One end of a WebSocket through the gateway, and its steps; the other end checks what it sees of them."""

    def __init__(self, gateway, sock, is_client):
        self.gateway, self.sock, self.is_client, self.other = gateway, sock, is_client, None
        self.ahead = b""

    def frame(self, opcode, payload=b""):
        return frame(opcode, payload, mask=self.is_client)

    def send(self, data):
        self.sock.sendall(data)
        self.other.expect(data)

    def take(self, size):
        data, self.ahead = self.ahead[:size], self.ahead[size:]
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, f"ended after {data!r}"
            data += part
        return data

    def expect(self, data):
        assert self.take(len(data)) == data

    def expect_end(self):
        if self.sock.fileno() >= 0:
            assert self.sock.recv(1) == b""

    def expect_reset(self):
        if self.sock.fileno() >= 0:
            with pytest.raises(ConnectionResetError):
                self.sock.recv(1)

    def expect_goodbye(self):
        """A Close frame of the gateway; towards the upstream it speaks as a client and masks it."""
        if self.is_client:
            self.expect(close_frame(1001))
        else:
            self.expect(b"\x88\x82")
            key, code = self.take(4), self.take(2)
            assert bytes(a ^ b for a, b in zip(code, key)) == struct.pack(">H", 1001)

    def text(self):
        self.send(self.frame(1, b"hello"))

    def unread(self):
        """A message that waits in the other end's kernel."""
        self.sock.sendall(self.frame(1, b"hello"))
        delivered = "websocket_message_latency_seconds_count"
        until(lambda: total(self.gateway.metrics(), delivered) == 1, "the message is delivered")

    def close(self, code=""):
        self.send(self.frame(8, struct.pack(">H", int(code)) if code else b""))

    def stub(self):
        """A Close frame whose body is half a code."""
        self.send(self.frame(8, b"\x03"))

    def answer(self):
        """The Close frame that answers the gateway's own; nobody but the gateway sees it."""
        def seen():
            return total(self.gateway.metrics(), "websocket_frames_total", opcode="close")

        before = seen()
        self.sock.sendall(close_frame(1001, mask=self.is_client))
        if self.is_client:
            until(lambda: seen() > before, "the gateway has seen the client's answer, before the upstream's")

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)
        self.other.expect_end()

    def rst(self):
        reset(self.sock)
        self.other.expect_reset()

    def killed(self):
        kill_owner(self.sock)
        self.other.expect_end()

    def killed_unread(self):
        kill_owner(self.sock)
        self.other.expect_reset()


class Proxy:
    """What the gateway does by itself, as both ends see it."""

    def __init__(self, gateway, *sides):
        self.gateway, self.sides = gateway, sides

    def goodbye(self):
        for side in self.sides:
            side.expect_goodbye()

    idle_timeout = goodbye

    def drain(self):
        self.gateway.signal(signal.SIGTERM)
        self.goodbye()

    def half_close_timeout(self):
        for side in self.sides:
            side.expect_end()

    cut = half_close_timeout


class Pair:
    """A client and an upstream, joined by a gateway, who play a script."""

    def __init__(self, gateway, client, upstream):
        self.client, self.upstream = Side(gateway, client, True), Side(gateway, upstream, False)
        self.client.other, self.upstream.other = self.upstream, self.client
        self.proxy = Proxy(gateway, self.client, self.upstream)

    def play(self, script):
        for step in script.split(", "):
            who, what, *arguments = step.split()
            getattr(getattr(self, who), what)(*arguments)

    def leave(self):
        self.client.sock.close()
        self.upstream.sock.close()


@contextlib.contextmanager
def joined(count=1, **options):
    """A gateway, and so many pairs through it."""
    with (
        upstream_sockets(switching) as (backend, sockets),
        Gateway(config=config_for(backend.address, **options)) as gateway,
    ):
        pairs = []
        for number in range(count):
            client, rest = open_websocket(gateway.port)
            assert rest == b""
            [upstream] = until(lambda n=number: sockets[n:], "the upstream has answered")
            pairs.append(Pair(gateway, client, upstream))
        until(lambda: len(gateway.live()) == count, "the gateway has joined them")
        try:
            yield gateway, pairs
        finally:
            for pair in pairs:
                pair.leave()


def causes(script):
    """What of a script ends a connection, as a record tells it."""
    shown = {"stub": "close", "answer": "close 1001", "killed": "fin", "killed_unread": "rst", "cut": "drain"}
    steps = [step.split() for step in script.split(", ")]
    ends = [[who, shown.get(what, what), *rest] for who, what, *rest in steps if what not in ("text", "unread")]
    return ", ".join(map(" ".join, ends))


def sent(script):
    """How many messages each side sends."""
    steps = script.split(", ")
    return tuple(steps.count(f"{side} text") + steps.count(f"{side} unread") for side in OTHER)


def check(gateway, script, expected, errors=None):
    gateway.wait_closed()
    [record] = balance(gateway)
    assert (story(record), verdict(record)) == (causes(script), expected)
    assert messages(record) == sent(script)
    assert [cause["layer"] for cause in record["causes"]] == [LAYERS[cause["what"]] for cause in record["causes"]]
    assert record["layer"] == record["causes"][0]["layer"]
    answers = [len(close_frame(1001, mask=side == "client")) * script.count(f"{side} answer") for side in OTHER]
    assert list(record["unsent_bytes"].values()) == answers, "only answers to the gateway go no further"
    assert tally(gateway.metrics(), "websocket_errors_total", "type") == (errors or {})


CODES = {
    "1000": "normal", "1001": "going_away", "1008": "policy_violation", "1011": "internal_error", "4000": "app",
    "": "no_status", "999": "other", "1004": "other", "5000": "other",
}


@pytest.mark.parametrize("side", OTHER)
@pytest.mark.parametrize("code", CODES)
def test_close_handshake(side, code):
    """The other side answers with the same code, or with 1002 when it is none that may be sent."""
    is_wrong = CODES[code] == "other"
    answer = "1002" if is_wrong else code
    closes = f"{side} close {code}".rstrip() + f", {OTHER[side]} close {answer}".rstrip()
    script = f"{side} text, {OTHER[side]} text, {closes}, upstream fin, client fin"
    seen = {side: code or "1005", OTHER[side]: answer or "1005"}
    with joined() as (gateway, [pair]):
        pair.play(script)
        expected = f"{side} {CODES[code]} {seen['client']} {seen['upstream']}"
        check(gateway, script, expected, {"frame": 1} if is_wrong else {})


FINS = "upstream fin, client fin"
ENDINGS = [
    (f"client close 1000, upstream close 4001, {FINS}", "client normal 1000 4001", {}),
    ("upstream close 1011, client close 1000, client fin, upstream fin", "upstream internal_error 1000 1011", {}),
    (f"client close 1000, upstream text, upstream close 1000, {FINS}", "client normal 1000 1000", {}),
    (f"client close 1000, client text, upstream close 1000, {FINS}", "client normal 1000 1000", {"frame": 1}),
    (f"client stub, upstream close 1002, {FINS}", "client no_status 1005 1002", {"frame": 1}),
    (f"upstream stub, client close 1002, {FINS}", "upstream no_status 1002 1005", {"frame": 1}),
    ("client close 1000, client fin, upstream fin", "client normal 1000 -", {}),
    ("client close 1001, client rst", "client going_away 1001 -", {"io_client": 1}),
    ("upstream close 1001, upstream rst", "upstream going_away - 1001", {"io_upstream": 1}),
    ("client close 1000, upstream close 1000, client rst", "client normal 1000 1000", {"io_client": 1}),
    ("client fin, upstream fin", "client abnormal - -", {}),
    ("upstream fin, client fin", "upstream abnormal - -", {}),
    ("client text, client fin, upstream text, upstream text, upstream fin", "client abnormal - -", {}),
    ("upstream text, upstream fin, client text, client text, client fin", "upstream abnormal - -", {}),
    ("client fin, upstream close 1001, upstream fin", "client abnormal - 1001", {}),
    ("upstream fin, client close 4000, client fin", "upstream abnormal 4000 -", {}),
    ("client text, client rst", "client reset - -", {"io_client": 1}),
    ("upstream text, upstream rst", "upstream reset - -", {"io_upstream": 1}),
    ("client fin, upstream rst", "client abnormal - -", {"io_upstream": 1}),
    ("upstream fin, client rst", "upstream abnormal - -", {"io_client": 1}),
    ("client text, upstream text, client killed, upstream fin", "client abnormal - -", {}),
    ("client text, upstream text, upstream killed, client fin", "upstream abnormal - -", {}),
    ("upstream unread, client killed_unread", "client reset - -", {"io_client": 1}),
    ("client unread, upstream killed_unread", "upstream reset - -", {"io_upstream": 1}),
]


@pytest.mark.parametrize(("script", "expected", "errors"), ENDINGS, ids=[row[0] for row in ENDINGS])
def test_ending(script, expected, errors):
    with joined() as (gateway, [pair]):
        pair.play(script)
        check(gateway, script, expected, errors)


LIMITS = [
    (IDLE, "proxy idle_timeout, client answer, upstream answer", "proxy timeout 1001 1001"),
    (IDLE, "proxy idle_timeout, client answer, proxy half_close_timeout", "proxy timeout 1001 -"),
    (IDLE, "proxy idle_timeout, proxy half_close_timeout", "proxy timeout - -"),
    (IDLE, "client close 1000, proxy half_close_timeout", "client normal 1000 -"),
    (HALF_CLOSE, "client close 1000, upstream close 1000, proxy half_close_timeout", "client normal 1000 1000"),
    (HALF_CLOSE, "upstream close 1001, proxy half_close_timeout", "upstream going_away - 1001"),
    (HALF_CLOSE, "client fin, upstream text, proxy half_close_timeout", "client abnormal - -"),
    (HALF_CLOSE, "upstream fin, client text, proxy half_close_timeout", "upstream abnormal - -"),
]


@pytest.mark.parametrize(("route", "script", "expected"), LIMITS, ids=[row[1] for row in LIMITS])
def test_limit_of_time(route, script, expected):
    with joined(route=route) as (gateway, [pair]):
        pair.play(script)
        check(gateway, script, expected)


def test_goodbye_waits_for_the_end_of_a_frame():
    with joined(route=IDLE) as (gateway, [pair]):
        text = pair.upstream.frame(1, b"hello")
        pair.upstream.send(text[:3])
        pair.upstream.expect_goodbye()
        pair.upstream.send(text[3:])
        pair.client.expect_goodbye()
        pair.play("client answer, upstream answer")
        script = "upstream text, proxy idle_timeout, client answer, upstream answer"
        check(gateway, script, "proxy timeout 1001 1001")


def test_both_close_at_once():
    """Which one was first is the gateway's to see; its account must be of one piece."""
    with joined() as (gateway, [pair]):
        frames = {"client": close_frame(1000, mask=True), "upstream": close_frame(1011)}
        gateway.signal(signal.SIGSTOP)
        pair.upstream.sock.sendall(frames["upstream"])
        pair.client.sock.sendall(frames["client"])
        gateway.signal(signal.SIGCONT)
        pair.client.expect(frames["upstream"])
        pair.upstream.expect(frames["client"])
        pair.play(FINS)
        closes = {"client": "client close 1000", "upstream": "upstream close 1011"}
        first = gateway.wait_closed()[0]["initiator"]
        reason = {"client": "normal", "upstream": "internal_error"}[first]
        check(gateway, f"{closes[first]}, {closes[OTHER[first]]}, {FINS}", f"{first} {reason} 1000 1011")


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("side", OTHER)
def test_all_at_once(side, end):
    """What was sent before an end is passed on and counted, also when it is read together with that end."""
    with joined() as (gateway, [pair]):
        actor, other = getattr(pair, side), getattr(pair, OTHER[side])
        data = actor.frame(1, b"hello") + close_frame(1001, mask=actor.is_client)
        gateway.signal(signal.SIGSTOP)
        actor.sock.sendall(data)
        if end == "fin":
            actor.sock.shutdown(socket.SHUT_WR)
        else:
            reset(actor.sock)
        gateway.signal(signal.SIGCONT)
        other.expect(data)
        script = f"{side} text, {side} close 1001, {side} {end}"
        if end == "fin":
            other.expect_end()
            other.fin()
            script += f", {OTHER[side]} fin"
        else:
            other.expect_reset()
        codes = "1001 -" if actor.is_client else "- 1001"
        check(gateway, script, f"{side} going_away {codes}", {f"io_{side}": 1} if end == "rst" else {})


def test_upstream_that_talks_on_to_a_killed_client():
    with joined() as (gateway, [pair]):
        pair.play("client killed")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                pair.upstream.sock.sendall(pair.upstream.frame(1, b"hello"))
        [record] = gateway.wait_closed()
        assert (story(record), verdict(record)) == ("client fin, client rst", "client abnormal - -")
        assert record["unsent_bytes"]["server_to_client"] > 0
        metrics = gateway.metrics()
        assert tally(metrics, "websocket_errors_total", "type") == {"io_client": 1}
        assert tally(metrics, "websocket_connections_closed_total", "initiator", "reason") == {("client", "abnormal"): 1}


def test_drain():
    """The second connection keeps the gateway while it is asked about the first."""
    answers = "client answer, upstream answer"
    with joined(2, extra="drain: { window: 5s }\nclosed: { log: closed.log }\n") as (gateway, [first, last]):
        first.play(f"proxy drain, {answers}")
        until(lambda: total(gateway.metrics(), "websocket_active_connections") == 1, "the first one is closed")
        closed = tally(gateway.metrics(), "websocket_connections_closed_total", "initiator", "reason")
        assert closed == {("proxy", "shutdown"): 1}
        last.proxy.goodbye()
        last.play(answers)
        assert gateway.wait() == 0
        told = [(story(record), verdict(record)) for record in logged(gateway)]
        assert told == [(causes(f"proxy drain, {answers}"), "proxy shutdown 1001 1001")] * 2


def test_drain_while_a_handshake_is_under_way():
    may_answer = threading.Event()

    def head(request):
        may_answer.wait(10)
        return switching(request)

    extra = "drain: { window: 5s }\nclosed: { log: closed.log }\n"
    with (
        upstream_sockets(head) as (backend, sockets),
        Gateway(config=config_for(backend.address, extra=extra)) as gateway,
        connect(gateway.port) as client,
    ):
        client.sendall(handshake()[0])
        until(lambda: backend.heads, "the upstream has the request")
        gateway.signal(signal.SIGTERM)
        until(lambda: gateway.logged(STOPPING), "it is stopping")
        may_answer.set()
        answer, ahead = read_head(client)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        [upstream] = until(lambda: sockets, "the upstream has answered")
        pair = Pair(gateway, client, upstream)
        pair.client.ahead = ahead
        pair.proxy.goodbye()
        pair.play("client answer, upstream answer")
        assert gateway.wait() == 0
        [record] = logged(gateway)
        told = causes("proxy drain, client answer, upstream answer")
        assert (story(record), verdict(record)) == (told, "proxy shutdown 1001 1001")


def test_drain_cuts_what_does_not_answer():
    with joined(extra="drain: { window: 1s }\nclosed: { log: closed.log }\n") as (gateway, [pair]):
        script = "client text, proxy drain, proxy cut"
        pair.play(script)
        assert gateway.wait() == 0
        [record] = logged(gateway)
        assert (story(record), verdict(record)) == (causes(script), "proxy shutdown - -")
        assert messages(record) == (1, 0)


STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = f"{STREAM}Transfer-Encoding: chunked\r\n\r\n".encode()
SIZED = f"{STREAM}Content-Length: 18\r\n\r\n".encode()
SUBSCRIBE = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
EVENT = b"data: 1\n\n"
CHUNK, LAST_CHUNK = b"9\r\n" + EVENT + b"\r\n", b"0\r\n\r\n"


@contextlib.contextmanager
def subscribed(head=CHUNKED, is_read=True, **options):
    """An event stream through a gateway, and one event delivered."""
    event = CHUNK if head == CHUNKED else EVENT
    with (
        upstream_sockets(lambda _: head) as (backend, sockets),
        Gateway(config=config_for(backend.address, **options)) as gateway,
        connect(gateway.port) as client,
    ):
        client.sendall(SUBSCRIBE)
        seen, _ = read_head(client)
        assert seen.startswith(b"HTTP/1.1 200"), seen
        [upstream] = until(lambda: sockets, "the upstream has answered")
        upstream.sendall(event)
        if is_read:
            read_until(client, event)
        until(lambda: total(gateway.metrics(), "sse_event_delay_seconds_count") == 1, "the event is delivered")
        yield gateway, client, upstream


def read_until(sock, end):
    seen = b""
    while not seen.endswith(end):
        part = sock.recv(65536)
        assert part, f"ended after {seen!r}"
        seen += part


def half_close(sock):
    sock.shutdown(socket.SHUT_WR)


STREAMS = {
    "the client half closes": (CHUNKED, "client", half_close, "client fin", "client_closed", 1),
    "the client is killed": (CHUNKED, "client", kill_owner, "client fin", "client_closed", 1),
    "the upstream is killed": (CHUNKED, "upstream", kill_owner, "upstream body_truncated", "truncated", 1),
    "all of its length": (SIZED, "upstream", lambda sock: sock.sendall(EVENT), "upstream body_end", "complete", 2),
    "a part of its length": (SIZED, "upstream", half_close, "upstream body_truncated", "truncated", 1),
    "reset inside its length": (SIZED, "upstream", reset, "upstream rst", "reset", 1),
}


def check_stream(gateway, told, reason, events=1):
    gateway.wait_closed()
    [record] = balance(gateway, "sse")
    assert (story(record), verdict(record)) == (told, f"{told.split()[0]} {reason} - -")
    assert record["layer"] == LAYERS[record["causes"][0]["what"]]
    assert messages(record) == (0, events)


@pytest.mark.parametrize("name", STREAMS)
def test_event_stream(name):
    head, side, end, told, reason, events = STREAMS[name]
    with subscribed(head) as (gateway, client, upstream):
        end({"client": client, "upstream": upstream}[side])
        check_stream(gateway, told, reason, events)


def test_event_stream_of_a_killed_client_that_has_not_read():
    with subscribed(is_read=False) as (gateway, client, _):
        kill_owner(client)
        check_stream(gateway, "client rst", "reset")


def test_silent_event_stream():
    with subscribed(route=IDLE) as (gateway, client, _):
        read_until(client, LAST_CHUNK)
        check_stream(gateway, "proxy idle_timeout", "timeout")


@pytest.mark.parametrize("end", ["fin", "rst"])
def test_event_with_the_end_behind_it(end):
    with subscribed() as (gateway, client, upstream):
        gateway.signal(signal.SIGSTOP)
        upstream.sendall(CHUNK)
        half_close(upstream) if end == "fin" else reset(upstream)
        gateway.signal(signal.SIGCONT)
        assert read_all(client) == CHUNK
        told, reason = {"fin": ("body_truncated", "truncated"), "rst": ("rst", "reset")}[end]
        check_stream(gateway, f"upstream {told}", reason, events=2)


def test_event_stream_at_a_drain():
    with subscribed(extra="drain: { window: 1s }\nclosed: { log: closed.log }\n") as (gateway, client, _):
        gateway.signal()
        read_until(client, LAST_CHUNK)
        assert gateway.wait() == 0
        [record] = logged(gateway)
        assert (story(record), verdict(record)) == ("proxy drain", "proxy shutdown - -")
