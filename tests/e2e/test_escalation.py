"""Who does not answer is followed by the next: incidents, the steps of their policies, acknowledgements."""

import json
import os
import random
import signal
import subprocess
import time
import urllib.error
import urllib.request

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

    def __init__(self, sink, directory, steps=STEPS, interval="1s", more="", url="http://gw.example", routes=ROUTES, own_more=""):
        own = (
            f"alerting:\n  alertmanager_config: am.yml\n{own_more}  escalations:\n"
            f"   critical:\n    when: ['severity=\"critical\"']\n    steps:{steps}{more}"
        )
        routes, evaluation = routes.replace("INTERVAL", interval), f"evaluation: {{ interval: 1s, external_url: '{url}' }}\n"
        super().__init__(sink, directory, routes=routes, own=own, rules="groups: []\n", evaluation=evaluation)

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
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=30)
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


TWILIO = "/2010-04-01/Accounts/AC1"
PHONE_STEPS = "\n    - notify: [team, phone]\n    - {after: 1h, notify: [boss]}\n"
PHONE = """  receivers:
  - name: phone
    voice: [{provider: twilio, api_url: URL, account_sid: AC1, auth_token: secret, from: '+15550199', to: ['+15550100']}]
"""


class Calling(Escalating):
    """A gateway whose receiver `phone` is called by a Twilio of our own."""

    def __init__(self, sink, directory, routes=ROUTES, own=PHONE):
        routes = routes.replace("{name: phone, webhook_configs: [{url: URL/phone}]}", "{name: phone}")
        super().__init__(sink, directory, PHONE_STEPS, own_more=own, routes=routes)

    def fire(self, name="Down", **more):
        self.api("/api/v2/alerts", [{"labels": {"alertname": name, "severity": "critical", "page": "true"}, **more}])


def twilio(path, number):
    """Calls are queued as CA0, CA1 and so on, and can be cancelled."""
    if path == f"{TWILIO}/Calls.json":
        return 201, json.dumps({"sid": f"CA{number}", "status": "queued"})
    return 200, json.dumps({"sid": path.split("/")[-1].removesuffix(".json"), "status": "canceled"}) if path.startswith(TWILIO) else "ok"


def cancelled(sink, call):
    return [body for _, _, body in sink.at(f"{TWILIO}/Calls/{call}.json")]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_call_that_is_still_queued_is_cancelled_when_somebody_cares(tmp_path, is_killed):
    """The vendor has taken the call; the next process knows its name too. Nobody is called to hear that another cares."""
    def call(gateway):
        gateway.fire()
        until(lambda: "phone" in gateway.told(), "the call is queued")

    with Sink(twilio) as sink:
        if is_killed:
            with Calling(sink, tmp_path) as gateway:
                call(gateway)
                gateway.signal(signal.SIGKILL)
                gateway.wait()
        with Calling(sink, tmp_path) as gateway:
            if not is_killed:
                call(gateway)
            heartline("ack", gateway.incident()["number"], "--by", "Ann", "--admin", f"http://{gateway.admin}")
            until(lambda: cancelled(sink, "CA0"), "the call is cancelled")
            until(lambda: ("firing", "Acknowledged by Ann") in told(sink, "team"), "the others are told")
            waiting = 'heartline_notification_queue_messages{channel="phone/voice/0"}'
            until(lambda: f"{waiting} 0" in gateway.get("/metrics"), "nothing waits for the phone")
        assert cancelled(sink, "CA0") == [b"Status=canceled"]
        assert len(sink.at(f"{TWILIO}/Calls.json")) == 1


