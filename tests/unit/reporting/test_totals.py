"""The totals of a report: the same whatever its rows are about, and what exact arithmetic makes of the entries."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.common.rounding import Rounding
from services.reporting.row_keys import GroupBy, TrackedEntry
from services.reporting.summary import Plan, Total
from tests.unit.reporting.test_summary import (
    ALL_GROUPS,
    HOUR,
    TASKS,
    Tracked,
    added_up,
    entries_of_all_kinds,
    plan_of,
    roundings,
    scopes,
)

PRICES = [(9550, "EUR"), (12345, "EUR"), (1, "EUR"), (7777, "USD"), (5000, "JPY"), (0, "JPY"), (0, None)]


@st.composite
def busy_weeks(draw: st.DrawFn) -> Tracked:
    """Many entries of any length, most of them with a price, evenly mixed."""
    chance = draw(st.randoms(use_true_random=True))
    monday = plan_of("day").since - 24 * HOUR
    made: Tracked = []
    for _ in range(chance.randint(1, 40)):
        begin = monday + chance.randrange(20 * 24 * HOUR)
        amount, currency = chance.choice(PRICES)
        length = chance.choice((0, 1, 900, chance.randrange(HOUR), chance.randrange(40 * HOUR)))
        own_tags = chance.choice(((), ("mail",), ("mail", "slow")))
        entry = TrackedEntry(begin, begin + length, currency is not None, amount, currency, own_tags, "entry")
        made.append((chance.choice(TASKS), entry))
    return made


anything = st.one_of(entries_of_all_kinds(), busy_weeks())
groupings = st.lists(st.sampled_from(ALL_GROUPS), min_size=1, max_size=2, unique=True)


def by_exact_arithmetic(plan: Plan, tracked: Tracked) -> Total:
    """The totals, computed from the entries alone: first the time that is rounded as one, then money, rounded once."""
    together: dict[object, list[tuple[int, int, str | None]]] = defaultdict(list)
    number = 0
    for _, entry in tracked:
        begin, end = max(entry.begin, plan.since), min(entry.end, plan.until)
        for day, seconds in seconds_by_day(plan, begin, end) if begin < end else ():
            number += 1
            unit = {"entry": number, "day": day, "total": None}[plan.scope]
            together[unit].append((seconds, entry.amount, entry.currency))
    total = billed_total = 0
    money: dict[str, Fraction] = defaultdict(Fraction)
    for parts in together.values():
        tracked_seconds = sum(seconds for seconds, _, _ in parts)
        billed = rounded_by_hand(tracked_seconds, plan.rounding)
        total += tracked_seconds
        billed_total += billed
        for seconds, price, currency in parts:
            if currency is not None:
                money[currency] += Fraction(price * seconds * billed, 3600 * tracked_seconds)
    return Total(total, billed_total, {currency: round(amount) for currency, amount in money.items()})


def seconds_by_day(plan: Plan, begin: int, end: int) -> Iterator[tuple[date, int]]:
    """The seconds of [begin, end) on each day of a zone in which all days begin at midnight."""
    while begin < end:
        day = datetime.fromtimestamp(begin, plan.zone).date()
        after = day + timedelta(days=1)
        midnight = int(datetime(after.year, after.month, after.day, tzinfo=plan.zone).timestamp())
        yield day, min(end, midnight) - begin
        begin = midnight


def rounded_by_hand(seconds: int, rounding: Rounding | None) -> int:
    if rounding is None:
        return seconds
    rest = seconds % (rounding.minutes * 60)
    below, above = seconds - rest, seconds - rest + rounding.minutes * 60
    if rest == 0 or rounding.mode == "down":
        return below
    return above if rounding.mode == "up" or seconds - below >= above - seconds else below


class TestTheTotalsOfAReport:
    @examples(max_examples=150, deadline=None)
    @given(anything, groupings, roundings, scopes)
    def test_are_those_of_exact_arithmetic_for_every_grouping(
        self, tracked: Tracked, groups: list[GroupBy], rounding: Rounding | None, scope: Any
    ) -> None:
        plan = plan_of(*groups, rounding=rounding, scope=scope)
        added, _ = added_up(plan, tracked)
        wanted = by_exact_arithmetic(plan, tracked)
        assert added == Total(wanted.seconds, wanted.rounded, {**dict.fromkeys(added.amounts, 0), **wanted.amounts})

    @examples(max_examples=60, deadline=None)
    @given(anything, roundings, scopes)
    def test_are_equal_in_all_reports_of_the_same_entries(
        self, tracked: Tracked, rounding: Rounding | None, scope: Any
    ) -> None:
        plans = [plan_of(group, rounding=rounding, scope=scope) for group in ALL_GROUPS]
        plans += [plan_of(group, "tag", rounding=rounding, scope=scope) for group in ALL_GROUPS if group != "tag"]
        first, *others = [added_up(plan, tracked)[0] for plan in plans]
        assert all(other == first for other in others)

    @examples(max_examples=60, deadline=None)
    @given(anything, groupings, st.sampled_from(ALL_GROUPS), roundings, scopes)
    def test_of_a_row_do_not_depend_on_the_rows_inside_it(
        self, tracked: Tracked, groups: list[GroupBy], other: GroupBy, rounding: Rounding | None, scope: Any
    ) -> None:
        outer, *_ = groups
        alone = added_up(plan_of(outer, rounding=rounding, scope=scope), tracked)[1]
        inside = other if other != outer else "status" if outer != "status" else "client"
        for row in (rows := added_up(plan_of(outer, inside, rounding=rounding, scope=scope), tracked)[1]):
            del row["rows"]
        assert rows == alone

    @examples(max_examples=60, deadline=None)
    @given(anything, st.sampled_from(ALL_GROUPS), roundings)
    def test_differ_from_the_rows_by_their_rounding_alone(
        self, tracked: Tracked, group: GroupBy, rounding: Rounding | None
    ) -> None:
        if group in {"tag", "hour"}:  # rows of tags overlap, hours are slices of their own
            return
        added, rows = added_up(plan_of(group, rounding=rounding), tracked)
        for currency, amount in added.amounts.items():
            shown = [each["amount"] for row in rows for each in row["amounts"] if each["currency"] == currency]
            assert 2 * abs(sum(shown) - amount) <= len(shown) + 1
