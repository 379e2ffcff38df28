"""Measure whether a write costs more in a larger task: `python -m benchmarks.history.writing`.

Creates entries and stops timers, in tasks of 10 entries and in tasks of 1,000, and measures the CPU time of the
service process. The time that the store needs for a larger document is not included. But a process that waits longer
finds colder CPU caches and needs more CPU time for the same work. So a relay delays the responses for the small tasks
as long as those for the large ones, and the CPU time of an idle service is subtracted. The sizes take turns; a ratio
is the median of the ratios within each turn.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Self
from urllib.parse import urlsplit

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, BenchmarkError, Call, Connection, exit_code, send_in_turn
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.harness.relay import Relay, relaying
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

SMALL, LARGE = 10, 1000
TASKS = 4
TURNS = 8
REQUESTS = 24
STORE_RESPONSES = 2
"""The responses of the store for each measured request: a read and an update."""
TARGET = 1.2
IDLE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time and the elapsed time of one request, in seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures the CPU time of a service, minus the CPU time that it needs when idle."""

    service: Service
    idle: float

    @classmethod
    async def of(cls, service: Service) -> Self:
        """Measure an idle service, and return its meter."""
        before = service.cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        return cls(service, (service.cpu_seconds() - before) / IDLE_SECONDS)

    async def cost_of(self, connection: Connection, calls: Sequence[Call]) -> Cost:
        """Return the average cost of the calls."""
        began, before = time.monotonic(), self.service.cpu_seconds()
        await send_in_turn(connection, calls)
        waited = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        idle = self.idle * (waited + SETTLE_SECONDS)
        return Cost((self.service.cpu_seconds() - before - idle) / len(calls), waited / len(calls))


Operation = Callable[[Meter, Connection, seeding.Account], Awaitable[Cost]]


async def write_entries(meter: Meter, connection: Connection, account: seeding.Account) -> Cost:
    """Create entries in each of the tasks in turn."""
    start = datetime.now(UTC) - timedelta(days=400)
    calls = [
        Call(
            "POST",
            f"{API}/tasks/{account.tasks[number % TASKS]}/time-entries",
            account.token,
            {
                "started_at": (start + timedelta(hours=number)).isoformat(),
                "ended_at": (start + timedelta(hours=number, minutes=50)).isoformat(),
            },
        )
        for number in range(REQUESTS)
    ]
    return await meter.cost_of(connection, calls)


async def stop_timers(meter: Meter, connection: Connection, account: seeding.Account) -> Cost:
    """Stop timers. The starts are not measured."""
    costs = []
    for number in range(REQUESTS):
        task_id = str(account.tasks[number % TASKS])
        await connection.send(Call("POST", f"{API}/timer/start", account.token, {"task_id": task_id}))
        await asyncio.sleep(SETTLE_SECONDS)
        costs.append(await meter.cost_of(connection, [Call("POST", f"{API}/timer/stop", account.token)]))
    return Cost(sum(cost.cpu for cost in costs) / REQUESTS, sum(cost.wall for cost in costs) / REQUESTS)


OPERATIONS: dict[str, Operation] = {"create entry": write_entries, "stop": stop_timers}


async def measure(service: Service, relay: Relay, small: seeding.Account, large: seeding.Account) -> None:
    """Measure each operation, and print its row of the table."""
    meter = await Meter.of(service)
    print(f"{'operation':<14}{f'{SMALL} entries':>14}{f'{LARGE} entries':>14}{'ratio':>8}{'target':>8}")
    async with Connection(service.port) as connection:
        for name, operation in OPERATIONS.items():
            alone = await operation(meter, connection, small)
            turns = []
            for _ in range(TURNS):
                relay.delay = 0
                more = await operation(meter, connection, large)
                relay.delay = max(0.0, more.wall - alone.wall) / STORE_RESPONSES
                turns.append((await operation(meter, connection, small), more))
            relay.delay = 0
            print_row(name, turns)


def print_row(name: str, turns: Sequence[tuple[Cost, Cost]]) -> None:
    """Print the row of an operation."""
    ratio = median(more.cpu / less.cpu for less, more in turns)
    less, more = (median(costs) * 1000 for costs in zip(*((a.cpu, b.cpu) for a, b in turns), strict=True))
    verdict = "met" if ratio <= TARGET else "over"
    print(f"{name:<14}{less:>11.2f} ms{more:>11.2f} ms{ratio:>8.2f}{TARGET:>8.2f} {verdict}", flush=True)


def run() -> None:
    """Start the store, the relay and the service, and measure."""
    with store() as (url, folder), ExitStack() as stack:
        relay = stack.enter_context(relaying(free_port(), urlsplit(url).port or 0))
        behind = url.replace(f":{urlsplit(url).port}/", f":{relay.port}/")
        settings, port = settings_for(behind, "writing", secrets.token_hex(32)), free_port()
        service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(url))
        database = client[settings["DATABASE_NAME"]]
        one, other = seeding.register_accounts(port, 2)
        small = seeding.with_tasks(database, one, TASKS, entries=SMALL)
        large = seeding.with_tasks(database, other, TASKS, entries=LARGE)
        try:
            asyncio.run(measure(service, relay, small, large))
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{service.log_tail()}") from error


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.history.writing", description=__doc__).parse_args()
    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
