"""`heartline diagnose` as its users meet it: exit status, how long it takes, and what it says; what it finds where is
measured in the laboratory."""

import json
import os
import pathlib
import pty
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import pytest
from harness import wire
from harness.gateway import BINARY

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab import service  # noqa: E402
from lab.site import Site  # noqa: E402

UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
QUICK = ("--idle-max", "0s")


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


def run(*arguments):
    command = [BINARY, "diagnose", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def diagnose(*arguments):
    """Exit status and report."""
    done = run("--format", "json", *arguments)
    return done.returncode, json.loads(done.stdout)


def found(report):
    return {finding["id"] for finding in report["findings"]}


def stages(report):
    return [(stage["name"], stage["fault"]) for stage in report["stages"]]


def test_a_name_that_does_not_exist():
    status, report = diagnose("ws://no-such-host.invalid/")
    assert (status, report["outcome"], stages(report)) == (1, "problem", [("dns", "no_name")])
    assert found(report) == {"network-unreachable-or-filtered"}


def test_a_closed_port(site):
    status, report = diagnose(f"wss://{site.closed_port()}/")
    assert (status, stages(report)) == (1, [("tcp", "refused")])
    assert found(report) == {"network-unreachable-or-filtered"}


def test_a_port_that_answers_nothing_takes_no_longer_than_it_may():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        began = time.monotonic()
        status, report = diagnose(f"ws://127.0.0.1:{address[1]}/", "--timeout", "4s")
        assert time.monotonic() - began < 15
        for sock in waiting:
            sock.close()
    assert (status, stages(report)) == (1, [("tcp", "timeout")])
    assert report["findings"]


def test_certificates(site):
    authority = site.authority()
    serve = service.joined(service.raw_echo)
    expired = site.raw(service.secured(authority.issue("expired", until="20210101000000Z"), serve))
    other = site.raw(service.secured(authority.issue("other", "DNS:other.example"), serve))
    right = site.raw(service.secured(authority.issue("right"), serve))
    trust = ("--ca-file", authority.pem, *QUICK)

    status, report = diagnose(f"wss://{expired}/", *trust, "-v")
    assert (status, stages(report)[-1], found(report)) == (
        1, ("tls", "certificate"), {"tls-cert-expired-or-untrusted"})
    certificate = report["attempts"][0]["tls"]["certificate"]
    assert certificate["ends_in_seconds"] < 0 and certificate["is_for_name"]

    status, report = diagnose(f"wss://{other}/", *trust)
    assert (status, found(report)) == (1, {"tls-name-or-vhost-mismatch"})
    status, report = diagnose(f"wss://{right}/")
    assert (status, found(report)) == (1, {"tls-cert-expired-or-untrusted"})
    status, report = diagnose(f"wss://{right}/", *trust, "--checks", "handshake")
    assert (status, report["outcome"]) == (0, "healthy"), report


def test_an_upstream_speaks_tls_or_not(site):
    authority = site.authority()
    front = site.raw(service.secured(authority.issue("right"), service.joined(service.raw_echo)))
    own = site.raw(service.secured(authority.issue("own", "DNS:chat.internal"), service.joined(service.raw_echo)))
    plain = service.echo(site)

    def straight(upstream):
        _, report = diagnose(f"wss://{front}/", "--ca-file", authority.pem, "--upstream", upstream,
                             "--checks", "handshake", "-v")
        made = next(made for made in report["attempts"] if made["experiment"]["via"] == "direct")
        return made["stream"] is not None, made["tls"] is not None

    # The certificate of an upstream is for another name, and says nothing of the way to it.
    assert straight(own) == (True, True)
    assert straight(f"https://{own}") == (True, True)
    assert straight(plain) == (True, False)
    assert straight(f"http://{own}") == (False, False)
    assert run(f"wss://{front}/", "--upstream", "ftp://10.0.0.7").returncode == 2


def test_junit(site):
    done = run("--format", "junit", f"ws://{site.closed_port()}/")
    suite = xml.etree.ElementTree.fromstring(done.stdout)
    assert (done.returncode, suite.get("failures"), suite.get("errors")) == (1, "1", "0")
    assert suite.find(".//failure").get("type") == "network-unreachable-or-filtered"
    done = run("--format", "junit", f"ws://{service.echo(site)}/", "--checks", "size")
    suite = xml.etree.ElementTree.fromstring(done.stdout)
    assert (done.returncode, suite.get("failures")) == (0, "0")
    assert [test.get("name") for test in suite] == ["handshake", "size"]


def test_a_foreign_origin_is_a_note(site):
    """Only the cookie is looked at."""
    def decide(request):
        return None if "session=live" in request.headers.get("Cookie", "") else (401, "who are you?\n")

    app = service.echo(site, process_request=service.refuse(decide))
    status, report = diagnose(f"ws://{app}/", "-H", "Cookie: session=live", "--checks", "origin,credentials")
    assert (status, report["outcome"], found(report)) == (0, "healthy", {"origin-unchecked"})


def test_time_that_is_over_before_all_was_measured(site):
    status, report = diagnose(f"ws://{service.echo(site)}/", "--timeout", "1s", "--checks", "size,latency")
    assert (status, report["outcome"], report["cut_short"]) == (1, "inconclusive", True)
    assert set(report["undone"]) & {"handshake", "size", "latency"}


def test_a_page_in_place_of_a_stream(site):
    page = site.nginx("location / { default_type text/html; return 200 '<!doctype html><title>shop</title>'; }")
    status, report = diagnose(f"ws://{page}/ws", *QUICK)
    assert (status, found(report)) == (1, {"ws-handshake-200-html"})
    status, report = diagnose(f"http://{page}/events", *QUICK)
    assert (status, stages(report)[-1]) == (1, ("upgrade", "answer"))


def test_healthy_services(site):
    echo, quick = service.echo(site), ("--idle-max", "2s")
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{echo}; }}")
    status, report = diagnose(f"ws://{front}/", "--upstream", echo, *quick)
    assert (status, report["outcome"]) == (0, "healthy"), report["findings"]
    assert {"idle", "size", "latency", "fragments", "concurrency"} <= set(report["checks"])
    assert [stage["name"] for stage in report["stages"]] == ["tcp", "http", "upgrade"]

    events = site.raw(service.events())
    status, report = diagnose(f"http://{events}/", *quick)
    assert (status, report["outcome"]) == (0, "healthy"), report["findings"]
    calls = service.grpc(site)
    status, report = diagnose(f"grpc://{calls}/lab.Feed/Watch", *quick)
    assert (status, report["outcome"]) == (0, "healthy"), report["findings"]


