"""Several gateways, one engine: what they send by remote write is there what it is here."""

import contextlib
import json
import random
import signal
import time

import pytest

from harness.engines import ENGINES, engine
from harness.gateway import Gateway, config_for, until
from harness.processes import free_port
from harness.scripted import Scripted
from harness.series import STALE, ask, push


def gateway_config(directory, instance, *urls, extra=""):
    remotes = ", ".join(f"{{ url: '{url}'{extra} }}" for url in urls)
    return config_for(
        "127.0.0.1:1",
        extra=f"data: {{ dir: {directory}/{instance}, scrape_interval: 1s, instance: {instance} }}\nremote_write: [{remotes}]\n",
    )


def samples(origin, matcher, start_ms, end_ms):
    """Samples of each series up to an instant, as the origin tells them; the range begins where there are none."""
    span = (end_ms - start_ms) // 1000 + 2
    answer = ask(origin, "query", query=f"{matcher}[{span}s]", time=end_ms / 1000, nocache=1)[1]
    return {
        json.dumps(one["metric"], sort_keys=True): [(round(at * 1000), float(value)) for at, value in one["values"]]
        for one in answer["data"]["result"]
    }


def remote(gateway, name, label="", but=None):
    """Sum of a family of remote_write, of series that have a label and not another, at one moment."""
    prefix = f"heartline_remote_write_{name}{{"
    is_meant = lambda key: key.startswith(prefix) and label in key and (but is None or but not in key)  # noqa: E731
    return sum(value for key, value in gateway.metrics().items() if is_meant(key))


def is_drained(gateway):
    return remote(gateway, "waiting_samples") == 0


def now_ms():
    return int(time.time() * 1000)


def same(gateway, origin, matcher, start_ms, end_ms):
    """VictoriaMetrics keeps some 15 digits of a value."""
    ours, theirs = (samples(one, matcher, start_ms, end_ms) for one in (gateway.admin, origin))
    flat = [[value for one in sorted(side) for pair in side[one] for value in pair] for side in (ours, theirs)]
    return ours and ours.keys() == theirs.keys() and flat[0] == pytest.approx(flat[1], rel=1e-13, abs=0)


@pytest.mark.parametrize("kind", ENGINES)
def test_two_gateways_write_to_one_engine(tmp_path, kind):
    began = now_ms()
    with engine(kind, tmp_path / kind, free_port()) as origin, contextlib.ExitStack() as stack:
        url = f"http://{origin}/api/v1/write"
        gateways = {name: stack.enter_context(Gateway(config=gateway_config(tmp_path, name, url))) for name in ("gw-1", "gw-2")}
        labels = {"__name__": "pushed", "instance": "gw-1", "rule": "每秒"}
        assert push(gateways["gw-1"].admin, [(labels, [(began + 1, 1.5), (began + 2, -2.0)])])[0] == 204
        for name, gateway in gateways.items():
            until(lambda: ask(gateway.admin, "query", query="count_over_time(up[1m]) >= 3")[1]["data"]["result"], "three scrapes")  # noqa: B023
        end = now_ms()
        for name, gateway in gateways.items():
            matcher = f"{{instance='{name}'}}"
            until(lambda: same(gateway, origin, matcher, began, end), f"{name} is there as it is here", 20)  # noqa: B023
            assert len(samples(origin, matcher, began, end)) > 50
            assert remote(gateway, "samples_total", "sent") > 100
            assert remote(gateway, "samples_total", but="sent") == 0
        gateways["gw-2"].signal()
        gateways["gw-2"].wait()
        at = now_ms() / 1000 + 0.5
        until(lambda: not ask(origin, "query", query="up{instance='gw-2'}", time=at, nocache=1)[1]["data"]["result"], "its series have ended")
        assert ask(origin, "query", query="up{instance='gw-1'}", time=at, nocache=1)[1]["data"]["result"]


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("is_killed", [False, True])
def test_an_engine_that_is_down_misses_nothing(tmp_path, kind, is_killed):
    port, began = free_port(), now_ms()
    config = gateway_config(tmp_path, "gw", f"http://127.0.0.1:{port}/api/v1/write")
    with Gateway(config=config) as first:
        pushed = [({"__name__": "pushed", "n": str(n)}, [(began + ms, float(ms)) for ms in range(n, 500, 50)]) for n in range(50)]
        assert push(first.admin, pushed)[0] == 204
        until(lambda: remote(first, "waiting_samples") > 1000 and remote(first, "failures_total", "network") > 3, "a backlog")
        assert remote(first, "lag_seconds") > 0 and remote(first, "waiting_bytes") > 0
        until(lambda: ask(first.admin, "query", query="count_over_time(up[1m]) >= 3")[1]["data"]["result"], "three scrapes")
        end = int(max(at for at, _ in samples(first.admin, "up", began, now_ms()).popitem()[1]))
        if is_killed:
            first.signal(signal.SIGKILL)
            first.wait()
            with Gateway(config=config) as second, engine(kind, tmp_path / kind, port) as origin:
                check_all(second, origin, began, end - 1000)
        else:
            with engine(kind, tmp_path / kind, port) as origin:
                check_all(first, origin, began, end)


