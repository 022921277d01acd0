"""Routes that are tried from the dashboard's test page, by a browser that has signed in, before a real service."""

import json
import re
import threading
import urllib.parse
import urllib.request

import pytest
import websockets.sync.client
import websockets.sync.server
from harness.gateway import Gateway, until
from harness.processes import free_port
from test_dashboard import in_a_browser, passes
from websockets.datastructures import Headers
from websockets.http11 import Response

TOKEN = "correct-horse-battery-staple"
HOSTILE = "<img src=x onerror='window.ran=1'>"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def service():
    """Tells what requests it was asked, by `heads`."""
    heads = []

    def answer(connection, request):
        heads.append((request.path, list(request.headers.raw_items())))
        if request.path == "/refuse":
            return Response(403, "Forbidden", Headers({"Content-Type": "text/html"}), f"no: {HOSTILE}".encode())
        if request.path == "/events":
            events = f"retry: 200\n\nevent: tick\ndata: 1\n\nevent: {HOSTILE}\ndata: {HOSTILE}\nid: 7\n\n"
            return Response(200, "OK", Headers({"Content-Type": "text/event-stream"}), events.encode())
        return None

    def serve(socket):
        if socket.request.path == "/many":
            for number in range(1500):
                socket.send(f"message {number}")
            return
        for message in socket:
            socket.send(message)

    def choose(_, offered):
        return "chat" if "chat" in offered else None

    with websockets.sync.server.serve(
        serve, "127.0.0.1", 0, process_request=answer, select_subprotocol=choose
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.heads = heads
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(service):
    port = service.socket.getsockname()[1]
    config = (
        f"admin: {{ listen: '127.0.0.1:0', token: {TOKEN} }}\n"
        "listeners: [{ listen: '127.0.0.1:0' }]\n"
        "routes:\n"
        f"  - {{ name: gone, match: {{ path: /gone }}, upstreams: ['http://127.0.0.1:{free_port()}'] }}\n"
        "  - { name: full, match: { path: /full }, limits: { connections: 1 },"
        f" upstreams: ['http://127.0.0.1:{port}'] }}\n"
        f"  - {{ name: chat, upstreams: ['http://127.0.0.1:{port}'] }}\n"
    )
    with Gateway(config=config) as gateway:
        yield gateway


def ask(gateway, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {**KNOWN, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{gateway.admin}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def begin(gateway, **changes):
    asked = {"protocol": "websocket", "host": "example.com", "path": "/echo", "origin": "https://example.com", **changes}
    return ask(gateway, "/api/v1/tryouts", asked)["id"]


def connect(gateway, tryout):
    url = f"ws://{gateway.admin}/api/v1/tryouts/{tryout}/connect"
    return websockets.sync.client.connect(
        url, additional_headers={**KNOWN, "Cookie": "heartline_session=00ff"}, subprotocols=["chat"], compression=None,
    )


def records(gateway, tryout):
    return [one["id"] for one in ask(gateway, f"/api/v1/tryouts/{tryout}")["connections"]]


def test_a_try_is_relayed_and_recorded_as_a_client_is(gateway, service):
    tryout = begin(gateway, path="/echo?room=1")
    with connect(gateway, tryout) as socket:
        assert socket.subprotocol == "chat"
        own = socket.local_address[1]
        sent = ["hello", "你好", "x" * 300_000]
        for message in sent:
            socket.send(message)
        assert [socket.recv(10) for _ in sent] == sent
        [record] = records(gateway, tryout)
        live = ask(gateway, f"/api/v1/connections/{record}")["live"]
        assert (live["client"]["is_tryout"], live["client"]["port"], live["route"]) == (True, own, "chat")
        socket.close(3001, "bye")
    until(lambda: ask(gateway, f"/api/v1/connections/{record}")["state"] == "closed", "it has ended")
    closed = ask(gateway, f"/api/v1/connections/{record}")["closed"]
    assert closed["codes"] == {"from_client": 3001, "from_upstream": 3001}
    assert (closed["initiator"], closed["messages"]["client_to_server"]) == ("client", 3)
    assert closed["client"]["is_tryout"] is True

    def found(text, **options):
        query = urllib.parse.urlencode({"q": f"{text} id:{record}", "set": "closed", **options})
        return ask(gateway, f"/api/v1/connections?{query}")["total"]

    assert [found(text) for text in ("tryout:true", "tryout:false", "-tryout:true")] == [1, 0, 0]
    past = {"from": "2026-01-01T00:00:00Z"}
    until(lambda: found("tryout:true", **past) == 1, "the journal has it")
    assert found("tryout:false", **past) == 0
    kinds = {event["kind"] for event in ask(gateway, f"/api/v1/connections/{record}/events")["items"]}
    assert {"handshake", "message", "close"} <= kinds, kinds
    fields = dict(next(head for path, head in service.heads if path == "/echo?room=1"))
    assert (fields["host"], fields["origin"], fields["x-forwarded-for"]) == ("example.com", "https://example.com", "127.0.0.1")
    assert not {"cookie", "authorization", "referer"} & {name.lower() for name in fields}


def test_a_try_meets_the_limits_of_its_route(gateway):
    with connect(gateway, begin(gateway, path="/full")) as first:
        first.send("in")
        assert first.recv(10) == "in"
        tryout = begin(gateway, path="/full")
        with pytest.raises(websockets.exceptions.InvalidStatus):
            connect(gateway, tryout)
    [seen] = ask(gateway, f"/api/v1/tryouts/{tryout}")["connections"]
    assert seen["status"] in (429, 503)
    closed = ask(gateway, f"/api/v1/connections/{seen['id']}")["closed"]
    assert closed["handshake"]["result"] == "denied" and closed["handshake"]["refused_by"], closed


def test_a_try_that_is_refused_is_counted(gateway):
    def refused():
        text = urllib.request.urlopen(urllib.request.Request(f"http://{gateway.admin}/metrics", headers=KNOWN)).read().decode()
        return dict(re.findall(r'^heartline_tryouts_refused_total\{reason="(\w+)"\} (\d+)', text, re.MULTILINE))

    before = refused()
    assert set(before) == {"busy", "open", "over", "cross_site"}
    tryout = begin(gateway)
    with connect(gateway, tryout), pytest.raises(websockets.exceptions.InvalidStatus):
        connect(gateway, tryout)
    assert refused() == {**before, "open": str(int(before["open"]) + 1)}


@in_a_browser
def test_the_test_page_in_a_browser(gateway, service, monkeypatch):
    monkeypatch.setenv("HEARTLINE_TOKEN", TOKEN)
    passes("test-page.mjs", f"http://{gateway.admin}/", HOSTILE)
    names = {name.lower() for _, head in service.heads for name, _ in head}
    assert "user-agent" in names and not {"cookie", "authorization", "x-heartline-csrf", "referer"} & names
    assert all(one["client"].get("is_tryout") for one in ask(gateway, "/api/v1/connections?set=closed&limit=500")["items"])


def test_what_is_open_ends_with_the_gateway(service):
    port = service.socket.getsockname()[1]
    config = (
        f"admin: {{ listen: '127.0.0.1:0', token: {TOKEN} }}\n"
        "listeners: [{ listen: '127.0.0.1:0' }]\n"
        "drain: { window: 1s }\n"
        f"routes: [{{ name: chat, upstreams: ['http://127.0.0.1:{port}'] }}]\n"
    )
    with Gateway(config=config) as gateway, connect(gateway, begin(gateway)) as socket:
        socket.send("here")
        assert socket.recv(10) == "here"
        gateway.signal()
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv(timeout=20)
        assert gateway.wait() == 0
