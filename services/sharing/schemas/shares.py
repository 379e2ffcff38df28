"""The request and response models of shares."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_serializer,
    with_config,
)
from pydantic import ValidationError as PydanticError
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from services.common.rounding import Rounding
from services.common.values.fields import Id, Instant, NextCursor, RequestModel, Timestamp
from services.common.values.texts import Text, normalize_line
from services.reporting.row_keys import GroupBy
from services.reporting.schemas import SummaryQuery, TimesheetQuery

_REPORT_EXAMPLE: JsonDict = {
    "type": "summary",
    "from": "2026-11-01",
    "to": "2026-12-01",
    "group_by": "day,task",
    "project_id": "6920a3f1c2d4e5f607182932",
}
_EXAMPLE: JsonDict = {
    "name": "November for Ada",
    "report": _REPORT_EXAMPLE,
    "expires_at": "2027-01-31T00:00:00Z",
}
_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182970",
    "name": "November for Ada",
    "report": _REPORT_EXAMPLE,
    "include_notes": False,
    "expires_at": "2027-01-31T00:00:00Z",
    "created_at": "2026-11-30T16:12:08.120Z",
}
_URL_EXAMPLE = "https://time.example.com/api/v1/shared/5d1e3f49680c7a..."

ShareName = Annotated[str, Text(normalize_line, 100, min_length=1)]


class SharedSummaryQuery(SummaryQuery):
    """The query parameters of GET /reports/summary. `tag` and `status` are lists."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [_REPORT_EXAMPLE]})

    type: Literal["summary"]

    @field_serializer("from_", "to")
    def _serialize_moment(self, moment: datetime | date) -> str:
        return rfc3339(moment) if isinstance(moment, datetime) else moment.isoformat()

    @field_serializer("group_by")
    def _serialize_groups(self, groups: tuple[GroupBy, ...]) -> str:
        return ",".join(groups)

    @field_serializer("rounding")
    def _serialize_rounding(self, rounding: Rounding | None) -> str | None:
        return None if rounding is None else str(rounding)


class SharedTimesheetQuery(TimesheetQuery):
    """The query parameters of GET /reports/timesheet. Without `date`, the timesheet is that of the current week."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"examples": [{"type": "timesheet", "date": "2026-11-18", "billable": True}]}
    )

    type: Literal["timesheet"]


SharedQuery = SharedSummaryQuery | SharedTimesheetQuery

_QUERIES: dict[str, type[SharedSummaryQuery | SharedTimesheetQuery]] = {
    "summary": SharedSummaryQuery,
    "timesheet": SharedTimesheetQuery,
}


class _ReportType(BaseModel):
    """The member of a report that says which query it is."""

    type: Literal["summary", "timesheet"]


def _validate_report(value: Any, _validate_union: ValidatorFunctionWrapHandler) -> SharedQuery:
    """Validate the query by its type. In the errors of pydantic's own unions, the type is a part of the location."""
    return query_of(value)


class ShareCreate(RequestModel):
    """A report to share."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: ShareName
    report: Annotated[SharedQuery, Field(discriminator="type"), WrapValidator(_validate_report)]
    include_notes: bool = Field(
        default=False, description="Whether to show the notes of the entries. A summary then lists its slices."
    )
    expires_at: Instant | None = Field(default=None, description="Default: it does not expire.")


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class ShareRead(TypedDict):
    """A share, without its secret."""

    id: Id
    name: str
    report: Annotated[dict[str, Any], Field(description="The type of the report and the parameters that were given.")]
    include_notes: bool
    expires_at: Timestamp | None
    created_at: Timestamp


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{**_READ_EXAMPLE, "url": _URL_EXAMPLE}]}))
class ShareCreated(ShareRead):
    """A new share with its address, which is not shown again."""

    url: Annotated[str, Field(description="The address of the report. It contains the secret of the share.")]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class SharePage(TypedDict):
    """A page of shares."""

    items: list[ShareRead]
    next_cursor: NextCursor


def stored_report(query: SharedQuery) -> dict[str, Any]:
    """Return the type and the given parameters of a query, as they are stored and shown."""
    return query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def query_of(report: dict[str, Any]) -> SharedQuery:
    """Return the query of a stored report. Raises pydantic's error for a report that another program has stored."""
    return _QUERIES[_ReportType.model_validate(report).type].model_validate(report)


def is_valid_report(report: dict[str, Any]) -> bool:
    """Return whether a stored report is a valid query."""
    try:
        query_of(report)
    except PydanticError:
        return False
    return True


def read_share(share: dict[str, Any]) -> ShareRead:
    """Return the response model of a stored share."""
    expires_at = share["expires_at"]
    return {
        "id": str(share["_id"]),
        "name": share["name"],
        "report": share["report"],
        "include_notes": share["include_notes"],
        "expires_at": rfc3339(expires_at) if expires_at else None,
        "created_at": rfc3339(share["created_at"]),
    }
