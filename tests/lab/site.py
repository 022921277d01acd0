"""Where a case takes place: peers on free ports of the loopback address, in a folder of its own, until it ends."""

import contextlib
import ctypes
import ipaddress
import itertools
import json
import os
import subprocess
import time
import sys
import threading

from harness.certificates import Authority
from harness.gateway import BINARY, Gateway, until
from harness.processes import Service, answers, free_port
from harness.wire import Backend

from .case import Said, Unshown

CLONE_NEWNET = 0x40000000

NGINX = """\
daemon off; user root; pid nginx.pid; error_log error.log warn; worker_processes 1;
{main}
events {{ {events} }}
http {{
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    {http}
    server {{ listen 127.0.0.1:{port} {listen}; {server} }}
}}
"""

HAPROXY = """\
global
    maxconn 500
defaults
    mode http
    timeout connect 3s
    timeout client 30s
    timeout server 30s
    {defaults}
{sections}
listen lab
    bind 127.0.0.1:{port} {bind}
{body}
"""

CADDY = """\
{{
    admin off
    auto_https off
    {options}
}}
http://127.0.0.1:{port} {{
{body}
}}
"""

PATIENCE = "60s"
ENVOY = os.environ.get("LAB_ENVOY", "envoy")


class Site:
    """Methods that start a peer return its address, `127.0.0.1:PORT`."""

    def __init__(self, folder, proving=False):
        self.folder, self.proving = folder, proving
        self.numbers = itertools.count()
        self.ends = contextlib.ExitStack()
        self.processes = {}
        self.spaces = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ends.close()

    # What is said

    def diagnose(self, url, *arguments, direct=None, trust=None):
        """What `heartline diagnose` says within `PATIENCE`; `direct`: the address of the upstream, if it is told;
        `trust`: a PEM file with the authorities that it trusts."""
        if self.proving:
            return Said("unasked")
        told = {"--upstream": direct, "--ca-file": trust, "--timeout": PATIENCE}
        options = [str(part) for option, value in told.items() if value for part in (option, value)]
        command = [BINARY, "diagnose", url, "--format", "json", *options, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        try:
            said = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"exit {done.returncode}: {done.stderr[-2000:]}\n{done.stdout[-2000:]}") from None
        expected = {"healthy": 0, "problem": 1, "could_not_test": 3}.get(said["outcome"])
        assert expected in (None, done.returncode), f"{said['outcome']}, but exit {done.returncode}"
        return Said(said["outcome"], said["findings"], said["stages"])

    def findings(self, gateway):
        """What a running gateway has found."""
        if self.proving:
            return Said("unasked")
        # The gateway looks for causes every 5 s.
        time.sleep(6)
        items = json.loads(gateway.get("/api/v1/findings"))["items"]
        return Said("problem" if items else "healthy", items)

    def shows(self, is_so, what):
        """Proof that the case is what it says: `is_so` is true, now or (of a function) within 10 seconds."""
        try:
            is_so = until(is_so, what) if callable(is_so) else is_so
        except AssertionError as error:
            raise Unshown(str(error)) from None
        if not is_so:
            raise Unshown(what)

    # Proxies

    def nginx(self, server, http="", main="", events="worker_connections 1024;", listen=""):
        """nginx with this server block; a folder of its own is its prefix, and `error.log` lies there."""
        prefix = self._folder("nginx")
        (prefix / "tmp").mkdir()

        def command(port):
            file = prefix / "nginx.conf"
            file.write_text(NGINX.format(
                server=server, http=http, main=main, events=events, listen=listen, port=port))
            return ["nginx", "-e", prefix / "error.log", "-p", prefix, "-c", file]

        return self._listening(command)

    def haproxy(self, body, defaults="", sections="", bind=""):
        """HAProxy with these lines in its `listen` section."""
        file = self._folder("haproxy") / "haproxy.cfg"

        def command(port):
            file.write_text(HAPROXY.format(body=body, defaults=defaults, sections=sections, bind=bind, port=port))
            return ["haproxy", "-db", "-f", file]

        return self._listening(command)

    def caddy(self, body, options=""):
        """Caddy with these lines in its site."""
        file = self._folder("caddy") / "Caddyfile"

        def command(port):
            file.write_text(CADDY.format(body=body, options=options, port=port))
            return ["caddy", "run", "--adapter", "caddyfile", "--config", file]

        return self._listening(command)

    def envoy(self, app, manager=None, route=None, cluster=None):
        """Envoy before an app, with these fields of its HttpConnectionManager, its route and its cluster."""
        file = self._folder("envoy") / "envoy.json"

        def command(port):
            file.write_text(json.dumps(envoy(port, app, manager or {}, route or {}, cluster or {})))
            return [ENVOY, "--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c", file]

        return self._listening(command)

    def gateway(self, config, *arguments):
        """A `heartline run` (`harness.gateway`)."""
        return self.ends.enter_context(Gateway(*arguments, config=config))

    # Services

    def raw(self, serve):
        """A service of raw sockets: `serve(sock)` runs in a thread for each connection (`harness.wire`), without end."""
        def patient(_, sock, __):
            sock.settimeout(None)
            serve(sock)

        backend = self.ends.enter_context(Backend(patient))
        return backend.address

    def python(self, script, *arguments, inside=()):
        """A Python program of its own, which prints `{"port": n}` first; `pid(address)` is its process."""
        command = [*inside, sys.executable, str(script), *map(str, arguments)]
        process = self._start(command, stdout=subprocess.PIPE)
        port = json.loads(process.stdout.readline() or "{}").get("port")
        assert port, f"{script} did not start: {self._tail()}"
        self.processes[f"127.0.0.1:{port}"] = process
        return f"127.0.0.1:{port}"

    def node(self, script, *arguments):
        """A script of `tests/e2e/peers` that serves."""
        service = self.ends.enter_context(Service(script, *arguments))
        self.processes[service.address] = service.process
        return service.address

    def background(self, work, *arguments):
        """Runs a function in a thread that nobody waits for."""
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def pid(self, address):
        """The process that listens at an address that this site gave."""
        return self.processes[address].pid

    # Places

    def closed_port(self):
        """An address at which nothing listens."""
        return f"127.0.0.1:{free_port()}"

    def authority(self, name="authority"):
        """A certificate authority of its own (`harness.certificates`)."""
        return Authority(self.folder / f"{name}-{next(self.numbers)}")

    def netns(self, behind=None):
        """A network namespace at the far end of a cable, or `behind` another. The first call takes the case out of the
        machine's network, so it comes before any peer."""
        if not self.spaces:
            assert not self.processes, "the network comes before peers"
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            run("ip", "link", "set", "lo", "up")
        self.spaces += 1
        return Netns(self, self.spaces, behind)

    def _folder(self, name):
        folder = self.folder / f"{name}-{next(self.numbers)}"
        folder.mkdir()
        return folder

    def _start(self, command, **options):
        self.log = self.folder / f"peer-{next(self.numbers)}.log"
        with open(self.log, "w") as log:
            options = {"stdout": log, "stderr": log, "cwd": self.folder, **options}
            process = subprocess.Popen([str(part) for part in command], text=True, **options)
        self.ends.callback(kill, process)
        return process

    def _tail(self):
        return self.log.read_text()[-2000:]

    def _listening(self, command):
        """Starts what `command(port)` says, on another port if somebody was faster."""
        for _ in range(3):
            port = free_port()
            process = self._start(command(port))
            until(lambda: answers(port) or process.poll() is not None, "it listens", 20)
            if process.poll() is None:
                self.processes[f"127.0.0.1:{port}"] = process
                return f"127.0.0.1:{port}"
        raise AssertionError(self._tail())


