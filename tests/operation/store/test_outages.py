"""The database is down or hangs: every request is answered in time, and the service recovers by itself."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.embedded.store import EmbeddedStore
from app.embedded.store_program import SECANTUS_SERVER
from tests.support.http import API, Client, Json, problem
from tests.support.processes import Program, find_process, free_port, process_tree, running

# Neither is that of the document's examples, which change passwords and delete accounts.
ACCOUNT = {"email": "grace@example.com", "password": "a staple for the horse"}
WITHOUT_THE_DATABASE = {"health", "health_live", "get_config"}
PARAMETERS = {"from": "2026-11-01", "to": "2026-12-01", "group_by": "day"}
FILE = ("time.csv", b"Start,End,Task\n2026-11-03 09:00,2026-11-03 10:00,Offer\n", "text/csv")
WEBHOOK = {"url": "https://1.1.1.1/"}
"""A host that is an address. A name is looked up before the database is asked, and is refused without a network."""

REPETITIONS = 2
"""How often each operation is requested at the same time: far more requests in all than the driver has connections."""

MAX_SECONDS_FOR_ALL = 45
"""A request is answered within 6 s. But here one process sends a hundred at the same time, on a busy machine. One after
the other on a few connections they would take more than a minute."""


class Store:
    """A store that a test can stop or suspend."""

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(
            _env_file=None,
            embedded_data_dir=folder,
            embedded_port=free_port(),
            embedded_patience_seconds=3600,  # a suspended store is not restarted
        )
        self.url = ""

    def start(self) -> None:
        self._running = EmbeddedStore(self._settings)
        self.url = self._running.__enter__()

    def stop(self) -> None:
        self._running.__exit__(None, None, None)

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Stop the store until the block ends."""
        await asyncio.to_thread(self.stop)
        try:
            yield
        finally:
            await asyncio.to_thread(self.start)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Suspend the store until the block ends."""
        assert self._running._supervisor is not None
        process = find_process(process_tree(self._running._supervisor.pid), SECANTUS_SERVER)
        process.suspend()
        try:
            yield
        finally:
            process.resume()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store") / "data")
    store.start()
    yield store
    store.stop()


@pytest.fixture(scope="module")
def service(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A service on that store, in its own process."""
    folder = tmp_path_factory.mktemp("service")
    with running("serve", folder=folder, PORT=free_port(), DATABASE_URL=store.url, MONGOD_BINARY="/nowhere") as service:
        service.wait_until_ready()
        with httpx.Client(base_url=service.base_url + API) as client:
            assert client.post("/users", json=ACCOUNT).status_code == 201
        yield service


@asynccontextmanager
async def signed_in(service: Program) -> AsyncIterator[Client]:
    limits = httpx.Limits(max_connections=None)
    async with Client(base_url=service.base_url + API, timeout=60, limits=limits) as client:
        form = {"username": ACCOUNT["email"], "password": ACCOUNT["password"]}
        token = (await client.request_until_available("POST", "/auth/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def every_request(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield a valid request for each operation that needs the database, from the examples of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] not in WITHOUT_THE_DATABASE:
                assert "503" in operation["responses"], operation["operationId"]
                path_of_secret = path.replace("{secret}", "0" * 64)
                yield method, re.sub(r"\{\w+\}", "0" * 24, path_of_secret), valid_request(document, operation)


def valid_request(document: Json, operation: Json) -> Json:
    sent: Json = {}
    required = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter.get("required")}
    if parameters := {name: value for name, value in PARAMETERS.items() if name in required}:
        sent["params"] = parameters
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        example = example_of(document, content["schema"])
        match media_type:
            case "application/json":
                sent["json"] = {**example, **WEBHOOK} if "url" in example else example
            case "multipart/form-data":
                sent |= {"data": {"format": "csv", "timezone": "UTC"}, "files": {"file": FILE}}
            case _:
                sent["data"] = example
    return sent


def example_of(document: Json, schema: Json) -> Any:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema["examples"][0]


def paths_without_the_database(document: Json) -> list[str]:
    return [
        path
        for path, methods in document["paths"].items()
        if methods.get("get", {}).get("operationId") in WITHOUT_THE_DATABASE
    ]


async def assert_unavailable(service: Program, client: Client, document: Json) -> None:
    """Assert that every operation that needs the database is answered with 503, and every other one with 200."""
    requests = [request for request in every_request(document) for _ in range(REPETITIONS)]
    assert len(requests) > 100
    others = paths_without_the_database(document)
    assert len(others) == len(WITHOUT_THE_DATABASE)
    async with asyncio.timeout(MAX_SECONDS_FOR_ALL):
        answers, well = await asyncio.gather(
            asyncio.gather(
                *(client.request(method, service.base_url + path, **sent) for method, path, sent in requests)
            ),
            asyncio.gather(*(client.get(service.base_url + path) for path in others)),
        )
    assert [answer.status_code for answer in well] == [200] * len(others)
    for answer in answers:
        problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["x-content-type-options"] == "nosniff"
    problem(await client.post("/users", json={}), 422, "invalid_request")


async def assert_recovered(service: Program, title: str) -> None:
    """Assert that the service works again without a restart, with its data."""
    await asyncio.to_thread(service.wait_until_ready)
    async with signed_in(service) as client:
        tasks = (await client.request_until_available("GET", "/tasks", params={"q": title})).json()["items"]
        assert [task["title"] for task in tasks] == [title]
        created = await client.request_until_available("POST", "/tasks", json={"title": "Afterwards"})
        assert created.status_code == 201
    assert service.process.poll() is None


class TestStoppedDatabase:
    async def test_requests_are_answered_with_503_until_the_database_is_back(
        self, app: FastAPI, service: Program, store: Store
    ) -> None:
        async with signed_in(service) as client:
            await client.make_task(title="Before it went")
            async with store.stopped():
                await assert_unavailable(service, client, app.openapi())
        await assert_recovered(service, "Before it went")


class TestHangingDatabase:
    async def test_requests_are_answered_with_503_until_the_database_is_back(
        self, app: FastAPI, service: Program, store: Store
    ) -> None:
        async with signed_in(service) as client:
            await client.make_task(title="Before it hung")
            with store.hanging():
                await assert_unavailable(service, client, app.openapi())
        await assert_recovered(service, "Before it hung")

    async def test_hanging_database_does_not_delay_the_shutdown(self, store: Store, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=store.url) as other:
            other.wait_until_ready()
            with store.hanging():
                asked_at = time.monotonic()
                other.send(signal.SIGTERM)
                assert other.exit_code() == 0
                assert time.monotonic() - asked_at < 10
