"""The flight recorder: what happened on a connection, while it is open and after, by the API and the command line."""

import contextlib
import json
import subprocess
import threading
import time
import urllib.error
from datetime import datetime

import pytest

from harness.books import balance, total
from harness.endings import upstream_sockets
from harness.gateway import BINARY, Gateway, config_for, until
from harness.processes import free_port
from harness.wire import Backend, close_frame, connect, frame, open_websocket, read_head, switching

TEXT, BINARY_FRAME, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@contextlib.contextmanager
def joined(extra=""):
    """A gateway, a client and the sockets of the backend, one for each connection."""
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        head, _ = backend.read_head(sock)
        sock.sendall(switching(head))
        sockets.append(sock)
        over.wait(60)

    with Backend(serve) as backend, Gateway(config=config_for(backend.address, extra=extra)) as gateway:
        try:
            yield gateway, sockets
        finally:
            over.set()


@contextlib.contextmanager
def opened(gateway, sockets):
    known = len(sockets)
    client, _ = open_websocket(gateway.port)
    with client:
        until(lambda: len(sockets) > known, "the backend has answered")
        until(lambda: len(gateway.live()) > known, "it is open")
        yield client, sockets[known]


def events(gateway, identity, query=""):
    return json.loads(gateway.get(f"/api/v1/connections/{identity}/events{query}"))["items"]


def only(gateway):
    [live] = until(gateway.live, "it is open")
    return live["id"]


def told(items):
    """The events in short: kind and what it tells, but for times."""
    varying = {"number", "at", "after_seconds", "kind", "seconds", "rtt_seconds"}
    return [(item["kind"], *(v for k, v in item.items() if k not in varying)) for item in items]


def send(sock, data, seen_by):
    """Sends bytes, and reads as many where they arrive."""
    sock.sendall(data)
    left = len(data)
    while left:
        part = seen_by.recv(left)
        assert part
        left -= len(part)


UP, DOWN = "client_to_server", "server_to_client"
SCRIPT = [
    ("client", frame(TEXT, b"hello", mask=True), [("message", UP, "text", 5, 1, False)]),
    ("upstream", frame(BINARY_FRAME, bytes(70_000)), [("message", DOWN, "binary", 70_000, 1, False)]),
    (
        "client", frame(TEXT, b"frag", fin=False, mask=True) + frame(0, b"ment", mask=True),
        [("message", UP, "text", 8, 2, False)],
    ),
    ("upstream", frame(PING, b"?"), [("ping", DOWN, 1)]),
    ("client", frame(PONG, b"?", mask=True), [("pong", UP, 1)]),
    ("client", frame(TEXT, b"bare"), [("violation", UP, "unmasked", 38), ("message", UP, "text", 4, 1, False)]),
    ("client", close_frame(1000, mask=True), [("close", UP, 1000)]),
    ("upstream", close_frame(1000), [("close", DOWN, 1000)]),
]


def without_waits(items):
    """Whether something waits for a moment is up to the kernel."""
    return [item for item in items if not item["kind"].startswith("wait_")]


def test_each_thing_is_told_while_open_and_after():
    with joined() as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        identity, expected = only(gateway), [("handshake", "success", 101)]
        assert told(events(gateway, identity)) == expected
        for who, data, happened in SCRIPT:
            ends = (client, upstream) if who == "client" else (upstream, client)
            send(ends[0], data, ends[1])
            expected += happened
            until(lambda: told(without_waits(events(gateway, identity))) == expected, f"{expected[-1]} is told")
        client.shutdown(1)
        upstream.shutdown(1)
        [record] = balance(gateway)
        assert record["id"] == identity
        items = events(gateway, identity)
        assert told(without_waits(items))[: len(expected)] == expected
        rest = told(without_waits(items))[len(expected):]
        assert sorted(rest[:-1]) == [("cause", "client", "fin"), ("cause", "upstream", "fin")]
        assert rest[-1] == ("end", "client", "normal")

        assert [item["number"] for item in items] == list(range(len(items)))
        times = [item["after_seconds"] for item in items]
        assert times == sorted(times) and times[0] == 0
        assert abs(times[-1] - record["duration_seconds"]) < 0.05
        opened_at, last = (datetime.fromisoformat(text[:26]) for text in (record["opened_at"], items[-1]["at"]))
        lasted = record["handshake"]["seconds"] + times[-1]
        assert abs((last - opened_at).total_seconds() - lasted) < 0.05
        [pong] = [item for item in items if item["kind"] == "pong"]
        assert abs(pong["rtt_seconds"] - record["ping_rtt_seconds"]["client"]) < 2e-6


