"""Calendar feeds: create, list and revoke them."""

import asyncio
import gzip
import hashlib
import re
from collections import Counter

import pytest
from bson import ObjectId

from services.sharing.calendar_feeds import MAX_FEEDS
from tests.conftest import Database
from tests.operation.commands.test_doctor import findings
from tests.sharing.calendar_requests import create_feed, read
from tests.support.http import API, PASSWORD, Client, pointers, problem


class TestCreate:
    async def test_defaults_are_90_days_of_all_ended_entries(self, alice: Client) -> None:
        response = await alice.post("/calendar-feeds", json={"name": "  My time "})
        feed = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"{API}/calendar-feeds/{feed['id']}"
        assert response.headers["cache-control"] == "no-store"
        assert {name: value for name, value in feed.items() if name not in {"id", "url", "created_at"}} == {
            "name": "My time",
            "days_back": 90,
            "include_running": False,
            "project_id": None,
            "tag": None,
            "billable": None,
        }

    async def test_url_is_absolute_and_shown_once(self, alice: Client) -> None:
        feed = await create_feed(alice)
        assert re.fullmatch(rf"{re.escape(str(alice.base_url))}calendar/[0-9a-f]{{64}}\.ics", feed["url"])
        (listed,) = (await alice.get("/calendar-feeds")).json()["items"]
        assert listed == {name: value for name, value in feed.items() if name != "url"}

    async def test_only_the_hash_of_the_secret_is_stored(self, alice: Client, database: Database) -> None:
        feed = await create_feed(alice)
        secret = feed["url"].rpartition("/")[2].removesuffix(".ics")
        stored = await database.calendar_feeds.find_one({})
        assert stored is not None
        assert stored["secret_hash"] == hashlib.sha256(secret.encode()).hexdigest()
        for name in await database.list_collection_names():
            assert secret not in str(await database[name].find({}).to_list(None)), name

    async def test_all_fields_are_stored(self, alice: Client) -> None:
        project = await alice.make_project()
        fields = {"project_id": project["id"], "tag": "deep", "billable": False, "include_running": True}
        feed = await create_feed(alice, **fields, days_back=1)
        assert {name: feed[name] for name in fields} == fields
        assert (await create_feed(alice, project_id="none"))["project_id"] == "none"

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"days_back": 0}, "#/days_back"),
            ({"days_back": 3_661}, "#/days_back"),
            ({"days_back": "90"}, "#/days_back"),
            ({"days_back": None}, "#/days_back"),
            ({"name": " "}, "#/name"),
            ({"name": "x" * 101}, "#/name"),
            ({"name": "a\nb"}, "#/name"),
            ({"include_running": 1}, "#/include_running"),
            ({"project_id": "x"}, "#/project_id"),
            ({"project_id": "0" * 24}, "#/project_id"),
            ({"tag": ""}, "#/tag"),
            ({"tag": ["a"]}, "#/tag"),
            ({"billable": "true"}, "#/billable"),
            ({"status": "pending"}, "#/status"),
        ],
    )
    async def test_invalid_field_is_422(self, alice: Client, fields: dict[str, object], pointer: str) -> None:
        assert pointers(await alice.post("/calendar-feeds", json={"name": "x", **fields})) == {pointer}
        assert (await alice.get("/calendar-feeds")).json()["items"] == []

    async def test_project_of_another_user_is_422(self, alice: Client, bob: Client) -> None:
        project = await bob.make_project()
        response = await alice.post("/calendar-feeds", json={"name": "x", "project_id": project["id"]})
        assert pointers(response) == {"#/project_id"}


class TestMaximum:
    async def test_concurrent_requests_do_not_exceed_it(self, alice: Client, bob: Client) -> None:
        body = {"name": "x"}
        for _ in range(MAX_FEEDS - 3):
            await create_feed(alice)
        responses = await asyncio.gather(*(alice.post("/calendar-feeds", json=body) for _ in range(10)))
        assert Counter(response.status_code for response in responses) == {201: 3, 409: 7}
        refused = next(response for response in responses if response.status_code == 409)
        assert "revoke one" in problem(refused, 409, "too_many_calendar_feeds")["detail"]
        feeds = (await alice.get("/calendar-feeds", params={"limit": 200})).json()["items"]
        assert len(feeds) == MAX_FEEDS
        await create_feed(bob)
        await alice.delete(f"/calendar-feeds/{feeds[0]['id']}")
        await create_feed(alice)


class TestList:
    async def test_pages_are_newest_first(self, alice: Client, bob: Client) -> None:
        created = [(await create_feed(alice, name=f"Feed {number}"))["id"] for number in range(3)]
        await create_feed(bob)
        first = (await alice.get("/calendar-feeds", params={"limit": 2})).json()
        rest = (await alice.get("/calendar-feeds", params={"cursor": first["next_cursor"]})).json()
        assert [feed["id"] for feed in (*first["items"], *rest["items"])] == created[::-1]
        assert rest["next_cursor"] is None


