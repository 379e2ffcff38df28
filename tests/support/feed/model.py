"""A consumer of the change feed: it applies the changes of a user to a model, and compares the model with the API.

It follows the documentation of the feed, not its implementation.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx

from tests.support.http import Json, task_of, without_task

MAX_LISTED_ENTRIES = 100
"""A rename of a tag or a rerate that changes more entries does not list them in the feed."""

PATIENCE_SECONDS = 20
PAGE_SIZE = 200

COUNTED = ("tracked_seconds", "entry_count")
UNCOMPARED = ("version", "updated_at", *COUNTED, "active")
"""The first two change with the pages of a task, which the feed does not show. The others are compared separately."""


@dataclass
class FeedModel:
    """The tasks, the entries, the running entries and the projects of a user, each as the API shows it, by id.

    After everything was read again, the model is ahead of the changes that follow: they may concern what is gone.
    """

    tasks: dict[str, Json] = field(default_factory=dict)
    entries: dict[str, Json] = field(default_factory=dict)
    running: dict[str, Json] = field(default_factory=dict)
    projects: dict[str, Json] = field(default_factory=dict)
    seq: int = 0
    is_ahead: bool = False

    def apply(self, change: Json) -> bool:
        """Apply the next change. Return whether everything must be read again, because the feed does not list it."""
        assert change["seq"] == self.seq + 1, "the feed has a gap, or a change twice"
        self.seq += 1
        kind, event = change["type"].split(".")
        handle = {"task": self._apply_task, "entry": self._apply_entry, "timer": self._apply_timer}.get(kind)
        if handle is not None:
            handle(event, change)
            return False
        if kind == "project":
            return self._apply_project(event, change)
        return kind == "import" or (kind == "tag" and bool(change["data"]["entries"] > MAX_LISTED_ENTRIES))

    def _apply_task(self, _event: str, change: Json) -> None:
        self.tasks[change["task_id"]] = change["data"]

    def _apply_entry(self, event: str, change: Json) -> None:
        if event == "deleted":
            self._remove(self.entries, change["entry_id"])
            return
        changed = change["data"].values() if event == "split" else [change["data"]]
        self.entries |= {entry["id"]: entry for entry in changed}

    def _apply_timer(self, event: str, change: Json) -> None:
        if event in {"started", "corrected"}:
            self.running[change["entry_id"]] = change["data"]["entry"]
        else:
            self._remove(self.running, change["entry_id"])
        if event == "started" and (change["task_id"] in self.tasks or not self.is_ahead):
            self.tasks[change["task_id"]] |= {"status": "in_progress", "completed_at": None}
        if event == "stopped":
            self.entries[change["entry_id"]] = change["data"]

    def _apply_project(self, event: str, change: Json) -> bool:
        if event == "deleted":
            self._remove(self.projects, change["project_id"])
            return False
        if change["data"] is None:
            return True
        project = {name: value for name, value in change["data"].items() if name != "rerated_entries"}
        self.projects[change["project_id"]] = project
        return bool(change["data"].get("rerated_entries", 0) > MAX_LISTED_ENTRIES)

    def _remove(self, objects: dict[str, Json], object_id: str) -> None:
        assert object_id in objects or self.is_ahead, object_id
        objects.pop(object_id, None)

    def load(self, shown: "FeedModel") -> None:
        """Replace the contents by what the API shows. It does not show the entries of trashed tasks."""
        trashed = {task_id for task_id, task in shown.tasks.items() if task["deleted_at"]}
        kept = {entry_id: entry for entry_id, entry in self.entries.items() if entry["task_id"] in trashed}
        self.tasks, self.entries = dict(shown.tasks), {**kept, **shown.entries}
        self.running, self.projects = dict(shown.running), dict(shown.projects)
        self.is_ahead = True

    def comparable(self) -> Json:
        """Return the contents as the API can show them: without the entries of trashed tasks."""
        live = {task_id for task_id, task in self.tasks.items() if task["deleted_at"] is None}
        counts = {task_id: [0, 0] for task_id in self.tasks}
        for entry in self.entries.values():
            counts[entry["task_id"]][0] += entry["duration_seconds"]
            counts[entry["task_id"]][1] += 1
        tasks = {
            task_id: {name: value for name, value in task.items() if name not in UNCOMPARED}
            for task_id, task in self.tasks.items()
        }
        entries = {entry_id: entry for entry_id, entry in self.entries.items() if entry["task_id"] in live}
        counts = {task_id: count for task_id, count in counts.items() if task_id in live}
        state = {"tasks": tasks, "counts": counts, "entries": entries}
        return {**state, "running": self.running, "projects": self.projects}


async def read_shown(client: httpx.AsyncClient) -> FeedModel:
    """Read everything from the API."""
    shown = FeedModel()
    for deleted in ("false", "true"):
        shown.tasks |= {task["id"]: task async for task in items(client, "/tasks", deleted=deleted)}
    async for listed in items(client, "/time-entries"):
        entry, task = without_task(listed), task_of(listed)
        assert task.items() <= shown.tasks[task["id"]].items()
        (shown.running if entry["ended_at"] is None else shown.entries)[entry["id"]] = entry
    timer = await client.get("/timer")
    assert [*shown.running.values()] == ([] if timer.status_code == 204 else [timer.json()["entry"]])
    for task in shown.tasks.values():
        assert task["active"] == next(
            (entry for entry in shown.running.values() if entry["task_id"] == task["id"]), None
        )
    shown.projects = {project["id"]: project async for project in items(client, "/projects")}
    return shown


async def items(client: httpx.AsyncClient, path: str, **query: str) -> AsyncIterator[Json]:
    """Yield the items of all pages."""
    cursor: dict[str, str] = {}
    while True:
        response = await client.get(path, params={"limit": PAGE_SIZE, **query, **cursor})
        assert response.status_code == 200, response.text
        page = response.json()
        for item in page["items"]:
            yield item
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


async def apply_feed(client: httpx.AsyncClient, model: FeedModel) -> None:
    """Apply the changes that the feed has after the last one in the model."""
    while True:
        response = await client.get("/changes", params={"after": model.seq, "limit": PAGE_SIZE})
        assert response.status_code == 200, response.text
        page = response.json()
        for change in page["items"]:
            if model.apply(change):
                model.load(await read_shown(client))
        assert page["last_seq"] == model.seq
        if not page["has_more"]:
            return


async def assert_feed_matches(client: httpx.AsyncClient) -> FeedModel:
    """Replay the user's feed from its beginning, and check that it gives what the API shows.

    No request may be in progress. The last changes may not be in the feed yet: they are waited for.
    """
    model, shown = FeedModel(), (await read_shown(client)).comparable()
    deadline = monotonic() + PATIENCE_SECONDS
    await apply_feed(client, model)
    while model.comparable() != shown and monotonic() < deadline:
        await asyncio.sleep(0.05)
        await apply_feed(client, model)
    differences = difference(model.comparable(), shown)
    assert differences == {}
    return model


def difference(replayed: Json, shown: Json) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by kind and id: the replayed object and the one that the API shows."""
    return {
        f"{kind} {key}": (replayed[kind].get(key), shown[kind].get(key))
        for kind in shown
        for key in replayed[kind].keys() | shown[kind].keys()
        if replayed[kind].get(key) != shown[kind].get(key)
    }
