"""`heartline load`: what it sends and counts, what it makes of a slow service, and when it fails."""

import contextlib
import json
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest

from harness.books import total
from harness.gateway import BINARY, Gateway, config_for
from harness.processes import free_port
from harness.wire import Backend, close_frame, frame, read_all, reset, switching

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
STALL = 1.0


def load(*arguments, code=0):
    """The report of a load in JSON, and what it said beside."""
    command = [BINARY, "load", *map(str, arguments), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == code, (done.stdout, done.stderr)
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


class Frames:
    """Frames of a client, unmasked, one after the other; none when it has ended."""

    def __init__(self, sock, rest=b""):
        self.sock, self.wire = sock, rest

    def _take(self, size):
        while len(self.wire) < size:
            part = self.sock.recv(65536)
            if not part:
                raise EOFError
            self.wire += part
        taken, self.wire = self.wire[:size], self.wire[size:]
        return taken

    def next(self):
        first, second = self._take(2)
        assert first & 0x70 == 0 and second & 0x80, "no extension, and masked"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        key, body = self._take(4), self._take(size)
        mask = (key * (size // 4 + 1))[:size]
        whole = int.from_bytes(body, "big") ^ int.from_bytes(mask, "big")
        return first & 0xF, whole.to_bytes(size, "big")


class Echo(Backend):
    """Answers each message with itself; before the answer to message `stall_at` it does nothing for a second."""

    def __init__(self, stall_at=None, greet=b""):
        super().__init__(self._echo)
        self.stall_at, self.greet = stall_at, greet
        self.sizes, self.closes, self.pongs = [], [], []
        self.lock, self.free = threading.Lock(), threading.Event()
        self.free.set()

    def _echo(self, _, sock, __):
        head, rest = self.read_head(sock)
        sock.sendall(switching(head) + self.greet)
        frames = Frames(sock, rest)
        with contextlib.suppress(EOFError):
            while True:
                opcode, payload = frames.next()
                if opcode == 8:
                    self.closes.append(payload)
                    sock.sendall(frame(8, payload))
                    return
                if opcode == 10:
                    self.pongs.append(payload)
                    continue
                self._stall_once(len(payload))
                sock.sendall(frame(opcode, payload))

    def _stall_once(self, size):
        """All connections stand still together."""
        with self.lock:
            self.sizes.append(size)
            is_the_one = len(self.sizes) == self.stall_at
        if is_the_one:
            self.free.clear()
            time.sleep(STALL)
            self.free.set()
        self.free.wait(10)


@contextlib.contextmanager
def reached(address, is_direct):
    """The address itself, or that of a gateway in front of it."""
    if is_direct:
        yield address
    else:
        with Gateway(config=config_for(address)) as gateway:
            yield gateway.address


ways = pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "through the gateway"])


@ways
@pytest.mark.parametrize(("arguments", "messages", "sent"), [
    (["--messages", "500"], 500, 500),
    (["--rate", "200/s", "--duration", "1s"], 200, 200),
    (["--rate", "1000/s", "--messages", "100", "--size", "70000"], 100, 100),
], ids=["closed loop", "open loop", "open loop, large messages"])
def test_websocket_messages_are_exact(is_direct, arguments, messages, sent):
    with Echo() as backend, reached(backend.address, is_direct) as address:
        report, _ = load("ws", f"ws://{address}/chat", "--connections", 7, *arguments)
        assert report["errors"] == {}
        assert (report["messages_total"], report["messages_sent_total"]) == (messages, sent)
        assert report["handshakes_total"] == 7 == len(backend.heads)
        size = 70000 if "--size" in arguments else 128
        assert backend.sizes == [size] * messages
        assert backend.closes == [b"\x03\xe8"] * 7, "it says goodbye"
        assert report["latency_samples_total"] == messages


def test_the_gateway_counts_the_same():
    with Echo() as backend, Gateway(config=config_for(backend.address)) as gateway:
        report, _ = load("ws", f"ws://{gateway.address}/", "--connections", 3, "--messages", 300)
        records = gateway.wait_closed(3)
        assert {record["reason"] for record in records} == {"normal"}
        assert total(gateway.metrics(), "websocket_messages_total") == 600 == 2 * report["messages_total"]
