"""Measure the cost of exports, and how long they delay other requests: `python -m benchmarks.exporting`.

A user with 200,000 entries exports all of them in each format, each from a newly started service. The CPU time is
that of the service process, without the store, which sorts the entries. The memory is the peak of the resident
memory, relative to the idle service. During the export another client requests /health/live repeatedly.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, SETTLE_SECONDS, BenchmarkError, Call, Connection, exit_code, send_in_turn
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

ENTRIES = 200_000
ENTRIES_PER_TASK = 500
ALL = "from=1970-01-01&to=9998-01-01"
FILES = {form: f"time-entries.{form}?{ALL}" for form in ("csv", "ndjson", "xlsx", "ics")} | {
    "account": "account.ndjson.gz"
}
TARGET_A_SECOND = {"csv": 20_000}
TARGET_MIB = 40
TARGET_LATENCY_MS = 50
POLL_SECONDS = 0.02
CHUNK_BYTES = 256 * 1024
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Monitor:
    """The peak memory and the latencies of a service during an export."""

    peak_mib: float = 0
    latencies: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, service: Service) -> AsyncIterator[None]:
        """Monitor the service until the block ends."""
        polling = asyncio.create_task(self._poll(service))
        try:
            yield
        finally:
            polling.cancel()

    async def _poll(self, service: Service) -> None:
        async with Connection(service.port) as connection:
            while True:
                sent = perf_counter()
                await send_in_turn(connection, [Call("GET", "/health/live", "")])
                self.latencies.append(perf_counter() - sent)
                self.peak_mib = max(self.peak_mib, service.resident_mib())
                await asyncio.sleep(POLL_SECONDS)


async def fetch(service: Service, path: str, token: str) -> int:
    """Download the file and return its size in bytes. Raises BenchmarkError if it is incomplete."""
    reader, writer = await asyncio.open_connection(HOST, service.port)
    writer.write(Call("GET", f"{API}/exports/{path}", token).encoded())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise BenchmarkError(f"{path}: {head.decode()}")
    size, end = 0, b""
    while not end.endswith(LAST_CHUNK) and (chunk := await reader.read(CHUNK_BYTES)):
        size, end = size + len(chunk), end[-len(LAST_CHUNK) :] + chunk
    writer.close()
    if not end.endswith(LAST_CHUNK):
        raise BenchmarkError(f"{path}: the file is incomplete")
    return size


async def measure(service: Service, form: str, token: str, entries: int) -> None:
    """Export once, and print the row of the table."""
    async with Connection(service.port) as connection:
        await send_in_turn(connection, [Call("GET", f"{API}/users/me", token)] * 20)
    await asyncio.sleep(SETTLE_SECONDS)
    monitor, idle, cpu, began = Monitor(), service.resident_mib(), service.cpu_seconds(), perf_counter()
    async with monitor.running(service):
        size = await fetch(service, FILES[form], token)
    took, cpu = perf_counter() - began, service.cpu_seconds() - cpu
    a_second, more = entries / cpu, monitor.peak_mib - idle
    late = sorted(monitor.latencies)
    far, worst = (late[int(len(late) * part)] * 1000 for part in (0.99, 0.999999))
    met = a_second >= TARGET_A_SECOND.get(form, 0) and more <= TARGET_MIB and far <= TARGET_LATENCY_MS
    print(
        f"{form:<10}{a_second:>14,.0f}{more:>10.1f}{size / 2**20:>10.1f}{took:>8.0f}{far:>10.1f}{worst:>10.1f}"
        f"  {'met' if met else 'over'}",
        flush=True,
    )


def run(forms: list[str], entries: int) -> None:
    """Start the store, insert the entries, and measure a new service for each format."""
    secret = secrets.token_hex(32)
    with store() as (url, folder), ExitStack() as stack:
        settings = settings_for(url, "exporting", secret)
        with running(SERVICE, COMMANDS[SERVICE], settings, free_port(), folder):
            pass  # creates the indexes
        client = stack.enter_context(MongoClient[seeding.Document](url))
        database = client[settings["DATABASE_NAME"]]
        account, *_ = seeding.insert_accounts(database, secret)
        print(f"writing {entries:,} entries", file=sys.stderr, flush=True)
        for _ in range(0, entries, 10 * ENTRIES_PER_TASK):
            seeding.with_tasks(database, account, 10, entries=ENTRIES_PER_TASK)
        print(f"{'format':<10}{'entries/CPU s':>14}{'MiB more':>10}{'MiB':>10}{'s':>8}{'p99 ms':>10}{'worst ms':>10}")
        for form in forms:
            with running(form, COMMANDS[SERVICE], settings, free_port(), folder) as service:
                asyncio.run(measure(service, form, account.token, entries))


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exporting", description=__doc__)
    parser.add_argument("forms", nargs="*", choices=[[], *FILES], help="default: all")
    parser.add_argument("--entries", type=int, default=ENTRIES, help=f"default: {ENTRIES:,}")
    options = parser.parse_args()
    return exit_code(lambda: run(options.forms or list(FILES), options.entries))


if __name__ == "__main__":
    sys.exit(main())
