"""The fault laboratory: how it judges what is said, and that a case leaves nothing behind."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from lab.__main__ import load  # noqa: E402
from lab.case import ANY_HONEST, CASES, GENERAL, Case, Said  # noqa: E402


def finding(id="cause", level="high", where="upstream", severity="critical"):
    return {"id": id, "level": level, "where": where, "severity": severity}


def judged(kind, outcome, *findings, **sets):
    sets = {name: frozenset(ids) for name, ids in sets.items()}
    return Case("one", kind, "group", None, **sets).judge(Said(outcome, list(findings)))


@pytest.mark.parametrize("said,verdict", [
    (["problem", finding()], "right"),
    (["problem", finding(level="medium"), finding("other", "medium")], "right"),
    (["problem", finding(), finding("true-beside")], "right"),
    (["problem", finding(level="low")], "inconclusive"),
    (["inconclusive"], "inconclusive"),
    (["could_not_test"], "inconclusive"),
    (["healthy"], "missed"),
    (["problem", finding("other", "medium")], "wrong"),
    (["problem", finding("handshake-refused")], "inconclusive"),
    (["problem", finding(), finding("other")], "wrong_high"),
    (["problem", finding(), finding("other", severity="info")], "right"),
])
def test_of_a_fault_one_accepted_cause_must_be_found_and_no_other_at_high(said, verdict):
    assert judged("fault", *said, right=["cause", "as-good"], also=["true-beside"]) == verdict


@pytest.mark.parametrize("said,verdict", [
    (["problem", finding("any", "medium")], "right"),
    (["inconclusive"], "right"),
    (["healthy"], "missed"),
    (["problem", finding("any", "low")], "inconclusive"),
    (["problem", finding("any", "medium", "client")], "wrong"),
    (["problem", finding("any", "medium", "unknown")], "wrong"),
    (["problem", finding("handshake-invalid", "medium", "unknown")], "right"),
    (["problem", finding("handshake-invalid", "high", "client")], "wrong_high"),
    (["problem", finding("any"), finding("any", "high", "client")], "wrong_high"),
])
def test_of_an_unknown_fault_the_place_must_be_found(said, verdict):
    assert judged("fault", *said, right=[ANY_HONEST], where=["upstream"]) == verdict


@pytest.mark.parametrize("said,sets,verdict", [
    (["problem", finding("one"), finding("two", "medium")], {"right": ["one", "two"]}, "right"),
    (["problem", finding("one")], {"right": ["one", "two"]}, "inconclusive"),
    (["problem", finding("one"), finding("bait", "medium")], {"right": ["one"], "wrong": ["bait"]}, "wrong"),
    (["problem", finding("one"), finding("bait")], {"right": ["one"], "wrong": ["bait"]}, "wrong_high"),
    (["healthy"], {}, "right"),
    (["inconclusive"], {}, "right"),
    (["problem", finding("any", "medium")], {}, "wrong"),
    (["problem", finding("any")], {"also": [ANY_HONEST], "wrong": ["bait"]}, "right"),
    (["problem", finding("bait")], {"also": [ANY_HONEST], "wrong": ["bait"]}, "wrong_high"),
])
def test_a_trap_is_passed_by_all_that_is_right_and_nothing_wrong(said, sets, verdict):
    assert judged("trap", *said, **sets) == verdict


@pytest.mark.parametrize("said,verdict", [
    (["healthy"], "right"),
    (["healthy", finding(level="low", severity="info")], "right"),
    (["inconclusive"], "inconclusive"),
    (["problem", finding(level="medium", severity="info")], "wrong"),
    (["problem", finding()], "wrong_high"),
])
def test_of_a_healthy_control_nothing_may_be_found(said, verdict):
    assert judged("healthy", *said) == verdict


def test_causes_that_cases_name_are_in_the_catalogue():
    load()
    pages = {page.stem for page in (TESTS.parent / "docs/findings").glob("*.md")}
    named = GENERAL.union(*(case.right | case.also | case.wrong for case in CASES.values())) - {ANY_HONEST}
    assert named <= pages


# A heartline that finds the same everywhere, and starts a process of its own first.
FAKE = """\
#!/bin/sh
sleep 1000 >/dev/null 2>&1 &
echo $! > {pid}
{then}
echo '{{"outcome": "problem", "stages": [], "findings": [{finding}]}}'
exit 1
"""


def lab(folder, finding, *arguments, then=""):
    """Runs the laboratory on that; its exit status, its results, and the process."""
    fake, pid, results = folder / "heartline", folder / "pid", folder / "results.json"
    fake.write_text(FAKE.format(pid=pid, finding=json.dumps(finding), then=then))
    fake.chmod(0o755)
    command = [sys.executable, "-m", "lab", "--json", str(results), *arguments]
    done = subprocess.run(command, cwd=TESTS, env=os.environ | {"HEARTLINE_BIN": str(fake)}, capture_output=True)
    return done.returncode, json.loads(results.read_text()), int(pid.read_text())


def ended(pid):
    """Whether a process is gone, or dead and not yet waited for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_fails_when_something_is_wrong_at_high(tmp_path):
    case = ["--only", "handler-returns-at-once"]
    status, [result], pid = lab(tmp_path, finding("handler-exits-early"), *case)
    assert (status, result["verdict"]) == (0, "right") and ended(pid)
    status, [result], _ = lab(tmp_path, finding("max-lifetime"), *case)
    assert (status, result["verdict"]) == (1, "wrong_high")


def test_a_case_that_does_not_end_is_broken_and_ended(tmp_path):
    status, [result], pid = lab(
        tmp_path, finding(), "--only", "handler-returns-at-once", "--bound", "2", then="sleep 1000")
    assert (status, result["verdict"]) == (1, "broken") and ended(pid)
