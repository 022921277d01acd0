"""What the standards say of streams: what they allow is healthy, and what they forbid is lost at the client."""

import itertools
import json
import threading
import time

from harness import http2_end, wire

from .. import client, service
from ..case import ANY_HONEST, case, healthy
from .capacity import crowd
from .grpc import call
from .sse import PLAIN

ALL = ("--idle-max", "6s")
LENIENT = {"frame-protocol-error-1002-rsv-deflate", "concurrent-write-corruption"}


@healthy("first-frame-right-behind-the-101", group="establish")
def first_frame_behind(site):
    """The first message is in the segment of the 101: nothing in RFC 6455 forbids it."""
    def serve(sock):
        head, rest = wire.read_head(sock)
        if head:
            sock.sendall(wire.switching(head) + wire.frame(1, b'{"welcome":true}'))
            service.raw_echo(sock, rest)

    app = site.raw(serve)
    with client.websocket(f"ws://{app}/") as connection:
        site.shows("welcome" in connection.recv(timeout=5), "it greets")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("byte-order-mark-crlf-and-empty-data", group="sse")
def lines_of_all_kinds(site):
    """WHATWG HTML, section 9.2.5: a BOM, CRLF and CR as ends of lines, `data` without colon, an event without data."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n")
        text = "\ufeffretry: 3000\r\n\r\n"
        for number in itertools.count(1):
            ending = ("\r\n", "\r", "\n")[number % 3]
            text += ending.join((f"id: {number}", "event: tick", "data", f"data: {number}", ": beat", "", ""))
            text += "event: beat\r\n\r\n" if number % 5 == 0 else ""
            data = text.encode()
            sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            text = ""
            time.sleep(0.3)

    app = site.raw(serve)
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(len(pieces) > 2, "events come")
    return site.diagnose(f"http://{app}/events", *ALL)


@healthy("events-over-http2-in-tls", group="sse")
def events_over_http2(site):
    """An answer of HTTP/2 has neither `Connection` nor `Transfer-Encoding`."""
    authority, app = site.authority(), site.raw(service.events(every=0.25))
    certificate, key = authority.issue("site")
    front = site.nginx(
        f"location / {{ {PLAIN} proxy_buffering off; proxy_pass http://{app}; }}",
        listen=f"ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key}")
    url = f"https://localhost:{front.partition(':')[2]}/events"
    sock = client.connect(url, authority.pem, ["h2", "http/1.1"])
    site.shows(sock.selected_alpn_protocol() == "h2", "it agrees on h2")
    return site.diagnose(url, *ALL, direct=app, trust=authority.pem)


@healthy("h2-offered-beside-websockets", group="establish")
def beside_http2(site):
    """What ends TLS agrees on h2 and does not tell of extended CONNECT: a WebSocket is asked for over HTTP/1.1."""
    authority, app = site.authority(), service.echo(site)
    over_http1 = service.relay(app)

    def serve(sock):
        if sock.selected_alpn_protocol() != "h2":
            return over_http1(sock)
        end = http2_end.End(sock, is_client=False)
        while (seen := end.next()).what not in ("fin", "tcp_rst"):
            if seen.what == "head":
                end.head(seen.stream, {":status": "405"}, "END_STREAM")

    front = site.raw(service.secured(authority.issue("site"), serve, ["h2", "http/1.1"]))
    url = f"wss://localhost:{front.partition(':')[2]}/"
    site.shows(client.status(url, trust=authority.pem) == 101, "it opens over HTTP/1.1")
    sock = client.connect(url, authority.pem, ["h2", "http/1.1"])
    site.shows(sock.selected_alpn_protocol() == "h2", "it agrees on h2")
    return site.diagnose(url, *ALL, direct=app, trust=authority.pem)


@case("text-of-several-lines-behind-one-data", fault="sse-malformed-framing", group="sse")
def json_over_lines(site):
    """A text of several lines of which only the first is behind `data:`."""
    def event(number):
        return "data: " + json.dumps({"number": number, "at": time.time(), "text": "hello"}, indent=2)

    app = site.raw(service.events(every=0.2, event=event))
    front = site.nginx(f"location / {{ {PLAIN} proxy_pass http://{app}; }}")
    _, pieces, _ = client.stream(f"http://{front}/events", seconds=1)
    site.shows(b'\n  "number"' in b"".join(piece for _, piece in pieces), "the second line has no field")
    return site.diagnose(f"http://{front}/events", "--checks", "flush", direct=app)


@case("id-with-nul", fault=ANY_HONEST, where="upstream", group="sse")
def ids_with_nul(site):
    app = site.raw(service.events(every=0.2, event=lambda number: f"id: {number}\0\ndata: {number}"))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(b"\0" in pieces[0][1], "clients ignore the id")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")


@case("events-in-latin1", fault=ANY_HONEST, where="upstream", group="sse")
def events_in_latin1(site):
    app = site.raw(service.events(every=0.2, kind="text/event-stream; charset=ISO-8859-1"))
    head, _, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(b"ISO-8859-1" in head, "it calls itself so")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")


@case("masked-frames-of-a-server", fault=LENIENT, group="closes")
def masked_frames(site):
    """RFC 6455, section 5.1: a client must end a connection on which the server masks."""
    def speak(sock, rest):
        service.raw_echo(sock, rest, lambda opcode, payload: sock.sendall(wire.frame(opcode, payload, mask=True)))

    app = site.raw(service.joined(speak))
    site.shows(client.ending(f"ws://{app}/", ["hello"], seconds=5)[0] in (1002, 1006), "clients end it")
    return site.diagnose(f"ws://{app}/", *ALL)


@case("ping-in-two-fragments", fault=LENIENT, group="closes")
def fragmented_ping(site):
    """RFC 6455, section 5.5: control frames are never fragmented."""
    def speak(sock, rest):
        sock.sendall(wire.frame(9, b"are you", False) + wire.frame(0, b" there?"))
        service.raw_echo(sock, rest)

    app = site.raw(service.joined(speak))
    site.shows(client.ending(f"ws://{app}/", seconds=5)[0] in (1002, 1006), "clients end it")
    return site.diagnose(f"ws://{app}/", *ALL)


@case("socket-that-nobody-reads", fault=ANY_HONEST, where="upstream", group="unknown")
def nobody_reads(site):
    """The handshake is answered, and the socket is never read again: no Pong, no echo, no answer to a Close."""
    app = site.raw(service.joined(lambda sock, rest: time.sleep(3600)))
    front = site.haproxy(f"server app {app}")
    with client.websocket(f"ws://{front}/", close_timeout=0.1) as connection:
        connection.send("hello")
        site.shows(not connection.ping().wait(2), "no Pong comes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@case("sessions-are-counted-behind-the-handshake", fault=ANY_HONEST, where="upstream", group="capacity")
def counted_after(site):
    """The fifth session of all is closed by a code of the application right behind its handshake."""
    places = threading.Semaphore(4)

    def handler(connection):
        if not places.acquire(blocking=False):
            return connection.close(4290, "four sessions are open")
        try:
            for message in connection:
                connection.send(message)
        finally:
            places.release()

    app = service.websocket(site, handler)
    held = [client.websocket(f"ws://{app}/") for _ in range(4)]
    for connection in held:
        connection.send("hello")
        connection.recv(timeout=5)
    site.shows(client.ending(f"ws://{app}/", seconds=5)[0] == 4290, "the fifth is closed")
    for connection in held:
        connection.close()
    seen, _ = crowd(f"ws://{app}/", 1)
    site.shows(seen == [101], "one opens")
    time.sleep(0.5)
    return site.diagnose(f"ws://{app}/", "--checks", "concurrency")


@case("blocking-call-in-the-loop-each-two-seconds", fault="event-loop-stall-or-gc-pause", group="delay")
def blocking_call(site):
    """An asyncio service whose own loop is blocked for 700 ms by a job, each two seconds."""
    program = site.folder / "blocks.py"
    program.write_text(BLOCKS)
    app = site.python(program)
    waits = []
    with client.websocket(f"ws://{app}/") as connection:
        for _ in range(50):
            began = time.monotonic()
            connection.send("hello")
            connection.recv(timeout=5)
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
    site.shows(sorted(waits)[25] < 0.1 and max(waits) > 0.5, f"now and then it stands still: {max(waits)}")
    return site.diagnose(f"ws://{app}/", "--checks", "latency")


BLOCKS = """\
import asyncio, json, socket, time
from websockets.asyncio.server import serve
async def handler(connection):
    async for message in connection:
        await connection.send(message)
