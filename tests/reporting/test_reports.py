import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from documents.reporting.entry_reader import read_ended_entries
from documents.tracking.queries.entry_filter import EntryFilter
from services.reporting.row_keys import GroupBy
from services.reporting.summary import MAX_FILLED_ROWS
from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json, ago, instant, parameters, problem
from tests.support.stored_documents import ended_entry, project_row, running_entry, task_row, tracked

WEEK = {"from": "2026-11-16", "to": "2026-11-23"}
GROUPS: tuple[str, ...] = get_args(GroupBy)
EURO = {"amount": 9000, "currency": "EUR"}
DOLLAR = {"amount": 6000, "currency": "USD"}


def entry(at: str, minutes: int = 60, **fields: Any) -> Json:
    """An entry that begins at this time of UTC in November 2026, such as 18 09:00, as it is stored."""
    return ended_entry(at=datetime.fromisoformat(f"2026-11-{at}"), minutes=minutes, **fields)


async def put(database: Database, client: Client, *entries: Json, **fields: Any) -> str:
    """The id of a new task of the user that has these entries."""
    in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]))
    row = task_row(client.user["_id"], **{**(tracked(*in_order) if entries else {}), **fields})
    await database.tasks.insert_one(row)
    return str(row["_id"])


async def project(database: Database, client: Client, **fields: Any) -> Any:
    row = project_row(client.user["_id"], **fields)
    await database.projects.insert_one(row)
    return row["_id"]


