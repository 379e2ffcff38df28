"""The request and response models of imports."""

from datetime import time
from typing import Annotated, Any, Literal, NotRequired

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, with_config
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType, TypedDict

from app.clock import rfc3339
from documents.transfer.import_batches import ImportBatch, ImportFormat
from services.common.values.fields import BooleanFlag, Id, NextCursor, Timestamp, Zone
from services.tracking.schemas.overlaps import OverlapQuery, OverlapRead
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.schemas.import_fields import ColumnsField, CurrencyField, ImportFormatOrAuto, TimeOfDay

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


MAX_MESSAGES_IN_LIST = 10
"""How many errors, notices and other items a list shows of each import."""

_INTERRUPTED = "The import was interrupted. Send the same file again to continue it."
_STATES_IN_STATUS = {"waiting", "done", "failed"}


class ImportForm(BaseModel):
    """An uploaded file and its options."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"format": "csv", "timezone": "UTC"}]})

    format: ImportFormatOrAuto = Field(description="The program that wrote the file; auto detects it.")
    timezone: Zone | None = Field(
        default=None, description="IANA time zone of local times. Required if the file contains any."
    )
    date_order: DateOrder | None = Field(
        default=None, description="Order of day, month and year. Required if the dates are ambiguous."
    )
    dry_run: BooleanFlag = Field(default=False, description="true: report what would be imported, and write nothing.")
    strict: BooleanFlag = Field(default=False, description="true: write nothing if any row has an error.")
    wait: BooleanFlag = Field(default=True, description="false: answer 202 at once, and import in the background.")
    user: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254)] | None = Field(
        default=None, description="Import only the rows of this person, by the name or e-mail address in the file."
    )
    currency: CurrencyField | None = Field(
        default=None, description="Currency of rates without one in the file.", examples=["EUR"]
    )
    columns: ColumnsField | None = Field(
        default=None, description="A JSON object that maps fields to headers of the file; null for no column."
    )
    day_start: TimeOfDay = Field(
        default=time(9),
        json_schema_extra={"default": "09:00"},
        description="Start time of the first entry of a day, for rows without a time of day.",
    )


class ImportQuery(OverlapQuery):
    """The query parameters of an upload."""

    wait: BooleanFlag = Field(default=True, description="The same as the form field.")


@with_config(ConfigDict(extra="forbid"))
class ImportCounts(TypedDict):
    """Numbers of projects, tasks and entries."""

    projects: int
    tasks: int
    entries: int


@with_config(ConfigDict(extra="forbid"))
class ImportRowMessage(TypedDict):
    """A message about a row."""

    row: Annotated[int, Field(description="1 for the first line of data; 0 for the whole file.")]
    column: str | None
    message: str


@with_config(ConfigDict(extra="forbid"))
class ImportLeftOutRow(TypedDict):
    """A row that was left out because its entry exists."""

    row: int
    reason: str


@with_config(ConfigDict(extra="forbid"))
class ImportColumn(TypedDict):
    """The column that a field is read from, with examples."""

    header: str
    values: Annotated[list[str], Field(description="The first three values that are not empty.")]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class ImportRead(TypedDict):
    """An import of a file."""

    id: Annotated[Id | None, Field(description="null for a dry run, which is not stored.")]
    format: ImportFormat
    dry_run: bool
    created: ImportCounts
    duplicates: Annotated[int, Field(description="Number of rows whose entries exist.")]
    skipped: Annotated[int, Field(description="Number of rows that are not tracked time.")]
    errors: list[ImportRowMessage]
    left_out: Annotated[list[ImportLeftOutRow], Field(description="The first 1,000 duplicates, with the reason.")]
    notices: Annotated[list[ImportRowMessage], Field(description="Remarks about rows, columns or the file.")]
    ignored_columns: Annotated[list[str], Field(description="Headers of columns that were not used.")]
    status: Annotated[
        ImportStatus,
        Field(
            description="`running` until it has ended. A failed import leaves nothing behind, unless its `state` is "
            "`interrupted`: the same file continues it."
        ),
    ]
    rows: Annotated[int, Field(description="Number of rows; of entries for an account file.")]
    rows_done: int
    created_at: Timestamp
    failure: NotRequired[Annotated[str, Field(description="Why it failed. Only when it has failed.")]]
    columns: NotRequired[
        Annotated[
            dict[str, ImportColumn],
            Field(description="The column of each field. Only in a dry run. Send `columns` to change it."),
        ]
    ]
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="Overlapping entries, with `warn` only.")]]
    state: NotRequired[
        Annotated[
            ImportState,
            Field(description="`under_way`, `interrupted`, `being_undone` or `undone`. Absent otherwise."),
        ]
    ]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class ImportPage(TypedDict):
    """A page of imports, newest first, each with at most ten of its errors, notices and omissions."""

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
    """The numbers of removed items, and of items that stay because they were changed."""

    id: Id
    removed: ImportCounts
    left: ImportCounts


def read_import(batch: dict[str, Any], overlaps: list[OverlapRead] | None = None) -> ImportRead:
    """Return the response for a stored import."""
    errors, unlisted = batch["errors"], batch["error_count"] - len(batch["errors"])
    counted = batch["created"]["entries"] + batch["duplicates"] + batch["skipped"] + batch["error_count"]
    rows = batch.get("row_count", counted)  # earlier versions did not store row_count
    read: ImportRead = {
        "id": str(batch["_id"]),
        "format": batch["format"],
        "dry_run": False,
        "created": batch["created"],
        "duplicates": batch["duplicates"],
        "skipped": batch["skipped"],
        "errors": [*errors, _unlisted(unlisted)] if unlisted else errors,
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
    if batch["state"] not in _STATES_IN_STATUS:
        read["state"] = batch["state"]
    return read


def read_column(header: str, values: list[str]) -> ImportColumn:
    """Return the response for the column of a field."""
    return {"header": header, "values": values}


def read_undone(import_id: ObjectId, removed: dict[str, int], left: dict[str, int]) -> ImportUndoResult:
    """Return the response for an import that was undone."""
    return {"id": str(import_id), "removed": _counts(removed), "left": _counts(left)}


def _status(batch: dict[str, Any]) -> ImportStatus:
    if ImportBatch.is_running(batch):
        return "running"
    return "failed" if batch["state"] in {"failed", "interrupted", "under_way"} else "done"


def _counts(counts: dict[str, int]) -> ImportCounts:
    return {"projects": counts["projects"], "tasks": counts["tasks"], "entries": counts["entries"]}


def _unlisted(count: int) -> ImportRowMessage:
    return {"row": 0, "column": None, "message": f"{count:,} more rows are not listed"}
