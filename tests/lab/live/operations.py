"""What operators and machines do to a service: deploys, crashes, reloads, stalls, and what clients make of them."""

import os
import signal
import time

from harness.processes import free_port

from ..case import case, trap
from .scene import UPGRADES, Crowd, Service, ended, gateway, near, nginx, shows

RESTART = "rolling-deploy-or-restart"
CRASH = "server-crash-or-oom"
STALL = {"event-loop-block-late-pong", "event-loop-stall-or-gc-pause"}
DOWN = "upstream-down-502-503"
OVERLOADED = "server-exception-1011-or-overload-1012-1013"


@case("restart-one-after-the-other", fault=RESTART, group="operations")
def restart_one_after_the_other(site):
    """Two upstreams are replaced one after the other; each says 1012 to its clients."""
    services = [Service(site, "chat", notice=1012, tick=0.5) for _ in range(2)]
    entry = gateway(site, *services, route="fail_timeout: 1s")
    crowd = Crowd(site, "chat", entry, clients=60, seconds=20, say=(0.3, 1), stay=(5, 30), back=(0.2, 2))
    time.sleep(7)
    for service in services:
        service.restart(1)
        time.sleep(4)
    crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "service_restart", 1012))
    return site.findings(entry)


@case("restart-without-a-word", fault={RESTART, CRASH}, also=[DOWN], group="operations")
def restart_without_a_word(site):
    """One of two upstreams is replaced, and its process ends at SIGTERM with no Close frame."""
    services = [Service(site, "chat", tick=0.5) for _ in range(2)]
    entry = gateway(site, *services, route="fail_timeout: 1s")
    crowd = Crowd(site, "chat", entry, clients=60, seconds=18, say=(0.3, 1), stay=(5, 30), back=(0.2, 2))
    time.sleep(9)
    services[0].restart(1)
    crowd.seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


@case("crash", fault={CRASH, RESTART}, also=[DOWN], group="operations")
def crash(site):
    """The only upstream is killed under its clients, and is down for 3 s."""
    service = Service(site, "chat", tick=0.5)
    entry = gateway(site, service)
    crowd = Crowd(site, "chat", entry, clients=60, seconds=18, say=(0.3, 1), stay=(5, 30), back=(0.3, 2))
    time.sleep(8)
    service.kill()
    time.sleep(3)
    service.start()
    crowd.seen()
    shows(site, entry, 50, lambda r: ended(r, "upstream", "abnormal"))
    shows(site, entry, 20, lambda r: r["handshake"]["result"] == "unreachable")
    return site.findings(entry)


@case("crash-of-one-of-three", fault={CRASH, RESTART}, also=[DOWN], group="operations")
def crash_of_one_of_three(site):
    """One upstream of three is killed and stays down; the others carry on."""
    services = [Service(site, "chat", tick=0.5) for _ in range(3)]
    entry = gateway(site, *services, route="fail_timeout: 2s")
    crowd = Crowd(site, "chat", entry, clients=90, seconds=18, say=(0.3, 1), stay=(5, 30), back=(0.3, 2))
    time.sleep(8)
    services[1].kill()
    crowd.seen()
    shows(site, entry, 20, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


@case("reload-of-a-proxy-in-front", fault="proxy-reload-drain", group="operations")
def reload_of_a_proxy_in_front(site):
    """nginx before the gateway is reloaded: its old worker closes all 2 s later, whatever upstream they have."""
    entry = gateway(site, *(Service(site, "chat", tick=0.5) for _ in range(2)), trusted="127.0.0.1/32")
    proxy = nginx(site, entry, main="worker_shutdown_timeout 2s;")
    sources = [f"127.0.3.{n}" for n in range(1, 61)]
    more = {"clients": 60, "say": (0.3, 1), "stay": (5, 30), "back": (0.2, 2), "sources": sources}
    crowd = Crowd(site, "chat", proxy, seconds=20, **more)
    for _ in range(2):
        time.sleep(7)
        os.kill(site.pid(f"127.0.0.1:{proxy}"), signal.SIGHUP)
    crowd.seen()
    shows(site, entry, 80, lambda r: ended(r, "client", "abnormal"))
    return site.findings(entry)


@case("reload-of-a-proxy-behind", fault={"proxy-reload-drain", RESTART}, group="operations")
def reload_of_a_proxy_behind(site):
    """nginx between the gateway and two services is reloaded; from here each of its ports is an upstream."""
    services = [Service(site, "chat", tick=0.5) for _ in range(2)]
    other = free_port()
    proxy = nginx(site, services[0], main="worker_shutdown_timeout 2s;", http=(
        f"server {{ listen 127.0.0.1:{other}; location / {{ {UPGRADES}"
        f" proxy_pass http://127.0.0.1:{services[1].port}; }} }}"
    ))
    entry = gateway(site, proxy, other)
    crowd = Crowd(site, "chat", entry, clients=60, seconds=20, say=(0.3, 1), stay=(5, 30), back=(0.2, 2))
    for _ in range(2):
        time.sleep(7)
        os.kill(site.pid(f"127.0.0.1:{proxy}"), signal.SIGHUP)
    crowd.seen()
    shows(site, entry, 80, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


SHUTS_DOWN = "worker_shutdown_timeout 2s;"
TALKS = {"clients": 60, "say": (0.3, 1), "stay": (5, 30), "back": (0.2, 2)}


@case("reload-of-the-hop-behind", fault="proxy-reload-drain", group="operations")
def reload_of_the_hop_behind(site):
    """nginx between the gateway and the service is reloaded: its old worker closes what it still has 2 s later."""
    proxy = nginx(site, Service(site, "chat", tick=0.5), main=SHUTS_DOWN)
    entry = gateway(site, proxy)
    crowd = Crowd(site, "chat", entry, **TALKS, seconds=20)
    time.sleep(10)
    os.kill(site.pid(f"127.0.0.1:{proxy}"), signal.SIGHUP)
    crowd.seen()
    shows(site, entry, 30, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


@trap("service-behind-nginx-dies", right=[CRASH], wrong=["proxy-reload-drain"], also=[DOWN], group="operations")
def service_behind_nginx_dies(site):
    """The service behind an nginx is killed, and down for 3 s; nginx stays, and answers 502."""
    service = Service(site, "chat", tick=0.5)
    entry = gateway(site, nginx(site, service))
    crowd = Crowd(site, "chat", entry, **TALKS, seconds=20)
    time.sleep(10)
    service.kill()
    time.sleep(3)
    service.start()
    crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "abnormal"))
    shows(site, entry, 20, lambda r: r["handshake"]["status"] == 502)
    return site.findings(entry)


@trap("everybody-dropped-by-who-stays", wrong=[CRASH, RESTART, "proxy-reload-drain"], group="operations")
def everybody_dropped_by_who_stays(site):
    """The service drops all its clients without a word at one moment, and is there as before."""
    service = Service(site, "chat", tick=0.5)
    entry = gateway(site, service)
    crowd = Crowd(site, "chat", entry, **TALKS, seconds=20)
    time.sleep(10)
    service.signal(signal.SIGUSR1)
    crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "upstream", "abnormal"))
    return site.findings(entry)


