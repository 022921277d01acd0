"""h2load and nghttp, the tools of nghttp2: each request is answered, whatever is spoken and however many at once."""

import contextlib
import re
import struct
import subprocess
from concurrent import futures

import grpc
import pytest

from harness.books import total
from harness.calls import call_books
from harness.certificates import Authority, tls_listener
from harness.endings import tally
from harness.gateway import Gateway, config_for
from harness.wire import Backend, header

BODY = b"x" * 3000
REQUESTS, CLIENTS, STREAMS = 2000, 4, 10
ALL_DONE = ", ".join(
    f"{REQUESTS if word in ('total', 'started', 'done', 'succeeded') else 0} {word}"
    for word in ("total", "started", "done", "succeeded", "failed", "errored", "timeout")
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("h2load") / "own").issue("h2load")


def answer_all(backend, sock, _):
    """Answers the bodies that came, or a body of its own."""
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            part = sock.recv(65536)
            if not part:
                return
            rest += part
        head, _, rest = rest.partition(b"\r\n\r\n")
        if header(head, "transfer-encoding"):
            while not rest.endswith(b"0\r\n\r\n"):
                rest += sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest)
            rest = b""
        else:
            length = int(header(head, "content-length") or 0)
            while len(rest) < length:
                rest += sock.recv(65536)
            body, rest = rest[:length] or BODY, rest[length:]
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@contextlib.contextmanager
def served(files=None):
    """A gateway in front of an HTTP/1.1 service, and its URL."""
    with Backend(answer_all) as backend:
        config = config_for(backend.address)
        with Gateway(config=tls_listener(config, files) if files else config) as gateway:
            yield gateway, f"https://localhost:{gateway.port}/" if files else f"http://{gateway.address}/"


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def load(*arguments):
    """Runs h2load; all that it asks must be answered. The bytes of the answers' bodies."""
    told = run("h2load", "-n", REQUESTS, "-c", CLIENTS, "-m", STREAMS, *arguments)
    assert f"requests: {ALL_DONE}\n" in told, told
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx\n" in told, told
    return int(re.search(r"\((\d+)\) data", told)[1])


@pytest.mark.parametrize("spoken", [[], ["--h1"]], ids=["h2", "h1"])
@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "plain"])
def test_gets(files, is_tls, spoken):
    with served(files if is_tls else None) as (gateway, url):
        assert load(*spoken, url) == REQUESTS * len(BODY)
        assert total(gateway.metrics(), "sse_connections_total") == 0


@pytest.mark.parametrize("spoken", [[], ["--h1"]], ids=["h2", "h1"])
def test_bodies(files, tmp_path, spoken):
    body = tmp_path / "body"
    body.write_bytes(b"y" * 10_000)
    with served(files) as (_, url):
        assert load(*spoken, "-d", body, url) == REQUESTS * 10_000


def test_calls(tmp_path):
    """gRPC as h2load makes it: each call a message of 100 bytes, and one back."""
    echo = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    service = grpc.method_handlers_generic_handler("demo.Chat", {"Echo": echo})
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    message = tmp_path / "message"
    message.write_bytes(struct.pack(">BI", 0, 100) + bytes(100))
    try:
        with Gateway(config=config_for(f"127.0.0.1:{port}")) as gateway:
            asked = ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", message]
            assert load(*asked, f"http://{gateway.address}/demo.Chat/Echo") == REQUESTS * 105
            assert call_books(gateway) == (REQUESTS, REQUESTS, 0)
            metrics = gateway.metrics()
            assert tally(metrics, "grpc_streams_closed_total", "grpc_code") == {"OK": REQUESTS}
            both = dict.fromkeys(["client_to_server", "server_to_client"], REQUESTS)
            assert tally(metrics, "grpc_stream_messages_total", "direction") == both
            assert tally(metrics, "grpc_stream_resets_total", "http2_error") == {}
    finally:
        server.stop(None)


NGHTTP = {
    "many": (["-m", "50"], 50),
    "headers in continuations": (["--continuation"], 1),
    "padded": (["--padding", "100", "-m", "5"], 5),
    "small windows": (["-w", "10", "-W", "10", "-m", "20"], 20),
    "no table of headers": (["-c", "0", "-m", "5"], 5),
    "priorities": (["-p", "1", "-m", "5"], 5),
}


@pytest.mark.parametrize("name", NGHTTP)
def test_nghttp(files, name):
    options, count = NGHTTP[name]
    with served(files) as (_, url):
        told = run("nghttp", "-v", "-n", *options, url)
        assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", told)) == count, told
        assert not re.search(r"recv (RST_STREAM|GOAWAY) ", told), told
        received = re.findall(r"recv DATA frame <length=(\d+), flags=", told)
        assert sum(map(int, received)) == count * len(BODY)