@pytest.mark.parametrize("is_escalated", [False, True])
def test_a_call_that_is_still_queued_is_cancelled_when_it_is_over(tmp_path, is_escalated):
    """By a policy, which calls a number once a minute, and by a route alone, where that about another alert is left."""
    routes = ROUTES if is_escalated else ROUTES.replace("{receiver: team", "{receiver: phone")
    with Sink(twilio) as sink, Calling(sink, tmp_path, routes) as gateway:
        alerts = [{"labels": {"alertname": name, "severity": "critical" if is_escalated else "none", "page": "true"}}
                  for name in ("Down", "Slow")[:1 if is_escalated else 2]]
        gateway.api("/api/v2/alerts", alerts)
        until(lambda: len(sink.at(f"{TWILIO}/Calls.json")) == len(alerts), "the calls are queued")
        calls = [body.decode() for _, _, body in sink.at(f"{TWILIO}/Calls.json")]
        [down] = [f"CA{number}" for number, body in enumerate(calls) if "Down" in body]
        gateway.api("/api/v2/alerts", [{**alerts[0], "endsAt": "2026-01-01T00:00:00Z"}])
        until(lambda: cancelled(sink, down), "its call is cancelled")
        assert not cancelled(sink, "CA1" if down == "CA0" else "CA0")
        assert len(sink.at(f"{TWILIO}/Calls.json")) == len(alerts)


def test_a_call_that_tells_of_the_end_is_not_taken_back(tmp_path):
    own = PHONE.replace("provider", "send_resolved: true, provider")
    with Sink(twilio) as sink, Calling(sink, tmp_path, ROUTES.replace("{receiver: team", "{receiver: phone"), own) as gateway:
        alert = {"labels": {"alertname": "Down"}}
        gateway.api("/api/v2/alerts", [alert])
        until(lambda: sink.at(f"{TWILIO}/Calls.json"), "the call is queued")
        gateway.api("/api/v2/alerts", [{**alert, "endsAt": "2026-01-01T00:00:00Z"}])
        until(lambda: cancelled(sink, "CA0"), "it is cancelled")
        until(lambda: gateway.api("/api/v2/alerts/groups") == [], "it is over")
        gateway.api("/-/reload", method="POST")
        assert b"resolved" in sink.at(f"{TWILIO}/Calls.json")[1][2] and not cancelled(sink, "CA1")


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


