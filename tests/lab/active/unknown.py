"""Faults that stand in no catalogue: what is asked is the right place, or an honest "inconclusive"."""

import itertools
import time

from harness import wire

from .. import client, service
from ..case import ANY_HONEST, case
from .capacity import crowd
from .establish import UPGRADE, echo_program

NEAR_APP = {"upstream", "upstream_leg"}


@case("upgrade-to-another-protocol", fault=ANY_HONEST, where="upstream", group="unknown")
def another_protocol(site):
    def switching(head):
        return wire.switching(head).replace(b"Upgrade: websocket", b"Upgrade: TLS/1.0")

    app = site.raw(service.joined(service.raw_echo, switching))
    site.shows(client.handshake(f"ws://{app}/").header("upgrade") == "TLS/1.0", "the token is another")
    return site.diagnose(f"ws://{app}/")


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


@case("page-behind-the-101", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def page_behind(site):
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html><h1>502</h1></html>"
    app = site.raw(service.joined(lambda sock, _: (sock.sendall(page), time.sleep(5))))
    answer = client.handshake(f"ws://{app}/")
    site.shows(answer.status == 101 and (answer.body or answer.sock.recv(100))[:12] == b"HTTP/1.1 502", "a page follows")
    return site.diagnose(f"ws://{app}/")


@case("echo-of-swapped-halves", fault=ANY_HONEST, where="upstream", group="unknown")
def swapped_halves(site):
    def speak(sock, rest):
        def say(opcode, payload):
            half = len(payload) // 2
            sock.sendall(wire.frame(opcode, payload[half:], fin=False))
            time.sleep(1)
            sock.sendall(wire.frame(0, payload[:half]))

        service.raw_echo(sock, rest, say)

    app = site.raw(service.joined(speak))
    with client.websocket(f"ws://{app}/") as connection:
        connection.send("hello world!")
        site.shows(connection.recv(timeout=5) == "world!hello ", "halves are swapped")
    return site.diagnose(f"ws://{app}/", "--checks", "latency,size")


@case("every-second-handshake-500", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def every_second(site):
    numbers = itertools.count()

    def decide(_):
        return (500, "migration 0042 is missing\n") if next(numbers) % 2 else None

    app = service.echo(site, process_request=service.refuse(decide))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}")
    seen = [client.status(f"ws://{front}/") for _ in range(4)]
    site.shows(sorted(seen) == [101, 101, 500, 500], f"every second fails: {seen}")
    return site.diagnose(f"ws://{front}/", "--checks", "handshake,concurrency", direct=app)


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


@case("server-that-hears-nothing", fault=ANY_HONEST, where="upstream", group="unknown")
def hears_nothing(site):
    """The 101 is right, what the client sends is never read: no echo, no Pong, no answer to Close."""
    app = site.raw(service.joined(lambda sock, _: time.sleep(30)))
    with client.websocket(f"ws://{app}/", close_timeout=0.1) as connection:
        site.shows(not connection.ping().wait(1), "no Pong comes")
    return site.diagnose(f"ws://{app}/")


@case("firewall-that-lets-eight-connections-in", fault=ANY_HONEST, where={"upstream_leg", "host"}, group="unknown")
def eight_connections(site):
    far = site.netns()
    far.nft("table inet filter {\nset seen {\ntype ipv4_addr\nflags dynamic\n}\nchain input {\n"
            "type filter hook input priority 0;\nct state new add @seen { ip saddr ct count over 8 } drop\n}\n}\n")
    app = far.python(echo_program(site))
    answers = [client.handshake(f"ws://{app}/") for _ in range(8)]
    site.shows(all(answer.status == 101 for answer in answers), "eight open")
    try:
        client.connect(f"ws://{app}/", seconds=1.5)
        site.shows(False, "the ninth gets no answer")
    except TimeoutError:
        pass
    for answer in answers:
        answer.sock.close()
    return site.diagnose(f"ws://{app}/", "--checks", "concurrency")


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


@case("connection-pool-of-a-proxy-is-full", fault=ANY_HONEST, where={"upstream_leg", "gateway"}, group="unknown")
def pool_is_full(site):
    app = service.echo(site)
    front = site.envoy(app, {"upgrade_configs": [{"upgrade_type": "websocket"}]},
                       cluster={"circuit_breakers": {"thresholds": [{"max_connections": 4}]}})
    seen, _ = crowd(f"ws://{front}/", 6, seconds=1)
    site.shows(seen == [101] * 4 + [None] * 2, f"the fifth waits: {seen}")
    return site.diagnose(f"ws://{front}/", "--checks", "concurrency", direct=app)


@case("each-event-twice-and-late-by-two-seconds", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def late_by_two(site):
    def event(number):
        return f'id: {number // 2}\ndata: {{"at": {time.time() - 2:.3f}}}'

    app = site.raw(service.events(every=0.2, event=event))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=1)
    site.shows(len(pieces) > 3, "events come")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")
