"""What is told when: ours beside a real Alertmanager, on the same alerts at the same times."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.gateway import until
from harness.processes import free_port

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

CONFIG = """
route:
  receiver: hook
  group_by: [s]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 5s
  routes:
  - matchers: [s=silent-ends]
    receiver: silent
  - matchers: [s=both]
    continue: true
    routes:
    - {matchers: [alertname=A], receiver: second}
  - matchers: [s=both, alertname!=""]
receivers:
- {name: hook, webhook_configs: [{url: '%(url)s/hook'}]}
- {name: second, webhook_configs: [{url: '%(url)s/second'}]}
- {name: silent, webhook_configs: [{url: '%(url)s/silent', send_resolved: false}]}
inhibit_rules:
- {source_matchers: [alertname=A], target_matchers: [alertname=B, s=~"inhibited.*"], equal: [x]}
"""

# Groups with what happens in each: seconds, what, alert. Looks are at 1, 3, 5 … seconds after the first.
SCENARIOS = {
    "repeats": [(0, "fires", "A")],
    "grows": [(0, "fires", "A"), (0.4, "fires", "B"), (2, "fires", "C")],
    "ends": [(0, "fires", "A"), (0, "fires", "B"), (2, "ends", "B"), (4, "ends", "A")],
    "ends-before": [(0, "fires", "A"), (0.4, "ends", "A")],
    "flaps": [(0, "fires", "A"), (1.6, "ends", "A"), (2.2, "fires", "A")],
    "comes-back": [(0, "fires", "A"), (2, "ends", "A"), (4, "fires", "A")],
    "silent-ends": [(0, "fires", "A"), (0, "fires", "B"), (2, "ends", "A"), (4, "fires", "C"), (6, "ends", "B")],
    "both": [(0, "fires", "A"), (0, "fires", "B"), (2, "ends", "A")],
    "inhibited": [(0, "fires", "A"), (0, "fires", "B"), (4, "ends", "A")],
    "inhibited-later": [(0, "fires", "B"), (2, "fires", "A")],
    "replaced": [(0, "fires", "A"), (2, "ends", "A"), (2, "fires", "B")],
}
SECONDS = 12
# An alert is not reported so near a look that either side could see it.
MARGIN = 0.25


class Hook(ThreadingHTTPServer):
    """Takes what an Alertmanager tells."""

    def __init__(self):
        self.told = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.told.append((time.monotonic(), self.path.strip("/"), body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def config(hook, tmp_path):
    path = tmp_path / "alertmanager.yml"
    path.write_text(CONFIG % {"url": hook.url})
    return path


@pytest.fixture
def alertmanager(config, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    options = [f"--config.file={config}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [ALERTMANAGER, *options, f"--web.listen-address={url[7:]}"], stdout=log, stderr=log
        )

    def is_ready():
        try:
            return urllib.request.urlopen(f"{url}/-/ready", timeout=1).status == 200
        except OSError:
            return False

    try:
        until(is_ready, "Alertmanager is ready")
        yield url
    finally:
        process.kill()
        process.wait()


def post(url, fires, labels):
    now = time.time()
    # An end that is not over when it arrives would count for nothing.
    times = {"startsAt": now, "endsAt": now + 3600} if fires else {"startsAt": now - 0.02, "endsAt": now - 0.01}
    times = {key: datetime.fromtimestamp(at, timezone.utc).isoformat() for key, at in times.items()}
    body = json.dumps([{"labels": labels, **times}]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=5).read()


def play(url):
    """Lets everything happen; gives when it happened."""
    events = [(*event, group) for group, events in SCENARIOS.items() for event in events]
    events.sort(key=lambda event: event[0])
    begin, happened = time.monotonic(), []
    for at, what, alert, group in events:
        labels = {"alertname": alert, "s": group}
        time.sleep(max(0, begin + at - time.monotonic()))
        happened.append((time.monotonic() - begin, what, labels))
        post(url, what == "fires", labels)
    time.sleep(max(0, begin + SECONDS - time.monotonic()))
    return begin, happened


def ours(config, happened):
    """What ours tells when: times, receivers, groups, what fires and what has ended."""
    lines = [
        f"{round(at * 1000)}ms {what} " + " ".join(f"{name}={value}" for name, value in labels.items())
        for at, what, labels in happened
    ]
    command = [os.environ["HEARTLINE_BIN"], "routes", "rehearse", "-c", config, "--more", f"{SECONDS}s", "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        at, receiver, _, key, firing, resolved = line.split("\t")
        yield seconds(at), receiver, key, names(firing), names(resolved)


def seconds(text):
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|[hms])", text))


def names(text):
    return sorted(re.findall(r'alertname="(\w+)"', text))


def theirs(told, begin):
    for at, receiver, body in told:
        by = {"firing": [], "resolved": []}
        for alert in body["alerts"]:
            by[alert["status"]].append(alert["labels"]["alertname"])
        yield at - begin, receiver, body["groupKey"], sorted(by["firing"]), sorted(by["resolved"])


def by_group(notices, last):
    """What was told of each group by each receiver before a time, in order."""
    groups = {}
    for at, receiver, key, firing, resolved in notices:
        if at < last:
            groups.setdefault(f"{receiver} {key}", []).append((firing, resolved))
    return groups


@pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed")
@pytest.mark.timeout(120)
def test_the_same_is_told_as_by_alertmanager(alertmanager, config, hook):
    """The times at which alerts were really reported are those that ours rehearses. Where one came at the very time
    of a look, which of both was first says nothing: everything is played again."""
    for _ in range(3):
        hook.told.clear()
        begin, happened = play(alertmanager)
        notices = list(ours(config, happened))
        looks = {round(at, 3) for at, *_ in notices}
        near = [at for at, *_ in happened if any(abs(at - look) < MARGIN for look in looks)]
        if not near:
            break
        # All that is known ends, so that the next run begins with nothing.
        for _, _, labels in happened:
            post(alertmanager, False, labels)
        until(lambda: json.load(urllib.request.urlopen(f"{alertmanager}/api/v2/alerts/groups")) == [], "the end")
    else:
        pytest.skip("this machine is too slow")
    last = SECONDS - 0.5
    expected = by_group(theirs(hook.told, begin), last)
    assert len(expected) == len(SCENARIOS) + 1, "one is told to nobody, and one by three routes"
    assert by_group(notices, last) == expected
