"""Reading one time entry, and listing those of a task or of a time range."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.clock import naive_utc
from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json, ago, at, parameters, problem, task_of, without_task
from tests.support.pages.entry_storage import hot_only
from tests.support.stored_documents import ended_entry
from tests.tracking.entries.entry_lists import (
    WEEK,
    entry_path,
    insert_task,
    list_entries,
    list_ids,
    list_notes,
    stored_entry,
)

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestGetEntry:
    async def test_entry_equals_the_one_of_the_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        running = (await alice.start(task, note="n", tags=["t"]))["entry"]
        response = await alice.get(entry_path(task, running))
        assert response.status_code == 200
        assert response.json() == running
        ended = (await alice.stop())["entry"]
        assert ended["id"] == running["id"]
        response = await alice.get(entry_path(task, running))
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
            assert (await alice.get(entry_path(task, entry))).json() == entry

    async def test_known_version_is_304(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        etag = (await alice.get(entry_path(task, entry))).headers["etag"]
        response = await alice.get(entry_path(task, entry), headers={"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
        await alice.stop()
        assert (await alice.get(entry_path(task, entry), headers={"If-None-Match": etag})).status_code == 200

    @hot_only
    @pytest.mark.parametrize("entry_id", ["nonsense", "0" * 24, "0" * 23, "%00", "$gt"])
    async def test_missing_entry_is_404(self, alice: Client, entry_id: str) -> None:
        task = await alice.make_task()
        problem(await alice.get(f"/tasks/{task['id']}/time-entries/{entry_id}"), 404, "entry_not_found")

    async def test_entry_of_a_missing_task_is_404(self, alice: Client) -> None:
        problem(await alice.get(f"/tasks/{'0' * 24}/time-entries/{'0' * 24}"), 404, "task_not_found")

    async def test_entry_of_another_task_is_404(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        entry = (await alice.start(task))["entry"]
        problem(await alice.get(entry_path(other, entry)), 404, "entry_not_found")
        await alice.stop()
        problem(await alice.get(entry_path(other, entry)), 404, "entry_not_found")

    async def test_entry_of_a_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.get(entry_path(task, entry)), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await alice.get(entry_path(task, entry))).json()["ended_at"] is not None


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
        entries = [stored_entry(number // 2) for number in range(23)]
        task = await insert_task(database, alice, *entries)
        running = (await alice.start({"id": task}))["entry"]
        in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]), reverse=True)
        expected = [running["id"], *(str(each["id"]) for each in in_order)]
        for limit in (1, 5, 24, 200):
            assert await list_ids(alice, f"/tasks/{task}/time-entries", limit=limit) == expected

    async def test_task_without_entries_has_an_empty_list(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.get(f"/tasks/{task['id']}/time-entries")
        assert response.json() == {"items": [], "next_cursor": None}

    async def test_backdated_timer_is_listed_in_order(self, alice: Client, database: Database) -> None:
        now = datetime.now(UTC)
        task = await insert_task(
            database, alice, *(ended_entry(at=naive_utc(now - timedelta(hours=hours))) for hours in (1, 3))
        )
        running = (await alice.start({"id": task}, started_at=ago(hours=2)))["entry"]
        for limit in (1, 2, 3):
            found = await list_ids(alice, f"/tasks/{task}/time-entries", limit=limit)
            assert len(found) == len(set(found)) == 3
            assert found[1] == running["id"]

    async def test_cursor_of_another_task_is_refused(self, alice: Client, database: Database) -> None:
        task, other = [await insert_task(database, alice, stored_entry(1), stored_entry(2)) for _ in range(2)]
        page = (await alice.get(f"/tasks/{task}/time-entries", params={"limit": 1})).json()
        cursor = {"cursor": page["next_cursor"]}
        assert (await alice.get(f"/tasks/{task}/time-entries", params=cursor)).status_code == 200
        assert parameters(await alice.get(f"/tasks/{other}/time-entries", params=cursor)) == {"cursor"}
        assert parameters(await alice.get("/time-entries", params=cursor)) == {"cursor"}

    @hot_only
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
        await insert_task(database, alice, stored_entry(1, note="a"), stored_entry(3, note="c"))
        await insert_task(database, alice, stored_entry(2, note="b"), stored_entry(4, note="d"))
        assert await list_notes(alice, **WEEK) == ["d", "c", "b", "a"]
        assert await list_notes(alice, **WEEK, sort="-started_at") == ["d", "c", "b", "a"]
        assert await list_notes(alice, **WEEK, sort="started_at") == ["a", "b", "c", "d"]

    async def test_listed_entry_equals_the_single_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, note="n", tags=["t"])
        ended = (await alice.stop())["entry"]
        running = (await alice.start(task))["entry"]
        listed = sorted(await list_entries(alice), key=lambda item: item["id"])
        assert [without_task(item) for item in listed] == [ended, running]

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
        await insert_task(database, alice, one)
        sent = {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T13:00:00+01:00"}
        for sort in ("started_at", "-started_at"):
            assert bool(await list_ids(alice, **sent, sort=sort)) is found
        await insert_task(database, alice, stored_entry(0), stored_entry(5 * 24))  # a task that goes on around it
        assert len(await list_ids(alice, **sent)) == found

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
            assert [without_task(item) for item in await list_entries(alice, **sent)] == found, sent

    async def test_trashed_tasks_are_left_out_until_restored(self, alice: Client, database: Database) -> None:
        task = await insert_task(database, alice, stored_entry(1), stored_entry(2))
        await alice.delete(f"/tasks/{task}")
        assert await list_ids(alice, **WEEK) == []
        await alice.post(f"/tasks/{task}/restore")
        assert len(await list_ids(alice, **WEEK)) == 2

    async def test_entries_of_another_user_are_not_listed(self, alice: Client, bob: Client, database: Database) -> None:
        theirs = await insert_task(database, alice, stored_entry(1, note="canary", tags=["canary"]), title="canary")
        await alice.start({"id": theirs}, note="canary")
        mine = await insert_task(database, bob, stored_entry(2))
        for sent in ({}, {"task_id": theirs}, {"q": "canary"}, {"tag": "canary"}, {"project_id": "none"}):
            assert {item["task_id"] for item in await list_entries(bob, **WEEK, **sent)} <= {mine}
            assert {item["task_id"] for item in await list_entries(bob, **sent)} <= {mine}


class TestTasksOfListedEntries:
    """Each listed entry has the title, the project and the version of its task."""

    async def track(self, client: Client, **fields: Any) -> Json:
        """Create a task with two ended entries of the last hours."""
        task = await client.make_task(**fields)
        for hours in (3, 2):
            await client.write(task, started_at=ago(hours=hours), duration_seconds=60)
        return task

    async def assert_tasks(self, client: Client, *tasks: Json) -> None:
        """Check the tasks of all listed entries, the newest first."""
        expected = [await client.read(task) for task in tasks]
        for limit in (1, 50):
            listed = [task_of(item) for item in await list_entries(client, limit=limit)]
            assert listed == [{name: task[name] for name in listed[0]} for task in expected], limit

    async def test_ended_and_running_entries_have_their_tasks(self, alice: Client) -> None:
        project = await alice.make_project()
        first = await self.track(alice, title="First", project_id=project["id"])
        await alice.start(first, started_at=ago(hours=1))
        await self.assert_tasks(alice, first, first, first)
        second = await alice.make_task(title="Second")
        await alice.write(second, started_at=ago(hours=1.5), duration_seconds=60)
        await self.assert_tasks(alice, first, second, first, first)
        (running, *_) = await list_entries(alice)
        assert (running["task_title"], running["project_id"]) == ("First", project["id"])

    async def test_moved_entry_has_the_new_task(self, alice: Client) -> None:
        source = await self.track(alice, title="Source")
        target = await alice.make_task(title="Target", project_id=(await alice.make_project())["id"])
        newest, _ = await list_entries(alice)
        response = await alice.post(f"{at(newest)}/move", json={"task_id": target["id"]})
        assert response.status_code == 200, response.text
        await self.assert_tasks(alice, target, source)

    async def test_title_and_project_are_those_after_a_change_of_the_task(self, alice: Client) -> None:
        task = await self.track(alice, title="Before")
        project = await alice.make_project()
        for change in ({"title": "After"}, {"project_id": project["id"]}, {"project_id": None}):
            response = await alice.patch(f"/tasks/{task['id']}", json=change)
            assert response.status_code == 200, response.text
            await self.assert_tasks(alice, task, task)
            for item in await list_entries(alice):
                assert change.items() <= {**item, "title": item["task_title"]}.items()

    async def test_project_is_null_after_its_deletion(self, alice: Client) -> None:
        project = await alice.make_project()
        task = await self.track(alice, project_id=project["id"])
        assert (await alice.delete(f"/projects/{project['id']}")).status_code == 204
        assert [item["project_id"] for item in await list_entries(alice)] == [None, None]
        await self.assert_tasks(alice, task, task)

    async def test_version_is_accepted_as_if_match(self, alice: Client) -> None:
        await self.track(alice)
        newest, _ = await list_entries(alice)
        version = {"If-Match": f'"{newest["task_version"]}"'}
        assert (await alice.patch(at(newest), json={"note": "n"}, headers=version)).status_code == 200
        problem(await alice.patch(at(newest), json={"note": "m"}, headers=version), 412, "stale_version")


class TestDaysOfRange:
    async def test_days_are_in_the_timezone_of_the_user_by_default(
        self, make_user: MakeUser, database: Database
    ) -> None:
        user = await make_user("carol@example.com", timezone="Asia/Tokyo")
        await insert_task(
            database,
            user,
            stored_entry(-9, note="first in Tokyo", minutes=1),
            stored_entry(0, note="first in London", minutes=1),
        )
        day = {"from": "2026-03-02", "to": "2026-03-03", "sort": "started_at"}
        assert await list_notes(user, **day) == ["first in Tokyo", "first in London"]
        assert await list_notes(user, **day, timezone="Europe/London") == ["first in London"]
        assert await list_notes(user, **{**day, "from": "2026-03-01T15:01:00Z"}) == ["first in London"]

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
        await insert_task(database, alice, ended_entry(at=start, minutes=0), ended_entry(at=start, minutes=1))
        await insert_task(
            database, alice, ended_entry(at=start - timedelta(minutes=1), minutes=1, note="the day before")
        )
        later = (start + timedelta(days=3)).isoformat() + "Z"
        earlier = (start - timedelta(days=3)).isoformat() + "Z"
        assert await list_notes(alice, **{"from": day, "to": later}, timezone=zone) == [None, None]
        assert await list_notes(alice, **{"from": earlier, "to": day}, timezone=zone) == ["the day before"]


class TestDefaultRange:
    async def entries(self, client: Client, database: Database) -> None:
        now = datetime.now(UTC)
        for days in (-0.9, 0.1, 30, 400, 20_000):
            await insert_task(
                database, client, ended_entry(at=naive_utc(now - timedelta(days=days)), minutes=1, note=str(days))
            )

    async def test_list_without_from_begins_with_the_oldest_entry(self, alice: Client, database: Database) -> None:
        await self.entries(alice, database)
        assert await list_notes(alice) == ["-0.9", "0.1", "30", "400", "20000"]
        assert await list_notes(alice, to=ago(days=10)) == ["30", "400", "20000"]

    async def test_list_without_to_ends_in_24_hours(self, alice: Client, database: Database) -> None:
        await self.entries(alice, database)
        assert await list_notes(alice, **{"from": ago(days=61)}) == ["-0.9", "0.1", "30"]
