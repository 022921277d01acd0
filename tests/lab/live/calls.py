"""gRPC streams through the gateway with grpcio on both sides."""

from ..active.standards import HTTP2
from ..case import case, healthy, trap
from .scene import Crowd, Service, gateway, near, nginx, port_of, shows
from .timers import LIFETIME

SMALL = [("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)]
LASTING = {"clients": 24, "seconds": 16, "back": (0.2, 1)}


def status(record, code):
    return record["grpc"]["code"] == code


def goaway(record, error):
    told = record["grpc"]["upstream"]["goaway"]
    return told and told["initiator"] == "upstream" and told["error"] == error


@case("too-many-pings", fault="grpc-too-many-pings", group="calls")
def too_many_pings(site):
    """The service gives up connections on which it is pinged too often."""
    service = Service(site, "goaway", age=(1, 4), error="ENHANCE_YOUR_CALM", debug="too_many_pings")
    entry = gateway(site, service)
    Crowd(site, "calls", entry, **LASTING).seen()
    shows(site, entry, 40, lambda r: goaway(r, "ENHANCE_YOUR_CALM"))
    return site.findings(entry)


@case("connections-recycled", fault="grpc-max-age-goaway", group="calls")
def connections_recycled(site):
    """The service ends connections after 3 s, and streams on them a second later."""
    aged = [("grpc.max_connection_age_ms", 3000), ("grpc.max_connection_age_grace_ms", 1000)]
    entry = gateway(site, Service(site, "calls", grpc=aged))
    Crowd(site, "calls", entry, **LASTING).seen()
    shows(site, entry, 40, lambda r: goaway(r, "NO_ERROR"))
    return site.findings(entry)


@case("call-too-large", fault="grpc-message-too-large", group="calls")
def call_too_large(site):
    """Some requests have 5 MB, and the service takes 4 MiB."""
    entry = gateway(site, Service(site, "calls"))
    Crowd(
        site, "calls", entry, clients=20, seconds=12, method="Echo", back=(0.2, 0.5), sizes=(100, 5000), odd=5_000_000, odd_share=0.08
    ).seen()
    shows(site, entry, 20, lambda r: status(r, "RESOURCE_EXHAUSTED"))
    return site.findings(entry)


@case("stream-that-nobody-reads", fault="grpc-flow-control-stall", group="calls")
def stream_that_nobody_reads(site):
    """Some clients ask for a stream and do not read it."""
    entry = gateway(site, Service(site, "calls", size=30_000, tick=0.05))
    others = Crowd(site, "calls", entry, clients=15, seconds=16, stay=(3, 8), back=(0.2, 1))
    Crowd(site, "calls", entry, clients=12, seconds=16, stay=(9, 12), back=(0.2, 1), reads=False, grpc=SMALL).seen()
    others.seen()
    shows(site, entry, 8, lambda r: r["grpc"]["stalled_seconds"]["server_to_client"] > 3)
    return site.findings(entry)


@case("idle-calls-cut-by-nginx", fault="grpc-proxy-read-timeout", group="calls")
def idle_calls_cut_by_nginx(site):
    """nginx between the gateway and the service resets streams that are silent for 2 s."""
    service = Service(site, "calls", quiet=1.5)
    entry = gateway(site, nginx(site, service, "grpc_read_timeout 2s;", "grpc_pass grpc", listen="http2"))
    Crowd(site, "calls", entry, **LASTING).seen()
    shows(site, entry, 40, lambda r: r["initiator"] == "upstream" and near(r["idle_seconds"]["data"], 2))
    return site.findings(entry)


@case("deadline-of-a-stream", fault="grpc-deadline-on-stream", group="calls")
def deadline_of_a_stream(site):
    """Clients give an endless stream a deadline of 3 s."""
    entry = gateway(site, Service(site, "calls"))
    Crowd(site, "calls", entry, **LASTING, deadline=3).seen()
    shows(site, entry, 40, lambda r: r["grpc"].get("deadline_seconds") == 3 and near(r["duration_seconds"], 3))
    return site.findings(entry)


@case("answered-by-a-proxy", fault="grpc-non-grpc-reply", also=["upstream-down-502-503"], group="calls")
def answered_by_a_proxy(site):
    """nginx answers calls by itself, with an HTTP status: the service behind it is gone."""
    service = Service(site, "calls")
    service.kill()
    entry = gateway(site, nginx(site, service, "", "grpc_pass grpc", listen="http2"))
    Crowd(site, "calls", entry, **LASTING).seen()
    shows(site, entry, 100, lambda r: status(r, "UNAVAILABLE"))
    return site.findings(entry)


def envoy(site, to, **route):
    """The port of an Envoy that passes calls on with these fields of its route."""
    app = f"127.0.0.1:{to.port}"
    return port_of(site.envoy(app, {"codec_type": "HTTP2"}, route, {"typed_extension_protocol_options": HTTP2}))


@case("deadlines-of-many-lengths", fault="grpc-deadline-on-stream", group="calls")
def deadlines_of_many_lengths(site):
    """Clients set deadlines of 2 s to 7 s on streams that never end; others set none."""
    entry = gateway(site, Service(site, "calls"))
    crowds = [
        Crowd(site, "calls", entry, **LASTING | {"clients": 6}, deadline=deadline) for deadline in (2, 3.5, 5, 7, None)
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 50, lambda r: at_deadline(r) and r["messages"]["server_to_client"] > 5)
    return site.findings(entry)


def reset_at(record, age):
    how = record["causes"][0]
    return (how["leg"], how["what"]) == ("upstream", "rst_stream") and near(record["duration_seconds"], age)


def at_deadline(record):
    deadline = record["grpc"].get("deadline_seconds")
    return deadline and near(record["duration_seconds"], deadline)


@case("time-of-the-service-is-over", fault=LIFETIME, group="calls")
def time_of_the_service_is_over(site):
    """The service ends each stream after 4 s with DEADLINE_EXCEEDED, whatever its client waits for."""
    entry = gateway(site, Service(site, "calls", age=4, status="DEADLINE_EXCEEDED"))
    crowds = [Crowd(site, "calls", entry, **LASTING | {"clients": 12}, deadline=deadline) for deadline in (None, 30)]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: status(r, "DEADLINE_EXCEEDED") and near(r["duration_seconds"], 4))
    return site.findings(entry)


@case("envoy-ends-calls-at-an-age", fault=LIFETIME, group="calls")
def envoy_ends_calls_at_an_age(site):
    """Envoy between the gateway and the service has a timeout of 4 s for each call, busy or not."""
    entry = gateway(site, envoy(site, Service(site, "calls"), timeout="4s"))
    Crowd(site, "calls", entry, **LASTING).seen()
    shows(site, entry, 25, lambda r: reset_at(r, 4))
    return site.findings(entry)


@trap("deadline-longer-than-the-route", wrong="grpc-deadline-on-stream", also=LIFETIME, group="calls")
def deadline_longer_than_the_route(site):
    """The same, with deadlines of 6 s that no call reaches."""
    entry = gateway(site, envoy(site, Service(site, "calls"), timeout="4s"))
    Crowd(site, "calls", entry, **LASTING, deadline=6).seen()
    shows(site, entry, 25, lambda r: reset_at(r, 4))
    return site.findings(entry)


@healthy("calls-with-their-own-deadlines", group="healthy")
def calls_with_their_own_deadlines(site):
    """Streams that are done after 3 s, with 10 s to go."""
    entry = gateway(site, Service(site, "calls", age=3))
    Crowd(site, "calls", entry, **LASTING, deadline=13).seen()
    shows(site, entry, 60, lambda r: status(r, "OK") and near(r["duration_seconds"], 3))
    return site.findings(entry)


@case("status-internal-now-and-then", fault={"grpc-error-status"}, group="calls")
def status_internal_now_and_then(site):
    """A handler fails at any moment of a stream."""
    entry = gateway(site, Service(site, "calls", fails=0.06, status="INTERNAL"))
    Crowd(site, "calls", entry, **LASTING, stay=(2, 9)).seen()
    shows(site, entry, 40, lambda r: status(r, "INTERNAL"))
    return site.findings(entry)


@healthy("not-found-is-an-answer", group="healthy")
def not_found_is_an_answer(site):
    """A third of the requests ask for what is not there."""
    entry = gateway(site, Service(site, "calls", missing=0.3))
    Crowd(site, "calls", entry, **LASTING, method="Echo", sizes=(40, 400)).seen()
    shows(site, entry, 60, lambda r: status(r, "NOT_FOUND"))
    return site.findings(entry)
