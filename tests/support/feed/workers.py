"""Other workers of the service under test: processes with the same database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.config import Settings
from tests.support.http import API, Client
from tests.support.processes import free_port
from tests.support.services import environment

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Worker:
    """A running worker."""

    process: asyncio.subprocess.Process
    base_url: str

    def client(self, user: Client) -> Client:
        """Return a client of this worker with the token of the user. Each of its requests uses its own connection."""
        headers = {"Authorization": user.headers["authorization"], "Connection": "close"}
        return Client(base_url=self.base_url + API, headers=headers, timeout=30)


@asynccontextmanager
async def worker(settings: Settings, folder: Path) -> AsyncIterator[Worker]:
    """Run a worker until the block ends."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from app.commands.cli import main; main()",
        "serve",
        env={**os.environ, **environment(settings), "PORT": str(port), "RATE_LIMITS_ENABLED": "false"},
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    base_url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(verify=False, trust_env=False) as client:
            while True:
                try:
                    await client.get(f"{base_url}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield Worker(process, base_url)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
