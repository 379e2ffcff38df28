"""Undoing an import removes what it created and nobody has changed."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task
from services.transfer.imports import undo
from services.transfer.imports.lease import lease_for_undo
from services.transfer.imports.undo import ImportUndo
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, at, problem
from tests.transfer.uploads import WEEK, import_rows, row, stored_items


class UndoWithConcurrentTask(ImportUndo):
    """Another client adds a task to a project between the check for tasks and the deletion of the project."""

    def __init__(self, batch: Row, add_task: Callable[[str], Awaitable[object]]) -> None:
        super().__init__(batch)
        self._add_task = add_task

    async def _has_tasks(self, project: Row) -> bool:
        has_tasks = await super()._has_tasks(project)
        if not has_tasks:
            await self._add_task(str(project["_id"]))
        return has_tasks


@pytest.mark.usefixtures("entry_storage")
class TestUndoImport:
    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # compares stored documents
    async def test_restores_the_previous_data(self, alice: Client, bob: Client, database: Database) -> None:
        await import_rows(bob, WEEK)
        task = await alice.make_task(title="Mail")
        await alice.write(task)
        before = await stored_items(database)
        result = await import_rows(alice, WEEK)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone == {
            "id": result["id"],
            "removed": result["created"],
            "left": {"projects": 0, "tasks": 0, "entries": 0},
        }
        assert [without_version(document) for document in await stored_items(database)] == [
            without_version(document) for document in before
        ]
        await assert_stored_time_is_consistent(database)
        read = (await alice.get(f"/imports/{result['id']}")).json()
        assert read == {**result, "state": "undone"}

    async def test_second_undo_removes_nothing(self, alice: Client) -> None:
        result = await import_rows(alice, WEEK)
        await alice.delete(f"/imports/{result['id']}")
        again = (await alice.delete(f"/imports/{result['id']}")).json()
        assert again["removed"] == again["left"] == {"projects": 0, "tasks": 0, "entries": 0}

    async def test_same_file_can_be_imported_again(self, alice: Client) -> None:
        result = await import_rows(alice, WEEK)
        await alice.delete(f"/imports/{result['id']}")
        again = await import_rows(alice, WEEK)
        assert (again["created"], again["duplicates"]) == (result["created"], 0)
        assert again["id"] != result["id"]
        assert [item["id"] for item in (await alice.get("/imports")).json()["items"]] == [again["id"], result["id"]]

    async def test_changed_entry_stays_with_its_task_and_project(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, WEEK)
        tasks = {task["title"]: task for task in (await alice.list())["items"]}
        (entry,) = (await alice.read(tasks["Call"]))["time_entries"]
        await alice.patch(at(entry), json={"note": "mine"})
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"] == {"projects": 1, "tasks": 2, "entries": 3}
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 1}
        (left,) = (await alice.list())["items"]
        assert (left["title"], left["entry_count"]) == ("Call", 1)
        await assert_stored_time_is_consistent(database)

    async def test_project_whose_removal_was_interrupted_is_removed(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        await database.projects.update_one({}, {"$set": {"deleted_at": datetime.now(UTC)}})
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"] == {"projects": 1, "tasks": 1, "entries": 1}
        assert await database.projects.count_documents({}) == 0

    async def test_moved_entry_stays(self, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        other = await alice.make_task(title="Other")
        await alice.post(f"{at(entry)}/move", json={"task_id": other["id"]})
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"]["entries"] == 0
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 1}

    @pytest.mark.parametrize(
        "change", [{"title": "Mine"}, {"status": "completed"}, {"tags": ["mine"]}, {"project_id": None}]
    )
    async def test_changed_task_stays(self, change: Json, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        await alice.patch(f"/tasks/{task['id']}", json=change)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert (undone["removed"]["entries"], undone["left"]["tasks"]) == (1, 1)
        assert (await alice.read(task))["entry_count"] == 0

    async def test_task_with_a_running_timer_stays(self, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        await alice.start(task)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 0}
        assert (await alice.get("/timer")).status_code == 200

    async def test_changed_or_used_project_stays(self, alice: Client) -> None:
        result = await import_rows(alice, WEEK)
        projects = {project["name"]: project for project in (await alice.get("/projects")).json()["items"]}
        await alice.patch(f"/projects/{projects['Sales']['id']}", json={"color": "#2f6fde"})
        await alice.make_task(title="Mine", project_id=projects["Website"]["id"])
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["left"] == {"projects": 2, "tasks": 0, "entries": 0}

    async def test_project_that_gets_a_task_meanwhile_stays(self, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        async with lease_for_undo(alice.user["_id"], ObjectId(result["id"])) as batch:
            attempt = UndoWithConcurrentTask(batch, lambda project_id: alice.make_task(project_id=project_id))
            await attempt.run()
        assert attempt.removed == {"projects": 0, "tasks": 1, "entries": 1}
        (project,) = (await alice.get("/projects")).json()["items"]
        assert [task["project_id"] for task in (await alice.list())["items"]] == [project["id"]]

    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # pages are removed first
    async def test_task_that_changes_meanwhile_stays(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        result = await import_rows(alice, WEEK)
        changed = (await alice.list())["items"][0]
        delete = Task.delete_all_at_version

        async def change_and_delete(tasks: list[Row]) -> bool:
            if changed["version"] == 1:
                changed.update((await alice.patch(f"/tasks/{changed['id']}", json={"description": "Mine"})).json())
            return await delete(tasks)

        monkeypatch.setattr(Task, "delete_all_at_version", change_and_delete)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"]["tasks"] == 2
        assert [(task["id"], task["description"]) for task in (await alice.list())["items"]] == [
            (changed["id"], "Mine")
        ]

    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # pages are removed first
    async def test_unchanged_tasks_are_removed_together(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = [row(2, "09:00", "10:00", task=f"Task {number}", project="") for number in range(30)]
        result = await import_rows(alice, "".join(lines))
        parts: list[int] = []
        delete = Task.delete_all_at_version

        async def count_and_delete(tasks: list[Row]) -> bool:
            parts.append(len(tasks))
            return await delete(tasks)

        monkeypatch.setattr(Task, "delete_all_at_version", count_and_delete)
        monkeypatch.setattr(undo, "MAX_ENTRIES", 20)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"] == {"projects": 0, "tasks": 30, "entries": 30}
        assert parts == [20, 10]

    async def test_entries_of_another_import_stay(self, alice: Client, database: Database) -> None:
        first = await import_rows(alice, row(2, "09:00", "10:00"))
        second = await import_rows(alice, row(3, "09:00", "10:00"))
        undone = (await alice.delete(f"/imports/{first['id']}")).json()
        assert undone["removed"] == {"projects": 0, "tasks": 0, "entries": 1}
        assert (await alice.delete(f"/imports/{second['id']}")).json()["removed"]["entries"] == 1
        assert (await alice.delete(f"/imports/{first['id']}")).json()["removed"] == {
            "projects": 1,
            "tasks": 1,
            "entries": 0,
        }
        assert await stored_items(database) == []

    async def test_split_entry_stays(self, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        await alice.post(f"{at(entry)}/split", json={"at": "2026-11-02T08:30:00Z"})
        assert (await alice.delete(f"/imports/{result['id']}")).json()["left"]["entries"] == 1
        assert (await import_rows(alice, row(2, "09:00", "10:00")))["duplicates"] == 1

    async def test_unknown_import_is_404(self, alice: Client, bob: Client) -> None:
        result = await import_rows(alice, WEEK)
        for client, wanted in ((bob, result["id"]), (alice, "0" * 24), (alice, "nonsense")):
            for method in ("GET", "DELETE"):
                problem(await client.request(method, f"/imports/{wanted}"), 404, "import_not_found")
        assert (await alice.get(f"/imports/{result['id']}")).json() == result


def without_version(document: Json) -> Json:
    """Return the document without the fields that every update changes."""
    return {name: value for name, value in document.items() if name not in {"version", "updated_at"}}
