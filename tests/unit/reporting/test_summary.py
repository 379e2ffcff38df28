"""Report totals compared with a count of single seconds, and with each other."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.errors import ValidationError
from services.common.calendar_days import LocalDays
from services.common.rounding import Rounding
from services.reporting.clock_hours import LocalHours
from services.reporting.row_keys import TIME_KEYS, GroupBy, TrackedEntry, TrackedTask, row_label
from services.reporting.schemas import SummaryRow
from services.reporting.summary import MAX_SLICES, Plan, ReportTotals, Total, run_without_pauses
from tests.unit.test_calendar_days import changes

HOUR = 3600
UNUSUAL_ZONES = (
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "America/Asuncion",
    "Asia/Kathmandu",
    "America/Goose_Bay",
    "Africa/Monrovia",
    "Pacific/Kwajalein",
    "Europe/Berlin",
    "America/St_Johns",
    "Africa/Casablanca",
    "Antarctica/Troll",
)
ALL_GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
GROUPS: tuple[GroupBy, ...] = tuple(group for group in ALL_GROUPS if group != "tag")
"""The groups whose rows do not overlap."""
TASKS = [
    TrackedTask("1", "a", "p", "Site", "Ada", "pending", ("web",)),
    TrackedTask("2", "b", "q", "Shop", None, "completed", ()),
    TrackedTask("3", "c", None, None, None, "pending", ("web", "mail")),
]

Tracked = list[tuple[TrackedTask, TrackedEntry]]


@st.composite
def time_ranges(draw: st.DrawFn, zone: str) -> tuple[int, int]:
    """A time range of at most five hours near a midnight, mostly one with a change of the offset."""
    changed = draw(st.sampled_from(changes(zone) or [date(2026, 3, 29)]))
    noon = datetime(changed.year, changed.month, changed.day, 12, tzinfo=UTC) + timedelta(days=draw(st.integers(-1, 1)))
    around = [
        day.begin
        for distance in (-1, 0, 1)
        for day in [LocalDays(ZoneInfo(zone)).day(noon.date() + timedelta(distance))]
    ]
    begin = draw(st.sampled_from(around)) + draw(st.integers(-3 * HOUR, 3 * HOUR))
    return begin, begin + draw(st.integers(0, 5 * HOUR))


@st.composite
def mixed_entries(draw: st.DrawFn) -> Tracked:
    """Entries of a few tasks within three weeks."""
    monday = int(datetime(2026, 10, 19, tzinfo=UTC).timestamp())
    entries: Tracked = []
    for _ in range(draw(st.integers(0, 8))):
        begin = monday + draw(st.integers(0, 20 * 24 * HOUR))
        amount, currency = draw(st.sampled_from([(0, None), (9550, "EUR"), (1, "EUR"), (7777, "USD")]))
        entry = TrackedEntry(
            begin,
            begin + draw(st.integers(0, 40 * HOUR)),
            currency is not None,
            amount,
            currency,
            draw(st.sampled_from([(), ("mail",), ("mail", "slow")])),
            "entry",
        )
        entries.append((draw(st.sampled_from(TASKS)), entry))
    return entries


roundings = st.one_of(st.none(), st.builds(Rounding, st.sampled_from(["up", "nearest", "down"]), st.integers(1, 90)))
scopes = st.sampled_from(["entry", "day", "total"])


def make_plan(*groups: GroupBy, **fields: Any) -> Plan:
    weeks = {
        "since": int(datetime(2026, 10, 20, 5, tzinfo=UTC).timestamp()),
        "until": int(datetime(2026, 11, 5, 7, tzinfo=UTC).timestamp()),
        "zone": ZoneInfo("Europe/Berlin"),
    }
    return Plan(groups=groups, **{**weeks, **fields})


def compute(plan: Plan, tracked: Tracked) -> tuple[Total, list[SummaryRow]]:
    totals = ReportTotals(plan)
    for task, entry in tracked:
        run_without_pauses(totals.add(task, [entry]))
    return run_without_pauses(totals.result())


def count_seconds(plan: Plan, begin: int, end: int) -> Counter[date]:
    """Count the seconds of each day one by one. The day is the latest local date so far."""
    days: Counter[date] = Counter()
    since, until = max(begin, plan.since), min(end, plan.until)
    # No zone has set its clocks back by more than 300 minutes.
    local_date = max(datetime.fromtimestamp(since - minute * 60, plan.zone).date() for minute in range(300))
    for second in range(since, until):
        local_date = max(local_date, datetime.fromtimestamp(second, plan.zone).date())
        days[local_date] += 1
    return days


class TestDays:
    @examples(max_examples=60)  # finding the offset changes of a zone takes long
    @given(st.sampled_from(UNUSUAL_ZONES), st.data())
    def test_seconds_of_days_equal_a_count_of_single_seconds(self, name: str, data: st.DataObject) -> None:
        (since, until), (begin, end) = data.draw(time_ranges(name)), data.draw(time_ranges(name))
        if since == until:
            until += 1
        if data.draw(st.booleans()):
            since, until = begin - HOUR, end + HOUR
        zone = ZoneInfo(name)
        entry = TrackedEntry(begin, end)
        counts = count_seconds(Plan(since=since, until=until, zone=zone, groups=("day",)), begin, end)
        keys: dict[GroupBy, Callable[[date], str]] = {
            "day": date.isoformat,
            "month": lambda day: f"{day:%Y-%m}",
            "quarter": lambda day: f"{day:%Y}-Q{(day.month - 1) // 3 + 1}",
            "year": lambda day: f"{day:%Y}",
            "weekday": lambda day: f"{(int(day.strftime('%w')) + 6) % 7}",
            "week": lambda day: date.fromisocalendar(*day.isocalendar()[:2], 1).isoformat(),
        }
        for group, key_of in keys.items():
            plan = Plan(since=since, until=until, zone=zone, groups=(group,))
            expected: Counter[str] = Counter()
            for day, seconds in counts.items():
                expected[key_of(day)] += seconds
            total, rows = compute(plan, [(TASKS[0], entry)])
            assert {row["key"]: row["seconds"] for row in rows if row["seconds"]} == expected
            assert total.seconds == counts.total() == max(0, min(end, until) - max(begin, since))


class TestHours:
    @examples(max_examples=60)  # finding the offset changes of a zone takes long
    @given(st.sampled_from(UNUSUAL_ZONES), st.data())
    def test_seconds_of_hours_equal_a_count_of_single_seconds(self, name: str, data: st.DataObject) -> None:
        (begin, end), zone = data.draw(time_ranges(name)), ZoneInfo(name)
        plan = Plan(since=begin - HOUR, until=end + HOUR, zone=zone, groups=("hour",), explain=True)
        expected = Counter(f"{datetime.fromtimestamp(second, zone):%H}" for second in range(begin, end))
        total, rows = compute(plan, [(TASKS[0], TrackedEntry(begin, end))])
        assert {row["key"]: row["seconds"] for row in rows if row["seconds"]} == expected
        assert total.seconds == end - begin
        pieces = sorted((piece["from"], piece["to"]) for row in rows for piece in row["slices"])
        assert all(until == since for (_, until), (since, _) in pairwise(pieces))
        # A slice begins only where the local day or hour changes.
        days = LocalDays(zone)
        hours = [(days.day_at(second).date, datetime.fromtimestamp(second, zone).hour) for second in range(begin, end)]
        assert len(pieces) == (1 + sum(one != other for one, other in pairwise(hours)) if begin < end else 1)

    def test_hour_begins_at_a_change_of_the_offset(self) -> None:
        """On this day the clocks of St. John's were set from 00:01 to 01:01."""
        days = LocalDays(ZoneInfo("America/St_Johns"))
        day = days.day(date(2010, 3, 14))
        parts = LocalHours(days).split_at_hours(day.date, day.begin, day.begin + 2 * HOUR)
        bounds = [(hour, begin - day.begin, end - day.begin) for hour, begin, end in parts]
        assert bounds == [(0, 0, 60), (1, 60, HOUR), (2, HOUR, 2 * HOUR)]

    def test_repeated_hour_is_one_slice(self) -> None:
        begin = int(datetime(2026, 10, 24, 23, 30, tzinfo=UTC).timestamp())
        tracked: Tracked = [(TASKS[0], TrackedEntry(begin, begin + 3 * HOUR))]
        rows = compute(make_plan("hour", explain=True, rounding=Rounding("up", 45)), tracked)[1]
        assert [(row["key"], [piece["seconds"] for piece in row["slices"]]) for row in rows] == [
            ("01", [HOUR // 2]),
            ("02", [2 * HOUR]),
            ("03", [HOUR // 2]),
        ]
        assert [row["rounded_seconds"] for row in rows] == [45 * 60, 3 * 45 * 60, 45 * 60]

    def test_hours_nested_in_days_add_up_to_the_hours(self) -> None:
        begin = make_plan("hour").since
        tracked: Tracked = [(TASKS[0], TrackedEntry(begin - HOUR, begin + 40 * HOUR))]
        by_hour = Counter({row["key"]: row["seconds"] for row in compute(make_plan("hour"), tracked)[1]})
        for groups in (("day", "hour"), ("task", "hour")):
            inside: Counter[str | None] = Counter()
            for row in compute(make_plan(*groups), tracked)[1]:
                assert [inner["key"] for inner in row["rows"]] == sorted(inner["key"] or "" for inner in row["rows"])
                inside.update({inner["key"]: inner["seconds"] for inner in row["rows"]})
            assert inside == by_hour
        inverted = compute(make_plan("hour", "day", fill=True), tracked)[1]
        assert [row["key"] for row in inverted] == [f"{hour:02}" for hour in range(24)]
        assert Counter({row["key"]: row["seconds"] for row in inverted}) == by_hour


class TestRows:
    @examples(max_examples=40)
    @given(mixed_entries(), st.sampled_from(UNUSUAL_ZONES))
    def test_rows_add_up_to_the_total_for_every_group(self, tracked: Tracked, zone: str) -> None:
        within = [
            max(0, min(entry.end, make_plan("day").until) - max(entry.begin, make_plan("day").since))
            for _, entry in tracked
        ]
        for group in ALL_GROUPS:
            total, rows = compute(make_plan(group, zone=ZoneInfo(zone), explain=True), tracked)
            assert total.seconds == total.rounded == sum(within)
            assert group == "tag" or sum(row["seconds"] for row in rows) == sum(within)
            for row in rows:
                assert row["rounded_seconds"] == row["seconds"] == sum(piece["seconds"] for piece in row["slices"])
                assert [piece["from"] for piece in row["slices"]] == sorted(piece["from"] for piece in row["slices"])

    @examples(max_examples=60)
    @given(mixed_entries(), st.sampled_from(GROUPS), st.sampled_from(GROUPS), roundings, scopes)
    def test_rows_of_both_levels_add_up_to_the_total(
        self, tracked: Tracked, first: GroupBy, second: GroupBy, rounding: Rounding | None, scope: Any
    ) -> None:
        if first == second:
            return
        total, rows = compute(make_plan(first, second, rounding=rounding, scope=scope), tracked)
        assert total.seconds == sum(row["seconds"] for row in rows)
        for row in rows:
            assert row["seconds"] == sum(inner["seconds"] for inner in row["rows"])
            if scope == "entry" and "hour" not in {first, second}:
                assert row["rounded_seconds"] == sum(inner["rounded_seconds"] for inner in row["rows"])

    @examples(max_examples=40)
    @given(mixed_entries(), roundings, scopes, st.randoms(use_true_random=False))
    def test_rows_do_not_depend_on_the_order_of_the_entries(
        self, tracked: Tracked, rounding: Rounding | None, scope: Any, random: Any
    ) -> None:
        plan = make_plan("tag", "task", rounding=rounding, scope=scope)
        mixed = list(tracked)
        random.shuffle(mixed)
        assert compute(plan, tracked) == compute(plan, mixed)

    @examples(max_examples=40)
    @given(mixed_entries(), st.integers(1, 16 * 24 * HOUR))
    def test_rows_of_adjacent_ranges_add_up(self, tracked: Tracked, length: int) -> None:
        whole = make_plan("day")
        cut = whole.since + length
        if cut >= whole.until:
            return
        parts_total: Counter[str | None] = Counter()
        for part in (make_plan("day", until=cut), make_plan("day", since=cut)):
            parts_total.update({row["key"]: row["seconds"] for row in compute(part, tracked)[1]})
        assert parts_total == Counter({row["key"]: row["seconds"] for row in compute(whole, tracked)[1]})

    @pytest.mark.parametrize("group", ALL_GROUPS)
    def test_fill_adds_empty_rows_and_changes_no_others(self, group: GroupBy) -> None:
        entry = TrackedEntry(make_plan(group).since + HOUR, make_plan(group).since + 2 * HOUR)
        until = int(datetime(2028, 2, 29, tzinfo=UTC).timestamp())
        total, rows = compute(make_plan(group, until=until), [(TASKS[0], entry)])
        filled, all_rows = compute(make_plan(group, until=until, fill=True), [(TASKS[0], entry)])
        assert filled == total
        assert [row for row in all_rows if row["seconds"]] == rows
        assert (len(all_rows) > len(rows)) == (group in TIME_KEYS)


class TestLargeReport:
    def test_computation_pauses_regularly(self) -> None:
        totals = ReportTotals(make_plan("task", "day", since=0))
        year = TrackedEntry(0, 400 * 24 * HOUR)
        # Each of the 400 days is added to three rows: the grand total, the task and the day.
        assert len(list(totals.add(TASKS[0], [year] * 5))) == 5 * 400 * 3 // 252
        for number in range(1000):
            run_without_pauses(totals.add(TrackedTask(str(number)), [TrackedEntry(0, 10)]))
        # There are 1,001 rows with 1,400 in them: each is totalled, merged and read.
        assert len(list(totals.result())) >= (2402 + 2401 + 2401) // 250

    def test_too_many_slices_are_refused(self) -> None:
        totals = ReportTotals(make_plan("day", "tag", explain=True))
        entry = TrackedEntry(totals.plan.since, totals.plan.since + 1, tags=("a", "b"))
        run_without_pauses(totals.add(TASKS[1], [entry] * (MAX_SLICES // 2)))
        with pytest.raises(ValidationError) as refused:
            run_without_pauses(totals.add(TASKS[1], [entry]))
        assert [wrong.parameter for wrong in refused.value.errors] == ["explain"]

    def test_too_many_rows_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.reporting.summary.MAX_ROWS", 2)
        totals = ReportTotals(make_plan("task"))
        entry = TrackedEntry(totals.plan.since, totals.plan.since + 1)
        for task in TASKS[:2]:
            run_without_pauses(totals.add(task, [entry]))
        with pytest.raises(ValidationError) as refused:
            run_without_pauses(totals.add(TASKS[2], [entry]))
        assert [wrong.parameter for wrong in refused.value.errors] == ["group_by"]


class TestRowLabel:
    def test_project_that_was_deleted_meanwhile_is_named_by_its_id(self) -> None:
        assert row_label("project", "6b09ff28", TrackedTask("1", project_id="6b09ff28")) == "6b09ff28"


class TestLocalDays:
    @pytest.mark.parametrize("zone", UNUSUAL_ZONES)
    def test_days_are_contiguous_from_the_first_to_the_last_year(self, zone: str) -> None:
        days = LocalDays(ZoneInfo(zone))
        for year in (1970, 2011, 2026, 9998):
            begin = days.day_at(int(datetime(year, 1, 1, tzinfo=UTC).timestamp()))
            for _ in range(3):
                after = days.day_at(begin.end)
                assert after.begin == begin.end < after.end
                assert after.date > begin.date
                assert days.day(after.date) == after
                begin = after
