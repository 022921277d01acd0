"""Alerts on their way to people: who is told of what, by which channel, and what outlives the process."""

import contextlib
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness.certificates import Authority
from harness.gateway import BINARY, Gateway, config_for, until
from harness.processes import daemon, free_port
from harness.sink import Sink

RULES = """
groups:
- name: all
  interval: 1s
  rules:
  - alert: WebSocket连接数过高
    expr: up{job="heartline"} == 1
    labels: {severity: critical}
    annotations: {summary: '当前连接数: {{ $value }}', runbook_url: 'https://example.com/runbooks/a'}
  - alert: Slow
    expr: up{job="heartline"} == 1
    labels: {severity: warning}
    annotations: {summary: 'slow & <late>'}
"""
ROUTES = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - {matchers: [severity="critical"], receiver: oncall}
receivers:
- name: team
  slack_configs: [{api_url: URL/slack, channel: '#ops', send_resolved: true}]
- name: oncall
  webhook_configs: [{url: URL/hook}]
"""
OWN = """
alerting:
  alertmanager_config: am.yml
  receivers:
  - name: oncall
    language: zh-CN
    dingtalk: [{url: 'URL/dingtalk?access_token=CANARY-TOKEN', secret: SEC-CANARY}]
"""
EVALUATION = "evaluation: { interval: 1s, resend_delay: 1s }\n"
VENDORS = {"/dingtalk": '{"errcode":0,"errmsg":"ok"}', "/slack": "ok", "/hook": "thanks"}


def vendors(path, _):
    return 200, VENDORS[path.split("?")[0]]


class Telling(Gateway):
    """A gateway with a data directory, whose rules and routes are in files beside its configuration."""

    def __init__(self, sink, directory, routes=ROUTES, own=OWN, rules=RULES, more="", evaluation=EVALUATION, arguments=()):
        self.files = directory
        for name, text in (("am.yml", routes), ("rules.yml", rules)):
            (directory / name).write_text(text.replace("URL", sink.url))
        extra = (
            f"data: {{ dir: {directory}/data, scrape_interval: 1s, instance: gw }}\nrules: [{directory}/rules.yml]\n"
            f"{evaluation}{own.replace('URL', sink.url).replace('am.yml', f'{directory}/am.yml')}{more}"
        )
        super().__init__(*arguments, config=config_for("127.0.0.1:9", extra=extra))

    def api(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self.admin}{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
            return json.loads(text) if text else None


def noted(gateway):
    """Channels that are known to have told of an alert."""
    explained = [gateway.api(f"/api/v1/alerts/{alert['fingerprint']}") for alert in gateway.api("/api/v2/alerts")]
    channels = [channel for one in explained for group in one["groups"] for channel in group["channels"]]
    return {channel["channel"] for channel in channels if channel["told_at"]}


def amtool(gateway, *arguments, code=0):
    done = subprocess.run(
        ["/usr/bin/amtool", f"--alertmanager.url=http://{gateway.admin}", *arguments],
        capture_output=True, text=True, timeout=30,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_people_are_told_by_severity(tmp_path):
    with Sink(vendors) as sink, Telling(sink, tmp_path) as gateway:
        until(lambda: all(sink.at(path) for path in VENDORS), "each channel is told")
        [slack] = sink.json("/slack")
        assert "Slow" in json.dumps(slack) and "slow &amp; &lt;late&gt;" in json.dumps(slack), slack
        [hook] = sink.json("/hook")
        assert hook["version"] == "4" and hook["receiver"] == "oncall" and hook["status"] == "firing"
        assert hook["groupKey"] == '{}/{severity="critical"}:{alertname="WebSocket连接数过高"}'
        [alert] = hook["alerts"]
        assert alert["labels"]["alertname"] == "WebSocket连接数过高"
        assert alert["annotations"]["summary"] == "当前连接数: 1"
        [(path, _, body)] = sink.at("/dingtalk")
        assert "timestamp=" in path and "sign=" in path
        text = json.loads(body)["markdown"]["text"]
        assert "当前连接数: 1" in text and "触发于" in text, text
        counted = [line for line in gateway.get("/metrics").splitlines() if line.startswith("heartline_notifications_total{")]
        assert any('channel="oncall/webhook/0"' in line and 'result="delivered"' in line for line in counted), counted
        # Nothing of what is secret is told to anybody else.
        shown = gateway.get("/metrics") + json.dumps(gateway.lines) + gateway.get("/api/v2/status")
        assert "CANARY" not in shown


SECRET = "canary-5ec7e7-0123456789"
TWILIO = {"provider": "twilio", "api_url": "URL/twilio", "account_sid": "AC1", "api_key": "SK1", "auth_token": SECRET,
          "to": ["+15550100"], "from": "+15550199"}
ALIYUN = {"provider": "aliyun", "api_url": "URL/aliyun", "access_key_id": "id", "access_key_secret": SECRET, "to": ["13800000000"]}
SECRETS = [
    ("webhook", {"url": f"URL/webhook/{SECRET}", "secret": SECRET, "http_config": {"bearer_token": SECRET}}),
    ("webhook", {"url": f"http://user:{SECRET}@127.0.0.1:9/{SECRET}", "http_config": {"proxy_url": f"http://u:{SECRET}@127.0.0.1:9"}}),
    ("slack", {"api_url": f"URL/slack/{SECRET}", "channel": "#ops"}),
    ("dingtalk", {"url": f"URL/dingtalk?access_token={SECRET}", "secret": SECRET}),
    ("feishu", {"url": f"URL/open-apis/bot/v2/hook/{SECRET}", "secret": SECRET}),
    ("wecom", {"url": f"URL/wecom?key={SECRET}"}),
    ("email", {"to": "a@example.com", "from": "b@example.com", "smarthost": "127.0.0.1:9", "auth_username": "b", "auth_password": SECRET}),
    ("telegram", {"api_url": "URL", "bot_token": f"12:{SECRET}", "chat_id": -1}),
    ("discord", {"webhook_url": f"URL/discord/{SECRET}"}),
    ("msteamsv2", {"webhook_url": f"URL/msteamsv2?sig={SECRET}"}),
    ("pagerduty", {"url": "URL/pagerduty", "routing_key": SECRET}),
    ("opsgenie", {"api_url": "URL/opsgenie/", "api_key": SECRET}),
    ("sms", TWILIO), ("voice", TWILIO), ("sms", ALIYUN | {"sign_name": "s", "template_code": "t"}), ("voice", ALIYUN | {"tts_code": "t"}),
]


@pytest.mark.parametrize("status", [200, 302, 401, 503])
def test_secrets_of_channels_are_never_shown(tmp_path, status):
    """Whatever a vendor answers, its words repeating the request included, and whatever is asked afterwards."""
    receiver = {"name": "all"}
    for kind, settings in SECRETS:
        receiver.setdefault(kind, []).append(settings)
    rules = RULES.replace("severity: critical", "severity: critical, page: 'true'")
    names = {f"all/{kind}/{[k for k, _ in SECRETS[:i]].count(kind)}" for i, (kind, _) in enumerate(SECRETS)}
    with Sink(lambda path, _: (status, f"no {path} {SECRET}")) as sink, Telling(
        sink, tmp_path, own=f"alerting: {{receivers: [{json.dumps(receiver)}]}}\n", rules=rules, arguments=("--log-level", "trace")
    ) as gateway:
        tried = lambda: set(re.findall(r'heartline_notification_duration_seconds_count|channel="([^"]+)"', gateway.get("/metrics")))
        until(lambda: names <= tried(), "each channel has tried")
        incidents = gateway.api("/api/v1/incidents")
        explained = [gateway.api(f"/api/v1/alerts/{alert['fingerprint']}") for alert in gateway.api("/api/v2/alerts")]
        shown = [gateway.get(path) for path in ("/metrics", "/api/v2/status", "/api/v2/receivers", "/readyz")]
        asked = [
            [BINARY, "channel", "list"], [BINARY, "channel", "test", "all"], [BINARY, "channel", "test", "all", "--dry-run"],
            [BINARY, "check"],
        ]
        for command in asked:
            done = subprocess.run([*command, "-c", gateway.config_path], capture_output=True, text=True, timeout=60)
            shown.append(done.stdout + done.stderr)
        for text in [*shown, json.dumps([incidents, explained]), *map(json.dumps, gateway.lines)]:
            assert SECRET not in text and urllib.parse.quote(SECRET) not in text, text[:2000]


def test_whom_channels_trust(tmp_path):
    """A service behind TLS that wants to see a certificate, with that of a host of another name."""
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("server", alternatives="DNS:hooks.example.com"))
    tls.load_verify_locations(authority.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    cert, key = authority.issue("client")
    own = {"cert_file": str(cert), "key_file": str(key)}
    trusted = {"ca_file": str(authority.pem), "server_name": "hooks.example.com"}
    cases = {
        "good": own | trusted, "anyone": own | {"insecure_skip_verify": True}, "old": own | trusted | {"max_version": "TLS12"},
        "stranger": own | trusted | {"ca_file": str(stranger.pem)}, "nobody": trusted, "name": own | {"ca_file": str(authority.pem)},
    }
    with Sink(tls=tls) as sink:
        receivers = [
            {"name": name, "webhook": [{"url": f"{sink.url}/{name}", "http_config": {"tls_config": case}}]} for name, case in cases.items()
        ]
        config = tmp_path / "heartline.yaml"
        config.write_text(config_for("127.0.0.1:9", extra=f"alerting: {{receivers: {json.dumps(receivers)}}}\n"))
        for name in cases:
            done = subprocess.run(
                [BINARY, "channel", "test", name, "-c", config], capture_output=True, text=True, timeout=60,
            )
            is_good = name in ("good", "anyone", "old")
            assert (done.returncode == 0) == is_good, (name, done.stdout, done.stderr)
            assert len(sink.at(f"/{name}")) == is_good, name


def test_alertmanagers_tool_and_api(tmp_path):
    routes = ROUTES.replace("group_interval: 1s", "group_interval: 200ms")
    with Sink(vendors) as sink, Telling(sink, tmp_path, routes=routes, rules="groups: []\n") as gateway:
        amtool(gateway, "alert", "add", "alertname=Manual", "severity=critical", "node=a", "--annotation=summary=by hand")
        assert "Manual" in amtool(gateway, "alert", "query")
        until(lambda: sink.at("/hook"), "it is told")
        [alert] = gateway.api("/api/v2/alerts")
        assert alert["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": []}
        assert [receiver["name"] for receiver in alert["receivers"]] == ["oncall"]
        [group] = gateway.api("/api/v2/alerts/groups")
        assert group["receiver"]["name"] == "oncall" and group["labels"] == {"alertname": "Manual"}
        assert {receiver["name"] for receiver in gateway.api("/api/v2/receivers")} == {"team", "oncall"}

        silence = amtool(gateway, "silence", "add", "alertname=Manual", "--comment=known", "--duration=1h", "--author=me").strip()
        assert silence in amtool(gateway, "silence", "query")
        [alert] = gateway.api("/api/v2/alerts")
        assert alert["status"]["silencedBy"] == [silence] and alert["status"]["state"] == "suppressed"
        assert gateway.api("/api/v2/alerts?silenced=false") == []
        explained = gateway.api(f"/api/v1/alerts/{alert['fingerprint']}")
        assert explained["groups"][0]["receiver"] == "oncall" and explained["status"]["silencedBy"] == [silence]
        amtool(gateway, "silence", "expire", silence)
        assert gateway.api(f"/api/v2/silence/{silence}")["status"]["state"] == "expired"
        assert "disabled" in amtool(gateway, "cluster", "show")
        assert "receiver: oncall" in amtool(gateway, "config", "show")


@pytest.mark.parametrize("path, body, told", [
    ("/api/v2/alerts", [{"labels": {}}], "at least one label"),
    ("/api/v2/alerts", {"labels": {}}, "parsing alerts body"),
    ("/api/v2/silences", {"matchers": []}, "parsing silence body"),
    ("/api/v2/silences", {"matchers": [], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2036-01-01T00:00:00Z", "createdBy": "me", "comment": "x"}, "matcher"),
])
def test_what_is_wrong_is_refused(tmp_path, path, body, told):
    with Sink(vendors) as sink, Telling(sink, tmp_path, rules="groups: []\n") as gateway:
        with pytest.raises(urllib.error.HTTPError) as refused:
            gateway.api(path, body)
        assert refused.value.code == 400 and told in json.loads(refused.value.read())


def test_a_real_prometheus_sends_its_alerts(tmp_path):
    with Sink(vendors) as sink, Telling(sink, tmp_path, rules="groups: []\n") as gateway:
        (tmp_path / "theirs.yml").write_text(
            "groups: [{name: g, rules: [{alert: Theirs, expr: vector(1), labels: {severity: critical}}]}]\n"
        )
        (tmp_path / "prometheus.yml").write_text(
            "global: {evaluation_interval: 1s}\nrule_files: [theirs.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{gateway.admin}']}}]}}]}}\n"
        )
        port = free_port()
        command = [
            "/usr/bin/prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=1s",
        ]
        with daemon(*command):
            until(lambda: sink.at("/hook"), "it is told", 30)
        [alert] = sink.json("/hook")[0]["alerts"]
        assert alert["labels"]["alertname"] == "Theirs" and "/graph?g0.expr=vector%281%29" in alert["generatorURL"]


@contextlib.contextmanager
def dripping():
    """A service whose answer has no end: a byte each tenth of a second; where it is."""
    def drip(connection, is_over):
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not is_over.wait(0.1):
                connection.sendall(b"x")

    def serve(listener, is_over):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0], is_over), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()
        threading.Thread(target=serve, args=(listener, is_over), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)


def test_bad_channels_delay_no_others(tmp_path, record_property):
    """One hangs, one refuses, one answers without an end; others and the rules go on."""
    def evaluated(gateway):
        return [group["lastEvaluation"] for group in gateway.api("/api/v1/rules")["data"]["groups"]]

    seconds = {}
    for case in ("well", "bad"):
        with Sink(vendors) as hanging, Sink(vendors) as sink, dripping() as drips:
            hanging.is_open.clear()
            bad = [f"{hanging.url}/hook", f"http://127.0.0.1:{free_port()}/hook", f"{drips}/hook"]
            hooks = bad if case == "bad" else ["URL/hook"]
            routes = ROUTES.replace("[{url: URL/hook}]", json.dumps([{"url": url} for url in hooks]))
            (tmp_path / case).mkdir()
            with Telling(sink, tmp_path / case, routes=routes) as gateway:
                begun = time.monotonic()
                until(lambda: sink.at("/slack") and sink.at("/dingtalk"), "the others are told")
                seconds[case] = round(time.monotonic() - begun, 2)
                if case == "bad":
                    until(lambda: hanging.at("/hook"), "the webhook is asked")
                    for _ in range(3):
                        before = evaluated(gateway)
                        until(lambda: evaluated(gateway) != before, "rules go on")
                    missed = [line for line in gateway.get("/metrics").splitlines() if line.startswith("heartline_rule_group_iterations_missed_total{")]
                    assert missed and all(line.endswith(" 0") for line in missed), missed
    record_property("seconds until the others are told", json.dumps(seconds))
    print(f"seconds until the others are told: {seconds}")


def test_what_was_told_is_not_told_again_by_the_next_process(tmp_path):
    with Sink(vendors) as sink:
        with Telling(sink, tmp_path) as gateway:
            until(lambda: noted(gateway) == {"slack/0", "webhook/0", "dingtalk/0"}, "it is noted what each channel has told")
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        told = len(sink.requests)
        with Telling(sink, tmp_path) as gateway:
            fires = lambda: len(gateway.api("/api/v2/alerts")) == 2
            until(fires, "both are known")
            looked = gateway.api("/api/v2/alerts")[0]["updatedAt"]
            until(lambda: gateway.api("/api/v2/alerts")[0]["updatedAt"] > looked, "they are reported again", 90)
        assert len(sink.requests) == told


def test_what_was_not_told_is_told_by_the_next_process(tmp_path):
    with Sink(vendors) as sink:
        sink.is_open.clear()
        with Telling(sink, tmp_path) as gateway:
            until(lambda: all(sink.at(path) for path in VENDORS), "each channel is asked")
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        sink.requests.clear()
        sink.is_open.set()
        with Telling(sink, tmp_path, rules="groups: []\n"):
            until(lambda: all(sink.at(path) for path in VENDORS), "each channel is told")


def test_reload_takes_over_channels_or_nothing(tmp_path):
    with Sink(vendors) as sink, Telling(sink, tmp_path) as gateway:
        until(lambda: all(sink.at(path) for path in VENDORS), "each channel is told")
        good = (tmp_path / "am.yml").read_text()
        for bad, told in (
            (good.replace("receiver: oncall", "receiver: nobody"), "nobody"),
            (good.replace("slack_configs", "slak_configs"), "slak"),
            (good.replace("webhook_configs: [{url:", "webhook_configs: [{uri:"), "uri"),
        ):
            (tmp_path / "am.yml").write_text(bad)
            with pytest.raises(urllib.error.HTTPError) as refused:
                gateway.api("/-/reload", method="POST")
            assert told in refused.value.read().decode(), bad
        (tmp_path / "am.yml").write_text(good.replace("/hook", "/other").replace("repeat_interval: 1h", "repeat_interval: 1s"))
        VENDORS["/other"] = ""
        try:
            gateway.api("/-/reload", method="POST")
            until(lambda: sink.at("/other"), "the new address is told")
        finally:
            del VENDORS["/other"]


def heartline(*arguments, code=0):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_channel_can_be_tried(tmp_path):
    answer = {"/dingtalk": '{"errcode":310000,"errmsg":"sign not match CANARY-TOKEN"}', "/hook": "thanks"}
    with Sink(lambda path, _: (200, answer[path.split("?")[0]])) as sink, Telling(sink, tmp_path, rules="groups: []\n") as gateway:
        config = gateway.config_path
        assert heartline("channel", "list", "-c", config).split() == ["team/slack/0", "oncall/webhook/0", "oncall/dingtalk/0"]
        shown = heartline("channel", "test", "oncall", "--dry-run", "-c", config)
        assert not sink.requests and "HeartlineTest" in shown and "CANARY" not in shown
        told = heartline("channel", "test", "oncall/webhook/0", "-c", config)
        assert told.startswith("oncall/webhook/0: delivered\n  HTTP 200\n  server: ") and told.endswith("\n  thanks\n"), told
        failed = heartline("channel", "test", "oncall", "-c", config, code=1)
        assert "oncall/webhook/0: delivered" in failed and "CANARY" not in failed
        assert 'failed (auth): 200 {"errcode":310000,"errmsg":"sign not match ***"}\n  HTTP 200\n' in failed, failed
        assert "team/slack/0" in heartline("channel", "test", "nobody", "-c", config, code=2)


def test_an_alert_is_listed_and_explained(tmp_path):
    with Sink(vendors) as sink, Telling(sink, tmp_path) as gateway:
        until(lambda: sink.at("/slack"), "it is told")
        admin = ("--admin", f"http://{gateway.admin}")
        [line] = [line for line in heartline("alerts", *admin).splitlines() if " Slow " in line]
        assert "active" in line and "team" in line and "severity=warning" in line
        explained = lambda: heartline("alerts", "explain", line.split()[0], *admin)
        until(lambda: "slack/0: told at" in explained(), "it is noted")
        assert "to `team`" in explained() and "repeated at" in explained()
        assert "no alert" in heartline("alerts", "explain", "1", *admin, code=1)


@pytest.mark.parametrize("own, told", [
    ("alerting: {receivers: [{name: a, pigeon: [{}]}]}\n", "`pigeon` is no kind of channel"),
    ("alerting: {receivers: [{name: a, dingtalk: [{uri: x}]}]}\n", "`url` or `url_file` is missing beside uri"),
    ("alerting: {receivers: [{name: a, discord: [{webhook_url: http://e/, txt: x}]}]}\n", "unknown field `txt`"),
    ("alerting: {receivers: [{name: a, msteams: [{}]}]}\n", "`msteams` is no kind of channel; there are"),
    ("alerting: {receivers: [{name: a}, {name: a}]}\n", "two receivers have the name `a`"),
    ("alerting: {alertmanager_config: none.yml}\n", "none.yml"),
    ("alerting: {alertmanager_config: am.yml, receivers: [{name: stranger}]}\n", "no receiver `stranger`"),
])
def test_what_is_wrong_is_told_by_check(tmp_path, own, told):
    (tmp_path / "am.yml").write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    (tmp_path / "heartline.yaml").write_text(config_for("127.0.0.1:9", extra=own))
    assert told in heartline("check", tmp_path / "heartline.yaml", code=2)


def test_what_is_odd_is_told_by_check(tmp_path):
    """Channels that their vendor has ended are read; in both files people are told what to do."""
    receiver = "{name: a, msteams_configs: [{webhook_url: 'http://e/'}]}"
    (tmp_path / "am.yml").write_text(f"route: {{receiver: a}}\nreceivers: [{receiver}]\n")
    own = "alerting: {alertmanager_config: am.yml}\n"
    (tmp_path / "heartline.yaml").write_text(config_for("127.0.0.1:9", extra=own))
    for file in ("am.yml", "heartline.yaml"):
        told = heartline("check", tmp_path / file)
        assert "warning: " in told and "am.yml:2:23: " in told and "`msteamsv2_configs`" in told, told
    (tmp_path / "am.yml").write_text("route: {receiver: a}\nreceivers: [{name: a, wechat_configs: [{corp_id: a}]}]\n")
    for file in ("am.yml", "heartline.yaml"):
        told = heartline("check", tmp_path / file, code=2)
        assert "am.yml:2:" in told and "wechat: `api_secret` or `api_secret_file` is missing" in told, told


def test_the_end_is_told_as_each_file_means_it(tmp_path):
    """A Slack of Alertmanager's file tells no end unless told to; one of our own does unless told not to."""
    routes = ROUTES.replace(", send_resolved: true", "").replace("  routes:\n", "  routes: []\n").replace(
        "  - {matchers: [severity=\"critical\"], receiver: oncall}\n", "")
    own = "alerting:\n  alertmanager_config: am.yml\n  receivers:\n  - name: team\n    slack: [{api_url: URL/own}, {api_url: URL/mute, send_resolved: false}]\n"
    with Sink(lambda *_: (200, "ok")) as sink, Telling(sink, tmp_path, routes=routes, own=own, rules="groups: []\n") as gateway:
        alert = {"labels": {"alertname": "Down"}}
        gateway.api("/api/v2/alerts", [alert])
        until(lambda: all(sink.at(path) for path in ("/slack", "/own", "/mute")), "it is told")
        until(lambda: len(noted(gateway)) == 3, "that is noted")
        gateway.api("/api/v2/alerts", [{**alert, "endsAt": "2026-01-01T00:00:00Z"}])
        until(lambda: len(sink.at("/own")) == 2, "the end is told")
        until(lambda: gateway.api("/api/v2/alerts/groups") == [], "everybody is done with it")
        assert "RESOLVED" in json.dumps(sink.json("/own")[1]) and len(sink.at("/slack")) == len(sink.at("/mute")) == 1


