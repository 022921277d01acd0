"""gRPC through the gateway with grpcio on both sides: nothing changes for them, and each call leaves its account."""

import contextlib
import json
import threading
import time
from concurrent import futures

import grpc
import pytest

from harness.books import total
from harness.certificates import tls_listener
from harness.endings import tally
from harness.gateway import Gateway, config_for, until

SERVICE = "demo.Chat"
BIG = bytes(range(256)) * 8192
UNLIMITED = [("grpc.max_receive_message_length", -1)]


def identity(data):
    return data


class Handler(grpc.GenericRpcHandler):
    """Methods of bytes: their names say what they do."""

    def __init__(self):
        self.called, self.cancelled = threading.Event(), threading.Event()
        methods = {
            "Echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request, identity, identity),
            "Count": grpc.unary_stream_rpc_method_handler(self.count, identity, identity),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum, identity, identity),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk, identity, identity),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail, identity, identity),
            "Tick": grpc.unary_stream_rpc_method_handler(self.tick, identity, identity),
            "Sleep": grpc.unary_unary_rpc_method_handler(self.sleep, identity, identity),
        }
        self.methods = {f"/{SERVICE}/{name}": handler for name, handler in methods.items()}

    def service(self, details):
        return self.methods.get(details.method)

    def count(self, request, _):
        yield from (str(n).encode() for n in range(int(request)))

    def sum(self, requests, _):
        return str(sum(map(int, requests))).encode()

    def talk(self, requests, _):
        yield from requests

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, request.decode())

    def tick(self, _, context):
        context.add_callback(self.cancelled.set)
        self.called.set()
        while context.is_active():
            yield b"tick"
            time.sleep(0.01)

    def sleep(self, request, context):
        context.add_callback(self.cancelled.set)
        self.called.set()
        self.cancelled.wait(10)
        return request


@contextlib.contextmanager
def served(options=(), authority=None, **more):
    """A gateway, a channel through it, the service's methods and the service; with an authority all in TLS."""
    handler = Handler()
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[handler], options=options)
    if authority:
        files = authority.issue("grpc")
        chain, key = (file.read_bytes() for file in files)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
        route = f"    upstream_tls: {{ ca_file: {authority.pem} }}\n"
        config = tls_listener(config_for(f"https://localhost:{port}", route=route, **more), files)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
        config = config_for(f"127.0.0.1:{port}", **more)
    server.start()
    try:
        with Gateway(config=config) as gateway, channel_to(gateway, authority) as channel:
            yield gateway, channel, handler, server
    finally:
        server.stop(None)


def channel_to(gateway, authority):
    if not authority:
        return grpc.insecure_channel(gateway.address, UNLIMITED)
    trusted = grpc.ssl_channel_credentials(authority.pem.read_bytes())
    return grpc.secure_channel(f"localhost:{gateway.port}", trusted, UNLIMITED)


def method(channel, name, kind="unary_unary"):
    return getattr(channel, kind)(f"/{SERVICE}/{name}", identity, identity)


def records(gateway):
    return [record for record in gateway.closed() if record["protocol"] == "grpc"]


def record_of(gateway, name):
    return until(lambda: [r for r in records(gateway) if r["grpc"]["method"] == name], f"a record of {name}")[0]


def ending(record):
    return record["initiator"], record["reason"], record["grpc"]["code"]


def counts(record):
    return record["messages"]["client_to_server"], record["messages"]["server_to_client"]


def books(gateway, count):
    """Opened - closed = active, and every record is in the counters."""
    until(lambda: len(records(gateway)) == count, f"{count} records")
    metrics, kept = gateway.metrics(), records(gateway)
    closed = tally(metrics, "grpc_streams_closed_total", "grpc_method", "grpc_code")
    assert total(metrics, "grpc_active_streams") == 0
    assert total(metrics, "grpc_streams_opened_total") == sum(closed.values()) == count
    messages = tally(metrics, "grpc_stream_messages_total", "direction")
    for direction in ("client_to_server", "server_to_client"):
        assert messages[direction] == sum(record["messages"][direction] for record in kept)
    return closed


def test_four_kinds_of_calls():
    with served() as (gateway, channel, _, _):
        assert method(channel, "Echo")(b"hello", timeout=10) == b"hello"
        assert list(method(channel, "Count", "unary_stream")(b"5", timeout=10)) == [b"0", b"1", b"2", b"3", b"4"]
        assert method(channel, "Sum", "stream_unary")(iter([b"1", b"2", b"3"]), timeout=10) == b"6"
        talk = method(channel, "Talk", "stream_stream")
        assert list(talk(iter([b"a", b"", b"c"]), timeout=10)) == [b"a", b"", b"c"]
        expected = {"Echo": (1, 1), "Count": (1, 5), "Sum": (3, 1), "Talk": (3, 3)}
        for name, messages in expected.items():
            record = record_of(gateway, name)
            assert ending(record) == ("upstream", "complete", "OK"), record
            assert counts(record) == messages
            assert record["grpc"]["service"] == SERVICE
            assert record["grpc"]["first_message_seconds"] >= 0
        assert books(gateway, 4) == {(name, "OK"): 1 for name in expected}


