"""Lists of time entries over any range: each entry once, with few queries across gaps."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from app.clock import naive_utc
from app.config import Settings
from app.database.setup import bind
from documents.registry import DOCUMENTS
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.timeline import EntryOrder, find_entries
from tests.conftest import Database
from tests.support.feed.relays import relays_paused
from tests.support.http import LONG, Client, Json
from tests.support.services import restoring_documents
from tests.support.stored_documents import ended_entry, project_row, task_row, tracked

EVER = {"from": "1970-01-01", "to": "9998-12-31T23:59:59Z"}
FIRST_INSTANT, LAST_INSTANT = datetime(1970, 1, 1), datetime(9998, 12, 31, 23, 59, 59)  # noqa: DTZ001
MINUTES_OF_DECADES = 40 * 365 * 24 * 60


def now() -> datetime:
    return naive_utc(datetime.now(UTC).replace(microsecond=0))


async def insert(database: Database, client: Client, entries: list[Json], **fields: Any) -> str:
    """Insert a task with these entries and return its id."""
    in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]))
    row = task_row(client.user["_id"], **{**tracked(*in_order), **fields})
    await database.tasks.insert_one(row)
    return str(row["_id"])


async def listed(client: Client, **parameters: Any) -> list[str]:
    """Return the ids of all entries, read page by page."""
    ids: list[str] = []
    while True:
        response = await client.get("/time-entries", params=parameters)
        assert response.status_code == 200, response.text
        page = response.json()
        ids += [item["id"] for item in page["items"]]
        assert len(page["items"]) == parameters["limit"] or page["next_cursor"] is None
        if page["next_cursor"] is None:
            return ids
        parameters["cursor"] = page["next_cursor"]


class Years:
    """Random tasks over many years, with gaps of years, and the expected list of their entries."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rows: list[tuple[Json, Json]] = []

    def starts(self) -> list[datetime]:
        """Return instants in a few clusters: near both ends of the calendar, around today, and in between."""
        chance, today = self.chance, now()
        middles = [
            FIRST_INSTANT,
            today,
            today - timedelta(minutes=chance.randrange(MINUTES_OF_DECADES)),
            today - timedelta(days=chance.randrange(500)),
            today + timedelta(days=chance.randrange(1, 400)),
            LAST_INSTANT - timedelta(days=1000),
        ]
        width = timedelta(days=chance.choice((1, 30, 900)))
        starts = [
            chance.choice(middles) + chance.randrange(-40, 40) * (width / 40) for _ in range(chance.randrange(1, 15))
        ]
        return [min(max(start, FIRST_INSTANT), LAST_INSTANT).replace(microsecond=0) for start in starts]

    async def write(self, database: Database, client: Client, project_id: ObjectId) -> None:
        """Insert some tasks."""
        for _ in range(8):
            lengths = (0, 1, 30, 30, 60 * 24 * 31, 60 * 24 * 365 * 3)
            entries = [
                ended_entry(
                    at=start,
                    minutes=int(
                        min(timedelta(minutes=self.chance.choice(lengths)), LAST_INSTANT - start).total_seconds()
                    )
                    // 60,
                    tags=self.chance.choice(([], ["rare"], ["mail"], ["mail"])),
                )
                for start in self.starts()
            ]
            fields = {"project_id": self.chance.choice((None, project_id))}
            task_id = await insert(database, client, entries, **fields)
            self.rows += [({**fields, "id": task_id}, entry) for entry in entries]

    def expected(self, since: datetime, until: datetime, **filters: Any) -> list[str]:
        """Return the ids of the entries that intersect the range, oldest start first."""
        entries = [
            entry
            for task, entry in self.rows
            if entry["started_at"] < until
            and (entry["ended_at"] > since or entry["started_at"] >= since)
            and filters.get("tag") in {None, *entry["tags"]}
            and filters.get("project_id") in {None, str(task["project_id"])}
            and filters.get("task_id") in {None, task["id"]}
        ]
        return [str(entry["id"]) for entry in sorted(entries, key=lambda entry: (entry["started_at"], entry["id"]))]

    def questions(self, project_id: ObjectId) -> Iterator[tuple[datetime, datetime, Json]]:
        """Yield ranges of all lengths, with or without a filter. Their bounds are often those of entries."""
        instants = [instant for _, entry in self.rows for instant in (entry["started_at"], entry["ended_at"])]
        for _ in range(40 if LONG else 5):
            ends = {self.chance.choice([*instants, FIRST_INSTANT, LAST_INSTANT]) for _ in range(2)}
            since, until = min(ends), max(ends)
            filters: Json = self.chance.choice(
                ({}, {}, {"tag": "rare"}, {"project_id": str(project_id)}, {"task_id": self.rows[0][0]["id"]})
            )
            if since < until:
                yield since, until, filters
        yield FIRST_INSTANT, LAST_INSTANT, {}
        yield FIRST_INSTANT, LAST_INSTANT, {"tag": "rare"}


