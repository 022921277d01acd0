"""Heartbeats that the gateway sends by itself: whom they keep, whom they give up, and that the other peer sees nothing of
them. nginx is real and cuts what is silent for 3 s."""

import asyncio
import json
import pathlib
import subprocess
import sys
import threading

import pytest
import websockets

from harness.endings import verdict
from harness.gateway import BINARY, Gateway, config_for, until
from harness.http2 import ACK, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, Link, asked, called, head, http2_frame, settings
from harness.wire import Backend, close_frame, connect, frame, open_websocket, read_head, switching

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab import service  # noqa: E402
from lab.site import Site  # noqa: E402

UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
CUTS = "proxy_read_timeout 3s; proxy_send_timeout 3s;"


def beating(interval="1s", timeout="2s", towards="client"):
    return f"    heartbeat: {{ interval: {interval}, timeout: {timeout}, towards: {towards} }}\n"


class Written:
    """A service that upgrades, writes down what it is sent, and answers a Close frame that comes first."""

    def __init__(self):
        self.got, self.sock, self.is_open, self.is_over = b"", None, threading.Event(), threading.Event()

    def __call__(self, backend, sock, _):
        head, rest = backend.read_head(sock)
        sock.sendall(switching(head))
        self.got, self.sock = rest, sock
        self.is_open.set()
        while self.got[:1] != b"\x88" and (part := sock.recv(65536)):
            self.got += part
        if self.got[:1] == b"\x88":
            sock.sendall(close_frame(1001))
        self.is_over.set()


def pings(gateway, peer):
    return gateway.metrics()[f'websocket_heartbeats_sent_total{{route="test",peer="{peer}"}}']


def test_an_idle_connection_behind_nginx_stays(tmp_path):
    """The client's way is through an nginx in front; the service sees neither Pings nor Pongs."""
    written = Written()
    with Site(tmp_path) as site, Backend(written) as backend:
        with Gateway(config=config_for(backend.address, route=beating())) as gateway:
            front = site.nginx(f"location / {{ {UPGRADE} {CUTS} proxy_pass http://{gateway.address}; }}")

            async def client():
                async with websockets.connect(f"ws://{front}/", ping_interval=None) as client:
                    await asyncio.to_thread(until, lambda: pings(gateway, "client") >= 8, "it was idle for long", 30)
                    await client.send("still here")
                    await asyncio.to_thread(until, lambda: written.got, "it came through")
                    return client.close_code

            assert asyncio.run(client()) is None
            [record] = gateway.wait_closed()
    assert written.got[0] == 0x81 and len(written.got) >= 6 + len("still here"), "the first frame is the text"
    assert record["messages"] == {"client_to_server": 1, "server_to_client": 0}
    assert record["heartbeat"]["client"]["missed"] == 0 and record["ping_rtt_seconds"]["client"] > 0
    assert record["reason"] == "normal"


def test_without_a_heartbeat_nginx_cuts_it(tmp_path):
    with Site(tmp_path) as site, Backend(Written()) as backend, Gateway(config=config_for(backend.address)) as gateway:
        front = site.nginx(f"location / {{ {UPGRADE} {CUTS} proxy_pass http://{gateway.address}; }}")

        async def client():
            async with websockets.connect(f"ws://{front}/", ping_interval=None) as client:
                with pytest.raises(websockets.ConnectionClosedError):
                    await client.recv()

        asyncio.run(client())
        [record] = gateway.wait_closed()
    assert record["reason"] == "abnormal" and 2.5 < record["idle_seconds"]["any"] < 5


def test_what_cuts_is_told_with_the_heartbeat_that_would_live(tmp_path):
    """25 clients that come at their own times, speak for a while and are then silent until nginx cuts them."""
    with Site(tmp_path) as site, Gateway(config=config_for(service.echo(site, ping_interval=None))) as gateway:
        front = site.nginx(f"location / {{ {UPGRADE} {CUTS} proxy_pass http://{gateway.address}; }}")

        async def client(number):
            await asyncio.sleep(number * 0.4)
            async with websockets.connect(f"ws://{front}/", ping_interval=None) as client:
                for _ in range(number % 5):
                    await client.send("x")
                    await client.recv()
                    await asyncio.sleep(0.6)
                with pytest.raises(websockets.ConnectionClosed):
                    await client.recv()

        async def clients():
            await asyncio.gather(*map(client, range(25)))

        asyncio.run(clients())

        def told():
            found = json.loads(gateway.get("/api/v1/findings"))["items"]
            return [finding for finding in found if finding["id"] == "idle-timeout-l7-proxy"]

        [finding] = until(told, "the timer is told", 30)
        configs = [fix["config"] for fix in finding["fixes"]]
        assert finding["where"] == "client_leg"
        assert "heartbeat:\n  interval: 1s\n  timeout: 2s\n  towards: client" in configs


