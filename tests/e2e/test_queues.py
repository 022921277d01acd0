"""Queues with priorities towards clients that take less than their upstream sends."""

import contextlib
import json
import socket
import struct
import subprocess
import threading
import zlib

import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from harness.books import total
from harness.certificates import Authority, tls_listener
from harness.gateway import BINARY as HEARTLINE
from harness.gateway import Gateway, config_for, until
from harness.http2_end import End
from harness.wire import Backend, close_frame, connect, frame, handshake, header, read_head, switching

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9

PRIORITY = """
      priority:
        - { class: high, json: { pointer: /p, equals: high } }
        - { class: low, opcode: binary }
"""
FILLER = bytes(4096)


def queue(keys="", priority=PRIORITY):
    return f"    queue:\n      max_bytes: 4MiB\n{keys}{priority}"


@contextlib.contextmanager
def joined(route, answer=switching, extra="", tls=None):
    """A gateway with this route, and the sockets of the backend, one for each connection."""
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(answer(head))
        sockets.append(sock)
        over.wait(60)

    with contextlib.ExitStack() as held:
        backend = held.enter_context(Backend(serve))
        config = config_for(backend.address, route=route, extra=extra)
        gateway = held.enter_context(Gateway(config=tls_listener(config, tls) if tls else config))
        gateway.heads = backend.heads
        try:
            yield gateway, sockets
        finally:
            over.set()


@contextlib.contextmanager
def slow_socket(gateway):
    """A client's, with little room before it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    with sock:
        sock.connect(("127.0.0.1", gateway.port))
        yield sock


@contextlib.contextmanager
def slow_client(gateway, request):
    """A client with little room before it, which reads nothing by itself."""
    with slow_socket(gateway) as sock:
        sock.sendall(request)
        head, rest = read_head(sock)
        yield Reader(sock, rest), head


def websocket(gateway, extra=""):
    return slow_client(gateway, handshake(extra=extra)[0])


def event_stream(gateway):
    return slow_client(gateway, b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")


WINDOW, WIDE = 4096, 1 << 29


class Streams:
    """A client's connection of HTTP/2, wide open but for its streams: each has a window of its own."""

    def __init__(self, sock, window=WINDOW):
        self.end = End(sock, is_client=True, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window})
        self.widen(0)
        self.bodies, self.ends = {}, {}

    def widen(self, stream):
        self.end.send(WindowUpdateFrame(stream, window_increment=WIDE))

    def open(self, **fields):
        stream = 2 * len(self.bodies) + 1
        self.bodies[stream] = b""
        head = {":method": "GET", ":scheme": "http", ":authority": "x", ":path": "/", "accept": "text/event-stream"}
        self.end.head(stream, head | fields, "END_STREAM")
        seen = self.end.next()
        assert (seen.stream, seen.what) == (stream, "head"), seen
        return Stream(self, stream)

    def read(self):
        seen = self.end.next()
        assert seen.what not in ("fin", "tcp_rst"), seen
        if seen.what == "data":
            self.bodies[seen.stream] += seen.data
        else:
            self.ends[seen.stream] = seen.what


class Stream:
    """One of them."""

    def __init__(self, streams, number):
        self.streams, self.number = streams, number

    def hurry(self):
        self.streams.widen(self.number)

    def content(self, size):
        while len(self.streams.bodies[self.number]) < size:
            self.streams.read()
        return self.streams.bodies[self.number]

    def ended(self):
        """How it has ended."""
        while self.number not in self.streams.ends:
            self.streams.read()
        return self.streams.ends[self.number]

    def chunks(self):
        """The content of a whole body."""
        self.hurry()
        assert self.ended() == "end"
        return self.streams.bodies[self.number]


@contextlib.contextmanager
def http2_stream(gateway):
    """A client that lets little come on its stream."""
    with connect(gateway.port, timeout=20) as sock:
        yield Streams(sock).open(), None


@contextlib.contextmanager
def http2_socket(gateway):
    """A client whose windows are wide open, and which does not read its socket."""
    with slow_socket(gateway) as sock:
        stream = Streams(sock, WIDE).open()
        stream.hurry = lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield stream, None


of_each_http = pytest.mark.parametrize("event_stream", [event_stream, http2_stream, http2_socket])


