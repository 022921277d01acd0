"""Faults that stand in no catalogue: what is asked is the right place, or an honest "inconclusive"."""

import itertools
import time

from harness import wire

from .. import client, service
from ..case import ANY_HONEST, case
from .capacity import crowd
from .establish import UPGRADE, echo_program

NEAR_APP = {"upstream", "upstream_leg"}


@case("flood-of-pings", fault=ANY_HONEST, where="upstream", group="unknown")
def flood_of_pings(site):
    def speak(sock, _):
        while True:
            sock.sendall(wire.frame(9, b"?") * 50)
            time.sleep(0.01)

    app = site.raw(service.joined(speak))
    answer = client.handshake(f"ws://{app}/")
    time.sleep(0.3)
    site.shows(len(answer.sock.recv(65536)) > 2000, "Pings pour in")
    answer.sock.close()
    return site.diagnose(f"ws://{app}/")


@case("proxy-that-cuts-after-100000-bytes", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def cuts_after_bytes(site):
    class Quota:
        left = 100_000

        def __call__(self, data):
            self.left -= len(data)
            return data if self.left > 0 else None

    app = service.echo(site)
    front = site.raw(service.relay(app, down=Quota))
    site.shows(client.echoes(f"ws://{app}/", "x" * 150_000), "straight it passes")
    site.shows(client.ending(f"ws://{front}/", ["x" * 150_000])[0] == 1006, "through the proxy it is cut")
    return site.diagnose(f"ws://{front}/", "--checks", "size", direct=app)


@case("messages-of-one-size-vanish", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def one_size_vanishes(site):
    app = service.echo(site)
    target = int(app.partition(":")[2])

    def serve(sock):
        head, _ = wire.read_head(sock)
        with wire.connect(target) as other:
            other.sendall(head)
            answer, rest = wire.read_head(other)
            sock.sendall(answer + rest)
            site.background(pour, other, sock)
            for opcode, first, payload in service.frames(sock):
                if not 1000 <= len(payload) < 9000:
                    other.sendall(wire.frame(opcode, payload, bool(first & 0x80), mask=True))

    front = site.raw(serve)
    site.shows(client.echoes(f"ws://{front}/", "x" * 900) and client.echoes(f"ws://{front}/", "x" * 20_000),
               "small and large ones pass")
    with client.websocket(f"ws://{front}/") as connection:
        connection.send("x" * 4096)
        connection.send("after")
        site.shows(connection.recv(timeout=5) == "after", "one between is lost")
    return site.diagnose(f"ws://{front}/", "--checks", "size", direct=app)


def pour(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


@case("chunk-with-a-wrong-size", fault=ANY_HONEST, where="upstream", group="unknown")
def wrong_chunk(site):
    def serve(sock):
        if wire.read_head(sock)[0]:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for size in (0x0c, 0x0c, 0x09, 0x0c):
                sock.sendall(f"{size:x}\r\ndata: event\n\n\r\n".encode())
                time.sleep(0.3)
            time.sleep(3)

    app = site.raw(serve)
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=2)
    site.shows(b"9\r\ndata: event\n\n\r\n" in b"".join(piece for _, piece in pieces), "a chunk is longer than it says")
    return site.diagnose(f"http://{app}/events")


@case("worker-that-dies-of-large-messages", fault=ANY_HONEST, where="upstream", group="unknown")
def dies_of_large(site):
    def speak(sock, rest):
        for opcode, _, payload in service.frames(sock, rest):
            if len(payload) > 30_000:
                return
            sock.sendall(wire.frame(10 if opcode == 9 else opcode, payload))
            if opcode == 8:
                return

    app = site.raw(service.joined(speak))
    front = site.haproxy(f"server app {app}")
    site.shows(client.ending(f"ws://{front}/", ["x" * 30_001])[0] == 1006, "it ends without a word")
    site.shows(client.ending(f"ws://{app}/", ["x" * 30_001])[0] == 1006, "straight as well")
    return site.diagnose(f"ws://{front}/", "--checks", "size", direct=app)


@case("each-event-twice-and-late-by-two-seconds", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def late_by_two(site):
    def event(number):
        return f'id: {number // 2}\ndata: {{"at": {time.time() - 2:.3f}}}'

    app = site.raw(service.events(every=0.2, event=event))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(len(pieces) > 3, "events come")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")
