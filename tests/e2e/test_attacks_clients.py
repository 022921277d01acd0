"""Attacks by clients that never come to the point, or that claim to be someone else."""

import contextlib
import itertools
import ssl
import time

import pytest

from harness.attacks import FORBIDDEN, OK, front, read_answer, read_up_to, request, status, upgrade
from harness.certificates import Authority
from harness.gateway import until
from harness.wire import read_all

TRUSTED_PEER = "127.0.0.2"
TRUSTED = f"trusted_peers: [{TRUSTED_PEER}/32, 10.0.0.0/8]\n"


def drip(client, wire):
    """Sends byte by byte, the last one for ever, until the gateway ends the connection."""
    client.settimeout(0.05)
    deadline = time.monotonic() + 15
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        for place in itertools.count():
            with contextlib.suppress(TimeoutError):
                if client.recv(1024) == b"":
                    return
            assert time.monotonic() < deadline, "the connection is held open"
            client.sendall(wire[place : place + 1] or wire[-1:])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("attacks") / "own")


FIELD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 400
PROXY, PROXY_2 = b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"
SLOW = {
    "silence": ("plain", b"", b""),
    "a request line": ("plain", b"", b"GET /x"),
    "empty lines": ("plain", b"", b"\r\n" * 500),
    "a field": ("plain", b"", FIELD),
    "a field that stops": ("plain", FIELD, b""),
    "a head that stops before its last byte": ("plain", request()[:-1], b""),
    "a handshake": ("plain", b"", upgrade()[:-2] + b"X: y"),
    "a second head": ("second", b"", FIELD),
    "a second head that stops": ("second", FIELD, b""),
    "a preface of HTTP/2 that stops": ("plain", b"PRI * HTTP/2.0\r\n", b""),
    "TLS: silence": ("TLS", b"", b""),
    "TLS: a hello": ("TLS", b"", HELLO),
    "TLS: a hello that stops": ("TLS", HELLO[:100], b""),
    "in TLS: silence": ("in TLS", b"", b""),
    "in TLS: a field": ("in TLS", b"", FIELD),
    "PROXY: silence": ("PROXY", b"", b""),
    "PROXY: a header": ("PROXY", b"", PROXY[:-2]),
    "PROXY: a header that stops": ("PROXY", PROXY_2, b""),
    "behind PROXY: a field": ("PROXY", PROXY, FIELD),
}


@contextlib.contextmanager
def hurried(kind, authority):
    """A gateway that waits 1 s for a head, and a client that has come as far as `kind` says."""
    listener = ", head_timeout: 1s"
    if kind == "PROXY":
        listener += ", proxy_protocol: true"
    elif kind.endswith("TLS"):
        listener += ", tls: {{ cert_file: {}, key_file: {} }}".format(*authority.issue("slow"))
    with front(lambda _: OK, listener, TRUSTED) as attacked, attacked.connect(TRUSTED_PEER) as client:
        if kind == "in TLS":
            client = authority.trust().wrap_socket(client, server_hostname="localhost")
        elif kind == "second":
            client.sendall(request())
            head, rest = read_answer(client)
            assert (status(head), read_up_to(client, 2, rest)) == (200, b"ok")
        yield attacked, client


@pytest.mark.parametrize("name", SLOW)
def test_slow_head(name, authority):
    """H4: it is ended and counted, and nothing of it reaches the backend."""
    kind, at_once, slowly = SLOW[name]
    with hurried(kind, authority) as (attacked, client):
        client.sendall(at_once)
        drip(client, slowly)
        until(lambda: attacked.counted("heartline_refused_total", "reason") == {"timeout": 1}, "it is counted")
        assert len(attacked.target.requests) == (kind == "second")


def test_slow_heads_hold_up_nobody():
    with front(lambda _: OK, ", head_timeout: 60s") as attacked, contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(attacked.connect()).sendall(b"GET / HTTP/1.1\r\nX: y")
        assert attacked.reached() == []


REAL, SPOOFED = "203.0.113.9", "198.51.100.66"
FOR, PROTO, HOST, FORWARDED = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"
UNTRUSTED = {
    "nothing": (),
    FOR: (f"{FOR}: {SPOOFED}",),
    "a chain": (f"{FOR}: {SPOOFED}, 10.0.0.1",),
    "two fields": (f"{FOR}: {SPOOFED}", f"{FOR}: 10.0.0.1"),
    "a trusted peer": (f"{FOR}: {TRUSTED_PEER}",),
    "the peer itself, behind": (f"{FOR}: {SPOOFED}, 127.0.0.1",),
    "no address": (f"{FOR}: unknown",),
    "other case": (f"x-FORWARDED-for: {SPOOFED}",),
    FORWARDED: (f"{FORWARDED}: for={SPOOFED};proto=https;host=evil.example",),
    "both": (f"{FORWARDED}: for={SPOOFED}", f"{FOR}: {SPOOFED}"),
    PROTO: (f"{PROTO}: https",),
    HOST: (f"{HOST}: evil.example",),
    "port": ("X-Forwarded-Port: 443",),
    "prefix": ("X-Forwarded-Prefix: /evil",),
    "server": ("X-Forwarded-Server: evil.example",),
}


