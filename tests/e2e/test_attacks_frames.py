"""Attacks by WebSocket frames and event streams: all is passed on as it is, counted, and costs no memory."""

import json
import struct
import zlib

import pytest

from harness.gateway import until
from harness.hostile import (
    CANARIES, DOWN, KB, MB, SECRET_ANSWER, SECRET_FIELDS, UP, attacked, bounded_memory, carry, series,
)
from harness.wire import close_frame, connect, frame, read_all, read_head, switching

TEXT, DATA, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LEGS = pytest.mark.parametrize("direction", [UP, DOWN])
SPARE = 8 * MB
PAYLOAD = CANARIES["payload"].encode()


@pytest.fixture(scope="module")
def shared():
    with attacked() as front:
        yield front


def sides(direction, client, upstream):
    """Sender and receiver."""
    return (client, upstream) if direction == UP else (upstream, client)


def events(gateway, identity):
    return json.loads(gateway.get(f"/api/v1/connections/{identity}/events"))["items"]


class Attack:
    """One attacked connection, with what it adds to the counters and what its record says."""

    def __init__(self, front, direction, extra=""):
        self.front, self.gateway, self.direction, self.extra = front, front.gateway, direction, extra

    def __enter__(self):
        known = {live["id"] for live in self.gateway.live()}
        self.before, self.series = self.gateway.metrics(), series(self.gateway)
        self.joined = self.front.joined(self.extra)
        client, upstream = self.joined.__enter__()
        self.sender, self.receiver = sides(self.direction, client, upstream)
        [self.id] = until(lambda: {live["id"] for live in self.gateway.live()} - known, "it is open")
        return self

    def __exit__(self, *failure):
        self.receiver.close()
        self.joined.__exit__(*failure)

    def send(self, *pieces):
        carry(self.sender, self.receiver, *pieces)

    def live(self):
        return next(live for live in self.gateway.live() if live["id"] == self.id)

    def added(self, name, **wanted):
        """How much the samples of a name that have these labels have grown."""
        def of(metrics):
            return sum(
                value for sample, value in metrics.items()
                if sample.partition("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in wanted.items())
            )

        return of(self.gateway.metrics()) - of(self.before)

    def ended(self):
        """Ends it by the receiver's Close frame 1002, and gives its record."""
        code = close_frame(1002, mask=self.direction == DOWN)
        carry(self.receiver, self.sender, code)
        self.receiver.close()
        self.sender.close()

        def record():
            return [record for record in self.gateway.closed() if record["id"] == self.id]

        [record] = until(record, "it has ended")
        assert series(self.gateway) == self.series
        return record


def fault(first, payload=b"x", length=b"", mask=True):
    """A frame of any first byte, with its length in as many bytes as wanted."""
    second = {0: bytes([len(payload)]), 2: b"\x7e", 8: b"\x7f"}[len(length)]
    second = bytes([second[0] | 0x80]) if mask else second
    return bytes([first]) + second + length + (b"\0\0\0\0" if mask else b"") + payload


# Frames for a mask bit, what is wrong with each, and the messages that are complete.
FAULTS = {
    "wrong mask": (lambda mask: frame(TEXT, b"x", mask=not mask), ["mask"], 1),
    "reserved bits": (
        lambda mask: b"".join(fault(0x80 | bit | TEXT, mask=mask) for bit in (0x40, 0x20, 0x10, 0x70)),
        ["reserved_bit"] * 4, 4,
    ),
    "reserved bits of control frames": (
        lambda mask: fault(0xC0 | PING, mask=mask) + fault(0xA0 | PONG, mask=mask), ["reserved_bit"] * 2, 0,
    ),
    "reserved opcodes": (
        lambda mask: b"".join(fault(0x80 | code, mask=mask) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        ["reserved_opcode"] * 10, 0,
    ),
    "long control frames": (
        lambda mask: frame(PING, bytes(126), mask=mask) + frame(PONG, bytes(70_000), mask=mask), ["long_control"] * 2, 0,
    ),
    "fragments of control frames": (
        lambda mask: frame(PING, fin=False, mask=mask) + frame(PONG, b"x", fin=False, mask=mask),
        ["fragmented_control"] * 2, 0,
    ),
    "nothing to continue": (
        lambda mask: frame(0, b"x", fin=False, mask=mask) + frame(0, b"x", mask=mask), ["unexpected_continuation"] * 2, 0,
    ),
    "a message in a message": (
        lambda mask: frame(TEXT, b"a", fin=False, mask=mask) + frame(DATA, b"b", mask=mask), ["interrupted_message"], 1,
    ),
    "lengths that are too long": (
        lambda mask: fault(0x81, length=struct.pack(">H", 1), mask=mask)
        + fault(0x81, length=struct.pack(">Q", 1), mask=mask) + fault(0x81, b"", struct.pack(">Q", 0), mask),
        ["non_minimal_length"] * 3, 3,
    ),
    "one byte of a close code": (
        lambda mask: frame(CLOSE, b"\x03", mask=mask), ["close_body_length", "after_close"], 0,
    ),
    **{
        f"close code {code}": (lambda mask, code=code: close_frame(code, mask=mask), ["close_code", "after_close"], 0)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "frames after a Close frame": (
        lambda mask: close_frame(1000, mask=mask) + frame(TEXT, b"x", mask=mask) + frame(PING, mask=mask)
        + close_frame(1001, mask=mask), ["after_close"] * 4, 1,
    ),
    "all at once": (
        lambda mask: fault(0x7B, bytes(200), struct.pack(">Q", 200), mask=not mask),
        ["mask", "reserved_bit", "reserved_opcode", "non_minimal_length"], 0,
    ),
}


@LEGS
@pytest.mark.parametrize("name", FAULTS)
def test_faults(shared, name, direction):
    """F1: told and counted one by one, and what follows is understood."""
    wire, broken, complete = FAULTS[name]
    mask = direction == UP
    broken = [{UP: "unmasked", DOWN: "masked"}[direction] if what == "mask" else what for what in broken]
    with Attack(shared, direction) as attack:
        attack.send(wire(mask) + frame(DATA, PAYLOAD, mask=mask))
        shared.works()
        record = attack.ended()
        seen = [event for event in events(attack.gateway, attack.id) if event["kind"] == "violation"]
        assert [(event["violation"], event["direction"]) for event in seen] == [(what, direction) for what in broken]
        assert attack.added("websocket_errors_total", type="frame") == attack.added("websocket_errors_total") == len(broken)
        assert record["violations"] == {UP: None, DOWN: None, direction: broken[0]}
        assert record["messages"][direction] == complete + 1
        by, code = ("upstream", "from_upstream") if direction == UP else ("client", "from_client")
        assert record["codes"][code] == 1002
        if "after_close" not in broken:
            assert (record["initiator"], record["reason"]) == (by, "protocol_error")


@LEGS
@pytest.mark.parametrize("length, known", [(2**63, ["length_overflow"]), (2**64 - 1, ["length_overflow"]), (2**63 - 1, [])])
def test_endless_frames(shared, length, known, direction):
    """F2: no room is made for what a frame announces, and nothing is guessed behind a length that cannot be."""
    mask = direction == UP
    wire = [fault(0x82, b"", struct.pack(">Q", length), mask), *[frame(TEXT, bytes(65_000), mask=mask)] * 512]
    with Attack(shared, direction) as attack:
        with bounded_memory(attack.gateway, SPARE):
            attack.send(*wire)
            shared.works()
        record = attack.ended()
        seen = [event["violation"] for event in events(attack.gateway, attack.id) if event["kind"] == "violation"]
        assert seen == known
        assert attack.added("websocket_errors_total") == len(known)
        assert record["messages"][direction] == 0
        assert record["bytes"][direction] == sum(map(len, wire))


COUNT = 1_000_000


@LEGS
@pytest.mark.parametrize("is_final", [True, False])
def test_fragments_of_one_byte(shared, is_final, direction):
    """F2: 10^6 of them, of one message; or of a message that never ends."""
    mask = direction == UP
    many, last = frame(0, b"x", fin=False, mask=mask) * 1000, frame(0, b"x", fin=is_final, mask=mask)
    with Attack(shared, direction) as attack:
        with bounded_memory(attack.gateway, SPARE):
            attack.send(frame(TEXT, b"x", fin=False, mask=mask), *[many] * (COUNT // 1000), last)
            shared.works()
        record = attack.ended()
        assert record["messages"][direction] == is_final
        assert attack.added("websocket_frames_total", opcode="continuation") == COUNT + 1
        assert attack.added("websocket_message_bytes_total", direction=direction) == (COUNT + 2) * is_final + len(PAYLOAD)


FLOODS = {
    "pings": (PING, b"", {"ping": COUNT}),
    "pings with payload": (PING, b"12345678" * 15, {"ping": COUNT // 10}),
    "pongs": (PONG, b"nobody asked", {"pong": COUNT // 10}),
    "empty messages": (TEXT, b"", {"text": COUNT}),
    "Close frames": (CLOSE, b"\x03\xe8", {"close": COUNT // 10}),
}


@LEGS
@pytest.mark.parametrize("name", FLOODS)
def test_floods(shared, name, direction):
    """F3."""
    opcode, payload, expected = FLOODS[name]
    [(word, count)] = expected.items()
    many = frame(opcode, payload, mask=direction == UP) * 1000
    with Attack(shared, direction) as attack:
        with bounded_memory(attack.gateway, SPARE):
            attack.send(*[many] * (count // 1000))
            shared.works()
        record = attack.ended()
        by_echo = {"text": 1, "close": 1}.get(word, 0)
        assert attack.added("websocket_frames_total", opcode=word, direction=direction) == count + by_echo
        assert record["messages"][direction] == (count if word == "text" else 0)
        assert len(record["causes"]) <= 16
        if word == "close":
            sender = "client" if direction == UP else "upstream"
            assert (record["initiator"], record["reason"]) == (sender, "normal")


@LEGS
def test_a_flood_that_nobody_reads(shared, direction):
    """F3, B1: the sender is held back, and what waits is bounded."""
    many = frame(TEXT, b"", mask=direction == UP) * 10_000
    with Attack(shared, direction) as attack:
        attack.sender.settimeout(1)
        with bounded_memory(attack.gateway, SPARE):
            with pytest.raises(TimeoutError):
                for _ in range(100_000):
                    attack.sender.sendall(many)
            shared.works()
            assert attack.live()["backlog"][direction]["bytes"] <= 64 * KB
        attack.receiver.close()
        attack.sender.close()


def deflated(data):
    """As permessage-deflate has it (RFC 7692, section 7.2.1)."""
    packer = zlib.compressobj(9, wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


@LEGS
def test_bombs(direction):
    """F4: nothing is inflated, so 1000 times 10 MB are 1000 times 10 KB; nor is what does not inflate a fault."""
    bomb, mask = deflated(bytes(10 * MB)), direction == UP
    whole = bytearray(frame(DATA, bomb, mask=mask))
    first, last = bytearray(frame(DATA, bomb[:99], fin=False, mask=mask)), frame(0, bomb[99:], mask=mask)
    broken = bytearray(frame(DATA, b"\xff" * 999, mask=mask))
    for head in (whole, first, broken):
        head[0] |= 0x40
    with attacked(lambda head: switching(head, DEFLATE)) as front, Attack(front, direction, DEFLATE) as attack:
        with bounded_memory(attack.gateway, SPARE):
            attack.send(*[bytes(whole)] * 998, bytes(first), last, bytes(broken))
            front.works()
        record = attack.ended()
        assert record["messages"][direction] == 1000
        assert attack.added("websocket_errors_total") == 0
        assert all(e["compressed"] for e in events(attack.gateway, attack.id) if e["kind"] == "message")


NO_TEXT = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", "ß".encode()[:1], "大".encode()[:2])


@LEGS
def test_what_is_no_text(shared, direction):
    """F5: passes, whole or cut inside a character, also as the reason of a Close frame."""
    mask = direction == UP
    wire = b"".join(frame(TEXT, text, mask=mask) for text in NO_TEXT)
    wire += frame(TEXT, "ß".encode()[:1], fin=False, mask=mask) + frame(0, "ß".encode()[1:], mask=mask)
    wire += frame(CLOSE, b"\x0f\xa0" + PAYLOAD + NO_TEXT[0] * 99, mask=mask)
    with Attack(shared, direction) as attack:
        attack.send(wire)
        shared.works()
        record = attack.ended()
        assert record["messages"][direction] == len(NO_TEXT) + 1
        assert (record["initiator"], record["reason"]) == ("client" if direction == UP else "upstream", "app")


def block(*lines, end="\n"):
    return "".join(line + end for line in [*lines, ""]).encode()


HUGE = [b"x" * 64 * KB] * 1600
MANY = 200_000

# Pieces of the body, and the events, comments and lines that are too long in it.
STREAMS = {
    "100 MB in a line": ([b"data: ", *HUGE, b"\n\n"], 1, 0, 1),
    "100 MB without an end": ([block("data: 1"), b"data: ", *HUGE], 1, 0, 1),
    "100 MB of comment": ([b":", *HUGE, b"\r", block("data: 1")], 1, 1, 1),
    "100 MB of a field's name": ([*HUGE, b"\r\n", block("data: 1")], 1, 0, 1),
    "100 MB of id": ([b"id: ", *HUGE, b"\n", block("data: 1")], 1, 0, 1),
    "100 MB of digits": ([b"retry: ", *[b"9" * 64 * KB] * 1600, b"\n", block("data: 1")], 1, 0, 1),
    "an event of 100 MB": ([*[b"data: " + bytes(64 * KB) + b"\n"] * 1600, b"\n"], 1, 0, 0),
    "an event without an end": ([*[b"data: " + b"x" * 9 + b"\n"] * 9, *[b"data\n" * 1000] * (MANY // 1000)], 0, 0, 0),
    "three line ends": (
        [b"".join(block("data: 1", "data: 2", end=end) for end in ("\n", "\r", "\r\n")), b"data\r\ndata\n\r"], 4, 0, 0,
    ),
    "three line ends, byte by byte": ([bytes([b]) for b in b"data: a\r\rdata: b\r\n\r\ndata: c\n\ndata: d\n\r"], 4, 0, 0),
    "a mark of byte order": ([b"\xef\xbb\xbf" + block("data: 1") + b"\xef\xbb\xbf" + block("data: 2")], 1, 0, 0),
    "two marks": ([b"\xef\xbb\xbf" * 2 + block("data: 1")], 0, 0, 0),
    "half a mark": ([b"\xef\xbb" + block("data: 1") + block("data: 2")], 1, 0, 0),
    "retry": (
        [block(*(f"retry: {n}" for n in (2**63, 2**64, 10**400, -1, "1e9", "0x10", "", "٣")), "data: 1")], 1, 0, 0,
    ),
    "NUL, and what is no text": ([block("id: \0", "event: \0", "data: \0") + b"data: \xff\xfe\xc3\n\n"], 2, 0, 0),
    "names of events": ([block(f"event: {n}", f"id: {n}", "data: 1") for n in range(20_000)], 20_000, 0, 0),
    "empty lines": ([b"\n" * 1000, b"\r" * 1000, b"\r\n" * 1000] * (MANY // 1000), 0, 0, 0),
    "comments": ([b":\n" * 1000] * (MANY // 1000), 0, MANY, 0),
    "smallest events": ([b"data\n\n" * 1000] * (MANY // 1000), MANY, 0, 0),
    "times": (
        [block('data: {"ts":"' + "9" * 30_000 + '"}'), block("data: " + "[" * 60_000), block('data: {"ts":1e999999999}')],
        3, 0, 0,
    ),
}
TIMES = "    event_time: { json_pointer: /ts }\n"
IDS = "    event_time: { id: auto }\n"


def subscribe(front):
    """The client's socket behind the head of the answer, and the upstream's."""
    known = len(front.sockets)
    client = connect(front.gateway.port)
    path = f"/events?token={CANARIES['query']}"
    fields = f"Accept: text/event-stream\r\nLast-Event-ID: {CANARIES['last-event-id']}\r\n{SECRET_FIELDS}"
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    until(lambda: len(front.sockets) > known, "the backend has answered")
    got, rest = read_head(client)
    assert (got.startswith(b"HTTP/1.1 200 "), rest) == (True, b""), got
    return client, front.sockets[known]


def stream_of(size):
    """Says how long the body is, so that it reaches the client without chunks."""
    return lambda _: (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{SECRET_ANSWER}Connection: close\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("has_times", [False, True])
@pytest.mark.parametrize("name", STREAMS)
def test_streams(name, has_times):
    """S1; also where times are looked for in what is sent."""
    pieces, events_in_it, comments, long_lines = STREAMS[name]
    times = IDS if name in ("100 MB of id", "names of events") else TIMES
    with attacked(stream_of(sum(map(len, pieces))), route=times * has_times) as front:
        client, upstream = subscribe(front)
        with client:
            known = series(front.gateway)
            with bounded_memory(front.gateway, SPARE):
                carry(upstream, client, *pieces)
                front.works()
            [record] = until(lambda: [r for r in front.gateway.closed() if r["protocol"] == "sse"], "it has ended")
        assert (record["initiator"], record["reason"]) == ("upstream", "complete")
        assert record["messages"] == {UP: 0, DOWN: events_in_it}
        assert record["bytes"][DOWN] == sum(map(len, pieces))
        assert front.count("sse_events_total", "route") == ({"test": events_in_it} if events_in_it else {})
        assert front.count("sse_comments_total", "route") == ({"test": comments} if comments else {})
        assert front.count("sse_errors_total", "type") == ({"too_big": long_lines} if long_lines else {})
        assert series(front.gateway) == known


def test_a_stream_that_nobody_reads():
    """B1: the upstream is held back, and what waits is bounded."""
    with attacked(stream_of(2**40)) as front:
        client, upstream = subscribe(front)
        with client, bounded_memory(front.gateway, SPARE):
            upstream.settimeout(1)
            with pytest.raises(TimeoutError):
                for _ in range(10_000):
                    upstream.sendall(block("data: 1") * 10_000)
            front.works()


IDENTITIES = {
    "CR": "a\rb", "LF": "a\nb", "CR and LF": "a\r\nb", "a fold": "a\r\n b", "NUL": "a\0b",
    "ESC": "a\x1b[31mb", "DEL": "\x7f", "CR at the end": "a\r", "NUL alone": "\0",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_last_event_id(name):
    """S2."""
    with attacked(stream_of(0)) as front, connect(front.gateway.port) as client:
        fields = f"Accept: text/event-stream\r\nLast-Event-ID: {IDENTITIES[name]}\r\n"
        client.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        assert read_all(client).startswith(b"HTTP/1.1 400 ")
        front.works()
        assert front.sockets == []
        assert front.count("heartline_refused_total", "reason") == {"malformed": 1}
