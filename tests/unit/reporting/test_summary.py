"""The sums of reports against a count second by second, and against each other."""

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
from services.reporting.row_keys import TIME_KEYS, GroupBy, TrackedEntry, TrackedTask
from services.reporting.schemas import SummaryRow
from services.reporting.summary import MAX_SLICES, Plan, ReportTotals, Total, run_without_pauses
from tests.unit.test_calendar_days import changes

HOUR = 3600
STRANGE = (
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
"""Those whose rows do not overlap."""
TASKS = [
    TrackedTask("1", "a", "p", "Site", "Ada", "pending", ("web",)),
    TrackedTask("2", "b", "q", "Shop", None, "completed", ()),
    TrackedTask("3", "c", None, None, None, "pending", ("web", "mail")),
]

Tracked = list[tuple[TrackedTask, TrackedEntry]]


@st.composite
def stretches(draw: st.DrawFn, zone: str) -> tuple[int, int]:
    """A stretch of time of at most five hours near a midnight, most often one at which clocks are changed."""
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
def entries_of_all_kinds(draw: st.DrawFn) -> Tracked:
    """Entries of a few tasks within some weeks."""
    monday = int(datetime(2026, 10, 19, tzinfo=UTC).timestamp())
    made: Tracked = []
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
        made.append((draw(st.sampled_from(TASKS)), entry))
    return made


roundings = st.one_of(st.none(), st.builds(Rounding, st.sampled_from(["up", "nearest", "down"]), st.integers(1, 90)))
scopes = st.sampled_from(["entry", "day", "total"])


def plan_of(*groups: GroupBy, **fields: Any) -> Plan:
    weeks = {
        "since": int(datetime(2026, 10, 20, 5, tzinfo=UTC).timestamp()),
        "until": int(datetime(2026, 11, 5, 7, tzinfo=UTC).timestamp()),
        "zone": ZoneInfo("Europe/Berlin"),
    }
    return Plan(groups=groups, **{**weeks, **fields})


def added_up(plan: Plan, tracked: Tracked) -> tuple[Total, list[SummaryRow]]:
    sums = ReportTotals(plan)
    for task, entry in tracked:
        run_without_pauses(sums.add(task, [entry]))
    return run_without_pauses(sums.result())


def by_looking_at_a_clock(plan: Plan, begin: int, end: int) -> Counter[date]:
    """The seconds of each day, counted one by one. The day is the latest that the clock has shown so far."""
    days: Counter[date] = Counter()
    since, until = max(begin, plan.since), min(end, plan.until)
    # No clock was put back by more than this: what it has shown before does not matter.
    shown = max(datetime.fromtimestamp(since - minute * 60, plan.zone).date() for minute in range(300))
    for second in range(since, until):
        shown = max(shown, datetime.fromtimestamp(second, plan.zone).date())
        days[shown] += 1
    return days


class TestTheDaysOfAReport:
    @examples(max_examples=60, deadline=None)  # the changes of a zone are looked up when it is first met
    @given(st.sampled_from(STRANGE), st.data())
    def test_have_the_seconds_that_counting_one_by_one_finds(self, name: str, data: st.DataObject) -> None:
        (since, until), (begin, end) = data.draw(stretches(name)), data.draw(stretches(name))
        if since == until:
            until += 1
        if data.draw(st.booleans()):
            since, until = begin - HOUR, end + HOUR
        zone = ZoneInfo(name)
        entry = TrackedEntry(begin, end)
        counted = by_looking_at_a_clock(Plan(since=since, until=until, zone=zone, groups=("day",)), begin, end)
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
            wanted: Counter[str] = Counter()
            for day, seconds in counted.items():
                wanted[key_of(day)] += seconds
            added, rows = added_up(plan, [(TASKS[0], entry)])
            assert {row["key"]: row["seconds"] for row in rows if row["seconds"]} == wanted
            assert added.seconds == counted.total() == max(0, min(end, until) - max(begin, since))


class TestTheHoursOfAReport:
    @examples(max_examples=60, deadline=None)  # the changes of a zone are looked up when it is first met
    @given(st.sampled_from(STRANGE), st.data())
    def test_have_the_seconds_that_looking_at_a_clock_finds(self, name: str, data: st.DataObject) -> None:
        (begin, end), zone = data.draw(stretches(name)), ZoneInfo(name)
        plan = Plan(since=begin - HOUR, until=end + HOUR, zone=zone, groups=("hour",), explain=True)
        wanted = Counter(f"{datetime.fromtimestamp(second, zone):%H}" for second in range(begin, end))
        added, rows = added_up(plan, [(TASKS[0], TrackedEntry(begin, end))])
        assert {row["key"]: row["seconds"] for row in rows if row["seconds"]} == wanted
        assert added.seconds == end - begin
        pieces = sorted((piece["from"], piece["to"]) for row in rows for piece in row["slices"])
        assert all(until == since for (_, until), (since, _) in pairwise(pieces))
        # A new piece begins at a new day or another hour, and nowhere else.
        days = LocalDays(zone)
        shown = [(days.day_at(second).date, datetime.fromtimestamp(second, zone).hour) for second in range(begin, end)]
        assert len(pieces) == (1 + sum(one != other for one, other in pairwise(shown)) if begin < end else 1)

    def test_that_come_twice_are_one_slice(self) -> None:
        begin = int(datetime(2026, 10, 24, 23, 30, tzinfo=UTC).timestamp())
        tracked: Tracked = [(TASKS[0], TrackedEntry(begin, begin + 3 * HOUR))]
        rows = added_up(plan_of("hour", explain=True, rounding=Rounding("up", 45)), tracked)[1]
        assert [(row["key"], [piece["seconds"] for piece in row["slices"]]) for row in rows] == [
            ("01", [HOUR // 2]),
            ("02", [2 * HOUR]),
            ("03", [HOUR // 2]),
        ]
        assert [row["rounded_seconds"] for row in rows] == [45 * 60, 3 * 45 * 60, 45 * 60]

    def test_are_the_same_within_each_day_as_within_all(self) -> None:
        begin = plan_of("hour").since
        tracked: Tracked = [(TASKS[0], TrackedEntry(begin - HOUR, begin + 40 * HOUR))]
        by_hour = Counter({row["key"]: row["seconds"] for row in added_up(plan_of("hour"), tracked)[1]})
        for groups in (("day", "hour"), ("task", "hour")):
            inside: Counter[str | None] = Counter()
            for row in added_up(plan_of(*groups), tracked)[1]:
                assert [inner["key"] for inner in row["rows"]] == sorted(inner["key"] or "" for inner in row["rows"])
                inside.update({inner["key"]: inner["seconds"] for inner in row["rows"]})
            assert inside == by_hour
        turned = added_up(plan_of("hour", "day", fill=True), tracked)[1]
        assert [row["key"] for row in turned] == [f"{hour:02}" for hour in range(24)]
        assert Counter({row["key"]: row["seconds"] for row in turned}) == by_hour


class TestTheRowsOfAReport:
    @examples(max_examples=40, deadline=None)
    @given(entries_of_all_kinds(), st.sampled_from(STRANGE))
    def test_add_up_to_the_same_whatever_they_are_about(self, tracked: Tracked, zone: str) -> None:
        within = [
            max(0, min(entry.end, plan_of("day").until) - max(entry.begin, plan_of("day").since))
            for _, entry in tracked
        ]
        for group in ALL_GROUPS:
            added, rows = added_up(plan_of(group, zone=ZoneInfo(zone), explain=True), tracked)
            assert added.seconds == added.rounded == sum(within)
            assert group == "tag" or sum(row["seconds"] for row in rows) == sum(within)
            for row in rows:
                assert row["rounded_seconds"] == row["seconds"] == sum(piece["seconds"] for piece in row["slices"])
                assert [piece["from"] for piece in row["slices"]] == sorted(piece["from"] for piece in row["slices"])

    @examples(max_examples=60, deadline=None)
    @given(entries_of_all_kinds(), st.sampled_from(GROUPS), st.sampled_from(GROUPS), roundings, scopes)
    def test_of_two_levels_add_up_on_each(
        self, tracked: Tracked, first: GroupBy, second: GroupBy, rounding: Rounding | None, scope: Any
    ) -> None:
        if first == second:
            return
        added, rows = added_up(plan_of(first, second, rounding=rounding, scope=scope), tracked)
        assert added.seconds == sum(row["seconds"] for row in rows)
        for row in rows:
            assert row["seconds"] == sum(inner["seconds"] for inner in row["rows"])
            if scope == "entry" and "hour" not in {first, second}:
                assert row["rounded_seconds"] == sum(inner["rounded_seconds"] for inner in row["rows"])

    @examples(max_examples=40, deadline=None)
    @given(entries_of_all_kinds(), roundings, scopes, st.randoms(use_true_random=False))
    def test_are_the_same_in_whatever_order_the_entries_come(
        self, tracked: Tracked, rounding: Rounding | None, scope: Any, random: Any
    ) -> None:
        plan = plan_of("tag", "task", rounding=rounding, scope=scope)
        mixed = list(tracked)
        random.shuffle(mixed)
        assert added_up(plan, tracked) == added_up(plan, mixed)

    @examples(max_examples=40, deadline=None)
    @given(entries_of_all_kinds(), st.integers(1, 16 * 24 * HOUR))
    def test_of_two_times_back_to_back_add_up_to_those_of_the_whole(self, tracked: Tracked, length: int) -> None:
        whole = plan_of("day")
        cut = whole.since + length
        if cut >= whole.until:
            return
        halves: Counter[str | None] = Counter()
        for part in (plan_of("day", until=cut), plan_of("day", since=cut)):
            halves.update({row["key"]: row["seconds"] for row in added_up(part, tracked)[1]})
        assert halves == Counter({row["key"]: row["seconds"] for row in added_up(whole, tracked)[1]})

    @pytest.mark.parametrize("group", ALL_GROUPS)
    def test_of_days_without_time_are_filled_in_and_change_nothing_else(self, group: GroupBy) -> None:
        entry = TrackedEntry(plan_of(group).since + HOUR, plan_of(group).since + 2 * HOUR)
        until = int(datetime(2028, 2, 29, tzinfo=UTC).timestamp())
        added, rows = added_up(plan_of(group, until=until), [(TASKS[0], entry)])
        filled, all_rows = added_up(plan_of(group, until=until, fill=True), [(TASKS[0], entry)])
        assert filled == added
        assert [row for row in all_rows if row["seconds"]] == rows
        assert (len(all_rows) > len(rows)) == (group in TIME_KEYS)


class TestALongReport:
    def test_pauses_so_that_others_have_their_turn(self) -> None:
        sums = ReportTotals(plan_of("task", "day", since=0))
        year = TrackedEntry(0, 400 * 24 * HOUR)
        # Each of the 400 days is put into three rows: everything, the task and the day.
        assert len(list(sums.add(TASKS[0], [year] * 5))) == 5 * 400 * 3 // 252
        for number in range(1000):
            run_without_pauses(sums.add(TrackedTask(str(number)), [TrackedEntry(0, 10)]))
        # There are 1,001 rows with 1,400 in them: all are added up, merged and read.
        assert len(list(sums.result())) >= (2402 + 2401 + 2401) // 250

    def test_that_would_show_too_many_slices_is_refused(self) -> None:
        sums = ReportTotals(plan_of("day", "tag", explain=True))
        entry = TrackedEntry(sums.plan.since, sums.plan.since + 1, tags=("a", "b"))
        run_without_pauses(sums.add(TASKS[1], [entry] * (MAX_SLICES // 2)))
        with pytest.raises(ValidationError) as refused:
            run_without_pauses(sums.add(TASKS[1], [entry]))
        assert [wrong.parameter for wrong in refused.value.errors] == ["explain"]

    def test_that_would_have_too_many_rows_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.reporting.summary.MAX_ROWS", 2)
        sums = ReportTotals(plan_of("task"))
        entry = TrackedEntry(sums.plan.since, sums.plan.since + 1)
        for task in TASKS[:2]:
            run_without_pauses(sums.add(task, [entry]))
        with pytest.raises(ValidationError) as refused:
            run_without_pauses(sums.add(TASKS[2], [entry]))
        assert [wrong.parameter for wrong in refused.value.errors] == ["group_by"]


class TestTheDaysOfAZone:
    @pytest.mark.parametrize("zone", STRANGE)
    def test_follow_on_one_another_from_the_first_year_to_the_last(self, zone: str) -> None:
        days = LocalDays(ZoneInfo(zone))
        for year in (1970, 2011, 2026, 9998):
            begin = days.day_at(int(datetime(year, 1, 1, tzinfo=UTC).timestamp()))
            for _ in range(3):
                after = days.day_at(begin.end)
                assert after.begin == begin.end < after.end
                assert after.date > begin.date
                assert days.day(after.date) == after
                begin = after
