"""Webhooks: create, list, change and delete them."""

import asyncio
import base64
from typing import Any

import pytest
from bson import ObjectId

from app.config import Settings
from app.main import create_app
from documents.common.change_types import CHANGE_TYPES
from documents.common.outbox import enable_changes
from documents.feed.feed_states import FeedState
from documents.webhooks.webhooks import MAX_WEBHOOKS, Webhook
from tests.conftest import Database
from tests.support.http import API, Client, Json, pointers, problem
from tests.support.services import serving_another
from tests.webhooks.rows import delivery_row, webhook_row

URL = "https://127.0.0.1/hook"


async def make_webhook(client: Client, **fields: Any) -> Json:
    """Create a webhook, and return it with its secret."""
    response = await client.post("/webhooks", json={"url": URL, **fields})
    assert response.status_code == 201, response.text
    webhook: Json = response.json()
    return webhook


async def audit_details(client: Client) -> list[tuple[str, Json]]:
    """Return the events of the audit trail with their details, oldest first."""
    page = (await client.get("/users/me/audit")).json()
    return [(event["event"], event["detail"]) for event in reversed(page["items"])]


class TestCreateWebhook:
    async def test_response_has_the_webhook_with_its_secret(self, alice: Client) -> None:
        fields = {"types": ["timer.stopped", "timer.started"], "description": " Status light "}
        response = await alice.post("/webhooks", json={"url": URL, **fields})
        assert response.status_code == 201
        webhook = response.json()
        assert response.headers["location"] == f"{API}/webhooks/{webhook['id']}"
        assert response.headers["cache-control"] == "no-store"
        secret = webhook.pop("secret")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
        assert webhook == {
            "id": webhook["id"],
            "url": URL,
            "types": fields["types"],
            "description": "Status light",
            "active": True,
            "disabled_reason": None,
            "previous_secret_until": None,
            "created_at": webhook["created_at"],
            "updated_at": webhook["created_at"],
        }
        assert (await alice.get(f"/webhooks/{webhook['id']}")).json() == webhook
        assert (await alice.get("/webhooks")).json() == {"items": [webhook], "next_cursor": None}

    async def test_only_the_url_is_required(self, alice: Client) -> None:
        webhook = await make_webhook(alice)
        assert (webhook["types"], webhook["description"]) == (None, None)

    async def test_secret_is_stored_encrypted(self, alice: Client, database: Database) -> None:
        secret = (await make_webhook(alice))["secret"]
        (stored,) = await database.webhooks.find({}).to_list(None)
        assert secret not in str(stored)
        assert base64.b64decode(secret.removeprefix("whsec_")) not in stored["secret"]

    async def test_begins_after_the_newest_change(self, alice: Client, bob: Client, database: Database) -> None:
        await FeedState.raise_last_seqs({alice.user["_id"]: 7})
        for client, seq in ((alice, 7), (bob, 0)):
            await make_webhook(client)
            (stored,) = await database.webhooks.find({"user_id": client.user["_id"]}).to_list(None)
            assert stored["cursor_seq"] == seq

    async def test_repeated_types_are_folded(self, alice: Client) -> None:
        webhook = await make_webhook(alice, types=["timer.started", "task.created", "timer.started"])
        assert webhook["types"] == ["timer.started", "task.created"]

    async def test_all_types_can_be_named(self, alice: Client) -> None:
        assert (await make_webhook(alice, types=[*CHANGE_TYPES]))["types"] == [*CHANGE_TYPES]

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"types": []}, "#/types"),
            ({"types": "timer.started"}, "#/types"),
            ({"types": ["timer.started", "timer.paused"]}, "#/types/1"),
            ({"types": ["webhook.test"]}, "#/types/0"),
            ({"description": ""}, "#/description"),
            ({"description": "x" * 201}, "#/description"),
            ({"description": "two\nlines"}, "#/description"),
            ({"active": True}, "#/active"),
            ({"secret": "whsec_mine"}, "#/secret"),
            ({"url": None}, "#/url"),
            ({"url": {"$gt": ""}}, "#/url"),
            ({"url": ""}, "#/url"),
            ({"url": "hooks.example.com"}, "#/url"),
            ({"url": "ftp://127.0.0.1/"}, "#/url"),
            ({"url": "https://me:word@127.0.0.1/"}, "#/url"),
            ({"url": "https://127.0.0.1/#part"}, "#/url"),
            ({"url": "https://127.0.0.1:22/"}, "#/url"),
            ({"url": f"https://127.0.0.1/{'x' * 2048}"}, "#/url"),
        ],
    )
    async def test_invalid_field_is_422_with_its_pointer(
        self, alice: Client, database: Database, fields: Json, pointer: str
    ) -> None:
        assert pointers(await alice.post("/webhooks", json={"url": URL, **fields})) == {pointer}
        assert await database.webhooks.find_one({}) is None

    async def test_creation_is_recorded_with_the_host_only(self, alice: Client) -> None:
        webhook = await make_webhook(alice, url="https://127.0.0.1/hidden/path?key=hidden", description="hidden")
        assert await audit_details(alice) == [("webhook_created", {"id": webhook["id"], "host": "127.0.0.1"})]


