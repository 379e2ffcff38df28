"""Services beside the one under test: with other settings, on another store, or in a process of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from beanie import init_beanie
from fastapi import FastAPI

from documents.opening import DOCUMENTS
from tests.conftest import Database
from tests.support import serving

PATIENCE_SECONDS = 30


@asynccontextmanager
async def bound_to_others(database: Database) -> AsyncIterator[None]:
    """The documents may be bound to another database meanwhile; afterwards they are bound to this one again."""
    try:
        yield
    finally:
        await init_beanie(database=database, document_models=list(DOCUMENTS))


@asynccontextmanager
async def serving_beside(app: FastAPI, database: Database) -> AsyncIterator[str]:
    """The address of another service in this process; the documents are bound to its client meanwhile."""
    async with bound_to_others(database), serving(app) as base_url:
        yield base_url


@asynccontextmanager
async def process_serving(command: Sequence[str], *, port: int, log: Path, **settings: str) -> AsyncIterator[str]:
    """The address of a service that runs as a process with these settings, its standard error in `log`."""
    base_url = f"http://127.0.0.1:{port}"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={**os.environ, **settings, "PORT": str(port)},
            cwd=log.parent,  # no .env there
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        await _answers(base_url, process)
        yield base_url
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def _answers(base_url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient() as client:
        while True:
            assert process.returncode is None, "the service did not start"
            try:
                await client.get(f"{base_url}/health/live")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