class Reader:
    """Frames and chunks as they come."""

    def __init__(self, sock, rest):
        self.sock, self.rest = sock, rest

    def hurry(self):
        """Makes room: through a window of 4 KiB the kernel sends some hundred KiB a second."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def bytes(self, count):
        while len(self.rest) < count:
            part = self.sock.recv(65536)
            assert part, "it has ended"
            self.rest += part
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def frame(self):
        first, second = self.bytes(2)
        length = second & 0x7F
        if length == 126:
            [length] = struct.unpack(">H", self.bytes(2))
        elif length == 127:
            [length] = struct.unpack(">Q", self.bytes(8))
        return first, self.bytes(length)

    def frames(self):
        """All up to the Close frame."""
        self.hurry()
        frames = [self.frame()]
        while frames[-1][0] != 0x80 | CLOSE:
            frames.append(self.frame())
        return frames

    def chunks(self):
        """The content of a chunked body."""
        self.hurry()
        content = b""
        while True:
            line = b""
            while not line.endswith(b"\r\n"):
                line += self.bytes(1)
            size = int(line, 16)
            content += self.bytes(size)
            assert self.bytes(2) == b"\r\n"
            if size == 0:
                return content


def upstream(sockets, count=1):
    until(lambda: len(sockets) >= count, "the backend has answered")
    return sockets[count - 1]


def read_by_gateway(gateway, messages):
    """The gateway has read so many messages from the upstream, though the client reads nothing."""
    until(lambda: any(live["messages"]["server_to_client"] >= messages for live in gateway.live()), f"{messages} are read")


def text(priority, number, **more):
    return frame(TEXT, json.dumps({"p": priority, "n": number, **more}).encode())


def numbers(frames, priority):
    """Of the messages in one frame."""
    found = [json.loads(payload) for first, payload in frames if first == 0x80 | TEXT]
    return [message["n"] for message in found if message["p"] == priority]


def classes(facts):
    return {found["class"]: (found["delivered"], found["dropped"]) for found in facts["classes"]}


def test_what_matters_goes_first_and_each_class_keeps_its_order():
    with joined(queue()) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(100):
            backend.sendall(frame(BINARY, struct.pack(">I", number) + FILLER))
        backend.sendall(text("other", 0) + text("high", 0))
        backend.sendall(frame(TEXT, b'{"p": "hi', fin=False) + frame(PING, b"here") + frame(0, b'gh", "n": 1}'))
        backend.sendall(text("other", 1) + text("high", 2) + close_frame(1000))
        read_by_gateway(gateway, 105)
        [live] = gateway.live()
        assert live["queue"]["waiting_bytes_max"] > 0 and live["backlog"]["server_to_client"]["messages"] > 5
        frames = client.frames()
        fillers = [struct.unpack(">I", payload[:4])[0] for first, payload in frames if first == 0x80 | BINARY]
        assert fillers == list(range(100))
        assert numbers(frames, "high") == [0, 2] and numbers(frames, "other") == [0, 1]
        kinds = [first for first, _ in frames]
        fragments = kinds.index(TEXT)
        assert frames[fragments][1] + frames[fragments + 1][1] == b'{"p": "high", "n": 1}'
        ping, last_filler = kinds.index(0x80 | PING), len(kinds) - 1 - kinds[::-1].index(0x80 | BINARY)
        assert ping < fragments < last_filler, "the Ping is first, then high, then the rest of low"
        assert frames[-1] == (0x80 | CLOSE, struct.pack(">H", 1000))
        client.sock.sendall(close_frame(1000, mask=True))
        assert backend.recv(100)[0] == 0x80 | CLOSE
        backend.close()
        assert client.sock.recv(1) == b""
        client.sock.close()
        [closed] = gateway.wait_closed()
        assert classes(closed["queue"]) == {"ids": (0, 0), "high": (3, 0), "low": (100, 0), "other": (2, 0)}
        assert closed["queue"]["delivery_ratio"] == 1.0 and closed["reason"] == "normal"


def test_the_lowest_class_is_shed_and_the_books_agree():
    route = queue("      policy: drop_lowest\n").replace("4MiB", "64KiB")
    with joined(route) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(400):
            backend.sendall(frame(BINARY, struct.pack(">I", number) + FILLER) + text("high", number))
        read_by_gateway(gateway, 800)
        [live] = gateway.live()
        assert live["backlog"]["server_to_client"]["bytes"] < 128 * 1024, "memory is bounded"
        backend.sendall(close_frame(1000))
        frames = client.frames()
        assert numbers(frames, "high") == list(range(400))
        fillers = [struct.unpack(">I", payload[:4])[0] for first, payload in frames if first == 0x80 | BINARY]
        assert 0 < len(fillers) < 200 and fillers == sorted(fillers)
        metrics = gateway.metrics()
        count = lambda name, **labels: total(metrics, f"heartline_queue_{name}", route="test", **labels)  # noqa: E731
        dropped = count("dropped_messages_total", priority="low", policy="drop_lowest")
        assert dropped == 400 - len(fillers) == count("dropped_messages_total")
        assert count("delivered_messages_total", priority="low") == len(fillers)
        assert count("delivery_ratio") == pytest.approx((400 + len(fillers)) / 800)


def test_the_latest_of_a_key_wins():
    route = queue("      coalesce: { json_pointer: /symbol }\n")
    with joined(route) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        for _ in range(100):
            backend.sendall(frame(BINARY, FILLER))
        for number in range(50):
            backend.sendall(text("other", number, symbol="ab"[number % 2]))
        backend.sendall(close_frame(1000))
        read_by_gateway(gateway, 150)
        assert numbers(client.frames(), "other") == [48, 49]
        assert total(gateway.metrics(), "heartline_queue_dropped_messages_total", policy="coalesce") == 48


def test_what_has_waited_for_too_long_is_dropped():
    with joined(queue("      max_age: 200ms\n")) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        for _ in range(100):
            backend.sendall(frame(BINARY, FILLER))

        def expired():
            backend.sendall(text("high", 7))
            name = 'heartline_queue_dropped_messages_total{route="test",priority="low",policy="expire"}'
            return gateway.metrics().get(name, 0)  # the class is named once it has messages

        until(expired, "low messages expire")
        backend.sendall(text("high", 8) + close_frame(1000))
        frames = client.frames()
        assert numbers(frames, "high")[-1:] in ([7], [8]) and sum(first == 0x80 | BINARY for first, _ in frames) < 100


def test_a_client_that_reads_too_little_is_given_up():
    route = queue("      policy: disconnect\n").replace("4MiB", "64KiB")
    with joined(route) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        with contextlib.suppress(OSError):
            for _ in range(100):
                backend.sendall(frame(BINARY, FILLER))
        frames = client.frames()
        assert frames[-1][1][:2] == struct.pack(">H", 1008)
        assert all(len(payload) == len(FILLER) for first, payload in frames[:-1]), "no message is cut"
        client.sock.sendall(close_frame(1008, mask=True))
        backend.close()
        [closed] = gateway.wait_closed()
        assert (closed["reason"], closed["initiator"]) == ("slow_consumer", "proxy")
        cause = closed["causes"][0]
        assert (cause["what"], cause["leg"]) == ("slow_consumer", "client")
        assert sum(dropped for _, dropped in classes(closed["queue"]).values()) > 0


def deflating(parameters):
    return lambda head: switching(head, f"Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n")


OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def test_compression_that_keeps_its_window_is_left_alone():
    deflate = zlib.compressobj(wbits=-15)
    sent = []
    with joined(queue().replace("4MiB", "16KiB"), deflating("")) as (gateway, sockets):
        with websocket(gateway, OFFER) as (client, _):
            backend = upstream(sockets)

            def send():
                for number in range(200):
                    payload = deflate.compress(struct.pack(">I", number) * 500) + deflate.flush(zlib.Z_SYNC_FLUSH)
                    sent.append(payload[:-4])
                    backend.sendall(bytes([0xC0 | BINARY]) + frame(BINARY, payload[:-4])[1:])
                backend.sendall(close_frame(1000))

            sending = threading.Thread(target=send)
            sending.start()
            frames = client.frames()
            sending.join()
            assert [payload for _, payload in frames[:-1]] == sent
            assert "queue" not in gateway.live()[0]
        assert total(gateway.metrics(), "heartline_queue_unqueued_connections_total", reason="compression") == 1
        assert b"server_no_context_takeover" not in gateway.heads[0]


def test_compression_is_renegotiated_where_the_operator_allows():
    answer = deflating("; server_no_context_takeover")
    with joined(queue("      renegotiate: true\n"), answer) as (gateway, sockets):
        with websocket(gateway, OFFER):
            upstream(sockets)
            offered = header(gateway.heads[0], "sec-websocket-extensions")
            assert offered == "permessage-deflate; client_max_window_bits; server_no_context_takeover"
            until(lambda: gateway.live() and "queue" in gateway.live()[0], "it has a queue")
        metrics = gateway.metrics()
        assert total(metrics, "heartline_queue_unqueued_connections_total") == 0


def test_a_slow_client_holds_up_no_other():
    with joined(queue().replace("4MiB", "256KiB")) as (gateway, sockets):
        with websocket(gateway) as (slow, _), websocket(gateway) as (other, _):
            first, second = upstream(sockets), upstream(sockets, 2)
            for number in range(200):
                first.sendall(frame(BINARY, FILLER))
                second.sendall(text("high", number))
                assert json.loads(other.frame()[1])["n"] == number
            read_by_gateway(gateway, 200)
            assert slow.rest == b""


def test_a_message_longer_than_the_queue_comes_whole():
    with joined(queue().replace("4MiB", "16KiB")) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        long = bytes(range(256)) * 400
        sending = threading.Thread(
            target=backend.sendall, args=(text("high", 1) + frame(BINARY, long) + text("high", 2) + close_frame(1000),)
        )
        sending.start()
        frames = client.frames()
        sending.join()
        assert frames[1] == (0x80 | BINARY, long) and numbers(frames, "high") == [1, 2]


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = """
      priority:
        - { class: alert, event: alert }
