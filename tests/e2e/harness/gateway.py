"""A running heartline, and what it says of itself."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("HEARTLINE_BIN", str(ROOT / "target/debug/heartline"))


def until(condition, what, seconds=30.0):
    """Waits until `condition()` is true and returns its value; fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Gateway:
    """`heartline run` with the given arguments; a configuration is written to a file of its own; `under` starts it."""

    def __init__(self, *arguments, config=None, command="run", under=(), log_format="json"):
        self.directory = tempfile.TemporaryDirectory()
        self.config_path = pathlib.Path(self.directory.name) / "heartline.yaml"
        arguments = list(arguments)
        if config is not None:
            self.write_config(config)
            arguments += ["-c", str(self.config_path)]
        self.lines = []
        self.process = subprocess.Popen(
            [*under, BINARY, command, "--log-format", log_format, *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.directory.name,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"message": line.rstrip("\n")})

    def __enter__(self):
        try:
            until(lambda: self.logged("admin listening") or self.process.poll() is not None, "it listens", 60)
            assert self.process.poll() is None, self.lines
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        panics = [line["message"] for line in self.lines if "panicked at" in str(line.get("message"))]
        assert not panics, panics

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(2)
        self.process.stdout.close()
        self.process.stderr.close()
        self.directory.cleanup()

    def write_config(self, config):
        self.config_path.write_text(config)

    def logged(self, message):
        return [line for line in list(self.lines) if line.get("message") == message]

    @property
    def listeners(self):
        return [line["address"] for line in self.logged("listening")]

    @property
    def address(self):
        return self.listeners[0]

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    @property
    def admin(self):
        return self.logged("admin listening")[0]["address"]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def get(self, path, headers=None):
        request = urllib.request.Request(f"http://{self.admin}{path}", headers=headers or {})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def post(self, path):
        """Status and body of a POST."""
        request = urllib.request.Request(f"http://{self.admin}{path}", method="POST", data=b"")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """All samples, by name with labels as they are exposed."""
        samples = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def closed(self, query=""):
        return json.loads(self.get(f"/api/v1/connections?set=closed&limit=500{query}"))["items"]

    def live(self):
        return json.loads(self.get("/api/v1/connections?set=live&limit=500"))["items"]

    def wait_closed(self, count=1, query=""):
        """The newest records, once there are at least `count`."""
        until(lambda: len(self.closed(query)) >= count, f"{count} close records{query}")
        return self.closed(query)


def config_for(*upstreams, extra="", route=""):
    """A configuration with one route to the upstreams (host:port or URL)."""
    urls = ", ".join(u if "://" in u else f"http://{u}" for u in upstreams)
    return (
        "admin: { listen: 127.0.0.1:0 }\n"
        "listeners: [{ listen: 127.0.0.1:0 }]\n"
        "routes:\n"
        "  - name: test\n"
        f"    upstreams: [{urls}]\n"
        f"{route}"
        f"{extra}"
    )
