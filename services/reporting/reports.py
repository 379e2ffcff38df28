"""Reports: tracked time added up, in the user's own days."""

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
from services.reporting.reader import Needs, add_ended, add_entries, in_pieces, running_until, tracked_task
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
from services.reporting.summary import Plan, ReportSums, read_amounts
from services.tracking.rules.ranges import TimeRange, build_entry_filter, parse_time_range
from services.tracking.schemas.timer import read_timer

RECENT_TASKS = 5
_WEEK = timedelta(days=7)


class ReportService:
    """The reports of the acting user, of live tasks alone."""

    async def summary(self, user: ActingUser, *, query: SummaryQuery) -> SummaryRead:
        """Tracked time by rows. Raises ValidationError for no time between from and to, or too large an answer."""
        asked = _in_whole_seconds(parse_time_range(user, query))
        sums = ReportSums(_plan(user, query, asked))
        running_seconds = await add_entries(
            user.id,
            sums,
            build_entry_filter(query, asked),
            now=utc_now(),
            include_running=query.include_running,
            money=True,
        )
        added, rows = await in_pieces(sums.result())
        return {
            "from": rfc3339(asked.since),
            "to": rfc3339(asked.until),
            "timezone": asked.zone.key,
            "week_start": sums.plan.week_start,
            "group_by": ",".join(query.group_by),
            "rounding": str(query.rounding) if query.rounding else None,
            "rounding_scope": query.rounding_scope,
            "total_seconds": added.seconds,
            "rounded_total_seconds": added.rounded,
            "running_seconds": running_seconds,
            "overlapping": "tag" in query.group_by,
            "amounts": read_amounts(added),
            "rows": rows,
        }

    async def timesheet(self, user: ActingUser, *, query: TimesheetQuery) -> TimesheetRead:
        """A week as a grid of tasks and days."""
        now, days = utc_now(), LocalDays(ZoneInfo(query.timezone or user.timezone))
        week_start = _week_start(user, query.week_start)
        first = first_of_week(query.date or days.day_at(int(now.timestamp())).date, week_start)
        sums = _sums_of_week(days, first, ("task", "day"))
        wanted = build_entry_filter(query, _time_of(sums.plan))
        await add_entries(user.id, sums, wanted, now=now, include_running=query.include_running, money=False)
        added, rows = await in_pieces(sums.result())
        dates = [(first + timedelta(days=number)).isoformat() for number in range(_WEEK.days)]
        grid = [_timesheet_row(sums, row, dates) for row in rows]
        return {
            "timezone": sums.plan.zone.key,
            "week_start": week_start,
            "days": dates,
            "rows": sorted(grid, key=lambda row: (row["title"], row["task_id"])),
            "day_totals": [sum(row["seconds"][number] for row in grid) for number in range(len(dates))],
            "total": added.seconds,
        }

    async def today(self, user: ActingUser, *, query: TodayQuery) -> TodayRead:
        """What a status bar shows: this day, this week, the running timer, and the tasks tracked last."""
        now, days = utc_now(), LocalDays(ZoneInfo(query.timezone or user.timezone))
        today = days.day_at(int(now.timestamp())).date
        sums = _sums_of_week(days, first_of_week(today, user.week_start), ("day",))
        # First: a timer that is stopped in between is then met twice and counted once, but never missed.
        running = await Task.find_running(user.id)
        but = None
        if running is not None:
            but = running["active"]["id"]
            await in_pieces(sums.add(tracked_task(running, None), [running_until(running["active"], now)]))
        asked = _time_of(sums.plan)
        wanted = EntryFilter(since=naive_utc(asked.since), until=naive_utc(asked.until))
        _, lately = await asyncio.gather(
            add_ended(user.id, sums, wanted, Needs.of(sums, money=False), None, but=but),
            Task.find_recently_tracked(user.id, limit=RECENT_TASKS + 1),
        )
        added, rows = await in_pieces(sums.result())
        return {
            "date": today.isoformat(),
            "timezone": sums.plan.zone.key,
            "week_start": user.week_start,
            "today_seconds": sum(row["seconds"] for row in rows if row["key"] == today.isoformat()),
            "week_seconds": added.seconds,
            "timer": None if running is None else read_timer(running, now),
            "recent_tasks": _recent_tasks(running, lately, now),
            "server_time": rfc3339(now),
        }


def _in_whole_seconds(asked: TimeRange) -> TimeRange:
    """The time without fractions of seconds, as entries begin and end: so that reports back to back add up."""
    whole = TimeRange(truncate_to_seconds(asked.since), truncate_to_seconds(asked.until), asked.zone)
    if whole.since == whole.until:
        raise ValidationError(errors=(FieldError("is not a whole second before to", parameter="from"),))
    return whole


def _plan(user: ActingUser, query: SummaryQuery, asked: TimeRange) -> Plan:
    return Plan(
        since=int(asked.since.timestamp()),
        until=int(asked.until.timestamp()),
        zone=asked.zone,
        groups=query.group_by,
        week_start=_week_start(user, query.week_start),
        rounding=query.rounding,
        scope=query.rounding_scope,
        fill=query.fill,
        explain=query.explain,
    )


def _week_start(user: ActingUser, asked: int | None) -> int:
    return user.week_start if asked is None else asked


def _sums_of_week(days: LocalDays, first: date, groups: tuple[GroupBy, ...]) -> ReportSums:
    """Sums of the week from this day on."""
    since, until = days.day(first).begin, days.day(first + _WEEK).begin
    return ReportSums(Plan(since=since, until=until, zone=days.zone, groups=groups), days)


def _time_of(plan: Plan) -> TimeRange:
    return TimeRange(datetime.fromtimestamp(plan.since, UTC), datetime.fromtimestamp(plan.until, UTC), plan.zone)


def _timesheet_row(sums: ReportSums, row: SummaryRow, dates: list[str]) -> TimesheetRow:
    task = sums.tasks[row["key"] or ""]
    by_day = {inner["key"]: inner["seconds"] for inner in row["rows"]}
    return {
        "task_id": task.id,
        "title": task.title,
        "project_id": task.project_id,
        "seconds": [by_day.get(day, 0) for day in dates],
        "total": row["seconds"],
    }


def _recent_tasks(running: Row | None, lately: list[Row], now: datetime) -> list[RecentTask]:
    """The tasks tracked last, each once: the one that runs is tracked until now."""
    first = [] if running is None else [{**running, "last_ended_at": naive_utc(now)}]
    others = [task for task in lately if running is None or task["_id"] != running["_id"]]
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
