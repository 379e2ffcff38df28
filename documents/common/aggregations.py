"""Cursors of aggregations."""

from typing import Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor

from app.database.cancellation import keep_cancellation
from documents.common.transactions import current_session


class Aggregation:
    """The cursor of an aggregation. As with a find, the command is sent when results are read for the first time."""

    def __init__(self, collection: AsyncCollection[Any], stages: list[dict[str, Any]], **options: Any) -> None:
        self._collection = collection
        self._stages = stages
        self._options = options
        self._cursor: AsyncCommandCursor[Any] | None = None

    async def to_list(self, length: int | None) -> list[Any]:
        """Return the next results, at most `length` of them, or all with None. Empty at the end."""
        return await keep_cancellation(self._next(length))

    async def _next(self, length: int | None) -> list[Any]:
        if self._cursor is None:
            self._cursor = await self._collection.aggregate(self._stages, session=current_session(), **self._options)
        return await self._cursor.to_list(length)

    async def close(self) -> None:
        """Close the cursor in the database."""
        if self._cursor is not None:
            await self._cursor.close()
