"""Measures whether others wait while many sign in: `python -m benchmarks.signing_in`.

Fifty sign in at once, again and again, while /health/live is asked for and another user lists tasks,
every few milliseconds each; the same is asked while nobody signs in, in turns. Figures are of the time
until the answer, in milliseconds, as a client of the service feels them.
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

AT_ONCE = 50
TURNS = 3
POLLS = 250
POLL_SECONDS = 0.02
PLENTY = str(1_000_000_000)
LIVE, LIST = "GET /health/live", "GET /tasks"


@dataclass(slots=True)
class Waits:
    """How long answers took, in seconds, while nobody signed in and while fifty did."""

    quiet: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


async def poll(port: int, call: Call, waits: list[float]) -> None:
    """Asks again and again, and notes how long each answer took."""
    async with Connection(port) as connection:
        for _ in range(POLLS):
            begun = perf_counter()
            await connection.send(call)
            waits.append(perf_counter() - begun)
            await asyncio.sleep(POLL_SECONDS)


async def sign_in_without_end(connection: Connection, call: Call, took: list[float]) -> None:
    """Signs in again and again."""
    while True:
        begun = perf_counter()
        await connection.send(call)
        took.append(perf_counter() - begun)


@asynccontextmanager
async def fifty_signing_in(port: int, took: list[float]) -> AsyncIterator[None]:
    """Fifty users sign in at once, each again when they are in, until the block ends."""
    async with AsyncExitStack() as stack:
        under_way = []
        for number in range(AT_ONCE):
            connection = await stack.enter_async_context(Connection(port))
            form = {"username": seeding.email(number % seeding.TIMED_USERS), "password": seeding.PASSWORD}
            call = Call("POST", f"{API}/auth/token", "", form, FORM)
            under_way.append(asyncio.create_task(sign_in_without_end(connection, call, took)))
        try:
            yield
        finally:
            for task in under_way:
                if task.done():
                    task.result()
                task.cancel()
            await asyncio.wait(under_way)


async def measure(port: int, token: str) -> tuple[dict[str, Waits], list[float], float]:
    """The waits of each call, how long the sign-ins took, and how long there were any."""
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
    """What is told of them, in milliseconds."""
    ordered = {"median": median(waits), "p99": quantiles(waits, n=100)[98], "longest": max(waits)}
    return {name: seconds * 1000 for name, seconds in ordered.items()}


def print_table(waits: dict[str, Waits], took: list[float], seconds: float) -> None:
    """Prints the figures for a person."""
    print(f"\n{'ms until the answer to':<26}{'':<10}{'nobody':>10}{'fifty':>10}{'ratio':>8}")
    for name, found in waits.items():
        busy = figures(found.busy)
        for which, quiet in figures(found.quiet).items():
            print(f"{name:<26}{which:<10}{quiet:>10.1f}{busy[which]:>10.1f}{busy[which] / quiet:>8.1f}")
    said = ", ".join(f"{which} {milliseconds:,.0f} ms" for which, milliseconds in figures(took).items())
    print(f"\n{len(took)} sign-ins in {seconds:.0f} s, each: {said}")


def run() -> None:
    """The whole run: the store, the service, the measurements, the table. Ends what it has started."""
    port = free_port()
    with store() as (url, folder), ExitStack() as stack:
        limits = ("SIGN_INS_PER_MINUTE_BY_EMAIL", "SIGN_INS_PER_MINUTE_BY_ADDRESS", "REQUESTS_PER_MINUTE_BY_USER")
        settings = settings_for(url, SERVICE, secrets.token_hex(32)) | dict.fromkeys(limits, PLENTY)
        settings |= {"RATE_LIMITS_ENABLED": "true", "REGISTRATIONS_PER_HOUR_BY_ADDRESS": PLENTY}
        stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        client = stack.enter_context(MongoClient[dict[str, Any]](url))
        cast = seeding.seed(client[settings["DATABASE_NAME"]], seeding.register_accounts(port))
        print_table(*asyncio.run(measure(port, cast.reader.token)))


if __name__ == "__main__":
    sys.exit(exit_code(run))
