"""Rounds of a mixed load of eight clients, in each of which processes of the service or its store are killed."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil
from pydantic import SecretStr
from pymongo import MongoClient

from app.config import Settings
from app.embedded.store_program import SECANTUS_SERVER
from documents.registry import open_database_without_setup
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.ledger import Ledger, Stored
from tests.races.mixed_load import run_mixed_load
from tests.support.feed.model import assert_feed_matches
from tests.support.http import API, PASSWORD, Client, Json
from tests.support.processes import Program, eventually, find_process, free_port, have_ended, running_prepared
from tests.support.services import restoring_documents

CLIENTS = 8
MAX_DELAY_SECONDS = 0.03
PREPARING_MODULE = "tests.support.pages.low_thresholds"
SECRET_KEY = "0c9a7d51e48b4f6f8a3d62b15e97c04d"
SERVICE_SETTINGS = {"RATE_LIMITS_ENABLED": "false", "ACCESS_TOKEN_EXPIRE_MINUTES": 1440}
ACCOUNT = {"email": "ada@example.com", "password": PASSWORD}


class CrashScenario:
    """A service whose processes are killed during a load, and the record of its responses to eight clients.

    The service turns pages all the time. `pages` is their number at the last comparison.
    """

    def __init__(self, folder: Path, seed: str, *, workers: int, stack: ExitStack) -> None:
        self.ledger = Ledger()
        self.kills: Counter[str] = Counter()
        self.pages = 0
        self.service: Program
        self._folder = folder
        self._seed = seed
        self._workers = workers
        self._stack = stack
        self._random = random.Random(seed)
        self.port = free_port()
        self._tasks: list[str] = []
        self._authorization = ""
        self.start()

    def start(self) -> None:
        """Start the service on the existing data."""
        settings = {"PORT": self.port, "WORKERS": self._workers, "SECRET_KEY": SECRET_KEY, **SERVICE_SETTINGS}
        self._stack.close()
        self.service = self._stack.enter_context(
            running_prepared(PREPARING_MODULE, "serve", folder=self._folder, **settings)
        )
        self.service.wait_until_ready()

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[list[Client]]:
        """Eight clients of one user, each with its own connection."""
        clients = [Client(base_url=self.service.base_url + API, timeout=30) for _ in range(CLIENTS)]
        if not self._authorization:
            await self._register(clients[0])
        for client in clients:
            client.headers["Authorization"] = self._authorization
        try:
            yield clients
        finally:
            for client in clients:
                await client.aclose()

    async def _register(self, client: Client) -> None:
        assert (await client.post("/users", json=ACCOUNT)).status_code == 201
        form = {"username": ACCOUNT["email"], "password": PASSWORD}
        self._authorization = "Bearer " + (await client.post("/auth/token", data=form)).json()["access_token"]
        for number in range(4):
            response = await client.post(
                "/tasks", json={"title": str(number)}, headers={"Authorization": self._authorization}
            )
            self.ledger.add(response)
        self._tasks = list(self.ledger.tasks)

    async def load(self, clients: list[Client], interrupt: Callable[[], object], *, stop_sending: bool = True) -> None:
        """Run the mixed load, and call `interrupt` shortly after a random number of successful responses.

        Then each client waits for its last response, or continues until its connection breaks (`stop_sending=False`).
        """
        last = self.ledger.succeeded.total() + self._random.randint(15, 80)
        delay = self._random.uniform(0, MAX_DELAY_SECONDS)
        loop, interrupted, is_scheduled = asyncio.get_running_loop(), asyncio.Event(), False

        def interrupt_now() -> None:
            interrupt()
            interrupted.set()

        def should_continue() -> bool:
            nonlocal is_scheduled
            if not is_scheduled and self.ledger.succeeded.total() >= last:
                is_scheduled = True
                loop.call_later(delay, interrupt_now)
            return not (stop_sending and interrupted.is_set())

        seed = f"{self._seed}, {self.kills.total()}"
        await run_mixed_load(
            clients, self._tasks, self.ledger, seed=seed, senders=CLIENTS, steps=10_000, should_continue=should_continue
        )
        assert interrupted.is_set(), "the service ended before the interruption"

    async def run_round(self, kind: str) -> None:
        """Run the load, kill processes of this kind during it, and restart the service if necessary."""
        victims = self._victims(kind)
        self.ledger.allows_unavailable = kind != "service" or self._workers > 1
        async with self.clients() as clients:
            broken = self.ledger.broken
            await self.load(clients, lambda: kill(victims))
            assert kind != "store" or self.ledger.broken == broken, "a service without its store did not respond"
        self.kills[kind] += 1
        assert eventually(lambda: have_ended(victims))
        if kind in {"service", "both"}:
            assert self.service.exit_code() == -signal.SIGKILL
            assert self.service.left_nothing_running()
            self.start()
        elif kind == "worker":
            self._abort_transactions()
            assert eventually(lambda: len(self.service.workers()) == self._workers)
        self.service.wait_until_ready()

    def _victims(self, kind: str) -> list[psutil.Process]:
        family = self.service.process_tree()
        if kind == "worker":
            return [self._random.choice(self.service.workers())]
        return {"service": family[:1], "store": [find_process(family, SECANTUS_SERVER)], "both": family}[kind]

    def _abort_transactions(self) -> None:
        """Abort the transactions of a killed worker at once. The database itself would abort them after a minute."""
        with MongoClient[Json](self.endpoint()) as client:
            client.admin.command("killAllSessions", [])

    async def compare(self, database: Database) -> None:
        """Check the stored data: no inconsistency, and no difference from the responses and from the change feed.

        Args:
            database: The database to which the documents are bound again afterwards.
        """
        url = self.endpoint()
        settings = Settings(_env_file=None, database_url=SecretStr(url), secret_key=SecretStr(SECRET_KEY))
        async with restoring_documents(database), open_database_without_setup(settings):
            assert (await examine()).findings == []
        async with self.clients() as clients:
            await assert_feed_matches(clients[0])
        with MongoClient[Json](url) as client:
            store = client[settings.database_name]
            stored = Stored.of(store.tasks.find(), store.task_pages.find(), store.deleted_entries.find())
            self.ledger.compare(stored)
            self.pages = stored.pages

    def endpoint(self) -> str:
        return (self._folder / "data" / "endpoint").read_text().strip()


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it may have ended together with another process
            process.kill()
