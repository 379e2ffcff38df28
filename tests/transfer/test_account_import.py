"""Imports of account files: everything is restored as it was, and nothing is imported twice."""

import asyncio
import gzip
import json
from contextvars import Context
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.clock import rfc3339, utc_now
from services.maintenance.doctor import examine
from services.transfer.account_file import writer
from services.transfer.imports.writer import make_room
from tests.accounts.account_requests import DEFAULT_PREFERENCES
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, ago, at, clock, pointers, problem
from tests.transfer.uploads import import_rows, lease_to_another, row, stored_items

EXPORT = "/exports/account.ndjson.gz"
ACCOUNT: Json = {
    "type": "account",
    "schema_version": 1,
    "exported_at": "2026-11-18T09:00:00Z",
    "email": "ada@example.com",
    "full_name": None,
    "timezone": "Europe/Berlin",
    "week_start": 6,
    "preferences": {"overlap_policy": "warn", "timer_cap_hours": 8, "theme": "dark", "idle_minutes": 0},
}
PROJECT: Json = {
    "type": "project",
    "schema_version": 1,
    "id": "a" * 24,
    "name": "Website",
    "client_name": None,
    "color": None,
    "billable": True,
    "hourly_rate": None,
    "archived_at": None,
    "created_at": "2026-11-02T08:00:00Z",
    "updated_at": "2026-11-02T08:00:00Z",
}
TASK: Json = {
    "type": "task",
    "schema_version": 1,
    "id": "b" * 24,
    "project_id": PROJECT["id"],
    "title": "Offer",
    "description": None,
    "status": "pending",
    "tags": [],
    "priority": None,
    "due_at": None,
    "estimate_seconds": None,
    "billable": False,
    "created_at": "2026-11-02T08:00:00.123Z",
    "updated_at": "2026-11-03T08:00:00Z",
    "completed_at": None,
    "deleted_at": None,
}
ENTRY: Json = {
    "type": "entry",
    "schema_version": 1,
    "id": "c" * 24,
    "task_id": TASK["id"],
    "started_at": "2026-11-02T08:00:00Z",
    "ended_at": "2026-11-02T09:00:00Z",
    "note": None,
    "tags": [],
    "billable": False,
    "source": "manual",
    "timezone": "UTC",
    "needs_review": False,
    "hourly_rate": None,
    "created_at": "2026-11-02T09:00:00Z",
    "updated_at": "2026-11-02T10:00:00Z",
}
END: Json = {"type": "end", "schema_version": 1, "projects": 1, "tasks": 1, "entries": 1, "deleted_entries": 0}
DELETED = {**ENTRY, "type": "deleted_entry", "id": "d" * 24, "deleted_at": "2026-11-02T09:00:00Z"}
LINES = [ACCOUNT, PROJECT, TASK, ENTRY, END]


def packed(lines: list[Json]) -> bytes:
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines), mtime=0)


async def send(client: Client, content: bytes, **fields: Any) -> httpx.Response:
    """Upload this file. Return the response."""
    return await client.post("/imports", data={"format": "account", **fields}, files={"file": ("a.gz", content)})


async def import_file(client: Client, content: bytes, **fields: Any) -> Json:
    """Import this file. Return the import."""
    response = await send(client, content, **fields)
    assert response.status_code in {200, 201}, response.text
    result: Json = response.json()
    return result


async def exported(client: Client) -> bytes:
    response = await client.get(EXPORT)
    assert response.status_code == 200, response.text
    return response.content


def without_ids(content: bytes) -> list[Json]:
    """Return the lines with ids replaced by line numbers, so that files of two accounts can be compared."""
    lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    places = {line["id"]: number for number, line in enumerate(lines) if "id" in line}
    for line in lines:
        line.pop("exported_at", None)
        line.pop("email", None)
        line.update({name: places.get(line[name]) for name in ("id", "task_id", "project_id") if name in line})
    return lines


async def create_account_data(client: Client) -> None:
    """Create items of every kind."""
    rate = {"amount": 9550, "currency": "EUR"}
    await client.patch("/users/me", json={"full_name": "Alice", "timezone": "Europe/Berlin", "week_start": 6})
    project = await client.make_project(client_name="Ada", color="#2f6fde", billable=True, hourly_rate=rate)
    archived = await client.make_project(name="Old")
    await client.patch(f"/projects/{archived['id']}", json={"archived": True})
    task = await client.make_task(
        project_id=project["id"], description="d", tags=["a"], priority=1, due_at=clock("12:00")
    )
    await client.write(task, started_at=clock("11:00"), note="n", tags=["b"], timezone="Europe/Berlin")
    changed = await client.write(task)
    await client.patch(at(changed), json={"note": "changed"})
    await client.make_task(title="Done", status="completed", estimate_seconds=60)
    other = await client.make_task(title="Trash")
    await client.write(other, started_at=clock("07:00"))
    await client.delete(at(await client.write(other)))
    await client.delete(f"/tasks/{other['id']}")
    await client.import_csv("2026-11-02 09:00,2026-11-02 10:00,Canary")
    await client.start(task, started_at=ago(hours=1))


