"""Connections that do not come about."""

from .. import client
from ..case import case


@case("nginx-without-upgrade", fault="ws-upgrade-stripped", group="establish")
def nginx_without_upgrade(site):
    app = site.node("ws-server.mjs")
    front = site.nginx(f"location / {{ proxy_pass http://{app}; }}")
    site.shows(client.status(f"ws://{front}/") in (400, 426), "nginx strips the upgrade")
    site.shows(client.echoes(f"ws://{app}/"), "the app works")
    return site.diagnose(f"ws://{front}/", "--upstream", f"ws://{app}/")
