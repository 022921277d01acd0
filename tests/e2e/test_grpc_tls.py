"""gRPC in TLS on both legs (ALPN), ends that grpcio makes by itself, and messages by their bytes on the wire."""

import contextlib
import gzip
import random
import socket
import ssl
import struct
import threading
from concurrent import futures

import grpc
import pytest

from harness.books import messages
from harness.calls import balance_calls, call_books, call_of, story, verdict
from harness.certificates import Authority, tls_listener
from harness.endings import tally
from harness.gateway import Gateway, config_for, until
from harness.http2_end import End
from harness.wire import Backend
from test_grpc import UNLIMITED, Handler, fails, identity, method

TEXT = "天下" * 3000
PREFIX_BYTES = 5


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("grpc") / "own")


def credentials(authority):
    """Of a server, and of a client that trusts it."""
    chain, key = (file.read_bytes() for file in authority.issue("grpc"))
    trusted = authority.pem.read_bytes()
    return grpc.ssl_server_credentials([(key, chain)]), grpc.ssl_channel_credentials(trusted)


@contextlib.contextmanager
def served(authority, options=(), channel_options=UNLIMITED):
    """A service, a gateway and a channel, all in TLS."""
    handler = Handler()
    of_server, of_client = credentials(authority)
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[handler], options=options)
    port = server.add_secure_port("127.0.0.1:0", of_server)
    server.start()
    route = f"    upstream_tls: {{ ca_file: {authority.pem} }}\n"
    config = tls_listener(config_for(f"https://localhost:{port}", route=route), authority.issue("gateway"))
    try:
        with (
            Gateway(config=config) as gateway,
            grpc.secure_channel(f"localhost:{gateway.port}", of_client, channel_options) as channel,
        ):
            yield gateway, channel, handler
    finally:
        server.stop(None)


def sizes(record):
    return record["bytes"]["client_to_server"], record["bytes"]["server_to_client"]


def test_four_kinds_of_calls(authority):
    with served(authority) as (gateway, channel, _):
        assert method(channel, "Echo")(b"hello", timeout=10) == b"hello"
        assert list(method(channel, "Count", "unary_stream")(b"5", timeout=10)) == [b"0", b"1", b"2", b"3", b"4"]
        assert method(channel, "Sum", "stream_unary")(iter([b"1", b"2", b"3"]), timeout=10) == b"6"
        assert list(method(channel, "Talk", "stream_stream")(iter([b"a", b"", b"c"]), timeout=10)) == [b"a", b"", b"c"]
        expected = {
            "Echo": ((1, 1), (10, 10)),
            "Count": ((1, 5), (6, 30)),
            "Sum": ((3, 1), (18, 6)),
            "Talk": ((3, 3), (17, 17)),
        }
        records = balance_calls(gateway, len(expected))
        assert {r["grpc"]["method"]: (messages(r), sizes(r)) for r in records} == expected
        assert {(story(r), verdict(r)) for r in records} == {("upstream body_end", "upstream complete OK")}
        assert {r["upstream"].split(":")[0] for r in records} == {"https"}


def test_random_messages(authority):
    """Each comes back as it was; their number and bytes are exact."""
    shapes = random.Random(7)
    sent = [shapes.randbytes(shapes.choice([0, 1, 100, 16_384, shapes.randrange(100_000)])) for _ in range(300)]
    with served(authority) as (gateway, channel, _):
        assert list(method(channel, "Talk", "stream_stream")(iter(sent), timeout=30)) == sent
        [record] = balance_calls(gateway)
        payload = sum(map(len, sent))
        assert messages(record) == (len(sent), len(sent))
        assert sizes(record) == (payload + PREFIX_BYTES * len(sent),) * 2
        both = dict.fromkeys(["client_to_server", "server_to_client"], payload)
        assert tally(gateway.metrics(), "grpc_stream_message_bytes_total", "direction") == both


def test_a_deadline(authority):
    """What the client makes of it is its own; the record tells how long it would wait, and that it left."""
    with served(authority) as (gateway, channel, handler):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=0.5)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        until(handler.cancelled.is_set, "the service is told")
        [record] = balance_calls(gateway)
        assert 0.3 < record["grpc"]["deadline_seconds"] <= 0.5
        assert record["grpc"]["code"] in ("CANCELLED", "DEADLINE_EXCEEDED"), "which side is first is a race"
        assert messages(record)[1] > 0


