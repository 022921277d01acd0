"""A case of the laboratory, what was said of it, and the judgement."""

import dataclasses
import hashlib

# A fault of no catalogue: right is a finding at the right place, or an honest "inconclusive".
ANY_HONEST = "any honest answer"

# They say only what was seen: true, and no cause. Of a fault of the catalogue they count as nothing said.
GENERAL = {
    "closed-early", "connections-limited", "echo-altered", "ends-unexplained", "handshake-invalid",
    "handshake-refused", "intermittent-handshake", "messages-lost", "not-the-protocol", "stream-deviates", "stream-stalls",
    "tls-failed",
}

SURE = ("high", "medium")
VERDICTS = ("right", "inconclusive", "missed", "wrong", "wrong_high", "broken")

CASES = {}


class Unshown(AssertionError):
    """The case did not show its fault, so that nothing follows from what is said of it."""


@dataclasses.dataclass
class Said:
    """What Heartline said: findings as in the contract, and `healthy`, `problem`, `inconclusive`, `could_not_test`
    or `unasked`."""

    outcome: str
    findings: list = dataclasses.field(default_factory=list)
    stages: list = dataclasses.field(default_factory=list)

    def ids(self, *levels):
        """Ids of findings at these levels; those that only inform are no claim of a fault."""
        return {f["id"] for f in self.findings if f["level"] in levels and f.get("severity") != "info"}


@dataclasses.dataclass(frozen=True)
class Case:
    """`right`: ids of which one must be found (of a trap: all); `also`: ids that are true beside them; `wrong`: ids
    that must not be found; `where`: places of a fault of no catalogue, as findings name them; `seconds`: its bound in
    time; `alone`: nothing else may run beside it; `slow`: left out of a short run."""

    name: str
    kind: str
    group: str
    run: object
    right: frozenset = frozenset()
    also: frozenset = frozenset()
    wrong: frozenset = frozenset()
    where: frozenset = frozenset()
    seconds: float = 100
    alone: bool = False
    slow: bool = False

    @property
    def held_out(self):
        """Whether it is of the third that nobody looks at while rules are written."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 3 == 0

    def judge(self, said):
        """One of `VERDICTS`."""
        if said.outcome == "unasked":
            return "unasked"
        return {"fault": self._fault, "healthy": self._healthy, "trap": self._trap}[self.kind](said)

    def _fault(self, said):
        if self.right == {ANY_HONEST}:
            return self._honest(said)
        others = self.right | self.also | GENERAL
        if said.ids("high") - others:
            return "wrong_high"
        if said.ids(*SURE) & self.right:
            return "right"
        return "wrong" if said.ids("medium") - others else self._silent(said)

    def _honest(self, said):
        claims = [f for f in said.findings if f.get("severity") != "info"]

        def is_true(claim):
            return claim["where"] in self.where or (claim["id"] in GENERAL and claim["where"] == "unknown")

        astray = {claim["level"] for claim in claims if not is_true(claim)}
        if "high" in astray:
            return "wrong_high"
        if any(is_true(claim) and claim["level"] in SURE for claim in claims):
            return "right"
        if "medium" in astray:
            return "wrong"
        return "right" if said.outcome == "inconclusive" else self._silent(said)

    def _healthy(self, said):
        claims = [f for f in said.findings if (f.get("severity"), f["level"]) != ("info", "low")]
        if any(f["level"] == "high" for f in claims):
            return "wrong_high"
        return "wrong" if claims else "right" if said.outcome == "healthy" else "inconclusive"

    def _trap(self, said):
        def astray(*levels):
            ids = said.ids(*levels)
            return ids & self.wrong if ANY_HONEST in self.also else ids - self.right - self.also - GENERAL

        if astray("high"):
            return "wrong_high"
        if astray("medium") and (not self.right or astray("medium") & self.wrong):
            return "wrong"
        return "right" if self.right <= said.ids(*SURE) else self._silent(said)

    @staticmethod
    def _silent(said):
        return "missed" if said.outcome == "healthy" and not said.findings else "inconclusive"


def _register(kind, name, group, ids, **options):
    def decorate(run):
        assert name not in CASES, f"two cases are called {name}"
        sets = {key: frozenset({value} if isinstance(value, str) else value) for key, value in ids.items()}
        CASES[name] = Case(name, kind, group, run, **sets, **options)
        return run

    return decorate


def case(name, fault, group, also=(), where=(), **options):
    """A fault; `fault` is the id that is right, a set of ids of which any one is, or `ANY_HONEST` with `where`."""
    return _register("fault", name, group, {"right": fault, "also": also, "where": where}, **options)


def trap(name, group, right=(), wrong=(), also=(), **options):
    """A look-alike, or two causes at once: all of `right` must be found and none of `wrong`. With nothing in `right`
    the answer is "inconclusive" or "healthy", or what is in `also`; `ANY_HONEST` there: any but `wrong`."""
    return _register("trap", name, group, {"right": right, "wrong": wrong, "also": also}, **options)


def healthy(name, group, **options):
    """A control in which there is nothing to find."""
    return _register("healthy", name, group, {}, **options)
