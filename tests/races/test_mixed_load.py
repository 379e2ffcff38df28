"""Everything at once on the same few tasks: no second is lost, none is counted twice."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.ledger import Ledger, Stored
from tests.races.mixed_load import WEIGHTS, mix
from tests.support.http import LONG, Client, ago

HANDS = 16
STEPS = 125 if LONG else 50


class TestHundredsOfRequestsSixteenAtOnce:
    async def test_leave_every_acknowledged_second_exactly_once(
        self, alice: Client, database: Database, record_property: Callable[[str, object], None]
    ) -> None:
        ledger = Ledger()
        for number in range(4):
            ledger.believe(await alice.post("/tasks", json={"title": str(number)}))
        tasks = list(ledger.tasks)
        await mix([alice], tasks, ledger, seed="mix", hands=HANDS, steps=STEPS)
        record_property("answers", dict(ledger.answers))
        assert ledger.answers.total() == HANDS * STEPS
        assert ledger.done.keys() == WEIGHTS.keys()
        tasks_stored, deleted = await database.tasks.find().to_list(), await database.deleted_entries.find().to_list()
        ledger.compare(Stored.of(tasks_stored, deleted))
        assert (await examine()).findings == []


@pytest.mark.parametrize("policy", ["allow", "warn"])
class TestTwentyWritesOfOneEntryAtOnce:
    async def test_delete_it_once(self, alice: Client, policy: str) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=2), "duration_seconds": 60})).json()
        requests = [alice.delete(f"{path}/{entry['id']}", params={"overlap": policy}) for _ in range(20)]
        answers = await asyncio.gather(*requests)
        assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 19}

    async def test_are_all_done_one_after_the_other(self, alice: Client, policy: str) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=5))
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=2), "duration_seconds": 60})).json()
        changes = [{"started_at": ago(hours=3 + number), "note": str(number)} for number in range(20)]
        answers = await asyncio.gather(
            *(alice.patch(f"{path}/{entry['id']}", json=change, params={"overlap": policy}) for change in changes)
        )
        assert {answer.status_code for answer in answers} == {200}
        assert (await alice.read(task))["version"] == 3 + len(changes)
        assert (await examine()).findings == []