def test_a_backlog_begins_and_ends():
    with joined() as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        identity, size = only(gateway), 40_000_000
        data = frame(BINARY_FRAME, bytes(size))
        sender = threading.Thread(target=upstream.sendall, args=(data,))
        sender.start()

        def began():
            waits = events(gateway, identity, "?kind=wait_began")
            return waits and gateway.live()[0]["backlog"][DOWN]["oldest_age_seconds"] > 0.3

        until(began, "the client is behind")
        begun = len(events(gateway, identity, "?kind=wait_began"))
        assert len(events(gateway, identity, "?kind=wait_ended")) == begun - 1
        left = len(data)
        while left:
            left -= len(client.recv(min(left, 1 << 20)))
        sender.join()
        until(lambda: told(events(gateway, identity))[-1][0] in ("message", "wait_ended"), "all is delivered")
        ended = events(gateway, identity, "?kind=wait_ended")
        assert max(item["seconds"] for item in ended) >= 0.3
        assert all(item["direction"] == DOWN for item in ended)


def test_a_client_of_events_that_is_behind():
    """That it waited is told when it goes on, with how long."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with upstream_sockets(lambda _: head) as (backend, sockets), Gateway(config=config_for(backend.address)) as gateway:
        client = connect(gateway.port)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        [upstream] = until(lambda: list(sockets), "the upstream has answered")
        identity, size = only(gateway), 20_000_000
        sender = threading.Thread(target=upstream.sendall, args=(b"data: " + bytes(size) + b"\n\n",))
        sender.start()
        until(lambda: gateway.live()[0]["backlog"][DOWN]["oldest_age_seconds"] > 0.3, "the client is behind")
        got = 0
        while got < size:
            got += len(client.recv(1 << 20))
        sender.join()
        waits = until(lambda: events(gateway, identity, "?kind=wait_ended"), "it goes on")
        assert max(item["seconds"] for item in waits) >= 0.3
        assert {item["direction"] for item in waits} == {DOWN}
        client.close()


def test_the_first_and_the_last_are_kept():
    """Of 1,000 messages, the first and the last; what is left out is told by the numbers."""
    with joined("recorder: { events: 64 }\n") as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        identity = only(gateway)
        for size in range(1000):
            client.sendall(frame(TEXT, b"x" * (size % 100), mask=True))
        until(lambda: gateway.live()[0]["messages"][UP] == 1000, "all have passed")
        upstream.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while upstream.recv(65536):
                pass
        items = events(gateway, identity)
        assert len(items) <= 65
        numbers = [item["number"] for item in items]
        assert numbers[:33] == list(range(33))
        assert numbers[33:] == list(range(numbers[33], numbers[-1] + 1)) and numbers[33] > 33
        assert told([items[-1]]) == [("message", UP, "text", 99, 1, False)]
        for _ in range(2):
            assert events(gateway, identity, f"?after={numbers[-3]}&limit=1")[0]["number"] == numbers[-2]


def test_memory_is_bounded_and_refusals_are_counted():
    """Room for few: the others are relayed all the same, and have their handshake and their end."""
    extra = "recorder: { events: 256, total_memory: 4KiB }\n"
    with joined(extra) as (gateway, sockets), contextlib.ExitStack() as open_ones:
        for _ in range(8):
            client, upstream = open_ones.enter_context(opened(gateway, sockets))
            send(client, frame(TEXT, b"hello", mask=True), upstream)
        until(lambda: sum(live["messages"][UP] for live in gateway.live()) == 8, "all have passed")
        counts = sorted(len(events(gateway, live["id"])) for live in gateway.live())
        assert counts[0] == 1 and counts[-1] == 2
        metrics = gateway.metrics()
        assert total(metrics, "heartline_recorder_refused_total") == counts.count(1)
        assert 0 < total(metrics, "heartline_recorder_memory_bytes") <= 2048
        for client in sockets:
            client.shutdown(2)
        open_ones.close()
        records = balance(gateway)
        for record in records:
            kinds = [item["kind"] for item in events(gateway, record["id"])]
            assert kinds[0] == "handshake" and kinds[-1] == "end" and "cause" in kinds
        assert total(gateway.metrics(), "heartline_recorder_memory_bytes") <= 4096


def test_nothing_is_recorded_when_switched_off():
    with joined("recorder: { events: 0 }\n") as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        send(client, frame(TEXT, b"hello", mask=True), upstream)
        until(lambda: gateway.live()[0]["messages"][UP] == 1, "it has passed")
        assert told(events(gateway, only(gateway))) == [("handshake", "success", 101)]
        assert total(gateway.metrics(), "heartline_recorder_memory_bytes") == 0


def test_an_attempt_that_failed():
    with Gateway(config=config_for(f"127.0.0.1:{free_port()}")) as gateway:
        with connect(gateway.port) as client:
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            read_head(client)
        [record] = gateway.wait_closed()
        assert told(events(gateway, record["id"])) == [("handshake", "unreachable", 502)]


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def test_an_event_stream():
    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(STREAM + b"data: 1\n\n: keep-alive\n\ndata: two\n\n")

    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        with connect(gateway.port) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
            seen = b""
            while b"data: two\n\n" not in seen:
                seen += client.recv(65536)
            [record] = balance(gateway, "sse")
        items = told(events(gateway, record["id"]))
        expected = [("handshake", "success", 200), ("event", 9), ("comment",), ("event", 11)]
        assert items[:4] == expected
        assert items[-1] == ("end", record["initiator"], record["reason"])
        har = json.loads(gateway.get(f"/api/v1/connections/{record['id']}/events?format=har"))
        [entry] = har["log"]["entries"]
        assert [message["_bytes"] for message in entry["_eventSourceMessages"]] == [9, 11]


def command(gateway, *arguments, admin=None):
    return subprocess.run(
        [BINARY, *arguments, "--admin", admin or f"http://{gateway.admin}"], capture_output=True, text=True, timeout=30
    )


def talk(client, upstream):
    for who, data, _ in SCRIPT:
        ends = (client, upstream) if who == "client" else (upstream, client)
        send(ends[0], data, ends[1])


def test_show():
    with joined() as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        talk(client, upstream)
        identity = only(gateway)
        until(lambda: len(without_waits(events(gateway, identity))) == 10, "all is told")
        shown = command(gateway, "show", identity)
        assert shown.returncode == 0, shown.stderr
        lines = shown.stdout.splitlines()
        assert lines[0].startswith(f"{identity} websocket on route test, open for ")
        assert any(line.endswith("  > text     8 B in 2 frames") for line in lines), shown.stdout
        assert any(line.endswith("  < binary   68.4 KiB") for line in lines), shown.stdout
        assert lines[-1].endswith("  < close    1000")

        for form, query in (("json", "?format=json"), ("jsonl", "?format=jsonl"), ("har", "?format=har")):
            out = command(gateway, "show", identity, "--format", form).stdout
            body = gateway.get(f"/api/v1/connections/{identity}/events{query}")
            if form == "json":
                assert json.loads(out)["items"] == json.loads(body)["items"]
            elif form == "jsonl":
                assert out == body
                assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(len(out.splitlines())))
            else:
                assert json.loads(out) == json.loads(body)
        client.shutdown(1)
        upstream.shutdown(1)
        balance(gateway)
        lines = command(gateway, "show", identity).stdout.splitlines()
        assert "ended by client (normal) after" in lines[0]
        assert lines[-1].endswith("  end         by client: normal")


def test_har_is_as_a_browser_writes_it():
    with joined() as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        identity = only(gateway)
        before = time.time()
        talk(client, upstream)
        until(lambda: len(without_waits(events(gateway, identity))) == 10, "all is told")
        har = json.loads(gateway.get(f"/api/v1/connections/{identity}/events", {"Accept": "application/har+json"}))
        log = har["log"]
        assert log["version"] == "1.2" and log["creator"]["name"] == "heartline"
        [entry] = log["entries"]
        assert entry["_resourceType"] == "websocket"
        assert entry["request"]["url"].startswith("ws://127.0.0.1:") and entry["response"]["status"] == 101
        assert abs(sum(max(entry["timings"][part], 0) for part in ("send", "wait", "receive")) - entry["time"]) < 1e-6
        messages = entry["_webSocketMessages"]
        assert [(m["type"], m["opcode"], m["_bytes"]) for m in messages] == [
            ("send", 1, 5), ("receive", 2, 70_000), ("send", 1, 8), ("receive", 9, 1), ("send", 10, 1), ("send", 1, 4),
            ("send", 8, 2), ("receive", 8, 2),
        ]
        assert all(m["data"] == "" and abs(m["time"] - before) < 60 for m in messages)
        lines = gateway.get(f"/api/v1/connections/{identity}/events", {"Accept": "application/jsonl"})
        assert len(lines.splitlines()) == len(events(gateway, identity))


def test_connections():
    with joined() as (gateway, sockets), opened(gateway, sockets) as (client, upstream):
        identity = only(gateway)
        shown = command(gateway, "connections")
        assert shown.returncode == 0, shown.stderr
        head, row = shown.stdout.splitlines()
        assert head.split()[:4] == ["ID", "STATE", "PROTOCOL", "ROUTE"]
        assert row.split()[:4] == [identity, "open", "websocket", "test"]
        assert len(command(gateway, "connections", "route:other").stdout.splitlines()) == 1
        assert json.loads(command(gateway, "connections", "--format", "json").stdout)["total"] == 1
        talk(client, upstream)
        client.shutdown(1)
        upstream.shutdown(1)
        balance(gateway)
        shown = command(gateway, "connections", "--closed", "reason:normal", "initiator:client")
        assert shown.stdout.splitlines()[1].split()[0] == identity
        assert shown.stdout.splitlines()[1].split()[-3:-1] == ["client", "normal"]


@pytest.mark.parametrize("arguments, code, part", [
    (("show", "abc"), 2, "`abc` is no connection id"),
    (("show", "0000000000000"), 1, "there is no connection 0000000000000"),
    (("connections", "state:slwo"), 2, "did you mean `slow`?"),
    (("connections", "stat:slow"), 2, "did you mean `state`?"),
    (("connections", "route>slow"), 2, "`route` is no number"),
    (("connections", "sort:slow"), 2, "is not known"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_cannot_be_answered(arguments, code, part):
    with joined() as (gateway, _):
        answered = command(gateway, *arguments)
        assert (answered.returncode, answered.stdout) == (code, "")
        assert part in answered.stderr


def test_nobody_is_there():
    for arguments in (("show", "0000000000000"), ("connections",)):
        answered = command(None, *arguments, admin=f"127.0.0.1:{free_port()}")
        assert answered.returncode == 3
        assert "is not reachable: Connection refused" in answered.stderr and "--admin" in answered.stderr


def test_a_token_is_asked_for(tmp_path):
    token = tmp_path / "token"
    token.write_text("correct-horse-battery-staple\n")
    config = config_for("127.0.0.1:1").replace("127.0.0.1:0 }", f"127.0.0.1:0, token_file: {token} }}", 1)
    with Gateway(config=config) as gateway:
        refused = command(gateway, "connections")
        assert refused.returncode == 1 and "--token-file" in refused.stderr
        assert command(gateway, "connections", "--token-file", str(token)).returncode == 0
        with pytest.raises(urllib.error.HTTPError):
            gateway.get("/api/v1/connections/0000000000000/events")
