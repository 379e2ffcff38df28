"""Listing and renaming tags."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from services.tracking.schemas.tags import TagRename
from services.tracking.tags import _rename_in_task, _TagRenaming
from tests.conftest import Database
from tests.support.http import Client, Json, parameters, pointers
from tests.support.pages.entry_storage import hot_only


async def tags(client: Client, **sent: Any) -> list[tuple[str, int, int]]:
    """Return the tags of a page, each with its number of tasks and entries."""
    response = await client.get("/tags", params=sent)
    assert response.status_code == 200, response.text
    return [(tag["name"], tag["task_count"], tag["entry_count"]) for tag in response.json()["items"]]


async def rename(client: Client, old: str, new: str) -> Json:
    response = await client.post("/tags/rename", json={"from": old, "to": new})
    assert response.status_code == 200, response.text
    renamed: Json = response.json()
    return renamed


async def track(client: Client, task: Json, *names: str) -> Json:
    """Track an entry with these tags and return it."""
    await client.start(task, tags=list(names), started_at="2026-11-18T09:00:00Z")
    entry: Json = (await client.stop(ended_at="2026-11-18T10:00:00Z"))["entry"]
    return entry


@pytest.mark.usefixtures("entry_storage")
class TestListTags:
    async def test_tags_have_the_number_of_tasks_and_entries(self, alice: Client) -> None:
        assert await tags(alice) == []
        first = await alice.make_task(tags=["work", "mail"])
        await alice.make_task(tags=["work"])
        await track(alice, first, "mail", "slow")
        await track(alice, first, "slow")
        await track(alice, first)
        assert await tags(alice) == [("mail", 1, 1), ("slow", 0, 2), ("work", 2, 0)]

    async def test_running_entry_is_counted(self, alice: Client) -> None:
        task = await alice.make_task()
        await track(alice, task, "mail")
        await alice.start(task, tags=["mail", "now"])
        assert await tags(alice) == [("mail", 0, 2), ("now", 0, 1)]

    async def test_trashed_tasks_are_not_counted(self, alice: Client) -> None:
        task = await alice.make_task(tags=["work"])
        await track(alice, task, "mail")
        await alice.delete(f"/tasks/{task['id']}")
        assert await tags(alice) == []
        await alice.post(f"/tasks/{task['id']}/restore")
        assert await tags(alice) == [("mail", 0, 1), ("work", 1, 0)]

    async def test_pages_are_sorted_by_name(self, alice: Client) -> None:
        task = await alice.make_task(tags=[f"t{number}" for number in range(0, 20, 2)])
        await track(alice, task, *(f"t{number}" for number in range(1, 20, 2)))
        await track(alice, task, "é", "🎉", "a b", "t10")
        whole = await tags(alice, limit=200)
        assert [name for name, _, _ in whole] == sorted([f"t{number}" for number in range(20)] + ["é", "🎉", "a b"])
        assert ("t10", 1, 1) in whole
        paged: list[tuple[str, int, int]] = []
        cursor: dict[str, str] = {}
        while True:
            paged += await tags(alice, limit=3, **cursor)
            after = (await alice.get("/tags", params={"limit": 3, **cursor})).json()["next_cursor"]
            if after is None:
                break
            cursor = {"cursor": after}
        assert paged == whole

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client) -> None:
        for client in (alice, bob):
            await client.make_task(tags=["a", "b"])
        cursor = (await alice.get("/tags", params={"limit": 1})).json()["next_cursor"]
        assert await tags(alice, cursor=cursor) == [("b", 1, 0)]
        assert parameters(await bob.get("/tags", params={"cursor": cursor})) == {"cursor"}
        assert parameters(await alice.get("/projects", params={"cursor": cursor})) == {"cursor"}

    @hot_only
    @pytest.mark.parametrize("sent", [{"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"q": "a"}, {"sort": "name"}])
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/tags", params=sent)) == set(sent)


@pytest.mark.usefixtures("entry_storage")
class TestTag:
    async def test_tag_from_a_response_is_accepted_in_a_request(self, alice: Client) -> None:
        task = await alice.make_task(tags=["\u0130" * 25, " Offers "])
        for tag in task["tags"]:
            page = await alice.list(tag=tag)
            assert [item["id"] for item in page["items"]] == [task["id"]]

    async def test_tag_that_is_too_long_in_lower_case_is_refused(self, alice: Client) -> None:
        response = await alice.post("/tasks", json={"title": "x", "tags": ["\u0130" * 26]})
        assert pointers(response) == {"#/tags/0"}


@pytest.mark.usefixtures("entry_storage")
class TestRenameTag:
    async def test_rename_changes_all_tasks_and_entries(self, alice: Client) -> None:
        task = await alice.make_task(tags=["mail", "work"])
        trashed = await alice.make_task(tags=["mail"])
        untouched = await alice.make_task(tags=["work"])
        kept = await track(alice, task, "work")
        await track(alice, task, "slow", "mail")
        await track(alice, trashed, "mail")
        await alice.delete(f"/tasks/{trashed['id']}")
        await alice.start(task, tags=["mail"])
        before = await alice.read(task)
        assert await rename(alice, " MAIL ", "E-Mail") == {"tasks": 2, "entries": 3}
        after = await alice.read(task)
        assert after["tags"] == ["e-mail", "work"]
        assert after["active"]["tags"] == ["e-mail"]
        assert [entry["tags"] for entry in after["time_entries"]] == [["slow", "e-mail"], ["work"]]
        assert after["time_entries"][1] == kept
        assert after["version"] == before["version"] + 1
        assert after["tracked_seconds"] == before["tracked_seconds"]
        assert await alice.read(untouched) == {**untouched, "time_entries": []}
        await alice.post(f"/tasks/{trashed['id']}/restore")
        back = await alice.read(trashed)
        assert (back["tags"], back["time_entries"][0]["tags"]) == (["e-mail"], ["e-mail"])
        assert (await alice.stop())["entry"]["tags"] == ["e-mail"]

    async def test_rename_to_an_existing_tag_merges_them(self, alice: Client) -> None:
        first = await alice.make_task(tags=["e-mail", "work", "mail"])
        second = await alice.make_task(tags=["mail", "work", "e-mail"])
        await track(alice, first, "x", "mail", "e-mail", "y")
        assert await rename(alice, "mail", "e-mail") == {"tasks": 2, "entries": 1}
        assert (await alice.read(first))["tags"] == ["e-mail", "work"]
        assert (await alice.read(second))["tags"] == ["e-mail", "work"]
        assert (await alice.read(first))["time_entries"][0]["tags"] == ["x", "e-mail", "y"]
        assert await tags(alice) == [("e-mail", 2, 1), ("work", 2, 0), ("x", 0, 1), ("y", 0, 1)]

    async def test_second_rename_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task(tags=["mail"])
        await track(alice, task, "mail")
        assert await rename(alice, "mail", "e-mail") == {"tasks": 1, "entries": 1}
        after = await alice.read(task)
        assert await rename(alice, "mail", "e-mail") == {"tasks": 0, "entries": 0}
        assert await alice.read(task) == after

    async def test_interrupted_rename_is_continued(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(tags=["mail"]) for _ in range(3)]
        done = {"_id": ObjectId(tasks[1]["id"])}
        await database.tasks.update_one(done, {"$set": {"tags": ["e-mail"]}, "$inc": {"version": 1}})
        assert await rename(alice, "mail", "e-mail") == {"tasks": 2, "entries": 0}
        assert await tags(alice) == [("e-mail", 3, 0)]

    async def test_rename_in_a_deleted_task_counts_nothing(self, alice: Client) -> None:
        renaming = _TagRenaming.of(TagRename.model_validate({"from": "mail", "to": "e-mail"}))
        assert await _rename_in_task(alice.user["_id"], ObjectId(), renaming) == (0, 0)

    async def test_rename_to_the_same_name_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task(tags=["mail"])
        assert await rename(alice, "mail", " Mail ") == {"tasks": 0, "entries": 0}
        assert await alice.read(task) == {**task, "time_entries": []}

    async def test_special_characters_are_plain_text(self, alice: Client) -> None:
        odd = ["$tags", "a.b", "$$this", ".*", "ünï 🎉"]
        task = await alice.make_task(tags=odd)
        for number, tag in enumerate(odd):
            assert await rename(alice, tag, f"${number}.x") == {"tasks": 1, "entries": 0}
        assert (await alice.read(task))["tags"] == [f"${number}.x" for number in range(5)]

    @hot_only
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"from": "mail"}, "#/to"),
            ({"to": "mail"}, "#/from"),
            ({"from": " ", "to": "e-mail"}, "#/from"),
            ({"from": "mail", "to": ""}, "#/to"),
            ({"from": "mail", "to": "t" * 51}, "#/to"),
            ({"from": "mail", "to": "a\0b"}, "#/to"),
            ({"from": "mail", "to": None}, "#/to"),
            ({"from": 7, "to": "e-mail"}, "#/from"),
            ({"from": ["mail"], "to": "e-mail"}, "#/from"),
            ({"from": {"$ne": ""}, "to": "e-mail"}, "#/from"),
            ({"from": "mail", "to": "e-mail", "old": "mail"}, "#/old"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer_and_changes_nothing(
        self, alice: Client, body: Json, pointer: str
    ) -> None:
        task = await alice.make_task(tags=["mail"])
        assert pointers(await alice.post("/tags/rename", json=body)) == {pointer}
        assert await alice.read(task) == {**task, "time_entries": []}


class TestConcurrentRenames:
    async def test_rename_with_concurrent_timers_loses_nothing(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number), tags=["a"]) for number in range(3)]
        worker = asyncio.create_task(self.start_and_stop(alice, tasks))
        await asyncio.gather(worker, self.go_on_renaming(alice, worker), self.go_on_renaming(alice, worker))
        for old, new in (("a", "b"), ("b", "c")):
            await rename(alice, old, new)
        assert await tags(alice) == [("c", 3, 12), ("kept", 0, 12)]
        entry_ids: list[str] = []
        async for task in database.tasks.find():
            assert "active" not in task
            assert task["entry_count"] == len(task["time_entries"]) == 4
            assert task["tracked_seconds"] == 4 * 3600
            assert [entry["tags"] for entry in task["time_entries"]] == [["c", "kept"]] * 4
            entry_ids += [str(entry["id"]) for entry in task["time_entries"]]
        assert sorted(entry_ids) == sorted(worker.result())

    async def start_and_stop(self, alice: Client, tasks: list[Json]) -> list[str]:
        """Track twelve entries on these tasks and return their ids."""
        stopped = []
        for step in range(12):
            await alice.start(tasks[step % 3], tags=["a", "kept"], started_at="2026-11-18T09:00:00Z")
            stopped.append((await alice.stop(ended_at="2026-11-18T10:00:00Z"))["entry"]["id"])
        return stopped

    async def go_on_renaming(self, alice: Client, worker: asyncio.Task[list[str]]) -> None:
        while not worker.done():
            for old, new in (("a", "b"), ("b", "c")):
                await rename(alice, old, new)

    async def test_twenty_concurrent_renames_count_each_change_once(self, alice: Client) -> None:
        task = await alice.make_task(tags=["a"])
        await track(alice, task, "a")
        renamed = await asyncio.gather(*(rename(alice, "a", "b") for _ in range(20)))
        assert sum(result["tasks"] for result in renamed) == 1
        assert sum(result["entries"] for result in renamed) == 1
        assert (await alice.read(task))["version"] == 4
