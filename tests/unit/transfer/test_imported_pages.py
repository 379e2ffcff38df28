"""The distribution of imported entries between a task and its pages."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.common.base import Row
from documents.tracking.page_turns import MAX_PAGE_BYTES
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import MAX_HOT_ENTRIES, Task
from documents.transfer import imported_pages
from documents.transfer.imported_pages import MAX_HOT_BYTES, MAX_NEW_HOT_BYTES, entry_bytes, place_entries
from tests.support.stored_documents import NINE, ended_entry


def entries_of(count: int, **fields: object) -> list[Row]:
    return [ended_entry(at=NINE + timedelta(hours=number), minutes=1, **fields) for number in range(count)]


def total_bytes(entries: list[Row]) -> int:
    return sum(map(entry_bytes, entries))


class TestPlaceEntries:
    @given(
        count=st.integers(0, 1300), hot_count=st.integers(0, 2000), is_last=..., order=st.randoms(use_true_random=True)
    )
    def test_each_entry_is_in_one_place_and_the_newest_are_hot(
        self, count: int, hot_count: int, is_last: bool, order: Random
    ) -> None:
        entries = entries_of(count)
        shuffled = order.sample(entries, count)
        placement = place_entries(shuffled, hot_count=hot_count, is_last=is_last)
        assert [entry for page in placement.pages for entry in page] + placement.hot == entries
        assert all(0 < len(page) <= TaskPage.capacity for page in placement.pages)
        assert {len(page) for page in placement.pages[:-1]} <= {TaskPage.capacity}

    @given(count=st.integers(1, 1300), hot_count=st.integers(0, 2000), is_last=...)
    def test_task_stays_small(self, count: int, hot_count: int, is_last: bool) -> None:
        placement = place_entries(entries_of(count), hot_count=hot_count, is_last=is_last)
        new = len(placement.hot)
        assert new <= Task.paged_at_once or hot_count + new <= Task.hot_entries
        assert new == 0 or hot_count + new < MAX_HOT_ENTRIES
        if placement.pages:
            assert new <= Task.paged_at_once

    @pytest.mark.parametrize(
        ("count", "hot_count", "is_last", "hot"),
        [
            (200, 0, True, 200),
            (201, 0, True, 100),
            (201, 0, False, 0),
            (100, 150, True, 100),
            (101, 150, True, 50),
            (101, 250, True, 0),
            (100, 1950, True, 49),
        ],
    )
    def test_number_of_new_hot_entries(self, count: int, hot_count: int, is_last: bool, hot: int) -> None:
        assert len(place_entries(entries_of(count), hot_count=hot_count, is_last=is_last).hot) == hot

    @pytest.mark.parametrize("task_bytes", [0, MAX_HOT_BYTES - 100_000, MAX_HOT_BYTES, MAX_HOT_BYTES * 2])
    def test_pages_and_new_hot_entries_are_limited_in_bytes(self, task_bytes: int) -> None:
        entries = entries_of(1000, note="€" * 20_000)
        placement = place_entries(entries[:200], task_bytes=task_bytes)
        assert total_bytes(placement.hot) <= max(0, min(MAX_NEW_HOT_BYTES, MAX_HOT_BYTES - task_bytes))
        assert (len(placement.hot) > 0) == (task_bytes < MAX_HOT_BYTES)
        placement = place_entries(entries)
        assert [entry for page in placement.pages for entry in page] + placement.hot == entries
        assert all(total_bytes(page) <= MAX_PAGE_BYTES for page in placement.pages)
        assert len(placement.pages) == -(-total_bytes(entries[: -len(placement.hot)]) // MAX_PAGE_BYTES)

    @pytest.mark.parametrize(("missing_bytes", "hot"), [(0, 2), (1, 1)])
    def test_new_hot_entries_may_have_exactly_the_maximum_size(
        self, monkeypatch: pytest.MonkeyPatch, missing_bytes: int, hot: int
    ) -> None:
        entries = entries_of(3)
        monkeypatch.setattr(imported_pages, "MAX_NEW_HOT_BYTES", total_bytes(entries[1:]) - missing_bytes)
        assert place_entries(entries).hot == entries[-hot:]
