"""Delay of events from their generation, over two clocks; and how many come at once."""

import contextlib
import json
import threading
import time

import pytest

from harness.books import balance, total
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, read_head

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
TWITTER_EPOCH_MS = 1_288_834_974_657
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def read_body(client):
    """The body behind a head, up to its last chunk."""
    wire, body = client.makefile("rb"), b""
    while size := int(wire.readline(), 16):
        body += wire.read(size)
        wire.readline()
    return body


class Producer:
    """An upstream whose one event stream the test writes."""

    def __init__(self, extra):
        self.head = f"{HEAD}{extra}\r\n".encode()
        self.sock, self.over = None, threading.Event()
        self.backend = Backend(self._serve)

    def _serve(self, backend, sock, _):
        backend.read_head(sock)
        sock.sendall(self.head)
        self.sock = sock
        self.over.wait(60)

    def send(self, *events):
        """All of it in one chunk."""
        self.sock.sendall(chunk("".join(events).encode()))

    def end(self):
        self.sock.sendall(b"0\r\n\r\n")


@contextlib.contextmanager
def subscribed(event_time=None, extra=""):
    """A producer behind a gateway, and a client that has the response's head."""
    producer = Producer(extra)
    route = f"    event_time: {event_time}\n" if event_time else ""
    config = config_for(producer.backend.address, route=route)
    try:
        with Gateway(config=config) as gateway, connect(gateway.port) as client:
            client.sendall(REQUEST)
            assert read_head(client)[0].startswith(b"HTTP/1.1 200")
            until(lambda: producer.sock, "the producer has answered")
            yield producer, gateway, client
    finally:
        producer.over.set()
        producer.backend.listener.close()


def ulid(ms):
    return "".join(CROCKFORD[ms >> 5 * place & 31] for place in range(9, -1, -1)) + "0" * 16


def uuid_v7(ms):
    text = f"{ms:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-000000000000"


def snowflake(ms, epoch=TWITTER_EPOCH_MS):
    return str(ms - epoch << 22 | 0x3FF)


