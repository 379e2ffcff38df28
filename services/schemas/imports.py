"""Imports as requests send them and answers show them."""

from datetime import time
from typing import Annotated, Any, Literal, NotRequired

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, with_config
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType, TypedDict

from app.clock import rfc3339
from documents.import_batches import ImportBatch, ImportFormat
from services.import_formats.dates import DateOrder
from services.schemas.fields import Flag, Id, NextCursor, Timestamp, Zone
from services.schemas.import_fields import ColumnsField, CurrencyField, ImportFormatOrAuto, TimeOfDay
from services.schemas.overlaps import OverlapQuery, OverlapRead

ImportStatus = TypeAliasType("ImportStatus", Literal["running", "done", "failed"])
ImportState = TypeAliasType("ImportState", Literal["under_way", "interrupted", "being_undone", "undone"])

_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182950",
    "format": "toggl",
    "dry_run": False,
    "created": {"projects": 2, "tasks": 14, "entries": 230},
    "duplicates": 0,
    "skipped": 0,
    "errors": [{"row": 17, "column": "End time", "message": "is before the start"}],
    "left_out": [],
    "notices": [],
    "ignored_columns": ["Invoice ID"],
    "status": "done",
    "rows": 231,
    "rows_done": 231,
    "created_at": "2026-11-18T08:59:02.345Z",
}


_INTERRUPTED = "It was interrupted: send the same file again, and it goes on where it was."
_TOLD_BY_STATUS = {"waiting", "done", "failed"}


