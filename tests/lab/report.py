"""What is printed of results, and their JSON."""

import collections
import itertools

from .case import VERDICTS

TABLES = (
    ("faults, open two thirds", lambda case: case.kind == "fault" and not case.held_out),
    ("faults, held-out third", lambda case: case.kind == "fault" and case.held_out),
    ("traps", lambda case: case.kind == "trap"),
    ("healthy controls", lambda case: case.kind == "healthy"),
)


def line(result):
    """One line of a case; why, if it broke."""
    found = ", ".join(f"{f['id']} {f['level']}@{f['where']}" for f in result.said.findings)
    head = f"{result.verdict:<12} {result.seconds:5.1f} s  {result.case.name}: {found or result.said.outcome}"
    return f"{head}\n    " + result.error.strip().replace("\n", "\n    ") if result.error else head


def tables(results):
    """Counts by group, apart for what is scored apart."""
    lines = []
    for title, belongs in TABLES:
        chosen = [result for result in results if belongs(result.case)]
        if not chosen:
            continue
        names = [verdict for verdict in (*VERDICTS, "unasked")
                 if verdict != "unasked" or any(r.verdict == verdict for r in chosen)]
        lines += ["", f"{title:<26}" + "".join(f"{name:>14}" for name in names)]
        groups = sorted({result.case.group for result in chosen})
        for group in [*groups, None]:
            counts = collections.Counter(r.verdict for r in chosen if group in (None, r.case.group))
            lines.append(f"  {group or 'all':<24}" + "".join(f"{counts[name]:>14}" for name in names))
    return "\n".join(lines)


def document(results):
    """All of it for programs."""
    return [
        {
            "name": r.case.name, "kind": r.case.kind, "group": r.case.group, "held_out": r.case.held_out,
            "right": sorted(r.case.right), "verdict": r.verdict, "seconds": round(r.seconds, 1),
            "outcome": r.said.outcome, "findings": r.said.findings, "stages": r.said.stages, "error": r.error,
        }
        for r in results
    ]


def failures(results):
    """Those for which the run fails: wrong at HIGH, anything found where there is nothing, and cases that broke."""
    def fails(result):
        is_false_alarm = result.case.kind == "healthy" and result.verdict == "wrong"
        return is_false_alarm or result.verdict in ("wrong_high", "broken")

    return list(itertools.compress(results, map(fails, results)))
