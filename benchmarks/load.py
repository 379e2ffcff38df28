"""Measures what a request costs the service: `python -m benchmarks.load`.

The real service runs beside two apps of the same routes, the naive one and the floor, on one store.
Each operation goes over real HTTP on loopback, and the CPU time of the service process is read
before and after: waiting on the store does not count, and neither does this script. The services
take short turns, so that a busy machine is busy for all of them. A cost is the median of its turns,
a ratio the median of the ratios within each turn.
"""

import argparse
import asyncio
import json
import platform
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import BenchmarkError, Call, Connection, send_all
from benchmarks.harness.processes import Service, free_port, running, store

API = "/api/v1"
CONNECTIONS = (1, 16)
SETTLE_SECONDS = 0.004
TARGETS = {"get": 0.50, "list": 0.25, "create": 0.45, "start": 0.50, "stop": 0.50}
TARGET_MIB = 80
SERVICE = "service"
UVICORN = (sys.executable, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools")
COMMANDS = {
    "naive": (*UVICORN, "benchmarks.apps.naive:app"),
    "floor": (*UVICORN, "--no-access-log", "benchmarks.apps.floor:app"),
    SERVICE: (str(Path(sys.executable).with_name("task-timer")), "serve"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run does: turns, requests of each operation in a turn, rounds of the timers."""

    turns: int
    requests: int
    lists: int
    rounds: int


FULL = Size(turns=6, requests=96, lists=32, rounds=4)
QUICK = Size(turns=3, requests=64, lists=16, rounds=2)
WARM_UP = Size(turns=1, requests=160, lists=32, rounds=4)


@dataclass(slots=True)
class Subject:
    """One service under measurement, with what it has cost so far, in seconds a request."""

    service: Service
    database: Database[dict[str, Any]]
    cast: seeding.Cast
    costs: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    async def cost_of(self, connections: Sequence[Connection], calls: Sequence[Call]) -> float:
        """The CPU time of one call, on the average."""
        before = self.service.cpu_seconds()
        await send_all(connections, calls)
        await asyncio.sleep(SETTLE_SECONDS)  # what a service does after its last answer counts
        return (self.service.cpu_seconds() - before) / len(calls)

    def note(self, operation: str, width: int, cost: float) -> None:
        """Keeps the cost of a turn."""
        self.costs.setdefault((operation, width), []).append(cost)

    def milliseconds(self, operation: str, width: int) -> float:
        """The median of the turns."""
        return median(self.costs[operation, width]) * 1000

    def ratio(self, other: "Subject", operation: str, width: int) -> float:
        """What it costs as a part of what the other costs: the median of the turns."""
        pairs = zip(self.costs[operation, width], other.costs[operation, width], strict=True)
        return median(own / others for own, others in pairs)


Measure = Callable[[Subject, Sequence[Connection], Size], Awaitable[None]]


async def measure_get(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Reads the tasks of the reader, each in its turn."""
    reader = subject.cast.reader
    calls = [
        Call("GET", f"{API}/tasks/{reader.tasks[number % len(reader.tasks)]}", reader.token)
        for number in range(size.requests)
    ]
    subject.note("get", len(connections), await subject.cost_of(connections, calls))


async def measure_list(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Lists the tasks of the reader."""
    calls = [Call("GET", f"{API}/tasks", subject.cast.reader.token)] * size.lists
    subject.note("list", len(connections), await subject.cost_of(connections, calls))


async def measure_create(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Makes tasks for the writer, and takes them away again."""
    token = subject.cast.writer.token
    calls = [Call("POST", f"{API}/tasks", token, {"title": f"Task {number}"}) for number in range(size.requests)]
    subject.note("create", len(connections), await subject.cost_of(connections, calls))
    seeding.without_created_tasks(subject.database, subject.cast)


async def measure_timer(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Starts a timer for each user, then stops them all, in rounds."""
    starts, stops = [], []
    for number in range(size.rounds):
        start_calls = [
            Call(
                "POST",
                f"{API}/timer/start",
                account.token,
                {"task_id": str(account.tasks[number % len(account.tasks)])},
            )
            for account in subject.cast.timed
        ]
        stop_calls = [Call("POST", f"{API}/timer/stop", account.token) for account in subject.cast.timed]
        starts.append(await subject.cost_of(connections, start_calls))
        stops.append(await subject.cost_of(connections, stop_calls))
    subject.note("start", len(connections), sum(starts) / len(starts))
    subject.note("stop", len(connections), sum(stops) / len(stops))
    subject.cast = seeding.with_fresh_timed_tasks(subject.database, subject.cast)


MEASURES: tuple[Measure, ...] = (measure_get, measure_list, measure_create, measure_timer)


async def take_turn(subject: Subject, measure: Measure, width: int, size: Size) -> None:
    """One measurement on that many fresh connections."""
    async with AsyncExitStack() as stack:
        port = subject.service.port
        connections = [await stack.enter_async_context(Connection(port)) for _ in range(width)]
        await asyncio.sleep(SETTLE_SECONDS)  # accepting them does not count
        await measure(subject, connections, size)


async def take_turns(subjects: Sequence[Subject], size: Size) -> None:
    """Every operation at every number of connections, the subjects one after another."""
    for turn in range(size.turns):
        print(f"turn {turn + 1} of {size.turns}", file=sys.stderr, flush=True)
        for measure in MEASURES:
            for width in CONNECTIONS:
                for subject in subjects:
                    await take_turn(subject, measure, width, size)


async def measure_all(subjects: Sequence[Subject], size: Size) -> None:
    """Warms every subject up, forgets what that cost, and measures."""
    await take_turns(subjects, WARM_UP)
    for subject in subjects:
        subject.costs.clear()
    await take_turns(subjects, size)


def _row(subjects: dict[str, Subject], operation: str, width: int) -> dict[str, Any]:
    naive, floor = subjects["naive"], subjects["floor"]
    return {
        "operation": operation,
        "connections": width,
        "cpu_ms": {name: it.milliseconds(operation, width) for name, it in subjects.items()},
        "to_naive": {name: it.ratio(naive, operation, width) for name, it in subjects.items()},
        "to_floor": {name: it.ratio(floor, operation, width) for name, it in subjects.items()},
        "target_to_naive": TARGETS[operation],
        "turns_ms": {name: [seconds * 1000 for seconds in it.costs[operation, width]] for name, it in subjects.items()},
    }


def report(subjects: dict[str, Subject]) -> dict[str, Any]:
    """The figures of the run, as they go into the JSON file."""
    return {
        "python": platform.python_version(),
        "operations": [_row(subjects, operation, width) for operation in TARGETS for width in CONNECTIONS],
        "resident_mib": {name: it.service.resident_mib() for name, it in subjects.items()},
        "target_mib": TARGET_MIB,
    }


def print_table(figures: dict[str, Any]) -> None:
    """Prints the figures for a person."""
    print("\nCPU of the service process, milliseconds a request")
    print(
        f"{'operation':<10}{'connections':>12}{'naive':>9}{'floor':>9}{'service':>9}"
        f"{'of naive':>10}{'target':>8}{'':>6}{'of floor':>10}"
    )
    for row in figures["operations"]:
        cost, target, ratio = row["cpu_ms"], row["target_to_naive"], row["to_naive"][SERVICE]
        print(
            f"{row['operation']:<10}{row['connections']:>12}{cost['naive']:>9.2f}"
            f"{cost['floor']:>9.2f}{cost[SERVICE]:>9.2f}{ratio:>10.2f}{target:>8.2f}"
            f"{'met' if ratio <= target else 'over':>6}{row['to_floor'][SERVICE]:>10.2f}"
        )
    memory = figures["resident_mib"]
    listed = ", ".join(f"{name} {size:.0f} MiB" for name, size in memory.items())
    target = figures["target_mib"]
    verdict = "met" if memory[SERVICE] <= target else "over"
    print(f"\nresident memory after the run: {listed}; target of the service {target}: {verdict}")


def settings_for(url: str, name: str, secret: str) -> dict[str, str]:
    """The settings of a service that is measured, on a database of its own."""
    return {
        "DATABASE_URL": url,
        "DATABASE_NAME": f"benchmark_{name}",
        "SECRET_KEY": secret,
        "ENVIRONMENT": "development",
        "LOG_FORMAT": "json",
        "RATE_LIMITS_ENABLED": "false",
    }


@contextmanager
def subjects_on(url: str, folder: Path) -> Iterator[dict[str, Subject]]:
    """All services on the store at that address, seeded alike, until the block ends."""
    secret = secrets.token_hex(32)
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client, ExitStack() as stack:
        subjects = {}
        for name, program in COMMANDS.items():
            port = free_port()
            # the service itself reads PORT
            command = program if name == SERVICE else (*program, "--port", str(port))
            settings = settings_for(url, name, secret)
            service = stack.enter_context(running(name, command, settings, port, folder))
            database = client[settings["DATABASE_NAME"]]
            accounts = seeding.register_accounts(port) if name == SERVICE else seeding.insert_accounts(database, secret)
            subjects[name] = Subject(service, database, seeding.seed(database, accounts))
        yield subjects


def run(size: Size) -> dict[str, Any]:
    """The whole run: the store, the services, the measurements. Ends what it has started."""
    with store() as (url, folder), ExitStack() as stack:
        subjects = stack.enter_context(subjects_on(url, folder))
        try:
            asyncio.run(measure_all(list(subjects.values()), size))
        except* BenchmarkError as group:
            first = group.exceptions[0]
            words = "\n".join(subject.service.last_words() for subject in subjects.values())
            raise BenchmarkError(f"{first}\n{words}") from first
        return report(subjects)


def main() -> int:
    """Measures, prints the table, and writes the figures where --json says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, rougher figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it has started, too
    try:
        figures = run(QUICK if options.quick else FULL)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
