"""Connections that do not come about."""

import json
import socket
import ssl
import time

from harness import http2_end, wire

from .. import client, service
from ..case import case

UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
)


@case("nginx-strips-the-upgrade", fault="ws-upgrade-stripped", group="establish")
def nginx_without_upgrade(site):
    app = site.node("ws-server.mjs")
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") in (400, 426), "nginx strips the upgrade")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("nginx-speaks-http10-to-the-service", fault="ws-upgrade-stripped", group="establish")
def nginx_http10(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") == 505, "the library complains of HTTP/1.0")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("nginx-strips-the-upgrade-direct-unknown", fault="ws-upgrade-stripped", group="establish")
def nginx_without_upgrade_alone(site):
    app = site.node("ws-server.mjs")
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") in (400, 426), "nginx strips the upgrade")
    return site.diagnose(f"ws://{front}/")


@case("caddy-drops-upgrade", fault="ws-upgrade-stripped", group="establish")
def caddy_drops_upgrade(site):
    app = site.node("ws-server.mjs")
    front = site.caddy(f"reverse_proxy {app} {{\n header_up -Upgrade\n header_up -Connection\n }}")
    site.shows(client.status(f"ws://{front}/") in (400, 426), "Caddy drops the upgrade")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("envoy-without-upgrade-config", fault="ws-upgrade-stripped", group="establish")
def envoy_without_upgrade(site):
    app = service.echo(site)
    front = site.envoy(app)
    site.shows(client.status(f"ws://{front}/") == 403, "Envoy refuses an upgrade that is not configured")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("slash-at-the-end-redirected", fault="ws-handshake-redirect", group="establish")
def trailing_slash_redirect(site):
    app = service.echo(site)
    front = site.nginx(f"location = /ws {{ return 308 /ws/; }} location /ws/ {{ {UPGRADE} proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/ws") == 308, "it redirects")
    return site.diagnose(f"ws://{front}/ws", direct=app)


@case("all-to-https", fault="ws-handshake-redirect", group="establish")
def everything_to_https(site):
    front = site.nginx("return 301 https://$host$request_uri;")
    site.shows(client.status(f"ws://{front}/ws") == 301, "it redirects")
    return site.diagnose(f"ws://{front}/ws")


@case("page-of-an-spa-instead", fault="ws-handshake-200-html", group="establish")
def spa_fallback(site):
    (site.folder / "index.html").write_text("<!doctype html><title>Shop</title><div id=root></div>")
    app = service.echo(site)
    front = site.nginx(f"root {site.folder}; location / {{ try_files $uri /index.html; }}")
    site.shows(client.status(f"ws://{front}/ws") == 200, "the page is served")
    return site.diagnose(f"ws://{front}/ws", direct=app)


def only_at(path):
    return service.refuse(lambda request: None if request.path == path else (404, "no such endpoint\n"))


@case("prefix-stripped", fault="ws-path-mismatch-404", group="establish")
def prefix_stripped(site):
    app = service.echo(site, process_request=only_at("/ws/chat"))
    front = site.nginx(f"location /ws/ {{ {UPGRADE} proxy_pass http://{app}/; }}")
    site.shows(client.status(f"ws://{front}/ws/chat") == 404, "the prefix is stripped")
    site.shows(client.status(f"ws://{app}/ws/chat") == 101, "the app knows the path")
    return site.diagnose(f"ws://{front}/ws/chat", direct=app)


@case("prefix-added-by-haproxy", fault="ws-path-mismatch-404", group="establish")
def prefix_added(site):
    app = service.echo(site, process_request=only_at("/socket"))
    front = site.haproxy(f"http-request set-path /api%[path]\nserver app {app}")
    site.shows(client.status(f"ws://{front}/socket") == 404, "the prefix is added")
    return site.diagnose(f"ws://{front}/socket", direct=app)


@case("origin-not-on-the-list", fault="ws-origin-403", group="establish")
def origin_not_listed(site):
    app = service.echo(site, origins=["https://old.example.com", None])
    new = "https://new.example.com"
    site.shows(client.status(f"ws://{app}/", f"Origin: {new}\r\n") == 403, "the new origin is refused")
    site.shows(client.status(f"ws://{app}/") == 101, "without one it opens")
    return site.diagnose(f"ws://{app}/", "--origin", new)