@pytest.mark.usefixtures("entry_storage")
class TestAccountImport:
    async def test_imported_account_equals_the_exported_one(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        await create_account_data(alice)
        content = await exported(alice)
        result = await import_file(bob, content)
        assert result["created"] == {"projects": 2, "tasks": 4, "entries": 5}
        assert (result["duplicates"], result["errors"]) == (0, [])
        assert without_ids(await exported(bob)) == without_ids(content)
        assert without_ids(await exported(alice)) == without_ids(content)
        await assert_stored_time_is_consistent(database)
        assert not (await examine()).findings

    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # compares stored documents
    async def test_second_import_adds_nothing(self, alice: Client, bob: Client, database: Database) -> None:
        await create_account_data(alice)
        content = await exported(alice)
        for client in (bob, alice):
            await import_file(client, content)
            before = await stored_items(database)
            again = await import_file(client, content)
            assert again["created"] == {"projects": 0, "tasks": 0, "entries": 0}
            assert again["duplicates"] == len(again["left_out"]) == 5
            lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
            assert {lines[left["row"] - 1]["type"] for left in again["left_out"]} == {"entry"}
            assert {left["reason"] for left in again["left_out"]} == {"duplicate: this account has this entry"}
            assert await stored_items(database) == before

    async def test_second_import_adds_nothing_to_a_renamed_project(self, alice: Client, bob: Client) -> None:
        await alice.make_project(name="Website")
        content = await exported(alice)
        await import_file(bob, content)
        (project,) = (await bob.get("/projects")).json()["items"]
        await bob.patch(f"/projects/{project['id']}", json={"name": "Site"})
        assert (await import_file(bob, content))["created"]["projects"] == 0
        assert [item["name"] for item in (await bob.get("/projects")).json()["items"]] == ["Site"]

    async def test_renamed_project_receives_the_rows_of_its_earlier_name(self, alice: Client, bob: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00", project="Website"))
        (project,) = (await alice.get("/projects")).json()["items"]
        await alice.patch(f"/projects/{project['id']}", json={"name": "Site"})
        await import_file(bob, await exported(alice))
        result = await import_rows(bob, row(3, "09:00", "10:00", project="Website", task="Mail"))
        assert result["created"] == {"projects": 0, "tasks": 1, "entries": 1}

    async def test_undo_restores_the_previous_account(self, alice: Client, bob: Client, database: Database) -> None:
        await create_account_data(alice)
        await alice.stop()
        content, before = await exported(alice), await stored_items(database)
        result = await import_file(bob, content)
        undone = (await bob.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"] == result["created"]
        assert await stored_items(database) == before

    async def test_new_items_are_added_to_existing_ones(self, alice: Client, bob: Client) -> None:
        project = await bob.make_project()
        await alice.make_project(client_name="Theirs")
        task = await alice.make_task(title="Offer", project_id=(await alice.get("/projects")).json()["items"][0]["id"])
        await alice.write(task)
        await alice.set_preferences(overlap_policy="forbid")
        await import_file(bob, await exported(alice))
        await alice.write(task, started_at=clock("11:00"))
        result = await import_file(bob, await exported(alice))
        assert (result["created"], result["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 1}, 1)
        (there,) = (await bob.list())["items"]
        assert (there["project_id"], there["entry_count"]) == (project["id"], 2)
        assert (await bob.get("/users/me")).json()["preferences"]["overlap_policy"] == "allow"

    async def test_timer_is_left_out_if_another_is_running(self, alice: Client, bob: Client) -> None:
        await create_account_data(alice)
        await bob.start(await bob.make_task(title="Mine"))
        result = await import_file(bob, await exported(alice))
        assert result["created"]["entries"] == 4
        assert [notice["message"] for notice in result["notices"]] == [
            "the timer of 'Write the offer' was left out: another timer is running, or it has ended"
        ]
        assert (await bob.get("/timer")).json()["task_title"] == "Mine"

        await bob.stop()
        again = await import_file(bob, await exported(alice))
        assert (again["created"]["entries"], again["notices"]) == (0, result["notices"])
        assert (await bob.get("/timer")).status_code == 204

    async def test_dry_run_has_the_same_result(self, alice: Client, bob: Client, database: Database) -> None:
        await create_account_data(alice)
        content, before = await exported(alice), await stored_items(database)
        dry = await import_file(bob, content, dry_run="true")
        assert (dry["id"], dry["dry_run"], await stored_items(database)) == (None, True, before)
        result = await import_file(bob, content)
        assert (dry["created"], dry["duplicates"]) == (result["created"], result["duplicates"])

    async def test_interrupted_import_is_completed(self, bob: Client, database: Database) -> None:
        result = await import_file(bob, packed(LINES))
        await lease_to_another(database, result, minutes=1)
        await database.tasks.update_one({}, {"$set": {"time_entries": [], "entry_count": 0, "tracked_seconds": 0}})
        again = await import_file(bob, packed(LINES))
        assert (again["id"], again["duplicates"]) == (result["id"], 0)
        (task,) = (await bob.list())["items"]
        assert task["entry_count"] == 1

    async def test_project_that_is_deleted_after_the_plan_is_created_again(
        self, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def delete_and_make_room(*arguments: Any, **options: Any) -> dict[ObjectId, int]:
            monkeypatch.setattr(writer, "make_room", make_room)
            (project,) = (await bob.get("/projects")).json()["items"]
            await asyncio.create_task(bob.delete(f"/projects/{project['id']}"), context=Context())
            return await make_room(*arguments, **options)

        monkeypatch.setattr(writer, "make_room", delete_and_make_room)
        await import_file(bob, packed(LINES))
        (project,) = (await bob.get("/projects")).json()["items"]
        (task,) = (await bob.list())["items"]
        assert task["project_id"] == project["id"]

    async def test_empty_account_takes_the_profile(self, bob: Client) -> None:
        await import_file(bob, packed(LINES))
        me = (await bob.get("/users/me")).json()
        assert (me["timezone"], me["week_start"], me["email"]) == ("Europe/Berlin", 6, "bob@example.com")
        assert me["preferences"] == {**DEFAULT_PREFERENCES, **ACCOUNT["preferences"]}

    async def test_preferences_that_are_not_in_the_file_stay(self, bob: Client) -> None:
        await bob.set_preferences(shortcuts=False, theme="light")
        await import_file(bob, packed(LINES))
        preferences = (await bob.get("/users/me")).json()["preferences"]
        assert (preferences["shortcuts"], preferences["theme"]) == (False, "dark")


def changed(line: Json, **fields: Any) -> Json:
    return {**line, **fields}


WRONG: list[tuple[str, list[Json]]] = [
    ("line 1: is missing: the file is empty", []),
    ("must be an account line if it is the first line, and must not be one otherwise", LINES[1:]),
    ("must be an account line if it is the first line, and must not be one otherwise", [ACCOUNT, *LINES]),
    ("is the last line but not an end line: the file is truncated", LINES[:-1]),
    ("follows the end line", [*LINES, END]),
    ("follows the end line", [*LINES, PROJECT]),
    ("has counts that differ from the lines of the file", [*LINES[:-1], changed(END, entries=2)]),
    ("schema_version", [changed(ACCOUNT, schema_version=2), *LINES[1:]]),
    ("more", [changed(ACCOUNT, more=1), *LINES[1:]]),
    ("type", [ACCOUNT, {"type": "more", "schema_version": 1}, *LINES[1:]]),
    ("has the id of an earlier line", [ACCOUNT, PROJECT, changed(PROJECT, name="Other"), *LINES[2:]]),
    ("has the id of an earlier line", [*LINES[:-1], changed(TASK, id="B" * 24), END]),
    ("follows a task, or has the name of another project", [ACCOUNT, changed(PROJECT, id="d" * 24), *LINES[1:]]),
    ("follows a task, or has the name of another project", [*LINES[:4], changed(PROJECT, id="d" * 24, name="x"), END]),
    ("project_id: is not the id of a project in the file", [ACCOUNT, *LINES[2:]]),
    ("does not follow its task", [*LINES[:3], changed(ENTRY, task_id="d" * 24), END]),
    ("does not follow its task", [ACCOUNT, PROJECT, ENTRY, TASK, END]),
    ("not a whole second", [*LINES[:3], changed(ENTRY, started_at="2026-11-02T08:00:00.500Z"), END]),
    ("not whole seconds", [*LINES[:4], {**DELETED, "ended_at": "2026-11-02T09:00:00.500Z"}, END]),
    ("ends before it starts", [*LINES[:3], changed(ENTRY, ended_at="2026-11-02T07:00:00Z"), END]),
    ("status is 'pending', but its timer is running", [*LINES[:3], changed(ENTRY, ended_at=None), END]),
    (
        "is a second running entry of its task",
        [
            *LINES[:2],
            changed(TASK, status="in_progress"),
            changed(ENTRY, ended_at=None),
            changed(ENTRY, id="d" * 24, ended_at=None),
            changed(END, entries=2),
        ],
    ),
    ("completed_at is None, but status is 'completed'", [*LINES[:2], changed(TASK, status="completed"), *LINES[3:]]),
]


DAMAGED = {
    "without its end": packed(LINES)[:-12],
    "without its middle": packed(LINES)[:60],
    "changed": packed(LINES)[:40] + b"xx" + packed(LINES)[42:],
    "longer": packed(LINES) + b"more",
    "no gzip": b"\x1f\x8b nonsense",
    "no JSON": b"nonsense",
    "NUL bytes": b"\0" * 1000,
    "a long line": b'{"type": "account", "note": "' + b"x" * 1_100_000,
}


class TestInvalidAccountFile:
    @pytest.mark.parametrize(("reason", "lines"), WRONG)
    async def test_invalid_line_is_refused_with_its_number_and_the_reason(
        self, reason: str, lines: list[Json], bob: Client, database: Database
    ) -> None:
        response = await send(bob, packed(lines))
        assert pointers(response) == {"#/file"}
        detail = response.json()["errors"][0]["detail"]
        assert detail.startswith("line ")
        assert reason in detail
        assert await stored_items(database) == []
        assert await database.import_batches.count_documents({}) == 0

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
    async def test_damaged_file_is_refused(self, content: bytes, bob: Client, database: Database) -> None:
        assert pointers(await send(bob, content)) == {"#/file"}
        assert await stored_items(database) == []

    async def test_decompressed_size_is_limited(self, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.transfer.account_file.reader.MAX_DECOMPRESSED_BYTES", 100_000)
        bomb = gzip.compress(b"".join([json.dumps(ACCOUNT).encode(), b"\n", b" " * 1_000_000]))
        assert len(bomb) < 2_000
        problem(await send(bob, bomb), 413, "body_too_large")

    async def test_file_of_the_maximum_size_is_imported(self, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        content = packed([ACCOUNT, changed(END, projects=0, tasks=0, entries=0, deleted_entries=0)])
        size = len(gzip.decompress(content))
        monkeypatch.setattr("services.transfer.account_file.reader.MAX_DECOMPRESSED_BYTES", size)
        assert (await send(bob, content)).status_code == 201
        monkeypatch.setattr("services.transfer.account_file.reader.MAX_DECOMPRESSED_BYTES", size - 1)
        problem(await send(bob, content), 413, "body_too_large")

    async def test_entry_that_was_moved_during_the_export_is_imported_once(
        self, bob: Client, database: Database
    ) -> None:
        first, second = (changed(TASK, id=letter * 24, status="in_progress") for letter in "de")
        deleted = changed(ENTRY, type="deleted_entry", task_id=first["id"], deleted_at=rfc3339(utc_now()))
        lines = [
            *(ACCOUNT, PROJECT, first, changed(ENTRY, task_id=first["id"])),
            changed(ENTRY, id="f" * 24, task_id=first["id"], ended_at=None),
            *(second, changed(ENTRY, task_id=second["id"])),
            changed(ENTRY, id="1" * 24, task_id=second["id"], ended_at=None),
            *(deleted, changed(END, tasks=2, entries=4, deleted_entries=1)),
        ]
        dry = await import_file(bob, packed(lines), dry_run="true")
        result = await import_file(bob, packed(lines))
        assert result["created"] == dry["created"] == {"projects": 1, "tasks": 2, "entries": 2}
        assert len(result["notices"]) == 1
        assert (await bob.get("/timer")).json()["task_title"] == "Offer"
        await assert_stored_time_is_consistent(database)
        assert not (await examine()).findings

    async def test_entry_that_is_twice_in_its_task_is_imported_once(self, bob: Client, database: Database) -> None:
        result = await import_file(bob, packed([*LINES[:4], ENTRY, changed(END, entries=2)]))
        assert result["created"]["entries"] == 1
        await assert_stored_time_is_consistent(database)
        assert not (await examine()).findings

    async def test_ids_may_be_in_upper_case(self, bob: Client) -> None:
        lines = [ACCOUNT, PROJECT, changed(TASK, project_id="A" * 24), changed(ENTRY, task_id="B" * 24), END]
        result = await import_file(bob, packed(lines))
        assert result["created"] == {"projects": 1, "tasks": 1, "entries": 1}

    async def test_expired_deleted_entry_is_left_out(self, bob: Client, database: Database) -> None:
        long_ago = rfc3339(utc_now() - timedelta(days=31))
        deleted = changed(ENTRY, type="deleted_entry", id="d" * 24, deleted_at=long_ago)
        await import_file(bob, packed([*LINES[:4], deleted, changed(END, deleted_entries=1)]))
        assert await database.deleted_entries.count_documents({}) == 0
