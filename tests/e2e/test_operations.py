"""What an operator does: starts it rightly and wrongly, changes its configuration while it runs, and stops it."""

import contextlib
import json
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import urllib.error
from collections import Counter

import pytest

from harness.books import total
from harness.endings import logged, verdict
from harness.gateway import BINARY, ROOT, Gateway, config_for, until
from harness.wire import Backend, close_frame, connect, handshake, read_all, switching

GOOD = """\
admin: { listen: 127.0.0.1:0 }
listeners:
  - listen: 127.0.0.1:0
routes:
  - name: test
    balance: round_robin
    upstreams: [http://127.0.0.1:1]
drain: { window: 5s }
closed: { keep: 100 }
"""
UPSTREAMS = "upstreams: [http://127.0.0.1:1]"
LISTENER = "  - listen: 127.0.0.1:0\n"
BAD = {
    "unknown section": ("listeners", "lisners", "2:1", "did you mean `listeners`"),
    "unknown key": ("upstreams", "upstream", "7:5", "did you mean `upstreams`"),
    "unknown key in braces": ("window", "windov", "8:10", "did you mean `window`"),
    "unknown key of TLS": (LISTENER, f"{LISTENER}    tls: {{ cert: a }}\n", "4:12", "did you mean `cert_file`"),
    "key is missing": (f"    {UPSTREAMS}\n", "", "[56]:5", "missing field `upstreams`"),
    "key is there twice": ("closed: { keep: 100 }", "admin: {}", "9:1", "duplicate .*admin"),
    "upstream without scheme": ("http://127", "127", "7:17", "must begin with http://.* such as http://127.0.0.1:3000"),
    "upstream with a path": (":1]", ":1/app]", "7:17", "must have no path: the request's own path is sent"),
    "upstream that is no list": (UPSTREAMS, "upstreams: http://127.0.0.1:1", "7:16", "list"),
    "no upstream": ("[http://127.0.0.1:1]", "[]", "7:16", "route `test` has no upstream"),
    "name with a space": ("name: test", "name: a test", "5:11", "must be 1 to 64 letters"),
    "unknown choice": ("round_robin", "roundrobin", "6:14", "least_connections, round_robin"),
    "address without port": ("127.0.0.1:0 }", "localhost }", "1:18", r"such as \d+\.\d+\.\d+\.\d+:\d+"),
    "address that all can reach": ("127.0.0.1:0 }", "0.0.0.0:0 }", "1:18", "set `admin.token_file`"),
    "network": ("drain: { window: 5s }", "trusted_peers: [10.0.0.0/33]", "8:17", "such as 10.0.0.0/8"),
    "duration without unit": ("5s", "5", "8:1[08]", "such as [0-9]+s"),
    "number": ("100", "many", "9:17", "number"),
    "tab": ("  - name", "\t- name", "5:2", "tab"),
    "PROXY protocol from nobody": (
        LISTENER, f"{LISTENER}    proxy_protocol: true\n", "4:21", "only taken from `trusted_peers`",
    ),
}
JARGON = re.compile(r"\bu64\b|DuplicateKeyPolicy|sequence start")


