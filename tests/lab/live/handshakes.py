"""Handshakes that a service, or a proxy before it, does not let through while a gateway serves others."""

from ..case import case
from .scene import UPGRADES, Crowd, Service, gateway, near, nginx, port_of, shows

COME = {"clients": 30, "seconds": 14, "say": (0.3, 0.8), "stay": (2, 6), "back": (0.3, 1)}
RUNS_OUT = COME | {"clients": 50, "stay": (3, 7), "ramp": (0, 4)}


def refused(result, status=None):
    return lambda r: r["handshake"]["result"] == result and status in (None, r["handshake"]["status"])


@case("nothing-listens", fault="upstream-down-502-503", group="handshakes")
def nothing_listens(site):
    """Nothing listens where the service should be."""
    service = Service(site, "chat")
    service.kill()
    entry = gateway(site, service)
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 200, refused("unreachable"))
    return site.findings(entry)


@case("queue-of-the-listener-full", fault="accept-queue-overflow", also=["upstream-handshake-hang-504"], group="handshakes")
def queue_of_the_listener_full(site):
    """The service accepts nobody: its kernel takes a few and lets the others wait."""
    entry = gateway(site, Service(site, "mute", backlog=4), route="timeouts: { connect: 2s, response_head: 3s }")
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 60, refused("unreachable"))
    return site.findings(entry)


@case("no-answer", fault="upstream-handshake-hang-504", group="handshakes")
def no_answer(site):
    """The service accepts and never answers."""
    entry = gateway(site, Service(site, "mute", backlog=500, accepts=True), route="timeouts: { response_head: 2s }")
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 100, refused("timeout"))
    return site.findings(entry)


@case("upgrade-stripped", fault="ws-upgrade-stripped", group="handshakes")
def upgrade_stripped(site):
    """nginx between the gateway and the service does not pass the upgrade on."""
    entry = gateway(site, nginx(site, Service(site, "chat"), "proxy_http_version 1.1;"))
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 200, lambda r: r["handshake"]["status"] in (400, 426))
    return site.findings(entry)


@case("page-instead-of-a-socket", fault="ws-handshake-200-html", group="handshakes")
def page_instead_of_a_socket(site):
    """nginx answers every path with the application's page."""
    page = "default_type text/html; return 200 '<!doctype html><title>app</title>';"
    entry = gateway(site, port_of(site.nginx(f"location / {{ {page} }}")))
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 200, refused("not_upgraded", 200))
    return site.findings(entry)


@case("redirected", fault="ws-handshake-redirect", group="handshakes")
def redirected(site):
    """nginx sends clients to another path."""
    entry = gateway(site, port_of(site.nginx("location / { return 308 /socket/; }")))
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 200, refused("not_upgraded", 308))
    return site.findings(entry)


@case("credential-of-yesterday", fault={"ws-auth-401", "token-expiry-close"}, group="handshakes")
def credential_of_yesterday(site):
    """Clients are closed when their credential expires, and come back with the same one."""
    entry = gateway(site, Service(site, "chat", credential=6, code=4401, words="token expired", tick=0.5))
    Crowd(site, "chat", entry, clients=40, seconds=16, token="kept", token_age=(0, 3), back=(0.3, 1), ramp=(0, 6)).seen()
    shows(site, entry, 200, refused("client_error", 401))
    return site.findings(entry)


@case("limit-of-a-proxy-by-address", fault="edge-rate-limit-or-ban", group="handshakes")
def limit_of_a_proxy_by_address(site):
    """nginx behind the gateway lets 20 connections of one address through: the gateway's."""
    zone = "limit_conn_zone $binary_remote_addr zone=one:1m;"
    entry = gateway(site, nginx(site, Service(site, "chat", tick=0.5), "limit_conn one 20;" + UPGRADES, http=zone))
    Crowd(site, "chat", entry, **RUNS_OUT).seen()
    shows(site, entry, 60, refused("server_error", 503))
    return site.findings(entry)


@case("queue-of-a-proxy", fault="upstream-queue-timeout-503", group="handshakes")
def queue_of_a_proxy(site):
    """HAProxy lets 20 connections through, and others wait a second for one of them."""
    service = Service(site, "chat", tick=0.5)
    entry = gateway(site, port_of(site.haproxy(f"server one 127.0.0.1:{service.port} maxconn 20", "timeout queue 1s")))
    Crowd(site, "chat", entry, **RUNS_OUT).seen()
    shows(site, entry, 40, lambda r: refused("server_error", 503)(r) and near(r["handshake"]["seconds"], 1))
    return site.findings(entry)


@case("descriptors-of-the-service", fault="fd-limit-app", also=["upstream-handshake-hang-504"], group="handshakes")
def descriptors_of_the_service(site):
    """The service may have 40 files open: it answers nobody beyond."""
    service = Service(site, "chat", tick=0.5, inside=["prlimit", "--nofile=40"])
    entry = gateway(site, service, route="timeouts: { response_head: 2s }")
    Crowd(site, "chat", entry, **RUNS_OUT | {"clients": 60}).seen()
    shows(site, entry, 20, refused("timeout"))
    return site.findings(entry)


@case("descriptors-of-a-proxy", fault="fd-limit-proxy", group="handshakes")
def descriptors_of_a_proxy(site):
    """nginx may have 60 files open, which is enough for some 25 connections."""
    entry = gateway(site, nginx(site, Service(site, "chat", tick=0.5), main="worker_rlimit_nofile 60;"))
    Crowd(site, "chat", entry, **RUNS_OUT).seen()
    shows(site, entry, 20, refused("server_error", 500))
    return site.findings(entry)


@case("slow-handshakes-quick-messages", fault="upstream-handshake-hang-504", group="handshakes")
def slow_handshakes(site):
    """The service takes 1.5 s for each handshake, and answers messages and Pings at once."""
    entry = gateway(site, Service(site, "chat", slow_handshake=1.5))
    Crowd(site, "chat", entry, **COME, pings=(0.5, 1)).seen()
    shows(site, entry, 40, lambda r: r["handshake"]["result"] == "success" and r["handshake"]["seconds"] > 1.4)
    return site.findings(entry)


@case("one-of-two-slow-at-handshakes", fault="upstream-handshake-hang-504", group="handshakes")
def one_of_two_slow(site):
    """Of two upstreams one takes 1.5 s for each handshake."""
    entry = gateway(site, Service(site, "chat", slow_handshake=1.5), Service(site, "chat"))
    Crowd(site, "chat", entry, **COME).seen()
    shows(site, entry, 20, lambda r: r["handshake"]["result"] == "success" and r["handshake"]["seconds"] > 1.4)
    return site.findings(entry)
