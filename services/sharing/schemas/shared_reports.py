"""The response models of a shared report: those of reports without the ids of tasks, projects and entries."""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from services.common.rounding import RoundingScope
from services.common.values.fields import WeekStart
from services.reporting.schemas import AmountRead, DayRead, TimeRangeRead

_AMOUNT_EXAMPLE: JsonDict = {"currency": "EUR", "amount": 14250}
_SLICE_EXAMPLE: JsonDict = {
    "from": "2026-11-18T09:00:00Z",
    "to": "2026-11-18T10:30:00Z",
    "seconds": 5400,
    "note": "First draft",
}
_ROW_EXAMPLE: JsonDict = {
    "key": "1",
    "label": "Write the offer",
    "seconds": 5400,
    "rounded_seconds": 5400,
    "entry_count": 1,
    "amounts": [_AMOUNT_EXAMPLE],
    "slices": [_SLICE_EXAMPLE],
}
_SUMMARY_EXAMPLE: JsonDict = {
    "type": "summary",
    "from": "2026-10-31T23:00:00Z",
    "to": "2026-11-30T23:00:00Z",
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "group_by": "task",
    "rounding": None,
    "rounding_scope": "entry",
    "total_seconds": 5400,
    "rounded_total_seconds": 5400,
    "running_seconds": 0,
    "overlapping": False,
    "amounts": [_AMOUNT_EXAMPLE],
    "rows": [_ROW_EXAMPLE],
}
_TIMESHEET_ROW_EXAMPLE: JsonDict = {
    "title": "Write the offer",
    "seconds": [0, 0, 5400, 0, 0, 0, 0],
    "total": 5400,
    "notes": [[], [], ["First draft"], [], [], [], []],
}
_TIMESHEET_EXAMPLE: JsonDict = {
    "type": "timesheet",
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "days": [f"2026-11-{day}" for day in range(16, 23)],
    "rows": [_TIMESHEET_ROW_EXAMPLE],
    "day_totals": [0, 0, 5400, 0, 0, 0, 0],
    "total": 5400,
}
_EXAMPLE: JsonDict = {"name": "November for Ada", "owner_name": "Grace Hopper", "report": _SUMMARY_EXAMPLE}


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_SLICE_EXAMPLE]}))
class SharedSlice(TimeRangeRead):
    """A part of a time entry, clipped to the range of the report and to one day."""

    seconds: int
    note: NotRequired[Annotated[str | None, Field(description="Only if the share includes notes.")]]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROW_EXAMPLE]}))
class SharedRow(TypedDict):
    """The total of one group."""

    key: Annotated[
        str | None,
        Field(description="A number for a task or project, the same in all rows of this report. null for none."),
    ]
    label: str
    seconds: int
    rounded_seconds: int
    entry_count: int
    amounts: list[AmountRead]
    slices: NotRequired[
        Annotated[list[SharedSlice], Field(description="Only with explain=true, or if the share includes notes.")]
    ]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROW_EXAMPLE]}))
class SharedSummaryRow(SharedRow):
    """The total of one group, with its subgroups."""

    rows: NotRequired[Annotated[list[SharedRow], Field(description="Only when group_by names two keys.")]]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_SUMMARY_EXAMPLE]}))
class SharedSummary(TimeRangeRead):
    """A summary, as GET /reports/summary describes it."""

    type: Literal["summary"]
    timezone: str
    week_start: WeekStart
    group_by: str
    rounding: str | None
    rounding_scope: RoundingScope
    total_seconds: int
    rounded_total_seconds: int
    running_seconds: int
    overlapping: bool
    amounts: list[AmountRead]
    rows: list[SharedSummaryRow]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TIMESHEET_ROW_EXAMPLE]}))
class SharedTimesheetRow(TypedDict):
    """One task of a timesheet."""

    title: str
    seconds: list[int]
    total: int
    notes: NotRequired[
        Annotated[
            list[list[str]],
            Field(description="The different notes of each day. Only if the share includes notes."),
        ]
    ]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TIMESHEET_EXAMPLE]}))
class SharedTimesheet(TypedDict):
    """A timesheet, as GET /reports/timesheet describes it."""

    type: Literal["timesheet"]
    timezone: str
    week_start: WeekStart
    days: list[DayRead]
    rows: list[SharedTimesheetRow]
    day_totals: list[int]
    total: int


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}))
class SharedReport(TypedDict):
    """A report of a user, for readers without an account."""

    name: Annotated[str, Field(description="The name of the share.")]
    owner_name: Annotated[str | None, Field(description="The name of the user, or null if they have not given one.")]
    report: Annotated[SharedSummary | SharedTimesheet, Field(discriminator="type")]
