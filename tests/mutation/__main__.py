"""`make mutate`: puts small faults into services/ and documents/, and lists those that no test notices.

A sample of all faults, chosen by a seed that is printed. Nothing is written into the sources: each fault is tried in a
child process, which puts it in the place of the code as it has been imported.
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
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.config import Settings
from app.embedded.store import EmbeddedStore
from tests.mutation.children import in_child, put_in, remember_functions
from tests.mutation.coverage_map import Map, Recorder
from tests.mutation.mutants import Mutant, mutants

KEPT = Path(".mutation")
"""What each test file executes, kept until the file changes; remove it to find out all anew."""
EXPLAINED = Path(__file__).with_name("explained.toml")
"""Faults that nobody can notice, each with the difference as it is printed, and why."""
PYTEST = ["-n0", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
LEFT_OUT = re.compile(
    # They start other processes, which contain no fault, or execute no code of the service.
    r"tests/(clients|fuzz|install|mutation|operation/crash)/|test_(architecture|compose|documentation|embedded_store"
    r"|hanging_store|outages|reverse_proxy|serve_command|slow_clients|unfit_databases|users_on_large_tasks|worker_store"
    r"|workers)"
    # They execute everything, and take longer than all other tests together.
    r"|test_(schemathesis|mixed_load|state_machine)"
)
SLOW_SECONDS = 15.0
PATIENCE_SECONDS = 60.0
"""For a child, beside four times what its tests took before: what takes longer hangs, and that is noticed."""
UNNOTICED = {"survived", "not executed"}


def say(text: str) -> None:
    """Prints it at once: a run takes long."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Witness:
    """A pytest plugin that tells the first test that fails."""

    def __init__(self, tell: int) -> None:
        self.tell = tell

    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            os.write(self.tell, f"{report.nodeid}\n".encode())

    pytest_collectreport = pytest_runtest_logreport


def read_map() -> Map:
    """Runs those test files that have changed, each in a child, and reads what all of them execute."""
    KEPT.mkdir(exist_ok=True)
    known = Map()
    for file in sorted(Path("tests").rglob("test_*.py")):
        if LEFT_OUT.search(file.as_posix()):
            continue
        cases = [path for path in sorted(Path("tests/cases").iterdir()) if path.name in file.read_text()]
        content = b"".join(path.read_bytes() for path in (file, *cases))
        kept = KEPT / f"{file.stem}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not kept.exists():
            say(f"Which lines {file} executes")
            in_child(lambda _, file=file, kept=kept: _record(file, kept), 1800)  # type: ignore[misc]
        if kept.exists():
            known.add(json.loads(kept.read_text()))
    return known


def _record(file: Path, kept: Path) -> int:
    recorder = Recorder()
    recorder.coverage.start()
    status = pytest.main([*PYTEST[:2], *PYTEST[3:], str(file)], plugins=[recorder])
    recorder.coverage.stop()
    half = kept.with_suffix(".half")
    half.write_text(json.dumps(recorder.found()))
    half.rename(kept)
    return status


def chosen(known: Map, tests: set[str], most: int, dice: random.Random) -> list[str]:
    """The narrowest tests first, and then as many of chance."""
    quick = sorted(test for test in tests if known.seconds[test] < SLOW_SECONDS) or sorted(tests)
    narrow = sorted(quick, key=lambda test: known.breadth[test])
    first, rest = narrow[: most // 2], narrow[most // 2 :]
    return first + dice.sample(rest, min(len(rest), most - len(first)))


def trial(mutant: Mutant | None, tests: list[str], known: Map) -> tuple[str, str]:
    """What becomes of a fault, and the test that noticed it."""

    def work(tell: int) -> int:
        if mutant is not None:
            put_in(mutant)
        return int(pytest.main([*PYTEST, *tests], plugins=[Witness(tell)]))

    if not tests:
        return "not executed", ""
    status, told = in_child(work, PATIENCE_SECONDS + 4 * sum(known.seconds[test] for test in tests))
    if status == pytest.ExitCode.USAGE_ERROR and not told and (mutant is None or mutant.function):
        raise RuntimeError(f"these tests are no longer there, so remove {KEPT}: {tests}")
    return {None: "hung", 0: "survived"}.get(status, "killed"), told.strip()


def difference(mutant: Mutant) -> str:
    """The fault as a person reads it."""
    source = Path(mutant.file).read_text()
    changed = unified_diff(source.splitlines(), mutant.apply(source).splitlines(), n=0, lineterm="")
    return "\n".join(list(changed)[3:])


def explanation(mutant: Mutant) -> str | None:
    """Why it changes nothing, if that is known."""
    for known in tomllib.loads(EXPLAINED.read_text())["fault"]:
        place = known["file"], known.get("function", mutant.function)
        if place == (mutant.file, mutant.function) and known["difference"].strip() == difference(mutant).strip():
            return str(known["because"])
    return None


@contextmanager
def store() -> Iterator[None]:
    """A store for all children."""
    with TemporaryDirectory(prefix="task-timer-mutation-") as folder:
        settings = Settings(_env_file=None, embedded_data_dir=Path(folder) / "data")
        with EmbeddedStore(settings) as os.environ["TEST_DATABASE_URL"]:
            yield


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("paths", nargs="*", default=["services", "documents"], help="where to put faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--most", type=int, default=150, help="how many tests try a fault")
    parser.add_argument("--verbose", action="store_true", help="tell those too that are noticed")
    asked = parser.parse_args()
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "*.py"], check=False).returncode:
        parser.error("there are changes that are not committed: what would be measured is not what is kept")
    dice, results = random.Random(asked.seed), Counter[str]()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with redirect_stdout(io.StringIO()):
        pytest.main([*PYTEST, "--collect-only", "tests"])  # the children need not import anything again
    remember_functions()
    with ExitStack() as stack:
        stack.enter_context(store())
        known = read_map()
        every = [mutant for path in _files(asked.paths) for mutant in mutants(str(path), path.read_text())]
        sample = dice.sample(every, min(asked.count, len(every)))
        say(f"{len(sample)} of {len(every)} faults, --seed {asked.seed}")
        if trial(None, chosen(known, set(known.seconds), asked.most, dice), known)[0] != "survived":
            parser.error("tests fail without any fault")
        for mutant in sample:
            tests = known.tests_of(mutant, Path(mutant.file).read_text())
            verdict, told = trial(mutant, chosen(known, tests, asked.most // 5, dice), known)
            if verdict == "survived":  # most are noticed by then
                verdict, told = trial(mutant, chosen(known, tests, asked.most, dice), known)
            because = explanation(mutant) if verdict in UNNOTICED else None
            results["explained" if because else verdict] += 1
            if verdict in UNNOTICED or asked.verbose:
                say(f"\n{verdict}: {mutant.file}:{mutant.lines.start} {because or told}\n{difference(mutant)}")
            if verdict == "hung":  # and so may the store
                stack.close()
                stack.enter_context(store())
    say(f"\n--seed {asked.seed}: " + ", ".join(f"{count} {verdict}" for verdict, count in results.items()))
    return int(sum(results[verdict] for verdict in UNNOTICED) > len(sample) // 20)


def _files(paths: list[str]) -> list[Path]:
    files = (file for path in map(Path, paths) for file in ([path] if path.is_file() else path.rglob("*.py")))
    return sorted(files)


if __name__ == "__main__":
    sys.exit(main())