def test_an_nginx_before_the_service_is_kept_awake(tmp_path):
    """Towards the upstream; the client sees no Pong and no Ping."""
    with Site(tmp_path) as site:
        behind = site.nginx(f"location / {{ {UPGRADE} {CUTS} proxy_pass http://{service.echo(site, ping_interval=None)}; }}")
        with Gateway(config=config_for(behind, route=beating(towards="upstream"))) as gateway:
            sock, rest = open_websocket(gateway.port)
            until(lambda: pings(gateway, "upstream") >= 8, "it was idle for long", 30)
            sock.sendall(frame(1, b"hello", mask=True))
            while len(rest) < 7:
                rest += sock.recv(100)
            assert rest == frame(1, b"hello")
            assert pings(gateway, "client") == 0
            sock.sendall(close_frame(1000, mask=True))
            assert sock.recv(100) == close_frame(1000)


def test_who_does_not_answer_is_given_up():
    written = Written()
    with Backend(written) as backend, Gateway(config=config_for(backend.address, route=beating())) as gateway:
        sock, rest = open_websocket(gateway.port)
        assert written.is_over.wait(15), "the service is told"
        while part := sock.recv(100):
            rest += part
        assert rest[:2] == b"\x89\x08" and len(rest) % 10 == 4 and rest.endswith(close_frame(1001)), "Pings of 8 bytes"
        [record] = gateway.wait_closed()
        assert gateway.metrics()['websocket_connections_closed_total{route="test",initiator="proxy",reason="heartbeat_timeout"}'] == 1
    assert verdict(record) == "proxy heartbeat_timeout - 1001"
    assert [record["causes"][0][key] for key in ("what", "leg")] == ["heartbeat_timeout", "client"]
    assert written.got[:2] == b"\x88\x82" and written.got[6:8] == b"\x03\xe9", "1001"
    assert record["heartbeat"]["client"]["missed"] >= 1


def test_only_answers_to_the_gateway_are_kept():
    """Pongs that come byte by byte, others among them, and a Ping of the service which has its own answer."""
    written = Written()
    with Backend(written) as backend, Gateway(config=config_for(backend.address, route=beating(timeout="20s"))) as gateway:
        sock, rest = open_websocket(gateway.port)
        assert written.is_open.wait(10)
        expected = b""
        for count in range(3):
            while len(rest) < 10:
                rest += sock.recv(10 - len(rest))
            payload, rest = rest[2:10], b""
            written.sock.sendall(frame(9, b"service"))
            while len(rest) < 9:
                rest += sock.recv(9 - len(rest))
            assert rest == frame(9, b"service")
            rest = b""
            others = [frame(10, b"unasked!", mask=True), frame(1, b"text", mask=True), frame(10, b"service", mask=True)]
            expected += b"".join(others)
            for byte in others[0] + others[1] + frame(10, payload, mask=True) + others[2]:
                sock.sendall(bytes([byte]))
            until(lambda: written.got == expected, "what is not the gateway's goes on as it came")
        [live] = gateway.live()
        assert live["heartbeat"]["client"]["missed"] == 0