def test_a_message_over_the_limit_of_the_client(authority):
    """grpcio takes 4 MB; it refuses more by a reset in the midst of the message."""
    big = bytes(5 << 20)
    with served(authority, UNLIMITED, channel_options=()) as (gateway, channel, _):
        fails(method(channel, "Echo"), big, grpc.StatusCode.RESOURCE_EXHAUSTED)
        [record] = balance_calls(gateway)
        told = ("client rst_stream ENHANCE_YOUR_CALM", "client reset RESOURCE_EXHAUSTED")
        assert (story(record), verdict(record)) == told
        assert messages(record) == (1, 0)
        assert sizes(record)[0] == len(big) + PREFIX_BYTES > sizes(record)[1]


def test_a_service_that_limits_the_age_of_connections(authority):
    """GOAWAY: the call under way goes on to its end, the next one has a new connection."""
    options = [("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 20_000)]
    with served(authority, options) as (gateway, channel, _):
        more = threading.Event()

        def ask():
            yield b"first"
            more.wait(20)
            yield b"last"

        answers = method(channel, "Talk", "stream_stream")(ask(), timeout=30)
        assert next(answers) == b"first"
        goaways = "grpc_connections_goaway_total"
        until(lambda: tally(gateway.metrics(), goaways, "initiator")["upstream"], "the service goes away")
        assert method(channel, "Echo")(b"between", timeout=10) == b"between"
        assert call_books(gateway, active=1) == (2, 1, 1)
        more.set()
        assert list(answers) == [b"last"]
        echo, talk = call_of(gateway, "Echo"), call_of(gateway, "Talk")
        assert [verdict(record) for record in balance_calls(gateway, 2)] == ["upstream complete OK"] * 2
        assert (messages(echo), messages(talk)) == ((1, 1), (2, 2))
        goaway = talk["grpc"]["upstream"]["goaway"]
        assert (goaway["initiator"], goaway["error"]) == ("upstream", "NO_ERROR")
        assert "max_age" in goaway["debug"]
        assert echo["grpc"]["upstream"]["stream"] == 1


def test_a_service_that_cuts_old_connections(authority):
    options = [("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 300)]
    with served(authority, options) as (gateway, channel, _):
        call = method(channel, "Tick", "unary_stream")(b"", timeout=20)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        [record] = balance_calls(gateway)
        assert record["initiator"] == "upstream"
        assert record["grpc"]["code"] == error.value.code().name == "UNAVAILABLE"
        assert record["grpc"]["upstream"]["goaway"]["initiator"] == "upstream"


def test_an_upstream_that_agrees_on_no_http2(authority):
    """TLS succeeds, but HTTP/1.1 is all that is spoken in it: the call fails, and the record says why."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("old"))
    context.set_alpn_protocols(["http/1.1"])

    def serve(_, sock, __):
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(sock, server_side=True) as stream:
            stream.recv(1)

    route = f"    upstream_tls: {{ ca_file: {authority.pem} }}\n"
    with (
        Backend(serve) as backend,
        Gateway(config=config_for(f"https://localhost:{backend.port}", route=route)) as gateway,
        grpc.insecure_channel(gateway.address) as channel,
    ):
        fails(method(channel, "Echo"), b"hello", grpc.StatusCode.UNAVAILABLE)
        [record] = balance_calls(gateway)
        assert record["handshake"]["result"] == "unreachable"
        assert "HTTP/2" in record["handshake"]["detail"]
        assert record["grpc"]["code"] == "UNAVAILABLE"


def test_compressed_messages():
    """Counted as they are on the wire, in both directions, not as they are read."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Gateway(config=config_for(f"127.0.0.1:{listener.getsockname()[1]}")) as gateway,
        grpc.insecure_channel(gateway.address, compression=grpc.Compression.Gzip) as channel,
    ):
        listener.settimeout(10)
        call = channel.unary_unary("/demo.Chat/Echo", identity, identity).future(TEXT.encode(), timeout=20)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(10)
            upstream = End(sock, is_client=False)
            asked = b"".join(came.data for came in upstream.before("end") if came.what == "data")
            flag, length = struct.unpack(">BI", asked[:PREFIX_BYTES])
            assert (flag, length) == (1, len(asked) - PREFIX_BYTES)
            assert gzip.decompress(asked[PREFIX_BYTES:]).decode() == TEXT
            answer = gzip.compress(TEXT.encode() * 2)
            upstream.head(1, {":status": "200", "content-type": "application/grpc", "grpc-encoding": "gzip"})
            upstream.data(1, struct.pack(">BI", 1, len(answer)) + answer)
            upstream.head(1, {"grpc-status": "0"}, "END_STREAM")
            assert call.result().decode() == TEXT * 2
            [record] = balance_calls(gateway)
        assert messages(record) == (1, 1)
        assert sizes(record) == (len(asked), PREFIX_BYTES + len(answer))
        wire = {"client_to_server": length, "server_to_client": len(answer)}
        assert tally(gateway.metrics(), "grpc_stream_message_bytes_total", "direction") == wire
        assert sum(wire.values()) < len(TEXT)
