"""Measure the requests of a large account: `python -m benchmarks.large_account`.

A user has two years of work: 5,000 tasks of 14 entries within ten days each, 30 routines of 1,000 entries each, 60
projects, 100,000 entries in all. Another user has 100 such tasks over the same two years. Both send the same requests
in turns, on one embedded store. A third user has a week of 5,000 entries. The times are response times. Then the small
account reads a task again and again, alone and while the large one requests reports of a year.

It takes three to five minutes. `--data FOLDER` stores the data in a folder, and reuses data of the same day. `--only
TEXT` measures the requests whose names contain the text. With `--import`, a fourth user imports all entries of the
large account and undoes that, which takes another minute. `--update-docs` writes the results into docs/speed.rst, those
of an earlier run with `--figures`.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

import httpx
from bson import ObjectId
from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, BenchmarkError, Call, Connection, exit_code
from benchmarks.harness.large_accounts import BUSY, LARGE, SMALL, insert_account
from benchmarks.harness.processes import Service, free_port, running, running_store, store
from benchmarks.harness.results import Figures, add_figures_options, publish_figures
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

SHAPES = (LARGE, SMALL, BUSY)
TURNS = 7
OTHER_REQUESTS = 400
OTHER_PAUSE_SECONDS = 0.005
OTHER_TARGET_MS = 100
TOO_SLOW = 503
"""The status of a response for which the service has waited too long for the store. Its time counts."""

TIMER_TARGETS = {"start on a routine": 20, "stop on a routine": 20}


@dataclass(frozen=True, slots=True)
class Request:
    """A request, its target in milliseconds if it has one, and whether all pages of the list are read."""

    name: str
    path: str
    target: int | None = None
    all_pages: bool = False


def requests_of(today: datetime) -> tuple[Request, ...]:
    """Return the requests, those of the page first."""
    year = f"from={_day(today, 365)}&to={_day(today, -1)}"
    month = f"from={_day(today, 30)}&to={_day(today, -1)}"
    week = f"from={_day(today, 7)}&to={_day(today, -1)}"
    old_week = f"from={_day(today, 407)}&to={_day(today, 400)}"
    return (
        Request("tasks, first page", "tasks", 150),
        Request("open tasks, first page", "tasks?status=pending&status=in_progress", 150),
        Request("tasks by title", "tasks?sort=title", 150),
        Request("tasks by due date", "tasks?sort=due_at", 150),
        Request("tasks of a text", "tasks?q=website&limit=10"),
        Request("tasks of a project", "tasks?project_id={project}"),
        Request("running task", "tasks?running=true&limit=1", 150),
        Request("tags", "tags?limit=200", 500),
        Request("today", "reports/today", 150),
        Request("entries of a week, first page", f"time-entries?{week}&limit=200", 300),
        Request("entries of a week, all pages", f"time-entries?{week}&limit=200", None, all_pages=True),
        Request("entries of an old week", f"time-entries?{old_week}&limit=200", 300),
        Request("entries of a routine", "tasks/{routine}/time-entries?limit=100"),
        Request("entries of a text that none has", "time-entries?q=no%20such%20text&limit=50"),
        Request("entries that need review", "time-entries?needs_review=true&limit=50", 400),
        Request("timesheet", "reports/timesheet"),
        Request("month by day", f"reports/summary?{month}&group_by=day", 600),
        Request("year by month", f"reports/summary?{year}&group_by=month", 2_000),
        Request("year by project and task", f"reports/summary?{year}&group_by=project,task"),
    )


def _day(today: datetime, days_ago: int) -> str:
    return (today - timedelta(days=days_ago)).date().isoformat()


@dataclass(slots=True)
class Owner:
    """A user, and by the name of the request the response times and the CPU times of service and store, in seconds.

    `routine_id` is a routine, or any task if the user has none.
    """

    account: seeding.Account
    project_id: ObjectId
    routine_id: ObjectId
    times: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def milliseconds(self, name: str) -> float:
        """Return the median response time."""
        return median(self.times[name]) * 1000

    def cpu_milliseconds(self, name: str) -> float:
        """Return the median CPU time."""
        return median(self.cpu[name]) * 1000


async def send(connection: Connection, owner: Owner, request: Request) -> None:
    """Send the request and read the response, or the responses of all pages."""
    path = f"{API}/{request.path.format(project=owner.project_id, routine=owner.routine_id)}"
    cursor = None
    while True:
        page = path if cursor is None else f"{path}&cursor={quote(cursor)}"
        status, body = await connection.exchange(Call("GET", page, owner.account.token))
        if status == TOO_SLOW:
            return
        if status != 200:
            raise BenchmarkError(f"{page}: {status} {body[:500].decode()}")
        cursor = json.loads(body)["next_cursor"] if request.all_pages else None
        if cursor is None:
            return


@dataclass(frozen=True, slots=True)
class Timer:
    """Measures the response times and the CPU times."""

    service: Service
    store: Service

    async def time(self, owner: Owner, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Add the time of the work to the times of the owner."""
        began, cpu = time.perf_counter(), self._cpu_seconds()
        await work()
        owner.times.setdefault(name, []).append(time.perf_counter() - began)
        owner.cpu.setdefault(name, []).append(self._cpu_seconds() - cpu)

    def _cpu_seconds(self) -> float:
        return self.service.cpu_seconds() + self.store.cpu_seconds()


