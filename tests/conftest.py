"""Fixtures of all tests. Each test worker has a database server, a database and a service. Tests start without data."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from fastapi import FastAPI
from hypothesis import settings as examples
from pydantic import SecretStr
from pymongo import DeleteOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect
from xdist.scheduler import WorkStealingScheduling

from app.config import Settings
from app.database.client import connect
from app.database.deadlines import without_deadline
from app.main import create_app
from app.security.passwords import passwords
from app.security.tokens import AccessTokens
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.registry import DOCUMENTS, prepare
from services.common.values.emails import email_key
from services.maintenance import expiry
from services.webhooks import dispatcher
from tests.operation.crash import figures
from tests.support.feed.relays import observe_relays, relays_paused
from tests.support.http import API, PASSWORD, Client, Json, Served, serving
from tests.support.pages.entry_storage import PAGE_ENTRIES, Pager, lower_thresholds
from tests.support.pages.interleaving import Interleaving
from tests.support.pytest_hooks import browsers, measured_cases, scheduling, time_limits
from tests.support.worker_store import WorkerStore

Database = AsyncDatabase[Json]
MakeUser = Callable[..., Awaitable[Client]]

WITH_RELAY = ("tests/feed/", "tests/operation/", "tests/page/", "tests/races/", "tests/webhooks/")
"""The folders of the tests that read the change feed, or run beside it."""

_store = WorkerStore()
_prepared = [0]
observe_relays()
examples.register_profile("tests", deadline=None)  # nothing in the test suite is timed
examples.load_profile("tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of workers that `-n auto` starts."""
    return scheduling.workers_for(os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkStealingScheduling:
    """Let an idle worker take over tests of the others."""
    return WorkStealingScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests of several workers, the long ones first. Each worker must compute the same order."""
    browsers.deselect_without_browser(config, items)
    measured_cases.select(items)
    if hasattr(config, "workerinput"):
        items[:] = scheduling.dealt(items, config.workerinput["workercount"])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that sets the time limit of a test."""
    config.addinivalue_line("markers", time_limits.MARKER)


def pytest_unconfigure() -> None:
    """Stop the database server, if it was started here."""
    _store.end()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Measure test coverage only in some cases of a test, if only their lines are counted."""
    with measured_cases.measured_if_selected(item, is_last=nextitem is None):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Set up the test with a working database server, even if the test before has lost it."""
    time_limits.limit(item)
    with time_limits.interrupted_after(time_limits.limit_of(item)):
        _store.ensure_working()
        with _store.checked_after_trouble():
            yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Interrupt a test that takes too long."""
    limit = time_limits.limit_of(item) + time_limits.grace_of(item)
    with _store.checked_after_trouble(), time_limits.interrupted_after(limit):
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Interrupt a teardown that takes too long."""
    with _store.checked_after_trouble(), time_limits.interrupted_after(time_limits.limit_of(item)):
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the crash tests, and write them to the file that CRASH_FIGURES names."""
    if line := browsers.summary():
        terminalreporter.write_line(line, yellow=True)
    rounds = [
        value
        for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed"))
        for name, value in report.user_properties
        if name == figures.PROPERTY
    ]
    if rounds:
        run = figures.total(rounds)
        terminalreporter.section("kills")
        terminalreporter.write_line("\n".join(figures.summary_lines(run)))
        if path := os.environ.get("CRASH_FIGURES"):
            figures.write(run, Path(path))


@pytest.fixture(scope="session")
def database_url() -> str:
    """The URL of the database server of this worker."""
    return _store.url


@pytest.fixture(scope="session")
def settings(database_url: str, worker_id: str) -> Settings:
    """The settings of the service under test, which name the database of this worker."""
    return Settings(
        _env_file=None,
        environment="test",
        database_url=SecretStr(database_url),
        database_name=f"task_timer_test_{worker_id}",
        secret_key=SecretStr("6d0f8c1b2a394857be0c7a5d1e3f4968"),
        argon2_memory_kib=19_456,  # as little as is allowed: hashing is most of the time of a sign-in
        argon2_rounds=2,
        rate_limits_enabled=False,
        webhooks_allow_http=True,
        webhooks_allow_private=True,  # receivers of the tests are on this host
        log_level="WARNING",
        log_format="json",
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    """The service under test."""
    return create_app(settings)


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database of this worker. It is dropped at the end of the session."""
    client = connect(settings)
    try:
        with without_deadline():
            await client.drop_database(settings.database_name)
        yield client[settings.database_name]
        with without_deadline():
            await client.drop_database(settings.database_name)
    finally:
        await client.close()


@pytest.fixture
async def empty_database(settings: Settings, database: Database) -> AsyncIterator[Database]:
    """Another database, without any collection."""
    client = connect(settings)
    try:
        with without_deadline():
            await client.drop_database(f"{database.name}_empty")
            yield client[f"{database.name}_empty"]
            await client.drop_database(f"{database.name}_empty")
    finally:
        await client.close()


@pytest.fixture(scope="session")
async def service(app: FastAPI, database: Database) -> AsyncIterator[Served]:
    """The service, which listens on a port."""
    assert database.name == app.state.settings.database_name
    with pytest.MonkeyPatch.context() as patch:
        # The tests of webhooks run dispatchers of their own. That of this service looks for webhooks only once.
        patch.setattr(dispatcher, "WAIT_SECONDS", 24 * 3600)
        patch.setattr(expiry, "INTERVAL_SECONDS", 24 * 3600)  # other tests count commands
        async with serving(app) as served:
            yield served


@pytest.fixture(scope="session")
def address(service: Served) -> str:
    """The base URL of the service."""
    return service.base_url


@pytest.fixture
def has_relay(request: pytest.FixtureRequest) -> bool:
    """Whether the relay of the change feed runs, which needs a quarter of the CPU time of a short test.

    A module in another folder whose tests read the feed replaces this fixture.
    """
    return str(request.node.nodeid).startswith(WITH_RELAY)


@pytest.fixture
async def empty_service(service: Served, database: Database, *, has_relay: bool) -> AsyncIterator[str]:
    """The base URL of the service, whose database has no documents."""
    await service.rest()
    if _store.may_have_restarted:
        await _reconnect(database)
        _store.may_have_restarted = False
    await _prepare_again(database)
    async with AsyncExitStack() as pause:
        await pause.enter_async_context(relays_paused())
        await empty(database)
        if has_relay:
            await pause.aclose()
        yield service.base_url


async def _reconnect(database: Database) -> None:
    """Replace the connections to a store that was restarted, since the first write on each would fail.

    Reads are retried.
    """
    with suppress(AutoReconnect):
        await database.command("ping")
    await User.find_by_id(ObjectId())


async def _prepare_again(database: Database) -> None:
    """Create collections and indexes again, if an empty server has replaced the one before."""
    if _prepared[-1] != _store.replaced:
        await prepare(database)
        _prepared.append(_store.replaced)


async def empty(database: Database) -> None:
    """Delete all documents, one by one: the embedded store hangs when a delete of many meets a transaction.

    One query finds those of all collections, most of which are empty.
    """
    first, *others = (document.get_collection_name() for document in DOCUMENTS)
    union = [{"$unionWith": {"coll": name, "pipeline": [_id_in(name)]}} for name in others]
    ids: dict[str, list[DeleteOne]] = {}
    with without_deadline():
        async for row in await database[first].aggregate([_id_in(first), *union]):
            ids.setdefault(row["collection"], []).append(DeleteOne({"_id": row["_id"]}))
        await asyncio.gather(*(database[name].bulk_write(deletes, ordered=False) for name, deletes in ids.items()))


def _id_in(collection: str) -> Json:
    return {"$project": {"collection": {"$literal": collection}}}


@pytest.fixture(scope="session")
async def password_hash(service: Served) -> str:
    """The password hash of each user of make_user. It is computed once, because that takes long."""
    assert service.server.started
    return await passwords.hash(PASSWORD)


@pytest.fixture
async def make_user(empty_service: str, settings: Settings, password_hash: str) -> AsyncIterator[MakeUser]:
    """Insert a user into the database, and return a client that is signed in."""
    tokens, clients = AccessTokens.from_settings(settings), []

    async def make(email: str, **fields: Any) -> Client:
        user = User.new(
            email=email, email_key=email_key(email), password_hash=password_hash, full_name=None, timezone="UTC"
        )
        row = await user.model_copy(update=fields).add()
        session = await RefreshToken.new(
            ObjectId(), row["_id"], token_hash="", token_version=0, lifetime=timedelta(days=1)
        ).add()
        bearer = tokens.issue(user_id=str(row["_id"]), session_id=str(session["_id"]), token_version=0)
        client = Client(base_url=empty_service + API, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
        client.user = row
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def alice(make_user: MakeUser) -> Client:
    """A signed-in user."""
    return await make_user("alice@example.com")


@pytest.fixture
async def bob(make_user: MakeUser) -> Client:
    """Another signed-in user."""
    return await make_user("bob@example.com")


@pytest.fixture
async def anonymous(empty_service: str) -> AsyncIterator[Client]:
    """A client without a token."""
    async with Client(base_url=empty_service + API, timeout=30) as client:
        yield client


@pytest.fixture(params=["hot", "paged"])
def entry_storage(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, database: Database, service: Served
) -> str:
    """Run the test twice: with all entries in their tasks, and with most of them in pages."""
    storage: str = request.param
    if storage == "paged":
        lower_thresholds(monkeypatch, hot_entries=6, paged_at_once=2, page_entries=PAGE_ENTRIES)
        Pager(database, service).observe_clients(monkeypatch)
    return storage


@pytest.fixture
async def interleaving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Interleaving]:
    """Count the queries of requests, and run actions before some of them. No relay changes a task meanwhile."""
    async with relays_paused():
        yield Interleaving(monkeypatch)