@case("proxy-changes-host-under-origin-check", fault="ws-origin-403", group="establish")
def host_changed(site):
    def same_origin(request):
        origin, host = request.headers.get("Origin"), request.headers["Host"]
        return None if origin in (None, f"http://{host}") else (403, "origin not allowed\n")

    app = service.echo(site, process_request=service.refuse(same_origin))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}")
    own = f"http://{front}"
    site.shows(client.status(f"ws://{front}/", f"Origin: {own}\r\n") == 403, "Host is not Origin behind the proxy")
    return site.diagnose(f"ws://{front}/", "--origin", own, direct=app)


def bearer(request):
    if request.headers.get("Authorization") == "Bearer good":
        return None
    return 401, "token missing or expired\n"


@case("token-expired-401", fault="ws-auth-401", group="establish")
def token_expired(site):
    app = service.echo(site, process_request=service.refuse(bearer))
    site.shows(client.status(f"ws://{app}/", "Authorization: Bearer old\r\n") == 401, "the token is refused")
    return site.diagnose(f"ws://{app}/", "-H", "Authorization: Bearer old")


@case("login-asked-for-by-403", fault="ws-auth-401", group="establish")
def login_by_403(site):
    def decide(request):
        return None if "sid=new" in (request.headers.get("Cookie") or "") else (403, "please log in\n")

    app = service.echo(site, process_request=service.refuse(decide))
    site.shows(client.status(f"ws://{app}/", "Cookie: sid=old\r\n") == 403, "the cookie is refused")
    return site.diagnose(f"ws://{app}/", "-H", "Cookie: sid=old")


@case("no-credentials-401-behind-haproxy", fault="ws-auth-401", group="establish")
def no_credentials(site):
    headers = {"WWW-Authenticate": 'Bearer realm="chat", error="invalid_token"', "Content-Type": "application/json"}
    app = site.raw(service.answers("401 Unauthorized", headers, b'{"error":"unauthorized"}'))
    front = site.haproxy(f"server app {app}")
    site.shows(client.status(f"ws://{front}/") == 401, "it is refused")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("session-cookie-unknown-403", fault="ws-auth-401", group="establish")
def session_unknown(site):
    def session(request):
        return None if "session=live" in request.headers.get("Cookie", "") else (403, "session expired, log in again\n")

    app = service.echo(site, process_request=service.refuse(session))
    site.shows(client.status(f"ws://{app}/", "Cookie: session=old\r\n") == 403, "the cookie is refused")
    return site.diagnose(f"ws://{app}/", "-H", "Cookie: session=old")


@case("subprotocol-not-answered", fault="ws-subprotocol-mismatch", group="establish")
def subprotocol_not_answered(site):
    app = service.echo(site)
    answer = client.handshake(f"ws://{app}/", "Sec-WebSocket-Protocol: mqtt\r\n")
    site.shows(answer.status == 101 and not answer.header("sec-websocket-protocol"), "none is chosen")
    return site.diagnose(f"ws://{app}/", "--subprotocol", "mqtt")


@case("subprotocol-never-offered", fault="ws-subprotocol-mismatch", group="establish")
def subprotocol_never_offered(site):
    app = site.raw(service.joined(service.raw_echo, extra="Sec-WebSocket-Protocol: graphql-ws\r\n"))
    answer = client.handshake(f"ws://{app}/", "Sec-WebSocket-Protocol: graphql-transport-ws\r\n")
    site.shows(answer.header("sec-websocket-protocol") == "graphql-ws", "another is chosen")
    return site.diagnose(f"ws://{app}/", "--subprotocol", "graphql-transport-ws")