def browse(link, form=None, **headers):
    """Status, page and headers of a link; `form` is sent."""
    request = urllib.request.Request(link, data=form, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_the_link_of_a_message_acknowledges(tmp_path):
    """Opening it, as programs that preview links do, changes nothing; the button does."""
    with Sink() as sink, Escalating(sink, tmp_path, STEPS.replace("2s", "1h"), url="http://gw.example") as gateway:
        gateway.fire()
        until(lambda: gateway.told() == ["chat", "team"], "both are told")
        links = [request["alerts"][0]["annotations"]["ack_url"] for name in ("team", "chat") for request in sink.json(f"/{name}")]
        assert len(links) == 2 and all(link.startswith("http://gw.example/ack/") for link in links), links
        link = links[0].replace("gw.example", gateway.admin)
        number = gateway.incident()["number"]
        status, page, headers = browse(link)
        assert status == 200 and '<form method="post">' in page and "Nobody has acknowledged" in page
        assert "'unsafe-inline'" not in headers["Content-Security-Policy"] and headers["Referrer-Policy"] == "same-origin"
        assert "确认" in browse(link, **{"Accept-Language": "zh-CN"})[1]
        assert gateway.incident()["state"] == "open"
        for wrong in (link[:-1] + ("0" if link[-1] != "0" else "1"), link.replace(f"/ack/{number}?", f"/ack/{number + 1}?"),
                      link.replace("expires=", "expires=9"), link.split("?")[0]):
            assert browse(wrong)[0] == 403 and browse(wrong, b"")[0] == 403, wrong
        assert browse(link, b"by=Eve", Origin="http://evil.example")[0] == 403
        assert gateway.incident()["state"] == "open"
        status, page, _ = browse(link, "by=<b>王".encode(), Origin=f"http://{gateway.admin}")
        assert status == 200 and "Acknowledged by &lt;b&gt;王" in page and "<form" not in page
        assert gateway.incident()["acked_by"] == "<b>王"
        assert browse(link, b"by=Bob")[0] == 409
        until(lambda: ("firing", "Acknowledged by <b>王") in told(sink, "chat"), "who was told is told")
        signature = link.split("signature=")[1]
        assert signature not in json.dumps(gateway.lines) + gateway.get("/metrics")


def test_what_a_policy_would_do_is_told_beforehand(tmp_path):
    with Sink() as sink, Escalating(sink, tmp_path) as gateway:
        config = str(gateway.config_path)
        about = ["--labels", 'alertname=X,severity="critical"', "-c", config]
        table = heartline("escalate", "explain", *about).splitlines()
        assert [line.split("\t") for line in table[2:]] == [
            ["0s", "1", "1", "team", "message"], ["0s", "1", "1", "chat", "message"],
            ["2s", "1", "2", "phone", "message"], ["1h", "1", "3", "boss", "message"],
        ]
        story = heartline("escalate", "rehearse", *about, "--failing", "phone", "--ack", "10m").splitlines()
        assert story[0] == "0s\tteam\ttold\topen: step 1 of round 1"
        assert "2s\tphone\tFAILS\topen: step 2 of round 1" in story and "2s\tboss\ttold\topen: step 3 of round 1" in story
        assert story[-1] == "10m\tteam\ttold\tacknowledged by you"
        other = heartline("escalate", "explain", "--labels", "severity=info", "-c", config, code=2)
        assert "none of the escalations critical is for" in other and not sink.requests


def test_a_mistake_is_found_with_its_place(tmp_path):
    text = "routes: []\nalerting:\n  escalations:\n    critical:\n      when: ['severity=']\n      steps: [{notify: []}, {after: 5x, notify: [a]}]\n"
    (tmp_path / "heartline.yaml").write_text(text)
    told = heartline("check", str(tmp_path / "heartline.yaml"), code=2)
    assert "step 1 notifies nobody" in told and "5x" in told and ":5:7" in told, told


ROUNDS = int(os.environ.get("HEARTLINE_KILL_ROUNDS", "5"))


def test_killed_at_any_time_nothing_is_lost_and_nothing_told_twice(tmp_path):
    """Each round takes an alert and is killed at a random time after that: before the group is looked at, while channels
    are told, or before what they answered is written. What was taken is told, by the route not twice within the
    interval of the group, and by the incident's step to the other receiver too."""
    interval, times = 2.0, {}

    def answer(path, number):
        times[path, number] = time.monotonic()
        time.sleep(random.uniform(0, 0.02))
        return 200, "ok"

    steps = "\n    - notify: [team, chat]\n    - {after: 1h, notify: [boss]}\n"
    names = [f"Alert{number}" for number in range(ROUNDS)]
    with Sink(answer) as sink:
        for name in names:
            with Escalating(sink, tmp_path, steps, interval="2s") as gateway:
                gateway.fire(name)
                time.sleep(random.uniform(0, 0.15))
                gateway.signal(signal.SIGKILL)
                gateway.wait()

        def telling(path):
            """Times of each alert."""
            requests = enumerate(sink.json(path))
            each = [(request["groupLabels"]["alertname"], times[path, number]) for number, request in requests]
            return {name: sorted(at for other, at in each if other == name) for name in names}

        with Escalating(sink, tmp_path, steps, interval="2s") as gateway:
            until(lambda: all(telling("/team").values()) and all(telling("/chat").values()), "nothing is lost", 20)
            until(lambda: all(sorted(one["told"]) == ["chat", "team"] for one in gateway.incidents()), "all is known", 20)
            assert sorted(one["group_key"] for one in gateway.incidents()) == sorted(f'{{}}:{{alertname="{name}"}}' for name in names)
            for name, at in telling("/team").items():
                assert all(later - earlier > interval - 0.3 for earlier, later in zip(at, at[1:])), (name, at)
            assert not sink.at("/boss")
