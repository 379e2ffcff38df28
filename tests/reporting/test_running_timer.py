import asyncio
from datetime import timedelta

import pytest
from bson import ObjectId

from documents.reporting.entry_reader import read_ended_entries
from documents.tracking.queries.entry_filter import EntryFilter
from tests.reporting.report_requests import (
    get_summary,
)
from tests.support.http import Client, ago, instant


@pytest.mark.usefixtures("entry_storage")
class TestRunningTimer:
    async def test_running_seconds_are_separate_unless_include_running_is_set(self, alice: Client) -> None:
        task = await alice.make_task(title="Now", tags=["now"])
        await alice.start(task, started_at=ago(hours=2))
        time_range = {"from": ago(days=2), "to": ago(days=-1), "group_by": "task"}
        summary = await get_summary(alice, **time_range)
        assert summary["rows"] == []
        assert 7200 <= summary["running_seconds"] < 7500
        included = await get_summary(alice, **time_range, include_running="true", explain="true", tag="now")
        (row,) = included["rows"]
        assert (row["key"], row["label"], row["entry_count"]) == (task["id"], "Now", 1)
        assert row["seconds"] == included["total_seconds"] == included["running_seconds"] >= summary["running_seconds"]
        assert sum(piece["seconds"] for piece in row["slices"]) == row["seconds"]

    async def test_timer_counts_only_within_the_range_and_the_filters(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=2))
        start = instant((await alice.get("/timer")).json()["entry"]["started_at"])
        time_range = {"from": ago(hours=3), "to": (start + timedelta(minutes=1)).isoformat()}
        assert (await get_summary(alice, **time_range, include_running="true"))["total_seconds"] == 60
        for query in ({"billable": "true"}, {"tag": "other"}, {"project_id": "0" * 24}, {"status": "pending"}):
            summary = await get_summary(alice, **time_range, **query, include_running="true")
            assert (summary["total_seconds"], summary["running_seconds"]) == (0, 0)
        past = {"from": "2020-11-16", "to": "2020-11-23"}
        assert (await get_summary(alice, **past, include_running="true"))["running_seconds"] == 0

    async def test_timer_stopped_during_a_report_counts_once(self, alice: Client) -> None:
        task = await alice.make_task()
        time_range = {"from": ago(hours=5), "to": ago(hours=-1), "include_running": "true", "group_by": "task"}
        for _ in range(5):
            await alice.start(task, started_at=ago(hours=1))
            summary, _ = await asyncio.gather(get_summary(alice, **time_range), alice.stop())
            assert 3600 <= summary["total_seconds"] < 3900
            (row,) = summary["rows"]
            assert row["entry_count"] == 1
            entry_id = (await alice.read(task))["time_entries"][0]["id"]
            await alice.delete(f"/tasks/{task['id']}/time-entries/{entry_id}")


class TestReadEndedEntries:
    async def test_excluded_entry_is_left_out(self, alice: Client) -> None:
        task = await alice.make_task()
        other = await alice.write(task, started_at=ago(hours=3), duration_seconds=60)
        stopped = (await alice.start(task, started_at=ago(hours=2)))["entry"]
        await alice.stop()
        for exclude_id, ids in ((None, {other["id"], stopped["id"]}), (ObjectId(stopped["id"]), {other["id"]})):
            entry_filter = EntryFilter(task_id=ObjectId(task["id"]))
            ended = read_ended_entries(
                alice.user["_id"], entry_filter, exclude_id=exclude_id, task_fields=("title",), entry_fields=("id",)
            )
            (ended_task,) = [row async for row in ended]
            assert {str(entry["id"]) for entry in ended_task["entries"]} == ids
