"""Services that cases stand on; each function starts one at a site and returns its address."""

import contextlib
import socket
import threading
import time

import websockets.sync.server
from harness import wire


def websocket(site, handler, **options):
    """A WebSocket service of the websockets library: `handler(connection)` runs in a thread."""
    options = {"compression": None, "ping_interval": None, **options}
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = websockets.sync.server.serve(handler, sock=sock, **options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "127.0.0.1:%d" % sock.getsockname()[1]


def echo(site, **options):
    """One that echoes."""
    def handler(connection):
        for message in connection:
            connection.send(message)

    return websocket(site, handler, **options)


def answer(site, status, headers=(), body=b"", after=0):
    """An HTTP service that answers everything alike, after some seconds."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode()

    def serve(sock):
        while wire.read_head(sock)[0]:
            time.sleep(after)
            sock.sendall(head + body)

    return site.raw(serve)


def joined(site, speak, extra=""):
    """A WebSocket service of raw sockets: after a right 101, `speak(sock, rest)`; `extra`: more fields of the 101."""
    def serve(sock):
        head, rest = wire.read_head(sock)
        if head:
            sock.sendall(wire.switching(head, extra))
            speak(sock, rest)

    return site.raw(serve)


def events(
    site, every=0.2, count=None, form="chunked", kind="text/event-stream", headers="", event=None, ending="\n\n",
    comment=0, quiet=0,
):
    """An event stream: `count` events or endlessly, one each `every` seconds after `quiet` ones; `form`: `chunked` or
    `close` (ended by the end of the connection); `comment`: seconds between comments while it is quiet."""
    def piece(text):
        data = text.encode()
        return f"{len(data):x}\r\n".encode() + data + b"\r\n" if form == "chunked" else data

    def serve(sock):
        head, _ = wire.read_head(sock)
        framing = "Transfer-Encoding: chunked" if form == "chunked" else "Connection: close"
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n{headers}\r\n".encode())
        until = time.monotonic() + quiet
        while comment and time.monotonic() < until:
            sock.sendall(piece(": still here\n\n"))
            time.sleep(comment)
        time.sleep(max(0, until - time.monotonic()))
        number = 0
        while count is None or number < count:
            number += 1
            text = event(number) if event else f"id: {number}\ndata: event {number} at {time.time():.3f}"
            sock.sendall(piece(text + ending))
            time.sleep(every)
        if form == "chunked":
            sock.sendall(b"0\r\n\r\n")
            with contextlib.suppress(OSError):
                sock.recv(1)

    return site.raw(serve)
