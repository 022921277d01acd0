"""Texts that others write and that would run, load or lead somewhere: in Chromium they are text on every page."""

import datetime
import json
import subprocess
import time
import urllib.parse

import pytest
from harness.gateway import BINARY, Gateway, config_for, until
from harness.sink import Sink
from harness.wire import Backend, close_frame, connect, frame, handshake, open_websocket, read_all, switching
from test_dashboard import in_a_browser, passes
from test_telling import Telling

CANARY = "canary-7f3a"
IMAGE = f"<img src={CANARY} onerror=window.ran=1>"
SCRIPT = f"</script><script src={CANARY}></script><script>window.ran=2</script>"
LINK = "<a href=javascript:window.ran=3>x</a>"
CODE = "{{constructor.constructor('window.ran=4')()}}"
# What a header may carry: ASCII. Elsewhere a mark that turns what follows it, too.
PLAIN = f'"\'>{IMAGE}{SCRIPT}{LINK}{CODE}'
TURNED = f"{PLAIN}\u202egpj.exe"
SEEN = TURNED.replace("\u202e", "\\u202e")
# User agents are cut to 200 bytes.
AGENT = f"{IMAGE}{LINK}{CODE}\u202e/1"
AGENT_SEEN = AGENT.replace("\u202e", "\\u202e")

ROUTES = """
route: {receiver: team, group_by: [alertname, who], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
- {name: team, webhook_configs: [{url: URL/team}]}
"""
ENDS = 30


