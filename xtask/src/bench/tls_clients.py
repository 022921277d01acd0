"""WebSockets over TLS. Commands come on standard input, answers go out as lines.

    open N    opens N more; answers "open"
    echo N    from now on each sends a message of N bytes, waits for its echo, and sends the next
    count     answers how many echoes there were
"""

import selectors
import socket
import ssl
import sys

KEY, END = "dGhlIHNhbXBsZSBub25jZQ==", b"\r\n\r\n"
REQUEST = (
    "GET /echo HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()


def connect(context, address):
    """One open WebSocket."""
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


def message(size):
    """A masked binary message (RFC 6455, section 5.2), and the length of its echo, which has no mask."""
    if size > 0xFFFF:
        sys.exit("messages are shorter than 64 KiB here")
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    frame = b"\x82" + length + bytes(4) + b"x" * size
    return frame, len(frame) - 4


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    selector = selectors.DefaultSelector()
    commands = sys.stdin.buffer.raw
    selector.register(commands, selectors.EVENT_READ)
    clients, missing, echoes, frame, size = [], {}, 0, b"", 0
    while True:
        for key, _ in selector.select():
            client = key.fileobj
            if client is not commands:
                missing[client] -= len(client.recv(65536)) or sys.exit("a connection was cut off")
                if missing[client] == 0:
                    echoes += 1
                    missing[client] = size
                    client.sendall(frame)
                continue
            command, *values = commands.readline().decode().split() or ["end"]
            if command == "open":
                clients += [connect(context, (host, int(port))) for _ in range(int(values[0]))]
                print("open", flush=True)
            elif command == "echo":
                frame, size = message(int(values[0]))
                for client in clients:
                    selector.register(client, selectors.EVENT_READ)
                    missing[client] = size
                    client.sendall(frame)
            elif command == "count":
                print(echoes, flush=True)
            else:
                return


main()