@case("constant-accept", fault="ws-accept-mismatch", group="establish")
def constant_accept(site):
    def switching(head):
        right = wire.header(head, "sec-websocket-key").encode()
        return wire.switching(head).replace(wire.accept(right.decode()).encode(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    app = site.raw(service.joined(service.raw_echo, switching))
    answer = client.handshake(f"ws://{app}/")
    site.shows(answer.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "it is that of the RFC")
    return site.diagnose(f"ws://{app}/")


@case("proxy-asks-with-a-key-of-its-own", fault="ws-accept-mismatch", group="establish")
def key_of_its_own(site):
    def asks(data):
        key = wire.header(data, "sec-websocket-key") if data.startswith(b"GET ") else None
        return data.replace(key.encode(), b"dGhlIHNhbXBsZSBub25jZQ==") if key else data

    app = service.echo(site)
    front = site.raw(service.relay(app, up=lambda: asks))
    site.shows(client.handshake(f"ws://{front}/").header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
               "the answer is to the proxy's key")
    return site.diagnose(f"ws://{front}/", direct=app)


def refused(url, trust=None):
    """Why a client that trusts these does not agree on TLS; none when it does."""
    context = ssl.create_default_context(cafile=trust)
    host, _, port = url.rpartition("/")[2].partition(":")
    try:
        with socket.create_connection((host, int(port)), 5) as sock, context.wrap_socket(sock, server_hostname=host):
            return None
    except ssl.SSLError as error:
        return error.reason or str(error)


@case("certificate-expired", fault="tls-cert-expired-or-untrusted", group="establish")
def certificate_expired(site):
    authority = site.authority()
    files = authority.issue("expired", until="20240101000000Z")
    port = service.echo(site, ssl=context(files)).partition(":")[2]
    site.shows(refused(f"wss://localhost:{port}", authority.pem), "it is refused")
    return site.diagnose(f"wss://localhost:{port}/", trust=authority.pem)


@case("certificate-of-unknown-authority", fault="tls-cert-expired-or-untrusted", group="establish")
def certificate_untrusted(site):
    port = service.echo(site, ssl=context(site.authority().issue("unknown"))).partition(":")[2]
    site.shows(refused(f"wss://localhost:{port}"), "it is refused")
    return site.diagnose(f"wss://localhost:{port}/")


@case("intermediate-missing", fault="tls-cert-expired-or-untrusted", group="establish")
def intermediate_missing(site):
    root = site.authority()
    files = root.issue_intermediate(site.folder / "middle").issue("leaf")
    port = service.echo(site, ssl=context(files)).partition(":")[2]
    site.shows(refused(f"wss://localhost:{port}", root.pem), "it is refused")
    return site.diagnose(f"wss://localhost:{port}/", trust=root.pem)


def context(files):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*files)
    return made


@case("certificate-of-another-name", fault="tls-name-or-vhost-mismatch", group="establish")
def other_name(site):
    authority = site.authority()
    files = authority.issue("other", "DNS:www.example.com,DNS:example.com")
    port = service.echo(site, ssl=context(files)).partition(":")[2]
    site.shows(refused(f"wss://localhost:{port}", authority.pem), "it is refused")
    return site.diagnose(f"wss://localhost:{port}/", trust=authority.pem)


@case("nginx-sends-no-server-name", fault="tls-name-or-vhost-mismatch", group="establish")
def no_server_name(site):
    """The app finds its site by the server name of TLS, which nginx does not send."""
    authority = site.authority()
    certificate, key = authority.issue("site")
    tls = context((certificate, key))
    tls.sni_callback = lambda _, name, __: None if name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    app = service.echo(site, ssl=tls).replace("127.0.0.1", "localhost")
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass https://{app.replace('localhost', '127.0.0.1')}; }}",
                       listen=f"ssl; ssl_certificate {certificate}; ssl_certificate_key {key}")
    url = f"wss://{front.replace('127.0.0.1', 'localhost')}/"
    site.shows(client.status(f"wss://{app}/", trust=authority.pem) == 101, "straight, with its name, it opens")
    site.shows(client.status(url, trust=authority.pem) == 502, "nginx is refused")
    return site.diagnose(url, direct=app, trust=authority.pem)


@case("h2-only-listener", fault="alpn-h2-blocks-upgrade", group="establish")
def h2_only(site):
    authority = site.authority()

    def serve(sock):
        end = http2_end.End(sock, is_client=False)
        while (seen := end.next()).what not in ("fin", "tcp_rst"):
            if seen.what == "end" or seen.what.startswith("status"):
                end.head(seen.stream, {":status": "404"}, "END_STREAM")

    port = site.raw(service.secured(authority.issue("site"), serve, ["h2"])).partition(":")[2]
    site.shows(client.status(f"wss://localhost:{port}/", trust=authority.pem) == 0, "HTTP/1.1 gets no answer")
    sock = client.connect(f"wss://localhost:{port}/", authority.pem, ["h2", "http/1.1"])
    site.shows(sock.selected_alpn_protocol() == "h2", "it speaks HTTP/2")
    return site.diagnose(f"wss://localhost:{port}/", trust=authority.pem)


