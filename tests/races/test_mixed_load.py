"""Concurrent requests of all kinds about the same few tasks: no second is lost or counted twice."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.ledger import Ledger, Stored
from tests.races.mixed_load import WEIGHTS, run_mixed_load
from tests.support.feed.model import assert_feed_matches
from tests.support.http import LONG, Client, ago
from tests.support.pages.entry_storage import lower_thresholds

SENDERS = 16
STEPS = 125 if LONG else 30


class TestMixedLoad:
    async def test_every_acknowledged_second_is_stored_exactly_once(
        self,
        alice: Client,
        database: Database,
        record_property: Callable[[str, object], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Tasks turn pages all the time: one is due at four hot entries, and two entries move."""
        lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=5)
        ledger = Ledger()
        for number in range(4):
            ledger.add(await alice.post("/tasks", json={"title": str(number)}))
        tasks = list(ledger.tasks)
        await run_mixed_load([alice], tasks, ledger, seed="mix", senders=SENDERS, steps=STEPS)
        record_property("answers", dict(ledger.statuses))
        assert ledger.statuses.total() == SENDERS * STEPS
        assert ledger.succeeded.keys() == WEIGHTS.keys()
        collections = (database.tasks, database.task_pages, database.deleted_entries)
        stored = Stored.of(*[await collection.find().to_list() for collection in collections])
        assert stored.pages > 0
        ledger.compare(stored)
        assert (await examine()).findings == []
        await assert_feed_matches(alice)


@pytest.mark.parametrize("policy", ["allow", "warn"])
class TestConcurrentWritesOfOneEntry:
    async def test_one_of_twenty_deletions_succeeds(self, alice: Client, policy: str) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=2), "duration_seconds": 60})).json()
        requests = [alice.delete(f"{path}/{entry['id']}", params={"overlap": policy}) for _ in range(20)]
        responses = await asyncio.gather(*requests)
        assert Counter(response.status_code for response in responses) == {204: 1, 404: 19}

    async def test_twenty_updates_are_all_applied(self, alice: Client, policy: str) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=5))
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=2), "duration_seconds": 60})).json()
        changes = [{"started_at": ago(hours=3 + number), "note": str(number)} for number in range(20)]
        responses = await asyncio.gather(
            *(alice.patch(f"{path}/{entry['id']}", json=change, params={"overlap": policy}) for change in changes)
        )
        assert {response.status_code for response in responses} == {200}
        assert (await alice.read(task))["version"] == 3 + len(changes)
        assert (await examine()).findings == []
