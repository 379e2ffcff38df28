"""Relay cycles that are interrupted after one of their database commands."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from datetime import datetime
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from documents.common.leases import CHANGE_RELAY
from services.feed.relay import POLL_SECONDS, ChangeRelay
from tests.conftest import Database
from tests.support.feed.relays import run_cycle

COMMANDS = (
    *((AsyncCollection, name) for name in ("aggregate", "bulk_write", "find_one", "insert_many", "insert_one")),
    (AsyncCollection, "update_one"),
    (AsyncClientSession, "commit_transaction"),
)
"""The methods of the driver that send the commands of a cycle."""

Interruption = Callable[[], Awaitable[None]]


class KilledError(BaseException):
    """The process of the relay has been killed: nothing handles it."""


class _Countdown:
    """Runs the interruption after a command, counted from 1."""

    def __init__(self, number: int, interruption: Interruption) -> None:
        self.left = number
        self._interruption = interruption
        self._task: asyncio.Task[None] | None = None

    async def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._task = asyncio.create_task(self._interrupt(), context=Context())  # not in the relay's transaction
            await asyncio.shield(self._task)  # a relay that has lost its lease cancels the removal of items

    async def wait(self) -> None:
        """Wait until the interruption has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _interrupt(self) -> None:
        await self._interruption()


_countdown: ContextVar[_Countdown | None] = ContextVar("countdown", default=None)


def observe_commands(patch: pytest.MonkeyPatch) -> None:
    """Count the commands of the cycles that run_interrupted_cycle() runs."""
    for owner, name in COMMANDS:
        patch.setattr(owner, name, _counted(getattr(owner, name)))


def _counted(command: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def counted(*arguments: Any, **options: Any) -> Any:
        result = await command(*arguments, **options)
        countdown = _countdown.get()
        if countdown is not None:
            await countdown.count()
        return result

    return counted


async def run_interrupted_cycle(relay: ChangeRelay, number: int, interruption: Interruption) -> bool:
    """Relay all batches with an interruption after the command `number`. Return False if there are fewer commands."""
    countdown = _Countdown(number, interruption)
    token = _countdown.set(countdown)
    try:
        while await run_cycle(relay) < POLL_SECONDS:
            pass
        await relay._removal.finish()
    except KilledError:
        return True
    finally:
        _countdown.reset(token)
        await countdown.wait()
    return countdown.left <= 0


async def kill() -> None:
    """End the cycle as a kill of the process would."""
    raise KilledError


async def expire_lease(database: Database) -> None:
    """Let another relay acquire the lease."""
    await database.leases.update_one({"_id": CHANGE_RELAY}, {"$set": {"expires_at": datetime(2026, 1, 1)}})  # noqa: DTZ001
