"""What the tests of hostile peers share: secrets that must not be told, and what must hold during an attack."""

import contextlib
import json
import re
import threading

from .endings import tally
from .gateway import Gateway, config_for, until
from .wire import Backend, close_frame, frame, open_websocket, switching

KB, MB = 1024, 1024 * 1024
UP, DOWN = "client_to_server", "server_to_client"

CANARIES = {name: f"canary-{name}-7f3a" for name in (
    "authorization", "cookie", "set-cookie", "query", "subprotocol", "metadata", "payload", "last-event-id", "proxy",
)}
SECRET_PATH = f"/echo?token={CANARIES['query']}"
SECRET_FIELDS = (
    f"Authorization: Bearer {CANARIES['authorization']}\r\n"
    f"Proxy-Authorization: Basic {CANARIES['proxy']}\r\n"
    f"Cookie: session={CANARIES['cookie']}\r\n"
)
SECRET_OFFER = f"Sec-WebSocket-Protocol: bearer.{CANARIES['subprotocol']}, chat\r\n"
SECRET_ANSWER = f"Set-Cookie: session={CANARIES['set-cookie']}\r\n"


class Attacked:
    """A gateway, and a backend that echoes on `/echo` and else gives its sockets to the test."""

    def __init__(self, gateway, sockets):
        self.gateway, self.sockets = gateway, sockets

    @contextlib.contextmanager
    def joined(self, extra="", path="/"):
        """A WebSocket connection: the client's socket and the upstream's; closed as both close it."""
        known = len(self.sockets)
        client, _ = open_websocket(self.gateway.port, f"{path}?token={CANARIES['query']}", SECRET_FIELDS + extra)
        with client:
            upstream = until(lambda: self.sockets[known:], "the backend has answered")[0]
            yield client, upstream

    def works(self):
        """A message goes there and back on another connection."""
        echo(self.gateway)

    def count(self, name, *by):
        return tally(self.gateway.metrics(), name, *by)


def echo(gateway):
    text = CANARIES["payload"].encode()
    client, _ = open_websocket(gateway.port, SECRET_PATH, SECRET_FIELDS)
    with client:
        client.sendall(frame(1, text, mask=True) + close_frame(1000, mask=True))
        expected, got = frame(1, text) + close_frame(1000), b""
        while part := client.recv(65536):
            got += part
        assert got == expected


def serve_echo(sock, rest):
    """Answers the one message that `echo` sends, and its Close frame."""
    size = len(frame(1, CANARIES["payload"].encode(), mask=True)) + len(close_frame(1000, mask=True))
    while len(rest) < size:
        part = sock.recv(65536)
        if not part:
            return
        rest += part
    sock.sendall(frame(1, CANARIES["payload"].encode()) + close_frame(1000))


@contextlib.contextmanager
def attacked(
    answer=switching, extra="", route="", level="debug", speak=None, requests=None, handshakes=False, run=Gateway
):
    """See `Attacked`; `answer(head)` is what the backend says elsewhere than on `/echo`, `speak(sock, rest)` serves
    HTTP/2, and `requests(sock, wire)` all that is no handshake, or also `handshakes`."""
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        head, rest = backend.read_head(sock)
        if head.startswith(b"PRI * HTTP/2.0"):
            speak(sock, rest)
        elif head.startswith(b"GET /echo"):
            sock.sendall(switching(head, SECRET_ANSWER))
            serve_echo(sock, rest)
        elif head and requests and (handshakes or b"\r\nSec-WebSocket-Key:" not in head):
            requests(sock, head + rest)
        elif head:
            sock.sendall(answer(head))
            sockets.append(sock)
            over.wait(120)

    with Backend(serve) as backend:
        config = config_for(backend.address, route=route, extra=f"closed: {{ log: closed.log }}\n{extra}")
        with run("--log-level", level, config=config) as gateway:
            try:
                yield Attacked(gateway, sockets)
                check_discreet(gateway)
            finally:
                over.set()


def carry(sender, receiver, *pieces):
    """Sends pieces while the other side reads, and checks that they arrive as they were sent."""
    def send():
        with contextlib.suppress(OSError):
            for piece in pieces:
                sender.sendall(piece)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    got = 0
    for piece in pieces:
        expected = memoryview(piece)
        while expected:
            part = receiver.recv(min(len(expected), 256 * KB))
            assert part, f"ended after {got} bytes"
            assert part == expected[: len(part)], f"changed in the {len(part)} bytes behind {got}"
            expected, got = expected[len(part) :], got + len(part)
    sending.join(10)


def resident(gateway, name="VmRSS"):
    """Bytes that the gateway's process has in memory, now or at most (`VmHWM`)."""
    with open(f"/proc/{gateway.process.pid}/status") as lines:
        [value] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(value) * KB


@contextlib.contextmanager
def bounded_memory(gateway, more):
    """The process never has more than so many bytes resident above what it had before."""
    before = resident(gateway)
    with open(f"/proc/{gateway.process.pid}/clear_refs", "w") as peak:
        peak.write("5")
    yield
    grown = resident(gateway, "VmHWM") - before
    assert grown < more, f"{grown} bytes more"


# Series that come and go with time, whatever clients do; and findings, whose labels are causes and routes alone.
PASSING = ("_seconds_mean{", "_oldest_connection_start_", "heartline_upstream_process", "heartline_finding_active{")


def series(gateway):
    """Names of all series, with labels."""
    return {sample for sample in gateway.metrics() if not any(name in sample for name in PASSING)}


def told(gateway):
    """All that the gateway says of its connections: log, access log, metrics, API."""
    listed = {which: gateway.get(f"/api/v1/connections?set={which}&limit=500") for which in ("live", "closed")}
    texts = [*listed.values(), *(gateway.get(path) for path in ("/metrics", "/api/v1/overview", "/api/v1/host"))]
    for items in listed.values():
        for item in json.loads(items)["items"][:50]:
            texts += [gateway.get(f"/api/v1/connections/{item['id']}{more}") for more in ("", "/events")]
    with open(gateway.directory.name + "/closed.log") as closed:
        texts += closed.readlines()
    return texts + [json.dumps(line, ensure_ascii=False) for line in list(gateway.lines)]


CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def check_discreet(gateway):
    """The gateway lives, tells no secret, and each line that it writes is one line of JSON without controls."""
    assert gateway.process.poll() is None, gateway.lines[-20:]
    texts = told(gateway)
    for name, canary in CANARIES.items():
        found = [text for text in texts if canary in text]
        assert not found, f"{name}: {found[0][:500]}"
    for text in texts:
        assert not CONTROLS.search(text), repr(text[:500])
    with open(gateway.directory.name + "/closed.log", newline="") as closed:
        for line in closed.read().split("\n")[:-1]:
            assert json.loads(line)["id"], line
    panics = [line for line in gateway.lines if "panicked" in str(line)]
    assert panics == []
