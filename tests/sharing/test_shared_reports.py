"""Shared reports: what somebody without an account reads."""

import asyncio

import pytest

from services.reporting import summary as totals
from tests.conftest import Database, MakeUser
from tests.sharing.share_requests import SUMMARY, TIMESHEET, post_share, read, read_report, secret_of, share
from tests.support.http import PASSWORD, Client, Json, clock, parameters, pointers, problem

EUR_60 = {"amount": 6000, "currency": "EUR"}


async def track(client: Client) -> tuple[Json, Json]:
    """Track two hours on a task of a project, and half an hour on a task without one. Return the two tasks."""
    project = await client.make_project(name="Website", client_name="Ada", hourly_rate=EUR_60, billable=True)
    offer = await client.make_task(title="Offer", project_id=project["id"], tags=["sales"])
    mail = await client.make_task(title="Mail")
    await client.write(offer, note="First draft")
    await client.write(offer, started_at=clock("11:00"), note="Second draft", tags=["late"])
    await client.write(mail, started_at="2026-11-19T08:00:00Z", duration_seconds=1800)
    return offer, mail


async def own_report(client: Client, report: Json) -> Json:
    """Return the report that its owner reads with the same query."""
    params = {name: value for name, value in report.items() if name != "type"}
    response = await client.get(f"/reports/{report['type']}", params=params)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def without_keys(rows: list[Json]) -> list[Json]:
    """Return the rows of a summary without their keys and slices."""
    return [
        {name: without_keys(value) if name == "rows" else value for name, value in row.items() if name not in HIDDEN}
        for row in rows
    ]


HIDDEN = {"key", "slices"}


class TestSharedSummary:
    async def test_report_has_the_names_of_the_share_and_of_its_owner(self, alice: Client, anonymous: Client) -> None:
        await alice.patch("/users/me", json={"full_name": "Grace Hopper"})
        created = await share(alice, name="For Ada")
        response = await read(anonymous, created)
        body = response.json()
        assert response.headers["content-type"] == "application/json"
        assert body.keys() == {"name", "owner_name", "report"}
        assert (body["name"], body["owner_name"]) == ("For Ada", "Grace Hopper")

    async def test_owner_without_a_name_has_none(self, alice: Client, anonymous: Client) -> None:
        assert (await read(anonymous, await share(alice))).json()["owner_name"] is None

    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"group_by": "task"},
            {"group_by": "project,task", "rounding": "up:45", "rounding_scope": "day"},
            {"group_by": "day,task", "fill": True},
            {"group_by": "client,tag"},
            {"group_by": "hour"},
            {"group_by": "billable,project", "billable": True, "explain": True},
            {"timezone": "Asia/Tokyo", "week_start": 6, "group_by": "week"},
            {"tag": ["late"], "status": ["pending", "in_progress"]},
        ],
    )
    async def test_totals_are_those_of_the_report_of_the_owner(
        self, alice: Client, anonymous: Client, entry_storage: str, parameters: Json
    ) -> None:
        assert entry_storage
        await track(alice)
        report = {**SUMMARY, **parameters}
        owns = await own_report(alice, report)
        assert owns["rows"] != []
        shared = await read_report(anonymous, await share(alice, report))
        assert without_keys(shared.pop("rows")) == without_keys(owns.pop("rows"))
        assert shared == {"type": "summary", **owns}

    async def test_filters_of_the_owner_apply(self, alice: Client, anonymous: Client) -> None:
        offer, _ = await track(alice)
        for filters, seconds in (
            ({"task_id": offer["id"]}, 7200),
            ({"project_id": "none"}, 1800),
            ({"project_id": offer["project_id"]}, 7200),
            ({"tag": ["late"]}, 3600),
            ({"billable": False}, 1800),
            ({"task_id": "0" * 24}, 0),
            ({"project_id": "0" * 24}, 0),
        ):
            shared = await read_report(anonymous, await share(alice, {**SUMMARY, **filters}))
            assert shared["total_seconds"] == seconds, filters

    async def test_time_zone_and_week_of_the_owner_apply_when_the_report_is_read(
        self, alice: Client, anonymous: Client
    ) -> None:
        created = await share(alice, {**SUMMARY, "group_by": "week"})
        assert (await read_report(anonymous, created))["timezone"] == "UTC"
        await alice.patch("/users/me", json={"timezone": "Asia/Tokyo", "week_start": 6})
        shared = await read_report(anonymous, created)
        assert (shared["timezone"], shared["week_start"]) == ("Asia/Tokyo", 6)
        assert shared["from"] == "2026-11-15T15:00:00Z"

    async def test_later_entries_are_included(self, alice: Client, anonymous: Client) -> None:
        offer, _ = await track(alice)
        created = await share(alice)
        assert (await read_report(anonymous, created))["total_seconds"] == 9000
        await alice.write(offer, started_at=clock("15:00"))
        async with asyncio.timeout(30):  # a report may be a little older
            while (await read_report(anonymous, created))["total_seconds"] != 12_600:
                continue

    async def test_tasks_and_projects_are_numbered(self, alice: Client, anonymous: Client) -> None:
        await track(alice)
        by_project = await read_report(anonymous, await share(alice, {**SUMMARY, "group_by": "project,task"}))
        website, none = by_project["rows"]
        assert [(row["key"], row["label"]) for row in (website, *website["rows"])] == [("1", "Website"), ("2", "Offer")]
        assert [(row["key"], row["label"]) for row in (none, *none["rows"])] == [(None, "(no project)"), ("3", "Mail")]

    async def test_task_has_the_same_number_in_all_rows(self, alice: Client, anonymous: Client) -> None:
        offer, _ = await track(alice)
        await alice.write(offer, started_at="2026-11-20T09:00:00Z")
        by_day = await read_report(anonymous, await share(alice, {**SUMMARY, "group_by": "day,task"}))
        assert [(row["key"], [task["key"] for task in row["rows"]]) for row in by_day["rows"]] == [
            ("2026-11-18", ["1"]),
            ("2026-11-19", ["2"]),
            ("2026-11-20", ["1"]),
        ]

    async def test_slices_have_no_ids_and_no_notes(self, alice: Client, anonymous: Client) -> None:
        await track(alice)
        shared = await read_report(anonymous, await share(alice, {**SUMMARY, "explain": True}))
        first, _ = shared["rows"][0]["slices"]
        assert first == {"from": clock("09:00"), "to": clock("10:00"), "seconds": 3600}


