"""Who may come in: ceilings, buckets, clients, trials and exemptions, told to real clients of three protocols."""

import contextlib
import http.client
import json
import threading
import time

import grpc
import pytest
import websockets
from websockets.sync.client import connect as open_by_library

from harness.attacks import status
from harness.books import total
from harness.endings import tally, upstream_sockets
from harness.gateway import Gateway, config_for, until
from harness.wire import connect, frame, handshake, header, open_websocket, read_all, read_head, switching
from test_grpc import method, served

ADMISSIONS = "heartline_admissions_total"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n"


def either(head):
    """What a service answers to a handshake or to a subscription."""
    return switching(head) if b"Sec-WebSocket-Key" in head else STREAM


def limited(limits, more=""):
    """The keys of a route with limits."""
    return f"    limits: {{ {limits} }}\n    timeouts: {{ half_close: 500ms }}\n{more}"


@contextlib.contextmanager
def gate(limits, *, extra="", more="", route_of=limited):
    """A gateway whose route has these limits, in front of a service that answers at once."""
    with upstream_sockets(either) as (service, sockets):
        with Gateway(config=config_for(service.address, route=route_of(limits, more), extra=extra)) as gateway:
            gateway.service, gateway.sockets = service, sockets
            yield gateway


def ask(gateway, path="/", extra=""):
    """The head that answers a handshake, and its socket."""
    sock = connect(gateway.port)
    request, _ = handshake(path, extra=extra)
    sock.sendall(request)
    head, rest = read_head(sock)
    return head, sock, rest


def told(gateway, path="/", extra=""):
    """Status of the answer to a handshake; what is open stays open."""
    head, sock, _ = ask(gateway, path, extra)
    if status(head) == 101:
        kept.append(sock)
    else:
        sock.close()
    return status(head)


kept = []


@pytest.fixture(autouse=True)
def close_what_is_kept():
    yield
    while kept:
        kept.pop().close()


def decisions(gateway):
    """What was decided, by decision and reason."""
    return {pair: count for pair, count in tally(gateway.metrics(), ADMISSIONS, "decision", "reason").items() if count}


def wait_decisions(gateway, expected):
    until(lambda: decisions(gateway) == expected, f"{expected}, not {decisions(gateway)}")


def refused(gateway):
    return [record for record in gateway.closed() if record["handshake"]["result"] == "denied"]


def test_without_limits_nothing_is_counted():
    with gate("dry_run: false") as gateway:
        assert told(gateway) == 101
        assert ADMISSIONS not in gateway.get("/metrics").replace(f"# HELP {ADMISSIONS}", "").replace(
            f"# TYPE {ADMISSIONS}", "")


def test_a_ceiling_and_its_record():
    with gate("connections: 3") as gateway:
        assert [told(gateway) for _ in range(5)] == [101, 101, 101, 503, 503]
        head, sock, rest = ask(gateway)
        assert 10 <= int(header(head, "retry-after")) <= 20
        assert (rest + read_all(sock)).startswith(b"503 Service Unavailable")
        records = until(lambda: refused(gateway) if len(refused(gateway)) == 3 else None, "three are refused")
        for record in records:
            assert record["handshake"]["refused_by"] == "connections"
            assert record["handshake"]["status"] == 503
            assert "limits.connections" in record["handshake"]["detail"]
            assert record["upstream"] is None
        assert gateway.service.connections == 3, "no upstream was tried"
        wait_decisions(gateway, {("admitted", "within_limits"): 3, ("refused", "connections"): 3})
        metrics = gateway.metrics()
        assert total(metrics, "heartline_connection_limit") == 3
        assert total(metrics, "websocket_handshakes_total", result="denied") == 3
        kept.pop().close()
        until(lambda: len(gateway.live()) == 2, "one has left")
        assert [told(gateway) for _ in range(2)] == [101, 503]


def test_a_slot_is_given_back_however_the_attempt_ends():
    """By a service that refuses, by a client that goes, by a service that is not there."""
    answers = iter([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None])

    def answer(head):
        said = next(answers, None)
        return said or switching(head)

    with upstream_sockets(answer) as (service, _):
        with Gateway(config=config_for(service.address, route=limited("connections: 1"))) as gateway:
            assert told(gateway) == 404
            assert told(gateway) == 101
            assert told(gateway) == 503
            kept.pop().close()
            until(lambda: gateway.live() == [], "it has left")
            until(lambda: told(gateway) == 101, "the slot is free")


def test_a_bucket_fills_again():
    with gate("new_connections: { tokens: 2, interval: 2s }") as gateway:
        assert [told(gateway) for _ in range(3)] == [101, 101, 429]
        [record] = until(lambda: refused(gateway), "one is refused")
        assert record["handshake"]["refused_by"] == "new_connections"
        until(lambda: told(gateway) == 101, "a token comes back")


