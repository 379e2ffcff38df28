"""The view time_entries, which shows one document per time entry in a mongo shell."""

from contextlib import suppress

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

from documents.tracking.view import TIME_ENTRIES_VIEW
from tests.conftest import Database
from tests.operation.store.document_shapes import ENDED_ENTRY, RUNNING_ENTRY, bson_types, find_task
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, project_row, task_row, tracked


class TestTimeEntriesView:
    async def test_each_entry_is_shown_with_its_task(self, alice: Client, bob: Client, database: Database) -> None:
        first, second = await alice.make_task(title="First"), await alice.make_task(title="Second")
        await alice.make_task(title="Never tracked")
        ended = []
        for task in (first, first, second):
            await alice.start(task, note="n")
            ended.append((await alice.stop())["entry"]["id"])
        running = (await alice.start(second, note="n"))["entry"]["id"]
        foreign = (await bob.start(await bob.make_task(title="Bob's"), note="n"))["entry"]["id"]
        rows = {str(row["id"]): row async for row in database[TIME_ENTRIES_VIEW].find({})}
        assert rows.keys() == {*ended, running, foreign}
        about = {
            "_id": "objectId",
            "user_id": "objectId",
            "task_id": "objectId",
            "task_title": "string",
            "task_tags": "array",
            "all_tags": "array",
            "project_id": "null",
            "project_name": "null",
            "client_name": "null",
        }
        for entry_id, row in rows.items():
            assert bson_types(row) == about | (ENDED_ENTRY if entry_id in ended else RUNNING_ENTRY)
            assert row["_id"] == row["id"]
        assert [rows[entry_id]["task_title"] for entry_id in ended] == ["First", "First", "Second"]
        assert str(rows[running]["task_id"]) == second["id"]
        assert rows[running]["user_id"] == alice.user["_id"]
        assert rows[foreign]["user_id"] == bob.user["_id"]

    async def test_tags_and_project_of_the_task_are_shown(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(name="Site", client_name="Ada & Sons")
        task = await alice.make_task(tags=["web", "sales"], project_id=project["id"])
        await alice.write(task, tags=["mail", "web"])
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["tags"], row["task_tags"]) == (["mail", "web"], ["web", "sales"])
        assert sorted(row["all_tags"]) == ["mail", "sales", "web"]
        assert (str(row["project_id"]), row["project_name"], row["client_name"]) == (
            project["id"],
            "Site",
            "Ada & Sons",
        )
        await alice.patch(f"/projects/{project['id']}", json={"name": "Shop", "client_name": None})
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["project_name"], row["client_name"]) == ("Shop", None)

    @pytest.mark.parametrize("fields", [{"deleted_at": NINE}, {"user_id": ObjectId()}])
    async def test_deleted_project_and_project_of_another_user_are_not_shown(
        self, alice: Client, database: Database, fields: Json
    ) -> None:
        project = project_row(alice.user["_id"], client_name="Ada") | fields
        await database.projects.insert_one(project)
        await database.tasks.insert_one(
            task_row(alice.user["_id"], project_id=project["_id"], **tracked(ended_entry(import_id=ObjectId())))
        )
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["project_id"], row["project_name"], row["client_name"]) == (project["_id"], None, None)
        assert "import_key" not in row
        assert "import_id" in row

    async def test_filter_by_user_returns_only_their_entries(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        for client in (alice, bob):
            await client.start(await client.make_task())
        rows = await database[TIME_ENTRIES_VIEW].find({"user_id": alice.user["_id"]}).to_list(None)
        assert [row["user_id"] for row in rows] == [alice.user["_id"]]

    async def test_tasks_in_the_trash_are_left_out(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.delete(f"/tasks/{task['id']}")
        assert await database[TIME_ENTRIES_VIEW].find({}).to_list(None) == []
        await alice.post(f"/tasks/{task['id']}/restore")
        assert len(await database[TIME_ENTRIES_VIEW].find({}).to_list(None)) == 1

    async def test_writes_have_no_effect(self, alice: Client, database: Database) -> None:
        # MongoDB refuses to write to a view. The embedded store accepts the command without an effect.
        task = await alice.make_task()
        await alice.start(task)
        view = database[TIME_ENTRIES_VIEW]
        before = await view.find({}).to_list(None)
        for write in (
            view.insert_one({"note": "x"}),
            view.update_one({}, {"$set": {"note": "x"}}),
            view.delete_one({}),
        ):
            with suppress(OperationFailure):
                await write
            assert await view.find({}).to_list(None) == before
        assert (await find_task(database, task))["version"] == 2
