"""Try one fault in a test session of its own: the fault is there when the application is imported and started."""

import os
from functools import partial
from tempfile import TemporaryDirectory

import pytest

from tests.mutation.children import apply_fault, in_child
from tests.mutation.coverage_map import Map
from tests.mutation.mutants import Mutant
from tests.mutation.progress import Verdict
from tests.mutation.recording import OPTIONS

MIN_TIMEOUT_SECONDS = 120.0
"""Added to ten times the duration of the tests. A session that takes longer hangs, which counts as detected."""


class FailureReporter:
    """A pytest plugin that writes the ids of failed tests to a file descriptor."""

    def __init__(self, output: int) -> None:
        self.output = output

    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Write the id of a test or of a file that cannot be imported."""
        if report.failed:
            os.write(self.output, f"{report.nodeid}\n".encode())

    pytest_collectreport = pytest_runtest_logreport


class OwnSessions:
    """Runs each fault in a child process and a test session of its own."""

    def __init__(self, known: Map) -> None:
        self.known = known
        self._reliable: dict[str, bool] = {}

    def try_fault(self, number: int, mutant: Mutant, tests: list[str]) -> Verdict:
        """Run the tests with the fault. A test that fails is run without the fault too, and left out if it fails."""
        tests = list(tests)
        while tests:
            status, failed = self._run(mutant, tests)
            if status is None:
                return Verdict(number, "hung", tests=len(tests))
            if status == 0:
                return Verdict(number, "survived", tests=len(tests))
            if failed not in tests or self._is_reliable(failed):  # else the fault breaks the import
                return Verdict(number, "detected", failed, len(tests))
            tests.remove(failed)
        return Verdict(number, "not executed")

    def _is_reliable(self, test: str) -> bool:
        if test not in self._reliable:
            self._reliable[test] = self._run(None, [test])[0] == 0
        return self._reliable[test]

    def _run(self, mutant: Mutant | None, tests: list[str]) -> tuple[int | None, str]:
        """Return the exit code, or None if the session hangs, and the test that failed first."""
        timeout = MIN_TIMEOUT_SECONDS + 10 * sum(self.known.seconds[test] for test in tests)
        with TemporaryDirectory() as folder:
            status, output = in_child(partial(_session, mutant, tests, folder), timeout)
        return status, output.partition("\n")[0]


def _session(mutant: Mutant | None, tests: list[str], folder: str, output: int) -> int:
    if mutant is not None:
        apply_fault(mutant)
    try:
        return int(
            pytest.main([*OPTIONS, "-x", f"--basetemp={folder}/tests", *tests], plugins=[FailureReporter(output)])
        )
    except Exception:
        if mutant is None:
            raise
        return int(pytest.ExitCode.INTERNAL_ERROR)  # pytest raises an error if the fault leaves a file open
