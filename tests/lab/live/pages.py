"""Pages in browsers: what they forget, and what their browsers allow them."""

from ..case import case
from .scene import Crowd, Service, ended, gateway, records, shows

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@case("old-sockets-stay-open-in-the-page", fault="duplicate-connections-client", group="messages")
def old_sockets_stay(site):
    """Twelve pages open a new WebSocket at each navigation, and keep the old one until the page is closed."""
    entry = gateway(site, Service(site, "chat", tick=0.5))
    Crowd(
        site, "chat", entry, clients=12, seconds=18, stay=(3, 4), back=(0.2, 0.5), doubles=1,
        sources=[f"127.0.2.{n}" for n in range(1, 13)],
    ).seen()
    site.shows(lambda: len(records(entry)) > 40, "each has had several")
    return site.findings(entry)


@case("browsers-with-eight-tabs", fault="sse-browser-6-connection-limit", group="events")
def eight_tabs(site):
    """Five browsers with eight tabs each over HTTP/1.1: six have their stream, and two wait for an end."""
    entry = gateway(site, Service(site, "events", tick=0.3))
    Crowd(
        site, "events", entry, clients=40, seconds=18, stay=(4, 7), back=(1, 2), agents=[FIREFOX], places=6,
        sources=[f"127.0.2.{n}" for n in range(1, 6)],
    ).seen()
    shows(site, entry, 60, lambda r: ended(r, "client") and r["duration_seconds"] > 3)
    return site.findings(entry)
