"""Creating, updating, trashing and restoring tasks."""

import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, instant, pointers, problem
from tests.support.stored_documents import remove_stored_responses

NEW_TASK: Json = {
    "title": "Write the offer",
    "description": None,
    "status": "pending",
    "tags": [],
    "priority": None,
    "project_id": None,
    "due_at": None,
    "estimate_seconds": None,
    "billable": False,
    "tracked_seconds": 0,
    "entry_count": 0,
    "active": None,
    "version": 1,
    "completed_at": None,
    "deleted_at": None,
}


class TestCreateTask:
    async def test_only_the_title_is_required(self, alice: Client) -> None:
        response = await alice.post("/tasks", json={"title": "  Write the offer "})
        assert response.status_code == 201
        task = response.json()
        assert {**task, **NEW_TASK} == task
        assert task.keys() == NEW_TASK.keys() | {"id", "created_at", "updated_at"}
        assert task["created_at"] == task["updated_at"]
        assert response.headers["location"] == f"/api/v1/tasks/{task['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_all_fields_are_stored(self, alice: Client) -> None:
        sent = {
            "title": "Ünïcode 🎉",
            "description": "first\nsecond",
            "status": "in_progress",
            "tags": ["A", "b", "a"],
            "priority": 4,
            "due_at": "2026-11-30T17:00:00.1239+01:00",
            "estimate_seconds": 3600,
            "billable": True,
            "project_id": None,
        }
        task = await alice.make_task(**sent)
        expected = {**sent, "tags": ["a", "b"], "due_at": "2026-11-30T16:00:00.123Z"}
        assert {**task, **expected} == task
        stored = await alice.read(task)
        assert stored == {**task, "time_entries": []}

    async def test_completed_task_has_completed_at_now(self, alice: Client) -> None:
        task = await alice.make_task(status="completed")
        assert task["completed_at"] == task["created_at"]

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"title": ""}, "#/title"),
            ({"title": " \t "}, "#/title"),
            ({"title": "t" * 201}, "#/title"),
            ({"title": "a\0b"}, "#/title"),
            ({"title": None}, "#/title"),
            ({"title": 7}, "#/title"),
            ({"title": {"$gt": ""}}, "#/title"),
            ({"description": "d" * 20_001}, "#/description"),
            ({"status": "done"}, "#/status"),
            ({"status": None}, "#/status"),
            ({"tags": "a"}, "#/tags"),
            ({"tags": None}, "#/tags"),
            ({"tags": [f"tag {number}" for number in range(11)]}, "#/tags"),
            ({"tags": ["fine", " "]}, "#/tags/1"),
            ({"tags": ["t" * 51]}, "#/tags/0"),
            ({"priority": 5}, "#/priority"),
            ({"priority": -1}, "#/priority"),
            ({"priority": "1"}, "#/priority"),
            ({"priority": 1.0}, "#/priority"),
            ({"priority": True}, "#/priority"),
            ({"estimate_seconds": -1}, "#/estimate_seconds"),
            ({"estimate_seconds": 1.5}, "#/estimate_seconds"),
            ({"estimate_seconds": 10**30}, "#/estimate_seconds"),
            ({"due_at": "2026-11-30T17:00:00"}, "#/due_at"),
            ({"due_at": "tomorrow"}, "#/due_at"),
            ({"due_at": 0}, "#/due_at"),
            ({"due_at": "9999-01-01T00:00:00Z"}, "#/due_at"),
            ({"billable": 1}, "#/billable"),
            ({"billable": None}, "#/billable"),
            ({"project_id": "0" * 24}, "#/project_id"),
            ({"a/b~c": 1}, "#/a~1b~0c"),
            ({"tracked_seconds": 5}, "#/tracked_seconds"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer_and_stores_nothing(
        self, alice: Client, fields: Json, pointer: str
    ) -> None:
        assert pointers(await alice.post("/tasks", json={"title": "Fine", **fields})) == {pointer}
        assert (await alice.list())["items"] == []

    async def test_limits_are_accepted(self, alice: Client) -> None:
        await alice.make_task(
            title=f" {'é' * 200} ",
            description="d" * 20_000,
            tags=[f"{number:050}" for number in range(10)],
            priority=0,
            estimate_seconds=0,
            due_at="1970-01-01T00:00:00Z",
        )


@pytest.mark.usefixtures("entry_storage")
class TestUpdateTask:
    async def test_update_keeps_fields_that_are_not_sent(self, alice: Client) -> None:
        task = await alice.make_task(description="Kept", priority=3, tags=["kept"])
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "New"})
        changed = response.json()
        assert response.headers["etag"] == '"2"'
        assert changed == {**task, "title": "New", "version": 2, "updated_at": changed["updated_at"]}
        assert instant(changed["updated_at"]) >= instant(task["updated_at"])

    async def test_null_clears_nullable_fields(self, alice: Client) -> None:
        clearable: Json = {
            "description": "d",
            "priority": 1,
            "due_at": "2026-11-30T17:00:00Z",
            "estimate_seconds": 5,
            "project_id": None,
        }
        task = await alice.make_task(**clearable)
        response = await alice.patch(f"/tasks/{task['id']}", json=dict.fromkeys(clearable))
        assert response.status_code == 200
        assert {key: response.json()[key] for key in clearable} == dict.fromkeys(clearable)

    @pytest.mark.parametrize("field", ["title", "status", "tags", "billable"])
    async def test_null_is_422_for_other_fields(self, alice: Client, field: str) -> None:
        task = await alice.make_task()
        assert pointers(await alice.patch(f"/tasks/{task['id']}", json={field: None})) == {f"#/{field}"}
        assert (await alice.read(task))["version"] == 1

    async def test_empty_update_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={})
        assert response.json() == task
        assert response.headers["etag"] == '"1"'

    async def test_completed_at_stays_when_completed_again(self, alice: Client) -> None:
        task = await alice.make_task(status="completed")
        again = (await alice.patch(f"/tasks/{task['id']}", json={"status": "completed"})).json()
        assert again["completed_at"] == task["completed_at"]
        opened = (await alice.patch(f"/tasks/{task['id']}", json={"status": "pending"})).json()
        assert opened["completed_at"] is None

    @pytest.mark.parametrize("body", ["[]", "null", '"title"', "7", ""])
    async def test_body_that_is_not_an_object_is_refused(self, alice: Client, body: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", content=body, headers={"Content-Type": "application/json"})
        assert pointers(response) == {"#"}


class TestTaskVersions:
    async def test_stale_if_match_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Second"})
        for method, body in (("PATCH", {"title": "Third"}), ("PATCH", {"status": "completed"}), ("DELETE", None)):
            response = await alice.request(method, f"/tasks/{task['id']}", json=body, headers={"If-Match": '"1"'})
            problem(response, 412, "stale_version")
        stored = await alice.read(task)
        assert (stored["title"], stored["status"], stored["version"]) == ("Second", "pending", 2)

    async def test_several_if_match_headers_are_one_list(self, alice: Client) -> None:
        task = await alice.make_task()
        headers = [("If-Match", '"7"'), ("If-Match", '"1"')]
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "New"}, headers=headers)
        assert response.status_code == 200

    @pytest.mark.parametrize("tag", ['"1"', '"7", "1"', "*", '"x" , "1"', ', "1",,', '"a,b", "1"'])
    async def test_if_match_with_the_current_version_succeeds(self, alice: Client, tag: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "New"}, headers={"If-Match": tag})
        assert response.status_code == 200

    @pytest.mark.parametrize("tag", ['W/"1"', '"01"', '"x"', '""'])
    async def test_other_etags_match_nothing(self, alice: Client, tag: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "New"}, headers={"If-Match": tag})
        problem(response, 412, "stale_version")

    @pytest.mark.parametrize("tag", ["1", '"1', "1, 2", '"1" "2"', ",", "W/1"])
    async def test_invalid_etags_are_refused(self, alice: Client, tag: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "New"}, headers={"If-Match": tag})
        assert [wrong["header"] for wrong in problem(response, 422, "invalid_request")["errors"]] == ["If-Match"]

    async def test_known_version_is_304(self, alice: Client) -> None:
        task = await alice.make_task()
        for tag in ('"1"', 'W/"1"', "*", '"0", "1"'):
            response = await alice.get(f"/tasks/{task['id']}", headers={"If-None-Match": tag})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == '"1"'
        response = await alice.get(f"/tasks/{task['id']}", headers={"If-None-Match": '"2"'})
        assert response.status_code == 200


