"""Real clients and servers: they notice nothing, and the gateway's account of them is exact."""

import asyncio
import contextlib
import threading

import pytest
import websockets

from harness.books import balance, ended, messages, total
from harness.gateway import Gateway, config_for, until
from harness.processes import Service, answers, daemon, free_port, run

@contextlib.contextmanager
def through(upstream):
    with Gateway(config=config_for(upstream)) as gateway:
        yield gateway


@contextlib.contextmanager
def python_echo(**options):
    """A server of Python's websockets that echoes message by message, frame for frame."""
    started, loop = asyncio.Event(), asyncio.new_event_loop()
    address = {}

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def serve():
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, **options) as server:
            address["port"] = server.sockets[0].getsockname()[1]
            await started.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        until(lambda: "port" in address, "the echo serves")
        yield f"127.0.0.1:{address['port']}"
    finally:
        loop.call_soon_threadsafe(started.set)
        thread.join(10)
        loop.close()


MESSAGES = ["hello", "你好，世界 🌍", "", b"\x00\xff\x80", b"\xa5" * (1 << 20), ["frag", "men", "ted"]]


@pytest.mark.parametrize("compression", ["deflate", None])
def test_python_websockets(compression):
    async def talk(port):
        async with websockets.connect(
            f"ws://127.0.0.1:{port}/chat", compression=compression, max_size=None, proxy=None
        ) as client:
            for message in MESSAGES:
                await client.send(message)
                assert await client.recv() == ("".join(message) if isinstance(message, list) else message)
            await client.ping()
            return client.protocol.extensions

    with python_echo(compression=compression) as upstream, through(upstream) as gateway:
        extensions = asyncio.run(talk(gateway.port))
        assert bool(extensions) == (compression == "deflate")
        [record] = balance(gateway)
        assert ended(record) == ("client", "normal", 1000, 1000)
        assert messages(record) == (len(MESSAGES), len(MESSAGES))
        metrics = gateway.metrics()
        for direction in ("client_to_server", "server_to_client"):
            size = total(metrics, "websocket_message_bytes_total", direction=direction)
            assert (size > 1 << 20) == (compression is None), "bytes are counted as they are on the wire"
            assert record["bytes"][direction] > size
            assert total(metrics, "websocket_frames_total", direction=direction, opcode="close") == 1
        assert total(metrics, "websocket_frames_total", direction="client_to_server", opcode="continuation") >= 2
        assert total(metrics, "websocket_frames_total", direction="client_to_server", opcode="ping") == 1
        assert total(metrics, "websocket_frames_total", direction="server_to_client", opcode="pong") == 1
        assert total(metrics, "websocket_errors_total") == 0


@pytest.mark.parametrize("compression", ["deflate", "plain"])
def test_npm_ws(compression):
    with Service("ws-echo.mjs") as echo, through(echo.address) as gateway:
        seen = run("ws-client.mjs", f"ws://{gateway.address}/", compression)
        assert seen == {
            "sent": 7, "same": 7, "pong": "beat", "code": 4001, "reason": "done",
            "extensions": "permessage-deflate" if compression == "deflate" else "",
        }
        [record] = balance(gateway)
        assert ended(record) == ("client", "app", 4001, 4001)
        assert messages(record) == (7, 7)
        assert total(gateway.metrics(), "websocket_frames_total", opcode="ping") == 1


@pytest.mark.parametrize("transports", ["polling,websocket", "websocket"])
def test_socket_io(transports):
    with Service("socketio-server.mjs") as server, through(server.address) as gateway:
        seen = run("socketio-client.mjs", f"http://{gateway.address}", transports)
        first = transports.split(",")[0]
        assert seen == {
            "first": first, "last": "websocket", "answer": "好好",
            "news": [{"n": n, "text": "消息"} for n in (1, 2, 3)],
        }
        [record] = balance(gateway)
        # Engine.IO's and Socket.IO's own packets count: probe, upgrade and connect; then ask, more and disconnect.
        sent, received = messages(record)
        if first == "websocket":
            assert (sent, received) == (4, 6), "40, ask, more, 41; 0{…}, 40, the answer, 3 news"
        else:
            # The connect (40) and its answer go by the old transport or by the new one: a race of the client.
            assert sent in (5, 6) and received in (5, 6), "2probe, 5, ask, more, 41; 3probe, the answer, 3 news"
        assert ended(record) == ("client", "no_status", 1005, 1005)
        assert record["handshake"]["status"] == 101


def test_mqtt_over_websocket(tmp_path):
    port, plain = free_port(), free_port()
    config = tmp_path / "mosquitto.conf"
    # mosquitto 2.0.11 does not start without a listener of plain MQTT.
    config.write_text(
        f"allow_anonymous true\nlistener {plain} 127.0.0.1\nlistener {port} 127.0.0.1\nprotocol websockets\n"
    )
    with daemon("/usr/sbin/mosquitto", "-c", config), through(f"127.0.0.1:{port}") as gateway:
        until(lambda: answers(port), "mosquitto listens")
        seen = run("mqtt-client.mjs", f"ws://{gateway.address}/mqtt")
        assert seen["received"] == [[f"房间/{n}", f"消息 {n}"] for n in (1, 2, 3)]
        [record] = balance(gateway)
        sent, received = messages(record)
        assert sent >= 8, "connect, subscribe, 3 publish, 3 puback, disconnect"
        assert received == 8, "connack, suback, 3 publish, 3 puback"
        # At DISCONNECT mosquitto ends the TCP stream, and mqtt.js sends an empty Close frame: a race.
        assert ended(record)[:3] in [("upstream", "abnormal", 1005), ("upstream", "abnormal", None), ("client", "no_status", 1005)]


def test_graphql_subscription():
    with Service("graphql-server.mjs") as server, through(server.address) as gateway:
        seen = run("graphql-client.mjs", f"ws://{gateway.address}/graphql")
        assert seen == {"received": ["Hi", "你好", "Bonjour"], "protocol": "graphql-transport-ws"}
        [record] = balance(gateway)
        assert ended(record)[:3] == ("client", "normal", 1000)
        assert messages(record) == (2, 5), "init, subscribe; ack, 3 next, complete"


def test_counts_over_many_connections():
    """What many clients did, side by side, adds up."""
    async def talk(port, number):
        async with websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
            for n in range(number):
                await client.send(f"{number} {n}")
                assert await client.recv() == f"{number} {n}"
            await client.close(4000 + number)

    async def all_of_them(port):
        await asyncio.gather(*(talk(port, number) for number in range(40)))

    with Service("ws-echo.mjs") as echo, through(echo.address) as gateway:
        asyncio.run(all_of_them(gateway.port))
        records = balance(gateway)
        assert sorted(ended(r) + messages(r) for r in records) == [
            ("client", "app", 4000 + n, 4000 + n, n, n) for n in range(40)
        ]
