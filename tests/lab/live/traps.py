"""Look-alikes, and two causes at once: what a hasty reading of the closes gets wrong."""

import json
import time
import urllib.request

from ..case import Said, trap
from ..site import run
from .operations import CRASH, RESTART
from .scene import UPGRADES, Crowd, Service, ended, gateway, near, nginx, records, shows
from .timers import BUSY, FALL_QUIET, LIFETIME, cut_in_silence

IDLE = "idle-timeout-l7-proxy"


@trap("own-idle-timeout", right=["own-limit"], wrong=[IDLE, "idle-timeout-l4-cloud", "max-lifetime"], group="traps")
def own_idle_timeout(site):
    """The timer that ends silent connections is the gateway's own `timeouts.idle`."""
    entry = gateway(site, Service(site, "chat"), route="timeouts: { idle: 2s }")
    crowds = [Crowd(site, "chat", entry, **kind) for kind in (FALL_QUIET, BUSY)]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "proxy", "timeout"))
    return site.findings(entry)


@trap("crash-among-idle-cuts", right=[IDLE], also=[CRASH, RESTART, "upstream-down-502-503"], wrong=LIFETIME, group="traps")
def crash_among_idle_cuts(site):
    """An upstream is killed while nginx before the other one ends what is silent for 2 s."""
    crashes, stays = Service(site, "chat", tick=0.5), Service(site, "chat")
    proxy = nginx(site, stays, "proxy_read_timeout 2s; proxy_send_timeout 2s;" + UPGRADES)
    entry = gateway(site, crashes, proxy, route="fail_timeout: 1s")
    crowd = Crowd(site, "chat", entry, **FALL_QUIET | {"clients": 80, "seconds": 24})
    time.sleep(12)
    crashes.kill()
    time.sleep(3)
    crashes.start()
    crowd.seen()
    shows(site, entry, 30, cut_in_silence(2))
    shows(site, entry, 20, lambda r: ended(r, "upstream", "abnormal") and r["upstream"].endswith(str(crashes.port)))
    return either(site.findings(entry), {CRASH, RESTART}, IDLE)


def either(said, those, beside):
    """The same; the finding `beside` them counts only if one of `those` is found too."""
    if said.outcome == "unasked" or said.ids("high", "medium") & those:
        return said
    return Said(said.outcome, [finding for finding in said.findings if finding["id"] != beside])


@trap("more-closes-where-more-connections-are", group="traps")
def more_closes_where_more_connections_are(site):
    """Clients leave by FIN now and then; one upstream sees twice as many ends, for it is given twice the clients."""
    large, small = Service(site, "chat", tick=0.5), Service(site, "chat", tick=0.5)
    entry = gateway(site, large, large, small)
    crowds = [
        Crowd(site, "chat", entry, clients=clients, seconds=20, say=(0.3, 1), stay=(2, 15), back=(0.5, 2), leave=leave)
        for clients, leave in ((60, 1000), (40, 0))
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "abnormal"))
    upstreams = [record["upstream"] for record in records(entry)]
    most, fewest = upstreams.count(f"http://127.0.0.1:{large.port}"), upstreams.count(f"http://127.0.0.1:{small.port}")
    site.shows(most > 1.4 * fewest, f"one upstream has {most} ends, the other {fewest}")
    return site.findings(entry)


@trap("one-user-agent-that-most-have", group="traps")
def one_user_agent_that_most_have(site):
    """Nine clients of ten are of one version, so most of those that go without a Close frame are too."""
    entry = gateway(site, Service(site, "chat", tick=0.5))
    agents = ["app/2.0"] * 9 + ["app/1.9"]
    crowds = [
        Crowd(site, "chat", entry, clients=clients, seconds=20, say=(0.3, 1), stay=(1, 15), back=(0.5, 3), leave=leave, agents=agents)
        for clients, leave in ((50, 1000), (30, 0))
    ]
    for crowd in crowds:
        crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "client", "abnormal"))
    return site.findings(entry)