@case("extended-connect-promised-in-vain", fault="alpn-h2-blocks-upgrade", group="establish")
def extended_connect_in_vain(site):
    authority = site.authority()

    def serve(sock):
        if sock.selected_alpn_protocol() != "h2":
            return service.joined(service.raw_echo)(sock)
        end = http2_end.End(sock, is_client=False, settings={8: 1})
        while (seen := end.next()).what not in ("fin", "tcp_rst"):
            if seen.what == "head" or seen.what.startswith("status"):
                end.rst(seen.stream, "PROTOCOL_ERROR")

    address = site.raw(service.secured(authority.issue("site"), serve, ["h2", "http/1.1"]))
    url = f"wss://localhost:{address.partition(':')[2]}/"
    site.shows(client.status(url, trust=authority.pem) == 101, "over HTTP/1.1 it opens")
    end = http2_end.End(client.connect(url, authority.pem, ["h2"]), is_client=True)
    end.head(1, {":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/",
                 ":authority": "localhost", "sec-websocket-version": "13"})
    site.shows(end.next().what == "rst PROTOCOL_ERROR", "over HTTP/2 it is reset")
    return site.diagnose(url, "--checks", "http", trust=authority.pem)


@case("wss-to-plain-port", fault="tls-plaintext-mismatch", group="establish")
def wss_to_plain(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}")
    site.shows(refused(f"wss://{front}") == "WRONG_VERSION_NUMBER", "no TLS is spoken there")
    return site.diagnose(f"wss://{front}/")


@case("ws-to-tls-port", fault="tls-plaintext-mismatch", group="establish")
def ws_to_tls(site):
    certificate, key = site.authority().issue("site")
    front = site.nginx("return 200;", listen=f"ssl; ssl_certificate {certificate}; ssl_certificate_key {key}")
    answer = client.handshake(f"ws://{front}/")
    site.shows(answer.status == 400, "nginx wants TLS")
    return site.diagnose(f"ws://{front}/")


@case("ws-to-tls-port-of-an-app", fault="tls-plaintext-mismatch", group="establish")
def ws_to_tls_app(site):
    app = service.echo(site, ssl=context(site.authority().issue("site")))
    site.shows(client.status(f"ws://{app}/") == 0, "there is no answer in HTTP")
    return site.diagnose(f"ws://{app}/")


@case("nginx-upstream-down", fault="upstream-down-502-503", group="establish")
def nginx_upstream_down(site):
    dead = site.closed_port()
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{dead}; }}")
    site.shows(client.status(f"ws://{front}/") == 502, "nginx says 502")
    return site.diagnose(f"ws://{front}/", direct=dead)


@case("haproxy-upstream-down", fault="upstream-down-502-503", group="establish")
def haproxy_upstream_down(site):
    front = site.haproxy(f"server app {site.closed_port()}", defaults="retries 0")
    site.shows(client.status(f"ws://{front}/") == 503, "HAProxy says 503")
    return site.diagnose(f"ws://{front}/")


@case("handshake-never-answered", fault="upstream-handshake-hang-504", group="establish")
def handshake_never_answered(site):
    app = site.raw(lambda sock: (wire.read_head(sock), time.sleep(60)))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_read_timeout 2s; proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") == 504, "nginx says 504")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("handshake-hangs-without-proxy", fault="upstream-handshake-hang-504", group="establish")
def handshake_hangs(site):
    app = site.raw(lambda sock: (wire.read_head(sock), time.sleep(60)))
    with client.connect(f"ws://{app}/", seconds=1) as sock:
        sock.sendall(wire.handshake()[0])
        try:
            site.shows(sock.recv(1) is None, "there is no answer")
        except TimeoutError:
            pass
    return site.diagnose(f"ws://{app}/")


@case("proxy-dials-an-old-address", fault="stale-upstream-address", also="upstream-down-502-503", group="establish")
def stale_address(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{site.closed_port()}; }}")
    site.shows(client.status(f"ws://{front}/") == 502, "nginx says 502")
    site.shows(client.status(f"ws://{app}/") == 101, "the app lives elsewhere")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("socketio-upgrade-without-affinity", fault="sticky-session-missing", group="establish")
