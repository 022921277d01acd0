"""grpcio in TLS on both legs (ALPN h2): compressed messages, its limit of 4 MB, a cancel, and a service that goes away
again and again under its calls."""

import json
import threading
from concurrent import futures

import grpc
import pytest

from harness.books import messages, total
from harness.calls import balance_calls, call_books, call_of, calls, story, verdict
from harness.certificates import Authority
from harness.endings import tally
from harness.gateway import until
from test_grpc import fails, method, served

TEXT = "天下".encode() * 3000
LIMIT = 4 << 20
PREFIX_BYTES = 5
GZIP = grpc.Compression.Gzip
COMPRESSES = [("grpc.default_compression_algorithm", int(GZIP))]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("grpcio") / "own")


def recorded(gateway, record, direction):
    """Length and compressed flag of each message of a direction, as the recorder tells them."""
    items = json.loads(gateway.get(f"/api/v1/connections/{record['id']}/events"))["items"]
    found = [item for item in items if item["kind"] == "grpc_message" and item["direction"] == direction]
    return [(item["bytes"], item["compressed"]) for item in found]


# A method, its kind, what is asked and what comes back.
COMPRESSED = [
    ("Echo", "unary_unary", TEXT, TEXT),
    ("Count", "unary_stream", b"3", [b"0", b"1", b"2"]),
    ("Sum", "stream_unary", [b"1" + b"0" * 2000, b"1"], b"1" + b"0" * 1999 + b"1"),
    ("Talk", "stream_stream", [TEXT, b"", b"a", TEXT * 2], [TEXT, b"", b"a", TEXT * 2]),
]


@pytest.mark.parametrize(("name", "kind", "asked", "answered"), COMPRESSED, ids=[row[0] for row in COMPRESSED])
def test_compressed_messages(authority, name, kind, asked, answered):
    """Counted by their bytes on the wire; those that gzip would make no smaller go as they are."""
    with served(COMPRESSES, authority) as (gateway, channel, _, _):
        request = iter(asked) if kind.startswith("stream") else asked
        came = method(channel, name, kind)(request, timeout=20, compression=GZIP)
        assert (list(came) if kind.endswith("stream") else came) == answered
        [record] = balance_calls(gateway)
        assert (story(record), verdict(record)) == ("upstream body_end", "upstream complete OK")
        payload = tally(gateway.metrics(), "grpc_stream_message_bytes_total", "direction")
        for direction, whole in (("client_to_server", asked), ("server_to_client", answered)):
            whole = whole if isinstance(whole, list) else [whole]
            seen = recorded(gateway, record, direction)
            assert [compressed for _, compressed in seen] == [len(message) > 1000 for message in whole]
            for (size, compressed), message in zip(seen, whole, strict=True):
                assert size < len(message) / 10 if compressed else size == len(message)
            sizes = [size for size, _ in seen]
            assert payload[direction] == sum(sizes)
            assert record["messages"][direction] == len(whole)
            assert record["bytes"][direction] == sum(sizes) + PREFIX_BYTES * len(sizes)


def test_a_message_over_the_limit_of_the_service(authority):
    """The last one that it takes goes through; what is longer by a byte is refused."""
    with served(authority=authority) as (gateway, channel, _, _):
        echo = method(channel, "Echo")
        assert echo(bytes(LIMIT), timeout=20) == bytes(LIMIT)
        fails(echo, bytes(LIMIT + 1), grpc.StatusCode.RESOURCE_EXHAUSTED, timeout=20)
        refused, taken = balance_calls(gateway, 2)
        assert (verdict(taken), messages(taken)) == ("upstream complete OK", (1, 1))
        assert taken["bytes"]["client_to_server"] == LIMIT + PREFIX_BYTES
        assert (refused["initiator"], refused["grpc"]["code"]) == ("upstream", "RESOURCE_EXHAUSTED")
        assert messages(refused)[1] == 0


@pytest.mark.parametrize(("name", "kind"), [("Sleep", "unary_unary"), ("Tick", "unary_stream")])
def test_a_cancel(authority, name, kind):
    with served(authority=authority) as (gateway, channel, handler, _):
        asked = method(channel, name, kind)
        call = asked(b"", timeout=20) if kind == "unary_stream" else asked.future(b"", timeout=20)
        if kind == "unary_stream":
            assert next(call) == b"tick"
        assert call_books(gateway, active=1) == (1, 0, 1)
        until(handler.called.is_set, "the service has the call")
        call.cancel()
        until(handler.cancelled.is_set, "the service is told")
        [record] = balance_calls(gateway)
        assert (story(record), verdict(record)) == ("client rst_stream CANCEL", "client client_closed CANCELLED")
        assert tally(gateway.metrics(), "grpc_stream_resets_total", "http2_error", "initiator") == {("CANCEL", "client"): 1}


WORKERS, GOAWAYS = 4, 3
AGES = [("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 20_000)]


def test_a_service_that_goes_away_again_and_again(authority):
    """Calls go on all the while: none fails, and those that were under way tell the GOAWAY."""
    over, asking_more = threading.Event(), threading.Event()

    def ask():
        yield b"first"
        asking_more.wait(30)
        yield b"last"

    with served(AGES, authority) as (gateway, channel, _, _), futures.ThreadPoolExecutor(WORKERS) as workers:
        def work(number):
            done = 0
            while not over.is_set():
                request = b"%d %d" % (number, done)
                assert method(channel, "Echo")(request, timeout=20) == request
                done += 1
            return done

        held = method(channel, "Talk", "stream_stream")(ask(), timeout=30)
        assert next(held) == b"first"
        working = [workers.submit(work, number) for number in range(WORKERS)]
        try:
            until(lambda: tally(gateway.metrics(), "grpc_connections_goaway_total", "initiator")["upstream"] >= GOAWAYS,
                  "the service went away from several connections")
        finally:
            over.set()
            asking_more.set()
        assert list(held) == [b"last"]
        count = sum(worker.result(30) for worker in working) + 1
        assert call_books(gateway) == (count, count, 0)
        assert tally(gateway.metrics(), "grpc_streams_closed_total", "grpc_code") == {"OK": count}
        assert {verdict(record) for record in calls(gateway)} == {"upstream complete OK"}
        talk = call_of(gateway, "Talk")
        assert messages(talk) == (2, 2)
        goaway = talk["grpc"]["upstream"]["goaway"]
        assert (goaway["initiator"], goaway["error"], goaway["debug"]) == ("upstream", "NO_ERROR", "max_age")
        assert total(gateway.metrics(), "grpc_stream_resets_total") == 0