@pytest.mark.usefixtures("entry_storage")
class TestTrash:
    async def test_trashed_task_is_only_listed_in_the_trash(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.delete(f"/tasks/{task['id']}")
        assert (response.status_code, response.content) == (204, b"")
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "New"}),
            ("PATCH", "", {"status": "completed"}),
            ("PATCH", "", {}),
            ("DELETE", "", None),
        ):
            answer = await alice.request(method, f"/tasks/{task['id']}{path}", json=body)
            problem(answer, 404, "task_not_found")
        assert (await alice.list())["items"] == []
        (trashed,) = (await alice.list(deleted="true"))["items"]
        assert trashed["id"] == task["id"]
        assert trashed["deleted_at"]

    async def test_restore_returns_the_task(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        response = await alice.post(f"/tasks/{task['id']}/restore")
        assert response.status_code == 200
        back = response.json()
        assert back == {**task, "version": 3, "updated_at": back["updated_at"]}
        assert response.headers["etag"] == '"3"'
        assert (await alice.list(deleted="true"))["items"] == []

    async def test_second_restore_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.post(f"/tasks/{task['id']}/restore")
        assert response.json() == task

    async def test_stale_if_match_restores_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        response = await alice.post(f"/tasks/{task['id']}/restore", headers={"If-Match": '"1"'})
        problem(response, 412, "stale_version")
        assert len((await alice.list(deleted="true"))["items"]) == 1

    async def test_retry_returns_the_task_that_an_earlier_attempt_restored(
        self, alice: Client, database: Database
    ) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        sent = {"If-Match": '"2"', "Idempotency-Key": "out"}
        first = await alice.post(f"/tasks/{task['id']}/restore", headers=sent)
        await remove_stored_responses(database)
        again = await alice.post(f"/tasks/{task['id']}/restore", headers=sent)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"] == '"3"'

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 24])
    async def test_restore_of_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.post(f"/tasks/{task_id}/restore"), 404, "task_not_found")