async def measure(timer: Timer, owners: list[Owner], requests: tuple[Request, ...], only: str, turns: int) -> None:
    """Measure all requests in turns. The first turn only warms up."""
    large, small, busy = owners
    selected = [request for request in requests if only in request.name]
    async with Connection(timer.service.port) as connection:
        for turn in range(turns + 1):
            print(f"turn {turn} of {turns}", file=sys.stderr, flush=True)
            for request in selected:
                measured = (large, small, busy) if request.all_pages else (large, small)
                for owner in measured:
                    await timer.time(owner, request.name, partial(send, connection, owner, request))
            if only in "start and stop on a routine":
                await measure_timer(timer, connection, large)
    for owner in owners:
        for times in (*owner.times.values(), *owner.cpu.values()):
            del times[0]


async def measure_timer(timer: Timer, connection: Connection, owner: Owner) -> None:
    """Start and stop a timer on a routine."""
    start = Call("POST", f"{API}/timer/start", owner.account.token, {"task_id": str(owner.routine_id)})
    stop = Call("POST", f"{API}/timer/stop", owner.account.token)
    await timer.time(owner, "start on a routine", partial(connection.send, start))
    await timer.time(owner, "stop on a routine", partial(connection.send, stop))


async def measure_other(port: int, owners: list[Owner], year: Request, task_id: ObjectId) -> dict[str, list[float]]:
    """Return the response times of a small account that reads a task: alone, and during the reports of a large one."""
    large, small, _ = owners
    call = Call("GET", f"{API}/tasks/{task_id}", small.account.token)

    async def read(times: list[float]) -> None:
        async with Connection(port) as connection:
            for _ in range(OTHER_REQUESTS):
                began = time.perf_counter()
                await connection.exchange(call)
                times.append(time.perf_counter() - began)
                await asyncio.sleep(OTHER_PAUSE_SECONDS)

    async def report() -> None:
        async with Connection(port) as connection:
            while True:
                await send(connection, large, year)

    alone: list[float] = []
    beside: list[float] = []
    await read(alone)
    reporting = asyncio.create_task(report())
    await read(beside)
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
    return {"alone": alone, "during reports of a year": beside}


