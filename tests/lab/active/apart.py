"""Faults and look-alikes that are built another way than those of their groups."""

import contextlib
import itertools
import json
import socket
import threading
import time

from harness import wire

from .. import client, service
from ..case import ANY_HONEST, case, healthy, trap
from .establish import context

ALL = ("--idle-max", "6s")
NEAR_APP = {"upstream", "upstream_leg"}


def hop(site, app, change):
    """A WebSocket hop that passes what `change(opcode, payload)` makes of each frame of the service: pairs of both."""
    target = int(app.rpartition(":")[2])

    def serve(sock):
        head, rest = wire.read_head(sock)
        if not head:
            return
        with wire.connect(target) as other:
            other.sendall(head + rest)
            answer, first = wire.read_head(other)
            sock.sendall(answer)
            site.background(service.carry, sock, other, lambda data: data, lambda: None)
            for opcode, _, payload in service.frames(other, first):
                for kind, text in change(opcode, payload):
                    sock.sendall(wire.frame(kind, text))
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    return site.raw(serve)


def numbered(site, message):
    """A service that sends `message(number)` each 100 ms."""
    def ticking(connection):
        for number in itertools.count():
            connection.send(json.dumps(message(number)))
            time.sleep(0.1)

    return service.websocket(site, ticking)


def tick(number):
    return {"event": "tick", "seq": number}


