"""Which upstream a connection goes to, and what happens when an upstream is not there."""

import contextlib
import socket
import threading
from collections import Counter

import pytest

from harness.books import total
from harness.endings import upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, handshake, header, open_websocket, read_all, read_head, switching

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def behind(count, *others, **options):
    """A gateway in front of so many services and of others, and their URLs."""
    with contextlib.ExitStack() as stack:
        services = [stack.enter_context(upstream_sockets(switching))[0] for _ in range(count)]
        urls = [f"http://{service.address}" for service in services]
        gateway = stack.enter_context(Gateway(config=config_for(*urls, *others, **options)))
        yield gateway, urls


def open_one(gateway):
    """An open WebSocket, and the URL of the upstream that it went to."""
    before = {live["id"] for live in gateway.live()}
    sock, _ = open_websocket(gateway.port)
    [url] = until(lambda: [live["upstream"] for live in gateway.live() if live["id"] not in before], "it is open")
    return sock, url


def spread(gateway, clients, count):
    """Opens so many more clients, and tells where these went."""
    opened = [open_one(gateway) for _ in range(count)]
    clients += opened
    return [url for _, url in opened]


def leave(gateway, clients, url):
    """Closes the clients of an upstream."""
    gone = [client for client in clients if client[1] == url]
    for client in gone:
        client[0].shutdown(socket.SHUT_RDWR)
        clients.remove(client)
    until(lambda: all(live["upstream"] != url for live in gateway.live()), "they are gone")


HASTY = "    timeouts: { half_close: 500ms }\n"


def test_round_robin():
    """One after the other, however many connections each has."""
    with behind(3, route=f"    balance: round_robin\n{HASTY}") as (gateway, urls):
        clients = []
        first = spread(gateway, clients, 3)
        assert sorted(first) == sorted(urls)
        assert spread(gateway, clients, 6) == first * 2
        leave(gateway, clients, first[0])
        assert spread(gateway, clients, 6) == first * 2


@pytest.mark.parametrize("route", ["", "    balance: least_connections\n"], ids=["by default", "when asked for"])
def test_least_connections(route):
    """The one with the fewest; among equals, in turn."""
    with behind(3, route=route + HASTY) as (gateway, urls):
        clients = []
        for _ in range(3):
            assert sorted(spread(gateway, clients, 3)) == sorted(urls)
        leave(gateway, clients, urls[1])
        assert spread(gateway, clients, 3) == [urls[1]] * 3, "it catches up"
        leave(gateway, clients, urls[0])
        leave(gateway, clients, urls[2])
        assert Counter(spread(gateway, clients, 6)) == {urls[0]: 3, urls[2]: 3}
        assert sorted(spread(gateway, clients, 3)) == sorted(urls)


DEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("balance", ["round_robin", "least_connections"])
def test_the_next_one_is_tried(balance):
    """Who connects notices nothing of one that is not there."""
    with behind(1, DEAD, "https://127.0.0.1:1", route=f"    balance: {balance}\n") as (gateway, urls):
        assert spread(gateway, [], 6) == urls * 6
        metrics = gateway.metrics()
        assert total(metrics, "websocket_handshakes_total", result="success") == 6
        assert total(metrics, "websocket_handshakes_total", result="unreachable") == 0


def refusing():
    """A service whose TLS never comes about; it counts who tries."""
    return Backend(lambda *_: None)


def test_one_that_failed_is_left_alone():
    with refusing() as failing:
        route = "    balance: round_robin\n    fail_timeout: 1h\n"
        with behind(1, f"https://{failing.address}", route=route) as (gateway, urls):
            assert spread(gateway, [], 6) == urls * 6
            assert failing.connections == 1


def test_one_that_failed_is_tried_again_in_the_end():
    with refusing() as failing:
        route = "    balance: round_robin\n    fail_timeout: 200ms\n"
        with behind(1, f"https://{failing.address}", route=route) as (gateway, _):
            until(lambda: spread(gateway, [], 1) and failing.connections == 3, "it was tried three times")


def test_ones_that_failed_are_tried_when_no_other_is_left():
    with refusing() as failing, Gateway(
        config=config_for(f"https://{failing.address}", DEAD, route="    fail_timeout: 1h\n")
    ) as gateway:
        for number in range(1, 4):
            with connect(gateway.port) as sock:
                sock.sendall(handshake()[0])
                assert read_head(sock)[0].startswith(b"HTTP/1.1 502 ")
            assert failing.connections == number


class Later(Backend):
    """A service that refuses connections until it is started."""

    def __init__(self):
        self.heads, self.connections = [], 0
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def serve(self, _, sock, __):
        sock.sendall(switching(self.read_head(sock)[0]))
        read_all(sock)

    def start(self):
        self.listener.listen()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join(10)
        self.listener.close()


def test_one_that_comes_back():
    with Later() as service:
        url = f"http://{service.address}"
        with behind(1, url, route="    balance: round_robin\n    fail_timeout: 500ms\n") as (gateway, urls):
            assert spread(gateway, [], 3) == urls * 3
            service.start()
            until(lambda: spread(gateway, [], 1) == [url], "it gets connections again")
            assert sorted(spread(gateway, [], 4)) == sorted([*urls, url] * 2)


def test_none_is_there():
    """The client is told what, the operator which and why; each attempt is counted once."""
    with Gateway(config=config_for(DEAD, "http://127.0.0.1:2", extra="closed: { log: closed.log }\n")) as gateway:
        with connect(gateway.port) as sock:
            sock.sendall(GET)
            answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert header(answer.partition(b"\r\n\r\n")[0], "content-type").startswith("text/plain")
        assert b"the upstream service could not be reached" in answer
        assert b"127.0.0.1" not in answer, "what stands behind is nobody's business"
        with connect(gateway.port) as sock:
            sock.sendall(handshake()[0])
            assert read_head(sock)[0].startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        [record] = gateway.wait_closed()
        [line] = until(lambda: gateway.logged("a request was not answered"), "the plain request is logged")
        for told in (record["handshake"]["detail"], line["error"]):
            for port in (1, 2):
                assert f"http://127.0.0.1:{port}: 127.0.0.1:{port}: Connection refused" in told, told
        assert (record["handshake"]["result"], record["handshake"]["status"]) == ("unreachable", 502)
        assert total(gateway.metrics(), "websocket_handshakes_total", result="unreachable") == 1


def test_source_addresses():
    """An upstream is connected from the address that the route names, also after a reload."""
    peers = []

    def serve(backend, sock, _):
        peers.append(sock.getpeername()[0])
        backend.read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with Backend(serve) as service, Gateway(config=config_for(service.address)) as gateway:
        for address in ("127.0.0.1", "127.0.0.77", "127.0.0.1"):
            named = "" if address == "127.0.0.1" else f"    source_addresses: [{address}]\n"
            gateway.write_config(config_for(service.address, route=named))
            assert gateway.post("/-/reload")[0] == 200
            with connect(gateway.port) as sock:
                sock.sendall(GET)
                assert read_all(sock).startswith(b"HTTP/1.1 200 ")
            assert peers.pop() == address and not peers
