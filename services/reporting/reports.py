"""Reports: totals of tracked time in the user's local days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import FieldError, ValidationError
from documents.common.base import Row
from documents.tracking.projects import Project
from documents.tracking.queries.recent_tasks import find_recently_tracked
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.calendar_days import LocalDays
from services.reporting.reader import (
    add_entries,
    add_entries_of_week,
    run_with_pauses,
    to_running_entry,
    to_tracked_task,
)
from services.reporting.row_keys import GroupBy, first_of_week
from services.reporting.schemas import (
    RecentTask,
    SummariesQuery,
    SummariesRead,
    SummaryOptions,
    SummaryQuery,
    SummaryRead,
    SummaryRow,
    TimesheetQuery,
    TimesheetRead,
    TimesheetRow,
    TodayQuery,
    TodayRead,
)
from services.reporting.summary import Plan, ReportTotals, Total, read_amounts
from services.tracking.rules.ranges import TimeRange, build_entry_filter, parse_time_range
from services.tracking.schemas.timer import read_timer

Notes = dict[str, str]
"""The notes of entries by the id of the entry. An entry without a note has an empty one."""

NotesByDay = list[list[str]]
"""For each day of a timesheet, the notes of one task."""

RECENT_TASKS = 5
_WEEK = timedelta(days=7)


class ReportService:
    """The reports of the acting user. Tasks in the trash are left out."""

    async def summary(self, user: ActingUser, *, query: SummaryQuery) -> SummaryRead:
        """Return tracked time by group. Raises ValidationError for an empty time range or too many rows."""
        report, _ = await self.summary_with_notes(user, query=query, include_notes=False)
        return report

    async def summary_with_notes(
        self, user: ActingUser, *, query: SummaryQuery, include_notes: bool
    ) -> tuple[SummaryRead, Notes]:
        """Return a summary, and the notes of the entries whose slices it lists. Raises as `summary` does."""
        time_range = _in_whole_seconds(parse_time_range(user, query))
        totals = ReportTotals(_plan(user, query, query.group_by, time_range, include_notes=include_notes))
        (report,) = await self._summaries(user, query, time_range, [totals])
        return report, totals.notes

    async def summaries(self, user: ActingUser, *, query: SummariesQuery) -> SummariesRead:
        """Return several summaries of the same entries, which are read once. Raises as `summary` does."""
        time_range = _in_whole_seconds(parse_time_range(user, query))
        plans = [_plan(user, query, groups, time_range) for groups in query.group_by]
        return {"items": await self._summaries(user, query, time_range, [ReportTotals(plan) for plan in plans])}

    async def _summaries(
        self, user: ActingUser, options: SummaryOptions, time_range: TimeRange, reports: list[ReportTotals]
    ) -> list[SummaryRead]:
        running_seconds = await add_entries(
            user.id,
            reports,
            build_entry_filter(options, time_range),
            now=utc_now(),
            include_running=options.include_running,
            money=True,
        )
        summaries: list[SummaryRead] = []
        for totals in reports:
            total, rows = await run_with_pauses(totals.result())
            summaries.append(_read_summary(totals.plan, total, rows, time_range, running_seconds))
        return summaries

    async def timesheet(self, user: ActingUser, *, query: TimesheetQuery) -> TimesheetRead:
        """Return a week as a grid of tasks and days."""
        report, _ = await self.timesheet_with_notes(user, query=query, include_notes=False)
        return report

    async def timesheet_with_notes(
        self, user: ActingUser, *, query: TimesheetQuery, include_notes: bool
    ) -> tuple[TimesheetRead, list[NotesByDay]]:
        """Return a timesheet, and for each of its rows the different notes of each day.

        With notes it raises ValidationError for too many slices of entries.
        """
        now, days = utc_now(), LocalDays(ZoneInfo(query.timezone or user.timezone))
        week_start = _week_start(user, query.week_start)
        first = first_of_week(query.date or days.day_at(int(now.timestamp())).date, week_start)
        totals = _week_totals(days, first, ("task", "day"), include_notes=include_notes)
        entry_filter = build_entry_filter(query, _time_range(totals.plan))
        await add_entries(user.id, [totals], entry_filter, now=now, include_running=query.include_running, money=False)
        total, rows = await run_with_pauses(totals.result())
        dates = [(first + timedelta(days=number)).isoformat() for number in range(_WEEK.days)]
        pairs = [(_timesheet_row(totals, row, dates), _notes_by_day(totals, row, dates)) for row in rows]
        pairs.sort(key=lambda pair: (pair[0]["title"], pair[0]["task_id"]))
        grid = [row for row, _ in pairs]
        report: TimesheetRead = {
            "timezone": totals.plan.zone.key,
            "week_start": week_start,
            "days": dates,
            "rows": grid,
            "day_totals": [sum(row["seconds"][number] for row in grid) for number in range(len(dates))],
            "total": total.seconds,
        }
        return report, [notes for _, notes in pairs]

    async def today(self, user: ActingUser, *, query: TodayQuery) -> TodayRead:
        """Return what a status bar shows: the totals of today and this week, the running timer and recent tasks."""
        now, days = utc_now(), LocalDays(ZoneInfo(query.timezone or user.timezone))
        today = days.day_at(int(now.timestamp())).date
        totals = _week_totals(days, first_of_week(today, user.week_start), ("day",))
        # Read the timer first. If it is stopped in between, it is found twice and counted once, but never missed.
        running = await Task.find_running(user.id)
        running_id = None
        if running is not None:
            running_id = running["active"]["id"]
            await run_with_pauses(
                totals.add(to_tracked_task(running, None), [to_running_entry(running["active"], now)])
            )
        recent = await add_entries_of_week(user.id, totals, exclude_id=running_id)
        if len(recent) <= RECENT_TASKS:
            since = naive_utc(_time_range(totals.plan).since)
            recent = await find_recently_tracked(user.id, limit=RECENT_TASKS + 1, searched_since=since)
        recent_tasks = _recent_tasks(running, recent, now)
        projects = await Project.find_labels(user.id, {task["project_id"] for task in recent_tasks} - {None})
        total, rows = await run_with_pauses(totals.result())
        return {
            "date": today.isoformat(),
            "timezone": totals.plan.zone.key,
            "week_start": user.week_start,
            "today_seconds": sum(row["seconds"] for row in rows if row["key"] == today.isoformat()),
            "week_seconds": total.seconds,
            "timer": None if running is None else read_timer(running, now),
            "recent_tasks": [_read_recent_task(task, projects) for task in recent_tasks],
            "server_time": rfc3339(now),
        }


def _in_whole_seconds(time_range: TimeRange) -> TimeRange:
    """Truncate the range to whole seconds, like entries, so that the totals of adjacent reports add up exactly."""
    truncated = TimeRange(truncate_to_seconds(time_range.since), truncate_to_seconds(time_range.until), time_range.zone)
    if truncated.since == truncated.until:
        detail = "must be at least one whole second before 'to'"
        raise ValidationError(errors=(FieldError(detail, parameter="from"),))
    return truncated


def _plan(
    user: ActingUser,
    options: SummaryOptions,
    groups: tuple[GroupBy, ...],
    time_range: TimeRange,
    *,
    include_notes: bool = False,
) -> Plan:
    return Plan(
        since=int(time_range.since.timestamp()),
        until=int(time_range.until.timestamp()),
        zone=time_range.zone,
        groups=groups,
        week_start=_week_start(user, options.week_start),
        rounding=options.rounding,
        scope=options.rounding_scope,
        fill=options.fill,
        explain=options.explain,
        include_notes=include_notes,
    )


def _read_summary(
    plan: Plan, total: Total, rows: list[SummaryRow], time_range: TimeRange, running_seconds: int
) -> SummaryRead:
    return {
        "from": rfc3339(time_range.since),
        "to": rfc3339(time_range.until),
        "timezone": time_range.zone.key,
        "week_start": plan.week_start,
        "group_by": ",".join(plan.groups),
        "rounding": str(plan.rounding) if plan.rounding else None,
        "rounding_scope": plan.scope,
        "total_seconds": total.seconds,
        "rounded_total_seconds": total.rounded,
        "running_seconds": running_seconds,
        "overlapping": "tag" in plan.groups,
        "amounts": read_amounts(total),
        "rows": rows,
    }


def _week_start(user: ActingUser, parameter: int | None) -> int:
    return user.week_start if parameter is None else parameter


def _week_totals(
    days: LocalDays, first: date, groups: tuple[GroupBy, ...], *, include_notes: bool = False
) -> ReportTotals:
    """Return empty totals for the week that begins on this day."""
    plan = Plan(
        since=days.day(first).begin,
        until=days.day(first + _WEEK).begin,
        zone=days.zone,
        groups=groups,
        explain=include_notes,
        include_notes=include_notes,
    )
    return ReportTotals(plan, days)


def _time_range(plan: Plan) -> TimeRange:
    return TimeRange(datetime.fromtimestamp(plan.since, UTC), datetime.fromtimestamp(plan.until, UTC), plan.zone)


def _timesheet_row(totals: ReportTotals, row: SummaryRow, dates: list[str]) -> TimesheetRow:
    task = totals.tasks[row["key"] or ""]
    by_day = {subgroup["key"]: subgroup["seconds"] for subgroup in row["rows"]}
    return {
        "task_id": task.id,
        "title": task.title,
        "project_id": task.project_id,
        "seconds": [by_day.get(day, 0) for day in dates],
        "total": row["seconds"],
    }


def _notes_by_day(totals: ReportTotals, row: SummaryRow, dates: list[str]) -> NotesByDay:
    """Return the different notes of the task of this row on each day, in the order of their entries."""
    if not totals.plan.include_notes:
        return []
    by_day = {
        subgroup["key"]: dict.fromkeys(totals.notes[part["entry_id"]] for part in subgroup["slices"])
        for subgroup in row["rows"]
    }
    return [[note for note in by_day.get(day, ()) if note] for day in dates]


def _recent_tasks(running: Row | None, recent: list[Row], now: datetime) -> list[Row]:
    """Return the most recently tracked tasks. The one with the running timer is first, tracked until now."""
    first = [] if running is None else [{**running, "last_ended_at": naive_utc(now)}]
    others = [task for task in recent if running is None or task["_id"] != running["_id"]]
    return [*first, *others][:RECENT_TASKS]


def _read_recent_task(task: Row, projects: dict[ObjectId, Row]) -> RecentTask:
    project = projects.get(task["project_id"])
    return {
        "id": str(task["_id"]),
        "title": task["title"],
        "project_id": str(task["project_id"]) if task["project_id"] else None,
        "project_name": None if project is None else project["name"],
        "project_color": None if project is None else project["color"],
        "status": task["status"],
        "tags": task["tags"],
        "tracked_seconds": task["tracked_seconds"],
        "last_tracked_at": rfc3339(task["last_ended_at"]),
    }


report_service = ReportService()
