"""Compare the CPU time of a request with that of other services: `python -m benchmarks.peers`.

- Eve, a framework for REST APIs on MongoDB, with the same tasks on the same embedded store
- TimeTagger, a time tracker with its own store (SQLite). Its records are time entries, so it has no task with entries:
  a get reads the five records of an hour, a list 50 records, and a create adds a record.

Both are installed in .peers, which git ignores, with the versions of benchmarks/apps/peers.txt. The services take
turns, as in benchmarks/load.py. `--update-docs` writes the table into docs/speed.rst.
"""

import asyncio
import base64
import json
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import time
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, SETTLE_SECONDS, Call, Connection
from benchmarks.harness.measured import Measured
from benchmarks.harness.processes import ROOT, free_port, running, store
from benchmarks.harness.results import publish, run_command
from benchmarks.harness.tables import Table
from benchmarks.load import API, COMMANDS, CONNECTIONS, SERVICE, settings_for

OPERATIONS = ("get", "list", "create")
TARGETS = {"get": 0.33, "create": 0.33}
"""Relative to Eve."""

TURNS = 8
REQUESTS = {"get": 96, "list": 32, "create": 96}
EVE, TIMETAGGER = "Eve", "TimeTagger"
VERSIONS = ROOT / "benchmarks" / "apps" / "peers.txt"
ENVIRONMENT = ROOT / ".peers"
EVE_THREADS = 16
HOUR = 3600
RECORDS = "/timetagger/api/v2/records"

Database = Any
MakeCall = Callable[[int], Call]


@dataclass(slots=True)
class Peer(Measured):
    """A service that is measured, and the request of each operation, given its number."""

    calls: dict[str, MakeCall]
    database: Database | None = None
    writer: seeding.Account | None = None

    def restore(self) -> None:
        """Delete the created tasks, so that their number does not grow."""
        if self.database is not None and self.writer is not None:
            self.database["tasks"].delete_many({"user_id": self.writer.user_id})


def install() -> Path:
    """Create the environment of the other services, unless it has these versions. Return the folder of its commands."""
    stamp, commands = ENVIRONMENT / "versions.txt", ENVIRONMENT / "bin"
    if not stamp.is_file() or stamp.read_text() != VERSIONS.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = (commands / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "--no-deps", "-r", VERSIONS], check=True)
        stamp.write_text(VERSIONS.read_text())
    return commands


@contextmanager
def own_service(url: str, folder: Path, database: Database) -> Iterator[Peer]:
    """Run the service of this project."""
    port = free_port()
    settings = settings_for(url, database.name.removeprefix("benchmark_"), secrets.token_hex(32))
    with running(SERVICE, COMMANDS[SERVICE], settings, port, folder) as service:
        reader, writer = seeding.register_accounts(port, 2)
        reader = seeding.with_tasks(database, reader, seeding.LISTED_TASKS)
        yield Peer(
            service,
            {
                "get": lambda number: Call("GET", f"{API}/tasks/{_nth(reader.tasks, number)}", reader.token),
                "list": lambda _: Call("GET", f"{API}/tasks", reader.token),
                "create": lambda number: Call("POST", f"{API}/tasks", writer.token, {"title": f"Task {number}"}),
            },
            database,
            writer,
        )


@contextmanager
def eve(url: str, folder: Path, database: Database, commands: Path) -> Iterator[Peer]:
    """Run Eve with the same tasks, served by gunicorn in one process with threads."""
    port, token = free_port(), secrets.token_hex(32)
    account = seeding.Account(ObjectId(), token)
    writer = seeding.Account(ObjectId(), secrets.token_hex(32))
    database["accounts"].insert_many([{"_id": one.user_id, "token": one.token} for one in (account, writer)])
    reader = seeding.with_tasks(database, account, seeding.LISTED_TASKS)
    database["tasks"].create_index([("user_id", 1), ("_updated", -1)])
    command = (
        *(str(commands / "gunicorn"), "--bind", f"{HOST}:{port}", "--worker-class", "gthread"),
        *("--threads", str(EVE_THREADS), "--keep-alive", "60", "benchmarks.apps.eve_app:app"),
    )
    settings = {"DATABASE_URL": url, "DATABASE_NAME": database.name}
    listed = f"/tasks?max_results={seeding.LISTED_TASKS}&sort=-created_at&projection=%7B%22time_entries%22:0%7D"
    with running(EVE, command, settings, port, folder) as service:
        yield Peer(
            service,
            {
                "get": lambda number: Call("GET", f"/tasks/{_nth(reader.tasks, number)}", reader.token),
                "list": lambda _: Call("GET", listed, reader.token),
                "create": lambda number: Call("POST", "/tasks", writer.token, {"title": f"Task {number}"}),
            },
            database,
            writer,
        )


