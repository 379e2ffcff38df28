"""The service under test, its clients, and helpers for requests and responses."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI

from app.commands.serve import CONNECTION
from app.security.bearer_secrets import mask_path_secrets

API = "/api/v1"
PASSWORD = "correct horse battery"

LONG = bool(os.environ.get("TEST_LONG"))
"""Whether the long tests run (make test-long)."""

# httpcore imports sniffio several times a request. Python searches all folders each time if it is not installed, unless
# it is marked as missing.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

Json = dict[str, Any]


ENDLESS = "endless"
"""The extension of a request whose response may be an event stream without end."""


class PausedEnd(httpx.AsyncByteStream):
    """The beginning of an endless body, up to the first pause."""

    PAUSE_SECONDS = 0.3

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        with suppress(StopAsyncIteration, TimeoutError):
            while True:
                async with asyncio.timeout(self.PAUSE_SECONDS):
                    chunk = await anext(chunks)
                yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class Transport(httpx.AsyncHTTPTransport):
    """Ends the body of an event stream at its first pause, unless the request has the extension ENDLESS."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-type") == "text/event-stream" and ENDLESS not in request.extensions:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = PausedEnd(response.stream)
        return response


class Client(httpx.AsyncClient):
    """A client of the API, with methods for the most frequent requests."""

    user: Json

    def __init__(self, **settings: Any) -> None:
        # The tests use no TLS, and loading the certificates takes longer than most tests.
        super().__init__(**{"transport": Transport(verify=False, trust_env=False), **settings}, trust_env=False)

    async def make_task(self, **fields: Any) -> Json:
        """Create a task."""
        response = await self.post("/tasks", json={"title": "Write the offer", **fields})
        assert response.status_code == 201, response.text
        task: Json = response.json()
        return task

    async def make_project(self, **fields: Any) -> Json:
        """Create a project."""
        response = await self.post("/projects", json={"name": "Website", **fields})
        assert response.status_code == 201, response.text
        project: Json = response.json()
        return project

    async def start(self, task: Json, **fields: Any) -> Json:
        """Start the timer on this task, and return it."""
        response = await self.post("/timer/start", json={"task_id": task["id"], **fields})
        assert response.status_code == 201, response.text
        timer: Json = response.json()
        return timer

    async def stop(self, **fields: Any) -> Json:
        """Stop the timer, and return the body of the response."""
        response = await self.post("/timer/stop", json=fields)
        assert response.status_code == 200, response.text
        stopped: Json = response.json()
        return stopped

    async def write(self, task: Json, **fields: Any) -> Json:
        """Create an entry of this task. Default: one hour from 09:00."""
        hour = {} if fields.keys() & {"ended_at", "duration_seconds"} else {"duration_seconds": 3600}
        body = {"started_at": clock("09:00"), **hour, **fields}
        response = await self.post(f"/tasks/{task['id']}/time-entries", json=body)
        assert response.status_code == 201, response.text
        entry: Json = response.json()
        return entry

    async def import_csv(self, *lines: str, **sent: Any) -> Json:
        """Import a CSV file. Each line has the columns start, end and task."""
        content = "\n".join(("Start,End,Task", *lines))
        response = await self.post(
            "/imports",
            data={"format": "csv", "timezone": "UTC", **sent},
            files={"file": ("time.csv", content.encode(), "text/csv")},
        )
        assert response.status_code in {200, 201, 202}, response.text
        result: Json = response.json()
        return result

    async def set_preferences(self, **preferences: Any) -> None:
        """Change these preferences of the user."""
        response = await self.patch("/users/me", json={"preferences": preferences})
        assert response.status_code == 200, response.text

    async def request_until_available(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Send a request, and repeat it while the response is 503."""
        while True:
            response = await self.request(method, path, **sent)
            if response.status_code != 503:
                return response
            problem(response, 503, "database_unavailable")
            await asyncio.sleep(int(response.headers["retry-after"]))

    async def read(self, task: Json) -> Json:
        """Return the task with its entries."""
        response = await self.get(f"/tasks/{task['id']}")
        assert response.status_code == 200, response.text
        stored: Json = response.json()
        return stored

    async def list(self, **parameters: Any) -> Json:
        """Return a page of tasks."""
        response = await self.get("/tasks", params=parameters)
        assert response.status_code == 200, response.text
        page: Json = response.json()
        return page


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """Check that the response is an error (RFC 9457) with this status and code, and return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Json = response.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= body.keys()
    assert body["type"] == "about:blank"
    assert (body["status"], body["code"]) == (status, code)
    assert body["instance"] == mask_path_secrets(urlsplit(str(response.request.url)).path)
    assert body["request_id"] == response.headers["x-request-id"]
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer ")
    if status == 503:
        assert response.headers["retry-after"]
    return body


def pointers(response: httpx.Response, code: str = "invalid_request") -> set[str]:
    """Return the JSON pointers of the errors in a response with status 422."""
    return {error["pointer"] for error in problem(response, 422, code)["errors"]}


def parameters(response: httpx.Response) -> set[str]:
    """Return the invalid query parameters in a response with status 422."""
    return {error["parameter"] for error in problem(response, 422, "invalid_request")["errors"]}


def at(entry: Json) -> str:
    """Return the path of an entry."""
    return f"/tasks/{entry['task_id']}/time-entries/{entry['id']}"


def without_task(listed: Json) -> Json:
    """Return an entry of the list of all tasks as the other responses contain it."""
    return {name: value for name, value in listed.items() if name not in {"task_title", "project_id", "task_version"}}


def task_of(listed: Json) -> Json:
    """Return the task of an entry of the list of all tasks, with the fields that the list shows."""
    fields = {"title": listed["task_title"], "project_id": listed["project_id"], "version": listed["task_version"]}
    return {"id": listed["task_id"], **fields}


def clock(time: str) -> str:
    """Return the timestamp of this time (HH:MM or HH:MM:SS) on 18 November 2026 in UTC."""
    return f"2026-11-18T{time}{':00' * (2 - time.count(':'))}Z"


def ago(**length: float) -> str:
    """Return the timestamp of this timedelta before the current time."""
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


def instant(text: str) -> datetime:
    """Parse a timestamp. Timestamps cannot be compared as text, since only some have a fraction."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Served:
    """A running service in this event loop."""

    base_url: str
    server: uvicorn.Server

    async def rest(self) -> None:
        """Wait until no request is in progress. A failed test may have left some."""
        if tasks := set(self.server.server_state.tasks):
            await asyncio.wait(tasks)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[Served]:
    """Serve the application over HTTP in this event loop."""
    # asyncio sets TCP_NODELAY only if the protocol is given. Otherwise each small write can take 40 ms.
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
        timeout_keep_alive=app.state.settings.request_head_seconds,  # longer than clients keep idle connections
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
