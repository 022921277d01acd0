"""A service with a fault: `service.py KIND PORT OPTIONS`, where the options are JSON; prints its port once it listens."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import sys
import threading
import time
import zlib

import grpc
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
from harness.http2_end import End  # noqa: E402

RSV1_TEXT = b"\xc1\x05hello"
NOT_UTF8 = b"\x81\x04ok\xff\xfe"
RESERVED_OPCODE = b"\x83\x05hello"
RAW = {"rsv1": RSV1_TEXT, "not_utf8": NOT_UTF8, "reserved_opcode": RESERVED_OPCODE}


def listening(port):
    print(json.dumps({"port": port}), flush=True)


class Chat:
    """WebSockets with the `websockets` library: echoes, and says `size` bytes every `tick` seconds to each client.

    `age`, `messages`, `wall`, `agent`, `answers`: what it closes a connection by, with `code` (0: FIN without a Close
    frame). `raw`: bytes that it sends without the library, after `raw_after` messages. `credential`: seconds that
    one is good for. `refuse`: share of handshakes that it answers with 503. `notice`: close code on SIGTERM. On SIGUSR1
    it drops everybody without a word, and stays.
    """

    def __init__(self, options):
        self.options = options
        self.open = set()
        self.born = time.monotonic()

    def option(self, name, default=None):
        return self.options.get(name, default)

    async def admit(self, connection, request):
        """The answer to a handshake that is not let in."""
        await asyncio.sleep(self.option("slow_handshake", 0))
        status = None
        if random.random() < self.option("refuse", 0) or time.monotonic() - self.born < self.option("warms_up", 0):
            status = 503
        elif self.option("status"):
            status = self.option("status")
        elif self.option("credential") and self._left(request) <= 0:
            status = 401
        return status and connection.respond(status, "no\n")

    def _left(self, request):
        """Seconds for which the credential in the query is good: it says when it was issued."""
        issued = float(request.path.partition("token=")[2] or 0)
        return issued + self.option("credential") - time.time()

    async def handle(self, connection):
        self.open.add(connection)
        tasks = [asyncio.create_task(work) for work in self._works(connection)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and task.exception() and not isinstance(task.exception(), ConnectionClosed):
                    raise task.exception()
        finally:
            for task in tasks:
                task.cancel()
            self.open.discard(connection)

    def _works(self, connection):
        yield self.echo(connection)
        if self.option("tick"):
            yield self.ticks(connection)
        if self.option("age"):
            low, high = self.option("age")
            yield self.after(connection, random.uniform(low, high))
        if self.option("credential"):
            yield self.after(connection, self._left(connection.request))
        if self.option("wall") and random.random() < self.option("wall_share", 1):
            yield self.after(connection, self.option("wall") - time.time() % self.option("wall"))
        if self.option("agent") and self.option("agent") in connection.request.headers.get("User-Agent", ""):
            yield self.after(connection, random.uniform(1, 3))
        if self.option("ends"):
            yield self.after(connection, self.option("ends") - (time.monotonic() - self.born))

    async def after(self, connection, seconds):
        await asyncio.sleep(max(0, seconds))
        await self.end(connection)

    async def end(self, connection):
        code = self.option("code", 1000)
        if code:
            await connection.close(code, self.option("words", ""))
        else:
            connection.transport.close()

    async def echo(self, connection):
        count = 0
        async for message in connection:
            count += 1
            if self.option("raises") and message.startswith(self.option("raises")):
                raise RuntimeError(message[:20])
            await connection.send(message)
            if count >= self.option("messages", float("inf")):
                return await self.end(connection)
            if self.option("raw") and count == self.option("raw_after", 1):
                connection.transport.write(RAW[self.option("raw")])

    async def ticks(self, connection):
        text = "x" * self.option("size", 40)
        while True:
            await asyncio.sleep(self.option("tick"))
            is_large = random.random() < self.option("large_share", 0)
            await connection.send(text * self.option("large") if is_large else text)

    async def leave(self, code):
        """Says goodbye to everyone."""
        await asyncio.gather(*(connection.close(code) for connection in self.open), return_exceptions=True)

    def drop(self):
        for connection in self.open:
            connection.transport.close()

    async def run(self, port):
        interval, timeout = self.option("ping", (None, None))
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.drop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        async with serve(
            self.handle, "127.0.0.1", port, process_request=self.admit, compression=None, reuse_port=False,
            max_size=self.option("max_size", 1 << 20), ping_interval=interval, ping_timeout=timeout, backlog=1024,
            write_limit=self.option("write_limit", 32768), close_timeout=2,
        ):
            listening(port)
            await over.wait()
            if self.option("notice"):
                await self.leave(self.option("notice"))
            else:
                os._exit(0)


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"


class Events:
    """Event streams: an event every `tick` seconds, `batch` at a time, with `ids` of milliseconds.

    `quiet`: nothing but a `comment` at each tick after so many seconds. `age`: ends then. `end`: the event's last bytes.
    `paces`: bounds of the seconds between the events of one stream, in place of `tick`.
    `retry`: what it tells clients. `workers`: streams at a time. `http10`: closes to end the body, not chunked. `ids` as
    `count`: those of one feed that all streams show. `resumes`: goes on behind `Last-Event-ID`. `gzip`: compresses for
    clients that ask for it, `flushed` after each event or not.
    """

    def __init__(self, options):
        self.options = options
        self.workers = asyncio.Semaphore(options.get("workers", 1 << 20))

    async def handle(self, reader, writer):
        async with self.workers:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
                await self.stream(writer, fields)
        writer.close()

    async def stream(self, writer, fields):
        option = self.options.get
        packer = zlib.compressobj(wbits=31) if option("gzip") and "gzip" in fields.get("accept-encoding", "") else None
        plain = option("http10", False)
        head = HEAD.replace("HTTP/1.1", "HTTP/1.0") if plain else HEAD + "Transfer-Encoding: chunked\r\n"
        head += "Content-Encoding: gzip\r\n" if packer else ""
        writer.write(head.encode() + b"\r\n")

        def put(data):
            if packer:
                data = packer.compress(data) + (packer.flush(zlib.Z_SYNC_FLUSH) if option("gzip") == "flushed" else b"")
            if not data:
                return
            writer.write(data if plain else b"%x\r\n%s\r\n" % (len(data), data))

        if "retry" in self.options:
            put(b"retry: %d\n\n" % option("retry"))
        began = time.monotonic()
        age = random.uniform(*option("age", (1e9, 1e9)))
        held = []
        pause = random.uniform(*option("paces")) if option("paces") else option("tick", 0.2)
        number = self.newest()
        if option("resumes") and "last-event-id" in fields:
            number = int(fields["last-event-id"])
        while (lived := time.monotonic() - began) < age:
            if lived < option("quiet", 1e9):
                if option("ids") == "count":
                    held += map(self.event, range(number + 1, self.newest() + 1))
                    number = self.newest()
                else:
                    held += [self.event() for _ in range(option("batch", 1))]
                if held and len(held) >= option("hold", 1):
                    put(b"".join(held))
                    held.clear()
            elif option("comment"):
                put(b": still here\n\n")
            await writer.drain()
            await asyncio.sleep(min(pause, max(0, age - lived)))
        if not plain:
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    def newest(self):
        """The newest number of the feed."""
        return int(time.time() / self.options.get("tick", 0.2))

    def event(self, number=None):
        name = b"id: %d\n" % (number or time.time() * 1000) if self.options.get("ids") else b""
        size = self.options.get("size", 40)
        data = b"data: " + (random.randbytes(size // 2).hex().encode() if self.options.get("gzip") else b"x" * size)
        return name + data + self.options.get("end", "\n\n").encode()

    async def run(self, port):
        server = await asyncio.start_server(self.handle, "127.0.0.1", port, backlog=1024)
        listening(port)
        async with server:
            await server.serve_forever()


class Calls:
    """gRPC with grpcio: `Talk` echoes, `Tick` says `size` bytes every `tick` seconds, `Echo` is unary.

    `age`: seconds after which `Tick` is done; `fails`: chance that it fails after a message; `status`: what it says then.
    `missing`: share of requests of `Echo` that are answered NOT_FOUND.
    """

    def __init__(self, options):
        self.options = options

    async def run(self, port):
        async def talk(requests, _):
            async for request in requests:
                yield request

        async def tick(_, context):
            began = time.monotonic()
            while time.monotonic() - began < self.options.get("age", 1e9):
                if time.monotonic() - began < self.options.get("quiet", 1e9):
                    yield b"x" * self.options.get("size", 40)
                await asyncio.sleep(self.options.get("tick", 0.2))
                if random.random() < self.options.get("fails", 0):
                    break
            if "status" in self.options:
                await context.abort(grpc.StatusCode[self.options["status"]], "no more of it")

        async def echo(request, context):
            if random.random() < self.options.get("missing", 0):
                await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
            return request

        handlers = {
            "Talk": grpc.stream_stream_rpc_method_handler(talk),
            "Tick": grpc.unary_stream_rpc_method_handler(tick),
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
        }
        server = grpc.aio.server(options=[tuple(pair) for pair in self.options.get("grpc", [])])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("lab.Feed", handlers)])
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        listening(port)
        await server.wait_for_termination()


class Mute:
    """Listens with a queue of `backlog`; accepts and reads if `accepts`, and never answers."""

    def __init__(self, options):
        self.options = options

    async def run(self, port):
        listener = socket.create_server(("127.0.0.1", port), backlog=self.options.get("backlog", 1))
        listening(port)
        kept = []
        listener.setblocking(False)
        while True:
            if self.options.get("accepts"):
                kept.append(await asyncio.get_running_loop().sock_accept(listener))
            else:
                await asyncio.sleep(60)


class Relay:
    """TCP to `to`: ends both sides at an `age`, or after so many `bytes` to the client, as balancers and quotas do."""

    def __init__(self, options):
        self.options = options

    async def handle(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.options["to"])
        pumps = [self.pump(reader, far_writer), self.pump(far_reader, writer, self.options.get("bytes", 1 << 62))]
        age = random.uniform(*self.options.get("age", (1e9, 1e9)))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*pumps, return_exceptions=True), age)
        for each in (writer, far_writer):
            each.close()

    async def pump(self, reader, writer, left=1 << 62):
        with contextlib.suppress(ConnectionError):
            while left > 0 and (data := await reader.read(min(65536, left))):
                left -= len(data)
                writer.write(data)
                await writer.drain()
        writer.close()

    run = Events.run


class Goaway:
    """HTTP/2 whose calls get a message at once, and whose connections a GOAWAY with `error` and `debug` at an `age`."""

    def __init__(self, options):
        self.options = options

    def serve(self, sock):
        end = End(sock, is_client=False)
        age, last = time.monotonic() + random.uniform(*self.options["age"]), 1
        with contextlib.suppress(OSError):
            while (left := age - time.monotonic()) > 0:
                sock.settimeout(left)
                seen = end.next()
                if seen.what == "head":
                    last = seen.stream
                    end.head(last, {":status": "200", "content-type": "application/grpc"})
                    end.data(last, b"\0\0\0\0\x02ok")
        with contextlib.suppress(OSError):
            end.goaway(last, self.options["error"], self.options["debug"])
        sock.close()

    async def run(self, port):
        listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        listening(port)
        while True:
            sock, _ = await asyncio.to_thread(listener.accept)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()


KINDS = {"chat": Chat, "events": Events, "calls": Calls, "mute": Mute, "relay": Relay, "goaway": Goaway}

if __name__ == "__main__":
    kind, port, options = sys.argv[1:]
    random.seed(int(port))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(KINDS[kind](json.loads(options)).run(int(port)))
