import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, instant, parameters, pointers, problem
from tests.support.stored_documents import forget_answers

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


async def titles(client: Client, **parameters: Any) -> list[str]:
    return [task["title"] for task in (await client.list(**parameters))["items"]]


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
        kept = {**sent, "tags": ["a", "b"], "due_at": "2026-11-30T16:00:00.123Z"}
        assert {**task, **kept} == task
        found = await alice.read(task)
        assert found == {**task, "time_entries": []}

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
        found = await alice.read(task)
        assert (found["title"], found["status"], found["version"]) == ("Second", "pending", 2)

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
        await forget_answers(database)
        again = await alice.post(f"/tasks/{task['id']}/restore", headers=sent)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"] == '"3"'

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 24])
    async def test_restore_of_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.post(f"/tasks/{task_id}/restore"), 404, "task_not_found")


class TestListTasks:
    async def test_tasks_are_listed_newest_first_without_entries(self, alice: Client) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(3)]
        await alice.start(tasks[0])
        await alice.stop()
        page = await alice.list()
        assert [task["title"] for task in page["items"]] == ["2", "1", "0"]
        assert page["items"][0] == tasks[2]
        assert all("time_entries" not in task for task in page["items"])
        assert page["next_cursor"] is None

    async def test_filter_by_status_tag_and_running(self, alice: Client) -> None:
        await alice.make_task(title="a", tags=["x"])
        await alice.make_task(title="b", status="completed", tags=["y"])
        running = await alice.make_task(title="c", tags=["x", "z"])
        await alice.start(running)
        assert await titles(alice, status="completed") == ["b"]
        assert await titles(alice, status=["completed", "pending"]) == ["b", "a"]
        assert await titles(alice, tag="X") == ["c", "a"]
        assert await titles(alice, tag=["y", " Z "]) == ["c", "b"]
        assert await titles(alice, running="true") == ["c"]
        assert await titles(alice, running="false") == ["b", "a"]
        assert await titles(alice, running="true", tag="y") == []
        assert await titles(alice, project_id="none") == ["c", "b", "a"]

    async def test_filter_by_time(self, alice: Client) -> None:
        first = await alice.make_task(title="a", due_at="2026-11-01T00:00:00Z")
        await asyncio.sleep(0.005)
        second = await alice.make_task(title="b", due_at="2026-11-02T00:00:00Z")
        await alice.make_task(title="c")
        assert await titles(alice, updated_since=second["updated_at"], sort="title") == ["b", "c"]
        await alice.patch(f"/tasks/{first['id']}", json={"priority": 1})
        assert await titles(alice, updated_since=second["updated_at"], sort="title") == ["a", "b", "c"]
        assert await titles(alice, due_before="2026-11-02T00:00:00Z") == ["a"]
        assert await titles(alice, due_after="2026-11-02T01:00:00+01:00") == ["b"]
        assert await titles(alice, due_after="2026-11-01T00:00:00Z", due_before="2026-11-03T00:00:00Z") == ["b", "a"]

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("OFFER", ["Write the offer"]),
            ("SECOND line", ["Notes"]),
            ("grösse", ["Größe? GRÖSSE (100%)"]),
            (".*", []),
            ("(100%)", ["Größe? GRÖSSE (100%)"]),
            ("? g", ["Größe? GRÖSSE (100%)"]),
            ("[a-z]+", ["[a-z]+ \\d $1 ^x$ | a#b & c~d"]),
            ("\\d", ["[a-z]+ \\d $1 ^x$ | a#b & c~d"]),
            ("$1 ^x$ |", ["[a-z]+ \\d $1 ^x$ | a#b & c~d"]),
            ("A#B & C~", ["[a-z]+ \\d $1 ^x$ | a#b & c~d"]),
            ("nothing like it", []),
        ],
    )
    async def test_search_matches_part_of_title_or_description(self, alice: Client, q: str, found: list[str]) -> None:
        await alice.make_task()
        await alice.make_task(title="Notes", description="first line\nsecond line")
        await alice.make_task(title="Größe? GRÖSSE (100%)")
        await alice.make_task(title="[a-z]+ \\d $1 ^x$ | a#b & c~d")
        assert await titles(alice, q=q) == found

    @pytest.mark.parametrize(
        "sent",
        [
            {"limit": "0"},
            {"limit": "201"},
            {"limit": "many"},
            {"limit": "1_0"},
            {"limit": "5.0"},
            {"limit": " 5"},
            {"running": "yes"},
            {"status": "done"},
            {"sort": "priority"},
            {"sort": "--title"},
            {"running": "perhaps"},
            {"deleted": "2"},
            {"updated_since": "2026-11-18T09:00:00"},
            {"due_before": "yesterday"},
            {"cursor": "x"},
            {"cursor": ""},
            {"q": ""},
            {"q": "a\0b"},
            {"q": "q" * 201},
            {"tag": ""},
            {"project_id": "x"},
            {"offset": "10"},
            {"$where": "1"},
        ],
    )
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        response = await alice.get("/tasks", params=sent)
        assert parameters(response) == set(sent)

    async def test_repeated_single_parameter_is_422(self, alice: Client) -> None:
        response = await alice.get("/tasks", params=[("limit", "1"), ("limit", "2")])
        assert parameters(response) == {"limit"}


