"""How a gRPC stream ended: the close record tells it as it happened on the wire, whoever ended it, how and when.

Both ends are played frame by frame. A script says what happens: `client text, upstream rst CANCEL`. The other side
must have seen a step before the next one is taken, so the gateway has too.
"""

import contextlib
import signal
import socket
import struct
from collections import Counter

import pytest

from harness.books import messages, total
from harness.calls import balance_calls, call_books, story, verdict
from harness.endings import kill_owner, logged, tally
from harness.gateway import Gateway, config_for
from harness.http2_end import End
from harness.wire import connect, reset

OTHER = {"client": "upstream", "upstream": "client"}
ASK = {
    ":method": "POST", ":scheme": "http", ":path": "/demo.Chat/Talk", ":authority": "localhost",
    "content-type": "application/grpc", "te": "trailers", "grpc-timeout": "30S",
}
ANSWER = {":status": "200", "content-type": "application/grpc"}
TEXT = struct.pack(">BI", 0, 5) + b"hello"
PART = TEXT[:7]
SETTINGS = {"client": {3: 70, 4: 70_000, 5: 17_000}, "upstream": {3: 80, 4: 80_000, 5: 18_000}}


class Side:
    """One end of a stream through the gateway, and its steps; the other end checks what it sees of them."""

    def __init__(self, name, sock):
        self.name, self.sock, self.other = name, sock, None
        self.end_of_wire = End(sock, name == "client", SETTINGS[name])
        self.stream, self.has_head, self.is_seen = 1, False, True

    def sees(self, *expected):
        for what in expected:
            seen = self.end_of_wire.next()
            assert seen.what == what, f"the {self.name} waits for {what}"
            assert seen.stream in (0, self.stream)
        return seen

    def ask(self):
        """The head of the question, that nobody has to see yet."""
        self.has_head = True
        self.end_of_wire.head(self.stream, ASK)

    def head(self):
        """The head of the answer, once."""
        if not self.has_head:
            self.has_head = True
            self.end_of_wire.head(self.stream, ANSWER)
            self.other.sees("head")

    def send(self, data):
        self.head()
        self.end_of_wire.data(self.stream, data)
        if self.is_seen:
            assert self.other.end_of_wire.take(len(data)) == data

    def text(self):
        self.send(TEXT)

    def part(self):
        self.send(PART)

    def half(self):
        """Its half ends; the other one goes on."""
        self.end_of_wire.data(self.stream, b"", "END_STREAM")
        self.other.sees("end")

    def end(self):
        """Its half ends without trailers."""
        self.head()
        self.end_of_wire.data(self.stream, b"", "END_STREAM")

    def trailers(self, **fields):
        self.head()
        fields = {name.replace("_", "-"): text for name, text in fields.items()}
        self.end_of_wire.head(self.stream, fields, "END_STREAM")

    def status(self, code, message=None):
        self.trailers(grpc_status=code, **({"grpc_message": message} if message else {}))

    def no_status(self):
        self.trailers(other="field")

    def only(self, status, code=None):
        """The answer is a head alone."""
        self.has_head = True
        fields = {":status": status, "content-type": ANSWER["content-type"] if status == "200" else "text/plain"}
        fields |= {"grpc-status": code} if code else {}
        self.end_of_wire.head(self.stream, fields, "END_STREAM")

    def rst(self, code):
        self.end_of_wire.rst(self.stream, code)

    def goaway(self, last_stream, code, debug=""):
        self.end_of_wire.goaway(int(last_stream), code, debug)

    def warning(self):
        """The GOAWAY that comes before one that means it."""
        self.goaway(2**31 - 1, "NO_ERROR")

    def goodbye(self, code, debug=""):
        """A GOAWAY for streams to come; this one goes on."""
        self.goaway({"client": 0, "upstream": self.stream}[self.name], code, debug)
        self.end_of_wire.settle()

    def fin(self):
        if self.is_seen:
            self.end_of_wire.settle()
        self.sock.shutdown(socket.SHUT_WR)

    def tcp_rst(self):
        reset(self.sock)

    def killed(self):
        self.end_of_wire.settle()
        kill_owner(self.sock)