def test_each_client_by_a_header():
    limits = "per_client: { connections: 2 }"
    with gate(limits, more="    client_key: { header: X-User }\n") as gateway:
        for user in ("a", "b"):
            assert [told(gateway, extra=f"X-User: {user}\r\n") for _ in range(3)] == [101, 101, 429]
        assert [told(gateway) for _ in range(3)] == [101, 101, 429], "without a key it is the address"
        items = json.loads(gateway.get("/api/v1/limits"))["items"]
        [limit] = [item for item in items if item["resource"] == "client_connections"]
        assert (limit["subject"], limit["used"], limit["limit"]) == ("test", 2, 2)
        for sock in kept:
            sock.close()
        until(lambda: gateway.live() == [], "they have left")
        assert told(gateway, extra="X-User: a\r\n") == 101


def test_each_client_by_its_address_whatever_it_calls_itself():
    with gate("per_client: { connections: 1, by: address }") as gateway:
        assert told(gateway, extra="User-Agent: one\r\n") == 101
        assert told(gateway, extra="User-Agent: two\r\n") == 429
    with gate("per_client: { connections: 1 }") as gateway:
        assert told(gateway, extra="User-Agent: one\r\n") == 101
        assert told(gateway, extra="User-Agent: two\r\n") == 101
        assert told(gateway, extra="User-Agent: two\r\n") == 429


def test_those_who_are_refused_come_back_at_different_times():
    with gate("connections: 0, retry_after: 30s") as gateway:
        waits = [int(header(ask(gateway)[0], "retry-after")) for _ in range(40)]
        assert min(waits) >= 30 and max(waits) <= 60
        assert len(set(waits)) > 10
        assert max(waits) - min(waits) > 15


def test_event_streams():
    with gate("connections: 1") as gateway:
        first = http.client.HTTPConnection(gateway.address, timeout=10)
        first.request("GET", "/", headers={"Accept": "text/event-stream"})
        stream = first.getresponse()
        assert stream.status == 200
        second = http.client.HTTPConnection(gateway.address, timeout=10)
        second.request("GET", "/", headers={"Accept": "text/event-stream"})
        answer = second.getresponse()
        assert answer.status == 503 and 10 <= int(answer.getheader("Retry-After")) <= 20
        [record] = until(lambda: refused(gateway), "one is refused")
        assert (record["protocol"], record["handshake"]["refused_by"]) == ("sse", "connections")
        plain = http.client.HTTPConnection(gateway.address, timeout=10)
        plain.request("GET", "/")
        assert plain.getresponse().status == 200, "a plain request is not concerned"
        stream.close()
        first.close()


def test_grpc_calls():
    with served(route=limited("new_connections: { tokens: 1, interval: 60s }")) as (gateway, channel, _, _):
        echo = method(channel, "Echo")
        assert echo(b"x", timeout=10) == b"x"
        with pytest.raises(grpc.RpcError) as error:
            echo(b"x", timeout=10)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = {**dict(error.value.initial_metadata()), **dict(error.value.trailing_metadata())}
        assert 59_000 <= int(trailers["grpc-retry-pushback-ms"]) <= 120_000
        [record] = until(lambda: refused(gateway), "one is refused")
        assert (record["grpc"]["code"], record["handshake"]["refused_by"]) == ("RESOURCE_EXHAUSTED", "new_connections")
    with served(route=limited("connections: 0")) as (_, channel, _, _):
        with pytest.raises(grpc.RpcError) as error:
            method(channel, "Echo")(b"x", timeout=10)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE


def test_close_1013_for_those_who_cannot_read_a_status():
    with gate("connections: 1, refuse_with: close_1013") as gateway:
        assert told(gateway) == 101
        with open_by_library(f"ws://{gateway.address}/", subprotocols=["chat", "other"]) as late:
            assert late.subprotocol == "chat", "a browser fails without one of those that it offers"
            with pytest.raises(websockets.ConnectionClosed):
                late.recv(timeout=10)
            assert late.close_code == 1013
            assert late.close_reason.startswith("try again in ")
        [record] = until(lambda: refused(gateway), "one is refused")
        assert (record["handshake"]["status"], record["handshake"]["refused_by"]) == (101, "connections")
        assert record["reason"] is None and record["duration_seconds"] == 0
        wait_decisions(gateway, {("admitted", "within_limits"): 1, ("refused", "connections"): 1})
        assert total(gateway.metrics(), "websocket_handshakes_total", result="success") == 1