class TestSharedTimesheet:
    async def test_seconds_are_those_of_the_timesheet_of_the_owner(
        self, alice: Client, anonymous: Client, entry_storage: str
    ) -> None:
        assert entry_storage
        await track(alice)
        owns = await own_report(alice, TIMESHEET)
        shared = await read_report(anonymous, await share(alice, TIMESHEET))
        rows = [{name: row[name] for name in ("title", "seconds", "total")} for row in owns.pop("rows")]
        assert shared == {"type": "timesheet", **owns, "rows": rows}
        assert [row["title"] for row in rows] == ["Mail", "Offer"]

    async def test_timesheet_without_a_date_is_that_of_the_current_week(self, alice: Client, anonymous: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        shared = await read_report(anonymous, await share(alice, {"type": "timesheet"}))
        today = (await alice.get("/reports/today")).json()["date"]
        assert today in shared["days"]
        assert [row["title"] for row in shared["rows"]] == [task["title"]]


class TestIncludeNotes:
    async def test_summary_lists_slices_with_their_notes(
        self, alice: Client, anonymous: Client, entry_storage: str
    ) -> None:
        assert entry_storage
        await track(alice)
        report = {**SUMMARY, "group_by": "task"}
        shared = await read_report(anonymous, await share(alice, report, include_notes=True))
        offer, mail = shared["rows"]
        assert offer["slices"] == [
            {"from": clock("09:00"), "to": clock("10:00"), "seconds": 3600, "note": "First draft"},
            {"from": clock("11:00"), "to": clock("12:00"), "seconds": 3600, "note": "Second draft"},
        ]
        assert [part["note"] for part in mail["slices"]] == [None]
        assert without_keys(shared["rows"]) == without_keys((await own_report(alice, report))["rows"])

    async def test_timesheet_lists_the_different_notes_of_each_day(
        self, alice: Client, anonymous: Client, entry_storage: str
    ) -> None:
        assert entry_storage
        offer, _ = await track(alice)
        await alice.write(offer, started_at=clock("13:00"), note="First draft")
        await alice.write(offer, started_at="2026-11-20T23:30:00Z", note="Over midnight")
        shared = await read_report(anonymous, await share(alice, TIMESHEET, include_notes=True))
        mail, offer_row = shared["rows"]
        assert mail["notes"] == [[] for _ in range(7)]
        assert offer_row["notes"] == [
            *([], [], ["First draft", "Second draft"]),
            *([], ["Over midnight"], ["Over midnight"], []),
        ]

    async def test_notes_of_the_running_timer_are_included_with_it(self, alice: Client, anonymous: Client) -> None:
        await alice.start(await alice.make_task(), note="In progress")
        day = (await alice.get("/reports/today")).json()["date"]
        report = {"type": "summary", "from": day, "to": "9998-01-01", "include_running": True}
        shared = await read_report(anonymous, await share(alice, report, include_notes=True))
        assert [part["note"] for part in shared["rows"][0]["slices"]] == ["In progress"]


class TestFixedFilters:
    @pytest.mark.parametrize(
        "query",
        [
            {"from": "2020-01-01"},
            {"to": "9998-01-01"},
            {"project_id": "0" * 24},
            {"include_notes": "true"},
            {"explain": "true"},
            {"type": "timesheet"},
        ],
    )
    async def test_query_parameter_is_422(self, alice: Client, anonymous: Client, query: dict[str, str]) -> None:
        assert parameters(await read(anonymous, await share(alice), params=query)) == set(query)


class TestUnknownSecret:
    @pytest.mark.parametrize("secret", ["0" * 64, "x", "%00", "é", "$gt", "0" * 3000, "a b", "%2e%2e", "%ff"])
    async def test_unknown_or_malformed_secret_is_not_found(self, anonymous: Client, secret: str) -> None:
        response = await anonymous.get(f"/shared/{secret}")
        assert (response.status_code, response.json()["code"]) == (404, "share_not_found")

    async def test_changed_secret_is_not_found(self, alice: Client, anonymous: Client) -> None:
        secret = secret_of(await share(alice))
        for changed in (secret[:-1], f"{secret}0", secret.upper(), f"{secret[1:]}{secret[0]}x", f"{secret}.ics"):
            problem(await anonymous.get(f"/shared/{changed}"), 404, "share_not_found")

    async def test_hash_of_a_secret_is_not_a_secret(self, alice: Client, anonymous: Client, database: Database) -> None:
        await share(alice)
        (stored,) = await database.shares.find({}).to_list(None)
        problem(await anonymous.get(f"/shared/{stored['secret_hash']}"), 404, "share_not_found")


class TestOwner:
    async def test_share_of_a_disabled_account_is_not_found(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        created = await share(alice)
        assert (await read(anonymous, created)).status_code == 200
        await database.users.update_one({"_id": alice.user["_id"]}, {"$set": {"is_active": False}})
        problem(await read(anonymous, created), 404, "share_not_found")

    async def test_share_of_a_deleted_account_is_not_found(
        self, make_user: MakeUser, anonymous: Client, database: Database
    ) -> None:
        carol = await make_user("carol@example.com")
        created = await share(carol)
        assert (await carol.request("DELETE", "/users/me", json={"password": PASSWORD})).status_code == 204
        problem(await read(anonymous, created), 404, "share_not_found")
        assert await database.shares.find_one({}) is None

    async def test_reports_of_two_owners_are_separate(self, alice: Client, bob: Client, anonymous: Client) -> None:
        offer, _ = await track(alice)
        for report in (SUMMARY, {**SUMMARY, "task_id": offer["id"]}, {**SUMMARY, "project_id": offer["project_id"]}):
            assert (await read_report(anonymous, await share(bob, report)))["rows"] == []


class TestCaching:
    async def test_unchanged_report_is_304(self, alice: Client, anonymous: Client) -> None:
        await track(alice)
        created = await share(alice)
        response = await read(anonymous, created)
        etag = response.headers["etag"]
        assert response.headers["cache-control"] == "private, max-age=300"
        again = await read(anonymous, created, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert again.headers["cache-control"] == "private, max-age=300"
        other = await read(anonymous, created, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, response.content)

    async def test_etag_changes_with_the_report(self, alice: Client, anonymous: Client) -> None:
        offer, _ = await track(alice)
        created = await share(alice)
        etag = (await read(anonymous, created)).headers["etag"]
        await alice.write(offer, started_at=clock("15:00"))
        async with asyncio.timeout(30):
            while (await read(anonymous, created, headers={"If-None-Match": etag})).status_code == 304:
                continue

    async def test_head_has_the_headers_of_get(self, alice: Client, anonymous: Client) -> None:
        await track(alice)
        path = f"/shared/{secret_of(await share(alice))}"
        response, head = await anonymous.get(path), await anonymous.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "cache-control", "content-type", "content-length"):
            assert head.headers[name] == response.headers[name]


class TestUnavailableReport:
    async def test_report_that_is_no_query_is_409(self, alice: Client, anonymous: Client, database: Database) -> None:
        created = await share(alice)
        await database.shares.update_one({}, {"$set": {"report": {"type": "summary", "from": "soon"}}})
        problem(await read(anonymous, created), 409, "shared_report_unavailable")

    async def test_report_that_has_become_too_large_is_409(
        self, alice: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await track(alice)
        created = await share(alice, {**SUMMARY, "group_by": "day,task"})
        monkeypatch.setattr(totals, "MAX_ROWS", 3)
        problem(await read(anonymous, created), 409, "shared_report_unavailable")

    async def test_report_that_is_too_large_cannot_be_shared(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await track(alice)
        monkeypatch.setattr(totals, "MAX_ROWS", 3)
        assert pointers(await post_share(alice, {**SUMMARY, "group_by": "day,task"})) == {"#/report/group_by"}
        assert pointers(await post_share(alice, TIMESHEET)) == {"#/report"}
        monkeypatch.undo()
        monkeypatch.setattr(totals, "MAX_SLICES", 2)
        assert pointers(await post_share(alice, {**SUMMARY, "explain": True})) == {"#/report/explain"}
        for report in (SUMMARY, TIMESHEET):
            assert pointers(await post_share(alice, report, include_notes=True)) == {"#/include_notes"}

    async def test_range_that_a_new_time_zone_made_empty_is_409(self, alice: Client, anonymous: Client) -> None:
        created = await share(alice, {"type": "summary", "from": "2026-11-18", "to": "2026-11-18T01:00:00Z"})
        assert (await read(anonymous, created)).status_code == 200
        await alice.patch("/users/me", json={"timezone": "America/Lima"})
        problem(await read(anonymous, created), 409, "shared_report_unavailable")
