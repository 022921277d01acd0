"""A network of one's own with a path of known delay in it: two namespaces, and between them a router that holds
each packet back. Namespaces belong to threads, so whoever works in one does so in a thread of its own."""

import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import select
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

NEAR, FAR = "10.7.0.1", "10.7.0.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    """Gives this thread a network namespace of its own, and lets it reach itself."""
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN")
    run("ip", "link", "set", "lo", "up")


def run(*command):
    subprocess.run(command, check=True)


def tun(address, peer):
    """One end of a path in this thread's namespace; gives the file of its packets."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", b"path", IFF_TUN | IFF_NO_PI))
    run("ip", "address", "add", address, "peer", peer, "dev", "path")
    run("ip", "link", "set", "path", "up")
    return file


class Path:
    """From this namespace (NEAR) to another one (FAR)."""

    def __init__(self, near, far, one_way):
        self.files = {near: far, far: near}
        self.near = near
        self.one_way = one_way
        self.arrived, self.in_flight = 0, 0
        self.over = threading.Event()
        self.router = threading.Thread(target=self.route, daemon=True)
        self.router.start()

    def route(self):
        """`in_flight` counts the packets that are held, `arrived` those that came back to NEAR."""
        held, numbers = [], itertools.count()
        while not self.over.is_set():
            pause = max(0, min(held[0][0] - time.monotonic(), 0.1)) if held else 0.1
            readable, _, _ = select.select(list(self.files), [], [], pause)
            for file in readable:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        packet = os.read(file, 65536)
                        due = time.monotonic() + self.one_way
                        heapq.heappush(held, (due, next(numbers), self.files[file], packet))
            while held and held[0][0] <= time.monotonic():
                _, _, file, packet = heapq.heappop(held)
                os.write(file, packet)
                self.arrived += file == self.near
            self.in_flight = len(held)


@contextlib.contextmanager
def path_of(round_trip):
    """A path from this thread's namespace to a new one, and `there(function)`, which calls it in that one."""
    with ThreadPoolExecutor(1, initializer=own_network) as thread:
        near, far = tun(NEAR, FAR), thread.submit(tun, FAR, NEAR).result()
        path = Path(near, far, round_trip / 2)
        try:
            yield path, lambda function, *arguments: thread.submit(function, *arguments).result()
        finally:
            path.over.set()
            path.router.join()
            os.close(near)
            os.close(far)


def in_own_network(function, *arguments):
    """Calls it in a thread with a network of its own."""
    with ThreadPoolExecutor(1, initializer=own_network) as thread:
        return thread.submit(function, *arguments).result()


def connect_from_far(port):
    """A client at FAR that acknowledges at once (TCP_QUICKACK: tcp(7)); to be called there."""
    sock = socket.create_connection((NEAR, port), timeout=10)
    acknowledge_at_once(sock)
    return sock


def acknowledge_at_once(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