class Pair:
    """A client and an upstream, joined by a gateway, who play a script."""

    def __init__(self, gateway, client, upstream):
        self.gateway, self.client, self.upstream = gateway, client, upstream
        client.other, upstream.other = upstream, client
        upstream.sees("head")

    def play(self, script):
        for step in filter(None, script.split(", ")):
            who, what, *arguments = step.split()
            getattr(getattr(self, who), what)(*arguments)

    def leave(self):
        self.client.sock.close()
        self.upstream.sock.close()


@contextlib.contextmanager
def joined(**options):
    """A gateway, and a call through it that has reached the upstream."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Gateway(config=config_for(f"127.0.0.1:{listener.getsockname()[1]}", **options)) as gateway,
        connect(gateway.port) as to_gateway,
    ):
        client = Side("client", to_gateway)
        client.ask()
        listener.settimeout(10)
        from_gateway, _ = listener.accept()
        with from_gateway:
            from_gateway.settimeout(10)
            from_gateway.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield gateway, Pair(gateway, client, Side("upstream", from_gateway))


WHEN = {
    "at once": "",
    "unanswered": "client text, client half",
    "idle": "client text, upstream text",
    "inside a message": "client text, upstream text, client part, upstream part",
    "half closed": "client text, client half, upstream text",
}
CALM = "ENHANCE_YOUR_CALM"
COMPLETE, CUT = "upstream body_end", "upstream body_truncated"
GONE, LOST = "upstream reset UNAVAILABLE", "upstream truncated UNAVAILABLE"
CANCELLED, GAVE_UP = "client client_closed CANCELLED", "client reset CANCELLED"

# What happens; what the other side sees of it; the causes; who ended it, why, and the code.
WAYS = [
    ("upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream status 1", "status 1", COMPLETE, "upstream complete CANCELLED"),
    ("upstream status 4", "status 4", COMPLETE, "upstream complete DEADLINE_EXCEEDED"),
    ("upstream status 9 why", "status 9", COMPLETE, "upstream complete FAILED_PRECONDITION"),
    ("upstream status 17", "status 17", COMPLETE, "upstream complete UNKNOWN"),
    ("upstream status 0, upstream rst NO_ERROR", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream status 0, upstream fin", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream no_status", "status -", CUT, "upstream truncated UNKNOWN"),
    ("upstream end", "end", CUT, "upstream truncated UNKNOWN"),
    ("upstream fin", "status 14", "upstream fin", LOST),
    ("upstream killed", "status 14", "upstream fin", LOST),
    ("upstream tcp_rst", "status 14", "upstream rst", GONE),
    ("upstream goaway 0 NO_ERROR", "status 14", "upstream go_away NO_ERROR", GONE),
    ("upstream goaway 0 NO_ERROR max_age", "status 14", "upstream go_away NO_ERROR", GONE),
    (f"upstream goaway 0 {CALM} too_many_pings", "status 14", f"upstream go_away {CALM}", GONE),
    ("upstream goodbye NO_ERROR, upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream warning, upstream goodbye NO_ERROR, upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream goodbye NO_ERROR max_age, upstream fin", "status 14", "upstream fin", LOST),
    ("upstream goodbye NO_ERROR, upstream tcp_rst", "status 14", "upstream rst", GONE),
    (f"upstream goodbye {CALM} slow, upstream fin", "status 14", f"upstream go_away {CALM}, upstream fin", GONE),
    (f"upstream goodbye {CALM} slow, upstream tcp_rst", "status 14", f"upstream go_away {CALM}, upstream rst", GONE),
    ("client fin", "rst CANCEL", "client fin", CANCELLED),
    ("client killed", "rst CANCEL", "client fin", CANCELLED),
    ("client tcp_rst", "rst CANCEL", "client rst", GAVE_UP),
    ("client goodbye NO_ERROR, upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("client goodbye NO_ERROR, client rst CANCEL", "rst CANCEL", "client rst_stream CANCEL", CANCELLED),
    ("client goodbye NO_ERROR leaving, client fin", "rst CANCEL", "client fin", CANCELLED),
    ("client goodbye NO_ERROR, client tcp_rst", "rst CANCEL", "client rst", GAVE_UP),
    (f"client goodbye {CALM} why, client fin", "rst CANCEL", f"client go_away {CALM}, client fin", GAVE_UP),
]
RESETS = [
    ("upstream", "NO_ERROR", "upstream reset INTERNAL"),
    ("upstream", "PROTOCOL_ERROR", "upstream reset INTERNAL"),
    ("upstream", "INTERNAL_ERROR", "upstream reset INTERNAL"),
    ("upstream", "STREAM_CLOSED", "upstream reset UNKNOWN"),
    ("upstream", "REFUSED_STREAM", "upstream reset UNAVAILABLE"),
    ("upstream", "CANCEL", "upstream reset CANCELLED"),
    ("upstream", "ENHANCE_YOUR_CALM", "upstream reset RESOURCE_EXHAUSTED"),
    ("upstream", "INADEQUATE_SECURITY", "upstream reset PERMISSION_DENIED"),
    ("upstream", "HTTP_1_1_REQUIRED", "upstream reset UNKNOWN"),
    ("client", "NO_ERROR", "client client_closed CANCELLED"),
    ("client", "CANCEL", "client client_closed CANCELLED"),
    ("client", "INTERNAL_ERROR", "client reset INTERNAL"),
    ("client", "REFUSED_STREAM", "client reset UNAVAILABLE"),
    ("client", "ENHANCE_YOUR_CALM", "client reset RESOURCE_EXHAUSTED"),
]
HEADS_ALONE = [
    ("upstream only 200 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream only 200 12", "status 12", COMPLETE, "upstream complete UNIMPLEMENTED"),
    ("upstream only 200", "status -", CUT, "upstream truncated UNKNOWN"),
    ("upstream only 404", "status -", COMPLETE, "upstream complete UNIMPLEMENTED"),
    ("upstream only 503", "status -", COMPLETE, "upstream complete UNAVAILABLE"),
    ("upstream only 503 7", "status 7", COMPLETE, "upstream complete PERMISSION_DENIED"),
]
WAYS += [(f"{side} rst {code}", f"rst {code}", f"{side} rst_stream {code}", told) for side, code, told in RESETS]
ROWS = [(when, *row) for row in WAYS for when in WHEN]
ROWS += [(when, *row) for row in HEADS_ALONE for when in ("at once", "unanswered")]


def steps(script, *names):
    """The arguments of these steps of a script, behind who takes them."""
    split = (step.split() for step in script.split(", ") if step)
    return [(who, *rest) for who, what, *rest in split if what in names]


def sent(script):
    """How many messages each side sends, and bytes of the bodies."""
    whole, parts = steps(script, "text"), steps(script, "part")
    count = {side: (whole.count((side,)), parts.count((side,))) for side in OTHER}
    return (
        tuple(whole for whole, _ in count.values()),
        [whole * len(TEXT) + part * len(PART) for whole, part in count.values()],
    )


def goaways(script, side):
    """What a record tells of the GOAWAY frames of a script."""
    found = [["NO_ERROR"] for who, in steps(script, "warning") if who == side]
    found += [words for who, *words in steps(script, "goodbye") if who == side]
    found += [words for who, _, *words in steps(script, "goaway") if who == side]
    return [{"initiator": side, "error": code, "debug": "".join(debug)} for code, *debug in found]


def check_record(record, script, causes, expected):
    assert (story(record), verdict(record)) == (causes, expected)
    count, sizes = sent(script)
    assert (messages(record), list(record["bytes"].values())) == (count, sizes)
    assert list(record["unsent_bytes"].values()) == [0, 0]
    grpc = record["grpc"]
    assert (grpc["service"], grpc["method"], grpc["deadline_seconds"]) == ("demo.Chat", "Talk", 30)
    assert ("first_message_seconds" in grpc) == (count[1] > 0)
    assert grpc.get("message") == next((text for *_, text in steps(script, "status") if text == "why"), None)
    heads = [(int(status), code) for _, status, *code in steps(script, "only")]
    assert grpc.get("not_grpc") == next((status for status, code in heads if status != 200 and not code), None)
    for side, settings in SETTINGS.items():
        facts = grpc[side]
        shown = [facts[key] for key in ("max_concurrent_streams", "initial_window_size", "max_frame_size")]
        assert [facts["stream"], *shown] == [1, *settings.values()]
        by_peer = [facts["goaway"]] if facts["goaway"] and facts["goaway"]["initiator"] == side else []
        assert by_peer == goaways(script, side)[-1:]


def check_counters(metrics, record, script):
    """Resets, GOAWAY frames and delivered messages: the gateway's own GOAWAY is told too, so it is left out."""
    [who, what, *code] = story(record).split(", ")[0].split()
    resets = tally(metrics, "grpc_stream_resets_total", "initiator", "http2_error")
    assert resets == ({(who, *code): 1} if what == "rst_stream" else {})
    told = Counter((goaway["initiator"], goaway["error"]) for side in OTHER for goaway in goaways(script, side))
    counted = tally(metrics, "grpc_connections_goaway_total", "initiator", "http2_error")
    assert {key: count for key, count in counted.items() if key[0] != "proxy"} == told
    assert total(metrics, "grpc_stream_message_latency_seconds_count") == sum(sent(script)[0])


