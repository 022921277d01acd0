"""A million messages of random shapes, in pieces of random sizes: every count is the truth."""

import random
import threading
import zlib
from collections import Counter

import pytest

from harness.books import balance
from harness.endings import tally, upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import close_frame, frame, open_websocket, switching

MESSAGES = 500_000  # in each direction
SHAPES = 5_000
OPCODES = {0: "continuation", 1: "text", 2: "binary", 9: "ping", 10: "pong"}
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
COMPRESSED = 0x40


class Truth:
    def __init__(self):
        self.messages, self.payload, self.frames = 0, 0, Counter()

    def add(self, shape):
        self.messages += 1
        self.payload += shape.payload
        self.frames.update(shape.frames)


class Shape:
    """A data message in one frame or several, with control frames in between."""

    def __init__(self, chance, mask, deflate):
        payload = chance.randbytes(min(int(chance.paretovariate(0.8) * 4) - 4, 70_000) if chance.random() > 0.1 else 0)
        is_compressed = deflate and chance.random() < 0.7
        if is_compressed:
            squeeze = zlib.compressobj(wbits=-15)
            payload = (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
        self.payload, self.frames = len(payload), Counter()
        cuts = sorted(chance.randint(0, len(payload)) for _ in range(chance.choice([0, 0, 0, 0, 1, 2, 5])))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        wire = bytearray()
        for place, part in enumerate(parts):
            opcode = 0 if place else chance.choice([1, 2])
            piece = bytearray(frame(opcode, part, fin=place == len(parts) - 1, mask=mask))
            if is_compressed and not place:
                piece[0] |= COMPRESSED
            wire += piece
            self.frames[OPCODES[opcode]] += 1
            if chance.random() < 0.1:
                opcode = chance.choice([9, 10])
                wire += frame(opcode, chance.randbytes(chance.randint(0, 125)), mask=mask)
                self.frames[OPCODES[opcode]] += 1
        self.wire = bytes(wire)


def send(sock, seed, mask, deflate, truth):
    """Sends the messages in pieces whose ends are nowhere in particular."""
    chance = random.Random(seed)
    shapes = [Shape(chance, mask, deflate) for _ in range(SHAPES)]
    for _ in range(MESSAGES // 1000):
        chosen = chance.choices(shapes, k=1000)
        for shape in chosen:
            truth.add(shape)
        rest = memoryview(b"".join(shape.wire for shape in chosen))
        while rest:
            size = chance.choice([1, 2, 3, 100, 4_000, 65_536, 200_000])
            sock.sendall(rest[:size])
            rest = rest[size:]
    sock.sendall(close_frame(1000, mask=mask))
    truth.frames["close"] += 1


def count(sock, got):
    while piece := sock.recv(1 << 20):
        got.append(len(piece))


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_a_million_messages(deflate):
    extra = DEFLATE if deflate else ""
    with (
        upstream_sockets(lambda head: switching(head, extra)) as (backend, sockets),
        Gateway(config=config_for(backend.address)) as gateway,
    ):
        client, _ = open_websocket(gateway.port, extra=extra)
        [upstream] = until(lambda: list(sockets), "the upstream has answered")
        client.settimeout(60)
        upstream.settimeout(60)
        truths = {"client_to_server": Truth(), "server_to_client": Truth()}
        received = {"client_to_server": [], "server_to_client": []}
        threads = [
            threading.Thread(target=send, args=(client, 1, True, deflate, truths["client_to_server"])),
            threading.Thread(target=send, args=(upstream, 2, False, deflate, truths["server_to_client"])),
            threading.Thread(target=count, args=(upstream, received["client_to_server"])),
            threading.Thread(target=count, args=(client, received["server_to_client"])),
        ]
        for thread in threads:
            thread.start()
        for thread in threads[:2]:
            thread.join()
        client.shutdown(1)
        upstream.shutdown(1)
        for thread in threads[2:]:
            thread.join()
        client.close()
        upstream.close()
        gateway.wait_closed()
        [record] = balance(gateway)
        metrics = gateway.metrics()
        frames = tally(metrics, "websocket_frames_total", "direction", "opcode")
        payload = tally(metrics, "websocket_message_bytes_total", "direction")
        for direction, truth in truths.items():
            assert record["bytes"][direction] == sum(received[direction])
            assert record["messages"][direction] == truth.messages == MESSAGES
            assert payload[direction] == truth.payload
            assert {opcode: n for (way, opcode), n in frames.items() if way == direction} == dict(truth.frames)
        assert not tally(metrics, "websocket_errors_total", "type")
