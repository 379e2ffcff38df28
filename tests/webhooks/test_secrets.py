"""The secrets of webhooks: rotation, and what happens when SECRET_KEY changes."""

import asyncio
from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.config import Settings
from app.security.webhook_secrets import UnreadableSecretError, WebhookSecrets
from services.webhooks.signing_secrets import signing_secrets
from tests.conftest import Database
from tests.support.http import Client, Json, problem

URL = "https://127.0.0.1/hook"


@pytest.fixture
def secrets(settings: Settings) -> WebhookSecrets:
    """The encryption of the service."""
    return WebhookSecrets.from_settings(settings)


async def make_webhook(client: Client) -> tuple[str, str]:
    """Create a webhook. Return its path and its secret."""
    webhook = (await client.post("/webhooks", json={"url": URL})).json()
    return f"/webhooks/{webhook['id']}", webhook["secret"]


async def find_webhook(database: Database) -> Json:
    """Return the only stored webhook."""
    (stored,) = await database.webhooks.find({}).to_list(None)
    webhook: Json = stored
    return webhook


class TestRotateSecret:
    async def test_both_secrets_sign_for_24_hours(
        self, alice: Client, database: Database, secrets: WebhookSecrets
    ) -> None:
        at, first = await make_webhook(alice)
        before = utc_now()
        response = await alice.post(f"{at}/rotate-secret")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        rotated = response.json()
        second = rotated.pop("secret")
        assert second != first
        until = datetime.fromisoformat(rotated["previous_secret_until"])
        assert before + timedelta(hours=24) <= until <= utc_now() + timedelta(hours=24)
        assert (await alice.get(at)).json() == rotated
        stored = await find_webhook(database)
        assert first not in str(stored)
        assert second not in str(stored)
        assert signing_secrets(secrets, stored, until - timedelta(milliseconds=1)) == [second, first]
        assert signing_secrets(secrets, stored, until) == [second]

    async def test_second_rotation_ends_the_first_secret(
        self, alice: Client, database: Database, secrets: WebhookSecrets
    ) -> None:
        at, _ = await make_webhook(alice)
        second, third = [(await alice.post(f"{at}/rotate-secret")).json()["secret"] for _ in range(2)]
        assert signing_secrets(secrets, await find_webhook(database), utc_now()) == [third, second]

    async def test_concurrent_rotations_are_applied_one_after_the_other(
        self, alice: Client, database: Database, secrets: WebhookSecrets
    ) -> None:
        at, _ = await make_webhook(alice)
        responses = await asyncio.gather(*(alice.post(f"{at}/rotate-secret") for _ in range(10)))
        new_secrets = {response.json()["secret"] for response in responses}
        assert len(new_secrets) == 10
        current = signing_secrets(secrets, await find_webhook(database), utc_now())
        assert len(current) == 2
        assert set(current) <= new_secrets

    async def test_rotation_is_recorded_without_the_secret(self, alice: Client) -> None:
        at, _ = await make_webhook(alice)
        await alice.post(f"{at}/rotate-secret")
        rotated, _ = (await alice.get("/users/me/audit")).json()["items"]
        assert (rotated["event"], rotated["detail"]) == ("webhook_secret_rotated", {"id": at.rpartition("/")[2]})

    async def test_unknown_webhook_is_404(self, alice: Client) -> None:
        problem(await alice.post(f"/webhooks/{ObjectId()}/rotate-secret"), 404, "webhook_not_found")


class TestChangedSecretKey:
    async def test_secret_is_unreadable_until_it_is_rotated(
        self, alice: Client, database: Database, secrets: WebhookSecrets
    ) -> None:
        at, secret = await make_webhook(alice)
        stored = await find_webhook(database)
        other = WebhookSecrets("another key, of which the service knows nothing")
        encrypted = other.encrypt(secret, owner=stored["_id"].binary)
        await database.webhooks.update_one({}, {"$set": {"secret": encrypted}})
        with pytest.raises(UnreadableSecretError):
            signing_secrets(secrets, await find_webhook(database), utc_now())
        rotated = (await alice.post(f"{at}/rotate-secret")).json()
        assert rotated["previous_secret_until"] is None
        assert signing_secrets(secrets, await find_webhook(database), utc_now()) == [rotated["secret"]]

    async def test_unreadable_previous_secret_does_not_sign(
        self, alice: Client, database: Database, secrets: WebhookSecrets
    ) -> None:
        _, secret = await make_webhook(alice)
        until = naive_utc(utc_now() + timedelta(hours=1))
        await database.webhooks.update_one({}, {"$set": {"previous_secret": b"x" * 40, "previous_secret_until": until}})
        assert signing_secrets(secrets, await find_webhook(database), utc_now()) == [secret]
