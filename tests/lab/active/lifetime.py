"""Connections that are cut when they are quiet, or at an age. Short timers stand for those of a minute."""

import contextlib
import random
import socket
import threading
import time

from harness import wire

from .. import client, service
from ..case import case
from .establish import UPGRADE, echo_program

IDLE = ("--checks", "idle", "--idle-max", "12s")


@case("nginx-read-timeout", fault="idle-timeout-l7-proxy", group="lifetime")
def nginx_read_timeout(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_read_timeout 3s; proxy_pass http://{app}; }}")
    code, seconds = client.ending(f"ws://{front}/")
    site.shows(code == 1006 and 2.5 < seconds < 4.5, f"it is cut after {seconds} s")
    return site.diagnose(f"ws://{front}/", *IDLE, direct=app)


@case("haproxy-tunnel-timeout", fault="idle-timeout-l7-proxy", group="lifetime")
def haproxy_tunnel_timeout(site):
    app = service.echo(site)
    front = site.haproxy(f"server app {app}", defaults="timeout tunnel 2s")
    code, seconds = client.ending(f"ws://{front}/")
    site.shows(code == 1006 and 1.5 < seconds < 3.5, f"it is cut after {seconds} s")
    return site.diagnose(f"ws://{front}/", *IDLE, direct=app)


@case("nginx-read-timeout-direct-unknown", fault="idle-timeout-l7-proxy", group="lifetime")
def nginx_read_timeout_alone(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_read_timeout 4s; proxy_pass http://{app}; }}")
    code, seconds = client.ending(f"ws://{front}/")
    site.shows(code == 1006 and 3.5 < seconds < 5.5, f"it is cut after {seconds} s")
    return site.diagnose(f"ws://{front}/", *IDLE)


@case("hop-that-says-it-is-done", fault="max-lifetime", also="sse-no-resume", group="lifetime")
def says_it_is_done(site):
    """After 3 s a hop ends the body as if the service had no more to say."""
    class Done:
        def __init__(self):
            self.until = time.monotonic() + 3

        def __call__(self, data):
            if self.until is None:
                return None
            if time.monotonic() > self.until:
                self.until = None
                return b"0\r\n\r\n"
            return data

    app = site.raw(service.events(every=0.3))
    front = site.raw(service.relay(app, down=Done))
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=6)
    site.shows(ended and pieces[-1][1].endswith(b"0\r\n\r\n"), "it ends in order")
    return site.diagnose(f"http://{front}/events", "--checks", "flush,idle", "--idle-max", "6s", direct=app)


@case("envoy-stops-and-then-cuts", fault={"max-lifetime", "http-server-timeout-applied-to-stream"}, group="lifetime")
def envoy_stops_and_cuts(site):
    """At its timeout Envoy stops passing on, and cuts a second later."""
    app = site.raw(service.events(every=0.4, event="data: {0}".format))
    front = site.envoy(app, route={"timeout": "3s"})
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=6)
    site.shows(ended and len(pieces) < 9, "it is cut")
    return site.diagnose(f"http://{front}/events", "--checks", "flush,idle", "--idle-max", "6s", direct=app)


@case("envoy-stream-idle-timeout", fault="idle-timeout-l7-proxy", group="lifetime")
def envoy_idle_timeout(site):
    app = service.echo(site)
    front = site.envoy(app, {"upgrade_configs": [{"upgrade_type": "websocket"}], "stream_idle_timeout": "3s"})
    code, seconds = client.ending(f"ws://{front}/")
    site.shows(code == 1006 and 2.5 < seconds < 4.5, f"it is cut after {seconds} s")
    return site.diagnose(f"ws://{front}/", *IDLE, direct=app)


@case("envoy-route-timeout-over-an-event-stream", fault="max-lifetime", group="lifetime")
def envoy_route_timeout(site):
    app = site.raw(service.events(every=0.3))
    front = site.envoy(app, route={"timeout": "4s"})
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=8)
    site.shows(ended and 3.5 < pieces[-1][0] < 5, "it is cut while events come")
    return site.diagnose(f"http://{front}/events", *IDLE, direct=app)


@case("heartbeat-as-long-as-the-timeout", group="lifetime", also="idle-timeout-l7-proxy",
      fault={"heartbeat-period-vs-timeout-race", "idle-timeout-l7-proxy"})
