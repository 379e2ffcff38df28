"""Requests with an Idempotency-Key whose response shows a secret: a retry gets the same secret, which is not stored."""

from datetime import timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from app.clock import naive_utc, utc_now
from app.security.replayed_secrets import derive_secret
from tests.conftest import Database
from tests.sharing.share_requests import SUMMARY
from tests.support.http import Client, Json, problem

KEY = {"Idempotency-Key": "7d2f3a90-offer"}
WEBHOOK = {"url": "https://127.0.0.1/hook"}
CREATIONS: dict[str, Json] = {
    "/webhooks": WEBHOOK,
    "/calendar-feeds": {"name": "My time"},
    "/shares": {"name": "November", "report": SUMMARY},
}


def secret_of(response: httpx.Response) -> str:
    """Return the secret of a webhook, or that in the URL of a calendar feed or a share."""
    body = response.json()
    return str(body.get("secret") or body["url"].rpartition("/")[2].removesuffix(".ics"))


def assert_replayed(first: httpx.Response, second: httpx.Response) -> None:
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    for name in ("location", "cache-control"):
        assert second.headers.get(name) == first.headers.get(name)


async def lose_response(database: Database) -> None:
    """Make the stored key that of an attempt which has done its work and died before it stored the response."""
    (key,) = await database.idempotency_keys.find({}).to_list(None)
    taken_at = key["created_at"] - timedelta(minutes=1)
    await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": {"answer": None, "taken_at": taken_at}})


async def count(database: Database, path: str) -> int:
    return await database[path.strip("/").replace("-", "_")].count_documents({})


@pytest.mark.parametrize("path", CREATIONS)
class TestCreation:
    async def test_retry_gets_the_same_secret(self, alice: Client, database: Database, path: str) -> None:
        first = await alice.post(path, json=CREATIONS[path], headers=KEY)
        assert first.status_code == 201
        assert_replayed(first, await alice.post(path, json=CREATIONS[path], headers=KEY))
        assert await count(database, path) == 1

    async def test_secret_is_not_stored(self, alice: Client, database: Database, path: str) -> None:
        secret = secret_of(await alice.post(path, json=CREATIONS[path], headers=KEY))
        stored = await database.idempotency_keys.find({}).to_list(None)
        assert secret not in str(stored)

    async def test_retry_after_a_lost_response_creates_no_second_one(
        self, alice: Client, database: Database, path: str
    ) -> None:
        first = await alice.post(path, json=CREATIONS[path], headers=KEY)
        await lose_response(database)
        second = await alice.post(path, json=CREATIONS[path], headers=KEY)
        assert (second.status_code, second.content) == (201, first.content)
        assert await count(database, path) == 1

    async def test_key_of_another_body_is_422(self, alice: Client, path: str) -> None:
        await alice.post(path, json=CREATIONS[path], headers=KEY)
        other = {**CREATIONS[path], "name" if "name" in CREATIONS[path] else "description": "Other"}
        problem(await alice.post(path, json=other, headers=KEY), 422, "idempotency_key_reused")

    async def test_each_key_has_its_own_secret(self, alice: Client, path: str) -> None:
        keys: list[dict[str, str]] = [{"Idempotency-Key": "1"}, {"Idempotency-Key": "2"}, {}, {}]
        responses = [await alice.post(path, json=CREATIONS[path], headers=key) for key in keys]
        assert len({secret_of(response) for response in responses}) == 4


class TestWebhook:
    async def test_retry_of_a_rotation_leaves_the_previous_secret_valid(
        self, alice: Client, database: Database
    ) -> None:
        webhook = (await alice.post("/webhooks", json=WEBHOOK)).json()
        path = f"/webhooks/{webhook['id']}/rotate-secret"
        first = await alice.post(path, headers=KEY)
        assert first.status_code == 200
        (rotated,) = await database.webhooks.find({}).to_list(None)
        assert_replayed(first, await alice.post(path, headers=KEY))
        await lose_response(database)
        assert (await alice.post(path, headers=KEY)).content == first.content
        assert await database.webhooks.find({}).to_list(None) == [rotated]
        Webhook(secret_of(first))

    async def test_rotation_in_progress_is_409(self, alice: Client, database: Database) -> None:
        webhook = (await alice.post("/webhooks", json=WEBHOOK)).json()
        path = f"/webhooks/{webhook['id']}/rotate-secret"
        await alice.post(path, headers=KEY)
        await database.idempotency_keys.update_one({}, {"$set": {"answer": None, "taken_at": naive_utc(utc_now())}})
        problem(await alice.post(path, headers=KEY), 409, "idempotency_in_progress")

    async def test_retry_of_a_test_sends_one_delivery(self, alice: Client, database: Database) -> None:
        webhook = (await alice.post("/webhooks", json=WEBHOOK)).json()
        path = f"/webhooks/{webhook['id']}/test"
        first = await alice.post(path, headers=KEY)
        assert first.status_code == 202
        assert_replayed(first, await alice.post(path, headers=KEY))
        await lose_response(database)
        second = await alice.post(path, headers=KEY)
        assert (second.status_code, second.json()["id"]) == (202, first.json()["id"])
        assert await database.webhook_deliveries.count_documents({}) == 1


class TestDerivation:
    def test_secret_depends_on_the_key_of_the_service_and_on_the_seed(self) -> None:
        secrets = {derive_secret(key, seed) for key in (bytes(32), bytes([1]) * 32) for seed in ("1", "2")}
        assert len(secrets) == 4
        assert {len(secret) for secret in secrets} == {32}
