"""Listing tasks: filters, search, sorting and pages."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, instant, parameters
from tests.support.stored_documents import NINE, insert_rows, task_row


async def titles(client: Client, **parameters: Any) -> list[str]:
    return [task["title"] for task in (await client.list(**parameters))["items"]]


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
        rows = [
            task_row(
                alice.user["_id"],
                title=f"Same {number % 2}",
                due_at=datetime(2026, 11, 10 + number % 3) if number % 4 else None,  # noqa: DTZ001 -- as it is stored
                tracked_seconds=number % 3,
                created_at=NINE - timedelta(hours=number // 2),
                updated_at=NINE + timedelta(hours=number * 7 % 11),
            )
            for number in range(11)
        ]
        await database.tasks.insert_many(rows)
        order = f"-{sort}" if descending else sort
        (whole,) = [page async for page in pages(alice, sort=order, limit=200)]
        paged = [task async for page in pages(alice, sort=order, limit=2) for task in page]
        assert paged == whole
        assert len({task["id"] for task in whole}) == 11
        dated = [task for task in whole if task[sort] is not None]
        assert whole[: len(dated)] == dated
        # Texts of instants do not compare: whole seconds have no fraction.
        keys = [(instant(task[sort]) if sort.endswith("_at") else task[sort], task["id"]) for task in dated]
        assert keys == sorted(keys, reverse=descending)

    async def test_titles_sort_by_code_point(self, alice: Client) -> None:
        for title in ("b", "A", "a", "é", "B", "🎉"):
            await alice.make_task(title=title)
        assert await titles(alice, sort="title") == ["A", "B", "a", "b", "é", "🎉"]

    async def test_pages_are_stable_while_tasks_are_inserted(self, alice: Client, database: Database) -> None:
        await alice.make_task(title="0")
        model = await database.tasks.find_one({}, {"_id": 0})
        assert model is not None
        await insert_rows(database, "tasks", [{**model, "title": str(number)} for number in range(1, 500)])
        collected: list[str] = []
        async for page in pages(alice, limit=50):
            collected += [task["title"] for task in page]
            await asyncio.gather(*(alice.make_task(title="inserted") for _ in range(5)))
        assert len(collected) == 500
        assert set(collected) == {str(number) for number in range(500)}

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
