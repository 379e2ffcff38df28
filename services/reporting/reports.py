"""Reports: totals of tracked time in the user's local days."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import FieldError, ValidationError
from documents.common.base import Row
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.calendar_days import LocalDays
from services.reporting.reader import (
    RequiredFields,
    add_ended_entries,
    add_entries,
    run_with_pauses,
    to_running_entry,
    to_tracked_task,
)
from services.reporting.row_keys import GroupBy, first_of_week
from services.reporting.schemas import (
    RecentTask,
    SummaryQuery,
    SummaryRead,
    SummaryRow,
    TimesheetQuery,
    TimesheetRead,
    TimesheetRow,
    TodayQuery,
    TodayRead,
)
from services.reporting.summary import Plan, ReportTotals, read_amounts
from services.tracking.rules.ranges import TimeRange, build_entry_filter, parse_time_range
from services.tracking.schemas.timer import read_timer

RECENT_TASKS = 5
_WEEK = timedelta(days=7)


class ReportService:
    """The reports of the acting user. Tasks in the trash are left out."""

    async def summary(self, user: ActingUser, *, query: SummaryQuery) -> SummaryRead:
        """Return tracked time by group. Raises ValidationError for an empty time range or too many rows."""
        time_range = _in_whole_seconds(parse_time_range(user, query))
        totals = ReportTotals(_plan(user, query, time_range))
        running_seconds = await add_entries(
            user.id,
            totals,
            build_entry_filter(query, time_range),
            now=utc_now(),
            include_running=query.include_running,
            money=True,
        )
        total, rows = await run_with_pauses(totals.result())
        return {
            "from": rfc3339(time_range.since),
            "to": rfc3339(time_range.until),
            "timezone": time_range.zone.key,
            "week_start": totals.plan.week_start,
            "group_by": ",".join(query.group_by),
            "rounding": str(query.rounding) if query.rounding else None,
            "rounding_scope": query.rounding_scope,
            "total_seconds": total.seconds,
            "rounded_total_seconds": total.rounded,
            "running_seconds": running_seconds,
            "overlapping": "tag" in query.group_by,
            "amounts": read_amounts(total),
            "rows": rows,
        }

    async def timesheet(self, user: ActingUser, *, query: TimesheetQuery) -> TimesheetRead:
        """Return a week as a grid of tasks and days."""
        now, days = utc_now(), LocalDays(ZoneInfo(query.timezone or user.timezone))
        week_start = _week_start(user, query.week_start)
        first = first_of_week(query.date or days.day_at(int(now.timestamp())).date, week_start)
        totals = _week_totals(days, first, ("task", "day"))
        entry_filter = build_entry_filter(query, _time_range(totals.plan))
        await add_entries(user.id, totals, entry_filter, now=now, include_running=query.include_running, money=False)
        total, rows = await run_with_pauses(totals.result())
        dates = [(first + timedelta(days=number)).isoformat() for number in range(_WEEK.days)]
        grid = [_timesheet_row(totals, row, dates) for row in rows]
        return {
            "timezone": totals.plan.zone.key,
            "week_start": week_start,
            "days": dates,
            "rows": sorted(grid, key=lambda row: (row["title"], row["task_id"])),
            "day_totals": [sum(row["seconds"][number] for row in grid) for number in range(len(dates))],
            "total": total.seconds,
        }

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
        time_range = _time_range(totals.plan)
        entry_filter = EntryFilter(since=naive_utc(time_range.since), until=naive_utc(time_range.until))
        _, recent = await asyncio.gather(
            add_ended_entries(
                user.id, totals, entry_filter, RequiredFields.of(totals, money=False), None, exclude_id=running_id
            ),
            Task.find_recently_tracked(user.id, limit=RECENT_TASKS + 1),
        )
        total, rows = await run_with_pauses(totals.result())
        return {
            "date": today.isoformat(),
            "timezone": totals.plan.zone.key,
            "week_start": user.week_start,
            "today_seconds": sum(row["seconds"] for row in rows if row["key"] == today.isoformat()),
            "week_seconds": total.seconds,
            "timer": None if running is None else read_timer(running, now),
            "recent_tasks": _recent_tasks(running, recent, now),
            "server_time": rfc3339(now),
        }


def _in_whole_seconds(time_range: TimeRange) -> TimeRange:
    """Truncate the range to whole seconds, like entries, so that the totals of adjacent reports add up exactly."""
    truncated = TimeRange(truncate_to_seconds(time_range.since), truncate_to_seconds(time_range.until), time_range.zone)
    if truncated.since == truncated.until:
        detail = "must be at least one whole second before 'to'"
        raise ValidationError(errors=(FieldError(detail, parameter="from"),))
    return truncated


def _plan(user: ActingUser, query: SummaryQuery, time_range: TimeRange) -> Plan:
    return Plan(
        since=int(time_range.since.timestamp()),
        until=int(time_range.until.timestamp()),
        zone=time_range.zone,
        groups=query.group_by,
        week_start=_week_start(user, query.week_start),
        rounding=query.rounding,
        scope=query.rounding_scope,
        fill=query.fill,
        explain=query.explain,
    )


def _week_start(user: ActingUser, parameter: int | None) -> int:
    return user.week_start if parameter is None else parameter


def _week_totals(days: LocalDays, first: date, groups: tuple[GroupBy, ...]) -> ReportTotals:
    """Return empty totals for the week that begins on this day."""
    since, until = days.day(first).begin, days.day(first + _WEEK).begin
    return ReportTotals(Plan(since=since, until=until, zone=days.zone, groups=groups), days)


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


def _recent_tasks(running: Row | None, recent: list[Row], now: datetime) -> list[RecentTask]:
    """Return the most recently tracked tasks. The one with the running timer is first, tracked until now."""
    first = [] if running is None else [{**running, "last_ended_at": naive_utc(now)}]
    others = [task for task in recent if running is None or task["_id"] != running["_id"]]
    return [
        {
            "id": str(task["_id"]),
            "title": task["title"],
            "project_id": str(task["project_id"]) if task["project_id"] else None,
            "status": task["status"],
            "tracked_seconds": task["tracked_seconds"],
            "last_tracked_at": rfc3339(task["last_ended_at"]),
        }
        for task in [*first, *others][:RECENT_TASKS]
    ]


report_service = ReportService()
