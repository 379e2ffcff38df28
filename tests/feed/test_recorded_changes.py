"""Each request records exactly its changes, with the objects as the API shows them."""

from collections.abc import Iterator

import httpx
import pytest
from bson import ObjectId

from documents.common.outbox import enable_changes
from tests.conftest import Database
from tests.feed.recorded_requests import (
    CASES_BY_STORAGE,
    Send,
    delete_project,
    rename_tag,
    rerate,
    switch,
    undo_import,
    update_profile,
)
from tests.support.feed.recorded import OUTBOXES, read_recorded_changes
from tests.support.http import Client, Json, without_task

CALCULATED = ("server_time", "elapsed_seconds")
"""The fields of a timer that depend on the time of the response."""


async def changes_of(database: Database, client: Client, response: httpx.Response) -> list[Json]:
    """Return the changes that the request of this response has recorded."""
    request_id = response.headers["x-request-id"]
    changes = await read_recorded_changes(database, client.user["_id"])
    return [change for change in changes if change["request_id"] == request_id]


class Shown:
    """What the API shows now: tasks, trashed or not, entries, the timer, projects, imports and the user."""

    @classmethod
    async def read(cls, client: Client) -> "Shown":
        """Read everything. The entries of trashed tasks are read from the responses of their restored tasks."""
        shown = cls()
        shown.tasks = {}
        for deleted in ("false", "true"):
            for task in (await client.get("/tasks", params={"deleted": deleted, "limit": 200})).json()["items"]:
                shown.tasks[task["id"]] = task
        timer = await client.get("/timer")
        shown.timer = {} if timer.status_code == 204 else timer.json()
        for task_id, task in shown.tasks.items():
            if task["deleted_at"]:
                await client.post(f"/tasks/{task_id}/restore")
        query = {"from": "2020-01-01T00:00:00Z", "limit": "200"}
        entries = (await client.get("/time-entries", params=query)).json()["items"]
        shown.entries = {entry["id"]: without_task(entry) for entry in entries}
        for name in ("projects", "imports"):
            items = (await client.get(f"/{name}", params={"limit": 200})).json()["items"]
            setattr(shown, name, {item["id"]: item for item in items})
        shown.user = (await client.get("/users/me")).json()
        return shown

    tasks: dict[str, Json]
    timer: Json
    entries: dict[str, Json]
    projects: dict[str, Json]
    imports: dict[str, Json]
    user: Json

    def object_of(self, change: Json) -> Json | None:
        """Return the object that the data of the change must equal."""
        kind, event = change["type"].split(".")
        task, entry = self.tasks.get(str(change["task_id"])), self.entries.get(str(change["entry_id"]))
        if event in {"deleted", "discarded"}:
            return None
        if event == "split":
            return {"first": entry, "second": self.entries[change["data"]["second"]["id"]]}
        if kind == "timer" and event != "stopped":
            return without_calculated(self.timer)
        objects: dict[str, Json | None] = {"task": task, "entry": entry, "timer": entry, "user": self.user}
        objects["project"] = self.projects.get(str(change["project_id"]))
        objects["import"] = self.imports.get(str(change["import_id"]))
        return objects[kind]


def without_calculated(timer: Json) -> Json:
    return {name: value for name, value in timer.items() if name not in CALCULATED}


def assert_data(change: Json, shown: Shown) -> None:
    """Check that the data is the object as the API shows it. A later step may have changed the task once more."""
    expected, data = shown.object_of(change), change["data"]
    if expected is not None and change["type"].startswith("timer."):
        data = without_calculated(data)
    if expected is not None and change["type"].startswith("task."):
        newer = {name: expected[name] for name in ("version", "updated_at")}
        assert data["version"] == change["version"] <= newer["version"]
        data = {**data, **newer}
    assert data == expected


def assert_ids(change: Json, shown: Shown) -> None:
    """Check the ids of the change. Those that its type does not use are None."""
    kind = change["type"].split(".")[0]
    task = shown.tasks.get(str(change["task_id"]))
    ids = dict.fromkeys(("task_id", "entry_id", "project_id", "import_id"))
    if kind in {"task", "entry", "timer"}:
        assert task is not None
        ids |= {"task_id": change["task_id"], "project_id": to_id(task["project_id"])}
    if kind in {"entry", "timer"}:
        assert change["entry_id"] is not None
        data = change["data"] or {"id": str(change["entry_id"])}
        ids["entry_id"] = to_id((data.get("first") or data.get("entry") or data)["id"])
    if kind in {"project", "import"}:
        assert change[f"{kind}_id"] is not None
        ids[f"{kind}_id"] = change[f"{kind}_id"]
    assert {name: change[name] for name in ids} == ids
    assert (change["version"] is None) == (task is None)


def to_id(text: str | None) -> ObjectId | None:
    return None if text is None else ObjectId(text)


def assert_versions(changes: list[Json], shown: Shown) -> None:
    """Check that the versions of each task ascend, up to the one that the API shows."""
    versions: dict[ObjectId, list[int]] = {}
    for change in changes:
        if change["task_id"] is not None:
            versions.setdefault(change["task_id"], []).append(change["version"])
    for task_id, of_task in versions.items():
        assert of_task == sorted(of_task)
        assert of_task[-1] == shown.tasks[str(task_id)]["version"]


@pytest.mark.usefixtures("entry_storage")
class TestChangesOfRequests:
    @pytest.mark.parametrize(
        ("entry_storage", "send"),
        CASES_BY_STORAGE,
        indirect=["entry_storage"],
        ids=[f"{storage}-{send.__name__}" for storage, send in CASES_BY_STORAGE],
    )
    async def test_request_records_exactly_its_changes(self, send: Send, alice: Client, database: Database) -> None:
        sent = await send(alice)
        changes = await changes_of(database, alice, sent.response)
        assert [change["type"] for change in changes] == sent.types, sent.response.text
        shown = await Shown.read(alice)
        for change in changes:
            assert_ids(change, shown)
            if change["type"] != "tag.renamed":
                assert_data(change, shown)
        assert_versions(changes, shown)
        assert all(change["request_id"] for change in await read_recorded_changes(database, alice.user["_id"]))

    async def test_rename_is_recorded_last_with_its_counts(self, alice: Client, database: Database) -> None:
        sent = await rename_tag(alice)
        renamed = (await changes_of(database, alice, sent.response))[-1]
        assert renamed["data"] == {"from": "mail", "to": "e-mail", "tasks": 1, "entries": 3}
        assert {renamed[name] for name in ("task_id", "entry_id", "project_id", "import_id", "version")} == {None}


@pytest.fixture
def changes_disabled() -> Iterator[None]:
    enable_changes(enabled=False)
    yield
    enable_changes(enabled=True)


@pytest.mark.usefixtures("entry_storage", "changes_disabled")
class TestChangesDisabled:
    @pytest.mark.parametrize("send", [rename_tag, rerate, switch, delete_project, undo_import, update_profile])
    async def test_nothing_is_recorded(self, send: Send, alice: Client, database: Database) -> None:
        sent = await send(alice)
        assert sent.response.is_success, sent.response.text
        for name in OUTBOXES:
            async for document in database[name].find():
                assert not document.keys() & {"outbox", "outbox_since", "pending_changes"}
        assert await database.changes.count_documents({}) == 0
