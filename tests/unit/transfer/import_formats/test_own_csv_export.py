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
from pydantic import ValidationError as NotValidError

from app.clock import naive_utc
from services.common.values.fields import Note, Tag, Title
from services.common.values.texts import is_visible
from services.transfer.export_formats.context import ExportContext
from services.transfer.export_formats.csv_file import CsvDialect, write_csv
from services.transfer.import_formats.results import ImportedRow
from tests.support.http import Json
from tests.support.import_reading import (
    NOW,
    property_test,
    read,
)


def as_stored(kind: Any) -> Callable[[str], str | None]:
    """What a text of this kind is stored as, or None where it is refused."""
    read = TypeAdapter(kind).validate_python

    def stored_form(text: str) -> str | None:
        try:
            return str(read(text))
        except NotValidError:
            return None

    return stored_form


class TestOwnCsvExport:
    """What it writes is written by the export itself, over all that an entry can be."""

    words = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t\"',;=+-@"), max_size=20)
    names = words.map(as_stored(Title)).filter(bool)
    tags = st.lists(words.map(as_stored(Tag)).filter(bool), max_size=5, unique=True)
    zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia", "America/New_York"])
    rates = st.none() | st.tuples(st.integers(1, 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
    entries = st.fixed_dictionaries(
        {
            "title": names,
            "note": st.none() | words.filter(is_visible).map(as_stored(Note)),
            "tags": tags,
            "started_at": st.integers(0, int(NOW.timestamp())),
            "seconds": st.integers(0, 86_400),
            "rate": rates,
            "timezone": zones,
            "project": st.sampled_from([None, "Website", "'=Website"]),
        }
    )

    def written(self, entries: list[Json], zone: str) -> bytes:
        projects: dict[str | None, ObjectId] = {name: ObjectId() for name in ("Website", "'=Website")}
        of_projects: Mapping[ObjectId | None, Json] = {
            project_id: {"name": name, "client_name": "Acme"} for name, project_id in projects.items()
        }

        async def batches() -> AsyncGenerator[list[Json], None]:
            yield [self.row(entry, projects.get(entry["project"])) for entry in entries]

        async def whole() -> bytes:
            about = ExportContext(ZoneInfo(zone), naive_utc(NOW), of_projects)
            return b"".join([piece async for piece in write_csv(batches(), about, dialect=CsvDialect(bom=True))])

        with pytest.raises(StopIteration) as ended:  # nothing in it waits
            whole().send(None)
        content = ended.value.value
        assert isinstance(content, bytes)
        return content

    def row(self, entry: Json, project_id: ObjectId | None) -> Json:
        started_at = naive_utc(datetime.fromtimestamp(entry["started_at"], UTC))
        rate = entry["rate"] and dict(zip(("amount", "currency"), entry["rate"], strict=True))
        of_entry = {
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
        return {**task, "entry": of_entry}

    @property_test
    @given(st.lists(entries, max_size=4), zones)
    def test_exported_entries_are_read_back_unchanged(self, entries: list[Json], zone: str) -> None:
        result = read(self.written(entries, zone), zone="Asia/Tokyo")
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
