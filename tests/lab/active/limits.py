"""Messages that are too large or in too many pieces."""

import json

from harness import wire

from .. import client, service
from ..case import case

# A limit that is told of is no fault by itself: these cases say what their users need.
SIZE = ("--checks", "size", "--message-max", "1MiB")


@case("websockets-max-size", fault="message-too-big-1009", group="limits")
def websockets_max_size(site):
    app = service.echo(site, max_size=1000)
    site.shows(client.ending(f"ws://{app}/", ["x" * 1001])[0] == 1009, "it closes with 1009")
    site.shows(client.echoes(f"ws://{app}/", "x" * 1000), "up to the limit it echoes")
    return site.diagnose(f"ws://{app}/", *SIZE)


@case("node-max-payload-behind-nginx", fault="message-too-big-1009", group="limits")
def node_max_payload(site):
    app = site.node("ws-server.mjs", json.dumps({"maxPayload": 65536}))
    front = site.nginx(
        f"location / {{ proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
        f" proxy_set_header Connection $connection_upgrade; proxy_pass http://{app}; }}")
    site.shows(client.ending(f"ws://{front}/", ["x" * 65537])[0] == 1009, "it closes with 1009")
    return site.diagnose(f"ws://{front}/", *SIZE, direct=app)


@case("continuation-refused-1003", fault="fragmentation-not-supported", group="limits")
def continuation_refused(site):
    def speak(sock, rest):
        for opcode, first, payload in service.frames(sock, rest):
            if opcode == 8:
                return sock.sendall(wire.frame(8, payload))
            if opcode == 0 or not first & 0x80:
                return sock.sendall(wire.close_frame(1003))
            if opcode in (1, 2, 9):
                sock.sendall(wire.frame(10 if opcode == 9 else opcode, payload))

    app = site.raw(service.joined(speak))
    site.shows(client.echoes(f"ws://{app}/"), "whole messages come back")
    site.shows(client.ending(f"ws://{app}/", [["in ", "pieces"]])[0] == 1003, "pieces are refused")
    return site.diagnose(f"ws://{app}/", "--checks", "fragments")


@case("only-the-first-piece-is-read", fault="fragmentation-not-supported", group="limits")
def first_piece(site):
    def speak(sock, rest):
        for opcode, _, payload in service.frames(sock, rest):
            if opcode == 8:
                return sock.sendall(wire.frame(8, payload))
            if opcode in (1, 2, 9):
                sock.sendall(wire.frame(10 if opcode == 9 else opcode, payload))

    app = site.raw(service.joined(speak))
    with client.websocket(f"ws://{app}/") as connection:
        connection.send(["in ", "pieces"])
        site.shows(connection.recv(timeout=5) == "in ", "the message is cut")
    return site.diagnose(f"ws://{app}/", "--checks", "fragments")
