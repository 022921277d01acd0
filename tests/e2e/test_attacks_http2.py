"""Attacks by HTTP/2 and gRPC as raw frames, by clients and by upstreams: bounded, told, and of no harm to others."""

import contextlib
import gzip
import threading

import pytest

from harness.attacks import OK, front as strict_front
from harness.gateway import until
from harness.hostile import CANARIES, DOWN, KB, MB, UP, attacked, bounded_memory, series
from harness.http2 import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Link, asked, called, field, fields, head, http2_frame, integer,
    message, reset_stream, settings,
)
from harness.wire import connect

SPARE = 16 * MB
SECRETS = (
    ("authorization", f"Bearer {CANARIES['authorization']}"), ("cookie", f"session={CANARIES['cookie']}"),
    ("x-token", CANARIES["metadata"]), ("token-bin", CANARIES["metadata"]),
)
ANSWER = ((":status", "200"), ("content-type", "application/grpc"), ("set-cookie", CANARIES["set-cookie"]))
STATUS = (("grpc-status", "0"), ("x-token", CANARIES["metadata"]))
PAYLOAD = CANARIES["payload"].encode()


def flow(size):
    return size.to_bytes(4, "big")


# What opens one's windows as far as they go.
WIDE = settings(_4=2**31 - 1), http2_frame(WINDOW_UPDATE, 0, 0, flow(2**30))


def plain_answer(_):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def greet(link):
    """The upstream's part of the preface: SETTINGS, and what is to be read first; its windows never shut."""
    link.take(len(b"SM\r\n\r\n"))
    link.send(*WIDE)


def answer_calls(sock, rest):
    """Answers each call, at its end, with one message and status 0."""
    link = Link(sock, rest)
    greet(link)
    while found := link.next():
        kind, flags, stream, _ = found
        if kind == SETTINGS and not flags & ACK:
            link.send(http2_frame(SETTINGS, ACK))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            answer(link, stream)


def answer(link, stream):
    link.send(
        head(stream, *ANSWER), http2_frame(DATA, 0, stream, message(PAYLOAD)),
        head(stream, *STATUS, flags=END_HEADERS | END_STREAM),
    )


@contextlib.contextmanager
def linked(gateway, *first):
    with connect(gateway.port) as sock:
        link = Link(sock)
        link.send(PREFACE, *(first or [settings()]))
        assert link.find(SETTINGS)
        link.send(http2_frame(SETTINGS, ACK))
        yield link


def call(gateway, path="/demo.Chat/Echo?token=" + CANARIES["query"]):
    """One call on a connection of its own, to its end."""
    with linked(gateway, *WIDE) as link:
        link.send(head(1, *called(path), *SECRETS), http2_frame(DATA, END_STREAM, 1, message(PAYLOAD)))
        assert link.find(HEADERS, stream=1, flags=END_STREAM), "the call has no end"


@contextlib.contextmanager
def besieged(speak=answer_calls, answer=plain_answer, level="debug"):
    with attacked(answer, speak=speak, level=level) as front:
        call(front.gateway)
        known = series(front.gateway)
        yield front
        works(front)
        assert series(front.gateway) - known <= {sample for sample in series(front.gateway) if "demo.Chat" in sample}


def works(front):
    front.works()
    call(front.gateway)


def ends(front):
    """What the debug log says of connections that ended with an error."""
    return [line["error"] for line in front.gateway.logged("a client's connection ended with an error")]


RESETS = 5_000
REQUESTS = {"requests": asked(f"/?token={CANARIES['query']}"), "calls": called()}


@pytest.mark.parametrize("name", REQUESTS)
def test_rapid_reset(name):
    """G1: streams that are reset as soon as they are opened (CVE-2023-44487)."""
    with besieged() as front, linked(front.gateway) as link:
        pairs = [head(n, *REQUESTS[name]) + reset_stream(n) for n in range(1, 2 * RESETS, 2)]
        with bounded_memory(front.gateway, SPARE):
            assert link.flood(*(b"".join(pairs[n : n + 100]) for n in range(0, RESETS, 100))) == ENHANCE_YOUR_CALM
            works(front)
        until(lambda: len(ends(front)) == 1, "its end is logged")
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")


