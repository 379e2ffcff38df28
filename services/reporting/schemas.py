"""The query parameters and response models of reports."""

from typing import Annotated, NotRequired, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from documents.tracking.tasks import TaskStatus
from services.common.rounding import Rounding, RoundingMode, RoundingScope
from services.common.values.fields import BooleanFlag, CurrencyCode, Day, FirstDayOfWeek, Id, Timestamp, WeekStart, Zone
from services.reporting.row_keys import GroupBy
from services.tracking.schemas.ranges import FilterQuery, RangeQuery
from services.tracking.schemas.timer import TIMER_EXAMPLE, TimerRead

_GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
_MODES: tuple[RoundingMode, ...] = get_args(RoundingMode)
_MAX_GROUPS = 2
_MAX_MINUTES = 1440

MAX_SUMMARIES = 4
"""The maximum of summaries in one response."""


def _groups(value: object) -> tuple[str, ...]:
    """Parse the value of a query parameter, or of a JSON member, which may not be text."""
    groups = tuple(value.split(",")) if isinstance(value, str) else ("",)
    if any(group not in _GROUPS for group in groups):
        raise ValueError(f"is not one of {', '.join(_GROUPS)}, or two of them separated by a comma")
    if len(groups) > _MAX_GROUPS:
        raise ValueError("has more than two keys")
    if len(set(groups)) < len(groups):
        raise ValueError("has the same key twice")
    return groups


def _rounding(value: object) -> Rounding:
    mode, _, minutes = value.partition(":") if isinstance(value, str) else ("", "", "")
    is_number = minutes.isascii() and minutes.isdigit() and len(minutes) <= len(str(_MAX_MINUTES))
    if mode not in _MODES or not is_number or not 1 <= int(minutes) <= _MAX_MINUTES:
        raise ValueError(f"is not up, nearest or down, a colon, and 1 to {_MAX_MINUTES} minutes (example: up:15)")
    return Rounding(mode, int(minutes))


Groups = Annotated[
    tuple[GroupBy, ...],
    BeforeValidator(_groups),
    WithJsonSchema({"type": "string", "examples": ["day", "project,task"]}),
]
RoundingParameter = Annotated[
    Rounding,
    BeforeValidator(_rounding),
    WithJsonSchema({"type": "string", "pattern": "^(up|nearest|down):[0-9]+$", "examples": ["up:15"]}),
]

DayRead = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]

_GROUP_BY = f"One of {', '.join(_GROUPS)}, or two of them separated by a comma for nested rows."
_WEEK_START = "First day of the week: 0 (Monday) to 6 (Sunday). Default: the user's setting."


class SummaryOptions(RangeQuery):
    """The entries and the time range of a summary, and how it counts them."""

    week_start: FirstDayOfWeek | None = Field(default=None, description=_WEEK_START)
    rounding: RoundingParameter | None = Field(
        default=None,
        description="up, nearest or down, a colon, and 1 to 1440 minutes. Raw seconds are kept.",
    )
    rounding_scope: RoundingScope = Field(
        default="entry",
        description="What is rounded: each slice of an entry, each day of a row, or each row.",
    )
    fill: BooleanFlag = Field(default=False, description="Whether to include rows for periods without tracked time.")
    explain: BooleanFlag = Field(default=False, description="Whether each row lists the parts of entries in its total.")


class SummaryQuery(SummaryOptions):
    """The parameters of a summary, and its groups."""

    group_by: Groups = Field(default=("day",), json_schema_extra={"default": "day"}, description=_GROUP_BY)


class SummariesQuery(SummaryOptions):
    """The parameters of several summaries, and the groups of each."""

    group_by: list[Groups] = Field(
        min_length=1, max_length=MAX_SUMMARIES, description=f"{_GROUP_BY} Repeat it, once for each summary."
    )


class TimesheetQuery(FilterQuery):
    """The week and the entries of a timesheet."""

    date: Day | None = Field(default=None, description="A day of the week. Default: today.")
    week_start: FirstDayOfWeek | None = Field(default=None, description=_WEEK_START)


class TodayQuery(BaseModel):
    """The time zone of the day."""

    model_config = ConfigDict(extra="forbid")

    timezone: Zone | None = Field(default=None, description="IANA time zone of the day. Default: the user's.")