async def report(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/summary", params={**WEEK, **parameters})
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


async def seconds(client: Client, **parameters: Any) -> dict[str | None, int]:
    """The seconds of each row, by its key."""
    return {row["key"]: row["seconds"] for row in (await report(client, **parameters))["rows"]}


async def timesheet(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/timesheet", params=parameters)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


async def today(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/today", params=parameters)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


class TestASummary:
    async def test_of_nothing_is_empty(self, alice: Client) -> None:
        assert await report(alice) == {
            "from": "2026-11-16T00:00:00Z",
            "to": "2026-11-23T00:00:00Z",
            "timezone": "UTC",
            "week_start": 0,
            "group_by": "day",
            "rounding": None,
            "rounding_scope": "entry",
            "total_seconds": 0,
            "rounded_total_seconds": 0,
            "running_seconds": 0,
            "overlapping": False,
            "amounts": [],
            "rows": [],
        }

    async def test_says_of_each_day_what_was_tracked(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry("18 09:00", 90, billable=True, hourly_rate=EURO), entry("17 23:30", 60))
        found = await report(alice)
        assert found["rows"] == [
            {
                "key": "2026-11-17",
                "label": "2026-11-17",
                "seconds": 1800,
                "rounded_seconds": 1800,
                "entry_count": 1,
                "amounts": [],
            },
            {
                "key": "2026-11-18",
                "label": "2026-11-18",
                "seconds": 7200,
                "rounded_seconds": 7200,
                "entry_count": 2,
                "amounts": [{"currency": "EUR", "amount": 13500}],
            },
        ]
        assert found["total_seconds"] == found["rounded_total_seconds"] == 9000
        assert found["amounts"] == [{"currency": "EUR", "amount": 13500}]

    async def test_goes_by_the_users_own_zone_and_week(self, make_user: MakeUser, database: Database) -> None:
        ada = await make_user("ada@example.com", timezone="Asia/Kathmandu", week_start=6)
        await put(database, ada, entry("17 18:00", 30))  # midnight is at 18:15
        found = await report(ada, group_by="day")
        assert (found["timezone"], found["week_start"], found["from"]) == (
            "Asia/Kathmandu",
            6,
            "2026-11-15T18:15:00Z",
        )
        assert [(row["key"], row["seconds"]) for row in found["rows"]] == [("2026-11-17", 900), ("2026-11-18", 900)]
        assert await seconds(ada, group_by="week") == {"2026-11-15": 1800}
        assert await seconds(ada, group_by="week", week_start="2") == {"2026-11-11": 900, "2026-11-18": 900}
        assert await seconds(ada, group_by="day", timezone="UTC") == {"2026-11-17": 1800}

    async def test_follows_a_change_of_the_preferences_at_once(self, alice: Client) -> None:
        assert (await report(alice))["week_start"] == 0
        await alice.patch("/users/me", json={"week_start": 3, "timezone": "Asia/Tokyo"})
        found = await report(alice)
        assert (found["week_start"], found["timezone"]) == (3, "Asia/Tokyo")

    async def test_takes_instants_as_well_and_cuts_fractions_off(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry("18 09:00", 60))
        found = await report(alice, **{"from": "2026-11-18T10:15:00.900+01:00", "to": "2026-11-18T09:45:00.100Z"})
        assert (found["from"], found["to"]) == ("2026-11-18T09:15:00Z", "2026-11-18T09:45:00Z")
        assert found["total_seconds"] == 1800

    async def test_meets_neither_an_entry_before_nor_one_after_it(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry("15 23:00"), entry("23 00:00"))
        assert (await report(alice))["rows"] == []

    async def test_counts_an_entry_of_no_seconds(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry("16 00:00", 0), entry("23 00:00", 0))
        (row,) = (await report(alice))["rows"]
        assert (row["seconds"], row["entry_count"]) == (0, 1)

    async def test_leaves_out_the_trash_until_it_is_restored(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.write(task)
        await alice.delete(f"/tasks/{task['id']}")
        assert (await report(alice))["total_seconds"] == 0
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await report(alice))["total_seconds"] == 3600

    async def test_never_tells_of_somebody_elses_time(self, alice: Client, bob: Client, database: Database) -> None:
        hers = await project(database, alice, client_name="canary")
        task = await put(database, alice, entry("18 09:00"), project_id=hers, tags=["canary"])
        await database.tasks.update_one({}, {"$set": {"active": running_entry()}})
        for sent in (*({"group_by": group} for group in GROUPS), {"task_id": task}, {"project_id": str(hers)}):
            found = await report(bob, include_running="true", **sent)
            assert (found["total_seconds"], found["running_seconds"], found["rows"]) == (0, 0, [])
        assert (await timesheet(bob, date="2026-11-18", include_running="true"))["rows"] == []
        shown = await today(bob)
        assert (shown["timer"], shown["week_seconds"], shown["recent_tasks"]) == (None, 0, [])


class TestTheRowsOfASummary:
    @pytest.fixture
    async def tracked_week(self, alice: Client, database: Database) -> dict[str, str]:
        """A task of a project with a client, one of a project without, and one of none: three, two and one hour."""
        site = await project(database, alice, name="Site", client_name="Ada")
        shop = await project(database, alice, name="Shop")
        first = await put(
            database,
            alice,
            entry("16 09:00", 120, billable=True, hourly_rate=EURO, tags=["mail"]),
            entry("17 09:00", 60, tags=["web"]),
            title="First",
            project_id=site,
            tags=["web"],
        )
        second = await put(
            database,
            alice,
            entry("17 13:00", 120, billable=True, hourly_rate=DOLLAR),
            title="Second",
            project_id=shop,
            status="completed",
        )
        third = await put(database, alice, entry("22 23:00", 60), title="Third")
        return {"site": str(site), "shop": str(shop), "first": first, "second": second, "third": third}

    async def test_are_about_what_is_asked_for(self, alice: Client, tracked_week: dict[str, str]) -> None:
        hour, it = 3600, tracked_week
        assert await seconds(alice, group_by="task") == {
            it["first"]: 3 * hour,
            it["second"]: 2 * hour,
            it["third"]: hour,
        }
        assert await seconds(alice, group_by="project") == {it["site"]: 3 * hour, it["shop"]: 2 * hour, None: hour}
        assert await seconds(alice, group_by="client") == {"Ada": 3 * hour, None: 3 * hour}
        assert await seconds(alice, group_by="tag") == {"web": 3 * hour, None: 3 * hour, "mail": 2 * hour}
        assert await seconds(alice, group_by="status") == {"in_progress": 4 * hour, "completed": 2 * hour}
        assert await seconds(alice, group_by="billable") == {"true": 4 * hour, "false": 2 * hour}
        assert await seconds(alice, group_by="weekday") == {"0": 2 * hour, "1": 3 * hour, "6": hour}
        assert await seconds(alice, group_by="week") == {"2026-11-16": 6 * hour}
        assert await seconds(alice, group_by="month") == {"2026-11": 6 * hour}
        assert await seconds(alice, group_by="quarter") == {"2026-Q4": 6 * hour}
        assert await seconds(alice, group_by="year") == {"2026": 6 * hour}
        assert await seconds(alice, group_by="hour") == {
            "09": 2 * hour,
            "10": hour,
            "13": hour,
            "14": hour,
            "23": hour,
        }

    async def test_are_labelled_for_people_and_the_most_comes_first(
        self, alice: Client, tracked_week: dict[str, str]
    ) -> None:
        assert tracked_week
        for group, labels in {
            "task": ["First", "Second", "Third"],
            "project": ["Site", "Shop", "(no project)"],
            "client": ["(no client)", "Ada"],
            "tag": ["(no tag)", "web", "mail"],
            "status": ["in progress", "completed"],
            "billable": ["billable", "not billable"],
            "weekday": ["Monday", "Tuesday", "Sunday"],
        }.items():
            assert [row["label"] for row in (await report(alice, group_by=group))["rows"]] == labels

    async def test_may_overlap_by_tags_while_the_total_counts_once(
        self, alice: Client, tracked_week: dict[str, str]
    ) -> None:
        assert tracked_week
        found = await report(alice, group_by="tag", rounding="up:45", rounding_scope="total")
        assert found["overlapping"] is True
        assert found["total_seconds"] == 6 * 3600 < sum(row["seconds"] for row in found["rows"])
        assert found["rounded_total_seconds"] == 6 * 3600  # 8 times 45 minutes: as one row
        assert found["amounts"] == [{"currency": "EUR", "amount": 18000}, {"currency": "USD", "amount": 12000}]

    async def test_hold_others_with_two_groups(self, alice: Client, tracked_week: dict[str, str]) -> None:
        found = await report(alice, group_by="project,task")
        assert found["group_by"] == "project,task"
        assert [(row["key"], [inner["label"] for inner in row["rows"]]) for row in found["rows"]] == [
            (tracked_week["site"], ["First"]),
            (tracked_week["shop"], ["Second"]),
            (None, ["Third"]),
        ]
        for row in found["rows"]:
            (inner,) = row["rows"]
            assert {**inner, "key": row["key"], "label": row["label"], "rows": [inner]} == row

    async def test_hold_each_day_in_its_order(self, alice: Client, tracked_week: dict[str, str]) -> None:
        found = await report(alice, group_by="project,day", task_id=tracked_week["first"])
        (row,) = found["rows"]
        assert [inner["key"] for inner in row["rows"]] == ["2026-11-16", "2026-11-17"]

    async def test_may_be_hours_on_either_level(self, alice: Client, tracked_week: dict[str, str]) -> None:
        found = await report(alice, group_by="hour,task", explain="true")
        assert [row["key"] for row in found["rows"]] == ["09", "10", "13", "14", "23"]
        nine, *_ = found["rows"]
        assert [(inner["label"], inner["seconds"], inner["entry_count"]) for inner in nine["rows"]] == [
            ("First", 7200, 2)
        ]
        assert [(piece["from"], piece["to"]) for piece in nine["rows"][0]["slices"]] == [
            ("2026-11-16T09:00:00Z", "2026-11-16T10:00:00Z"),
            ("2026-11-17T09:00:00Z", "2026-11-17T10:00:00Z"),
        ]
        turned = await report(alice, group_by="task,hour", task_id=tracked_week["first"])
        (row,) = turned["rows"]
        assert {inner["key"]: inner["seconds"] for inner in row["rows"]} == {"09": 7200, "10": 3600}
        filled = await report(alice, group_by="hour,task", fill="true")
        assert [row["key"] for row in filled["rows"]] == [f"{hour:02}" for hour in range(24)]
        assert [row for row in filled["rows"] if row["seconds"]] == (await report(alice, group_by="hour,task"))["rows"]
        assert filled["rows"][0]["rows"] == []
        long = {"from": "2025-12-31", "to": "2027-01-02", "fill": "true"}
        assert list(await seconds(alice, **long, group_by="year")) == ["2025", "2026", "2027"]
        assert list(await seconds(alice, **long, group_by="quarter,hour")) == [
            "2025-Q4",
            *(f"2026-Q{quarter}" for quarter in range(1, 5)),
            "2027-Q1",
        ]

    async def test_are_narrowed_by_filters(self, alice: Client, tracked_week: dict[str, str]) -> None:
        it = tracked_week
        for sent, hours in (
            ({"task_id": it["first"]}, 3),
            ({"project_id": it["shop"]}, 2),
            ({"project_id": "none"}, 1),
            ({"tag": "mail"}, 2),
            ({"tag": "web"}, 3),
            ({"tag": ["mail", "other"], "group_by": "day"}, 2),
            ({"status": "completed"}, 2),
            ({"status": ["completed", "in_progress"]}, 6),
            ({"billable": "true"}, 4),
            ({"billable": "false", "task_id": it["first"]}, 1),
            ({"tag": "$tags"}, 0),
            ({"task_id": "0" * 24}, 0),
        ):
            assert (await report(alice, **sent))["total_seconds"] == hours * 3600, sent

    async def test_list_the_slices_that_they_add_up(self, alice: Client, database: Database) -> None:
        late = entry("16 23:30", 60)
        task = await put(database, alice, late, entry("16 09:00", 30))
        found = await report(alice, group_by="task", explain="true")
        (row,) = found["rows"]
        assert [piece["seconds"] for piece in row["slices"]] == [1800, 1800, 1800]
        assert row["slices"][1:] == [
            {
                "task_id": task,
                "entry_id": str(late["id"]),
                "from": f"2026-11-{since}Z",
                "to": f"2026-11-{until}Z",
                "seconds": 1800,
            }
            for since, until in (("16T23:30:00", "17T00:00:00"), ("17T00:00:00", "17T00:30:00"))
        ]
        assert "slices" not in (await report(alice))["rows"][0]
        (outer,) = (await report(alice, group_by="task,day", explain="true"))["rows"]
        assert "slices" not in outer
        assert [len(inner["slices"]) for inner in outer["rows"]] == [2, 1]

    async def test_are_there_for_empty_days_when_that_is_asked_for(self, alice: Client, database: Database) -> None:
        await put(database, alice, entry("18 09:00"))
        found = await report(alice, fill="true", to="2026-11-20")
        assert [row["seconds"] for row in found["rows"]] == [0, 0, 3600, 0]
        assert found["rows"][0] == {**found["rows"][2], "key": "2026-11-16", "label": "2026-11-16"} | {
            "seconds": 0,
            "rounded_seconds": 0,
            "entry_count": 0,
        }
        assert await seconds(alice, fill="true", group_by="task") == await seconds(alice, group_by="task")
        days = {"from": "2013-01-01", "fill": "true"}
        assert len(await seconds(alice, **days, to="2026-09-10")) == MAX_FILLED_ROWS
        refused = await alice.get("/reports/summary", params={**days, "to": "2026-09-11", "group_by": "day"})
        assert parameters(refused) == {"fill"}
        years = {"from": "1996-01-01", "to": "2027-01-01", "group_by": "weekday", "fill": "true"}
        assert list(await seconds(alice, **years)) == list("0123456")
        apia = {"from": "2011-12-28", "to": "2012-01-02", "timezone": "Pacific/Apia", "fill": "true"}
        assert list(await seconds(alice, **apia)) == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]

    async def test_round_as_asked_while_the_raw_seconds_stay(self, alice: Client, database: Database) -> None:
        rate: Json = {"billable": True, "hourly_rate": EURO}
        await put(database, alice, entry("18 09:00", 10, **rate), entry("18 10:00", 10, **rate))
        for scope, rounded, amount in (("entry", 1800, 4500), ("day", 1800, 4500), ("total", 1800, 4500)):
            found = await report(alice, rounding="up:15", rounding_scope=scope)
            assert (found["total_seconds"], found["rounded_total_seconds"]) == (1200, rounded)
            assert found["amounts"] == [{"currency": "EUR", "amount": amount}]
            assert (found["rounding"], found["rounding_scope"]) == ("up:15", scope)
        down = await report(alice, rounding="down:15", rounding_scope="entry")
        assert (down["rounded_total_seconds"], down["rows"][0]["rounded_seconds"]) == (0, 0)
        assert (await report(alice, rounding_scope="total"))["rounded_total_seconds"] == 1200

    async def test_show_amounts_of_any_size(self, alice: Client, database: Database) -> None:
        much = {"amount": 2**62, "currency": "USD"}
        await put(database, alice, entry("18 09:00", 600, billable=True, hourly_rate=much), title="Grüße")
        found = await report(alice, group_by="task")
        assert found["amounts"] == found["rows"][0]["amounts"] == [{"currency": "USD", "amount": 10 * 2**62}]
        assert found["rows"][0]["label"] == "Grüße"


class TestTheTotals:
    async def test_are_the_same_for_every_grouping(self, alice: Client, database: Database) -> None:
        rate: Json = {"billable": True, "hourly_rate": {"amount": 12345, "currency": "EUR"}}
        minutes = (1, 5, 9, 12, 14, 15, 16, 30, 7, 8)
        for number, length in enumerate(minutes):
            work = entry(f"{number + 1:02} 08:55", length, tags=["a", "b"][: number % 3], **rate)
            await put(database, alice, work, title=f"Task {number % 4}", tags=["c"] * (number % 2))
        groupings = [*GROUPS, *(f"{one},{other}" for one in GROUPS for other in ("tag", "hour") if one != other)]
        totals = []
        for group_by in groupings:
            found = await report(
                alice, **{"from": "2026-11-01", "to": "2026-12-01"}, group_by=group_by, rounding="up:15"
            )
            totals.append((found["total_seconds"], found["rounded_total_seconds"], found["amounts"]))
        # Twelve quarters of an hour at 30.8625; in rows of days they would be 370.32 together.
        assert totals == [(sum(minutes) * 60, 12 * 900, [{"currency": "EUR", "amount": 37035}])] * len(groupings)

    @pytest.mark.parametrize(("scope", "rounded"), [("entry", 45), ("day", 30), ("total", 15)])
    async def test_round_what_the_scope_says_whatever_the_rows_are(
        self, alice: Client, database: Database, scope: str, rounded: int
    ) -> None:
        rate: Json = {"billable": True, "hourly_rate": EURO}
        await put(database, alice, entry("17 09:00", 4, **rate), entry("18 09:00", 4, **rate))
        await put(database, alice, entry("18 10:00", 4, **rate), tags=["a", "b"])
        for group_by in (*GROUPS, "task,day", "tag,task"):
            found = await report(alice, group_by=group_by, rounding="up:15", rounding_scope=scope)
            assert (found["total_seconds"], found["rounded_total_seconds"]) == (720, rounded * 60), group_by
            assert found["amounts"] == [{"currency": "EUR", "amount": rounded * 150}], group_by


class TestTheRunningTimer:
    async def test_is_told_apart_and_counted_when_asked_for(self, alice: Client) -> None:
        task = await alice.make_task(title="Now", tags=["now"])
        await alice.start(task, started_at=ago(hours=2))
        span = {"from": ago(days=2), "to": ago(days=-1), "group_by": "task"}
        found = await report(alice, **span)
        assert found["rows"] == []
        assert 7200 <= found["running_seconds"] < 7500
        counted = await report(alice, **span, include_running="true", explain="true", tag="now")
        (row,) = counted["rows"]
        assert (row["key"], row["label"], row["entry_count"]) == (task["id"], "Now", 1)
        assert row["seconds"] == counted["total_seconds"] == counted["running_seconds"] >= found["running_seconds"]
        assert sum(piece["seconds"] for piece in row["slices"]) == row["seconds"]

    async def test_counts_only_within_the_time_and_the_filters(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=2))
        start = instant((await alice.get("/timer")).json()["entry"]["started_at"])
        span = {"from": ago(hours=3), "to": (start + timedelta(minutes=1)).isoformat()}
        assert (await report(alice, **span, include_running="true"))["total_seconds"] == 60
        for sent in ({"billable": "true"}, {"tag": "other"}, {"project_id": "0" * 24}, {"status": "pending"}):
            found = await report(alice, **span, **sent, include_running="true")
            assert (found["total_seconds"], found["running_seconds"]) == (0, 0)
        long_ago = {"from": "2020-11-16", "to": "2020-11-23"}
        assert (await report(alice, **long_ago, include_running="true"))["running_seconds"] == 0

    async def test_is_counted_once_however_it_stops(self, alice: Client) -> None:
        task = await alice.make_task()
        span = {"from": ago(hours=5), "to": ago(hours=-1), "include_running": "true", "group_by": "task"}
        for _ in range(5):
            await alice.start(task, started_at=ago(hours=1))
            found, _ = await asyncio.gather(report(alice, **span), alice.stop())
            assert 3600 <= found["total_seconds"] < 3900
            (row,) = found["rows"]
            assert row["entry_count"] == 1
            entry_id = (await alice.read(task))["time_entries"][0]["id"]
            await alice.delete(f"/tasks/{task['id']}/time-entries/{entry_id}")


class TestATimerThatIsStoppedWhileAReportIsRead:
    async def test_is_left_out_of_the_ended_ones_when_it_was_seen_running(self, alice: Client) -> None:
        task = await alice.make_task()
        kept = await alice.write(task, started_at=ago(hours=3), duration_seconds=60)
        seen = (await alice.start(task, started_at=ago(hours=2)))["entry"]
        await alice.stop()
        for but, ids in ((None, {kept["id"], seen["id"]}), (ObjectId(seen["id"]), {kept["id"]})):
            wanted = EntryFilter(task_id=ObjectId(task["id"]))
            ended = read_ended_entries(
                alice.user["_id"], wanted, exclude_id=but, task_fields=("title",), entry_fields=("id",)
            )
            (found,) = [row async for row in ended]
            assert {str(entry["id"]) for entry in found["entries"]} == ids


class TestManyTasks:
    async def test_are_all_added_up_over_several_trips(self, alice: Client, database: Database) -> None:
        rows = [task_row(alice.user["_id"], **tracked(entry("18 09:00", number % 7))) for number in range(205)]
        await database.tasks.insert_many(rows)
        found = await report(alice, group_by="task")
        assert {row["key"]: row["seconds"] for row in found["rows"]} == {
            str(row["_id"]): row["tracked_seconds"] for row in rows
        }
        wanted = EntryFilter()
        ended = read_ended_entries(alice.user["_id"], wanted, exclude_id=None, task_fields=(), entry_fields=())
        assert (await anext(ended))["entries"]
        for row in rows:
            await database.tasks.update_one({"_id": row["_id"]}, {"$set": {"deleted_at": row["created_at"]}})
        # What goes to the trash while a report is read is not in the trips that follow.
        assert len([task async for task in ended]) < 100
        by_most = sorted(((row["seconds"], row["key"]) for row in found["rows"]), key=lambda pair: (-pair[0], pair[1]))
        assert [row["key"] for row in found["rows"]] == [key for _, key in by_most]


class TestAWrongQuestion:
    @pytest.mark.parametrize(
        ("sent", "parameter"),
        [
            ({"from": "2026-11-23"}, "from"),
            ({"from": "2026-11-22T23:59:59.500Z", "to": "2026-11-22T23:59:59.900Z"}, "from"),
            ({"from": "yesterday"}, "from"),
            ({"to": "2026-11-18T09:00:00"}, "to"),
            ({"timezone": "Mars/Olympus"}, "timezone"),
            ({"task_id": "nonsense"}, "task_id"),
            ({"project_id": "nonsense"}, "project_id"),
            ({"tag": " "}, "tag"),
            ({"status": "done"}, "status"),
            ({"billable": "1"}, "billable"),
            ({"include_running": "yes"}, "include_running"),
            ({"group_by": "minute"}, "group_by"),
            ({"group_by": "hour,hour"}, "group_by"),
            ({"group_by": ""}, "group_by"),
            ({"group_by": "day,"}, "group_by"),
            ({"group_by": "day,day"}, "group_by"),
            ({"group_by": "day,task,tag"}, "group_by"),
            ({"group_by": ["day", "task"]}, "group_by"),
            ({"week_start": "7"}, "week_start"),
            ({"week_start": "1.0"}, "week_start"),
            ({"rounding": "up"}, "rounding"),
            ({"rounding": "up:0"}, "rounding"),
            ({"rounding": "up:1441"}, "rounding"),
            ({"rounding": "up:15.5"}, "rounding"),
            ({"rounding": "up:-15"}, "rounding"),
            ({"rounding": "off:15"}, "rounding"),
            ({"rounding": f"up:{'9' * 5000}"}, "rounding"),
            ({"rounding_scope": "week"}, "rounding_scope"),
            ({"fill": "1"}, "fill"),
            ({"fill": "true", "from": "1970-01-01"}, "fill"),
            ({"explain": "1"}, "explain"),
            ({"date": "2026-11-18"}, "date"),
        ],
    )
    async def test_about_a_summary_is_422_and_says_where(self, alice: Client, sent: Json, parameter: str) -> None:
        assert parameters(await alice.get("/reports/summary", params={**WEEK, **sent})) == {parameter}

    async def test_without_a_time_is_422(self, alice: Client) -> None:
        assert parameters(await alice.get("/reports/summary")) == {"from", "to"}
        assert parameters(await alice.get("/reports/summary", params={"from": "2026-11-18"})) == {"to"}

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            ("timesheet", {"date": "2026-11-18T09:00:00Z"}),
            ("timesheet", {"date": "2026-02-30"}),
            ("timesheet", {"date": "9999-01-01"}),
            ("timesheet", {"week_start": "-1"}),
            ("timesheet", {"from": "2026-11-18"}),
            ("timesheet", {"group_by": "day"}),
            ("today", {"timezone": ""}),
            ("today", {"date": "2026-11-18"}),
        ],
    )
    async def test_about_a_day_is_422_and_says_where(self, alice: Client, path: str, sent: Json) -> None:
        assert parameters(await alice.get(f"/reports/{path}", params=sent)) == set(sent)


