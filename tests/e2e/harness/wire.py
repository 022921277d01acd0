"""Raw sockets: scripted backends, handshakes and frames as they are on the wire."""

import base64
import contextlib
import hashlib
import os
import socket
import struct
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def handshake(path="/", key=None, extra=""):
    """A WebSocket handshake request, and the accept value that its answer must have."""
    key = key or base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    )
    return request.encode(), accept(key)


def accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def header(head, name):
    """Value of a header in raw head bytes, or none."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return None


def switching(head, extra=""):
    """The 101 that answers a handshake."""
    value = accept(header(head, "sec-websocket-key"))
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {value}\r\n{extra}\r\n"
    ).encode()


def frame(opcode, payload=b"", fin=True, mask=False):
    """One frame."""
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def close_frame(code, mask=False):
    return frame(8, struct.pack(">H", code), mask=mask)


def read_head(sock):
    """Bytes up to the empty line, and what came behind it; empty head when the peer ended before."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return b"", data
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def read_all(sock):
    """Everything until the peer ends or resets."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(65536):
            data += part
    return data


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def connect(port, timeout=10):
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def open_websocket(port, path="/", extra=""):
    """A connection through its handshake; what came behind the 101 is lost to nobody."""
    sock = connect(port)
    request, expected = handshake(path, extra=extra)
    sock.sendall(request)
    head, rest = read_head(sock)
    assert head.startswith(b"HTTP/1.1 101"), head
    assert header(head, "sec-websocket-accept") == expected
    return sock, rest


class Backend:
    """A service of raw sockets: `serve(connection, number)` runs in a thread for each connection."""

    def __init__(self, serve):
        self.serve = serve
        self.heads = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.settimeout(30)
                self.connections += 1
                threading.Thread(target=self._run, args=(sock, self.connections), daemon=True).start()

    def _run(self, sock, number):
        with contextlib.suppress(OSError):
            try:
                self.serve(self, sock, number)
            finally:
                sock.close()

    def read_head(self, sock):
        head, rest = read_head(sock)
        if head:
            self.heads.append(head)
        return head, rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends the accepting before the descriptor's number can be somebody else's."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join(10)
        self.listener.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"
