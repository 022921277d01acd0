"""Who the client is when a balancer stands in front: believed of trusted peers only."""

import contextlib
import socket
import struct

import pytest

from harness.certificates import Authority, tls_listener
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, handshake, header, read_all, read_head, switching

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BALANCER, STRANGER = "127.0.0.0/8", "192.0.2.0/24"
CLIENT4, CLIENT6 = ("203.0.113.9", 4711), ("2001:db8::7", 4711)


def version_1(source, target=("10.0.0.1", 443)):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {target[0]} {source[1]} {target[1]}\r\n".encode()


def version_2(source=None, command=1, version=2, extensions=b"", length=None):
    """A header with the addresses of TCP, or without any."""
    addresses, family = b"", 0
    if source:
        kind = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
        target = "::1" if kind == socket.AF_INET6 else "10.0.0.1"
        family = 0x21 if kind == socket.AF_INET6 else 0x11
        addresses = socket.inet_pton(kind, source[0]) + socket.inet_pton(kind, target)
        addresses += struct.pack(">HH", source[1], 443)
    rest = addresses + extensions
    length = len(rest) if length is None else length
    return SIGNATURE + struct.pack(">BBH", version << 4 | command, family, length) + rest


AUTHORITY, NOOP = b"\x02\x00\x0bexample.com", b"\x04\x00\x03\x00\x00\x00"
HEADERS = {
    "1, TCP4": (version_1(CLIENT4), CLIENT4),
    "1, TCP6": (version_1(CLIENT6, ("::1", 443)), CLIENT6),
    "1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "1, unknown with addresses": (b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", None),
    "2, TCP over IPv4": (version_2(CLIENT4), CLIENT4),
    "2, TCP over IPv6": (version_2(CLIENT6), CLIENT6),
    "2, IPv4 in IPv6": (version_2(("::ffff:203.0.113.9", 4711)), CLIENT4),
    "2, with extensions": (version_2(CLIENT4, extensions=AUTHORITY + NOOP), CLIENT4),
    "2, local": (version_2(command=0), None),
    "2, local with addresses": (version_2(CLIENT4, command=0), None),
    "2, unspecified": (version_2(), None),
}


@contextlib.contextmanager
def balanced(trusted=BALANCER, is_expected=True, files=None):
    """A gateway that expects the PROXY protocol, and the service behind it."""
    def serve(backend, sock, _):
        sock.sendall(switching(backend.read_head(sock)[0]))
        read_all(sock)

    with Backend(serve) as backend:
        config = config_for(backend.address, extra=f"trusted_peers: [{trusted}]\n")
        if files:
            config = tls_listener(config, files)
        if is_expected:
            config = config.replace("listeners: [{ ", "listeners: [{ proxy_protocol: true, head_timeout: 1m, ")
        with Gateway(config=config) as gateway:
            yield gateway, backend


def seen_by(gateway, backend, sock, request):
    """The client's address of the connection that the request opens, and what the service is told of it."""
    sock.sendall(request)
    assert read_head(sock)[0].startswith(b"HTTP/1.1 101 ")
    [live] = until(gateway.live, "it is open")
    return (live["client"]["ip"], live["client"]["port"]), header(backend.heads[-1], "x-forwarded-for")


@pytest.mark.parametrize("name", HEADERS)
def test_client_address(name):
    wire, client = HEADERS[name]
    with balanced() as (gateway, backend), connect(gateway.port) as sock:
        client = client or sock.getsockname()
        assert seen_by(gateway, backend, sock, wire + handshake()[0]) == (client, client[0])
        sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("wire", [version_1(CLIENT4), version_2(CLIENT4, extensions=NOOP)], ids=["1", "2"])
def test_header_in_pieces(wire):
    """Also its last byte may come with the first of the request, or long before it."""
    with balanced() as (gateway, backend):
        for cut in range(1, len(wire) + 1):
            with connect(gateway.port) as sock:
                sock.sendall(wire[:cut])
                sock.sendall(wire[cut:])
                assert seen_by(gateway, backend, sock, handshake()[0])[0] == CLIENT4, cut
                sock.shutdown(socket.SHUT_RDWR)
            until(lambda: not gateway.live(), "it is over")
        records = gateway.wait_closed(len(wire))
        assert {(record["client"]["ip"], record["client"]["port"]) for record in records} == {CLIENT4}