class TestATimesheet:
    async def test_is_a_grid_of_a_week(self, alice: Client, database: Database) -> None:
        second = await put(database, alice, entry("22 23:30", 60), entry("16 09:00", 10), title="b")
        first = await put(database, alice, entry("18 23:30", 60), entry("23 09:00", 60), title="a")
        assert await timesheet(alice, date="2026-11-18") == {
            "timezone": "UTC",
            "week_start": 0,
            "days": [f"2026-11-{day}" for day in range(16, 23)],
            "rows": [
                {
                    "task_id": first,
                    "title": "a",
                    "project_id": None,
                    "seconds": [0, 0, 1800, 1800, 0, 0, 0],
                    "total": 3600,
                },
                {
                    "task_id": second,
                    "title": "b",
                    "project_id": None,
                    "seconds": [600, 0, 0, 0, 0, 0, 1800],
                    "total": 2400,
                },
            ],
            "day_totals": [600, 0, 1800, 1800, 0, 0, 1800],
            "total": 6000,
        }

    async def test_has_seven_days_although_one_was_skipped(self, alice: Client, database: Database) -> None:
        task = ended_entry(at=datetime(2011, 12, 30, 9), minutes=120)  # noqa: DTZ001 -- as it is stored
        await put(database, alice, task)
        sheet = await timesheet(alice, date="2011-12-30", timezone="Pacific/Apia", week_start=6)
        assert sheet["days"] == [f"2011-12-{day}" for day in range(25, 32)]
        assert sheet["day_totals"] == [0, 0, 0, 0, 3600, 0, 3600]

    async def test_is_of_this_week_unless_a_date_is_sent(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        before = datetime.now(UTC).date().isoformat()
        sheet = await timesheet(alice, include_running="true")
        assert {before, datetime.now(UTC).date().isoformat()} & set(sheet["days"])
        assert len(sheet["rows"]) == 1
        assert (await timesheet(alice))["rows"] == []

    async def test_can_be_narrowed(self, alice: Client, database: Database) -> None:
        shop = await project(database, alice)
        await put(database, alice, entry("18 09:00"), project_id=shop)
        await put(database, alice, entry("18 09:00", 30))
        assert (await timesheet(alice, date="2026-11-18", project_id=str(shop)))["total"] == 3600
        (row,) = (await timesheet(alice, date="2026-11-18", project_id=str(shop)))["rows"]
        assert row["project_id"] == str(shop)

    async def test_may_be_of_the_first_and_the_last_week(self, alice: Client) -> None:
        assert (await timesheet(alice, date="1970-01-01"))["days"][0] == "1969-12-29"
        assert (await timesheet(alice, date="9998-12-31", timezone="Pacific/Kiritimati"))["total"] == 0


class TestToday:
    async def test_of_somebody_new_shows_nothing(self, alice: Client) -> None:
        shown = await today(alice, timezone="Asia/Tokyo")
        assert shown == {
            "date": instant(shown["server_time"]).astimezone(ZoneInfo("Asia/Tokyo")).date().isoformat(),
            "timezone": "Asia/Tokyo",
            "week_start": 0,
            "today_seconds": 0,
            "week_seconds": 0,
            "timer": None,
            "recent_tasks": [],
            "server_time": shown["server_time"],
        }

    async def test_counts_the_running_timer_up_to_now(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        shown = await today(alice)
        assert shown["timer"]["task_id"] == task["id"]
        assert shown["timer"]["server_time"] == shown["server_time"]
        elapsed = shown["timer"]["elapsed_seconds"]
        assert shown["today_seconds"] <= elapsed  # midnight may have come in between
        assert shown["week_seconds"] <= elapsed
        (recent,) = shown["recent_tasks"]
        assert recent == {
            "id": task["id"],
            "title": task["title"],
            "project_id": None,
            "status": "in_progress",
            "tracked_seconds": 0,
            "last_tracked_at": shown["server_time"],
        }

    async def test_shows_the_five_tasks_tracked_last(self, alice: Client, database: Database) -> None:
        made = [await put(database, alice, entry(f"{day} 09:00")) for day in range(10, 17)]
        trashed = await put(database, alice, entry("17 09:00"), deleted_at=datetime(2026, 11, 18))  # noqa: DTZ001
        await put(database, alice)
        recent = [task["id"] for task in (await today(alice))["recent_tasks"]]
        assert recent == made[:1:-1]
        assert trashed not in recent
        await alice.start({"id": made[3]})
        recent = [task["id"] for task in (await today(alice))["recent_tasks"]]
        assert recent == [made[3], made[6], made[5], made[4], made[2]]

    async def test_adds_up_the_day_and_the_week(self, alice: Client, database: Database) -> None:
        while True:
            now = datetime.now(UTC).replace(tzinfo=None)
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            monday = midnight - timedelta(days=midnight.weekday())
            hour = ended_entry(at=midnight, minutes=60)
            around = ended_entry(at=monday - timedelta(minutes=30), minutes=60)
            await database.tasks.delete_many({})
            await put(database, alice, hour, around)
            shown = await today(alice)
            if shown["date"] == now.date().isoformat():
                break
        assert shown["today_seconds"] == (5400 if monday == midnight else 3600)
        assert shown["week_seconds"] == 5400


class TestWhatIsNotAllowed:
    @pytest.mark.parametrize("path", ["summary", "timesheet", "today"])
    async def test_is_to_ask_without_a_token(self, anonymous: Client, path: str) -> None:
        problem(await anonymous.get(f"/reports/{path}"), 401, "not_authenticated")
