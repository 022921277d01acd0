"""What looks like another fault, and two causes at once."""

import threading
import time

from harness import wire

from .. import client, service
from ..case import ANY_HONEST, trap
from .capacity import crowd
from .delay import round_trips
from .establish import UPGRADE, context, refused
from .lifetime import IDLE
from .sse import FLUSH, PLAIN, first_event


@trap("slow-start-then-fast", group="establish", wrong={"upstream-handshake-hang-504", "accept-queue-overflow"},
      also={"server-processing-slow", "event-loop-stall-or-gc-pause"})
def slow_start(site):
    def handshake_slowly(connection, request):
        time.sleep(1.5)

    app = service.echo(site, process_request=handshake_slowly)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}")
    site.shows(client.echoes(f"ws://{front}/"), "slow, but it works")
    return site.diagnose(f"ws://{front}/", "--checks", "handshake", direct=app)


@trap("buffering-proxy-that-does-not-hold", group="sse", wrong={"sse-proxy-buffering", "sse-app-not-flushing"})
def does_not_hold(site):
    app = site.raw(service.events(every=0.25))
    front = site.nginx(f"location / {{ {PLAIN} proxy_buffering on; proxy_buffers 64 64k; proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{front}/events") < 0.4, "chunks pass at once")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@trap("one-message-and-an-idle-timer", group="lifetime", right={"handler-exits-early", "idle-timeout-l7-proxy"},
      wrong={"max-lifetime"})
def one_message_and_timer(site):
    app = service.websocket(site, lambda connection: connection.send(connection.recv()))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_read_timeout 3s; proxy_pass http://{app}; }}")
    site.shows(client.ending(f"ws://{front}/", ["hello"])[0] == 1000, "it closes after one message")
    site.shows(client.ending(f"ws://{front}/")[0] == 1006, "a quiet one is cut")
    return site.diagnose(f"ws://{front}/", "--checks", "handshake,idle", "--idle-max", "12s", direct=app)


@trap("redirect-to-a-login-page", group="establish", right={"ws-auth-401"}, wrong={"ws-handshake-redirect"})
def login_page(site):
    app = site.raw(service.answers("302 Found", {"Location": "https://sso.example.com/login?next=%2Fws"}))
    site.shows(client.status(f"ws://{app}/ws") == 302, "it redirects to the login")
    return site.diagnose(f"ws://{app}/ws")


@trap("maintenance-503-of-the-app", group="establish", also=ANY_HONEST,
      wrong={"upstream-down-502-503", "edge-rate-limit-or-ban", "upstream-queue-timeout-503", "stale-upstream-address"})
def maintenance(site):
    headers = {"Content-Type": "application/json", "Retry-After": "600"}
    app = site.raw(service.answers("503 Service Unavailable", headers, b'{"message":"down for maintenance"}'))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") == client.status(f"ws://{app}/") == 503, "the app says 503")
    return site.diagnose(f"ws://{front}/", direct=app)


@trap("too-many-requests-of-the-app", group="establish", also={"edge-rate-limit-or-ban"},
      wrong={"ws-auth-401", "upstream-down-502-503", "ws-origin-403"})
def too_many_requests(site):
    app = site.raw(service.answers("429 Too Many Requests", {"Retry-After": "30"}, b"quota of this key is used up\n"))
    site.shows(client.status(f"ws://{app}/") == 429, "it says 429")
    return site.diagnose(f"ws://{app}/", "-H", "Authorization: Bearer good")


@trap("gzip-asked-but-flushed", group="sse", wrong={"sse-gzip-buffering", "sse-proxy-buffering", "sse-app-not-flushing"})
def gzip_flushed(site):
    app = site.raw(service.events(every=0.2, headers="X-Accel-Buffering: no\r\n"))
    front = site.nginx(
        f"location / {{ {PLAIN} gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;"
        f" proxy_pass http://{app}; }}")
    head, pieces, _ = client.stream(f"http://{front}/events", seconds=2, headers="Accept-Encoding: gzip\r\n")
    site.shows(b"Content-Encoding: gzip" in head and len(pieces) > 6, "it is compressed, and comes at once")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@trap("quiet-for-four-seconds-by-nature", group="sse",
      wrong={"sse-proxy-buffering", "sse-app-not-flushing", "timer-batching", "sse-malformed-framing"})
