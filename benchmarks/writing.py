"""Measures whether a request costs more where there is more time: `python -m benchmarks.writing`.

Writing an entry down and stopping a timer, in a task of 10 entries and in one of 1,000: the CPU time
of the service process, by real HTTP on loopback. The sizes take turns; a ratio is the median of the
ratios within each turn. What the store does with a larger document is its own and does not count,
and neither does what an idle service takes for itself while it waits for that.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Self

from pymongo import MongoClient

from app.config import Settings
from app.embedded import EmbeddedStore
from benchmarks import seeding
from benchmarks.client import BenchmarkError, Call, Connection, send_in_turn
from benchmarks.load import API, COMMANDS, SERVICE, SETTLE_SECONDS, settings_for
from benchmarks.processes import Service, free_port, running

SIZES = (10, 1000)
TASKS = 4
TURNS = 8
REQUESTS = 24
TARGET = 1.2
IDLE_SECONDS = 3

Costs = dict[str, dict[int, list[float]]]


@dataclass(frozen=True, slots=True)
class Meter:
    """The CPU time of a service, less what it takes when nobody asks anything."""

    service: Service
    idle: float

    @classmethod
    async def of(cls, service: Service) -> Self:
        """The meter of a service that has nothing to do just now."""
        before = service.cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        return cls(service, (service.cpu_seconds() - before) / IDLE_SECONDS)

    async def cost_of(self, connection: Connection, calls: Sequence[Call]) -> float:
        """The CPU time of one call in seconds, on the average."""
        began, before = time.monotonic(), self.service.cpu_seconds()
        await send_in_turn(connection, calls)
        await asyncio.sleep(SETTLE_SECONDS)
        waited = time.monotonic() - began
        return (self.service.cpu_seconds() - before - self.idle * waited) / len(calls)


def entry_calls(account: seeding.Account) -> list[Call]:
    """Entries to be written down, in each of the tasks in turn."""
    start = datetime.now(UTC) - timedelta(days=400)
    return [
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


async def stops(meter: Meter, connection: Connection, account: seeding.Account) -> float:
    """The CPU time of a stop, each after a start that does not count."""
    taken = 0.0
    for number in range(REQUESTS):
        task_id = str(account.tasks[number % TASKS])
        await connection.send(Call("POST", f"{API}/timer/start", account.token, {"task_id": task_id}))
        await asyncio.sleep(SETTLE_SECONDS)
        taken += await meter.cost_of(connection, [Call("POST", f"{API}/timer/stop", account.token)])
    return taken / REQUESTS


async def measure(service: Service, accounts: dict[int, seeding.Account]) -> Costs:
    """The costs of each operation at each size, a turn after another; the first warms up and is forgotten."""
    costs: Costs = {name: {size: [] for size in accounts} for name in ("create entry", "stop")}
    async with Connection(service.port) as connection:
        meter = await Meter.of(service)
        for _ in range(TURNS + 1):
            for size, account in accounts.items():
                costs["create entry"][size].append(await meter.cost_of(connection, entry_calls(account)))
                costs["stop"][size].append(await stops(meter, connection, account))
    return {name: {size: turns[1:] for size, turns in by_size.items()} for name, by_size in costs.items()}


def print_table(costs: Costs) -> None:
    """Prints the figures for a person."""
    small, large = SIZES
    print(f"{'operation':<14}{f'{small} entries':>14}{f'{large} entries':>14}{'ratio':>8}{'target':>8}")
    for name, by_size in costs.items():
        ratio = median(more / less for less, more in zip(by_size[small], by_size[large], strict=True))
        cost = {size: median(turns) * 1000 for size, turns in by_size.items()}
        verdict = "met" if ratio <= TARGET else "over"
        print(f"{name:<14}{cost[small]:>11.2f} ms{cost[large]:>11.2f} ms{ratio:>8.2f}{TARGET:>8.2f} {verdict}")


def run() -> Costs:
    """The whole run: the store, the service, the measurements. Ends what it has started."""
    with tempfile.TemporaryDirectory(prefix="task-timer-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        store = Settings(environment="development", embedded_data_dir=folder / "data")
        url = stack.enter_context(EmbeddedStore(store))
        settings, port = settings_for(url, "writing", secrets.token_hex(32)), free_port()
        service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(url))
        database = client[settings["DATABASE_NAME"]]
        made = seeding.register_accounts(port, len(SIZES))
        accounts = {
            size: seeding.with_tasks(database, account, TASKS, entries=size)
            for size, account in zip(SIZES, made, strict=True)
        }
        try:
            return asyncio.run(measure(service, accounts))
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{service.last_words()}") from error


def main() -> int:
    """Measures and prints the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.writing", description=__doc__).parse_args()
    try:
        print_table(run())
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
