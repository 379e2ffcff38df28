"""By chance: any sequence of requests of two users does what a model in plain Python says, after each step.

`make test` runs the same sequences each time, `make test-long` ten times as many, and others each time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
from bson import ObjectId
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis.stateful import initialize, run_state_machine_as_test

from services.maintenance.doctor import examine
from tests.conftest import Database, MakeUser
from tests.races.state_machine.entry_rules import EntryRules
from tests.races.state_machine.machine import Service
from tests.races.state_machine.model import Owner, whole
from tests.races.state_machine.task_rules import TaskRules
from tests.races.state_machine.timer_rules import TimerRules
from tests.support.http import API, LONG, Json

SEQUENCES, STEPS = (200, 30) if LONG else (14, 30)

OPERATIONS = {
    *("make a task", "change a task", "trash a task", "restore a task", "prefer"),
    *("start", "stop", "switch", "resume", "correct", "discard"),
    *("create an entry", "change an entry", "delete an entry", "restore an entry", "split an entry", "move an entry"),
}
"""What has succeeded at least once in as many sequences as the long mode has."""

T = TypeVar("T")


EXAMPLES = examples(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=list(Phase) if LONG else [Phase.generate],
)


class Timekeeping(TaskRules, TimerRules, EntryRules):
    """Two users, with a model of each."""

    @initialize()
    def begin(self) -> None:
        self.base = whole(datetime.now(UTC)) - timedelta(days=4)
        self.owners = [Owner(), Owner()]
        self.clients = [
            httpx.Client(
                base_url=self.service.base_url,
                headers={"Authorization": self.service.make_token()},
                timeout=60,
                verify=False,
            )
            for _ in self.owners
        ]
        self.last = 0
        self.seen: dict[str, int] = {}
        for who in (0, 1):
            for title in ("One", "Two"):
                self.make_task(who=who, body={"title": title})
            for half_hours in ([4, 5], [0, 1], [2, 3, 4], [1, 2]):  # back to back, which never overlaps
                start, length = timedelta(minutes=30 * half_hours[0]), 1800 * (half_hours[-1] - half_hours[0])
                self.create_entry(who=who, pick=0, start=start, end=length, body={}, policy="forbid", match=None)

    def teardown(self) -> None:
        for who, client in enumerate(getattr(self, "clients", [])):
            self.seen, self.last = {}, who
            self.is_as_the_model_says()
            client.close()


async def test_any_sequence_of_requests_does_what_the_model_says(
    make_user: MakeUser, empty_service: str, database: Database
) -> None:
    loop, made = asyncio.get_running_loop(), 0

    def here(work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), loop).result()

    def make_token() -> str:
        nonlocal made
        made += 1
        return str(here(make_user(f"user{made}@example.com")).headers["Authorization"])

    async def stored_entry(entry_id: str) -> Json:
        wanted = ObjectId(entry_id)
        gone = await database.deleted_entries.find_one({"_id": wanted})
        task = await database.tasks.find_one({"time_entries": {"$elemMatch": {"id": wanted}}})
        entries = [gone["entry"]] if gone else [one for one in (task or {})["time_entries"] if one["id"] == wanted]
        (entry,) = entries
        found: Json = entry
        return found

    Timekeeping.service = Service(
        empty_service + API, make_token, lambda entry_id: here(stored_entry(entry_id)), Counter()
    )
    await asyncio.to_thread(run_state_machine_as_test, Timekeeping, settings=EXAMPLES)
    steps = Timekeeping.service.steps
    assert steps.total() >= SEQUENCES * STEPS
    assert not LONG or steps.keys() >= OPERATIONS
    assert (await examine()).findings == []
