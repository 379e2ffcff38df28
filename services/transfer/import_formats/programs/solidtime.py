"""Solidtime: the ZIP archive of its export, which has a CSV file for each table. Entries refer to ids."""

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import orjson

from services.common.values.money import major_units, minor_units
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.csv_table import CsvTable
from services.transfer.import_formats.tables.layout import Layout, index_headers
from services.transfer.import_formats.tables.text_files import file_error, open_text
from services.transfer.import_formats.values.texts import parse_tag_list

SOLIDTIME = Layout(
    index_headers(
        {
            "start": "start",
            "end": "end",
            "task": "task",
            "description": "description",
            "project": "project",
            "client": "client",
            "tags": "tags",
            "billable": "billable",
            "rate": "billable rate",
            "currency": "currency",
            "user": "user",
            "email": "email",
        }
    ),
    required=((("start",), "start"),),
)
ENTRIES = "time_entries.csv"
MAX_BYTES = 200 * 1024 * 1024
"""The maximum total size of the unpacked files that are read."""

_TABLES = ("tasks.csv", "projects.csv", "clients.csv", "members.csv", "tags.csv", "organizations.csv")
_ID_COLUMNS = ("project_id", "task_id", "client_id", "member_id", "user_id", "organization_id")
_NAME_COLUMNS = ("task", "project", "client", "user", "email", "currency")
_UNPACKING_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)

Record = dict[str, str]


class SolidtimeArchive:
    """The time entries of the archive as a table, with names in place of ids."""

    def __init__(self, file: BinaryIO) -> None:
        self.notices: list[RowMessage] = []
        self._bytes_left = MAX_BYTES
        contents = self._unpack(file)
        self._entries = contents[ENTRIES]
        self._tables = {name: _by_id(contents.get(name, b"")) for name in _TABLES}
        with open_text(BytesIO(self._entries)) as text:
            header = CsvTable(text).header
        self._entry_columns = [name for name in header if name not in _ID_COLUMNS]
        self.header = [*self._entry_columns, *_NAME_COLUMNS]
        self._unknown_ids: set[str] = set()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the entries in file order."""
        for number, record in _records(self._entries):
            names = self._names(record)
            record["tags"] = self._tags(record.get("tags", ""))
            record["billable_rate"] = _in_major_units(record.get("billable_rate", ""), names[-1])
            yield number, [*(record.get(name, "") for name in self._entry_columns), *names]
        if self._unknown_ids:
            message = f"has {len(self._unknown_ids):,} ids without a name in any of its files: they were ignored"
            self.notices = [RowMessage(0, None, message)]

    def _unpack(self, file: BinaryIO) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(file) as archive:
                names = {name.rpartition("/")[2]: name for name in reversed(archive.namelist())}
                present = [name for name in (ENTRIES, *_TABLES) if name in names]
                return {name: self._read_member(archive, names[name]) for name in _require_entries(present)}
        except _UNPACKING_ERRORS as error:
            raise file_error("cannot be unpacked: it is damaged, or not a ZIP archive") from error

    def _read_member(self, archive: zipfile.ZipFile, name: str) -> bytes:
        with archive.open(name) as member:
            content = member.read(self._bytes_left + 1)
        self._bytes_left -= len(content)
        if self._bytes_left < 0:
            raise file_error(f"unpacks to more than {MAX_BYTES // 1024 // 1024} MiB: export less at a time")
        return content

    def _names(self, record: Record) -> list[str]:
        task = self._lookup("tasks.csv", record.get("task_id"))
        project = self._lookup("projects.csv", record.get("project_id") or task.get("project_id"))
        client = self._lookup("clients.csv", record.get("client_id") or project.get("client_id"))
        member = self._lookup("members.csv", record.get("member_id"))
        organization = self._tables["organizations.csv"].get(record.get("organization_id", ""), {})
        names = [related.get("name", "") for related in (task, project, client, member)]
        return [*names, member.get("email", ""), organization.get("currency", "")]

    def _tags(self, text: str) -> str:
        tag_ids = parse_tag_list(text) or []
        names = [self._lookup("tags.csv", tag_id).get("name", "") for tag_id in tag_ids]
        return orjson.dumps([name for name in names if name]).decode()

    def _lookup(self, table: str, record_id: str | None) -> Record:
        """Return the record with this id, or an empty one; an id without a record is noted."""
        record = self._tables[table].get(record_id or "", {})
        if record_id and not record:
            self._unknown_ids.add(record_id)
        return record


def _require_entries(names: list[str]) -> list[str]:
    if ENTRIES not in names:
        raise file_error(f"is an archive without {ENTRIES}, so it is not a solidtime export; export a workbook as CSV")
    return names


def _records(content: bytes) -> Iterator[tuple[int, Record]]:
    if not content.strip():
        return
    with open_text(BytesIO(content)) as text:
        table = CsvTable(text)
        for number, row in table.rows():
            yield number, dict(zip(table.header, row, strict=False))


def _by_id(content: bytes) -> dict[str, Record]:
    """Index the records of a table by id. The first of two records with one id counts."""
    records: dict[str, Record] = {}
    for _, record in _records(content):
        records.setdefault(record.get("id", ""), record)
    records.pop("", None)
    return records


def _in_major_units(rate: str, currency: str) -> str:
    """Convert a rate from minor units to a decimal; hundredths if the currency is unknown."""
    if not rate.isdecimal():
        return rate
    return str(major_units(int(rate[:15]), currency if currency in minor_units() else "EUR"))
