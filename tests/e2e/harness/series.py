"""Made-up series of Heartline's own metrics, remote write, and Prometheus' HTTP API."""

import json
import math
import random
import struct
import urllib.error
import urllib.parse
import urllib.request

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
LES = ("0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "+Inf")


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def field(tag, payload):
    return varint(tag << 3 | 2) + varint(len(payload)) + payload


def snappy(data):
    """Snappy's raw form, in literals alone."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        part = data[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


def value_bytes(value):
    """Keeps the bits of the stale marker, which a conversion may change."""
    return struct.pack("<Q", 0x7FF0000000000002) if value is STALE else struct.pack("<d", value)


def write_request(series):
    """A WriteRequest of [(labels, [(ms, value)])]."""
    out = bytearray()
    for labels, samples in series:
        one = bytearray()
        for name in sorted(labels):
            one += field(1, field(1, name.encode()) + field(2, labels[name].encode()))
        for ms, value in samples:
            one += field(2, b"\x09" + value_bytes(value) + b"\x10" + varint(ms & (1 << 64) - 1))
        out += field(1, bytes(one))
    return bytes(out)


def push(origin, series, **headers):
    """Sends series by remote write; gives the status and the answer's text."""
    request = urllib.request.Request(f"http://{origin}/api/v1/write", data=snappy(write_request(series)), headers={
        "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0", **headers,
    })
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask(origin, path, form=False, **parameters):
    """Status and JSON of a question to Prometheus' HTTP API; `match` is `match[]`."""
    pairs = [("match[]" if name == "match" else name, value) for name, value in parameters.items()]
    text = urllib.parse.urlencode(pairs, doseq=True)
    url = f"http://{origin}/api/v1/{path}"
    request = urllib.request.Request(url, data=text.encode()) if form else f"{url}?{text}"
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def own_metrics(start, end, step, phase_ms):
    """Series of two routes on two gateways: [(labels, [(ms, value)])]; counters are reset once, to no small number."""
    rnd = random.Random(20261125)
    grid = range(start, end + 1, step)
    count = len(grid)
    series = []

    def add(name, labels, values):
        samples = [(t * 1000 + phase_ms, float(v)) if v is not STALE else (t * 1000 + phase_ms, v)
                   for t, v in zip(grid, values) if v is not None]
        series.append(({"__name__": name, "job": "heartline", **labels}, samples))

    def counter(per, reset_at=None):
        total, values = 1000.0, []
        for k in range(count):
            total = 500.0 if k == reset_at else total + rnd.randint(0, per)
            values.append(total)
        return values

    for i, (route, gateway) in enumerate((r, g) for r in ("chat", "events") for g in ("gw-1", "gw-2")):
        base = {"route": route, "instance": gateway}
        active = [200.0 * (i + 1) + round(90 * math.sin(k / 17 + i)) + rnd.randint(-5, 5) for k in range(count)]
        if i == 1:
            active[count // 3:count // 3 + 40] = [None] * 40
        if i == 3:
            active[count // 2:count // 2 + 30] = [STALE] + [None] * 29
        add("websocket_active_connections", base, active)
        add("websocket_slow_consumers", base, [rnd.randint(0, 4) for _ in grid])
        add("websocket_backlog_oldest_age_seconds", {**base, "direction": "server_to_client"},
            [round(rnd.random() * (3 if k % 60 < 20 else 0.1), 6) for k in range(count)])
        for initiator, reason, per in (("client", "normal", 6), ("client", "abnormal", 2), ("upstream", "idle_timeout", 1)):
            add("websocket_connections_closed_total", {**base, "initiator": initiator, "reason": reason}, counter(per + i))
        for direction, per in (("client_to_server", 120), ("server_to_client", 150)):
            add("websocket_messages_total", {**base, "direction": direction}, counter(per * (i + 1), count // 2 if i == 2 else None))
            cells, total = [2000] * len(LES), 50.0
            rows, sums = [[] for _ in LES], []
            for _ in grid:
                for _ in range(rnd.randint(0, 9)):
                    seconds = rnd.lognormvariate(-4.5 + 0.3 * i, 1.2)
                    total += seconds
                    for at, le in enumerate(LES):
                        cells[at] += seconds <= float(le.replace("+Inf", "inf"))
                for row, cell in zip(rows, cells):
                    row.append(cell)
                sums.append(total)
            labels = {**base, "direction": direction}
            for le, row in zip(LES, rows):
                add("websocket_message_latency_seconds_bucket", {**labels, "le": le}, row)
            add("websocket_message_latency_seconds_sum", labels, sums)
            add("websocket_message_latency_seconds_count", labels, rows[-1])
        add("sse_active_subscriptions", base, [round(40 + 30 * math.cos(k / 11 + i)) for k in range(count)])
        add("heartline_path_idle_timeout_seconds", {**base, "hop": "gateway"}, [300 + 60 * i] * count)
    for gateway, version in (("gw-1", "0.1.0"), ("gw-2", "0.2.0")):
        add("heartline_build_info", {"instance": gateway, "version": version}, [1] * count)
        add("process_start_time_seconds", {"instance": gateway}, [start - 3600 if k < count // 2 else start + 900 for k in range(count)])
        add("process_resident_memory_bytes", {"instance": gateway}, [int(2e8 + 1e5 * k + rnd.uniform(0, 1e6)) for k in range(count)])
        add("up", {"instance": gateway}, [0 if k // 20 % 9 == 4 else 1 for k in range(count)])
    return series


def push_in_order(origin, series, chunk_ms=600_000):
    """All series together, in the order of time, so that no sample comes late."""
    first = min(samples[0][0] for _, samples in series)
    last = max(samples[-1][0] for _, samples in series)
    for start in range(first, last + 1, chunk_ms):
        part = [(labels, [s for s in samples if start <= s[0] < start + chunk_ms]) for labels, samples in series]
        status, text = push(origin, [one for one in part if one[1]])
        assert status in (200, 204), (status, text)
