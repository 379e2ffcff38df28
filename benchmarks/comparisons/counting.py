"""Count what requests do, in one process: a script for benchmarks/comparisons/commits.py, with the code of any commit.

It imports nothing of benchmarks, so that it is the same for all commits. For each operation it counts

- the database commands;
- the function calls, of Python and of extension modules;
- the bytes of Python objects that are allocated at the same time, at most.

Each number is the median of several requests. The environment names the database, as for `task-timer serve`. The result
is written to the standard output as JSON.
"""

import asyncio
import gc
import json
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median_low
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from pymongo import monitoring

from app.config import Settings
from app.main import create_app

API = "/api/v1"
REPEATS = 9
TASKS = 100
"""The tasks of the user. Each has an entry in the month of the report."""

_commands: ContextVar[list[str] | None] = ContextVar("commands", default=None)


class Commands(monitoring.CommandListener):
    """Adds the names of commands to the list of the request that sends them."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Add the command."""
        names = _commands.get()
        if names is not None:
            names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Ignore the response."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Ignore the response."""


class Profile:
    """Counts function calls, in this thread and in those that start after `install`."""

    def __init__(self) -> None:
        self.calls = 0
        self._is_active = False

    def install(self) -> None:
        """Let the threads that start from now on call this object."""
        threading.setprofile(self)

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        """Count an event of the interpreter."""
        self.calls += self._is_active and event in {"call", "c_call"}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Count in this block, from 0."""
        self.calls, self._is_active = 0, True
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._is_active = False


@contextmanager
def traced(sizes: list[int]) -> Iterator[None]:
    """Add to `sizes` the most bytes that are allocated at the same time in this block."""
    tracemalloc.start()
    try:
        yield
        sizes.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


class Client:
    """Sends requests to the application without a network."""

    def __init__(self, app: FastAPI, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self.token = ""

    async def send(self, method: str, path: str, body: Any = None, *, form: bool = False) -> Any:
        """Send a request, and return the content of its response. Raises RuntimeError unless the status is 2xx."""
        path, _, query = path.partition("?")
        encoded = b"" if body is None else (urlencode(body) if form else json.dumps(body)).encode()
        media_type = b"application/x-www-form-urlencoded" if form else b"application/json"
        headers = [(b"host", b"127.0.0.1"), (b"content-length", str(len(encoded)).encode())]
        headers += [(b"content-type", media_type)] if encoded else []
        headers += [(b"authorization", f"Bearer {self.token}".encode())] if self.token else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": API + path,
            "raw_path": (API + path).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "state": {**self._state},
        }
        messages: list[dict[str, Any]] = [{"type": "http.request", "body": encoded, "more_body": False}]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent)
        if not 200 <= sent[0]["status"] < 300:
            raise RuntimeError(f"{method} {path}: {sent[0]['status']} {content!r}")
        return json.loads(content) if content else None


class Operations:
    """The operations that are counted: each sends one request."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: list[str] = []
        self._numbers = count()
        today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
        self._day = today - timedelta(days=1)

    async def prepare(self) -> None:
        """Register a user, and create the tasks with their entries."""
        account = {"email": "counted@example.com", "password": "a long enough pass phrase"}
        await self._client.send("POST", "/users", account)
        form = {"username": account["email"], "password": account["password"]}
        self._client.token = (await self._client.send("POST", "/auth/token", form, form=True))["access_token"]
        for number in range(TASKS):
            task = await self._client.send("POST", "/tasks", {"title": f"Task {number}"})
            self._tasks.append(task["id"])
            entry = {"started_at": (self._day + timedelta(minutes=number)).isoformat(), "duration_seconds": 30}
            await self._client.send("POST", f"/tasks/{task['id']}/time-entries", entry)

    async def get(self) -> None:
        """Read a task with its entry."""
        await self._client.send("GET", f"/tasks/{self._tasks[0]}")

    async def list(self) -> None:
        """List 50 tasks."""
        await self._client.send("GET", "/tasks")

    async def create(self) -> None:
        """Create a task."""
        await self._client.send("POST", "/tasks", {"title": f"New task {next(self._numbers)}"})

    async def start(self) -> None:
        """Start the timer on a task."""
        await self._client.send("POST", "/timer/start", {"task_id": self._tasks[next(self._numbers) % TASKS]})

    async def switch(self) -> None:
        """Switch the timer to another task."""
        await self._client.send("POST", "/timer/switch", {"task_id": self._tasks[next(self._numbers) % TASKS]})

    async def stop(self) -> None:
        """Stop the timer."""
        await self._client.send("POST", "/timer/stop", {})

    async def summary(self) -> None:
        """Report the tracked time of 30 days by day."""
        since, until = self._day - timedelta(days=29), self._day + timedelta(days=1)
        await self._client.send("GET", f"/reports/summary?from={since:%Y-%m-%d}&to={until:%Y-%m-%d}&group_by=day")


class Count:
    """What the requests of an operation did."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.calls: list[int] = []
        self.sizes: list[int] = []

    def result(self) -> dict[str, Any]:
        """Return the medians, and the database commands of the request with the median number of them."""
        numbers = [len(names) for names in self.commands]
        commands = self.commands[numbers.index(median_low(numbers))]
        return {"commands": commands, "calls": median_low(self.calls), "bytes": median_low(self.sizes)}


async def count_operations(profile: Profile, operations: Operations) -> dict[str, Any]:
    """Send the requests, and return the counts by operation."""
    timer = (operations.start, operations.switch, operations.stop)
    reads = (operations.get, operations.list, operations.create, operations.summary)
    counts = {operation.__name__: Count() for operation in (*reads, *timer)}
    for operation in (*reads, *timer):
        await operation()  # fills caches
    for _ in range(REPEATS):
        for operation in (*reads, *timer):
            one = counts[operation.__name__]
            names: list[str] = []
            token = _commands.set(names)
            with profile.active():
                await operation()
            _commands.reset(token)
            one.commands.append(names)
            one.calls.append(profile.calls)
        for operation in (*reads, *timer):
            with traced(counts[operation.__name__].sizes):
                await operation()
    return {name: one.result() for name, one in counts.items()}


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[Client]:
    """Start the application."""
    async with app.router.lifespan_context(app) as state:
        yield Client(app, {**(state or {})})


async def main() -> None:
    """Write the counts."""
    profile = Profile()
    profile.install()
    monitoring.register(Commands())
    async with client_of(create_app(Settings())) as client:
        operations = Operations(client)
        await operations.prepare()
        gc.collect()
        gc.disable()
        counts = await count_operations(profile, operations)
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main())
