"""The relay copies each change to the feed exactly once, whatever interrupts it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from documents.common.leases import Lease
from documents.feed.outboxes import CopiedItems, Outbox, read_outboxes, remove_items
from services.feed import relay as relay_module
from services.feed import removal
from services.feed.relay import ACQUIRE_SECONDS, POLL_SECONDS, SKIP_SECONDS, ChangeRelay
from tests.conftest import Database
from tests.support.feed.interrupted import expire_lease, kill, observe_commands, run_interrupted_cycle
from tests.support.feed.recorded import assert_changes_are_exact, assert_feed_is_exact
from tests.support.feed.relays import relay_everything, relays_paused, run_cycle
from tests.support.http import Client

MAX_COMMANDS = 150
"""More commands than all batches of a test take."""


@pytest.fixture(autouse=True)
async def _paused(empty_service: str, monkeypatch: pytest.MonkeyPatch, database: Database) -> AsyncIterator[None]:
    """Only the relays of the test run."""
    assert empty_service
    observe_commands(monkeypatch)
    async with relays_paused():
        await expire_lease(database)
        yield


@pytest.fixture
def may_remove(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let the removal of items wait for this event."""
    event = asyncio.Event()

    async def remove_later(copied: Sequence[CopiedItems], *, commands: int) -> list[Outbox]:
        await event.wait()
        return await remove_items(copied, commands=commands)

    monkeypatch.setattr(removal, "remove_items", remove_later)
    return event


def new_relay() -> ChangeRelay:
    """Return the relay of another process."""
    return ChangeRelay(retention=timedelta(days=30))


async def write(client: Client) -> int:
    """Change several documents of the user. Return the number of changes that this causes."""
    project = await client.make_project(name=str(ObjectId()))
    task = await client.make_task(project_id=project["id"])
    other = await client.make_task()
    await client.start(task)
    response = await client.post("/timer/switch", json={"task_id": other["id"]})
    assert response.is_success, response.text
    await client.stop()
    await client.patch("/users/me", json={"full_name": str(ObjectId())})
    return 8