@pytest.mark.usefixtures("entry_storage")
class TestListOfAnyRange:
    @pytest.mark.parametrize("seed", range(12 if LONG else 2))
    async def test_list_contains_each_entry_of_the_range_once_in_order(
        self, alice: Client, database: Database, seed: int
    ) -> None:
        project, years = project_row(alice.user["_id"]), Years(seed)
        await database.projects.insert_one(project)
        await years.write(database, alice, project["_id"])
        for since, until, filters in years.questions(project["_id"]):
            params = {"from": f"{since.isoformat()}Z", "to": f"{until.isoformat()}Z", **filters}
            expected = years.expected(since, until, **filters)
            limit = years.chance.choice((15, 40, 200))
            assert await listed(alice, **params, limit=limit, sort="started_at") == expected, params
            assert await listed(alice, **params, limit=limit) == expected[::-1], params

    async def test_list_of_all_years_contains_the_running_entry_in_order(
        self, alice: Client, database: Database
    ) -> None:
        before, after = (ended_entry(at=now() + timedelta(days=days)) for days in (-4000, 4000))
        await insert(database, alice, [before, after])
        running = (await alice.start(await alice.make_task()))["entry"]
        expected = [str(before["id"]), running["id"], str(after["id"])]
        for limit in (1, 2, 50):
            assert await listed(alice, **EVER, limit=limit, sort="started_at") == expected
            assert await listed(alice, **EVER, limit=limit) == expected[::-1]

    async def test_list_of_a_new_user_is_empty(self, alice: Client) -> None:
        assert await listed(alice, **EVER, limit=50) == []

    async def test_list_contains_entries_that_started_long_before_the_range(
        self, alice: Client, database: Database
    ) -> None:
        long = ended_entry(at=datetime(1990, 1, 1), minutes=60 * 24 * 365 * 20)  # noqa: DTZ001
        late = ended_entry(at=datetime(2026, 1, 1))  # noqa: DTZ001
        await insert(database, alice, [long])
        await insert(database, alice, [late, ended_entry(at=datetime(1985, 1, 1))])  # noqa: DTZ001
        params = {"from": "2009-12-01", "to": "2026-11-01"}
        for limit in (1, 50):
            assert await listed(alice, **params, limit=limit) == [str(late["id"]), str(long["id"])]
            assert await listed(alice, **params, limit=limit, sort="started_at") == [str(long["id"]), str(late["id"])]


class Counter(CommandListener):
    """Counts the aggregations of tasks and pages of a client."""

    def __init__(self) -> None:
        self.aggregations = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.aggregations += event.command.get("aggregate") in {"tasks", "task_pages"}

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to count."""


class TestQueriesOfAllYears:
    @pytest.fixture
    async def counter(self, database: Database, settings: Settings) -> AsyncIterator[Counter]:
        """Count the aggregations that the documents send to the database."""
        counter, url = Counter(), settings.database_url
        assert url is not None
        client: Any = AsyncMongoClient(url.get_secret_value(), event_listeners=[counter])
        async with relays_paused(), restoring_documents(database):
            await bind(client[settings.database_name], DOCUMENTS)
            yield counter
        await client.close()

    async def aggregations(self, client: Client, counter: Counter, *, descending: bool, **filters: Any) -> list[int]:
        """Return the number of aggregations for each page of 50 entries."""
        counts, order = [], EntryOrder(descending=descending)
        ever = EntryFilter(since=FIRST_INSTANT, until=LAST_INSTANT, **filters)
        while True:
            counter.aggregations = 0
            page = await find_entries(client.user["_id"], ever, order, limit=50, now=now())
            counts.append(counter.aggregations)
            if len(page) < 50:
                return counts
            last = page[-1]["entry"]
            order = replace(order, after=(last["started_at"], last["id"]))

    @pytest.mark.parametrize("descending", [True, False])
    async def test_pages_take_few_queries_across_gaps(
        self, alice: Client, database: Database, counter: Counter, descending: bool
    ) -> None:
        assert max(await self.aggregations(alice, counter, descending=descending)) <= 20
        long_ago = [ended_entry(at=datetime(1975, 1, day + 1)) for day in range(20)]  # noqa: DTZ001
        lately = [ended_entry(at=now() - timedelta(days=day / 4)) for day in range(500)]
        await insert(database, alice, [*long_ago, *lately[::2]])
        await insert(database, alice, lately[1::2])
        await insert(database, alice, [ended_entry(at=LAST_INSTANT - timedelta(days=day)) for day in range(1, 20)])
        counts = await self.aggregations(alice, counter, descending=descending)
        assert len(counts) == 1 + 539 // 50
        assert max(counts) <= 30
        assert median(counts) <= 3
        assert max(await self.aggregations(alice, counter, descending=descending, tags=("none",))) <= 40
