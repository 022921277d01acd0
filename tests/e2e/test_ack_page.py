"""The page behind the link of a message, in Chromium: opening it changes nothing, its button acknowledges."""

import hashlib
import hmac
import sqlite3
import time
from contextlib import closing

import pytest

from harness.gateway import until
from harness.processes import Peer
from harness.sink import Sink
from test_escalation import STEPS, Escalating

WORDS = {
    "en": ("Acknowledge", "Nobody has acknowledged", "Acknowledged by Ann", "not valid, or too old", "It is over"),
    "zh-CN": ("确认", "还没有人确认", "已确认: Ann", "链接无效或已过期", "已恢复"),
}


def signed(directory, number, expires):
    """The query of a link that is signed with the gateway's own key."""
    with closing(sqlite3.connect(f"file:{directory}/data/state.db?mode=ro", uri=True)) as state:
        kept = lambda: state.execute("SELECT text FROM state WHERE name = 'alerts/ack_key'").fetchone()
        [key] = until(kept, "the key is kept")
    signature = hmac.new(bytes.fromhex(key), f"ack\n{number}\n{expires}".encode(), hashlib.sha256).hexdigest()
    return f"expires={expires}&signature={signature}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scripts", ["true", "false"])
@pytest.mark.parametrize("language", WORDS)
def test_only_the_button_acknowledges(tmp_path, language, scripts):
    button, nobody, acked, wrong, over = WORDS[language]
    with (
        Sink() as sink, Escalating(sink, tmp_path, STEPS.replace("2s", "1h")) as gateway,
        Peer("browser-ack.mjs", language, scripts) as browser,
    ):
        def look(url, name=None):
            browser.tell(f"as {name} {url}" if name else url)
            seen = browser.next(60)
            assert seen["language"] == language and seen["style"] == 200 and not seen["problems"], seen
            assert "script-src 'self'" in seen["policy"] and "form-action 'self'" in seen["policy"], seen
            assert "unsafe" not in seen["policy"], seen
            return seen

        def refused(url):
            seen = look(url)
            assert seen["status"] == 403 and wrong in seen["text"] and seen["buttons"] == [], (url, seen)

        gateway.fire()
        until(lambda: gateway.told() == ["chat", "team"], "both are told")
        link = sink.json("/chat")[0]["alerts"][0]["annotations"]["ack_url"].replace("gw.example", gateway.admin)
        incident = gateway.incident()
        path, number = link.split("?")[0], incident["number"]
        for _ in range(2):
            seen = look(link)
            assert seen["status"] == 200 and nobody in seen["text"] and seen["buttons"] == [button], seen
        refused(path)
        refused(link[:-1] + ("0" if link[-1] != "0" else "1"))
        refused(f"{path}?{signed(tmp_path, number, int(time.time()) - 1)}")
        assert look(f"{path}?{signed(tmp_path, number, int(time.time()) + 60)}")["status"] == 200
        assert gateway.incident() == incident, "nothing of this has changed it"

        seen = look(link, "Ann")
        assert seen["status"] == 200 and acked in seen["text"] and seen["buttons"] == [], seen
        assert gateway.incident()["state"] == "acked" and gateway.incident()["acked_by"] == "Ann"
        gateway.end()
        until(lambda: gateway.incident()["state"] == "closed", "it is over")
        seen = look(link)
        assert over in seen["text"] and seen["buttons"] == [], seen


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("language", "button", "acked"), [("en", "Acknowledge", "by dashboard"), ("zh-CN", "确认", "由 dashboard 确认")])
def test_the_dashboard_acknowledges(tmp_path, language, button, acked):
    with Sink() as sink, Escalating(sink, tmp_path, STEPS.replace("2s", "1h")) as gateway:
        gateway.fire()
        until(lambda: gateway.told() == ["chat", "team"], "both are told")
        with Peer("browser-incident.mjs", f"http://{gateway.admin}/", language) as browser:
            seen = browser.next(60)
            assert 'alertname="Down"' in seen["text"] and "chat, team" in seen["text"], seen
            assert seen["buttons"] == [button] and gateway.incident()["state"] == "open", seen
            browser.tell("press")
            seen = browser.next(60)
            assert seen["buttons"] == [] and acked in seen["text"] and not seen["problems"], seen
        assert gateway.incident()["state"] == "acked" and gateway.incident()["acked_by"] == "dashboard"
