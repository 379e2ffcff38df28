"""`make mutate`: puts small faults into services/ and documents/, and lists those that no test detects.

A seed, which is printed, selects a sample of all faults. The source files do not change: each fault is applied to the
imported code in a child process.
"""

import argparse
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import replace
from difflib import unified_diff
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.config import Settings
from app.embedded.store import EmbeddedStore
from tests.mutation.children import is_in_imported_function, remember_functions
from tests.mutation.coverage_map import Map
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.own_session import OwnSessions
from tests.mutation.progress import UNDETECTED, Progress, Verdict
from tests.mutation.recording import FOLDER, OPTIONS, read_map
from tests.mutation.selection import choose_tests
from tests.mutation.sessions import Attempt, Sessions
from tests.support.worker_store import data_folder

EXPLAINED = Path(__file__).with_name("explained.toml")
"""Faults that no test can detect, each with its difference as printed, and the reason."""
OWN_SESSION_TESTS = 40
"""The number of tests that run again with an undetected fault, in a session of its own."""


def say(text: str) -> None:
    """Print the text and flush it, because a run takes long."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


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
    """Run a store for child processes."""
    with TemporaryDirectory(prefix="task-timer-mutation-", dir=data_folder()) as folder:
        settings = Settings(_env_file=None, embedded_data_dir=Path(folder) / "data")
        with EmbeddedStore(settings) as os.environ["TEST_DATABASE_URL"]:
            yield


class Run:
    """Tries the faults of a sample, and reports those that no test detects."""

    def __init__(self, sample: list[Mutant], known: Map, progress: Progress, *, is_verbose: bool) -> None:
        self.sample, self.known, self.progress, self.is_verbose = sample, known, progress, is_verbose
        self.explanations = {number: explanation(mutant) for number, mutant in enumerate(sample)}

    def attempts(self, seed: int, most: int) -> list[Attempt]:
        """Return the faults without a verdict, with their tests."""
        attempts = []
        for number, mutant in enumerate(self.sample):
            if not self.progress.is_final(number) and not self.explanations[number]:
                tests = self.known.tests_of(mutant, Path(mutant.file).read_text())
                chosen = choose_tests(self.known, tests, most, random.Random(f"{seed} {number}"))
                attempts.append(Attempt(number, mutant, chosen))
        return attempts

    def try_all(self, attempts: list[Attempt]) -> None:
        """Try faults in functions in common sessions, then all others, and the undetected ones, in their own."""
        common = [attempt for attempt in attempts if is_in_imported_function(attempt.mutant)]
        others = [attempt for attempt in attempts if attempt not in common]
        chosen = {attempt.number: list(attempt.tests) for attempt in common}

        def handle(verdict: Verdict) -> None:
            if verdict.verdict in UNDETECTED and chosen[verdict.number]:
                self._print(replace(verdict, verdict=f"{verdict.verdict} in a common session"))
                others.append(Attempt(verdict.number, self.sample[verdict.number], chosen[verdict.number]))
            else:
                self._add(verdict)

        Sessions(common, handle).run(store)
        own_sessions = OwnSessions(self.known)
        with ExitStack() as stack:
            stack.enter_context(store())
            for attempt in others:
                is_second = attempt.number in chosen
                tests = attempt.tests[:OWN_SESSION_TESTS] if is_second else attempt.tests
                verdict = own_sessions.try_fault(attempt.number, attempt.mutant, tests)
                verdict.tests = len(attempt.tests)
                self._add(verdict)
                if verdict.verdict == "hung":  # the store may hang too
                    stack.close()
                    stack.enter_context(store())

    def _add(self, verdict: Verdict) -> None:
        self.progress.add(verdict)
        if self.is_verbose or verdict.verdict in UNDETECTED:
            self._print(verdict)

    def _print(self, verdict: Verdict) -> None:
        mutant = self.sample[verdict.number]
        result = verdict.test or f"{verdict.tests} tests"
        say(
            f"\n[{verdict.number}] {verdict.verdict}: {mutant.file}:{mutant.lines.start} {result}\n{difference(mutant)}"
        )

    def report(self) -> int:
        """Print the undetected faults and the totals. Return the number of undetected faults."""
        totals, undetected = Counter[str](), []
        for number in range(len(self.sample)):
            verdict = self.progress.verdicts.get(number)
            is_explained = bool(self.explanations[number]) and (verdict is None or verdict.verdict in UNDETECTED)
            totals["explained" if is_explained or verdict is None else verdict.verdict] += 1
            if verdict is not None and verdict.verdict in UNDETECTED and not is_explained:
                undetected.append(verdict)
        say(f"\n{len(undetected)} of {len(self.sample)} faults are not detected:")
        for verdict in undetected:
            self._print(verdict)
        say("\n" + ", ".join(f"{count} {verdict}" for verdict, count in sorted(totals.items())))
        return len(undetected)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("paths", nargs="*", default=["services", "documents"], help="files and folders that get faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument(
        "--most", type=int, default=100, help="number of tests per fault, in addition to the quick ones"
    )
    parser.add_argument("--verbose", action="store_true", help="also print detected faults")
    options = parser.parse_args()
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "*.py"], check=False).returncode:
        parser.error("there are uncommitted changes: commit them first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sources = {str(path): path.read_text() for path in _files(options.paths)}
    every = [mutant for path, source in sources.items() for mutant in mutants(path, source)]
    sample = random.Random(options.seed).sample(every, min(options.count, len(every)))
    say(f"{len(sample)} of {len(every)} faults, --seed {options.seed}")
    import_all()
    with store():
        known = read_map(say)
    digest = hashlib.sha256("".join(sources.values()).encode()).hexdigest()[:16]
    run = Run(
        sample,
        known,
        Progress(FOLDER / f"seed-{options.seed}-{options.count}-{digest}.jsonl", _commit()),
        is_verbose=options.verbose,
    )
    run.try_all(run.attempts(options.seed, options.most))
    say(f"\n--seed {options.seed}")
    return int(run.report() > len(sample) // 20)


def import_all() -> None:
    """Import the application and its tests, so that no child process imports them again."""
    with redirect_stdout(io.StringIO()):
        pytest.main([*OPTIONS, "--collect-only", "tests"])
    for path in _files(["services", "documents", "routes"]):
        import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    remember_functions()


def _files(paths: list[str]) -> list[Path]:
    files = (file for path in map(Path, paths) for file in ([path] if path.is_file() else path.rglob("*.py")))
    return sorted(files)


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
