"""The filters and parameters of the list of time entries."""

import pytest
from bson import ObjectId

from tests.conftest import Database
from tests.support.http import Client, parameters
from tests.support.pages.entry_storage import hot_only
from tests.tracking.entries.entry_lists import WEEK, insert_task, list_notes, stored_entry

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestEntryFilters:
    async def prepare(self, client: Client, database: Database) -> tuple[str, str, ObjectId]:
        project = ObjectId()
        first = await insert_task(
            database,
            client,
            stored_entry(1, note="a", tags=["deep"]),
            stored_entry(2, note="b (50%)", needs_review=True),
            title="Write the OFFER",
            tags=["sales"],
        )
        second = await insert_task(
            database,
            client,
            stored_entry(3, note="c offering"),
            stored_entry(4, note="Größe", tags=["x"]),
            project_id=project,
            title="T",
        )
        await insert_task(database, client, stored_entry(5, note="e"), title="Other")
        return first, second, project

    async def test_filter_by_task_and_project(self, alice: Client, database: Database) -> None:
        first, second, project = await self.prepare(alice, database)
        assert await list_notes(alice, **WEEK, task_id=first) == ["b (50%)", "a"]
        assert await list_notes(alice, **WEEK, task_id=second.upper()) == ["Größe", "c offering"]
        assert await list_notes(alice, **WEEK, task_id="0" * 24) == []
        assert await list_notes(alice, **WEEK, project_id=str(project)) == ["Größe", "c offering"]
        assert await list_notes(alice, **WEEK, project_id="none") == ["e", "b (50%)", "a"]
        assert await list_notes(alice, **WEEK, project_id="none", task_id=second) == []
        assert await list_notes(alice, **WEEK, project_id=str(ObjectId())) == []

    async def test_filter_by_tag_of_the_entry_or_its_task(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await list_notes(alice, **WEEK, tag="Deep") == ["a"]
        assert await list_notes(alice, **WEEK, tag="sales") == ["b (50%)", "a"]
        assert await list_notes(alice, **WEEK, tag=["deep", "x"]) == ["Größe", "a"]
        assert await list_notes(alice, **WEEK, tag="nothing") == []

    async def test_filter_by_part_of_note_or_title(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await list_notes(alice, **WEEK, q="offer") == ["c offering", "b (50%)", "a"]
        assert await list_notes(alice, **WEEK, q="GRÖSSE") == []
        assert await list_notes(alice, **WEEK, q="GRÖ") == ["Größe"]
        assert await list_notes(alice, **WEEK, q="(50%)") == ["b (50%)"]
        assert await list_notes(alice, **WEEK, q=".") == []

    @hot_only
    @pytest.mark.parametrize("text", ["GRÖ", "größe", "ÖSSE", "STRASSE", "straße", "50%)", "i̇", "k"])
    async def test_text_finds_an_entry_while_it_runs_and_after_it_has_ended(self, alice: Client, text: str) -> None:
        task = await alice.make_task(title="Straße 1")
        await alice.start(task, note="Größe (50%) \u0130 \u212a", started_at="2026-11-18T09:00:00Z")
        running = await list_notes(alice, q=text)
        await alice.stop(ended_at="2026-11-18T10:00:00Z")
        assert await list_notes(alice, q=text) == running

    async def test_filter_by_needs_review(self, alice: Client, database: Database) -> None:
        await self.prepare(alice, database)
        assert await list_notes(alice, **WEEK, needs_review="true") == ["b (50%)"]
        assert await list_notes(alice, **WEEK, needs_review="false") == ["e", "Größe", "c offering", "a"]
        assert await list_notes(alice, **WEEK, needs_review="true", tag="deep", q="b") == []
        assert await list_notes(alice, **WEEK, needs_review="true", tag="sales", q="b") == ["b (50%)"]

    async def test_filters_apply_to_the_running_entry(self, alice: Client) -> None:
        task = await alice.make_task(title="Write the offer", tags=["sales"])
        await alice.start(task, note="Draft", tags=["deep"])
        for sent in (
            {"task_id": task["id"]},
            {"project_id": "none"},
            {"tag": "deep"},
            {"tag": ["sales", "y"]},
            {"q": "OFFER"},
            {"q": "draft"},
            {"needs_review": "false"},
        ):
            assert await list_notes(alice, **sent) == ["Draft"], sent
        for sent in (
            {"task_id": "0" * 24},
            {"project_id": "0" * 24},
            {"tag": "y"},
            {"q": "draft."},
            {"needs_review": "true"},
        ):
            assert await list_notes(alice, **sent) == [], sent

    @hot_only
    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02T10:00:00"},
            {"from": "2026-03-02 10:00:00Z"},
            {"from": "yesterday"},
            {"from": ""},
            {"from": "2026-02-30"},
            {"from": "2026-3-2"},
            {"from": "20260302"},
            {"from": "1969-12-31"},
            {"from": "9999-01-01"},
            {"from": "1969-12-31T23:59:59Z"},
            {"to": "9999-01-01T00:00:00Z"},
            {"to": "2026-03-02T10:00"},
            {"to": "0000-01-01"},
            {"to": "2026-03-02T25:00:00Z"},
            {"timezone": "Mars/Olympus"},
            {"timezone": ""},
            {"timezone": "../etc/passwd"},
            {"task_id": "nonsense"},
            {"task_id": ""},
            {"task_id": "none"},
            {"project_id": "nonsense"},
            {"project_id": "$ne"},
            {"tag": ""},
            {"tag": "t" * 51},
            {"q": ""},
            {"q": "a\0b"},
            {"q": "q" * 201},
            {"needs_review": "1"},
            {"sort": "ended_at"},
            {"sort": "--started_at"},
            {"limit": "0"},
            {"limit": "201"},
            {"limit": "1.0"},
            {"cursor": "x"},
            {"cursor": ""},
            {"since": "2026-03-02"},
            {"from_": "2026-03-02"},
            {"user_id": "0" * 24},
            {"$where": "1"},
        ],
    )
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/time-entries", params=sent)) == set(sent)

    @hot_only
    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02", "to": "2026-03-02"},
            {"from": "2026-03-03", "to": "2026-03-02"},
            {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T11:00:00+01:00"},
            {"from": "2011-12-30", "to": "2011-12-31", "timezone": "Pacific/Apia"},  # there was no such day
            {"from": "9998-12-31"},
        ],
    )
    async def test_empty_range_is_422(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/time-entries", params=sent)) == {"from"}

    @hot_only
    @pytest.mark.parametrize(
        "sent",
        [
            {"from": "2026-03-02", "to": "2027-04-07"},
            {"from": "1970-01-01"},
            {"from": "1970-01-01", "to": "9998-12-31"},
            {"from": "1970-01-01T00:00:00Z", "to": "9998-12-31T23:59:59Z", "sort": "started_at"},
            {"from": "1970-01-01", "to": "1970-01-02", "timezone": "Asia/Tokyo"},
            {"from": "9998-12-30", "to": "9998-12-31", "timezone": "America/Los_Angeles"},
            {"to": "1970-01-02"},
            {"from": "2026-03-02T10:00:00.999Z", "to": "2026-03-02T11:00:00.5+01:00", "sort": "started_at"},
        ],
    )
    async def test_limits_are_accepted(self, alice: Client, sent: dict[str, str]) -> None:
        response = await alice.get("/time-entries", params=sent)
        if ".999" in sent.get("from", ""):
            assert parameters(response) == {"from"}
        else:
            assert response.json() == {"items": [], "next_cursor": None}
