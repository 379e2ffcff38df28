"""`task-timer doctor` checks the pages of tasks, and removes pages that no task lists."""

import asyncio
from datetime import timedelta
from operator import itemgetter

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from services.maintenance.doctor import examine
from services.maintenance.page_checks import find_unlisted_pages
from tests.conftest import Database
from tests.operation.commands.test_doctor import findings, store
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, page_row, paged_task, task_row

EARLIER = NINE - timedelta(hours=3)
NOON = NINE + timedelta(hours=3)
NEVER_IMPORTED = ObjectId("6920a3f1c2d4e5f607182930")


async def store_paged_task(
    client: Client, database: Database, *, task: Json | None = None, page: Json | None = None
) -> tuple[Json, Json]:
    """Store a task with an hour in its page and half an hour in itself, with these fields of both changed."""
    row, (stored_page,) = paged_task(
        client.user["_id"], [ended_entry(at=EARLIER), ended_entry(at=EARLIER + timedelta(hours=1))], [ended_entry()]
    )
    row |= task or {}
    stored_page |= page or {}
    await store(database, stored_page, collection="task_pages")
    await store(database, row)
    return row, stored_page


def pages_of(stored: list[tuple[Json, Json]]) -> list[Json]:
    """Return the pages of tasks and pages, sorted by id."""
    return sorted((page for _, page in stored), key=itemgetter("_id"))


