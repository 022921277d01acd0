"""Connections that a timer ends: silence, age, credentials, deadlines."""

from ..case import case
from .scene import UPGRADES, Crowd, Service, ended, gateway, near, nginx, port_of, shows

# Clients that talk for a while, fall quiet, and come back when they are cut.
FALL_QUIET = {"clients": 40, "seconds": 18, "say": (0.2, 0.6), "talk": (0.5, 4), "back": (0.2, 1)}
BUSY = {"clients": 20, "seconds": 18, "say": (0.2, 0.6), "stay": (4, 15), "back": (0.2, 1)}
IDLE = {"idle-timeout-l7-proxy", "idle-timeout-l4-cloud"}
LIFETIME = {"max-lifetime", "http-server-timeout-applied-to-stream"}


def quiet_and_busy(site, port, **more):
    crowds = [Crowd(site, "chat", port, **FALL_QUIET | more), Crowd(site, "chat", port, **BUSY | more)]
    return [crowd.seen() for crowd in crowds]


def cut_in_silence(seconds, initiator="upstream"):
    return lambda r: ended(r, initiator, "abnormal") and near(r["idle_seconds"]["any"], seconds)


@case("idle-nginx-behind", fault=IDLE, group="timers")
def idle_nginx_behind(site):
    """nginx between the gateway and the service ends what is silent for 2 s."""
    proxy = nginx(site, Service(site, "chat"), "proxy_read_timeout 2s; proxy_send_timeout 2s;" + UPGRADES)
    entry = gateway(site, proxy)
    quiet_and_busy(site, entry)
    shows(site, entry, 60, cut_in_silence(2))
    return site.findings(entry)


@case("idle-haproxy-behind", fault=IDLE, group="timers")
def idle_haproxy_behind(site):
    """HAProxy between the gateway and the service ends what is silent for 3 s."""
    entry = gateway(site, port_of(site.haproxy(f"server one 127.0.0.1:{Service(site, 'chat').port}", "timeout tunnel 3s")))
    quiet_and_busy(site, entry)
    shows(site, entry, 40, cut_in_silence(3))
    return site.findings(entry)


@case("idle-nginx-in-front", fault=IDLE, group="timers")
def idle_nginx_in_front(site):
    """nginx between clients and the gateway ends what is silent for 2 s."""
    entry = gateway(site, Service(site, "chat"), trusted="127.0.0.1/32")
    proxy = nginx(site, entry, "proxy_read_timeout 2s; proxy_send_timeout 2s;" + UPGRADES)
    quiet_and_busy(site, proxy, sources=[f"127.0.3.{n}" for n in range(1, 31)])
    shows(site, entry, 60, cut_in_silence(2, "client"))
    return site.findings(entry)


@case("idle-sse-behind", fault=IDLE | {"sse-idle-cut-no-comment-heartbeat"}, group="timers")
def idle_sse_behind(site):
    """Event streams that fall quiet behind an nginx with a read timeout of 2 s."""
    service = Service(site, "events", quiet=1.5, ids=True)
    entry = gateway(site, nginx(site, service, "proxy_read_timeout 2s; proxy_http_version 1.1;"))
    Crowd(site, "events", entry, clients=30, seconds=18, back=(0.5, 1.5), resumes=True).seen()
    shows(site, entry, 60, lambda r: ended(r, "upstream", "truncated") and near(r["idle_seconds"]["any"], 2))
    return site.findings(entry)


@case("idle-heartbeat-races", fault=IDLE | {"heartbeat-period-vs-timeout-race"}, group="timers")
def idle_heartbeat_races(site):
    """Clients that ping about every 1.9 s, behind an nginx that ends what is silent for 2 s."""
    proxy = nginx(site, Service(site, "chat"), "proxy_read_timeout 2s; proxy_send_timeout 2s;" + UPGRADES)
    entry = gateway(site, proxy)
    Crowd(site, "chat", entry, clients=60, seconds=25, pings=(1.8, 2.02), back=(0.2, 1)).seen()
    shows(site, entry, 20, lambda r: cut_in_silence(2)(r) and r["heartbeat"]["upstream"])
    return site.findings(entry)


