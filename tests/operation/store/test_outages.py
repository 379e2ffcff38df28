"""The database goes away, or hangs, and comes back: all are told in time, and the service recovers by itself."""

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
from tests.support.http import API, Client, Json, problem
from tests.support.processes import Program, family, free_port, one_of, running

# Neither is that of the document's examples, which change passwords and delete accounts.
ACCOUNT = {"email": "grace@example.com", "password": "a staple for the horse"}
WITHOUT_THE_DATABASE = {"health", "health_live", "get_config"}
WHOLE = {"from": "2026-11-01", "to": "2026-12-01"}
A_FILE = ("time.csv", b"Start,End,Task\n2026-11-03 09:00,2026-11-03 10:00,Offer\n", "text/csv")
EACH = 2
"""How often each operation is asked for at once: more in all than the driver has threads, many times over."""

ALL_TOLD_WITHIN_SECONDS = 45
"""A request is answered within 6 s. But here one process makes a hundred at once, and others use the machine as well.
One after the other in the driver's few threads they would take more than a minute."""


class Store:
    """A store that can be away for as long as a test likes."""

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(
            _env_file=None,
            embedded_data_dir=folder,
            embedded_port=free_port(),
            embedded_patience_seconds=3600,  # it hangs for as long as a test likes, and is not replaced
        )
        self.url = ""

    def comes(self) -> None:
        self._running = EmbeddedStore(self._settings)
        self.url = self._running.__enter__()

    def goes(self) -> None:
        self._running.__exit__(None, None, None)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """It is not there until the block ends."""
        await asyncio.to_thread(self.goes)
        try:
            yield
        finally:
            await asyncio.to_thread(self.comes)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It is there and says nothing until the block ends."""
        assert self._running._supervisor is not None
        process = one_of(family(self._running._supervisor.pid), "secantusd-py")
        process.suspend()
        try:
            yield
        finally:
            process.resume()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store") / "data")
    store.comes()
    yield store
    store.goes()


@pytest.fixture(scope="module")
def service(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A service on that store, in a process of its own."""
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
        token = (await client.insist("POST", "/auth/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def every_request(document: Json) -> Iterator[tuple[str, str, Json]]:
    """A sound request to each operation that needs the database: as the document's own examples have it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] not in WITHOUT_THE_DATABASE:
                assert "503" in operation["responses"], operation["operationId"]
                yield method, re.sub(r"\{\w+\}", "0" * 24, path), sound(document, operation)


def sound(document: Json, operation: Json) -> Json:
    sent: Json = {}
    if any(parameter["name"] in WHOLE and parameter.get("required") for parameter in operation.get("parameters", ())):
        sent["params"] = WHOLE
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        example = example_of(document, content["schema"])
        match media_type:
            case "application/json":
                sent["json"] = example
            case "multipart/form-data":
                sent |= {"data": {"format": "csv", "timezone": "UTC"}, "files": {"file": A_FILE}}
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


async def tell_everyone(service: Program, client: Client, document: Json) -> None:
    """Every operation that needs the database is answered with 503, and every other one with 200, all at once."""
    requests = [request for request in every_request(document) for _ in range(EACH)]
    assert len(requests) > 100
    others = paths_without_the_database(document)
    assert len(others) == len(WITHOUT_THE_DATABASE)
    async with asyncio.timeout(ALL_TOLD_WITHIN_SECONDS):
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


async def recovered(service: Program, title: str) -> None:
    """It works again by itself, and has what it had."""
    await asyncio.to_thread(service.wait_until_ready)
    async with signed_in(service) as client:
        tasks = (await client.insist("GET", "/tasks", params={"q": title})).json()["items"]
        assert [task["title"] for task in tasks] == [title]
        made = await client.insist("POST", "/tasks", json={"title": "Afterwards"})
        assert made.status_code == 201
    assert service.process.poll() is None


class TestADatabaseThatIsAway:
    async def test_is_told_to_everyone_in_time_and_found_again(
        self, app: FastAPI, service: Program, store: Store
    ) -> None:
        async with signed_in(service) as client:
            await client.make_task(title="Before it went")
            async with store.away():
                await tell_everyone(service, client, app.openapi())
        await recovered(service, "Before it went")


class TestADatabaseThatHangs:
    async def test_is_told_to_everyone_in_time_and_found_again(
        self, app: FastAPI, service: Program, store: Store
    ) -> None:
        async with signed_in(service) as client:
            await client.make_task(title="Before it hung")
            with store.hanging():
                await tell_everyone(service, client, app.openapi())
        await recovered(service, "Before it hung")

    async def test_does_not_keep_a_service_from_ending(self, store: Store, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=store.url) as other:
            other.wait_until_ready()
            with store.hanging():
                asked_at = time.monotonic()
                other.send(signal.SIGTERM)
                assert other.exit_code() == 0
                assert time.monotonic() - asked_at < 10
