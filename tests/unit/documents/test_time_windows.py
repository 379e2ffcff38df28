"""The time windows in which a long range is read: pure arithmetic on instants."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from documents.tracking.queries.paged_rows import ONE_MILLISECOND
from documents.tracking.queries.time_windows import FIRST_WINDOW_LENGTH, TimeWindows

NOW = datetime(2026, 11, 18)  # noqa: DTZ001 -- as it is stored
AHEAD = NOW + timedelta(days=2)
FIRST_YEAR, LAST_YEAR = datetime(1970, 1, 1), datetime(9998, 12, 31)  # noqa: DTZ001

instants = st.datetimes(FIRST_YEAR, LAST_YEAR).map(lambda instant: instant.replace(microsecond=0))
ranges = st.tuples(instants, instants).filter(lambda pair: pair[0] != pair[1]).map(sorted)


def walk(windows: TimeWindows, entry_count: int = 0) -> list[tuple[datetime, datetime]]:
    """Return all windows, when each contains `entry_count` entries and the limit is 50."""
    actual = []
    while not windows.is_exhausted:
        actual.append(windows.take())
        windows.adjust_length(entry_count=entry_count, limit=50)
        assert len(actual) < 100_000
    return actual


class TestWindows:
    @given(ranges, st.booleans(), st.sampled_from([0, 1, 20, 50]))
    def test_windows_cover_the_range_without_gaps(
        self, whole: list[datetime], descending: bool, entry_count: int
    ) -> None:
        since, until = whole
        actual = walk(TimeWindows(since, until, ahead=AHEAD, descending=descending), entry_count)
        in_order = actual[::-1] if descending else actual
        assert (in_order[0][0], in_order[-1][1]) == (since, until)
        assert all(low < high for low, high in in_order)
        assert all(one[1] == other[0] for one, other in pairwise(in_order))

    @given(st.booleans())
    def test_empty_range_of_all_years_needs_few_windows(self, descending: bool) -> None:
        assert len(walk(TimeWindows(FIRST_YEAR, LAST_YEAR, ahead=AHEAD, descending=descending))) <= 11

    def test_range_in_the_future_is_one_window(self) -> None:
        back = TimeWindows(FIRST_YEAR, LAST_YEAR, ahead=AHEAD, descending=True)
        assert back.take() == (AHEAD, LAST_YEAR)
        assert back.adjust_length(entry_count=0, limit=50) is False
        assert back.take() == (AHEAD - FIRST_WINDOW_LENGTH, AHEAD)
        onwards = TimeWindows(AHEAD - timedelta(days=5), LAST_YEAR, ahead=AHEAD, descending=False)
        assert [onwards.take(), onwards.take()] == [(AHEAD - timedelta(days=5), AHEAD), (AHEAD, LAST_YEAR)]
        assert onwards.is_exhausted

    def test_unlimited_range_is_one_window(self) -> None:
        windows = TimeWindows(NOW - timedelta(days=31), NOW + timedelta(days=1), ahead=AHEAD, descending=True)
        assert windows.take() == (NOW - timedelta(days=31), NOW + timedelta(days=1))
        assert windows.is_exhausted

    def test_windows_grow_until_they_contain_enough(self) -> None:
        windows = TimeWindows(FIRST_YEAR, NOW, ahead=AHEAD, descending=True)
        lengths = []
        for entry_count in (0, 10, 40, 50, 200, 0):
            low, high = windows.take()
            lengths.append((high - low).days)
            windows.adjust_length(entry_count=entry_count, limit=50)
        assert lengths == [8, 32, 128, 256, 512, 512]


class TestSkip:
    def test_skip_is_tried_after_a_long_empty_window(self) -> None:
        windows = TimeWindows(FIRST_YEAR, NOW, ahead=AHEAD, descending=True)
        results = []
        for entry_count in (0, 0, 0, 1):
            windows.take()
            results.append(windows.adjust_length(entry_count=entry_count, limit=50))
        assert results == [False, False, True, False]

    def test_windows_are_short_after_a_skip(self) -> None:
        for descending, edge in ((True, datetime(1999, 1, 1)), (False, datetime(2010, 1, 1))):  # noqa: DTZ001
            windows = TimeWindows(FIRST_YEAR, NOW, ahead=AHEAD, descending=descending)
            windows.take()
            windows.adjust_length(entry_count=0, limit=50)
            assert windows.skip_to(edge) is True
            assert windows.edge == edge
            low, high = windows.take()
            assert high - low == FIRST_WINDOW_LENGTH

    def test_short_distance_is_not_skipped(self) -> None:
        windows = TimeWindows(FIRST_YEAR, NOW, ahead=AHEAD, descending=True)
        windows.take()
        windows.adjust_length(entry_count=0, limit=50)
        assert windows.skip_to(windows.edge - 3 * FIRST_WINDOW_LENGTH) is False
        assert windows.skip_to(windows.edge) is False

    def test_skip_past_the_end_keeps_the_earliest_instant(self) -> None:
        windows = TimeWindows(datetime(2020, 1, 1), NOW, ahead=AHEAD, descending=True)  # noqa: DTZ001
        windows.skip_to(FIRST_YEAR)
        assert windows.take() == (datetime(2020, 1, 1), datetime(2020, 1, 1) + ONE_MILLISECOND)  # noqa: DTZ001
        assert windows.is_exhausted

    def test_skip_without_further_entries_ends_the_windows(self) -> None:
        windows = TimeWindows(FIRST_YEAR, NOW, ahead=AHEAD, descending=False)
        assert windows.skip_to(None) is True
        assert windows.is_exhausted
