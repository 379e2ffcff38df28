"""Runs something at an exact place between two queries of a reader."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection

from app.request_context import current_request_id
from services.common import concurrency

Action = Callable[[], Awaitable[object]]


class Interleaving:
    """Counts the queries of requests by collection, and runs an action before one of them is sent.

    The queries of background tasks, such as the polling for imports, do not count. Those of a document by its id count
    separately, for example as "tasks by id". It replaces the methods of the driver, so that the service is unchanged.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: dict[str, int] = {}
        self._actions: dict[tuple[str, int | None], Action] = {}
        aggregate: Any = AsyncCollection.aggregate
        find: Any = AsyncCollection.find

        async def counted_aggregate(collection: Any, *args: Any, **options: Any) -> Any:
            if key := self._count(collection, args):
                await self.run(key)
            return await aggregate(collection, *args, **options)

        def counted_find(collection: Any, *args: Any, **options: Any) -> Any:
            cursor, key = find(collection, *args, **options), self._count(collection, args)
            return _DelayedCursor(cursor, self, key) if key else cursor

        monkeypatch.setattr(AsyncCollection, "aggregate", counted_aggregate)
        monkeypatch.setattr(AsyncCollection, "find", counted_find)

    def _count(self, collection: Any, arguments: tuple[Any, ...]) -> tuple[str, int | None] | None:
        """Count a query. Return the key of the action to run before it, or None."""
        if current_request_id() is None:
            return None
        name = f"{collection.name} by id" if _is_by_id(arguments) else collection.name
        self.counts[name] = number = self.counts.get(name, 0) + 1
        return next((key for key in ((name, number), (name, None)) if key in self._actions), None)

    def run_before(self, collection: str, number: int, action: Action) -> None:
        """Run the action before the query of this collection with this number, counted from now on from 1."""
        self.counts.clear()
        self._actions = {(collection, number): action}

    def run_before_each(self, collection: str, action: Action) -> None:
        """Run the action before each query of this collection that is not one of the action's own."""
        self.counts.clear()
        self._actions = {(collection, None): action}

    async def run(self, key: tuple[str, int | None]) -> None:
        """Run the action, whose own queries run no action."""
        action = self._actions.pop(key, None)
        if action is None:
            return
        with _in_another_process():
            await action()
        if key[1] is None:
            self._actions[key] = action


def _is_by_id(arguments: tuple[Any, ...]) -> bool:
    """Return whether these are the arguments of a query for the document with an id."""
    first = arguments[0][0] if arguments and isinstance(arguments[0], list) else {}
    condition = first.get("$match", {})
    return condition.keys() == {"_id"} and not isinstance(condition["_id"], dict)


@contextmanager
def _in_another_process() -> Iterator[None]:
    """Let the requests of the action make their changes now, as those of another worker do.

    In one process they would wait until the request that was interrupted has made its own.
    """
    queues = concurrency._queues
    concurrency._queues = {}
    try:
        yield
    finally:
        concurrency._queues = queues


class _DelayedCursor:
    """A cursor that runs an action before its first batch."""

    def __init__(self, cursor: Any, interleaving: Interleaving, key: tuple[str, int | None]) -> None:
        self._cursor = cursor
        self._interleaving = interleaving
        self._key = key
        self._is_started = False

    async def to_list(self, length: int | None) -> Any:
        if not self._is_started:
            self._is_started = True
            await self._interleaving.run(self._key)
        return await self._cursor.to_list(length)

    async def close(self) -> None:
        await self._cursor.close()