async def measure_import(
    database: Database[seeding.Document], port: int, owner: Owner, account: seeding.Account
) -> dict[str, float]:
    """Import all entries of a user as a CSV file for another one, and undo it. Return the seconds of both."""
    content = csv_of(database, owner.account.user_id)
    began = time.perf_counter()
    headers = {"Authorization": f"Bearer {account.token}"}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", headers=headers, timeout=None) as client:
        response = await client.post(
            f"{API}/imports?wait=true",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", content, "text/csv")},
        )
        imported = time.perf_counter()
        if not response.is_success or response.json()["status"] != "done":
            raise BenchmarkError(f"{response.status_code} {response.text[:500]}")
        response = await client.delete(f"{API}/imports/{response.json()['id']}")
        if not response.is_success or any(response.json()["left"].values()):
            raise BenchmarkError(f"{response.status_code} {response.text[:500]}")
    return {"import": imported - began, "undo": time.perf_counter() - imported}


def csv_of(database: Database[seeding.Document], user_id: ObjectId) -> bytes:
    """Return all entries of a user as a CSV file, in order of their start."""
    names = {project["_id"]: project["name"] for project in database["projects"].find({"user_id": user_id})}
    rows = []
    for task in database["tasks"].find({"user_id": user_id}):
        pages = database["task_pages"].find({"_id": {"$in": task.get("pages", [])}})
        for entry in [*task["time_entries"], *(entry for page in pages for entry in page["entries"])]:
            times = f"{entry['started_at']:%Y-%m-%d %H:%M},{entry['ended_at']:%Y-%m-%d %H:%M}"
            rows.append(f"{times},{names[task['project_id']]},{task['title']},{entry['note']},yes")
    return "\n".join(["Start,End,Project,Task,Description,Billable", *sorted(rows)]).encode()


def owners_of(database: Database[seeding.Document], secret: str) -> list[Owner]:
    """Return the three users, each with an access token. Insert their data unless it is there."""
    if not database["users"].find_one({"email": seeding.email(0)}):
        insert_users(database, secret)
    owners = []
    for number in range(len(SHAPES)):
        user = database["users"].find_one({"email": seeding.email(number)}) or {}
        project = database["projects"].find_one({"user_id": user["_id"], "name": "Project 001"}) or {}
        of_user = {"user_id": user["_id"]}
        tasks = database["tasks"]
        routine = tasks.find_one({**of_user, "title": "Routine 0"}) or tasks.find_one(of_user) or {}
        account = seeding.sign_in(database, secret, user["_id"])
        owners.append(Owner(account, project["_id"], routine["_id"]))
    return owners


def insert_users(database: Database[seeding.Document], secret: str) -> None:
    """Insert the three users with their data."""
    began = time.perf_counter()
    accounts = seeding.insert_accounts(database, secret, len(SHAPES))
    for seed, (account, shape) in enumerate(zip(accounts, SHAPES, strict=False)):
        insert_account(database, account.user_id, shape, seed)
    print(f"inserted in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def run(folder: Path | None, only: str, turns: int, *, with_import: bool) -> dict[str, Any]:
    """Start the store and the service, measure, and return the figures."""
    secret, port, today = secrets.token_hex(32), free_port(), datetime.now(UTC)
    requests = requests_of(today)
    with store(folder and data_folder(folder, today)) as (url, stored), ExitStack() as stack:
        settings, store_processes = settings_for(url, SERVICE, secret), running_store(url, stored)
        service: Service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, stored))
        database = stack.enter_context(MongoClient[seeding.Document](url))[settings["DATABASE_NAME"]]
        try:
            owners = owners_of(database, secret)
            asyncio.run(measure(Timer(service, store_processes), owners, requests, only, turns))
            print("\n".join(request_table(rows_of(owners, requests)).lines()), file=sys.stderr, flush=True)
            other = {}
            year = next(request for request in requests if request.name == "year by month")
            if only in year.name:
                task = database["tasks"].find_one({"user_id": owners[1].account.user_id}) or {}
                other = asyncio.run(measure_other(port, owners, year, task["_id"]))
            seconds = None
            if with_import:
                importer = seeding.insert_account(database, secret, 1_000 + secrets.randbelow(10**9))
                seconds = asyncio.run(measure_import(database, port, owners[0], importer))
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{service.log_tail()}") from error
    return {"requests": rows_of(owners, requests), "other": other, "import_seconds": seconds, **circumstances()}


