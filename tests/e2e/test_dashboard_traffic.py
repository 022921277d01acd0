"""What sets a window of time apart, asked of the API, and the dashboard's pages of traffic and probes in a real browser;
before a service that closes with the code that its path asks for."""

import json
import math
import threading
import time
import urllib.parse

import pytest
import websockets.sync.client
import websockets.sync.server
from harness.gateway import Gateway, until
from harness.processes import free_port
from test_dashboard import in_a_browser, passes

USUAL, PEAK = 60, 30
HOSTILE = "<img src=x onerror='window.ran=1'>"


@pytest.fixture(scope="module")
def service():
    """Closes with the code at the end of the path as soon as it is sent something; at `/echo` it repeats it."""

    def serve(socket):
        for message in socket:
            code = socket.request.path.rsplit("/", 1)[-1]
            if code != "echo":
                return socket.close(int(code))
            socket.send(message)

    with websockets.sync.server.serve(serve, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(service, tmp_path_factory):
    """After many connections that ended normally a peak of some that were told of a restart; `at` is between."""
    listen = f"127.0.0.1:{free_port()}"
    config = (
        "admin: { listen: '127.0.0.1:0' }\n"
        f"listeners: [{{ listen: '{listen}' }}]\n"
        "routes:\n"
        f"  - {{ name: gone, match: {{ path: /gone/ }}, upstreams: ['http://127.0.0.1:{free_port()}'] }}\n"
        f"  - {{ name: chat, upstreams: ['http://{service}'] }}\n"
        "probes:\n"
        f"  - {{ name: fine, url: 'ws://{listen}/echo', every: 1d }}\n"
        f"  - {{ name: dead, url: 'ws://127.0.0.1:{free_port()}/', every: 1d }}\n"
    )
    with Gateway("--data-dir", str(tmp_path_factory.mktemp("data")), config=config) as gateway:
        for name in ("fine", "dead"):
            gateway.post(f"/api/v1/probes/{name}/run")
        until(lambda: all(one["last"] for one in json.loads(gateway.get("/api/v1/probes"))["items"]), "the probes have run", 60)
        for _ in range(USUAL):
            end(listen, 1000)
        until(lambda: not gateway.live(), "all have ended")
        gateway.at = math.ceil(time.time())
        until(lambda: time.time() >= gateway.at, "a second has begun")
        for _ in range(PEAK):
            end(listen, 1012, HOSTILE)
        for _ in range(PEAK):
            with pytest.raises(websockets.exceptions.InvalidStatus):
                end(listen, 1000, path="/gone/")
        until(lambda: explained(gateway)["openings"]["count"] == 2 * PEAK, "the journal has all")
        yield gateway


def end(listen, code, agent="usual/1", path="/"):
    with websockets.sync.client.connect(f"ws://{listen}{path}{code}", user_agent_header=agent) as socket:
        socket.send("end")
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv(timeout=10)


def explained(gateway, **keys):
    keys = {"from": f"{gateway.at:.3f}", "to": f"{gateway.at + 600:.3f}", "baseline": 600, **keys}
    return json.loads(gateway.get(f"/api/v1/explain?{urllib.parse.urlencode(keys)}"))


def by_value(contrast):
    return {(one["dimension"], one["value"]): one for one in contrast["differences"]}


def test_what_sets_a_peak_apart(gateway):
    told = explained(gateway)
    ends, openings = told["ends"], told["openings"]
    assert (ends["count"], ends["is_complete"], told["is_kept"]) == (PEAK, True, True)
    assert ends["count_before"] >= USUAL
    restart = by_value(ends)["reason", "service_restart"]
    assert (restart["count"], restart["count_before"], restart["share"], restart["lift"]) == (PEAK, 0, 1, None)
    assert by_value(ends)["code", "1000"]["count"] == 0
    assert by_value(ends)["user_agent", HOSTILE]["count"] == PEAK
    assert ("route", "chat") not in by_value(ends), "all ends were there before too"
    order = [one["g2"] for one in ends["differences"]]
    assert order == sorted(order, reverse=True)
    assert by_value(openings)["result", "unreachable"]["count"] == PEAK
    assert by_value(openings)["route", "gone"]["count"] == PEAK


def test_a_filter_and_a_baseline_of_its_own(gateway):
    told = explained(gateway, q="route:gone")
    assert (told["ends"]["count"], told["openings"]["count"]) == (0, PEAK)
    short = explained(gateway, **{"from": f"{gateway.at + 300:.3f}", "baseline": 1})
    assert short["ends"]["count"] == short["ends"]["count_before"] == 0
    assert short["ends"]["differences"] == []


def test_lists_between_two_instants_hold_still(gateway):
    keys = {"set": "closed", "q": "reason:*", "view": "new", "from": f"{gateway.at:.3f}", "to": f"{gateway.at + 600:.3f}"}
    page = json.loads(gateway.get(f"/api/v1/connections?{urllib.parse.urlencode(keys)}"))
    assert (page["total"], page["is_complete"]) == (PEAK, True)
    assert {one["closed"]["reason"] for one in page["items"]} == {"service_restart"}
    del keys["view"]
    facets = json.loads(gateway.get(f"/api/v1/connections/facets?{urllib.parse.urlencode(keys)}"))
    assert facets["total"] == PEAK
    lines = gateway.get(f"/api/v1/connections/export?{urllib.parse.urlencode(keys)}").splitlines()
    assert len(lines) == PEAK


@in_a_browser
def test_traffic_and_probes_in_a_browser(gateway):
    passes("traffic.mjs", f"http://{gateway.admin}/", str(gateway.at), HOSTILE)
