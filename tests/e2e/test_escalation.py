"""Who does not answer is followed by the next: incidents, the steps of their policies, acknowledgements."""

import json
import os
import signal
import subprocess
import urllib.error

import pytest

from harness.gateway import until
from harness.sink import Sink
from test_telling import Telling

BINARY = os.environ.get("HEARTLINE_BIN", "heartline")
ROUTES = """
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: INTERVAL, repeat_interval: 1h}
receivers:
- {name: team, webhook_configs: [{url: URL/team}]}
- {name: chat, webhook_configs: [{url: URL/chat}]}
- {name: phone, webhook_configs: [{url: URL/phone}]}
- {name: boss, webhook_configs: [{url: URL/boss}]}
"""
STEPS = """
    - notify: [team, chat]
    - {after: 2s, notify: [phone]}
    - {after: 1h, notify: [boss]}
"""


class Escalating(Telling):
    """A gateway with one policy; alerts come by Alertmanager's API."""

    def __init__(self, sink, directory, steps=STEPS, interval="1s", more=""):
        own = (
            "alerting:\n  alertmanager_config: am.yml\n  escalations:\n"
            f"   critical:\n    when: ['severity=\"critical\"']\n    steps:{steps}{more}"
        )
        super().__init__(sink, directory, routes=ROUTES.replace("INTERVAL", interval), own=own, rules="groups: []\n")

    def fire(self, name="Down", severity="critical", **more):
        self.api("/api/v2/alerts", [{"labels": {"alertname": name, "severity": severity}, **more}])

    def end(self, name="Down"):
        self.fire(name, endsAt="2026-01-01T00:00:00Z")

    def incidents(self):
        listed = self.api("/api/v1/incidents")
        assert listed["total"] == len(listed["items"])
        return listed["items"]

    def told(self):
        """Receivers that have been told of the only incident."""
        return [name for incident in self.incidents() for name in incident["told"]]

    def incident(self):
        [incident] = self.incidents()
        return incident


def heartline(*arguments, code=0):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def says(request):
    """What a webhook was told: status, and the news."""
    return request["status"], request["alerts"][0]["annotations"].get("escalation")


def told(sink, name):
    return [says(request) for request in sink.json(f"/{name}")]


STEP_2 = ("firing", "Nobody has acknowledged: step 2 of round 1")
ASKED = ("firing", "Please acknowledge")
OVER = ("resolved", "It is over")


def test_who_does_not_answer_is_followed_by_the_next(tmp_path):
    """The route's receiver is told once, though the first step names it; the end is told to whoever was told."""
    with Sink() as sink, Escalating(sink, tmp_path) as gateway:
        gateway.fire()
        gateway.fire("Slow", "warning")
        until(lambda: sink.at("/phone"), "the second step is run")
        assert told(sink, "chat") == [ASKED] and told(sink, "phone") == [STEP_2]
        assert sorted(one["groupKey"] for one in sink.json("/team")) == ['{}:{alertname="Down"}', '{}:{alertname="Slow"}']
        assert sink.json("/phone")[0]["groupKey"] == '{}:{alertname="Down"}'
        until(lambda: gateway.told() == ["chat", "phone", "team"], "it is known who was told")
        incident = gateway.incident()
        assert incident["state"] == "open" and incident["policy"] == "critical" and incident["next_step"] == 3
        assert gateway.api(f"/api/v1/incidents/{incident['number']}") == incident
        gateway.end()
        until(lambda: OVER in told(sink, "chat") and OVER in told(sink, "phone"), "the end is told")
        until(lambda: [one["status"] for one in sink.json("/team")].count("resolved") == 1, "by the route too")
        assert told(sink, "chat") == [ASKED, OVER] and told(sink, "phone") == [STEP_2, OVER]
        assert not sink.at("/boss")


@pytest.mark.parametrize("way", ["cli", "api"])
def test_who_acknowledges_stops_it(tmp_path, way):
    steps = STEPS.replace("2s", "3s")
    with Sink() as sink, Escalating(sink, tmp_path, steps) as gateway:
        gateway.fire()
        until(lambda: gateway.told() == ["chat", "team"], "both are told")
        number = str(gateway.incident()["number"])
        if way == "cli":
            assert f"incident {number}" in heartline("ack", number, "--by", "Ann", "--admin", f"http://{gateway.admin}")
        else:
            assert gateway.api(f"/api/v1/incidents/{number}/ack", {"by": "Ann"})["acked_by"] == "Ann"
        acked = ("firing", "Acknowledged by Ann")
        until(lambda: acked in told(sink, "chat") and acked in told(sink, "team"), "those who were told are told")
        incident = gateway.incident()
        assert incident["state"] == "acked" and incident["next_at_ms"] is None
        again = heartline("ack", number, "--admin", f"http://{gateway.admin}", code=1)
        assert "was acknowledged by Ann" in again
        # Another incident of the same policy, opened later, has its second step; the first one never has.
        gateway.fire("Other")
        until(lambda: sink.at("/phone"), "the other's second step is run")
        assert [one["groupLabels"]["alertname"] for one in sink.json("/phone")] == ["Other"]
        gateway.end()
        until(lambda: OVER in told(sink, "chat"), "the end is told")


