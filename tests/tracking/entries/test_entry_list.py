import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.clock import naive_utc
from tests.conftest import Database, MakeUser
from tests.support.http import LONG, Client, Json, ago, parameters, problem
from tests.support.stored_documents import ended_entry, task_row, tracked

MONDAY = naive_utc(datetime(2026, 3, 2, tzinfo=UTC))
WEEK = {"from": "2026-03-02", "to": "2026-03-09"}


def at(task: Json, entry: Json) -> str:
    return f"/tasks/{task['id']}/time-entries/{entry['id']}"


def entry(hour: float, *, minutes: int = 30, **fields: Any) -> Json:
    """An entry that begins so many hours after that Monday's midnight, as it is stored."""
    return ended_entry(at=MONDAY + timedelta(hours=hour), minutes=minutes, **fields)


async def put(database: Database, client: Client, *entries: Json, **fields: Any) -> str:
    """The id of a new task of the user that has these entries."""
    in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]))
    row = task_row(client.user["_id"], **{**tracked(*in_order), **fields})
    await database.tasks.insert_one(row)
    return str(row["_id"])


async def pages(client: Client, path: str = "/time-entries", **parameters: Any) -> AsyncIterator[list[Json]]:
    while True:
        response = await client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        page = response.json()
        assert page.keys() == {"items", "next_cursor"}
        yield page["items"]
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


async def listed(client: Client, path: str = "/time-entries", **parameters: Any) -> list[Json]:
    return [item async for page in pages(client, path, **parameters) for item in page]


async def notes(client: Client, **parameters: Any) -> list[str]:
    return [item["note"] for item in await listed(client, **parameters)]


async def ids(client: Client, path: str = "/time-entries", **parameters: Any) -> list[str]:
    return [item["id"] for item in await listed(client, path, **parameters)]


