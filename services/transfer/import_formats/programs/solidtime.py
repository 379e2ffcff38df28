"""Solidtime: the ZIP of its export, in which each table is a CSV file and entries name others by their ids."""

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import orjson

from services.common.values.money import MINOR_UNITS, major_units
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.columns import Layout, index_headers
from services.transfer.import_formats.tables.csv_table import CsvTable
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
    needed=((("start",), "start"),),
)
ENTRIES = "time_entries.csv"
MAX_BYTES = 200 * 1024 * 1024
"""How large the files in the archive may be, all together."""

_TABLES = ("tasks.csv", "projects.csv", "clients.csv", "members.csv", "tags.csv", "organizations.csv")
_REPLACED = ("project_id", "task_id", "client_id", "member_id", "user_id", "organization_id")
_NAMED = ("task", "project", "client", "user", "email", "currency")
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)

Record = dict[str, str]


class Archive:
    """The time entries of the archive as a table, with names in the place of ids."""

    def __init__(self, file: BinaryIO) -> None:
        self.notices: list[RowMessage] = []
        self._left = MAX_BYTES
        contents = self._unpacked(file)
        self._entries = contents[ENTRIES]
        self._tables = {name: _by_id(contents.get(name, b"")) for name in _TABLES}
        with open_text(BytesIO(self._entries)) as text:
            header = CsvTable(text).header
        self._kept = [name for name in header if name not in _REPLACED]
        self.header = [*self._kept, *_NAMED]
        self._nameless: set[str] = set()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The entries, by the order of the file."""
        for number, record in _records(self._entries):
            names = self._names(record)
            record["tags"] = self._tags(record.get("tags", ""))
            record["billable_rate"] = _in_major_units(record.get("billable_rate", ""), names[-1])
            yield number, [*(record.get(name, "") for name in self._kept), *names]
        if self._nameless:
            message = f"has {len(self._nameless):,} ids for which none of its files has a name: they were left out"
            self.notices = [RowMessage(0, None, message)]

    def _unpacked(self, file: BinaryIO) -> dict[str, bytes]:
        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                names = {name.rpartition("/")[2]: name for name in reversed(archive.namelist())}
                wanted = [name for name in (ENTRIES, *_TABLES) if name in names]
                return {name: self._content(archive, names[name]) for name in _require_entries(wanted)}
        except _BROKEN as wrong:
            raise file_error("is no archive that can be unpacked: it is damaged, or of another kind") from wrong

    def _content(self, archive: zipfile.ZipFile, name: str) -> bytes:
        with archive.open(name) as member:
            content = member.read(self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise file_error(f"unpacks to more than {MAX_BYTES // 1024 // 1024} MiB: export it in parts")
        return content

    def _names(self, record: Record) -> list[str]:
        task = self._named("tasks.csv", record.get("task_id"))
        project = self._named("projects.csv", record.get("project_id") or task.get("project_id"))
        client = self._named("clients.csv", record.get("client_id") or project.get("client_id"))
        member = self._named("members.csv", record.get("member_id"))
        organization = self._tables["organizations.csv"].get(record.get("organization_id", ""), {})
        names = [found.get("name", "") for found in (task, project, client, member)]
        return [*names, member.get("email", ""), organization.get("currency", "")]

    def _tags(self, text: str) -> str:
        listed = parse_tag_list(text) or []
        named = [self._named("tags.csv", tag).get("name", "") for tag in listed]
        return orjson.dumps([name for name in named if name]).decode()

    def _named(self, table: str, wanted: str | None) -> Record:
        """The record of that id; what has none is told of."""
        found = self._tables[table].get(wanted or "", {})
        if wanted and not found:
            self._nameless.add(wanted)
        return found


def _require_entries(names: list[str]) -> list[str]:
    if ENTRIES not in names:
        raise file_error(f"is an archive without {ENTRIES}, so no export of solidtime; a workbook is exported as CSV")
    return names


def _records(content: bytes) -> Iterator[tuple[int, Record]]:
    if not content.strip():
        return
    with open_text(BytesIO(content)) as text:
        table = CsvTable(text)
        for number, row in table.rows():
            yield number, dict(zip(table.header, row, strict=False))


def _by_id(content: bytes) -> dict[str, Record]:
    """The records of a table by their id; of two with one id the first."""
    found: dict[str, Record] = {}
    for _, record in _records(content):
        found.setdefault(record.get("id", ""), record)
    found.pop("", None)
    return found


def _in_major_units(rate: str, currency: str) -> str:
    """A rate as people write it: the export has minor units, hundredths where the currency is not known."""
    if not rate.isdecimal():
        return rate
    return str(major_units(int(rate[:15]), currency if currency in MINOR_UNITS else "EUR"))
