"""Tasks that belong to a project."""

from typing import Any

import pytest

from tests.support.http import Client, Json, parameters, pointers, problem
from tests.tracking.projects.requests import update_project


class TestTasksOfProject:
    async def test_billable_defaults_to_that_of_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True)
        task = await alice.make_task(project_id=project["id"])
        assert (task["project_id"], task["billable"]) == (project["id"], True)
        assert (await alice.make_task(project_id=project["id"], billable=False))["billable"] is False
        assert (await alice.make_task())["billable"] is False
        assert (await alice.make_task(billable=True))["billable"] is True

    async def test_project_of_a_task_can_be_changed_and_cleared(self, alice: Client) -> None:
        first, second = await alice.make_project(name="1", billable=True), await alice.make_project(name="2")
        task = await alice.make_task(project_id=first["id"])
        at = f"/tasks/{task['id']}"
        moved = (await alice.patch(at, json={"project_id": second["id"], "title": "New"})).json()
        assert (moved["project_id"], moved["title"], moved["billable"]) == (second["id"], "New", True)
        assert moved["version"] == 2
        left = (await alice.patch(at, json={"project_id": None})).json()
        assert (left["project_id"], left["version"]) == (None, 3)

    async def test_archived_project_accepts_tasks(self, alice: Client) -> None:
        project = await alice.make_project()
        await update_project(alice, project, {"archived": True})
        task = await alice.make_task(project_id=project["id"])
        assert (await alice.read(task))["project_id"] == project["id"]

    @pytest.mark.parametrize("project_id", ["", "none", "nonsense", "0" * 24, 7, ["0" * 24], {"$ne": None}, True])
    async def test_missing_project_is_422(self, alice: Client, project_id: Any) -> None:
        task = await alice.make_task()
        sent = {"title": "New", "project_id": project_id}
        assert pointers(await alice.post("/tasks", json=sent)) == {"#/project_id"}
        assert pointers(await alice.patch(f"/tasks/{task['id']}", json=sent)) == {"#/project_id"}
        assert (await alice.list())["items"] == [task]

    async def test_missing_task_is_404_before_a_missing_project(self, alice: Client) -> None:
        sent = {"project_id": "0" * 24}
        problem(await alice.patch(f"/tasks/{'0' * 24}", json=sent), 404, "task_not_found")

    async def test_stale_if_match_does_not_change_the_project(self, alice: Client) -> None:
        project, task = await alice.make_project(), await alice.make_task()
        at, sent = f"/tasks/{task['id']}", {"project_id": project["id"]}
        problem(await alice.patch(at, json=sent, headers={"If-Match": '"7"'}), 412, "stale_version")
        assert (await alice.read(task))["project_id"] is None
        assert (await alice.patch(at, json=sent, headers={"If-Match": '"1"'})).json()["project_id"] == project["id"]

    async def test_tasks_are_filtered_by_project(self, alice: Client) -> None:
        first, second = await alice.make_project(name="1"), await alice.make_project(name="2")
        for title, project_id in (("a", first["id"]), ("b", second["id"]), ("c", None), ("d", first["id"])):
            await alice.make_task(title=title, project_id=project_id)

        async def titles(**sent: str) -> list[str]:
            return [task["title"] for task in (await alice.list(sort="title", **sent))["items"]]

        assert await titles(project_id=first["id"]) == ["a", "d"]
        assert await titles(project_id=second["id"]) == ["b"]
        assert await titles(project_id="none") == ["c"]
        assert await titles(project_id="0" * 24) == []

    @pytest.mark.parametrize("project_id", ["", "None", "null", "x", "0" * 23])
    async def test_invalid_project_filter_is_422(self, alice: Client, project_id: str) -> None:
        assert parameters(await alice.get("/tasks", params={"project_id": project_id})) == {"project_id"}
        twice = {"project_id": ["none", "0" * 24]}
        assert parameters(await alice.get("/tasks", params=twice)) == {"project_id"}

    @pytest.mark.parametrize("sort", ["project_id", "-project_id"])
    async def test_sort_by_project_has_null_last(self, alice: Client, sort: str) -> None:
        projects = [await alice.make_project(name=str(number)) for number in range(3)]
        for number in range(12):
            project_id = projects[number % 3]["id"] if number % 4 else None
            await alice.make_task(title=str(number), project_id=project_id)
        whole = (await alice.list(sort=sort, limit=200))["items"]
        keys = [(task["project_id"], task["id"]) for task in whole if task["project_id"]]
        assert keys == sorted(keys, reverse=sort.startswith("-"))
        assert [task["project_id"] for task in whole[len(keys) :]] == [None] * 3
        paged: list[Json] = []
        cursor: dict[str, str] = {}
        while True:
            page = await alice.list(sort=sort, limit=2, **cursor)
            paged += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert paged == whole
        assert len(whole) == 12
