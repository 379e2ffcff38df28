"""Additional services: with other settings, with another store, or in another process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import structlog
from beanie import init_beanie
from bson.binary import UUID_SUBTYPE, Binary
from fastapi import FastAPI

from app.commands.cli import main
from app.config import Settings
from documents.common.transactions import current_session
from documents.registry import DOCUMENTS
from tests.conftest import Database
from tests.support.forked import FORK_SERVER
from tests.support.http import Json, serving
from tests.support.processes import free_port

PATIENCE_SECONDS = 120


@contextmanager
def captured_logs(module: ModuleType) -> Iterator[list[Json]]:
    """Yield the log lines of a module instead of writing them.

    Its logger is replaced, because one that was used before writes with the configuration of that time.
    """
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setattr(module, "log", structlog.get_logger())
        yield lines  # type: ignore[misc]  # structlog declares each line as a mutable mapping


@asynccontextmanager
async def restoring_documents(database: Database) -> AsyncIterator[None]:
    """Bind the documents to this database again after the block, which may bind them to another one."""
    try:
        yield
    finally:
        await init_beanie(database=database, document_models=list(DOCUMENTS))


@asynccontextmanager
async def serving_another(app: FastAPI, database: Database) -> AsyncIterator[str]:
    """Serve another application in this process, and yield its URL. The documents are bound to its client meanwhile."""
    async with restoring_documents(database), serving(app) as served:
        yield served.base_url


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings of the service under test as environment variables."""
    assert settings.database_url is not None
    assert settings.secret_key is not None
    return {
        "ENVIRONMENT": "test",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "DATABASE_NAME": settings.database_name,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ARGON2_MEMORY_KIB": str(settings.argon2_memory_kib),
        "ARGON2_ROUNDS": str(settings.argon2_rounds),
        "WEBHOOKS_ALLOW_HTTP": str(settings.webhooks_allow_http),
        "WEBHOOKS_ALLOW_PRIVATE": str(settings.webhooks_allow_private),
        "HOST": "127.0.0.1",
        "WORKERS": "1",
        "DEBUG": "false",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
    }


@asynccontextmanager
async def process_serving(command: Sequence[str], *, port: int, log: Path, **settings: str) -> AsyncIterator[str]:
    """Run a service as a process, and yield its URL. Its standard error is written to `log`."""
    base_url = f"http://127.0.0.1:{port}"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={**os.environ, **settings, "PORT": str(port)},
            cwd=log.parent,  # without a .env file
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        await _wait_until_reachable(base_url, lambda: process.returncode is None)
        yield base_url
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


@asynccontextmanager
async def serving_until_killed(settings: Settings, database: Database, folder: Path, *, at: str) -> AsyncIterator[str]:
    """Run a service on the same database, and yield its URL. It kills itself when it calls `at`.

    Afterwards the transactions of the process are aborted. The database itself would abort them after a minute.

    Args:
        at: A static or class method, as "module:class:method".
    """
    place, owner, name = at.split(":")
    assert hasattr(getattr(import_module(place), owner), name)
    port, log = free_port(), folder / "log"
    process = FORK_SERVER.Process(target=_serve_until, args=(at, log, {**environment(settings), "PORT": str(port)}))
    process.start()
    try:
        await _wait_until_reachable(f"http://127.0.0.1:{port}", process.is_alive)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, PATIENCE_SECONDS)
        process.close()
    sessions = [bytes.fromhex(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("in ")]
    await database.client.admin.command("killSessions", [{"id": Binary(session, UUID_SUBTYPE)} for session in sessions])


def _serve_until(at: str, log: Path, variables: dict[str, str]) -> None:
    """Serve in a forked process, and kill it when it calls `at`."""
    os.chdir(log.parent)  # without a .env file
    os.environ.update(variables)
    with log.open("wb") as stderr:
        os.dup2(stderr.fileno(), 2)
    place, owner, name = at.split(":")
    setattr(getattr(import_module(place), owner), name, staticmethod(_kill_process))
    sys.argv = ["task-timer", "serve"]
    main()


async def _kill_process(*_arguments: object, **_keywords: object) -> None:
    session = current_session()
    if session is not None:
        identity: Json = session.session_id  # type: ignore[assignment]
        sys.stderr.write(f"in {identity['id'].hex()}\n")
        sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


async def _wait_until_reachable(base_url: str, is_alive: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(verify=False, trust_env=False) as client:
        while True:
            assert is_alive(), "the service did not start"
            try:
                await client.get(f"{base_url}/health/live")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