@pytest.mark.parametrize(("when", "way", "seen", "causes", "expected"), ROWS, ids=[f"{r[1]}, {r[0]}" for r in ROWS])
def test_ending(when, way, seen, causes, expected):
    script = f"{WHEN[when]}, {way}".removeprefix(", ")
    last = way.split(", ")[-1].split()[0]
    with joined() as (gateway, pair):
        pair.play(WHEN[when])
        assert call_books(gateway, active=1) == (1, 0, 1)
        pair.play(way)
        getattr(pair, OTHER[last]).sees(seen)
        [record] = balance_calls(gateway)
        check_record(record, script, causes, expected)
        check_counters(gateway.metrics(), record, script)


@pytest.mark.parametrize("when", WHEN)
def test_silence(when):
    with joined(route="    timeouts: { idle: 1500ms }\n") as (gateway, pair):
        pair.play(WHEN[when])
        pair.client.sees("status 14")
        pair.upstream.sees("rst CANCEL")
        [record] = balance_calls(gateway)
        check_record(record, WHEN[when], "proxy idle_timeout", "proxy timeout UNAVAILABLE")
        assert record["idle_seconds"]["any"] >= 1.5
        check_counters(gateway.metrics(), record, WHEN[when])


@pytest.mark.parametrize("when", WHEN)
def test_drain(when):
    with joined(extra="drain: { window: 1s }\nclosed: { log: closed.log }\n") as (gateway, pair):
        pair.play(WHEN[when])
        gateway.signal(signal.SIGTERM)
        assert {came.what for came in pair.client.end_of_wire.before("status 14")} == {"goaway NO_ERROR"}
        pair.upstream.sees("rst CANCEL")
        [record] = logged(gateway)
        check_record(record, WHEN[when], "proxy drain", "proxy shutdown UNAVAILABLE")
        pair.leave()
        assert gateway.wait() == 0


