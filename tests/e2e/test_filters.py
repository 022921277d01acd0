"""One text says which connections are meant, of open ones, of ended ones, and over days."""

import json
import socket
import urllib.error
import urllib.parse

import pytest

from harness.gateway import Gateway, config_for, until
from harness.wire import Backend, frame, open_websocket, switching

PAST = "2026-01-01T00:00:00Z"


def serve(backend, sock, _):
    head, _rest = backend.read_head(sock)
    sock.sendall(switching(head))
    while sock.recv(65536):
        pass


def found(gateway, text, **options):
    query = urllib.parse.urlencode({"q": text, **options})
    return json.loads(gateway.get(f"/api/v1/connections?{query}"))["total"]


@pytest.fixture(scope="module")
def population():
    """One connection is open and has had three messages; of two that were closed one had a message."""
    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        sockets = [open_websocket(gateway.port)[0] for _ in range(3)]
        for sock, messages in zip(sockets, [3, 1, 0], strict=True):
            for _ in range(messages):
                sock.sendall(frame(1, b"hello", mask=True))
        until(lambda: found(gateway, "messages>0") == 2, "the messages have come")
        for sock in sockets[1:]:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        until(lambda: found(gateway, "", set="closed") == 2, "two are closed")
        until(lambda: found(gateway, "", set="closed", **{"from": PAST}) == 2, "two are in the journal")
        yield gateway
        sockets[0].close()


def test_a_view_holds_still():
    """What ends stays in its row and says so; what opens waits until the order is taken anew."""
    def look(view):
        return json.loads(gateway.get(f"/api/v1/connections?view={view}&dir=asc"))

    def states(page):
        return [item["state"] for item in page["items"]]

    with Backend(serve) as backend, Gateway(config=config_for(backend.address)) as gateway:
        sockets = [open_websocket(gateway.port)[0] for _ in range(3)]
        until(lambda: len(gateway.live()) == 3, "all are open")
        before = look("new")
        assert states(before) == ["live"] * 3
        sockets[1].close()
        gateway.wait_closed(1)
        sockets.append(open_websocket(gateway.port)[0])
        until(lambda: len(gateway.live()) == 3, "the last is open")
        after = look(before["view"])
        assert states(after) == ["live", "closed", "live"]
        assert (after["view"], after["as_of"], after["total"]) == (before["view"], before["as_of"], 3)
        since = urllib.parse.quote(before["as_of"])
        facets = json.loads(gateway.get(f"/api/v1/connections/facets?since={since}"))
        assert (facets["total"], facets["newer"]) == (3, 1)
        lines = gateway.get("/api/v1/connections/export?set=closed").splitlines()
        assert [json.loads(line)["id"] for line in lines] == [after["items"][1]["closed"]["id"]]
        for sock in sockets:
            sock.close()


LIVE = {
    "": 1, "route:test": 1, "route:te*": 1, "-route:test": 0, "TEST": 1, "other": 0, "messages:3": 1, "messages>=4": 0,
    "ip:127.0.0.0/8": 1, "ip:10.0.0.0/8": 0, "client:127.0.0.1": 1, "state:open": 1, "state:slow": 0, "duration<1h": 1,
    "protocol:websocket bytes>20 -idle>5m": 1, "reason:abnormal": 0, "-reason:abnormal": 1, "result:success": 1,
}
CLOSED = {
    "": 2, "route:test": 2, "-route:te*": 0, "TEST": 2, "messages:1": 1, "messages<1": 1, "ip:127.0.0.0/8 messages:0": 1,
    "reason:abnormal": 2, "reason:ab* -messages:1": 1, "initiator:client": 2, "status:101": 2, "status>=500": 0,
    "state:closed": 2, "state:lost": 0, "bytes>1MiB": 0, "duration<1h30m": 2, "layer:tcp": 2, "code:1006": 0,
}


@pytest.mark.parametrize("text", LIVE)
def test_of_open_ones(population, text):
    assert found(population, text) == LIVE[text]


@pytest.mark.parametrize("text", CLOSED)
def test_of_ended_ones(population, text):
    """Memory and journal agree."""
    assert found(population, text, set="closed") == CLOSED[text]
    assert found(population, text, set="closed", **{"from": PAST}) == CLOSED[text]


@pytest.mark.parametrize("text, message, hint", [
    ("route:test reson:x", "character 12: `reson` is no key", "did you mean `reason`?"),
    ("reason:abnormall", "character 8: `reason` is never `abnormall`", "did you mean `abnormal`?"),
    ("route>5", "`route` is no number", "route:chat*"),
    ("ip:10.0.0.0/99", "and no network", "ip:10.0.0.0/8"),
    ('route:"x', "has no end", "close it"),
    ("<script>", "begins with no key", "quotes"),
    ("x " * 33, "more than 32 terms", "leave some out"),
    ("x" * 3000, "3000 bytes", "2048"),
])
@pytest.mark.parametrize("options", [{}, {"set": "closed"}, {"set": "closed", "from": PAST}], ids=["live", "closed", "days"])
def test_what_is_not_understood_is_an_error(population, text, message, hint, options):
    with pytest.raises(urllib.error.HTTPError) as refused:
        found(population, text, **options)
    error = json.loads(refused.value.read())["error"]
    assert (refused.value.code, error["code"]) == (400, "bad_query")
    assert message in error["message"] and hint in error["hint"], error