@case("lifetime-of-a-hop", fault=LIFETIME, group="timers")
def lifetime_of_a_hop(site):
    """Something before the service ends each connection after 4 s, however busy it is."""
    relay = Service(site, "relay", to=Service(site, "chat", tick=0.5).port, age=(4, 4))
    entry = gateway(site, relay)
    Crowd(site, "chat", entry, clients=50, seconds=20, say=(0.3, 1), stay=(1, 20), back=(0.1, 1)).seen()
    shows(site, entry, 100, lambda r: ended(r, "upstream", "abnormal") and near(r["duration_seconds"], 4))
    return site.findings(entry)


@case("lifetime-of-event-streams", fault=LIFETIME, group="timers", also={"sse-no-resume"})
def lifetime_of_event_streams(site):
    """The server of event streams ends each after 3 s, in the middle of what it sends, and goes on behind no id."""
    relay = Service(site, "relay", to=Service(site, "events", tick=0.2, ids=True).port, age=(3, 3))
    entry = gateway(site, relay)
    Crowd(site, "events", entry, clients=40, seconds=18, back=(0.2, 1), resumes=True).seen()
    shows(site, entry, 100, lambda r: ended(r, "upstream", "truncated") and near(r["duration_seconds"], 3))
    return site.findings(entry)


@case("credential-expires", fault="token-expiry-close", group="timers")
def credential_expires(site):
    """A credential is good for 5 s; clients come with one of any age, and do not renew it at once."""
    service = Service(site, "chat", credential=5, code=4401, words="token expired", tick=0.5)
    entry = gateway(site, service)
    Crowd(site, "chat", entry, clients=60, seconds=20, token="fresh", token_age=(0, 3), back=(0.5, 2)).seen()
    shows(site, entry, 60, lambda r: ended(r, "upstream", "app", 4401))
    return site.findings(entry)


@case("handler-returns", fault="handler-exits-early", group="timers")
def handler_returns(site):
    """The handler answers one message and returns."""
    entry = gateway(site, Service(site, "chat", messages=1, code=1000))
    Crowd(site, "chat", entry, clients=30, seconds=15, say=(0.05, 0.1), back=(0.5, 1.5)).seen()
    shows(site, entry, 100, lambda r: ended(r, "upstream", "normal", 1000) and r["duration_seconds"] < 1)
    return site.findings(entry)


@case("age-of-event-streams", fault=LIFETIME, group="timers")
def age_of_event_streams(site):
    """Something before the service ends each event stream after 4.6 s, which has a comment each second."""
    relay = Service(site, "relay", to=Service(site, "events", quiet=0, comment=True, tick=1).port, age=(4.6, 4.6))
    entry = gateway(site, relay)
    Crowd(site, "events", entry, clients=50, seconds=20, stay=(1, 20), back=(0.1, 1)).seen()
    shows(site, entry, 80, lambda r: ended(r, "upstream") and near(r["duration_seconds"], 4.6))
    return site.findings(entry)


@case("silence-of-event-streams", fault="sse-idle-cut-no-comment-heartbeat", group="timers")
def silence_of_event_streams(site):
    """nginx ends event streams that are silent for 2 s; each falls silent after the same 3 s."""
    service = Service(site, "events", quiet=3, tick=0.5)
    directives = "proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 2s;"
    entry = gateway(site, nginx(site, service, directives))
    Crowd(site, "events", entry, clients=50, seconds=20, stay=(1, 20), back=(0.1, 1)).seen()
    shows(site, entry, 60, lambda r: ended(r, "upstream", "truncated") and near(r["idle_seconds"]["any"], 2))
    return site.findings(entry)
