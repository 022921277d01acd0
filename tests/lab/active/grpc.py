"""gRPC calls."""

import time

import hyperframe.frame
from harness import http2_end

from .. import client, service
from ..case import case
from .lifetime import IDLE

SIZE = ("--checks", "size")
FIELDS = {":method": "POST", ":scheme": "http", ":authority": "localhost", "content-type": "application/grpc",
          "te": "trailers"}
EMPTY = b"\0\0\0\0\0"


def call(address, method, argument=b"", seconds=10):
    """Messages, code and its text of a call by grpcio that sends this message, or these (`Chat`)."""
    import grpc

    got = []
    with grpc.insecure_channel(address) as channel:
        kind = {"Watch": channel.unary_stream, "Echo": channel.unary_unary, "Chat": channel.stream_stream}[method]
        try:
            answer = kind(f"/lab.Feed/{method}")(argument, timeout=seconds)
            got += [answer] if method == "Echo" else answer
        except grpc.RpcError as error:
            return got, error.code().name, error.details()
    return got, "OK", ""


def http2(serve):
    """What a raw service of HTTP/2 does: `serve(end, seen)` for each thing that comes."""
    def run(sock):
        end = http2_end.End(sock, is_client=False)
        while (seen := end.next()).what not in ("fin", "tcp_rst"):
            serve(end, seen)

    return run


@case("keepalive-below-what-the-server-allows", fault="grpc-too-many-pings", group="grpc")
def too_many_pings(site):
    app = service.grpc(site, every=30)
    sock = client.connect(f"http://{app}", seconds=0.2)
    end, seen = http2_end.End(sock, is_client=True), []
    end.head(1, FIELDS | {":path": "/lab.Feed/Watch"})
    end.data(1, EMPTY, "END_STREAM")
    while not seen or seen[-1].what not in ("goaway ENHANCE_YOUR_CALM", "fin", "tcp_rst"):
        try:
            seen.append(end.next())
        except TimeoutError:
            end.send(hyperframe.frame.PingFrame(0, b"are you?"))
    site.shows(seen[-1].what == "goaway ENHANCE_YOUR_CALM", f"it is sent away: {seen}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", "--checks", "keepalive")


