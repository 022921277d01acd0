"""Many clients: `crowd.py KIND URL OPTIONS`, where the options are JSON; prints one JSON line of what they saw.

Each of `clients` begins within `ramp` seconds and lives for `seconds`. A visit lasts a time of `stay` (a pair of bounds
in seconds) unless the connection ends before; then the client comes `back` after a time of these bounds, or never.
"""

import asyncio
import collections
import contextlib
import json
import random
import socket
import struct
import sys
import time
import urllib.parse

import grpc
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

FAR = (1e9, 1e9)


class Client:
    """One of them; what it saw goes into `seen`."""

    def __init__(self, number, url, options, seen):
        self.number, self.url, self.options, self.seen = number, urllib.parse.urlsplit(url), options, seen
        self.random = random.Random(number)
        self.ends = 0.0
        self.sources = options.get("sources", [None])
        self.visits = 0

    def option(self, name, default=None):
        return self.options.get(name, default)

    def time(self, name, default=FAR):
        return self.random.uniform(*self.option(name, default))

    def left(self):
        return self.ends - time.monotonic()

    def place(self):
        """One of the `places` that all clients of its address have together; endlessly many without that option."""
        if not self.option("places"):
            return contextlib.nullcontext()
        places = self.options.setdefault("taken", {})
        return places.setdefault(self.address(), asyncio.Semaphore(self.option("places")))

    def address(self):
        """Its own, if it is to have one; with `moves`, one that is so much further in the list at each visit."""
        source = self.sources[(self.number + self.visits * self.option("moves", 0)) % len(self.sources)]
        return source and (source, 0)

    def headers(self):
        agents = self.option("agents", ["lab/1.0"])
        fields = {"User-Agent": agents[self.number % len(agents)], "Cookie": f"session={self.number}"}
        return fields | self.option("headers", {})

    async def run(self):
        await asyncio.sleep(self.time("ramp", (0, 1)))
        self.ends = time.monotonic() + self.option("seconds", 20)
        while self.left() > 0:
            began = time.monotonic()
            try:
                async with self.place(), asyncio.timeout(max(0.1, self.left() + 5)):
                    await self.visit()
                self.seen["visits"] += 1
            except ConnectionClosed as end:
                self.seen[f"closed {end.rcvd.code if end.rcvd else 1006}"] += 1
            except (OSError, WebSocketException, asyncio.IncompleteReadError, TimeoutError) as error:
                self.seen[f"failed {type(error).__name__}"] += 1
            self.visits += 1
            if not self.option("back"):
                break
            wait = self.time("back")
            if self.option("lockstep"):
                wait = max(0, began + wait - time.monotonic())
            await asyncio.sleep(min(wait, max(0, self.left())))


class Chat(Client):
    """A WebSocket that says something every `say` seconds, for `talk` seconds; `pings` by itself; `reads_every` so
    many seconds a message; `watchdog`: seconds of silence after which it gives up.

    `size`: of its messages; `odd`: another text or size now and then, with the chance of `odd_share`. `leave`: how it
    goes: a close code, 0 for FIN, -1 for RST. `doubles`: chance that it forgets to close and opens another.
    """

    async def visit(self):
        query = {"token": time.time() - self.time("token_age", (0, 0))} if self.option("token") else {}
        if self.option("token") == "kept":
            query = self.__dict__.setdefault("query", query)
        url = self.url._replace(query=urllib.parse.urlencode(query)).geturl()
        ping = self.option("keepalive", (None, None))
        more = {"max_queue": 1} if self.option("reads_every") else {}
        fields = self.headers()
        agent = fields.pop("User-Agent")
        connection = await connect(
            url, additional_headers=fields, user_agent_header=agent, local_addr=self.address(), compression=None,
            ping_interval=ping[0], ping_timeout=ping[1], open_timeout=self.option("open_timeout", 10), proxy=None,
            close_timeout=2, max_size=self.option("max_size", 1 << 24), sock=self.small_socket(), **more,
        )
        self.seen["opened"] += 1
        tasks = [asyncio.create_task(work) for work in self.works(connection)]
        try:
            stay = min(self.time("stay"), max(0, self.left()))
            done, _ = await asyncio.wait(tasks, timeout=stay, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except TimeoutError:
            connection.transport.abort()
            raise
        finally:
            for task in tasks:
                task.cancel()
        await self.go(connection)

    def small_socket(self):
        """A connected socket with a small receive buffer, where that is asked for."""
        if not self.option("receive_buffer"):
            return None
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.option("receive_buffer"))
        sock.connect((self.url.hostname, self.url.port))
        return sock

    async def go(self, connection):
        leave = self.option("leave", 1000)
        if self.random.random() < self.option("doubles", 0):
            self.seen.setdefault("kept", []).append(connection)
        elif leave > 0:
            await connection.close(leave)
        elif leave == 0:
            connection.transport.close()
        else:
            sock = connection.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.transport.abort()

    def works(self, connection):
        yield self.read(connection)
        if self.option("say"):
            yield self.say(connection)
        if self.option("pings"):
            yield self.ping(connection)

    async def read(self, connection):
        while True:
            async with asyncio.timeout(self.option("watchdog")):
                await connection.recv()
            self.seen["messages"] += 1
            if self.option("reads_every"):
                await asyncio.sleep(self.option("reads_every"))

    async def say(self, connection):
        quiet = time.monotonic() + self.time("talk")
        while time.monotonic() < quiet:
            await asyncio.sleep(self.time("say"))
            await connection.send(self.message())
        await asyncio.sleep(1e9)

    def message(self):
        if self.random.random() < self.option("odd_share", 0):
            odd = self.option("odd")
            return odd if isinstance(odd, str) else "o" * odd
        low, high = self.option("sizes", (40, 40))
        return "m" * self.random.randint(low, high)

    async def ping(self, connection):
        while True:
            await asyncio.sleep(self.time("pings"))
            await connection.ping()


