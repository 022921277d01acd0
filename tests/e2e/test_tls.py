"""TLS towards clients and towards upstreams: trust is verified, and certificates change under open connections."""

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
import threading

import pytest
import websockets

from harness.books import balance, messages, total
from harness.certificates import Authority, tls_listener
from harness.endings import verdict
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, close_frame, connect, frame, handshake, read_all, read_head, reset, switching


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture(scope="module")
def files(authority):
    return authority.issue("listener")


@contextlib.contextmanager
def echo(context=None):
    """A WebSocket echo, in TLS with a context; `seen` are the heads of requests, `/plain` is no WebSocket."""
    seen, ports, loop, over = [], [], asyncio.new_event_loop(), asyncio.Event()

    def head(connection, request):
        seen.append(request)
        return connection.respond(200, "plain\n") if request.path == "/plain" else None

    async def handler(connection):
        async for message in connection:
            await connection.send(message)

    async def run():
        async with websockets.serve(handler, "127.0.0.1", 0, ssl=context, process_request=head) as server:
            ports.append(server.sockets[0].getsockname()[1])
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        yield until(lambda: ports, "the echo serves")[0], seen
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def talk(url, messages, context=None):
    """Sends each message and takes it back, then closes."""
    async def run():
        async with websockets.connect(url, ssl=context, proxy=None) as client:
            for message in messages:
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(run())


def secure(port, context, name="localhost"):
    """A connection in TLS; an end without close_notify is an error."""
    return context.wrap_socket(connect(port), server_hostname=name, suppress_ragged_eofs=False)


