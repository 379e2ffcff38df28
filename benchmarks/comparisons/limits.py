"""Measure the cost of limits for reads: `python -m benchmarks.comparisons.limits`.

The service runs twice on one store, with RATE_LIMITS_ENABLED and without. Short turns read a task and a list of
tasks. A cost is the CPU time of the service process, a ratio the median of the ratios within each turn. With --before
FOLDER the service of that checkout runs too, without limits, to measure the cost of all changes since then.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import exit_code
from benchmarks.harness.processes import ROOT, free_port, running, store
from benchmarks.load import (
    COMMANDS,
    CONNECTIONS,
    SERVICE,
    Size,
    Subject,
    measure_get,
    measure_list,
    settings_for,
    take_turn,
)

TARGET = 1.15
SIZE = Size(turns=8, requests=96, lists=48, rounds=0)
WARM_UP = Size(turns=2, requests=96, lists=48, rounds=0)
LIMITED, UNLIMITED, BEFORE = "limits on", "limits off", "before"
UNREACHABLE_LIMIT = str(1_000_000_000)
"""Requests are counted, but none is refused."""


def limits_of(name: str) -> dict[str, str]:
    """Return the settings that differ between the services."""
    if name != LIMITED:
        return {"RATE_LIMITS_ENABLED": "false"}
    many = ("REQUESTS_PER_MINUTE_BY_USER", "SIGN_INS_PER_MINUTE_BY_ADDRESS", "REGISTRATIONS_PER_HOUR_BY_ADDRESS")
    return {"RATE_LIMITS_ENABLED": "true", **dict.fromkeys(many, UNREACHABLE_LIMIT)}


@contextmanager
def subjects_on(url: str, folder: Path, roots: dict[str, Path]) -> Iterator[dict[str, Subject]]:
    """Run the services of these names, with their code in these folders, on the store at this URL."""
    secret = secrets.token_hex(32)
    with MongoClient[dict[str, Any]](url) as client, ExitStack() as stack:
        subjects = {}
        for name, root in roots.items():
            port = free_port()
            settings = {**settings_for(url, name.replace(" ", "_"), secret), **limits_of(name)}
            service = stack.enter_context(running(name, COMMANDS[SERVICE], settings, port, folder, root=root))
            accounts = seeding.seed(client[settings["DATABASE_NAME"]], seeding.register_accounts(port))
            subjects[name] = Subject(service, client[settings["DATABASE_NAME"]], accounts)
        yield subjects


async def take_turns(subjects: list[Subject], size: Size) -> None:
    """Measure every operation at every number of connections. Another service comes first in each turn."""
    for turn in range(size.turns):
        print(f"turn {turn + 1} of {size.turns}", file=sys.stderr, flush=True)
        for measure in (measure_get, measure_list):
            for width in CONNECTIONS:
                for place in range(len(subjects)):
                    await take_turn(subjects[(turn + place) % len(subjects)], measure, width, size)


async def measure_all(subjects: list[Subject]) -> None:
    """Warm up every service, discard the costs of that, and measure."""
    await take_turns(subjects, WARM_UP)
    for subject in subjects:
        subject.costs.clear()
    await take_turns(subjects, SIZE)


def print_table(subjects: dict[str, Subject]) -> None:
    """Print the table of results."""
    print(f"\n{'operation':<10}{'connections':>12}{'':>4}{'':<12}{'CPU ms':>8}{'ratio':>8}{'target':>8}")
    base = BEFORE if BEFORE in subjects else UNLIMITED
    for operation, width in subjects[base].costs:
        for name, subject in subjects.items():
            ratio = subject.ratio(subjects[base], operation, width)
            print(
                f"{operation:<10}{width:>12}{'':>4}{name:<12}{subject.milliseconds(operation, width):>8.2f}"
                f"{ratio:>8.2f}{TARGET:>8.2f}{'met' if ratio <= TARGET else 'over':>6}"
            )


def run(roots: dict[str, Path]) -> None:
    """Start the store and the services, measure, and print the table."""
    with store() as (url, folder), subjects_on(url, folder, roots) as subjects:
        asyncio.run(measure_all(list(subjects.values())))
    print_table(subjects)


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparisons.limits", description=__doc__)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="a checkout of an earlier version")
    options = parser.parse_args()
    roots = {UNLIMITED: ROOT, LIMITED: ROOT}
    if options.before is not None:
        roots = {BEFORE: options.before.absolute(), **roots}
    return exit_code(lambda: run(roots))


if __name__ == "__main__":
    sys.exit(main())
