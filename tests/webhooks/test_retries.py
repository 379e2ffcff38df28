"""Retries of failed deliveries on their schedule, by a clock that the tests move."""

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from app.clock import aware_utc, truncate_to_seconds
from app.config import Settings
from services.webhooks.dispatcher import CYCLE_SECONDS, LEASE_DURATION, RENEW_SECONDS, WAIT_SECONDS
from services.webhooks.retries import MAX_JITTER, MIN_REST, RETRY_DELAYS
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.processes import free_port
from tests.webhooks.dispatching import Dispatching, seqs
from tests.webhooks.receiver import Receiver, answer, receiving

SCHEDULE = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
"""The delays of the contract, in seconds."""


@pytest.fixture
async def feed(alice: Client, database: Database, settings: Settings) -> Dispatching:
    """A dispatcher, and the feed of Alice."""
    return Dispatching(database, settings, alice.user["_id"])


async def fail_once(feed: Dispatching, receiver: Receiver) -> tuple[Json, timedelta]:
    """Run the dispatcher until the next failure. Return the delivery and the delay until its next attempt."""
    count = len(receiver.received)
    before = feed.clock()
    await feed.run()
    assert len(receiver.received) == count + 1
    delivery = await feed.delivery()
    assert delivery["status"] == "pending"
    assert aware_utc(delivery["attempts"][-1]["at"]) == before
    return delivery, aware_utc(delivery["next_attempt_at"]) - before


async def advance_to(feed: Dispatching, moment: datetime) -> None:
    """Move the clock to just before the moment, run the dispatcher, and move the clock to the moment."""
    feed.clock.advance(aware_utc(moment) - feed.clock() - timedelta(milliseconds=1))
    await feed.run()
    feed.clock.advance(timedelta(milliseconds=1))


class TestSchedule:
    def test_delays_are_those_of_the_contract(self) -> None:
        assert [delay.total_seconds() for delay in RETRY_DELAYS] == SCHEDULE

    async def test_receiver_that_always_fails_is_retried_nine_times_and_then_deactivated(
        self, feed: Dispatching
    ) -> None:
        async with receiving(answer(500)) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            for seconds in SCHEDULE:
                delivery, delay = await fail_once(feed, receiver)
                assert seconds <= delay.total_seconds() <= seconds * (1 + MAX_JITTER)
                assert (await feed.webhook(webhook))["active"]
                await advance_to(feed, max(delivery["next_attempt_at"], delivery["attempts"][-1]["at"] + MIN_REST))
            await feed.run()
            assert len(receiver.received) == 10
            assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
            assert len({received.body for received in receiver.received}) == 1
            await feed.add_changes("task.updated")
            feed.clock.advance(timedelta(days=2))
            await feed.run(cycles=2)
            assert len(receiver.received) == 10
        delivery, stored = await feed.delivery(), await feed.webhook(webhook)
        assert (delivery["status"], delivery["next_attempt_at"]) == ("failed", None)
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500] * 10
        assert (stored["active"], stored["disabled_reason"]) == (False, "delivery_failed")

    async def test_success_ends_the_retries(self, feed: Dispatching) -> None:
        async with receiving(answer(500), answer(500), answer(204)) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            for _ in range(2):
                await feed.run()
                feed.clock.advance(timedelta(minutes=6))
            await feed.run()
            feed.clock.advance(timedelta(days=3))
            await feed.run()
            assert len(receiver.received) == 3
        delivery = await feed.delivery()
        assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 500, 204]
        assert (await feed.webhook(webhook))["active"]

    async def test_failure_without_a_response_is_recorded_and_retried(self, feed: Dispatching) -> None:
        await feed.add_webhook(f"http://127.0.0.1:{free_port()}/")
        await feed.add_changes("task.created")
        await feed.run()
        delivery = await feed.delivery()
        (attempt,) = delivery["attempts"]
        assert (delivery["status"], attempt["status_code"]) == ("pending", None)
        assert attempt["error"] == "The receiver did not accept the connection."
        assert attempt["milliseconds"] >= 0

    async def test_failed_retry_by_the_user_does_not_deactivate_the_webhook(self, feed: Dispatching) -> None:
        async with receiving(answer(500)) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_delivery(webhook, attempt_count=10)
            await feed.run()
            assert len(receiver.received) == 1
        assert (await feed.delivery())["status"] == "failed"
        assert (await feed.webhook(webhook))["active"]


class TestGone:
    async def test_410_deactivates_the_webhook_at_once(self, feed: Dispatching) -> None:
        async with receiving(answer(410)) as receiver:
            webhook = await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created", "task.updated")
            await feed.run()
            feed.clock.advance(timedelta(days=3))
            await feed.run()
            assert seqs([received.json for received in receiver.received]) == [1]
        assert [delivery["status"] for delivery in await feed.deliveries()] == ["failed", "failed"]
        stored = await feed.webhook(webhook)
        assert (stored["active"], stored["disabled_reason"]) == (False, "gone")


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    async def test_overloaded_receiver_gets_nothing_until_then(self, status: int, feed: Dispatching) -> None:
        async with receiving(answer(status, Retry_After="3600"), answer()) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            delivery, delay = await fail_once(feed, receiver)
            assert delay >= timedelta(hours=1)
            await feed.add_changes("task.updated")
            await advance_to(feed, delivery["next_attempt_at"])
            assert len(receiver.received) == 1
            await feed.run()
            assert seqs([received.json for received in receiver.received]) == [1, 1, 2]

    async def test_date_is_accepted(self, feed: Dispatching) -> None:
        moment = truncate_to_seconds(feed.clock() + timedelta(hours=2))
        async with receiving(answer(429, Retry_After=format_datetime(moment, usegmt=True))) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            delivery, _ = await fail_once(feed, receiver)
        assert aware_utc(delivery["next_attempt_at"]) == moment

    async def test_delay_is_at_most_24_hours(self, feed: Dispatching) -> None:
        async with receiving(answer(429, Retry_After="8640000")) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            _, delay = await fail_once(feed, receiver)
        assert delay == timedelta(hours=24)

    async def test_shorter_delay_than_in_the_schedule_has_no_effect(self, feed: Dispatching) -> None:
        async with receiving(answer(429, Retry_After="0")) as receiver:
            await feed.add_webhook(receiver.url)
            await feed.add_changes("task.created")
            _, delay = await fail_once(feed, receiver)
        assert delay >= timedelta(seconds=5)


class TestTimes:
    def test_dead_worker_is_replaced_within_five_seconds(self) -> None:
        assert LEASE_DURATION.total_seconds() + WAIT_SECONDS <= 5
        assert LEASE_DURATION.total_seconds() > RENEW_SECONDS + CYCLE_SECONDS

    def test_rest_after_a_failure_outlasts_the_first_retry(self) -> None:
        assert RETRY_DELAYS[0] * (1 + MAX_JITTER) < MIN_REST
