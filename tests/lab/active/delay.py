"""Messages that come late."""

import queue
import random
import statistics
import time

from harness import wire

from .. import client, service
from ..case import case

LATENCY = ("--checks", "latency")


def round_trips(url, count=30, pause=0.0):
    """Seconds that echoes take, with up to so many seconds between them."""
    times = []
    with client.websocket(url) as connection:
        for number in range(count):
            began = time.monotonic()
            connection.send(f"message {number}")
            connection.recv(timeout=10)
            times.append(time.monotonic() - began)
            time.sleep(random.uniform(0, pause))
    return times


@case("handler-takes-300-ms", fault="server-processing-slow", group="delay")
def slow_handler(site):
    def handler(connection):
        for message in connection:
            time.sleep(0.3)
            connection.send(message)

    app = service.websocket(site, handler)
    site.shows(min(round_trips(f"ws://{app}/", 5)) > 0.29, "echoes take 300 ms")
    with client.websocket(f"ws://{app}/") as connection:
        began = time.monotonic()
        connection.send("work")
        connection.ping().wait(5)
        site.shows(time.monotonic() - began < 0.1, "Pongs do not")
    return site.diagnose(f"ws://{app}/", *LATENCY)


@case("handler-waits-for-a-database", fault="server-processing-slow", group="delay")
def slow_handler_behind_proxy(site):
    def handler(connection):
        for number, message in enumerate(connection):
            time.sleep(0.4 + 0.05 * (number % 3))
            connection.send(message)

    app = service.websocket(site, handler)
    front = site.haproxy(f"server app {app}")
    site.shows(min(round_trips(f"ws://{front}/", 5)) > 0.39, "echoes take 400 ms")
    return site.diagnose(f"ws://{front}/", *LATENCY, direct=app)


@case("head-and-payload-in-two-segments", fault="nagle-delayed-ack-40ms", group="delay", alone=True)
def two_segments(site):
    def speak(sock, rest):
        def say(opcode, payload):
            sock.sendall(bytes([0x80 | opcode, len(payload)]))
            sock.sendall(payload)

        service.raw_echo(sock, rest, say)

    app = site.raw(service.joined(speak))
    times = round_trips(f"ws://{app}/", 40)
    site.shows(0.035 < statistics.median(times[20:]) < 0.06, f"echoes take 40 ms: {times[20:]}")
    return site.diagnose(f"ws://{app}/", *LATENCY)


@case("answers-go-out-every-500-ms", fault="timer-batching", group="delay")
def flushed_by_timer(site):
    def speak(sock, rest):
        waiting = queue.SimpleQueue()

        def flush():
            while True:
                time.sleep(0.5 - time.time() % 0.5)
                for _ in range(waiting.qsize()):
                    sock.sendall(waiting.get())

        site.background(flush)
        service.raw_echo(sock, rest, lambda opcode, payload: waiting.put(wire.frame(opcode, payload)))

    app = site.raw(service.joined(speak))
    times = round_trips(f"ws://{app}/", 12, pause=0.4)
    site.shows(max(times) < 0.55 and max(times) - min(times) > 0.15, f"delays are anything up to 500 ms: {times}")
    return site.diagnose(f"ws://{app}/", *LATENCY)


@case("feed-in-steps-of-a-second", fault="timer-batching", group="delay")
def feed_in_steps(site):
    """Events are made each 100 ms, and written together each second."""
    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            block = ""
            for _ in range(10):
                time.sleep(0.1)
                block += f'data: {{"at": {time.time():.3f}}}\n\n'
            sock.sendall(f"{len(block):x}\r\n{block}\r\n".encode())

    app = site.raw(serve)
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=3.5)
    site.shows(len(pieces) == 3 and all(piece.count(b"data:") == 10 for _, piece in pieces), "ten come at a time")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")
