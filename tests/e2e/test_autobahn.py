"""The Autobahn suite's verdicts on a server, direct and through the gateway: they must be the same.

`AUTOBAHN_SET=full` runs all cases but those that the client itself gets wrong; it takes minutes.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from harness.books import total
from harness.gateway import Gateway, config_for, until
from harness.processes import Service

KOSOKU = pathlib.Path(sys.executable).with_name("kosoku")
# kosoku 0.1.0 fails in these by itself, whatever the server answers.
BROKEN = [f"13.{group}.{case}" for group in (2, 5, 6, 7) for case in (1, 2, 3)]
# How many cases, what is left out of them, and the seconds that they may take.
SETS = {"quick": (301, ["12.*", "13.*"], 120), "full": (505, BROKEN, 3600)}
COUNT, EXCLUDED, SECONDS = SETS[os.environ.get("AUTOBAHN_SET", "quick")]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


class Suite:
    """The fuzzing client at work on one server, two cases at a time."""

    def __init__(self, address, directory):
        self.report = directory / "index.json"
        self.log = directory.with_suffix(".log")
        excluded = [option for case in EXCLUDED for option in ("-x", case)]
        command = [KOSOKU, f"ws://{address}/", "-p", "2", *excluded, "-o", directory]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def verdicts(self):
        """Of each case: the verdict, that on the close, and the close code that the client saw."""
        self.process.wait()
        assert self.report.exists(), self.log.read_text()
        [agent] = json.loads(self.report.read_text()).values()
        return {
            case: (result["behavior"], result["behaviorClose"], result.get("remoteCloseCode"))
            for case, result in agent.items()
        }


@pytest.mark.timeout(SECONDS)
def test_verdicts_are_those_of_the_server(tmp_path):
    with (
        Service("ws-echo.mjs") as echo,
        Gateway(config=config_for(echo.address)) as gateway,
        Suite(echo.address, tmp_path / "direct") as direct,
        Suite(gateway.address, tmp_path / "through") as through,
    ):
        expected, seen = direct.verdicts(), through.verdicts()
        assert len(expected) == COUNT
        bad = {case: verdict for case, verdict in expected.items() if not GOOD.issuperset(verdict[:2])}
        assert not bad, "the server itself passes, or the comparison says little"
        assert seen == expected
        closed = "websocket_connections_closed_total"
        until(lambda: total(gateway.metrics(), closed) == COUNT, "each case came through, and its connection is closed")
        metrics = gateway.metrics()
        assert total(metrics, "websocket_handshakes_total", result="success") == COUNT
        assert total(metrics, "websocket_active_connections") == 0
        messages = total(metrics, "websocket_messages_total")
        assert total(metrics, "websocket_message_latency_seconds_count") == messages > 0
