"""Clients of our own, which prove that a case shows what it says."""

import contextlib
import http.client
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass

import websockets.sync.client
from harness import wire
from websockets.exceptions import ConnectionClosed


@dataclass
class Answer:
    """An answer to a handshake; `status` 0: the connection ended before one; the socket stays open."""

    status: int
    head: bytes
    body: bytes
    sock: socket.socket

    def header(self, name):
        return wire.header(self.head, name)


def connect(url, trust=None, alpn=("http/1.1",), name=None, seconds=10):
    """A socket to the server of a URL, in TLS where its scheme says so; `trust`: a PEM file, else nothing is checked."""
    parts = urllib.parse.urlsplit(url)
    is_secure = parts.scheme in ("wss", "https", "grpcs")
    sock = socket.create_connection((parts.hostname, parts.port), timeout=seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not is_secure:
        return sock
    context = ssl.create_default_context(cafile=trust)
    if not trust:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    try:
        return context.wrap_socket(sock, server_hostname=name or parts.hostname)
    except BaseException:
        sock.close()
        raise


def handshake(url, extra="", **options):
    """The answer to a WebSocket handshake; `extra`: more fields of the request, each with its line end."""
    sock = connect(url, **options)
    request, _ = wire.handshake(target(url), extra=extra)
    with contextlib.suppress(ConnectionError):
        sock.sendall(request.replace(b"localhost", urllib.parse.urlsplit(url).netloc.encode()))
        head, rest = wire.read_head(sock)
        return Answer(int(head[9:12]) if head else 0, head, rest, sock)
    return Answer(0, b"", b"", sock)


def status(url, extra="", **options):
    """Status of the answer to a WebSocket handshake."""
    answer = handshake(url, extra, **options)
    answer.sock.close()
    return answer.status


def get(url, headers=None):
    """Status, headers and body of a GET."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", target(url), headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def target(url):
    parts = urllib.parse.urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def websocket(url, **options):
    """A client of the websockets library, which says nothing by itself."""
    options = {"compression": None, "ping_interval": None, "proxy": None, "max_size": None, **options}
    return websockets.sync.client.connect(url, **options)


def echoes(url, message="hello", seconds=10, **options):
    """Whether a message comes back."""
    with websocket(url, **options) as connection:
        connection.send(message)
        return connection.recv(timeout=seconds) == message


def ending(url, messages=(), every=None, seconds=15, **options):
    """How a connection ends that sends these messages, or one every so many seconds, and waits: close code (1006: no
    Close frame) and the seconds since it was open; none while it lives."""
    with websocket(url, **options) as connection:
        began = time.monotonic()
        try:
            for message in messages:
                connection.send(message)
            while (left := began + seconds - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    connection.recv(timeout=min(left, every or left))
                    continue
                if every and left > every:
                    connection.send("still here")
        except ConnectionClosed:
            return connection.close_code, time.monotonic() - began
    return None


def stream(url, seconds=5, count=None, headers="", **options):
    """Bytes of an answer's body as they arrive: its head, pairs of (seconds since the request, bytes), and whether it
    ended. Stops after `seconds`, or `count` pieces."""
    sock = connect(url, **options)
    with sock:
        host = urllib.parse.urlsplit(url).netloc
        request = f"GET {target(url)} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n{headers}\r\n"
        sock.sendall(request.encode())
        began, pieces, head, ended = time.monotonic(), [], b"", False
        while (left := began + seconds - time.monotonic()) > 0 and (count is None or len(pieces) < count):
            sock.settimeout(left)
            try:
                part = sock.recv(65536)
            except TimeoutError:
                break
            except ConnectionError:
                part = b""
            if not part:
                ended = True
                break
            if b"\r\n\r\n" not in head:
                head += part
                head, mark, part = head.partition(b"\r\n\r\n")
                head += mark
            if part:
                pieces.append((time.monotonic() - began, part))
    return head, pieces, ended
