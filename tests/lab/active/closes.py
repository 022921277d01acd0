"""Connections that come about and end at once, or after a message."""

from harness import wire

from .. import client, service
from ..case import case


@case("handler-returns-at-once", fault="handler-exits-early", group="closes")
def handler_returns(site):
    app = service.websocket(site, lambda connection: None)
    site.shows(client.ending(f"ws://{app}/")[0] == 1000, "it closes at once")
    return site.diagnose(f"ws://{app}/")


@case("handler-answers-one-message", fault="handler-exits-early", group="closes")
def handler_answers_one(site):
    app = service.websocket(site, lambda connection: connection.send(connection.recv()))
    front = site.haproxy(f"server app {app}")
    site.shows(client.ending(f"ws://{front}/", ["hello"])[0] == 1000, "it closes after the answer")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("closed-4401-after-open", fault="ws-auth-401", group="closes")
def closed_4401(site):
    app = service.websocket(site, lambda connection: connection.close(4401, "token expired"))
    site.shows(client.ending(f"ws://{app}/")[0] == 4401, "it closes with 4401")
    return site.diagnose(f"ws://{app}/", "-H", "Authorization: Bearer old")


@case("policy-violation-without-token", fault="ws-auth-401", group="closes")
def policy_violation(site):
    app = service.websocket(site, lambda connection: connection.close(1008, "authentication required"))
    front = site.caddy(f"reverse_proxy {app}")
    site.shows(client.ending(f"ws://{front}/")[0] == 1008, "it closes with 1008")
    return site.diagnose(f"ws://{front}/", direct=app)


@case("handler-raises-on-a-message", fault="server-exception-1011-or-overload-1012-1013", group="closes")
def handler_raises(site):
    def handler(connection):
        for _ in connection:
            raise KeyError("op")

    app = service.websocket(site, handler)
    site.shows(client.ending(f"ws://{app}/", ["hello"])[0] == 1011, "it closes with 1011")
    return site.diagnose(f"ws://{app}/")


@case("try-again-later-1013", fault="server-exception-1011-or-overload-1012-1013", group="closes")
def try_again_later(site):
    app = service.websocket(site, lambda connection: connection.close(1013, "try again later"))
    site.shows(client.ending(f"ws://{app}/")[0] == 1013, "it closes with 1013")
    return site.diagnose(f"ws://{app}/")


@case("compressed-without-agreement", fault="frame-protocol-error-1002-rsv-deflate", group="closes")
def compressed_without_agreement(site):
    def say(sock, rest):
        sock.sendall(bytes([0xC1, 7]) + bytes.fromhex("f248cdc9c90700"))
        service.raw_echo(sock, rest)

    app = site.raw(service.joined(say))
    site.shows(client.ending(f"ws://{app}/")[0] in (1002, 1006), "a client refuses the frame")
    return site.diagnose(f"ws://{app}/")


@case("agreement-on-compression-lost-by-a-proxy", fault="frame-protocol-error-1002-rsv-deflate", group="closes")
def agreement_lost(site):
    app = service.echo(site, compression="deflate")
    front = site.haproxy(f"http-response del-header Sec-WebSocket-Extensions\nserver app {app}")
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    answer = client.handshake(f"ws://{front}/", offer)
    site.shows(answer.status == 101 and not answer.header("sec-websocket-extensions"), "the answer is stripped")
    answer.sock.sendall(wire.frame(1, b"hello" * 20, mask=True))
    site.shows(answer.sock.recv(1)[0] & 0x40, "it is compressed all the same")
    return site.diagnose(f"ws://{front}/", "--checks", "deflate", direct=app)


@case("text-that-is-no-utf8", fault="invalid-utf8-1007", group="closes")
def no_utf8(site):
    def say(sock, rest):
        sock.sendall(wire.frame(1, "消息".encode()[:4]))
        service.raw_echo(sock, rest)

    app = site.raw(service.joined(say))
    site.shows(client.ending(f"ws://{app}/")[0] in (1007, 1006), "a client refuses the text")
    return site.diagnose(f"ws://{app}/")


@case("two-writers-on-one-connection", fault="concurrent-write-corruption", group="closes")
def two_writers(site):
    def say(sock, rest):
        one, other = wire.frame(1, b"a" * 300), wire.frame(1, b"b" * 200)
        for _ in range(20):
            sock.sendall(one[:100] + other + one[100:])
        service.raw_echo(sock, rest)

    app = site.raw(service.joined(say))
    site.shows(client.ending(f"ws://{app}/")[0] in (1002, 1006), "a client loses the frames' borders")
    return site.diagnose(f"ws://{app}/")
