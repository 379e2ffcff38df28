"""Dividing a long range of time into windows, so that a page costs what it shows and not what the range holds."""

from datetime import datetime, timedelta

from documents.tracking.queries.entry_filter import ONE_MILLISECOND

SINGLE_WINDOW_LENGTH = timedelta(days=32)
"""A range of this length, as that of a list for which no range is sent, is one window."""

FIRST_WINDOW_LENGTH = timedelta(days=8)
"""How long the first window of a longer range is."""

LONG_WINDOW_LENGTH = timedelta(days=128)
"""When so long a window is empty, it is worth a query to find out where there is anything at all."""

_GROWTH = 4


class TimeWindows:
    """The windows [low, high) of a range, from its late end back when `descending`, else from its early end on.

    They do not overlap and leave nothing out. They grow while little is found in them. What lies
    after `ahead` is one window: hardly any time is tracked in the future.
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
        """Whether nothing is left of the range."""
        return self._low >= self._high

    @property
    def edge(self) -> datetime:
        """Where the next window begins: at its high end when descending, else at its low end."""
        return self._high if self._descending else self._low

    def take(self) -> tuple[datetime, datetime]:
        """The next window."""
        low, high = self._low, self._high
        length = min(self._length, high - low)
        self._was_ahead = self._ahead < high if self._descending else self._ahead <= low
        if self._descending:
            self._high = low = max(low, self._ahead if self._was_ahead else high - length)
        else:
            self._low = high = high if self._was_ahead else min(low + length, self._ahead)
        return low, high

    def adjust_length(self, *, found: int, wanted: int) -> bool:
        """Chooses the length of the next window by what was found in the last one; whether that was empty and long."""
        if self._was_ahead:
            return False
        was_long = self._length >= LONG_WINDOW_LENGTH
        growth = _GROWTH if found == 0 else min(_GROWTH, max(1, 2 * wanted // found))
        self._length = min(self._length, timedelta.max / _GROWTH) * growth
        return found == 0 and was_long

    def skip_to(self, edge: datetime | None) -> bool:
        """Leaves out the time up to `edge`, in which nothing begins; all that is left when `edge` is None.

        The earliest instant of the range is never left out otherwise, since there entries reach into it.
        Returns whether that was worth the query that has found it: the windows are short again then.
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