@case("reconnect-storm", fault="reconnect-storm", also=[CRASH, RESTART, DOWN], group="operations")
def reconnect_storm(site):
    """After a crash all clients come back every second to a service that is not ready, all at the same moment."""
    service = Service(site, "chat", tick=0.5, warms_up=7)
    time.sleep(7)
    entry = gateway(site, service)
    crowd = Crowd(site, "chat", entry, clients=120, seconds=25, say=(1, 3), back=(1, 1), lockstep=True, ramp=(0, 4))
    time.sleep(9)
    service.kill()
    service.start()
    crowd.seen()
    shows(site, entry, 100, lambda r: ended(r, "upstream", "abnormal"))
    shows(site, entry, 500, lambda r: r["handshake"]["result"] == "server_error")
    return site.findings(entry)


@case("stalls-that-cost-connections", fault=STALL, group="operations")
def stalls_that_cost_connections(site):
    """The service stops for 3 s now and then; clients whose Pings stay unanswered for a second leave."""
    services = [Service(site, "chat", tick=0.3) for _ in range(2)]
    entry = gateway(site, *services)
    crowd = Crowd(site, "chat", entry, clients=60, seconds=24, say=(0.3, 1), keepalive=(0.7, 1), back=(0.2, 2))
    for _ in range(3):
        time.sleep(4)
        services[0].stall(3)
    crowd.seen()
    shows(site, entry, 40, lambda r: ended(r, "client", code=1011))
    return site.findings(entry)


@case("stalls-that-cost-time", fault=STALL, group="operations")
def stalls_that_cost_time(site):
    """The service stops for 2 s now and then; nobody leaves, all of them wait."""
    services = [Service(site, "chat", tick=0.2) for _ in range(2)]
    entry = gateway(site, *services)
    crowd = Crowd(site, "chat", entry, clients=60, seconds=24, say=(0.3, 1), pings=(0.4, 0.6), stay=(6, 10), back=(0.2, 1))
    for _ in range(4):
        time.sleep(3)
        services[0].stall(2)
    crowd.seen()
    late = late_pongs(entry)
    site.shows(late >= 60, f"a Pong of the upstream took more than a second {late} times, not 60")
    return site.findings(entry)


def late_pongs(entry):
    """Pongs of the upstream that took more than a second."""
    samples, name = entry.metrics(), "websocket_heartbeat_rtt_seconds"
    labels = 'route="lab",peer="upstream"'
    return samples[f"{name}_count{{{labels}}}"] - samples[f'{name}_bucket{{{labels},le="1.0"}}']


@case("old-connections-stay", fault="long-lived-imbalance", group="operations")
def old_connections_stay(site):
    """A second upstream comes when the first has all connections; new ones go to both in turn."""
    first = Service(site, "chat", tick=0.5)
    second = Service(site, "chat", tick=0.5)
    second.kill()
    entry = gateway(site, first, second, route="balance: round_robin, fail_timeout: 1s")
    Crowd(site, "chat", entry, clients=70, seconds=60, say=(0.5, 1), ramp=(0, 3))
    time.sleep(5)
    second.start()
    Crowd(site, "chat", entry, clients=12, seconds=60, say=(0.5, 1), stay=(3, 8), back=(0.5, 2))
    time.sleep(18)
    fewest, *_, most = per_upstream(entry)
    site.shows(0 < 3 * fewest < most, f"one upstream has {most} connections, another {fewest}")
    return site.findings(entry)


def per_upstream(entry):
    """Open connections of each upstream, least first."""
    live = [connection["upstream"] for connection in entry.live()]
    return sorted(map(live.count, set(live)))


@case("overload-told-by-code", fault=OVERLOADED, group="operations")
def overload_told_by_code(site):
    """The service sheds what it cannot carry with 1013."""
    entry = gateway(site, Service(site, "chat", age=(0.5, 6), code=1013, words="overloaded", tick=0.3))
    Crowd(site, "chat", entry, clients=50, seconds=15, say=(0.3, 1), back=(0.5, 3)).seen()
    shows(site, entry, 80, lambda r: ended(r, "upstream", "try_again_later", 1013))
    return site.findings(entry)
