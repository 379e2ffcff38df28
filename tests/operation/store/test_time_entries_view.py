"""The view time_entries, which shows one document per time entry in a mongo shell."""

from contextlib import suppress

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from documents.tracking.view import TIME_ENTRIES_VIEW
from tests.conftest import Database
from tests.operation.store.document_shapes import ENDED_ENTRY, RUNNING_ENTRY, bson_types, find_task
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, page_row, paged_task, project_row, task_row, tracked

Rows = list[Json]


async def view_rows(database: Database) -> Rows:
    """Return the documents of the view in the order of their ids."""
    rows: Rows = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
    return sorted(rows, key=lambda row: str(row["_id"]))


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

    async def test_entries_in_pages_are_shown_like_hot_entries(self, alice: Client, database: Database) -> None:
        project = project_row(alice.user["_id"], name="Site", client_name="Ada & Sons")
        await database.projects.insert_one(project)
        entries = [ended_entry(minutes=minutes, tags=["mail", "web"]) for minutes in range(1, 6)]
        fields = {"tags": ["web", "sales"], "project_id": project["_id"]}
        hot_only = task_row(alice.user["_id"], **fields, **tracked(*entries))
        await database.tasks.insert_one(hot_only)
        expected = await view_rows(database)
        task, pages = paged_task(alice.user["_id"], entries[:2], entries[2:4], entries[4:], **fields)
        await database.task_pages.insert_many(pages)
        await database.tasks.replace_one({"_id": hot_only["_id"]}, task | {"_id": hot_only["_id"]})
        await database.task_pages.update_many({}, {"$set": {"task_id": hot_only["_id"]}})
        assert len(expected) == 5
        assert await view_rows(database) == expected

    async def test_only_pages_that_a_live_task_of_the_owner_lists_are_shown(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        shown, hot, others = ended_entry(), ended_entry(), [ended_entry() for _ in range(4)]
        task, pages = paged_task(alice.user["_id"], [shown], [hot])
        deleted, deleted_pages = paged_task(alice.user["_id"], [others[0]], [], deleted_at=NINE)
        without_pages = task_row(alice.user["_id"])
        foreign = page_row(task, others[1], user_id=bob.user["_id"])
        task["pages"].append(foreign["_id"])
        unlisted = [page_row(task, shown), page_row(task, others[2]), page_row(without_pages, others[3])]
        await database.tasks.insert_many([task, deleted, without_pages])
        await database.task_pages.insert_many([*pages, *deleted_pages, foreign, *unlisted])
        assert {row["_id"] for row in await view_rows(database)} == {shown["id"], hot["id"]}
        assert len(await view_rows(database)) == 2

    async def test_filter_by_user_returns_only_their_paged_entries(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        for client in (alice, bob):
            task, pages = paged_task(client.user["_id"], [ended_entry()], [ended_entry()])
            await database.tasks.insert_one(task)
            await database.task_pages.insert_many(pages)
        rows = await database[TIME_ENTRIES_VIEW].find({"user_id": bob.user["_id"]}).to_list(None)
        assert [row["user_id"] for row in rows] == [bob.user["_id"]] * 2

    async def test_read_concern_snapshot_is_accepted(self, alice: Client, database: Database) -> None:
        task, pages = paged_task(alice.user["_id"], [ended_entry()], [ended_entry()])
        await database.tasks.insert_one(task)
        await database.task_pages.insert_many(pages)
        view = database.get_collection(TIME_ENTRIES_VIEW, read_concern=ReadConcern("snapshot"))
        found = await view.aggregate([{"$match": {"user_id": alice.user["_id"]}}])
        assert len(await found.to_list(None)) == 2

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
