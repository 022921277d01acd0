"""Event streams that are held, or that nobody can read."""

import contextlib
import itertools
import threading
import time
import zlib

from harness import wire

from .. import client, service
from ..case import ANY_HONEST, case, trap

FLUSH = ("--checks", "flush,deflate")
PLAIN = 'proxy_http_version 1.1; proxy_set_header Connection "";'


def first_event(url, headers=""):
    """Seconds until the first bytes of a body come."""
    _, pieces, _ = client.stream(url, seconds=10, count=1, headers=headers)
    return pieces[0][0] if pieces else 10


@case("nginx-holds-a-body-without-chunks", fault="sse-proxy-buffering", group="sse")
def nginx_holds(site):
    app = site.raw(service.events(every=0.2, count=20, form="close"))
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{app}/events") < 0.5, "straight they come at once")
    site.shows(first_event(f"http://{front}/events") > 2, "through nginx at the end")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@case("nginx-holds-endless-body", fault="sse-proxy-buffering", group="sse")
def nginx_holds_endless(site):
    app = site.raw(service.events(every=0.05, form="close"))
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{app}/events") < 0.5, "straight they come at once")
    site.shows(first_event(f"http://{front}/events") > 2, "through nginx in blocks")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@case("nginx-holds-direct-unknown", group="sse", also="sse-app-not-flushing",
      fault={"sse-proxy-buffering", "sse-app-not-flushing"})
def nginx_holds_alone(site):
    app = site.raw(service.events(every=0.05, form="close"))
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{front}/events") > 2, "through nginx in blocks")
    return site.diagnose(f"http://{front}/events", *FLUSH)


@case("scanner-holds-until-the-end", fault="sse-proxy-buffering", also="corporate-proxy-or-antivirus", group="sse")
def scanner_holds(site):
    class Scanner:
        def __init__(self):
            self.held = b""

        def __call__(self, data):
            self.held += data
            if not self.held.endswith(b"\r\n0\r\n\r\n"):
                return b""
            return self.held

    app = site.raw(service.events(every=0.2, count=20))
    front = site.raw(service.relay(app, down=Scanner))
    site.shows(first_event(f"http://{front}/events") > 3, "through it at the end")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@case("nginx-gzip-holds", fault="sse-gzip-buffering", group="sse")
def nginx_gzip(site):
    app = site.raw(service.events(every=0.2, count=25))
    front = site.nginx(
        f"location / {{ {PLAIN} gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;"
        f" proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{front}/events") < 0.5, "without gzip they come at once")
    site.shows(first_event(f"http://{front}/events", "Accept-Encoding: gzip\r\n") > 2, "with it at the end")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


def compressing(every):
    """What a service does that compresses for those who ask for it, and never flushes."""
    plain = service.events(every=every)

    def serve(sock):
        head, _ = wire.read_head(sock)
        if "gzip" not in (wire.header(head, "accept-encoding") or ""):
            return plain(Replayed(sock, head))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
                     b"Vary: Accept-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n")
        packer = zlib.compressobj(wbits=31)
        for number in range(10_000):
            if data := packer.compress(f"id: {number}\ndata: event {number} at {time.time():.3f}\n\n".encode()):
                sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            time.sleep(every)

    return serve


@case("middleware-of-the-app-compresses", fault="sse-gzip-buffering", group="sse")
def app_gzip(site):
    app = site.raw(compressing(every=0.1))
    site.shows(first_event(f"http://{app}/events") < 0.5, "without gzip they come at once")
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=4, headers="Accept-Encoding: gzip\r\n")
    site.shows(sum(len(data) for _, data in pieces) < 40, "with it nothing but a head comes")
    return site.diagnose(f"http://{app}/events", *FLUSH)


class Replayed:
    """A socket whose head was read already, and can be read again."""

    def __init__(self, sock, head):
        self.sock, self.head = sock, head

    def recv(self, size):
        data, self.head = self.head, b""
        return data or self.sock.recv(size)

    def sendall(self, data):
        self.sock.sendall(data)


