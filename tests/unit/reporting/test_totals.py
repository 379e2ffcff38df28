"""The grand total of a report: independent of the grouping, and equal to exact arithmetic."""

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
    compute,
    make_plan,
    mixed_entries,
    roundings,
    scopes,
)

RATES = [(9550, "EUR"), (12345, "EUR"), (1, "EUR"), (7777, "USD"), (5000, "JPY"), (0, "JPY"), (0, None)]


@st.composite
def busy_weeks(draw: st.DrawFn) -> Tracked:
    """Up to 40 entries of any length, most of them with a rate."""
    randomness = draw(st.randoms(use_true_random=True))
    monday = make_plan("day").since - 24 * HOUR
    entries: Tracked = []
    for _ in range(randomness.randint(1, 40)):
        begin = monday + randomness.randrange(20 * 24 * HOUR)
        amount, currency = randomness.choice(RATES)
        length = randomness.choice((0, 1, 900, randomness.randrange(HOUR), randomness.randrange(40 * HOUR)))
        own_tags = randomness.choice(((), ("mail",), ("mail", "slow")))
        entry = TrackedEntry(begin, begin + length, currency is not None, amount, currency, own_tags, "entry")
        entries.append((randomness.choice(TASKS), entry))
    return entries


any_entries = st.one_of(mixed_entries(), busy_weeks())
groupings = st.lists(st.sampled_from(ALL_GROUPS), min_size=1, max_size=2, unique=True)


def compute_exactly(plan: Plan, tracked: Tracked) -> Total:
    """Compute the total from the entries: round the time of each rounding unit, then the amounts once."""
    units: dict[object, list[tuple[int, int, str | None]]] = defaultdict(list)
    number = 0
    for _, entry in tracked:
        begin, end = max(entry.begin, plan.since), min(entry.end, plan.until)
        for day, seconds in seconds_by_day(plan, begin, end) if begin < end else ():
            number += 1
            unit = {"entry": number, "day": day, "total": None}[plan.scope]
            units[unit].append((seconds, entry.amount, entry.currency))
    total = rounded_total = 0
    money: dict[str, Fraction] = defaultdict(Fraction)
    for parts in units.values():
        tracked_seconds = sum(seconds for seconds, _, _ in parts)
        rounded = round_exactly(tracked_seconds, plan.rounding)
        total += tracked_seconds
        rounded_total += rounded
        for seconds, rate, currency in parts:
            if currency is not None:
                money[currency] += Fraction(rate * seconds * rounded, 3600 * tracked_seconds)
    return Total(total, rounded_total, {currency: round(amount) for currency, amount in money.items()})


def seconds_by_day(plan: Plan, begin: int, end: int) -> Iterator[tuple[date, int]]:
    """Yield the seconds of [begin, end) on each day, in a zone where all days begin at midnight."""
    while begin < end:
        day = datetime.fromtimestamp(begin, plan.zone).date()
        after = day + timedelta(days=1)
        midnight = int(datetime(after.year, after.month, after.day, tzinfo=plan.zone).timestamp())
        yield day, min(end, midnight) - begin
        begin = midnight


def round_exactly(seconds: int, rounding: Rounding | None) -> int:
    if rounding is None:
        return seconds
    rest = seconds % (rounding.minutes * 60)
    below, above = seconds - rest, seconds - rest + rounding.minutes * 60
    if rest == 0 or rounding.mode == "down":
        return below
    return above if rounding.mode == "up" or seconds - below >= above - seconds else below


class TestGrandTotal:
    @examples(max_examples=150)
    @given(any_entries, groupings, roundings, scopes)
    def test_total_equals_exact_arithmetic_for_every_grouping(
        self, tracked: Tracked, groups: list[GroupBy], rounding: Rounding | None, scope: Any
    ) -> None:
        plan = make_plan(*groups, rounding=rounding, scope=scope)
        total, _ = compute(plan, tracked)
        expected = compute_exactly(plan, tracked)
        assert total == Total(
            expected.seconds, expected.rounded, {**dict.fromkeys(total.amounts, 0), **expected.amounts}
        )

    @examples(max_examples=60)
    @given(any_entries, roundings, scopes)
    def test_total_is_equal_in_all_reports_of_the_same_entries(
        self, tracked: Tracked, rounding: Rounding | None, scope: Any
    ) -> None:
        plans = [make_plan(group, rounding=rounding, scope=scope) for group in ALL_GROUPS]
        plans += [make_plan(group, "tag", rounding=rounding, scope=scope) for group in ALL_GROUPS if group != "tag"]
        first, *others = [compute(plan, tracked)[0] for plan in plans]
        assert all(other == first for other in others)

    @examples(max_examples=60)
    @given(any_entries, groupings, st.sampled_from(ALL_GROUPS), roundings, scopes)
    def test_total_of_a_row_does_not_depend_on_its_subgroups(
        self, tracked: Tracked, groups: list[GroupBy], other: GroupBy, rounding: Rounding | None, scope: Any
    ) -> None:
        outer, *_ = groups
        alone = compute(make_plan(outer, rounding=rounding, scope=scope), tracked)[1]
        inside = other if other != outer else "status" if outer != "status" else "client"
        for row in (rows := compute(make_plan(outer, inside, rounding=rounding, scope=scope), tracked)[1]):
            del row["rows"]
        assert rows == alone

    @examples(max_examples=60)
    @given(any_entries, st.sampled_from(ALL_GROUPS), roundings)
    def test_total_differs_from_the_rows_only_by_their_rounding(
        self, tracked: Tracked, group: GroupBy, rounding: Rounding | None
    ) -> None:
        if group in {"tag", "hour"}:  # tags overlap, and hours split the slices
            return
        total, rows = compute(make_plan(group, rounding=rounding), tracked)
        for currency, amount in total.amounts.items():
            shown = [each["amount"] for row in rows for each in row["amounts"] if each["currency"] == currency]
            assert 2 * abs(sum(shown) - amount) <= len(shown) + 1