class TestTaskPages:
    @pytest.mark.parametrize("sort", ["created_at", "updated_at", "due_at", "title", "tracked_seconds"])
    @pytest.mark.parametrize("descending", [False, True])
    async def test_pages_of_every_sort_key_contain_each_task_once_in_order(
        self, alice: Client, database: Database, sort: str, descending: bool
    ) -> None:
        for number in range(11):
            due_at = f"2026-11-{10 + number % 3}T00:00:00Z" if number % 4 else None
            await alice.make_task(title=f"Same {number % 2}", due_at=due_at)
        order = f"-{sort}" if descending else sort
        for number, found in enumerate(await database.tasks.find().to_list(None)):
            await database.tasks.update_one({"_id": found["_id"]}, {"$set": {"tracked_seconds": number % 3}})
        (whole,) = [page async for page in pages(alice, sort=order, limit=200)]
        paged = [task async for page in pages(alice, sort=order, limit=2) for task in page]
        assert paged == whole
        assert len({task["id"] for task in whole}) == 11
        dated = [task for task in whole if task[sort] is not None]
        assert whole[: len(dated)] == dated
        keys = [(task[sort], task["id"]) for task in dated]
        assert keys == sorted(keys, reverse=descending)

    async def test_titles_sort_by_code_point(self, alice: Client) -> None:
        for title in ("b", "A", "a", "é", "B", "🎉"):
            await alice.make_task(title=title)
        assert await titles(alice, sort="title") == ["A", "B", "a", "b", "é", "🎉"]

    async def test_pages_are_stable_while_tasks_are_inserted(self, alice: Client, database: Database) -> None:
        await alice.make_task(title="0")
        model = await database.tasks.find_one({}, {"_id": 0})
        assert model is not None
        await database.tasks.insert_many([{**model, "title": str(number)} for number in range(1, 500)])
        seen: list[str] = []
        async for page in pages(alice, limit=50):
            seen += [task["title"] for task in page]
            await asyncio.gather(*(alice.make_task(title="inserted") for _ in range(5)))
        assert len(seen) == 500
        assert set(seen) == {str(number) for number in range(500)}

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client) -> None:
        for _ in range(3):
            await alice.make_task(tags=["x"])
            await bob.make_task(tags=["x"])
        cursor = (await alice.list(limit=1, tag="x"))["next_cursor"]
        assert (await alice.get("/tasks", params={"limit": 2, "tag": "x", "cursor": cursor})).status_code == 200
        for client, sent in (
            (alice, {"tag": "y"}),
            (alice, {}),
            (alice, {"tag": "x", "sort": "title"}),
            (alice, {"tag": "x", "deleted": "true"}),
            (bob, {"tag": "x"}),
        ):
            response = await client.get("/tasks", params={**sent, "cursor": cursor})
            assert parameters(response) == {"cursor"}

    async def test_modified_cursor_is_refused(self, alice: Client) -> None:
        for _ in range(2):
            await alice.make_task()
        cursor = (await alice.list(limit=1))["next_cursor"]
        for place in range(len(cursor)):
            changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            assert parameters(await alice.get("/tasks", params={"cursor": changed})) == {"cursor"}
        for other in (cursor[:-1], cursor + "=", cursor + "A", cursor * 2):
            assert parameters(await alice.get("/tasks", params={"cursor": other})) == {"cursor"}


async def pages(client: Client, **parameters: Any) -> AsyncIterator[list[Json]]:
    cursor: dict[str, str] = {}
    while True:
        page = await client.list(**parameters, **cursor)
        yield page["items"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}