def told(attacked, source, *fields):
    """The address in the record of a handshake from `source` with these fields, and what the upstream is told."""
    with attacked.connect(source) as client:
        client.sendall(upgrade("GET / HTTP/1.1", *fields))
        assert status(read_answer(client)[0]) == 403
    [record] = attacked.gateway.wait_closed()
    [seen] = attacked.target.requests
    about = [(name, value) for name, value in seen.fields if name.startswith("x-forwarded-") or name == "forwarded"]
    assert len(dict(about)) == len(about), "each once"
    return record["client"]["ip"], dict(about)


@pytest.mark.parametrize("name", UNTRUSTED)
def test_an_untrusted_peer_speaks_for_nobody(name):
    """H5."""
    with front(lambda _: FORBIDDEN, extra=TRUSTED) as attacked:
        ip, about = told(attacked, "127.0.0.1", *UNTRUSTED[name])
        assert ip == "127.0.0.1"
        assert about == {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "localhost"}


BELIEVED = {
    "nothing": ((), TRUSTED_PEER, TRUSTED_PEER),
    FOR: ((f"{FOR}: {REAL}",), REAL, f"{REAL}, {TRUSTED_PEER}"),
    "spoofed before the peer": ((f"{FOR}: {SPOOFED}, {REAL}",), REAL, f"{SPOOFED}, {REAL}, {TRUSTED_PEER}"),
    "spoofed in a field of its own": ((f"{FOR}: {SPOOFED}", f"{FOR}: {REAL}"), REAL, f"{SPOOFED}, {REAL}, {TRUSTED_PEER}"),
    "spoofed as a trusted one": ((f"{FOR}: 10.0.0.1, {REAL}",), REAL, f"10.0.0.1, {REAL}, {TRUSTED_PEER}"),
    "behind two peers": ((f"{FOR}: {SPOOFED}, {REAL}, 10.0.0.1",), REAL, f"{SPOOFED}, {REAL}, 10.0.0.1, {TRUSTED_PEER}"),
    "no address": ((f"{FOR}: {SPOOFED}, unknown",), TRUSTED_PEER, f"{SPOOFED}, unknown, {TRUSTED_PEER}"),
    FORWARDED: ((f"{FORWARDED}: for={REAL};proto=https",), REAL, TRUSTED_PEER),
    "spoofed in Forwarded": ((f"{FORWARDED}: for={SPOOFED}, for={REAL}",), REAL, TRUSTED_PEER),
    "quoted in Forwarded": ((f'{FORWARDED}: for="{SPOOFED}, for=10.0.0.1", for="{REAL}:4711"',), REAL, TRUSTED_PEER),
    "hidden in Forwarded": ((f"{FORWARDED}: for={SPOOFED}, for=_hidden",), TRUSTED_PEER, TRUSTED_PEER),
    "IPv6": ((f'{FORWARDED}: for="[2001:db8::7]:4711"',), "2001:db8::7", TRUSTED_PEER),
    "mapped": ((f"{FOR}: ::ffff:{REAL}",), REAL, f"::ffff:{REAL}, {TRUSTED_PEER}"),
}


@pytest.mark.parametrize("name", BELIEVED)
def test_a_trusted_peer_is_believed(name):
    """H5: as far as it has seen by itself."""
    fields, expected, chain = BELIEVED[name]
    with front(lambda _: FORBIDDEN, extra=TRUSTED) as attacked:
        ip, about = told(attacked, TRUSTED_PEER, *fields)
        assert (ip, about["x-forwarded-for"]) == (expected, chain)


@pytest.mark.parametrize("spoofed", [f"{FORWARDED}: for={SPOOFED}", f"{FOR}: {SPOOFED}"])
def test_the_field_that_a_trusted_peer_does_not_write(spoofed):
    """H5: most balancers write one of the two and pass the other on as the client has sent it."""
    written = f"{FOR}: {REAL}" if spoofed.startswith(FORWARDED) else f"{FORWARDED}: for={REAL}"
    with front(lambda _: FORBIDDEN, extra=TRUSTED) as attacked:
        ip, _ = told(attacked, TRUSTED_PEER, spoofed, written)
        assert ip != SPOOFED


def test_proxy_protocol_of_an_untrusted_peer():
    with front(lambda _: OK, ", proxy_protocol: true", TRUSTED) as attacked:
        with attacked.connect() as client, contextlib.suppress(ConnectionError):
            client.sendall(PROXY + request())
            assert read_all(client) == b""
        assert attacked.target.wires == []


def test_proxy_protocol_of_a_trusted_peer():
    """H5: the client behind it is no trusted peer, so its fields are not believed."""
    with front(lambda _: FORBIDDEN, ", proxy_protocol: true", TRUSTED) as attacked:
        with attacked.connect(TRUSTED_PEER) as client:
            client.sendall(PROXY + upgrade("GET / HTTP/1.1", f"{FOR}: {SPOOFED}", f"{FORWARDED}: for={SPOOFED}"))
            assert status(read_answer(client)[0]) == 403
        [record] = attacked.gateway.wait_closed()
        assert record["client"] == {"ip": REAL, "port": 1}
        fields = dict(attacked.target.requests[0].fields)
        assert (fields["x-forwarded-for"], fields.get("forwarded")) == (REAL, None)