@pytest.mark.parametrize("path, body, status, words", [
    ("/api/v1/incidents/7/ack", None, 404, "no incident 7"),
    ("/api/v1/incidents/x/ack", None, 400, "number"),
    ("/api/v1/incidents/7/ack", {"by": " "}, 400, "`by` is empty"),
    ("/api/v1/incidents/7/ack", {"who": "me"}, 400, "unknown field"),
])
def test_what_cannot_be_acknowledged(tmp_path, path, body, status, words):
    with Sink() as sink, Escalating(sink, tmp_path) as gateway:
        with pytest.raises(urllib.error.HTTPError) as refused:
            gateway.api(path, body, method="POST")
        assert refused.value.code == status and words in refused.value.read().decode()


def test_a_step_that_reaches_nobody_is_followed_at_once(tmp_path):
    steps = "\n    - notify: [chat]\n    - {after: 1h, notify: [phone]}\n    - {after: 2h, notify: [boss]}\n"
    answers = {"/chat": (400, "no"), "/phone": (403, "no")}
    with Sink(lambda path, _: answers.get(path, (200, "ok"))) as sink, Escalating(sink, tmp_path, steps) as gateway:
        gateway.fire()
        until(lambda: sink.at("/boss"), "the last is told")
        assert len(sink.at("/chat")) == len(sink.at("/phone")) == 1
        until(lambda: gateway.told() == ["boss"], "only the last was reached")


def test_the_next_process_goes_on(tmp_path):
    """Steps that were run are not run again, those that come are run, and the end is told to whoever was told."""
    steps = STEPS.replace("2s", "4s")
    with Sink() as sink:
        with Escalating(sink, tmp_path, steps) as gateway:
            gateway.fire()
            until(lambda: gateway.told() == ["chat", "team"], "the first step is run")
            before = gateway.incident()
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        with Escalating(sink, tmp_path, steps) as gateway:
            after = gateway.incident()
            assert after["number"] == before["number"] and after["opened_at_ms"] == before["opened_at_ms"]
            until(lambda: sink.at("/phone"), "the second step is run")
            until(lambda: "phone" in gateway.told(), "it is known")
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        with Escalating(sink, tmp_path, steps) as gateway:
            gateway.end()
            until(lambda: OVER in told(sink, "chat") and OVER in told(sink, "phone"), "the end is told")
        assert told(sink, "chat") == [ASKED, OVER] and told(sink, "phone") == [STEP_2, OVER]
        assert [one["status"] for one in sink.json("/team")] == ["firing", "resolved"]


def test_what_was_not_told_is_told_by_the_next_process(tmp_path):
    with Sink() as sink:
        sink.is_open.clear()
        with Escalating(sink, tmp_path) as gateway:
            gateway.fire()
            until(lambda: sink.at("/chat") and sink.at("/team"), "both are asked")
            gateway.signal(signal.SIGKILL)
            gateway.wait()
        sink.requests.clear()
        sink.is_open.set()
        with Escalating(sink, tmp_path) as gateway:
            until(lambda: sink.at("/chat") and sink.at("/team"), "both are told")
            until(lambda: {"chat", "team"} <= set(gateway.told()), "it is known")
        assert told(sink, "chat") == [ASKED]


def test_what_waits_is_withdrawn_when_somebody_cares(tmp_path):
    """The phone's channel fails and would be tried again; after the acknowledgement it is not."""
    answer = lambda path, number: (503, "later") if path == "/phone" and number == 0 else (200, "ok")
    steps = "\n    - notify: [team, phone]\n    - {after: 1h, notify: [boss]}\n"
    with Sink(answer) as sink, Escalating(sink, tmp_path, steps) as gateway:
        gateway.fire()
        waiting = 'heartline_notification_queue_messages{channel="phone/webhook/0"}'
        retried = lambda: [line for line in gateway.get("/metrics").splitlines()
                           if 'channel="phone/webhook/0"' in line and 'result="retried"' in line]
        until(retried, "the phone is tried")
        gateway.api(f"/api/v1/incidents/{gateway.incident()['number']}/ack", {"by": "Ann"})
        until(lambda: f"{waiting} 0" in gateway.get("/metrics"), "nothing waits")
        assert len(sink.at("/phone")) == 1 and "phone" not in gateway.told()


def test_reload_keeps_incidents(tmp_path):
    with Sink() as sink, Escalating(sink, tmp_path, STEPS.replace("2s", "1h")) as gateway:
        gateway.fire()
        until(lambda: gateway.told() == ["chat", "team"], "the first step is run")
        number = gateway.incident()["number"]
        for bad, words in (("notify: [phone]", "notify: [fone]"), ("after: 1h", "after: 1x"), ("when:", "wenn:")):
            text = gateway.config_path.read_text()
            assert bad in text
            gateway.write_config(text.replace(bad, words))
            with pytest.raises(urllib.error.HTTPError) as refused:
                gateway.api("/-/reload", method="POST")
            assert words.split()[-1].strip("[]") in refused.value.read().decode() or "wenn" in words
            gateway.write_config(text)
        gateway.write_config(gateway.config_path.read_text().replace("{after: 1h, notify: [phone]}", "{after: 1s, notify: [phone]}"))
        gateway.api("/-/reload", method="POST")
        until(lambda: sink.at("/phone"), "the new second step is run")
        assert gateway.incident()["number"] == number and told(sink, "chat") == [ASKED]
