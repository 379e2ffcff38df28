"""Random sequences of requests of two users: after each step, the responses and the stored data match a model.

`make test` runs the same sequences each time. `make test-long` runs more than ten times as many, chosen at random.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from documents.tracking import page_turns
from services.maintenance.doctor import examine
from services.tracking.rules import capacity
from tests.conftest import Database, MakeUser
from tests.races.state_machine.entry_rules import EntryRules
from tests.races.state_machine.machine import Service
from tests.races.state_machine.model import Owner, truncate_to_seconds
from tests.races.state_machine.task_rules import TaskRules
from tests.races.state_machine.timer_rules import TimerRules
from tests.support.feed.model import assert_feed_matches
from tests.support.http import API, LONG, Client, Json
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.stored_tasks import read_entries

SEQUENCES, STEPS = (200, 30) if LONG else (9, 30)

OPERATIONS = {
    *("make a task", "change a task", "trash a task", "restore a task", "prefer"),
    *("start", "stop", "switch", "resume", "correct", "discard"),
    *("create an entry", "change an entry", "delete an entry", "restore an entry", "split an entry", "move an entry"),
}
"""The operations that must each succeed at least once in the long mode."""

T = TypeVar("T")


SETTINGS = hypothesis_settings(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=list(Phase) if LONG else [Phase.generate],
)


class Timekeeping(TaskRules, TimerRules, EntryRules):
    """Two users, with a model of each."""

    @initialize()
    def create_users(self) -> None:
        self.base = truncate_to_seconds(datetime.now(UTC)) - timedelta(days=4)
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
        self.user = 0
        self.compared_versions: dict[str, int] = {}
        for user in (0, 1):
            for title in ("One", "Two"):
                self.make_task(user=user, body={"title": title})
            for half_hours in ([4, 5], [0, 1], [2, 3, 4], [1, 2]):  # adjacent ranges do not overlap
                start, length = timedelta(minutes=30 * half_hours[0]), 1800 * (half_hours[-1] - half_hours[0])
                self.create_entry(user=user, pick=0, start=start, end=length, body={}, policy="forbid", if_match=None)

    def teardown(self) -> None:
        for user, client in enumerate(getattr(self, "clients", [])):
            self.compared_versions, self.user = {}, user
            self.matches_the_model()
            self.service.assert_feed_matches(client.headers["Authorization"])
            client.close()


def count_page_turns(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return a counter of the pages that are turned from now on, by the id of the task."""
    turns: Counter[str] = Counter()

    async def turn_page(user_id: ObjectId, task_id: ObjectId, **options: Any) -> bool:
        is_turned = await page_turns.turn_page(user_id, task_id, **options)
        turns[str(task_id)] += is_turned
        return is_turned

    monkeypatch.setattr(capacity, "turn_page", turn_page)
    return turns


async def find_entry(database: Database, entry_id: str) -> Json:
    """Return the ended entry with this id: hot, in a page, or deleted."""
    deleted = [row["entry"] async for row in database.deleted_entries.find()]
    entries: list[Json] = [*deleted, *(await read_entries(database))]
    (entry,) = [entry for entry in entries if str(entry["id"]) == entry_id]
    return entry


async def replay_feed(address: str, authorization: str) -> None:
    """Replay the feed of the user with this header, and compare the result with the API."""
    async with Client(base_url=address + API, headers={"Authorization": authorization}, timeout=30) as client:
        await assert_feed_matches(client)


async def test_responses_and_stored_data_match_the_model(
    make_user: MakeUser, empty_service: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model knows nothing of pages. A task with four hot entries turns one when another entry is added."""
    lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=5)
    loop, user_count = asyncio.get_running_loop(), 0

    def run_in_loop(awaitable: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(awaited(), loop).result()

    def make_token() -> str:
        nonlocal user_count
        user_count += 1
        return str(run_in_loop(make_user(f"user{user_count}@example.com")).headers["Authorization"])

    turned, taken = count_page_turns(monkeypatch), Counter[str]()

    def take_page_turns() -> dict[str, int]:
        turns = turned - taken
        taken.update(turns)
        return turns

    Timekeeping.service = Service(
        empty_service + API,
        make_token,
        lambda entry_id: run_in_loop(find_entry(database, entry_id)),
        take_page_turns,
        lambda authorization: run_in_loop(replay_feed(empty_service, authorization)),
    )
    await asyncio.to_thread(run_state_machine_as_test, Timekeeping, settings=SETTINGS)
    steps = Timekeeping.service.steps
    assert steps.total() >= SEQUENCES * STEPS
    assert turned.total() > 0, "no page was turned"
    assert not LONG or steps.keys() >= OPERATIONS
    assert (await examine()).findings == []
