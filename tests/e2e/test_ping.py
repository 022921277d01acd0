"""Round trips, intervals and missed answers of Pings that pass through the gateway, on either leg."""

import asyncio
import contextlib
import threading
import time

import pytest
import websockets

from harness.books import balance, total
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, close_frame, frame, open_websocket, switching

PING, PONG = 9, 10
OTHER = {"client": "upstream", "upstream": "client"}
DELAY = 0.15


class Pair:
    """The two ends of a connection through a gateway."""

    def __init__(self, gateway, client, upstream):
        self.gateway, self.sockets = gateway, {"client": client, "upstream": upstream}

    def send(self, who, opcode, payload=b"", data=b""):
        """One control frame, with other bytes in front of it."""
        self.sockets[who].sendall(data + frame(opcode, payload, mask=who == "client"))

    def see(self, who, opcode, payload=b""):
        """Reads until a control frame with this payload is there; text in front of it is skipped."""
        seen, masked = b"", who == "upstream"
        length = len(payload) + (6 if masked else 2)
        while True:
            if len(seen) >= length and seen[-length] == 0x80 | opcode:
                body = seen[-len(payload):] if payload else b""
                key = seen[-length + 2:-length + 6] if masked else bytes(4)
                if bytes(byte ^ key[i % 4] for i, byte in enumerate(body)) == payload:
                    return
            part = self.sockets[who].recv(65536)
            assert part, f"{who} saw the end after {len(seen)} bytes"
            seen = (seen + part)[-1024:]

    def close(self):
        """Ends with a Close handshake, and returns the record."""
        self.send("client", 8)
        self.sockets["upstream"].sendall(close_frame(1000))
        for sock in self.sockets.values():
            sock.shutdown(1)
        [record] = balance(self.gateway)
        return record

    def live(self):
        [live] = until(self.gateway.live, "it is open")
        return live


@contextlib.contextmanager
def joined():
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head))
        sockets.append(sock)
        over.wait(60)

    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        client, rest = open_websocket(gateway.port)
        assert rest == b""
        with client:
            until(lambda: sockets and gateway.live(), "it is open")
            yield Pair(gateway, client, sockets[0])
            over.set()


def count(gateway, what, peer):
    return total(gateway.metrics(), f"websocket_{what}", peer=peer)


def settled(pair, peer, answers):
    """Waits until so many round trips are counted."""
    until(lambda: count(pair.gateway, "heartbeat_rtt_seconds_count", peer) == answers, f"{answers} round trips")


@pytest.mark.parametrize("peer", ["client", "upstream"])
@pytest.mark.parametrize("payload", [b"", b"\x01\x02\x03\x04", bytes(range(125))], ids=len)
def test_a_round_trip_is_the_delay_of_the_peer_that_answers(peer, payload):
    with joined() as pair:
        begun = time.monotonic()
        pair.send(OTHER[peer], PING, payload)
        pair.see(peer, PING, payload)
        time.sleep(DELAY)
        pair.send(peer, PONG, payload)
        pair.see(OTHER[peer], PONG, payload)
        longest = time.monotonic() - begun
        settled(pair, peer, 1)
        rtt = pair.live()["ping_rtt_seconds"]
        # The gateway may wait for the processor between what it sends and its look at the clock.
        assert DELAY / 2 <= rtt[peer] <= longest
        assert rtt[OTHER[peer]] is None
        assert abs(count(pair.gateway, "heartbeat_rtt_seconds_sum", peer) - rtt[peer]) < 1e-6
        assert count(pair.gateway, "heartbeat_rtt_seconds_count", OTHER[peer]) == 0
        record = pair.close()
        assert record["ping_rtt_seconds"] == rtt
        heartbeat = {"interval_seconds": None, "missed": 0, "slowest_rtt_seconds": rtt[peer]}
        assert record["heartbeat"] == {peer: heartbeat, OTHER[peer]: None}


def test_both_legs_at_the_same_time():
    with joined() as pair:
        for who in OTHER:
            pair.send(who, PING, who.encode())
        for who in OTHER:
            pair.see(OTHER[who], PING, who.encode())
        for who in OTHER:
            pair.send(OTHER[who], PONG, who.encode())
            pair.see(who, PONG, who.encode())
            settled(pair, OTHER[who], 1)
        assert all(rtt is not None for rtt in pair.close()["ping_rtt_seconds"].values())