def rfc3339(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def with_id(form):
    return lambda ms: f"id: {form(ms)}\ndata: x\n\n"


def with_data(form, key="ts"):
    return lambda ms: f"data: {json.dumps({key: form(ms)})}\n\n"


PLACES = {
    "ulid": ("{ id: ulid }", with_id(ulid)),
    "uuid of version 7": ("{ id: uuidv7 }", with_id(uuid_v7)),
    "snowflake": ("{ id: snowflake }", with_id(snowflake)),
    "snowflake of another epoch": (
        "{ id: snowflake, snowflake_epoch_ms: 1420070400000 }", with_id(lambda ms: snowflake(ms, 1420070400000))
    ),
    "milliseconds": ("{ id: epoch_ms }", with_id(lambda ms: f"{ms}-0")),
    "seconds": ("{ id: epoch_s }", with_id(lambda ms: ms / 1000)),
    "ulid by its look": ("{ id: auto }", with_id(ulid)),
    "uuid by its look": ("{ id: auto }", with_id(uuid_v7)),
    "snowflake by its look": ("{ id: auto }", with_id(snowflake)),
    "milliseconds by their look": ("{ id: auto }", with_id(str)),
    "number in data": ("{ json_pointer: /ts }", with_data(int)),
    "seconds in data": ("{ json_pointer: /ts }", with_data(lambda ms: ms / 1000)),
    "text in data": ("{ json_pointer: /ts }", with_data(rfc3339)),
    "deep in data": ("{ json_pointer: /a~1b/0/at }", with_data(lambda ms: [{"at": ms}], "a/b")),
}


def now_ms():
    return time.time_ns() // 1_000_000


def delays(gateway):
    """Number and sum of the delays from generation."""
    metrics = gateway.metrics()
    return [total(metrics, f"sse_event_generation_delay_seconds_{part}") for part in ("count", "sum")]


@pytest.mark.parametrize("name", PLACES)
def test_the_delay_counts_from_generation(name):
    event_time, event = PLACES[name]
    with subscribed(event_time) as (producer, gateway, client):
        ages = (200, 90_000)
        before = now_ms()
        for age in ages:
            producer.send(event(before - age))
        until(lambda: delays(gateway)[0] == len(ages), "the delays are measured")
        passed = (now_ms() - before + 1) / 1000 * len(ages)
        metrics = gateway.metrics()
        least = sum(ages) / 1000
        assert least - 0.01 <= delays(gateway)[1] <= least + passed
        assert total(metrics, "sse_event_generation_delay_seconds_bucket", le="60.0") == 1
        assert 0.199 <= total(metrics, "sse_event_generation_delay_min_seconds") <= 0.2 + passed
        assert total(metrics, "sse_event_clock_ahead_seconds") == total(metrics, "sse_events_ahead_total") == 0
        assert total(metrics, "sse_event_time_errors_total") == 0
        assert total(metrics, "sse_event_delay_seconds_sum") <= passed, "the delay in the gateway is another one"


def test_a_producer_whose_clock_is_ahead():
    with subscribed("{ id: epoch_ms }") as (producer, gateway, client):
        before = now_ms()
        producer.send(with_id(str)(before - 5_000), with_id(str)(before + 30_000), with_id(str)(before + 60_000))
        until(lambda: delays(gateway)[0] == 3, "the delays are measured")
        passed = (now_ms() - before + 1) / 1000
        metrics = gateway.metrics()
        assert total(metrics, "sse_events_ahead_total") == 2
        ahead = total(metrics, "sse_event_clock_ahead_seconds")
        assert 60 - passed <= ahead <= 60
        assert total(metrics, "sse_event_generation_delay_min_seconds") == -ahead
        assert 5 <= delays(gateway)[1] <= 5 + passed, "what is below 0 counts as 0"


# Where events have their time, one that has none, and what is wrong with it.
WRONG = {
    "a counter": ("ulid by its look", "id: 42\ndata: x\n\n", "invalid"),
    "a word": ("ulid", "id: hello\ndata: x\n\n", "invalid"),
    "no id": ("ulid by its look", "data: x\n\n", "missing"),
    "tomorrow": ("seconds", f"id: {int(time.time()) + 90_000}\ndata: x\n\n", "invalid"),
    "history": ("seconds", f"id: {int(time.time()) - 90_000}\ndata: x\n\n", "old"),
    "no json": ("number in data", "data: ping\n\n", "invalid"),
    "half json": ("number in data", 'data: {"ts":\n\n', "invalid"),
    "deep json": ("number in data", f"data: {'[' * 10_000}\n\n", "invalid"),
    "no key": ("number in data", "data: {}\n\n", "missing"),
    "no time": ("number in data", 'data: {"ts": "soon"}\n\n', "invalid"),
    "much data": ("number in data", f'data: {{"ts": 1, "x": "{"x" * 65536}"}}\n\n', "too_large"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_counted_and_passed_on(name):
    place, wrong, kind = WRONG[name]
    event_time, event = PLACES[place]
    with subscribed(event_time) as (producer, gateway, client):
        right = event(now_ms())
        producer.send(wrong)
        producer.send(right)
        producer.end()
        assert read_body(client) == (wrong + right).encode()
        [record] = balance(gateway, "sse")
        assert record["messages"]["server_to_client"] == 2
        metrics = gateway.metrics()
        assert total(metrics, "sse_event_time_errors_total", type=kind) == 1
        assert total(metrics, "sse_event_time_errors_total") == 1
        assert delays(gateway)[0] == 1, "the next event is measured"


@pytest.mark.parametrize(("event_time", "extra"), [(None, ""), ("{ id: auto }", "Content-Encoding: zstd\r\n")])
def test_nothing_is_read_where_it_cannot_or_must_not(event_time, extra):
    with subscribed(event_time, extra) as (producer, gateway, client):
        producer.send(with_id(str)(now_ms()))
        producer.end()
        until(lambda: gateway.closed(), "the stream has ended")
        metrics = gateway.metrics()
        assert delays(gateway) == [0, 0]
        assert total(metrics, "sse_event_time_errors_total") == 0
        assert not [name for name in metrics if name.startswith("sse_event_generation_delay_min_seconds")]
        assert not [name for name in metrics if name.startswith("sse_event_clock_ahead_seconds")]


def test_batches_are_told():
    with subscribed() as (producer, gateway, client):
        for batch in (1, 4, 1, 2):
            producer.send(": a comment\n\n")
            producer.send(*["data: x\n\n"] * batch)
            producer.send("data: half")
            producer.send(" and half\n\n")
        producer.end()
        [record] = balance(gateway, "sse")
        assert record["messages"]["server_to_client"] == 12
        assert record["events_per_read"] == {"mean": 12 / 8, "max": 4}


def test_a_stream_without_events_tells_of_no_batches():
    with subscribed() as (producer, gateway, client):
        producer.send(": a comment\n\n")
        producer.end()
        [record] = balance(gateway, "sse")
        assert "events_per_read" not in record
