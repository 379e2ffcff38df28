"""Measure what the change feed adds to the cost of a write: `python -m benchmarks.feed`.

Three services run on one embedded store, two of them with CHANGES_ENABLED=false. In turns they get 320 requests, on 1
and on 16 connections: to create tasks, to update tasks, to start the timers of 320 users, and to stop them. The service
with the feed gets them without a pause. Then one of the others gets them at the same rate, because a request costs more
CPU time after a wait, and the store makes the service with the feed wait longer. The third one also gets them without a
pause.

The CPU time is that of all processes of a service, until the relay has copied the last change to the feed, minus the
CPU time of the idle service in the same turn. A ratio is the median of the ratios within each turn; the quartiles show
how much they differ. `--update-docs` writes the table into docs/speed.rst.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

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
TURNS = 6
REQUESTS = 320
IDLE_SECONDS = 2
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
    idle_turns: list[float] = field(default_factory=list)
    period: float = 0.0
    """The seconds per request of the last operation."""

    async def measure_idle(self) -> None:
        """Measure the idle service, for the operations of this turn."""
        began, before = time.monotonic(), self.service.cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        self.idle = (self.service.cpu_seconds() - before) / (time.monotonic() - began)
        self.idle_turns.append(self.idle)

    def calls(self, operation: str) -> list[Call]:
        """Return the requests of an operation."""
        reader, writer, timed = self.accounts.reader, self.accounts.writer, self.accounts.timed
        if operation == "create":
            return [
                Call("POST", f"{API}/tasks", writer.token, {"title": f"Task {number}"}) for number in range(REQUESTS)
            ]
        if operation == "update":
            paths = [f"{API}/tasks/{reader.tasks[number % len(reader.tasks)]}" for number in range(REQUESTS)]
            return [Call("PATCH", path, reader.token, {"title": f"T{number}"}) for number, path in enumerate(paths)]
        if operation == "start":
            return [Call("POST", f"{API}/timer/start", one.token, {"task_id": str(one.tasks[0])}) for one in timed]
        return [Call("POST", f"{API}/timer/stop", one.token) for one in timed]

    def restore(self) -> None:
        """Restore the tasks, so that they do not grow."""
        seeding.delete_created_tasks(self.database, self.accounts)
        self.accounts = seeding.replace_timed_tasks(self.database, self.accounts)

    async def measure(self, operation: str, width: int, pace: float = 0) -> None:
        """Send the requests on `width` new connections, wait until all changes are relayed, and store the cost.

        With `pace`, one request is due in each period of that many seconds.
        """
        async with AsyncExitStack() as stack:
            port = self.service.port
            connections = [await stack.enter_async_context(Connection(port)) for _ in range(width)]
            await asyncio.sleep(SETTLE_SECONDS)  # the time to accept them does not count
            self.add_cost(operation, width, await self._relayed_cost(connections, self.calls(operation), pace))

    async def _relayed_cost(self, connections: Sequence[Connection], calls: Sequence[Call], pace: float) -> Cost:
        began, before = time.monotonic(), self.service.cpu_seconds()
        times = await send_all(connections, calls, pace=pace)
        self.period = (time.monotonic() - began) / len(calls)
        while any(self.database[name].find_one(HAS_OUTBOX, {"_id": 1}) for name in OUTBOXES):
            if time.monotonic() > began + RELAY_PATIENCE_SECONDS:
                raise BenchmarkError("the relay has not copied the changes to the feed")
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        elapsed = time.monotonic() - began
        return Cost((self.service.cpu_seconds() - before - self.idle * elapsed) / len(calls), times)


class Subjects(NamedTuple):
    """The service with the feed, one without it at the same rate, and one without it and without a pause."""

    with_feed: Subject
    paced: Subject
    without: Subject

    async def take_turn(self, width: int, *, reverse: bool = False) -> None:
        """Measure each operation on `width` connections to each service, the services one after another."""
        for operation in OPERATIONS:
            if reverse:
                await self.without.measure(operation, width)
            await self.with_feed.measure(operation, width)
            await self.paced.measure(operation, width, self.with_feed.period)
            if not reverse:
                await self.without.measure(operation, width)
        for subject in self:
            subject.restore()


async def measure(subjects: Subjects) -> None:
    """Warm up the services, and measure them in turns."""
    for width in CONNECTIONS:
        await subjects.take_turn(width)
    for subject in subjects:
        subject.costs.clear()
    for turn in range(TURNS):
        print(f"turn {turn + 1} of {TURNS}", file=sys.stderr, flush=True)
        await asyncio.gather(*(subject.measure_idle() for subject in subjects))
        for width in CONNECTIONS:
            await subjects.take_turn(width, reverse=bool(turn % 2))


def table(subjects: Subjects) -> Table:
    """Return the table of the medians and ratios."""
    with_feed, paced, without = subjects
    rows = []
    for operation in OPERATIONS:
        for width in CONNECTIONS:
            ratio = with_feed.ratio(paced, operation, width)
            cpu = [f"{subject.milliseconds(operation, width):.2f}" for subject in (with_feed, paced, without)]
            p99 = [f"{subject.p99_milliseconds(operation, width):.0f}" for subject in (with_feed, without)]
            low, _, high = quantiles(with_feed.ratios(paced, operation, width), method="inclusive")
            spread, verdict = f"{low:.2f} to {high:.2f}", "yes" if ratio <= TARGET else "not yet"
            unpaced = f"{with_feed.ratio(without, operation, width):.2f}"
            rows.append((operation, str(width), *cpu, f"{ratio:.2f}", spread, verdict, unpaced, *p99))
    header = ("operation", "connections", "CPU ms with", "same rate", "no pause", "ratio", "quartiles", "met")
    return Table((*header, "to no pause", "p99 with", "without"), tuple(rows))


@contextmanager
def subject_on(url: str, folder: Path, name: str, *, enabled: bool) -> Iterator[Subject]:
    """Run a service on the store at this URL, with or without the feed."""
    secret = secrets.token_hex(32)
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
    """Start the store and the services, measure, and print the table."""
    with store() as (url, folder), ExitStack() as stack:
        subjects = Subjects(
            stack.enter_context(subject_on(url, folder, "with_feed", enabled=True)),
            stack.enter_context(subject_on(url, folder, "paced", enabled=False)),
            stack.enter_context(subject_on(url, folder, "without_feed", enabled=False)),
        )
        asyncio.run(measure(subjects))
        lines = table(subjects).lines()
        shares = [f"{median(subject.idle_turns):.2%} of a core" for subject in (subjects.without, subjects.with_feed)]
        idle = f"idle: {shares[0]} without the feed, {shares[1]} with it"
        publish("feed", lines, update_docs=update_docs)
        print(idle)


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    return run_command("python -m benchmarks.feed", __doc__, run)


if __name__ == "__main__":
    sys.exit(main())