class ImportForm(BaseModel):
    """What stands beside the file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"format": "csv", "timezone": "UTC"}]})

    format: ImportFormatOrAuto = Field(description="auto: the file tells which program has written it.")
    timezone: Zone | None = Field(
        default=None, description="Whose local times the file has. Needed where it has local times."
    )
    date_order: DateOrder | None = Field(
        default=None, description="Needed where the dates of the file can be read in more than one way."
    )
    dry_run: Flag = Field(default=False, description="true: answer what would be done, and write nothing.")
    strict: Flag = Field(default=False, description="true: write nothing when there is anything wrong with a row.")
    wait: Flag = Field(default=True, description="false: answer 202 at once, and read the file in beside.")
    user: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254)] | None = Field(
        default=None, description="Take the rows of this person alone, by the name or e-mail address in the file."
    )
    currency: CurrencyField | None = Field(
        default=None, description="Of rates whose currency the file does not tell.", examples=["EUR"]
    )
    columns: ColumnsField | None = Field(
        default=None, description="A JSON object: our field to the header in the file; null for no column."
    )
    day_start: TimeOfDay = Field(
        default=time(9),
        json_schema_extra={"default": "09:00"},
        description="Where the entries of a day begin whose rows have no time of day.",
    )


class ImportQuery(OverlapQuery):
    """What an upload may say in its address."""

    wait: Flag = Field(default=True, description="The same as the field of the form.")


@with_config(ConfigDict(extra="forbid"))
class ImportCounts(TypedDict):
    """How many of each."""

    projects: int
    tasks: int
    entries: int


@with_config(ConfigDict(extra="forbid"))
class ImportRowMessage(TypedDict):
    """What there is to say of a row."""

    row: Annotated[int, Field(description="From 1 for the first line of data; 0 stands for the file.")]
    column: str | None
    message: str


@with_config(ConfigDict(extra="forbid"))
class ImportLeftOutRow(TypedDict):
    """A row that has made no entry, since there is one already."""

    row: int
    reason: str


@with_config(ConfigDict(extra="forbid"))
class ImportColumn(TypedDict):
    """The column that a field is read from."""

    header: str
    values: Annotated[list[str], Field(description="The first three that are not empty.")]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class ImportRead(TypedDict):
    """A file that was read in."""

    id: Annotated[Id | None, Field(description="null for a dry run, which is not kept")]
    format: ImportFormat
    dry_run: bool
    created: ImportCounts
    duplicates: Annotated[int, Field(description="Rows whose entries were there already.")]
    skipped: Annotated[int, Field(description="Rows that are no time of work.")]
    errors: list[ImportRowMessage]
    left_out: Annotated[list[ImportLeftOutRow], Field(description="The first 1,000 of the duplicates, and why.")]
    notices: Annotated[list[ImportRowMessage], Field(description="What was made of rows, columns or the file.")]
    ignored_columns: Annotated[list[str], Field(description="The columns that were passed over.")]
    status: Annotated[
        ImportStatus,
        Field(description="`running` until all is read in; what has failed has left nothing behind."),
    ]
    rows: Annotated[int, Field(description="Rows of the file; entries of an account file.")]
    rows_done: int
    created_at: Timestamp
    failure: NotRequired[Annotated[str, Field(description="There only when it has failed: why.")]]
    columns: NotRequired[
        Annotated[
            dict[str, ImportColumn],
            Field(
                description="In a dry run: where each of our fields is read from. Send it as `columns` to change it."
            ),
        ]
    ]
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="What was there; under `warn` alone.")]]
    state: NotRequired[
        Annotated[
            ImportState,
            Field(description="There only when the import is not done."),
        ]
    ]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class ImportPage(TypedDict):
    """A page of imports, the newest first, each with at most ten of its errors, notices, rows and columns left out."""

    items: list[ImportRead]
    next_cursor: NextCursor


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "6920a3f1c2d4e5f607182950",
                    "removed": {"projects": 2, "tasks": 13, "entries": 228},
                    "left": {"projects": 0, "tasks": 1, "entries": 2},
                }
            ]
        },
    )
)
class ImportUndoResult(TypedDict):
    """What was taken back, and what was left of it since somebody has changed it."""

    id: Id
    removed: ImportCounts
    left: ImportCounts


def read_import(batch: dict[str, Any], overlaps: list[OverlapRead] | None = None) -> ImportRead:
    """The answer about a stored import."""
    errors, more = batch["errors"], batch["error_count"] - len(batch["errors"])
    counted = batch["created"]["entries"] + batch["duplicates"] + batch["skipped"] + batch["error_count"]
    rows = batch.get("row_count", counted)  # earlier ones did not count them by themselves
    read: ImportRead = {
        "id": str(batch["_id"]),
        "format": batch["format"],
        "dry_run": False,
        "created": batch["created"],
        "duplicates": batch["duplicates"],
        "skipped": batch["skipped"],
        "errors": [*errors, _more(more)] if more else errors,
        "left_out": batch.get("left_out", []),
        "notices": batch["notices"],
        "ignored_columns": batch.get("ignored_columns", []),
        "status": _status(batch),
        "rows": rows,
        "rows_done": batch.get("rows_done", rows),
        "created_at": rfc3339(batch["created_at"]),
    }
    if read["status"] == "failed":
        read["failure"] = batch.get("failure", _INTERRUPTED)
    if overlaps is not None:
        read["overlaps"] = overlaps
    if batch["state"] not in _TOLD_BY_STATUS:
        read["state"] = batch["state"]
    return read


def read_column(header: str, values: list[str]) -> ImportColumn:
    """The answer about the column of a field."""
    return {"header": header, "values": values}


def read_undone(import_id: ObjectId, removed: dict[str, int], left: dict[str, int]) -> ImportUndoResult:
    """The answer about an import that was taken back."""
    return {"id": str(import_id), "removed": _made(removed), "left": _made(left)}


def _status(batch: dict[str, Any]) -> ImportStatus:
    if ImportBatch.is_running(batch):
        return "running"
    return "failed" if batch["state"] in {"failed", "interrupted", "under_way"} else "done"


def _made(counts: dict[str, int]) -> ImportCounts:
    return {"projects": counts["projects"], "tasks": counts["tasks"], "entries": counts["entries"]}


def _more(count: int) -> ImportRowMessage:
    return {"row": 0, "column": None, "message": f"{count:,} more rows are not listed"}
