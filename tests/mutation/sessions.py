"""Try many faults in one test session, which saves the start of the service and of pytest for each of them.

The session runs in a child process. A test that fails with a fault runs once more without it: only if it passes then,
the fault is detected. If it fails again, a fault has broken the session. The next session, in a new process, runs this
test first without the fault and then with it.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest

from tests.mutation.children import fault_applied, in_child
from tests.mutation.mutants import Mutant
from tests.mutation.progress import Verdict
from tests.mutation.recording import OPTIONS

FAULTS_PER_SESSION = 50
MAX_CPU_SECONDS = 150.0
"""The maximum processor time of the tests of one fault."""
TEST_SECONDS = 60
"""The time limit of a test. With a fault, some tests wait forever."""
PATIENCE_SECONDS = 300.0
"""The time without any event after which a session hangs, for example in C code."""


@dataclass
class Attempt:
    """A fault, and the tests that may detect it.

    `suspect` is a test that failed, or did not end, in a session that may have been broken.
    """

    number: int
    mutant: Mutant
    tests: list[str]
    suspect: str = ""


class NextItem:
    """Stands for the next test of the session: fixtures of the session stay, all others are torn down."""

    nodeid = ""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[pytest.Session]:
        """Return the nodes that are still needed."""
        return [self.session]


class FaultLoop:
    """A pytest plugin that runs the tests of each fault with it, until one fails. Writes each step as a JSON line."""

    def __init__(self, attempts: list[Attempt], output: int) -> None:
        self.attempts, self.output = attempts, output
        self.has_failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a failure of any phase."""
        self.has_failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> NoReturn:
        """Replace the loop of pytest."""
        self.items = {item.nodeid: item for item in session.items}
        self.next_item: Any = NextItem(session)
        for attempt in self.attempts:
            verdict = self._try(attempt)
            if verdict is None:
                break
            self._write(**vars(verdict))
        os._exit(0)  # a fault may have broken what would end now

    def _try(self, attempt: Attempt) -> Verdict | None:
        """Return the verdict, or None if the session is broken."""
        if attempt.suspect:
            if not self._fails(attempt, attempt.suspect):
                with fault_applied(attempt.mutant):
                    if self._fails(attempt, attempt.suspect, is_faulty=True):
                        return Verdict(attempt.number, "detected", attempt.suspect, 1)
            self._write(number=attempt.number, removed=attempt.suspect)
            _remove_suspect(attempt)  # it fails without the fault, or only sometimes with it
        began, count = time.process_time(), 0
        for test in attempt.tests:
            if time.process_time() - began > MAX_CPU_SECONDS:
                break
            count += 1
            with fault_applied(attempt.mutant):
                has_failed = self._fails(attempt, test, is_faulty=True)
            if has_failed:
                is_broken = self._fails(attempt, test)
                return None if is_broken else Verdict(attempt.number, "detected", test, count)
        return Verdict(attempt.number, "survived" if count else "not executed", "", count)

    def _fails(self, attempt: Attempt, test: str, *, is_faulty: bool = False) -> bool:
        self._write(number=attempt.number, running=test, is_faulty=is_faulty)
        item = self.items.get(test)
        if item is None:
            return False  # it does not exist any more
        self.has_failed = False
        function = getattr(item, "obj", None)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=self.next_item)
        if isinstance(item, pytest.Function):
            item.obj = function  # without the time limit around it
        return self.has_failed

    def _write(self, **step: Any) -> None:
        os.write(self.output, f"{json.dumps(step)}\n".encode())


class Sessions:
    """Runs one session after the other until each attempt has a verdict."""

    def __init__(self, attempts: Iterable[Attempt], on_verdict: Callable[[Verdict], None]) -> None:
        self.pending = {attempt.number: attempt for attempt in attempts}
        self.on_verdict = on_verdict
        self.step: dict[str, Any] = {}

    def run(self, environment: Callable[[], AbstractContextManager[None]]) -> None:
        """Run each session in an environment of its own."""
        while self.pending:
            batch, before = list(self.pending.values())[:FAULTS_PER_SESSION], len(self.pending)
            self.step = {}
            with environment(), TemporaryDirectory() as folder:
                work = partial(_run, batch, folder)
                status, _ = in_child(work, PATIENCE_SECONDS, self._read)
            if self.step:
                self._handle_broken_session(status)
            elif len(self.pending) == before:
                raise RuntimeError(f"a test session ended with the status {status} before the first test")

    def _read(self, line: str) -> None:
        step = json.loads(line)
        attempt = self.pending[step["number"]]
        if "verdict" in step:
            del self.pending[attempt.number]
            self.on_verdict(Verdict(**step))
            self.step = {}
        elif "removed" in step:
            _remove_suspect(attempt)
        else:
            self.step = step

    def _handle_broken_session(self, status: int | None) -> None:
        """Mark the test that broke the session, or that did not end.

        If it is the marked one, and does not end again after it passed without the fault, it detects the fault.
        """
        attempt, test = self.pending[self.step["number"]], self.step["running"]
        if attempt.suspect != test:
            attempt.suspect = test
        elif self.step["is_faulty"] and status != 0:
            del self.pending[attempt.number]
            self.on_verdict(Verdict(attempt.number, "hung" if status is None else "crashed", test, 1))
        else:
            _remove_suspect(attempt)


def _remove_suspect(attempt: Attempt) -> None:
    attempt.tests.remove(attempt.suspect)
    attempt.suspect = ""


def _run(attempts: list[Attempt], folder: str, output: int) -> int:
    # pytest must find its plugins before this module imports them.
    from tests.support.pytest_hooks import time_limits  # noqa: PLC0415

    tests = {test for attempt in attempts for test in attempt.tests}
    time_limits.SECONDS = TEST_SECONDS
    files = sorted({test.partition("::")[0] for test in tests})
    return int(pytest.main([*OPTIONS, f"--basetemp={folder}/tests", *files], plugins=[FaultLoop(attempts, output)]))
