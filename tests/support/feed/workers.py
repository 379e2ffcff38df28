"""Other workers of the service under test: processes with the same database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.config import Settings
from tests.support.http import API, Client
from tests.support.processes import Program, free_port, running
from tests.support.services import environment

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Worker:
    """A running worker."""

    program: Program

    def client(self, user: Client) -> Client:
        """Return a client of this worker with the token of the user. Each of its requests uses its own connection."""
        headers = {"Authorization": user.headers["authorization"], "Connection": "close"}
        return Client(base_url=self.program.base_url + API, headers=headers, timeout=30)

    async def wait(self) -> None:
        """Wait until its process has ended."""
        await asyncio.to_thread(self.program.exit_code)


@asynccontextmanager
async def worker(settings: Settings, folder: Path) -> AsyncIterator[Worker]:
    """Run a worker until the block ends."""
    port = free_port()
    own_folder = folder / f"worker-{port}"
    own_folder.mkdir()
    variables = {**environment(settings), "PORT": port, "RATE_LIMITS_ENABLED": False}
    with running("serve", folder=own_folder, **variables) as program:
        await asyncio.to_thread(program.wait_until_ready)
        yield Worker(program)