class TestAllowedUrls:
    @pytest.mark.parametrize(
        ("allowed", "accepted"),
        [
            ({"webhooks_allow_http": False, "webhooks_allow_private": True}, {"https://127.0.0.1/"}),
            (
                {"webhooks_allow_http": True, "webhooks_allow_private": True},
                {"https://127.0.0.1/", "http://127.0.0.1/"},
            ),
            ({"webhooks_allow_http": False, "webhooks_allow_private": False}, set()),
            ({"webhooks_allow_http": True, "webhooks_allow_private": False}, set()),
        ],
    )
    async def test_settings_allow_http_and_private_hosts(
        self, alice: Client, settings: Settings, database: Database, allowed: Json, accepted: set[str]
    ) -> None:
        webhook = await make_webhook(alice)
        async with (
            serving_another(create_app(settings.model_copy(update=allowed)), database) as address,
            Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
        ):
            for url in ("https://127.0.0.1/", "http://127.0.0.1/"):
                created = await client.post("/webhooks", json={"url": url})
                changed = await client.patch(f"/webhooks/{webhook['id']}", json={"url": url})
                if url in accepted:
                    assert (created.status_code, changed.status_code) == (201, 200)
                else:
                    assert pointers(created) == pointers(changed) == {"#/url"}


class TestChangesDisabled:
    async def test_creation_is_404(self, alice: Client, settings: Settings, database: Database) -> None:
        disabled = create_app(settings.model_copy(update={"changes_enabled": False}))
        try:
            async with (
                serving_another(disabled, database) as address,
                Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
            ):
                problem(await client.post("/webhooks", json={"url": URL}), 404, "changes_disabled")
        finally:
            enable_changes(settings.changes_enabled)


class TestLimit:
    async def test_concurrent_requests_cannot_exceed_it(self, alice: Client, bob: Client, database: Database) -> None:
        responses = await asyncio.gather(
            *(alice.post("/webhooks", json={"url": URL}) for _ in range(MAX_WEBHOOKS + 10))
        )
        assert sorted(response.status_code for response in responses) == [201] * MAX_WEBHOOKS + [409] * 10
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "too_many_webhooks")
        assert await database.webhooks.count_documents({"user_id": alice.user["_id"]}) == MAX_WEBHOOKS
        await make_webhook(bob)

    async def test_deletion_makes_space_for_another(self, alice: Client) -> None:
        created = [await make_webhook(alice) for _ in range(MAX_WEBHOOKS)]
        problem(await alice.post("/webhooks", json={"url": URL}), 409, "too_many_webhooks")
        await alice.delete(f"/webhooks/{created[3]['id']}")
        await make_webhook(alice)


