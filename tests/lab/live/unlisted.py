"""Faults that stand in no catalogue: what is said of them must point to the right place, or admit that it is not known."""

from ..case import ANY_HONEST, case
from ..site import run
from .delays import ON_THE_WAY_IN, tcp
from .scene import Crowd, Service, ended, gateway, shows

BEHIND = {"upstream", "upstream_leg"}
CLIENTS = {"client", "client_leg"}
LIVELY = {"clients": 50, "seconds": 18, "say": (0.1, 1.2), "stay": (4, 15), "back": (0.2, 1)}


@case("closes-after-20-messages", fault=ANY_HONEST, where=BEHIND, group="unlisted")
def closes_after_20_messages(site):
    """The service takes 20 messages of a connection and ends it, however long that takes."""
    entry = gateway(site, Service(site, "chat", messages=20, code=0))
    Crowd(site, "chat", entry, **LIVELY | {"say": (0.05, 0.6)}).seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "abnormal") and r["messages"]["client_to_server"] == 20)
    return site.findings(entry)


@case("one-of-two-corrupts", fault=ANY_HONEST, where=BEHIND, group="unlisted")
def one_of_two_corrupts(site):
    """One of two upstreams sends a frame of no known kind now and then, and clients leave."""
    good, bad = Service(site, "chat", tick=0.5), Service(site, "chat", tick=0.5, raw="reserved_opcode", raw_after=6)
    entry = gateway(site, good, bad)
    Crowd(site, "chat", entry, **LIVELY).seen()
    shows(site, entry, 30, lambda r: ended(r, "client", "protocol_error", 1002) and r["upstream"].endswith(str(bad.port)))
    return site.findings(entry)


@case("large-packets-lost-to-one-network", fault=ANY_HONEST, where=CLIENTS, also=["mtu-blackhole"], group="unlisted")
def large_packets_lost_to_one_network(site):
    """No packet of more than 1400 bytes gets to the clients of one network; they give up when nothing comes."""
    away = site.netns()
    away.nft(ON_THE_WAY_IN % "ip length > 1400 counter drop")
    for name in (away.name, "lo"):
        run("ip", "link", "set", name, "gso_max_segs", "1")
    service = Service(site, "chat", tick=0.4, size=900, large=8, large_share=0.03)
    entry = gateway(site, service, listen="0.0.0.0", route="timeouts: { half_close: 2s }")
    near_by = Crowd(site, "chat", entry, clients=25, seconds=22, stay=(4, 12), say=(0.5, 1), back=(0.2, 1))
    Crowd(
        site, "chat", entry, host=away.here, inside=away.inside, clients=20, seconds=22, say=(0.5, 1), watchdog=2, leave=-1,
        back=(0.2, 1),
    ).seen()
    near_by.seen()
    shows(site, entry, 15, lambda r: ended(r, "client") and tcp(r)["retransmits"] > 1)
    return site.findings(entry)


@case("cut-after-so-many-bytes", fault=ANY_HONEST, where=BEHIND, group="unlisted")
def cut_after_so_many_bytes(site):
    """Something before the service ends each event stream after 16 KiB, however long that takes."""
    service = Service(site, "events", size=400, paces=(0.04, 0.2))
    entry = gateway(site, Service(site, "relay", to=service.port, bytes=16_384))
    Crowd(site, "events", entry, clients=40, seconds=20, back=(0.2, 1)).seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "truncated") and r["bytes"]["server_to_client"] > 15_000)
    return site.findings(entry)


@case("closes-by-the-clock", fault=ANY_HONEST, where=BEHIND, group="unlisted")
def closes_by_the_clock(site):
    """At each full five seconds of the clock the service closes what one of its shards has."""
    entry = gateway(site, Service(site, "chat", wall=5, wall_share=0.5, code=4000, tick=0.5))
    Crowd(site, "chat", entry, **LIVELY).seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "app", 4000) and by_the_clock(r, 5))
    return site.findings(entry)


def by_the_clock(record, seconds):
    """Whether it ended within half a second of a full multiple of so many seconds."""
    second = float(record["closed_at"][17:].rstrip("Z"))
    return min(second % seconds, seconds - second % seconds) < 0.5


@case("one-user-agent-is-turned-away", fault=ANY_HONEST, where=BEHIND | CLIENTS, group="unlisted")
def one_user_agent_is_turned_away(site):
    """The service closes clients of one version with a code of its own, after a while."""
    entry = gateway(site, Service(site, "chat", agent="lab/1.3", code=3010, tick=0.5))
    agents = ["lab/1.0", "lab/1.1", "lab/1.2", "lab/1.3"]
    Crowd(site, "chat", entry, **LIVELY | {"clients": 60}, agents=agents).seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "app", 3010))
    return site.findings(entry)


@case("one-upstream-is-slow-to-answer", fault=ANY_HONEST, where=BEHIND, group="unlisted")
def one_upstream_is_slow_to_answer(site):
    """One of three upstreams takes 2 s for each handshake."""
    slow = Service(site, "chat", tick=0.5, slow_handshake=2)
    entry = gateway(site, slow, *(Service(site, "chat", tick=0.5) for _ in range(2)), route="balance: round_robin")
    Crowd(site, "chat", entry, **LIVELY | {"stay": (1, 4)}).seen()
    shows(site, entry, 30, lambda r: r["handshake"]["seconds"] > 1.8 and r["upstream"].endswith(str(slow.port)))
    return site.findings(entry)