def serve(backend, sock, _):
    """A service that answers with hostile words."""
    head, _ = backend.read_head(sock)
    path = head.decode("latin-1").split(" ")[1] if head else ""
    if path == "/close":
        sock.sendall(switching(head) + frame(1, PLAIN.encode()))
        sock.sendall(frame(8, (1008).to_bytes(2, "big") + IMAGE.encode()))
        sock.recv(1)
    elif path == "/sub":
        sock.sendall(switching(head, f"Sec-WebSocket-Protocol: {IMAGE}\r\n"))
    elif path == "/hold":
        sock.sendall(switching(head) + frame(1, PLAIN.encode()))
        read_all(sock)
    elif path == "/events":
        sock.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 60000\nevent: {IMAGE}\ndata: {PLAIN}\n\n".encode()
        )
    else:
        body = PLAIN.encode()
        sock.sendall(
            f"HTTP/1.1 403 {IMAGE}\r\nServer: {IMAGE}\r\nVia: {LINK}\r\nX-Powered-By: {CODE}\r\n"
            f"Content-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )


def ask(port, path, *fields):
    """An attempt whose answer is read to its end."""
    with connect(port) as sock:
        sock.sendall(handshake(path, extra="".join(f"{field}\r\n" for field in fields))[0])
        return read_all(sock)


def end(gateway, *fields):
    """A connection that the service closes."""
    with connect(gateway.port) as sock:
        text = handshake("/close", extra="".join(f"{field}\r\n" for field in fields))[0].decode()
        sock.sendall(text.encode("latin-1"))
        sock.sendall(close_frame(1008, mask=True))
        read_all(sock)


@pytest.fixture
def gateway(tmp_path):
    rules = json.dumps({"groups": [{
        "name": TURNED, "interval": "1s",
        "rules": [{
            "alert": TURNED,
            "expr": f"label_replace(vector(1), 'who', {json.dumps(TURNED)}, '', '')",
            "labels": {"severity": "critical", "what": "{{ $labels.who }}"},
            "annotations": {
                "summary": "{{ $labels.who }} is {{ $value }}", "description": "{{ $labels.who }}",
                "runbook_url": "javascript:window.ran=5",
            },
        }],
    }]})
    (tmp_path / "am.yml").write_text("")
    path = tmp_path / f"{IMAGE}.yml"
    path.write_text(rules)
    with Backend(serve) as service, Sink() as sink:
        (tmp_path / "am.yml").write_text(ROUTES.replace("URL", sink.url))
        extra = (
            f"data: {{ dir: {tmp_path}/data, scrape_interval: 1s }}\n"
            f"rules: [{json.dumps(str(path))}]\n"
            "evaluation: { interval: 1s, external_url: 'http://gw.example' }\n"
            f"alerting:\n  alertmanager_config: {tmp_path}/am.yml\n  escalations:\n"
            "   critical:\n    when: ['severity=\"critical\"']\n    steps: [{ notify: [team] }]\n"
            f"probes: [{{ name: dead, url: 'ws://{service.address}/refuse', every: 1d }}]\n"
        )
        with Gateway(config=config_for(service.address, extra=extra)) as gateway:
            gateway.sink = sink
            gateway.service = service
            yield gateway


def api(gateway, path, body=None):
    return Telling.api(gateway, path, body)


def write_all_over(gateway):
    """Every way in that others have; tells the time before which there was nothing."""
    for _ in range(ENDS):
        end(gateway, "User-Agent: usual/1")
    until(lambda: len(gateway.closed()) >= ENDS, "what is usual is known")
    began = int(time.time()) + 1
    until(lambda: time.time() >= began, "a second has begun")
    agent = f"User-Agent: {AGENT.encode().decode('latin-1')}"
    for _ in range(ENDS):
        end(gateway, agent, f"X-Forwarded-For: {IMAGE}")
    for path in ("/sub", "/refuse", f"/{urllib.parse.quote(IMAGE)}?{urllib.parse.quote(PLAIN)}"):
        ask(gateway.port, path, "User-Agent: plain", f"Sec-WebSocket-Protocol: {CANARY}", f"Origin: http://{IMAGE}", f"Referer: {LINK}")
    ask(gateway.port, "/x", f"Sec-WebSocket-Protocol: {IMAGE}")
    with connect(gateway.port) as sock:
        sock.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{agent}\r\n\r\n".encode("latin-1"))
        read_all(sock)
    now = datetime.datetime.now(datetime.UTC)
    api(gateway, "/api/v2/alerts", [{
        "labels": {"alertname": "Told", "severity": TURNED, "who": TURNED},
        "annotations": {"summary": TURNED, "runbook_url": f"javascript:window.ran=6//{CANARY}"},
        "generatorURL": "javascript:window.ran=7",
    }])
    api(gateway, "/api/v2/silences", {
        "matchers": [{"name": "who", "value": f"{TURNED}?", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(), "endsAt": (now + datetime.timedelta(hours=1)).isoformat(),
        "createdBy": TURNED, "comment": TURNED,
    })
    api(gateway, "/api/v1/events", {"kind": "deploy", "subject": TURNED})
    job = api(gateway, "/api/v1/diagnose", {"target": f"ws://{gateway.service.address}/refuse", "safe": True})["job"]
    gateway.post("/api/v1/probes/dead/run")
    until(lambda: len(gateway.closed()) >= 2 * ENDS + 5, "all have ended")
    until(lambda: gateway.sink.json("/team"), "somebody was told")
    until(lambda: api(gateway, "/api/v1/incidents")["total"], "there is an incident")
    until(lambda: api(gateway, "/api/v1/probes/dead")["last"], "the probe has run", 60)
    until(lambda: api(gateway, f"/api/v1/jobs/{job}")["state"] == "over", "it was examined", 60)
    return began, job


def pages(gateway, began, job, live):
    closed = gateway.closed()
    agent = next(one["id"] for one in closed if one.get("user_agent", "").startswith("<img"))
    refused = next(one["id"] for one in closed if one["handshake"]["result"] not in ("success", "malformed"))
    [link] = {
        alert["annotations"]["ack_url"] for told in gateway.sink.json("/team") for alert in told["alerts"]
        if "ack_url" in alert["annotations"]
    } or {None}
    brush = f"{began}-{int(time.time()) + 2}"
    look = lambda place, ready, *texts: {"url": f"#{place}", "ready": ready, "texts": texts}
    return [
        look("/", "#incidents table", SEEN),
        look(f"/traffic?range=900&brush={brush}&tables=1", "#explain table", AGENT_SEEN),
        look("/connections", "main table"),
        look("/connections?set=closed", "main table"),
        look(f"/connections?set=closed&q={urllib.parse.quote(PLAIN)}", "main"),
        look(f"/connections/{agent}", "#timeline", LINK),
        look(f"/connections/{refused}", "#timeline"),
        look(f"/connections/{live}", "#timeline", IMAGE),
        look(f"/connections/{urllib.parse.quote(PLAIN, safe='')}", "main [role=alert]"),
        look("/findings?state=all", "#findings"),
        look(f"/findings?job={job}", "#check [data-outcome]"),
        look("/alerts", "#alerts li", SEEN),
        look("/alerts?part=pending", "#alerts"),
        look("/alerts?part=resolved", "#alerts"),
        look("/alerts?part=rules", "details", SEEN),
        look("/alerts?part=silences", "#silences table", SEEN),
        look(f"/alerts?part=silences&silence={urllib.parse.quote('who=' + json.dumps(PLAIN))}", "#silences"),
        look("/alerts?part=deliveries", "#attempts"),
        look("/probes", "#probes li"),
        look("/probes/dead?range=900&tables=1", "#last li"),
        look("/limits", "#limits li"),
        look("/system", "#config dl", IMAGE),
        look(f"/test?host={urllib.parse.quote(PLAIN)}&path={urllib.parse.quote(PLAIN)}&subprotocols={urllib.parse.quote(PLAIN)}&tryout={urllib.parse.quote(PLAIN)}", "#form form"),
        {"url": link.split("/", 3)[3], "ready": "form", "texts": [IMAGE, SEEN]},
    ]


@pytest.mark.timeout(290)
@in_a_browser
def test_texts_of_others_are_text(gateway):
    began, job = write_all_over(gateway)
    sock, _ = open_websocket(gateway.port, "/hold", extra=f"User-Agent: {IMAGE}\r\n")
    with sock:
        [live] = until(gateway.live, "it is open")
        told = {"canary": CANARY, "pages": pages(gateway, began, job, live["id"])}
        passes("hostile.mjs", f"http://{gateway.admin}/", json.dumps(told))


@pytest.mark.parametrize("extra", [
    f"probes: [{{ name: \"{IMAGE}\", url: 'ws://127.0.0.1:9/' }}]\n",
    f"routes: [{{ name: \"{IMAGE}\", upstreams: ['http://127.0.0.1:9'] }}]\n",
])
def test_names_of_routes_and_probes_are_plain(tmp_path, extra):
    path = tmp_path / "heartline.yaml"
    path.write_text(extra)
    done = subprocess.run([BINARY, "check", str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "name" in done.stdout + done.stderr, done
