"""Measure the CPU time of a request: `python -m benchmarks.load`.

The service and two apps with the same routes, the naive app and the floor, run on one store. The requests are real
HTTP requests on loopback. The CPU time of the service process is read before and after each operation, so the time of
the store and of this script is not included. The services take short turns, so that load on the machine affects all
of them. A cost is the median of its turns, a ratio the median of the ratios within each turn.
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
    """The size of a run: turns, requests and lists per turn, and rounds of timers per turn."""

    turns: int
    requests: int
    lists: int
    rounds: int


FULL = Size(turns=6, requests=96, lists=32, rounds=4)
QUICK = Size(turns=3, requests=64, lists=16, rounds=2)
WARM_UP = Size(turns=1, requests=160, lists=32, rounds=4)


@dataclass(slots=True)
class Subject:
    """A service that is measured, with its costs so far, in seconds per request."""

    service: Service
    database: Database[dict[str, Any]]
    accounts: seeding.Accounts
    costs: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    async def cost_of(self, connections: Sequence[Connection], calls: Sequence[Call]) -> float:
        """Return the average CPU time per call, in seconds."""
        before = self.service.cpu_seconds()
        await send_all(connections, calls)
        await asyncio.sleep(SETTLE_SECONDS)  # work after the last response counts
        return (self.service.cpu_seconds() - before) / len(calls)

    def add_cost(self, operation: str, width: int, cost: float) -> None:
        """Store the cost of a turn."""
        self.costs.setdefault((operation, width), []).append(cost)

    def milliseconds(self, operation: str, width: int) -> float:
        """Return the median of the turns, in milliseconds."""
        return median(self.costs[operation, width]) * 1000

    def ratio(self, other: "Subject", operation: str, width: int) -> float:
        """Return the median of the ratios to another service within each turn."""
        pairs = zip(self.costs[operation, width], other.costs[operation, width], strict=True)
        return median(own / others for own, others in pairs)


Measure = Callable[[Subject, Sequence[Connection], Size], Awaitable[None]]


async def measure_get(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Measure reading the tasks of the reader, one after another."""
    reader = subject.accounts.reader
    calls = [
        Call("GET", f"{API}/tasks/{reader.tasks[number % len(reader.tasks)]}", reader.token)
        for number in range(size.requests)
    ]
    subject.add_cost("get", len(connections), await subject.cost_of(connections, calls))


async def measure_list(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Measure listing the tasks of the reader."""
    calls = [Call("GET", f"{API}/tasks", subject.accounts.reader.token)] * size.lists
    subject.add_cost("list", len(connections), await subject.cost_of(connections, calls))


async def measure_create(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Measure creating tasks for the writer, and delete them afterwards."""
    token = subject.accounts.writer.token
    calls = [Call("POST", f"{API}/tasks", token, {"title": f"Task {number}"}) for number in range(size.requests)]
    subject.add_cost("create", len(connections), await subject.cost_of(connections, calls))
    seeding.delete_created_tasks(subject.database, subject.accounts)


async def measure_timer(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Measure starting a timer for each user and then stopping all of them, in rounds."""
    starts, stops = [], []
    for number in range(size.rounds):
        start_calls = [
            Call(
                "POST",
                f"{API}/timer/start",
                account.token,
                {"task_id": str(account.tasks[number % len(account.tasks)])},
            )
            for account in subject.accounts.timed
        ]
        stop_calls = [Call("POST", f"{API}/timer/stop", account.token) for account in subject.accounts.timed]
        starts.append(await subject.cost_of(connections, start_calls))
        stops.append(await subject.cost_of(connections, stop_calls))
    subject.add_cost("start", len(connections), sum(starts) / len(starts))
    subject.add_cost("stop", len(connections), sum(stops) / len(stops))
    subject.accounts = seeding.replace_timed_tasks(subject.database, subject.accounts)


MEASURES: tuple[Measure, ...] = (measure_get, measure_list, measure_create, measure_timer)


async def take_turn(subject: Subject, measure: Measure, width: int, size: Size) -> None:
    """Run one measurement on `width` new connections."""
    async with AsyncExitStack() as stack:
        port = subject.service.port
        connections = [await stack.enter_async_context(Connection(port)) for _ in range(width)]
        await asyncio.sleep(SETTLE_SECONDS)  # the time to accept them does not count
        await measure(subject, connections, size)


async def take_turns(subjects: Sequence[Subject], size: Size) -> None:
    """Measure every operation at every number of connections, the services one after another."""
    for turn in range(size.turns):
        print(f"turn {turn + 1} of {size.turns}", file=sys.stderr, flush=True)
        for measure in MEASURES:
            for width in CONNECTIONS:
                for subject in subjects:
                    await take_turn(subject, measure, width, size)


async def measure_all(subjects: Sequence[Subject], size: Size) -> None:
    """Warm up every service, discard the costs of that, and measure."""
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
    """Return the figures of the run, as in the JSON file."""
    return {
        "python": platform.python_version(),
        "operations": [_row(subjects, operation, width) for operation in TARGETS for width in CONNECTIONS],
        "resident_mib": {name: it.service.resident_mib() for name, it in subjects.items()},
        "target_mib": TARGET_MIB,
    }


def print_table(figures: dict[str, Any]) -> None:
    """Print the table of results."""
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
    """Return the settings of a measured service with its own database."""
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
    """Run all services on the store at this URL, with the same data."""
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
    """Start the store and the services, and measure."""
    with store() as (url, folder), ExitStack() as stack:
        subjects = stack.enter_context(subjects_on(url, folder))
        try:
            asyncio.run(measure_all(list(subjects.values()), size))
        except* BenchmarkError as group:
            first = group.exceptions[0]
            logs = "\n".join(subject.service.log_tail() for subject in subjects.values())
            raise BenchmarkError(f"{first}\n{logs}") from first
        return report(subjects)


def main() -> int:
    """Parse the arguments, measure, print the table, and write the figures to the file of --json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, less precise figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that child processes are ended
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
