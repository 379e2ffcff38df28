"""Measure what the change feed adds to the cost of a write: `python -m benchmarks.feed`.

Two services run on one embedded store, one with CHANGES_ENABLED=false. In turns they get 160 requests without a pause,
on 1 and on 16 connections: to create tasks, to update tasks, to start the timers of 160 users, and to stop them. The
CPU time is that of all processes of a service, until the relay has copied the last change to the feed, minus the CPU
time of the idle service. A ratio is the median of the ratios within each turn. `--update-docs` writes the table into
docs/speed.rst.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, BenchmarkError, Call, Connection, send_all
from benchmarks.harness.measured import Cost, Measured
from benchmarks.harness.processes import free_port, running, store
from benchmarks.harness.results import publish, run_command
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, CONNECTIONS, SERVICE, settings_for
from documents.common.outbox import HAS_OUTBOX

TARGET = 1.15
TURNS = 8
REQUESTS = 160
IDLE_SECONDS = 8
POLL_SECONDS = 0.02
RELAY_PATIENCE_SECONDS = 30
OUTBOXES = ("tasks", "projects", "users", "import_batches")

OPERATIONS = ("create", "update", "start", "stop")


@dataclass(slots=True)
class Subject(Measured):
    """A service, with its database, and the CPU seconds that it needs per second when idle."""

    database: Database[dict[str, Any]]
    accounts: seeding.Accounts
    idle: float = 0.0

    async def measure_idle(self) -> None:
        """Measure the idle service."""
        before = self.service.cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        self.idle = (self.service.cpu_seconds() - before) / IDLE_SECONDS

    async def measure(self, operation: str, connections: Sequence[Connection], calls: Sequence[Call]) -> None:
        """Send the requests, wait until all changes are relayed, and store the cost."""
        began, before = time.monotonic(), self.service.cpu_seconds()
        times = await send_all(connections, calls)
        while any(self.database[name].find_one(HAS_OUTBOX, {"_id": 1}) for name in OUTBOXES):
            if time.monotonic() > began + RELAY_PATIENCE_SECONDS:
                raise BenchmarkError("the relay has not copied the changes to the feed")
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        elapsed = time.monotonic() - began
        cpu = (self.service.cpu_seconds() - before - self.idle * elapsed) / len(calls)
        self.add_cost(operation, len(connections), Cost(cpu, times))


async def take_turn(subject: Subject, width: int) -> None:
    """Measure each operation on `width` connections. The tasks are restored afterwards, so that they do not grow."""
    reader, writer, timed = subject.accounts.reader, subject.accounts.writer, subject.accounts.timed
    creates = [Call("POST", f"{API}/tasks", writer.token, {"title": f"Task {number}"}) for number in range(REQUESTS)]
    updates = [
        Call("PATCH", f"{API}/tasks/{reader.tasks[number % len(reader.tasks)]}", reader.token, {"title": f"T{number}"})
        for number in range(REQUESTS)
    ]
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(Connection(subject.service.port)) for _ in range(width)]
        await asyncio.sleep(SETTLE_SECONDS)  # the time to accept them does not count
        await subject.measure("create", connections, creates)
        await subject.measure("update", connections, updates)
        starts = [Call("POST", f"{API}/timer/start", one.token, {"task_id": str(one.tasks[0])}) for one in timed]
        await subject.measure("start", connections, starts)
        await subject.measure("stop", connections, [Call("POST", f"{API}/timer/stop", one.token) for one in timed])
    seeding.delete_created_tasks(subject.database, subject.accounts)
    subject.accounts = seeding.replace_timed_tasks(subject.database, subject.accounts)


async def measure(without: Subject, with_feed: Subject) -> None:
    """Warm up both services, and measure them in turns."""
    for subject in (without, with_feed):
        for width in CONNECTIONS:
            await take_turn(subject, width)
        subject.costs.clear()
    await asyncio.gather(without.measure_idle(), with_feed.measure_idle())
    for turn in range(TURNS):
        print(f"turn {turn + 1} of {TURNS}", file=sys.stderr, flush=True)
        for width in CONNECTIONS:
            for subject in (without, with_feed) if turn % 2 else (with_feed, without):
                await take_turn(subject, width)


def table(without: Subject, with_feed: Subject) -> Table:
    """Return the table of the medians and ratios."""
    rows = []
    for operation in OPERATIONS:
        for width in CONNECTIONS:
            ratio = with_feed.ratio(without, operation, width)
            cpu = [f"{subject.milliseconds(operation, width):.2f}" for subject in (without, with_feed)]
            p99 = [f"{subject.p99_milliseconds(operation, width):.0f}" for subject in (without, with_feed)]
            verdict = "yes" if ratio <= TARGET else "not yet"
            rows.append((operation, str(width), *cpu, f"{ratio:.2f}", verdict, *p99))
    header = ("operation", "connections", "CPU ms without", "with", "ratio", "met", "p99 ms without", "with")
    return Table(header, tuple(rows))


@contextmanager
def subject_on(url: str, folder: Path, *, enabled: bool) -> Iterator[Subject]:
    """Run a service on the store at this URL, with or without the feed."""
    name, secret = "with_feed" if enabled else "without_feed", secrets.token_hex(32)
    settings = {
        **settings_for(url, name, secret),
        "CHANGES_ENABLED": str(enabled).lower(),
    }
    port = free_port()
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client, running(name, COMMANDS[SERVICE], settings, port, folder) as service:
        database = client[settings["DATABASE_NAME"]]
        accounts = seeding.insert_accounts(database, secret, REQUESTS + 2)
        yield Subject(service, database, seeding.seed(database, accounts))


def run(*, update_docs: bool) -> None:
    """Start the store and both services, measure, and print the table."""
    with store() as (url, folder), ExitStack() as stack:
        without, with_feed = (stack.enter_context(subject_on(url, folder, enabled=on)) for on in (False, True))
        asyncio.run(measure(without, with_feed))
        lines = table(without, with_feed).lines()
        idle = f"idle: {without.idle * 100:.2f} % of a core without the feed, {with_feed.idle * 100:.2f} % with it"
        publish("feed", lines, update_docs=update_docs)
        print(idle)


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    return run_command("python -m benchmarks.feed", __doc__, run)


if __name__ == "__main__":
    sys.exit(main())
