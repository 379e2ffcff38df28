"""Totals of entries: those of a task are the sum of those of its parts."""

from datetime import timedelta

import pytest

from services.tracking.rules.invariants import add_totals, count_entries
from tests.support.stored_documents import NINE, ended_entry


@pytest.mark.parametrize("hot", [0, 1, 3, 5])
def test_totals_of_two_parts_are_those_of_all_entries(hot: int) -> None:
    entries = [ended_entry(at=NINE + timedelta(hours=number), minutes=number + 1) for number in range(5)]
    assert add_totals(count_entries(entries[:hot]), count_entries(entries[hot:])) == count_entries(entries)
