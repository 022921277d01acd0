"""Idle WebSockets over TLS. A number on standard input opens so many more; "open" is answered then."""

import socket
import ssl
import sys

KEY, END = "dGhlIHNhbXBsZSBub25jZQ==", b"\r\n\r\n"
REQUEST = (
    "GET /echo HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()


def connect(context, address):
    """One open WebSocket. Without TCP_NODELAY its request would wait for the peer's delayed acknowledgement."""
    plain = socket.create_connection(address)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = context.wrap_socket(plain)
    client.sendall(REQUEST)
    head = b""
    while not head.endswith(END):
        head += client.recv(1) or sys.exit("the handshake was cut off")
    if not head.startswith(b"HTTP/1.1 101"):
        sys.exit(head.decode(errors="replace"))
    return client


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    clients = []
    for line in sys.stdin:
        clients += [connect(context, (host, int(port))) for _ in range(int(line))]
        print("open", flush=True)


main()
