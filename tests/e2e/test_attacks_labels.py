"""Attacks on what is told: no name that a client makes up becomes a series, and no text of a peer steers a reader."""

import re
import struct

import pytest

from harness.gateway import Gateway, until
from harness.hostile import (
    CANARIES, SECRET_ANSWER, SECRET_FIELDS, attacked, bounded_memory, serve_echo, series, told,
)
from harness.http2 import (
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS, Link, PREFACE, asked, called, head,
    http2_frame, message, reset_stream, settings,
)
from harness.wire import close_frame, connect, frame, handshake, open_websocket, read_all, switching

MB = 1024 * 1024
COUNT = 10_000
FEW = 1_000


def pipelined(gateway, requests):
    """Sends requests on one connection, and reads until all are answered."""
    with connect(gateway.port) as sock:
        for at in range(0, len(requests), 100):
            part = requests[at : at + 100]
            sock.sendall(b"".join(part))
            got = b""
            while got.count(b"HTTP/1.1 ") < len(part):
                piece = sock.recv(65536)
                assert piece, got[-200:]
                got += piece


def one_by_one(gateway, requests):
    """Sends requests on a connection each: a refused subscription ends its connection."""
    for request in requests:
        with connect(gateway.port) as sock:
            sock.sendall(request)
            assert b"\r\nconnection: close\r\n" in read_all(sock)


def get(path="/", *lines, host="localhost"):
    text = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return text.encode("latin-1")


# What a client can make up in a request that is no upgrade.
MADE_UP = {
    "paths": lambda n: get(f"/{n}/{n:x}?q={n}"),
    "hosts": lambda n: get(host=f"h{n}.example:{1 + n % 60_000}"),
    "origins": lambda n: get("/", f"Origin: https://o{n}.example"),
    "methods": lambda n: get().replace(b"GET", f"M{n}".encode()),
    "user agents": lambda n: get("/", f"User-Agent: agent/{n}", f"X-Forwarded-For: 10.{n >> 8}.{n & 255}.1"),
    "event streams": lambda n: get(f"/{n}", "Accept: text/event-stream", f"Last-Event-ID: {n}", f"Cookie: sid={n}"),
    "names of fields": lambda n: get("/", f"X-{n}: {n}"),
}
KEPT_ALIVE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def serve_requests(sock, wire):
    """Answers each request in the same way, and the handshake of `echo`."""
    while True:
        *heads, wire = wire.split(b"\r\n\r\n")
        for head in heads:
            if b"GET /echo" in head:
                sock.sendall(switching(head))
                return serve_echo(sock, wire)
            sock.sendall(KEPT_ALIVE)
        part = sock.recv(65536)
        if not part:
            return None
        wire += part


@pytest.mark.parametrize("name", MADE_UP)
def test_names_of_requests(name):
    """L1: 10^4 of each, as a debug build takes 10^5 too slowly; 10^3 of those with a connection each."""
    with attacked(requests=serve_requests, level="info") as front:
        ask, count = (one_by_one, FEW) if name == "event streams" else (pipelined, COUNT)
        ask(front.gateway, [MADE_UP[name](n) for n in range(10)])
        known = series(front.gateway)
        with bounded_memory(front.gateway, 16 * MB):
            ask(front.gateway, [MADE_UP[name](n) for n in range(10, count)])
            front.works()
        assert series(front.gateway) == known
        assert len(front.gateway.lines) < 100


def upgrades(gateway, extras, code=lambda n: 1000):
    """WebSocket connections, each with lines of its own, ended by a Close frame of its own."""
    for n in range(FEW):
        request, _ = handshake(f"/{n}?q={n}", extra=extras(n))
        with connect(gateway.port) as sock:
            sock.sendall(request + close_frame(code(n), mask=True))
            read_all(sock)


def close_back(sock, wire):
    """Takes a handshake, and answers the Close frame behind it with another one."""
    head, _, wire = wire.partition(b"\r\n\r\n")
    sock.sendall(switching(head + b"\r\n\r\n"))
    while len(wire) < 8:
        part = sock.recv(65536)
        if not part:
            return
        wire += part
    code = bytes(byte ^ key for byte, key in zip(wire[6:8], wire[2:6], strict=False))
    sock.sendall(frame(8, struct.pack(">H", struct.unpack(">H", code)[0] ^ 1)))


OFFERS = {
    "origins": (lambda n: f"Origin: https://o{n}.example\r\n", lambda n: 1000),
    "subprotocols": (lambda n: f"Sec-WebSocket-Protocol: p{n}, q{n}\r\n", lambda n: 1000),
    "extensions": (lambda n: f"Sec-WebSocket-Extensions: x-{n}; y={n}\r\n", lambda n: 1000),
    "close codes": (lambda n: "", lambda n: n * 65),
    "close codes of applications": (lambda n: "", lambda n: 3000 + n),
}


