"""Measures what an export costs, and what it leaves to others meanwhile: `python -m benchmarks.exporting`.

A user with 200,000 entries asks for all of them in each format, each of a service that has just
been started. CPU is that of the service process; what the store takes for sorting is its own.
Memory is the most that the process holds resident at any moment, over what it held idle. Beside the
export another client asks again and again whether the process lives.
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
from benchmarks.harness.client import HOST, BenchmarkError, Call, Connection, exit_code, send_in_turn
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, SETTLE_SECONDS, settings_for

ENTRIES = 200_000
OF_A_TASK = 500
ALL = "from=1970-01-01&to=9998-01-01"
FILES = {form: f"time-entries.{form}?{ALL}" for form in ("csv", "ndjson", "xlsx", "ics")} | {
    "account": "account.ndjson.gz"
}
TARGET_A_SECOND = {"csv": 20_000}
TARGET_MIB = 40
TARGET_LATENCY_MS = 50
LOOK_SECONDS = 0.02
PIECE_BYTES = 256 * 1024
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Watch:
    """What was seen of a service while it exported."""

    most_mib: float = 0
    latencies: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def on(self, service: Service) -> AsyncIterator[None]:
        """Watches the service until the block ends."""
        watching = asyncio.create_task(self._look(service))
        try:
            yield
        finally:
            watching.cancel()

    async def _look(self, service: Service) -> None:
        async with Connection(service.port) as connection:
            while True:
                asked = perf_counter()
                await send_in_turn(connection, [Call("GET", "/health/live", "")])
                self.latencies.append(perf_counter() - asked)
                self.most_mib = max(self.most_mib, service.resident_mib())
                await asyncio.sleep(LOOK_SECONDS)


async def fetch(service: Service, path: str, token: str) -> int:
    """How many bytes the file has. Raises BenchmarkError when it does not come as a whole."""
    reader, writer = await asyncio.open_connection(HOST, service.port)
    writer.write(Call("GET", f"{API}/exports/{path}", token).encoded())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise BenchmarkError(f"{path}: {head.decode()}")
    size, end = 0, b""
    while not end.endswith(LAST_CHUNK) and (piece := await reader.read(PIECE_BYTES)):
        size, end = size + len(piece), end[-len(LAST_CHUNK) :] + piece
    writer.close()
    if not end.endswith(LAST_CHUNK):
        raise BenchmarkError(f"{path}: the file was cut short")
    return size


async def measure(service: Service, form: str, token: str, entries: int) -> None:
    """Exports once, and prints the row."""
    async with Connection(service.port) as connection:
        await send_in_turn(connection, [Call("GET", f"{API}/users/me", token)] * 20)
    await asyncio.sleep(SETTLE_SECONDS)
    watch, idle, cpu, began = Watch(), service.resident_mib(), service.cpu_seconds(), perf_counter()
    async with watch.on(service):
        size = await fetch(service, FILES[form], token)
    took, cpu = perf_counter() - began, service.cpu_seconds() - cpu
    a_second, more = entries / cpu, watch.most_mib - idle
    late = sorted(watch.latencies)
    far, worst = (late[int(len(late) * part)] * 1000 for part in (0.99, 0.999999))
    met = a_second >= TARGET_A_SECOND.get(form, 0) and more <= TARGET_MIB and far <= TARGET_LATENCY_MS
    print(
        f"{form:<10}{a_second:>14,.0f}{more:>10.1f}{size / 2**20:>10.1f}{took:>8.0f}{far:>10.1f}{worst:>10.1f}"
        f"  {'met' if met else 'over'}",
        flush=True,
    )


def run(forms: list[str], entries: int) -> None:
    """The whole run: the store, the entries, a service for each format. Ends what it has started."""
    secret = secrets.token_hex(32)
    with store() as (url, folder), ExitStack() as stack:
        settings = settings_for(url, "exporting", secret)
        with running(SERVICE, COMMANDS[SERVICE], settings, free_port(), folder):
            pass  # it makes the indexes
        client = stack.enter_context(MongoClient[seeding.Document](url))
        database = client[settings["DATABASE_NAME"]]
        account, *_ = seeding.insert_accounts(database, secret)
        print(f"writing {entries:,} entries", file=sys.stderr, flush=True)
        for _ in range(0, entries, 10 * OF_A_TASK):
            seeding.with_tasks(database, account, 10, entries=OF_A_TASK)
        print(f"{'format':<10}{'entries/CPU s':>14}{'MiB more':>10}{'MiB':>10}{'s':>8}{'p99 ms':>10}{'worst ms':>10}")
        for form in forms:
            with running(form, COMMANDS[SERVICE], settings, free_port(), folder) as service:
                asyncio.run(measure(service, form, account.token, entries))


def main() -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exporting", description=__doc__)
    parser.add_argument("forms", nargs="*", choices=[[], *FILES], help="all unless named")
    parser.add_argument("--entries", type=int, default=ENTRIES, help=f"{ENTRIES:,} unless given")
    asked = parser.parse_args()
    return exit_code(lambda: run(asked.forms or list(FILES), asked.entries))


if __name__ == "__main__":
    sys.exit(main())