def quiet_by_nature(site):
    app = site.raw(service.events(every=2, quiet=4))
    front = site.nginx(f"location / {{ {PLAIN} proxy_pass http://{app}; }}")
    site.shows(3.5 < first_event(f"http://{front}/events") < 4.5, "there is nothing to tell before")
    return site.diagnose(f"http://{front}/events", "--checks", "flush", direct=app)


@trap("bursts-by-nature", group="sse", wrong={"sse-proxy-buffering", "sse-app-not-flushing", "sse-gzip-buffering"},
      also={"timer-batching"})
def bursts_by_nature(site):
    app = site.raw(service.events(every=1, together=5))
    front = site.haproxy(f"server app {app}")
    site.shows(first_event(f"http://{front}/events") < 0.5, "they come when they are made")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@trap("held-by-nginx-and-of-the-wrong-type", group="sse",
      right={"sse-proxy-buffering", "sse-wrong-content-type-or-status"})
def held_and_wrong_type(site):
    app = site.raw(service.events(every=0.1, form="close", kind="text/plain"))
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{front}/events") > 2 > 1 > first_event(f"http://{app}/events"), "nginx holds it")
    return site.diagnose(f"http://{front}/events", *FLUSH, direct=app)


@trap("refused-whatever-the-origin", group="establish", also=ANY_HONEST, wrong={"ws-origin-403", "ws-upgrade-stripped"})
def whatever_the_origin(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} deny all; proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") == 403, "nginx denies all")
    return site.diagnose(f"ws://{front}/", "--origin", "https://app.example.com", direct=app)


@trap("slow-handler-behind-a-small-limit", group="limits", right={"message-too-big-1009", "server-processing-slow"})
def slow_and_small(site):
    def handler(connection):
        for message in connection:
            time.sleep(0.35)
            connection.send(message)

    app = service.websocket(site, handler, max_size=4096)
    site.shows(client.ending(f"ws://{app}/", ["x" * 4097])[0] == 1009, "large messages are refused")
    site.shows(min(round_trips(f"ws://{app}/", 3)) > 0.3, "small ones are slow")
    return site.diagnose(f"ws://{app}/", "--checks", "size,latency", "--message-max", "64KiB")


@trap("few-connections-by-licence", group="capacity", also=ANY_HONEST, wrong={
    "fd-limit-proxy", "nginx-worker-connections", "accept-queue-overflow", "upstream-queue-timeout-503"})
def by_licence(site):
    """The app itself refuses the fifth connection, also straight."""
    places = threading.Semaphore(4)

    def process(connection, request):
        if not places.acquire(blocking=False):
            return connection.respond(403, "licence allows 4 sessions\n")
        return None

    def handler(connection):
        try:
            for message in connection:
                connection.send(message)
        finally:
            places.release()

    app = service.websocket(site, handler, process_request=process)
    front = site.haproxy(f"server app {app}")
    seen, _ = crowd(f"ws://{front}/", 6)
    site.shows(seen == [101] * 4 + [403] * 2, f"the fifth is refused: {seen}")
    time.sleep(0.5)
    return site.diagnose(f"ws://{front}/", "--checks", "concurrency", direct=app)


@trap("large-messages-take-their-time", group="limits", wrong={"message-too-big-1009", "mtu-blackhole"})
def large_take_time(site):
    def speak(sock, rest):
        def say(opcode, payload):
            time.sleep(len(payload) / 2e6)
            sock.sendall(wire.frame(opcode, payload))

        service.raw_echo(sock, rest, say)

    app = site.raw(service.joined(speak))
    site.shows(client.echoes(f"ws://{app}/", "x" * 1_000_000), "a large message comes back")
    return site.diagnose(f"ws://{app}/", "--checks", "size")
