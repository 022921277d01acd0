"""Findings where people are: in messages of alerts, at the record of a connection, and in a terminal."""

import asyncio
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import websockets

from harness.gateway import BINARY, Gateway, config_for, until
from harness.sink import Sink

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab import service  # noqa: E402
from lab.site import Site  # noqa: E402

UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
CAUSE = "idle-timeout-l7-proxy"
RULES = """
groups:
- name: all
  interval: 1s
  rules:
  - alert: AbnormalCloses
    expr: sum by (route) (websocket_connections_closed_total) > 10 and on (route) count by (route) (heartline_finding_active{finding="CAUSE",level="high"}) > 0
    annotations: {summary: 'connections break off'}
  - alert: HandshakesFail
    expr: sum by (route) (websocket_connections_closed_total) > 10 and on (route) count by (route) (heartline_finding_active{finding="CAUSE",level="high"}) > 0
""".replace("CAUSE", CAUSE)
ROUTES = """
route: {receiver: ops, group_by: [alertname], group_wait: 100ms}
receivers:
- name: ops
  slack_configs: [{api_url: 'URL/slack', channel: '#ops'}]
"""
OWN = """
alerting:
  alertmanager_config: DIRECTORY/am.yml
  receivers:
  - name: ops
    dingtalk: [{url: 'URL/dingtalk?access_token=x', secret: SECx, language: zh-CN}]
    webhook: [{url: 'URL/hook'}]
    telegram: [{api_url: 'URL/telegram', bot_token: '1:x', chat_id: 1, parse_mode: '',
                message: '{{ range .Alerts }}[{{ .Annotations.finding }}]{{ .Annotations.nothing }}{{ end }}'}]
evaluation: { interval: 1s, external_url: 'https://gw.example' }
"""


def vendors(path, _):
    if "telegram" in path:
        return 200, '{"ok":true,"result":{"message_id":1}}'
    return 200, '{"errcode":0}' if "dingtalk" in path else "ok"


@pytest.fixture
def gateway(tmp_path):
    """A gateway before an nginx that cuts what is silent for 2 s, whose alerts come to a sink."""
    with Sink(vendors) as sink, Site(tmp_path) as site:
        files = {"am.yml": ROUTES, "rules.yml": RULES, "own": OWN}
        files = {name: text.replace("URL", sink.url).replace("DIRECTORY", str(tmp_path)) for name, text in files.items()}
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{service.echo(site)}; proxy_read_timeout 2s; }}")
        extra = f"data: {{ dir: {tmp_path}/data, scrape_interval: 1s }}\nrules: [{tmp_path}/rules.yml]\n{files['own']}"
        with Gateway(config=config_for(front, extra=extra)) as gateway:
            gateway.sink = sink
            yield gateway


async def silent(port, number):
    """A client that comes at its own time, speaks for a while and is then silent until it is cut."""
    await asyncio.sleep(number * 0.5)
    async with websockets.connect(f"ws://127.0.0.1:{port}/", ping_interval=None) as socket:
        for _ in range(number % 5):
            await socket.send("x")
            await socket.recv()
            await asyncio.sleep(0.6)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()


async def all_silent(port):
    await asyncio.gather(*(silent(port, number) for number in range(25)))


def cli(gateway, *arguments, code=0):
    done = subprocess.run([BINARY, *arguments, "--admin", gateway.admin], capture_output=True, text=True, timeout=30,
                          env={"COLUMNS": "400"})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def about(gateway, alert):
    """The first message of an alert that the webhook, Slack and DingTalk take."""
    def told(path):
        return [one for one in gateway.sink.json(path) if alert in json.dumps(one)]

    paths = ["/hook", "/slack", "/dingtalk"]
    until(lambda: all(told(path) for path in paths), f"each channel is told of {alert}", 60)
    return [told(path)[0] for path in paths]


