"""Faults and look-alikes that no other group has: what is counted, cut, mixed up or misread where nobody looks."""

import contextlib
import itertools
import json
import threading
import time
import zlib

import hyperframe.frame
from harness import wire

from .. import client, service
from ..case import ANY_HONEST, case, healthy, trap
from .apart import hop
from .grpc import call, http2
from .sse import PLAIN

ALL = ("--idle-max", "6s")
FLUSH = ("--checks", "flush,idle", "--idle-max", "6s")
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def feed(event, every=0.2, count=None, rest=0):
    """What a service does that writes bytes `event(number)` each `every` seconds, and after `count` of them nothing more
    for `rest` seconds."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for number in itertools.count(1) if count is None else range(1, count + 1):
            data = event(number)
            sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            time.sleep(every)
        time.sleep(rest)

    return serve


def body(url, seconds=1, **options):
    """What comes of a stream in some seconds."""
    _, pieces, ended = client.stream(url, seconds=seconds, **options)
    return b"".join(piece for _, piece in pieces), ended


# Event streams


@case("mark-before-each-event", fault="sse-malformed-framing", group="sse")
def mark_before_each(site):
    """Each event is encoded by itself as `utf-8-sig`: only the first mark of a stream is none of its text."""
    app = site.raw(feed(lambda number: f"\ufeffdata: event {number}\n\n".encode()))
    site.shows(body(f"http://{app}/events")[0].count("\ufeff".encode()) > 2, "marks come")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@case("events-no-utf8", fault=ANY_HONEST, where="upstream", group="sse")
def events_no_utf8(site):
    app = site.raw(feed(lambda number: f"id: {number}\ndata: Grüße {number}\n\n".encode("latin-1")))
    site.shows(b"Gr\xfc\xdfe" in body(f"http://{app}/events")[0], "browsers show two diamonds")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@healthy("characters-split-between-chunks-of-events", group="sse")
def split_characters(site):
    """A character may begin in one chunk and end in the next."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for number in itertools.count(1):
            event = f"id: {number}\ndata: 消息 {number}\n\n".encode()
            at = event.index("消".encode()) + 1
            for part in (event[:at], event[at:]):
                sock.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                time.sleep(0.1)

    app = site.raw(serve)
    site.shows(b"\r\n\xb6" in body(f"http://{app}/events")[0], "a character is split")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@case("hop-that-reads-characters-by-chunks", fault=ANY_HONEST, where="upstream_leg", group="sse")