"""


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


def event(name, number, identity=None, size=0):
    line = f"id: {identity}\n" if identity is not None else ""
    return f"event: {name}\n{line}data: {number:06}{'x' * size}\n\n".encode()


def data(content, name):
    blocks = [block.split(b"\n") for block in content.split(b"\n\n")]
    wanted = f"event: {name}".encode()
    return [int(line[6:12]) for block in blocks if wanted in block for line in block if line.startswith(b"data: ")]


@of_each_http
def test_events_go_by_their_names(event_stream):
    route = queue("      policy: drop_lowest\n", EVENTS).replace("4MiB", "64KiB")
    with joined(route, lambda _: STREAM) as (gateway, sockets), event_stream(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(300):
            both = event("tick", number, size=2000) + event("alert", number)
            backend.sendall(chunk(both[:1000]) + chunk(both[1000:]))
        read_by_gateway(gateway, 600)
        backend.sendall(b"0\r\n\r\n")
        content = client.chunks()
        assert data(content, "alert") == list(range(300))
        ticks = data(content, "tick")
        assert 0 < len(ticks) < 200 and ticks == sorted(ticks)
        [closed] = gateway.wait_closed()
        assert classes(closed["queue"])["alert"] == (300, 0)
        assert closed["reason"] == "complete"


@of_each_http
def test_events_with_ids_are_kept_in_their_order_and_hold_up_the_upstream(event_stream):
    route = queue("      policy: drop_oldest\n", EVENTS).replace("4MiB", "64KiB")
    with joined(route, lambda _: STREAM) as (gateway, sockets), event_stream(gateway) as (client, _):
        backend = upstream(sockets)

        def send():
            for number in range(200):
                name = "alert" if number % 3 == 0 else "tick"
                backend.sendall(chunk(event(name, number, identity=number, size=2000)))
            backend.sendall(b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        until(lambda: gateway.live() and gateway.live()[0]["backlog"]["server_to_client"]["bytes"] > 60_000, "it is full")
        content = client.chunks()
        sending.join()
        ids = [int(line[4:]) for line in content.split(b"\n") if line.startswith(b"id: ")]
        assert ids == list(range(200)), "the last id never goes backwards, and none is missing"


@of_each_http
def test_events_with_ids_may_be_dropped_where_a_policy_says_so(event_stream):
    route = queue("      ids: drop\n", EVENTS).replace("4MiB", "64KiB")
    with joined(route, lambda _: STREAM) as (gateway, sockets), event_stream(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(300):
            backend.sendall(chunk(event("alert" if number % 3 else "tick", number, identity=number, size=2000)))
        read_by_gateway(gateway, 300)
        backend.sendall(b"0\r\n\r\n")
        ids = [int(line[4:]) for line in client.chunks().split(b"\n") if line.startswith(b"id: ")]
        assert len(ids) < 200 and ids == sorted(ids) and ids[-1] == 299


def unqueued(gateway, reason):
    return total(gateway.metrics(), "heartline_queue_unqueued_connections_total", reason=reason)


@of_each_http
def test_an_encoded_stream_has_no_queue(event_stream):
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    with joined(queue(), lambda _: head) as (gateway, sockets), event_stream(gateway) as (client, _):
        upstream(sockets).sendall(chunk(b"\x1f\x8b") + b"0\r\n\r\n")
        assert client.chunks() == b"\x1f\x8b"
        assert unqueued(gateway, "encoding") == 1


def test_a_stream_of_a_length_has_no_queue_over_http2_either():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n"
    with joined(queue(), lambda _: head) as (gateway, sockets), http2_stream(gateway) as (client, _):
        upstream(sockets).sendall(b"data: 1\n\n")
        assert client.chunks() == b"data: 1\n\n"
        assert unqueued(gateway, "length") == 1


def test_what_is_asked_for_by_another_method_has_no_queue_over_http1():
    with joined(queue(), lambda _: STREAM) as (gateway, sockets):
        asked = b"POST / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n\r\n"
        with slow_client(gateway, asked):
            upstream(sockets)
            assert unqueued(gateway, "request") == 1
        with connect(gateway.port, timeout=20) as sock:
            Streams(sock).open(**{":method": "POST"})
            until(lambda: any("queue" in live for live in gateway.live()), "over HTTP/2 it has one")
        assert unqueued(gateway, "request") == 1


def shed_events(policy):
    return queue(f"      policy: {policy}\n", EVENTS).replace("4MiB", "64KiB")


@contextlib.contextmanager
def two_streams(route, authority=None):
    """A client of HTTP/2 with two streams, the first of which is stalled."""
    tls = authority and authority.issue("queues")
    with joined(route, lambda _: STREAM, tls=tls) as (gateway, sockets), connect(gateway.port, timeout=20) as sock:
        if authority:
            context = authority.trust()
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="localhost")
        streams = Streams(sock)
        stalled = streams.open()
        first = upstream(sockets)
        other = streams.open()
        other.hurry()
        yield gateway, (stalled, first), (other, upstream(sockets, 2))


@pytest.mark.parametrize("in_tls", [False, True])
def test_a_stalled_stream_holds_up_no_other_of_its_connection(tmp_path, in_tls):
    authority = Authority(tmp_path / "own") if in_tls else None
    with two_streams(shed_events("drop_lowest"), authority) as (gateway, (stalled, first), (other, second)):
        came = 0
        for number in range(300):
            first.sendall(chunk(event("tick", number, size=2000) + event("alert", number)))
            told = event("alert", number)
            second.sendall(chunk(told))
            came += len(told)
            assert other.content(came).endswith(told), "it comes before the next is sent"
        read_by_gateway(gateway, 600)
        assert len(stalled.streams.bodies[stalled.number]) == WINDOW
        slow, quick = sorted(gateway.live(), key=lambda live: live["messages"]["server_to_client"], reverse=True)
        backlog = slow["backlog"]["server_to_client"]
        assert 32 * 1024 < backlog["bytes"] < 80 * 1024 and backlog["oldest_age_seconds"] > 0, "memory is bounded"
        assert 0 < total(gateway.metrics(), "heartline_queue_waiting_bytes") <= 66 * 1024
        assert quick["queue"]["delivery_ratio"] == 1 and quick["backlog"]["server_to_client"]["bytes"] == 0
        first.sendall(b"0\r\n\r\n")
        content = stalled.chunks()
        alerts, ticks = data(content, "alert"), data(content, "tick")
        assert alerts == list(range(300)), "none of the higher class is lost"
        assert 0 < len(ticks) < 200 and ticks == sorted(ticks)
        [closed] = gateway.wait_closed()
        dropped = 300 - len(ticks)
        assert classes(closed["queue"]) == {"ids": (0, 0), "alert": (300, 0), "other": (len(ticks), dropped)}
        assert (closed["reason"], closed["unsent_bytes"]["server_to_client"]) == ("complete", 0)
        assert {policy for policy, *_ in shed(gateway, closed["id"])} == {"drop_lowest"}
        assert total(gateway.metrics(), "heartline_queue_waiting_bytes") == 0


def test_a_stalled_stream_is_given_up_alone():
    with two_streams(shed_events("disconnect")) as (gateway, (stalled, first), (other, second)):
        with contextlib.suppress(OSError):
            for number in range(100):
                first.sendall(chunk(event("tick", number, size=2000)))
        assert stalled.ended() == "rst ENHANCE_YOUR_CALM"
        [closed] = gateway.wait_closed()
        assert (closed["reason"], closed["initiator"]) == ("slow_consumer", "proxy")
        cause = closed["causes"][0]
        assert (cause["what"], cause["leg"]) == ("slow_consumer", "client")
        dropped = classes(closed["queue"])["other"][1]
        assert [(name, messages) for name, messages, _ in shed(gateway, closed["id"])] == [("disconnect", dropped)]
        assert dropped > 0 and closed["unsent_bytes"]["server_to_client"] > 0
        second.sendall(chunk(event("alert", 7)) + b"0\r\n\r\n")
        assert other.chunks() == event("alert", 7)


def test_what_waits_for_a_stream_goes_before_its_end():
    """However the upstream ends: the last that the client hears is how."""
    route = queue(priority=EVENTS)
    for ending, end in ((b"0\r\n\r\n", "end"), (b"", "rst INTERNAL_ERROR")):
        with joined(route, lambda _: STREAM) as (gateway, sockets), http2_stream(gateway) as (client, _):
            backend = upstream(sockets)
            for number in range(50):
                backend.sendall(chunk(event("tick", number, size=2000)))
            backend.sendall(ending)
            read_by_gateway(gateway, 50)
            backend.shutdown(socket.SHUT_RDWR)
            client.hurry()
            assert client.ended() == end
            assert data(client.content(0), "tick") == list(range(50))


def test_a_drained_stream_gets_what_waits():
    route, drain = queue(priority=EVENTS), "drain: { window: 20s }\n"
    with joined(route, lambda _: STREAM, drain) as (gateway, sockets), http2_stream(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(50):
            backend.sendall(chunk(event("tick", number, size=2000)))
        read_by_gateway(gateway, 50)
        gateway.signal()
        while 0 not in client.streams.ends:
            client.streams.read()
        assert data(client.chunks(), "tick") == list(range(50))
        assert gateway.wait() == 0


def test_a_stream_that_its_client_resets_leaves_what_waited():
    with two_streams(queue(priority=EVENTS)) as (gateway, (stalled, first), (other, second)):
        for number in range(50):
            first.sendall(chunk(event("tick", number, size=2000)))
        read_by_gateway(gateway, 50)
        stalled.streams.end.rst(stalled.number, "CANCEL")
        [closed] = gateway.wait_closed()
        assert (closed["causes"][0]["what"], closed["causes"][0]["leg"]) == ("rst_stream", "client")
        assert closed["unsent_bytes"]["server_to_client"] > 90_000
        assert total(gateway.metrics(), "heartline_queue_waiting_bytes") == 0
        until(lambda: first.recv(1) == b"", "the upstream is left")
        second.sendall(chunk(event("alert", 7)) + b"0\r\n\r\n")
        assert other.chunks() == event("alert", 7)


def test_without_a_queue_bytes_go_as_they_came():
    wire = b"".join(frame(BINARY, struct.pack(">I", number) + FILLER) for number in range(100))
    wire += text("high", 0) + frame(PING, b"here") + close_frame(1000)
    with joined("") as (gateway, sockets), websocket(gateway) as (client, _):
        upstream(sockets).sendall(wire)
        client.hurry()
        assert client.bytes(len(wire)) == wire
        assert "queue" not in gateway.live()[0]
        counted = {name: value for name, value in gateway.metrics().items() if name.startswith("heartline_queue_")}
        assert not any(counted.values()), counted


BEATS = "    heartbeat: { interval: 1s, timeout: 60s, towards: client }\n"


def is_due(gateway):
    """A Ping of the gateway is due: the client has been silent for longer than the interval."""
    until(lambda: gateway.live()[0]["age_seconds"] > 2, "a Ping is due")


def own_pings(frames):
    return [place for place, (first, _) in enumerate(frames) if first == 0x80 | PING]


def test_own_pings_do_not_stand_behind_what_is_queued():
    with joined(queue() + BEATS) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        for number in range(300):
            backend.sendall(frame(BINARY, struct.pack(">I", number) + FILLER))
        read_by_gateway(gateway, 300)
        is_due(gateway)
        client.hurry()
        frames = [client.frame() for _ in range(200)]
        backend.sendall(close_frame(1000))
        frames += client.frames()
        fillers = [struct.unpack(">I", payload[:4])[0] for first, payload in frames if first == 0x80 | BINARY]
        assert fillers == list(range(300)), "no frame is broken and none is out of order"
        assert own_pings(frames) and own_pings(frames)[0] < 100, "it goes in front of what waits"


def test_no_ping_of_our_own_stands_inside_a_message_that_is_passed():
    route = queue().replace("4MiB", "16KiB") + BEATS
    with joined(route) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        long = frame(BINARY, bytes(range(256)) * 400)
        backend.sendall(long[:70_000])
        client.hurry()
        begun = client.bytes(60_000)
        is_due(gateway)
        backend.sendall(long[70_000:])
        client.rest = begun + client.rest
        assert client.frame() == (0x80 | BINARY, bytes(range(256)) * 400), "nothing stands inside it"
        assert client.frame()[0] == 0x80 | PING, "it was due, and comes behind"


def shed(gateway, identity):
    items = json.loads(gateway.get(f"/api/v1/connections/{identity}/events?kind=shed"))["items"]
    return [(item["policy"], item["messages"], item["bytes"]) for item in items]


@pytest.mark.parametrize("policy", ["drop_lowest", "disconnect"])
def test_what_was_shed_is_recorded_and_what_waits_is_shown(policy):
    route = queue(f"      policy: {policy}\n").replace("4MiB", "64KiB")
    with joined(route) as (gateway, sockets), websocket(gateway) as (client, _):
        backend = upstream(sockets)
        with contextlib.suppress(OSError):
            for number in range(200):
                backend.sendall(frame(BINARY, struct.pack(">I", number) + FILLER))
        [live] = gateway.live()
        if policy == "drop_lowest":
            read_by_gateway(gateway, 200)
            metrics = gateway.metrics()
            assert 0 < total(metrics, "heartline_queue_waiting_bytes") <= 64 * 1024
            assert 0 < total(metrics, "heartline_queue_waiting_messages") <= 16
        backend.sendall(close_frame(1000))
        code = 1008 if policy == "disconnect" else 1000
        assert client.frames()[-1][1][:2] == struct.pack(">H", code)
        client.sock.sendall(close_frame(code, mask=True))
        backend.close()
        client.sock.close()
        [closed] = gateway.wait_closed()
        [dropped] = [of["dropped"] for of in closed["queue"]["classes"] if of["class"] == "low"]
        entries = shed(gateway, live["id"])
        assert {name for name, *_ in entries} == {policy}
        assert sum(messages for _, messages, _ in entries) == dropped > 0
        assert sum(size for *_, size in entries) == dropped * (4 + 4 + len(FILLER)), "frames with their heads"
        assert len(entries) < dropped / 2, "many messages are few entries"
        until(lambda: total(gateway.metrics(), "heartline_queue_waiting_bytes") == 0, "nothing waits any more")


@pytest.mark.parametrize("keys, told", [
    ("", "renegotiate: true"),
    ("      renegotiate: true\n", None),
])
def test_at_load_it_is_said_what_has_no_queue(tmp_path, keys, told):
    file = tmp_path / "heartline.yaml"
    file.write_text(config_for("127.0.0.1:1", route=queue(keys)))
    done = subprocess.run([HEARTLINE, "check", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert (told in done.stderr) if told else done.stderr == ""