def test_a_failed_message_is_sent_again_when_somebody_asks(tmp_path):
    """What failed is told when its group is due, in an hour; or at once when that is asked for."""
    routes = ROUTES.replace("group_interval: 1s", "group_interval: 1h")
    first = threading.Event()

    def refusing(path, _):
        return vendors(path, 0) if first.is_set() or path == "/hook" else (400, "no")

    with Sink(refusing) as sink, Telling(sink, tmp_path, routes=routes) as gateway:
        def attempts(outcome):
            return [one for one in gateway.api("/api/v1/deliveries")["items"] if one["channel"].startswith("team/") and one["outcome"] == outcome]

        until(lambda: attempts("failed"), "a message has failed")
        [failed] = attempts("failed")
        assert failed["is_repeatable"] and "groups" not in failed
        until(lambda: len(sink.at("/hook")) == 1, "the other channel is told")
        first.set()

        def again():
            try:
                gateway.api(f"/api/v1/deliveries/{failed['number']}/again", {})
                return 202
            except urllib.error.HTTPError as error:
                return error.code

        until(lambda: again() == 202, "the group was not looked at just now", 20)
        until(lambda: attempts("delivered"), "it is told")
        assert len(sink.at("/slack")) == 2
        assert again() == 409, "it was told"
        assert len(sink.at("/hook")) == 1, "nobody else is told again"
        until(lambda: gateway.logged("somebody asked to send a notification again"), "the log says so")