def test_resets_one_by_one():
    """G1: slow enough to be served, each ends at once, here and at the upstream."""
    with besieged() as front, linked(front.gateway) as link, bounded_memory(front.gateway, SPARE):
        for n in range(1, 1000, 2):
            link.send(head(n, *called(), *SECRETS), http2_frame(PING, 0, 0, n.to_bytes(8, "big")))
            assert link.find(PING, flags=ACK)
            link.send(reset_stream(n))
        works(front)
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")
        codes = front.count("grpc_streams_closed_total", "grpc_method", "grpc_code")
        assert codes == {("Talk", "CANCELLED"): 500, ("Echo", "OK"): 2}


def bomb(stream, size):
    """One field of 4,000 bytes kept in the table, and then named again and again by one byte each."""
    kept = fields(*asked()) + field("x", "y" * 4000, first=0x40)
    return http2_frame(HEADERS, END_HEADERS | END_STREAM, stream, kept + b"\xbe" * size)


def endless(frames, size, stream=1, pairs=asked()):
    start, more = http2_frame(HEADERS, 0, stream, fields(*pairs)), http2_frame(CONTINUATION, 0, stream, bytes(size))
    return [start, *[more * 10] * frames]


GET = head(1, *asked(), flags=END_HEADERS)
TALK = head(1, *called())
GOES_ON, GIVES_UP, EITHER = {False}, {True}, {True, False}
# Frames behind the preface of a client, and whether the connection goes on or is given up.
FLOODS = {
    "an endless head": (endless(1000, 16_000), GIVES_UP),
    "an endless head of nothing": (endless(10_000, 0), GIVES_UP),
    "bombs": ([bomb(1, 12_000), *[bomb(n, 12_000) for n in range(3, 401, 2)]], EITHER),
    "SETTINGS": ([settings(_4=65_535, _3=7) * 1000] * 100, GOES_ON),
    "all SETTINGS": ([b"".join(settings(**{f"_{n}": n}) for n in range(9, 2000))] * 20, GOES_ON),
    "PINGs": ([http2_frame(PING, 0, 0, bytes(8)) * 1000] * 100, GOES_ON),
    "answers to no PING": ([http2_frame(PING, ACK, 0, bytes(8)) * 1000] * 100, GOES_ON),
    "PRIORITY": ([b"".join(http2_frame(PRIORITY, 0, n, bytes(5)) for n in range(1, 2001, 2))] * 100, GOES_ON),
    "unknown frames": ([http2_frame(0x77, 0xFF, 1, bytes(16_000)) * 10] * 200, GOES_ON),
    "DATA of nothing": ([GET, *[http2_frame(DATA, 0, 1) * 1000] * 100], EITHER),
    "DATA of nothing in a call": ([TALK, *[http2_frame(DATA, 0, 1) * 1000] * 100], EITHER),
    "padding alone": ([TALK, *[http2_frame(DATA, 8, 1, b"\xff" + bytes(255)) * 100] * 2], EITHER),
    "more than the window": ([TALK, *[http2_frame(DATA, 0, 1, bytes(16_000))] * 200], EITHER),
    "a window that overflows": ([http2_frame(WINDOW_UPDATE, 0, 0, flow(2**31 - 1)) * 2], GIVES_UP),
    "a window of nothing": ([http2_frame(WINDOW_UPDATE, 0, 0, flow(0))], GIVES_UP),
    "windows": ([http2_frame(WINDOW_UPDATE, 0, 0, flow(1)) * 1000] * 100, GOES_ON),
    "streams over the limit": ([head(n, *called()) for n in range(1, 20_001, 2)], EITHER),
    "heads that cannot be read": ([http2_frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")], GIVES_UP),
    "a field that is not in the table": ([http2_frame(HEADERS, END_HEADERS, 1, b"\xfe")], GIVES_UP),
    "a table of 2 GB": ([http2_frame(HEADERS, END_HEADERS, 1, integer(2**31, 5, 0x20))], GIVES_UP),
    "a frame of 16 MB": ([b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(20_000)], GIVES_UP),
    "a PING of 7 bytes": ([http2_frame(PING, 0, 0, bytes(7))], GIVES_UP),
    "SETTINGS of 7 bytes": ([http2_frame(SETTINGS, 0, 0, bytes(7))], GIVES_UP),
    "frames of 17 MB allowed": ([settings(_5=2**24)], GIVES_UP),
    "a window of 2 GB set": ([settings(_4=2**31)], GIVES_UP),
    "DATA of no stream": ([http2_frame(DATA, 0, 0, b"x")], GIVES_UP),
    "DATA of a stream to come": ([http2_frame(DATA, 0, 99, b"x")], GIVES_UP),
    "a stream of the server": ([head(2, *asked())], GIVES_UP),
    "a promise": ([http2_frame(PUSH_PROMISE, END_HEADERS, 1, flow(2) + fields(*asked()))], GIVES_UP),
    "a head in a head": ([http2_frame(HEADERS, 0, 1, fields(*asked())), GET], GIVES_UP),
    "a continuation of nothing": ([http2_frame(CONTINUATION, END_HEADERS, 1, fields(*asked()))], GIVES_UP),
    "a preface in the midst": ([PREFACE], GIVES_UP),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_of_clients(name):
    """G2."""
    pieces, expected = FLOODS[name]
    with besieged(level="info") as front, linked(front.gateway) as link:
        with bounded_memory(front.gateway, SPARE):
            code = link.flood(*pieces)
            works(front)
        assert (code is not None) in expected
        refused = {} if code is None else {"malformed": 1}
        until(lambda: front.count("heartline_refused_total", "reason") == refused, f"it is counted: {refused}")
        assert len(front.gateway.lines) < 100
        link.sock.close()
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")
        assert front.count("grpc_stream_messages_total", "direction") != {}


class Hostile:
    """An upstream that answers calls, which it counts; once armed, it does as it is told to the next one."""

    def __init__(self, attack):
        self.attack, self.is_armed, self.calls = attack, False, 0

    def __call__(self, sock, rest):
        link = Link(sock, rest)
        greet(link)
        while found := link.next():
            kind, flags, stream, _ = found
            if kind == SETTINGS and not flags & ACK:
                link.send(http2_frame(SETTINGS, ACK))
            if kind == HEADERS and self.is_armed:
                self.is_armed = False
                self.attack(link, stream)
                continue
            self.calls += kind == HEADERS
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                answer(link, stream)


STEERING = b"\x1b[31m\r\n\x00\xe2\x80\xae<script>alert(1)</script>\xff"
OPEN = (":status", "200"), ("content-type", "application/grpc")


def trailers(stream, *pairs):
    return head(stream, *OPEN) + head(stream, *pairs, flags=END_HEADERS | END_STREAM)


# Frames of an upstream for a stream, and the codes that the client's call may end with; none when it is to be told
# only afterwards how the call ends.
HOSTILE = {
    "an endless head": (lambda n: endless(1000, 16_000, n, OPEN), {"UNAVAILABLE", "INTERNAL", "UNKNOWN"}),
    "an endless head of nothing": (lambda n: endless(10_000, 0, n, OPEN), {"UNAVAILABLE", "INTERNAL", "UNKNOWN"}),
    "a bomb": (
        lambda n: [http2_frame(HEADERS, END_HEADERS, n, fields(*OPEN) + field("x", "y" * 4000, 0x40) + b"\xbe" * 12_000)],
        {"UNAVAILABLE", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"},
    ),
    "SETTINGS": (lambda n: [settings(_4=65_535, _3=7) * 1000] * 100, None),
    "PINGs": (lambda n: [http2_frame(PING, 0, 0, bytes(8)) * 1000] * 100, None),
    "answers to no PING": (lambda n: [http2_frame(PING, ACK, 0, bytes(8)) * 1000] * 100, None),
    "windows": (lambda n: [http2_frame(WINDOW_UPDATE, 0, 0, flow(1)) * 1000] * 100, None),
    "unknown frames": (lambda n: [http2_frame(0x77, 0xFF, n, bytes(16_000)) * 10] * 200, None),
    "DATA of nothing": (lambda n: [head(n, *OPEN), *[http2_frame(DATA, 0, n) * 1000] * 100], None),
    "interim answers": (lambda n: [head(n, (":status", "103"), ("link", "x")) * 100] * 100, None),
    "resets": (lambda n: [reset_stream(n, 7) * 1000] * 10, {"UNAVAILABLE"}),
    "a reset of no meaning": (lambda n: [reset_stream(n, 2**32 - 1)], {"UNKNOWN", "INTERNAL"}),
    "a promise": (
        lambda n: [http2_frame(PUSH_PROMISE, END_HEADERS, n, flow(2) + fields(*asked()))], {"UNAVAILABLE", "INTERNAL"},
    ),
    "a window that overflows": (lambda n: [http2_frame(WINDOW_UPDATE, 0, 0, flow(2**31 - 1))], {"UNAVAILABLE", "INTERNAL"}),
    "more than the window": (
        lambda n: [head(n, *OPEN), *[http2_frame(DATA, 0, n, bytes(16_000))] * 200], {"UNAVAILABLE", "INTERNAL", "UNKNOWN"},
    ),
    "DATA before the head": (lambda n: [http2_frame(DATA, 0, n, message())], {"UNAVAILABLE", "INTERNAL"}),
    "a frame of 16 MB": (lambda n: [b"\xff\xff\xff\0\0\0\0\0\1" + bytes(20_000)], {"UNAVAILABLE", "INTERNAL"}),
    "no HTTP/2": (lambda n: [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9], {"UNAVAILABLE", "INTERNAL"}),
    "farewells": (
        lambda n: [http2_frame(GOAWAY, 0, 0, flow(0) + flow(code) + STEERING * 200) for code in (2, 11, 2**32 - 1)],
        {"UNAVAILABLE"},
    ),
    "a message that steers": (
        lambda n: [trailers(n, ("grpc-status", "9"), ("grpc-message", "%1B[31m%0D%0A%00%E2%80%AE<script>%FF" * 99))],
        {"FAILED_PRECONDITION"},
    ),
    "a message of 15 KB": (
        lambda n: [trailers(n, ("grpc-status", "3"), ("grpc-message", "x" * 15_000))], {"INVALID_ARGUMENT"},
    ),
    "a status that is too large": (lambda n: [trailers(n, ("grpc-status", "99999999999999999999"))], {"UNKNOWN"}),
    "a status that is no number": (lambda n: [trailers(n, ("grpc-status", '"}\x09-1'))], {"UNKNOWN"}),
    "no status": (lambda n: [trailers(n, ("x", "y"))], {"UNKNOWN"}),
    "a steering head": (
        lambda n: [http2_frame(HEADERS, END_HEADERS, n, fields(*OPEN, ("x", STEERING)))],
        {"UNAVAILABLE", "INTERNAL", "UNKNOWN"},
    ),
}


def end_of(link, stream):
    """The frame that ends a stream."""
    while True:
        found = link.find(DATA, HEADERS, RST_STREAM, stream=stream)
        if found is None or found[0] == RST_STREAM or found[1] & END_STREAM:
            return found


def record_of(front, method):
    def found():
        return [record for record in front.gateway.closed() if record.get("grpc", {}).get("method") == method]

    [record] = until(found, f"a record of {method}")
    return record


@pytest.mark.parametrize("name", HOSTILE)
def test_floods_of_upstreams(name):
    """G2: the client is told an end, and the next call is served."""
    frames, codes = HOSTILE[name]

    def attack(link, stream):
        code = link.flood(*frames(stream)) if codes is None else link.send(*frames(stream))
        if codes is None and code is None:
            link.send(head(stream, *OPEN), head(stream, *STATUS, flags=END_HEADERS | END_STREAM))

    upstream = Hostile(attack)
    with besieged(upstream, level="info") as front, linked(front.gateway, *WIDE) as link:
        with bounded_memory(front.gateway, SPARE):
            upstream.is_armed = True
            link.send(head(1, *called(), *SECRETS))
            assert end_of(link, 1), "the client is told no end"
            works(front)
        record = record_of(front, "Talk")
        assert record["grpc"]["code"] in (codes or {"OK", "UNAVAILABLE", "UNKNOWN", "INTERNAL"})
        assert record["initiator"] == "upstream"
        assert len(record["grpc"].get("message", "")) <= 256
        assert len(front.gateway.lines) < 100


class Kept:
    """An upstream that reads a call's body with its windows wide open, and answers with a body of its own."""

    def __init__(self, *pieces):
        self.pieces, self.bodies = pieces, []

    def __call__(self, sock, rest):
        link, body = Link(sock, rest), bytearray()
        greet(link)
        while found := link.next():
            kind, flags, stream, payload = found
            if kind == SETTINGS and not flags & ACK:
                link.send(http2_frame(SETTINGS, ACK))
            if kind == DATA:
                body += payload
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self.bodies.append(bytes(body))
                body.clear()
                link.send(head(stream, *ANSWER))
                link.body(stream, *self.pieces)
                link.send(head(stream, *STATUS, flags=END_HEADERS | END_STREAM))


PACKED = message(gzip.compress(bytes(10 * MB)), flag=1)
# Pieces of a body, and the messages in it.
BODIES = {
    "4 GB announced": ([message(length=2**32 - 1), bytes(3 * MB)], 0),
    "4 GB announced behind a message": ([message(PAYLOAD), message(flag=1, length=2**32 - 1), bytes(MB)], 1),
    "bombs": ([PACKED] * 100, 100),
    "what does not inflate": ([message(b"\xff" * 100, flag=1)] * 100, 100),
    "a flag that is none": ([message(PAYLOAD), message(PAYLOAD, flag=255), *[message(PAYLOAD)] * 1000], 1),
    "text": ([b"<html>" + PAYLOAD], 0),
    "messages of nothing": ([message() * 1000] * 100, 100_000),
    "byte by byte": ([bytes([byte]) for byte in message(PAYLOAD) * 40], 40),
    "half a message": ([message(PAYLOAD), message(PAYLOAD)[:-1]], 1),
    "half a prefix": ([message(PAYLOAD), message()[:3]], 1),
}


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("name", BODIES)
def test_bodies(name, direction):
    """G3: no room is made for what is announced, nothing is inflated, and all is passed on as it is."""
    pieces, count = BODIES[name]
    up, down = (pieces, []) if direction == UP else ([], pieces)
    upstream = Kept(*down)
    with besieged(upstream, level="info") as front, linked(front.gateway, *WIDE) as link:
        upstream.bodies.clear()
        with bounded_memory(front.gateway, SPARE):
            link.send(head(1, *called(), *SECRETS))
            link.body(1, *up)
            link.send(http2_frame(DATA, END_STREAM, 1))
            got = bytearray()
            while found := link.find(DATA, HEADERS, stream=1):
                got += found[3] if found[0] == DATA else b""
                if found[1] & END_STREAM:
                    break
            works(front)
        assert found
        assert got == b"".join(down)
        assert upstream.bodies[0] == b"".join(up)
        record = record_of(front, "Talk")
        assert record["messages"][direction] == count
        assert record["bytes"][direction] == sum(map(len, pieces))
        assert (record["initiator"], record["grpc"]["code"]) == ("upstream", "OK")


STREAMS = 200


def pour(sock, rest):
    """An upstream that answers each call with as much as the windows let it send at once, and goes no farther."""
    link = Link(sock, rest)
    greet(link)
    while found := link.next():
        kind, flags, stream, _ = found
        if kind == SETTINGS and not flags & ACK:
            link.send(http2_frame(SETTINGS, ACK))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            link.send(head(stream, *ANSWER))
            room = min(65_535 + link.windows.get(0, 0), link.initial_window, 16_000)
            link.body(stream, message(bytes(room - 5)) if room > 5 else b"")


def endless_answer(_):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4194304\r\n\r\n" + bytes(4 * MB)


@pytest.mark.parametrize("name", REQUESTS)
def test_windows_that_stay_shut(name):
    """G2: many streams whose answers nobody takes; what waits is bounded, and so is what the upstream may send."""
    with attacked(endless_answer, speak=pour) as front, linked(front.gateway, settings(_4=0)) as link:
        with bounded_memory(front.gateway, STREAMS * 256 * KB):
            for n in range(1, 2 * STREAMS, 2):
                link.send(head(n, *REQUESTS[name], flags=END_HEADERS | END_STREAM))
            for _ in range(STREAMS):
                assert link.find(HEADERS)
            front.works()
        link.sock.close()
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")


def request_of(*more, pairs=asked()):
    return fields(*pairs, *more)


# Heads that must not become a request of HTTP/1.1, as their fields could be read in another way there.
MALFORMED = {
    **{
        f"{what} in {where}": request_of(*([("x", f"a{text}b")] if where == "a value" else [(f"x{text}y", "a")]))
        for what, text in {"CR": "\r", "LF": "\n", "CR and LF": "\r\nX: y", "NUL": "\0"}.items()
        for where in ("a value", "a name")
    },
    **{
        f"Last-Event-ID with {what}": request_of(("accept", "text/event-stream"), ("last-event-id", f"a{text}b"))
        for what, text in {"CR": "\r", "LF": "\n", "NUL": "\0", "a field": "\r\nX-Injected: y"}.items()
    },
    "a space in a path": request_of(pairs=asked("/a HTTP/1.1\r\nX: y")),
    "LF in a path": request_of(pairs=asked("/\n")),
    "no path": request_of(pairs=asked("")),
    "a path without slash": request_of(pairs=asked("a")),
    "LF in a method": request_of(pairs=asked("/", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET")),
    "a space in a method": request_of(pairs=asked("/", "GET /x")),
    "LF in a host": request_of(pairs=asked(authority="localhost\r\nX: y")),
    "a user in a host": request_of(pairs=asked(authority="evil@localhost")),
    "a port that is none": request_of(pairs=asked(authority="localhost:evil")),
    "another host": request_of(("host", "evil.example")),
    "two hosts": request_of(("host", "localhost"), ("host", "evil.example")),
    "no host": request_of(pairs=asked()[:3]),
    "two paths": request_of((":path", "/b"), pairs=asked()),
    "a late path": request_of((":path", "/"), pairs=(*asked()[:2], ("x", "y"))),
    "a status": request_of((":status", "200")),
    "an unknown one": request_of((":evil", "1")),
    "capitals": request_of(("X-Evil", "1")),
    "a colon in a name": request_of(("x:y", "1")),
    "a space in a name": request_of(("x y", "1")),
    "no name": request_of(("", "1")),
    "codings": request_of(("transfer-encoding", "chunked")),
    "connection": request_of(("connection", "keep-alive")),
    "keep-alive": request_of(("keep-alive", "timeout=5")),
    "proxy-connection": request_of(("proxy-connection", "close")),
    "upgrade": request_of(("upgrade", "websocket")),
    "te": request_of(("te", "gzip")),
    "two lengths": request_of(("content-length", "0"), ("content-length", "5")),
    "a length that is none": request_of(("content-length", "+5")),
    "a length without a body": request_of(("content-length", "5")),
    "CONNECT": fields((":method", "CONNECT"), (":authority", "localhost:80")),
    "extended CONNECT": request_of((":protocol", "websocket"), pairs=asked("/", "CONNECT")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests(name):
    """S2, H1, H2 as HTTP/2 has them: answered 400, or the stream or the connection is reset; nothing goes on."""
    with strict_front(lambda _: OK) as front:
        with linked(front.gateway) as link:
            link.send(http2_frame(HEADERS, END_HEADERS | END_STREAM, 1, MALFORMED[name]))
            found = link.find(HEADERS, RST_STREAM, GOAWAY)
            assert found
            assert found[0] != HEADERS or b"400" in found[3] or found[3][:1] == b"\x8c", found
        assert front.reached() == []


BODIES_THAT_LIE = {
    **{
        f"a length of {length} for 3": [
            head(1, *asked("/", "POST"), ("content-length", length)), http2_frame(DATA, END_STREAM, 1, b"hi!"),
        ]
        for length in ("2", "9")
    },
    "a request in trailers": [
        head(1, *asked("/", "POST")), http2_frame(DATA, 0, 1, b"hi"),
        head(1, ("x", "\r\n\r\nGET /internal HTTP/1.1\r\nHost: a"), flags=END_HEADERS | END_STREAM),
    ],
    "a path in trailers": [
        head(1, *asked("/", "POST")), http2_frame(DATA, 0, 1, b"hi"),
        head(1, *asked("/internal"), flags=END_HEADERS | END_STREAM),
    ],
    "chunks": [
        head(1, *asked("/", "POST")), http2_frame(DATA, 0, 1, b"0\r\n\r\nGET /internal HTTP/1.1\r\nHost: a\r\n\r\n"),
        http2_frame(DATA, END_STREAM, 1),
    ],
}


@pytest.mark.parametrize("name", BODIES_THAT_LIE)
def test_bodies_that_lie(name):
    """H1: what is a body here is no request at the upstream."""
    with strict_front(lambda _: OK) as front:
        with linked(front.gateway) as link:
            link.send(*BODIES_THAT_LIE[name])
            assert link.find(HEADERS, RST_STREAM, GOAWAY)
        if name == "chunks":
            [found] = front.target.requests
            assert found.body == BODIES_THAT_LIE[name][1][9:]
        else:
            assert front.reached() in ([], ["POST /"] if name == "a path in trailers" else [])


SMALL = 4_000


def test_small_messages_for_a_slow_client():
    """What one client does not take must not end the calls of others on the same connection to the upstream."""
    burst = threading.Event()

    def attack(link, stream):
        link.send(head(stream, *ANSWER), *[http2_frame(DATA, 0, stream, message(b"0123456789"))] * SMALL)
        burst.set()

    upstream = Hostile(attack)
    with besieged(upstream) as front, linked(front.gateway, *WIDE) as other, linked(front.gateway, settings(_4=0)) as slow:
        before = upstream.calls
        other.send(head(1, *called("/demo.Chat/Other")))
        until(lambda: upstream.calls > before, "the other's call has come to the upstream")
        upstream.is_armed = True
        slow.send(head(1, *called()))
        assert burst.wait(10)
        call(front.gateway)
        other.send(http2_frame(DATA, END_STREAM, 1, message(PAYLOAD)))
        assert end_of(other, 1)[0] == HEADERS
        assert record_of(front, "Other")["grpc"]["code"] == "OK"
        slow.send(http2_frame(WINDOW_UPDATE, 0, 1, flow(2**30)), http2_frame(WINDOW_UPDATE, 0, 0, flow(2**30)))
        size = 0
        while size < SMALL * 15:
            found = slow.find(DATA, stream=1)
            assert found, "the slow one's call was broken"
            size += len(found[3])


def test_many_clients_that_take_nothing():
    """Their calls share a connection to the upstream with all others, and what waits for them is twice its window."""
    burst = []

    def attack(link, stream):
        link.send(head(stream, *ANSWER), *[http2_frame(DATA, 0, stream, message(bytes(12_000)))] * 5)
        burst.append(stream)

    upstream = Hostile(attack)
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(besieged(upstream))
        other = stack.enter_context(linked(front.gateway, *WIDE))
        before = upstream.calls
        other.send(head(1, *called("/demo.Chat/Other")))
        until(lambda: upstream.calls > before, "the other's call has come to the upstream")
        for sent in range(1, 37):
            upstream.is_armed = True
            stack.enter_context(linked(front.gateway, settings(_4=0))).send(head(1, *called()))
            until(lambda: len(burst) == sent, "it is sent what it does not take")
        other.send(http2_frame(DATA, END_STREAM, 1, message(PAYLOAD)))
        assert end_of(other, 1)[0] == HEADERS
        assert record_of(front, "Other")["grpc"]["code"] == "OK"


def test_smallest_frames_for_a_slow_client():
    """G2: far more of them than any service sends; the connection to the upstream may end, and memory is bounded."""
    burst = threading.Event()

    def attack(link, stream):
        link.flood(head(stream, *ANSWER), *[http2_frame(DATA, 0, stream, b"\0") * 1000] * 250)
        burst.set()

    upstream = Hostile(attack)
    with besieged(upstream, level="info") as front, linked(front.gateway, settings(_4=0)) as slow:
        upstream.is_armed = True
        with bounded_memory(front.gateway, 64 * MB):
            slow.send(head(1, *called()))
            assert burst.wait(10)
            slow.sock.close()
            works(front)
