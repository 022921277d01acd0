"""What lies beneath the connections: this machine by the real /proc, an upstream's by its process or node_exporter."""

import contextlib
import http.client
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from harness.books import total
from harness.endings import tally
from harness.gateway import Gateway, config_for, until
from harness.processes import answers, daemon, free_port
from harness.wire import Backend

NODE_EXPORTER = "/usr/bin/prometheus-node-exporter"
PAGE = resource.getpagesize()

# Listens on a port of its choice, takes `forks` workers and opens `files` files; all burn some CPU.
SERVICE = """\
import os, socket, sys, time
forks, files = map(int, sys.argv[1:])
listener = socket.create_server(("127.0.0.1", 0))
held = [open("/dev/null") for _ in range(files)]
parent, pids = os.getpid(), [os.getpid()]
for _ in range(forks):
    pids.append(os.getpid() == parent and os.fork())
if os.getpid() == parent:
    print(listener.getsockname()[1], *sorted(pids), flush=True)
while os.getpid() == parent or os.getppid() == parent:
    sum(range(20_000))
    time.sleep(0.01)
"""


def read(path):
    """Text of a file; none where this machine has no such file."""
    with contextlib.suppress(OSError):
        return pathlib.Path(path).read_text()
    return None


def numbers(path):
    return [int(word) for word in (read(path) or "").split()]


def tcp_ext(name):
    names, values = [line.split() for line in read("/proc/net/netstat").splitlines() if line.startswith("TcpExt:")]
    return int(values[names.index(name)])


def pressure(path):
    """Seconds by `some` and `full`."""
    lines = [line.split() for line in (read(path) or "").splitlines()]
    return {words[0]: int(words[-1].removeprefix("total=")) / 1e6 for words in lines}