@trap("slow-reader-on-a-narrow-link", right=["narrow-link-or-bufferbloat"], wrong=["slow-consumer-client"], group="traps")
def slow_reader_on_a_narrow_link(site):
    """Clients lag far behind, and it is their link that is narrow: they read whatever comes."""
    away = site.netns()
    run("tc", "qdisc", "replace", "dev", away.name, "root", "tbf", *"rate 500kbit burst 16kbit limit 8mb".split())
    entry = gateway(site, Service(site, "chat", tick=0.1, size=4000), listen="0.0.0.0")
    near_by = Crowd(site, "chat", entry, clients=15, seconds=24, stay=(4, 9), back=(0.2, 1))
    Crowd(
        site, "chat", entry, host=away.here, inside=away.inside, clients=8, seconds=24, stay=(9, 11), back=(0.2, 1), leave=-1,
        open_timeout=30,
    ).seen()
    near_by.seen()
    shows(site, entry, 8, lambda r: (r["tcp"]["client"]["close"]["rtt_seconds"] or 0) > 0.3)
    return site.findings(entry)


@trap("storm-after-a-crash", right=["reconnect-storm"], also=[CRASH, RESTART, "upstream-down-502-503"], group="traps")
def storm_after_a_crash(site):
    """The crash comes first, the storm is what clients make of it: both are found, in this order."""
    service = Service(site, "chat", tick=0.5)
    entry = gateway(site, service)
    crowd = Crowd(site, "chat", entry, clients=120, seconds=24, say=(1, 3), back=(1, 1), lockstep=True, ramp=(0, 4))
    time.sleep(10)
    service.kill()
    time.sleep(7)
    service.start()
    crowd.seen()
    shows(site, entry, 100, lambda r: ended(r, "upstream", "abnormal"))
    shows(site, entry, 400, lambda r: r["handshake"]["result"] == "unreachable")
    said = site.findings(entry)
    return either(said, {CRASH, RESTART}, "reconnect-storm") if in_order(said) else Said(said.outcome)


def in_order(said):
    """Whether no storm is dated before the crash that began it."""
    storms = [finding["since"] for finding in said.findings if finding["id"] == "reconnect-storm"]
    crashes = [finding["since"] for finding in said.findings if finding["id"] in (CRASH, RESTART)]
    return not storms or not crashes or min(crashes) <= min(storms)


@trap("application-ends-by-itself", wrong=[IDLE, *LIFETIME], also=["handler-exits-early"], group="traps")
def application_ends_by_itself(site):
    """The service ends each connection with 1000 when its work of 4 s is done: no hop and no timer is at fault."""
    entry = gateway(site, Service(site, "chat", tick=0.5, age=(4, 4), code=1000, words="done"))
    Crowd(site, "chat", entry, clients=40, seconds=20, say=(0.3, 1), stay=(3, 15), back=(1, 6)).seen()
    shows(site, entry, 60, lambda r: ended(r, "upstream", "normal", 1000) and near(r["duration_seconds"], 4))
    return site.findings(entry)


@trap("deploy-that-was-told", right=[RESTART], wrong=[CRASH], group="traps")
def deploy_that_was_told(site):
    """An upstream is replaced without a Close frame, as a crash looks; but the gateway was told of a deploy."""
    services = [Service(site, "chat", tick=0.5) for _ in range(2)]
    entry = gateway(site, *services, route="fail_timeout: 1s")
    crowd = Crowd(site, "chat", entry, clients=60, seconds=18, say=(0.3, 1), stay=(5, 30), back=(0.2, 2))
    time.sleep(9)
    tell(entry, {"kind": "deploy", "subject": "chat 2.4.1"})
    services[0].restart(1)
    crowd.seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


def tell(entry, event):
    """`POST /api/v1/events`."""
    request = urllib.request.Request(
        f"http://{entry.admin}/api/v1/events", json.dumps(event).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()
