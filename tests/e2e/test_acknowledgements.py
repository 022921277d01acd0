"""When the receiver's kernel has what was sent: over a path whose round trip is known by construction."""

import contextlib
import os

import pytest

from harness.books import balance, total
from harness.certificates import Authority, tls_listener
from harness.delay import NEAR, acknowledge_at_once, connect_from_far, in_own_network, path_of
from harness.endings import upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import close_frame, frame, handshake, read_head, switching

EVENT = b"20\r\ndata: 012345678901234567890123\n\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SUBSCRIBE = f"GET / HTTP/1.1\r\nHost: {NEAR}\r\nAccept: text/event-stream\r\n\r\n".encode()
EACH = "tcp_samples: { interval: 1s, acks_one_in: 1 }\n"
DOWN = "server_to_client"


@contextlib.contextmanager
def joined(round_trip, kind, authority=None, each=EACH):
    """A gateway here, a client at the far end of the path, and the upstream's socket."""
    request, head = (SUBSCRIBE, lambda _: EVENTS) if kind == "sse" else (handshake()[0], switching)
    with path_of(round_trip) as (path, there), upstream_sockets(head) as (backend, sockets):
        config = config_for(backend.address, extra=each).replace("listen: 127.0.0.1:0 }]", f"listen: {NEAR}:0 }}]")
        if authority:
            config = tls_listener(config, authority.issue("localhost"))
        with Gateway(config=config) as gateway, there(connect_from_far, gateway.port) as client:
            if authority:
                client = authority.trust().wrap_socket(client, server_hostname="localhost")
            client.sendall(request)
            read_head(client)
            [upstream] = until(lambda: list(sockets), "the upstream has answered")
            until(gateway.live, "the gateway has joined them")
            until(lambda: not path.in_flight, "what opened it is acknowledged")
            yield gateway, client, upstream, path


def push(client, upstream, path, message):
    """One message, up to its acknowledgement having arrived."""
    acknowledge_at_once(client)
    before = path.arrived
    upstream.sendall(message)
    got = b""
    while len(got) < len(message):
        got += client.recv(65536)
    assert got == message
    until(lambda: path.arrived > before and not path.in_flight, "an acknowledgement has come back")


def samples(gateway):
    """Acknowledgements of the one connection that were timed."""
    [live] = gateway.live()
    return live["tcp"]["client"].get("acks", {}).get("samples", 0)


CASES = {
    "5 ms": (0.005, "websocket", False, 40),
    "50 ms": (0.05, "websocket", False, 20),
    "500 ms": (0.5, "websocket", False, 4),
    "50 ms in TLS": (0.05, "websocket", True, 20),
    "50 ms, events": (0.05, "sse", False, 20),
    "50 ms, events in TLS": (0.05, "sse", True, 20),
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip_known_by_construction(name, tmp_path):
    round_trip, kind, in_tls, count = CASES[name]
    authority = Authority(tmp_path / "ca") if in_tls else None
    in_own_network(round_trip_known_by_construction, round_trip, kind, authority, count)


def round_trip_known_by_construction(round_trip, kind, authority, count):
    message = EVENT if kind == "sse" else frame(1, b"x" * 100)
    with joined(round_trip, kind, authority) as (gateway, client, upstream, path):
        for number in range(count):
            push(client, upstream, path, message)
            until(lambda: samples(gateway) > number, "the gateway has taken it in")
        upstream.sendall(b"0\r\n\r\n" if kind == "sse" else close_frame(1000))
        upstream.close()
        client.recv(65536)
        client.close()
        [record] = gateway.wait_closed()
        acks = record["tcp"]["client"]["acks"]
        assert acks["samples"] == count
        assert round_trip <= acks["min_seconds"] <= 1.1 * round_trip
        assert acks["min_seconds"] <= acks["last_seconds"] <= acks["max_seconds"]
        metrics = gateway.metrics()
        family, labels = ("sse_event_ack_seconds", {}) if kind == "sse" else (
            "websocket_message_ack_seconds", {"direction": DOWN})
        assert total(metrics, f"{family}_count", **labels) == count
        mean = total(metrics, f"{family}_sum", **labels) / count
        assert acks["min_seconds"] <= mean <= acks["max_seconds"] + 1e-6
        residence = "sse_event_delay_seconds" if kind == "sse" else "websocket_message_latency_seconds"
        assert total(metrics, f"{residence}_sum", **labels) < count * round_trip / 2, "the path is not in it"
        balance(gateway, kind)


def test_one_in_so_many():
    in_own_network(one_in_so_many)


def one_in_so_many():
    message = frame(1, b"hello")
    each = "tcp_samples: { interval: 1s, acks_one_in: 8 }\n"
    with joined(0.002, "websocket", each=each) as (gateway, client, upstream, path):
        for _ in range(20):
            push(client, upstream, path, message)
        acks = until(
            lambda: [a for live in gateway.live() if (a := live["tcp"]["client"].get("acks"))], "a sample is shown")
        upstream.close()
        client.close()
        [record] = gateway.wait_closed()
        assert record["tcp"]["client"]["acks"]["samples"] == 3, "the 1st, the 9th and the 17th"
        assert acks[0]["samples"] in (1, 2, 3)
        assert "acks" not in record["tcp"]["upstream"], "nothing was sent there"


def cpu_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_reader_that_stops():
    in_own_network(a_reader_that_stops)


def a_reader_that_stops():
    """What is not acknowledged is no sample, the window is seen to be shut, and the gateway rests."""
    message = frame(2, bytes(20_000))
    with joined(0.005, "websocket") as (gateway, client, upstream, path):
        push(client, upstream, path, frame(1, b"hello"))
        upstream.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(10_000):
                upstream.sendall(message)

        def facts():
            [live] = gateway.live()
            return live["tcp"]["client"]

        def limited(seconds):
            return facts().get("last", {}).get("rwnd_limited_seconds", 0) > seconds

        until(lambda: limited(0.5), "the window is shut")
        before, used = facts(), cpu_seconds(gateway.process)
        shut = before["last"]["rwnd_limited_seconds"]
        until(lambda: limited(shut + 1.5), "the window stays shut")
        after = facts()
        assert after["acks"] == before["acks"]
        assert after["last"]["unacked_bytes"] + after["last"]["notsent_bytes"] > 0
        assert cpu_seconds(gateway.process) - used < 0.75, "it does not spin"
        latency = total(gateway.metrics(), 'websocket_message_latency_seconds_count', direction=DOWN)
        assert latency >= after["acks"]["samples"]
