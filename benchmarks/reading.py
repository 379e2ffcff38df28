"""Measures that a week is as cheap to list after years as after days: `python -m benchmarks.reading`.

Users with the same week of time, but with more and more time before it, list that week in turns.
The CPU of the service process and the time until the answer, most of which is the store's own, are
medians of the turns; ratios are to the user with the least, within each turn.
"""

import asyncio
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from pymongo import MongoClient

from benchmarks import seeding
from benchmarks.client import Call, Connection, exit_code, send_all
from benchmarks.load import API, COMMANDS, SERVICE, SETTLE_SECONDS, settings_for
from benchmarks.processes import Service, free_port, running, store

OLDER = (1_000, 10_000, 100_000)
TURNS = 12
REQUESTS = 16


@dataclass(slots=True)
class Reader:
    """A user with so much older time, and what a list of the week has cost, in seconds a request."""

    older: int
    call: Call
    cpu: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)


def readers_on(database_url: str, name: str, secret: str) -> list[Reader]:
    """The users, written into the database."""
    since = (datetime.now(UTC) - timedelta(days=seeding.DAYS + 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    readers = []
    with MongoClient[seeding.Document](database_url) as client:
        database = client[name]
        for older, account in zip(OLDER, seeding.insert_accounts(database, secret), strict=False):
            print(f"writing {older:,} older entries", file=sys.stderr, flush=True)
            seeding.with_history(database, account, older)
            readers.append(Reader(older, Call("GET", f"{API}/time-entries?from={since}&limit=200", account.token)))
    return readers


async def take_turns(service: Service, readers: list[Reader]) -> None:
    """Each user in its turn, the first turn only to warm up."""
    async with Connection(service.port) as connection:
        for turn in range(TURNS + 1):
            for reader in readers:
                cpu, time = service.cpu_seconds(), perf_counter()
                await send_all([connection], [reader.call] * REQUESTS)
                took = perf_counter() - time
                await asyncio.sleep(SETTLE_SECONDS)  # what a service does after its last answer counts
                if turn:
                    reader.time.append(took / REQUESTS)
                    reader.cpu.append((service.cpu_seconds() - cpu) / REQUESTS)


def ratio(costs: list[float], least: list[float]) -> float:
    """A cost as a part of the least: the median of the turns."""
    return median(own / others for own, others in zip(costs, least, strict=True))


def print_table(readers: list[Reader]) -> None:
    """Prints the figures for a person."""
    least = readers[0]
    print(f"\n{'older entries':>14}{'CPU ms':>10}{'ratio':>8}{'time ms':>10}{'ratio':>8}")
    for reader in readers:
        print(
            f"{reader.older:>14,}{median(reader.cpu) * 1000:>10.2f}{ratio(reader.cpu, least.cpu):>8.2f}"
            f"{median(reader.time) * 1000:>10.2f}{ratio(reader.time, least.time):>8.2f}"
        )


def run() -> None:
    """The whole run: the store, the service, the measurements, the table. Ends what it has started."""
    secret, port = secrets.token_hex(32), free_port()
    with store() as (url, folder), ExitStack() as stack:
        settings = settings_for(url, SERVICE, secret)
        service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        readers = readers_on(url, settings["DATABASE_NAME"], secret)
        asyncio.run(take_turns(service, readers))
    print_table(readers)


if __name__ == "__main__":
    sys.exit(exit_code(run))
