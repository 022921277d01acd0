"""Whether what the gateway counts agrees with itself and with its close records."""

from collections import Counter

from .gateway import until

NAMES = {
    "websocket": ("websocket_handshakes_total", "websocket_connections_closed_total", "websocket_active_connections"),
    "sse": ("sse_connections_total", "sse_disconnects_total", "sse_active_subscriptions"),
}
UNITS = {"websocket": "websocket_messages_total", "sse": "sse_events_total"}


def labels(sample):
    """Name and labels of a sample as it is exposed; no value of ours has a comma or a quote in it."""
    name, _, rest = sample.partition("{")
    return name, dict(pair.replace('"', "").split("=") for pair in rest.rstrip("}").split(",") if pair)


def total(metrics, name, **wanted):
    """Sum of the samples of a name that have these labels."""
    found = [
        value for sample, value in metrics.items()
        if labels(sample)[0] == name and wanted.items() <= labels(sample)[1].items()
    ]
    assert found, f"no sample {name} {wanted}"
    return sum(found)


def balance(gateway, protocol="websocket"):
    """Waits until nothing is open; then opened - closed = active, and records and counters say the same."""
    opened, closed, active = NAMES[protocol]
    until(lambda: total(gateway.metrics(), active) == 0, f"no open {protocol} connection")
    records = [r for r in gateway.closed() if r["protocol"] == protocol and r["handshake"]["result"] == "success"]
    metrics = gateway.metrics()
    ended = {
        (labels(sample)[1]["initiator"], labels(sample)[1]["reason"]): value
        for sample, value in metrics.items() if labels(sample)[0] == closed and value
    }
    assert total(metrics, opened, result="success") - total(metrics, closed) == total(metrics, active) == 0
    assert ended == Counter((r["initiator"], r["reason"]) for r in records)
    directions = ["client_to_server", "server_to_client"]
    by_record = {d: sum(r["messages"][d] for r in records) for d in directions}
    if protocol == "websocket":
        assert by_record == {d: total(metrics, UNITS[protocol], direction=d) for d in directions}
        assert total(metrics, "websocket_backlog_bytes") == total(metrics, "websocket_backlog_messages") == 0
        assert total(metrics, "websocket_message_latency_seconds_count") == sum(by_record.values())
    else:
        assert by_record == {"client_to_server": 0, "server_to_client": total(metrics, UNITS[protocol])}
        assert total(metrics, "sse_event_delay_seconds_count") == total(metrics, UNITS[protocol])
    return records


def messages(record):
    """Messages of a close record: from the client, from the upstream."""
    return record["messages"]["client_to_server"], record["messages"]["server_to_client"]


def ended(record):
    """How a connection ended: initiator, reason, the client's code, the upstream's code."""
    codes = record["codes"]
    return record["initiator"], record["reason"], codes["from_client"], codes["from_upstream"]
