"""Measure the cost of a month's report, and how long it delays other requests: `python -m benchmarks.reporting`.

The service and the naive app compute a report of the same month in turns, for a user with 2,000 tasks and 20,000
entries: all of them in that month, or spread over two years. The CPU time of the service process is the median of the
turns, a ratio the median of the ratios within each turn. Then one connection requests reports continuously while
another requests /health every few milliseconds. Its longest response time shows how long the event loop was blocked,
or how long the machine was busy with other work.
"""

import asyncio
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, Call, Connection, exit_code, send_all
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

NAIVE = "naive"
TARGET = 0.5
TARGET_MS = 50
TURNS = 6
REQUESTS = 2
LIVE = "/health"
"""A route without database access that the naive app has too."""
POLL_SECONDS = 0.003
POLLS = 1_000

SINCE = datetime(2026, 10, 1, tzinfo=UTC).replace(tzinfo=None)
MONTH = "from=2026-10-01&to=2026-11-01&timezone=Europe/Paris"
SPREADS = {"all in the month": 31, "over two years": 730}
REPORTS = {
    "group_by=day": MONTH,
    "group_by=task,day": MONTH,
    "group_by=task&explain=true&rounding=up:15": "from=2026-10-01&to=2026-10-29&timezone=Europe/Paris",
}
"""The reports that are requested continuously. The second has 22,000 rows, the third nearly the maximum of slices."""


@dataclass(slots=True)
class Subject:
    """A service with a user for each spread, and its costs in seconds per request."""

    service: Service
    tokens: dict[str, str]
    cpu: dict[str, list[float]] = field(default_factory=lambda: {spread: [] for spread in SPREADS})

    def call(self, spread: str) -> Call:
        """Return the request for a report of the month."""
        return Call("GET", f"{API}/reports/summary?{MONTH}", self.tokens[spread])


def subject_on(url: str, name: str, secret: str, folder: Path, stack: ExitStack) -> Subject:
    """Start the service of this name, and insert its users and their entries."""
    port = free_port()
    command = COMMANDS[name] if name == SERVICE else (*COMMANDS[name], "--port", str(port))
    settings = settings_for(url, name, secret)
    service = stack.enter_context(running(name, command, settings, port, folder))
    tokens = {}
    with MongoClient[seeding.Document](url) as client:
        database = client[settings["DATABASE_NAME"]]
        for (spread, days), account in zip(SPREADS.items(), seeding.insert_accounts(database, secret), strict=False):
            print(f"inserting 20,000 entries for {name}, {spread}", file=sys.stderr, flush=True)
            seeding.with_reported_time(database, account, SINCE, days)
            tokens[spread] = account.token
    return Subject(service, tokens)


async def take_turns(subjects: list[Subject]) -> None:
    """Measure each report of each service in turn. The first turn only warms up."""
    for turn in range(TURNS + 1):
        for spread in SPREADS:
            for subject in subjects:
                async with Connection(subject.service.port) as connection:
                    await asyncio.sleep(SETTLE_SECONDS)
                    cpu = subject.service.cpu_seconds()
                    await send_all([connection], [subject.call(spread)] * REQUESTS)
                    await asyncio.sleep(SETTLE_SECONDS)  # work after the last response counts
                    if turn:
                        subject.cpu[spread].append((subject.service.cpu_seconds() - cpu) / REQUESTS)


async def waits_during(subject: Subject, reports: Call | None) -> list[float]:
    """How long each of many requests for /health/live takes, in seconds, while reports are asked for or nothing is."""
    waits = []
    async with Connection(subject.service.port) as reporter, Connection(subject.service.port) as polling:
        reporting = asyncio.create_task(_repeat(reporter, reports))
        for _ in range(POLLS):
            begun = perf_counter()
            await polling.send(Call("GET", LIVE, ""))
            waits.append(perf_counter() - begun)
            await asyncio.sleep(POLL_SECONDS)
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
    return waits


async def _repeat(connection: Connection, call: Call | None) -> None:
    while call is not None:
        await connection.send(call)


def print_costs(subjects: dict[str, Subject]) -> None:
    """Print the costs of the reports."""
    print(f"\n{'a month of 20,000 entries':<28}{'naive ms':>10}{'service ms':>12}{'of naive':>10}{'target':>8}")
    service, naive = subjects[SERVICE], subjects[NAIVE]
    for spread in SPREADS:
        ratio = median(own / others for own, others in zip(service.cpu[spread], naive.cpu[spread], strict=True))
        print(
            f"{spread:<28}{median(naive.cpu[spread]) * 1000:>10.1f}{median(service.cpu[spread]) * 1000:>12.1f}"
            f"{ratio:>10.2f}{TARGET:>8.2f}{'met' if ratio <= TARGET else 'over':>6}"
        )


def print_waits(name: str, waits: list[float]) -> None:
    """Print the response times of the other requests."""
    longest, p99 = max(waits) * 1000, quantiles(waits, n=100)[98] * 1000
    verdict = "met" if longest <= TARGET_MS else "over"
    print(f"{name:<54}{median(waits) * 1000:>8.1f}{p99:>8.1f}{longest:>8.1f}{verdict:>6}", flush=True)


async def measure(subjects: dict[str, Subject]) -> None:
    """Measure and print the costs, then the response times of other requests."""
    await take_turns(list(subjects.values()))
    print_costs(subjects)
    print(f"\n{'/health in ms, during':<54}{'median':>8}{'p99':>8}{'max':>8}")
    (spread, *_) = SPREADS
    print_waits("service, nothing", await waits_during(subjects[SERVICE], None))
    print_waits("naive, the month by day", await waits_during(subjects[NAIVE], subjects[NAIVE].call(spread)))
    for report, time in REPORTS.items():
        call = Call("GET", f"{API}/reports/summary?{time}&{report}", subjects[SERVICE].tokens[spread])
        print_waits(f"service, {report}", await waits_during(subjects[SERVICE], call))


def run() -> None:
    """Start the store and the services, measure, and print the tables."""
    secret = secrets.token_hex(32)
    with store() as (url, folder), ExitStack() as stack:
        subjects = {which: subject_on(url, which, secret, folder, stack) for which in (SERVICE, NAIVE)}
        asyncio.run(measure(subjects))


if __name__ == "__main__":
    sys.exit(exit_code(run))
