"""Attacks by HTTP/2 and gRPC as raw frames, by clients and by upstreams: bounded, told, and of no harm to others."""

import contextlib
import gzip

import pytest

from harness.attacks import OK, front as strict_front, request
from harness.gateway import until
from harness.hostile import (
    CANARIES, DOWN, KB, MB, UP, attacked, bounded_memory, series,
)
from harness.http2 import (
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GOAWAY, HEADERS, NAMES, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, Link, asked, called, field, fields, head, http2_frame, integer, message, reset_stream,
    settings,
)
from harness.wire import connect

SPARE = 16 * MB
SECRETS = (
    ("authorization", f"Bearer {CANARIES['authorization']}"), ("cookie", f"session={CANARIES['cookie']}"),
    ("x-token", CANARIES["metadata"]), ("token-bin", CANARIES["metadata"]),
)
ANSWER = ((":status", "200"), ("content-type", "application/grpc"), ("set-cookie", CANARIES["set-cookie"]))
STATUS = (("grpc-status", "0"), ("x-token", CANARIES["metadata"]))
PAYLOAD = CANARIES["payload"].encode()


def plain_answer(_):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def greet(link):
    """The upstream's part of the preface: SETTINGS, and what is to be read first."""
    link.take(len(b"SM\r\n\r\n"))
    link.send(settings())


def answer_calls(sock, rest):
    """Answers each call, at its end, with one message and status 0."""
    link = Link(sock, rest)
    greet(link)
    while found := link.next():
        kind, flags, stream, _ = found
        if kind == SETTINGS and not flags & ACK:
            link.send(http2_frame(SETTINGS, ACK))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            answer(link, stream)


def answer(link, stream):
    link.send(
        head(stream, *ANSWER), http2_frame(DATA, 0, stream, message(PAYLOAD)),
        head(stream, *STATUS, flags=END_HEADERS | END_STREAM),
    )


@contextlib.contextmanager
def linked(gateway, *first):
    with connect(gateway.port) as sock:
        link = Link(sock)
        link.send(PREFACE, *(first or [settings()]))
        yield link


def call(gateway, path="/demo.Chat/Echo?token=" + CANARIES["query"]):
    """One call on a connection of its own, to its end."""
    with linked(gateway) as link:
        link.send(head(1, *called(path), *SECRETS), http2_frame(DATA, END_STREAM, 1, message(PAYLOAD)))
        assert link.find(HEADERS, stream=1, flags=END_STREAM), "the call has no end"


@contextlib.contextmanager
def besieged(speak=answer_calls, answer=plain_answer, extra=""):
    with attacked(answer, speak=speak, extra=extra) as front:
        call(front.gateway)
        known = series(front.gateway)
        yield front
        works(front)
        assert series(front.gateway) - known <= {sample for sample in series(front.gateway) if "demo.Chat" in sample}


def works(front):
    front.works()
    call(front.gateway)


def ends(front):
    """What the debug log says of connections that ended with an error."""
    return [line["error"] for line in front.gateway.logged("a client's connection ended with an error")]


RESETS = 5_000
REQUESTS = {"requests": asked(f"/?token={CANARIES['query']}"), "calls": called()}


@pytest.mark.parametrize("name", REQUESTS)
def test_rapid_reset(name):
    """G1: streams that are reset as soon as they are opened (CVE-2023-44487)."""
    with besieged() as front, linked(front.gateway) as link:
        pairs = [head(n, *REQUESTS[name]) + reset_stream(n) for n in range(1, 2 * RESETS, 2)]
        with bounded_memory(front.gateway, SPARE):
            assert link.flood(*(b"".join(pairs[n : n + 100]) for n in range(0, RESETS, 100))) == ENHANCE_YOUR_CALM
            works(front)
        assert len(ends(front)) == 1
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")


def test_resets_one_by_one():
    """G1: slow enough to be served, each ends at once, here and at the upstream."""
    with besieged() as front, linked(front.gateway) as link, bounded_memory(front.gateway, SPARE):
        for n in range(1, 1000, 2):
            link.send(head(n, *called(), *SECRETS), http2_frame(PING, 0, 0, n.to_bytes(8, "big")))
            assert link.find(PING, flags=ACK)
            link.send(reset_stream(n))
        works(front)
        until(lambda: front.count("grpc_active_streams", "route") == {}, "no stream is left")
        codes = front.count("grpc_streams_closed_total", "grpc_method", "grpc_code")
        assert codes == {("Talk", "CANCELLED"): 500, ("Echo", "OK"): 2}
