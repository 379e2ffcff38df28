"""A service with its store, eight clients at it who remember what they were told, and what kills it."""

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
from documents.registry import open_database_without_setup
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.ledger import Ledger, Stored
from tests.races.mixed_load import run_mixed_load
from tests.support.http import API, PASSWORD, Client, Json
from tests.support.processes import Program, eventually, free_port, gone, one_of, running
from tests.support.services import bound_to_others

CLIENTS = 8
STORE = "secantusd-py"
MAX_DELAY_SECONDS = 0.03
SECRET_KEY = "0c9a7d51e48b4f6f8a3d62b15e97c04d"
KEPT = {"RATE_LIMITS_ENABLED": "false", "ACCESS_TOKEN_EXPIRE_MINUTES": 1440}
ACCOUNT = {"email": "ada@example.com", "password": PASSWORD}


class Siege:
    """Rounds of load and kills, all on the same data and by the same eight clients."""

    def __init__(self, folder: Path, seed: str, *, workers: int, stack: ExitStack) -> None:
        self.ledger = Ledger()
        self.kills: Counter[str] = Counter()
        self.service: Program
        self._folder = folder
        self._seed = seed
        self._workers = workers
        self._stack = stack
        self._chance = random.Random(seed)
        self.port = free_port()
        self._tasks: list[str] = []
        self._bearer = ""
        self.start()

    def start(self) -> None:
        """Starts the service, on the data that is there."""
        settings = {"PORT": self.port, "WORKERS": self._workers, "SECRET_KEY": SECRET_KEY, **KEPT}
        self._stack.close()
        self.service = self._stack.enter_context(running("serve", folder=self._folder, **settings))
        self.service.wait_until_ready()

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[list[Client]]:
        """Eight clients of one user, a connection each."""
        clients = [Client(base_url=self.service.base_url + API, timeout=30) for _ in range(CLIENTS)]
        if not self._bearer:
            await self._register(clients[0])
        for client in clients:
            client.headers["Authorization"] = self._bearer
        try:
            yield clients
        finally:
            for client in clients:
                await client.aclose()

    async def _register(self, client: Client) -> None:
        assert (await client.post("/users", json=ACCOUNT)).status_code == 201
        form = {"username": ACCOUNT["email"], "password": PASSWORD}
        self._bearer = "Bearer " + (await client.post("/auth/token", data=form)).json()["access_token"]
        for number in range(4):
            made = await client.post("/tasks", json={"title": str(number)}, headers={"Authorization": self._bearer})
            self.ledger.add(made)
        self._tasks = list(self.ledger.tasks)

    async def load(self, clients: list[Client], end: Callable[[], object], *, rest: bool = True) -> None:
        """The clients do what they do, until `end` is called a moment after a number of answers that chance has chosen.

        Then each waits for the answer that it is still to get, and rests, or goes on until its connection breaks.
        """
        last = self.ledger.succeeded.total() + self._chance.randint(15, 80)
        delay = self._chance.uniform(0, MAX_DELAY_SECONDS)
        loop, ended, armed = asyncio.get_running_loop(), asyncio.Event(), False

        def end_it() -> None:
            end()
            ended.set()

        def should_continue() -> bool:
            nonlocal armed
            if not armed and self.ledger.succeeded.total() >= last:
                armed = True
                loop.call_later(delay, end_it)
            return not (rest and ended.is_set())

        seed = f"{self._seed}, {self.kills.total()}"
        await run_mixed_load(
            clients, self._tasks, self.ledger, seed=seed, senders=CLIENTS, steps=10_000, should_continue=should_continue
        )
        assert ended.is_set(), "the service was gone before it was killed"

    async def round(self, kind: str) -> None:
        """Load, a kill in the middle of it, and everything up again."""
        victims = self._victims(kind)
        self.ledger.allows_unavailable = kind != "service" or self._workers > 1
        async with self.clients() as clients:
            broken = self.ledger.broken
            await self.load(clients, lambda: kill(victims))
            assert kind != "store" or self.ledger.broken == broken, "a service without its store still answers"
        self.kills[kind] += 1
        assert eventually(lambda: gone(victims))
        if kind in {"service", "both"}:
            assert self.service.exit_code() == -signal.SIGKILL
            assert self.service.left_nothing_running()
            self.start()
        elif kind == "worker":
            self._give_up_transactions()
            assert eventually(lambda: len(self._serving()) == self._workers)
        self.service.wait_until_ready()

    def _victims(self, kind: str) -> list[psutil.Process]:
        family = self.service.family()
        if kind == "worker":
            return [self._chance.choice(self._serving())]
        return {"service": family[:1], "store": [one_of(family, STORE)], "both": family}[kind]

    def _serving(self) -> list[psutil.Process]:
        """The processes that serve, where there are several."""
        return [process for process in self.service.family() if "spawn_main" in " ".join(command(process))]

    def _give_up_transactions(self) -> None:
        """Those of a worker that was killed: a database gives them up after a minute, here it is told at once."""
        with MongoClient[Json](self.endpoint()) as client:
            client.admin.command("killAllSessions", [])

    async def compare(self, database: Database) -> None:
        """Nothing is wrong by itself, nor with what was told. `database` is what the documents are bound to later."""
        url = self.endpoint()
        settings = Settings(_env_file=None, database_url=SecretStr(url), secret_key=SecretStr(SECRET_KEY))
        async with bound_to_others(database), open_database_without_setup(settings):
            assert (await examine()).findings == []
        with MongoClient[Json](url) as client:
            store = client[settings.database_name]
            self.ledger.compare(Stored.of(store.tasks.find(), store.deleted_entries.find()))

    def endpoint(self) -> str:
        return (self._folder / "data" / "endpoint").read_text().strip()


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it may have ended with the one before it
            process.kill()


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