def characters_by_chunks(site):
    """A hop decodes each read by itself, and replaces what is no character there."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(f"{HEAD}Connection: close\r\n\r\n".encode())
        for number in itertools.count(1):
            event = f"id: {number}\ndata: 消息 {number}\n\n".encode()
            at = event.index("消".encode()) + 1
            for part in (event[:at], event[at:]):
                sock.sendall(part)
                time.sleep(0.1)

    app = site.raw(serve)
    front = site.raw(service.relay(app, down=lambda: lambda data: data.decode(errors="replace").encode()))
    site.shows("\ufffd".encode() in body(f"http://{front}/events")[0], "through the hop characters are replaced")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


def measured(app, length):
    """What a hop does that announces and passes so many bytes of an event stream."""
    target = int(app.rpartition(":")[2])

    def serve(sock):
        head, _ = wire.read_head(sock)
        if not head:
            return
        with wire.connect(target) as other:
            other.sendall(head)
            _, data = wire.read_head(other)
            sock.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode())
            left = length
            while left and data is not None:
                sock.sendall(data[:left])
                left -= len(data[:left])
                data = left and other.recv(65536)
            sock.recv(1)

    return serve


@case("hop-that-announces-a-length", fault=ANY_HONEST, where="upstream_leg", group="sse")
def announces_length(site):
    """A cache in between gives an endless stream a length: it ends there as announced, in the middle of an event."""
    app = site.raw(service.events(every=0.1, form="close", event="data: event {} of a feed".format))
    front = site.raw(measured(app, 600))
    got, _ = body(f"http://{front}/events", 4)
    site.shows(len(got) == 600 and not got.endswith(b"\n\n"), "the last event is cut")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@healthy("a-job-that-is-done", group="sse")
def job_is_done(site):
    app = site.raw(service.events(every=0.2, count=8))
    got, _ = body(f"http://{app}/events", 3)
    site.shows(got.endswith(b"0\r\n\r\n"), "it ends as announced")
    return site.diagnose(f"http://{app}/events", "--checks", "handshake,deflate")


@case("feed-that-falls-silent-after-ten-events", fault=ANY_HONEST, where="upstream", group="sse")
def falls_silent(site):
    """Each subscription gets ten events in an even flow and then none, while others begin anew."""
    app = site.raw(feed(lambda number: f"id: {number}\ndata: tick {number}\n\n".encode(), count=10, rest=3600))
    got, ended = body(f"http://{app}/events", 5)
    site.shows(b"tick 10" in got and b"tick 11" not in got and not ended, "then nothing more comes")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@healthy("history-and-then-quiet", group="sse")
def history_then_quiet(site):
    """What was told before comes at once; there is nothing new."""
    app = site.raw(feed(lambda number: f"id: {number}\ndata: told {number}\n\n".encode(), 0, count=10, rest=3600))
    got, ended = body(f"http://{app}/events", 3)
    site.shows(b"told 10" in got and not ended, "the history comes, and nothing more")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@case("hop-with-a-quota-of-bytes-for-each-stream", fault="cut-after-bytes", group="sse")
def quota_of_bytes(site):
    """Events of many sizes; after 3000 bytes of each stream the hop ends it, wherever that is."""
    class Quota:
        left = 3000

        def __call__(self, data):
            passed, self.left = data[:max(0, self.left)], self.left - len(data)
            return passed or None

    sizes = itertools.cycle((20, 300, 90, 700, 45))
    app = site.raw(feed(lambda number: f"data: {number} {'x' * next(sizes)}\n\n".encode(), 0.3))
    front = site.raw(service.relay(app, down=Quota))
    got, ended = body(f"http://{front}/events", 12)
    site.shows(ended and 2500 < len(got) < 3000, f"it is cut after {len(got)} bytes")
    return site.diagnose(f"http://{front}/events", "--checks", "flush,idle", "--idle-max", "10s", direct=app)


# gRPC


def answer(messages, trailers=(("grpc-status", "0"),), fields=(), every=0.05):
    """What a raw gRPC service does: these bytes one after the other, then trailers."""
    def say(end, stream):
        with contextlib.suppress(OSError):
            end.head(stream, {":status": "200", "content-type": "application/grpc", **dict(fields)})
            for message in messages:
                end.data(stream, message)
                time.sleep(every)
            if trailers:
                end.head(stream, dict(trailers), "END_STREAM")

    return called(say)


def called(say):
    """What a raw gRPC service does: `say(end, stream)` in a thread for each call, while it takes all that comes."""
    def serve(end, seen):
        if seen.what == "head":
            threading.Thread(target=say, args=(end, seen.stream), daemon=True).start()
        elif seen.what == "data":
            end.send(*(hyperframe.frame.WindowUpdateFrame(stream, len(seen.data)) for stream in (0, seen.stream)))

    return http2(serve)


def prefixed(message, flag=0, length=None):
    return bytes([flag]) + (len(message) if length is None else length).to_bytes(4, "big") + message


@case("length-beyond-the-message", fault=ANY_HONEST, where="upstream", group="grpc")
def length_too_long(site):
    app = site.raw(answer([prefixed(b"whole"), prefixed(b"half of it", length=20)]))
    got, code, _ = call(app, "Watch")
    site.shows(len(got) == 1, f"the last message is lost without a word: {got} {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@case("compressed-without-its-coding", fault=ANY_HONEST, where="upstream", group="grpc")
def compressed_without_coding(site):
    app = site.raw(answer([prefixed(zlib.compress(b"tick" * 9), flag=1)] * 4))
    _, code, said = call(app, "Watch")
    site.shows(code != "OK", f"it cannot be read: {code} {said}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@healthy("gzip-as-told", group="grpc")
def gzip_as_told(site):
    packed = zlib.compressobj(wbits=31)
    packed = packed.compress(b"\n\x04tick" * 9) + packed.flush()
    app = site.raw(answer([prefixed(packed, flag=1)] * 4, fields=[("grpc-encoding", "gzip")]))
    got, code, _ = call(app, "Watch")
    site.shows(code == "OK" and len(got) == 4, "clients read them")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@case("fields-that-no-table-has", fault=ANY_HONEST, where="upstream", group="grpc")
def no_table_has(site):
    """The trailers name entry 120 of a dynamic table that holds three (RFC 7541, section 2.3.3): the connection is lost."""
    def say(end, stream):
        end.head(stream, {":status": "200", "content-type": "application/grpc"})
        for _ in range(4):
            end.data(stream, prefixed(b"tick"))
            time.sleep(0.3)
        end.send(hyperframe.frame.HeadersFrame(stream, b"\xf8", flags=["END_HEADERS", "END_STREAM"]))

    app = site.raw(called(say))
    got, code, said = call(app, "Watch")
    site.shows(code != "OK", f"clients give up: {len(got)} {code} {said}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@case("one-call-at-a-time", fault=ANY_HONEST, where="upstream", group="grpc")
def one_call(site):
    """A channel is one connection: the second subscription of a client waits for the end of the first."""
    import grpc

    app = service.grpc(site, [("grpc.max_concurrent_streams", 1)])
    with grpc.insecure_channel(app) as channel:
        watch = channel.unary_stream("/lab.Feed/Watch")
        first = watch(b"", timeout=5)
        next(first)
        try:
            next(watch(b"", timeout=1.5))
            site.shows(False, "the second waits")
        except grpc.RpcError as error:
            site.shows(error.code().name == "DEADLINE_EXCEEDED", "the second waits")
        first.cancel()
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@healthy("hundred-calls-at-a-time", group="grpc")
def hundred_calls(site):
    app = service.grpc(site, [("grpc.max_concurrent_streams", 100)])
    got, _, _ = call(app, "Watch", seconds=1)
    site.shows(len(got) > 2, "messages come")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@case("subscription-falls-silent", fault=ANY_HONEST, where="upstream", group="grpc")
def subscription_silent(site):
    app = service.grpc(site, every=0.25)
    front = site.raw(answer([prefixed(b"tick")] * 8, trailers=(), every=0.25))
    got, code, _ = call(front, "Watch", seconds=5)
    site.shows(len(got) == 8 and code == "DEADLINE_EXCEEDED", "eight come, and then none")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch", *ALL, direct=app)


@case("calls-reset-after-twenty-messages", fault=ANY_HONEST, where="upstream", group="grpc")
def reset_after_twenty(site):
    def say(end, stream):
        end.head(stream, {":status": "200", "content-type": "application/grpc"})
        for number in range(20):
            end.data(stream, prefixed(b"tick %d" % number))
            time.sleep(0.15)
        end.rst(stream, "INTERNAL_ERROR")

    app = site.raw(called(say))
    got, code, _ = call(app, "Watch")
    site.shows(len(got) > 15 and code == "INTERNAL", f"it is reset: {len(got)} {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


# WebSockets


@case("first-message-after-a-silence-is-lost", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def lost_after_silence(site):
    """A hop that wakes its upstream by the first message after 2 s, and forgets it."""
    class Forgetful:
        def __init__(self):
            self.last = time.monotonic()

        def __call__(self, data):
            if data[0] & 15 not in (1, 2):
                return data
            silence, self.last = time.monotonic() - self.last, time.monotonic()
            return b"" if silence > 2 else data

    app = service.echo(site)
    front = site.raw(service.relay(app, up=Forgetful))
    with client.websocket(f"ws://{front}/") as connection:
        connection.send("one")
        site.shows(connection.recv(timeout=5) == "one", "it echoes")
        time.sleep(2.5)
        connection.send("two")
        time.sleep(0.2)
        connection.send("three")
        site.shows(connection.recv(timeout=5) == "three", "the first after a silence is lost")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@case("characters-beyond-ascii-are-replaced", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def beyond_ascii(site):
    app = service.echo(site)

    def change(opcode, payload):
        text = payload.decode(errors="replace").encode("ascii", "replace")
        return [(opcode, text if opcode == 1 else payload)]

    front = hop(site, app, change)
    with client.websocket(f"ws://{front}/") as connection:
        connection.send("消息")
        site.shows(connection.recv(timeout=5) == "??", "characters are lost")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@healthy("answers-in-json-with-escapes", group="unknown")
def json_with_escapes(site):
    """JSON may write each character by its number (RFC 8259, section 7)."""
    def handler(connection):
        for message in connection:
            connection.send(json.dumps({"you_said": message}))

    app = service.websocket(site, handler)
    with client.websocket(f"ws://{app}/") as connection:
        connection.send("消")
        site.shows("\\u6d88" in connection.recv(timeout=5), "it writes by number")
    return site.diagnose(f"ws://{app}/", *ALL)


@trap("hop-with-a-cap-of-100000-bytes-a-second", group="unknown", also=ANY_HONEST,
      wrong={"messages-lost", "echo-altered", "message-too-big-1009", "message-size-limit"})
def rate_cap(site):
    """Large messages take their time through it: none is lost."""
    class Cap:
        def __call__(self, data):
            time.sleep(len(data) / 1e5)
            return data

    app = service.echo(site)
    front = site.raw(service.relay(app, down=Cap))
    began = time.monotonic()
    site.shows(client.echoes(f"ws://{front}/", "x" * 500_000, 30) and time.monotonic() - began > 4, "it is slow")
    return site.diagnose(f"ws://{front}/", "--checks", "size,latency", direct=app)


@case("pong-of-another-ping", fault=ANY_HONEST, where="upstream", group="unknown")
def other_pong(site):
    class Answering:
        """A socket on which each Pong says the same."""

        def __init__(self, sock):
            self.recv, self.sock = sock.recv, sock

        def sendall(self, data):
            self.sock.sendall(wire.frame(10, b"pong") if data[0] == 0x8a else data)

    app = site.raw(service.joined(lambda sock, rest: service.raw_echo(Answering(sock), rest)))
    with client.websocket(f"ws://{app}/") as connection:
        site.shows(not connection.ping().wait(2), "no Pong of this Ping comes")
    return site.diagnose(f"ws://{app}/", *ALL)


def deflated(packed):
    """What a service does that agrees on permessage-deflate and answers each message by these bytes as a compressed one."""
    def serve(sock):
        head, rest = wire.read_head(sock)
        if not head:
            return
        agrees = "permessage-deflate" in (wire.header(head, "sec-websocket-extensions") or "")
        extra = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if agrees else ""
        sock.sendall(wire.switching(head, extra=extra))

        def say(opcode, payload):
            if not agrees:
                return sock.sendall(wire.frame(opcode, payload))
            data = packed(payload)
            return sock.sendall(bytes([0xc1, len(data)]) + data)

        service.raw_echo(sock, rest, say)

    return serve


@case("compressed-messages-that-nobody-can-inflate", fault={"frame-protocol-error-1002-rsv-deflate"}, group="unknown")
def cannot_inflate(site):
    app = site.raw(deflated(lambda payload: bytes(byte ^ 0x55 for byte in zlib.compress(payload)[2:-4])))
    code, _ = client.ending(f"ws://{app}/", ["hello hello hello"], seconds=3, compression="deflate")
    site.shows(code in (1002, 1006, 1007, 1011), f"clients give up: {code}")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("compressed-with-one-context", group="unknown")
def one_context(site):
    app = service.echo(site, compression="deflate")
    site.shows(client.echoes(f"ws://{app}/", "hello " * 20, compression="deflate"), "clients inflate them")
    return site.diagnose(f"ws://{app}/", *ALL)


@case("every-third-connection-is-mute", fault=ANY_HONEST, where={"upstream", "upstream_leg"}, group="unknown")
def third_is_mute(site):
    """One of three workers takes messages and never answers any; Pings are answered below it."""
    numbers = itertools.count(1)

    def handler(connection):
        is_mute = next(numbers) % 3 == 0
        for message in connection:
            if not is_mute:
                connection.send(message)

    app = service.websocket(site, handler)
    heard = []
    for _ in range(3):
        with client.websocket(f"ws://{app}/") as connection:
            connection.send("hello")
            try:
                heard.append(connection.recv(timeout=1) == "hello")
            except TimeoutError:
                heard.append(False)
    site.shows(sorted(heard) == [False, True, True], "one of three says nothing")
    return site.diagnose(f"ws://{app}/", *ALL)


@case("close-with-1006", fault={"frame-protocol-error-1002-rsv-deflate"}, group="unknown")
def reserved_code(site):
    """1006 stands for a missing Close frame and must not be in one (RFC 6455, section 7.4.1)."""
    def speak(sock, rest):
        time.sleep(0.5)
        sock.sendall(wire.close_frame(1006))
        sock.recv(65536)

    app = site.raw(service.joined(speak))
    site.shows(client.ending(f"ws://{app}/", seconds=5)[0] in (1002, 1006), "clients take it for a breach")
    return site.diagnose(f"ws://{app}/", *ALL)


@case("quota-of-bytes-for-all-in-a-minute", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def quota_for_all(site):
    """A hop that lets 400 kB through in a minute, whosever they are, and ends what comes then without a word."""
    app, spent = service.echo(site), []

    def meter():
        def pass_on(data):
            now = time.monotonic()
            spent[:] = [(at, size) for at, size in spent if now - at < 60]
            if sum(size for _, size in spent) > 400_000:
                return None
            spent.append((now, len(data)))
            return data

        return pass_on

    front = site.raw(service.relay(app, down=meter))
    site.shows(client.ending(f"ws://{front}/", ["x" * 300_000] * 2, seconds=5)[0] == 1006, "the quota is used up")
    spent.clear()
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)
