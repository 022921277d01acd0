"""Ten thousand connections of every kind of ending: each leaves the one record that it should, and nothing else.

A script says what happens on a connection. The client and the backend each take the steps that are theirs and wait
for those of the other; the path of the request tells the backend which kind of connection it is.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Callable

from harness.books import NAMES, messages, total
from harness.endings import kill_owner, logged, tally
from harness.gateway import Gateway, until
from harness.wire import frame, handshake, reset, switching

CONNECTIONS, AT_ONCE, AT_DRAIN, SEED = 10_000, 200, 200, 6455
ROUTES = ["nobody", "idle", "mute", "hasty", "test"]
CONFIG = """\
admin: {{ listen: 127.0.0.1:0 }}
listeners: [{{ listen: 127.0.0.1:0 }}]
closed: {{ log: closed.log, keep: 20000 }}
drain: {{ window: 5s }}
routes:
  - {{ name: nobody, match: {{ path: /nobody }}, upstreams: [http://127.0.0.1:{nobody}] }}
  - {{ name: idle, match: {{ path: /idle }}, upstreams: [http://127.0.0.1:{backend}], timeouts: {{ idle: 1s }} }}
  - {{ name: mute, match: {{ path: /mute }}, upstreams: [http://127.0.0.1:{backend}], timeouts: {{ response_head: 300ms }} }}
  - {{ name: hasty, match: {{ path: /hasty }}, upstreams: [http://127.0.0.1:{backend}], timeouts: {{ half_close: 1s }} }}
  - {{ name: test, upstreams: [http://127.0.0.1:{backend}] }}
"""
SUBSCRIBE = "GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT, LAST_CHUNK = b"9\r\ndata: 1\n\n\r\n", b"0\r\n\r\n"


@dataclass
class Kind:
    """What happens on a connection, how often there is one, and what its record must say."""

    share: int
    protocol: str
    result: str
    script: str = ""
    initiator: str = None
    reason: str = None
    route: str = "test"
    answer: Callable = None
    spoil: tuple = (b"", b"")

    def request(self, path):
        if self.protocol == "sse":
            return SUBSCRIBE.format(path).encode()
        return handshake(path)[0].replace(*self.spoil)

    @property
    def steps(self):
        return [step.split() for step in self.script.split(", ")]

    def identity(self, client):
        """What its record has of a connection from this address."""
        sent = [self.steps.count([side, self.unit]) for side in ("client", "upstream")]
        return client, self.protocol, self.result, self.initiator, self.reason, *sent

    @property
    def unit(self):
        return "text" if self.protocol == "websocket" else "event"


def identity(record):
    return (
        "{ip}:{port}".format(**record["client"]), record["protocol"], record["handshake"]["result"],
        record["initiator"], record["reason"], *messages(record),
    )


def websocket(share, end, script, **options):
    return Kind(share, "websocket", "success", script, *end.split(), **options)


def stream(share, end, script):
    return Kind(share, "sse", "success", script, *end.split())


def failed(share, protocol, result, answer=None, **options):
    return Kind(share, protocol, result, answer=answer, **options)


def status(text):
    return lambda _: f"HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


TALK = "client text, upstream text, upstream text"
FAREWELL = "proxy goodbye, client answer, upstream answer, proxy end"
KINDS = [
    websocket(60, "client normal", f"{TALK}, client close 1000, upstream close 1000, upstream fin, client fin"),
    websocket(40, "upstream going_away", f"{TALK}, upstream close 1001, client close 1001, client fin, upstream fin"),
    websocket(20, "client app", "client close 4000, upstream close 4000, upstream fin, client fin"),
    websocket(20, "upstream internal_error", "upstream close 1011, upstream fin, client fin"),
    websocket(20, "client no_status", "client close, upstream close, upstream fin, client fin"),
    websocket(20, "client other", "client close 999, upstream close 1002, upstream fin, client fin"),
    websocket(20, "client normal", f"{TALK}, client close 1000, client rst"),
    websocket(20, "upstream policy_violation", f"{TALK}, client text, upstream close 1008, upstream rst"),
    websocket(40, "client abnormal", f"{TALK}, client fin, upstream text, upstream fin"),
    websocket(40, "upstream abnormal", f"{TALK}, upstream fin, client text, client fin"),
    websocket(40, "client reset", f"{TALK}, client rst"),
    websocket(40, "upstream reset", f"{TALK}, client text, upstream rst"),
    websocket(5, "client abnormal", f"{TALK}, client killed, upstream fin"),
    websocket(4, "proxy timeout", FAREWELL, route="idle"),
    websocket(4, "client normal", "client close 1000, proxy end", route="hasty"),
    stream(15, "upstream complete", "upstream event, upstream event, upstream complete"),
    stream(15, "upstream truncated", "upstream event, upstream fin"),
    stream(15, "upstream reset", "upstream event, upstream rst"),
    stream(15, "client client_closed", "upstream event, client fin"),
    stream(15, "client reset", "upstream event, client rst"),
    stream(5, "client client_closed", "upstream event, client killed"),
    failed(20, "websocket", "malformed", spoil=(b"Version: 13", b"Version: 12")),
    failed(20, "websocket", "malformed", spoil=(b"Key: ", b"Key: AA")),
    failed(20, "websocket", "client_error", status("401 Unauthorized")),
    failed(20, "websocket", "client_error", status("404 Not Found")),
    failed(20, "websocket", "server_error", status("500 Internal Server Error")),
    failed(20, "websocket", "server_error", status("503 Service Unavailable")),
    failed(20, "websocket", "not_upgraded", status("200 OK")),
    failed(20, "websocket", "invalid_upgrade", lambda _: switching(handshake()[0])),
    failed(20, "websocket", "unreachable", lambda _: b""),
    failed(20, "websocket", "unreachable", route="nobody"),
    failed(20, "websocket", "client_aborted"),
    failed(4, "websocket", "timeout", route="mute"),
    failed(10, "sse", "client_error", status("403 Forbidden")),
    failed(10, "sse", "server_error", status("502 Bad Gateway")),
    failed(10, "sse", "not_event_stream", status("204 No Content")),
    failed(10, "sse", "unreachable", route="nobody"),
    failed(10, "sse", "client_aborted"),
    websocket(0, "proxy shutdown", f"client text, {FAREWELL}"),
    websocket(0, "proxy shutdown", f"client waits, {FAREWELL}"),
]
DRAINED, LAST = len(KINDS) - 2, len(KINDS) - 1


class Wire:
    """A connected socket, and the steps that can be taken on it or seen."""

    def __init__(self, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.unread, self.loop = sock, b"", asyncio.get_running_loop()

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)

    async def more(self):
        part = await self.loop.sock_recv(self.sock, 65536)
        self.unread += part
        return part

    async def take(self, size):
        while len(self.unread) < size:
            assert await self.more(), f"ended after {self.unread!r}"
        data, self.unread = self.unread[:size], self.unread[size:]
        return data

    async def take_until(self, mark):
        while mark not in self.unread:
            assert await self.more(), f"ended after {self.unread!r}"
        return await self.take(self.unread.index(mark) + len(mark))

    async def all(self):
        with contextlib.suppress(ConnectionError):
            while await self.more():
                pass
        return self.unread

    async def act(self, who, what, *code):
        match what:
            case "text" | "close" | "answer":
                await self.send(frame_of(who, what, *code))
            case "event":
                await self.send(EVENT)
            case "complete":
                await self.send(LAST_CHUNK)
            case "fin":
                self.sock.shutdown(socket.SHUT_WR)
            case "rst":
                reset(self.sock)
            case "killed":
                kill_owner(self.sock)

    async def see(self, who, what, *code):
        match what:
            case "text" | "close":
                expected = frame_of(who, what, *code)
                assert (await self.take(len(expected)))[:2] == expected[:2]
            case "event":
                await self.take_until(EVENT)
            case "complete":
                await self.take_until(LAST_CHUNK)
            case "fin" | "rst" | "killed" | "end":
                assert await self.all() == b""


def frame_of(who, what, code=""):
    is_client = who == "client"
    if what == "text":
        return frame(1, b"hello", mask=is_client)
    code = "1001" if what == "answer" else code
    return frame(8, struct.pack(">H", int(code)) if code else b"", mask=is_client)


class Traffic:
    """The clients and the backend, and what the records of their connections must be."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.expected = Counter()
        self.arrived = {}
        self.may_end = asyncio.Event()
        self.tasks = set()
        self.broken = Counter()

    def start(self, coroutine, name):
        async def run():
            try:
                async with asyncio.timeout(20):
                    await coroutine
            except (OSError, AssertionError) as error:
                self.broken[name, repr(error)] += 1

        task = asyncio.ensure_future(run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    @contextlib.asynccontextmanager
    async def backend(self):
        async def serve():
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(self.listener)
                self.start(self.answer(Wire(sock)), "backend")

        serving = asyncio.ensure_future(serve())
        yield
        await asyncio.gather(*self.tasks)
        serving.cancel()

    async def answer(self, wire):
        with contextlib.closing(wire.sock):
            head = await wire.take_until(b"\r\n\r\n")
            path = head.split()[1].decode()
            kind = KINDS[int(path.split("/")[2])]
            if kind.script:
                await wire.send(switching(head) if kind.protocol == "websocket" else STREAM)
                await self.play(wire, "upstream", kind)
            elif kind.answer:
                await wire.send(kind.answer(head))
            else:
                self.arrived[path].set()
                await wire.all()

    def visit(self, port, index, number=0):
        """A client of a kind comes."""
        kind = KINDS[index]
        path = f"/{kind.route}/{index}/{number}"
        return self.start(self.ask(port, kind, path), kind.script or f"{kind.protocol} {kind.result}")

    async def ask(self, port, kind, path):
        wire = Wire(socket.socket())
        with contextlib.closing(wire.sock):
            await wire.loop.sock_connect(wire.sock, ("127.0.0.1", port))
            self.expected[kind.identity("{}:{}".format(*wire.sock.getsockname()))] += 1
            arrived = self.arrived[path] = asyncio.Event()
            await wire.send(kind.request(path))
            if kind.result == "client_aborted":
                await arrived.wait()
                reset(wire.sock)
            elif kind.script:
                head = await wire.take_until(b"\r\n\r\n")
                assert head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")), head
                await self.play(wire, "client", kind)
            else:
                assert not (await wire.all()).startswith(b"HTTP/1.1 101 ")

    async def play(self, wire, me, kind):
        for who, what, *code in kind.steps:
            if what == "waits":
                await self.may_end.wait()
            elif what == "goodbye":
                await wire.take(4 if me == "client" else 8)
            elif who == me:
                await wire.act(who, what, *code)
            elif wire.sock.fileno() >= 0:
                await wire.see(who, what, *code)


async def mix(traffic, gateway):
    """The ten thousand."""
    shares = [kind.share for kind in KINDS]
    kinds = enumerate(random.Random(SEED).choices(range(len(KINDS)), shares, k=CONNECTIONS))

    async def one_after_the_other():
        for number, index in kinds:
            await traffic.visit(gateway.port, index, number)
            if traffic.broken:
                return
            if number % 500 == 0:
                check_active(await asyncio.to_thread(gateway.metrics))

    async with traffic.backend():
        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def drain(traffic, gateway):
    """Some are open when the gateway is told to stop; the last one keeps it, so that it can be asked."""
    def active():
        return total(gateway.metrics(), "websocket_active_connections")

    async with traffic.backend():
        for number in range(AT_DRAIN):
            traffic.visit(gateway.port, DRAINED, number)
        traffic.visit(gateway.port, LAST)
        await asyncio.to_thread(until, lambda: active() == AT_DRAIN + 1, "all are open")
        gateway.signal(signal.SIGTERM)
        await asyncio.to_thread(until, lambda: active() == 1, "all but the last are closed")
        metrics = await asyncio.to_thread(gateway.metrics)
        traffic.may_end.set()
    return metrics


def check_active(metrics):
    """Opened - closed = active, whenever one looks, on every route."""
    for opened, closed, active in NAMES.values():
        for route in ROUTES:
            is_open = total(metrics, opened, route=route, result="success") - total(metrics, closed, route=route)
            assert is_open == total(metrics, active, route=route), (route, active)


def check_counters(metrics, records, still_open=0):
    """The counters say what the records say; the newest of those may not have been closed yet."""
    check_active(metrics)
    ended = [record for record in records[: len(records) - still_open] if record["initiator"]]
    for protocol, (opened, closed, _) in NAMES.items():
        results = Counter(r["handshake"]["result"] for r in records if r["protocol"] == protocol)
        ends = Counter((r["initiator"], r["reason"]) for r in ended if r["protocol"] == protocol)
        assert tally(metrics, opened, "result") == results
        assert tally(metrics, closed, "initiator", "reason") == ends
        sent, received = (sum(side) for side in zip(*(messages(r) for r in records if r["protocol"] == protocol)))
        if protocol == "websocket":
            by_direction = {"client_to_server": sent, "server_to_client": received}
            assert tally(metrics, "websocket_messages_total", "direction") == by_direction
        else:
            assert (sent, received) == (0, total(metrics, "sse_events_total"))
    assert total(metrics, "websocket_active_connections") == still_open
    assert total(metrics, "sse_active_subscriptions") == 0
    assert total(metrics, "heartline_access_log_dropped_total") == 0


def check_records(records, expected):
    """One record for each connection, and none besides."""
    found = Counter(map(identity, records))
    missing, unexpected = expected - found, found - expected
    assert not missing and not unexpected, f"missing {list(missing)[:9]}, unexpected {list(unexpected)[:9]}"
    assert len({record["id"] for record in records}) == len(records)


def listed(gateway):
    """The records of the API, page by page."""
    records, count = [], 1
    while len(records) < count:
        page = json.loads(gateway.get(f"/api/v1/connections?set=closed&limit=500&offset={len(records)}"))
        assert page["items"], f"{len(records)} of {count}"
        records, count = records + page["items"], page["total"]
    return records


def open_sockets(gateway):
    """The sockets that the process holds; its files come and go with the history."""
    count = 0
    for file in os.scandir(f"/proc/{gateway.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(file).startswith("socket:")
    return count


def test_every_connection_is_accounted_for():
    traffic = Traffic()
    with traffic.listener, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = CONFIG.format(nobody=nobody.getsockname()[1], backend=traffic.port)
        with Gateway(config=config) as gateway:
            check_active(gateway.metrics())
            sockets = min(open_sockets(gateway) for _ in range(50))
            asyncio.run(mix(traffic, gateway))
            assert not traffic.broken, traffic.broken.most_common(9)
            records = logged(gateway, CONNECTIONS)
            check_records(records, traffic.expected)
            check_records(listed(gateway), traffic.expected)
            check_counters(gateway.metrics(), records)
            until(lambda: open_sockets(gateway) <= sockets, f"at most {sockets} sockets are open, as in the beginning")

            metrics = asyncio.run(drain(traffic, gateway))
            assert gateway.wait() == 0
            assert not traffic.broken, traffic.broken.most_common(9)
            records = logged(gateway, CONNECTIONS + AT_DRAIN + 1)
            check_records(records, traffic.expected)
            check_counters(metrics, records, still_open=1)
