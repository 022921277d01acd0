"""What runs out."""

import socket
import time

from .. import client, service
from ..case import case
from .establish import UPGRADE

CROWD = ("--checks", "concurrency")


def crowd(url, count, seconds=10):
    """Statuses of so many handshakes (0: it ends, none: nothing comes) that are kept, and the seconds of each."""
    answers, times = [], []
    for _ in range(count):
        began = time.monotonic()
        try:
            answers.append(client.handshake(url, seconds=seconds))
        except TimeoutError:
            answers.append(None)
        times.append(time.monotonic() - began)
    for answer in filter(None, answers):
        answer.sock.close()
    return [answer and answer.status for answer in answers], times


@case("nginx-open-files", fault="fd-limit-proxy", group="capacity")
def nginx_open_files(site):
    return open_files(site, 25, 500)


@case("nginx-open-files-at-accept", fault="fd-limit-proxy", group="capacity")
def nginx_open_files_at_accept(site):
    return open_files(site, 24, None)


def open_files(site, limit, answer):
    """What nginx has no file left for depends on whether their number is odd: the upstream's socket or the client's."""
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}", main=f"worker_rlimit_nofile {limit};")
    seen, _ = crowd(f"ws://{front}/", 12, seconds=0.5)
    site.shows(seen[0] == 101 and seen[-1] == answer, f"those above the limit get {answer}: {seen}")
    return site.diagnose(f"ws://{front}/", *CROWD, direct=app)


@case("nginx-worker-connections", fault="nginx-worker-connections", group="capacity")
def nginx_worker_connections(site):
    app = service.echo(site)
    front = site.nginx(f"location / {{ {UPGRADE} proxy_pass http://{app}; }}", events="worker_connections 16;")
    seen, _ = crowd(f"ws://{front}/", 10)
    site.shows(seen[0] == 101 and seen[-1] == 0, f"some are ended without an answer: {seen}")
    return site.diagnose(f"ws://{front}/", *CROWD, direct=app)


@case("service-does-not-accept", fault="accept-queue-overflow", also="upstream-handshake-hang-504", group="capacity")
def does_not_accept(site):
    proof, app = (socket.create_server(("127.0.0.1", 0), backlog=2) for _ in range(2))
    kept = [socket.create_connection(proof.getsockname(), 1) for _ in range(3)]
    try:
        kept.append(socket.create_connection(proof.getsockname(), 2))
        site.shows(False, "the queue is full")
    except TimeoutError:
        pass
    return site.diagnose("ws://127.0.0.1:%d/" % app.getsockname()[1], *CROWD)


@case("haproxy-queue-expires", fault="upstream-queue-timeout-503", group="capacity")
def haproxy_queue(site):
    app = service.echo(site)
    front = site.haproxy(f"server app {app} maxconn 4", defaults="timeout queue 1s")
    seen, times = crowd(f"ws://{front}/", 5)
    site.shows(seen == [101] * 4 + [503] and 0.9 < times[-1] < 1.5, f"the fifth gets 503 after 1 s: {seen}, {times}")
    return site.diagnose(f"ws://{front}/", *CROWD, direct=app)


@case("app-open-files", fault="fd-limit-app", also={"accept-queue-overflow", "upstream-handshake-hang-504"},
      group="capacity")
def app_open_files(site):
    program = site.folder / "app.py"
    program.write_text(APP)
    app = site.python(program)
    seen, _ = crowd(f"ws://{app}/", 22, seconds=0.5)
    site.shows(seen[0] == 101 and seen[-1] is None, f"some get no answer: {seen}")
    return site.diagnose(f"ws://{app}/", *CROWD)


APP = """\
import asyncio, json, resource, socket, websockets.asyncio.server
async def handler(connection):
    async for message in connection:
        await connection.send(message)
async def main():
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
    async with websockets.asyncio.server.serve(handler, sock=sock, compression=None):
        await asyncio.Future()
asyncio.run(main())
"""