def test_no_ping_stands_inside_a_frame():
    """The service has begun a frame and is silent in the middle of it."""
    written = Written()
    whole = frame(2, bytes(range(200)))
    with Backend(written) as backend, Gateway(config=config_for(backend.address, route=beating())) as gateway:
        sock, rest = open_websocket(gateway.port)
        assert written.is_open.wait(10)
        written.sock.sendall(whole[:50])
        while len(rest) < 50:
            rest += sock.recv(100)
        sock.settimeout(3)
        with pytest.raises(TimeoutError):
            rest += sock.recv(100)
        written.sock.sendall(whole[50:])
        sock.settimeout(10)
        while len(rest) < len(whole) + 10:
            rest += sock.recv(1000)
    assert rest[: len(whole)] == whole and rest[len(whole):][:2] == b"\x89\x08"


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_silent_event_stream_has_comments(framing):
    go_on = threading.Event()

    def serve(backend, sock, _):
        backend.read_head(sock)
        chunk = (lambda text: b"%x\r\n%b\r\n" % (len(text), text)) if framing == "chunked" else (lambda text: text)
        more = "Transfer-Encoding: chunked" if framing == "chunked" else "Connection: close"
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{more}\r\n\r\n".encode())
        sock.sendall(chunk(b"data: 1\n\n"))
        assert go_on.wait(20)
        sock.sendall(chunk(b"id: 2\nda"))
        assert half.wait(20)
        sock.sendall(chunk(b"ta: 2\n\n") + (b"0\r\n\r\n" if framing == "chunked" else b""))

    half = threading.Event()
    with Backend(serve) as backend, Gateway(config=config_for(backend.address, route=beating())) as gateway:
        sock = connect(gateway.port)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        head, rest = read_head(sock)
        assert head.startswith(b"HTTP/1.1 200")
        while rest.count(b":\n\n") < 3:
            rest += sock.recv(1000)
        go_on.set()
        while b"id: 2\nda" not in rest:
            rest += sock.recv(1000)
        sock.settimeout(2.5)
        with pytest.raises(TimeoutError):
            rest += sock.recv(1000)
        half.set()
        sock.settimeout(10)
        while b"0\r\n\r\n" not in rest and (part := sock.recv(1000)):
            rest += part
        sent = gateway.metrics()['sse_heartbeats_sent_total{route="test"}']
    text = rest.replace(b"3\r\n:\n\n\r\n", b"").replace(b":\n\n", b"")
    events = [b"data: 1\n\n", b"id: 2\nda", b"ta: 2\n\n"]
    expected = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in events) + b"0\r\n\r\n"
    assert text == (expected if framing == "chunked" else b"".join(events))
    assert sent == rest.count(b":\n\n")


def test_an_encoded_event_stream_is_left_alone():
    over = threading.Event()

    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n\x1f\x8b\r\n")
        assert over.wait(20)

    with Backend(serve) as backend, Gateway(config=config_for(backend.address, route=beating())) as gateway:
        sock = connect(gateway.port)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        _, rest = read_head(sock)
        sock.settimeout(3)
        with pytest.raises(TimeoutError):
            while True:
                rest += sock.recv(1000)
        over.set()
    assert rest == b"2\r\n\x1f\x8b\r\n"


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("kind", ["grpc", "sse"])
def test_streams_of_http2_have_pings(kind, answers):
    """A call and an event stream, both silent; of a call, a client that does not answer is given up."""
    def serve(backend, sock, _):
        if kind == "sse":
            backend.read_head(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            sock.recv(1)
            return
        link = Link(sock)
        assert link.take(len(PREFACE))
        link.send(settings())
        while found := link.next():
            if found[0] == SETTINGS and not found[1] & ACK:
                link.send(http2_frame(SETTINGS, ACK))
            if found[0] == HEADERS:
                link.send(head(found[2], (":status", "200"), ("content-type", "application/grpc")))

    with Backend(serve) as backend, Gateway(config=config_for(backend.address, route=beating())) as gateway, connect(gateway.port) as sock:
        link = Link(sock)
        asks = called() if kind == "grpc" else (*asked(), ("accept", "text/event-stream"))
        flags = END_HEADERS if kind == "grpc" else END_HEADERS | END_STREAM
        link.send(PREFACE, settings(), http2_frame(SETTINGS, ACK), head(1, *asks, flags=flags))
        assert link.find(HEADERS, stream=1)
        for _ in range(4 if answers or kind == "sse" else 1):
            ping = link.find(PING)
            assert len(ping[3]) == 8 and not ping[1] & ACK
            if answers:
                link.send(http2_frame(PING, ACK, 0, ping[3]))
        if answers or kind == "sse":
            assert [live["protocol"] for live in gateway.live()] == [kind]
        else:
            assert link.find(HEADERS, stream=1, flags=END_STREAM), "it is told a status"
            [record] = gateway.wait_closed()
            assert record["grpc"]["code"] == "UNAVAILABLE"
            assert verdict(record) == "proxy heartbeat_timeout - -" and record["causes"][0]["leg"] == "client"
        name = 'grpc_heartbeats_sent_total{route="test",peer="client"}' if kind == "grpc" else 'sse_heartbeats_sent_total{route="test"}'
        assert gateway.metrics()[name] >= (4 if answers or kind == "sse" else 1)


@pytest.mark.parametrize("route, why", [
    (beating(interval="500ms"), "1s at least"),
    (beating(timeout="1s"), "longer than its `interval`"),
    (beating(towards="everyone"), "upstream"),
])
def test_what_means_nothing_is_told(tmp_path, route, why):
    file = tmp_path / "heartline.yaml"
    file.write_text(config_for("127.0.0.1:1", route=route))
    done = subprocess.run([BINARY, "check", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and why in done.stdout + done.stderr
