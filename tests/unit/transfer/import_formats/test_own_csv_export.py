"""The CSV export of this service is read back to the same entries."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from app.clock import naive_utc
from services.common.values.fields import Note, Tag, Title
from services.common.values.texts import is_visible
from services.transfer.export_formats.context import ExportContext
from services.transfer.export_formats.csv_file import CsvDialect, write_csv
from services.transfer.import_formats.results import ImportedRow
from tests.support.http import Json
from tests.support.import_reading import NOW, property_test, read


def to_stored(kind: Any) -> Callable[[str], str | None]:
    """Return a function that gives the stored form of a text, or None if it is refused."""
    validate = TypeAdapter(kind).validate_python

    def stored_text(text: str) -> str | None:
        try:
            return str(validate(text))
        except PydanticError:
            return None

    return stored_text


class TestOwnCsvExport:
    """The file is written by the export itself, for entries with random fields."""

    words = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t\"',;=+-@"), max_size=20)
    names = words.map(to_stored(Title)).filter(bool)
    tags = st.lists(words.map(to_stored(Tag)).filter(bool), max_size=5, unique=True)
    zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia", "America/New_York"])
    dialects = st.builds(CsvDialect, st.booleans(), st.sampled_from(",;\t"), st.sampled_from(".,"))
    rates = st.none() | st.tuples(st.integers(1, 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
    entries = st.fixed_dictionaries(
        {
            "title": names,
            "note": st.none() | words.filter(is_visible).map(to_stored(Note)),
            "tags": tags,
            "started_at": st.integers(0, int(NOW.timestamp())),
            "seconds": st.integers(0, 86_400),
            "rate": rates,
            "timezone": zones,
            "project": st.sampled_from([None, "Website", "'=Website"]),
        }
    )

    def export(self, entries: list[Json], zone: str, dialect: CsvDialect) -> bytes:
        projects: dict[str | None, ObjectId] = {name: ObjectId() for name in ("Website", "'=Website")}
        projects_by_id: Mapping[ObjectId | None, Json] = {
            project_id: {"name": name, "client_name": "Acme"} for name, project_id in projects.items()
        }

        async def batches() -> AsyncGenerator[list[Json], None]:
            yield [self.row(entry, projects.get(entry["project"])) for entry in entries]

        async def content_of_file() -> bytes:
            context = ExportContext(ZoneInfo(zone), naive_utc(NOW), projects_by_id)
            return b"".join([chunk async for chunk in write_csv(batches(), context, dialect=dialect)])

        with pytest.raises(StopIteration) as ended:  # it never suspends
            content_of_file().send(None)
        content = ended.value.value
        assert isinstance(content, bytes)
        return content

    def row(self, entry: Json, project_id: ObjectId | None) -> Json:
        started_at = naive_utc(datetime.fromtimestamp(entry["started_at"], UTC))
        rate = entry["rate"] and dict(zip(("amount", "currency"), entry["rate"], strict=True))
        entry_fields = {
            "id": ObjectId(),
            "source": "manual",
            "note": entry["note"],
            "timezone": entry["timezone"],
            "tags": entry["tags"],
            "billable": bool(rate),
            "hourly_rate": rate,
            "started_at": started_at,
            "ended_at": started_at + timedelta(seconds=entry["seconds"]),
            "duration_seconds": entry["seconds"],
        }
        task = {"_id": ObjectId(), "title": entry["title"], "project_id": project_id, "tags": [], "status": "pending"}
        return {**task, "entry": entry_fields}

    @property_test
    @given(st.lists(entries, max_size=4), zones, dialects)
    def test_exported_entries_are_read_back_unchanged(
        self, entries: list[Json], zone: str, dialect: CsvDialect
    ) -> None:
        result = read(self.export(entries, zone, dialect), zone="Asia/Tokyo")
        assert (result.errors, result.notices, result.skipped) == ([], [], 0)
        assert all(row.entry_id for row in result.rows)
        assert [replace(row, entry_id=None) for row in result.rows] == [
            ImportedRow(
                number=number,
                started_at=datetime.fromtimestamp(entry["started_at"], UTC),
                ended_at=datetime.fromtimestamp(entry["started_at"] + entry["seconds"], UTC),
                title=entry["title"],
                note=entry["note"],
                project=entry["project"],
                client=entry["project"] and "Acme",
                tags=tuple(entry["tags"]),
                billable=entry["rate"] is not None,
                hourly_rate=entry["rate"],
                timezone=entry["timezone"],
                takes_project_rate=entry["rate"] is None,
                price=result.rows[number - 1].price,
            )
            for number, entry in enumerate(entries, start=1)
        ]
