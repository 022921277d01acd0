"""The configuration is read again while the gateway works: as a whole or not at all, and nobody inside notices."""

import json
import re
import signal

import pytest

from harness.books import ended, labels, total
from harness.endings import upstream_sockets, verdict
from harness.gateway import Gateway, config_for, until
from harness.wire import frame, open_websocket, read_all, switching

RELOADED = "the configuration was reloaded"
KEPT = "the configuration was not reloaded; the old one stays in force"


def by_signal(gateway):
    """Whether it was taken, and what is told."""
    before = len(gateway.lines)
    gateway.signal(signal.SIGHUP)

    def told():
        return [line for line in gateway.lines[before:] if line.get("message") in (RELOADED, KEPT)]

    [line] = until(told, "the outcome is logged")
    return line["message"] == RELOADED, line.get("error", "")


def by_request(gateway):
    status, body = gateway.post("/-/reload")
    told = json.loads(body)
    if status == 200:
        assert told == {"status": "ok"}
        until(lambda: gateway.logged(RELOADED), "the reload is logged")
        return True, ""
    assert (status, told["error"]["code"]) == (400, "bad_config")
    assert "the old configuration stays in force" in told["error"]["hint"]
    return False, told["error"]["message"]


WAYS = pytest.mark.parametrize("reload", [by_signal, by_request])


def echo(client, upstream, text):
    client.sendall(frame(1, text, mask=True))
    assert upstream.recv(6 + len(text))[:2] == bytes([0x81, 0x80 | len(text)])
    upstream.sendall(frame(1, text))
    assert client.recv(2 + len(text)) == frame(1, text)


@WAYS
def test_what_is_new_is_for_new_connections(reload):
    with (
        upstream_sockets(switching) as (old, old_sockets),
        upstream_sockets(switching) as (new, new_sockets),
        Gateway(config=config_for(old.address)) as gateway,
    ):
        first, _ = open_websocket(gateway.port)
        [first_upstream] = until(lambda: old_sockets, "the first is open")
        gateway.write_config(
            config_for(new.address, route="    match: { path: /ws }\n    timeouts: { idle: 1s, half_close: 1s }\n")
            + f"  - name: rest\n    upstreams: [http://{new.address}]\n"
        )
        assert reload(gateway) == (True, "")
        echo(first, first_upstream, b"still here")
        limited, _ = open_websocket(gateway.port, "/ws")
        until(lambda: new_sockets, "it goes to the new upstream")
        free, _ = open_websocket(gateway.port, "/")
        until(lambda: len(new_sockets) == 2, "and so does this one")
        assert old.connections == 1
        read_all(limited)
        [record] = gateway.wait_closed()
        assert (record["route"], record["upstream"]) == ("test", f"http://{new.address}")
        assert verdict(record) == "proxy timeout - -"
        echo(first, first_upstream, b"and here")
        echo(free, new_sockets[1], b"as this one")
        metrics = gateway.metrics()
        active = {route: total(metrics, "websocket_active_connections", route=route) for route in ("test", "rest")}
        assert active == {"test": 1, "rest": 1}
        first.close()
        first_upstream.close()
        record = gateway.wait_closed(2)[0]
        assert (record["route"], record["upstream"], ended(record)[0]) == ("test", f"http://{old.address}", "client")


NEW = "  - name: new\n    upstreams: [http://127.0.0.1:1]\n"
BAD = {
    "no YAML": ("name: test", "name: [test", r"heartline.yaml:\d+:\d+: "),
    "unknown key": ("upstreams", "upstream", "did you mean `upstreams`"),
    "no upstream": ("[http", "[] # [http", "route `test` has no upstream"),
    "no authorities": (
        "  - name: test", f"{NEW}  - name: test\n    upstream_tls: {{ ca_file: none.pem }}", "route `test`: none.pem: ",
    ),
    "no such address": ("  - name: test", "  - name: test\n    source_addresses: [192.0.2.1]", "route `test`: source address 192.0.2.1: "),
    "no address at all": ("  - name: test", "  - name: test\n    source_addresses: [0.0.0.0]", "no address to connect from"),
    "another listener": ("[{ listen: 127.0.0.1", "[{ listen: 127.0.0.2", "restart"),
    "one listener more": ("[{ listen", "[{ listen: 127.0.0.1:0 }, { listen", "restart"),
    "another admin address": ("admin: { listen: 127.0.0.1", "admin: { listen: 127.0.0.2", "restart"),
    "another log": ("routes:", "closed: { log: closed.log }\nroutes:", "restart"),
    "another window": ("routes:", "metrics: { mean_window: 10s }\nroutes:", "restart"),
}


@WAYS
@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_taken_over_changes_nothing(name, reload):
    """Nothing is applied in part, and nothing is left out in silence."""
    right, wrong, told = BAD[name]
    with (
        upstream_sockets(switching) as (backend, sockets),
        Gateway(config=config_for(backend.address)) as gateway,
    ):
        first, _ = open_websocket(gateway.port)
        [upstream] = until(lambda: sockets, "it is with the upstream")
        good = gateway.config_path.read_text()
        gateway.write_config(good.replace(right, wrong, 1).replace("test", "renamed"))
        is_taken, why = reload(gateway)
        assert not is_taken and re.search(told.replace("test", "renamed"), why), why
        second, _ = open_websocket(gateway.port)
        [other] = until(lambda: sockets[1:], "this one is with the same upstream")
        echo(first, upstream, b"here")
        echo(second, other, b"and here")
        assert {labels(sample)[1].get("route", "test") for sample in gateway.metrics()} == {"test"}
        gateway.write_config(good.replace("test", "renamed"))
        assert reload(gateway) == (True, "")
        third, _ = open_websocket(gateway.port)
        active = "websocket_active_connections"
        until(lambda: third and total(gateway.metrics(), active, route="renamed") == 1, "the new route has it")


def test_one_upstream_of_the_command_line_can_be_read_again():
    with Gateway("--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0") as gateway:
        assert by_request(gateway) == by_signal(gateway) == (True, "")
