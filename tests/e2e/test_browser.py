"""Chromium: a page that came through the gateway talks through it."""

from harness.books import balance, ended, messages, total
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
