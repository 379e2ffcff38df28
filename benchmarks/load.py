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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, BenchmarkError, Call, Connection, send_all
from benchmarks.harness.measured import Measured, combined
from benchmarks.harness.processes import free_port, running, store
from benchmarks.harness.results import add_update_docs, publish
from benchmarks.harness.tables import Table

API = "/api/v1"
CONNECTIONS = (1, 16)
TARGETS = {"get": 0.45, "list": 0.20, "create": 0.42, "start": 0.45, "stop": 0.45, "report": 0.50}
"""The targets of the ratios to the naive app."""
FLOOR_TARGETS = {
    "get": {1: 1.30, 16: 1.20},
    "list": {1: 1.30, 16: 1.20},
    "create": {1: 1.30, 16: 1.20},
    "start": {1: 1.9, 16: 1.7},
    "stop": {1: 1.9, 16: 1.7},
    "report": {1: 1.35, 16: 1.20},
}
"""The targets of the ratios to the floor, by number of connections."""
TARGET_MIB = 80
REPORTED_DAYS = 30
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
class Subject(Measured):
    """A service that is measured, with its database and the accounts in it."""

    database: Database[dict[str, Any]]
    accounts: seeding.Accounts


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


async def measure_report(subject: Subject, connections: Sequence[Connection], size: Size) -> None:
    """Measure the report by day of the reader's last 30 days."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    path = f"{API}/reports/summary?from={tomorrow - timedelta(days=REPORTED_DAYS)}&to={tomorrow}&timezone=Europe/Paris"
    calls = [Call("GET", path, subject.accounts.reader.token)] * size.lists
    subject.add_cost("report", len(connections), await subject.cost_of(connections, calls))


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
    subject.add_cost("start", len(connections), combined(starts))
    subject.add_cost("stop", len(connections), combined(stops))
    subject.accounts = seeding.replace_timed_tasks(subject.database, subject.accounts)


MEASURES: tuple[Measure, ...] = (measure_get, measure_list, measure_report, measure_create, measure_timer)


async def take_turn(subject: Subject, measure: Measure, width: int, size: Size) -> None:
    """Run one measurement on `width` new connections, for users who have sent a request in the last ten seconds."""
    async with AsyncExitStack() as stack:
        port = subject.service.port
        connections = [await stack.enter_async_context(Connection(port)) for _ in range(width)]
        await send_all(connections, [Call("GET", f"{API}/tasks", token) for token in subject.accounts.tokens])
        await asyncio.sleep(SETTLE_SECONDS)  # neither that nor the time to accept the connections counts
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
        "target_to_floor": FLOOR_TARGETS[operation][width],
        "turns_ms": {name: [cost.cpu * 1000 for cost in it.costs[operation, width]] for name, it in subjects.items()},
    }


def report(subjects: dict[str, Subject]) -> dict[str, Any]:
    """Return the figures of the run, as in the JSON file."""
    return {
        "python": platform.python_version(),
        "operations": [_row(subjects, operation, width) for operation in TARGETS for width in CONNECTIONS],
        "resident_mib": {name: it.service.resident_mib() for name, it in subjects.items()},
        "target_mib": TARGET_MIB,
    }


def table(figures: dict[str, Any]) -> Table:
    """Return the table of results. The costs are milliseconds per request."""
    header = ("operation", "connections", *COMMANDS, "of naive", "target", "met", "of floor", "target", "met")
    rows = []
    for row in figures["operations"]:
        cells = [row["operation"], str(row["connections"]), *(f"{row['cpu_ms'][name]:.2f}" for name in COMMANDS)]
        for other in ("naive", "floor"):
            ratio, target = row[f"to_{other}"][SERVICE], row[f"target_to_{other}"]
            cells += [f"{ratio:.2f}", f"{target:.2f}", _verdict(ratio, target)]
        rows.append(tuple(cells))
    return Table(header, tuple(rows))


def memory_table(figures: dict[str, Any]) -> Table:
    """Return the table of the resident memory after the run."""
    memory, target = figures["resident_mib"], figures["target_mib"]
    row = (*(f"{memory[name]:.0f}" for name in COMMANDS), str(target), _verdict(memory[SERVICE], target))
    return Table((*(f"{name} (MiB)" for name in COMMANDS), "target", "met"), (row,))


def _verdict(figure: float, target: float) -> str:
    return "yes" if figure <= target else "not yet"


def settings_for(url: str, name: str, secret: str) -> dict[str, str]:
    """Return the settings of a measured service with its own database. The rate limits count, but are not reached."""
    return {
        "DATABASE_URL": url,
        "DATABASE_NAME": f"benchmark_{name}",
        "SECRET_KEY": secret,
        "ENVIRONMENT": "development",
        "LOG_FORMAT": "json",
        "REQUESTS_PER_MINUTE_BY_USER": "1000000",
        "REGISTRATIONS_PER_HOUR_BY_ADDRESS": "1000000",
        "SIGN_INS_PER_MINUTE_BY_ADDRESS": "1000000",
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
    """Parse the arguments, measure, print the tables, and write the figures to the file of --json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, less precise figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    add_update_docs(parser)
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
    lines = [*table(figures).lines(), "", *memory_table(figures).lines()]
    publish("load", lines, update_docs=options.update_docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
