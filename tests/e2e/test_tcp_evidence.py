"""What the kernel tells of both TCP connections: round trips, what waits where, and what a vanished peer leaves."""

import contextlib
import ctypes
import fcntl
import socket
import struct
import termios
import time

import pytest

from harness.books import balance, total
from harness.endings import story, upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import close_frame, connect, frame, open_websocket, read_head, reset, switching

SO_ATTACH_FILTER = 26
EVENT = b"20\r\ndata: 012345678901234567890123\n\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
OFTEN = "tcp_samples: { interval: 1s }\n"
AT_REST = 3.5  # seconds: two looks behind the one that has seen the last byte
DOWN, UP = "server_to_client", "client_to_server"


def vanish(sock):
    """From now on the kernel of this end drops all that comes, by a filter of one instruction: keep 0 bytes."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(code)))


def queue(sock, which):
    """Depth of the receive queue (FIONREAD) or of the send queue (TIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, which, bytes(4)))[0]


def websocket(port):
    sock, rest = open_websocket(port)
    assert rest == b""
    return sock


def subscription(port):
    sock = connect(port)
    sock.sendall(REQUEST)
    head, rest = read_head(sock)
    assert head.startswith(b"HTTP/1.1 200") and rest == b""
    return sock


KINDS = {
    "websocket": (websocket, switching, frame(1, b"hello")),
    "sse": (subscription, lambda _: EVENTS, EVENT),
}


@contextlib.contextmanager
def joined(kind="websocket", **options):
    """A gateway, and the sockets of a client and an upstream through it."""
    open_client, head, _ = KINDS[kind]
    with (
        upstream_sockets(head) as (backend, sockets),
        Gateway(config=config_for(backend.address, extra=OFTEN, **options)) as gateway,
        open_client(gateway.port) as client,
    ):
        [upstream] = until(lambda: list(sockets), "the upstream has answered")
        until(gateway.live, "the gateway has joined them")
        yield gateway, client, upstream


def sampled(gateway, condition, what, seconds=10.0):
    """The one open connection, once a sample has come that meets the condition."""
    return until(lambda: next((one for one in gateway.live() if condition(one)), None), what, seconds)


@pytest.mark.parametrize("kind", KINDS)
def test_both_legs_at_open_in_between_and_at_the_end(kind):
    message = KINDS[kind][2]
    with joined(kind) as (gateway, client, upstream):
        upstream.sendall(message)
        assert client.recv(65536) == message

        def has_acknowledged(live):
            return live["tcp"]["client"].get("last", {}).get("bytes_acked", 0) > len(message)

        live = sampled(gateway, has_acknowledged, "a sample behind the message")
        assert "close" not in live["tcp"]["client"]
        upstream.sendall(close_frame(1000) if kind == "websocket" else b"0\r\n\r\n")
        upstream.shutdown(socket.SHUT_WR)
        until(lambda: client.recv(65536)[-2:] in (b"\x03\xe8", b"\r\n"), "the end has come")
        client.close()
        gateway.wait_closed()
        [record] = balance(gateway, kind)
        for leg in ("client", "upstream"):
            facts = record["tcp"][leg]
            assert not facts["shared"]
            samples = [facts[when] for when in ("open", "last", "close")]
            assert sorted(samples, key=lambda sample: sample["at_seconds"]) == samples
            assert samples[0]["at_seconds"] == 0 < samples[1]["at_seconds"]
            assert all(0 < sample["min_rtt_seconds"] <= sample["rtt_seconds"] * 2 < 10 for sample in samples)
            assert all(sample["unread_bytes"] == sample["notsent_bytes"] == 0 for sample in samples)
        assert record["unacked_bytes"][UP] == record["unsent_bytes"][UP] == record["unsent_bytes"][DOWN] == 0
        assert record["unacked_bytes"][DOWN] <= len(message)
        if kind == "websocket":
            metrics = gateway.metrics()
            for leg in ("client", "upstream"):
                assert total(metrics, f"websocket_{leg}_rtt_seconds_count") >= 3, "open, in between, close"
                retransmits = record["tcp"][leg]["close"]["retransmits"]
                assert total(metrics, "websocket_tcp_retransmits_total", peer=leg) == retransmits


@pytest.mark.parametrize("kind", KINDS)
def test_one_at_rest_is_looked_at_again_from_its_next_byte_on(kind):
    message = KINDS[kind][2]
    with joined(kind) as (gateway, client, upstream):

        def acked(live):
            return live["tcp"]["client"].get("last", {}).get("bytes_acked", 0)

        sampled(gateway, acked, "a sample")
        time.sleep(AT_REST)
        [before] = map(acked, gateway.live())
        upstream.sendall(message)
        assert client.recv(65536) == message
        sampled(gateway, lambda live: acked(live) == before + len(message), "a sample behind the message")