def check_all(gateway, origin, began, end):
    for matcher in ("pushed", "{job='heartline'}"):
        until(lambda: same(gateway, origin, matcher, began, end), f"{matcher} is there as it is here", 40)  # noqa: B023
    assert len(samples(origin, "pushed", began, end)) == 50
    assert remote(gateway, "samples_total", "rejected") == 0


def test_what_an_engine_answers(tmp_path):
    (tmp_path / "token").write_text("opensesame\n")
    with Scripted() as fake:
        fake.answers.extend([(500, {}), (401, {}), (429, {"Retry-After": "1"}), (400, {})])
        extra = f", name: far, bearer_token_file: {tmp_path}/token, headers: {{ X-Scope-OrgID: chat }}"
        with Gateway(config=gateway_config(tmp_path, "gw", fake.url, extra=extra)) as gateway:
            until(lambda: len(fake.requests) >= 6 and remote(gateway, "samples_total", "sent") > 0, "six requests")
            metrics = gateway.metrics()
            failures = {reason: metrics[f'heartline_remote_write_failures_total{{remote="far",reason="{reason}"}}'] for reason in ("network", "server", "throttled", "credentials")}
            assert failures == {"network": 0, "server": 1, "throttled": 1, "credentials": 1}
            assert metrics['heartline_remote_write_samples_total{remote="far",outcome="rejected"}'] > 10
            told = [line["why"] for line in gateway.logged("remote write does not go well")]
            assert [word in line for word, line in zip(("500", "401", "429", "400"), told, strict=True)] == [True] * 4
            assert gateway.logged("remote write goes well again")
            assert "opensesame" not in json.dumps(gateway.lines)
        first = fake.requests[0]
        assert all(one[3] == first[3] for one in fake.requests[:4]), "the same request until it is judged"
        assert fake.requests[4][3] != first[3], "what was rejected is not sent again"
        assert fake.requests[3][0] - fake.requests[2][0] >= 1.0, "Retry-After"
        _, path, headers, _, _ = first
        assert path == "/write?tenant=7"
        wanted = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
                  "Authorization": "Bearer opensesame", "X-Scope-OrgID": "chat"}
        found = {name.lower(): value for name, value in headers.items()}
        assert {name: found.get(name.lower()) for name in wanted} == wanted
        assert found["user-agent"].startswith("heartline/")


def test_a_full_queue_drops_the_oldest(tmp_path):
    """What is random does not become smaller."""
    extra = ", queue_bytes: 1048576"
    config = gateway_config(tmp_path, "gw", f"http://127.0.0.1:{free_port()}/api/v1/write", extra=extra)
    began = now_ms()
    with Gateway(config=config) as gateway:
        rnd = random.Random(1)
        for at in range(100):
            series = [({"__name__": "noise", "n": f"{rnd.getrandbits(400):x}"}, [(began + at, rnd.random())]) for _ in range(300)]
            assert push(gateway.admin, series)[0] == 204
        until(lambda: remote(gateway, "samples_total", "overflow") > 0, "the oldest are dropped")
        assert remote(gateway, "waiting_bytes") <= 1 << 20
        until(lambda: remote(gateway, "samples_total") + remote(gateway, "waiting_samples") >= 30_000, "all are counted")


def test_a_gateway_is_an_engine_too(tmp_path):
    """Stale markers and labels pass from one to the other."""
    began = now_ms()
    with Gateway(config=config_for("127.0.0.1:1", extra=f"data: {{ dir: {tmp_path}/far, scrape_interval: 1s, instance: far }}\n")) as far:
        with Gateway(config=gateway_config(tmp_path, "near", f"http://{far.admin}/api/v1/write")) as near:
            assert push(near.admin, [({"__name__": "pushed"}, [(began, 1.0), (began + 10, STALE)])])[0] == 204
            assert push(near.admin, [({"__name__": "pushed"}, [(began + 5, 1.0), (began + 20, 2.0)])])[0] == 400
            until(lambda: same(near, far.admin, "pushed", began - 1, began + 1000), "it is there")
            until(lambda: is_drained(near), "all is sent")
            assert remote(near, "samples_total", "rejected") == 0, "what was not kept here was not sent"


def test_a_damaged_queue_is_put_aside(tmp_path):
    with Scripted() as fake:
        config = gateway_config(tmp_path, "gw", fake.url)
        with Gateway(config=config) as gateway:
            until(lambda: fake.requests, "it is sent")
            gateway.signal()
            gateway.wait()
        [queue] = (tmp_path / "gw/remote").glob("*.db")
        queue.write_bytes(b"nonsense" * 1000)
        before = len(fake.requests)
        with Gateway(config=config) as gateway:
            until(lambda: len(fake.requests) > before + 1, "it is sent again")
            [told] = gateway.logged("what waited to be sent is damaged: it was put aside and is not sent")
            assert told["level"] == "ERROR" and told["aside"] == f"{queue}.damaged"
