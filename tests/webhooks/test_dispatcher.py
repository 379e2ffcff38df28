"""From a change to the receivers of its webhooks: each change once, in order, and independent of other webhooks."""

import asyncio
from datetime import timedelta

import pytest
from bson import ObjectId

from app.clock import naive_utc
from app.config import Settings
from documents.webhooks.dispatch_queries import find_webhooks_behind
from services.webhooks import deliverer, dispatcher, enqueuer
from tests.conftest import Database
from tests.support.http import Client
from tests.webhooks.dispatching import Dispatching, seqs
from tests.webhooks.receiver import Receiver, answer, hang, receiving


@pytest.fixture
async def feed(alice: Client, database: Database, settings: Settings) -> Dispatching:
    """A dispatcher, and the feed of Alice."""
    return Dispatching(database, settings, alice.user["_id"])


def received_seqs(receiver: Receiver) -> list[int]:
    return seqs([received.json for received in receiver.received])


class TestChanges:
    async def test_each_webhook_gets_each_change_once(self, feed: Dispatching) -> None:
        async with receiving() as first, receiving() as second:
            webhooks = [await feed.add_webhook(receiver.url) for receiver in (first, second)]
            ids = await feed.add_changes("task.created", "timer.started")
            await feed.run(cycles=3)
            for receiver in (first, second):
                assert received_seqs(receiver) == [1, 2]
        for webhook in webhooks:
            deliveries = await feed.deliveries(webhook)
            assert [delivery["change_id"] for delivery in deliveries] == ids
            assert {delivery["status"] for delivery in deliveries} == {"delivered"}
            assert (await feed.webhook(webhook))["cursor_seq"] == 2

    async def test_receiver_gets_the_signed_change(self, feed: Dispatching, database: Database) -> None:
        async with receiving() as receiver:
            webhook = await feed.add_webhook(receiver.url)
            (change_id,) = await feed.add_changes("timer.started")
            await feed.run()
        (received,) = receiver.received
        received.verify(webhook["plain_secret"])
        change = await database.changes.find_one({"_id": change_id})
        assert change is not None
        assert received.headers["webhook-id"] == str((await feed.delivery())["_id"])
        assert received.json.keys() == {"type", "timestamp", "data"}
        assert received.json["type"] == "timer.started"
        assert received.json["timestamp"] == received.json["data"]["occurred_at"]
        data = received.json["data"]
        assert (data["id"], data["seq"], data["data"]) == (str(change_id), 1, change["data"])

    async def test_webhook_gets_only_its_types(self, feed: Dispatching) -> None:
        async with receiving() as receiver:
            webhook = await feed.add_webhook(receiver.url, types=["timer.stopped"])
            await feed.add_changes("task.created", "timer.started", "timer.stopped", "task.updated")
            await feed.run()
            assert received_seqs(receiver) == [3]
        assert len(await feed.deliveries()) == 1
        assert (await feed.webhook(webhook))["cursor_seq"] == 4

    async def test_new_webhook_begins_with_the_next_change(self, feed: Dispatching) -> None:
        await feed.add_changes("task.created")
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await feed.run()
            await feed.add_changes("task.updated")
            await feed.run()
            assert received_seqs(receiver) == [2]

    async def test_other_users_get_nothing(
        self, feed: Dispatching, bob: Client, database: Database, settings: Settings
    ) -> None:
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await Dispatching(database, settings, bob.user["_id"]).add_changes("task.created")
            await feed.dispatcher.scan()
            await feed.run()
            assert not receiver.received

    async def test_webhook_is_behind_only_if_its_own_user_has_changes(
        self, feed: Dispatching, bob: Client, database: Database, settings: Settings
    ) -> None:
        webhook = await feed.add_webhook("https://hooks.example.com/")
        await Dispatching(database, settings, bob.user["_id"]).add_changes("task.created")
        assert await find_webhooks_behind() == []
        await feed.add_changes("task.created")
        assert [row["_id"] for row in await find_webhooks_behind()] == [webhook["_id"]]

    async def test_inactive_webhook_gets_nothing(self, feed: Dispatching) -> None:
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url, active=False)
            await feed.add_changes("task.created")
            await feed.dispatcher.scan()
            await feed.run()
            assert not receiver.received
        assert await feed.deliveries() == []

    async def test_scan_finds_changes_that_were_not_announced(self, feed: Dispatching) -> None:
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created", is_announced=False)
            await feed.run()
            assert not receiver.received
            await feed.dispatcher.scan()
            await feed.run()
            assert received_seqs(receiver) == [1]

    async def test_no_change_is_sent_twice_if_a_process_dies_before_it_stores_the_cursor(
        self, feed: Dispatching, database: Database
    ) -> None:
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created", "task.updated")
            await feed.run()
            await database.webhooks.update_one({}, {"$set": {"cursor_seq": 0}})
            await feed.add_changes("task.updated")
            feed.dispatcher = feed.new_dispatcher()
            await feed.dispatcher.scan()
            await feed.run()
            assert received_seqs(receiver) == [1, 2, 3]
        assert len(await feed.deliveries()) == 3

    async def test_many_changes_are_sent_in_order(self, feed: Dispatching, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(enqueuer, "MAX_CHANGES", 10)
        monkeypatch.setattr(deliverer, "BATCH", 4)
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes(*["task.updated"] * 35)
            await feed.run(cycles=4)
            assert received_seqs(receiver) == list(range(1, 36))

    async def test_changes_wait_in_the_feed_while_many_deliveries_are_due(
        self, feed: Dispatching, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(enqueuer, "MAX_CHANGES", 10)
        monkeypatch.setattr(enqueuer, "MAX_DUE", 15)
        async with receiving(hang, answer()) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_changes(*["task.updated"] * 35)
            for _ in range(4):
                await feed.dispatcher.run_cycle()
            await receiver.wait_for(1)
            assert len(await feed.deliveries()) == (await feed.webhook(webhook))["cursor_seq"] == 20
            await feed.dispatcher.stop(grace_seconds=0)
            feed.clock.advance(deliverer.CLAIM_DURATION)
            for _ in range(2):
                await feed.dispatcher.scan()
                await feed.run(cycles=2)
            assert received_seqs(receiver) == [1, *range(1, 36)]

    async def test_two_dispatchers_send_each_change_once(self, feed: Dispatching) -> None:
        async with receiving() as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes(*["task.updated"] * 20)
            dispatchers = [feed.new_dispatcher() for _ in range(2)]
            await asyncio.gather(*(dispatcher.run_cycle() for dispatcher in dispatchers))
            await asyncio.gather(*(dispatcher.finish() for dispatcher in dispatchers))
            assert sorted(received_seqs(receiver)) == list(range(1, 21))


class TestIndependence:
    async def test_receiver_that_hangs_does_not_delay_another(self, feed: Dispatching) -> None:
        async with receiving(hang) as slow, receiving() as quick:
            await feed.add_webhook(slow.url)
            webhook = await feed.add_webhook(quick.url)
            await feed.add_changes("task.created", "task.updated")
            await feed.dispatcher.run_cycle()
            await quick.wait_for(2)
            assert len(slow.received) == 1
            await feed.dispatcher.stop(grace_seconds=0)
        assert len(await feed.deliveries(webhook)) == 2

    async def test_slow_receivers_do_not_occupy_all_slots(
        self, feed: Dispatching, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deliverer, "MAX_CONCURRENT", 1)
        monkeypatch.setattr(deliverer, "MAX_CONCURRENT_SLOW", 1)
        feed.dispatcher = feed.new_dispatcher()
        async with receiving(answer(500), hang) as slow, receiving() as quick:
            webhooks = [await feed.add_webhook(slow.url) for _ in range(2)]
            await feed.add_delivery(webhooks[0])
            await feed.run()
            slow.replies = [answer(500), hang]
            await feed.add_delivery(webhooks[1])
            await feed.run()
            feed.clock.advance(timedelta(seconds=10))
            await feed.add_delivery(await feed.add_webhook(quick.url))
            await feed.dispatcher.run_cycle()
            await quick.wait_for(1)
            await slow.wait_for(3)
            await feed.dispatcher.stop(grace_seconds=0)

    async def test_webhook_has_one_request_in_progress(self, feed: Dispatching) -> None:
        async with receiving(hang) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            for _ in range(3):
                await feed.add_delivery(webhook)
                await feed.dispatcher.run_cycle()
            await receiver.wait_for(1)
            await feed.dispatcher.stop(grace_seconds=0)
            assert len(receiver.received) == 1

    async def test_failing_delivery_does_not_block_later_ones(self, feed: Dispatching) -> None:
        async with receiving(answer(500), answer(500), answer()) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            await feed.run()
            feed.clock.advance(timedelta(seconds=10))
            await feed.run()
            feed.clock.advance(timedelta(seconds=10))
            await feed.add_changes("task.updated")
            await feed.run()
            assert received_seqs(receiver) == [1, 1, 2]
        assert [delivery["status"] for delivery in await feed.deliveries()] == ["pending", "delivered"]

    async def test_order_is_kept_over_a_short_outage(self, feed: Dispatching) -> None:
        async with receiving(answer(503), answer()) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created", "task.updated", "task.updated")
            for _ in range(10):
                await feed.run()
                feed.clock.advance(timedelta(seconds=1))
            assert received_seqs(receiver) == [1, 1, 2, 3]


class TestInterruptions:
    async def test_claimed_delivery_is_sent_again_after_the_claim(self, feed: Dispatching) -> None:
        async with receiving(hang, answer()) as receiver:
            await feed.add_delivery(await feed.add_webhook(receiver.url))
            await feed.dispatcher.run_cycle()
            await receiver.wait_for(1)
            await feed.dispatcher.stop(grace_seconds=0)
            assert (await feed.delivery())["attempts"] == []
            feed.dispatcher = feed.new_dispatcher()
            await feed.run()
            assert len(receiver.received) == 1
            feed.clock.advance(deliverer.CLAIM_DURATION)
            await feed.dispatcher.scan()
            await feed.run()
            first, second = (received.headers["webhook-id"] for received in receiver.received)
            assert first == second
        delivery = await feed.delivery()
        assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 1)

    async def test_request_in_progress_can_end_within_the_grace_period(self, feed: Dispatching) -> None:
        async def reply_later(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.2)
            await answer()(writer)

        async with receiving(reply_later) as receiver:
            await feed.add_delivery(await feed.add_webhook(receiver.url))
            await feed.dispatcher.run_cycle()
            await receiver.wait_for(1)
            await feed.dispatcher.stop(grace_seconds=30)
        assert (await feed.delivery())["status"] == "delivered"

    async def test_delivery_of_a_deactivated_webhook_fails_without_an_attempt(
        self, feed: Dispatching, database: Database
    ) -> None:
        async with receiving() as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_delivery(webhook)
            await database.webhooks.update_one({"_id": webhook["_id"]}, {"$set": {"active": False}})
            await feed.run()
            assert not receiver.received
        delivery = await feed.delivery()
        assert (delivery["status"], delivery["attempts"], delivery["next_attempt_at"]) == ("failed", [], None)

    async def test_delivery_of_a_deleted_webhook_is_deleted(self, feed: Dispatching, database: Database) -> None:
        async with receiving() as receiver:
            await feed.add_delivery(await feed.add_webhook(receiver.url))
            await database.webhooks.delete_one({})
            await feed.run()
            assert not receiver.received
        assert await feed.deliveries() == []

    async def test_webhook_whose_secret_is_unreadable_is_deactivated(
        self, feed: Dispatching, database: Database
    ) -> None:
        async with receiving() as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_delivery(webhook)
            await database.webhooks.update_one({"_id": webhook["_id"]}, {"$set": {"secret": b"x" * 60}})
            await feed.run()
            assert not receiver.received
        assert (await feed.webhook(webhook))["disabled_reason"] == "secret_unreadable"
        assert (await feed.delivery())["status"] == "failed"

    async def test_error_of_one_webhook_does_not_stop_the_others(self, feed: Dispatching, database: Database) -> None:
        async with receiving() as receiver:
            broken = await feed.add_webhook(receiver.url)
            await feed.add_webhook(receiver.url)
            invalid = {"$set": {"types": 1}}
            await database.webhooks.update_one({"_id": broken["_id"]}, invalid, bypass_document_validation=True)
            await feed.add_changes("task.created")
            await feed.run()
            assert received_seqs(receiver) == [1]


class TestPauses:
    async def test_cycles_follow_each_other_only_while_webhooks_are_behind(
        self, feed: Dispatching, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cycles = 0

        async def scan() -> None:
            """Find nothing."""

        async def run_cycle() -> None:
            nonlocal cycles
            cycles += 1
            feed.dispatcher._behind = {ObjectId(): {}} if cycles < 3 else {}

        monkeypatch.setattr(dispatcher, "CYCLE_SECONDS", 3600)
        monkeypatch.setattr(feed.dispatcher, "scan", scan)
        monkeypatch.setattr(feed.dispatcher, "run_cycle", run_cycle)
        dispatching = asyncio.create_task(feed.dispatcher._dispatch_while_leased({}))
        for _ in range(20):
            await asyncio.sleep(0)
        assert cycles == 3
        dispatching.cancel()
        await asyncio.wait({dispatching})


class TestRotation:
    async def test_previous_secret_signs_as_well_until_its_end(self, feed: Dispatching, database: Database) -> None:
        async with receiving() as receiver:
            webhook = await feed.add_webhook(receiver.url)
            old, new = webhook["plain_secret"], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
            rotated = {
                "previous_secret": webhook["secret"],
                "previous_secret_until": naive_utc(feed.clock() + timedelta(minutes=1)),
                "secret": feed.secrets.encrypt(new, owner=webhook["_id"].binary),
            }
            await database.webhooks.update_one({"_id": webhook["_id"]}, {"$set": rotated})
            await feed.add_delivery(webhook)
            await feed.run()
            for secret in (old, new):
                receiver.received[0].verify(secret)
            feed.clock.advance(timedelta(minutes=1))
            await feed.add_delivery(webhook)
            await feed.run()
            assert receiver.received[1].headers["webhook-signature"].count("v1,") == 1
            receiver.received[1].verify(new)
