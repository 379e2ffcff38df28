"""Measure how the cost of a request depends on the size of a task: `python -m benchmarks.history.growing`.

Users with one task of 100, 2,000, 20,000 and 100,000 entries send the same requests in turns, on one embedded store.
The CPU time of the service and of the store is measured around each request, minus that of the idle processes. Ratios
are relative to the smallest task, within each turn. A task is restored after each turn, so that it does not grow.
Then twelve users start, switch and stop timers at the same time, each on a task of 100,000 entries and on one of 2,000.

It takes five to ten minutes, and a gigabyte of disk space. `--quick` takes two minutes. `--update-docs` writes the
results into docs/speed.rst, those of an earlier run with `--figures`.
"""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from statistics import median, quantiles
from typing import Any

from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import BenchmarkError, Call, Connection, exit_code
from benchmarks.harness.growing_tasks import GrowingTask, insert_task
from benchmarks.harness.growing_users import Traffic, insert_users, run_users, traffic_table
from benchmarks.harness.meter import Cost, Meter
from benchmarks.harness.processes import free_port, running, running_store, store
from benchmarks.harness.results import Figures, add_figures_options, publish_figures
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

SIZES = (100, 2_000, 20_000, 100_000)
TURN_TARGET_MS = 50


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a run measures."""

    turns: int
    requests: int
    user_entries: int
    seconds: float


FULL = Scale(turns=4, requests=8, user_entries=100_000, seconds=30)
QUICK = Scale(turns=3, requests=6, user_entries=20_000, seconds=10)


@dataclass(slots=True)
class Owner:
    """A user with one task, and the costs of the user's requests by operation: a list for each turn."""

    entries: int
    account: seeding.Account
    growing: GrowingTask
    costs: dict[str, list[list[Cost]]] = field(default_factory=dict)

    @property
    def task_path(self) -> str:
        """The path of the entries of the task."""
        return f"{API}/tasks/{self.growing.task['_id']}/time-entries"

    def start(self, _: int) -> Call:
        """Return the request that starts a timer."""
        return Call("POST", f"{API}/timer/start", self.account.token, {"task_id": str(self.growing.task["_id"])})

    def stop(self, _: int) -> Call:
        """Return the request that stops it."""
        return Call("POST", f"{API}/timer/stop", self.account.token)

    def create(self, number: int) -> Call:
        """Return the request that creates an entry of today."""
        start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=number)
        body = {"started_at": start.isoformat(), "ended_at": (start + timedelta(seconds=1)).isoformat()}
        return Call("POST", self.task_path, self.account.token, body)

    def change(self, number: int) -> Call:
        """Return the request that changes the note of the oldest entry."""
        path = f"{self.task_path}/{self.growing.first_entry}"
        return Call("PATCH", path, self.account.token, {"note": f"Reading the chapter for the {number}th time"})

    def week(self, _: int) -> Call:
        """Return the request for the entries of the last seven days."""
        return Call("GET", f"{API}/time-entries?{_last_days(7)}&limit=200", self.account.token)

    def month(self, _: int) -> Call:
        """Return the request for a report of the last thirty days by day."""
        return Call("GET", f"{API}/reports/summary?{_last_days(30)}&group_by=day", self.account.token)


def _last_days(days: int) -> str:
    today = datetime.now(UTC).date()
    return f"from={today - timedelta(days=days)}&to={today + timedelta(days=1)}"


CallOf = Callable[[Owner, int], Call]
GROUPS: tuple[dict[str, CallOf], ...] = (
    {"start": Owner.start, "stop": Owner.stop},
    {"create": Owner.create},
    {"change of the oldest": Owner.change},
    {"week list": Owner.week},
    {"month summary": Owner.month},
)
TURN = "page turn"
TARGETS = {"start": (1.2, 1.5), "stop": (1.2, 1.5), "create": (1.2, 1.5), "week list": (1.2, None)}
"""The maximum ratios of the CPU time of the service and of the store."""


async def measure(meter: Meter, owners: list[Owner], database: Database[seeding.Document], scale: Scale) -> None:
    """Measure all operations of all owners in turns. The first turn only warms up."""
    async with Connection(meter.service.port) as connection:
        for turn in range(scale.turns + 1):
            print(f"turn {turn} of {scale.turns}", file=sys.stderr, flush=True)
            for operations in GROUPS:
                await measure_group(meter, connection, owners, operations, scale.requests)
            for owner in owners:
                owner.growing.restore(database)
                await measure_page_turn(meter, connection, owner, database)
    for owner in owners:
        for turns in owner.costs.values():
            del turns[0]


async def measure_group(
    meter: Meter, connection: Connection, owners: list[Owner], operations: dict[str, CallOf], requests: int
) -> None:
    """Measure these operations, in this order, as one turn of each owner."""
    for owner, name in product(owners, operations):
        owner.costs.setdefault(name, []).append([])
    for number, owner in product(range(requests), owners):
        for name, call in operations.items():
            owner.costs[name][-1].append(await meter.cost_of(connection, call(owner, number)))


