"""GET /changes."""

from datetime import datetime, timedelta

import pytest

from app.config import Settings
from app.main import create_app
from documents.common.outbox import enable_changes
from tests.conftest import Database
from tests.support.feed.changes import read_changes, read_page, wait_until_recorded
from tests.support.http import API, Client, parameters, problem
from tests.support.services import serving_another


async def expire(database: Database, client: Client, up_to: int) -> None:
    """Delete the oldest changes of the user, as the TTL index does."""
    for seq in range(1, up_to + 1):
        await database.changes.delete_one({"user_id": client.user["_id"], "seq": seq})


class TestChangesInOrder:
    async def test_changes_are_numbered_from_1_without_gaps(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        changes = await read_changes(alice, 3)
        assert [change["seq"] for change in changes] == [1, 2, 3]
        assert [change["type"] for change in changes] == ["task.created", "timer.started", "timer.stopped"]
        assert changes[0]["data"] == task
        assert [change["version"] for change in changes] == [1, 2, 3]

    async def test_change_names_its_request(self, alice: Client) -> None:
        response = await alice.post("/projects", json={"name": "Website"})
        (change,) = await read_changes(alice, 1)
        assert change["request_id"] == response.headers["x-request-id"]
        assert change["project_id"] == response.json()["id"]
        assert change["task_id"] is change["entry_id"] is change["import_id"] is change["version"] is None

    async def test_pages_continue_with_last_seq(self, alice: Client) -> None:
        for _ in range(5):
            await alice.make_task()
        changes = await read_changes(alice, 5)
        first = await read_page(alice, limit="2")
        second = await read_page(alice, limit="2", after=str(first["last_seq"]))
        third = await read_page(alice, limit="2", after=str(second["last_seq"]))
        assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
        assert [*first["items"], *second["items"], *third["items"]] == changes
        assert await read_page(alice, after="5") == {"items": [], "last_seq": 5, "has_more": False}

    async def test_feed_of_a_new_account_is_empty(self, alice: Client) -> None:
        assert await read_page(alice) == {"items": [], "last_seq": 0, "has_more": False}

    async def test_after_beyond_the_newest_change_returns_the_newest_number(self, alice: Client) -> None:
        await alice.make_task()
        await read_changes(alice, 1)
        assert await read_page(alice, after="7") == {"items": [], "last_seq": 1, "has_more": False}

    async def test_changes_of_other_users_are_not_in_the_feed(self, alice: Client, bob: Client) -> None:
        await alice.make_task(title="canary 7f3a")
        await bob.make_task()
        assert [change["seq"] for change in await read_changes(alice, 1)] == [1]
        (change,) = await read_changes(bob, 1)
        assert change["seq"] == 1
        assert "canary" not in str(change)


class TestTypeFilter:
    async def test_only_these_types_are_returned(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        await alice.stop()
        await read_changes(alice, 3)
        page = await read_page(alice, type="timer.started")
        assert ([change["seq"] for change in page["items"]], page["last_seq"], page["has_more"]) == ([2], 3, False)
        response = await alice.get("/changes", params={"type": ["timer.started", "timer.stopped"], "limit": "1"})
        assert ([item["seq"] for item in response.json()["items"]], response.json()["last_seq"]) == ([2], 2)
        assert response.json()["has_more"] is True

    async def test_no_match_passes_over_the_other_changes(self, alice: Client) -> None:
        await alice.make_task()
        await read_changes(alice, 1)
        page = await read_page(alice, type="project.deleted")
        assert page == {"items": [], "last_seq": 1, "has_more": False}

    async def test_unknown_type_is_refused(self, alice: Client) -> None:
        assert parameters(await alice.get("/changes", params={"type": "task.read"})) == {"type"}

    @pytest.mark.parametrize("after", ["-1", "1.0", "x", str(2**53)])
    async def test_invalid_number_is_refused(self, after: str, alice: Client) -> None:
        assert parameters(await alice.get("/changes", params={"after": after})) == {"after"}


class TestExpiredChanges:
    async def test_gap_before_the_oldest_change_is_refused_with_410(self, alice: Client, database: Database) -> None:
        for _ in range(4):
            await alice.make_task()
        await read_changes(alice, 4)
        await expire(database, alice, up_to=2)
        for query in ({"after": "0"}, {"after": "1"}, {"after": "1", "type": "project.created"}):
            body = problem(await alice.get("/changes", params=query), 410, "changes_expired")
            assert body["last_seq"] == 4
        assert [change["seq"] for change in (await read_page(alice, after="2"))["items"]] == [3, 4]

    async def test_numbers_continue_when_all_changes_have_expired(self, alice: Client, database: Database) -> None:
        await alice.make_task()
        await wait_until_recorded(database, alice, 1)
        await expire(database, alice, up_to=1)
        problem(await alice.get("/changes"), 410, "changes_expired")
        assert await read_page(alice, after="1") == {"items": [], "last_seq": 1, "has_more": False}

    async def test_changes_expire_after_the_configured_days(self, alice: Client, database: Database) -> None:
        await alice.make_task()
        await read_changes(alice, 1)
        row = await database.changes.find_one({"user_id": alice.user["_id"]})
        assert row is not None
        retention: timedelta = row["expires_at"] - row["occurred_at"]
        assert timedelta(days=30) <= retention < timedelta(days=30, minutes=2)
        assert isinstance(row["expires_at"], datetime)
        indexes = await database.changes.index_information()
        assert indexes["kept_until_it_expires"]["expireAfterSeconds"] == 0


class TestDisabledChanges:
    async def test_feed_does_not_exist(self, alice: Client, database: Database, settings: Settings) -> None:
        app = create_app(settings.model_copy(update={"changes_enabled": False}))
        try:
            async with (
                serving_another(app, database) as url,
                Client(base_url=url + API, headers=alice.headers, timeout=30) as client,
            ):
                problem(await client.get("/changes"), 404, "changes_disabled")
                await client.make_task()
        finally:
            enable_changes(True)
        assert await database.tasks.count_documents({"outbox": {"$exists": True}}) == 0
        assert (await read_page(alice))["last_seq"] == 0