class TestListWebhooks:
    async def test_pages_are_newest_first(self, alice: Client, bob: Client) -> None:
        await make_webhook(bob)
        created = [(await make_webhook(alice))["id"] for _ in range(5)]
        listed, cursor = [], None
        while True:
            page = (await alice.get("/webhooks", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            listed += [webhook["id"] for webhook in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert listed == created[::-1]


class TestChangeWebhook:
    async def test_sent_fields_change_and_others_stay(self, alice: Client) -> None:
        webhook = await make_webhook(alice, types=["task.created"], description="Light")
        del webhook["secret"]
        for change in ({"url": "https://127.0.0.1/other"}, {"types": None}, {"description": None}, {"active": False}):
            response = await alice.patch(f"/webhooks/{webhook['id']}", json=change)
            assert response.status_code == 200
            webhook |= change
            assert response.json() == {**webhook, "updated_at": response.json()["updated_at"]}
        assert (await alice.get(f"/webhooks/{webhook['id']}")).json() == response.json()

    async def test_empty_change_changes_nothing(self, alice: Client) -> None:
        webhook = await make_webhook(alice)
        del webhook["secret"]
        assert (await alice.patch(f"/webhooks/{webhook['id']}", json={})).json() == webhook

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"url": None}, "#/url"),
            ({"url": "nonsense"}, "#/url"),
            ({"types": []}, "#/types"),
            ({"active": None}, "#/active"),
            ({"active": "yes"}, "#/active"),
            ({"disabled_reason": None}, "#/disabled_reason"),
        ],
    )
    async def test_invalid_field_is_422_with_its_pointer(self, alice: Client, change: Json, pointer: str) -> None:
        webhook = await make_webhook(alice)
        before = (await alice.get("/webhooks")).json()
        assert pointers(await alice.patch(f"/webhooks/{webhook['id']}", json=change)) == {pointer}
        assert (await alice.get("/webhooks")).json() == before

    async def test_activation_clears_the_reason_and_keeps_the_position(self, alice: Client, database: Database) -> None:
        row = webhook_row(alice.user["_id"], active=False, disabled_reason="delivery_failed", cursor_seq=5)
        await database.webhooks.insert_one(row)
        await FeedState.raise_last_seqs({alice.user["_id"]: 9})
        response = await alice.patch(f"/webhooks/{row['_id']}", json={"active": True})
        assert (response.json()["active"], response.json()["disabled_reason"]) == (True, None)
        (stored,) = await database.webhooks.find({}).to_list(None)
        assert stored["cursor_seq"] == 5

    async def test_deactivation_keeps_the_reason(self, alice: Client, database: Database) -> None:
        row = webhook_row(alice.user["_id"], active=False, disabled_reason="gone")
        await database.webhooks.insert_one(row)
        response = await alice.patch(f"/webhooks/{row['_id']}", json={"active": False})
        assert (response.json()["active"], response.json()["disabled_reason"]) == (False, "gone")


class TestDeleteWebhook:
    async def test_webhook_is_gone_with_its_deliveries(self, alice: Client, database: Database) -> None:
        first, second = await make_webhook(alice), await make_webhook(alice)
        rows = [row async for row in database.webhooks.find({}).sort("_id", 1)]
        await database.webhook_deliveries.insert_many([delivery_row(row) for row in rows for _ in range(3)])
        response = await alice.delete(f"/webhooks/{first['id']}")
        assert (response.status_code, response.content) == (204, b"")
        problem(await alice.get(f"/webhooks/{first['id']}"), 404, "webhook_not_found")
        problem(await alice.delete(f"/webhooks/{first['id']}"), 404, "webhook_not_found")
        async with asyncio.timeout(60):
            while await database.webhook_deliveries.count_documents({}) != 3:  # noqa: ASYNC110 -- removed in the background
                await asyncio.sleep(0.02)
        (left,) = (await alice.get("/webhooks")).json()["items"]
        assert left["id"] == second["id"]
        assert await database.webhook_deliveries.count_documents({"webhook_id": ObjectId(second["id"])}) == 3

    async def test_deletion_is_recorded(self, alice: Client) -> None:
        webhook = await make_webhook(alice)
        await alice.delete(f"/webhooks/{webhook['id']}")
        assert (await audit_details(alice))[1:] == [("webhook_deleted", {"id": webhook["id"]})]


class TestDocuments:
    async def test_active_webhooks_are_found_by_user(self, alice: Client, bob: Client, database: Database) -> None:
        alice_id, bob_id = alice.user["_id"], bob.user["_id"]
        rows = [webhook_row(alice_id), webhook_row(alice_id, slot=1, active=False), webhook_row(bob_id)]
        await database.webhooks.insert_many(rows)
        assert await Webhook.find_active_of([alice_id, bob_id]) == [rows[0], rows[2]]
        assert await Webhook.find_active_of([alice_id, ObjectId()]) == [rows[0]]
        assert await Webhook.find_active_of([]) == []

    async def test_only_the_first_of_two_processes_advances(self, alice: Client, database: Database) -> None:
        row = webhook_row(alice.user["_id"])
        await database.webhooks.insert_one(row)
        assert await Webhook.advance(row, 4)
        assert not await Webhook.advance(row, 3)
        (advanced,) = await Webhook.find_active_of([row["user_id"]])
        assert advanced["cursor_seq"] == 4

    async def test_deactivated_webhook_is_not_advanced(self, alice: Client, database: Database) -> None:
        row = webhook_row(alice.user["_id"])
        await database.webhooks.insert_one(row)
        assert await Webhook.disable(row["user_id"], row["_id"], "gone")
        assert not await Webhook.disable(row["user_id"], row["_id"], "delivery_failed")
        assert not await Webhook.advance(row, 3)
        (webhook,) = (await alice.get("/webhooks")).json()["items"]
        assert (webhook["active"], webhook["disabled_reason"]) == (False, "gone")
