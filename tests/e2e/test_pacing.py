"""How much one event stream or one gRPC call may carry in a time: who is ahead waits and nothing is lost, or is ended."""

import contextlib
import queue
import threading

import grpc
import pytest

from harness.endings import tally
from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, connect, read_head
from test_grpc import method, served

ADMISSIONS = "heartline_admissions_total"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#: The second is no subscription, and so goes through HTTP's own machinery.
ASKING = {"relayed": b"Accept: text/event-stream\r\n", "through HTTP": b""}


def limited(limits):
    return f"    limits: {{ {limits} }}\n"


def decisions(gateway):
    return {pair: count for pair, count in tally(gateway.metrics(), ADMISSIONS, "decision", "reason").items() if count}


def events(first, last):
    """Events, each in a chunk of its own."""
    data = [b"data: %05d\n\n" % number for number in range(first, last)]
    return b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in data)


@contextlib.contextmanager
def subscribed(limits, asking, more=""):
    """A gateway with these limits, the client of an event stream, and the service's socket."""
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        backend.read_head(sock)
        sock.sendall(HEAD)
        sockets.append(sock)
        over.wait(60)

    with Backend(serve) as service, Gateway(config=config_for(service.address, route=limited(limits) + more)) as gateway:
        client = connect(gateway.port, timeout=20)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + ASKING[asking] + b"\r\n")
        [sock] = until(lambda: sockets, "it is asked")
        head, rest = read_head(client)
        assert b"text/event-stream" in head.lower()
        try:
            yield gateway, client, sock, rest
        finally:
            client.close()
            over.set()


def read_up_to(client, data, last):
    """Reads until `last` has come."""
    while last not in data:
        part = client.recv(65536)
        assert part, f"ended behind {data[-100:]}"
        data += part
    return data


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize(("limit", "reason"), [
    ("messages: { tokens: 20, interval: 1s }", "messages"),
    ("bytes: { tokens: 260, interval: 1s }", "bytes"),
])
def test_an_event_stream_that_is_ahead_waits_and_nothing_is_lost(limit, reason, asking):
    with subscribed(limit, asking) as (gateway, client, service, data):
        service.sendall(events(0, 30))
        data = read_up_to(client, data, b"data: 00029\n\n")
        until(lambda: decisions(gateway).get(("delayed", reason)), "it is held back")
        service.sendall(events(30, 60) + b"0\r\n\r\n")
        data = read_up_to(client, data, b"0\r\n\r\n")
        numbers = [int(part[:5]) for part in data.split(b"data: ")[1:]]
        assert numbers == list(range(60))
        [record] = gateway.wait_closed()
        assert (record["reason"], record["messages"]["server_to_client"]) == ("complete", 60)


@pytest.mark.parametrize("asking", ASKING)
def test_an_event_stream_that_is_ahead_is_not_read(asking):
    with subscribed("messages: { tokens: 5, interval: 1h }", asking) as (gateway, client, service, data):
        service.sendall(events(0, 6))
        read_up_to(client, data, b"data: 00005\n\n")
        until(lambda: decisions(gateway).get(("delayed", "messages")), "it is held back")
        service.sendall(events(6, 7))
        client.close()
        [record] = gateway.wait_closed()
        assert record["messages"]["server_to_client"] == 6, "the seventh is never read"


@pytest.mark.parametrize("asking", ASKING)
def test_an_event_stream_that_carries_too_much_is_ended(asking):
    limits = "messages: { tokens: 5, interval: 60s }, when_exceeded: close"
    with subscribed(limits, asking) as (gateway, client, service, data):
        service.sendall(events(0, 5))
        data = read_up_to(client, data, b"data: 00004\n\n")
        service.sendall(events(5, 6))
        data = read_up_to(client, data, b"0\r\n\r\n")
        assert b"data: 00005\n\n" in data, "nothing is lost before it"
        [record] = gateway.wait_closed()
        assert (record["initiator"], record["reason"]) == ("proxy", "limit")
        assert decisions(gateway)[("closed", "messages")] == 1