@pytest.mark.parametrize("name", OFFERS)
def test_names_of_handshakes(name):
    """L1: 10^3 connections of each."""
    with attacked(requests=close_back, level="info", handshakes=True) as front:
        known = series(front.gateway)
        upgrades(front.gateway, *OFFERS[name])
        front.works()
        assert series(front.gateway) == known
        assert sum(front.count("websocket_connections_closed_total", "reason").values()) == FEW + 1


class Calls:
    """An upstream that ends each call with the next of its codes."""

    def __call__(self, sock, rest):
        link, calls = Link(sock, rest), 0
        link.take(len(b"SM\r\n\r\n"))
        link.send(settings(_3=1000))
        while found := link.next():
            kind, flags, stream, _ = found
            if kind == SETTINGS and not flags & ACK:
                link.send(http2_frame(SETTINGS, ACK))
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                calls += 1
                status = ("grpc-status", str(calls)), ("grpc-message", f"m{calls}")
                end = (":status", "200"), ("content-type", "application/grpc"), *status
                ends = reset_stream(stream, calls), head(stream, *end, flags=END_HEADERS | END_STREAM)
                link.send(ends[calls % 7 > 0])


def call_all(gateway, paths):
    """Calls of these paths, one after the other on one connection."""
    with connect(gateway.port) as sock:
        link = Link(sock)
        link.send(PREFACE, settings())
        for n, path in enumerate(paths):
            stream = 2 * n + 1
            link.send(head(stream, *called(path), flags=END_HEADERS | END_STREAM))
            end = link.find(HEADERS, RST_STREAM, stream=stream)
            assert end, f"no end of {path}"


NAMED = {
    "methods": lambda n: f"/demo.Chat/M{n}",
    "services": lambda n: f"/demo.S{n}/Talk",
    "both": lambda n: f"/demo.S{n % 90}/M{n}",
    "long names": lambda n: f"/{'s' * 300}{n}/{'m' * 300}{n}",
    "queries": lambda n: f"/demo.Chat/M?{n}",
}


@pytest.mark.parametrize("name", NAMED)
def test_names_of_calls(name):
    """L1, G3: 10^3 of each; the first hundred have series, all others are counted as one."""
    with attacked(speak=Calls(), level="info") as front:
        call_all(front.gateway, [NAMED[name](n) for n in range(200)])
        known = series(front.gateway)
        with bounded_memory(front.gateway, 16 * MB):
            call_all(front.gateway, [NAMED[name](n) for n in range(200, 200 + FEW)])
            front.works()
        assert series(front.gateway) == known
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")
        closed = front.count("grpc_streams_closed_total", "grpc_service", "grpc_method")
        assert len(closed) <= 101
        assert sum(closed.values()) == 200 + FEW


STEERING = "\x1b[31m\x07\x9b2J\u202e\u2028\x00\x7f<script>alert(1)</script>\"}'\\"
UTF8 = STEERING.encode()
VISIBLE = "<script>alert(1)</script>\"}'\\{{7*7}}${jndi:ldap://x}%0d%0a%1b[31m"
ALLOWED = "\t\x80\x9b\xff" + VISIBLE


class Human(Gateway):
    """A gateway whose log is for people."""

    def __init__(self, *arguments, config):
        super().__init__(*arguments, config=config, log_format="human")

    def logged(self, message):
        found = (re.search(rf" (?:INFO|WARN) {message} address=(\S+)", line["message"]) for line in list(self.lines))
        return [{"address": match[1]} for match in found if match]


