"""A stop under many connections: both peers of each are told, over the drain window, and what cannot be told is counted.

HEARTLINE_STOP_CONNECTIONS says how many; `cargo xtask stop` takes 5,000.
"""

import asyncio
import contextlib
import os
import signal
import time

from harness.gateway import Gateway, config_for, until
from harness.wire import close_frame, frame, handshake, switching

COUNT = int(os.environ.get("HEARTLINE_STOP_CONNECTIONS", "300"))
WINDOW = 5 if COUNT < 1000 else 20
STUCK = 5
OVER = "the drain window is over: cutting what is left"
UNTOLD = "some were cut before both sides could be told"


class Peer:
    """One end of a connection: when a Close frame came, and with which code; it answers it."""

    def __init__(self, reader, writer, is_client):
        self.reader, self.writer, self.is_client = reader, writer, is_client
        self.code = self.told_at = None

    async def serve(self):
        """Frames are short here, and none but Close comes, or half of one."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            first = await self.reader.readexactly(1)
            if first == b"\x88":
                rest = await self.reader.readexactly(3 if self.is_client else 7)
                self.code, self.told_at = int.from_bytes(rest[-2:], "big"), time.monotonic()
                self.writer.write(close_frame(self.code, mask=self.is_client))
                await self.writer.drain()
            await self.reader.read()
        self.writer.close()


async def all_of(gateway_of):
    """Opens all, sends half a frame to some, stops the gateway, and gives the peers and when it was told."""
    services, accepted = [], asyncio.Semaphore(0)

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching(head))
        service = Peer(reader, writer, is_client=False)
        services.append(service)
        accepted.release()
        await service.serve()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    with gateway_of(server.sockets[0].getsockname()[1]) as gateway:
        pace = asyncio.Semaphore(100)

        async def client():
            async with pace:
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(handshake()[0])
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
                return Peer(reader, writer, is_client=True)

        clients = await asyncio.gather(*(client() for _ in range(COUNT)))
        serving = [asyncio.create_task(peer.serve()) for peer in clients]
        for service in services[:STUCK]:
            service.writer.write(frame(2, bytes(100))[:50])
            await service.writer.drain()
        await asyncio.to_thread(until, lambda: gateway.metrics()['websocket_active_connections{route="test"}'] == COUNT, "all are open")
        begin = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.wait, WINDOW + 20) == 0
        await asyncio.gather(*serving)
        server.close()
        logged = [gateway.logged(message) for message in (OVER, UNTOLD)]
        return clients, services, begin, [[line["connections"] for line in lines] for lines in logged]


def test_everyone_is_told_over_the_window(record_property):
    def gateway_of(port):
        return Gateway(config=config_for(f"127.0.0.1:{port}", extra=f"drain: {{ window: {WINDOW}s }}\n"))

    clients, services, begin, logged = asyncio.run(all_of(gateway_of))
    untold = [peer for peer in clients if peer.code is None]
    assert len(untold) == STUCK, "who is inside a frame cannot be told"
    assert {peer.code for peer in clients + services} - {None} <= {1001, 1012}
    assert sum(peer.code is None for peer in services) == 0, "their services are told all the same"
    told = sorted(peer.told_at - begin for peer in clients if peer.code)
    tenths = [sum(0.08 * WINDOW * part <= at < 0.08 * WINDOW * (part + 1) for at in told) for part in range(10)]
    record_property("told in each tenth of the window", tenths)
    print("told in each tenth of the spread:", tenths)
    fair = (COUNT - STUCK) / 10
    assert min(tenths) > fair / 3 and max(tenths) < fair * 3, tenths
    assert logged == [[STUCK], [STUCK]]