@pytest.mark.parametrize("asking", ASKING)
def test_a_trial_slows_no_event_stream_down(asking):
    with subscribed("messages: { tokens: 1, interval: 1h }, dry_run: true", asking) as (gateway, client, service, data):
        service.sendall(events(0, 5))
        data = read_up_to(client, data, b"data: 00004\n\n")
        service.sendall(events(5, 9))
        read_up_to(client, data, b"data: 00008\n\n")
        assert decisions(gateway)[("would_refuse", "messages")] == 1


def test_a_stream_with_a_queue_is_paced_as_well():
    with subscribed("messages: { tokens: 5, interval: 1h }", "relayed", "    queue: { max_bytes: 1MiB }\n") as (
        gateway, client, service, data,
    ):
        service.sendall(events(0, 6))
        read_up_to(client, data, b"data: 00005\n\n")
        until(lambda: decisions(gateway).get(("delayed", "messages")), "it is held back")
        service.sendall(events(6, 7))
        client.close()
        [record] = gateway.wait_closed()
        assert record["messages"]["server_to_client"] == 6


def one_call(gateway):
    return gateway.wait_closed()[0]


@pytest.mark.parametrize(("limit", "reason"), [
    ("messages: { tokens: 20, interval: 500ms }", "messages"),
    ("bytes: { tokens: 140, interval: 500ms }", "bytes"),
])
@pytest.mark.parametrize("direction", ["client_to_server", "server_to_client"])
def test_a_call_that_is_ahead_waits_and_nothing_is_lost(limit, reason, direction):
    with served(route=limited(limit)) as (gateway, channel, _, _):
        if direction == "client_to_server":
            numbers = (str(number).encode() for number in range(60))
            assert method(channel, "Sum", "stream_unary")(numbers, timeout=30) == str(sum(range(60))).encode()
        else:
            answers = list(method(channel, "Count", "unary_stream")(b"60", timeout=30))
            assert answers == [str(number).encode() for number in range(60)]
        assert decisions(gateway)[("delayed", reason)] >= 1
        record = one_call(gateway)
        assert (record["grpc"]["code"], record["messages"][direction]) == ("OK", 60)


def test_a_call_that_is_ahead_is_not_passed_on():
    with served(route=limited("messages: { tokens: 5, interval: 1h }")) as (gateway, channel, _, _):
        said = queue.SimpleQueue()
        talk = method(channel, "Talk", "stream_stream")(iter(said.get, None), timeout=60)
        for number in range(6):
            said.put(b"%d" % number)
            assert next(talk) == b"%d" % number
        said.put(b"6")
        until(lambda: decisions(gateway).get(("delayed", "messages")), "it is held back")
        talk.cancel()
        said.put(None)
        record = one_call(gateway)
        assert record["messages"]["client_to_server"] == 6, "the seventh has never gone on"


def test_a_large_message_is_passed_on_whole():
    big = bytes(range(256)) * 4096
    limits = "bytes: { tokens: 1000000, interval: 1s }"
    with served(route=limited(limits), options=[("grpc.max_receive_message_length", -1)]) as (gateway, channel, _, _):
        assert method(channel, "Echo")(big, timeout=60) == big
        assert decisions(gateway)[("delayed", "bytes")] >= 1


def test_a_call_that_carries_too_much_is_ended_with_a_time_to_come_back():
    limits = "messages: { tokens: 5, interval: 60s }, when_exceeded: close, retry_after: 30s"
    with served(route=limited(limits)) as (gateway, channel, _, _):
        counted = method(channel, "Tick", "unary_stream")(b"", timeout=60)
        with pytest.raises(grpc.RpcError) as error:
            list(counted)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = dict(error.value.trailing_metadata())
        assert 30_000 <= int(trailers["grpc-retry-pushback-ms"]) <= 60_000
        record = one_call(gateway)
        assert (record["grpc"]["code"], record["initiator"], record["reason"]) == ("RESOURCE_EXHAUSTED", "proxy", "limit")
        assert decisions(gateway)[("closed", "messages")] == 1


def test_a_trial_slows_no_call_down():
    limits = "messages: { tokens: 1, interval: 1h }, dry_run: true"
    with served(route=limited(limits)) as (gateway, channel, _, _):
        assert len(list(method(channel, "Count", "unary_stream")(b"50", timeout=30))) == 50
        assert decisions(gateway)[("would_refuse", "messages")] == 1
