"""Chromium: a page that came through the gateway talks through it."""

import pytest

from harness.books import balance, ended, messages, total
from harness.certificates import Authority, tls_listener
from harness.endings import story
from harness.gateway import Gateway, config_for, until
from harness.processes import Peer, Service


def test_chromium():
    with (
        Service("site.mjs") as site,
        Gateway(config=config_for(site.address)) as gateway,
        Peer("browser.mjs", f"http://{gateway.address}/") as browser,
    ):
        seen = browser.next(60)
        assert seen == {
            "title": "站点",
            "socket": {
                "received": [True, True, True, [0, 255, 7]], "code": 3001, "reason": "bye", "wasClean": True,
                "extensions": "permessage-deflate",
            },
            "events": [[f"第 {n} 条", str(n)] for n in (1, 2, 3)],
            "problems": [],
        }
        [talk] = gateway.wait_closed(1, "&protocol=websocket")
        assert ended(talk) == ("client", "app", 3001, 3001)
        assert messages(talk) == (4, 4)
        [listen] = gateway.wait_closed(1, "&protocol=sse")
        assert ended(listen)[0] == "client" and listen["reason"] in ("client_closed", "reset"), listen
        assert messages(listen) == (0, 3)

        assert browser.next() == "open"
        metrics = gateway.metrics()
        assert total(metrics, "websocket_active_connections") == total(metrics, "sse_active_subscriptions") == 1
        assert sorted(item["protocol"] for item in gateway.live()) == ["sse", "websocket"]

        browser.tell("leave")
        assert browser.next() == "left"
        until(lambda: not gateway.live(), "the connections of the page that was left are closed")
        left, _ = balance(gateway)
        assert ended(left)[:3] == ("client", "going_away", 1001), left
        assert messages(left) == (0, 0)
        quiet, _ = balance(gateway, "sse")
        assert quiet["initiator"] == "client" and quiet["reason"] in ("client_closed", "reset"), quiet
        assert browser.process.wait(20) == 0, browser.errors


MANY, PER_HOST = 20, 6


@pytest.mark.parametrize(("spoken", "at_once"), [("h2", MANY), ("http/1.1", PER_HOST)])
def test_event_streams_at_once(tmp_path, spoken, at_once):
    """Chromium opens six connections to a host: HTTP/2 carries all event streams over one, HTTP/1.1 one over each."""
    with Service("site.mjs") as site:
        config = config_for(site.address)
        if spoken == "h2":
            config = tls_listener(config, Authority(tmp_path / "own").issue("browser"))
        with Gateway(config=config) as gateway:
            url = f"https://localhost:{gateway.port}/" if spoken == "h2" else f"http://{gateway.address}/"
            with Peer("browser-streams.mjs", url, MANY, at_once) as browser:
                seen = browser.next(60)
                assert (seen["protocol"], seen["open"]) == (spoken, at_once)
                assert sorted(seen["events"]) == [[]] * (MANY - at_once) + [["1", "2", "3"]] * at_once
                assert total(gateway.metrics(), "sse_active_subscriptions") == at_once
                ports = {item["client"]["port"] for item in gateway.live()}
                assert len(ports) == (1 if spoken == "h2" else at_once)

                browser.tell("leave")
                assert browser.next() == "left"
                records = balance(gateway, "sse")
                assert {record["initiator"] for record in records} == {"client"}
                if spoken == "h2":
                    assert [messages(record) for record in records] == [(0, 3)] * MANY
                    assert {(story(r), r["reason"]) for r in records} == {("client rst_stream", "client_closed")}
                assert browser.process.wait(20) == 0, browser.errors
