"""A service is killed during an import: the same upload completes it, and nothing is imported twice."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import API, LONG, Client
from tests.support.services import serving_until_killed
from tests.transfer.uploads import import_rows, row, stored_items, upload

LINES = "".join(
    row(day, f"{hour:02}:{minute:02}", "23:59") for day in range(2, 6) for hour in range(5) for minute in range(60)
)
"""1,200 rows of one task, which are written in two transactions."""

FIRST_PART = "documents.tracking.projects:Project:add_all"
SECOND_PART = "documents.tracking.tasks:Task:change_at_version"
COUNT = "documents.transfer.import_batches:ImportBatch:add_created"
END = "documents.transfer.import_batches:ImportBatch:release_lease"


async def upload_until_killed(alice: Client, address: str, lines: str) -> None:
    """Upload these lines to a service that is killed by it."""
    async with Client(base_url=address + API, headers=alice.headers, timeout=30) as client:
        with pytest.raises(httpx.TransportError):
            await upload(client, lines)


async def expire_lease(database: Database) -> None:
    """Let the lease expire."""
    batch = await database.import_batches.find_one({"holder": {"$exists": True}})
    assert batch is not None
    taken_at = batch["taken_at"] - timedelta(minutes=1)
    await database.import_batches.update_one({"_id": batch["_id"]}, {"$set": {"taken_at": taken_at}})


KILL_POINTS = [
    pytest.param(SECOND_PART, 1_000, id="in the second part"),
    pytest.param(FIRST_PART, 0, id="in the first part"),
    pytest.param(COUNT, 0, id="before the first part is counted"),
    pytest.param(END, 1_200, id="when all is written"),
]
"""Each test starts a service, so only the long mode uses all points."""

UNDO_KILL_POINTS = [
    "documents.tracking.projects:Project:end_deletion",
    "documents.tracking.tasks:Task:delete_at_version",
    END,
]


@pytest.mark.parametrize(("place", "written"), KILL_POINTS if LONG else KILL_POINTS[:1])
class TestKilledImport:
    async def test_is_completed_by_the_same_upload(
        self, place: str, written: int, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        async with serving_until_killed(settings, database, tmp_path, at=place) as address:
            await upload_until_killed(alice, address, LINES)
        (interrupted,) = (await alice.get("/imports")).json()["items"]
        assert (interrupted["state"], interrupted["created"]["entries"]) == ("under_way", written)
        assert sum([task["entry_count"] async for task in database.tasks.find()]) == written
        await expire_lease(database)
        result = await import_rows(alice, LINES)
        assert result["id"] == interrupted["id"]
        assert (result["created"], result["duplicates"]) == ({"projects": 1, "tasks": 1, "entries": 1_200}, 0)
        assert "state" not in result
        assert (await import_rows(alice, LINES))["duplicates"] == 1_200
        await assert_stored_time_is_consistent(database)
        assert not (await examine()).findings


class TestKilledUndo:
    @pytest.mark.parametrize("place", UNDO_KILL_POINTS if LONG else UNDO_KILL_POINTS[:1])
    async def test_is_continued_by_the_next_request(
        self, place: str, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        lines = row(2, "09:00", "10:00") + row(3, "09:00", "10:00", task="Mail")
        result = await import_rows(alice, lines)
        async with (
            serving_until_killed(settings, database, tmp_path, at=place) as address,
            Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
        ):
            with pytest.raises(httpx.TransportError):
                await client.delete(f"/imports/{result['id']}")
        assert (await alice.get(f"/imports/{result['id']}")).json()["state"] == "being_undone"
        await expire_lease(database)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["left"] == {"projects": 0, "tasks": 0, "entries": 0}
        assert await stored_items(database) == []
        assert not (await examine()).findings
