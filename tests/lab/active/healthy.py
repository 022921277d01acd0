"""Controls in which there is nothing to find."""

import json
import time

from .. import client, service
from ..case import healthy
from .establish import UPGRADE, context
from .grpc import call
from .sse import PLAIN, first_event

# What a short examination of all can afford.
ALL = ("--idle-max", "6s")


@healthy("websockets-library", group="establish")
def websockets_library(site):
    app = service.echo(site)
    site.shows(client.echoes(f"ws://{app}/"), "it echoes")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("node-ws", group="establish")
def node_ws(site):
    app = site.node("ws-server.mjs")
    site.shows(client.echoes(f"ws://{app}/"), "it echoes")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("node-ws-with-deflate", group="limits")
def node_ws_deflate(site):
    app = site.node("ws-server.mjs", json.dumps({"perMessageDeflate": True}))
    site.shows(client.echoes(f"ws://{app}/", "x" * 5000, compression="deflate"), "it echoes")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("nginx-as-its-manual-says", group="establish")
def nginx_right(site):
    app = site.node("ws-server.mjs")
    front = site.nginx(f"location / {{ {UPGRADE} proxy_set_header Host $http_host; proxy_pass http://{app}; }}")
    site.shows(client.echoes(f"ws://{front}/"), "it echoes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@healthy("haproxy-with-a-long-tunnel", group="establish")
def haproxy_right(site):
    app = service.echo(site)
    front = site.haproxy(f"server app {app}", defaults="timeout tunnel 1h")
    site.shows(client.echoes(f"ws://{front}/"), "it echoes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@healthy("caddy-by-default", group="establish")
def caddy_right(site):
    app = service.echo(site, compression="deflate")
    front = site.caddy(f"reverse_proxy {app}")
    site.shows(client.echoes(f"ws://{front}/"), "it echoes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@healthy("envoy-with-upgrade-config", group="establish")
def envoy_right(site):
    app = service.echo(site)
    front = site.envoy(app, {"upgrade_configs": [{"upgrade_type": "websocket"}], "stream_idle_timeout": "0s"})
    site.shows(client.echoes(f"ws://{front}/"), "it echoes")
    return site.diagnose(f"ws://{front}/", *ALL, direct=app)


@healthy("tls-of-an-own-authority", group="establish")
def own_authority(site):
    authority = site.authority()
    port = service.echo(site, ssl=context(authority.issue("site"))).partition(":")[2]
    url = f"wss://localhost:{port}/"
    site.shows(client.status(url, trust=authority.pem) == 101, "it opens")
    return site.diagnose(url, *ALL, trust=authority.pem)


@healthy("nginx-with-tls-and-http2", group="establish")
def nginx_tls_http2(site):
    authority, app = site.authority(), service.echo(site)
    certificate, key = authority.issue("site")
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}",
                       listen=f"ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key}")
    url = f"wss://localhost:{front.partition(':')[2]}/"
    site.shows(client.status(url, trust=authority.pem) == 101, "over HTTP/1.1 it opens")
    return site.diagnose(url, *ALL, trust=authority.pem, direct=app)


@healthy("service-that-only-pushes", group="closes")
def only_pushes(site):
    def handler(connection):
        for number in range(10_000):
            connection.send(json.dumps({"price": number}))
            time.sleep(0.25)

    app = service.websocket(site, handler)
    with client.websocket(f"ws://{app}/") as connection:
        site.shows(connection.recv(timeout=5), "it pushes")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("service-that-only-listens", group="closes")
def only_listens(site):
    app = service.websocket(site, lambda connection: [None for _ in connection])
    site.shows(client.ending(f"ws://{app}/", ["hello"], seconds=2) is None, "it stays open")
    return site.diagnose(f"ws://{app}/", *ALL)


@healthy("subprotocol-chosen", group="establish")
def subprotocol_chosen(site):
    app = service.echo(site, subprotocols=["mqtt"])
    answer = client.handshake(f"ws://{app}/", "Sec-WebSocket-Protocol: mqtt\r\n")
    site.shows(answer.header("sec-websocket-protocol") == "mqtt", "it is chosen")
    return site.diagnose(f"ws://{app}/", "--subprotocol", "mqtt", *ALL)


@healthy("origin-on-the-list", group="establish")
def origin_listed(site):
    app = service.echo(site, origins=["https://app.example.com"])
    page = "https://app.example.com"
    site.shows(client.status(f"ws://{app}/", f"Origin: {page}\r\n") == 101, "the page's origin is accepted")
    return site.diagnose(f"ws://{app}/", "--origin", page, *ALL)


@healthy("socketio-over-websocket", group="establish")
def socketio(site):
    app = site.node("socketio-server.mjs")
    url = f"ws://{app}/socket.io/?EIO=4&transport=websocket"
    site.shows(client.status(url) == 101, "it opens")
    return site.diagnose(url, *ALL)


@healthy("nginx-sse-chunked", group="sse")
def sse_chunked(site):
    app = site.raw(service.events(every=0.3))
    front = site.nginx(f"location / {{ {PLAIN} proxy_pass http://{app}; }}")
    site.shows(first_event(f"http://{front}/events") < 0.5, "events come at once though nginx buffers")
    return site.diagnose(f"http://{front}/events", *ALL, direct=app)


@healthy("sse-with-comments-while-quiet", group="sse")
def sse_comments(site):
    app = site.raw(service.events(quiet=3600, comment=1))
    front = site.nginx(f"location / {{ {PLAIN} proxy_read_timeout 3s; proxy_pass http://{app}; }}")
    _, pieces, ended = client.stream(f"http://{front}/events", seconds=5)
    site.shows(not ended and len(pieces) > 3, "comments keep it open")
    return site.diagnose(f"http://{front}/events", *ALL, direct=app)


@healthy("sse-behind-caddy", group="sse")
def sse_caddy(site):
    app = site.raw(service.events(every=0.3))
    front = site.caddy(f"reverse_proxy {app}")
    site.shows(first_event(f"http://{front}/events") < 0.5, "events come at once")
    return site.diagnose(f"http://{front}/events", *ALL, direct=app)


@healthy("grpcio-stream", group="grpc")
def grpcio_stream(site):
    app = service.grpc(site)
    got, _, _ = call(app, "Watch", seconds=1)
    site.shows(len(got) > 2, "messages come")
    return site.diagnose(f"grpc://{app}/lab.Feed/Watch", *ALL)


@healthy("grpcio-echo-behind-nginx", group="grpc")
def grpcio_nginx(site):
    app = service.grpc(site)
    front = site.nginx(f"location / {{ grpc_pass grpc://{app}; client_max_body_size 0; }}", listen="http2")
    site.shows(call(front, "Echo", b"hello") == ([b"hello"], "OK", ""), "it echoes")
    return site.diagnose(f"grpc://{front}/lab.Feed/Echo", "--checks", "handshake", direct=app)


@healthy("grpcio-with-tls", group="grpc")
def grpcio_tls(site):
    authority = site.authority()
    port = service.grpc(site, files=authority.issue("site")).partition(":")[2]
    sock = client.connect(f"grpcs://localhost:{port}", authority.pem, ["h2"])
    site.shows(sock.selected_alpn_protocol() == "h2", "it agrees on h2")
    return site.diagnose(f"grpcs://localhost:{port}/lab.Feed/Watch", "--checks", "handshake", trust=authority.pem)
