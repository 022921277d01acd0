"""From slow traffic to people: the published rules and the published example of who is told, with vendors of our own."""

import asyncio
import contextlib
import json
import re
import threading
import time
import urllib.parse

import websockets
from websockets.utils import accept_key

from harness.certificates import Authority
from harness.gateway import ROOT, Gateway, config_for, until
from harness.sink import Sink
from harness.smtp import Mails

RULES, EXAMPLE = ROOT / "deploy/prometheus/rules.yml", ROOT / "deploy/alerting"
SECRETS = {
    "slack": "URL/slack", "dingtalk": "URL/dingtalk?access_token=t", "dingtalk-sign": "SEC1", "aliyun": "s", "smtp": "password",
}
ANSWERS = {"/slack": "ok", "/dingtalk": '{"errcode":0}', "/sms": '{"Code":"OK","BizId":"1"}', "/voice": '{"Code":"OK","CallId":"1"}'}
LATENCY, COUNT = "WebSocket消息延迟过高", "WebSocket连接数异常"
# Times of the example and of the rules, in seconds instead of minutes.
QUICK = {"for: 5m": "for: 1s", "for: 2m": "for: 1s", "> 10000": "> 3", "group_wait: 10s": "group_wait: 0s", "after: 5m": "after: 2s", "after: 10m": "after: 4s"}


def replaced(text, *tables):
    for table in tables:
        for old, new in table.items():
            text = text.replace(old, new)
    return text


class StoppedReader:
    """Accepts WebSockets, and reads nothing of what they send."""

    async def _hold(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        accept = accept_key(re.search(r"(?i)sec-websocket-key: (\S+)", head)[1])
        upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        await self.stop.wait()
        writer.close()

    async def _serve(self):
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        self.address = "%s:%d" % server.sockets[0].getsockname()
        self.ready.set()
        await self.stop.wait()
        server.close()

    def __enter__(self):
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)


def people(directory, sink, mails, authority):
    """The configuration: the example's two files, with addresses and secrets of ours."""
    for name, secret in SECRETS.items():
        (directory / name).write_text(secret.replace("URL", sink.url))
    ours = {
        "/etc/heartline/secrets": str(directory), "/etc/heartline": str(directory), "smtp.example.com:587": f"127.0.0.1:{mails.port}",
        "auth_username:": f"tls_config: {{ ca_file: {authority.pem} }}\n    auth_username:",
        "sms:\n    - provider:": f"sms:\n    - api_url: {sink.url}/sms\n      provider:",
        "voice:\n    - provider:": f"voice:\n    - api_url: {sink.url}/voice\n      provider:",
        "rules: [default, ": f"rules: [default, {RULES}, ", "external_url:": "interval: 1s\n  external_url:",
    }
    (directory / "rules.yml").write_text(replaced(RULES.read_text(), QUICK))
    (directory / "alertmanager.yml").write_text(replaced((EXAMPLE / "alertmanager.yml").read_text(), QUICK, ours))
    return replaced((EXAMPLE / "heartline.yaml").read_text(), QUICK, ours) + f"data: {{ dir: {directory}/data, scrape_interval: 1s }}\n"


def test_slow_traffic_reaches_people_by_severity(tmp_path, record_property):
    first = {}

    def answer(path, _):
        path = path.split("?")[0].rstrip("/")
        told = [urllib.parse.unquote(query) + body.decode() for query, _, body in sink.at(path)]
        # The rules that come with heartline tell of other things too.
        if any(name in text for name in (LATENCY, COUNT) for text in told):
            first.setdefault(path, time.monotonic())
        return 200, ANSWERS[path]

    authority = Authority(tmp_path / "authority")
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink(answer))
        mails = stack.enter_context(Mails(authority.issue("mail"), login=(b"heartline@example.com", b"password")))
        slow = stack.enter_context(StoppedReader())
        gateway = stack.enter_context(Gateway(config=config_for(slow.address, extra=people(tmp_path, sink, mails, authority))))

        def is_mailed():
            if any(COUNT in mail["Subject"] for mail in list(mails.mails)):
                return first.setdefault("mail", time.monotonic())

        async def talk():
            async with contextlib.AsyncExitStack() as connections:
                connect = lambda: websockets.connect(f"ws://{gateway.address}/", proxy=None, ping_interval=None, close_timeout=1)
                talkers = [await connections.enter_async_context(connect()) for _ in range(5)]
                first["open"] = time.monotonic()
                filling = asyncio.create_task(talkers[0].send(bytes(32 << 20)))
                try:
                    await asyncio.to_thread(until, lambda: is_mailed() and set(ANSWERS) <= set(first), "everybody is told", 40)
                finally:
                    filling.cancel()
                    # A connection that nobody reads cannot say goodbye.
                    talkers[0].transport.abort()

        asyncio.run(talk())
        critical = "\n".join(one["markdown"]["text"] for one in sink.json("/dingtalk"))
        warning = json.dumps(sink.json("/slack"), ensure_ascii=False)
        mailed = "\n".join(f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}" for mail in list(mails.mails))
        assert LATENCY in critical and re.search(r"平均延迟: \d+\.\d+秒", critical) and "触发于" in critical, critical
        # Nobody hears of what is for others.
        assert COUNT not in critical, critical
        for told in (warning, mailed):
            assert COUNT in told and "当前连接数: 5" in told and LATENCY not in told, told
        for path in ("/sms", "/voice"):
            [(query, _, _)] = sink.at(path)
            assert LATENCY in urllib.parse.unquote(query), query
        [incident] = json.loads(gateway.get("/api/v1/incidents"))["items"]
        assert {"oncall", "sms", "phone"} <= set(incident["told"]), incident
    opened = first.pop("open")
    after = {channel.strip("/"): round(at - opened, 1) for channel, at in first.items()}
    record_property("seconds from the condition to the first request", json.dumps(after))
    print(f"seconds from the condition to the first request: {after}")