def blocks(size, every=0.02, form="chunked"):
    """What an app does whose writer holds events until it has so many bytes."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        held, number = b"", 0
        while True:
            number += 1
            held += f"id: {number}\ndata: event {number} at {time.time():.3f}\n\n".encode()
            while len(held) >= size:
                sock.sendall(f"{size:x}\r\n".encode() + held[:size] + b"\r\n")
                held = held[size:]
            time.sleep(every)

    return serve


@case("app-writes-blocks-of-4096", fault="sse-app-not-flushing", group="sse")
def app_writes_blocks(site):
    app = site.raw(blocks(4096))
    site.shows(first_event(f"http://{app}/events") > 1, "the first block takes its time")
    return site.diagnose(f"http://{app}/events", *FLUSH)


@case("app-writes-blocks-behind-haproxy", fault="sse-app-not-flushing", group="sse")
def app_writes_blocks_behind(site):
    app = site.raw(blocks(8192, every=0.01))
    front = site.haproxy(f"server app {app}")
    site.shows(first_event(f"http://{front}/events") > 1, "the first block takes its time")
    site.shows(first_event(f"http://{app}/events") > 1, "straight as well")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@case("events-as-html", fault="sse-wrong-content-type-or-status", group="sse")
def events_as_html(site):
    app = site.raw(service.events(kind="text/html; charset=utf-8"))
    site.shows(b"text/html" in client.stream(f"http://{app}/events", count=1)[0], "its type is HTML")
    return site.diagnose(f"http://{app}/events")


@case("events-as-json", fault="sse-wrong-content-type-or-status", group="sse")
def events_as_json(site):
    app = site.raw(service.answers("200 OK", {"Content-Type": "application/json"}, b'{"events": []}'))
    site.shows(client.get(f"http://{app}/events")[0] == 200, "it answers JSON")
    return site.diagnose(f"http://{app}/events")


@case("no-content-204", fault="sse-wrong-content-type-or-status", group="sse")
def no_content(site):
    app = site.raw(service.answers("204 No Content"))
    site.shows(client.get(f"http://{app}/events")[0] == 204, "it has nothing")
    return site.diagnose(f"http://{app}/events")


@case("events-without-empty-line", fault="sse-malformed-framing", group="sse")
def without_empty_line(site):
    app = site.raw(service.events(every=0.05, ending="\n", event="data: event {}".format))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(pieces and not any(b"\n\n" in piece for _, piece in pieces), "no event ends")
    return site.diagnose(f"http://{app}/events")


@case("lines-without-a-field-name", fault="sse-malformed-framing", group="sse")
def without_field(site):
    app = site.raw(service.events(every=0.05, event='{{"event": {}}}'.format))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(pieces and not any(b"data" in piece for _, piece in pieces), "there is no data field")
    return site.diagnose(f"http://{app}/events")


@case("retry-0-and-one-event-each", fault="sse-retry-storm", group="sse")
def retry_storm(site):
    app = site.raw(service.events(count=1, every=0, event="retry: 0\nid: {0}\ndata: event {0}".format))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=2)
    site.shows(b"retry: 0" in b"".join(piece for _, piece in pieces), "clients come back at once")
    return site.diagnose(f"http://{app}/events")


@case("failing-endpoint-with-short-retry", fault="sse-retry-storm", group="sse")
def failing_with_retry(site):
    def serve(sock):
        if wire.read_head(sock)[0]:
            body = b"retry: 50\n\n"
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)

    app = site.raw(serve)
    _, pieces, ended = client.stream(f"http://{app}/events", seconds=2)
    site.shows(ended and len(pieces) == 1, "each answer ends at once")
    return site.diagnose(f"http://{app}/events")


@case("ids-that-nobody-can-come-back-to", group="sse", also="http-server-timeout-applied-to-stream",
      fault="sse-no-resume")
def no_resume(site):
    app = site.raw(service.events(every=0.2, count=15))
    _, pieces, _ = client.stream(f"http://{app}/events", headers="Last-Event-ID: 9\r\n", count=1)
    site.shows(b"id: 1\n" in pieces[0][1], "it begins from 1 again")
    return site.diagnose(f"http://{app}/events", "--checks", "flush,idle", "--idle-max", "6s")


@case("four-workers-for-streams", fault="sse-worker-pool-exhaustion", group="sse")
def four_workers(site):
    workers, stream = threading.Semaphore(4), service.events(every=0.2)

    def serve(sock):
        with workers, contextlib.suppress(OSError):
            stream(sock)

    app = site.raw(serve)
    open_streams = [client.connect(f"http://{app}/") for _ in range(4)]
    for sock in open_streams:
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        site.shows(sock.recv(10), "it streams")
    head, _, _ = client.stream(f"http://{app}/events", seconds=2, count=1)
    site.shows(not head, "the fifth waits")
    for sock in open_streams:
        sock.close()
    time.sleep(1)
    return site.diagnose(f"http://{app}/events", "--checks", "concurrency")


class Blocks:
    """What a reader of full blocks passes on."""

    def __init__(self, size):
        self.size, self.held, self.head = size, b"", True

    def __call__(self, data):
        self.held += data
        if self.head and b"\r\n\r\n" in self.held:
            head, mark, self.held = self.held.partition(b"\r\n\r\n")
            self.head = False
            return head + mark
        full = len(self.held) // self.size * self.size
        passed, self.held = self.held[:full], self.held[full:]
        return passed


@case("blocks-of-a-buffer", fault="sse-proxy-buffering", group="sse", also="sse-app-not-flushing")
def blocks_of_a_buffer(site):
    """A relay passes on full blocks of 2048 bytes alone, of events that do not say when they were made."""
    app = site.raw(service.events(every=0.05, event="id: {0}\ndata: number {0} of a feed".format))
    front = site.raw(service.relay(app, down=lambda: Blocks(2048)))
    _, pieces, _ = client.stream(f"http://{front}/events", seconds=6, count=3)
    site.shows([len(piece) for _, piece in pieces][1:] == [2048], f"it comes in blocks: {[len(p) for _, p in pieces]}")
    return site.diagnose(f"http://{front}/events", *FLUSH)


@case("service-that-prints-through-a-buffer", fault="sse-app-not-flushing", group="sse")
def prints_through_a_buffer(site):
    """The service's own buffer of 2048 bytes takes some seconds to fill; its events do not say when they were made."""
    event = "id: {0}\ndata: sensor 7 reads {0}".format
    app = site.raw(service.relay(site.raw(service.events(every=0.1, event=event)), down=lambda: Blocks(2048)))
    front = site.nginx(f"location / {{ {PLAIN} proxy_buffering off; proxy_pass http://{app}; }}")
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=8, count=2)
    site.shows(pieces and len(pieces[0][1]) == 2048, f"it comes in blocks: {[len(p) for _, p in pieces]}")
    return site.diagnose(f"http://{front}/events", "--checks", "flush,idle", "--idle-max", "8s", direct=app)


