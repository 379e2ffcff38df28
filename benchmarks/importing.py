"""Measures what an import costs: `python -m benchmarks.importing`.

A file of 100,000 rows is uploaded, and then once more; with --beside nobody waits for the import, and its
progress is followed. The CPU and the memory are those of the service process; meanwhile /health/live is asked
again and again, to see how long the event loop keeps others waiting.
"""

import argparse
import asyncio
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter

import httpx
from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, BenchmarkError, exit_code
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

ROWS = 100_000
TASKS = 200
PROJECTS = 30
FIRST = datetime(2024, 1, 3, 9, tzinfo=UTC)
STEP = timedelta(minutes=10)
"""How long an entry is: 100,000 of them are two years."""

PAUSE_SECONDS = 0.005
IDLE_SECONDS = 5.0
LOOK_SECONDS = 0.02
FOLLOW_SECONDS = 0.5


@dataclass(slots=True)
class Cost:
    """What an upload has cost."""

    name: str
    rows: int
    cpu: float = 0.0
    time: float = 0.0
    mib: float = 0.0
    peak: float = 0.0
    waits: list[float] | None = None

    def row(self) -> str:
        """A line of the table."""
        return (
            f"{self.name:<14}{self.rows / self.cpu:>14,.0f}{self.time:>12.1f}{self.cpu:>12.1f}"
            f"{self.mib:>12.0f}{self.peak:>12.0f}"
            f"{told(self.waits or [0.0])}"
        )


def file_of(rows: int) -> bytes:
    """A CSV file of so many rows, one behind the other, in the tasks of all projects."""
    lines = ["Start,End,Project,Task,Description,Billable"]
    for number in range(rows):
        start, task = FIRST + STEP * number, number % TASKS
        when = f"{start:%Y-%m-%d %H:%M},{start + STEP:%Y-%m-%d %H:%M}"
        lines.append(f"{when},Project {task % PROJECTS},Task {task},Row {number},yes")
    return "\n".join(lines).encode()


async def upload(service: Service, token: str, content: bytes, cost: Cost, params: dict[str, str]) -> None:
    """One upload until all of it is written, with somebody who asks for the health meanwhile."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{service.port}", headers=headers, timeout=None) as client:
        await client.get("/health/live")
        idle, cpu, time = service.resident_mib(), service.cpu_seconds(), perf_counter()
        cost.waits = []
        others = [asyncio.create_task(ask(client, cost)), asyncio.create_task(look(service, idle, cost))]
        answer = await client.post(
            f"{API}/imports",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", content, "text/csv")},
            params=params,
        )
        if answer.is_success:
            answer = await followed(client, answer)
        cost.time, cost.cpu = perf_counter() - time, service.cpu_seconds() - cpu
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    if not answer.is_success:
        raise BenchmarkError(f"{answer.status_code} {answer.text[:500]}")
    print(cost.name, answer.text[:200], file=sys.stderr)


async def followed(client: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """The import once it does not run any more, as it was answered if nobody had to wait. Raises BenchmarkError."""
    while (made := answer.json())["status"] == "running":
        await asyncio.sleep(FOLLOW_SECONDS)
        answer = await client.get(f"{API}/imports/{made['id']}")
        answer.raise_for_status()
    if made["status"] != "done":
        raise BenchmarkError(f"the import is {made['status']}: {made}")
    return answer


async def waits_when_idle(service: Service) -> list[float]:
    """How long the same answer takes where nothing is imported: what the machine itself keeps waiting."""
    cost = Cost("nothing", 0, waits=[])
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{service.port}") as client:
        asking = asyncio.create_task(ask(client, cost))
        await asyncio.sleep(IDLE_SECONDS)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    return cost.waits or [0.0]


def told(waits: list[float]) -> str:
    """The 99th of a hundred waits, and the longest, in milliseconds."""
    ordered = sorted(waits)
    return f"{ordered[len(ordered) * 99 // 100] * 1000:>12.1f}{ordered[-1] * 1000:>12.1f}"


async def ask(client: httpx.AsyncClient, cost: Cost) -> None:
    """How long an answer takes that costs nothing."""
    while True:
        began = perf_counter()
        await client.get("/health/live")
        if cost.waits is not None:
            cost.waits.append(perf_counter() - began)
        await asyncio.sleep(PAUSE_SECONDS)


async def look(service: Service, idle: float, cost: Cost) -> None:
    """The most memory over what it had before."""
    while True:
        cost.peak = max(cost.peak, service.resident_mib())
        cost.mib = cost.peak - idle
        await asyncio.sleep(LOOK_SECONDS)


async def measured(service: Service, token: str, rows: int, params: dict[str, str]) -> list[Cost]:
    """What the first upload has cost, and the second."""
    content = await asyncio.to_thread(file_of, rows)
    idle = await waits_when_idle(service)
    costs = [Cost("the first time", rows), Cost("again", rows)]
    print(f"idle: {told(idle)}", file=sys.stderr)
    for cost in costs:
        await upload(service, token, content, cost, params)
    return costs


def run(rows: int, params: dict[str, str]) -> None:
    """The whole run: the store, the service, the measurements, the table. Ends what it has started."""
    secret, port = secrets.token_hex(32), free_port()
    with store() as (url, folder):
        settings = settings_for(url, SERVICE, secret)
        with running(SERVICE, COMMANDS[SERVICE], settings, port, folder) as service:
            with MongoClient[seeding.Document](url) as client:
                account = seeding.insert_accounts(client[settings["DATABASE_NAME"]], secret)[0]
            costs = asyncio.run(measured(service, account.token, rows, params))
    names = ("seconds", "CPU s", "MiB", "peak MiB", "p99 ms", "longest ms")
    print(f"\n{'':<14}{'rows/s of CPU':>14}" + "".join(f"{name:>12}" for name in names))
    for cost in costs:
        print(cost.row())


def main() -> int:
    """Measures, and prints the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--overlap", default="allow")
    options.add_argument("--beside", action="store_true", help="do not wait for the import: follow it")
    asked = options.parse_args()
    params = {"overlap": asked.overlap, "wait": "false" if asked.beside else "true"}
    return exit_code(lambda: run(asked.rows, params))


if __name__ == "__main__":
    sys.exit(main())
