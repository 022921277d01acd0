"""Attacks by HTTP/1.1 itself: a request that can be read in two ways, or that is too large, comes to nothing."""

import contextlib
import select
import threading

import pytest

from harness.attacks import (
    FORBIDDEN, OK, Front, Target, front, last_answer, read_answer, read_up_to, request, status, upgrade,
)
from harness.gateway import Gateway, config_for
from harness.wire import read_all

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
FIRST = "POST /first HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"
BAD_LENGTHS = (
    "+5", "-5", "0x5", "5 5", "5, 5", "0, 5", "5,", "", "5.0", "5e0", "1_0", "\x0b5", "five", "18446744073709551616",
    "5;q=1", "'5'", "\xb2",
)
BAD_CODINGS = (
    "xchunked", "chunkedx", "chunked, identity", "chunked, gzip", "identity", "gzip", "", "chunked,", "chunked;q=1",
    '"chunked"', "'chunked'", "\x0bchunked", "chunked\x0b", "chunked x", "chunk\xe9d", "[chunked]",
)
CODINGS = ("chunked", "Chunked", "\tchunked", "chunked, chunked", "gzip, chunked", "identity, chunked", ",chunked", "chunked\t")


def smuggling(*fields, body=LAST_CHUNK, line=FIRST):
    """A request, and another one behind its body that some would take for a part of it."""
    return request(line, *fields, body=body + SMUGGLED)


AMBIGUOUS = {
    **{f"length {value!r}": smuggling(f"Content-Length: {value}", body=b"hello") for value in BAD_LENGTHS},
    **{f"coding {value!r}": smuggling(f"Transfer-Encoding: {value}") for value in BAD_CODINGS},
    **{
        f"length {length}, coding {coding!r}": request(
            FIRST, f"Content-Length: {length}", f"Transfer-Encoding: {coding}"
        )
        for length in ("0", "5", "005", str(len(LAST_CHUNK + SMUGGLED))) for coding in CODINGS + BAD_CODINGS
    },
    "coding before length": smuggling(CHUNKED, "Content-Length: 5"),
    "two lengths": smuggling("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}", body=b""),
    "one length twice": smuggling("Content-Length: 5", "Content-Length: 5", body=b"hello"),
    "two codings": smuggling(CHUNKED, "Transfer-Encoding: identity"),
    "two codings, chunked last": smuggling("Transfer-Encoding: identity", CHUNKED),
    "one coding twice": smuggling(CHUNKED, CHUNKED),
    "space before the colon of length": smuggling("Content-Length : 5", body=b"hello"),
    "space before the colon of coding": smuggling("Transfer-Encoding : chunked"),
    "coding folded": smuggling("Transfer-Encoding:\r\n chunked"),
    "coding behind a fold": smuggling("Content-Length: 5", f"X: y\r\n {CHUNKED}"),
    "coding behind a bare CR": smuggling(f"X: y\r{CHUNKED}"),
    "length behind a bare LF": smuggling(CHUNKED, "X: y\nContent-Length: 5"),
    "coding in HTTP/1.0": smuggling(CHUNKED, line="POST /first HTTP/1.0"),
}


@pytest.fixture(scope="module")
def shared():
    with front(lambda _: OK) as attacked:
        yield attacked


@pytest.fixture
def plain(shared):
    """A gateway in front of a backend that answers 200 and that nothing has reached yet."""
    shared.target.forget()
    return shared


def check_refused(attacked, wire, expected):
    """The gateway answers so and ends the connection, and no whole request has reached the backend."""
    attacked.attack(wire, expected)
    assert attacked.reached() == []


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_framing(plain, name):
    """H1."""
    check_refused(plain, AMBIGUOUS[name], 400)