@case("each-seventh-message-is-left-out", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def each_seventh(site):
    app = numbered(site, tick)
    front = hop(site, app, lambda opcode, payload: [] if opcode == 1 and json.loads(payload)["seq"] % 7 == 6
                else [(opcode, payload)])
    with client.websocket(f"ws://{front}/") as connection:
        came = [json.loads(connection.recv(timeout=5))["seq"] for _ in range(8)]
    site.shows(came == [0, 1, 2, 3, 4, 5, 7, 8], f"one is left out: {came}")
    return site.diagnose(f"ws://{front}/", "--checks", "idle", "--idle-max", "6s", direct=app)


@case("each-fifth-message-comes-twice", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def each_fifth(site):
    app = numbered(site, tick)
    front = hop(site, app, lambda opcode, payload: [(opcode, payload)] * (
        2 if opcode == 1 and json.loads(payload)["seq"] % 5 == 4 else 1))
    with client.websocket(f"ws://{front}/") as connection:
        came = [json.loads(connection.recv(timeout=5))["seq"] for _ in range(6)]
    site.shows(came == [0, 1, 2, 3, 4, 4], f"one comes twice: {came}")
    return site.diagnose(f"ws://{front}/", "--checks", "idle", "--idle-max", "6s", direct=app)


@healthy("numbers-of-many-kinds", group="unknown")
def many_kinds(site):
    """A gauge, a count for each of three rooms, and a countdown."""
    app = numbered(site, lambda number: {
        "online": 100 + number // 4 + number % 4 % 3, "room": number % 3, "seq": number // 3, "left": 1000 - number})
    return site.diagnose(f"ws://{app}/", "--checks", "idle", "--idle-max", "6s", direct=app)


@case("neighbours-swapped", fault=ANY_HONEST, where="upstream_leg", also="ordering-violation", group="unknown")
def neighbours_swapped(site):
    """Of messages that come within 5 ms of one another the hop passes the second before the first."""
    def ticking(connection):
        for number in itertools.count(0, 2):
            connection.send(json.dumps({"seq": number, "at": time.time()}))
            connection.send(json.dumps({"seq": number + 1, "at": time.time()}))
            time.sleep(0.2)

    app = service.websocket(site, ticking)
    waiting = []

    def change(opcode, payload):
        waiting.append((opcode, payload))
        if len(waiting) < 2 and opcode == 1:
            return []
        passed, waiting[:] = waiting[::-1], []
        return passed

    front = hop(site, app, change)
    with client.websocket(f"ws://{front}/") as connection:
        first, second = (json.loads(connection.recv(timeout=5))["seq"] for _ in range(2))
        site.shows(first > second, "the second comes first")
    return site.diagnose(f"ws://{front}/", "--checks", "latency", direct=app)


@case("a-close-is-never-answered", fault=ANY_HONEST, where="upstream", group="unknown")
def close_unanswered(site):
    """The service echoes and answers Pings; a Close frame changes nothing for it."""
    def speak(sock, rest):
        for opcode, _, payload in service.frames(sock, rest):
            if opcode in (1, 2, 9):
                sock.sendall(wire.frame(10 if opcode == 9 else opcode, payload))

    app = site.raw(service.joined(speak))
    with client.websocket(f"ws://{app}/", close_timeout=1) as connection:
        connection.send("hello")
        site.shows(connection.recv(timeout=5) == "hello", "it echoes")
        connection.close()
        site.shows(connection.close_code == 1006, "its Close is not answered")
    return site.diagnose(f"ws://{app}/", "--checks", "latency,size")


@case("third-handshake-is-never-answered", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def third_hangs(site):
    """One of three workers takes the handshake and is stuck."""
    turns = itertools.count(1)
    echo = service.joined(service.raw_echo)

    def serve(sock):
        if next(turns) % 3 == 0:
            wire.read_head(sock)
            time.sleep(3600)
        echo(sock)

    app = site.raw(serve)
    front = site.haproxy(f"server app {app}")
    came = []
    for _ in range(3):
        try:
            came.append(client.status(f"ws://{front}/", seconds=1))
        except OSError:
            came.append(None)
    site.shows(sorted(map(str, came)) == ["101", "101", "None"], f"one of three hangs: {came}")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("hop-that-swallows-pongs", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def swallows_pongs(site):
    app = service.echo(site)
    front = hop(site, app, lambda opcode, payload: [] if opcode == 10 else [(opcode, payload)])
    with client.websocket(f"ws://{front}/") as connection:
        site.shows(not connection.ping().wait(1), "no Pong comes")
        connection.send("hello")
        site.shows(connection.recv(timeout=5) == "hello", "it echoes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@case("upper-case-on-the-way-back", fault=ANY_HONEST, where="upstream_leg", group="unknown")
def upper_case(site):
    app = service.echo(site)
    front = hop(site, app, lambda opcode, payload: [(opcode, payload.upper() if opcode == 1 else payload)])
    site.shows(not client.echoes(f"ws://{front}/", "hello"), "it comes back in capitals")
    return site.diagnose(f"ws://{front}/", "--checks", "latency,size", direct=app)


@case("seventh-connection-is-reset", fault=ANY_HONEST, where="upstream_leg", group="capacity")
def seventh_is_reset(site):
    """A hop has places for six connections and closes further ones before they have said a word."""
    places = threading.Semaphore(6)
    app = service.echo(site)
    passes = service.relay(app)

    def serve(sock):
        if places.acquire(blocking=False):
            try:
                passes(sock)
            finally:
                places.release()

    front = site.raw(serve)
    held = [client.websocket(f"ws://{front}/") for _ in range(6)]
    try:
        seventh = client.status(f"ws://{front}/", seconds=2)
    except (OSError, ValueError, IndexError):
        seventh = None
    site.shows(seventh != 101, "the seventh does not open")
    for connection in held:
        connection.close()
    time.sleep(1)
    return site.diagnose(f"ws://{front}/", "--checks", "concurrency", direct=app)


@case("feed-that-steps-back", fault=ANY_HONEST, where="upstream", also="ordering-violation", group="sse")
def steps_back(site):
    """After each tenth event the last three come once more."""
    def event(number):
        round_, place = divmod(number - 1, 13)
        shown = round_ * 10 + (place if place < 10 else place - 3)
        return f"id: {shown}\ndata: {shown}"

    app = site.raw(service.events(every=0.12, event=event))
    _, pieces, _ = client.stream(f"http://{app}/events", seconds=2.5)
    site.shows(b"".join(piece for _, piece in pieces).count(b"data: 8\n") == 2, "events come again")
    return site.diagnose(f"http://{app}/events", "--checks", "flush")


@case("answers-in-binary", fault=ANY_HONEST, where=NEAR_APP, group="unknown")
def binary_answers(site):
    app = service.echo(site)
    front = hop(site, app, lambda opcode, payload: [(2 if opcode == 1 else opcode, payload)])
    with client.websocket(f"ws://{front}/") as connection:
        connection.send("hello")
        site.shows(connection.recv(timeout=5) == b"hello", "text comes back as bytes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@case("app-moved-below-a-prefix", fault="ws-path-mismatch-404", group="establish")
def moved_below_prefix(site):
    app = service.echo(site, process_request=service.refuse(
        lambda request: None if request.path.startswith("/v2/") else (404, "not here\n")))
    front = site.haproxy(f"http-request set-path /old%[path]\n    server app {app}")
    site.shows(client.status(f"ws://{front}/v2/chat") == 404, "through it 404")
    site.shows(client.status(f"ws://{app}/v2/chat") == 101, "straight it opens")
    return site.diagnose(f"ws://{front}/v2/chat", direct=app)


@case("haproxy-redirects-to-tls", fault="ws-handshake-redirect", group="establish")
def redirects_to_tls(site):
    front = site.haproxy(f"http-request redirect scheme https code 302\n    server app {service.echo(site)}")
    site.shows(client.status(f"ws://{front}/chat") == 302, "it redirects")
    return site.diagnose(f"ws://{front}/chat")


@case("catch-all-page-of-caddy", fault="ws-handshake-200-html", group="establish")
def catch_all(site):
    (site.folder / "index.html").write_text("<!doctype html><html><title>Board</title><main id=app></main></html>")
    front = site.caddy(f"root * {site.folder}\ntry_files {{path}} /index.html\nfile_server")
    site.shows(client.status(f"ws://{front}/socket") == 200, "the page comes")
    return site.diagnose(f"ws://{front}/socket")


@case("upgrade-lost-at-haproxy", fault="ws-upgrade-stripped", group="establish")
def lost_at_haproxy(site):
    app = site.node("ws-server.mjs")
    front = site.haproxy(f"http-request del-header Upgrade\n    http-request del-header Connection\n    server app {app}")
    site.shows(client.status(f"ws://{front}/") in (400, 426), "the upgrade is lost")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("sink-with-a-limit", fault="message-too-big-1009", group="limits")
def sink_with_limit(site):
    """It takes messages and never says anything; one above 20000 bytes ends it with 1009."""
    def speak(sock, rest):
        for opcode, _, payload in service.frames(sock, rest):
            if opcode == 9:
                sock.sendall(wire.frame(10, payload))
            elif opcode == 8 or len(payload) > 20_000:
                return sock.sendall(wire.frame(8, payload if opcode == 8 else (1009).to_bytes(2, "big")))

    app = site.raw(service.joined(speak))
    site.shows(client.ending(f"ws://{app}/", ["x" * 20_001], seconds=5)[0] == 1009, "it is too long")
    return site.diagnose(f"ws://{app}/", "--checks", "size", "--message-max", "64KiB")


@trap("token-of-a-form-is-missing", group="establish", also=ANY_HONEST,
      wrong={"ws-origin-403", "ws-upgrade-stripped", "ws-path-mismatch-404"})
def form_token(site):
    """403 whatever the origin, though the answer speaks of one."""
    body = b'{"error":"csrf","detail":"token missing; check referer and origin"}'
    app = site.raw(service.answers("403 Forbidden", {"Content-Type": "application/json"}, body))
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/", "Origin: https://a.example\r\n") == 403, "it is forbidden")
    return site.diagnose(f"ws://{front}/", "--origin", "https://a.example", direct=app)


@trap("job-that-is-done", group="lifetime", also={"sse-no-resume"}, wrong={
    "max-lifetime", "http-server-timeout-applied-to-stream", "idle-timeout-l7-proxy", "sse-idle-cut-no-comment-heartbeat",
    "sse-retry-storm", "server-crash-or-oom"})
def job_is_done(site):
    """The progress of a job: twelve events and the end of the body, as announced."""
    app = site.raw(service.events(every=0.3, count=12, event=lambda number: f"event: progress\ndata: {number * 8}"))
    _, pieces, _ = client.stream(f"http://{app}/jobs/7", seconds=8)
    site.shows(pieces[-1][1].endswith(b"0\r\n\r\n"), "it is over")
    return site.diagnose(f"http://{app}/jobs/7", "--checks", "flush,idle", "--idle-max", "8s")


@trap("nonsense-is-answered-by-an-error", group="closes", also={"echo-altered"}, wrong={
    "messages-lost", "server-exception-1011-or-overload-1012-1013", "handler-exits-early", "message-too-big-1009",
    "ws-subprotocol-mismatch"})
def errors_for_nonsense(site):
    """An API that answers what is no JSON of its own by an error, and stays."""
    def handler(connection):
        for _ in connection:
            connection.send(json.dumps({"ok": False, "error": {"code": "bad_request"}}))

    app = service.websocket(site, handler)
    with client.websocket(f"ws://{app}/") as connection:
        connection.send("hello")
        site.shows("bad_request" in connection.recv(timeout=5), "it answers")
    return site.diagnose(f"ws://{app}/", *ALL)


@trap("timer-of-half-a-minute", group="lifetime", wrong={"idle-timeout-l7-proxy", "idle-timeout-l4-cloud", "max-lifetime"})
def beyond_the_look(site):
    """A timer that would end a silent stream after 30 s does nobody harm within 6."""
    app = service.echo(site)
    front = site.haproxy(f"timeout tunnel 30s\n    server app {app}")
    site.shows(client.ending(f"ws://{front}/", seconds=3) is None, "it lives")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@trap("self-signed-and-over", group="establish", right={"tls-cert-expired-or-untrusted"},
      wrong={"tls-plaintext-mismatch", "alpn-h2-blocks-upgrade"})
def self_signed(site):
    """A certificate of an authority that nobody knows, for the right name."""
    port = service.echo(site, ssl=context(site.authority("other").issue("site"))).partition(":")[2]
    authority = site.authority()
    site.shows(client.connect(f"http://localhost:{port}"), "something listens")
    return site.diagnose(f"wss://localhost:{port}/", trust=authority.pem)


@trap("answer-and-a-normal-close", group="closes", also={"handler-exits-early"}, wrong={
    "server-crash-or-oom", "max-lifetime", "idle-timeout-l7-proxy", "http-server-timeout-applied-to-stream",
    "server-exception-1011-or-overload-1012-1013", "token-expiry-close"})
def one_answer(site):
    """One question, one answer, and a normal Close: so is the API."""
    def handler(connection):
        connection.recv()
        connection.send("42")

    app = service.websocket(site, handler)
    site.shows(client.ending(f"ws://{app}/", ["question"])[0] == 1000, "it closes as one should")
    return site.diagnose(f"ws://{app}/", "--checks", "handshake,latency")