def test_drain_cuts_a_client_that_does_not_leave():
    """Neither its stream nor its connection outlives the window."""
    with joined(extra="drain: { window: 1s }\nclosed: { log: closed.log }\n") as (gateway, pair):
        pair.play(WHEN["idle"])
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
        [record] = logged(gateway)
        check_record(record, WHEN["idle"], "proxy drain", "proxy shutdown UNAVAILABLE")


AT_ONCE = [
    ("client text, client rst CANCEL", "rst CANCEL", "client rst_stream CANCEL", CANCELLED),
    ("client text, client fin", "rst CANCEL", "client fin", CANCELLED),
    ("client text, client tcp_rst", "rst CANCEL", "client rst", GAVE_UP),
    ("upstream text, upstream status 0", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream text, upstream status 0, upstream fin", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream text, upstream status 0, upstream tcp_rst", "status 0", COMPLETE, "upstream complete OK"),
    ("upstream text, upstream end", "end", CUT, "upstream truncated UNKNOWN"),
    ("upstream text, upstream rst CANCEL", "rst CANCEL", "upstream rst_stream CANCEL", "upstream reset CANCELLED"),
    ("upstream text, upstream fin", "status 14", "upstream fin", LOST),
    ("upstream text, upstream tcp_rst", "status 14", "upstream rst", GONE),
]


