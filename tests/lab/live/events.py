"""Event streams: events that come late, in batches or not at all, and clients that come back."""

from ..case import case, healthy, trap
from .scene import Crowd, Service, ended, gateway, nginx, shows

HELD = {"sse-proxy-buffering", "sse-app-not-flushing"}
LISTEN = {"clients": 30, "seconds": 16, "stay": (4, 12), "back": (0.2, 1), "resumes": True}
COME_BACK = {"clients": 30, "seconds": 18, "back": (0.5, 2)}
SESSIONS = "client_key: { cookie: session }"
TIMES = "event_time: { id: auto }"


def batched(least):
    return lambda r: (r.get("events_per_read") or {"mean": 0})["mean"] >= least


@case("events-held-by-nginx", fault=HELD, group="events")
def events_held_by_nginx(site):
    """nginx buffers a body that ends with its connection, as HTTP/1.0 has it."""
    service = Service(site, "events", http10=True, ids=True, size=250, tick=0.1)
    entry = gateway(site, nginx(site, service, ""), route=TIMES)
    Crowd(site, "events", entry, **LISTEN).seen()
    shows(site, entry, 30, batched(8))
    return site.findings(entry)


@case("events-held-by-the-service", fault=HELD, group="events")
def events_held_by_the_service(site):
    """The service flushes when it has 4 KiB."""
    entry = gateway(site, Service(site, "events", ids=True, size=250, tick=0.1, hold=16), route=TIMES)
    Crowd(site, "events", entry, **LISTEN).seen()
    shows(site, entry, 30, batched(8))
    return site.findings(entry)


@case("events-in-steps", fault={"timer-batching"} | HELD, group="events")
def events_in_steps(site):
    """The service sends what it has every half second."""
    entry = gateway(site, Service(site, "events", ids=True, tick=0.1, hold=5), route=TIMES)
    Crowd(site, "events", entry, **LISTEN).seen()
    shows(site, entry, 30, batched(4))
    return site.findings(entry)


@case("events-compressed", fault={"sse-gzip-buffering"} | HELD, group="events")
def events_compressed(site):
    """nginx compresses event streams, and holds them until a block is full."""
    service = Service(site, "events", ids=True, size=250, tick=0.1)
    gzip = "gzip on; gzip_types text/event-stream; gzip_proxied any;"
    entry = gateway(site, nginx(site, service, "proxy_http_version 1.1;", http=gzip), route=TIMES)
    Crowd(site, "events", entry, **LISTEN, headers={"Accept-Encoding": "gzip"}).seen()
    shows(site, entry, 10, lambda r: r["messages"]["server_to_client"] == 0 or batched(4)(r))
    return site.findings(entry)


@case("events-that-never-end", fault="sse-malformed-framing", group="events")
def events_that_never_end(site):
    """Lines of data with no empty line behind an event."""
    entry = gateway(site, Service(site, "events", size=400, tick=0.02, end="\n"))
    Crowd(site, "events", entry, **LISTEN).seen()
    shows(site, entry, 20, lambda r: r["bytes"]["server_to_client"] > 65536 and not r["messages"]["server_to_client"])
    return site.findings(entry)


@case("streams-that-cannot-resume", fault="sse-no-resume", group="events")
def streams_that_cannot_resume(site):
    """Streams end in an orderly way every few seconds; their events have no ids, and clients lose what is in between."""
    entry = gateway(site, Service(site, "events", tick=0.1, age=(2, 7)))
    Crowd(site, "events", entry, clients=30, seconds=18, back=(0.5, 2)).seen()
    shows(site, entry, 60, lambda r: r.get("reconnect") and not r["reconnect"]["resumed"])
    return site.findings(entry)


@case("retry-at-once", fault="sse-retry-storm", group="events")
def retry_at_once(site):
    """The service tells clients to come back after 50 ms, and ends each stream at once."""
    entry = gateway(site, Service(site, "events", tick=0.05, age=(0.05, 0.1), retry=50, ids=True))
    Crowd(site, "events", entry, clients=20, seconds=12, back=(0.05, 0.06), resumes=True).seen()
    shows(site, entry, 500, lambda r: ended(r, "upstream", "complete") and r["duration_seconds"] < 0.5)
    return site.findings(entry)


@case("no-worker-left", fault={"sse-worker-pool-exhaustion", "upstream-handshake-hang-504"}, group="events")
def no_worker_left(site):
    """Each stream takes one of 12 workers; who comes later waits for an answer that does not come."""
    service = Service(site, "events", tick=0.2, workers=12, ids=True)
    entry = gateway(site, service, route="timeouts: { response_head: 2s }")
    Crowd(site, "events", entry, clients=12, seconds=18, stay=(5, 9), back=(0, 0.1), ramp=(0, 0.5))
    Crowd(site, "events", entry, clients=20, seconds=18, stay=(5, 9), back=(0.5, 1.5), ramp=(1, 2)).seen()
    shows(site, entry, 40, lambda r: r["handshake"]["result"] == "timeout")
    return site.findings(entry)