@contextmanager
def timetagger(folder: Path, commands: Path) -> Iterator[Peer]:
    """Run TimeTagger as it starts by default, with records of five minutes, five in each of ten hours."""
    port = free_port()
    settings = {"TIMETAGGER_BIND": f"{HOST}:{port}", "TIMETAGGER_DATADIR": str(folder / "timetagger")}
    command = (str(commands / "python"), "-m", "timetagger")
    with running(TIMETAGGER, command, settings, port, folder, health="/timetagger/status") as service:
        token = _timetagger_token(port)
        begin = int(time()) // HOUR * HOUR - 30 * 24 * HOUR
        keys = count()

        def call(method: str, path: str, body: object = None) -> Call:
            return Call(method, path, token, body, token_header="authtoken:")

        def record(start: int) -> dict[str, Any]:
            description = "Write chapter 3 #writing #book"
            return {"key": f"key{next(keys)}", "mt": start, "t1": start, "t2": start + 300, "ds": description}

        starts = [begin + number // 5 * HOUR + number % 5 * 600 for number in range(seeding.LISTED_TASKS)]
        asyncio.run(_send(port, call("PUT", RECORDS, [record(start) for start in starts])))
        hours = len(starts) // 5
        yield Peer(
            service,
            {
                "get": lambda number: call("GET", f"{RECORDS}?timerange={_range(begin + number % hours * HOUR, 1)}"),
                "list": lambda _: call("GET", f"{RECORDS}?timerange={_range(begin, hours)}"),
                "create": lambda number: call("PUT", RECORDS, [record(begin - 300 * (number + 2))]),
            },
        )


def _timetagger_token(port: int) -> str:
    body = base64.b64encode(json.dumps({"method": "localhost"}).encode())
    url = f"http://{HOST}:{port}/timetagger/api/v2/bootstrap_authentication"
    with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
        token: str = json.load(response)["token"]
    return token


async def _send(port: int, call: Call) -> None:
    async with Connection(port) as connection:
        await connection.send(call)


def _range(start: int, hours: int) -> str:
    return f"{start}-{start + hours * HOUR - 60}"


def _nth(tasks: Sequence[ObjectId], number: int) -> ObjectId:
    return tasks[number % len(tasks)]


async def take_turn(peer: Peer, operation: str, width: int) -> None:
    """Measure one operation on `width` new connections."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(Connection(peer.service.port)) for _ in range(width)]
        await asyncio.sleep(SETTLE_SECONDS)  # the time to accept them does not count
        calls = [peer.calls[operation](number) for number in range(REQUESTS[operation])]
        peer.add_cost(operation, width, await peer.cost_of(connections, calls))
    if operation == "create":
        peer.restore()


async def measure(peers: Sequence[Peer]) -> None:
    """Warm up all services, and measure every operation, one service after another."""
    for turn in range(TURNS + 1):
        print(f"turn {turn} of {TURNS}", file=sys.stderr, flush=True)
        for operation in OPERATIONS:
            for width in CONNECTIONS:
                for peer in peers:
                    await take_turn(peer, operation, width)
        if turn == 0:
            for peer in peers:
                peer.costs.clear()


def table(own: Peer, eve: Peer, timetagger: Peer) -> Table:
    """Return the table of the medians, and of the ratios to the other services."""
    rows = []
    for operation in OPERATIONS:
        for width in CONNECTIONS:
            ratio, target = own.ratio(eve, operation, width), TARGETS.get(operation)
            verdict = "" if target is None else "yes" if ratio <= target else "not yet"
            milliseconds = [f"{peer.milliseconds(operation, width):.2f}" for peer in (own, eve, timetagger)]
            ratios = (f"{ratio:.2f}", "" if target is None else f"{target:.2f}", verdict)
            rows.append(
                (operation, str(width), *milliseconds, *ratios, f"{own.ratio(timetagger, operation, width):.2f}")
            )
    header = ("operation", "connections", "service", EVE, TIMETAGGER, "of Eve", "target", "met", "of TimeTagger")
    return Table(header, tuple(rows))


def run(*, update_docs: bool) -> None:
    """Start the store and the services, measure, and print the table."""
    commands = install()
    with store() as (url, folder), MongoClient[seeding.Document](url) as client, ExitStack() as stack:
        own = stack.enter_context(own_service(url, folder, client["benchmark_service"]))
        peers = (
            own,
            stack.enter_context(eve(url, folder, client["benchmark_eve"], commands)),
            stack.enter_context(timetagger(folder, commands)),
        )
        asyncio.run(measure(peers))
        lines = table(*peers).lines()
    publish("peers", lines, update_docs=update_docs)


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    return run_command("python -m benchmarks.peers", __doc__, run)


if __name__ == "__main__":
    sys.exit(main())
