"""Users cannot see, change or detect resources of other users: they get 404, as for an unknown id."""

import pytest

from tests.conftest import Database
from tests.support.http import Client, pointers, problem
from tests.support.stored_documents import ended_entry, paged_task


class TestResourcesOfAnotherUser:
    async def test_trash_of_another_user_is_not_found(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        problem(await bob.post(f"/tasks/{task['id']}/restore"), 404, "task_not_found")
        assert (await bob.list(deleted="true"))["items"] == []

    async def test_timer_cannot_start_on_a_task_of_another_user(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task()
        response = await bob.post("/timer/start", json={"task_id": task["id"]})
        problem(response, 404, "task_not_found")
        assert (await alice.get("/timer")).status_code == 204

    async def test_timer_of_another_user_is_not_found(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        assert (await bob.get("/timer")).status_code == 204
        problem(await bob.post("/timer/stop"), 404, "no_running_timer")
        by_entry = {"entry_id": timer["entry"]["id"]}
        problem(await bob.post("/timer/stop", json=by_entry), 404, "entry_not_found")
        problem(await bob.post("/timer/stop", json={"task_id": task["id"]}), 404, "task_not_found")
        await alice.stop()
        problem(await bob.post("/timer/stop", json={**by_entry, "task_id": task["id"]}), 404, "entry_not_found")

    async def test_entry_of_another_user_is_not_found_on_any_task(self, alice: Client, bob: Client) -> None:
        task, bobs_task = await alice.make_task(), await bob.make_task()
        for entry in ((await alice.start(task))["entry"], (await alice.stop())["entry"]):
            problem(await bob.get(f"/tasks/{task['id']}/time-entries/{entry['id']}"), 404, "task_not_found")
            problem(await bob.get(f"/tasks/{bobs_task['id']}/time-entries/{entry['id']}"), 404, "entry_not_found")

    async def test_entry_in_a_page_of_another_user_is_not_found_on_any_task(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        entry = ended_entry(note="canary 7f3a")
        row, pages = paged_task(alice.user["_id"], [entry], [])
        await database.tasks.insert_one(row)
        await database.task_pages.insert_many(pages)
        entry_id, bobs_task = entry["id"], await bob.make_task()
        for task_id, code in ((row["_id"], "task_not_found"), (bobs_task["id"], "entry_not_found")):
            at = f"/tasks/{task_id}/time-entries/{entry_id}"
            for method, path, body in (
                ("GET", at, None),
                ("PATCH", at, {"note": "mine"}),
                ("DELETE", at, None),
                ("POST", f"{at}/split", {"at": "2026-11-18T09:10:00Z"}),
                ("POST", f"{at}/move", {"task_id": bobs_task["id"]}),
            ):
                problem(await bob.request(method, path, json=body), 404, code)
        assert (await bob.get("/time-entries")).json()["items"] == []
        assert await database.task_pages.find({}).to_list(None) == pages
        assert (await alice.get(f"/tasks/{row['_id']}/time-entries/{entry_id}")).json()["note"] == "canary 7f3a"

    async def test_project_of_another_user_is_not_found(self, alice: Client, bob: Client) -> None:
        project = await alice.make_project(client_name="canary 7f3a")
        alices_task = await alice.make_task(project_id=project["id"])
        bobs_task = await bob.make_task()
        assert (await bob.get("/projects")).json()["items"] == []
        assert (await bob.list(project_id=project["id"]))["items"] == []
        for method, address in (("POST", "/tasks"), ("PATCH", f"/tasks/{bobs_task['id']}")):
            body = {"title": "Mine", "project_id": project["id"]}
            assert pointers(await bob.request(method, address, json=body)) == {"#/project_id"}
        assert (await bob.list())["items"] == [bobs_task]
        assert (await alice.list(project_id=project["id"]))["items"] == [alices_task]
        assert (await bob.make_project())["name"] == project["name"]

    async def test_tags_of_another_user_are_neither_listed_nor_renamed(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task(tags=["canary"])
        assert (await bob.get("/tags")).json()["items"] == []
        renamed = await bob.post("/tags/rename", json={"from": "canary", "to": "mine"})
        assert renamed.json() == {"tasks": 0, "entries": 0}
        assert (await alice.list())["items"] == [task]

    async def test_import_is_independent_of_imports_of_another_user(self, alice: Client, bob: Client) -> None:
        line = "2026-11-02 09:00,2026-11-02 10:00,Canary"
        await alice.import_csv(line)
        (task,) = (await alice.list())["items"]
        assert (await bob.get("/imports")).json()["items"] == []
        assert (await bob.import_csv(line))["created"] == {"projects": 0, "tasks": 1, "entries": 1}
        assert (await alice.list())["items"] == [task]

    async def test_reports_contain_only_time_of_the_user(self, alice: Client, bob: Client) -> None:
        project = await alice.make_project(client_name="canary 7f3a")
        task = await alice.make_task(title="canary", project_id=project["id"], tags=["canary"])
        await alice.write(task)
        await alice.start(task)
        time = {"from": "2026-01-01", "to": "9998-01-01", "include_running": "true", "group_by": "client,task"}
        for filters in ({}, {"task_id": task["id"]}, {"project_id": project["id"]}, {"tag": "canary"}):
            for path, params in (("summary", {**time, **filters}), ("timesheet", {"date": "2026-11-18", **filters})):
                response = await bob.get(f"/reports/{path}", params=params)
                assert response.json()["rows"] == []
                assert response.json().get("running_seconds", 0) == 0
                assert (await alice.get(f"/reports/{path}", params=params)).json()["rows"] != []
        today = (await bob.get("/reports/today")).json()
        assert (today["timer"], today["recent_tasks"], today["week_seconds"]) == (None, [], 0)

    async def test_lists_contain_only_tasks_of_the_user(self, alice: Client, bob: Client) -> None:
        await alice.make_task(title="canary 7f3a", tags=["canary"])
        bobs_task = await bob.make_task()
        assert (await bob.list())["items"] == [bobs_task]
        for params in ({"q": "canary"}, {"tag": "canary"}, {"running": "false", "status": "pending", "q": "7f3a"}):
            assert (await bob.list(**params))["items"] == []

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 23, "0" * 25, "%00", "$gt", "{}", "é"])
    async def test_invalid_id_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.get(f"/tasks/{task_id}"), 404, "task_not_found")