def heartline(*arguments, cwd=None):
    """Exit code of a command that ends by itself, and what it says."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=20, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", BAD)
def test_bad_configuration(tmp_path, name):
    """Where it is wrong, what stands there, and what to do."""
    right, wrong, place, advice = BAD[name]
    text = GOOD.replace(right, wrong, 1)
    (tmp_path / "heartline.yaml").write_text(text)
    code, told = heartline("check", "heartline.yaml", cwd=tmp_path)
    assert (code, told) == heartline("run", "-c", "heartline.yaml", cwd=tmp_path)
    assert code == 2, told
    found = re.match(rf"error: heartline\.yaml:({place}): ", told)
    assert found, told
    line, column = map(int, found[1].split(":"))
    assert f"\n  {line} | {text.splitlines()[line - 1]}\n    | {' ' * (column - 1)}^" in told
    assert re.search(advice, told) and not JARGON.search(told), told


def test_all_problems_are_told_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD.replace("[http://127.0.0.1:1]", "[]") + "metrics: { mean_window: 1s }\n")
    (tmp_path / "b.yaml").write_text(GOOD.replace("listeners", "lisners"))
    (tmp_path / "c.yaml").write_text(GOOD)
    code, told = heartline("check", "a.yaml", "b.yaml", "c.yaml", cwd=tmp_path)
    assert code == 2
    assert re.findall(r"[abc]\.yaml:\d+:\d+", told) == ["a.yaml:7:16", "a.yaml:10:25", "b.yaml:2:1"]
    assert "ok c.yaml: 1 listeners, 1 routes" in told


def test_the_example_is_right():
    code, told = heartline("check", ROOT / "deploy/heartline.example.yaml")
    assert (code, told.split()[0]) == (0, "ok"), told


TOKENS = [
    "token: s3cret phrase", "token: s3cret, token_file: admin.token", "token: s3cret, tokens: x",
    '"token" : s3cret phrase', "token:\n    s3cret phrase", "token: [s3cret]",
]


@pytest.mark.parametrize("wrong", TOKENS)
def test_a_token_is_not_shown(tmp_path, wrong):
    """What is said of a bad file goes to logs, and to whoever asks for a reload."""
    (tmp_path / "heartline.yaml").write_text(GOOD.replace("0 }", f"0, {wrong} }}", 1))
    code, told = heartline("check", "heartline.yaml", cwd=tmp_path)
    assert code == 2
    assert re.match(r"error: heartline\.yaml:[12]:\d+: ", told) and "s3cret" not in told, told



TLS = "    tls: { cert_file: none.crt, key_file: none.key }\n"
STARTS = {
    "taken listener": (["run", "--listen", "TAKEN"], 1, "TAKEN.* another program has it: choose another address"),
    "taken admin": (["run", "--admin", "TAKEN"], 1, "admin address TAKEN .* Choose another one with `--admin ADDR`"),
    "address of another machine": (["run", "--listen", "192.0.2.1:0"], 1, "no interface of this machine"),
    "admin for all": (["run", "--admin", "0.0.0.0:0"], 2, "no token: set `admin.token_file`"),
    "no certificate": (
        GOOD.replace(LISTENER, LISTENER + TLS), 1, "none.crt: .*No such file.* PEM file with a certificate",
    ),
    "no authorities": (
        GOOD.replace("http:", "https:").replace("    bal", "    upstream_tls: { ca_file: none.pem }\n    bal"),
        1, "route `test`: none.pem: .*No such file.* PEM file with a certificate",
    ),
    "no token file": (GOOD.replace("0 }", "0, token_file: none }", 1), 1, "cannot be read from none: No such file"),
    "empty token file": (GOOD.replace("0 }", "0, token_file: empty }", 1), 1, "empty holds no .*openssl rand -hex 32"),
    "no folder of the log": (GOOD.replace("keep: 100", "log: none/closed.log"), 1, "none/closed.log: No such file"),
    "no file": (["run", "-c", "none.yaml"], 2, "none.yaml: it cannot be read: No such file"),
    "a folder": (["run", "-c", "."], 2, "it cannot be read: Is a directory"),
    "no text": (["run", "-c", "noise.yaml"], 2, "noise.yaml: it cannot be read: .*UTF-8"),
    "nothing to do": (["run"], 2, "give `--upstream http://HOST:PORT`, `-c FILE`, or put a heartline.yaml here"),
    "both": (["run", "--upstream", "http://127.0.0.1:1", "-c", "none.yaml"], 2, "cannot be used with '--config"),
    "no URL": (["run", "--upstream", "127.0.0.1:1"], 2, "must begin with http://.* such as http://127.0.0.1:3000"),
    "unknown flag": (["run", "--upstrem", "http://127.0.0.1:1"], 2, "a similar argument exists: '--upstream'"),
    "unknown command": (["chek"], 2, "unrecognized subcommand 'chek'.*check"),
    "no file to check": (["check"], 2, "<FILES>"),
}


@pytest.mark.parametrize("name", STARTS)
def test_wrong_start(tmp_path, name):
    """It says what to do, exits, and keeps nothing running."""
    asked, expected, advice = STARTS[name]
    (tmp_path / "noise.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        if isinstance(asked, str):
            (tmp_path / "heartline.yaml").write_text(asked)
            arguments = ["run"]
        else:
            arguments = [address if word == "TAKEN" else word for word in asked]
            if "--listen" in asked or "--admin" in asked:
                free = {"--listen", "--admin"}.difference(asked).pop()
                arguments += ["--upstream", "http://127.0.0.1:1", free, "127.0.0.1:0"]
        code, told = heartline(*arguments, cwd=tmp_path)
    assert code == expected and re.findall(r"^error: ", told, re.M) == ["error: "], told
    assert re.search(advice.replace("TAKEN", address), told, re.S), told


def test_the_limit_of_open_files_is_raised_and_told():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Gateway(config=GOOD, under=["prlimit", f"--nofile=256:{hard}"]) as gateway:
        told = until(lambda: gateway.logged("this process can hold so many connections"), "the limit is told")
        assert [told[0][name] for name in ("open_files", "connections")] == [hard, (hard - 64) // 2]
        limits = pathlib.Path(f"/proc/{gateway.process.pid}/limits").read_text()
        assert re.search(rf"Max open files +{hard} +{hard} ", limits)
        assert total(gateway.metrics(), "process_max_fds") == hard


STOPPING = "stopping: connections are told to go away; a second signal exits at once"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"9\r\ndata: 1\n\n\r\n"


class Service(Backend):
    """WebSockets, an event stream, a refusal, and an answer that waits until it may be given."""

    def __init__(self):
        super().__init__(Service._serve)
        self.may_answer = threading.Event()

    def _serve(self, sock, _):
        while head := self.read_head(sock)[0]:
            match head.split(b" ")[1]:
                case b"/chat":
                    sock.sendall(switching(head))
                    if sock.recv(1024):
                        sock.sendall(close_frame(1001))
                        read_all(sock)
                    return
                case b"/events":
                    sock.sendall(CHUNKED + EVENT)
                    read_all(sock)
                    return
                case b"/refused":
                    sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                case b"/slow":
                    self.may_answer.wait(30)
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
                case _:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@contextlib.contextmanager
def at_work(window):
    """A gateway that logs, its service, and what opens a client: a request, and the end of what it waits for."""
    extra = f"closed: {{ log: closed.log }}\ndrain: {{ window: {window} }}\n"
    with (
        Service() as service,
        Gateway(config=config_for(service.address, extra=extra)) as gateway,
        contextlib.ExitStack() as clients,
    ):
        def client(request, expected=b""):
            sock = clients.enter_context(connect(gateway.port))
            sock.sendall(request)
            seen = b""
            while expected not in seen:
                seen += sock.recv(1)
            return sock

        yield gateway, service, client


def get(path, accept="*/*"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode()


def refuses(port):
    with contextlib.suppress(ConnectionResetError):
        try:
            connect(port).close()
        except ConnectionRefusedError:
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(number):
    """Nobody new comes in, each one inside is told to go or is served to the end, and no record is lost."""
    with at_work("4s") as (gateway, service, client):
        client(handshake("/refused")[0], b"no")
        chats = [client(handshake("/chat")[0], b"\r\n\r\n") for _ in range(20)]
        streams = [client(get("/events", "text/event-stream"), EVENT) for _ in range(5)]
        idle, slow = client(get("/"), b"ok"), client(get("/slow"))
        until(lambda: len(gateway.live()) == 25 and len(service.heads) == 28, "all are there")
        gateway.signal(number)
        until(lambda: gateway.logged(STOPPING), "it is stopping")
        until(lambda: refuses(gateway.port), "nobody is let in")
        with pytest.raises(urllib.error.HTTPError) as refused:
            gateway.get("/readyz")
        assert refused.value.code == 503 and "it is stopping" in refused.value.read().decode()
        assert read_all(idle) == b""
        for chat in chats:
            assert chat.recv(4) == close_frame(1001)
            chat.sendall(close_frame(1001, mask=True))
        for stream in streams:
            assert read_all(stream) == b"0\r\n\r\n"
        service.may_answer.set()
        assert read_all(slow).endswith(b"\r\n\r\ndone")
        assert gateway.wait() == 0
        records = logged(gateway, 26)
        assert len({record["id"] for record in records}) == 26
        told = Counter(record["reason"] and f"{record['protocol']} {verdict(record)}" for record in records)
        assert told == {None: 1, "websocket proxy shutdown 1001 1001": 20, "sse proxy shutdown - -": 5}
        assert records[0]["handshake"]["result"] == "client_error"
        assert not [line for line in gateway.lines if line.get("level") in ("WARN", "ERROR")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_exits_at_once(number):
    """The window is far longer than what is waited for here; who was inside has a record all the same."""
    with at_work("1h") as (gateway, _, client):
        chats = [client(handshake("/chat")[0], b"\r\n\r\n") for _ in range(10)]
        streams = [client(get("/events", "text/event-stream"), EVENT) for _ in range(3)]
        until(lambda: len(gateway.live()) == 13, "all are there")
        gateway.signal()
        until(lambda: gateway.logged(STOPPING), "it is stopping")
        gateway.signal(number)
        gateway.wait()
        assert gateway.logged("exiting at once")
        for sock in chats + streams:
            read_all(sock)
        records = logged(gateway, 13)
        assert [record["protocol"] for record in records].count("sse") == 3
        assert {verdict(record) for record in records} == {"proxy shutdown - -"}


def test_records_are_appended_to_the_log():
    """One run after the other, as with restarts."""
    with at_work("1s") as (gateway, _, client):
        path = pathlib.Path(gateway.directory.name) / "closed.log"
        client(handshake("/refused")[0], b"no")
        [first] = logged(gateway)
        config = gateway.config_path.read_text().replace("closed.log", str(path))
        with Gateway(config=config) as second, connect(second.port) as again:
            again.sendall(handshake("/refused")[0])
            assert logged(gateway, 2)[0] == first


def test_records_on_standard_output():
    with at_work("1s") as (gateway, _, client):
        config = gateway.config_path.read_text().replace("closed.log", '"-"')
        with Gateway(config=config) as shown, connect(shown.port) as refused:
            refused.sendall(handshake("/refused")[0])
            shown.wait_closed()
            shown.signal()
            assert shown.wait() == 0
            [line] = shown.process.stdout.read().splitlines()
            assert json.loads(line)["handshake"]["status"] == 403