_TASK_ID = "6920a3f1c2d4e5f607182930"
_AMOUNT_EXAMPLE: JsonDict = {"currency": "EUR", "amount": 14250}
_SLICE_EXAMPLE: JsonDict = {
    "task_id": _TASK_ID,
    "entry_id": "6920a3f1c2d4e5f607182931",
    "from": "2026-11-18T09:00:00Z",
    "to": "2026-11-18T10:30:00Z",
    "seconds": 5400,
}
_ROW_EXAMPLE: JsonDict = {
    "key": "2026-11-18",
    "label": "2026-11-18",
    "seconds": 5400,
    "rounded_seconds": 5400,
    "entry_count": 1,
    "amounts": [_AMOUNT_EXAMPLE],
}
_SUMMARY_EXAMPLE: JsonDict = {
    "from": "2026-11-15T23:00:00Z",
    "to": "2026-11-22T23:00:00Z",
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "group_by": "day",
    "rounding": None,
    "rounding_scope": "entry",
    "total_seconds": 5400,
    "rounded_total_seconds": 5400,
    "running_seconds": 0,
    "overlapping": False,
    "amounts": [_AMOUNT_EXAMPLE],
    "rows": [{**_ROW_EXAMPLE, "slices": [_SLICE_EXAMPLE]}],
}
_WEEK_EXAMPLE: list[str] = [f"2026-11-{day}" for day in range(16, 23)]
_TIMESHEET_ROW_EXAMPLE: JsonDict = {
    "task_id": _TASK_ID,
    "title": "Write the offer",
    "project_id": None,
    "seconds": [0, 0, 5400, 0, 0, 0, 0],
    "total": 5400,
}
_TIMESHEET_EXAMPLE: JsonDict = {
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "days": [*_WEEK_EXAMPLE],
    "rows": [_TIMESHEET_ROW_EXAMPLE],
    "day_totals": [0, 0, 5400, 0, 0, 0, 0],
    "total": 5400,
}
_RECENT_EXAMPLE: JsonDict = {
    "id": _TASK_ID,
    "title": "Write the offer",
    "project_id": "6920a3f1c2d4e5f607182935",
    "project_name": "Website",
    "project_color": "#2f6fde",
    "status": "in_progress",
    "tags": ["sales"],
    "tracked_seconds": 5400,
    "last_tracked_at": "2026-11-18T10:30:00Z",
}
_TODAY_EXAMPLE: JsonDict = {
    "date": "2026-11-18",
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "today_seconds": 5460,
    "week_seconds": 5460,
    "timer": TIMER_EXAMPLE,
    "recent_tasks": [_RECENT_EXAMPLE],
    "server_time": "2026-11-18T09:01:00.500Z",
}


@with_config(ConfigDict(extra="forbid"))
class AmountRead(TypedDict):
    """An amount of money, in minor units of the currency."""

    currency: CurrencyCode
    amount: int


TimeRangeRead = TypedDict("TimeRangeRead", {"from": Timestamp, "to": Timestamp})
"""A half-open time range [from, to)."""


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_SLICE_EXAMPLE]}))
class ReportSlice(TimeRangeRead):
    """A part of a time entry, clipped to the range of the report and to one day."""

    task_id: Id
    entry_id: Id
    seconds: int


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROW_EXAMPLE]}))
class ReportRow(TypedDict):
    """The total of one group."""

    key: Annotated[str | None, Field(description="null for no project, no client or no tag.")]
    label: Annotated[str, Field(description="Human-readable name of the group.")]
    seconds: int
    rounded_seconds: Annotated[int, Field(description="Equal to `seconds` without rounding.")]
    entry_count: Annotated[int, Field(description="Number of distinct entries in the group.")]
    amounts: Annotated[list[AmountRead], Field(description="Of billable entries with a rate, by currency.")]
    slices: NotRequired[
        Annotated[list[ReportSlice], Field(description="The parts of entries. Only with explain=true.")]
    ]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROW_EXAMPLE]}))
class SummaryRow(ReportRow):
    """The total of one group, with its subgroups."""

    rows: NotRequired[Annotated[list[ReportRow], Field(description="Only when group_by names two keys.")]]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_SUMMARY_EXAMPLE]}))
class SummaryRead(TimeRangeRead):
    """Totals of tracked time."""

    timezone: str
    week_start: WeekStart
    group_by: str
    rounding: str | None
    rounding_scope: RoundingScope
    total_seconds: Annotated[int, Field(description="Each entry is counted once, even when several rows contain it.")]
    rounded_total_seconds: int
    running_seconds: Annotated[int, Field(description="Of the running timer, whether or not it is included.")]
    overlapping: Annotated[bool, Field(description="Whether the rows may sum to more than the total, as with tags.")]
    amounts: list[AmountRead]
    rows: list[SummaryRow]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_SUMMARY_EXAMPLE]}]}))
class SummariesRead(TypedDict):
    """Several summaries of the same entries, in the order of the request."""

    items: list[SummaryRead]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TIMESHEET_ROW_EXAMPLE]}))
class TimesheetRow(TypedDict):
    """One task of a timesheet."""

    task_id: Id
    title: str
    project_id: Id | None
    seconds: list[int]
    total: int


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TIMESHEET_EXAMPLE]}))
class TimesheetRead(TypedDict):
    """A week as a grid: one row for each task, one column for each day."""

    timezone: str
    week_start: WeekStart
    days: list[DayRead]
    rows: list[TimesheetRow]
    day_totals: list[int]
    total: int


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_RECENT_EXAMPLE]}))
class RecentTask(TypedDict):
    """A recently tracked task."""

    id: Id
    title: str
    project_id: Id | None
    project_name: str | None
    project_color: str | None
    status: TaskStatus
    tags: Annotated[list[str], Field(description="The tags of the task itself.")]
    tracked_seconds: Annotated[int, Field(description="Of all ended entries of the task.")]
    last_tracked_at: Annotated[Timestamp, Field(description="The current time while its timer is running.")]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TODAY_EXAMPLE]}))
class TodayRead(TypedDict):
    """Totals of today and this week, the running timer and the recent tasks."""

    date: DayRead
    timezone: str
    week_start: WeekStart
    today_seconds: Annotated[int, Field(description="Includes the running timer, as does week_seconds.")]
    week_seconds: int
    timer: TimerRead | None
    recent_tasks: Annotated[list[RecentTask], Field(description="At most five, the most recent first.")]
    server_time: Timestamp