class Netns:
    """`here` is our address on the cable to it, `there` its own; names of interfaces are the same at both ends."""

    def __init__(self, site, number, behind):
        self.site, self.name = site, f"lab{number}"
        network = ipaddress.ip_network(f"10.77.{number}.0/24")
        self.here, self.there = str(network[1]), str(network[2])
        self.process = site._start(["unshare", "--net", "sleep", "infinity"])
        ours = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") != ours, "it has a network of its own")
        near = behind.run if behind else run
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "far", "netns", str(self.process.pid))
        if behind:
            behind.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            run("ip", "link", "set", self.name, "netns", str(behind.process.pid))
        near("ip", "addr", "add", f"{self.here}/24", "dev", self.name)
        near("ip", "link", "set", self.name, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "far", "name", self.name)
        self.run("ip", "addr", "add", f"{self.there}/24", "dev", self.name)
        self.run("ip", "link", "set", self.name, "up")
        self.run("ip", "route", "add", "default", "via", self.here)
        if behind:
            run("ip", "route", "add", str(network), "via", behind.there)

    @property
    def inside(self):
        """What a command begins with that runs inside."""
        return ["nsenter", "--net", "--target", str(self.process.pid)]

    def run(self, *command):
        """Runs a command inside."""
        return run(*self.inside, *command)

    def nft(self, rules):
        """Loads rules of nftables inside, each on a line of its own."""
        return run(*self.inside, "nft", "-f", "-", text=rules)

    def shape(self, limits):
        """What leaves it goes through this `tbf`, as `rate 400kbit burst 16kbit latency 400ms`."""
        self.run("tc", "qdisc", "replace", "dev", self.name, "root", "tbf", *limits.split())

    def python(self, script, *arguments):
        """A Python program inside, which listens on all addresses and prints its port; its address from here."""
        address = self.site.python(script, *arguments, inside=self.inside)
        return address.replace("127.0.0.1", self.there)


def envoy(port, app, manager, route, cluster):
    """Envoy's configuration; what its default is stays so."""
    def typed(name):
        return {"@type": f"type.googleapis.com/envoy.extensions.filters.{name}"}

    def address(host, port):
        return {"socket_address": {"address": host, "port_value": int(port)}}

    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "app", **route}}]
    http = {
        **typed("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "lab",
        "http_filters": [{"name": "router", "typed_config": typed("http.router.v3.Router")}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        **manager,
    }
    endpoint = {"endpoint": {"address": address(*app.split(":"))}}
    return {"static_resources": {
        "listeners": [{
            "address": address("127.0.0.1", port),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
        }],
        "clusters": [{
            "name": "app",
            "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
            **cluster,
        }],
    }}


def run(*command, text=None):
    """Runs a command that must succeed, and returns what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def kill(process):
    """Ends a process; one that has workers ends them when it is asked."""
    process.terminate()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