class TestGetEntry:
    async def test_entry_equals_the_one_of_the_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        running = (await alice.start(task, note="n", tags=["t"]))["entry"]
        response = await alice.get(at(task, running))
        assert response.status_code == 200
        assert response.json() == running
        ended = (await alice.stop())["entry"]
        assert ended["id"] == running["id"]
        response = await alice.get(at(task, running))
        assert response.json() == ended
        assert response.headers["etag"] == f'"{(await alice.read(task))["version"]}"'

    async def test_entry_is_found_among_ended_and_running_entries(self, alice: Client) -> None:
        task = await alice.make_task()
        entries = []
        for _ in range(3):
            await alice.start(task)
            entries.append((await alice.stop())["entry"])
        await alice.start(task)
        for entry in entries:
            assert (await alice.get(at(task, entry))).json() == entry

    async def test_known_version_is_304(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        etag = (await alice.get(at(task, entry))).headers["etag"]
        response = await alice.get(at(task, entry), headers={"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
        await alice.stop()
        assert (await alice.get(at(task, entry), headers={"If-None-Match": etag})).status_code == 200

    @pytest.mark.parametrize("entry_id", ["nonsense", "0" * 24, "0" * 23, "%00", "$gt"])
    async def test_missing_entry_is_404(self, alice: Client, entry_id: str) -> None:
        task = await alice.make_task()
        problem(await alice.get(f"/tasks/{task['id']}/time-entries/{entry_id}"), 404, "entry_not_found")

    async def test_entry_of_a_missing_task_is_404(self, alice: Client) -> None:
        problem(await alice.get(f"/tasks/{'0' * 24}/time-entries/{'0' * 24}"), 404, "task_not_found")

    async def test_entry_of_another_task_is_404(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        entry = (await alice.start(task))["entry"]
        problem(await alice.get(at(other, entry)), 404, "entry_not_found")
        await alice.stop()
        problem(await alice.get(at(other, entry)), 404, "entry_not_found")

    async def test_entry_of_a_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.get(at(task, entry)), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await alice.get(at(task, entry))).json()["ended_at"] is not None


class TestListEntriesOfTask:
    async def test_entries_are_listed_newest_first_with_the_running_one(self, alice: Client) -> None:
        task = await alice.make_task()
        known = []
        for hours in (3, 2, 1):
            await alice.start(task, started_at=ago(hours=hours))
            known.append((await alice.stop(ended_at=ago(hours=hours - 0.5)))["entry"])
        known.append((await alice.start(task))["entry"])
        response = await alice.get(f"/tasks/{task['id']}/time-entries")
        assert response.json() == {"items": known[::-1], "next_cursor": None}

    async def test_pages_contain_each_entry_once(self, alice: Client, database: Database) -> None:
        entries = [entry(number // 2) for number in range(23)]
        task = await put(database, alice, *entries)
        running = (await alice.start({"id": task}))["entry"]
        in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]), reverse=True)
        expected = [running["id"], *(str(each["id"]) for each in in_order)]
        for limit in (1, 5, 24, 200):
            assert await ids(alice, f"/tasks/{task}/time-entries", limit=limit) == expected

    async def test_task_without_entries_has_an_empty_list(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.get(f"/tasks/{task['id']}/time-entries")
        assert response.json() == {"items": [], "next_cursor": None}

    async def test_backdated_timer_is_listed_in_order(self, alice: Client, database: Database) -> None:
        now = datetime.now(UTC)
        task = await put(
            database, alice, *(ended_entry(at=naive_utc(now - timedelta(hours=hours))) for hours in (1, 3))
        )
        running = (await alice.start({"id": task}, started_at=ago(hours=2)))["entry"]
        for limit in (1, 2, 3):
            found = await ids(alice, f"/tasks/{task}/time-entries", limit=limit)
            assert len(found) == len(set(found)) == 3
            assert found[1] == running["id"]

    async def test_cursor_of_another_task_is_refused(self, alice: Client, database: Database) -> None:
        task, other = [await put(database, alice, entry(1), entry(2)) for _ in range(2)]
        page = (await alice.get(f"/tasks/{task}/time-entries", params={"limit": 1})).json()
        cursor = {"cursor": page["next_cursor"]}
        assert (await alice.get(f"/tasks/{task}/time-entries", params=cursor)).status_code == 200
        assert parameters(await alice.get(f"/tasks/{other}/time-entries", params=cursor)) == {"cursor"}
        assert parameters(await alice.get("/time-entries", params=cursor)) == {"cursor"}

    @pytest.mark.parametrize("sent", [{"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"sort": "started_at"}])
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        task = await alice.make_task()
        assert parameters(await alice.get(f"/tasks/{task['id']}/time-entries", params=sent)) == set(sent)

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 24])
    async def test_list_of_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.get(f"/tasks/{task_id}/time-entries"), 404, "task_not_found")

    async def test_list_of_a_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.get(f"/tasks/{task['id']}/time-entries"), 404, "task_not_found")


class TestListEntriesOfRange:
    async def test_entries_of_all_tasks_are_sorted_in_both_directions(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry(1, note="a"), entry(3, note="c"))
        await put(database, alice, entry(2, note="b"), entry(4, note="d"))
        assert await notes(alice, **WEEK) == ["d", "c", "b", "a"]
        assert await notes(alice, **WEEK, sort="-started_at") == ["d", "c", "b", "a"]
        assert await notes(alice, **WEEK, sort="started_at") == ["a", "b", "c", "d"]

    async def test_listed_entry_equals_the_single_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, note="n", tags=["t"])
        ended = (await alice.stop())["entry"]
        running = (await alice.start(task))["entry"]
        assert sorted(await listed(alice), key=lambda item: item["id"]) == [ended, running]

    @pytest.mark.parametrize(
        ("started_at", "seconds", "found"),
        [
            ("10:00:00", 3600, True),
            ("09:00:00", 3600, False),  # it ends where the time begins
            ("09:00:00", 3601, True),
            ("11:59:59", 3600, True),
            ("12:00:00", 3600, False),  # it begins where the time ends
            ("09:00:00", 4 * 3600, True),
            ("10:30:00", 60, True),
            ("10:00:00", 0, True),
            ("11:59:59", 0, True),
            ("12:00:00", 0, False),
            ("09:59:59", 0, False),
        ],
    )
    async def test_entries_that_intersect_the_range_are_listed(
        self, alice: Client, database: Database, started_at: str, seconds: int, found: bool
    ) -> None:
        start = datetime.fromisoformat(f"2026-03-02T{started_at}")
        one = ended_entry(at=start) | {"ended_at": start + timedelta(seconds=seconds), "duration_seconds": seconds}
        await put(database, alice, one)
        sent = {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T13:00:00+01:00"}
        for sort in ("started_at", "-started_at"):
            assert bool(await ids(alice, **sent, sort=sort)) is found
        await put(database, alice, entry(0), entry(5 * 24))  # a task that goes on around it
        assert len(await ids(alice, **sent)) == found

    async def test_running_entry_counts_up_to_now(self, alice: Client) -> None:
        task = await alice.make_task()
        running = (await alice.start(task, started_at=ago(hours=2)))["entry"]
        assert running["ended_at"] is None
        for sent, found in (
            ({}, [running]),
            ({"from": ago(hours=1)}, [running]),
            ({"from": ago(hours=3), "to": ago(hours=1)}, [running]),
            ({"from": ago(hours=3), "to": ago(hours=2.5)}, []),
            ({"from": ago(hours=-1)}, []),
            ({"sort": "started_at"}, [running]),
        ):
            assert await listed(alice, **sent) == found, sent

    async def test_trashed_tasks_are_left_out_until_restored(self, alice: Client, database: Database) -> None:
        task = await put(database, alice, entry(1), entry(2))
        await alice.delete(f"/tasks/{task}")
        assert await ids(alice, **WEEK) == []
        await alice.post(f"/tasks/{task}/restore")
        assert len(await ids(alice, **WEEK)) == 2

    async def test_entries_of_another_user_are_not_listed(self, alice: Client, bob: Client, database: Database) -> None:
        theirs = await put(database, alice, entry(1, note="canary", tags=["canary"]), title="canary")
        await alice.start({"id": theirs}, note="canary")
        mine = await put(database, bob, entry(2))
        for sent in ({}, {"task_id": theirs}, {"q": "canary"}, {"tag": "canary"}, {"project_id": "none"}):
            assert {item["task_id"] for item in await listed(bob, **WEEK, **sent)} <= {mine}
            assert {item["task_id"] for item in await listed(bob, **sent)} <= {mine}


class TestDaysOfRange:
    async def test_days_are_in_the_timezone_of_the_user_by_default(
        self, make_user: MakeUser, database: Database
    ) -> None:
        user = await make_user("carol@example.com", timezone="Asia/Tokyo")
        await put(
            database, user, entry(-9, note="first in Tokyo", minutes=1), entry(0, note="first in London", minutes=1)
        )
        day = {"from": "2026-03-02", "to": "2026-03-03", "sort": "started_at"}
        assert await notes(user, **day) == ["first in Tokyo", "first in London"]
        assert await notes(user, **day, timezone="Europe/London") == ["first in London"]
        assert await notes(user, **{**day, "from": "2026-03-01T15:01:00Z"}) == ["first in London"]

    @pytest.mark.parametrize(
        ("zone", "day", "begins"),
        [
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00"),  # at 01:00: there was no midnight
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00"),  # there was no such day
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00"),
            ("America/Toronto", "1974-04-28", "1974-04-28T05:00:00"),
            ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00"),
        ],
    )
    async def test_days_begin_with_their_first_instant(
        self, alice: Client, database: Database, zone: str, day: str, begins: str
    ) -> None:
        start = datetime.fromisoformat(begins)
        await put(database, alice, ended_entry(at=start, minutes=0), ended_entry(at=start, minutes=1))
        await put(database, alice, ended_entry(at=start - timedelta(minutes=1), minutes=1, note="the day before"))
        later = (start + timedelta(days=3)).isoformat() + "Z"
        earlier = (start - timedelta(days=3)).isoformat() + "Z"
        assert await notes(alice, **{"from": day, "to": later}, timezone=zone) == [None, None]
        assert await notes(alice, **{"from": earlier, "to": day}, timezone=zone) == ["the day before"]


class TestDefaultRange:
    async def entries(self, client: Client, database: Database) -> None:
        now = datetime.now(UTC)
        for days in (-0.9, 0.1, 30, 400, 20_000):
            await put(
                database, client, ended_entry(at=naive_utc(now - timedelta(days=days)), minutes=1, note=str(days))
            )

    async def test_list_without_from_begins_with_the_oldest_entry(self, alice: Client, database: Database) -> None:
        await self.entries(alice, database)
        assert await notes(alice) == ["-0.9", "0.1", "30", "400", "20000"]
        assert await notes(alice, to=ago(days=10)) == ["30", "400", "20000"]

    async def test_list_without_to_ends_in_24_hours(self, alice: Client, database: Database) -> None:
        await self.entries(alice, database)
        assert await notes(alice, **{"from": ago(days=61)}) == ["-0.9", "0.1", "30"]


class TestEntryFilters:
    async def prepare(self, client: Client, database: Database) -> tuple[str, str, ObjectId]:
        project = ObjectId()
        first = await put(
            database,
            client,
            entry(1, note="a", tags=["deep"]),
            entry(2, note="b (50%)", needs_review=True),
            title="Write the OFFER",
            tags=["sales"],
        )
        second = await put(
            database,
            client,
            entry(3, note="c offering"),
            entry(4, note="Größe", tags=["x"]),
            project_id=project,
            title="T",
        )
        await put(database, client, entry(5, note="e"), title="Other")
        return first, second, project

    async def test_filter_by_task_and_project(self, alice: Client, database: Database) -> None:
        first, second, project = await self.prepare(alice, database)
        assert await notes(alice, **WEEK, task_id=first) == ["b (50%)", "a"]
        assert await notes(alice, **WEEK, task_id=second.upper()) == ["Größe", "c offering"]
        assert await notes(alice, **WEEK, task_id="0" * 24) == []
        assert await notes(alice, **WEEK, project_id=str(project)) == ["Größe", "c offering"]
        assert await notes(alice, **WEEK, project_id="none") == ["e", "b (50%)", "a"]
        assert await notes(alice, **WEEK, project_id="none", task_id=second) == []
        assert await notes(alice, **WEEK, project_id=str(ObjectId())) == []

    async def test_filter_by_tag_of_the_entry_or_its_task(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await notes(alice, **WEEK, tag="Deep") == ["a"]
        assert await notes(alice, **WEEK, tag="sales") == ["b (50%)", "a"]
        assert await notes(alice, **WEEK, tag=["deep", "x"]) == ["Größe", "a"]
        assert await notes(alice, **WEEK, tag="nothing") == []

    async def test_filter_by_part_of_note_or_title(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await notes(alice, **WEEK, q="offer") == ["c offering", "b (50%)", "a"]
        assert await notes(alice, **WEEK, q="GRÖSSE") == []
        assert await notes(alice, **WEEK, q="GRÖ") == ["Größe"]
        assert await notes(alice, **WEEK, q="(50%)") == ["b (50%)"]
        assert await notes(alice, **WEEK, q=".") == []

    async def test_filter_by_needs_review(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await notes(alice, **WEEK, needs_review="true") == ["b (50%)"]
        assert await notes(alice, **WEEK, needs_review="false") == ["e", "Größe", "c offering", "a"]
        assert await notes(alice, **WEEK, needs_review="true", tag="deep", q="b") == []
        assert await notes(alice, **WEEK, needs_review="true", tag="sales", q="b") == ["b (50%)"]

    async def test_filters_apply_to_the_running_entry(self, alice: Client) -> None:
        task = await alice.make_task(title="Write the offer", tags=["sales"])
        await alice.start(task, note="Draft", tags=["deep"])
        for sent in (
            {"task_id": task["id"]},
            {"project_id": "none"},
            {"tag": "deep"},
            {"tag": ["sales", "y"]},
            {"q": "OFFER"},
            {"q": "draft"},
            {"needs_review": "false"},
        ):
            assert await notes(alice, **sent) == ["Draft"], sent
        for sent in (
            {"task_id": "0" * 24},
            {"project_id": "0" * 24},
            {"tag": "y"},
            {"q": "draft."},
            {"needs_review": "true"},
        ):
            assert await notes(alice, **sent) == [], sent

    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02T10:00:00"},
            {"from": "2026-03-02 10:00:00Z"},
            {"from": "yesterday"},
            {"from": ""},
            {"from": "2026-02-30"},
            {"from": "2026-3-2"},
            {"from": "20260302"},
            {"from": "1969-12-31"},
            {"from": "9999-01-01"},
            {"from": "1969-12-31T23:59:59Z"},
            {"to": "9999-01-01T00:00:00Z"},
            {"to": "2026-03-02T10:00"},
            {"to": "0000-01-01"},
            {"to": "2026-03-02T25:00:00Z"},
            {"timezone": "Mars/Olympus"},
            {"timezone": ""},
            {"timezone": "../etc/passwd"},
            {"task_id": "nonsense"},
            {"task_id": ""},
            {"task_id": "none"},
            {"project_id": "nonsense"},
            {"project_id": "$ne"},
            {"tag": ""},
            {"tag": "t" * 51},
            {"q": ""},
            {"q": "a\0b"},
            {"q": "q" * 201},
            {"needs_review": "1"},
            {"sort": "ended_at"},
            {"sort": "--started_at"},
            {"limit": "0"},
            {"limit": "201"},
            {"limit": "1.0"},
            {"cursor": "x"},
            {"cursor": ""},
            {"since": "2026-03-02"},
            {"from_": "2026-03-02"},
            {"user_id": "0" * 24},
            {"$where": "1"},
        ],
    )
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/time-entries", params=sent)) == set(sent)

    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02", "to": "2026-03-02"},
            {"from": "2026-03-03", "to": "2026-03-02"},
            {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T11:00:00+01:00"},
            {"from": "2011-12-30", "to": "2011-12-31", "timezone": "Pacific/Apia"},  # there was no such day
            {"from": "9998-12-31"},
        ],
    )
    async def test_empty_range_is_422(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/time-entries", params=sent)) == {"from"}

    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02", "to": "2027-04-07"},
            {"from": "1970-01-01"},
            {"from": "1970-01-01", "to": "9998-12-31"},
            {"from": "1970-01-01T00:00:00Z", "to": "9998-12-31T23:59:59Z", "sort": "started_at"},
            {"from": "1970-01-01", "to": "1970-01-02", "timezone": "Asia/Tokyo"},
            {"from": "9998-12-30", "to": "9998-12-31", "timezone": "America/Los_Angeles"},
            {"to": "1970-01-02"},
            {"from": "2026-03-02T10:00:00.999Z", "to": "2026-03-02T11:00:00.5+01:00", "sort": "started_at"},
        ],
    )
    async def test_limits_are_accepted(self, alice: Client, sent: dict[str, str]) -> None:
        response = await alice.get("/time-entries", params=sent)
        if ".999" in sent.get("from", ""):
            assert parameters(response) == {"from"}
        else:
            assert response.json() == {"items": [], "next_cursor": None}


class TestEntryPages:
    @pytest.mark.parametrize("sort", ["started_at", "-started_at"])
    @pytest.mark.parametrize("limit", [1, 3, 7])
    async def test_pages_contain_each_entry_once_in_order(
        self, alice: Client, database: Database, sort: str, limit: int
    ) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        for task in range(3):
            starts = [naive_utc(now - timedelta(hours=number // 3 + task)) for number in range(8)]
            await put(
                database,
                alice,
                *(ended_entry(at=start, minutes=number % 4 * 30) for number, start in enumerate(starts)),
            )
        running = (await alice.start(await alice.make_task(), started_at=ago(hours=2)))["entry"]
        (whole,) = [page async for page in pages(alice, sort=sort, limit=200)]
        assert [item async for page in pages(alice, sort=sort, limit=limit) for item in page] == whole
        keys = [(item["started_at"], item["id"]) for item in whole]
        assert keys == sorted(keys, reverse=sort == "-started_at")
        assert len(set(keys)) == 25
        assert running in whole

    async def test_pages_continue_after_entries_that_start_before_the_range(
        self, alice: Client, database: Database
    ) -> None:
        entries = [entry(-2, minutes=240 + number) for number in range(4)]
        await put(database, alice, *entries, entry(1))
        for sort in ("started_at", "-started_at"):
            assert len(set(await ids(alice, **WEEK, sort=sort, limit=1))) == 5

    async def test_pages_with_equal_starts_are_stable_while_entries_are_added(
        self, alice: Client, database: Database
    ) -> None:
        known = [[entry(12) for _ in range(2000)] for _ in range(5 if LONG else 1)]
        half = sum(map(len, known)) // 2
        for entries in known:
            await put(database, alice, *entries)

        async def the_first_half(sort: str) -> list[str]:
            seen: list[str] = []
            async for page in pages(alice, **WEEK, sort=sort, limit=200):
                seen += [item["id"] for item in page if item["note"] != "added"]
                if len(seen) >= half:
                    break
                await put(database, alice, *(entry(hour, note="added") for hour in (11, 12, 13)))
            return seen[:half]

        # From both ends to the middle: what one way leaves out, the other has to show.
        seen = await the_first_half("started_at") + (await the_first_half("-started_at"))[::-1]
        assert seen == sorted(str(each["id"]) for entries in known for each in entries)

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client, database: Database) -> None:
        for client in (alice, bob):
            await put(database, client, *(entry(number, tags=["x"]) for number in range(3)))
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
        await put(database, alice, entry(1), entry(2))
        cursor = (await alice.get("/time-entries", params={**WEEK, "limit": 1})).json()["next_cursor"]
        for changed in (cursor[:-1], cursor + "=", cursor[::-1], "A" + cursor[1:], cursor * 2):
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
        tracking = asyncio.create_task(track(15))
        seen: set[str] = set()
        while not tracking.done():
            found = await ids(alice)
            assert len(found) == len(set(found))
            assert seen <= set(found)
            seen |= set(found)
        await tracking
        assert first in seen
        assert len(await ids(alice)) == 16
