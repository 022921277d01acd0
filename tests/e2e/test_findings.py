"""What a running gateway says of the connections that it saw end: the API of findings, over real traffic."""

import asyncio
import json
import urllib.request

import pytest
import websockets
from harness.books import total
from harness.gateway import Gateway, config_for, until
from harness.processes import free_port


class Service:
    """A WebSocket echo service that drops what is silent for a second, if asked to, or all at once when told."""

    def __init__(self, silence=None):
        self.silence = silence
        self.sockets = set()

    async def __call__(self, socket):
        self.sockets.add(socket)
        try:
            while True:
                message = await asyncio.wait_for(socket.recv(), self.silence)
                await socket.send(message)
        except TimeoutError:
            socket.transport.close()
        except websockets.ConnectionClosed:
            pass

    def drop_all(self):
        for socket in self.sockets:
            socket.transport.close()


def served(service, clients, config=lambda upstream: config_for(upstream)):
    """Runs `clients(port, gateway, service)` against a gateway in front of the service, then what it returns."""

    async def all_of_it(gateway, port):
        await clients(gateway.port, gateway, service)

    async def main():
        async with websockets.serve(service, "127.0.0.1", 0, ping_interval=None) as server:
            port = server.sockets[0].getsockname()[1]
            with Gateway(config=config(f"127.0.0.1:{port}")) as gateway:
                await all_of_it(gateway, port)
                return await asyncio.to_thread(settled, gateway)

    return asyncio.run(main())


def items(gateway, query=""):
    return json.loads(gateway.get(f"/api/v1/findings{query}"))["items"]


def settled(gateway):
    """What is found once the gateway has noted the end of all that it let in and has looked for causes after it."""
    opened = total(gateway.metrics(), "websocket_handshakes_total")
    until(lambda: len(gateway.closed()) == opened, "the record of each connection", 30)
    looks = "heartline_finding_looks_total"
    before = gateway.metrics()[looks]
    until(lambda: gateway.metrics()[looks] >= before + 2, "two looks", 30)
    assert total(gateway.metrics(), "websocket_handshakes_total") == opened
    return items(gateway), items(gateway, "?lang=zh-CN"), gateway.metrics()


async def silent(port, said):
    """A client that says something so many times and then waits for its end."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/", ping_interval=None) as socket:
        for _ in range(said):
            await socket.send("x")
            await socket.recv()
            await asyncio.sleep(0.4)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()


def test_a_timer_behind_the_gateway():
    async def clients(port, _, __):
        # Some speak for longer than the silence that others end by.
        await asyncio.gather(*(silent(port, number % 5) for number in range(25)))

    found, chinese, metrics = served(Service(silence=1), clients)
    timers = [finding for finding in found if finding["id"] == "idle-timeout-l7-proxy"]
    assert [finding["level"] for finding in timers] == ["high"], found
    finding = timers[0]
    assert finding["where"] == "upstream_leg"
    assert finding["route"] == "test"
    assert finding["affected"] == {"connections": 25, "share_of_closes": 1.0}
    evidence = finding["evidence"][0]
    assert evidence["params"]["count"] == 25
    assert 0.9 < evidence["params"]["seconds"] < 1.2
    assert evidence["text"].startswith("25 connections (100 % of those that ended so)")
    assert "25 个连接" in next(item for item in chinese if item["id"] == finding["id"])["evidence"][0]["text"]
    name = 'heartline_finding_active{finding="idle-timeout-l7-proxy",route="test",level="high"}'
    assert metrics[name] == 1


def test_the_gateways_own_limit_is_told_as_its_own():
    async def clients(port, _, __):
        await asyncio.gather(*(silent(port, number % 3) for number in range(12)))

    def config(upstream):
        return config_for(upstream, route="    timeouts: { idle: 1s }\n")

    found, _, _ = served(Service(), clients, config)
    assert [(finding["id"], finding["where"]) for finding in found] == [("own-limit", "gateway")]


def test_what_was_told_is_evidence():
    async def clients(port, gateway, service):
        waiting = []
        for number in range(20):
            waiting.append(asyncio.create_task(silent(port, 0)))
            await asyncio.sleep(0.1)
        body = json.dumps({"kind": "deploy", "subject": "chat 1.2.3"}).encode()
        request = urllib.request.Request(f"http://{gateway.admin}/api/v1/events", data=body, method="POST")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
        service.drop_all()
        await asyncio.gather(*waiting)

    found, _, _ = served(Service(), clients)
    assert [finding["id"] for finding in found] == ["rolling-deploy-or-restart"], found
    assert any("deploy chat 1.2.3" in said["text"] for said in found[0]["evidence"])


def test_healthy_traffic_has_no_finding():
    async def clients(port, _, __):
        async def visitor(number):
            async with websockets.connect(f"ws://127.0.0.1:{port}/", ping_interval=None) as socket:
                for _ in range(number % 6):
                    await socket.send("x")
                    await socket.recv()
                    await asyncio.sleep(0.2)

        await asyncio.gather(*(visitor(number) for number in range(40)))

    found, _, _ = served(Service(), clients)
    assert found == []


def test_a_doubt_outlives_the_process(tmp_path):
    async def refused(port):
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(f"ws://127.0.0.1:{port}/"):
                pass

    async def many(port):
        await asyncio.gather(*(refused(port) for _ in range(20)))

    def found(gateway):
        asyncio.run(many(gateway.port))
        return next((one for one in settled(gateway)[0] if one["id"] == "upstream-down-502-503"), None)

    def doubt(gateway, wrong):
        body = json.dumps({"wrong": wrong, "note": "maintenance"}).encode()
        url = f"http://{gateway.admin}/api/v1/findings/upstream-down-502-503/feedback"
        request = urllib.request.Request(url, data=body, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["items"]

    config, data = config_for(f"127.0.0.1:{free_port()}"), ("--data-dir", str(tmp_path / "data"))
    with Gateway(*data, config=config) as gateway:
        assert "doubt" not in found(gateway)
        assert doubt(gateway, True)[0]["doubt"]["note"] == "maintenance"
    with Gateway(*data, config=config) as gateway:
        again = found(gateway)
        assert again["doubt"]["note"] == "maintenance", "it says the same as before the restart"
        assert not any(name.startswith("heartline_finding_active{") for name in gateway.metrics())
        assert "doubt" not in doubt(gateway, False)[0]
    with Gateway(*data, config=config) as gateway:
        assert "doubt" not in found(gateway), "what was taken back is forgotten"