@case("kept-by-gzip-behind-haproxy", fault="sse-gzip-buffering", group="sse")
def kept_behind_haproxy(site):
    """HAProxy passes on what comes each 200 ms, so that without compression events come in pairs."""
    app = site.raw(compressing(every=0.1))
    front = site.haproxy(f"server app {app}")
    site.shows(first_event(f"http://{front}/events") < 0.5, "without gzip they come soon")
    _, pieces, _ = client.stream(f"http://{front}/events", seconds=4, headers="Accept-Encoding: gzip\r\n")
    site.shows(sum(len(data) for _, data in pieces) < 40, "with it nothing but a head comes")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@case("back-after-two-milliseconds", fault="sse-retry-storm", also="sse-no-resume", group="sse")
def back_at_once(site):
    """Five events for each stream, and `retry` calls clients back at once."""
    numbers = itertools.count()

    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 2\n\n")
        for number in itertools.islice(numbers, 5):
            sock.sendall(f"id: {number}\ndata: state\n\n".encode())
            time.sleep(0.02)

    app = site.raw(serve)
    _, pieces, ended = client.stream(f"http://{app}/events", seconds=2)
    site.shows(ended and b"retry: 2\n" in b"".join(data for _, data in pieces), "each answer ends soon")
    return site.diagnose(f"http://{app}/events")


@case("events-in-pairs-turned-round", fault=ANY_HONEST, where="upstream_leg", group="sse")
def pairs_turned_round(site):
    def serve(order):
        def pair(number):
            first, second = order((2 * number, 2 * number + 1))
            return f"id: {first}\ndata: {first}\n\nid: {second}\ndata: {second}"

        return site.raw(service.events(every=0.2, event=pair))

    app, front = serve(tuple), serve(reversed)
    _, pieces, _ = client.stream(f"http://{front}/events", seconds=2, count=2)
    site.shows(b"id: 3\ndata: 3\n\nid: 2\n" in pieces[0][1], "the second comes first")
    return site.diagnose(f"http://{front}/events", "--checks", "flush,idle", "--idle-max", "6s", direct=app)


@trap("large-events-in-pieces", wrong=["sse-proxy-buffering", "timer-batching", "sse-app-not-flushing"], group="sse")
def large_events(site):
    """Events of 9000 bytes each half second, written in pieces of 2048 bytes."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for number in itertools.count(1):
            event = f"id: {number}\ndata: {time.time():.3f} {'x' * 9000}\n\n".encode()
            for begin in range(0, len(event), 2048):
                sock.sendall(event[begin:begin + 2048])
                time.sleep(0.06)
            time.sleep(0.2)

    app = site.raw(serve)
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=2)
    site.shows(len(pieces) > 8, "it comes in pieces")
    return site.diagnose(f"http://{app}/events", *FLUSH)
