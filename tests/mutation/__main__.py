"""`make mutate`: puts small faults into services/ and documents/, and lists those that no test detects.

A seed, which is printed, selects a sample of all faults. The source files do not change: each fault is applied to the
imported code in a child process.
"""

import argparse
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from difflib import unified_diff
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.config import Settings
from app.embedded.store import EmbeddedStore
from tests.mutation.children import apply_fault, in_child, remember_functions
from tests.mutation.coverage_map import Map, Recorder
from tests.mutation.mutants import Mutant, mutants
from tests.support.worker_store import data_folder

MAP_FOLDER = Path(".mutation")
"""The lines that each test file executes, stored until the file changes. Remove the folder to compute all again."""
EXPLAINED = Path(__file__).with_name("explained.toml")
"""Faults that no test can detect, each with its difference as printed, and the reason."""
PYTEST = ["-n0", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
EXCLUDED_TESTS = re.compile(
    # They start other processes, which contain no fault, or execute no code of the service.
    r"tests/(clients|fuzz|install|mutation|page|contract/project|operation/(crash|server))/"
    r"|test_(adding_a_route|docs_page|documented_receiver|embedded_store|hanging_store|loaded_modules|mongo_shell|outages"
    r"|serve_command|standard_streams|unfit_databases|users_on_large_tasks|worker_store)|webhooks/test_workers"
    # They execute everything, and take longer than all other tests together.
    r"|test_(schemathesis|mixed_load|state_machine)"
)
SLOW_SECONDS = 15.0
QUICK_SECONDS = 30.0
"""The total time of the quickest tests, which are tried in any case: one of several hundred may detect the fault."""
MIN_TIMEOUT_SECONDS = 60.0
"""Added to four times the duration of the tests. A child that takes longer hangs, which counts as detected."""
UNDETECTED = {"survived", "not executed"}


def say(text: str) -> None:
    """Print the text and flush it, because a run takes long."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class FailureReporter:
    """A pytest plugin that writes the ids of failed tests to a file descriptor."""

    def __init__(self, output: int) -> None:
        self.output = output

    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            os.write(self.output, f"{report.nodeid}\n".encode())

    pytest_collectreport = pytest_runtest_logreport


def read_map() -> Map:
    """Return the map of lines to tests. Runs each test file that has changed, in a child process."""
    MAP_FOLDER.mkdir(exist_ok=True)
    known = Map()
    for file in sorted(Path("tests").rglob("test_*.py")):
        if EXCLUDED_TESTS.search(file.as_posix()):
            continue
        cases = [path for path in sorted(Path("tests/cases").iterdir()) if path.name in file.read_text()]
        content = b"".join(path.read_bytes() for path in (file, *cases))
        file_map = MAP_FOLDER / f"{file.stem}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not file_map.exists():
            say(f"Recording which lines {file} executes")
            in_child(lambda _, file=file, file_map=file_map: _record(file, file_map), 1800)  # type: ignore[misc]
        if file_map.exists():
            known.add(json.loads(file_map.read_text()))
    return known


def _record(file: Path, file_map: Path) -> int:
    recorder = Recorder()
    recorder.coverage.start()
    status = pytest.main([*PYTEST[:2], *PYTEST[3:], str(file)], plugins=[recorder])
    recorder.coverage.stop()
    draft = file_map.with_suffix(".draft")
    draft.write_text(json.dumps(recorder.result()))
    draft.rename(file_map)
    return status


def choose_tests(known: Map, tests: set[str], count: int, generator: random.Random) -> list[str]:
    """Choose the tests that execute the fewest lines first, then random ones."""
    quick = sorted(test for test in tests if known.seconds[test] < SLOW_SECONDS) or sorted(tests)
    narrow = sorted(quick, key=lambda test: known.breadth[test])
    first, rest = narrow[: count // 2], narrow[count // 2 :]
    return first + generator.sample(rest, min(len(rest), count - len(first)))


def quickest(known: Map, tests: set[str], seconds: float) -> list[str]:
    """Return the quickest tests, as many as take this time together."""
    ordered = sorted(tests, key=lambda test: known.seconds[test])
    totals = accumulate(known.seconds[test] for test in ordered)
    return [test for test, total in zip(ordered, totals, strict=True) if total <= seconds]


def try_fault(mutant: Mutant | None, tests: list[str], known: Map) -> tuple[str, str]:
    """Run the tests with the fault. Return the verdict, and the test that detected the fault."""

    def work(output: int) -> int:
        if mutant is not None:
            apply_fault(mutant)
        try:
            return int(pytest.main([*PYTEST, *tests], plugins=[FailureReporter(output)]))
        except Exception:
            if mutant is None:
                raise
            return int(pytest.ExitCode.INTERNAL_ERROR)  # pytest raises an error if the fault leaves a file open

    if not tests:
        return "not executed", ""
    status, failed = in_child(work, MIN_TIMEOUT_SECONDS + 4 * sum(known.seconds[test] for test in tests))
    if status == pytest.ExitCode.USAGE_ERROR and not failed and (mutant is None or mutant.function):
        raise RuntimeError(f"these tests do not exist any more: remove {MAP_FOLDER}: {tests}")
    return {None: "hung", 0: "survived"}.get(status, "killed"), failed.strip()


def difference(mutant: Mutant) -> str:
    """Return the difference of the source text, without context."""
    source = Path(mutant.file).read_text()
    changed = unified_diff(source.splitlines(), mutant.apply(source).splitlines(), n=0, lineterm="")
    return "\n".join(list(changed)[3:])


def explanation(mutant: Mutant) -> str | None:
    """Return why the fault has no visible effect, if that is known."""
    for known in tomllib.loads(EXPLAINED.read_text())["fault"]:
        place = known["file"], known.get("function", mutant.function)
        if place == (mutant.file, mutant.function) and known["difference"].strip() == difference(mutant).strip():
            return str(known["because"])
    return None


@contextmanager
def store() -> Iterator[None]:
    """Run a store for all child processes."""
    with TemporaryDirectory(prefix="task-timer-mutation-", dir=data_folder()) as folder:
        settings = Settings(_env_file=None, embedded_data_dir=Path(folder) / "data")
        with EmbeddedStore(settings) as os.environ["TEST_DATABASE_URL"]:
            yield


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("paths", nargs="*", default=["services", "documents"], help="files and folders that get faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--most", type=int, default=150, help="maximum number of tests per fault")
    parser.add_argument("--verbose", action="store_true", help="also print detected faults")
    options = parser.parse_args()
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "*.py"], check=False).returncode:
        parser.error("there are uncommitted changes: commit them first")
    generator, results = random.Random(options.seed), Counter[str]()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with redirect_stdout(io.StringIO()):
        pytest.main([*PYTEST, "--collect-only", "tests"])  # so that the children do not import everything again
    remember_functions()
    with ExitStack() as stack:
        stack.enter_context(store())
        known = read_map()
        every = [mutant for path in _files(options.paths) for mutant in mutants(str(path), path.read_text())]
        sample = generator.sample(every, min(options.count, len(every)))
        say(f"{len(sample)} of {len(every)} faults, --seed {options.seed}")
        if try_fault(None, choose_tests(known, set(known.seconds), options.most, generator), known)[0] != "survived":
            parser.error("tests fail without a fault")
        for mutant in sample:
            tests = known.tests_of(mutant, Path(mutant.file).read_text())
            verdict, failed = try_fault(mutant, choose_tests(known, tests, options.most // 5, generator), known)
            if verdict == "survived":  # most faults are detected by then
                chosen = choose_tests(known, tests, options.most, generator) + quickest(known, tests, QUICK_SECONDS)
                verdict, failed = try_fault(mutant, list(dict.fromkeys(chosen)), known)
            reason = explanation(mutant) if verdict in UNDETECTED else None
            results["explained" if reason else verdict] += 1
            if verdict in UNDETECTED or options.verbose:
                say(f"\n{verdict}: {mutant.file}:{mutant.lines.start} {reason or failed}\n{difference(mutant)}")
            if verdict == "hung":  # the store may hang too
                stack.close()
                stack.enter_context(store())
    say(f"\n--seed {options.seed}: " + ", ".join(f"{count} {verdict}" for verdict, count in results.items()))
    return int(sum(results[verdict] for verdict in UNDETECTED) > len(sample) // 20)


def _files(paths: list[str]) -> list[Path]:
    files = (file for path in map(Path, paths) for file in ([path] if path.is_file() else path.rglob("*.py")))
    return sorted(files)


if __name__ == "__main__":
    sys.exit(main())
