"""Paths and clients that are slow, lossy or dead: clients stand in networks of their own."""

import signal
import time

from ..case import case
from ..site import run
from .scene import Crowd, Service, ended, gateway, shows

DEAD = {"nat-or-firewall-silent-drop", "client-network-loss"}
SILENT = {"server-ping-timeout-client-silent", "device-sleep-or-app-suspend"}


def tcp(record, leg="client"):
    """What the kernel told of a leg at its end."""
    facts = (record.get("tcp") or {}).get(leg) or {}
    return facts.get("close") or facts.get("last") or facts.get("open")


def rwnd_share(record):
    seen = tcp(record)
    return seen["rwnd_limited_seconds"] / max(seen["busy_seconds"], 0.001)


@case("slow-readers", fault="slow-consumer-client", group="delays")
def slow_readers(site):
    """Ten clients of forty read next to nothing of a stream that the others take with ease."""
    entry = gateway(site, Service(site, "chat", tick=0.1, size=12_000))
    others = Crowd(site, "chat", entry, clients=30, seconds=20, stay=(5, 15), back=(0.2, 1))
    Crowd(
        site, "chat", entry, clients=10, seconds=20, stay=(8, 12), back=(0.2, 1), reads_every=3,
        receive_buffer=4096, leave=-1,
    ).seen()
    others.seen()
    shows(site, entry, 10, lambda r: tcp(r)["busy_seconds"] > 3 and rwnd_share(r) > 0.8)
    return site.findings(entry)


@case("loss-on-the-way-to-clients", fault="packet-loss-retransmission", group="delays")
def loss_on_the_way_to_clients(site):
    """Six packets of a hundred are lost on the way to the clients of one network."""
    away = site.netns()
    away.nft(ON_THE_WAY_IN % "numgen random mod 100 < 6 counter drop")
    entry = gateway(site, Service(site, "chat", tick=0.05, size=1200), listen="0.0.0.0")
    near_by = Crowd(site, "chat", entry, clients=15, seconds=18, stay=(4, 9), say=(0.2, 0.4), back=(0.2, 1))
    Crowd(
        site, "chat", entry, host=away.here, inside=away.inside, clients=20, seconds=18, stay=(4, 9), say=(0.2, 0.4), back=(0.2, 1)
    ).seen()
    near_by.seen()
    shows(site, entry, 20, lambda r: tcp(r)["retransmits"] > 3)
    return site.findings(entry)


ON_THE_WAY_IN = """
table inet lab {
    chain in {
        type filter hook input priority 0; policy accept;
        %s
    }
}
"""


@case("narrow-link", fault="narrow-link-or-bufferbloat", group="delays")
def narrow_link(site):
    """Clients of one network share 600 kbit/s, and their streams want more."""
    away = site.netns()
    run("tc", "qdisc", "replace", "dev", away.name, "root", "tbf", *"rate 600kbit burst 16kbit latency 4s".split())
    entry = gateway(site, Service(site, "chat", tick=0.1, size=1100), listen="0.0.0.0")
    near_by = Crowd(site, "chat", entry, clients=15, seconds=22, stay=(4, 9), back=(0.2, 1))
    Crowd(
        site, "chat", entry, host=away.here, inside=away.inside, clients=9, seconds=22, stay=(7, 10), back=(0.2, 1), open_timeout=30
    ).seen()
    near_by.seen()
    shows(site, entry, 8, lambda r: (tcp(r)["rtt_seconds"] or 0) > 0.3)
    return site.findings(entry)


@case("flows-forgotten-by-a-firewall", fault=DEAD, group="delays")
def flows_forgotten_by_a_firewall(site):
    """A router forgets flows that are silent for 2 s; the server, which says something every 4 s, waits for Pongs."""
    router = site.netns()
    router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
    router.nft(FORGETS)
    away = site.netns(behind=router)
    router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_established=2")
    entry = gateway(site, Service(site, "chat", ping=(4, 3)), listen="0.0.0.0", route=GIVES_UP)
    near_by = Crowd(site, "chat", entry, clients=15, seconds=25, stay=(6, 12), say=(0.2, 0.6), back=(0.2, 1))
    Crowd(
        site, "chat", entry, host=router.here, inside=away.inside, clients=30, seconds=25, say=(0.2, 0.6), talk=(0.5, 4),
        watchdog=9, back=(0.2, 1),
    ).seen()
    near_by.seen()
    shows(site, entry, 25, lambda r: ended(r, "upstream", code=1011) and tcp(r)["unanswered"] > 0)
    return site.findings(entry)


GIVES_UP = "timeouts: { half_close: 2s }"
FORGETS = """
table inet lab {
    chain forward {
        type filter hook forward priority 0; policy accept;
        ct state invalid drop
        ct state new tcp flags & (syn|ack) != syn drop
    }
}
"""


@case("clients-that-vanish", fault=DEAD, group="delays")
def clients_that_vanish(site):
    """One client after the other loses its network in the middle of its work, and comes back with another address."""
    away = site.netns()
    addresses = [f"10.77.1.{n}" for n in range(20, 80)]
    for address in addresses:
        away.run("ip", "address", "add", f"{address}/24", "dev", away.name)
    away.nft(LOSES)
    route = f"client_key: {{ cookie: session }}, {GIVES_UP}"
    entry = gateway(site, Service(site, "chat", tick=0.3, ping=(1, 2)), listen="0.0.0.0", route=route)
    crowd = Crowd(
        site, "chat", entry, host=away.here, inside=away.inside, clients=30, seconds=28, say=(0.2, 0.6), watchdog=1.5,
        back=(0.1, 0.5), moves=30, sources=addresses,
    )
    time.sleep(4)
    for address in addresses[:30]:
        away.run("nft", "add", "element", "inet", "lab", "lost", f"{{ {address} }}")
        time.sleep(0.6)
    crowd.seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", code=1011) and tcp(r)["unanswered"] > 0)
    return site.findings(entry)


LOSES = """
table inet lab {
    set lost { type ipv4_addr; }
    chain in {
        type filter hook input priority 0; policy accept;
        ip daddr @lost drop
    }
    chain out {
        type filter hook output priority 0; policy accept;
        ip saddr @lost drop
    }
}
"""


@case("clients-that-stand-still", fault=SILENT, group="delays")
def clients_that_stand_still(site):
    """Client processes stop for a while, one group after the other; their kernels acknowledge the server's Pings."""
    entry = gateway(site, Service(site, "chat", tick=0.3, ping=(1, 1.5)))
    crowds = [
        Crowd(site, "chat", entry, clients=4, seconds=24, say=(0.2, 0.6), back=(0.2, 1), sources=[f"127.0.6.{n}"]) for n in range(1, 9)
    ]
    time.sleep(4)
    for crowd in crowds:
        crowd.signal(signal.SIGSTOP)
        time.sleep(1.7)
    for crowd in crowds:
        crowd.signal(signal.SIGCONT)
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", code=1011))
    return site.findings(entry)
