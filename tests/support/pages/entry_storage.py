"""Runs tests of the API with entries in pages.

Tests create few entries, and a page is due only at 200. So the entries are moved to pages between two requests, while
no request is in progress. The version of the task stays the same, so that the test sees no difference.
"""

import asyncio
from typing import Any

import httpx
import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from tests.support.http import Client, Json, Served

PAGE_ENTRIES = 3

hot_only = pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)
"""Marks a test of which no entry would be moved to a page: it would run twice in the same way."""


def lower_thresholds(
    monkeypatch: pytest.MonkeyPatch, *, hot_entries: int, paged_at_once: int, page_entries: int
) -> None:
    """Let the service in this process turn pages at few entries."""
    monkeypatch.setattr(Task, "hot_entries", hot_entries)
    monkeypatch.setattr(Task, "paged_at_once", paged_at_once)
    monkeypatch.setattr(TaskPage, "capacity", page_entries)


class Pager:
    """Moves entries to pages before each request of a client. One entry of most tasks stays hot."""

    def __init__(self, database: AsyncDatabase[Json], service: Served) -> None:
        self._database = database
        self._service = service
        self._lock = asyncio.Lock()
        self._in_progress = 0
        self._tasks = 0

    def observe_clients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the `send` method of the clients."""

        async def send(client: Client, request: httpx.Request, **options: Any) -> httpx.Response:
            async with self._lock:
                if not self._in_progress and not self._service.server.server_state.tasks:
                    await self._move_entries()
                self._in_progress += 1
            try:
                return await httpx.AsyncClient.send(client, request, **options)
            finally:
                self._in_progress -= 1

        monkeypatch.setattr(Client, "send", send)

    async def _move_entries(self) -> None:
        projection = dict.fromkeys(("user_id", "version", "pages", "paged_until", "time_entries"), 1)
        async for task in self._database.tasks.find({"time_entries.0": {"$exists": True}}, projection):
            entries = task["time_entries"]
            moved = entries if len(entries) == 1 and not task.get("pages") else entries[:-1]
            if moved:
                await self._move(task, moved)

    async def _move(self, task: Json, moved: list[Json]) -> None:
        size = max(PAGE_ENTRIES, len(moved) // 4)
        pages = [
            TaskPage.new_row(task["user_id"], task["_id"], moved[start : start + size])
            for start in range(0, len(moved), size)
        ]
        await self._database.task_pages.insert_many(pages)
        page_ids: list[ObjectId] = [page["_id"] for page in pages]
        fields: Json = {"time_entries": task["time_entries"][len(moved) :]}
        fields["pages"] = [*(task.get("pages") or []), *page_ids]
        if self._knows_last_end(task):
            ends = [page["last_ended_at"] for page in pages]
            fields["paged_until"] = max([*ends, *([task["paged_until"]] if "paged_until" in task else [])])
        at_version = {"_id": task["_id"], "version": task["version"]}
        await self._database.tasks.update_one(at_version, {"$set": fields})

    def _knows_last_end(self, task: Json) -> bool:
        """Return whether to set `paged_until`. Tasks of other programs have pages without it: every second one here."""
        if "pages" in task:
            return "paged_until" in task
        self._tasks += 1
        return self._tasks % 2 == 1
