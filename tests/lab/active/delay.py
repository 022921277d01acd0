"""Messages that come late."""

import os
import queue
import random
import signal
import statistics
import threading
import time

from harness import wire

from .. import client, service
from ..case import case
from .establish import echo_program

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


@case("one-packet-in-ten-is-lost", fault="packet-loss-retransmission", group="delay")
def packets_lost(site):
    far = site.netns()
    far.nft("table inet filter {\n" + "".join(
        f"chain {hook} {{\ntype filter hook {hook} priority 0;\nnumgen random mod 100 < 10 drop\n}}\n"
        for hook in ("input", "output")) + "}\n")
    app = far.python(echo_program(site))
    times = round_trips(f"ws://{app}/", 80)
    site.shows(statistics.median(times) < 0.05 < 0.19 < max(times), f"some take a retransmission more: {times}")
    return site.diagnose(f"ws://{app}/", *LATENCY)


@case("feed-larger-than-the-link", fault="narrow-link-or-bufferbloat", also="head-of-line-large-message", group="delay")
def narrow_link(site):
    far = site.netns()
    far.shape("rate 800kbit burst 16kbit latency 4s")
    program = site.folder / "feed.py"
    program.write_text(FEED)
    app = far.python(program)
    with client.websocket(f"ws://{app}/", close_timeout=0.1) as connection:
        began = time.monotonic()
        connection.ping().wait(10)
        alone = time.monotonic() - began
        time.sleep(3)
        began = time.monotonic()
        connection.ping().wait(10)
        site.shows(alone < 0.3 < 1 < time.monotonic() - began, "Pongs wait behind what was sent before")
    return site.diagnose(f"ws://{app}/", *LATENCY)


FEED = """\
import json, socket, threading, time, websockets.sync.server
def handler(connection):
    threading.Thread(target=lambda: list(connection), daemon=True).start()
    while True:
        time.sleep(0.05)
        connection.send(json.dumps({"at": time.time(), "book": "x" * 10_000}))
sock = socket.create_server(("0.0.0.0", 0))
print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
websockets.sync.server.serve(handler, sock=sock, compression=None).serve_forever()
"""


@case("process-that-stops-each-three-seconds", group="delay",
      fault={"event-loop-stall-or-gc-pause", "event-loop-block-late-pong"})
def stops(site):
    app = site.python(echo_program(site))

    def stop_and_go():
        while True:
            time.sleep(1.8)
            os.kill(site.pid(app), signal.SIGSTOP)
            time.sleep(1.2)
            os.kill(site.pid(app), signal.SIGCONT)

    site.background(stop_and_go)
    times = round_trips(f"ws://{app}/", 60, pause=0.2)
    site.shows(statistics.median(times) < 0.05 < 0.5 < max(times), f"some wait for it: {times}")
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


@case("echo-in-another-order", fault="ordering-violation", group="delay")
def echo_in_another_order(site):
    """Each message is handled by a thread of its own, the longer the shorter it waited."""
    def handler(connection):
        lock = threading.Lock()

        def answer(number, message):
            time.sleep(0.02 if number % 2 else 0.06)
            with lock:
                connection.send(message)

        for number, message in enumerate(connection):
            site.background(answer, number, message)

    app = service.websocket(site, handler)
    with client.websocket(f"ws://{app}/") as connection:
        for number in range(4):
            connection.send(str(number))
        came = [connection.recv(timeout=5) for _ in range(4)]
    site.shows(came != sorted(came), f"they come back as {came}")
    return site.diagnose(f"ws://{app}/", *LATENCY)


@case("echo-twice", fault="echo-altered", group="delay")
def echo_twice(site):
    """A relay now and then sends a frame of the service once more."""
    app = service.echo(site)

    class Stutter:
        def __init__(self):
            self.count = 0

        def __call__(self, data):
            self.count += data[:1] == b"\x81"
            return data * 2 if data[:1] == b"\x81" and self.count % 4 == 0 else data

    front = site.raw(service.relay(app, down=Stutter))
    with client.websocket(f"ws://{front}/") as connection:
        for number in range(4):
            connection.send(str(number))
            site.shows(connection.recv(timeout=5) == str(number), "it echoes")
        site.shows(connection.recv(timeout=5) == "3", "the fourth comes once more")
    return site.diagnose(f"ws://{front}/", *LATENCY, direct=app)
