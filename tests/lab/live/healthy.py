"""Controls: traffic as it is when nothing is wrong, so that there is nothing to find."""

import signal
import time

from ..case import healthy
from .scene import Crowd, Service, ended, gateway, records, shows


@healthy("steady-chat", group="healthy")
def steady_chat(site):
    """Two upstreams, and clients that talk all the time."""
    entry = gateway(site, *(Service(site, "chat", tick=0.5) for _ in range(2)))
    Crowd(site, "chat", entry, clients=60, seconds=20, say=(0.2, 1), stay=(10, 20), back=(0.5, 3)).seen()
    shows(site, entry, 60, lambda r: ended(r, "client", "normal"))
    return site.findings(entry)


@healthy("visitors-of-a-page", group="healthy")
def visitors_of_a_page(site):
    """Visitors come and go: pages that navigate away say 1001, others 1000."""
    entry = gateway(site, Service(site, "chat", tick=0.5))
    crowds = [
        Crowd(site, "chat", entry, clients=40, seconds=20, say=(0.5, 2), stay=(0.5, 12), back=(0.5, 8), leave=code, sources=sources)
        for code, sources in ((1000, ["127.0.7.1", "127.0.7.2", "127.0.7.3"]), (1001, ["127.0.7.4", "127.0.7.5"]))
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "going_away", 1001))
    return site.findings(entry)


@healthy("idle-with-heartbeat", group="healthy")
def idle_with_heartbeat(site):
    """Clients with nothing to say but a Ping every second."""
    entry = gateway(site, Service(site, "chat"))
    Crowd(site, "chat", entry, clients=60, seconds=20, pings=(0.9, 1.1), stay=(6, 20), back=(1, 4)).seen()
    shows(site, entry, 60, lambda r: ended(r, "client", "normal") and unmissed(r))
    return site.findings(entry)


def unmissed(record):
    """Whether its upstream has answered all Pings; one may be under way at the end."""
    heartbeat = record["heartbeat"]["upstream"]
    return heartbeat and heartbeat["missed"] <= 1


@healthy("event-streams-that-resume", group="healthy")
def event_streams_that_resume(site):
    """Streams with ids; clients reconnect now and then and go on where they were."""
    entry = gateway(site, Service(site, "events", ids="count", resumes=True, tick=0.2))
    Crowd(site, "events", entry, clients=40, seconds=20, stay=(4, 18), back=(0.5, 3), resumes=True).seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "client_closed"))
    return site.findings(entry)


@healthy("grpc-streams", group="healthy")
def grpc_streams(site):
    """Streams in both directions and from the server, of any length, and unary calls beside them."""
    entry = gateway(site, Service(site, "calls"))
    crowds = [
        Crowd(site, "calls", entry, clients=clients, seconds=18, stay=(3, 14), back=(0.3, 2), method=method)
        for clients, method in ((15, "Tick"), (15, "Talk"), (5, "Echo"))
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: r["grpc"]["code"] in ("OK", "CANCELLED"))
    return site.findings(entry)


@healthy("planned-drain", group="healthy")
def planned_drain(site):
    """The gateway itself is told to stop, and sends its clients away over some seconds."""
    entry = gateway(site, Service(site, "chat", tick=0.5), extra="drain: { window: 25s }")
    Crowd(site, "chat", entry, clients=60, seconds=30, say=(0.3, 1), stay=(8, 40), back=(0.3, 2))
    time.sleep(10)
    entry.signal(signal.SIGTERM)
    time.sleep(9)
    site.shows(sum(r["reason"] == "shutdown" for r in records(entry)) > 15, "the gateway has sent 15 clients away")
    return site.findings(entry)


@healthy("load-peak", group="healthy")
def load_peak(site):
    """Five times as many clients come within three seconds, and all are served."""
    entry = gateway(site, *(Service(site, "chat", tick=0.5) for _ in range(2)))
    usual = Crowd(site, "chat", entry, clients=25, seconds=22, say=(0.3, 1), stay=(4, 20), back=(0.5, 3))
    time.sleep(7)
    Crowd(site, "chat", entry, clients=125, seconds=12, say=(0.5, 1.5), stay=(2, 12), ramp=(0, 3)).seen()
    usual.seen()
    shows(site, entry, 125, lambda r: ended(r, "client", "normal"))
    return site.findings(entry)


@healthy("short-mobile-sessions", group="healthy")
def short_mobile_sessions(site):
    """Sessions of any length from many networks; some end with a Close frame, some with FIN, a few with RST."""
    entry = gateway(site, Service(site, "chat", tick=0.4))
    sources = [f"127.{n}.0.1" for n in range(10, 40)]
    crowds = [
        Crowd(
            site, "chat", entry, clients=clients, seconds=20, say=(0.2, 2), stay=(0.3, 9), back=(0.3, 6), leave=leave,
            sources=sources, agents=["app/3.1 iOS", "app/3.1 Android", "app/3.0 Android"],
        )
        for clients, leave in ((40, 1000), (20, 1001), (12, 0), (4, -1))
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 100, lambda r: ended(r, "client"))
    return site.findings(entry)
