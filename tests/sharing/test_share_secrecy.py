"""A share shows its report and nothing else of the account, in which each text is a different word."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId

from tests.conftest import Database, MakeUser
from tests.contract.operations import stored_documents
from tests.sharing.share_requests import SUMMARY, TIMESHEET, read, secret_of, share
from tests.support.http import Client, Json, clock
from tests.support.stored_documents import ended_entry, paged_task

ALWAYS = {"sharename", "owner"}
"""The words that each share shows. Each text of the account is a different word with the prefix `canary-`."""

TITLES = {"title", "othertitle", "pagedtitle", "importedtitle"}
TAGS = {"tasktag", "entrytag"}
NOTES = {"note", "timernote", "pagednote"}
WIDE = {"type": "summary", "from": "2026-01-01", "to": "9998-01-01", "include_running": True}

EXPECTED: list[tuple[Json, bool, set[str]]] = [
    ({**WIDE}, False, set()),
    ({**WIDE, "group_by": "day,status", "explain": True}, False, set()),
    ({**WIDE, "group_by": "task", "explain": True}, False, TITLES),
    ({**WIDE, "group_by": "project,task", "explain": True}, False, {"project", *TITLES}),
    ({**WIDE, "group_by": "client,tag", "rounding": "up:15"}, False, {"client", *TAGS}),
    ({**WIDE, "group_by": "billable"}, True, NOTES),
    ({**WIDE, "group_by": "hour,project"}, True, {"project", *NOTES}),
    ({**WIDE, "group_by": "tag", "tag": ["canary-tasktag"]}, False, TAGS),
    (TIMESHEET, False, {"title", "pagedtitle"}),
    (TIMESHEET, True, {"title", "pagedtitle", "note", "pagednote"}),
]
"""For a report, with or without notes: the words that it shows."""


def word(name: str) -> str:
    return f"canary-{name}"


async def fill(alice: Client, database: Database) -> None:
    """Give every text of the account its word."""
    project = await alice.make_project(
        name=word("project"), client_name=word("client"), hourly_rate={"amount": 6000, "currency": "EUR"}, billable=True
    )
    fields = {"description": word("description"), "tags": [word("tasktag")], "project_id": project["id"]}
    task = await alice.make_task(title=word("title"), **fields)
    await alice.write(task, note=word("note"), tags=[word("entrytag")])
    deleted = await alice.write(task, note=word("deletednote"), started_at=clock("15:00"))
    await alice.delete(f"/tasks/{task['id']}/time-entries/{deleted['id']}")
    trashed = await alice.make_task(title=word("trashedtitle"))
    await alice.write(trashed, note=word("deletednote"))
    await alice.delete(f"/tasks/{trashed['id']}")
    await alice.start(await alice.make_task(title=word("othertitle")), note=word("timernote"))
    paged, pages = paged_task(alice.user["_id"], [ended_entry(note=word("pagednote"))], [])
    await database.tasks.insert_one({**paged, "title": word("pagedtitle")})
    await database.task_pages.insert_many(pages)
    rows = f"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,{word('importedtitle')}"
    file = (f"{word('filename')}.csv", rows, "text/csv")
    await alice.post("/imports", data={"format": "csv", "timezone": "UTC"}, files={"file": file})
    await alice.post("/auth/api-tokens", json={"name": word("tokenname"), "scopes": ["read"]})
    await share(alice, SUMMARY, name=word("othershare"))


def private_values(value: Any) -> Iterator[str]:
    """Yield every id, hash and secret in a document."""
    if isinstance(value, ObjectId):
        yield str(value)
    elif isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32,}|task_timer_.*|\$argon2.*", value):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from private_values(inner)


@pytest.fixture
async def account(make_user: MakeUser, database: Database) -> Client:
    client = await make_user(f"{word('email')}@example.com", full_name=word("owner"))
    await fill(client, database)
    return client


class TestCanaries:
    async def test_share_shows_only_the_texts_of_its_report(self, account: Client, anonymous: Client) -> None:
        for report, include_notes, words in EXPECTED:
            created = await share(account, report, name=word("sharename"), include_notes=include_notes)
            response = await read(anonymous, created)
            assert response.status_code == 200
            shown = set(re.findall(r"canary-(\w+)", response.text))
            assert shown == ALWAYS | words, report

    async def test_response_has_no_ids_hashes_or_secrets(
        self, account: Client, anonymous: Client, database: Database
    ) -> None:
        shares = [await share(account, report, include_notes=include_notes) for report, include_notes, _ in EXPECTED]
        stored = await stored_documents(database)
        values = {value for rows in stored.values() for row in rows for value in private_values(row)}
        assert len(values) > 30
        for created in shares:
            response = await read(anonymous, created)
            text = str(response.headers.raw) + response.text
            assert [value for value in {*values, secret_of(created)} if value in text] == []
            assert re.findall(r"[0-9a-f]{24}", response.text) == []

    async def test_times_are_only_those_of_the_report(self, account: Client, anonymous: Client) -> None:
        """Without slices a report has no instants but its range."""
        for report in ({**SUMMARY, "group_by": "task"}, TIMESHEET):
            text = (await read(anonymous, await share(account, report))).text
            instants = set(re.findall(r"\d{4}-\d\d-\d\dT[\d:.]+Z", text))
            assert instants <= {"2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"}


class TestElsewhere:
    async def test_account_export_has_no_shares(self, account: Client) -> None:
        await share(account, name=word("sharename"))
        file = await account.get("/exports/account.ndjson.gz")
        contents = gzip.decompress(file.content).decode()
        assert word("title") in contents
        for hidden in ("sharename", "othershare"):
            assert word(hidden) not in contents

    async def test_responses_tell_browsers_not_to_pass_on_the_url(self, account: Client, anonymous: Client) -> None:
        created = await share(account)
        unchanged = {"If-None-Match": "*"}
        for response in (await read(anonymous, created), await read(anonymous, created, headers=unchanged)):
            assert response.headers["referrer-policy"] == "no-referrer"
            assert "location" not in response.headers