def cpu_seconds(pid):
    return sum(map(int, read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def host(gateway):
    return json.loads(gateway.get("/api/v1/host"))


def upstreams(gateway):
    """Facts of the upstreams by URL."""
    return {facts["upstream"]: facts for facts in host(gateway)["upstreams"]}


def value(metrics, name, **labels):
    """Sum of the samples of a name, none when there is none."""
    with contextlib.suppress(AssertionError):
        return total(metrics, name, **labels)
    return None


@contextlib.contextmanager
def service(forks=0, files=0):
    """A process that listens; gives its address and the ids of all that hold the socket."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(forks), str(files)], stdout=subprocess.PIPE, text=True
    )
    try:
        port, *pids = map(int, process.stdout.readline().split())
        yield f"127.0.0.1:{port}", pids
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def node_exporter():
    port = free_port()
    with daemon(NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}") as process:
        until(lambda: answers(port) or process.poll() is not None, "node_exporter listens", 30)
        assert process.poll() is None, "node_exporter does not start"
        yield f"http://127.0.0.1:{port}/metrics", process


@contextlib.contextmanager
def exporter(serve):
    """Something that is asked like an exporter and answers with what `serve()` gives, or not at all."""
    over = threading.Event()

    def handle(backend, sock, _):
        while backend.read_head(sock)[0]:
            answer = serve()
            if answer is None:
                over.wait(30)
                return
            sock.sendall(answer)

    with Backend(handle) as backend:
        try:
            yield f"http://{backend.address}/metrics"
        finally:
            over.set()


def config(*pairs):
    """One route to upstreams, some with an exporter."""
    entries = [
        f"{{ url: 'http://{address}', node_exporter: '{url}' }}" if url else f"'http://{address}'"
        for address, url in pairs
    ]
    return config_for("0.0.0.0:1").replace("[http://0.0.0.0:1]", f"[{', '.join(entries)}]")


def test_this_machine():
    [ports] = [numbers("/proc/sys/net/ipv4/ip_local_port_range")]
    memory = dict(line.split(":") for line in read("/proc/meminfo").splitlines())
    pages = numbers("/proc/sys/net/ipv4/tcp_mem")
    constant = {
        "heartline_host_cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
        "heartline_host_memory_bytes": int(memory["MemTotal"].split()[0]) * 1024,
        "heartline_host_max_files": numbers("/proc/sys/fs/file-nr")[2],
        "heartline_host_somaxconn": numbers("/proc/sys/net/core/somaxconn")[0],
        "heartline_host_ephemeral_ports": ports[1] - ports[0] + 1,
        "heartline_host_tcp_memory_pressure_bytes": pages[1] * PAGE,
        "heartline_host_tcp_memory_limit_bytes": pages[2] * PAGE,
        "heartline_host_conntrack_limit": next(iter(numbers("/proc/sys/net/netfilter/nf_conntrack_max")), None),
    }
    before = {what: pressure(f"/proc/pressure/{what}") for what in ("cpu", "io", "memory")}
    overflows = tcp_ext("ListenOverflows")
    with Gateway(config=config_for("127.0.0.1:1")) as gateway:
        metrics = gateway.metrics()
        assert {name: value(metrics, name) for name in constant} == constant
        assert 0 < value(metrics, "heartline_host_memory_available_bytes") <= constant["heartline_host_memory_bytes"]
        assert 0 < value(metrics, "heartline_host_open_files") <= constant["heartline_host_max_files"]
        assert overflows <= value(metrics, "heartline_host_listen_overflows_total") <= tcp_ext("ListenOverflows")
        assert value(metrics, "heartline_host_tcp_sockets", state="in_use") > 0
        assert value(metrics, "heartline_accept_queue_connections", listener=gateway.address) == 0
        limit = value(metrics, "heartline_accept_queue_limit", listener=gateway.address)
        assert limit == min(constant["heartline_host_somaxconn"], 65_535), "as many as the system allows"
        seconds = tally(metrics, "heartline_host_cpu_seconds_total", "mode")
        assert {"user", "system", "idle"} <= set(seconds)
        for what, stalled in before.items():
            after = pressure(f"/proc/pressure/{what}")
            for kind, least in stalled.items():
                found = value(metrics, "heartline_host_pressure_seconds_total", resource=what, stalled=kind)
                # Of a whole machine the kernel cannot say when no CPU ran.
                assert found is None if (what, kind) == ("cpu", "full") else least <= found <= after[kind]
        facts = host(gateway)
        files = len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
        assert abs(facts["process"]["open_fds"] - files) < 10
        assert facts["process"]["max_fds"] == value(metrics, "process_max_fds")
        until(lambda: upstreams(gateway)["http://127.0.0.1:1"]["is_local"], "the upstream is on this machine")
        assert upstreams(gateway)["http://127.0.0.1:1"] == {
            "route": "test", "upstream": "http://127.0.0.1:1", "is_local": True, "process": None, "exporter": None,
        }
        assert value(metrics, "heartline_upstream_host_up") is None

        later = until(lambda: (now := host(gateway))["as_of"] > facts["as_of"] and now, "it is read again", 20)
        assert later["process"]["cpu_ratio"] >= 0
        assert 0 <= later["machine"]["cpu"]["busy_ratio"] <= 1


def test_accept_queue_overflows_are_counted():
    with Gateway(config=config_for("127.0.0.1:1")) as gateway, contextlib.ExitStack() as stack:
        before = value(gateway.metrics(), "heartline_host_listen_overflows_total")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(5):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        until(lambda: tcp_ext("ListenOverflows") > before, "the kernel counts")
        least = tcp_ext("ListenOverflows")
        until(
            lambda: value(gateway.metrics(), "heartline_host_listen_overflows_total") >= least,
            "the overflows are exposed", 20,
        )
        accept = host(gateway)["machine"]["accept"]
        assert accept["overflows_last_minute"] >= least - before
        assert accept["drops_last_minute"] >= accept["overflows_last_minute"]


def test_who_waits_while_there_are_no_files():
    """Without a free file nobody is accepted, /proc cannot be read, and both are told."""
    with Gateway(config=config_for("127.0.0.1:1")) as gateway, contextlib.ExitStack() as stack:
        admin = stack.enter_context(contextlib.closing(http.client.HTTPConnection(gateway.admin, timeout=10)))

        def facts():
            admin.request("GET", "/api/v1/host")
            return json.loads(admin.getresponse().read())

        assert facts()["machine"]["memory"]["total_bytes"]
        old = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd"))
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (used + 1, old[1]))
        for _ in range(used + 3):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
        until(lambda: facts()["listeners"][0]["waiting"] > 0, "connections wait")
        until(lambda: facts()["machine"]["memory"]["total_bytes"] is None, "what cannot be read is absent", 20)
        assert facts()["process"]["open_fds"] is None
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, old)
        until(lambda: facts()["listeners"][0]["waiting"] == 0, "they are accepted")
        until(lambda: facts()["machine"]["memory"]["total_bytes"], "and /proc is read again", 20)


def test_the_control_group_is_read():
    mounts = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    mount = next((pathlib.Path(words[4]) for words in mounts if "cgroup2" in words), None)
    with Gateway(config=config_for("127.0.0.1:1")) as gateway:
        pid = gateway.process.pid
        group = mount and mount / f"heartline-test-{pid}"
        made = False
        with contextlib.suppress(OSError, TypeError):
            group.mkdir()
            made = True
            (group / "cgroup.procs").write_text(str(pid))
        try:
            inside = made and f"0::/{group.name}\n" in read(f"/proc/{pid}/cgroup")
            if inside:
                until(lambda: host(gateway)["cgroup"], "the group is seen", 20)
                stalled = pressure(group / "cpu.pressure")
                metrics = gateway.metrics()
                seen = tally(metrics, "heartline_cgroup_pressure_seconds_total", "resource", "stalled")
                assert seen["cpu", "some"] <= pressure(group / "cpu.pressure")["some"]
                assert set(host(gateway)["cgroup"]["pressure"].get("cpu", {})) == set(stalled)
            else:
                own = [line for line in read(f"/proc/{pid}/cgroup").splitlines() if line.startswith("0::")]
                has_group = any((mount / line[4:] / "cgroup.type").exists() for line in own if mount)
                assert (host(gateway)["cgroup"] is not None) == has_group
        finally:
            gateway.kill()
            if made:
                group.rmdir()


def test_the_process_of_a_local_upstream():
    with service(files=40) as (address, [pid]), Gateway(config=config_for(address)) as gateway:
        labels = {"route": "test", "upstream": f"http://{address}"}
        prefix = "heartline_upstream_process_"
        until(lambda: value(gateway.metrics(), "heartline_upstream_processes", **labels) == 1, "it is found", 20)
        found = upstreams(gateway)[f"http://{address}"]
        assert (found["is_local"], found["process"]["pids"]) == (True, [pid])
        metrics = gateway.metrics()
        assert value(metrics, f"{prefix}open_fds", **labels) == len(os.listdir(f"/proc/{pid}/fd")) > 40
        assert value(metrics, f"{prefix}max_fds", **labels) == resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
        resident = int(read(f"/proc/{pid}/statm").split()[1]) * PAGE
        assert resident / 2 < value(metrics, f"{prefix}resident_memory_bytes", **labels) < resident * 2
        until(lambda: cpu_seconds(pid) > 0.1, "it burns CPU")
        assert gateway.post("/-/reload")[0] == 200
        until(lambda: value(gateway.metrics(), f"{prefix}cpu_seconds_total", **labels) > 0, "and is looked at again")
        assert 0 < upstreams(gateway)[f"http://{address}"]["process"]["usage"]["cpu_ratio"] <= 1.1
        os.kill(pid, 9)
        until(lambda: value(gateway.metrics(), "heartline_upstream_processes") is None, "it is gone", 30)


def test_workers_that_share_a_socket_and_a_reload():
    with service(forks=2) as (address, pids), service() as (other, _):
        with Gateway(config=config_for(address)) as gateway:
            until(lambda: upstreams(gateway)[f"http://{address}"]["process"], "they are found", 20)
            assert upstreams(gateway)[f"http://{address}"]["process"]["pids"] == pids
            gateway.write_config(config_for(other, address))
            assert gateway.post("/-/reload")[0] == 200
            assert list(upstreams(gateway)) == [f"http://{other}", f"http://{address}"]
            assert upstreams(gateway)[f"http://{address}"]["process"]["pids"] == pids, "it stays known"
            until(lambda: upstreams(gateway)[f"http://{other}"]["process"], "the new one is found")


def test_a_real_node_exporter():
    with node_exporter() as (url, process), Gateway(config=config(("192.0.2.7:80", url))) as gateway:
        labels = {"route": "test", "upstream": "http://192.0.2.7:80"}
        until(lambda: value(gateway.metrics(), "heartline_upstream_host_up", **labels) == 1, "it answers", 20)
        metrics = gateway.metrics()
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        theirs = {
            line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line[0] != "#"
        }
        for ours, name in {
            "memory_bytes": "node_memory_MemTotal_bytes",
            "max_files": "node_filefd_maximum",
            "conntrack_limit": "node_nf_conntrack_entries_limit",
        }.items():
            assert value(metrics, f"heartline_upstream_host_{ours}", **labels) == theirs.get(name), ours
        for ours, name in {
            "listen_overflows_total": "node_netstat_TcpExt_ListenOverflows",
            "listen_drops_total": "node_netstat_TcpExt_ListenDrops",
        }.items():
            assert 0 <= value(metrics, f"heartline_upstream_host_{ours}", **labels) <= theirs[name], ours
        assert value(metrics, "heartline_upstream_host_cpus", **labels) == os.sysconf("SC_NPROCESSORS_ONLN")
        idle = sum(v for name, v in theirs.items() if name.startswith("node_cpu_seconds") and 'mode="idle"' in name)
        assert idle * 0.9 < value(metrics, "heartline_upstream_host_cpu_seconds_total", mode="idle", **labels) <= idle
        stalled = {(r, s) for r in ("cpu", "io", "memory") for s in pressure(f"/proc/pressure/{r}")} - {("cpu", "full")}
        for r, s in stalled:
            found = value(metrics, "heartline_upstream_host_pressure_seconds_total", resource=r, stalled=s, **labels)
            assert found <= pressure(f"/proc/pressure/{r}")[s] + 1e-6, "it divides otherwise"
        facts = upstreams(gateway)["http://192.0.2.7:80"]
        assert (facts["is_local"], facts["exporter"]["url"], facts["exporter"]["error"]) == (False, url, None)

        process.kill()
        until(lambda: value(gateway.metrics(), "heartline_upstream_host_up", **labels) == 0, "it is silent", 30)
        assert value(gateway.metrics(), "heartline_upstream_host_memory_bytes") is None, "what was is not what is"
        exporter_facts = upstreams(gateway)["http://192.0.2.7:80"]["exporter"]
        assert "refused" in exporter_facts["error"] and exporter_facts["machine"] is None


def plain(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


BAD_EXPORTERS = {
    "no answer within 5 s": lambda: None,
    "status 500": lambda: plain(b"", "500 Internal Server Error"),
    "status 302": lambda: plain(b"", "302 Found\r\nLocation: http://127.0.0.1:1/"),
    "more than 4 MiB": lambda: plain(b"node_load1 1\n" * 400_000),
    "none of node_exporter's families": lambda: plain(b"<html></html>"),
    "no UTF-8": lambda: plain(b"node_load1 1\n\xff\xfe\n"),
}


def test_exporters_that_give_no_answer():
    with contextlib.ExitStack() as stack:
        urls = {why: stack.enter_context(exporter(serve)) for why, serve in BAD_EXPORTERS.items()}
        pairs = {f"192.0.2.{number}:80": why for number, why in enumerate(urls, 1)}
        gateway = stack.enter_context(Gateway(config=config(*((a, urls[why]) for a, why in pairs.items()))))

        def all_asked():
            told = upstreams(gateway)
            return all(facts["exporter"] for facts in told.values()) and told

        told = until(all_asked, "all were asked", 30)
        for address, why in pairs.items():
            assert why in told[f"http://{address}"]["exporter"]["error"]
        assert set(tally(gateway.metrics(), "heartline_upstream_host_memory_bytes", "upstream")) == set()
        assert value(gateway.metrics(), "heartline_upstream_host_up") == 0
        warned = [line["error"] for line in gateway.lines if "silent" in line.get("message", "")]
        assert len(warned) == len(pairs), "one line for each"


@pytest.mark.parametrize("url", ["https://127.0.0.1:9100", "127.0.0.1:9100", "http://u:p@127.0.0.1:9100"])
def test_a_wrong_exporter_url_is_told_at_once(url):
    gateway = Gateway(config=config(("127.0.0.1:1", url)))
    try:
        assert gateway.wait() == 2
        gateway.reader.join(5)
        assert any("exporter" in line["message"] for line in gateway.lines), gateway.lines
    finally:
        gateway.kill()