def test_what_is_recorded_of_a_call():
    """Each message in the recorder, and what the kernel tells of both connections, which calls share."""
    with served() as (gateway, channel, _, _):
        assert list(method(channel, "Talk", "stream_stream")(iter([b"a", b"bc"]), timeout=10)) == [b"a", b"bc"]
        record = record_of(gateway, "Talk")
        items = json.loads(gateway.get(f"/api/v1/connections/{record['id']}/events"))["items"]
        messages = [(item["direction"], item["bytes"]) for item in items if item["kind"] == "grpc_message"]
        assert sorted(messages) == [(way, size) for way in ("client_to_server", "server_to_client") for size in (1, 2)]
        for leg in ("client", "upstream"):
            tcp = record["tcp"][leg]
            assert tcp["shared"]
            assert tcp["open"]["rtt_seconds"] > 0 and tcp["close"]["bytes_acked"] >= tcp["open"]["bytes_acked"]
        assert record["unacked_bytes"] == {"client_to_server": None, "server_to_client": None}, "nobody can tell whose"


def test_a_conversation_is_not_held_back():
    """Each answer comes before the next question is asked."""
    with served() as (gateway, channel, _, _):
        ready = threading.Semaphore(0)

        def ask():
            for n in range(20):
                ready.acquire()
                yield str(n).encode()

        answers = method(channel, "Talk", "stream_stream")(ask(), timeout=10)
        for n in range(20):
            ready.release()
            assert next(answers) == str(n).encode()
        assert list(answers) == []
        assert counts(record_of(gateway, "Talk")) == (20, 20)


def test_big_messages():
    with served(UNLIMITED) as (gateway, channel, _, _):
        assert method(channel, "Echo")(BIG, timeout=20) == BIG
        record = record_of(gateway, "Echo")
        assert counts(record) == (1, 1)
        assert record["bytes"]["client_to_server"] == len(BIG) + 5
        assert books(gateway, 1) == {("Echo", "OK"): 1}


def fails(call, request, code, **options):
    with pytest.raises(grpc.RpcError) as error:
        call(request, **{"timeout": 10, **options})
    assert error.value.code() == code
    return error.value.details()


def test_a_message_over_the_limit_of_the_service():
    with served() as (gateway, channel, _, _):
        fails(method(channel, "Echo"), bytes(5 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert record_of(gateway, "Echo")["grpc"]["code"] == "RESOURCE_EXHAUSTED"


def test_a_status_and_its_message():
    with served() as (gateway, channel, _, _):
        text = "前提不成立"
        assert fails(method(channel, "Fail"), text.encode(), grpc.StatusCode.FAILED_PRECONDITION) == text
        record = record_of(gateway, "Fail")
        assert ending(record) == ("upstream", "complete", "FAILED_PRECONDITION")
        assert record["grpc"]["message"] == text
        assert books(gateway, 1) == {("Fail", "FAILED_PRECONDITION"): 1}


def test_an_unknown_method():
    with served() as (gateway, channel, _, _):
        fails(method(channel, "Nothing"), b"", grpc.StatusCode.UNIMPLEMENTED)
        assert ending(record_of(gateway, "Nothing")) == ("upstream", "complete", "UNIMPLEMENTED")


def test_cancelled_by_the_client():
    with served() as (gateway, channel, handler, _):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=20)
        assert next(call) == b"tick"
        assert total(gateway.metrics(), "grpc_active_streams") == 1
        call.cancel()
        record = record_of(gateway, "Tick")
        assert ending(record) == ("client", "client_closed", "CANCELLED")
        assert [(c["leg"], c["what"], c["error"]) for c in record["causes"]] == [("client", "rst_stream", "CANCEL")]
        until(handler.cancelled.is_set, "the service is told")
        resets = tally(gateway.metrics(), "grpc_stream_resets_total", "http2_error", "initiator")
        assert resets == {("CANCEL", "client"): 1}


def test_a_deadline():
    with served() as (gateway, channel, handler, _):
        fails(method(channel, "Sleep"), b"", grpc.StatusCode.DEADLINE_EXCEEDED, timeout=0.5)
        record = record_of(gateway, "Sleep")
        assert 0.3 < record["grpc"]["deadline_seconds"] <= 0.5
        assert record["grpc"]["code"] in ("CANCELLED", "DEADLINE_EXCEEDED"), "which side is first is a race"
        until(handler.cancelled.is_set, "the service is told")


def test_the_service_dies():
    with served() as (gateway, channel, _, server):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=20)
        assert next(call) == b"tick"
        server.stop(0)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        record = record_of(gateway, "Tick")
        assert record["initiator"] == "upstream"
        assert record["grpc"]["code"] == error.value.code().name


def test_no_service():
    with Gateway(config=config_for("127.0.0.1:9")) as gateway, grpc.insecure_channel(gateway.address) as channel:
        fails(method(channel, "Echo"), b"", grpc.StatusCode.UNAVAILABLE)
        record = record_of(gateway, "Echo")
        assert record["handshake"]["result"] == "unreachable"
        assert record["grpc"]["code"] == "UNAVAILABLE"
        assert books(gateway, 1) == {("Echo", "UNAVAILABLE"): 1}


def test_a_client_that_leaves():
    with served() as (gateway, channel, handler, _):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=20)
        assert next(call) == b"tick"
        channel.close()
        record = record_of(gateway, "Tick")
        assert record["initiator"] == "client"
        assert record["grpc"]["code"] == "CANCELLED"
        until(handler.cancelled.is_set, "the service is told")


def test_drain():
    with served(extra="drain: { window: 2s }\n") as (gateway, channel, handler, _):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=20)
        assert next(call) == b"tick"
        gateway.signal()
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert gateway.wait() == 0
        until(handler.cancelled.is_set, "the service is told")
