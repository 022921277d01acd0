"""`python -m lab`: runs the cases and prints the score. Usually started by `cargo xtask lab`."""

import argparse
import dataclasses
import importlib
import json
import pathlib
import pkgutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from . import report, run  # noqa: E402
from .case import CASES  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask lab", description=__doc__.partition(":")[2])
    parser.add_argument("--group", action="append", help="cases of this group; can be given several times")
    parser.add_argument("--only", action="append", metavar="NAME", help="this case; can be given several times")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--held-out", action="store_true", help="the third that nobody looks at while rules are written")
    part.add_argument("--open", action="store_true", help="the other two thirds")
    parser.add_argument("--short", action="store_true", help="without slow cases")
    parser.add_argument("--prove", action="store_true", help="only see that each case shows its fault; asks nothing")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time (default: 4)")
    parser.add_argument("--bound", type=float, help="seconds that a case may take at most, whatever it allows itself")
    parser.add_argument("--json", metavar="FILE", help="write all results to this file")
    return parser.parse_args()


def chosen(options):
    unknown = set(options.only or ()) - CASES.keys()
    if unknown:
        sys.exit(f"no case is called {', '.join(sorted(unknown))}: see --list")
    return [
        dataclasses.replace(case, seconds=min(case.seconds, options.bound or case.seconds)) for case in CASES.values()
        if (not options.only or case.name in options.only)
        and (not options.group or case.group in options.group)
        and not (options.held_out and not case.held_out)
        and not (options.open and case.held_out)
        and not (options.short and case.slow)
    ]


def load():
    """Imports the modules of each folder beside this file, so that their cases are known."""
    for folder in pkgutil.iter_modules([HERE]):
        if folder.ispkg:
            for module in pkgutil.iter_modules([HERE / folder.name]):
                importlib.import_module(f"{__package__}.{folder.name}.{module.name}")


def main():
    options = arguments()
    load()
    cases = chosen(options)
    if options.list:
        print("\n".join(f"{case.group:<12} {case.kind:<8} {case.name}" for case in cases))
        return 0
    results = []
    for result in run.run(cases, options.jobs, options.prove):
        results.append(result)
        print(report.line(result), flush=True)
    print(report.tables(results))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report.document(results), ensure_ascii=False, indent=1))
    failed = report.failures(results)
    print(f"\n{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
