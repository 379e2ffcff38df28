"""Compare three ways to declare the arguments of a route: `python -m benchmarks.comparisons.routing`.

One process serves three routes of the service three times, with the same service calls:

- `endpoint`: the service's own routes, of the class `Endpoint`;
- `dependencies`: the same functions as plain FastAPI routes, so that FastAPI resolves their dependencies;
- `fastapi`: functions with FastAPI's `Query`, `Header` and a body model.

The three ways take short turns. A cost is the CPU time of the service process per request, as the median of the turns;
a ratio is the median of the ratios within each turn. The last two ways are cheaper than a replacement of `Endpoint`
would be: they do not refuse unknown query parameters on routes without a query model, and `fastapi` reads the body
before it checks the token.
"""

import asyncio
import secrets
import sys
from statistics import median
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, Query
from pymongo import MongoClient
from starlette.responses import Response

from app.http.json import json_response
from app.main import create_app
from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, Call, Connection, exit_code, send_all
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, UVICORN, settings_for
from routes import tasks
from routes.dependencies import Reader, Writer
from routes.responses import versioned_response
from services.common.values.versions import VersionCondition
from services.tracking.schemas.tasks import TaskQuery, TaskUpdate
from services.tracking.tasks import task_service

PREFIXES = {"endpoint": API, "dependencies": "/dependencies", "fastapi": "/fastapi"}
TURNS = 15
REQUESTS = 48
TASKS = 5

dependencies = APIRouter(prefix=PREFIXES["dependencies"])
dependencies.get("/tasks")(tasks.list_tasks)
dependencies.get("/tasks/{task_id}")(tasks.get_task)
dependencies.patch("/tasks/{task_id}")(tasks.change_task)

native = APIRouter(prefix=PREFIXES["fastapi"])


def _condition(header: str | None) -> VersionCondition | None:
    return None if header is None else VersionCondition(frozenset(), any=True)


@native.get("/tasks")
async def list_tasks(user: Reader, query: Annotated[TaskQuery, Query()]) -> Response:
    """List tasks."""
    return json_response(await task_service.list_tasks(user, query=query))


@native.get("/tasks/{task_id}")
async def get_task(user: Reader, task_id: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Return a task."""
    return versioned_response(await task_service.get(user, task_id=task_id), if_none_match=_condition(if_none_match))


@native.patch("/tasks/{task_id}")
async def change_task(
    user: Writer, task_id: str, change: TaskUpdate, if_match: Annotated[str | None, Header()] = None
) -> Response:
    """Update a task."""
    condition = _condition(if_match)
    return versioned_response(await task_service.update(user, task_id=task_id, change=change, if_match=condition))


def app() -> FastAPI:
    """Create the service with the routes of all three ways."""
    service = create_app()
    service.include_router(dependencies)
    service.include_router(native)
    return service


def calls_for(account: seeding.Account, prefix: str) -> dict[str, list[Call]]:
    """Return the requests of each operation below this prefix."""
    paths = [f"{prefix}/tasks/{task_id}" for task_id in account.tasks]
    return {
        "get": [Call("GET", path, account.token) for path in paths],
        "list": [Call("GET", f"{prefix}/tasks?status=in_progress&sort=-updated_at&limit={TASKS}", account.token)],
        "change": [Call("PATCH", path, account.token, {"title": "Offer"}, if_match="*") for path in paths],
    }


async def measure(service: Service, account: seeding.Account) -> dict[tuple[str, str], list[float]]:
    """Return the CPU seconds per request of each operation and way, by turn. The first turn only warms up."""
    costs: dict[tuple[str, str], list[float]] = {}
    ways = list(PREFIXES)
    async with Connection(service.port) as connection:
        for turn in range(TURNS + 1):
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                for operation, calls in calls_for(account, PREFIXES[way]).items():
                    before = service.cpu_seconds()
                    await send_all([connection], [calls[number % len(calls)] for number in range(REQUESTS)])
                    await asyncio.sleep(SETTLE_SECONDS)
                    if turn:
                        costs.setdefault((operation, way), []).append((service.cpu_seconds() - before) / REQUESTS)
    return costs


def print_table(costs: dict[tuple[str, str], list[float]]) -> None:
    """Print the cost of each way, and its ratio to `endpoint`."""
    print(f"{'operation':<12}{'way':<16}{'CPU ms':>8}{'ratio':>8}")
    for (operation, way), turns in sorted(costs.items(), key=lambda item: item[0][0]):
        pairs = zip(turns, costs[operation, "endpoint"], strict=True)
        ratio = median(cost / base for cost, base in pairs)
        print(f"{operation:<12}{way:<16}{median(turns) * 1000:>8.2f}{ratio:>8.2f}")


def run() -> None:
    """Start the store and the service, measure, and print the table."""
    with store() as (url, folder), MongoClient[seeding.Document](url) as client:
        secret, port = secrets.token_hex(32), free_port()
        settings = settings_for(url, "routing", secret)
        command = (*UVICORN, "--no-access-log", "--factory", "benchmarks.comparisons.routing:app", "--port", str(port))
        with running("routing", command, settings, port, folder) as service:
            database = client[settings["DATABASE_NAME"]]
            account = seeding.with_tasks(database, seeding.insert_accounts(database, secret)[0], TASKS)
            costs = asyncio.run(measure(service, account))
    print_table(costs)


if __name__ == "__main__":
    sys.exit(exit_code(run))
