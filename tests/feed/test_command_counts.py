"""The number of database commands of requests, to which recording changes adds none, and of relays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from app.config import Settings
from app.database.setup import bind
from documents.common.outbox import HAS_OUTBOX
from documents.registry import DOCUMENTS, OUTBOX_DOCUMENTS
from documents.reporting.task_windows import TASKS_PER_WINDOW
from services.accounts.authentication import authentication_service
from services.feed.relay import (
    ACQUIRE_SECONDS,
    BATCH_SECONDS,
    GATHER_SECONDS,
    MIN_PAUSE_SECONDS,
    POLL_SECONDS,
    ChangeRelay,
)
from tests.conftest import Database
from tests.feed.recorded_requests import RATE
from tests.support.feed.interrupted import expire_lease
from tests.support.feed.relays import relays_paused, run_cycle
from tests.support.http import Client, Json, ago
from tests.support.pages.inserting import insert_paged
from tests.support.services import restoring_documents
from tests.support.stored_documents import ended_entry, insert_rows, task_row, tracked

COLLECTIONS = {"tasks", "task_pages", "projects", "users", "deleted_entries"}
"""The collections of the data of users. The relay also writes to others."""

FEED_COLLECTIONS = {"changes", "feed_states", "leases"}
"""The other collections that a relay uses."""

LOOK = [f"aggregate {name}" for document in OUTBOX_DOCUMENTS if (name := document.Settings.name) in COLLECTIONS]
"""The commands with which a relay looks for changes, and those with which it reads them."""

SUMMARY = "/reports/summary?from=2026-11-16&to=2026-11-23"


class SentCommands(CommandListener):
    """The commands about the data of users: those of requests, and separately those of relays."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.relay_commands: list[str] = []
        self.filters: list[Json] = []
        """The filters that select documents, of requests and relays."""

    def started(self, event: CommandStartedEvent) -> None:
        name, collection = event.command_name, event.command.get(event.command_name)
        if name == "commitTransaction":
            self.relay_commands.append(name)
        elif not isinstance(collection, str):
            return
        elif collection in FEED_COLLECTIONS:
            self.relay_commands.append(f"{name} {collection}")
        elif collection in COLLECTIONS:
            commands = self.relay_commands if _is_of_the_relay(event.command) else self.commands
            commands.append(f"{name} {collection}")
            self.filters += _filters_of(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to count."""


def _filters_of(command: Any) -> list[Json]:
    """Return the filters with which the command selects documents."""
    first_stages = [stage["$match"] for stage in command.get("pipeline", ())[:1] if "$match" in stage]
    changes = [change["q"] for change in (*command.get("updates", ()), *command.get("deletes", ()))]
    return [*first_stages, *changes, *([command["filter"]] if "filter" in command else [])]


def _is_of_the_relay(command: Any) -> bool:
    """Return whether the command reads or empties outboxes."""
    stages = command.get("pipeline") or [{}]
    updates = [update["u"] for update in command.get("updates", ())]
    empties = any(
        "outbox" in (update.get("$unset", {}) if isinstance(update, dict) else str(update)) for update in updates
    )
    return empties or stages[0].get("$match") == HAS_OUTBOX


@pytest.fixture
async def counted(database: Database, settings: Settings) -> AsyncIterator[SentCommands]:
    """Count the commands that the documents send to the database."""
    listener, url = SentCommands(), settings.database_url
    assert url is not None
    client: Any = AsyncMongoClient(url.get_secret_value(), event_listeners=[listener])
    async with restoring_documents(database):
        await bind(client[settings.database_name], DOCUMENTS)
        yield listener
    await client.close()


async def count(counted: SentCommands, client: Client, method: str, path: str, body: Json | None = None) -> list[str]:
    """Send a request, and return its commands. A request just before it has authenticated the user for ten seconds."""
    async with relays_paused():
        authentication_service.invalidate(client.user["_id"])
        await client.get("/users/me")
        counted.commands.clear()
        response = await client.request(method, path, json=body)
        assert response.is_success, response.text
        return counted.commands[:]


class TestCommandsOfARequest:
    async def test_reads_take_one_command(self, alice: Client, counted: SentCommands) -> None:
        task = await alice.make_task()
        await alice.list()  # also reads the bounds of the sort key, which are cached
        for path in (f"/tasks/{task['id']}", "/tasks"):
            assert len(await count(counted, alice, "GET", path)) == 1

    async def test_list_of_entries_reads_no_task_by_itself(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        week = "/time-entries?from=2026-11-16&to=2026-11-23"
        hot = ["aggregate tasks", "aggregate tasks"]
        for _ in range(3):
            await alice.write(await alice.make_task())
            assert await count(counted, alice, "GET", week) == hot
        for _ in range(3):
            await insert_paged(database, alice, [ended_entry()], [ended_entry()])
            sent = await count(counted, alice, "GET", week)
            assert sent == [*hot, "aggregate task_pages", "aggregate tasks"]

    async def test_list_of_entries_of_any_time_searches_few_ranges(self, alice: Client, counted: SentCommands) -> None:
        await alice.get("/users/me")
        assert await count(counted, alice, "GET", "/time-entries") == ["aggregate tasks"] * 10
        await alice.write(await alice.make_task())
        assert await count(counted, alice, "GET", "/time-entries") == ["aggregate tasks"] * 10
        assert await count(counted, alice, "GET", "/time-entries?sort=started_at") == ["aggregate tasks"] * 12

    async def test_creation_takes_one_command(self, alice: Client, counted: SentCommands) -> None:
        await alice.make_task()
        assert await count(counted, alice, "POST", "/tasks", {"title": "New"}) == ["insert tasks"]

    async def test_update_takes_two_commands(self, alice: Client, counted: SentCommands) -> None:
        task = await alice.make_task()
        sent = await count(counted, alice, "PATCH", f"/tasks/{task['id']}", {"title": "New"})
        assert sent == ["aggregate tasks", "update tasks"]

    async def test_start_and_stop_take_two_commands(self, alice: Client, counted: SentCommands) -> None:
        task = await alice.make_task()
        started = await count(counted, alice, "POST", "/timer/start", {"task_id": task["id"]})
        stopped = await count(counted, alice, "POST", "/timer/stop")
        assert [started, stopped] == [["aggregate tasks", "update tasks"], ["find tasks", "update tasks"]]

    async def test_start_with_a_title_takes_one_command(self, alice: Client, counted: SentCommands) -> None:
        project = await alice.make_project()
        assert await count(counted, alice, "POST", "/timer/start", {"title": "New"}) == ["insert tasks"]
        await alice.stop()
        sent = await count(counted, alice, "POST", "/timer/start", {"title": "New", "project_id": project["id"]})
        assert sent == ["aggregate projects", "insert tasks", "aggregate projects"]

    async def test_switch_takes_four_commands(self, alice: Client, counted: SentCommands) -> None:
        first, second = await alice.make_task(), await alice.make_task()
        await alice.start(first)
        sent = await count(counted, alice, "POST", "/timer/switch", {"task_id": second["id"]})
        assert sent == ["find tasks", "aggregate tasks", "update tasks", "update tasks"]

    async def test_switch_to_a_new_task_takes_three_commands(self, alice: Client, counted: SentCommands) -> None:
        await alice.start(await alice.make_task())
        sent = await count(counted, alice, "POST", "/timer/switch", {"title": "New"})
        assert sent == ["find tasks", "update tasks", "insert tasks"]

    async def test_stop_of_a_billable_timer_reads_the_project(self, alice: Client, counted: SentCommands) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        await alice.start(await alice.make_task(project_id=project["id"]))
        sent = await count(counted, alice, "POST", "/timer/stop")
        assert sent == ["find tasks", "aggregate projects", "update tasks"]

    async def test_summary_of_a_month_takes_one_command_and_one_for_the_timer(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        for tasks in (1, 99, 1, 100):
            rows = [task_row(alice.user["_id"], **tracked(ended_entry())) for _ in range(tasks)]
            await insert_rows(database, "tasks", rows)
            assert await count(counted, alice, "GET", SUMMARY) == ["aggregate tasks"] * 2

    async def test_several_summaries_take_as_many_commands_as_one(self, alice: Client, counted: SentCommands) -> None:
        await alice.write(await alice.make_task())
        path = SUMMARY.replace("summary", "summaries")
        sent = await count(counted, alice, "GET", f"{path}&group_by=day&group_by=task&group_by=tag,hour")
        assert sent == ["aggregate tasks"] * 2

    async def test_summary_of_years_takes_one_command_per_100_tasks(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        ends = [now - timedelta(hours=hours) for hours in range(24, 24 * 730, 24)]
        rows = [task_row(alice.user["_id"], **tracked(ended_entry(at=end))) for end in ends]
        await insert_rows(database, "tasks", rows)
        path = f"/reports/summary?from={ends[-1]:%Y-%m-%d}&to={now:%Y-%m-%d}&group_by=year"
        sent = await count(counted, alice, "GET", path)
        timer_and_closing = 2
        assert set(sent) == {"aggregate tasks"}
        assert len(sent) - timer_and_closing <= len(rows) / TASKS_PER_WINDOW + 2

    async def test_summary_reads_the_pages_of_several_tasks_together(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        await alice.make_task()
        pages_and_check = ["aggregate task_pages", "find task_pages", "aggregate tasks"]
        for _ in range(3):
            await insert_paged(database, alice, [ended_entry()], [ended_entry()])
            sent = await count(counted, alice, "GET", SUMMARY)
            assert sent == ["aggregate tasks", "aggregate tasks", *pages_and_check]

    async def test_today_reads_the_tasks_of_the_week_once(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        project = await alice.make_project()
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        sent = []
        for tasks in (6, 1, 200):
            rows = [
                task_row(alice.user["_id"], **tracked(ended_entry(at=now)), project_id=ObjectId(project["id"]))
                for _ in range(tasks)
            ]
            await insert_rows(database, "tasks", rows)
            sent.append(await count(counted, alice, "GET", "/reports/today"))
        assert sent == [["find tasks", "aggregate tasks", "aggregate projects"]] * 3

    async def test_today_searches_recent_tasks_only_if_the_week_has_few(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        long_ago = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=30)
        rows = [task_row(alice.user["_id"], **tracked(ended_entry(at=long_ago))) for _ in range(6)]
        await insert_rows(database, "tasks", rows)
        running, week, *recent = await count(counted, alice, "GET", "/reports/today")
        assert [running, week] == ["find tasks", "aggregate tasks"]
        assert set(recent) == {"aggregate tasks"}
        assert len(recent) <= 2

    async def test_new_entry_takes_two_commands(self, alice: Client, counted: SentCommands) -> None:
        task = await alice.make_task()
        body = {"started_at": ago(hours=1), "duration_seconds": 60}
        sent = await count(counted, alice, "POST", f"/tasks/{task['id']}/time-entries", body)
        assert sent == ["aggregate tasks", "update tasks"]

    async def test_documents_are_found_by_their_ids_alone(
        self, alice: Client, counted: SentCommands, database: Database
    ) -> None:
        # The embedded store examines all indexes for each field of a filter that is compared with a value.
        project = await alice.make_project()
        task, other = await alice.make_task(project_id=project["id"]), await alice.make_task()
        await insert_paged(database, alice, [ended_entry()], [ended_entry()])
        counted.filters.clear()
        await count(counted, alice, "GET", f"/tasks/{task['id']}")
        await count(counted, alice, "PATCH", f"/tasks/{task['id']}", {"title": "New"})
        await count(counted, alice, "PATCH", f"/projects/{project['id']}", {"name": "New"})
        await count(counted, alice, "POST", "/timer/start", {"task_id": task["id"]})
        await count(counted, alice, "POST", "/timer/switch", {"task_id": other["id"]})
        await count(counted, alice, "POST", "/timer/stop")
        await count(counted, alice, "GET", "/reports/today")
        await count(counted, alice, "GET", "/time-entries?from=2026-11-16&to=2026-11-23")
        of_task = f"task_id={task['id']}"
        for path in (f"/tasks/{task['id']}/time-entries", f"/time-entries?{of_task}", f"{SUMMARY}&{of_task}"):
            await count(counted, alice, "GET", path)
        by_id = [query for query in counted.filters if "_id" in query and not isinstance(query["_id"], dict)]
        values = {field: value for query in by_id for field, value in query.items() if not isinstance(value, dict)}
        assert len(by_id) >= 10
        assert [field for field, value in values.items() if value is not None] == ["_id"]


class TestCommandsOfARelay:
    @pytest.fixture(autouse=True)
    async def _only_relays_of_the_test(
        self, empty_service: str, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[None]:
        assert empty_service
        monkeypatch.setattr("services.feed.relay.RENEW_SECONDS", 60.0)
        monkeypatch.setattr("services.feed.relay.LEASE_DURATION", timedelta(minutes=2))
        monkeypatch.setattr("services.feed.removal.SLOW_SECONDS", 60.0)
        async with relays_paused():
            await expire_lease(database)
            yield
            await expire_lease(database)

    async def test_idle_cycle_takes_one_command_for_each_collection(self, counted: SentCommands) -> None:
        relay, other = ChangeRelay(retention=timedelta(days=30)), ChangeRelay(retention=timedelta(days=30))
        await run_cycle(relay)
        counted.relay_commands.clear()
        assert [await run_cycle(relay) for _ in range(3)] == [POLL_SECONDS] * 3
        assert counted.relay_commands == LOOK * 3
        counted.relay_commands.clear()
        assert await run_cycle(other) == ACQUIRE_SECONDS
        assert counted.relay_commands == ["find leases"]

    async def test_commands_of_a_batch_do_not_depend_on_its_size(self, alice: Client, counted: SentCommands) -> None:
        relay = ChangeRelay(retention=timedelta(days=30))
        sent = []
        for size in (1, 1, 16):
            for _ in range(size):
                await alice.make_task()
            counted.relay_commands.clear()
            assert await run_cycle(relay) == GATHER_SECONDS
            assert MIN_PAUSE_SECONDS <= await run_cycle(relay) <= BATCH_SECONDS
            await relay._removal.finish()
            sent.append(counted.relay_commands[:])
            assert await run_cycle(relay) == POLL_SECONDS
        begin = [LOOK[0], *LOOK, "commitTransaction", "insert changes"]
        assert sent[-1][: len(begin)] == begin
        assert sorted(sent[-1][len(begin) :]) == ["update leases", "update tasks"]
        assert sorted(sent[1]) == sorted(sent[2])

    async def test_batch_after_a_batch_does_not_look_first(self, alice: Client, counted: SentCommands) -> None:
        relay = ChangeRelay(retention=timedelta(days=30))
        await alice.make_task()
        assert await run_cycle(relay) == GATHER_SECONDS
        await run_cycle(relay)
        await relay._removal.finish()
        await alice.make_task()
        counted.relay_commands.clear()
        await run_cycle(relay)
        await relay._removal.finish()
        begin = [*LOOK, "commitTransaction", "insert changes"]
        assert counted.relay_commands[: len(begin)] == begin
        assert sorted(counted.relay_commands[len(begin) :]) == ["update leases", "update tasks"]
