"""Compare the service with that of another commit: `make bench-check`, or `python -m benchmarks.comparisons.commits`.

Both services run on one embedded store and take turns, as in benchmarks/load.py: the ratio of the CPU time of a request
is the median of the ratios within each turn, and the ratio of the response time is that of the 99th percentiles of all
turns. Before that, benchmarks/comparisons/counting.py counts the database commands, the function calls and the
allocated bytes of each operation, which do not depend on the load of the machine.

The other commit is checked out in a temporary folder. It uses the installed packages, unless it locks other versions:
then its own are installed in that folder.
"""

import argparse
import asyncio
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import BenchmarkError, exit_code
from benchmarks.harness.processes import ROOT, free_port, running, store
from benchmarks.harness.tables import Table
from benchmarks.load import CONNECTIONS, MEASURES, SERVICE, Size, Subject, settings_for, take_turn

SIZE = Size(turns=8, requests=96, lists=32, rounds=4)
WARM_UP = Size(turns=1, requests=160, lists=32, rounds=4)
LOCK = "constraints.txt"
HERE = Path(__file__).parent
Counts = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Version:
    """The code of the service in the folder `root`, and the folder of the commands that are installed for it."""

    name: str
    root: Path
    commands: Path


def git(*arguments: str) -> bytes:
    """Return the output of git. Raises BenchmarkError when it fails."""
    result = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    if result.returncode:
        raise BenchmarkError(result.stderr.decode().strip())
    return result.stdout


@contextmanager
def checkout(commit: str) -> Iterator[Version]:
    """Write the files of the commit into a temporary folder, and install its packages if it locks other versions."""
    name = git("rev-parse", "--short", f"{commit}^{{commit}}").decode().strip()
    with TemporaryDirectory(prefix="task-timer-bench-") as temporary:
        folder = Path(temporary)
        with tarfile.open(fileobj=io.BytesIO(git("archive", name))) as archive:
            archive.extractall(folder, filter="data")
        commands = Path(sys.executable).parent
        if (folder / LOCK).read_bytes() != (ROOT / LOCK).read_bytes():
            subprocess.run(["make", "--silent", ".venv/.installed-run"], cwd=folder, check=True)
            commands = folder / ".venv" / "bin"
        yield Version(name, folder, commands)


@contextmanager
def subject_on(url: str, folder: Path, version: Version) -> Iterator[Subject]:
    """Run the service of this version on the store at this URL."""
    port, name = free_port(), f"{SERVICE}_{version.name}"
    settings = settings_for(url, name, secrets.token_hex(32))
    command = (str(version.commands / "task-timer"), "serve")
    with (
        MongoClient[dict[str, Any]](url) as client,
        running(name, command, settings, port, folder, root=version.root) as service,
    ):
        database = client[settings["DATABASE_NAME"]]
        yield Subject(service, database, seeding.seed(database, seeding.register_accounts(port)))


async def measure(subjects: Sequence[Subject]) -> None:
    """Warm up the services, and measure every operation at every number of connections, the services in turns."""
    for size in (WARM_UP, SIZE):
        for subject in subjects:
            subject.costs.clear()
        for turn in range(size.turns):
            print(f"turn {turn + 1} of {size.turns}", file=sys.stderr, flush=True)
            for operation in MEASURES:
                for width in CONNECTIONS:
                    for subject in subjects if turn % 2 else reversed(subjects):
                        await take_turn(subject, operation, width, size)


def counts_of(url: str, folder: Path, version: Version) -> Counts:
    """Count what the operations of this version do."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    settings = settings_for(url, f"counts_{version.name}", secrets.token_hex(32))
    environment = {**inherited, **settings, "PYTHONPATH": str(version.root), "PYTHONHASHSEED": "0"}
    command = [version.commands / "python", HERE / "counting.py"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if result.returncode:
        raise BenchmarkError(result.stderr.decode()[-2000:])
    counts: Counts = json.loads(result.stdout)
    return counts


def cost_table(before: Subject, after: Subject) -> Table:
    """Return the table of CPU times and response times, and of their ratios."""
    rows = []
    for operation, width in after.costs:
        cpu = [subject.milliseconds(operation, width) for subject in (before, after)]
        p99 = [subject.p99_milliseconds(operation, width) for subject in (before, after)]
        ratio = after.ratio(before, operation, width)
        cells = (*cpu, ratio, *p99, p99[1] / p99[0])
        rows.append((operation, str(width), *(f"{cell:.2f}" for cell in cells)))
    header = ("operation", "connections", "CPU ms before", "now", "ratio", "p99 ms before", "now", "ratio")
    return Table(header, tuple(rows))


def count_table(before: Counts, after: Counts) -> Table:
    """Return the table of the counts. An operation that only one version has is left out."""
    rows = []
    for operation in (name for name in after if name in before):
        old, new = before[operation], after[operation]
        numbers = [len(old["commands"]), len(new["commands"]), old["calls"], new["calls"], old["bytes"], new["bytes"]]
        rows.append((operation, *(f"{number:,}" for number in numbers), " ".join(new["commands"])))
    header = ("operation", "commands before", "now", "calls before", "now", "bytes before", "now", "commands")
    return Table(header, tuple(rows))


def run(commit: str) -> None:
    """Start the store and both services, measure, count, and print the tables."""
    with ExitStack() as stack:
        other = stack.enter_context(checkout(commit))
        versions = (other, Version("work_tree", ROOT, Path(sys.executable).parent))
        url, folder = stack.enter_context(store())
        print(f"before: {other.name}; now: the files of this work tree", file=sys.stderr)
        counts = [counts_of(url, folder, version) for version in versions]
        subjects = [stack.enter_context(subject_on(url, folder, version)) for version in versions]
        asyncio.run(measure(subjects))
        print("\n".join([*cost_table(*subjects).lines(), "", *count_table(*counts).lines()]))


def main() -> int:
    """Parse the arguments, measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-check", description=__doc__)
    parser.add_argument("commit", nargs="?", default="HEAD~1", help="the other commit (default: the one before HEAD)")
    options = parser.parse_args()
    return exit_code(partial(run, options.commit))


if __name__ == "__main__":
    sys.exit(main())