async def job():
    while True:
        await asyncio.sleep(1.3)
        time.sleep(0.7)
async def main():
    sock = socket.create_server(("127.0.0.1", 0))
    async with serve(handler, sock=sock, compression=None):
        print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
        await job()
asyncio.run(main())
"""


@case("envoy-ends-calls-after-three-seconds", group="grpc",
      fault={"max-lifetime", "grpc-deadline-on-stream", "http-server-timeout-applied-to-stream"})
def envoy_ends_calls(site):
    """The timeout of a route (15 s by default) counts from the request, however busy the call is."""
    app = service.grpc(site, every=0.3)
    front = site.envoy(app, {"codec_type": "HTTP2"}, {"timeout": "3s"}, {"typed_extension_protocol_options": HTTP2})
    began = time.monotonic()
    got, code, _ = call(front, "Watch", seconds=10)
    site.shows(len(got) > 5 and code != "OK" and 2.5 < time.monotonic() - began < 4, f"it ends: {code}")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch", "--checks", "handshake,idle", "--idle-max", "9s", direct=app)


HTTP2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicit_http_config": {"http2_protocol_options": {}},
}}


@case("nginx-with-tls-holds-events", fault="sse-proxy-buffering", group="sse")
def tls_buffer_holds(site):
    """What nginx passes at once in the clear waits in TLS until a record of 16 KiB is full, or it is told to flush."""
    authority, app = site.authority(), site.raw(service.events(every=0.1))
    certificate, key = authority.issue("site")
    front = site.nginx(
        f"location / {{ {PLAIN} proxy_pass http://{app}; }}",
        listen=f"ssl; ssl_certificate {certificate}; ssl_certificate_key {key}")
    url = f"https://localhost:{front.partition(':')[2]}/events"
    _, pieces, _ = client.stream(url, seconds=3, trust=authority.pem)
    site.shows(not pieces, "nothing comes for seconds")
    return site.diagnose(url, "--checks", "flush", direct=app, trust=authority.pem)


@case("answers-after-1300-ms", fault="server-processing-slow", group="delay")
def later_than_a_beat(site):
    """Each answer takes longer than the second between two heartbeats: late is not lost."""
    def handler(connection):
        for message in connection:
            time.sleep(1.3)
            connection.send(message)

    app = service.websocket(site, handler)
    with client.websocket(f"ws://{app}/") as connection:
        began = time.monotonic()
        connection.send("hello")
        site.shows(connection.recv(timeout=5) and time.monotonic() - began > 1.2, "it takes its time")
    return site.diagnose(f"ws://{app}/", "--checks", "latency,idle", "--idle-max", "9s", direct=app)
