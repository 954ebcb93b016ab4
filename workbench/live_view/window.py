"""What a live view remembers: the newest rows of a topic, bounded in number and in time."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Row:
    """One record: when it happened (UTC), of which symbol, and its fields."""

    time: datetime
    symbol: str
    values: dict[str, Any]


class Window:
    """The newest rows: at most so many, and none older than so long before the newest.

    The clock is that of the events, so that a replayed day is shown like one of now.

    Parameters
    ----------
    rows
        Rows that are kept at most.
    length
        Time that is kept before the newest event.

    Examples
    --------
    >>> window = Window(rows=2, length=timedelta(minutes=1))
    >>> for second in (0, 1, 2):
    ...     window.add(Row(datetime(2024, 8, 9, 14, 0, second), "A", {}))
    >>> [row.time.second for row in window.rows()]
    [1, 2]
    """

    def __init__(self, rows: int, length: timedelta) -> None:
        self._rows: deque[Row] = deque(maxlen=rows)
        self._length = length
        #: Event time of the newest row so far; None before the first.
        self.newest: datetime | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def copy(self) -> Window:
        """Return the same rows in a window of their own."""
        other = Window(self._rows.maxlen or 0, self._length)
        other._rows.extend(self._rows)
        other.newest = self.newest
        return other

    def add(self, row: Row) -> None:
        """Take a row in; what is too old by then goes."""
        if self.newest is None or row.time > self.newest:
            self.newest = row.time
        self._rows.append(row)
        while self._rows and self._rows[0].time < self.newest - self._length:
            self._rows.popleft()

    def rows(self, symbol: str | None = None) -> list[Row]:
        """Return the rows in order of time, of one symbol or of all."""
        if self.newest is None:
            return []
        oldest = self.newest - self._length
        kept = [
            row
            for row in self._rows
            # One that came late stands behind younger ones.
            if row.time >= oldest and (symbol is None or row.symbol == symbol)
        ]
        return sorted(kept, key=lambda row: row.time)

    def symbols(self) -> list[str]:
        """Return the symbols in the window, those with the most rows first."""
        counts = Counter(row.symbol for row in self._rows)
        return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
