"""Single messages that end connections, and clients that have too many of them."""

from ..case import case
from .scene import Crowd, Service, ended, gateway, shows

TALK = {"clients": 40, "seconds": 15, "say": (0.2, 0.6), "stay": (3, 12), "back": (0.2, 1)}


@case("too-big-for-the-server", fault="message-too-big-1009", group="messages")
def too_big_for_the_server(site):
    """Now and then a client says more than the 1000 bytes that the server takes."""
    entry = gateway(site, Service(site, "chat", max_size=1000, tick=0.5))
    Crowd(site, "chat", entry, **TALK, odd=1600, odd_share=0.05, sizes=(20, 900)).seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", "too_big", 1009))
    return site.findings(entry)


@case("too-big-for-the-client", fault="message-too-big-1009", group="messages")
def too_big_for_the_client(site):
    """What the server says is more than clients of one kind take."""
    entry = gateway(site, Service(site, "chat", tick=2, size=5000))
    others = Crowd(site, "chat", entry, **TALK)
    Crowd(site, "chat", entry, **TALK | {"clients": 20}, max_size=4000, agents=["lab-mobile/2.0"]).seen()
    shows(site, entry, 20, lambda r: ended(r, "client", "too_big", 1009))
    return site.findings(entry)


@case("compressed-without-agreement-live", fault="frame-protocol-error-1002-rsv-deflate", group="messages")
def compressed_without_agreement(site):
    """The server sends frames with RSV1 though no extension was agreed."""
    entry = gateway(site, Service(site, "chat", raw="rsv1", raw_after=4, tick=0.5))
    Crowd(site, "chat", entry, **TALK).seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "protocol_error", 1002))
    return site.findings(entry)


@case("text-that-is-not-utf-8", fault="invalid-utf8-1007", group="messages")
def text_that_is_not_utf_8(site):
    """The server now and then sends bytes as text."""
    entry = gateway(site, Service(site, "chat", raw="not_utf8", raw_after=5, tick=0.5))
    Crowd(site, "chat", entry, **TALK).seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "invalid_payload", 1007))
    return site.findings(entry)


@case("exception-in-the-handler", fault="server-exception-1011-or-overload-1012-1013", group="messages")
def exception_in_the_handler(site):
    """One kind of message makes the handler fail."""
    entry = gateway(site, Service(site, "chat", raises='{"op":"x"', tick=0.5))
    Crowd(site, "chat", entry, **TALK, odd='{"op":"x"}', odd_share=0.08).seen()
    shows(site, entry, 30, lambda r: ended(r, "upstream", "internal_error", 1011))
    return site.findings(entry)


@case("clients-with-too-many-sockets", fault="duplicate-connections-client", group="messages")
def clients_with_too_many_sockets(site):
    """A client opens another connection every few seconds and forgets the ones before."""
    entry = gateway(site, Service(site, "chat", tick=0.5), route="client_key: { cookie: session }")
    sources = [f"127.0.4.{n}" for n in range(1, 31)]
    crowd = Crowd(
        site, "chat", entry, clients=30, seconds=18, say=(0.5, 1), stay=(2, 3), back=(0.1, 0.3), doubles=0.9, sources=sources
    )
    site.shows(lambda: most_of_one(entry) >= 4, "a client has four connections")
    crowd.seen()
    return site.findings(entry)


def most_of_one(entry):
    """Open connections of the client that has most."""
    clients = [connection["client"]["ip"] for connection in entry.live()]
    return max(map(clients.count, clients), default=0)
