"""The pages of the list of time entries, also while entries are added."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.clock import naive_utc
from tests.conftest import Database
from tests.support.http import LONG, Client, ago, parameters, without_task
from tests.support.stored_documents import ended_entry
from tests.tracking.entries.entry_lists import WEEK, insert_task, list_ids, list_pages, stored_entry

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestEntryPages:
    @pytest.mark.parametrize("sort", ["started_at", "-started_at"])
    @pytest.mark.parametrize("limit", [1, 7])
    async def test_pages_contain_each_entry_once_in_order(
        self, alice: Client, database: Database, sort: str, limit: int
    ) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        for task in range(3):
            starts = [naive_utc(now - timedelta(hours=number // 3 + task)) for number in range(8)]
            await insert_task(
                database,
                alice,
                *(ended_entry(at=start, minutes=number % 4 * 30) for number, start in enumerate(starts)),
            )
        running = (await alice.start(await alice.make_task(), started_at=ago(hours=2)))["entry"]
        (whole,) = [page async for page in list_pages(alice, sort=sort, limit=200)]
        assert [item async for page in list_pages(alice, sort=sort, limit=limit) for item in page] == whole
        keys = [(item["started_at"], item["id"]) for item in whole]
        assert keys == sorted(keys, reverse=sort == "-started_at")
        assert len(set(keys)) == 25
        assert running in map(without_task, whole)

    async def test_pages_continue_after_entries_that_start_before_the_range(
        self, alice: Client, database: Database
    ) -> None:
        entries = [stored_entry(-2, minutes=240 + number) for number in range(4)]
        await insert_task(database, alice, *entries, stored_entry(1))
        for sort in ("started_at", "-started_at"):
            assert len(set(await list_ids(alice, **WEEK, sort=sort, limit=1))) == 5

    async def test_pages_with_equal_starts_are_stable_while_entries_are_added(
        self, alice: Client, database: Database
    ) -> None:
        tasks, count, limit = (5, 2000, 200) if LONG else (1, 600, 60)
        known = [[stored_entry(12) for _ in range(count)] for _ in range(tasks)]
        half = sum(map(len, known)) // 2
        for entries in known:
            await insert_task(database, alice, *entries)

        async def the_first_half(sort: str) -> list[str]:
            ids: list[str] = []
            async for page in list_pages(alice, **WEEK, sort=sort, limit=limit):
                ids += [item["id"] for item in page if item["note"] != "added"]
                if len(ids) >= half:
                    break
                await insert_task(database, alice, *(stored_entry(hour, note="added") for hour in (11, 12, 13)))
            return ids[:half]

        # From both ends to the middle: what one way leaves out, the other has to show.
        ids = await the_first_half("started_at") + (await the_first_half("-started_at"))[::-1]
        assert ids == sorted(str(each["id"]) for entries in known for each in entries)

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client, database: Database) -> None:
        for client in (alice, bob):
            await insert_task(database, client, *(stored_entry(number, tags=["x"]) for number in range(3)))
        sent = {**WEEK, "tag": "x"}
        cursor = (await alice.get("/time-entries", params={**sent, "limit": 1})).json()["next_cursor"]
        assert (await alice.get("/time-entries", params={**sent, "limit": 2, "cursor": cursor})).status_code == 200
        for client, other in (
            (alice, {**sent, "tag": "y"}),
            (alice, {**sent, "sort": "started_at"}),
            (alice, {**sent, "from": "2026-03-01"}),
            (alice, {**sent, "timezone": "Asia/Tokyo"}),
            (alice, {"tag": "x"}),
            (bob, sent),
        ):
            response = await client.get("/time-entries", params={**other, "cursor": cursor})
            assert parameters(response) == {"cursor"}, other

    async def test_modified_cursor_is_refused(self, alice: Client, database: Database) -> None:
        await insert_task(database, alice, stored_entry(1), stored_entry(2))
        cursor = (await alice.get("/time-entries", params={**WEEK, "limit": 1})).json()["next_cursor"]
        another = "B" if cursor.startswith("A") else "A"
        for changed in (cursor[:-1], cursor + "=", cursor[::-1], another + cursor[1:], cursor * 2):
            assert parameters(await alice.get("/time-entries", params={**WEEK, "cursor": changed})) == {"cursor"}


class TestConcurrentStop:
    async def test_stopped_timer_is_in_every_list_exactly_once(self, alice: Client) -> None:
        tasks = [await alice.make_task() for _ in range(2)]

        async def track(rounds: int) -> None:
            for number in range(rounds):
                await alice.start(tasks[number % 2])
                await alice.stop()

        first = (await alice.start(tasks[0]))["entry"]["id"]
        await alice.stop()
        tracking = asyncio.create_task(track(8))
        known_ids: set[str] = set()
        while not tracking.done():
            ids = await list_ids(alice)
            assert len(ids) == len(set(ids))
            assert known_ids <= set(ids)
            known_ids |= set(ids)
        await tracking
        assert first in known_ids
        assert len(await list_ids(alice)) == 9