def test_a_cut_is_explained_wherever_people_look(gateway):
    asyncio.run(all_silent(gateway.port))
    looks = "heartline_finding_looks_total"
    before = gateway.metrics()[looks]
    until(lambda: gateway.metrics()[looks] >= before + 2, "all ends are looked at", 60)
    hook, slack, dingtalk = about(gateway, "AbnormalCloses")
    [alert] = [alert for alert in hook["alerts"] if alert["labels"]["alertname"] == "AbnormalCloses"]
    annotations = alert["annotations"]
    assert re.fullmatch(r"connections end by the upstream side after (1\.9\d|2(\.\d+)?) s, as by a timer \(sure, 9\d %\)",
                        annotations["finding"]), annotations
    assert annotations["finding_url"] == f"https://gw.example/findings/{CAUSE}"
    text = slack["attachments"][0]["text"]
    assert f"Cause: {annotations['finding']} · <https://gw.example/findings/{CAUSE}|Finding>\n" in text, text
    assert f"Fix: {annotations['finding_fix']}\n" in text and "heartbeat" in annotations["finding_fix"], text
    assert slack["attachments"][0]["title_link"] == "https://gw.example/#/connections?set=closed&q=route%3Atest"
    text = dingtalk["markdown"]["text"]
    assert "原因：连接在 2" in text and "确定" in text and "处理：每 1" in text, text
    until(lambda: gateway.sink.at("/telegram/bot1:x/sendMessage"), "a template is filled")
    filled = "".join(one["text"] for one in gateway.sink.json("/telegram/bot1:x/sendMessage"))
    assert f"[{annotations['finding']}]" in filled, filled
    # What is about something else has no cause: never a guess.
    hook, _, _ = about(gateway, "HandshakesFail")
    [alert] = [alert for alert in hook["alerts"] if alert["labels"]["alertname"] == "HandshakesFail"]
    assert "finding" not in alert["annotations"], alert

    finding = next(one for one in json.loads(gateway.get("/api/v1/findings"))["items"] if one["id"] == CAUSE)
    count = finding["affected"]["connections"]
    assert count > 20, finding
    selection = finding["selection"]
    assert re.fullmatch(
        r"route:test protocol:websocket initiator:upstream reason:abnormal idle>=[\d.]+s idle<=[\d.]+s",
        selection["filter"]), selection
    show = next(line for line in cli(gateway, "findings", "HL-201").splitlines() if line.startswith(" " * 13 + "heartline "))
    listed = cli(gateway, *shlex.split(show)[1:], "--format", "json")
    assert json.loads(listed)["total"] == count
    record = json.loads(listed)["items"][0]
    view = json.loads(gateway.get(f"/api/v1/connections/{record['id']}?lang=zh-CN"))
    first = view["findings"][0]
    assert (first["id"], first["code"], first["level"]) == (CAUSE, "HL-201", "high")
    assert first["title"].startswith("连接在 2")
    assert "explained by HL-201: connections end by the upstream side after 2" in cli(gateway, "show", record["id"])

    report = cli(gateway, "findings", "HL-201", "--lang", "zh-CN")
    assert report.startswith("warning  test    连接在 2") and f"影响   {count} 个连接" in report, report
    assert CAUSE in {one["id"] for one in json.loads(cli(gateway, "findings", "--format", "json"))["items"]}
    assert cli(gateway, "findings", "--route", "other") == "no finding\n"
    assert cli(gateway, "findings", "--state", "resolved") == "no finding\n"
    cli(gateway, "findings", "nothing", code=1)
    alerts = json.loads(cli(gateway, "alerts", "--format", "json"))
    one = next(alert for alert in alerts if alert["labels"]["alertname"] == "AbnormalCloses")
    assert "may be due to HL-201: connections end" in cli(gateway, "alerts", "explain", one["fingerprint"])


def test_what_ends_otherwise_is_not_explained_by_it(gateway):
    async def main():
        async with websockets.connect(f"ws://127.0.0.1:{gateway.port}/", ping_interval=None) as socket:
            await socket.send("x")
            await socket.recv()
            alone = asyncio.create_task(all_silent(gateway.port))
            await asyncio.sleep(1)
        await alone

    asyncio.run(main())
    until(lambda: json.loads(gateway.get("/api/v1/findings"))["items"], "the finding", 30)
    orderly = gateway.closed("&reason=normal")
    assert len(orderly) == 1
    assert json.loads(gateway.get(f"/api/v1/connections/{orderly[0]['id']}"))["findings"] == []