def test_a_service_that_never_answers_is_no_fault(site):
    def swallow(connection):
        for _ in connection:
            pass

    app = service.websocket(site, swallow)
    status, report = diagnose(f"ws://{app}/", "--idle-max", "2s")
    assert (status, report["outcome"]) == (0, "healthy"), report["findings"]


def test_silence_that_nginx_cuts(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; proxy_read_timeout 2s; }}")
    status, report = diagnose(f"ws://{front}/", "--upstream", app, "--checks", "idle", "-v")
    assert (status, found(report)) == (1, {"idle-timeout-l7-proxy"})
    assert report["findings"][0]["level"] == "high"
    silent = {"hold": {"seconds": 70.0, "ping_seconds": None, "message_seconds": None}}
    cut = [
        made["stream"]["end"] for made in report["attempts"]
        if (made["experiment"]["conduct"], made["experiment"]["via"]) == (silent, "url")]
    assert len(cut) == 2 and all(1.9 <= end["silence"] < 4 and end["sign"] == "fin" for end in cut)


def test_the_largest_message_to_the_byte(site):
    app = service.echo(site, max_size=5000)
    status, report = diagnose(f"ws://{app}/", "--checks", "size")
    assert (status, report["outcome"], found(report)) == (0, "healthy", {"message-too-big-1009"})
    assert report["findings"][0]["severity"] == "info"
    assert "5000" in json.dumps(report["findings"][0]["evidence"])
    status, report = diagnose(f"ws://{app}/", "--checks", "size", "--message-max", "5000")
    assert (status, report["findings"][0]["severity"]) == (0, "info")
    status, report = diagnose(f"ws://{app}/", "--checks", "size", "--message-max", "5001")
    assert (status, report["findings"][0]["severity"]) == (1, "warning")


