"""The demo shows its faults within seconds, and the dashboard shows them to a real browser."""

import contextlib
import json
import re
import signal
import subprocess
import urllib.request

import pytest

from harness.gateway import ROOT, Gateway, until

UI = ROOT / "crates/web/ui"
ANYWHERE = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
# Of each fault, in the words that the demo prints: outcome of the handshake, who ended the connection, and why.
ENDINGS = {
    "a client that vanishes": ("success", "client", "reset"),
    "an app that closes with 1011": ("success", "upstream", "internal_error"),
    "an idle cut": ("success", "upstream", "abnormal"),
    "a service that cannot be reached": ("unreachable", None, None),
}
SLOW = "a slow reader"
ALL = {*ENDINGS, SLOW}


@pytest.fixture(scope="module")
def demo():
    with Gateway(*ANYWHERE, command="demo") as running:
        yield running


def in_overview(demo):
    """The faults that the overview shows."""
    look = json.loads(demo.get("/api/v1/overview"))
    seen = {("success", e["initiator"], e["reason"]) for e in look["ended"] if e["protocol"] == "websocket"}
    seen |= {(h["result"], None, None) for h in look["handshakes"] if h["protocol"] == "websocket"}
    return named(seen, look["now"]["slow_consumers"])


def in_lists(demo):
    """The faults that the lists of connections show: the slow reader among the open ones, the others closed."""
    records = demo.closed("&protocol=websocket")
    seen = {(r["handshake"]["result"], r["initiator"], r["reason"]) for r in records}
    return named(seen, [live for live in demo.live() if live["state"] == "slow"])


def named(endings, slow):
    return {fault for fault, ending in ENDINGS.items() if ending in endings} | ({SLOW} if slow else set())


def test_faults_become_visible_within_ten_seconds(demo):
    with contextlib.suppress(AssertionError):
        until(lambda: in_overview(demo) == in_lists(demo) == ALL, "all are shown", 10)
    assert (in_overview(demo), in_lists(demo)) == (ALL, ALL)


@pytest.mark.parametrize(("reason", "expected"), [
    ("reset", {"route": "chat", "from_upstream": None, "layer": "tcp"}),
    ("internal_error", {"route": "chat", "from_upstream": 1011, "layer": "websocket"}),
    ("abnormal", {"route": "chat", "from_upstream": None, "layer": "tcp"}),
])
def test_what_a_record_tells(demo, reason, expected):
    record = demo.wait_closed(1, f"&protocol=websocket&reason={reason}")[0]
    told = {"route": record["route"], "from_upstream": record["codes"]["from_upstream"], "layer": record["layer"]}
    assert told == expected


# A browser on a busy machine is slow.
in_a_browser = pytest.mark.timeout(290)


def passes(script, *arguments):
    done = subprocess.run(
        ["node", f"e2e/{script}", *arguments], cwd=UI, capture_output=True, text=True
    )
    failures = re.findall(r"^FAIL .*(?:\n +.*)*", done.stdout, re.MULTILINE)
    assert done.returncode == 0, "\n".join([*failures, done.stdout[-500:], done.stderr])
    assert re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
    return done.stdout


@in_a_browser
def test_overview_in_a_browser(demo):
    until(lambda: demo.live() and demo.closed(), "there is something to see")
    passes("overview.mjs", f"http://{demo.admin}/")


@in_a_browser
def test_connections_in_a_browser(demo):
    demo.wait_closed(1, "&reason=abnormal")
    passes("connections.mjs", f"http://{demo.admin}/")


@in_a_browser
def test_connections_of_a_mock_in_a_browser():
    """What the demo does not have: a text that would run, connections that nobody knows, nothing at all."""
    assert (UI / "dist/index.html").exists(), f"npm run build in {UI}"
    passes("connections.mjs")


@in_a_browser
def test_page_in_a_browser_when_things_go_wrong():
    """Against a mock of the API: its page is what `npm run build` left in dist."""
    assert (UI / "dist/index.html").exists(), f"npm run build in {UI}"
    passes("resilience.mjs")


def test_the_demo_says_what_to_open_and_ends_at_ctrl_c():
    with Gateway(*ANYWHERE, command="demo") as demo:
        first = demo.process.stdout.readline()
        assert first.split() == ["dashboard", f"http://{demo.admin}/"]
        with urllib.request.urlopen(first.split()[1], timeout=10) as page:
            assert '<div id="root">' in page.read().decode(), "the dashboard is in the binary"
        until(demo.live, "the simulated clients are there")
        demo.signal(signal.SIGINT)
        assert demo.wait() == 0
        said = " ".join(demo.process.stdout.read().split())
        assert [fault for fault in ALL if fault not in said] == []
        demo.reader.join(10)
        assert {line.get("level") for line in demo.lines} <= {"INFO", "WARN"}, demo.lines