def without_affinity(site):
    """The URL is that of a page whose session began by polling."""
    servers = " ".join(f"server {site.node('socketio-server.mjs')};" for _ in range(3))
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://app; }}", http=f"upstream app {{ {servers} }}")

    def begin():
        return json.loads(client.get(f"http://{front}/socket.io/?EIO=4&transport=polling")[2][1:])["sid"]

    url = f"ws://{front}/socket.io/?EIO=4&transport=websocket&sid="
    one = url + begin()
    seen = {client.status(one) for _ in range(3)}
    site.shows({400, 101} <= seen, f"only one of three servers knows the session: {seen}")
    return site.diagnose(url + begin())


@case("engineio-3-to-a-server-of-4", fault="protocol-version-mismatch", group="establish")
def old_engine(site):
    app = site.node("socketio-server.mjs")
    url = f"ws://{app}/socket.io/?EIO=3&transport=websocket"
    answer = client.handshake(url)
    site.shows(b"Unsupported protocol version" in answer.body + wire.read_all(answer.sock), "it wants version 4")
    return site.diagnose(url)


@case("dead-name", fault="network-unreachable-or-filtered", group="establish")
def dead_name(site):
    return site.diagnose("wss://chat.nowhere.invalid/ws")


@case("closed-port", fault="network-unreachable-or-filtered", group="establish", also="upstream-down-502-503")
def closed_port(site):
    closed = site.closed_port()
    try:
        client.connect(f"ws://{closed}/")
        site.shows(False, "the port is closed")
    except ConnectionRefusedError:
        pass
    return site.diagnose(f"ws://{closed}/")


@case("packets-dropped-by-a-firewall", fault="network-unreachable-or-filtered", group="establish")
def packets_dropped(site):
    far = site.netns()
    far.nft("table inet filter {\nchain input {\ntype filter hook input priority 0;\ntcp dport 8443 drop\n}\n}\n")
    try:
        socket.create_connection((far.there, 8443), 2)
        site.shows(False, "nothing answers")
    except TimeoutError:
        pass
    return site.diagnose(f"ws://{far.there}:8443/")


@case("nginx-limit-conn-per-address", fault="edge-rate-limit-or-ban", group="establish")
def limit_conn(site):
    app = service.echo(site)
    front = site.nginx(
        f"location / {{ limit_conn one 3; {UPGRADE} proxy_pass http://{app}; }}",
        http="limit_conn_zone $binary_remote_addr zone=one:1m;",
    )
    seen = crowd(front, 5)
    site.shows(seen == [101, 101, 101, 503, 503], f"the fourth is refused: {seen}")
    return site.diagnose(f"ws://{front}/", "--checks", "concurrency", direct=app)


@case("nginx-limit-req-per-address", fault="edge-rate-limit-or-ban", group="establish")
def limit_req(site):
    app = service.echo(site)
    front = site.nginx(
        f"location / {{ limit_req zone=one burst=3 nodelay; limit_req_status 429; {UPGRADE} proxy_pass http://{app}; }}",
        http="limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;",
    )
    seen = crowd(front, 8)
    site.shows(seen[0] == 101 and seen[-1] == 429, f"a burst is refused: {seen}")
    time.sleep(5)
    return site.diagnose(f"ws://{front}/", "--checks", "concurrency", direct=app)


def crowd(address, count, path="/"):
    """Statuses of so many handshakes, whose connections are kept until all have answered."""
    answers = [client.handshake(f"ws://{address}{path}") for _ in range(count)]
    for answer in answers:
        answer.sock.close()
    return [answer.status for answer in answers]


@case("mtu-black-hole", fault="mtu-blackhole", group="establish")
def mtu_black_hole(site):
    router = site.netns()
    far = site.netns(behind=router)
    router.nft(
        "table inet filter {\nchain forward {\ntype filter hook forward priority 0;\nip length > 1300 drop\n}\n}\n")
    app = far.python(echo_program(site))
    site.shows(client.echoes(f"ws://{app}/", "small"), "small messages pass")
    try:
        client.echoes(f"ws://{app}/", "x" * 4000, seconds=3, close_timeout=0.1)
        site.shows(False, "large messages hang")
    except TimeoutError:
        pass
    return site.diagnose(f"ws://{app}/", "--checks", "size")


def echo_program(site):
    """A program that echoes, on all addresses."""
    program = site.folder / "echo.py"
    program.write_text(ECHO)
    return program


ECHO = """\
import json, socket, websockets.sync.server
def handler(connection):
    for message in connection:
        connection.send(message)
sock = socket.create_server(("0.0.0.0", 0))
print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
websockets.sync.server.serve(handler, sock=sock, compression=None).serve_forever()
"""