def test_a_trial_only_counts():
    with gate("connections: 1, handshakes: 1, dry_run: true") as gateway:
        assert [told(gateway) for _ in range(4)] == [101] * 4
        wait_decisions(gateway, {("admitted", "within_limits"): 1, ("would_refuse", "connections"): 3})
        assert refused(gateway) == []


def test_exemptions_by_network():
    extra = "trusted_peers: [127.0.0.1]\n"
    with gate("connections: 0, exempt: [10.0.0.0/8, 192.0.2.7]", extra=extra) as gateway:
        def come_from(address):
            return told(gateway, extra=f"X-Forwarded-For: {address}\r\n")

        assert come_from("10.1.2.3") == 101
        assert come_from("192.0.2.7") == 101
        assert come_from("192.0.2.8") == 503
        wait_decisions(gateway, {("admitted", "exempt"): 2, ("refused", "connections"): 1})


def test_the_gateway_in_all():
    with upstream_sockets(switching) as (service, _):
        config = (
            config_for(service.address, route="    match: { path: /a }\n")
            + f"  - {{ name: other, upstreams: [http://{service.address}] }}\n"
            + "limits: { connections: 2 }\n"
        )
        with Gateway(config=config) as gateway:
            assert [told(gateway, "/a"), told(gateway, "/b")] == [101, 101]
            assert [told(gateway, "/a"), told(gateway, "/b")] == [503, 503]
            counted = tally(gateway.metrics(), ADMISSIONS, "route", "decision", "reason")
            for route in ("test", "other"):
                assert counted[route, "refused", "gateway_connections"] == 1
            items = json.loads(gateway.get("/api/v1/limits"))["items"]
            [limit] = [item for item in items if item["resource"] == "gateway_connections"]
            assert (limit["used"], limit["limit"]) == (2, 2)


@contextlib.contextmanager
def slow_service():
    """A service that answers a handshake only when it is let, and how many it has under way."""
    go, seen = threading.Semaphore(0), []

    def answer(head):
        seen.append(head)
        go.acquire(timeout=60)
        return switching(head)

    with upstream_sockets(answer) as (service, _):
        yield service, go, seen


def test_openings_towards_a_slow_service_wait_for_their_turn():
    limits = limited("handshakes: { at_once: 2, waiting: 3, wait: 30s }")
    with slow_service() as (service, go, seen), Gateway(config=config_for(service.address, route=limits)) as gateway:
        asked = []
        for _ in range(5):
            sock = connect(gateway.port)
            sock.sendall(handshake()[0])
            asked.append(sock)
        until(lambda: total(gateway.metrics(), "heartline_handshakes_waiting") == 3, "three wait")
        until(lambda: service.connections == 2, "two are under way")
        began = time.monotonic()
        head, sock, _ = ask(gateway)
        assert status(head) == 503, "there is no place to wait"
        assert time.monotonic() - began < 5
        sock.close()
        asked.pop().close()
        until(lambda: total(gateway.metrics(), "heartline_handshakes_waiting") == 2, "one that waits has gone")
        for open_by_now in range(1, 5):
            go.release()
            until(lambda: len(gateway.live()) == open_by_now, f"{open_by_now} are open")
            under_way = len(seen) - open_by_now
            assert under_way <= 2
        for sock in asked:
            assert status(read_head(sock)[0]) == 101
            sock.close()
        go.release(10)
        assert decisions(gateway)[("refused", "handshakes")] == 1


def test_who_waits_too_long_is_refused():
    limits = limited("handshakes: { at_once: 1, wait: 300ms }")
    with slow_service() as (service, go, _), Gateway(config=config_for(service.address, route=limits)) as gateway:
        first = connect(gateway.port)
        first.sendall(handshake()[0])
        until(lambda: service.connections == 1, "the first is under way")
        head, sock, _ = ask(gateway)
        assert status(head) == 503 and header(head, "retry-after")
        sock.close()
        [record] = until(lambda: refused(gateway), "one is refused")
        assert record["handshake"]["refused_by"] == "handshakes"
        assert record["handshake"]["seconds"] >= 0.3
        go.release(10)
        assert status(read_head(first)[0]) == 101
        first.close()


@contextlib.contextmanager
def read_by_service(limits):
    """A client of a route with these limits, the service's end of it, and the gateway."""
    with gate(limits) as gateway:
        client, _ = open_websocket(gateway.port)
        [service] = until(lambda: gateway.sockets, "it is open")
        service.settimeout(20)
        with client:
            yield gateway, client, service


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, f"ended after {len(data)} bytes"
        data += part
    return data