async def measure_page_turn(
    meter: Meter, connection: Connection, owner: Owner, database: Database[seeding.Document]
) -> None:
    """Measure a start that turns a page, and check that the stop of a timer turns none."""
    growing = owner.growing
    growing.make_page_due(database)
    before = growing.stored_page_ids(database)
    owner.costs.setdefault(TURN, []).append([await meter.cost_of(connection, owner.start(0))])
    after = growing.stored_page_ids(database)
    if len(after) != len(before) + 1:
        raise BenchmarkError(f"a start with a due page has added {len(after) - len(before)} pages")
    await connection.send(owner.stop(0))
    growing.restore(database)
    await connection.send(owner.start(0))
    task = database["tasks"].find_one({"_id": growing.task["_id"]}) or {}
    growing.make_page_due(database)
    database["tasks"].update_one({"_id": task["_id"]}, {"$set": {"active": task["active"]}})
    await connection.send(owner.stop(0))
    if growing.stored_page_ids(database) != before:
        raise BenchmarkError("a stop has turned a page")
    growing.restore(database)


def ratio(owner: Owner, least: Owner, name: str, part: Callable[[Cost], float]) -> float:
    """Return the median of the ratios to the smallest task within each turn."""
    pairs = zip(owner.costs[name], least.costs[name], strict=True)
    return median(sum(map(part, own)) / sum(map(part, other)) for own, other in pairs)


def figures_of(owner: Owner, least: Owner, name: str) -> dict[str, Any]:
    """Return the figures of an operation: the ratios to the smallest task, and milliseconds per request."""
    costs = [cost for turn in owner.costs[name] for cost in turn]
    waits = [cost.wall * 1000 for cost in costs]
    return {
        "operation": name,
        "entries": owner.entries,
        "service_ms": median(cost.service for cost in costs) * 1000,
        "service_ratio": ratio(owner, least, name, lambda cost: cost.service),
        "store_ms": median(cost.store for cost in costs) * 1000,
        "store_ratio": ratio(owner, least, name, lambda cost: cost.store),
        "median_ms": median(waits),
        "p99_ms": quantiles(waits, n=100, method="inclusive")[98],
    }


def cost_table(figures: list[dict[str, Any]]) -> Table:
    """Return the table of the operations by size."""
    rows = [
        (
            row["operation"],
            f"{row['entries']:,}",
            f"{row['service_ms']:.2f}",
            f"{row['service_ratio']:.2f}",
            f"{row['store_ms']:.1f}",
            f"{row['store_ratio']:.2f}",
            f"{row['median_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            verdict(row),
        )
        for row in figures
    ]
    return Table(("request", "entries", "service", "ratio", "store", "ratio", "median", "p99", "met"), tuple(rows))


def verdict(row: dict[str, Any]) -> str:
    """Return whether a row meets its targets. Only the largest task has targets, and the page turn."""
    if row["operation"] == TURN:
        return "yes" if row["service_ms"] <= TURN_TARGET_MS else "no"
    service, stored = TARGETS.get(row["operation"], (None, None))
    if row["entries"] != SIZES[-1] or service is None:
        return ""
    is_met = row["service_ratio"] <= service and (stored is None or row["store_ratio"] <= stored)
    return "yes" if is_met else "no"


def insert_owners(database: Database[seeding.Document], accounts: list[seeding.Account]) -> list[Owner]:
    """Insert a task of each size, each for a user of its own."""
    return [
        Owner(entries, account, insert_task(database, account.user_id, 0, entries, min(entries, 150)))
        for entries, account in zip(SIZES, accounts, strict=False)
    ]


def run(scale: Scale) -> tuple[list[dict[str, Any]], Traffic]:
    """Start the store and the service, and measure both parts."""
    secret, port = secrets.token_hex(32), free_port()
    with store() as (url, folder), ExitStack() as stack:
        settings = settings_for(url, SERVICE, secret)
        store_processes = running_store(url, folder)
        service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        database = stack.enter_context(MongoClient[seeding.Document](url))[settings["DATABASE_NAME"]]
        accounts = seeding.insert_accounts(database, secret)
        try:
            meter = Meter.of(service, store_processes)
            owners = insert_owners(database, accounts)
            asyncio.run(measure(meter, owners, database, scale))
            users = insert_users(database, accounts[len(SIZES) :], scale.user_entries)
            traffic = asyncio.run(run_users(meter, users, scale.user_entries, scale.seconds))
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{service.log_tail()}") from error
    names = [name for operations in GROUPS for name in operations] + [TURN]
    return [figures_of(owner, owners[0], name) for name in names for owner in owners], traffic


def circumstances() -> dict[str, Any]:
    """Return the date, the number of cores, and the load of the last fifteen minutes."""
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "cores": os.cpu_count(), "load": os.getloadavg()[2]}


def tables(measured: dict[str, Any]) -> list[str]:
    """Return the lines of both tables, in reStructuredText."""
    users = traffic_table(Traffic(**measured["users"]))
    return [
        *cost_table(measured["requests"]).lines(),
        "",
        *users.lines(),
        "",
        f"Measured on {measured['date']} on {measured['cores']} cores with a load of {measured['load']:.0f}.",
    ]


def main() -> int:
    """Parse the arguments, measure, print the tables, and write them where the options say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history.growing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests, and 20,000 entries for the twelve users")
    add_figures_options(parser)
    options = parser.parse_args()

    def measure() -> Figures:
        figures, traffic = run(QUICK if options.quick else FULL)
        return {"requests": figures, "users": asdict(traffic), **circumstances()}

    return exit_code(lambda: publish_figures("growing", options, measure, tables))


if __name__ == "__main__":
    sys.exit(main())
