"""Alerts of rules that real Alertmanagers tell of."""

import json
import socket
import urllib.request

import pytest

from harness.gateway import until
from harness.processes import free_port
from harness.sink import Sink
from test_dispatch import alertmanager  # noqa: F401
from test_rules_runtime import rules
from test_telling import RULES, Telling, vendors

NAME = "WebSocket连接数过高"
CONFIG = """
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: URL/real}]}]
"""


def alerts(url):
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"]["alertname"]: alert for alert in json.load(answer)}


def own(urls, also=False):
    alerting = {"alertmanager_config": "am.yml", "alertmanagers": [{"url": url} for url in urls]}
    alerting["receivers"] = [{"name": "oncall", "dingtalk": [{"url": "URL/dingtalk?access_token=t"}]}]
    return f"alerting: {json.dumps(alerting | ({'also': True} if also else {}))}\n"


def sent(gateway, url, result):
    series = f'heartline_alertmanager_alerts_total{{alertmanager="{url[7:]}",result="{result}"}} '
    [line] = [line for line in gateway.get("/metrics").splitlines() if line.startswith(series)]
    return float(line[len(series):])


@pytest.fixture
def told():
    """Whom the real Alertmanager tells."""
    with Sink(lambda *_: (200, "ok")) as sink:
        yield sink


@pytest.fixture
def config(tmp_path, told):
    """Of the real Alertmanager."""
    (tmp_path / "real.yml").write_text(CONFIG.replace("URL", told.url))
    return tmp_path / "real.yml"


def test_a_real_alertmanager_tells_instead(tmp_path, told, alertmanager):
    """It has alerts with labels of the server and link, keeps them over a restart of Heartline, and hears of the end."""
    url = alertmanager
    evaluation = "evaluation: { interval: 1s, resend_delay: 1s, external_url: 'https://hl.example', external_labels: { site: eu } }\n"
    with Sink(vendors) as here:
        with Telling(here, tmp_path, own=own([url]), evaluation=evaluation) as gateway:
            alert = until(lambda: alerts(url).get(NAME), "it has the alert", 20)
            assert alert["labels"]["severity"] == "critical" and alert["labels"]["site"] == "eu", alert
            assert alert["annotations"]["summary"] == "当前连接数: 1"
            assert alert["generatorURL"].startswith("https://hl.example/graph?g0.expr=")
            assert sent(gateway, url, "sent") >= 2
        with Telling(here, tmp_path, own=own([url]), evaluation=evaluation, rules=RULES.replace("== 1", "== 1 < 2")) as gateway:
            until(lambda: sent(gateway, url, "sent") >= 2, "it is sent again", 20)
            assert alerts(url)[NAME]["startsAt"] == alert["startsAt"]
            (tmp_path / "rules.yml").write_text(RULES.replace("== 1", "== 2"))
            gateway.post("/-/reload")
            until(lambda: [hook for hook in told.json("/real") if hook["status"] == "resolved"], "people hear of the end", 30)
        assert not here.requests, "nothing is told here"


def test_dead_and_hanging_ones_delay_nobody(tmp_path, alertmanager):
    url = alertmanager
    hanging = socket.create_server(("127.0.0.1", 0))
    hangs, dead = f"http://127.0.0.1:{hanging.getsockname()[1]}", f"http://127.0.0.1:{free_port()}"
    with hanging, Sink(vendors) as here:
        evaluation = "evaluation: { interval: 1s, resend_delay: 1s }\n"
        with Telling(here, tmp_path, own=own([dead, hangs, url], also=True), evaluation=evaluation) as gateway:
            until(lambda: alerts(url).get(NAME), "the one that is well has the alert", 20)
            until(lambda: here.at("/dingtalk") and here.at("/slack"), "who is told here is told too", 20)
            until(lambda: sent(gateway, dead, "failed") >= 4, "the dead one is tried", 20)
            assert sent(gateway, hangs, "sent") == 0
            before = sent(gateway, url, "sent")
            until(lambda: sent(gateway, url, "sent") >= before + 4, "the one that is well hears on", 20)
            assert {rule["health"] for rule in rules(gateway.admin)} == {"ok"}
            missed = [line for line in gateway.get("/metrics").splitlines() if line.startswith("heartline_rule_group_iterations_missed_total{")]
            assert [line for line in missed if not line.endswith(" 0")] == []
