"""Limits that three gateways hold together through one Redis, which is killed and comes back."""

import contextlib
import json
import pathlib
import subprocess
import tempfile
import threading

import pytest

from harness.attacks import status
from harness.books import total
from harness.endings import tally, upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import connect, frame, handshake, header, read_head, switching

ASKS = "heartline_shared_limit_asks_total"
UP = "heartline_shared_limits_up"


class Redis:
    """A redis-server that keeps nothing, on a socket of its own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = pathlib.Path(self.directory.name) / "redis.sock"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"],
            cwd=self.directory.name, stdout=subprocess.DEVNULL,
        )
        until(lambda: subprocess.run(["redis-cli", "-s", self.socket, "ping"], capture_output=True).stdout == b"PONG\n",
              "redis-server answers")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True).stdout.split("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.directory.cleanup()


@contextlib.contextmanager
def gateways(redis, limits, on_failure="closed", timeout="5s", count=3, more=""):
    """Gateways that hold these limits together, in front of one service."""
    extra = (f"shared_limits:\n  redis: {{ url: 'redis+unix://{redis.socket}' }}\n"
             f"  timeout: {timeout}\n  on_failure: {on_failure}\n")
    route = f"    limits: {{ {limits}, shared: true }}\n    timeouts: {{ half_close: 50ms }}\n{more}"
    with contextlib.ExitStack() as stack:
        service, _ = stack.enter_context(upstream_sockets(switching))
        several = []
        for _ in range(count):
            several.append(stack.enter_context(Gateway(config=config_for(service.address, route=route, extra=extra))))
        wait_up(several, 1)
        yield several


def counted(redis):
    """Connections that the gateways say they have."""
    return sum(int(count.split()[0]) for count in redis.ask("HVALS", "{heartline}:open:route:test:connections") if count)


def wait_up(several, value):
    for gateway in several:
        until(lambda gateway=gateway: total(gateway.metrics(), UP) == value, f"{UP} is {value}")


def ask(gateway):
    """The socket of a handshake, and the head that answers it."""
    sock = connect(gateway.port)
    sock.sendall(handshake("/")[0])
    return sock, read_head(sock)[0]


@pytest.fixture
def kept():
    sockets = []
    yield sockets
    for sock in sockets:
        sock.close()


def storm(several, times, kept):
    """As many handshakes with each gateway, all gateways at once; their statuses."""
    statuses = []

    def run(gateway):
        for _ in range(times):
            sock, head = ask(gateway)
            statuses.append(status(head))
            if status(head) == 101:
                kept.append(sock)
            else:
                sock.close()

    threads = [threading.Thread(target=run, args=(gateway,)) for gateway in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_three_gateways_hold_a_ceiling_and_a_dead_one_gives_back(kept):
    with Redis() as redis, gateways(redis, "connections: 100") as several:
        statuses = storm(several, 60, kept)
        assert (statuses.count(101), statuses.count(503)) == (100, 80)
        assert sum(len(gateway.live()) for gateway in several) == 100
        assert sum(total(gateway.metrics(), ASKS, result="granted") for gateway in several) == 100
        record = next(record for gateway in several for record in gateway.closed())
        assert record["handshake"]["refused_by"] == "connections"
        dead, alive = several[0], several[1:]
        held = len(dead.live())
        assert held > 0
        dead.process.kill()
        dead.process.wait()

        def let_in():
            sock, head = ask(alive[0])
            kept.append(sock)
            return status(head) == 101

        until(let_in, "the places of a dead gateway are free", 20)
        statuses = storm(alive, held, kept)
        assert statuses.count(101) == held - 1
        assert sum(len(gateway.live()) for gateway in alive) == 100


def test_what_is_given_back_is_there_for_another(kept):
    with Redis() as redis, gateways(redis, "connections: 1", count=2) as (one, other):
        sock, head = ask(one)
        assert status(head) == 101
        refused, head = ask(other)
        kept.append(refused)
        assert status(head) == 503 and int(header(head, "retry-after")) >= 10
        sock.close()

        def let_in():
            sock, head = ask(other)
            kept.append(sock)
            return status(head) == 101

        until(let_in, "its place is free")


def test_three_gateways_share_a_bucket(kept):
    with Redis() as redis, gateways(redis, "new_connections: { tokens: 100, interval: 1h }") as several:
        statuses = storm(several, 60, kept)
        assert statuses.count(101) in (100, 101) and statuses.count(101) + statuses.count(429) == 180
        assert "{heartline}:new:route:test:new_connections" in redis.ask("KEYS", "*")


def test_each_client_is_held_together_by_its_key(kept):
    key = "    client_key: { header: X-User }\n"
    with Redis() as redis, gateways(redis, "per_client: { connections: 3 }", more=key, count=2) as several:
        def come(gateway, user):
            sock = connect(gateway.port)
            sock.sendall(handshake("/", extra=f"X-User: {user}\r\n")[0])
            kept.append(sock)
            return status(read_head(sock)[0])

        one, other = several
        for user in ("ada", "bob"):
            assert [come(gateway, user) for gateway in (one, other, one, other, one)] == [101, 101, 101, 429, 429]
        record = until(lambda: [record for record in other.closed() if record["handshake"]["refused_by"]], "one is refused")[0]
        assert record["handshake"]["refused_by"] == "client_connections"
        keys = redis.ask("KEYS", "*")
        assert len([key for key in keys if ":client:" in key]) == 2 and not any("ada" in key for key in keys), keys
        for key in filter(None, keys):
            assert int(redis.ask("PTTL", key)[0]) > 0, f"{key} stays for ever"
        for sock in kept:
            sock.close()
        until(lambda: come(other, "ada") == 101, "its places are free")


@pytest.mark.parametrize("on_failure, told", [("open", "let_in"), ("closed", "refused")])
def test_while_redis_is_away_it_is_told_where_people_look(on_failure, told, kept):
    with Redis() as redis, gateways(redis, "connections: 400", on_failure=on_failure, count=1) as [gateway]:
        def shared():
            return json.loads(gateway.get("/api/v1/system"))["shared_limits"]

        assert (shared()["is_up"], shared()["outage"], shared()["on_failure"]) == (True, None, on_failure)
        redis.kill()
        wait_up([gateway], 0)
        for _ in range(3):
            kept.append(ask(gateway)[0])
        outage = until(lambda: shared()["outage"], "it is told on the page of the system")
        assert outage["unknown"] == 3 and outage["why"] and outage["since"] > "2020"

        def finding():
            items = json.loads(gateway.get("/api/v1/findings"))["items"]
            return [item for item in items if item["id"] == "shared-limits-down"]

        [found] = until(finding, "it is a finding", 30)
        assert told in [said["code"] for said in found["evidence"]]
        assert total(gateway.metrics(), "heartline_finding_active", finding="shared-limits-down") == 1
        redis.start()
        wait_up([gateway], 1)
        until(lambda: shared()["outage"] is None, "it is over")


@pytest.mark.parametrize("on_failure, expected", [("open", 101), ("closed", 503)])
def test_redis_is_killed_and_comes_back_under_load(on_failure, expected, kept):
    with Redis() as redis, gateways(redis, "connections: 400", on_failure=on_failure) as several:
        talking, head = ask(several[0])
        kept.append(talking)
        assert status(head) == 101
        is_over = threading.Event()
        statuses = []

        def load(gateway):
            while not is_over.wait(0.005):
                sock, head = ask(gateway)
                statuses.append(status(head))
                sock.close()

        threads = [threading.Thread(target=load, args=(gateway,)) for gateway in several]
        for thread in threads:
            thread.start()
        try:
            redis.kill()
            wait_up(several, 0)
            for gateway in several:
                sock, head = ask(gateway)
                kept.append(sock)
                assert status(head) == expected
            talking.sendall(frame(0x1, b"still here", mask=True))
            until(lambda: total(several[0].metrics(), "websocket_messages_total", direction="client_to_server") == 1,
                  "what is open goes on")
            assert any(total(gateway.metrics(), ASKS, result="unknown") > 0 for gateway in several)
            redis.start()
            wait_up(several, 1)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert set(statuses) <= {101, expected}
        warned = [line for line in several[0].lines if "Redis cannot be asked" in str(line)]
        assert len(warned) == 1, warned
        open_now = 4 if expected == 101 else 1
        until(lambda: counted(redis) == open_now, "what is open is counted again, and what has left is not")
        more = []
        try:
            # On a machine that has no time an answer may come too late, which refuses one more: until nobody is let in.
            let_in = 0
            while more_in := storm(several, 140, more).count(101):
                let_in += more_in
            told = [(tally(gateway.metrics(), ASKS, "result"), gateway.lines[-5:]) for gateway in several]
            assert let_in == 400 - open_now, told
        finally:
            for sock in more:
                sock.close()


def test_a_share_without_who_counts_is_an_error():
    config = config_for("127.0.0.1:1", route="    limits: { connections: 1, shared: true }\n")
    gateway = Gateway(config=config)
    try:
        assert gateway.process.wait(20) == 2
        gateway.reader.join(5)
        assert any("`shared_limits` must say which Redis" in str(line) for line in gateway.lines), gateway.lines
    finally:
        gateway.kill()
