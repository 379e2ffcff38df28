"""Exports of a whole account."""

import gzip
import json
from datetime import timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.tracking.deleted_entries import RETENTION
from services.transfer.schemas.account_file import account_file_line
from tests.conftest import Database
from tests.support.http import Client, Json, at, clock
from tests.support.stored_documents import NINE, ended_entry, insert_rows, project_row, running_entry, task_row, tracked
from tests.transfer.exports.files import BROKEN, many_entries

pytestmark = pytest.mark.usefixtures("entry_storage")

PATH = "/exports/account.ndjson.gz"
END = {"type": "end", "schema_version": 1, "projects": 0, "tasks": 0, "entries": 0, "deleted_entries": 0}


async def exported(client: Client) -> list[Json]:
    """Export the account. Return its lines, which the importer can parse."""
    response = await client.get(PATH)
    assert response.status_code == 200, response.text
    lines = gzip.decompress(response.content).splitlines()
    for line in lines:
        account_file_line.validate_json(line)
    return [json.loads(line) for line in lines]


def of_type(lines: list[Json], kind: str) -> list[Json]:
    return [line for line in lines if line["type"] == kind]


class TestAccountFile:
    async def test_response_is_an_attachment_with_a_date(self, alice: Client) -> None:
        response = await alice.get(PATH)
        today = utc_now().date().isoformat()
        assert response.headers["content-type"] == "application/gzip"
        assert "content-encoding" not in response.headers
        name = response.headers["content-disposition"]
        assert name.startswith('attachment; filename="task-timer-account-')
        assert today[:7] in name
        assert response.headers["cache-control"] == "no-store"

    async def test_empty_account_has_first_and_last_line_only(self, alice: Client) -> None:
        account, end = await exported(alice)
        assert end == END
        exported_at = account.pop("exported_at")
        assert exported_at <= utc_now().isoformat()
        assert account == {
            "type": "account",
            "schema_version": 1,
            "email": "alice@example.com",
            "full_name": None,
            "timezone": "UTC",
            "week_start": 0,
            "preferences": {"overlap_policy": "allow", "timer_cap_hours": 12},
        }

    async def test_contains_the_preferences_that_were_chosen(self, alice: Client) -> None:
        chosen = {"locale": "de", "theme": "dark", "shortcuts": False, "snap_minutes": 60, "idle_minutes": 240}
        await alice.set_preferences(**chosen)
        account = (await exported(alice))[0]
        assert account["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 12, **chosen}

    async def test_contains_projects_tasks_and_entries(self, alice: Client) -> None:
        project = await alice.make_project(client_name="Ada", hourly_rate={"amount": 9550, "currency": "EUR"})
        task = await alice.make_task(project_id=project["id"], description="d", tags=["a"], priority=1, billable=True)
        second = await alice.write(task, started_at=clock("11:00"), note="n", tags=["b"], timezone="Europe/Berlin")
        first = await alice.write(task, started_at=clock("09:00"))
        timer = await alice.start(task)
        other = await alice.make_task(title="Other")
        deleted = await alice.write(other)
        await alice.delete(at(deleted))
        await alice.delete(f"/tasks/{other['id']}")

        account, *lines, end = await exported(alice)
        assert account["type"] == "account"
        assert [line["type"] for line in lines] == [
            *("project", "task", "entry", "entry", "entry", "task", "deleted_entry"),
        ]
        assert end == {**END, "projects": 1, "tasks": 2, "entries": 3, "deleted_entries": 1}
        assert lines[0] == {"type": "project", "schema_version": 1, **project}
        counted = {"tracked_seconds", "entry_count", "active", "version", "time_entries"}
        shown = await alice.read(task)
        fields = {name: value for name, value in shown.items() if name not in counted}
        assert lines[1] == {"type": "task", "schema_version": 1, **fields}
        for line, entry in zip(lines[2:5], (first, second, timer["entry"]), strict=True):
            del entry["duration_seconds"]
            assert line == {"type": "entry", "schema_version": 1, **entry}
        assert (lines[5]["id"], lines[5]["deleted_at"] is None) == (other["id"], False)
        assert (lines[6]["id"], lines[6]["task_id"]) == (deleted["id"], other["id"])
        assert lines[6]["deleted_at"] >= deleted["created_at"]

    async def test_contains_no_credentials(self, alice: Client) -> None:
        content = gzip.decompress((await alice.get(PATH)).content).decode()
        for secret in ("argon2", "password", "token", "email_key"):
            assert secret not in content

    async def test_expired_and_deleted_items_are_left_out(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.delete(at(await alice.write(task)))
        long_ago = naive_utc(utc_now()) - RETENTION - timedelta(seconds=1)
        await database.deleted_entries.update_one({}, {"$set": {"deleted_at": long_ago}})
        await database.projects.insert_one(project_row(alice.user["_id"], deleted_at=NINE))
        assert (await exported(alice))[-1] == {**END, "tasks": 1}

    async def test_references_to_missing_items_are_removed(self, alice: Client, database: Database) -> None:
        user_id = alice.user["_id"]
        project = project_row(user_id, deleted_at=NINE)
        await database.projects.insert_one(project)
        await database.tasks.insert_one(task_row(user_id, project_id=project["_id"]))
        entry = ended_entry()
        deleted = {"_id": entry["id"], "user_id": user_id, "task_id": ObjectId(), "entry": entry}
        await database.deleted_entries.insert_one({**deleted, "deleted_at": naive_utc(utc_now())})
        _, task, end = await exported(alice)
        assert (task["type"], task["project_id"]) == ("task", None)
        assert end == {**END, "tasks": 1}

    async def test_contains_only_data_of_the_user(self, alice: Client, bob: Client) -> None:
        await alice.make_project()
        await alice.delete(at(await alice.write(await alice.make_task())))
        mine = await bob.make_task()
        lines = await exported(bob)
        assert lines[-1] == {**END, "tasks": 1}
        assert [line["id"] for line in of_type(lines, "task")] == [mine["id"]]

    async def test_entries_follow_their_task_in_large_accounts(self, alice: Client, database: Database) -> None:
        sizes = [0, 700, 0, 1, 499, 1, 600, *([0] * 120), 3]
        rows: list[dict[str, Any]] = []
        for number, size in enumerate(sizes):
            entries = [ended_entry(minutes=1, at=NINE + timedelta(minutes=minute)) for minute in range(size)]
            result = {"created_at": NINE + timedelta(seconds=number)}
            rows.append(task_row(alice.user["_id"], **result, **(tracked(*entries) if entries else {})))
        rows[3]["active"] = running_entry()
        await insert_rows(database, "tasks", reversed(rows))
        expected = []
        for row in rows:
            running = [row["active"]] if "active" in row else []
            expected += [str(row["_id"]), *(str(entry["id"]) for entry in [*row["time_entries"], *running])]
        _, *lines, end = await exported(alice)
        assert [line["id"] for line in lines] == expected
        assert end == {**END, "tasks": len(rows), "entries": sum(sizes) + 1}

    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # the broken task cannot be changed
    async def test_error_during_the_export_aborts_the_connection(self, alice: Client, database: Database) -> None:
        before = [task_row(alice.user["_id"], description=token_hex(10_000)) for _ in range(10)]
        await database.tasks.insert_many(before)
        await many_entries(alice, database, **BROKEN)
        with pytest.raises(httpx.RemoteProtocolError):
            await alice.get(PATH)
