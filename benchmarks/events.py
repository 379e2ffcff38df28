"""Measure event streams: `python -m benchmarks.events`.

One service with one worker has 1,000 idle streams of 1,000 users: the resident memory of a stream, and the CPU time of
the worker, minus those of the same worker without streams. Then a service with two workers has streams on both: the
time from the response of a write to the event, without other load, and while sixteen users start and stop timers.

It takes two to three minutes. `--update-docs` writes the results into docs/speed.rst.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, Call, Connection
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.harness.results import publish, run_command
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

STREAMS = 1_000
WARM_UP_STREAMS = 20
FIRST_USER = 10_000
IDLE_SECONDS = 30
SETTLE_SECONDS = 3
READERS = 4
WRITES = 100
WRITERS = 16
READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class IdleCost:
    """What an idle stream takes: KiB each, and the share of a core of all."""

    kibibytes: float
    core_percent: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the response of a write to the event at each client."""

    load: str
    samples: list[float]

    def row(self) -> tuple[str, ...]:
        """Return the row of the table."""
        percentiles = quantiles(self.samples, n=100)
        figures = (median(self.samples), percentiles[94], percentiles[98], max(self.samples))
        return (self.load, *(f"{figure:.0f} ms" for figure in figures))


class Stream:
    """An open event stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.arrivals: dict[int, float] = {}
        """When each event has arrived (time.monotonic), by its seq."""

    @classmethod
    async def open(cls, port: int, token: str) -> "Stream":
        """Open a stream, and read it in the background."""
        reader, writer = await asyncio.open_connection(HOST, port)
        head = f"GET {API}/events HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n"
        writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        await reader.readuntil(b"\n\n")
        return cls(reader, writer)

    async def read(self) -> None:
        """Record the arrival of each event until the stream is closed."""
        while line := await self._reader.readline():
            if line.startswith(b"id: "):
                self.arrivals[int(line[4:])] = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def measure_idle(service: Service, accounts: Sequence[seeding.Account]) -> IdleCost:
    """Open a stream for each account, and compare the idle worker with and without them."""
    warm_up = [await Stream.open(service.port, account.token) for account in accounts[:WARM_UP_STREAMS]]
    await asyncio.sleep(SETTLE_SECONDS)
    memory, core = service.resident_mib(), await _core_of(service)
    streams = [await Stream.open(service.port, account.token) for account in accounts[WARM_UP_STREAMS:]]
    readers = [asyncio.create_task(stream.read()) for stream in (*warm_up, *streams)]
    await asyncio.sleep(SETTLE_SECONDS)
    kibibytes = (service.resident_mib() - memory) * 1024 / len(streams)
    busy = await _core_of(service)
    for stream in (*warm_up, *streams):
        stream.close()
    await asyncio.wait(readers)
    return IdleCost(kibibytes, 100 * (busy - core))


async def _core_of(service: Service) -> float:
    began, before = time.monotonic(), service.cpu_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    return (service.cpu_seconds() - before) / (time.monotonic() - began)


async def measure_latency(port: int, account: seeding.Account, load: str) -> Latency:
    """Create tasks one after another, and measure the time from each response to its event at every client."""
    streams = [await Stream.open(port, account.token) for _ in range(READERS)]
    readers = [asyncio.create_task(stream.read()) for stream in streams]
    responses = []
    async with Connection(port) as connection:
        for number in range(WRITES):
            await connection.send(Call("POST", f"{API}/tasks", account.token, {"title": f"Task {number}"}))
            responses.append(time.monotonic())
            await asyncio.sleep(secrets.randbelow(200) / 1000)  # independent of the intervals of the service
    async with asyncio.timeout(READ_SECONDS):
        while any(len(stream.arrivals) < WRITES for stream in streams):  # noqa: ASYNC110 -- read by other tasks
            await asyncio.sleep(0.05)
    for stream in streams:
        stream.close()
    await asyncio.wait(readers)
    samples = [
        max(0.0, arrival - response) * 1000
        for stream in streams
        for response, (_, arrival) in zip(responses, sorted(stream.arrivals.items()), strict=True)
    ]
    return Latency(load, samples)


async def under_load(port: int, reader: seeding.Account, writers: Sequence[seeding.Account]) -> Latency:
    """Measure while each of the writers starts and stops a timer without pause."""
    tasks = [asyncio.create_task(_start_and_stop(port, account)) for account in writers]
    try:
        return await measure_latency(port, reader, f"{len(writers)} users start and stop timers")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _start_and_stop(port: int, account: seeding.Account) -> None:
    async with Connection(port) as connection:
        while True:
            start = Call("POST", f"{API}/timer/start", account.token, {"task_id": str(account.tasks[0])})
            await connection.send(start)
            await connection.send(Call("POST", f"{API}/timer/stop", account.token, {}))


def run() -> tuple[IdleCost, list[Latency]]:
    """Run the services one after another on one store."""
    secret = secrets.token_hex(32)
    with store() as (url, folder), MongoClient[seeding.Document](url) as client:
        settings = settings_for(url, "events", secret)
        database = client[settings["DATABASE_NAME"]]
        with ExitStack() as stack:
            service = stack.enter_context(running("idle", COMMANDS[SERVICE], settings, free_port(), folder))
            accounts = seeding.insert_accounts(database, secret, WARM_UP_STREAMS + STREAMS)
            idle = asyncio.run(measure_idle(service, accounts))
        with ExitStack() as stack:
            workers = {**settings, "WORKERS": "2"}
            service = stack.enter_context(running("workers", COMMANDS[SERVICE], workers, free_port(), folder))
            reader, second, *others = accounts
            writers = [seeding.with_tasks(database, account, 1) for account in others[:WRITERS]]
            latencies = [
                asyncio.run(measure_latency(service.port, reader, "none")),
                asyncio.run(under_load(service.port, second, writers)),
            ]
    return idle, latencies


def report(idle: IdleCost, latencies: Sequence[Latency]) -> list[str]:
    """Return the lines for the documentation."""
    cost = Table(
        ("idle streams", "memory of each", "CPU of all"),
        ((f"{STREAMS:,}", f"{idle.kibibytes:.1f} KiB", f"{idle.core_percent:.1f} % of a core"),),
    )
    times = Table(("other load", "median", "p95", "p99", "longest"), tuple(latency.row() for latency in latencies))
    return [*cost.lines(), "", *times.lines()]


def main() -> int:
    """Measure, print the tables, and write them into the page if this is requested."""
    return run_command(
        "python -m benchmarks.events",
        __doc__,
        lambda *, update_docs: publish("events", report(*run()), update_docs=update_docs),
    )


if __name__ == "__main__":
    sys.exit(main())