@pytest.mark.parametrize(("limit", "reason"), [
    ("messages: { tokens: 20, interval: 1s }", "messages"),
    ("bytes: { tokens: 2000, interval: 1s }", "bytes"),
])
def test_a_client_that_sends_too_much_has_to_wait_and_nothing_is_lost(limit, reason):
    with read_by_service(limit) as (gateway, client, service):
        sent = b"".join(frame(1, b"%093d" % number, mask=True) for number in range(30))
        client.sendall(sent)
        assert receive(service, len(sent)) == sent
        client.sendall(sent)
        until(lambda: decisions(gateway).get(("delayed", reason)), "it is held back")
        service.sendall(frame(1, b"news"))
        assert receive(client, 6) == frame(1, b"news"), "the other direction goes on"
        assert receive(service, len(sent)) == sent
        client.sendall(frame(8, b"", mask=True))
        receive(service, 6)


def test_a_client_that_sends_too_much_is_closed():
    limits = "messages: { tokens: 5, interval: 60s }, when_exceeded: close"
    with read_by_service(limits) as (gateway, client, service):
        client.sendall(frame(1, b"hello", mask=True) * 5)
        receive(service, 5 * 11)
        client.sendall(frame(1, b"hello", mask=True))
        assert receive(client, 4) == b"\x88\x02\x03\xf0", "1008"
        client.sendall(frame(8, b"\x03\xf0", mask=True))
        receive(service, 11)
        assert receive(service, 8)[-2:] == b"\x03\xe9", "1001"
        service.sendall(frame(8, b"\x03\xe9"))
        [record] = gateway.wait_closed()
        assert (record["initiator"], record["reason"]) == ("proxy", "limit")
        assert record["causes"][0]["what"] == "rate_limit"
        assert record["messages"]["client_to_server"] == 6, "nothing is lost before it"
        assert decisions(gateway)[("closed", "messages")] == 1


def test_a_trial_slows_nobody_down():
    with read_by_service("messages: { tokens: 1, interval: 60s }, dry_run: true") as (gateway, client, service):
        client.sendall(frame(1, b"hello", mask=True) * 50)
        receive(service, 50 * 11)
        assert decisions(gateway)[("would_refuse", "messages")] == 1


def reload(gateway, config):
    gateway.write_config(config)
    assert gateway.post("/-/reload") == (200, '{"status":"ok"}')


def test_limits_are_swapped_and_what_is_open_stays_counted():
    with upstream_sockets(switching) as (service, _):
        def config(limits):
            return config_for(service.address, route=limited(limits))

        with Gateway(config=config("dry_run: true")) as gateway:
            assert [told(gateway) for _ in range(2)] == [101, 101]
            reload(gateway, config("connections: 3, per_client: { connections: 10 }"))
            assert [told(gateway) for _ in range(2)] == [101, 503], "those from before the limit count"
            reload(gateway, config("connections: 5, per_client: { connections: 2 }"))
            assert [told(gateway) for _ in range(2)] == [101, 429]
            reload(gateway, config("connections: 4"))
            assert told(gateway) == 503
            reload(gateway, config("connections: 5"))
            assert [told(gateway) for _ in range(2)] == [101, 503]
            while kept:
                kept.pop().close()
            until(lambda: gateway.live() == [], "all have left")
            assert [told(gateway) for _ in range(6)] == [101] * 5 + [503]


def test_several_upstreams_added_by_a_reload_take_new_connections_at_once():
    """The seed's scale-out: what is new goes to the new services until they have as many."""
    with contextlib.ExitStack() as stack:
        services = [stack.enter_context(upstream_sockets(switching))[0] for _ in range(3)]
        route = limited("connections: 100")
        gateway = stack.enter_context(Gateway(config=config_for(services[0].address, route=route)))
        assert [told(gateway) for _ in range(6)] == [101] * 6
        reload(gateway, config_for(*(service.address for service in services), route=route))
        assert [told(gateway) for _ in range(12)] == [101] * 12
        assert [service.connections for service in services] == [6, 6, 6]


@pytest.mark.parametrize(("limits", "place"), [
    ("new_connections: { tokens: 0, interval: 1s }", "tokens"),
    ("new_connections: { tokens: 1000, interval: 0s }", "interval"),
    ("handshakes: 0", "handshakes"),
    ("handshakes: { at_once: 1, wait: 0s }", "wait"),
    ("exempt: [nowhere]", "nowhere"),
    ("conections: 1", "connections"),
], ids=str)
def test_limits_that_cannot_work_are_errors(limits, place):
    with gate("connections: 1") as gateway:
        gateway.write_config(config_for(gateway.service.address, route=limited(limits)))
        answered, body = gateway.post("/-/reload")
        assert answered == 400 and place in body, body
        assert [told(gateway), told(gateway)] == [101, 503], "the old ones stay in force"
