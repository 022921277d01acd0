"""Attacks by upgrades: two sockets are joined only when both sides have agreed, and nothing passes before."""

import threading

import pytest

from harness.attacks import (
    ACCEPT, FORBIDDEN, KEY, MARKER, OK, answered, front, last_answer, read_answer, read_up_to, request, send_apart, status,
    upgrade,
)
from harness.books import balance, messages
from harness.gateway import until
from harness.wire import accept, close_frame, frame, header, read_all, switching

BARE_101 = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE_REQUIRED = b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"


def eager(head):
    """Answers 101 to whatever comes."""
    return switching(head) if header(head, "sec-websocket-key") else BARE_101


NO_HANDSHAKE = {
    **{
        f"version {version}": (upgrade(version=version), 426, "bad_version")
        for version in ("777", "12", "8", "", "13, 8", "8, 13", "013", "+13", "13.0", "13;q=1")
    },
    "no version": (upgrade(version=[]), 426, "bad_version"),
    "version twice": (upgrade(version=["13", "13"]), 426, "bad_version"),
    "versions": (upgrade(version=["13", "8"]), 426, "bad_version"),
    **{
        f"key {key}": (upgrade(key=key), 400, "bad_key")
        for key in (
            "", "AAAA", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAA", "A" * 2000,
            "not in base64 at all!!!!", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAA AAAAAAAAAAAA==", "__________-----------A==",
            f"{KEY}, {KEY}", f'"{KEY}"',
        )
    },
    "no key": (upgrade(key=[]), 400, "bad_key"),
    "key twice": (upgrade(key=[KEY, KEY]), 400, "bad_key"),
    "keys": (upgrade(key=[KEY, KEY.replace("A", "B", 1)]), 400, "bad_key"),
    **{
        f"{method}": (upgrade(f"{method} / HTTP/1.1"), 400, "bad_method")
        for method in ("POST", "PUT", "OPTIONS", "DELETE", "PATCH", "get", "BREW")
    },
    "HTTP/1.0": (upgrade("GET / HTTP/1.0"), 400, "bad_method"),
    "POST with a body": (upgrade("POST / HTTP/1.1", "Content-Length: 2", body=b"hi"), 400, "body_with_upgrade"),
    "GET with a body": (upgrade("GET / HTTP/1.1", "Content-Length: 2", body=b"hi"), 400, "body_with_upgrade"),
    "GET with a request as body": (
        upgrade("GET / HTTP/1.1", f"Content-Length: {len(MARKER)}", body=MARKER), 400, "body_with_upgrade",
    ),
    "a body to come": (upgrade("GET / HTTP/1.1", "Content-Length: 99999"), 400, "body_with_upgrade"),
    "POST in chunks": (
        upgrade("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, "body_with_upgrade",
    ),
    "GET in chunks": (
        upgrade("GET / HTTP/1.1", "Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n"), 400, "body_with_upgrade",
    ),
    "two protocols": (upgrade(upgrade="websocket, h2c"), 400, "bad_connection"),
    "two protocols apart": (upgrade(upgrade=["h2c", "websocket"]), 400, "bad_connection"),
    "no connection": (upgrade(connection=[]), 400, "bad_connection"),
    "connection close": (upgrade(connection="close"), 400, "bad_connection"),
    "connection upgraded": (upgrade(connection="upgraded"), 400, "bad_connection"),
}


@pytest.mark.parametrize("name", NO_HANDSHAKE)
def test_no_handshake(name):
    """U1, U2, U3: the gateway refuses by itself, whatever the backend would have answered."""
    wire, expected, broken = NO_HANDSHAKE[name]
    with front(eager) as attacked:
        answer = attacked.attack(wire, expected)
        assert header(answer.partition(b"\r\n\r\n")[0], "sec-websocket-version") == ("13" if expected == 426 else None)
        assert attacked.reached() == []
        assert attacked.counted() == {broken: 1}
        assert attacked.counted("websocket_handshakes_total", "result") == {"malformed": 1}


HANDSHAKES = {
    "as browsers send it": upgrade(connection="keep-alive, Upgrade"),
    "other case": upgrade(upgrade="WebSocket", connection="UPGRADE"),
    "connection in two fields": upgrade(connection=["keep-alive", "upgrade"]),
    "no body": upgrade("GET / HTTP/1.1", "Content-Length: 0"),
    "spare bits of the key set": upgrade(key="ABCDEFGHIJKLMNOPQRSTUV=="),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_what_is_valid_passes(name):
    """Else a gateway that refuses everything would stand all attacks."""
    with front(eager) as attacked, attacked.connect() as client:
        client.sendall(HANDSHAKES[name])
        head, _ = read_answer(client)
        assert status(head) == 101
        assert attacked.counted() == {}


SECRET = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"


def check_no_tunnel(attacked, wire, reached):
    """The client gets 502 and the end; nothing passes in either direction, and the upstream is let go."""
    assert b"secret" not in attacked.attack(wire, 502)
    until(lambda: attacked.target.ended == attacked.target.connections, "the upstream's connection is closed")
    assert attacked.reached() == [reached]


UNASKED = {
    "GET": request(),
    "POST": request("POST / HTTP/1.1", "Content-Length: 2", body=b"hi"),
    "POST in chunks": request("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n"),
    "OPTIONS": request("OPTIONS / HTTP/1.1"),
    "connection without protocol": request("GET / HTTP/1.1", "Connection: Upgrade"),
    "another protocol": request("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: TLS/1.0"),
    "handshake without Upgrade": upgrade(upgrade=[]),
    "event stream": request("GET / HTTP/1.1", "Accept: text/event-stream"),
}


@pytest.mark.parametrize("answer", [BARE_101, b"HTTP/1.1 101 \r\n\r\n", eager], ids=["websocket", "bare", "valid"])
@pytest.mark.parametrize("name", UNASKED)
def test_unasked_101(name, answer):
    """U4."""
    wire = UNASKED[name]
    with front(lambda head: (answer(head) if callable(answer) else answer) + SECRET) as attacked:
        check_no_tunnel(attacked, wire, wire.partition(b" HTTP")[0].decode())
        assert attacked.counted() == {"non_101_tunnel": 1}
        assert attacked.counted("websocket_handshakes_total", "result") == {}


PROTOCOL, EXTENSIONS = "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"
OFFER = (f"{PROTOCOL}: chat, superchat", f"{EXTENSIONS}: permessage-deflate; client_max_window_bits, x-own")


MUTANTS = {
    **{
        f"accept {value}": (answered(accept=value), (), "bad_accept")
        for value in ("", KEY, ACCEPT.swapcase(), ACCEPT[:-1], f"{ACCEPT}, {ACCEPT}", f'"{ACCEPT}"', accept("B" + KEY[1:]))
    },
    "no accept": (answered(accept=[]), (), "bad_accept"),
    "accept twice": (answered(accept=[ACCEPT, ACCEPT]), (), "bad_accept"),
    "no upgrade": (answered(upgrade=[]), (), "bad_accept"),
    "upgrade to another": (answered(upgrade="h2c"), (), "bad_accept"),
    "upgrade to two": (answered(upgrade="websocket, h2c"), (), "bad_accept"),
    "no connection": (answered(connection=[]), (), "bad_accept"),
    "connection close": (answered(connection="close"), (), "bad_accept"),
    "protocol, none offered": (answered(f"{PROTOCOL}: chat"), (), "bad_subprotocol"),
    "another protocol": (answered(f"{PROTOCOL}: admin"), OFFER, "bad_subprotocol"),
    "protocol in other case": (answered(f"{PROTOCOL}: CHAT"), OFFER, "bad_subprotocol"),
    "two protocols": (answered(f"{PROTOCOL}: chat, superchat"), OFFER, "bad_subprotocol"),
    "protocol twice": (answered(f"{PROTOCOL}: chat", f"{PROTOCOL}: chat"), OFFER, "bad_subprotocol"),
    "no protocol's name": (answered(f"{PROTOCOL}:"), OFFER, "bad_subprotocol"),
    "extension, none offered": (answered(f"{EXTENSIONS}: permessage-deflate"), (), "bad_extension"),
    "another extension": (answered(f"{EXTENSIONS}: x-webkit-deflate-frame"), OFFER, "bad_extension"),
    "another extension behind": (answered(f"{EXTENSIONS}: permessage-deflate, y"), OFFER, "bad_extension"),
    "another extension apart": (answered(f"{EXTENSIONS}: x-own", f"{EXTENSIONS}: y"), OFFER, "bad_extension"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_invalid_101(name):
    """U5."""
    answer, offer, broken = MUTANTS[name]
    with front(lambda _: answer + frame(1, b"secret") + SECRET) as attacked:
        check_no_tunnel(attacked, upgrade("GET / HTTP/1.1", *offer), "GET /")
        assert attacked.counted() == {broken: 1}
        assert attacked.counted("websocket_handshakes_total", "result") == {"invalid_upgrade": 1}


def test_valid_101():
    answer = answered(f"{PROTOCOL}: superchat", f"{EXTENSIONS}: x-own, permessage-deflate; server_no_context_takeover")
    with front(lambda _: answer) as attacked, attacked.connect() as client:
        client.sendall(upgrade("GET / HTTP/1.1", *OFFER))
        head, _ = read_answer(client)
        assert status(head) == 101
        assert header(head, PROTOCOL) == "superchat"
        assert attacked.counted() == {}


def splits(wire):
    """The wire in two, at each boundary."""
    return [(wire[:place], wire[place:]) for place in range(1, len(wire))]


@pytest.mark.parametrize("answer", [FORBIDDEN, OK, UPGRADE_REQUIRED], ids=["403", "200", "426"])
def test_early_data(answer):
    """U6: a request sent behind the handshake, in two segments at each boundary."""
    sent = threading.Semaphore(0)

    def refuse(_):
        assert sent.acquire(timeout=10)
        return answer

    pieces = splits(upgrade() + MARKER)
    with front(refuse) as attacked:
        for first, second in pieces:
            with attacked.connect() as client:
                send_apart(client, first, second)
                sent.release()
                last_answer(client, status(answer))
        assert attacked.reached() == ["GET /"] * len(pieces)
        assert attacked.counted() == {"early_data": len(pieces)}


def test_first_frame_with_the_101():
    """U7: in two segments at each boundary."""
    hello = frame(1, b"hello")
    pieces = splits(answered() + hello)
    left = iter(pieces)
    with front(lambda _: next(left)) as attacked:
        for first, second in pieces:
            with attacked.connect() as client:
                client.sendall(upgrade())
                head, got = read_answer(client)
                assert (status(head), read_up_to(client, len(hello), got)) == (101, hello), (first, second)
        records = balance(attacked.gateway)
        assert [messages(record) for record in records] == [(0, 1)] * len(pieces)


def test_first_frame_with_the_handshake():
    """U7, from the other side: kept until the 101, then delivered."""
    sent = threading.Semaphore(0)

    def switch(_):
        assert sent.acquire(timeout=10)
        return answered()

    hello = frame(1, b"hello", mask=True)
    pieces = splits(upgrade() + hello)
    with front(switch) as attacked:
        for number, (first, second) in enumerate(pieces):
            with attacked.connect() as client:
                send_apart(client, first, second)
                sent.release()
                assert status(read_answer(client)[0]) == 101, (first, second)
                until(lambda n=number: attacked.target.wires[n].endswith(b"\r\n\r\n" + hello), (first, second))
        records = balance(attacked.gateway)
        assert [messages(record) for record in records] == [(1, 0)] * len(pieces)
        assert attacked.target.faults == []
        assert attacked.counted() == {}


SETTINGS = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
H2C = {
    "as RFC 7540 says": ("Upgrade: h2c", SETTINGS, "Connection: Upgrade, HTTP2-Settings"),
    "settings not named": ("Upgrade: h2c", SETTINGS, "Connection: Upgrade"),
    "nothing named": ("Upgrade: h2c", SETTINGS),
    "settings alone": (SETTINGS, "Connection: HTTP2-Settings"),
    "without settings": ("Upgrade: h2c", "Connection: Upgrade"),
    "other case": ("UPGRADE: H2C", SETTINGS.lower(), "CONNECTION: UPGRADE, http2-settings"),
    "in a list": ("Upgrade: TLS/1.0, h2c", SETTINGS, "Connection: close, Upgrade, HTTP2-Settings"),
    "in two fields": ("Upgrade: TLS/1.0", "Upgrade: h2c", SETTINGS, "Connection: Upgrade", "Connection: HTTP2-Settings"),
    "in an empty list": ("Upgrade: ,h2c,", SETTINGS, "Connection: ,Upgrade,HTTP2-Settings,"),
}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("name", H2C)
def test_h2c(name):
    """U8: it is a plain request, and the backend never learns that HTTP/2 was asked for."""
    with front(lambda _: OK) as attacked, attacked.connect() as client:
        client.sendall(request("GET / HTTP/1.1", *H2C[name]) + PREFACE)
        assert status(read_answer(client)[0]) == 200
        read_all(client)
        assert attacked.reached() == ["GET /"]
        fields = dict(attacked.target.requests[0].fields)
        assert not {"upgrade", "http2-settings"} & fields.keys(), fields
        assert "upgrade" not in fields.get("connection", "").lower(), fields
        assert not any(b"PRI" in wire for wire in attacked.target.wires)
        assert attacked.counted() == {"h2c": 1}


@pytest.mark.parametrize("name", H2C)
def test_h2c_accepted_by_the_backend(name):
    """U8: there is no tunnel, and no HTTP/2."""
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + PREFACE[-9:]
    with front(lambda _: switched) as attacked:
        check_no_tunnel(attacked, request("GET / HTTP/1.1", *H2C[name]), "GET /")
        assert attacked.counted() == {"h2c": 1, "non_101_tunnel": 1}


NAMED = {
    "a field of the client": ("X-Secret-Header: 1", None),
    "a field in other case": ("X-SECRET-header: 1", None),
    "credentials": ("Authorization: Basic eA==", None),
    "cookies": ("Cookie: a=b", None),
    "keep-alive": ("Keep-Alive: timeout=5", None),
    "address of the client": ("X-Forwarded-For: 203.0.113.9", "127.0.0.1"),
    "protocol of the client": ("X-Forwarded-Proto: https", "http"),
    "host that was asked": ("X-Forwarded-Host: evil.example", "localhost"),
    "forwarded": ("Forwarded: for=203.0.113.9", None),
    "host": ("Host: localhost", "localhost"),
    "origin": ("Origin: https://evil.example", "https://evil.example"),
    "length": ("Content-Length: 2", "2"),
    "type": ("Content-Type: text/plain", "text/plain"),
    "encoding": ("Content-Encoding: gzip", "gzip"),
}


@pytest.mark.parametrize("connection", ["close, {}", "{}", "keep-alive,{},{}", "close\r\nConnection: {}"])
@pytest.mark.parametrize("name", NAMED)
def test_connection_names_a_field(name, connection):
    """U9: what was said to the gateway alone goes no farther; what the backend relies on cannot be taken away."""
    field, expected = NAMED[name]
    key = field.partition(":")[0]
    lines = [f"Connection: {connection.format(key, key)}", *([field] if key != "Host" else [])]
    body = b"hi" if key == "Content-Length" else b""
    with front(lambda _: OK) as attacked, attacked.connect() as client:
        client.sendall(request("POST / HTTP/1.1", *lines, body=body))
        assert status(read_answer(client)[0]) == 200
        assert attacked.reached() == ["POST /"]
        [seen, _] = attacked.target.requests
        fields = dict(seen.fields)
        assert fields.get(key.lower()) == expected
        assert {"host": "localhost", "x-forwarded-for": "127.0.0.1"}.items() <= fields.items()
        assert key.lower() not in fields.get("connection", "").lower()
        assert seen.body == body


def test_connection_names_the_handshake():
    """U9: nor does it change what was checked."""
    named = "Upgrade, Sec-WebSocket-Key, Sec-WebSocket-Version, Sec-WebSocket-Protocol, Host, Connection"
    with front(lambda _: answered(f"{PROTOCOL}: chat")) as attacked, attacked.connect() as client:
        client.sendall(upgrade("GET / HTTP/1.1", f"{PROTOCOL}: chat", connection=named))
        assert status(read_answer(client)[0]) == 101
        fields = dict(attacked.target.requests[0].fields)
        assert (fields["sec-websocket-key"], fields["sec-websocket-version"]) == (KEY, "13")
        assert (fields["upgrade"], fields["connection"].lower()) == ("websocket", "upgrade")


def test_connection_names_a_field_of_the_answer():
    with front(lambda _: OK.replace(b"\r\n", b"\r\nConnection: X-Inside\r\nX-Inside: 1\r\nX-Outside: 2\r\n", 1)) as attacked:
        with attacked.connect() as client:
            client.sendall(request())
            head, _ = read_answer(client)
            assert (header(head, "x-inside"), header(head, "x-outside")) == (None, "2")


INTERIM = {
    "100": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "102": (b"HTTP/1.1 102 Processing\r\n\r\n",),
    "103": (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",),
    "199": (b"HTTP/1.1 199 \r\n\r\n",),
    "one of each": (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <b>\r\n\r\n"),
    "many": (b"HTTP/1.1 100 Continue\r\n\r\n",) * 20,
    "with the fields of a 101": (answered().replace(b"101 Switching Protocols", b"103 Early Hints"),),
}


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("name", INTERIM)
def test_interim_before_the_101(name, together):
    """U10."""
    hello = frame(1, b"hello")
    pieces = (*INTERIM[name], answered() + hello)
    with front(lambda _: [b"".join(pieces)] if together else pieces) as attacked, attacked.connect() as client:
        client.sendall(upgrade())
        head, got = read_answer(client)
        assert status(head) == 101
        assert read_up_to(client, len(hello), got) == hello
        client.sendall(frame(1, b"back", mask=True) + close_frame(1000, mask=True))
        client.close()
        [record] = balance(attacked.gateway)
        assert messages(record) == (1, 1)


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("wire", [request("GET / HTTP/1.1", "Connection: close"), upgrade()], ids=["plain", "websocket"])
@pytest.mark.parametrize("name", INTERIM)
def test_interim_before_another_answer(name, wire, together):
    """U10: an interim answer upgrades nothing."""
    pieces = (*INTERIM[name], FORBIDDEN)
    with front(lambda _: [b"".join(pieces)] if together else pieces) as attacked:
        attacked.attack(wire, 403)
        assert attacked.reached() == ["GET /"]
