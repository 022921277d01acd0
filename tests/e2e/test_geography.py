"""Where clients are, by a database that whoever runs the gateway brings."""

import json

import pytest

from harness import mmdb, wire
from harness.books import total
from harness.gateway import Gateway, config_for, until
from harness.processes import Service

PLACES = {"192.0.2.0/24": "DE", "198.51.100.0/24": "CN"}


def config(upstream, database):
    return config_for(upstream, extra=f"trusted_peers: [127.0.0.1]\ngeo: {{ database: {database} }}\n")


def opened(gateway, address):
    socket, _ = wire.open_websocket(gateway.port, extra=f"X-Forwarded-For: {address}\r\n")
    until(lambda: address in [one["client"]["ip"] for one in gateway.live()], "it is open")
    return socket


def country_of(gateway, address):
    return next(one["client"].get("country") for one in gateway.live() if one["client"]["ip"] == address)


def found(gateway, which, query):
    return sorted(one["client"]["ip"] for one in json.loads(gateway.get(f"/api/v1/connections?set={which}&q={query}"))["items"])


def by_country(gateway):
    name = "heartline_connections_by_country"
    return {code: total(gateway.metrics(), name, country=code) for code in ("DE", "CN", "unknown", "other")}


@pytest.mark.parametrize("flat", [False, True], ids=["maxmind", "flat"])
def test_connections_have_countries(tmp_path, flat):
    database = tmp_path / "country.mmdb"
    database.write_bytes(mmdb.database(PLACES, flat))
    with Service("ws-echo.mjs") as echo, Gateway(config=config(echo.address, database)) as gateway:
        sockets = [opened(gateway, address) for address in ("192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1")]
        assert country_of(gateway, "192.0.2.1") == "DE"
        assert country_of(gateway, "203.0.113.1") is None
        assert found(gateway, "live", "cc:de") == ["192.0.2.1", "192.0.2.2"]
        assert found(gateway, "live", "-country:*") == ["203.0.113.1"]
        assert by_country(gateway) == {"DE": 2, "CN": 1, "unknown": 1, "other": 0}
        connections = {"websocket": 2, "sse": 0, "grpc": 0}
        for countries in (json.loads(gateway.get("/api/v1/overview"))["countries"], json.loads(gateway.get("/api/v1/geo"))["items"]):
            assert countries[0] == {"country": "DE", "connections": connections, "share": 0.5}
            assert sorted(str(one["country"]) for one in countries) == ["CN", "DE", "None"]
        sockets.pop().close()
        sockets.pop().close()
        records = gateway.wait_closed(2)
        assert sorted(str(record["client"].get("country")) for record in records) == ["CN", "None"]
        assert found(gateway, "closed", "country:CN") == ["198.51.100.1"]
        journal = f"closed&from={records[-1]['opened_at']}"
        until(lambda: found(gateway, journal, "country:CN") == ["198.51.100.1"], "the journal has it")

        database.write_bytes(mmdb.database({"192.0.2.0/24": "FR"}, flat))
        assert gateway.post("/-/reload")[0] == 200
        sockets.append(opened(gateway, "192.0.2.3"))
        assert country_of(gateway, "192.0.2.3") == "FR"
        assert country_of(gateway, "192.0.2.1") == "DE", "what is open keeps its country"

        database.write_bytes(b"no database")
        status, body = gateway.post("/-/reload")
        assert status >= 400 and "it is no database in MaxMind's format" in body
        sockets.append(opened(gateway, "192.0.2.4"))
        assert country_of(gateway, "192.0.2.4") == "FR", "the old one stays in force"
        for socket in sockets:
            socket.close()


def test_without_a_database():
    with Service("ws-echo.mjs") as echo, Gateway(config=config_for(echo.address)) as gateway:
        with wire.open_websocket(gateway.port)[0]:
            [live] = until(gateway.live, "it is open")
            assert "country" not in live["client"]
            assert not [name for name in gateway.metrics() if name.startswith("heartline_connections_by_country")]
            assert "countries" not in json.loads(gateway.get("/api/v1/overview"))
            answer = json.loads(gateway.get("/api/v1/geo?lang=en"))
            assert (answer["items"], "geo: { database: PATH.mmdb }" in answer["hint"]) == ([], True)
            assert "国家数据库" in json.loads(gateway.get("/api/v1/geo?lang=zh-CN"))["hint"]
