"""Twelve users who start, switch and stop timers at the same time: the second part of `benchmarks.history.growing`."""

import asyncio
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median, quantiles

from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import BenchmarkError, Call, Connection
from benchmarks.harness.growing_tasks import MIN_HOT_ENTRIES, insert_task
from benchmarks.harness.meter import Meter
from benchmarks.harness.processes import Service
from benchmarks.harness.tables import Table
from benchmarks.load import API
from documents.tracking.tasks import Task

USERS = 12
TASKS = 2
SECOND_TASK_ENTRIES = 2_000
WARM_UP_SECONDS = 3
MAX_IDLE_WAIT_SECONDS = 60
IDLE_CPU_SECONDS = 0.05
"""The CPU time of an idle store in a second, at most."""

MIN_RATE = 60


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of all users together. CPU and response times are in milliseconds, CPU times per request."""

    entries: int
    requests: int
    refused: int
    rate: float
    service_ms: float
    store_ms: float
    median_ms: float
    p99_ms: float
    longest_ms: float


def insert_users(
    database: Database[seeding.Document], accounts: list[seeding.Account], entries: int
) -> list[seeding.Account]:
    """Insert two tasks for each of twelve users, the first with so many entries. A page is due sooner or later."""
    users = []
    for number, account in enumerate(accounts[:USERS]):
        print(f"inserting {entries:,} entries for user {number + 1} of {USERS}", file=sys.stderr, flush=True)
        tasks = []
        for task, size in enumerate((entries, SECOND_TASK_ENTRIES)):
            hot = MIN_HOT_ENTRIES + Task.paged_at_once * (TASKS * number + task) // (TASKS * USERS)
            tasks.append(insert_task(database, account.user_id, task, size, hot).task["_id"])
        users.append(seeding.Account(account.user_id, account.token, tuple(tasks)))
    return users


async def run_users(meter: Meter, users: list[seeding.Account], entries: int, seconds: float) -> Traffic:
    """Let all users track time for this long, and return what was measured after a short warm-up.

    The store first completes the work that inserting the tasks has caused.
    """
    await _wait_until_idle(meter.store)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(Connection(meter.service.port)) for _ in users]
        await _track_time(connections, users, WARM_UP_SECONDS)
        began, service, store = time.monotonic(), meter.service.cpu_seconds(), meter.store.cpu_seconds()
        waits, statuses = await _track_time(connections, users, seconds)
        took, number = time.monotonic() - began, len(waits)
    unexpected = {status: count for status, count in statuses.items() if status >= 300 and status != 503}
    if unexpected:
        raise BenchmarkError(f"unexpected responses, by status: {unexpected}")
    return Traffic(
        entries,
        number,
        statuses[HTTPStatus.SERVICE_UNAVAILABLE],
        number / took,
        (meter.service.cpu_seconds() - service) / number * 1000,
        (meter.store.cpu_seconds() - store) / number * 1000,
        median(waits) * 1000,
        quantiles(waits, n=100, method="inclusive")[98] * 1000,
        max(waits) * 1000,
    )


async def _wait_until_idle(process: Service) -> None:
    deadline = time.monotonic() + MAX_IDLE_WAIT_SECONDS
    busy = process.cpu_seconds()
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        before, busy = busy, process.cpu_seconds()
        if busy - before < IDLE_CPU_SECONDS:
            return


async def _track_time(
    connections: list[Connection], users: list[seeding.Account], seconds: float
) -> tuple[list[float], Counter[int]]:
    """Return the response times in seconds, and the number of responses of each status."""
    deadline = time.monotonic() + seconds
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    async with asyncio.TaskGroup() as group:
        for connection, user in zip(connections, users, strict=True):
            group.create_task(_repeat(connection, _calls(user), deadline, waits, statuses))
    return waits, statuses


async def _repeat(
    connection: Connection, calls: list[Call], deadline: float, waits: list[float], statuses: Counter[int]
) -> None:
    """Send the requests in turn until the deadline, and all of them in the last round."""
    while time.monotonic() < deadline:
        for call in calls:
            began = time.monotonic()
            status, _ = await connection.exchange(call)
            waits.append(time.monotonic() - began)
            statuses[status] += 1


def _calls(user: seeding.Account) -> list[Call]:
    """Return the requests of one round: start, switch, switch back and stop."""
    first, second = map(str, user.tasks)
    timer = f"{API}/timer"
    return [
        Call("POST", f"{timer}/start", user.token, {"task_id": first}),
        Call("POST", f"{timer}/switch", user.token, {"task_id": second}),
        Call("POST", f"{timer}/switch", user.token, {"task_id": first}),
        Call("POST", f"{timer}/stop", user.token),
    ]


def traffic_table(traffic: Traffic) -> Table:
    """Return the table of what twelve users do at the same time."""
    rows = (
        ("requests per second", f"{traffic.rate:.0f}", f"at least {MIN_RATE}", _verdict(traffic.rate >= MIN_RATE)),
        ("responses with status 503", f"{traffic.refused}", "0", _verdict(traffic.refused == 0)),
        ("CPU of the service, ms per request", f"{traffic.service_ms:.2f}", "", ""),
        ("CPU of the store, ms per request", f"{traffic.store_ms:.2f}", "", ""),
        ("response time, median in ms", f"{traffic.median_ms:.0f}", "", ""),
        ("response time, p99 in ms", f"{traffic.p99_ms:.0f}", "", ""),
        ("longest response time in ms", f"{traffic.longest_ms:.0f}", "", ""),
    )
    return Table((f"{USERS} users, tasks of {traffic.entries:,} entries", "figure", "target", "met"), rows)


def _verdict(is_met: bool) -> str:
    return "yes" if is_met else "not yet"