def heartbeat_race(site):
    """The service pings as rarely as nginx cuts; now and then it is too late."""
    def speak(sock, rest):
        def ping():
            with contextlib.suppress(OSError):
                while True:
                    time.sleep(random.uniform(2.0, 3.4))
                    sock.sendall(wire.frame(9, b"alive"))

        threading.Thread(target=ping, daemon=True).start()
        service.raw_echo(sock, rest)

    app = site.raw(service.joined(speak))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_read_timeout 3s; proxy_pass http://{app}; }}")
    ends = [None] * 8

    def hold(number):
        ends[number] = client.ending(f"ws://{front}/", seconds=14)

    threads = [threading.Thread(target=hold, args=(number,)) for number in range(len(ends))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.shows(any(end and end[0] == 1006 for end in ends), f"some are cut: {ends}")
    return site.diagnose(f"ws://{front}/", *IDLE, direct=app)


@case("flow-forgotten-silently", fault="nat-or-firewall-silent-drop", group="lifetime", slow=True)
def forgotten_silently(site):
    return forgotten(site, "drop")


@case("flow-forgotten-and-reset", fault="idle-timeout-l4-cloud", group="lifetime", slow=True)
def forgotten_and_reset(site):
    return forgotten(site, "reject with tcp reset")


def forgotten(site, answer):
    """A router forgets a flow that is quiet for 3 s, and gives this answer to what comes then."""
    router = site.netns()
    far = site.netns(behind=router)
    router.nft(
        "table inet filter {\nchain forward {\ntype filter hook forward priority 0;\n"
        f"ct state established accept\ntcp flags & (syn|ack) == syn accept\n{answer}\n}}\n}}\n")
    router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0",
               "net.netfilter.nf_conntrack_tcp_timeout_established=3")
    app = far.python(echo_program(site))
    site.shows(client.ending(f"ws://{app}/", every=1, seconds=5) is None, "a busy one lives")
    with client.websocket(f"ws://{app}/", close_timeout=0.1) as connection:
        time.sleep(5)
        connection.send("hello")
        try:
            connection.recv(timeout=2)
            site.shows(False, "a quiet one is dead")
        except TimeoutError:
            site.shows(answer == "drop", "nothing comes back")
        except client.ConnectionClosed:
            site.shows(answer != "drop", "it is reset")
    return site.diagnose(f"ws://{app}/", *IDLE)


@case("cut-at-an-age-by-a-proxy", fault="max-lifetime", group="lifetime")
def cut_at_age(site):
    app = service.echo(site)
    front = site.raw(service.relay(app, lifetime=4))
    code, seconds = client.ending(f"ws://{front}/", every=0.5)
    site.shows(code == 1006 and 3.5 < seconds < 5.5, f"it is cut after {seconds} s though busy")
    return site.diagnose(f"ws://{front}/", *IDLE, direct=app)


@case("server-timeout-over-the-socket", fault={"http-server-timeout-applied-to-stream", "max-lifetime"}, group="lifetime")
def server_timeout(site):
    def speak(sock, rest):
        timer = threading.Timer(4, lambda: sock.shutdown(socket.SHUT_RDWR))
        timer.start()
        service.raw_echo(sock, rest)
        timer.cancel()

    app = site.raw(service.joined(speak))
    code, seconds = client.ending(f"ws://{app}/", every=0.5)
    site.shows(code == 1006 and 3.5 < seconds < 5.5, f"it is cut after {seconds} s though busy")
    return site.diagnose(f"ws://{app}/", *IDLE, direct=app)


@case("write-timeout-over-an-event-stream", fault="http-server-timeout-applied-to-stream", group="lifetime")
def write_timeout(site):
    serve = service.events(every=0.3)

    def timed(sock):
        timer = threading.Timer(5, lambda: sock.shutdown(socket.SHUT_RDWR))
        timer.start()
        serve(sock)
        timer.cancel()

    app = site.raw(timed)
    _, pieces, ended = client.stream(f"http://{app}/events", seconds=8)
    site.shows(ended and b"0\r\n\r\n" not in pieces[-1][1], "it is cut while events come")
    return site.diagnose(f"http://{app}/events", *IDLE, direct=app)


@case("token-expires-while-open", fault="token-expiry-close", group="lifetime")
def token_expires(site):
    def speak(sock, rest):
        def expire():
            with contextlib.suppress(OSError):
                sock.sendall(wire.frame(8, (4401).to_bytes(2, "big") + b"token expired"))

        timer = threading.Timer(4, expire)
        timer.start()
        service.raw_echo(sock, rest)
        timer.cancel()

    app = site.raw(service.joined(speak))
    site.shows(client.ending(f"ws://{app}/", every=0.5)[0] == 4401, "it is closed with 4401 though busy")
    return site.diagnose(f"ws://{app}/", "-H", "Authorization: Bearer short", *IDLE)


@case("event-stream-cut-by-nginx", group="lifetime", also="idle-timeout-l7-proxy",
      fault="sse-idle-cut-no-comment-heartbeat")
def stream_cut(site):
    app = site.raw(service.events(count=1, every=60))
    front = site.nginx(
        f'location / {{ proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 3s;'
        f" proxy_pass http://{app}; }}")
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=8)
    site.shows(ended and b"\r\n0\r\n" not in pieces[-1][1], "it is cut without a last chunk")
    return site.diagnose(f"http://{front}/events", *IDLE, direct=app)


@case("event-stream-cut-by-haproxy", group="lifetime", also="idle-timeout-l7-proxy",
      fault="sse-idle-cut-no-comment-heartbeat")
def stream_cut_by_haproxy(site):
    app = site.raw(service.events(count=1, every=60))
    front = site.haproxy(f"server app {app}", defaults="timeout server 3s")
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=8)
    site.shows(ended and b"\r\n0\r\n" not in pieces[-1][1], "it is cut without a last chunk")
    return site.diagnose(f"http://{front}/events", *IDLE, direct=app)
