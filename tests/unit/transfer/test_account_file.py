"""The lines of an account file: every written line can be read, and invalid lines are refused."""

import gzip
import secrets
from typing import Any

import orjson
import pytest
from bson import ObjectId
from pydantic import ValidationError

from services.transfer.export_formats import account_file as export
from services.transfer.export_formats.account_file import _GzipLines
from services.transfer.schemas.account_file import (
    account_file_line,
    write_account,
    write_deleted_entry,
    write_end,
    write_entry,
    write_project,
    write_task,
)
from tests.support.stored_documents import NINE, ended_entry, project_row, running_entry, task_row

Json = dict[str, Any]

USER: Json = {
    "_id": ObjectId(),
    "email": "ada@example.com",
    "email_key": "ada@example.com",
    "password_hash": "$argon2id$",
    "full_name": "Ada Lovelace",
    "timezone": "Europe/Berlin",
    "week_start": 6,
    "preferences": {"overlap_policy": "warn", "timer_cap_hours": 12},
    "is_active": True,
    "token_version": 3,
}
DELETED = {"_id": ObjectId(), "user_id": ObjectId(), "task_id": ObjectId(), "entry": ended_entry(), "deleted_at": NINE}
LINES: list[Json] = [
    write_account(USER, NINE),
    write_project(project_row(ObjectId())),
    write_project(project_row(ObjectId(), client_name="Ada", color="#2f6fde", hourly_rate=None, archived_at=NINE)),
    write_task(task_row(ObjectId())),
    write_task(task_row(ObjectId(), project_id=ObjectId(), description="d", due_at=NINE, deleted_at=NINE, tags=["a"])),
    write_entry("0" * 24, ended_entry(note="n", hourly_rate={"amount": 1, "currency": "EUR"}, tags=["b"])),
    write_entry("0" * 24, ended_entry(source="import", import_key=b"\x00\xff")),
    write_entry("0" * 24, running_entry()),
    write_deleted_entry(DELETED),
    write_end(projects=2, tasks=2, entries=3, deleted_entries=1),
]


def round_trip(line: Json) -> Json:
    """Parse the line and serialize it again."""
    return account_file_line.validate_json(orjson.dumps(line)).model_dump(mode="json", exclude_unset=True)


def line_error(line: Json, *removed: str, **fields: Any) -> str:
    """The error for this line, with some fields changed or removed."""
    changed = {name: value for name, value in {**line, **fields}.items() if name not in removed}
    with pytest.raises(ValidationError) as raised:
        round_trip(changed)
    return str(raised.value)


class TestAccountFileLine:
    @pytest.mark.parametrize("line", LINES, ids=lambda line: line["type"])
    def test_written_line_is_read_back_unchanged(self, line: Json) -> None:
        assert round_trip(line) == line

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line["type"])
    def test_unknown_and_missing_fields_are_refused(self, line: Json) -> None:
        line_error(line, more=1)
        for name in line.keys() - {"import_key"}:
            line_error(line, name)

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line["type"])
    def test_other_schema_version_is_refused(self, line: Json) -> None:
        assert "schema_version" in line_error(line, schema_version=2)

    def test_texts_of_earlier_versions_are_written_as_valid_ones(self) -> None:
        entry = write_entry("0" * 24, ended_entry(note="a\x1bb\rc", tags=["A\nb", "a b"]))
        task = write_task(task_row(ObjectId(), title="a\nb", description="a\x1bb\rc", tags=["A\nb", "a b"]))
        assert (entry["note"], entry["tags"]) == ("ab\nc", ["a b"])
        assert (task["title"], task["description"], task["tags"]) == ("a b", "ab\nc", ["a b"])

    def test_account_line_contains_no_secret(self) -> None:
        assert LINES[0].keys() >= {"email", "timezone"}
        assert not {"password_hash", "token_version", "email_key", "id"} & LINES[0].keys()

    @pytest.mark.parametrize("line", [LINES[5], LINES[8]], ids=lambda line: line["type"])
    def test_entry_that_ends_before_it_starts_is_refused(self, line: Json) -> None:
        assert "ends before it starts" in line_error(line, ended_at="2026-11-18T08:59:59Z")

    def test_import_key_is_hexadecimal(self) -> None:
        assert LINES[6]["import_key"] == "00ff"
        for invalid in ("", "0", "xy", 7):
            assert "import_key" in line_error(LINES[6], import_key=invalid)

    def test_invalid_id_is_refused(self) -> None:
        assert "is not an id" in line_error(LINES[4], project_id="nonsense")


class TestGzipLines:
    def test_each_line_is_in_one_chunk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "CHUNK_BYTES", 64)
        lines = _GzipLines()
        rows: list[Json] = [{"type": "task", "title": secrets.token_hex()} for _ in range(2_000)]
        chunks = [chunk for row in rows if (chunk := lines.add_all([row], lambda row: [row]))]
        assert len(chunks) > 1
        *written, last = map(orjson.loads, gzip.decompress(b"".join([*chunks, lines.finish()])).splitlines())
        assert written == rows
        assert last["tasks"] == len(rows)