def test_what_a_client_does_not_read_is_found_where_it_waits():
    with joined() as (gateway, client, upstream):
        upstream.setblocking(False)
        payload, written = frame(2, bytes(60_000)), 0

        def places(live):
            backlog = live["backlog"][DOWN]
            at = backlog["socket"]
            return [
                queue(client, termios.FIONREAD), at["unacked_bytes"], at["notsent_bytes"], backlog["bytes"],
                at["unread_bytes"], queue(upstream, termios.TIOCOUTQ),
            ]

        def is_full(live):
            nonlocal written
            with contextlib.suppress(BlockingIOError):
                while True:
                    written += upstream.send(payload[written % len(payload):])
            return sum(places(live)) == written

        live = sampled(gateway, is_full, "each byte is in one of the places", seconds=20)
        peer, unacked, notsent, ours, unread_bytes, _ = places(live)
        assert min(peer, notsent, ours, unread_bytes) > 0 and unacked == 0
        assert live["backlog"][DOWN]["socket"]["zero_window"]
        assert not live["backlog"][UP]["socket"]["zero_window"]
        metrics = gateway.metrics()
        assert total(metrics, "websocket_socket_unsent_bytes", direction=DOWN) == notsent
        assert total(metrics, "websocket_socket_unread_bytes", direction=DOWN) == unread_bytes
        for name in ("unsent", "unread"):
            assert total(metrics, f"websocket_socket_{name}_bytes", direction=UP) == 0
        limited = live["tcp"]["client"]["last"]["rwnd_limited_seconds"]
        sampled(gateway, lambda live: live["tcp"]["client"]["last"]["rwnd_limited_seconds"] > limited, "it rises")

        had = queue(client, termios.FIONREAD)
        reset(client)
        [record] = gateway.wait_closed()
        never_sent = record["bytes"][DOWN] - had
        assert never_sent > ours
        assert record["unsent_bytes"] == {UP: 0, DOWN: never_sent}, "ours, and what the kernel had not sent"
        assert record["unacked_bytes"] == {UP: 0, DOWN: 0}
        assert record["tcp"]["client"]["close"]["rwnd_limited_seconds"] > limited
        assert total(gateway.metrics(), "websocket_socket_unsent_bytes", direction=DOWN) == 0


def test_bytes_to_a_vanished_client_are_unacknowledged():
    with joined(route="    timeouts: { half_close: 2500ms }\n") as (gateway, client, upstream):
        vanish(client)
        message = frame(2, bytes(1000))
        upstream.sendall(message)
        upstream.shutdown(socket.SHUT_WR)
        gateway.wait_closed()
        [record] = balance(gateway)
        assert story(record) == "upstream fin, proxy half_close_timeout"
        assert record["unacked_bytes"] == {UP: 0, DOWN: len(message)}, "without our FIN"
        assert record["unsent_bytes"] == {UP: 0, DOWN: 0}, "the kernel still tries"
        end = record["tcp"]["client"]["close"]
        assert end["unanswered"] >= 1 and end["retransmits"] >= 1 and not end["zero_window"]
        assert end["last_ack_seconds"] >= 2
        metrics = gateway.metrics()
        assert total(metrics, "websocket_tcp_retransmits_total", peer="client") == end["retransmits"]
        assert total(metrics, "websocket_tcp_retransmits_total", peer="upstream") == 0


def test_a_half_open_event_stream_is_found():
    with joined("sse") as (gateway, client, upstream):
        upstream.sendall(EVENT)
        assert client.recv(65536) == EVENT
        vanish(client)
        upstream.sendall(EVENT)
        assert total(gateway.metrics(), "sse_unacknowledged_clients") == 0

        def found():
            return total(gateway.metrics(), "sse_unacknowledged_clients") == 1

        until(found, "a client that acknowledges nothing", seconds=30)
        [live] = gateway.live()
        assert live["backlog"][DOWN]["bytes"] == 0, "no backlog of ours tells of it"
        assert live["backlog"][DOWN]["socket"]["unacked_bytes"] == len(EVENT)
        upstream.sendall(b"0\r\n\r\n")
        gateway.wait_closed()
        [record] = balance(gateway, "sse")
        assert record["unacked_bytes"][DOWN] >= len(EVENT)
        assert record["tcp"]["client"]["close"]["unanswered"] >= 5
        assert total(gateway.metrics(), "sse_unacknowledged_clients") == 0