def hostile_requests():
    """Requests that say what steers readers, wherever a text may stand."""
    wires = [get(f"/{CANARIES['payload']}?token={CANARIES['query']}", "Connection: close", *SECRET_FIELDS.splitlines())]
    for text in (STEERING.encode().decode("latin-1"), ALLOWED):
        for name in ("User-Agent", "Origin", "Referer", "X-Forwarded-For", "Forwarded", "Accept", "Cookie", "Last-Event-ID"):
            wires.append(get("/", "Connection: close", f"{name}: {text}"))
            wires.append(handshake("/", extra=f"{name}: {text}\r\nConnection: close\r\n")[0].decode().encode("latin-1"))
        wires += [get(f"/{text}", "Connection: close"), get("/", "Connection: close", host=text), get("/", text)]
        for name in ("Upgrade", "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
            wires.append(get("/", "Upgrade: websocket", "Connection: Upgrade", f"{name}: {text}"))
    secret, payload = SECRET_FIELDS.encode(), CANARIES["payload"].encode()
    wires += [
        b"GET / HTTP/1.1\r\nHost: a\r\n" + secret + b"X : y\r\n\r\n",
        b"G\x1b[2JT / HTTP/1.1\r\nHost: a\r\n" + secret + b"\r\n",
        b"GET / HTTP/9.9\r\n" + secret + b"\r\n", b"\x16\x03\x01" + secret, UTF8 * 10 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n" + secret + b"Transfer-Encoding: chunked\r\n\r\n" + payload + b"\r\n",
        PREFACE + settings() + b"\xff" * 99, PREFACE + secret,
        PREFACE + settings() + http2_frame(GOAWAY, 0, 0, bytes(4) + b"\0\0\0\1" + UTF8 * 99),
        PREFACE + settings() + head(1, *asked(f"/{VISIBLE}"), ("x", STEERING), flags=END_HEADERS | END_STREAM),
        PREFACE + settings() + head(1, *asked(f"/?token={CANARIES['query']}<"), flags=END_HEADERS | END_STREAM),
        PREFACE + settings() + head(1, *asked("/", STEERING), flags=END_HEADERS | END_STREAM),
    ]
    return wires


def speak_hostile(sock, rest):
    """Answers each call with texts that steer, each time other ones."""
    link, calls = Link(sock, rest), 0
    link.take(len(b"SM\r\n\r\n"))
    link.send(settings())
    while found := link.next():
        kind, flags, stream, _ = found
        if kind == SETTINGS and not flags & ACK:
            link.send(http2_frame(SETTINGS, ACK))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            calls += 1
            texts = UTF8, VISIBLE, "%1B[31m%0D%0A%00%E2%80%AE%FF" + VISIBLE, ALLOWED.encode("latin-1")
            text = texts[calls % len(texts)]
            end = (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "9"), ("grpc-message", text)
            link.send(head(stream, *end, flags=END_HEADERS | END_STREAM))
            if calls % 5 == 0:
                link.send(http2_frame(GOAWAY, 0, 0, stream.to_bytes(4, "big") + b"\0\0\0\x0b" + UTF8 * 99))


def hostile_answer(head):
    """What steers, in the reason and the fields of an answer."""
    if b"Sec-WebSocket-Key" in head and b"Origin" not in head:
        frames = frame(1, CANARIES["payload"].encode()) + frame(8, b"\x0f\xa0" + UTF8 * 20_000)
        return switching(head, SECRET_ANSWER) + frames
    reason = ALLOWED.encode("latin-1")
    fields = f"{SECRET_ANSWER}Connection: close\r\nContent-Length: 0\r\n".encode()
    return b"HTTP/1.1 500 " + reason + b"\r\nX: " + reason + b"\r\n" + fields + b"\r\n"


PATHS = [
    f"/demo.Chat/{VISIBLE}", f"/{VISIBLE}/Talk", "/a\"}b/c", "/a\\b/c", "/a/b c", "/é/ü", "//", "/", "/a", "/a//b",
    f"/demo.Chat/Talk?token={CANARIES['query']}", f"/{'x' * 5000}/y",
]
LINE = re.compile(
    r'#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z0-9_]+="([^"\\\n]|\\["\\n])*"(,[a-zA-Z0-9_]+="([^"\\\n]|\\["\\n])*")*\})? \S+'
)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("level", ["info", "debug", "trace"])
@pytest.mark.parametrize("run", [Gateway, Human], ids=["json", "human"])
def test_what_is_told(run, level):
    """L2, L3: each thing that is told is one line without controls, and no secret is among them."""
    with attacked(hostile_answer, speak=speak_hostile, run=run, level=level) as front:
        gateway = front.gateway
        known = series(gateway)
        client, _ = open_websocket(gateway.port, f"/?token={CANARIES['query']}", SECRET_FIELDS)
        with client:
            client.sendall(frame(8, b"\x03\xe8" + UTF8 * 20_000, mask=True))
            front.sockets[-1].close()
            read_all(client)
        for wire in hostile_requests():
            with connect(gateway.port) as sock:
                sock.sendall(wire)
                sock.settimeout(0.3)
                try:
                    read_all(sock)
                except TimeoutError:
                    pass
        for path in PATHS:
            call_all(gateway, [path])
        front.works()
        assert {s for s in series(gateway) - known if "grpc_service=" not in s} == set()
        for line in gateway.get("/metrics").splitlines():
            assert LINE.fullmatch(line), line
        for line in gateway.lines:
            if run is Human:
                assert re.match(r"\d{4}-\d\d-\d\dT\S+Z +(ERROR|WARN|INFO|DEBUG|TRACE) ", line["message"]), line
                assert not CONTROLS.search(line["message"]), line
            else:
                assert line.keys() >= {"timestamp", "level", "target"}, line
        assert any("<script>" in text for text in told(gateway)), "nothing of it is told"
        assert front.count("heartline_refused_total", "reason")["malformed"] > 20
        results = front.count("websocket_handshakes_total", "result")
        assert results.keys() == {"success", "server_error", "malformed"}, results