class TestKilledRelay:
    @pytest.mark.parametrize(("outboxes", "step"), [(200, 1), (1, 11)], ids=["one batch", "many batches"])
    async def test_next_relay_copies_each_change_once(
        self, outboxes: int, step: int, alice: Client, bob: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.feed.relay.MAX_OUTBOXES", outboxes)
        written = 0
        for tasks, number in enumerate(range(1, MAX_COMMANDS, step), start=1):
            written += await write(alice)
            await bob.make_task()
            killed = await run_interrupted_cycle(new_relay(), number, kill)
            await expire_lease(database)
            await relay_everything(new_relay())
            await expire_lease(database)
            await assert_feed_is_exact(database, alice, written)
            await assert_changes_are_exact(database, bob, tasks)
            if not killed:
                break
        assert 8 < number < MAX_COMMANDS - 1


class TestLostLease:
    async def test_two_relays_at_once_copy_each_change_once(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        written = 0
        for number in range(1, MAX_COMMANDS):
            written += await write(alice)
            await bob.make_task()

            async def take_over() -> None:
                await expire_lease(database)
                await relay_everything(new_relay())

            was_interrupted = await run_interrupted_cycle(new_relay(), number, take_over)
            await expire_lease(database)
            await relay_everything(new_relay())
            await expire_lease(database)
            await assert_feed_is_exact(database, alice, written)
            await assert_changes_are_exact(database, bob, number)
            if not was_interrupted:
                break
        assert 8 < number < MAX_COMMANDS - 1

    async def test_released_lease_is_used_by_another_relay_only(self) -> None:
        first, second = new_relay(), new_relay()
        assert await run_cycle(first) == POLL_SECONDS
        await first.release()
        assert await run_cycle(second) == POLL_SECONDS
        assert await run_cycle(first) == ACQUIRE_SECONDS

    @pytest.mark.parametrize("name", ["begin_batch", "announce"])
    async def test_relay_that_loses_the_lease_does_not_use_it_any_more(
        self, name: str, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        relay = new_relay()
        await run_cycle(relay)
        await alice.make_task()
        with monkeypatch.context() as patch:
            method = getattr(Lease, name)

            async def take_over(*arguments: Any) -> Any:
                patch.undo()
                await expire_lease(database)
                await run_cycle(new_relay())
                return await method(*arguments)

            patch.setattr(Lease, name, take_over)
            while await run_cycle(relay) < POLL_SECONDS:
                pass
        assert await run_cycle(relay) == ACQUIRE_SECONDS


class TestWritesDuringACycle:
    async def test_no_item_is_lost_or_copied_twice(self, alice: Client, database: Database) -> None:
        written, relay = 0, new_relay()
        task = await alice.make_task()
        written += 1
        for number in range(1, MAX_COMMANDS):
            written += await write(alice)
            await alice.patch(f"/tasks/{task['id']}", json={"title": f"before {number}"})
            written += 1

            async def write_more() -> None:
                nonlocal written
                await alice.make_task()
                await alice.patch(f"/tasks/{task['id']}", json={"title": f"during {number}"})  # noqa: B023
                written += 2

            was_interrupted = await run_interrupted_cycle(relay, number, write_more)
            await relay_everything(relay)
            await assert_feed_is_exact(database, alice, written)
            if not was_interrupted:
                break
        rows = await database.changes.find({"task_id": ObjectId(task["id"])}).sort("seq", 1).to_list(None)
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))

    async def test_later_items_are_copied_while_earlier_ones_are_being_removed(
        self, alice: Client, database: Database, may_remove: asyncio.Event
    ) -> None:
        relay = new_relay()
        task = await alice.make_task()
        await run_cycle(relay)
        for number in range(2):
            await run_cycle(relay)
            assert await database.changes.count_documents({}) == number + 1
            await alice.patch(f"/tasks/{task['id']}", json={"title": f"Number {number}"})
        may_remove.set()
        await relay_everything(relay)
        await assert_feed_is_exact(database, alice, 3)

    async def test_relay_waits_while_many_documents_have_copied_items(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch, may_remove: asyncio.Event
    ) -> None:
        """Otherwise it would read all of these items again."""
        monkeypatch.setattr(removal, "MAX_DOCUMENTS", 2)
        monkeypatch.setattr(removal, "MAX_WAIT_SECONDS", 30)
        relay = new_relay()
        for _ in range(2):
            await alice.make_task()
        await run_cycle(relay)
        await run_cycle(relay)
        await alice.make_task()
        cycle = asyncio.create_task(run_cycle(relay))
        assert not (await asyncio.wait({cycle}, timeout=0.1))[0]
        may_remove.set()
        await cycle
        await relay_everything(relay)
        await assert_feed_is_exact(database, alice, 3)

    async def test_relay_does_not_wait_long_for_a_slow_removal(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch, may_remove: asyncio.Event
    ) -> None:
        monkeypatch.setattr(removal, "MAX_DOCUMENTS", 1)
        monkeypatch.setattr(removal, "MAX_WAIT_SECONDS", 0.01)
        relay = new_relay()
        for count in (1, 2):
            await alice.make_task()
            await run_cycle(relay)
            await run_cycle(relay)
            assert await database.changes.count_documents({}) == count
        may_remove.set()
        await relay_everything(relay)
        await assert_feed_is_exact(database, alice, 2)

    async def test_items_are_removed_after_a_removal_has_failed_during_the_next_batch(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch, may_remove: asyncio.Event
    ) -> None:
        async def fail_once(copied: Sequence[CopiedItems], *, commands: int) -> list[Outbox]:
            if may_remove.is_set():
                return await remove_items(copied, commands=commands)
            await may_remove.wait()
            raise AutoReconnect

        async def read_while_the_removal_fails(*arguments: Any, **options: Any) -> list[Outbox]:
            outboxes = await read_outboxes(*arguments, **options)
            may_remove.set()
            while relay._removal.is_in_progress:  # noqa: ASYNC110 -- it fails at once
                await asyncio.sleep(0)
            return outboxes

        relay = new_relay()
        with monkeypatch.context() as patch:
            patch.setattr(removal, "remove_items", fail_once)
            await alice.make_task()
            await run_cycle(relay)
            await run_cycle(relay)
            await alice.make_task()
            patch.setattr(relay_module, "read_outboxes", read_while_the_removal_fails)
            with suppress(AutoReconnect):
                await run_cycle(relay)
        await relay_everything(relay)
        await assert_feed_is_exact(database, alice, 2)


class TestOrder:
    async def test_changes_of_different_documents_are_in_the_order_of_the_requests(
        self, alice: Client, database: Database
    ) -> None:
        await write(alice)
        await relay_everything(new_relay())
        rows = await database.changes.find({"user_id": alice.user["_id"]}).sort("seq", 1).to_list(None)
        assert [row["type"] for row in rows] == [
            "project.created",
            "task.created",
            "task.created",
            "timer.started",
            "timer.stopped",
            "timer.started",
            "timer.stopped",
            "user.updated",
        ]

    async def test_order_holds_across_batches(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.feed.relay.MAX_OUTBOXES", 2)
        monkeypatch.setattr("services.feed.relay.MAX_ITEMS", 2)
        first, second, third = [await alice.make_task(title=title) for title in "abc"]
        for number in range(5):
            for task in (first, third, second):
                await alice.patch(f"/tasks/{task['id']}", json={"title": f"{number}"})
        await relay_everything(new_relay())
        await assert_feed_is_exact(database, alice, 18)
        rows = await database.changes.find({"user_id": alice.user["_id"]}).sort("seq", 1).to_list(None)
        assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
        assert len({row["position"] for row in rows}) > 3


class TestInvalidOutbox:
    @pytest.mark.parametrize(
        "outbox",
        ["text", [{"id": 1}], [1], [{"id": ObjectId(), "type": "unknown"}]],
        ids=["no array", "incomplete item", "no item", "unknown type"],
    )
    async def test_other_documents_are_relayed(
        self, outbox: object, alice: Client, bob: Client, database: Database
    ) -> None:
        task = await alice.make_task()
        await database.tasks.update_one(
            {"_id": ObjectId(task["id"])}, {"$set": {"outbox": outbox}}, bypass_document_validation=True
        )
        written = await write(bob)
        relay = new_relay()
        await relay_everything(relay)
        rows = await database.changes.find({}).to_list(None)
        assert [row["user_id"] for row in rows] == [bob.user["_id"]] * written
        assert await run_cycle(relay) == POLL_SECONDS

    async def test_documents_are_tried_again_a_minute_after_the_first_was_skipped(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        monkeypatch.setattr(relay_module, "monotonic", lambda: now)
        relay = new_relay()
        correct = {}
        for _ in range(2):
            task_id = ObjectId((await alice.make_task())["id"])
            row = await database.tasks.find_one({"_id": task_id})
            assert row is not None
            correct[task_id] = row["outbox"]
            await database.tasks.update_one(
                {"_id": task_id}, {"$set": {"outbox": "text"}}, bypass_document_validation=True
            )
            await run_cycle(relay)
            await run_cycle(relay)
            now += SKIP_SECONDS / 3
        for task_id, outbox in correct.items():
            await database.tasks.update_one({"_id": task_id}, {"$set": {"outbox": outbox}})
        assert await run_cycle(relay) == POLL_SECONDS
        assert await database.changes.count_documents({}) == 0
        now += SKIP_SECONDS / 3
        await relay_everything(relay)
        await assert_feed_is_exact(database, alice, 2)

    async def test_document_that_cannot_be_changed_delays_no_others(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        """Its items are copied, and removed when it is valid again."""
        by_id = {"_id": ObjectId((await alice.make_task())["id"])}
        await database.tasks.update_one(by_id, {"$set": {"title": 1}}, bypass_document_validation=True)
        written = await write(bob)
        relay = new_relay()
        await relay_everything(relay)
        written += await write(bob)
        await relay_everything(relay)
        await assert_changes_are_exact(database, alice, 1)
        await assert_changes_are_exact(database, bob, written)
        await database.tasks.update_one(by_id, {"$set": {"title": "Valid"}})
        await expire_lease(database)
        await relay_everything(new_relay())
        await assert_feed_is_exact(database, alice, 1)

    async def test_time_without_items_is_removed(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await relay_everything(new_relay())
        await expire_lease(database)
        await database.tasks.update_one(
            {"_id": ObjectId(task["id"])}, {"$set": {"outbox_since": alice.user["created_at"]}}
        )
        await relay_everything(new_relay())
        row = await database.tasks.find_one({"_id": ObjectId(task["id"])})
        assert row is not None
        assert "outbox_since" not in row

    async def test_copied_document_causes_no_second_change(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        row = await database.tasks.find_one({"_id": ObjectId(task["id"])})
        assert row is not None
        await database.tasks.insert_one({**row, "_id": ObjectId()})
        await relay_everything(new_relay())
        await assert_feed_is_exact(database, alice, 1)


class TestRefusedChange:
    async def test_refused_change_delays_no_others_and_is_copied_later(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        """A later version of the service may have stricter validators."""
        refused = await alice.make_task(title="refused")
        await alice.patch(f"/tasks/{refused['id']}", json={"title": "still refused"})
        written = await write(bob)
        (options,) = [row["options"] async for row in await database.list_collections(filter={"name": "changes"})]
        stricter = {"$jsonSchema": {"properties": {"task_id": {"not": {"enum": [ObjectId(refused["id"])]}}}}}
        await database.command("collMod", "changes", validator=stricter)
        relay = new_relay()
        try:
            await relay_everything(relay)
            written += await write(bob)
            await relay_everything(relay)
        finally:
            await database.command("collMod", "changes", validator=options["validator"])
        rows = await database.changes.find({}).to_list(None)
        assert [row["user_id"] for row in rows] == [bob.user["_id"]] * written
        await expire_lease(database)
        await relay_everything(new_relay())
        await assert_feed_is_exact(database, alice, 2)
        await assert_feed_is_exact(database, bob, written)


class TestExpiredFeed:
    async def test_seq_continues_after_all_changes_have_expired(self, alice: Client, database: Database) -> None:
        await write(alice)
        await relay_everything(new_relay())
        for row in await database.changes.find({}, {"_id": 1}).to_list(None):
            await database.changes.delete_one(row)
        await expire_lease(database)
        await alice.make_task()
        await relay_everything(new_relay())
        assert [row["seq"] async for row in database.changes.find({})] == [9]