def data_folder(folder: Path, today: datetime) -> Path:
    """Return the folder of the data of this day. Delete those of other days."""
    for other in folder.glob("day-*"):
        if other.name != f"day-{today:%Y-%m-%d}":
            shutil.rmtree(other)
    stored = folder / f"day-{today:%Y-%m-%d}"
    stored.mkdir(parents=True, exist_ok=True)
    return stored


def rows_of(owners: list[Owner], requests: tuple[Request, ...]) -> list[dict[str, Any]]:
    """Return the figures of each request that was measured."""
    large, small, busy = owners
    targets = {**{request.name: request.target for request in requests}, **TIMER_TARGETS}
    return [
        {
            "name": name,
            "target": targets[name],
            "large_ms": large.milliseconds(name),
            "large_cpu_ms": large.cpu_milliseconds(name),
            "small_ms": small.milliseconds(name) if name in small.times else None,
            "busy_ms": busy.milliseconds(name) if name in busy.times else None,
        }
        for name in large.times
    ]


def circumstances() -> dict[str, Any]:
    """Return the date, the number of cores, and the load of the last fifteen minutes."""
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "cores": os.cpu_count(), "load": os.getloadavg()[2]}


def lines_of(measured: dict[str, Any]) -> list[str]:
    """Return the lines of the tables, in reStructuredText."""
    lines = request_table(measured["requests"]).lines()
    if measured["other"]:
        lines += ["", *other_table(measured["other"]).lines()]
    if measured["import_seconds"] is not None:
        seconds = measured["import_seconds"]
        import_, undo = f"{seconds['import']:.0f}", f"{seconds['undo']:.0f}"
        lines += ["", f"The import of all entries took {import_} s (target: 75 s), and its undo {undo} s."]
    where = f"on {measured['cores']} cores with a load of {measured['load']:.0f}"
    return [*lines, "", f"Measured on {measured['date']} {where}."]


def request_table(rows: list[dict[str, Any]]) -> Table:
    """Return the table of the requests."""
    header = ("request", "large", "target", "met", "CPU", "small", "ratio", "busy week")
    return Table(header, tuple(row_of(**row) for row in rows))


def row_of(
    *,
    name: str,
    target: int | None,
    large_ms: float,
    large_cpu_ms: float,
    small_ms: float | None,
    busy_ms: float | None,
) -> tuple[str, ...]:
    """Return the cells of a request."""
    return (
        name,
        f"{large_ms:.0f}",
        "" if target is None else f"{target:,}",
        "" if target is None else "yes" if large_ms <= target else "not yet",
        f"{large_cpu_ms:.0f}",
        "" if small_ms is None else f"{small_ms:.0f}",
        "" if small_ms is None else f"{large_ms / small_ms:.1f}",
        "" if busy_ms is None else f"{busy_ms:.0f}",
    )


def other_table(other: dict[str, list[float]]) -> Table:
    """Return the table of the response times of the small account."""
    rows = []
    for name, times in other.items():
        p99 = quantiles(times, n=100, method="inclusive")[98] * 1000
        met = "" if name == "alone" else "yes" if p99 <= OTHER_TARGET_MS else "not yet"
        rows.append((name, f"{median(times) * 1000:.1f}", f"{p99:.0f}", f"{max(times) * 1000:.0f}", met))
    return Table(("GET /tasks/{id} of another user", "median", "p99", "longest", "met"), tuple(rows))


def main() -> int:
    """Parse the arguments, measure, print the tables, and write them where the options say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_account", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="store the data in this folder, and reuse it")
    parser.add_argument("--only", default="", metavar="TEXT", help="only requests whose names contain this text")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--import", dest="with_import", action="store_true", help="also import all entries")
    add_figures_options(parser)
    options = parser.parse_args()

    def measure() -> Figures:
        return run(options.data, options.only, options.turns, with_import=options.with_import)

    return exit_code(lambda: publish_figures("large account", options, measure, lines_of))


if __name__ == "__main__":
    sys.exit(main())