@case("compressed-and-not-flushed", fault="sse-gzip-buffering", group="events")
def compressed_and_not_flushed(site):
    """The service compresses for clients that ask for it, and sends what its compressor has when a block is full."""
    entry = gateway(site, Service(site, "events", gzip="held", size=600, tick=0.1), route=TIMES)
    plain = Crowd(site, "events", entry, **LISTEN | {"clients": 15})
    Crowd(site, "events", entry, **LISTEN, headers={"Accept-Encoding": "gzip"}).seen()
    plain.seen()
    shows(site, entry, 30, lambda r: coded(r) and r["event_stream"]["reads"] < 4 * r["duration_seconds"])
    return site.findings(entry)


@case("gzip-for-everybody", fault="sse-gzip-buffering", group="events")
def compressed_for_all(site):
    """The same where every client asks for compression."""
    entry = gateway(site, Service(site, "events", gzip="held", size=600, tick=0.1), route=TIMES)
    Crowd(site, "events", entry, **LISTEN, headers={"Accept-Encoding": "gzip"}).seen()
    shows(site, entry, 30, lambda r: coded(r) and r["event_stream"]["reads"] < 4 * r["duration_seconds"])
    return site.findings(entry)


GZIP = {"headers": {"Accept-Encoding": "gzip"}}
NGINX_GZIP = "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;"


@case("nginx-compresses-and-keeps", fault="sse-gzip-buffering", group="events")
def nginx_compresses_and_keeps(site):
    """nginx behind the gateway compresses for clients that ask for it, and keeps what is less than a buffer of it."""
    proxy = nginx(site, Service(site, "events", tick=0.1), "proxy_http_version 1.1;" + NGINX_GZIP)
    entry = gateway(site, proxy)
    plain = Crowd(site, "events", entry, **LISTEN | {"clients": 15})
    Crowd(site, "events", entry, **LISTEN, **GZIP).seen()
    plain.seen()
    shows(site, entry, 15, lambda r: r["messages"]["server_to_client"] > 20)
    return site.findings(entry)


@case("held-back-to-the-end-by-gzip", fault="sse-gzip-buffering", group="events")
def held_back_to_the_end(site):
    """The same where streams end by themselves after some seconds: then all of one comes at once."""
    service = Service(site, "events", ids="count", resumes=True, tick=0.1, age=(2, 6))
    entry = gateway(site, nginx(site, service, "proxy_http_version 1.1;" + NGINX_GZIP))
    plain = Crowd(site, "events", entry, **COME_BACK | {"clients": 15}, resumes=True)
    Crowd(site, "events", entry, **COME_BACK, **GZIP).seen()
    plain.seen()
    shows(site, entry, 30, lambda r: coded(r) and r["handshake"]["seconds"] + r["duration_seconds"] > 1.5)
    return site.findings(entry)


@healthy("few-events-compressed", group="healthy")
def few_events_compressed(site):
    """A feed that has an event every few seconds, compressed and flushed for some; others listen to it as it is."""
    entry = gateway(site, Service(site, "events", gzip="flushed", ids=True, paces=(2, 4)))
    plain = Crowd(site, "events", entry, **LISTEN | {"clients": 15})
    Crowd(site, "events", entry, **LISTEN, **GZIP).seen()
    plain.seen()
    shows(site, entry, 20, lambda r: coded(r) and r["event_stream"]["reads"] <= r["duration_seconds"])
    return site.findings(entry)


@healthy("compressed-and-flushed-each-time", group="healthy")
def compressed_and_flushed(site):
    """The service compresses, and flushes each event."""
    entry = gateway(site, Service(site, "events", gzip="flushed", ids=True, tick=0.1), route=TIMES)
    plain = Crowd(site, "events", entry, **LISTEN | {"clients": 15})
    Crowd(site, "events", entry, **LISTEN, headers={"Accept-Encoding": "gzip"}).seen()
    plain.seen()
    shows(site, entry, 30, lambda r: coded(r) and r["event_stream"]["reads"] > 5 * r["duration_seconds"])
    return site.findings(entry)


@case("ids-that-are-ignored", fault="sse-no-resume", group="events")
def ids_that_are_ignored(site):
    """Streams end after a while; clients come back with `Last-Event-ID`, and the service goes on with what is new."""
    entry = gateway(site, Service(site, "events", ids="count", tick=0.1, age=(2, 6)), route=SESSIONS)
    Crowd(site, "events", entry, **COME_BACK, resumes=True).seen()
    shows(site, entry, 30, lambda r: (r["event_stream"].get("skipped_events") or 0) > 2)
    return site.findings(entry)


@case("streams-without-ids", fault="sse-no-resume", group="events")
def streams_without_ids(site):
    """Streams end after a while, and events have no ids to go on from."""
    entry = gateway(site, Service(site, "events", tick=0.1, age=(2, 6)), route=SESSIONS)
    Crowd(site, "events", entry, **COME_BACK, resumes=True).seen()
    shows(site, entry, 30, lambda r: r.get("reconnect") and not r["event_stream"]["ids"])
    return site.findings(entry)


@trap("ids-gone-on-from", group="events", wrong="sse-no-resume")
def ids_gone_on_from(site):
    """The same, and the service goes on behind `Last-Event-ID`."""
    entry = gateway(site, Service(site, "events", ids="count", tick=0.1, age=(2, 6), resumes=True), route=SESSIONS)
    Crowd(site, "events", entry, **COME_BACK, resumes=True).seen()
    shows(site, entry, 30, lambda r: (r.get("reconnect") or {}).get("resumed") and r["event_stream"]["ids"])
    return site.findings(entry)


def coded(record):
    return (record.get("event_stream") or {}).get("coding") == "gzip"
