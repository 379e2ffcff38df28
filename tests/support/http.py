"""What the tests share: the service under test, its clients, and the one reading of an error."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI

from app.commands.serve import CONNECTION

API = "/api/v1"
PASSWORD = "correct horse battery"

LONG = bool(os.environ.get("TEST_LONG"))
"""Whether there is time: make test-long."""

Json = dict[str, Any]


class Client(httpx.AsyncClient):
    """A client of the API, with the shortest way to the things that tests do most."""

    user: Json

    def __init__(self, **settings: Any) -> None:
        # Nothing is encrypted here, and to read the machine's certificates takes longer than most tests.
        super().__init__(**settings, verify=False, trust_env=False)

    async def make_task(self, **fields: Any) -> Json:
        """A new task."""
        response = await self.post("/tasks", json={"title": "Write the offer", **fields})
        assert response.status_code == 201, response.text
        task: Json = response.json()
        return task

    async def make_project(self, **fields: Any) -> Json:
        """A new project."""
        response = await self.post("/projects", json={"name": "Website", **fields})
        assert response.status_code == 201, response.text
        project: Json = response.json()
        return project

    async def start(self, task: Json, **fields: Any) -> Json:
        """The timer, just started on this task."""
        response = await self.post("/timer/start", json={"task_id": task["id"], **fields})
        assert response.status_code == 201, response.text
        timer: Json = response.json()
        return timer

    async def stop(self, **fields: Any) -> Json:
        """The answer to a stop that succeeds."""
        response = await self.post("/timer/stop", json=fields)
        assert response.status_code == 200, response.text
        stopped: Json = response.json()
        return stopped

    async def write(self, task: Json, **fields: Any) -> Json:
        """The entry that has just been written down on this task: an hour from nine o'clock on, but for the fields."""
        hour = {} if fields.keys() & {"ended_at", "duration_seconds"} else {"duration_seconds": 3600}
        body = {"started_at": clock("09:00"), **hour, **fields}
        response = await self.post(f"/tasks/{task['id']}/time-entries", json=body)
        assert response.status_code == 201, response.text
        entry: Json = response.json()
        return entry

    async def import_csv(self, *lines: str, **sent: Any) -> Json:
        """The import of a CSV file of these lines: start, end, task."""
        content = "\n".join(("Start,End,Task", *lines))
        response = await self.post(
            "/imports",
            data={"format": "csv", "timezone": "UTC", **sent},
            files={"file": ("time.csv", content.encode(), "text/csv")},
        )
        assert response.status_code in {200, 201, 202}, response.text
        made: Json = response.json()
        return made

    async def set_preferences(self, **preferences: Any) -> None:
        """Changes these preferences of the user."""
        response = await self.patch("/users/me", json={"preferences": preferences})
        assert response.status_code == 200, response.text

    async def request_until_available(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """The answer of a service that may be too busy at first: 503 says that nothing was done, so ask again."""
        while True:
            response = await self.request(method, path, **sent)
            if response.status_code != 503:
                return response
            problem(response, 503, "database_unavailable")
            await asyncio.sleep(int(response.headers["retry-after"]))

    async def read(self, task: Json) -> Json:
        """The task as it is now."""
        response = await self.get(f"/tasks/{task['id']}")
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def list(self, **parameters: Any) -> Json:
        """A page of tasks."""
        response = await self.get("/tasks", params=parameters)
        assert response.status_code == 200, response.text
        page: Json = response.json()
        return page


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """The problem that this answer is: the one place that knows the shape of an error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Json = response.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= body.keys()
    assert body["type"] == "about:blank"
    assert (body["status"], body["code"]) == (status, code)
    assert body["instance"] == urlsplit(str(response.request.url)).path
    assert body["request_id"] == response.headers["x-request-id"]
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer ")
    if status == 503:
        assert response.headers["retry-after"]
    return body


def pointers(response: httpx.Response, code: str = "invalid_request") -> set[str]:
    """Where a body is wrong, of an answer that is 422."""
    return {wrong["pointer"] for wrong in problem(response, 422, code)["errors"]}


def parameters(response: httpx.Response) -> set[str]:
    """Which query parameters are wrong, of an answer that is 422."""
    return {wrong["parameter"] for wrong in problem(response, 422, "invalid_request")["errors"]}


def at(entry: Json) -> str:
    """The address of an entry, as any answer about it tells it."""
    return f"/tasks/{entry['task_id']}/time-entries/{entry['id']}"


def clock(time: str) -> str:
    """The instant of this time of the one day that the tests track."""
    return f"2026-11-18T{time}{':00' * (2 - time.count(':'))}Z"


def ago(**length: float) -> str:
    """The instant this long before now, or after it for a negative length."""
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


def instant(text: str) -> datetime:
    """An instant of an answer; as texts they do not compare, since whole seconds have no fraction."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Served:
    """A service that answers over HTTP from this event loop."""

    base_url: str
    server: uvicorn.Server

    async def rest(self) -> None:
        """Waits until no request is under way: a test that failed may have left some behind."""
        if under_way := set(self.server.server_state.tasks):
            await asyncio.wait(under_way)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[Served]:
    """The service, served over HTTP from this event loop."""
    # With the protocol named, asyncio sends small parts of an answer at once: else each waits 40 ms for the other side.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=CONNECTION,
        log_config=None,
        access_log=False,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not running.done(), "the service did not start"
        await asyncio.sleep(0.01)
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", server)
    finally:
        server.should_exit = True
        await running
        listener.close()
