"""Runs cases, each in a process of its own that is killed with all that it started."""

import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback

from .case import Said, Unshown
from .site import Site

FORK = multiprocessing.get_context("fork")


@dataclasses.dataclass
class Result:
    """What came of a case: its verdict, what was said, and of a case that broke why."""

    case: object
    verdict: str
    said: Said
    seconds: float
    error: str = ""


class Running:
    """A case on its way."""

    def __init__(self, case, proving):
        self.case, self.began = case, time.monotonic()
        self.folder = tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)
        self.answer, theirs = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=work, args=(case, self.folder.name, proving, theirs), daemon=False)
        self.process.start()
        theirs.close()

    @property
    def left(self):
        return self.began + self.case.seconds - time.monotonic()

    def end(self):
        """Its result, once it has answered or its time is over; nothing of it stays."""
        said, error = Said("none"), f"not within {self.case.seconds} s"
        with contextlib.suppress(EOFError):
            if self.answer.poll():
                error = "it ended without an answer"
                said, error = self.answer.recv()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.answer.close()
        self.folder.cleanup()
        verdict = "broken" if error else self.case.judge(said)
        return Result(self.case, verdict, said, time.monotonic() - self.began, error)


def work(case, folder, proving, answer):
    """The case itself, at the head of a group of processes."""
    os.setsid()
    tempfile.tempdir = folder
    quiet = os.open(pathlib.Path(folder) / "case.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        with Site(pathlib.Path(folder), proving) as site:
            said = case.run(site)
            answer.send((said, ""))
    except Unshown as error:
        answer.send((Said("none"), f"it does not show: {error}"))
    except BaseException:
        answer.send((Said("none"), traceback.format_exc()))
    sys.stdout.flush()
    os._exit(0)


def run(cases, jobs, proving):
    """Yields results as they come; cases that must be alone come last."""
    together = [case for case in cases if not case.alone]
    yield from several(together, jobs, proving)
    yield from several([case for case in cases if case.alone], 1, proving)


def several(cases, jobs, proving):
    waiting, running = list(cases), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Running(waiting.pop(0), proving))
            soon = min(case.left for case in running)
            multiprocessing.connection.wait([case.answer for case in running], timeout=max(0, soon))
            for one in [one for one in running if one.left <= 0 or one.answer.poll()]:
                running.remove(one)
                yield one.end()
    finally:
        for one in running:
            one.end()
