"""What the tests of endings share: how to end, and how an end is told."""

import contextlib
import json
import pathlib
import subprocess
import sys
import threading
from collections import Counter

from .books import ended, labels
from .gateway import until
from .wire import Backend


def kill_owner(sock):
    """Gives the socket away to a process, and kills that (SIGKILL): the kernel closes it."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[sock.fileno()]
    ) as owner:
        sock.close()
        owner.kill()


@contextlib.contextmanager
def upstream_sockets(head):
    """A backend that answers each request with `head(request)`, and the list of its sockets from then on."""
    sockets, over = [], threading.Event()

    def serve(backend, sock, _):
        request, _ = backend.read_head(sock)
        sock.sendall(head(request))
        sockets.append(sock)
        over.wait(60)

    with Backend(serve) as backend:
        try:
            yield backend, sockets
        finally:
            over.set()


def story(record):
    """The causes of a record: `client close 1000, upstream fin`."""
    words = [(c["leg"] or "proxy", c["what"].removesuffix("_frame"), c.get("code")) for c in record["causes"]]
    return ", ".join(" ".join(str(word) for word in cause if word is not None) for cause in words)


def verdict(record):
    """Initiator, reason, code of the client, code of the upstream: `client normal 1000 -`."""
    return " ".join("-" if word is None else str(word) for word in ended(record))


def logged(gateway, count=1):
    """The records in the gateway's file `closed.log`, once there are so many."""
    path = pathlib.Path(gateway.directory.name) / "closed.log"
    until(lambda: path.read_bytes().count(b"\n") >= count, f"{count} records are written")
    return [json.loads(line) for line in path.read_text().splitlines()]


def tally(metrics, name, *by):
    """The samples of a name that are not zero, summed by one label or by several."""
    sums = Counter()
    for sample, value in metrics.items():
        found, given = labels(sample)
        if found == name and value:
            key = tuple(given[label] for label in by)
            sums[key if len(by) > 1 else key[0]] += value
    return sums
