"""Services that cases stand on; each function starts one at a site and returns its address."""

import concurrent.futures
import contextlib
import itertools
import socket
import ssl
import threading
import time

import websockets.sync.server
from harness import wire

STREAM = "text/event-stream"


def websocket(site, handler, **options):
    """A WebSocket service of the websockets library: `handler(connection)` runs in a thread."""
    options = {"compression": None, "ping_interval": None, **options}
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = sock.getsockname()[1]
    server = websockets.sync.server.serve(handler, sock=sock, **options)
    site.background(server.serve_forever)
    return f"127.0.0.1:{port}"


def echo(site, **options):
    """One that echoes."""
    def handler(connection):
        for message in connection:
            connection.send(message)

    return websocket(site, handler, **options)


def refuse(decide):
    """Option `process_request` of a service that answers what `decide(request)` says: none to go on, or status and
    text."""
    def process(connection, request):
        refusal = decide(request)
        return refusal and connection.respond(*refusal)

    return process


def answers(status, headers=(), body=b"", after=0):
    """What a raw service does that answers everything alike, after some seconds."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode()

    def serve(sock):
        while wire.read_head(sock)[0]:
            time.sleep(after)
            sock.sendall(head + body)

    return serve


def joined(speak, switching=wire.switching, **options):
    """What a raw WebSocket service does: the 101 that `switching(head)` makes, then `speak(sock, rest)`."""
    def serve(sock):
        head, rest = wire.read_head(sock)
        if head:
            sock.sendall(switching(head, **options))
            speak(sock, rest)

    return serve


def frames(sock, data=b""):
    """Frames as they come: opcode, first byte, payload without its mask; ends at the end."""
    def take(size):
        nonlocal data
        while len(data) < size:
            part = sock.recv(65536)
            if not part:
                raise EOFError
            data += part
        taken, data = data[:size], data[size:]
        return taken

    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            first, second = take(2)
            size = second & 127
            if size > 125:
                size = int.from_bytes(take(2 if size == 126 else 8), "big")
            mask = take(4) if second & 128 else bytes(4)
            payload = bytes(byte ^ key for byte, key in zip(take(size), itertools.cycle(mask), strict=False))
            yield first & 15, first, payload


def raw_echo(sock, rest=b"", say=None):
    """Echoes each message with `say(opcode, payload)`, in place of a frame of its own; answers Pings and Close."""
    kind, whole = 0, b""
    for opcode, first, payload in frames(sock, rest):
        if opcode == 8:
            return sock.sendall(wire.frame(8, payload))
        if opcode == 9:
            sock.sendall(wire.frame(10, payload))
        elif opcode != 10:
            kind, whole = opcode or kind, whole + payload
            if first & 128:
                say(kind, whole) if say else sock.sendall(wire.frame(kind, whole))
                whole = b""


def secured(files, serve, alpn=()):
    """The same in TLS with a certificate's files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if alpn:
        context.set_alpn_protocols(list(alpn))

    def wrapped(sock):
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as inner:
            serve(inner)

    return wrapped


def relay(target, down=lambda: bytes, up=lambda: bytes, lifetime=3600):
    """What a relay to an address does. `down()` and `up()` make the function for a connection that changes its bytes
    (none ends it); `lifetime`: seconds after which each connection is ended."""
    def serve(sock):
        with wire.connect(int(target.rpartition(":")[2])) as other:
            def end():
                for one in (sock, other):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)

            timer = threading.Timer(lifetime, end)
            timer.daemon = True
            timer.start()
            with concurrent.futures.ThreadPoolExecutor(2) as threads:
                threads.submit(carry, sock, other, up(), end)
                threads.submit(carry, other, sock, down(), end)
            timer.cancel()

    return serve


def carry(source, sink, change, end):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            data = change(data)
            if data is None:
                break
            sink.sendall(data)
    end()


def events(
    every=0.2, count=None, form="chunked", kind=STREAM, headers="", event=None, ending="\n\n", quiet=0, comment=0,
    together=1,
):
    """What a service of an event stream does: `count` events or endlessly, `together` of them each `every` seconds
    after `quiet` ones; `form`: `chunked` or `close` (the connection ends the body); `comment`: seconds between comments
    while it is quiet."""
    def piece(text):
        data = text.encode()
        return f"{len(data):x}\r\n".encode() + data + b"\r\n" if form == "chunked" else data

    def serve(sock):
        if not wire.read_head(sock)[0]:
            return
        framing = "Transfer-Encoding: chunked" if form == "chunked" else "Connection: close"
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n{headers}\r\n".encode())
        begin = time.monotonic() + quiet
        while comment and time.monotonic() < begin:
            sock.sendall(piece(": still here\n\n"))
            time.sleep(comment)
        time.sleep(max(0, begin - time.monotonic()))
        numbers = itertools.count(1) if count is None else range(1, count + 1)
        for number in numbers:
            text = event(number) if event else f"id: {number}\ndata: event {number} at {time.time():.3f}"
            sock.sendall(piece(text + ending))
            if number % together == 0:
                time.sleep(every)
        if form == "chunked":
            sock.sendall(b"0\r\n\r\n")
            with contextlib.suppress(OSError):
                sock.recv(1)

    return serve


def grpc(site, options=(), files=None, message=b"tick", every=0.2, count=None, read=True):
    """A gRPC service `lab.Feed` of grpcio, whose messages are any bytes: `Watch` streams `count` messages or endlessly,
    `Echo` answers one by the same, `Chat` each; with `read` false it never reads what clients stream."""
    import grpc as library  # Its threads and a fork do not go together.

    def watch(_, context):
        for number in itertools.count():
            if number == count or not context.is_active():
                return
            yield message
            time.sleep(every)

    def chat(requests, context):
        while not read and context.is_active():
            time.sleep(0.1)
        yield from requests

    methods = {
        "/lab.Feed/Watch": library.unary_stream_rpc_method_handler(watch),
        "/lab.Feed/Echo": library.unary_unary_rpc_method_handler(lambda request, _: request),
        "/lab.Feed/Chat": library.stream_stream_rpc_method_handler(chat),
    }

    class Feed(library.GenericRpcHandler):
        def service(self, details):
            return methods.get(details.method)

    server = library.server(concurrent.futures.ThreadPoolExecutor(64), options=list(options))
    server.add_generic_rpc_handlers([Feed()])
    if files:
        pair = files[1].read_bytes(), files[0].read_bytes()
        port = server.add_secure_port("127.0.0.1:0", library.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    site.ends.callback(server.stop, 0)
    return f"127.0.0.1:{port}"