BAD_CHUNKS = {
    "LF in an extension": b"5;x\nhello\r\n0\r\n\r\n",
    "LF for an extension": b"2;\nxx\r\n2b\r\n0\r\n\r\n",
    "CR in an extension": b"5;x\ry\r\nhello\r\n0\r\n\r\n",
    "an endless extension": b"5;" + b"x" * 70_000 + b"\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "LF at the end": b"5\r\nhello\r\n0\n\n",
    "nothing behind the data": b"4\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a trailer without name": b"5\r\nhello\r\n0\r\n: y\r\n\r\n",
    "a trailer with a space in its name": b"5\r\nhello\r\n0\r\nX Y: z\r\n\r\n",
    "an endless trailer": b"5\r\nhello\r\n0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunks(plain, name):
    """H1: the fault is the client's, and it is told so."""
    check_refused(plain, smuggling(CHUNKED, body=BAD_CHUNKS[name]), 400)


def test_a_bad_body_is_not_the_upstreams_fault():
    with front(lambda _: OK) as attacked:
        with attacked.connect() as client:
            client.sendall(smuggling(CHUNKED, "Accept: text/event-stream", body=BAD_CHUNKS["LF behind the size"]))
            read_all(client)
        assert attacked.reached() == []
        assert not {"unreachable", "server_error", "timeout"} & attacked.counted("sse_connections_total", "result").keys()


ONE_MEANING = {
    **{f"coding {value!r}": (smuggling(f"Transfer-Encoding: {value}"), b"") for value in CODINGS},
    "coding behind a bare LF": (smuggling(f"X: y\n{CHUNKED}"), b""),
    "coding named by Connection": (smuggling("Connection: Transfer-Encoding", CHUNKED), b""),
    "length named by Connection": (
        smuggling("Connection: close, Content-Length", f"Content-Length: {len(SMUGGLED)}", body=b""), SMUGGLED,
    ),
    "zeros in front": (smuggling("Connection: close", "Content-Length: 005", body=b"hello"), b"hello"),
    "body of a GET": (
        smuggling("Connection: close", f"Content-Length: {len(SMUGGLED)}", body=b"", line="GET /first HTTP/1.1"), SMUGGLED,
    ),
    "an underscore in length": (smuggling("Connection: close", f"Content_Length: {len(SMUGGLED)}", body=b""), b""),
    "an underscore in coding": (smuggling("Connection: close", "Transfer_Encoding: chunked"), b""),
    "an extension": (smuggling(CHUNKED, body=b"5;x=y\r\nhello\r\n0\r\n\r\n"), b"hello"),
    "space behind the size": (smuggling(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n"), b"hello"),
    "a length among the trailers": (
        smuggling(CHUNKED, body=b"5\r\nhello\r\n0\r\nContent-Length: 43\r\n\r\n"), b"hello",
    ),
}


@pytest.mark.parametrize("name", ONE_MEANING)
def test_one_meaning(plain, name):
    """H1: what is let through reaches the backend as one request that can be read in one way only."""
    wire, body = ONE_MEANING[name]
    with plain.connect() as client:
        client.sendall(wire)
        head, _ = read_answer(client)
        read_all(client)
    reached = plain.reached()
    if status(head) != 400:
        assert reached == [wire.partition(b" HTTP")[0].decode()]
        assert plain.target.requests[0].body == body


GET = "GET /first HTTP/1.1"
HEADS = {
    "a folded field": request(GET, "X: y\r\n z"),
    "a folded Host": request(GET, host="localhost\r\n .evil.example"),
    "a fold first": b"GET /first HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "NUL in a value": request(GET, "X: a\0b"),
    "NUL in a name": request(GET, "X\0: a"),
    "NUL in the target": request("GET /a\0b HTTP/1.1"),
    "CR in a value": request(GET, "X: a\rb"),
    "CR in a name": request(GET, "X\rY: a"),
    "CR before the end of a line": request(GET, "X: a\r"),
    "CR in the target": request("GET /a\rb HTTP/1.1"),
    "another control in a value": request(GET, "X: a\x01b"),
    "DEL in a value": request(GET, "X: a\x7fb"),
    "space before the colon": request(GET, "X : a"),
    "tab before the colon": request(GET, "X\t: a"),
    "space before a name": request(GET, "X: a", " Y: b"),
    "no colon": request(GET, "X"),
    "no name": request(GET, ": a"),
    "a name that is no token": request(GET, "X(: a"),
    "a name beyond ASCII": request(GET, "X\xe9: a"),
    "no Host": request(GET, host=None),
    "Host twice": request(GET, "Host: localhost"),
    "two Hosts": request(GET, "Host: evil.example"),
    "two Hosts in other case": request(GET, "HOST: evil.example"),
    "Host with a path": request(GET, host="localhost/evil"),
    "Host with a query": request(GET, host="localhost?evil"),
    "Host with a user": request(GET, host="evil@localhost"),
    "Host with a space": request(GET, host="localhost evil"),
    "Host with a port that is none": request(GET, host="localhost:evil"),
    "Host beyond ASCII": request(GET, host="localhos\xe9"),
    "a target with another host": request("GET http://evil.example/first HTTP/1.1"),
    "a target with another port": request("GET http://localhost:81/first HTTP/1.1"),
    "a target with a user": request("GET http://evil@localhost/first HTTP/1.1"),
    "a target with two Hosts": request("GET http://localhost/first HTTP/1.1", "Host: evil.example"),
    "a target without slash": request("GET first HTTP/1.1"),
    "a target with a space": request("GET /first /second HTTP/1.1"),
    "CONNECT": request("CONNECT localhost:80 HTTP/1.1"),
    "two spaces": request("GET  /first HTTP/1.1"),
    "tabs for spaces": request("GET\t/first\tHTTP/1.1"),
    "HTTP/0.9": b"GET /first\r\n\r\n",
    "HTTP/1.2": request("GET /first HTTP/1.2"),
    "HTTP/2.0": request("GET /first HTTP/2.0"),
    "http/1.1": request("GET /first http/1.1"),
    "a method that is no token": request("G(T /first HTTP/1.1"),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
}


@pytest.mark.parametrize("name", HEADS)
def test_malformed_head(plain, name):
    """H2."""
    check_refused(plain, HEADS[name], 400)


@pytest.mark.parametrize("name", HEADS)
def test_malformed_second_head(plain, name):
    """H2, on a connection that has served a request."""
    with plain.connect() as client:
        client.sendall(request())
        head, rest = read_answer(client)
        assert (status(head), read_up_to(client, 2, rest)) == (200, b"ok")
        client.sendall(HEADS[name])
        last_answer(client, 400)
    assert plain.reached() == ["GET /"]


KB = 1024
TOO_LARGE = {
    "a value of 64 KB": (request(GET, "X: " + "x" * 64 * KB), (431,)),
    "a name of 64 KB": (request(GET, "x" * 64 * KB + ": x"), (431,)),
    "10,000 fields": (request(GET, *["X: y"] * 10_000), (431,)),
    "10,000 names": (request(GET, *(f"X-{number}: y" for number in range(10_000))), (431,)),
    "10,000 cookies in a handshake": (upgrade("GET / HTTP/1.1", *["Cookie: a=b"] * 10_000), (431,)),
    "a target of 1 MB": (request(f"GET /{'x' * KB * KB} HTTP/1.1"), (414, 431)),
    "a method of 1 MB": (request(f"{'G' * KB * KB} / HTTP/1.1"), (400, 431)),
    "1 MB without an end": (b"GET / HTTP/1.1\r\nX: " + b"x" * KB * KB, (431,)),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_too_large_a_head(name):
    """H3."""
    wire, expected = TOO_LARGE[name]
    with front(lambda _: OK) as attacked:
        with attacked.connect() as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(wire)
            last_answer(client, *expected)
        assert attacked.reached() == []


def test_the_longest_target():
    """H3: right below the limit it is served, however long the upstream's own URL is."""
    with Target(lambda _: OK) as target:
        upstream = f'"http://[0000:0000:0000:0000:0000:ffff:127.0.0.1]:{target.port}"'
        with Gateway(config=config_for("UPSTREAM").replace("http://UPSTREAM", upstream)) as gateway:
            for spare in range(60, 20, -1):
                with Front(gateway, target).connect() as client:
                    client.sendall(request(f"GET /{'x' * (64 * KB - spare)} HTTP/1.1"))
                    assert status(read_answer(client)[0]) in (200, 414, 431), spare


def peak_memory(gateway):
    """Most that the gateway's process has had resident, bytes."""
    with open(f"/proc/{gateway.process.pid}/status") as lines:
        [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * KB


@pytest.mark.parametrize("wire", [
    pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * KB * KB, id="one field"),
    pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 63 * KB, id="one field to the limit"),
    pytest.param(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (KB * KB // 6), id="many fields"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * KB * KB, id="extension"),
    pytest.param(upgrade() + b"x" * KB * KB, id="early data"),
])
def test_memory_is_bounded(wire):
    """H3: 64 clients at a time that send up to 1 MB each, of which nothing can be passed on."""
    clients, over = 64, threading.Event()

    def hold(_):
        over.wait(60)
        return FORBIDDEN

    with front(hold) as attacked, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        before = peak_memory(attacked.gateway)
        for _ in range(clients):
            client = stack.enter_context(attacked.connect())
            client.settimeout(0)
            push(client, wire)
        attacked.reached()
        assert peak_memory(attacked.gateway) - before < clients * 256 * KB


def push(client, wire):
    """Sends until all is sent, or the other side neither reads nor can take more, or has ended."""
    while wire:
        try:
            wire = wire[client.send(wire) :]
        except BlockingIOError:
            if select.select([], [client], [], 0.2)[1] == []:
                return
        except ConnectionError:
            return