@case("pings-that-grpcio-refuses", fault="grpc-too-many-pings", group="grpc", slow=True)
def pings_refused(site):
    """A server that allows a PING each 30 s, and more strikes than one: a call without them lives."""
    options = [("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000), ("grpc.http2.max_ping_strikes", 2)]
    app = service.grpc(site, options, every=3600)
    got, code, _ = call(app, "Watch", seconds=2)
    site.shows(len(got) == 1 and code == "DEADLINE_EXCEEDED", "the call lives")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", "--idle-max", "58s")


@case("max-connection-age", fault="grpc-max-age-goaway", group="grpc")
def max_age(site):
    app = service.grpc(site, [("grpc.max_connection_age_ms", 2000), ("grpc.max_connection_age_grace_ms", 1000)])
    began = time.monotonic()
    _, code, _ = call(app, "Watch")
    site.shows(code == "UNAVAILABLE" and time.monotonic() - began < 6, f"the stream ends: {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *IDLE)


@case("message-above-the-servers-limit", fault="grpc-message-too-large", group="grpc")
def message_too_large(site):
    app = service.grpc(site, [("grpc.max_receive_message_length", 10_000)])
    _, code, _ = call(app, "Echo", bytes(10_001))
    site.shows(code == "RESOURCE_EXHAUSTED", f"a large message is refused: {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Echo", *SIZE, "--message-max", "64KiB")


@case("message-above-the-default-limit", fault="grpc-message-too-large", group="grpc")
def message_above_default(site):
    app = service.grpc(site)
    _, code, _ = call(app, "Echo", bytes(5 << 20))
    site.shows(code == "RESOURCE_EXHAUSTED", f"5 MiB are refused: {code}")
    # Only who needs more than the default has a fault.
    return site.diagnose(f"grpc://{app}/lab.Feed/Echo", *SIZE, "--message-max", "5MiB")


@case("handler-never-reads", fault="grpc-flow-control-stall", group="grpc")
def never_reads(site):
    def serve(end, seen):
        if seen.what == "head":
            end.head(seen.stream, {":status": "200", "content-type": "application/grpc"})

    app, taken = site.raw(http2(serve)), []

    def messages():
        for number in range(1000):
            taken.append(number)
            yield bytes(1000)

    _, code, _ = call(app, "Chat", messages(), seconds=3)
    site.shows(code == "DEADLINE_EXCEEDED" and len(taken) < 200, f"after {len(taken)} messages nothing goes")
    return site.diagnose(f"grpc://{app}/lab.Feed/Chat", *SIZE)


@case("grpc-to-an-http1-listener", fault="grpc-http1-or-plaintext-endpoint", group="grpc")
def http1_listener(site):
    front = site.nginx("location / { return 200; }")
    _, code, _ = call(front, "Watch")
    site.shows(code == "UNAVAILABLE", f"there is no HTTP/2: {code}")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch")


@case("grpc-to-an-http1-app", fault="grpc-http1-or-plaintext-endpoint", group="grpc")
def http1_app(site):
    app = site.node("site.mjs")
    _, code, _ = call(app, "Watch")
    site.shows(code == "UNAVAILABLE", f"there is no HTTP/2: {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch")


@case("tls-in-front-without-alpn", fault="grpc-alpn-missing", group="grpc")
def without_alpn(site):
    authority, app = site.authority(), service.grpc(site)
    front = site.raw(service.secured(authority.issue("site"), service.relay(app)))
    url = f"localhost:{front.partition(':')[2]}"
    sock = client.connect(f"https://{url}", authority.pem, ["h2"])
    site.shows(sock.selected_alpn_protocol() is None, "no protocol is chosen")
    return site.diagnose(f"grpcs://{url}/lab.Feed/Watch", trust=authority.pem)


@case("nginx-grpc-pass-to-a-dead-port", fault={"grpc-non-grpc-reply", "upstream-down-502-503"}, group="grpc")
def grpc_pass_dead(site):
    front = site.nginx(f"location / {{ grpc_pass grpc://{site.closed_port()}; }}", listen="http2")
    _, code, _ = call(front, "Watch")
    site.shows(code == "UNAVAILABLE", f"a page comes: {code}")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch")


@case("page-in-place-of-the-service", fault="grpc-non-grpc-reply", group="grpc")
def page_instead(site):
    (site.folder / "index.html").write_text("<!doctype html><title>Shop</title>")
    app = service.grpc(site)
    front = site.nginx(f"root {site.folder}; location / {{ try_files /index.html =404; }}", listen="http2")
    end = http2_end.End(client.connect(f"http://{front}"), is_client=True)
    end.head(1, FIELDS | {":path": "/lab.Feed/Watch"})
    end.data(1, EMPTY, "END_STREAM")
    site.shows(end.next().data[":status"] in ("200", "405"), "nginx answers by itself")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch", direct=app)


@case("trailers-are-lost", fault="grpc-non-grpc-reply", group="grpc")
def trailers_lost(site):
    def serve(end, seen):
        if seen.what == "head":
            end.head(seen.stream, {":status": "200", "content-type": "application/grpc"})
            end.data(seen.stream, EMPTY, "END_STREAM")

    app = site.raw(http2(serve))
    _, code, _ = call(app, "Watch")
    site.shows(code != "OK", f"there are no trailers: {code}")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch")


@case("nginx-grpc-read-timeout", fault="grpc-proxy-read-timeout", group="grpc")
def read_timeout(site):
    app = service.grpc(site, every=60)
    front = site.nginx(f"location / {{ grpc_read_timeout 2s; grpc_pass grpc://{app}; }}", listen="http2")
    began = time.monotonic()
    got, code, _ = call(front, "Watch")
    site.shows(len(got) == 1 and code != "OK" and time.monotonic() - began < 4, f"it is cut: {code}")
    return site.diagnose(f"grpc://{front}/lab.Feed/Watch", *IDLE, direct=app)


@case("deadline-over-a-subscription", fault="grpc-deadline-on-stream", group="grpc")
def deadline(site):
    app = service.grpc(site)
    _, code, _ = call(app, "Watch", seconds=2)
    site.shows(code == "DEADLINE_EXCEEDED", "the client's deadline ends it")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", "-H", "grpc-timeout: 2S", "--checks", "deadline")
