"""The list of deliveries, tests and retries, and the atomic operations of deliveries."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.webhooks.deliveries import MAX_ATTEMPTS_STORED, NEVER, Attempt, Delivery
from documents.webhooks.dispatch_queries import find_work
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.support.http import Client, Json, parameters, problem
from tests.webhooks.rows import delivery_row, webhook_row

NOW = utc_now()
FAILED = Attempt(at=naive_utc(NOW), status_code=500, milliseconds=12, error=None)


@pytest.fixture
async def webhook(alice: Client, database: Database) -> Json:
    """A stored webhook of Alice."""
    row = webhook_row(alice.user["_id"])
    await database.webhooks.insert_one(row)
    return row


async def store(database: Database, *rows: Json) -> None:
    await database.webhook_deliveries.insert_many([*rows])


async def read(database: Database, delivery: Json) -> Json:
    """Return the stored delivery."""
    stored = await database.webhook_deliveries.find_one({"_id": delivery["_id"]})
    assert stored is not None
    found: Json = stored
    return found


class TestListDeliveries:
    async def test_delivery_has_its_attempts_and_no_body(
        self, alice: Client, webhook: Json, database: Database
    ) -> None:
        attempts: list[Json] = [
            {"at": datetime(2026, 11, 18, 9), "status_code": None, "milliseconds": 15_000, "error": "No response."},  # noqa: DTZ001 -- as stored
            {"at": datetime(2026, 11, 18, 9, 1), "status_code": 200, "milliseconds": 12, "error": None},  # noqa: DTZ001 -- as stored
        ]
        row = delivery_row(webhook, status="delivered", attempts=attempts, attempt_count=2, next_attempt_at=None)
        await store(database, row)
        assert (await alice.get(f"/webhooks/{webhook['_id']}/deliveries")).json() == {
            "items": [
                {
                    "id": str(row["_id"]),
                    "change_id": str(row["change_id"]),
                    "type": "task.created",
                    "status": "delivered",
                    "attempts": [
                        {**attempts[0], "at": "2026-11-18T09:00:00Z"},
                        {**attempts[1], "at": "2026-11-18T09:01:00Z"},
                    ],
                    "next_attempt_at": None,
                }
            ],
            "next_cursor": None,
        }

    async def test_pages_are_newest_first_over_hours_and_days(
        self, alice: Client, webhook: Json, database: Database
    ) -> None:
        other = webhook_row(alice.user["_id"], slot=1)
        await database.webhooks.insert_one(other)
        ages = [
            timedelta(minutes=1),
            timedelta(minutes=59),
            timedelta(hours=2),
            timedelta(hours=30),
            timedelta(days=29),
        ]
        rows = [delivery_row(webhook, _id=ObjectId.from_datetime(NOW - age)) for age in ages for _ in range(1)]
        await store(database, *rows, delivery_row(other))
        for limit in (1, 2, 4, 50):
            listed: list[str] = []
            cursor = None
            while True:
                params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
                page = (await alice.get(f"/webhooks/{webhook['_id']}/deliveries", params=params)).json()
                listed += [delivery["id"] for delivery in page["items"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert listed == [str(row["_id"]) for row in rows]

    async def test_cursor_of_another_webhook_is_refused(self, alice: Client, webhook: Json, database: Database) -> None:
        other = webhook_row(alice.user["_id"], slot=1)
        await database.webhooks.insert_one(other)
        await store(database, *(delivery_row(webhook) for _ in range(2)))
        page = (await alice.get(f"/webhooks/{webhook['_id']}/deliveries", params={"limit": 1})).json()
        params = {"limit": 1, "cursor": page["next_cursor"]}
        assert parameters(await alice.get(f"/webhooks/{other['_id']}/deliveries", params=params)) == {"cursor"}


class TestSendTest:
    async def test_delivery_is_due_at_once(self, alice: Client, webhook: Json, database: Database) -> None:
        response = await alice.post(f"/webhooks/{webhook['_id']}/test")
        assert response.status_code == 202
        created = response.json()
        assert created == {
            "id": created["id"],
            "change_id": None,
            "type": "webhook.test",
            "status": "pending",
            "attempts": [],
            "next_attempt_at": created["next_attempt_at"],
        }
        assert abs(datetime.fromisoformat(created["next_attempt_at"]) - utc_now()) < timedelta(minutes=1)
        (listed,) = (await alice.get(f"/webhooks/{webhook['_id']}/deliveries")).json()["items"]
        assert (listed["id"], listed["type"]) == (created["id"], "webhook.test")
        body = json.loads((await read(database, {"_id": ObjectId(created["id"])}))["body"])
        assert body == {
            "type": "webhook.test",
            "timestamp": body["timestamp"],
            "data": {"webhook_id": str(webhook["_id"])},
        }

    async def test_deactivated_webhook_is_409(self, alice: Client, webhook: Json, database: Database) -> None:
        await alice.patch(f"/webhooks/{webhook['_id']}", json={"active": False})
        problem(await alice.post(f"/webhooks/{webhook['_id']}/test"), 409, "webhook_inactive")
        assert await database.webhook_deliveries.find_one({}) is None


class TestRetryDelivery:
    @pytest.mark.parametrize("status", ["failed", "pending"])
    async def test_undelivered_one_becomes_due(
        self, alice: Client, webhook: Json, database: Database, status: str
    ) -> None:
        later = None if status == "failed" else naive_utc(NOW + timedelta(hours=9))
        row = delivery_row(
            webhook, status=status, attempts=[FAILED.model_dump()], attempt_count=1, next_attempt_at=later
        )
        await store(database, row)
        response = await alice.post(f"/webhooks/{webhook['_id']}/deliveries/{row['_id']}/retry")
        assert response.status_code == 202
        assert response.json()["status"] == "pending"
        assert datetime.fromisoformat(response.json()["next_attempt_at"]) <= utc_now()
        assert len(response.json()["attempts"]) == 1

    async def test_delivered_one_is_409(self, alice: Client, webhook: Json, database: Database) -> None:
        row = delivery_row(webhook, status="delivered", next_attempt_at=None)
        await store(database, row)
        response = await alice.post(f"/webhooks/{webhook['_id']}/deliveries/{row['_id']}/retry")
        problem(response, 409, "already_delivered")
        assert await read(database, row) == row

    async def test_deactivated_webhook_is_409(self, alice: Client, webhook: Json, database: Database) -> None:
        row = delivery_row(webhook, status="failed", next_attempt_at=None)
        await store(database, row)
        await alice.patch(f"/webhooks/{webhook['_id']}", json={"active": False})
        response = await alice.post(f"/webhooks/{webhook['_id']}/deliveries/{row['_id']}/retry")
        problem(response, 409, "webhook_inactive")
        assert await read(database, row) == row

    @pytest.mark.parametrize("delivery_id", ["nonsense", "0" * 24])
    async def test_unknown_delivery_is_404(self, alice: Client, webhook: Json, delivery_id: str) -> None:
        response = await alice.post(f"/webhooks/{webhook['_id']}/deliveries/{delivery_id}/retry")
        problem(response, 404, "delivery_not_found")


class TestDeliveryDocuments:
    async def test_one_change_has_one_delivery_per_webhook(self, webhook: Json, database: Database) -> None:
        change_id = ObjectId()
        other = {**webhook, "_id": ObjectId()}

        def new(hook: Json, change: ObjectId | None) -> Json:
            return delivery_row(hook, change_id=change)

        await Delivery.add_missing([new(webhook, change_id)])
        await Delivery.add_missing([new(webhook, change_id), new(webhook, ObjectId()), new(other, change_id)])
        await Delivery.add_missing([new(webhook, None), new(webhook, None)])
        assert await database.webhook_deliveries.count_documents({}) == 5
        assert await database.webhook_deliveries.count_documents({"change_id": change_id}) == 2

    async def test_due_ones_are_unclaimed_pending_and_in_time(self, webhook: Json, database: Database) -> None:
        def at(**fields: Any) -> Json:
            return delivery_row(webhook, **{"next_attempt_at": naive_utc(NOW), **fields})

        second, first, test = at(seq=2), at(seq=1), at(seq=None, change_id=None)
        await store(
            database,
            *(second, first, test),
            at(next_attempt_at=naive_utc(NOW + timedelta(seconds=1))),
            at(next_attempt_at=None, status="failed"),
            at(claimed_until=naive_utc(NOW + timedelta(seconds=1))),
        )
        assert (await find_work(NEVER, NOW)).due == [webhook["_id"]]
        assert await Delivery.find_due(webhook["_id"], NOW, limit=10) == [test, first, second]
        assert await Delivery.find_due(webhook["_id"], NOW, limit=1) == [test]
        assert await Delivery.find_due(ObjectId(), NOW, limit=10) == []
        assert (await find_work(NEVER, NOW - timedelta(days=1))).due == []

    async def test_webhook_with_the_longest_due_delivery_is_first(self, webhook: Json, database: Database) -> None:
        hooks = [{**webhook, "_id": ObjectId()} for _ in range(3)]
        for hook, minutes in zip(hooks, (1, 3, 2), strict=True):
            await store(database, delivery_row(hook, next_attempt_at=naive_utc(NOW - timedelta(minutes=minutes))))
        assert (await find_work(NEVER, NOW)).due == [hooks[1]["_id"], hooks[2]["_id"], hooks[0]["_id"]]

    async def test_only_one_process_claims_a_delivery(self, webhook: Json, database: Database) -> None:
        row = delivery_row(webhook)
        await store(database, row)
        until = NOW + timedelta(seconds=30)
        claimed = await Delivery.claim(row, until=until)
        assert claimed == {**row, "claimed_until": naive_utc(until)} == await read(database, row)
        assert await Delivery.claim(row, until=until + timedelta(seconds=1)) is None
        again = await Delivery.claim(claimed, until=until + timedelta(seconds=60))
        assert again is not None, "a claim that has expired can be claimed again"
        assert not await Delivery.record_attempt(claimed, FAILED, status="failed", next_attempt_at=None)
        assert not await Delivery.fail(claimed)
        assert await read(database, row) == again

    async def test_attempt_is_recorded_and_the_claim_released(self, webhook: Json, database: Database) -> None:
        row = delivery_row(webhook)
        await store(database, row)
        claimed = await Delivery.claim(row, until=NOW)
        assert claimed is not None
        later = NOW + timedelta(minutes=5)
        assert await Delivery.record_attempt(claimed, FAILED, status="pending", next_attempt_at=later)
        stored = await read(database, row)
        assert stored == {
            **row,
            "attempts": [FAILED.model_dump()],
            "attempt_count": 1,
            "next_attempt_at": naive_utc(later),
        }

    async def test_newest_attempts_are_stored_and_all_are_counted(self, webhook: Json, database: Database) -> None:
        attempts = [FAILED.model_copy(update={"milliseconds": number}).model_dump() for number in range(20)]
        row = delivery_row(webhook, attempts=attempts, attempt_count=20)
        await store(database, row)
        assert await Delivery.record_attempt(row, FAILED, status="delivered", next_attempt_at=None)
        stored = await read(database, row)
        assert len(stored["attempts"]) == MAX_ATTEMPTS_STORED == 20
        assert stored["attempts"] == [*attempts[1:], FAILED.model_dump()]
        assert (stored["attempt_count"], stored["status"], stored["next_attempt_at"]) == (21, "delivered", None)

    async def test_doctor_finds_a_status_without_its_time(self, webhook: Json, database: Database) -> None:
        valid = [delivery_row(webhook), delivery_row(webhook, status="failed", next_attempt_at=None)]
        await store(database, *valid)
        assert (await examine()).findings == []
        row = delivery_row(webhook, next_attempt_at=None)
        await store(database, row)
        (finding,) = (await examine()).findings
        assert str(finding) == f"webhook_deliveries {row['_id']}: next_attempt_at does not fit the status pending"

    async def test_delivery_of_an_inactive_webhook_fails_without_an_attempt(
        self, webhook: Json, database: Database
    ) -> None:
        row = delivery_row(webhook)
        await store(database, row)
        assert await Delivery.fail(row)
        assert await read(database, row) == {**row, "status": "failed", "next_attempt_at": None}
