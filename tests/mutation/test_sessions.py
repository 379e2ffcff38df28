"""Many faults in one test session: a real fault, and test files that behave in different ways with it."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from services.common import intervals
from tests.mutation.children import in_child, remember_functions
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.progress import Progress, Verdict
from tests.mutation.recording import record_missing
from tests.mutation.sessions import Attempt, Sessions

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

TESTS = """
import os
from datetime import UTC, datetime, timedelta

from services.common.intervals import seconds_between

START = datetime(2026, 11, 18, tzinfo=UTC)
broken = []


def has_fault():
    return seconds_between(START, START - timedelta(minutes=1)) != 0


def test_without_relation():
    assert True


def test_of_the_function():
    assert not has_fault()


def test_that_breaks_the_session():
    broken.extend(["fault"] * has_fault())
    assert not broken


def test_that_crashes():
    if has_fault():
        os._exit(3)


def test_that_always_fails():
    assert False
"""


def fault() -> Mutant:
    path = Path(intervals.__file__)
    found = mutants(str(path), path.read_text())
    (mutant,) = [mutant for mutant in found if (mutant.before, mutant.after) == ("end - start", "start - end")]
    return mutant


def verdicts(folder: Path, *tests: list[str]) -> list[Verdict]:
    """Try the fault with each of these lists of tests, in sessions of a child process."""
    (folder / "test_fault.py").write_text(TESTS)
    progress = folder / "progress"
    ids = [[f"test_fault.py::test_{name}" for name in names] for names in tests]

    def work(_: int) -> int:
        os.chdir(folder)
        remember_functions()
        attempts = [Attempt(number, fault(), names) for number, names in enumerate(ids)]
        Sessions(attempts, Progress(progress, "1").add).run(environment)
        return 0

    def environment() -> AbstractContextManager[None]:
        return nullcontext()

    assert in_child(work, 120) == (0, "")
    found = Progress(progress, "1").verdicts
    return [found[number] for number in range(len(tests))]


class TestSessions:
    def test_fault_is_detected_by_the_first_test_that_fails_only_with_it(self, tmp_path: Path) -> None:
        detected, survived = verdicts(tmp_path, ["without_relation", "of_the_function"], ["without_relation"])
        assert detected == Verdict(0, "detected", "test_fault.py::test_of_the_function", tests=2)
        assert survived == Verdict(1, "survived", tests=1)

    def test_broken_session_is_replaced_and_does_not_change_other_verdicts(self, tmp_path: Path) -> None:
        breaking, next_one = verdicts(tmp_path, ["that_breaks_the_session"], ["without_relation"])
        assert breaking == Verdict(0, "detected", "test_fault.py::test_that_breaks_the_session", tests=1)
        assert next_one == Verdict(1, "survived", tests=1)

    def test_fault_that_ends_the_process_twice_is_detected(self, tmp_path: Path) -> None:
        crash, next_one = verdicts(tmp_path, ["that_crashes"], ["of_the_function"])
        assert crash == Verdict(0, "crashed", "test_fault.py::test_that_crashes", tests=1)
        assert next_one.verdict == "detected"

    def test_failure_without_the_fault_detects_nothing(self, tmp_path: Path) -> None:
        flaky, both = verdicts(tmp_path, ["that_always_fails"], ["that_always_fails", "of_the_function"])
        assert flaky.verdict == "not executed"
        assert both == Verdict(1, "detected", "test_fault.py::test_of_the_function", tests=1)


@pytest.mark.filterwarnings("ignore::coverage.exceptions.CoverageWarning")
class TestRecordings:
    def test_file_with_a_failing_test_is_tried_twice_and_has_no_recording(self, tmp_path: Path) -> None:
        status, recorded, said = self.record(tmp_path, passing="pass", failing="assert False")
        assert (status, recorded) == (0, ["passing.json"])
        assert said == [
            "Recording which lines test_passing, test_failing execute",
            "Recording which lines test_failing execute",
            "No faults are tried with these files, because tests of them fail: test_failing.py",
        ]

    def test_files_are_not_recorded_if_one_cannot_be_imported(self, tmp_path: Path) -> None:
        status, recorded, said = self.record(tmp_path, passing="pass", invalid="1 +")
        assert (status, recorded) == (0, [])
        assert said[-1].endswith("fail: test_passing.py, test_invalid.py")

    @staticmethod
    def record(folder: Path, **bodies: str) -> tuple[int | None, list[str], list[str]]:
        """Record these test files in a child process. Return its exit code, the recordings, and what it said."""
        for name, body in bodies.items():
            (folder / f"test_{name}.py").write_text(f"def test_it():\n    {body}\n")

        def work(output: int) -> int:
            os.chdir(folder)
            files = {Path(f"test_{name}.py"): Path(f"{name}.json") for name in bodies}
            record_missing(files, lambda text: print(text, file=os.fdopen(os.dup(output), "w")))
            return 0

        status, said = in_child(work, 120)
        return status, sorted(path.name for path in folder.glob("*.json")), said.splitlines()


class TestProgress:
    def test_detected_fault_is_final_and_undetected_one_until_the_next_commit(self, tmp_path: Path) -> None:
        first = Progress(tmp_path / "progress", "1")
        first.add(Verdict(0, "detected", "test"))
        first.add(Verdict(1, "survived", tests=100))
        assert [first.is_final(number) for number in range(3)] == [True, True, False]
        second = Progress(tmp_path / "progress", "2")
        assert [second.is_final(number) for number in range(3)] == [True, False, False]
        assert second.verdicts == {0: Verdict(0, "detected", "test"), 1: Verdict(1, "survived", tests=100)}
