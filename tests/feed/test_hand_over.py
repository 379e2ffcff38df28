"""Another worker continues the relay when the one that has the lease ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest

from app.config import Settings
from documents.common.leases import CHANGE_RELAY
from tests.conftest import Database
from tests.support.feed.changes import read_changes
from tests.support.feed.interrupted import expire_lease
from tests.support.feed.relays import relays_paused
from tests.support.http import Client, Json
from tests.support.processes import free_port
from tests.support.services import environment

HAND_OVER_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def worker(settings: Settings, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service in another process until the block ends."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from app.commands.cli import main; main()",
        "serve",
        env={**os.environ, **environment(settings), "PORT": str(port)},
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(verify=False, trust_env=False) as client:
            while True:
                try:
                    await client.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def holder(database: Database) -> Json:
    """Return the lease when a process has it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lease: Json | None = await database.leases.find_one({"_id": CHANGE_RELAY})
            if lease is not None and lease["announced"] > 0:
                return lease
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
async def test_another_worker_continues_within_five_seconds(
    kind: signal.Signals, alice: Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    async with relays_paused(), worker(settings, tmp_path) as first:
        await expire_lease(database)
        await alice.make_task()
        await read_changes(alice, 1)
        holder_before = (await holder(database))["holder"]
        async with worker(settings, tmp_path):
            await asyncio.sleep(1.5)  # the second worker tries, and does not acquire the lease
            assert (await holder(database))["holder"] == holder_before
            first.send_signal(kind)
            ended = asyncio.create_task(first.wait())
            if kind == signal.SIGTERM:
                await ended
            started_at = monotonic()
            await alice.make_task()
            changes = await read_changes(alice, 2)
            seconds = monotonic() - started_at
            assert (await holder(database))["holder"] != holder_before
        assert [change["seq"] for change in changes] == [1, 2]
        assert seconds < HAND_OVER_SECONDS
        await ended
