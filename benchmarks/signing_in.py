"""Measure how concurrent sign-ins delay other requests: `python -m benchmarks.signing_in`.

Fifty users sign in at once, repeatedly, while /health/live is requested and another user lists tasks, every few
milliseconds each. In turns, the same is requested without sign-ins. Figures are response times in milliseconds.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import FORM, Call, Connection, exit_code
from benchmarks.harness.processes import free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

SIGN_INS = 50
TURNS = 3
POLLS = 250
POLL_SECONDS = 0.02
UNREACHABLE_LIMIT = str(1_000_000_000)
LIVE, LIST = "GET /health/live", "GET /tasks"


@dataclass(slots=True)
class Waits:
    """Response times in seconds, without sign-ins and during fifty."""

    quiet: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


async def poll(port: int, call: Call, waits: list[float]) -> None:
    """Send the request repeatedly, and store the response times."""
    async with Connection(port) as connection:
        for _ in range(POLLS):
            begun = perf_counter()
            await connection.send(call)
            waits.append(perf_counter() - begun)
            await asyncio.sleep(POLL_SECONDS)


async def repeat_sign_in(connection: Connection, call: Call, took: list[float]) -> None:
    """Sign in repeatedly, until cancelled."""
    while True:
        begun = perf_counter()
        await connection.send(call)
        took.append(perf_counter() - begun)


@asynccontextmanager
async def fifty_signing_in(port: int, took: list[float]) -> AsyncIterator[None]:
    """Run fifty concurrent clients that sign in repeatedly."""
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(SIGN_INS):
            connection = await stack.enter_async_context(Connection(port))
            form = {"username": seeding.email(number % seeding.TIMED_USERS), "password": seeding.PASSWORD}
            call = Call("POST", f"{API}/auth/token", "", form, FORM)
            clients.append(asyncio.create_task(repeat_sign_in(connection, call, took)))
        try:
            yield
        finally:
            for task in clients:
                if task.done():
                    task.result()
                task.cancel()
            await asyncio.wait(clients)


async def measure(port: int, token: str) -> tuple[dict[str, Waits], list[float], float]:
    """Return the response times of each call, those of the sign-ins, and how long there were sign-ins, in seconds."""
    calls = {LIVE: Call("GET", "/health/live", ""), LIST: Call("GET", f"{API}/tasks", token)}
    waits = {name: Waits() for name in calls}
    took: list[float] = []
    busy_seconds = 0.0
    for turn in range(TURNS):
        print(f"turn {turn + 1} of {TURNS}", file=sys.stderr, flush=True)
        await asyncio.gather(*(poll(port, call, waits[name].quiet) for name, call in calls.items()))
        begun = perf_counter()
        async with fifty_signing_in(port, took):
            await asyncio.gather(*(poll(port, call, waits[name].busy) for name, call in calls.items()))
        busy_seconds += perf_counter() - begun
    return waits, took, busy_seconds


def figures(waits: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the maximum, in milliseconds."""
    ordered = {"median": median(waits), "p99": quantiles(waits, n=100)[98], "longest": max(waits)}
    return {name: seconds * 1000 for name, seconds in ordered.items()}


def print_table(waits: dict[str, Waits], took: list[float], seconds: float) -> None:
    """Print the table of results."""
    print(f"\n{'response time in ms':<26}{'':<10}{'none':>10}{'fifty':>10}{'ratio':>8}")
    for name, times in waits.items():
        busy = figures(times.busy)
        for which, quiet in figures(times.quiet).items():
            print(f"{name:<26}{which:<10}{quiet:>10.1f}{busy[which]:>10.1f}{busy[which] / quiet:>8.1f}")
    summary = ", ".join(f"{which} {milliseconds:,.0f} ms" for which, milliseconds in figures(took).items())
    print(f"\n{len(took)} sign-ins in {seconds:.0f} s, each: {summary}")


def run() -> None:
    """Start the store and the service, measure, and print the table."""
    port = free_port()
    with store() as (url, folder), ExitStack() as stack:
        limits = ("SIGN_INS_PER_MINUTE_BY_EMAIL", "SIGN_INS_PER_MINUTE_BY_ADDRESS", "REQUESTS_PER_MINUTE_BY_USER")
        settings = settings_for(url, SERVICE, secrets.token_hex(32)) | dict.fromkeys(limits, UNREACHABLE_LIMIT)
        settings |= {"RATE_LIMITS_ENABLED": "true", "REGISTRATIONS_PER_HOUR_BY_ADDRESS": UNREACHABLE_LIMIT}
        stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        client = stack.enter_context(MongoClient[dict[str, Any]](url))
        accounts = seeding.seed(client[settings["DATABASE_NAME"]], seeding.register_accounts(port))
        print_table(*asyncio.run(measure(port, accounts.reader.token)))


if __name__ == "__main__":
    sys.exit(exit_code(run))
