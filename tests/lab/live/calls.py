"""gRPC streams through the gateway with grpcio on both sides."""

from ..case import case
from .scene import Crowd, Service, gateway, near, nginx, shows

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