@pytest.mark.parametrize(("script", "seen", "causes", "expected"), AT_ONCE, ids=[row[0] for row in AT_ONCE])
def test_all_at_once(script, seen, causes, expected):
    """A message is counted also when it is read together with the end behind it. A reset may overtake it; where it
    does, its bytes were not sent."""
    with joined() as (gateway, pair):
        pair.play("upstream head")
        side = getattr(pair, script.split()[0])
        gateway.signal(signal.SIGSTOP)
        side.is_seen = False
        pair.play(script)
        gateway.signal(signal.SIGCONT)
        passed_on = b"".join(came.data for came in side.other.end_of_wire.before(seen))
        [record] = balance_calls(gateway)
        assert (story(record), verdict(record), messages(record)) == (causes, expected, sent(script)[0])
        assert len(passed_on) + sum(record["unsent_bytes"].values()) == len(TEXT)
        assert passed_on or seen.startswith("rst")


def test_goaway_between_two_streams():
    """Those up to its last one go on, those above it were refused."""
    with joined() as (gateway, pair):
        pair.play("client text, upstream text")
        client, upstream = pair.client.end_of_wire, pair.upstream.end_of_wire
        client.head(3, {**ASK, ":path": "/demo.Chat/Second"})
        assert upstream.next()[:2] == (3, "head")
        upstream.goaway(1, "NO_ERROR", "max_age")
        assert client.next()[:2] == (3, "status 14")
        assert client.next()[:2] == (3, "rst NO_ERROR"), "the rest of the question is not wanted"
        assert call_books(gateway, active=1) == (2, 1, 1)
        pair.play("upstream text, upstream status 0")
        pair.client.sees("status 0")
        first, second = balance_calls(gateway, 2)
        assert (story(first), verdict(first)) == (COMPLETE, "upstream complete OK")
        assert (story(second), verdict(second)) == ("upstream go_away NO_ERROR", GONE)
        assert (messages(first), messages(second)) == ((1, 2), (0, 0))


@pytest.mark.parametrize("side", OTHER)
def test_end_of_a_connection_ends_its_streams(side):
    """Each with a record of its own; one that was reset before is not among them."""
    with joined() as (gateway, pair):
        client, upstream = pair.client.end_of_wire, pair.upstream.end_of_wire
        for stream in (3, 5):
            client.head(stream, ASK)
            assert upstream.next()[:2] == (stream, "head")
        client.rst(3, "CANCEL")
        assert upstream.next()[:2] == (3, "rst CANCEL")
        assert call_books(gateway, active=2) == (3, 1, 2)
        pair.play(f"{side} fin")
        reset = ("client rst_stream CANCEL", "client client_closed CANCELLED")
        cut = {
            "client": ("client fin", "client client_closed CANCELLED"),
            "upstream": ("upstream fin", "upstream truncated UNAVAILABLE"),
        }[side]
        assert Counter((story(r), verdict(r)) for r in balance_calls(gateway, 3)) == Counter([reset, cut, cut])