def get(path="/plain"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def test_wss_and_https(authority, files):
    with echo() as (port, seen), Gateway(config=tls_listener(config_for(f"127.0.0.1:{port}"), files)) as gateway:
        with secure(gateway.port, authority.trust()) as sock:
            assert sock.version() == "TLSv1.3"
            sock.sendall(get())
            assert read_all(sock).endswith(b"plain\n"), "read_all ends with close_notify"
        talk(f"wss://localhost:{gateway.port}/chat", ["hello", "你好" * 50_000, b"\x00" * 70_000], authority.trust())
        assert [request.headers["X-Forwarded-Proto"] for request in seen] == ["https", "https"]
        [record] = balance(gateway)
        assert (verdict(record), messages(record)) == ("client normal 1000 1000", (3, 3))
        assert record["client"]["ip"] == "127.0.0.1"


def loose():
    """Takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def old(version):
    context = loose()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    return context


STRANGERS = {
    "trusts another authority": lambda port, _: secure(port, ssl.create_default_context()),
    "wants another name": lambda port, trust: secure(port, trust, "example.com"),
    "TLS 1.1": lambda port, _: secure(port, old(ssl.TLSVersion.TLSv1_1)),
}
TALKERS = {"plain HTTP": get(), "noise": bytes(range(256)), "half a hello": b"\x16\x03\x01\x02\x00\x01", "nothing": b""}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_strangers(authority, files):
    """No handshake, no request; and the next client is served."""
    with echo() as (port, seen), Gateway(config=tls_listener(config_for(f"127.0.0.1:{port}"), files)) as gateway:
        for name, stranger in STRANGERS.items():
            with pytest.raises(ssl.SSLError):
                stranger(gateway.port, authority.trust())
            assert seen == [], name
        for name, talk in TALKERS.items():
            with connect(gateway.port) as sock:
                sock.sendall(talk)
                sock.shutdown(socket.SHUT_WR)
                assert b"HTTP" not in read_all(sock), name
        with secure(gateway.port, authority.trust()) as sock:
            sock.sendall(get())
            assert read_all(sock).endswith(b"plain\n")
        assert len(seen) == 1
        with secure(gateway.port, old(ssl.TLSVersion.TLSv1_2)) as sock:
            assert sock.version() == "TLSv1.2"


def not_after(gateway):
    return total(gateway.metrics(), "heartline_tls_certificate_not_after_timestamp_seconds", role="listener")


def shown(port, name="localhost"):
    """The certificate that a client is shown, and the end of its validity in Unix seconds."""
    with secure(port, loose(), name) as sock:
        pem = ssl.DER_cert_to_PEM_cert(sock.getpeercert(True))
    told = subprocess.check_output(["openssl", "x509", "-noout", "-enddate"], input=pem, text=True, timeout=30)
    return pem, ssl.cert_time_to_seconds(told.strip().partition("=")[2])


def visit(port, context, session=None):
    """One answer over TLS; the session to come back with, and whether that of before was taken up."""
    with context.wrap_socket(connect(port), server_hostname="localhost", session=session) as sock:
        sock.sendall(get())
        read_all(sock)
        return sock.session, sock.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_comes_back_to_its_session_behind_many_others(authority, files, version):
    with echo() as (port, _), Gateway(config=tls_listener(config_for(f"127.0.0.1:{port}"), files)) as gateway:
        context = authority.trust()
        context.minimum_version = context.maximum_version = version
        session, is_reused = visit(gateway.port, context)
        assert not is_reused
        for _ in range(400):
            secure(gateway.port, context).close()
        assert visit(gateway.port, context, session)[1]


def test_one_certificate_for_every_name(files):
    with Gateway(config=tls_listener(config_for("127.0.0.1:1"), files)) as gateway:
        certificates = {shown(gateway.port, name) for name in ("localhost", "example.com", "127.0.0.1", None)}
        [(pem, end)] = certificates
        assert pem.strip() == files[0].read_text().strip()
        assert not_after(gateway) == end


def test_an_expired_certificate_is_shown_and_measured(authority):
    """It is the client who judges it; the gauge is for the alert before."""
    files = authority.issue("expired", until="20200201000000Z")
    with Gateway(config=tls_listener(config_for("127.0.0.1:1"), files)) as gateway:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            secure(gateway.port, authority.trust())
        assert not_after(gateway) == shown(gateway.port)[1]


ENDS = {
    "close_notify": (lambda sock: sock.unwrap(), "client abnormal - -"),
    "FIN without close_notify": (lambda sock: sock.shutdown(socket.SHUT_WR), "client abnormal - -"),
    "RST": (reset, "client reset - -"),
}


@pytest.mark.parametrize("name", ENDS)
def test_client_ends(authority, files, name):
    end, expected = ENDS[name]
    with echo() as (port, _), Gateway(config=tls_listener(config_for(f"127.0.0.1:{port}"), files)) as gateway:
        with secure(gateway.port, authority.trust()) as sock:
            sock.sendall(handshake()[0])
            assert read_head(sock)[0].startswith(b"HTTP/1.1 101 ")
            with contextlib.suppress(ssl.SSLError):
                end(sock)
            [record] = balance(gateway)
        assert verdict(record) == expected, record["causes"]


IN_USE = "a changed certificate is in use"
KEPT = "the old certificate stays in use"


def test_certificates_change_under_open_connections(authority, tmp_path):
    files = tmp_path / "tls.pem", tmp_path / "tls.key"

    def put(certificate, key):
        for source, target in zip((certificate, key), files):
            target.write_bytes(source.read_bytes())

    first, second = authority.issue("first"), authority.issue("second", until="20980101000000Z")
    put(*first)
    with echo() as (port, _), Gateway(config=tls_listener(config_for(f"127.0.0.1:{port}"), files)) as gateway:
        with secure(gateway.port, authority.trust()) as client:
            client.sendall(handshake()[0])
            assert read_head(client)[0].startswith(b"HTTP/1.1 101 ")
            old, end = shown(gateway.port)
            for wrong in [(first[0], second[1]), (first[1], first[1]), (first[0], first[0])]:
                told = len(gateway.logged(KEPT))
                put(*wrong)
                until(lambda n=told: len(gateway.logged(KEPT)) > n, "it is told that the old one stays")
                status, body = gateway.post("/-/reload")
                assert status == 400 and "tls." in body, body
                assert shown(gateway.port)[0] == old
            put(*second)
            until(lambda: shown(gateway.port)[0] != old, "the new one is shown")
            until(lambda: gateway.logged(IN_USE), "it is told that there is a new one")
            new, new_end = shown(gateway.port)
            assert new.strip() == second[0].read_text().strip()
            assert not_after(gateway) == new_end != end
            put(*first)
            assert gateway.post("/-/reload")[0] == 200
            assert shown(gateway.port)[0] == old, "a reload does not wait for the next look at the files"
            for file in files:
                file.unlink()
            client.sendall(frame(1, b"still here", mask=True))
            assert client.recv(12) == frame(1, b"still here")
            assert shown(gateway.port)[0] == old
            client.sendall(close_frame(1000, mask=True))
            assert read_all(client) == close_frame(1000)
        [record] = balance(gateway)
        assert (verdict(record), messages(record)) == ("client normal 1000 1000", (1, 1))


def towards(authority, port, tls="", scheme="https"):
    """A configuration with an upstream in TLS."""
    return config_for(f"{scheme}://127.0.0.1:{port}", route=f"    upstream_tls: {{ ca_file: {authority.pem}{tls} }}\n")


def server_context(files, names=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if names is not None:
        context.sni_callback = lambda sock, name, _: names.append(name)
    return context


REACHED = {
    "by address": ("https", "IP:127.0.0.1", "", None),
    "wss": ("wss", "IP:127.0.0.1", "", None),
    "by another name": ("https", "DNS:chat.example.com", ", server_name: chat.example.com", "chat.example.com"),
    "by a wildcard": ("https", "DNS:*.example.com", ", server_name: chat.example.com", "chat.example.com"),
}


@pytest.mark.parametrize("name", REACHED)
def test_upstream_in_tls(authority, name):
    scheme, alternatives, tls, sni = REACHED[name]
    names = []
    context = server_context(authority.issue("upstream", alternatives), names)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with echo(context) as (port, seen), Gateway(config=towards(authority, port, tls, scheme)) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(get())
            assert read_all(sock).endswith(b"plain\n")
        talk(f"ws://127.0.0.1:{gateway.port}/", ["x" * 200_000])
        [record] = balance(gateway)
        assert verdict(record) == "client normal 1000 1000"
        assert record["upstream"] == f"https://127.0.0.1:{port}"
        assert names == [sni, sni]
        assert [request.headers["Host"] for request in seen] == ["localhost", f"127.0.0.1:{gateway.port}"]


REFUSED = {
    "wrong name": ("DNS:other.example.com", "20990101000000Z", ", server_name: chat.example.com", "TLS: .*name"),
    "wrong address": ("IP:127.0.0.2,DNS:localhost", "20990101000000Z", "", "TLS: .*name"),
    "no name": ("email:a@example.com", "20990101000000Z", "", "TLS: .*name"),
    "expired": ("IP:127.0.0.1", "20200201000000Z", "", "TLS: .*expired"),
}
ASKED = {
    "websocket": (handshake()[0], "websocket_handshakes_total"),
    "sse": (b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", "sse_connections_total"),
}


def check_refused(gateway, advice, seen=()):
    """502 for everybody, a reason for the operator, and nothing of the request for the upstream."""
    with connect(gateway.port) as sock:
        sock.sendall(get())
        assert read_all(sock).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    until(lambda: gateway.logged("a request was not answered"), "it is logged")
    for protocol, (request, counter) in ASKED.items():
        with connect(gateway.port) as sock:
            sock.sendall(request)
            assert read_head(sock)[0].startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        [record] = until(lambda p=protocol: gateway.closed(f"&protocol={p}"), "there is a record")
        assert (record["handshake"]["result"], record["handshake"]["status"]) == ("unreachable", 502)
        assert record["upstream"] is None, "it was not reached"
        assert total(gateway.metrics(), counter, result="unreachable") == 1
        for told in (record["handshake"]["detail"], gateway.logged("a request was not answered")[0]["error"]):
            assert re.search(rf"https://127.0.0.1:\d+: {advice}", told, re.I), told
    assert len(seen) == 0


@pytest.mark.parametrize("name", REFUSED)
def test_upstream_that_is_not_who_it_should_be(authority, name):
    alternatives, end, tls, advice = REFUSED[name]
    context = server_context(authority.issue("stranger", alternatives, end))
    with echo(context) as (port, seen), Gateway(config=towards(authority, port, tls)) as gateway:
        check_refused(gateway, advice, seen)


def test_upstream_of_another_authority(authority, files, tmp_path):
    with echo(server_context(files)) as (port, seen):
        with Gateway(config=towards(Authority(tmp_path / "other"), port)) as gateway:
            check_refused(gateway, "TLS: .*(issuer|authority)", seen)


def test_upstream_without_tls(authority):
    with echo() as (port, seen), Gateway(config=towards(authority, port)) as gateway:
        check_refused(gateway, "TLS: ", seen)


def test_upstream_that_is_silent_in_tls(authority):
    with Backend(lambda _, sock, __: read_all(sock)) as backend:
        config = towards(authority, backend.port) + "    timeouts: { connect: 300ms }\n"
        with Gateway(config=config) as gateway:
            check_refused(gateway, "not connected within 300ms")


UPSTREAM_ENDS = {
    "Close frame": (lambda sock: (sock.sendall(close_frame(1011)), sock.unwrap()), "upstream internal_error - 1011"),
    "close_notify": (lambda sock: sock.unwrap(), "upstream abnormal - -"),
    "FIN without close_notify": (lambda sock: sock.shutdown(socket.SHUT_WR), "upstream abnormal - -"),
    "RST": (reset, "upstream reset - -"),
}


@pytest.mark.parametrize("name", UPSTREAM_ENDS)
def test_upstream_ends(authority, files, name):
    end, expected = UPSTREAM_ENDS[name]
    is_open = threading.Event()

    def serve(_, sock, __):
        with server_context(files).wrap_socket(sock, server_side=True) as secured:
            secured.sendall(switching(read_head(secured)[0]))
            is_open.wait(10)
            end(secured)
            read_all(secured)

    with Backend(serve) as backend, Gateway(config=towards(authority, backend.port)) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(handshake()[0])
            assert read_head(sock)[0].startswith(b"HTTP/1.1 101 ")
            is_open.set()
            read_all(sock)
        [record] = balance(gateway)
        assert verdict(record) == expected, record["causes"]
