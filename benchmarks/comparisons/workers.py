"""Compare two workers with one: `python -m benchmarks.comparisons.workers`.

A service with one worker and one with two take turns, on a stub that answers their queries at once
(benchmarks/harness/stub_store.py), because the embedded store executes one command at a time. The requests read a task,
or list 50 tasks, on 32 connections. The target is at least 1.6 times as many requests per second. The load script and
the stub use the same cores; the CPU time of a request shows what two workers add to the work itself.

Run it on a machine with two idle cores. `--update-docs` writes the table into docs/speed.rst.
"""

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import uvloop
from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import BenchmarkError, Call, Connection, send_all
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.harness.results import publish, run_command
from benchmarks.harness.stub_store import stub_store
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

TARGET = 1.6
WORKERS = (1, 2)
CONNECTIONS = 32
MAX_ATTEMPTS = 400
TURNS = 8
REQUESTS = {"get": 3200, "list": 1280}


@dataclass(slots=True)
class Subject:
    """A service, with the requests per second and the CPU seconds of a request in each turn, by operation."""

    service: Service
    workers: int
    reader: seeding.Account
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)

    def calls(self, operation: str) -> list[Call]:
        """Return the requests of a turn."""
        tasks = self.reader.tasks if operation == "get" else [None]
        paths = [f"{API}/tasks" if task is None else f"{API}/tasks/{task}" for task in tasks]
        return [Call("GET", paths[number % len(paths)], self.reader.token) for number in range(REQUESTS[operation])]

    async def take_turn(self, operation: str) -> None:
        """Send the requests."""
        calls = self.calls(operation)
        async with AsyncExitStack() as stack:
            connections = await self._connect(stack)
            await send_all(connections, calls[: len(calls) // 10])  # each worker loads the session
            began, before = time.perf_counter(), self.service.cpu_seconds()
            await send_all(connections, calls)
            seconds, cpu = time.perf_counter() - began, self.service.cpu_seconds() - before
        self.rates.setdefault(operation, []).append(len(calls) / seconds)
        self.costs.setdefault(operation, []).append(cpu / len(calls))

    async def _connect(self, stack: AsyncExitStack) -> list[Connection]:
        """Open as many connections to each worker. The operating system alone distributes them unevenly."""
        each, call = CONNECTIONS // self.workers, self.calls("get")[0]
        by_worker: dict[int, list[Connection]] = {}
        for _ in range(MAX_ATTEMPTS):
            connection = await stack.enter_async_context(Connection(self.service.port))
            await connection.send(call)  # so a worker has accepted it
            by_worker.setdefault(self.service.process_connected_to(connection.local_port), []).append(connection)
            full = [connections[:each] for connections in by_worker.values() if len(connections) >= each]
            if len(full) == self.workers:
                return [connection for connections in full for connection in connections]
        raise BenchmarkError(f"{MAX_ATTEMPTS} connections were distributed too unevenly over {self.workers} workers")


@contextmanager
def subject_on(url: str, folder: Path, workers: int) -> Iterator[Subject]:
    """Run the service with this number of workers on the store at this URL, through a stub of its own."""
    name, secret = f"workers_{workers}", secrets.token_hex(32)
    store_port = urlsplit(url).port or 0
    with stub_store(store_port) as stub_port, MongoClient[seeding.Document](url) as client:
        stub_url = url.replace(f":{store_port}", f":{stub_port}")
        settings = {**settings_for(stub_url, name, secret), "WORKERS": str(workers)}
        with running(name, COMMANDS[SERVICE], settings, free_port(), folder) as service:
            database = client[settings["DATABASE_NAME"]]
            (account,) = seeding.insert_accounts(database, secret, 1)
            yield Subject(service, workers, seeding.with_tasks(database, account, seeding.LISTED_TASKS))


async def measure(subjects: Sequence[Subject]) -> None:
    """Warm up the services, and measure them in turns."""
    for turn in range(TURNS + 1):
        print(f"turn {turn} of {TURNS}", file=sys.stderr, flush=True)
        for operation in REQUESTS:
            for subject in subjects if turn % 2 else reversed(subjects):
                await subject.take_turn(operation)
                if turn == 0:
                    subject.rates.clear()
                    subject.costs.clear()


def table(one: Subject, two: Subject) -> Table:
    """Return the table of the medians, and of the ratios within each turn."""
    rows = []
    for operation in REQUESTS:
        ratio = median(b / a for a, b in zip(one.rates[operation], two.rates[operation], strict=True))
        rates = [f"{median(subject.rates[operation]):,.0f}" for subject in (one, two)]
        costs = [f"{median(subject.costs[operation]) * 1000:.2f}" for subject in (one, two)]
        verdict = "yes" if ratio >= TARGET else "not yet"
        rows.append((operation, *rates, f"{ratio:.2f}", f"{TARGET:.2f}", verdict, *costs))
    header = ("operation", "requests/s, one", "two workers", "ratio", "target", "met", "CPU ms, one", "two workers")
    return Table(header, tuple(rows))


def run(*, update_docs: bool) -> None:
    """Start the store, the stubs and both services, measure, and print the table."""
    with store() as (url, folder), ExitStack() as stack:
        one, two = (stack.enter_context(subject_on(url, folder, workers)) for workers in WORKERS)
        uvloop.run(measure((one, two)))
        lines = table(one, two).lines()
    publish("workers", lines, update_docs=update_docs)


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    return run_command("python -m benchmarks.comparisons.workers", __doc__, run)


if __name__ == "__main__":
    sys.exit(main())