class TestRevoke:
    async def test_calendar_is_404_at_once(self, alice: Client, anonymous: Client) -> None:
        feed, other = await create_feed(alice), await create_feed(alice)
        assert (await read(anonymous, feed)).status_code == 200
        assert (await alice.delete(f"/calendar-feeds/{feed['id']}")).status_code == 204
        problem(await read(anonymous, feed), 404, "calendar_feed_not_found")
        assert (await read(anonymous, other)).status_code == 200
        problem(await alice.delete(f"/calendar-feeds/{feed['id']}"), 404, "calendar_feed_not_found")

    async def test_feed_of_another_user_is_404(self, alice: Client, bob: Client, anonymous: Client) -> None:
        feed = await create_feed(alice)
        problem(await bob.delete(f"/calendar-feeds/{feed['id']}"), 404, "calendar_feed_not_found")
        assert (await read(anonymous, feed)).status_code == 200

    @pytest.mark.parametrize("feed_id", ["x", "0" * 24, "none"])
    async def test_unknown_feed_is_404(self, alice: Client, feed_id: str) -> None:
        problem(await alice.delete(f"/calendar-feeds/{feed_id}"), 404, "calendar_feed_not_found")


class TestOwner:
    async def test_calendar_of_a_disabled_user_is_404(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice)
        for is_active, status in ((False, 404), (True, 200)):
            await database.users.update_one({"_id": alice.user["_id"]}, {"$set": {"is_active": is_active}})
            assert (await read(anonymous, feed)).status_code == status

    async def test_calendar_of_a_deleted_account_is_404(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice)
        assert (await alice.request("DELETE", "/users/me", json={"password": PASSWORD})).status_code == 204
        problem(await read(anonymous, feed), 404, "calendar_feed_not_found")
        assert await database.calendar_feeds.find_one({}) is None

    async def test_calendar_is_404_as_soon_as_a_deletion_has_begun(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice)
        begun = {"is_active": False, "deleted_at": alice.user["created_at"]}
        await database.users.update_one({"_id": alice.user["_id"]}, {"$set": begun})
        problem(await read(anonymous, feed), 404, "calendar_feed_not_found")


class TestAudit:
    async def test_creation_and_revocation_are_recorded_without_the_secret(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice, name="Work")
        await read(anonymous, feed)
        await alice.delete(f"/calendar-feeds/{feed['id']}")
        revoked, created = (await alice.get("/users/me/audit")).json()["items"]
        assert (created["event"], created["detail"]) == ("calendar_feed_created", {"id": feed["id"], "name": "Work"})
        assert (revoked["event"], revoked["detail"]) == ("calendar_feed_revoked", {"id": feed["id"]})
        stored = await database.audit_events.find({}).to_list(None)
        assert feed["url"][-68:-4] not in str(stored)


class TestAccountFile:
    async def test_it_contains_neither_feeds_nor_secrets(self, alice: Client, database: Database) -> None:
        feed = await create_feed(alice, name="canary-feed")
        stored = await database.calendar_feeds.find_one({})
        assert stored is not None
        text = gzip.decompress((await alice.get("/exports/account.ndjson.gz")).content).decode()
        for word in ("canary-feed", feed["url"][-68:-4], stored["secret_hash"], feed["id"]):
            assert word not in text


class TestStoredFeed:
    async def test_feed_with_an_invalid_project_is_404_and_not_of_all_projects(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice)
        await database.calendar_feeds.update_one({}, {"$set": {"project_id": "nonsense"}})
        problem(await read(anonymous, feed), 404, "calendar_feed_not_found")

    async def test_doctor_finds_an_invalid_project(self, alice: Client, database: Database) -> None:
        for project_id in (None, "none", "0" * 24):
            feed = await create_feed(alice)
            stored = {"_id": ObjectId(feed["id"])}
            await database.calendar_feeds.update_one(stored, {"$set": {"project_id": project_id}})
        assert await findings() == []
        await database.calendar_feeds.update_one(stored, {"$set": {"project_id": "nonsense"}})
        assert await findings() == [
            f"calendar_feeds {feed['id']}: project_id is not an id, so nobody can read the feed"
        ]

    async def test_feed_without_an_owner_is_404(self, alice: Client, anonymous: Client, database: Database) -> None:
        feed = await create_feed(alice)
        await database.calendar_feeds.update_one({}, {"$set": {"user_id": ObjectId()}})
        problem(await read(anonymous, feed), 404, "calendar_feed_not_found")
