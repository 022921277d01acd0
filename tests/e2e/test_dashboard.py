"""The demo shows its faults within seconds, and the dashboard shows them to a real browser."""

import signal
import subprocess

import pytest

from harness.gateway import ROOT, Gateway, until

UI = ROOT / "crates/web/ui"
FAULTS = {
    "a client that vanishes": ("success", "client", "reset"),
    "an app that closes with 1011": ("success", "upstream", "internal_error"),
    "an idle cut": ("success", "upstream", "abnormal"),
    "a service that cannot be reached": ("unreachable", None, None),
}


@pytest.fixture(scope="module")
def demo():
    with Gateway("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", command="demo") as running:
        yield running


def endings(demo):
    return {(r["handshake"]["result"], r["initiator"], r["reason"]) for r in demo.closed()}


def test_faults_become_visible(demo):
    until(lambda: endings(demo) >= set(FAULTS.values()), f"{FAULTS} are among the closed connections", 30)
    until(lambda: [c for c in demo.live() if c["state"] == "slow"], "a slow reader is among the open ones", 30)


@pytest.mark.parametrize("script", ["overview.mjs", "resilience.mjs"])
def test_in_a_browser(demo, script):
    where = [f"http://{demo.admin}/"] if script == "overview.mjs" else []
    done = subprocess.run(
        ["node", f"e2e/{script}", *where], cwd=UI, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert " 0 failed" in done.stdout


def test_the_demo_says_what_to_open_and_ends_at_ctrl_c():
    with Gateway("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", command="demo") as demo:
        first = demo.process.stdout.readline()
        assert first.split() == ["dashboard", f"http://{demo.admin}/"]
        demo.signal(signal.SIGINT)
        assert demo.wait() == 0
