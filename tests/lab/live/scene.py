"""What the cases of live traffic have in common: services, crowds, proxies, networks, and the proof in the records."""

import collections
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

from harness.gateway import until
from harness.processes import free_port

HERE = pathlib.Path(__file__).parent


class Program:
    """A script of this folder, inside a network of its own if one is given; it goes when the case is over."""

    def __init__(self, site, script, *arguments, inside=()):
        self.command = [*inside, sys.executable, str(HERE / script), *map(str, arguments)]
        site.ends.callback(self.kill)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = collections.deque(maxlen=20)
        threading.Thread(target=self.errors.extend, args=(self.process.stderr,), daemon=True).start()

    def line(self):
        """What it prints next."""
        line = self.process.stdout.readline()
        assert line, f"{self.command[1:]} ended: {''.join(self.errors)}"
        return json.loads(line)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Service(Program):
    """A service of `service.py`, which keeps its port when it is started anew."""

    def __init__(self, site, kind, *, port=None, inside=(), **options):
        self.port = port or free_port()
        super().__init__(site, "service.py", kind, self.port, json.dumps(options), inside=inside)

    def start(self):
        super().start()
        assert self.line() == {"port": self.port}

    def restart(self, seconds=0.0):
        """Ends it as an orchestrator does, leaves it down, and starts it again."""
        self.signal(signal.SIGTERM)
        self.process.wait()
        time.sleep(seconds)
        self.start()

    def stall(self, seconds):
        """Stops the process for a while; its kernel goes on."""
        self.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(signal.SIGCONT)


class Crowd(Program):
    """Clients of `crowd.py` at a gateway, or at the port of something before it."""

    def __init__(self, site, kind, entry, *, host="127.0.0.1", inside=(), **options):
        port = getattr(entry, "port", entry)
        scheme = "ws" if kind == "chat" else "http"
        super().__init__(site, "crowd.py", kind, f"{scheme}://{host}:{port}/", json.dumps(options), inside=inside)

    def seen(self):
        """What they saw, once all are done."""
        return self.line()


CONFIG = """
admin: {{ listen: 127.0.0.1:0 }}
data: {{ dir: null }}
listeners: [{{ listen: "{listen}:0" }}]
tcp_samples: {{ interval: 1s }}
trusted_peers: [{trusted}]
routes: [{{ name: lab, upstreams: [{upstreams}]{route} }}]
{extra}
"""


def gateway(site, *upstreams, route="", extra="", listen="127.0.0.1", trusted=""):
    """A gateway with one route to these services or ports."""
    urls = ", ".join(f"http://127.0.0.1:{getattr(upstream, 'port', upstream)}" for upstream in upstreams)
    route = f", {route}" if route else ""
    return site.gateway(CONFIG.format(listen=listen, trusted=trusted, upstreams=urls, route=route, extra=extra))


UPGRADES = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
    " proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"
)


def port_of(address):
    return int(address.rpartition(":")[2])


def nginx(site, to, directives=UPGRADES, passes="proxy_pass http", **more):
    """The port of an nginx that passes all to a service or port by these directives."""
    location = f"location / {{ {directives} {passes}://127.0.0.1:{getattr(to, 'port', to)}; }}"
    return port_of(site.nginx(location, **more))


def records(gateway):
    """All close records, the newest first."""
    found = []
    while page := json.loads(gateway.get(f"/api/v1/connections?set=closed&limit=500&offset={len(found)}"))["items"]:
        found += page
    return found


def looks(record):
    """The end of a connection in a few words, for a table of ends."""
    causes = [
        " ".join(str(cause[key]) for key in ("leg", "what", "code", "error") if cause.get(key)) for cause in record["causes"]
    ]
    handshake = record["handshake"]
    if handshake["result"] != "success":
        return f"{handshake['result']} {handshake['status']}"
    return f"{record['initiator']} {record['reason']}: {', '.join(causes)}"


def shows(site, gateway, least, test):
    """A case in whose close records fewer than so many pass the test does not show its fault, and proves nothing."""
    def passed():
        return sum(1 for record in records(gateway) if test(record))

    try:
        until(lambda: passed() >= least, "", 5)
    except AssertionError:
        table = collections.Counter(map(looks, records(gateway))).most_common(12)
        ends = "".join(f"\n{count:6} {end}" for end, count in table)
        site.shows(False, f"{passed()} of {sum(count for _, count in table)} ends, not {least}:{ends}")


def near(value, seconds, slack=0.4):
    """Whether a duration is this long: nginx' timers may be 0.3 s early, and the machine is busy."""
    return abs(value - seconds) <= slack


def ended(record, initiator, reason=None, code=None):
    """Whether it ended so; a code is looked for on both sides."""
    codes = record["codes"]
    return (
        record["initiator"] == initiator
        and reason in (None, record["reason"])
        and code in (None, codes["from_client"], codes["from_upstream"])
    )