class Events(Client):
    """An event stream, read as it comes; with `resumes` it sends the last id when it comes back."""

    last_id = None

    async def visit(self):
        reader, writer = await asyncio.open_connection(
            self.url.hostname, self.url.port, local_addr=self.address(), limit=1 << 22
        )
        try:
            fields = {"Host": self.url.netloc, "Accept": "text/event-stream"} | self.headers()
            if self.last_id and self.option("resumes"):
                fields["Last-Event-ID"] = self.last_id
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            writer.write(f"GET {self.url.path or '/'} HTTP/1.1\r\n{lines}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen["opened" if b" 200 " in head.split(b"\r\n")[0] else "refused"] += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self.time("stay"), max(0.05, self.left()))):
                    await self.read(reader)
        finally:
            writer.close()

    async def read(self, reader):
        while line := await reader.readline():
            if line.startswith(b"id: "):
                self.last_id = line[4:].strip().decode()
            self.seen["events"] += line.startswith(b"data:")
            if line == b"0\r\n":
                return


class Calls(Client):
    """gRPC: the `method` of lab.Feed; `deadline` in seconds; `reads` or not; `size` of what it says."""

    channel = None

    async def visit(self):
        if self.channel is None or not self.option("keeps_channel", True):
            options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
            options += [tuple(pair) for pair in self.option("grpc", [])]
            self.channel = grpc.aio.insecure_channel(self.url.netloc, options)
        stay = min(self.time("stay"), max(0.05, self.left()))
        try:
            if self.option("method", "Tick") == "Tick":
                call = self.channel.unary_stream("/lab.Feed/Tick")(b"", timeout=self.option("deadline"))
                await self.during(stay, self.read(call), call)
            elif self.option("method") == "Echo":
                low, high = self.option("sizes", (40, 40))
                request = self.random.randbytes(self.random.randint(low, high))
                if self.random.random() < self.option("odd_share", 0):
                    request = bytes(self.option("odd"))
                await self.channel.unary_unary("/lab.Feed/Echo")(request, timeout=self.option("deadline"))
            else:
                call = self.channel.stream_stream("/lab.Feed/Talk")(timeout=self.option("deadline"))
                await self.during(stay, self.talk(call), call)
        except grpc.aio.AioRpcError as error:
            self.seen[f"status {error.code().name}"] += 1

    async def during(self, stay, work, call):
        try:
            async with asyncio.timeout(stay):
                await work
        except TimeoutError:
            call.cancel()

    async def read(self, call):
        self.seen["opened"] += 1
        if not self.option("reads", True):
            await call.read()
            await asyncio.sleep(1e9)
        async for _ in call:
            self.seen["messages"] += 1

    async def talk(self, call):
        self.seen["opened"] += 1
        while True:
            await call.write(b"m" * 40)
            if await call.read() is grpc.aio.EOF:
                await call.code()
                return
            self.seen["messages"] += 1
            await asyncio.sleep(self.time("say", (0.2, 0.4)))


KINDS = {"chat": Chat, "events": Events, "calls": Calls}


async def main(kind, url, options):
    seen = collections.Counter()
    clients = [KINDS[kind](number, url, options, seen) for number in range(options.get("clients", 50))]
    await asyncio.gather(*(client.run() for client in clients))
    for connection in seen.pop("kept", []):
        connection.transport.abort()
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    kind, url, options = sys.argv[1:]
    asyncio.run(main(kind, url, json.loads(options)))