async def contents(database: Database) -> list[Json]:
    """Return all tasks and pages."""
    return [*await database.tasks.find({}).to_list(None), *await database.task_pages.find({}).to_list(None)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of six entries, one of which is due at four hot entries."""
    monkeypatch.setattr(Task, "hot_entries", 4)
    monkeypatch.setattr(Task, "paged_at_once", 2)
    monkeypatch.setattr(TaskPage, "capacity", 6)


class TestConsistentPages:
    async def test_paged_tasks_have_no_findings(self, alice: Client, bob: Client, database: Database) -> None:
        for client in (alice, bob):
            await store_paged_task(client, database)
        report = await examine(repair=True)
        assert (report.tasks, report.entries, report.findings) == (2, 6, [])

    async def test_unknown_end_of_the_pages_is_no_finding(self, alice: Client, database: Database) -> None:
        row, _ = await store_paged_task(alice, database)
        await database.tasks.update_one({"_id": row["_id"]}, {"$unset": {"paged_until": ""}})
        assert await findings() == []

    async def test_more_pages_than_are_read_at_once_have_no_findings(self, alice: Client, database: Database) -> None:
        parts = [[ended_entry(minutes=1, at=NINE + timedelta(hours=number))] for number in range(26)]
        row, pages = paged_task(alice.user["_id"], *parts)
        await database.task_pages.insert_many(pages)
        await database.tasks.insert_one(row)
        report = await examine()
        assert (report.entries, report.findings) == (26, [])

    @pytest.mark.usefixtures("small_pages")
    async def test_turning_pages_meanwhile_causes_no_findings(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        entries: list[Json] = []
        for _ in range(20):  # the doctor reads all tasks before it reads the first page
            await store_paged_task(alice, database)

        async def write(started_at: str) -> Json:
            body = {"started_at": started_at, "duration_seconds": 3600}
            response = await alice.request_until_available("POST", f"/tasks/{task['id']}/time-entries", json=body)
            entry: Json = response.json()
            return entry

        async def track(first: int) -> None:
            for number in range(first, first + 12):
                entries.append(await write(f"2026-11-18T{number:02}:00:00Z"))
                longer = {"ended_at": f"2026-11-19T00:{number:02}:00Z"}
                await alice.patch(f"/tasks/{task['id']}/time-entries/{entries[0]['id']}", json=longer)

        async def delete_and_restore() -> None:
            while len(entries) < 20:
                entry = (await write("2026-11-17T09:00:00Z"))["id"]
                await alice.delete(f"/tasks/{task['id']}/time-entries/{entry}")
                await alice.post(f"/time-entries/{entry}/restore")
                await alice.delete(f"/tasks/{task['id']}/time-entries/{entry}")

        writes = asyncio.gather(track(0), track(12), delete_and_restore())
        while not writes.done():
            assert await findings() == []
        await writes
        assert await findings() == []
        stored = await database.tasks.find_one({"_id": ObjectId(task["id"])})
        assert stored is not None
        assert len(stored["pages"]) > 1
        assert stored["entry_count"] == 24


WRONG_TOTALS: list[tuple[Json, str]] = [
    ({"tracked_seconds": 1800}, "tracked_seconds is 1800, its entries say 5400"),
    ({"entry_count": 1}, "entry_count is 1, its entries say 3"),
    ({"first_started_at": NINE}, "first_started_at is 2026-11-18T09:00:00Z, its entries say 2026-11-18T06:00:00Z"),
    ({"last_ended_at": NOON}, "last_ended_at is 2026-11-18T12:00:00Z, its entries say 2026-11-18T09:30:00Z"),
    ({"paged_until": EARLIER}, "paged_until is 2026-11-18T06:00:00Z, its entries say 2026-11-18T07:30:00Z"),
]
WRONG_PAGE_TOTALS: list[tuple[Json, str]] = [
    ({"tracked_seconds": 7}, "tracked_seconds is 7, its entries say 3600"),
    ({"entry_count": 501}, "entry_count is 501, its entries say 2"),
    ({"first_started_at": NINE}, "first_started_at is 2026-11-18T09:00:00Z, its entries say 2026-11-18T06:00:00Z"),
    ({"last_ended_at": NOON}, "last_ended_at is 2026-11-18T12:00:00Z, its entries say 2026-11-18T07:30:00Z"),
    ({"import_ids": [NEVER_IMPORTED]}, f"import_ids is [ObjectId('{NEVER_IMPORTED}')], its entries say []"),
]
DAMAGED_PAGES: list[tuple[Json, str]] = [
    (
        {"entries": [ended_entry(at=EARLIER + timedelta(hours=1)), ended_entry(at=EARLIER)]},
        "entries are not sorted by started_at and id",
    ),
    (
        {"entries": [ended_entry(at=EARLIER, duration_seconds=60), ended_entry(at=EARLIER + timedelta(hours=1))]},
        "entries.0 duration_seconds is 60, but its start and end are 1800 seconds apart",
    ),
    ({"entries": []}, "has no entries"),
    ({"entries": [ended_entry(minutes=1) for _ in range(501)]}, "entries has the length 501, more than 500"),
    ({"entries": [{}, ended_entry()]}, "entries.0.started_at is missing"),
    ({"titel": "x"}, "'titel' is not a known field"),
    ({"version": 0}, "version is 0, less than 1"),
    ({"entries": [ended_entry(import_id=NEVER_IMPORTED)]}, f"import_id {NEVER_IMPORTED} is no import of its user"),
]


class TestTotals:
    async def test_totals_of_a_task_are_repaired_from_hot_and_paged_entries(
        self, alice: Client, database: Database
    ) -> None:
        stored = [await store_paged_task(alice, database, task=fields) for fields, _ in WRONG_TOTALS]
        expected = [
            f"tasks {row['_id']}: {message} (repaired)"
            for (row, _), (_, message) in zip(stored, WRONG_TOTALS, strict=True)
        ]
        assert sorted(await findings(repair=True)) == sorted(expected)
        assert await findings() == []
        assert await database.task_pages.find({}).sort("_id").to_list(None) == pages_of(stored)

    async def test_totals_of_a_page_are_repaired_from_its_entries(self, alice: Client, database: Database) -> None:
        stored = [await store_paged_task(alice, database, page=fields) for fields, _ in WRONG_PAGE_TOTALS]
        expected = sorted(
            f"task_pages {page['_id']}: {message}"
            for (_, page), (_, message) in zip(stored, WRONG_PAGE_TOTALS, strict=True)
        )
        assert sorted(await findings()) == expected
        assert sorted(await findings(repair=True)) == [f"{line} (repaired)" for line in expected]
        assert await findings() == []
        rows = sorted((row for row, _ in stored), key=itemgetter("_id"))
        assert await database.tasks.find({}).sort("_id").to_list(None) == rows
        repaired = await database.task_pages.find({}).sort("_id").to_list(None)
        assert [page["entries"] for page in repaired] == [page["entries"] for page in pages_of(stored)]
        assert {page["version"] for page in repaired} == {2}

    async def test_repair_loses_no_concurrent_change(
        self, alice: Client, database: Database, small_pages: None
    ) -> None:
        assert small_pages is None
        row, page = await store_paged_task(alice, database, task={"tracked_seconds": 7}, page={"tracked_seconds": 7})
        entry = page["entries"][0]["id"]

        async def track() -> None:
            for number in range(6):
                await alice.write({"id": str(row["_id"])}, started_at=f"2026-11-18T{number:02}:00:00Z")
                await alice.patch(f"/tasks/{row['_id']}/time-entries/{entry}", json={"note": str(number)})

        await asyncio.gather(track(), *(examine(repair=True) for _ in range(5)))
        assert await findings() == []
        assert (await alice.read({"id": str(row["_id"])}))["entry_count"] == 9
        changed = await alice.get(f"/tasks/{row['_id']}/time-entries/{entry}")
        assert changed.json()["note"] == "5"


class TestDamagedPages:
    async def test_damaged_pages_are_found_and_their_entries_are_left_unchanged(
        self, alice: Client, database: Database
    ) -> None:
        stored = [await store_paged_task(alice, database, page=fields) for fields, _ in DAMAGED_PAGES]
        expected = {
            f"task_pages {page['_id']}: {message}"
            for (_, page), (_, message) in zip(stored, DAMAGED_PAGES, strict=True)
        }
        assert expected <= set(await findings(repair=True))
        left = await database.task_pages.find({}).sort("_id").to_list(None)
        assert [page["entries"] for page in left] == [page["entries"] for page in pages_of(stored)]
        assert expected <= set(await findings())

    async def test_missing_page_is_found_and_the_totals_are_left_unchanged(
        self, alice: Client, database: Database
    ) -> None:
        row, page = await store_paged_task(alice, database)
        await database.task_pages.delete_one({})
        before = await contents(database)
        assert await findings(repair=True) == [f"tasks {row['_id']}: its page {page['_id']} does not exist"]
        assert await contents(database) == before

    async def test_page_of_another_user_is_found(self, alice: Client, bob: Client, database: Database) -> None:
        row, page = await store_paged_task(alice, database, page={"user_id": bob.user["_id"], "created_at": EARLIER})
        before = await contents(database)
        expected = f"tasks {row['_id']}: its page {page['_id']} belongs to the user {bob.user['_id']}"
        assert await findings(repair=True) == [expected]
        assert await contents(database) == before

    async def test_page_of_another_task_is_found(self, alice: Client, database: Database) -> None:
        row, page = await store_paged_task(alice, database)
        other = task_row(alice.user["_id"], pages=[page["_id"]])
        await database.tasks.insert_one(other)
        before = await contents(database)
        found = await findings(repair=True)
        about = f"task_pages {page['_id']}: is listed by the task {other['_id']}, but belongs to {row['_id']}"
        assert about in found
        assert all(line.startswith("task_pages") for line in found)
        assert await contents(database) == before

    async def test_page_that_is_listed_twice_is_found(self, alice: Client, database: Database) -> None:
        row, page = await store_paged_task(alice, database)
        await database.tasks.update_one({}, {"$set": {"pages": [page["_id"], page["_id"]]}})
        assert await findings(repair=True) == [f"tasks {row['_id']}: lists its page {page['_id']} twice"]

    async def test_listed_page_that_expires_is_found(self, alice: Client, database: Database) -> None:
        now = naive_utc(utc_now())
        row, page = await store_paged_task(alice, database, page={"replaced_at": now})
        message = f"is listed by the task {row['_id']}, but expires because it has replaced_at"
        assert await findings(repair=True) == [f"task_pages {page['_id']}: {message}"]


class TestEntryInTwoPlaces:
    async def test_entry_that_is_hot_and_paged_is_found(self, alice: Client, database: Database) -> None:
        entry = ended_entry()
        row, (page,) = paged_task(alice.user["_id"], [entry], [entry])
        await database.task_pages.insert_one(page)
        await database.tasks.insert_one(row)
        assert await findings() == [f"task_pages {page['_id']}: its entry {entry['id']} is in {row['_id']} too"]

    async def test_entry_in_two_listed_pages_is_found(self, alice: Client, database: Database) -> None:
        entry = ended_entry()
        row, pages = paged_task(alice.user["_id"], [entry], [entry], [])
        await database.task_pages.insert_many(pages)
        await database.tasks.insert_one(row)
        first, second = (page["_id"] for page in pages)
        assert await findings() == [f"task_pages {second}: its entry {entry['id']} is in page {first} too"]

    async def test_paged_entry_that_is_also_deleted_is_found(self, alice: Client, database: Database) -> None:
        _, page = await store_paged_task(alice, database)
        entry = page["entries"][0]
        deleted = {"_id": entry["id"], "user_id": alice.user["_id"], "task_id": page["task_id"], "entry": entry}
        await database.deleted_entries.insert_one({**deleted, "deleted_at": naive_utc(utc_now())})
        assert await findings() == [
            f"task_pages {page['_id']}: its entry {entry['id']} is in deleted_entries too",
        ]

    async def test_entry_in_an_unlisted_page_is_in_one_place(self, alice: Client, database: Database) -> None:
        row, page = await store_paged_task(alice, database)
        copy = page_row(row, *page["entries"], created_at=naive_utc(utc_now()))
        await database.task_pages.insert_one(copy)
        assert await findings() == []


def aged(*, created: float, replaced: float | None = None) -> Json:
    """Return the fields of a page that was created, and maybe replaced, these numbers of minutes ago."""
    now = naive_utc(utc_now())
    created_at = {"created_at": now - timedelta(minutes=created)}
    return created_at if replaced is None else {**created_at, "replaced_at": now - timedelta(minutes=replaced)}


class TestUnlistedPages:
    @pytest.mark.parametrize("minutes", [{"created": 61}, {"created": 9999, "replaced": 121}], ids=str)
    async def test_old_page_is_found_and_removed(
        self, alice: Client, database: Database, minutes: dict[str, float]
    ) -> None:
        row, page = await store_paged_task(alice, database)

        async def is_repaired() -> bool:
            unlisted = page_row(row, ended_entry(), **aged(**minutes))
            await database.task_pages.insert_one(unlisted)
            found, repaired = await findings(), await findings(repair=True)
            assert await database.task_pages.find({}).to_list(None) == [page]
            assert await findings() == []
            message = f"task_pages {unlisted['_id']}: is listed by no task, and was created at 2"
            return len(found) == 1 and found[0].startswith(message) and repaired == [f"{found[0]} (repaired)"]

        # The TTL index expires the replaced page, too. The database looks for such documents once a minute.
        assert await is_repaired() or await is_repaired()

    @pytest.mark.parametrize(
        "minutes",
        [{"created": 55}, {"created": 9999, "replaced": 55}, {"created": 9999, "replaced": 115}],
        ids=str,
    )
    async def test_recent_page_is_left_unchanged(
        self, alice: Client, database: Database, minutes: dict[str, float]
    ) -> None:
        await database.task_pages.insert_one(page_row(task_row(alice.user["_id"]), ended_entry(), **aged(**minutes)))
        assert await findings(repair=True) == []
        assert await database.task_pages.count_documents({}) == 1

    async def test_page_that_may_have_just_been_replaced_is_left_unchanged(
        self, alice: Client, database: Database
    ) -> None:
        """The task lists the new page first. Then the old page is marked."""
        row, _ = await store_paged_task(alice, database)
        await database.task_pages.insert_one(page_row(row, ended_entry(), **aged(created=9999)))
        await alice.patch(f"/tasks/{row['_id']}", json={"title": "Changed"})
        assert await findings(repair=True) == []
        await database.tasks.update_one({}, {"$set": {"updated_at": naive_utc(utc_now()) - timedelta(minutes=2)}})
        assert len(await findings(repair=True)) == 1

    async def test_page_of_a_user_who_does_not_exist_is_found(self, alice: Client, database: Database) -> None:
        assert alice.user
        page = page_row(task_row(ObjectId()), ended_entry())
        await database.task_pages.insert_one(page)
        assert f"task_pages {page['_id']}: its user {page['user_id']} does not exist" in await findings()

    async def test_page_that_a_task_lists_since_it_was_read_is_not_found(
        self, alice: Client, database: Database
    ) -> None:
        await store_paged_task(alice, database)
        assert [error async for error in find_unlisted_pages(set(), naive_utc(utc_now()))] == []
