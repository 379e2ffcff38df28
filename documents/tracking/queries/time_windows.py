"""Windows of a long time range, so that the cost of a page depends on its size and not on the range."""

from datetime import datetime, timedelta

from documents.tracking.queries.paged_rows import ONE_MILLISECOND

SINGLE_WINDOW_LENGTH = timedelta(days=32)
"""A range of at most this length is one window. It covers the default range of a list."""

FIRST_WINDOW_LENGTH = timedelta(days=8)
"""The length of the first window of a longer range."""

LONG_WINDOW_LENGTH = timedelta(days=128)
"""After an empty window of this length, a query for the nearest tracked time pays off."""

_GROWTH = 4


class TimeWindows:
    """The windows [low, high) of a time range, in ascending or descending order.

    The windows cover the range without overlaps. They grow while they contain few entries. All time
    after `ahead` is one window, because hardly any time is tracked in the future.
    """

    def __init__(self, since: datetime, until: datetime, *, ahead: datetime, descending: bool) -> None:
        self._low = since
        self._high = until
        self._ahead = ahead
        self._descending = descending
        self._length = FIRST_WINDOW_LENGTH if until - since > SINGLE_WINDOW_LENGTH else SINGLE_WINDOW_LENGTH
        self._was_ahead = False

    @property
    def is_exhausted(self) -> bool:
        """Whether the windows have covered the whole range."""
        return self._low >= self._high

    @property
    def edge(self) -> datetime:
        """The bound at which the next window begins: its high end when descending, else its low end."""
        return self._high if self._descending else self._low

    def take(self) -> tuple[datetime, datetime]:
        """Return the next window."""
        low, high = self._low, self._high
        length = min(self._length, high - low)
        self._was_ahead = self._ahead < high if self._descending else self._ahead <= low
        if self._descending:
            self._high = low = max(low, self._ahead if self._was_ahead else high - length)
        else:
            self._low = high = high if self._was_ahead else min(low + length, self._ahead)
        return low, high

    def adjust_length(self, *, entry_count: int, limit: int) -> bool:
        """Set the length of the next window by the number of entries in the last one and the limit of the page.

        Returns whether the last window was empty and long.
        """
        if self._was_ahead:
            return False
        was_long = self._length >= LONG_WINDOW_LENGTH
        growth = _GROWTH if entry_count == 0 else min(_GROWTH, max(1, 2 * limit // entry_count))
        self._length = min(self._length, timedelta.max / _GROWTH) * growth
        return entry_count == 0 and was_long

    def skip_to(self, edge: datetime | None) -> bool:
        """Skip the time up to `edge`, in which no entry starts, or all remaining time when `edge` is None.

        The earliest instant of the range is not skipped otherwise, because earlier entries can extend into it.
        Returns whether the skip was longer than a window. The next window is then short again.
        """
        before = self.edge
        if edge is None:
            self._low = self._high
        elif self._descending:
            self._high = max(min(edge, self._high), self._low + ONE_MILLISECOND)
        else:
            self._low = min(max(edge, self._low), self._high)
        if abs(before - self.edge) < self._length:
            return False
        self._length = FIRST_WINDOW_LENGTH
        return True
