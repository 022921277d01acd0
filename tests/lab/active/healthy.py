"""Controls in which there is nothing to find."""

from .. import client, service
from ..case import healthy


@healthy("websockets-library", group="establish")
def websockets_library(site):
    app = service.echo(site)
    site.shows(client.echoes(f"ws://{app}/"), "it echoes")
    return site.diagnose(f"ws://{app}/")