MALFORMED = {
    "none": b"",
    "1, no addresses": b"PROXY TCP4\r\n",
    "1, nonsense": b"PROXY TCP4 here there 1 2\r\n",
    "1, wrong family": b"PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
    "1, unknown family": b"PROXY UDP4 203.0.113.9 10.0.0.1 4711 443\r\n",
    "1, impossible port": version_1(("203.0.113.9", 65536)),
    "1, lower case": version_1(CLIENT4).lower(),
    "1, one thing too many": version_1(CLIENT4).replace(b"\r", b" 7\r"),
    "1, LF alone": version_1(CLIENT4).replace(b"\r", b""),
    "1, too long": b"PROXY UNKNOWN " + b"f" * 100 + b"\r\n",
    "2, version 3": version_2(CLIENT4, version=3),
    "2, unknown command": version_2(CLIENT4, command=2),
    "2, addresses cut": version_2(CLIENT4, length=4),
    "2, too long": version_2(CLIENT4, extensions=bytes(5000)),
    "2, other signature": version_2(CLIENT4).replace(b"QUIT", b"quit"),
}


def check_refused(gateway, backend, wire, request):
    """No answer, and nothing reaches the service; what follows the header is never looked at."""
    with connect(gateway.port) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(wire + request)
        assert read_all(sock) == b""
    assert backend.connections == 0


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_header(name):
    with balanced() as (gateway, backend):
        check_refused(gateway, backend, MALFORMED[name], handshake()[0])


def test_unfinished_header():
    """Those who leave in the midst of it; the next one is served."""
    with balanced() as (gateway, backend):
        for wire in (version_1(CLIENT4), version_2(CLIENT4)):
            for cut in range(1, len(wire)):
                with connect(gateway.port) as sock:
                    sock.sendall(wire[:cut])
                    sock.shutdown(socket.SHUT_WR)
                    assert read_all(sock) == b"", cut
        assert backend.connections == 0
        with connect(gateway.port) as sock:
            assert seen_by(gateway, backend, sock, version_1(CLIENT4) + handshake()[0])[0] == CLIENT4


@pytest.mark.parametrize("wire", [version_1(CLIENT4), version_2(CLIENT4), b""], ids=["1", "2", "none"])
def test_untrusted_peer(wire):
    """Not from there: neither what it says of a client, nor anything else."""
    with balanced(trusted=STRANGER) as (gateway, backend):
        check_refused(gateway, backend, wire, handshake()[0])


def test_header_that_is_not_expected():
    """A listener for clients does not let them say who they are."""
    with balanced(is_expected=False) as (gateway, backend):
        for wire in (version_1(CLIENT4), version_2(CLIENT4)):
            with connect(gateway.port) as sock:
                sock.sendall(wire + handshake()[0])
                assert b"HTTP/1.1 101" not in read_all(sock)
        assert backend.connections == 0


def test_below_tls(tmp_path):
    authority = Authority(tmp_path / "own")
    with balanced(files=authority.issue("listener")) as (gateway, backend), connect(gateway.port) as sock:
        sock.sendall(version_2(CLIENT6))
        with authority.trust().wrap_socket(sock, server_hostname="localhost") as secured:
            assert seen_by(gateway, backend, secured, handshake()[0]) == (CLIENT6, CLIENT6[0])
            assert header(backend.heads[-1], "x-forwarded-proto") == "https"


SAYS = "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n"
SAID = [
    ("127.0.0.0/8", SAYS, "203.0.113.9", "198.51.100.1, 203.0.113.9, 127.0.0.1"),
    ("127.0.0.0/8, 203.0.113.0/24", SAYS, "198.51.100.1", "198.51.100.1, 203.0.113.9, 127.0.0.1"),
    ("127.0.0.0/8", 'Forwarded: for="[2001:db8::7]:4711";proto=https\r\n', "2001:db8::7", "127.0.0.1"),
    ("127.0.0.0/8", "Forwarded: for=unknown\r\n", "127.0.0.1", "127.0.0.1"),
    (STRANGER, SAYS, "127.0.0.1", "127.0.0.1"),
    (STRANGER, "Forwarded: for=203.0.113.9\r\n", "127.0.0.1", "127.0.0.1"),
]


@pytest.mark.parametrize(("trusted", "says", "client", "told"), SAID)
def test_client_named_by_a_header(trusted, says, client, told):
    """From the right end, as far as trusted peers speak; of others it goes no further."""
    with balanced(trusted, is_expected=False) as (gateway, backend), connect(gateway.port) as sock:
        (ip, _), forwarded = seen_by(gateway, backend, sock, handshake(extra=says)[0])
        assert (ip, forwarded) == (client, told)
        assert header(backend.heads[0], "forwarded") is None or trusted != STRANGER


def test_client_behind_a_trusted_client():
    """A proxy behind the balancer: the PROXY protocol names the proxy, and its header names the client."""
    for source, ip in ((("127.0.0.2", 4711), "203.0.113.9"), (CLIENT6, CLIENT6[0])):
        with balanced() as (gateway, backend), connect(gateway.port) as sock:
            request = version_1(source, ("::1" if ":" in source[0] else "10.0.0.1", 443)) + handshake(extra=SAYS)[0]
            assert seen_by(gateway, backend, sock, request)[0][0] == ip
