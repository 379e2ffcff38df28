"""Measure the cost of an import: `python -m benchmarks.importing`.

A file of 100,000 rows is uploaded, and then uploaded again; then the first import is undone. With --beside the import
runs in the background, and its progress is polled. With --tasks 1 all rows are of one task. CPU time and memory are
those of the service process, "store CPU" is that of the store. Meanwhile /health/live is requested repeatedly, to
measure how long the event loop delays other requests.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
"""The length of an entry: 100,000 entries are two years."""

PAUSE_SECONDS = 0.005
IDLE_SECONDS = 5.0
MEMORY_POLL_SECONDS = 0.02
PROGRESS_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Cost:
    """The cost of an upload or its undo: seconds, MiB, and the waiting times of other requests in seconds."""

    name: str
    rows: int
    cpu: float = 0.0
    store_cpu: float = 0.0
    time: float = 0.0
    mib: float = 0.0
    peak: float = 0.0
    waits: list[float] | None = None

    def row(self) -> str:
        """Return the line of the table."""
        return (
            f"{self.name:<14}{self.rows / self.cpu:>14,.0f}{self.time:>12.1f}{self.cpu:>12.1f}{self.store_cpu:>12.1f}"
            f"{self.mib:>12.0f}{self.peak:>12.0f}"
            f"{format_waits(self.waits or [0.0])}"
        )


def file_of(rows: int, tasks: int) -> bytes:
    """Return a CSV file with consecutive entries in the tasks of all projects."""
    lines = ["Start,End,Project,Task,Description,Billable"]
    for number in range(rows):
        start, task = FIRST + STEP * number, number % tasks
        when = f"{start:%Y-%m-%d %H:%M},{start + STEP:%Y-%m-%d %H:%M}"
        lines.append(f"{when},Project {task % PROJECTS},Task {task},Row {number},yes")
    return "\n".join(lines).encode()


@asynccontextmanager
async def measuring(service: Service, token: str, cost: Cost) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the service, measure the cost of the block, and poll the service meanwhile."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{service.port}", headers=headers, timeout=None) as client:
        await client.get("/health/live")
        idle, time = service.resident_mib(), perf_counter()
        cpu, store_cpu = service.cpu_seconds(), service.store_cpu_seconds()
        cost.waits = []
        polls = [asyncio.create_task(poll_health(client, cost)), asyncio.create_task(poll_memory(service, idle, cost))]
        yield client
        cost.time, cost.cpu = perf_counter() - time, service.cpu_seconds() - cpu
        cost.store_cpu = service.store_cpu_seconds() - store_cpu
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)


async def upload(service: Service, token: str, content: bytes, cost: Cost, params: dict[str, str]) -> str:
    """Upload the file and wait until the import is done. Return its id."""
    async with measuring(service, token, cost) as client:
        response = await client.post(
            f"{API}/imports",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", content, "text/csv")},
            params=params,
        )
        if response.is_success:
            response = await wait_until_done(client, response)
    require_success(cost, response)
    import_id: str = response.json()["id"]
    return import_id


async def undo(service: Service, token: str, import_id: str, cost: Cost) -> None:
    """Undo the import."""
    async with measuring(service, token, cost) as client:
        response = await client.delete(f"{API}/imports/{import_id}")
    require_success(cost, response)


def require_success(cost: Cost, response: httpx.Response) -> None:
    """Print the response. Raises BenchmarkError if it is an error."""
    if not response.is_success:
        raise BenchmarkError(f"{response.status_code} {response.text[:500]}")
    print(cost.name, response.text[:200], file=sys.stderr)


async def wait_until_done(client: httpx.AsyncClient, response: httpx.Response) -> httpx.Response:
    """Poll the import until it is done. Raises BenchmarkError if it fails."""
    while (result := response.json())["status"] == "running":
        await asyncio.sleep(PROGRESS_POLL_SECONDS)
        response = await client.get(f"{API}/imports/{result['id']}")
        response.raise_for_status()
    if result["status"] != "done":
        raise BenchmarkError(f"the import is {result['status']}: {result}")
    return response


async def waits_when_idle(service: Service) -> list[float]:
    """Return the response times of /health/live, in seconds, while nothing is imported."""
    cost = Cost("nothing", 0, waits=[])
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{service.port}") as client:
        polling = asyncio.create_task(poll_health(client, cost))
        await asyncio.sleep(IDLE_SECONDS)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
    return cost.waits or [0.0]


def format_waits(waits: list[float]) -> str:
    """Format the 99th percentile and the maximum, in milliseconds."""
    ordered = sorted(waits)
    return f"{ordered[len(ordered) * 99 // 100] * 1000:>12.1f}{ordered[-1] * 1000:>12.1f}"


async def poll_health(client: httpx.AsyncClient, cost: Cost) -> None:
    """Add the response times of /health/live to the cost, until cancelled."""
    while True:
        began = perf_counter()
        await client.get("/health/live")
        if cost.waits is not None:
            cost.waits.append(perf_counter() - began)
        await asyncio.sleep(PAUSE_SECONDS)


async def poll_memory(service: Service, idle: float, cost: Cost) -> None:
    """Set the peak memory and its increase, until cancelled."""
    while True:
        cost.peak = max(cost.peak, service.resident_mib())
        cost.mib = cost.peak - idle
        await asyncio.sleep(MEMORY_POLL_SECONDS)


async def measure(service: Service, token: str, rows: int, tasks: int, params: dict[str, str]) -> list[Cost]:
    """Return the costs of the first and the second upload, and of the undo of the first."""
    content = await asyncio.to_thread(file_of, rows, tasks)
    idle = await waits_when_idle(service)
    print(f"idle: {format_waits(idle)}", file=sys.stderr)
    costs = [Cost("the first time", rows), Cost("again", rows), Cost("undo", rows)]
    first, again, last = costs
    import_id = await upload(service, token, content, first, params)
    await upload(service, token, content, again, params)
    await undo(service, token, import_id, last)
    return costs


def run(rows: int, tasks: int, params: dict[str, str]) -> None:
    """Start the store and the service, measure, and print the table."""
    secret, port = secrets.token_hex(32), free_port()
    with store() as (url, folder):
        settings = settings_for(url, SERVICE, secret)
        with running(SERVICE, COMMANDS[SERVICE], settings, port, folder) as service:
            with MongoClient[seeding.Document](url) as client:
                account = seeding.insert_accounts(client[settings["DATABASE_NAME"]], secret)[0]
            costs = asyncio.run(measure(service, account.token, rows, tasks, params))
    names = ("seconds", "CPU s", "store CPU s", "MiB", "peak MiB", "p99 ms", "longest ms")
    print(f"\n{'':<14}{'rows/s of CPU':>14}" + "".join(f"{name:>12}" for name in names))
    for cost in costs:
        print(cost.row())


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--overlap", default="allow")
    parser.add_argument("--beside", action="store_true", help="import in the background, and poll the progress")
    options = parser.parse_args()
    params = {"overlap": options.overlap, "wait": "false" if options.beside else "true"}
    return exit_code(lambda: run(options.rows, options.tasks, params))


if __name__ == "__main__":
    sys.exit(main())
