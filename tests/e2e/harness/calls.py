"""Records of gRPC calls, and whether what is counted of calls agrees with them."""

from collections import Counter

from .books import total
from .endings import tally
from .gateway import until

DIRECTIONS = ["client_to_server", "server_to_client"]


def calls(gateway):
    """The records of calls, newest first."""
    return [record for record in gateway.closed() if record["protocol"] == "grpc"]


def call_of(gateway, method):
    """The newest record of a method, once there is one."""
    return until(lambda: [r for r in calls(gateway) if r["grpc"]["method"] == method], f"a record of {method}")[0]


def call_books(gateway, active=0):
    """Calls opened, closed and active, once so many are active."""
    until(lambda: total(gateway.metrics(), "grpc_active_streams") == active, f"{active} calls are active")
    metrics = gateway.metrics()
    opened = total(metrics, "grpc_streams_opened_total")
    return opened, sum(tally(metrics, "grpc_streams_closed_total", "grpc_code").values()), active


def balance_calls(gateway, count=1):
    """Waits for the records of so many calls; then opened - closed = active, and they and the counters agree."""
    until(lambda: len(calls(gateway)) == count, f"{count} records of calls")
    assert call_books(gateway) == (count, count, 0)
    records, metrics = calls(gateway), gateway.metrics()
    closed = tally(metrics, "grpc_streams_closed_total", "grpc_service", "grpc_method", "grpc_code")
    assert closed == Counter((r["grpc"]["service"], r["grpc"]["method"], r["grpc"]["code"]) for r in records)
    by_record = Counter({d: sum(r["messages"][d] for r in records) for d in DIRECTIONS})
    assert tally(metrics, "grpc_stream_messages_total", "direction") == +by_record
    return records


def story(record):
    """The causes of a record: `upstream rst_stream CANCEL`."""
    causes = [(c["leg"] or "proxy", c["what"], c.get("error")) for c in record["causes"]]
    return ", ".join(" ".join(filter(None, cause)) for cause in causes)


def verdict(record):
    """Initiator, reason and code: `upstream complete OK`."""
    return " ".join([record["initiator"], record["reason"], record["grpc"]["code"]])
