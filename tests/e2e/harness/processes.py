"""Other programs beside the gateway: scripts of `peers/` under node, and daemons on a port of their own."""

import contextlib
import json
import pathlib
import queue
import random
import socket
import subprocess
import threading

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"


def free_port():
    """A port below the range from which the kernel takes the ports of clients."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def answers(port):
    """Whether something listens on the port of the loopback address."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def daemon(*command, cwd=None):
    """A program that runs until the block ends."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Peer:
    """A script of `peers/`, which prints one JSON value a line and takes commands on its standard input."""

    def __init__(self, script, *arguments):
        self.script = script
        self.process = subprocess.Popen(
            ["node", str(PEERS / script), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PEERS,
        )
        self.values = queue.Queue()
        self.errors = ""
        self.threads = [threading.Thread(target=read, daemon=True) for read in (self._values, self._errors)]
        for thread in self.threads:
            thread.start()

    def _values(self):
        for line in self.process.stdout:
            self.values.put(json.loads(line))
        self.values.put(None)

    def _errors(self):
        self.errors = self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for thread in self.threads:
            thread.join(2)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def next(self, seconds=30):
        """The next value that it prints."""
        try:
            value = self.values.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"{self.script} printed nothing within {seconds} s") from None
        if value is None:
            self.threads[1].join(2)
            raise AssertionError(f"{self.script} ended: {self.errors}")
        return value

    def tell(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


class Service(Peer):
    """A script that serves on a port of its choice and prints `{"port": n}` first."""

    def __enter__(self):
        try:
            self.port = self.next()["port"]
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def run(script, *arguments, seconds=60):
    """What a script that does its work and ends prints."""
    done = subprocess.run(
        ["node", str(PEERS / script), *map(str, arguments)],
        capture_output=True, text=True, cwd=PEERS, timeout=seconds,
    )
    assert done.returncode == 0, f"{script}: {done.stderr}\n{done.stdout}"
    return json.loads(done.stdout)