def test_safe_finds_no_limits(site):
    app = service.echo(site, max_size=5000)
    status, report = diagnose(f"ws://{app}/", "--safe", *QUICK)
    assert (status, report["outcome"]) == (0, "healthy"), report["findings"]
    assert not {"size", "concurrency", "keepalive"} & set(report["checks"])


def test_what_is_seen_until_the_time_is_over_counts(site):
    app = service.echo(site)
    began = time.monotonic()
    status, report = diagnose(f"ws://{app}/", "--timeout", "3s", "--checks", "idle")
    assert time.monotonic() - began < 10
    assert (status, report["outcome"]) == (0, "healthy")

    def slow(sock):
        for opcode, _, payload in service.frames(sock):
            time.sleep(1)
            sock.sendall(wire.frame(opcode, payload))

    app = site.raw(service.joined(lambda sock, _: slow(sock)))
    began = time.monotonic()
    _, report = diagnose(f"ws://{app}/", "--timeout", "4s")
    assert time.monotonic() - began < 15 and report["cut_short"]
    assert stages(report)[-1] == ("upgrade", None)


def test_texts_of_the_service_can_be_left_out(site):
    app = site.raw(service.answers("403 Forbidden", body=b"the secret of the house"))
    assert "secret of the house" in run(f"ws://{app}/", *QUICK, "-v", "--format", "json").stdout
    done = run(f"ws://{app}/", *QUICK, "-v", "--format", "json", "--no-payload")
    assert "secret" not in done.stdout and done.returncode == 1

    def close(sock, _):
        sock.sendall(wire.frame(8, b"\x0f\xa0the secret of the house"))

    app = site.raw(service.joined(close))
    for form in "json", "text", "markdown":
        assert "secret" not in run(f"ws://{app}/", *QUICK, "-v", "--format", form, "--no-payload").stdout


def test_wrong_usage():
    for arguments in ["ftp://127.0.0.1/"], ["ws://127.0.0.1/", "--checks", "luck"], ["ws://127.0.0.1/", "-H", "x"], []:
        done = run(*arguments)
        assert done.returncode == 2 and "error" in done.stderr and not done.stdout, arguments


def test_credentials_are_told_by_name_alone(site):
    app = site.raw(service.answers("401 Unauthorized"))
    for form in "json", "text", "markdown":
        done = run(f"ws://{app}/", "-H", "Authorization: Bearer hush", "-v", "--format", form, *QUICK)
        assert done.returncode == 1 and "hush" not in done.stdout + done.stderr


def test_progress_is_for_terminals(site):
    app = service.echo(site)
    done = run(f"ws://{app}/", "--idle-max", "1s", "--checks", "idle")
    assert done.returncode == 0 and done.stderr == ""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [BINARY, "diagnose", f"ws://{app}/", "--idle-max", "1s", "--checks", "idle"],
        stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    reading = threading.Thread(target=done.communicate, daemon=True)
    reading.start()
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # The other side is closed.
        pass
    os.close(ours)
    reading.join(10)
    assert done.returncode == 0 and b"idle" in shown and b"up to 1 s" in shown


def test_both_languages(site):
    app = site.closed_port()
    assert "FAIL" in run(f"ws://{app}/").stdout
    chinese = run(f"ws://{app}/", "--lang", "zh-CN").stdout
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese)