STORIES = {
    # What the pinging side sends, what the peer answers, how many round trips and missed ones before and at the end.
    "passed over": ("a b", "b", 1, 1, 1),
    "out of order": ("a b", "b a", 1, 1, 1),
    "all late": ("a b c", "a b c", 3, 0, 0),
    "not the last": ("a b", "a", 1, 0, 1),
    "none of many": ("a b c d e f", "", 0, 0, 6),
    "all of many": ("a b c d e f", "a b c d e f", 4, 0, 0),
    "unasked": ("a", "x a y", 1, 0, 0),
}


@pytest.mark.parametrize("peer", ["client", "upstream"])
@pytest.mark.parametrize("story", STORIES)
def test_missed(story, peer):
    pings, pongs, answers, missed, missed_at_end = STORIES[story]
    with joined() as pair:
        for ping in pings.split():
            pair.send(OTHER[peer], PING, ping.encode())
            pair.see(peer, PING, ping.encode())
        for pong in pongs.split():
            pair.send(peer, PONG, pong.encode())
            pair.see(OTHER[peer], PONG, pong.encode())
        settled(pair, peer, answers)
        assert pair.live()["heartbeat"][peer]["missed"] == missed
        assert count(pair.gateway, "heartbeats_missed_total", peer) == missed
        assert pair.close()["heartbeat"][peer]["missed"] == missed_at_end
        assert count(pair.gateway, "heartbeats_missed_total", peer) == missed_at_end
        assert count(pair.gateway, "heartbeats_missed_total", OTHER[peer]) == 0


def test_an_interval_is_known_after_three_gaps():
    with joined() as pair:
        for number in range(5):
            name = 'websocket_heartbeat_interval_seconds{route="test",peer="client"}'
            heartbeat = pair.live()["heartbeat"]["client"] or {"interval_seconds": None}
            interval = heartbeat["interval_seconds"]
            assert (interval is not None) == (number >= 4)
            assert pair.gateway.metrics().get(name) == interval
            pair.send("upstream", PING, b"%d" % number)
            pair.see("client", PING, b"%d" % number)
            until(lambda: pair.live()["heartbeat"]["client"], "the gateway knows of it")
        assert pair.close()["heartbeat"]["client"]["interval_seconds"] > 0
        assert name not in pair.gateway.metrics(), "a gauge of what is open"


def fill(sock, data, quiet=0.3):
    """Sends `data` over and over until nothing more is taken for a while; returns what is left of the last one."""
    sent, last = 0, time.monotonic()
    sock.setblocking(False)
    while time.monotonic() - last < quiet:
        with contextlib.suppress(BlockingIOError):
            sent += sock.send(data[sent % len(data):])
            last = time.monotonic()
    sock.setblocking(True)
    return data[sent % len(data):] if sent % len(data) else b""


def test_time_in_this_gateway_is_no_round_trip():
    """A Ping behind a backlog counts from its acceptance by our kernel."""
    with joined() as pair:
        rest = fill(pair.sockets["upstream"], frame(1, bytes(100_000)))
        until(lambda: pair.live()["backlog"]["server_to_client"]["bytes"], "the client is behind")
        sender = threading.Thread(target=pair.send, args=("upstream", PING, b"late", rest))
        sender.start()
        time.sleep(3 * DELAY)
        begun = time.monotonic()
        pair.see("client", PING, b"late")
        sender.join()
        pair.send("client", PONG, b"late")
        pair.see("upstream", PONG, b"late")
        longest = time.monotonic() - begun
        settled(pair, "client", 1)
        assert pair.live()["ping_rtt_seconds"]["client"] <= longest


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def talk(gateway):
    async with websockets.connect(f"ws://{gateway.address}", ping_interval=0.02, proxy=None) as connection:
        await connection.send("hello")
        assert await connection.recv() == "hello"

        def are_known():
            [live] = gateway.live()
            return all(beat and beat["interval_seconds"] for beat in live["heartbeat"].values())

        await asyncio.to_thread(until, are_known, "both intervals are known")


async def serve_and_talk():
    async with websockets.serve(echo, "127.0.0.1", 0, ping_interval=0.02) as server:
        port = server.sockets[0].getsockname()[1]
        with Gateway(config=config_for(f"127.0.0.1:{port}")) as gateway:
            await talk(gateway)
            [record] = await asyncio.to_thread(balance, gateway)
            for peer in OTHER:
                assert record["ping_rtt_seconds"][peer] > 0
                answers = await asyncio.to_thread(count, gateway, "heartbeat_rtt_seconds_count", peer)
                assert answers >= 3


def test_a_real_client_and_a_real_server():
    """Both ends ping, and each answers the other."""
    asyncio.run(serve_and_talk())
