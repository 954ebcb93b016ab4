"""Order books kept from a depth snapshot and the diffs after it, by Binance's own rules.

A diff carries the first and the last update it holds, ``U`` and ``u``; a snapshot the last
update it contains, ``lastUpdateId``. Diffs with ``u <= lastUpdateId`` are in the snapshot
already; the first to be applied has ``U <= lastUpdateId + 1 <= u``; each later one starts where
the last one ended. A gap makes the book worthless until the next snapshot.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

#: Levels of a side in a snapshot of the kept book.
TOP_LEVELS = 20
#: Diffs kept per symbol while there is no snapshot to join: more than ten minutes at 100 ms.
_MOST_BUFFERED = 10_000
#: Snapshots kept that no stream has joined yet.
_MOST_PENDING = 16
#: A snapshot whose mid price is further from a symbol's last price than this is not its own.
_PLAUSIBLE_FACTOR = Decimal("1.5")

WAITING = "waiting for a snapshot"
CONTAINED = "already in the snapshot"
OUT_OF_SYNC = "out of sync (a gap in the update ids)"
GIVEN_UP = "given up: no snapshot in time"
NOT_JOINED = "snapshots that joined no stream"

#: Price and the JSON text of the level; None removes it.
Level = tuple[Decimal, str | None]


@dataclass(frozen=True)
class Diff:
    """One ``depthUpdate``: updates `first` (U) to `last` (u), at `time_ms`."""

    first: int
    last: int
    bids: list[Level]
    asks: list[Level]
    time_ms: int


@dataclass(frozen=True)
class Snapshot:
    """A REST depth snapshot; its symbol only where something around it says so."""

    last_update: int
    bids: list[Level]
    asks: list[Level]
    symbol: str | None = None

    @property
    def mid(self) -> Decimal | None:
        """Half way between best bid and best ask; None for a one-sided book."""
        if not self.bids or not self.asks:
            return None
        return (max(p for p, _ in self.bids) + min(p for p, _ in self.asks)) / 2


class Side:
    """One side of a book: levels by price, prices in order."""

    def __init__(self, levels: Iterable[Level] = ()) -> None:
        self._text = {price: text for price, text in levels if text is not None}
        self._prices = sorted(self._text)

    def apply(self, levels: Iterable[Level]) -> None:
        """Set or remove levels."""
        for price, text in levels:
            if text is None:
                if self._text.pop(price, None) is not None:
                    del self._prices[bisect_left(self._prices, price)]
            else:
                if price not in self._text:
                    insort(self._prices, price)
                self._text[price] = text

    def lowest(self) -> list[str]:
        """The lowest prices' levels, lowest first."""
        return [self._text[price] for price in self._prices[:TOP_LEVELS]]

    def highest(self) -> list[str]:
        """The highest prices' levels, highest first."""
        return [self._text[price] for price in self._prices[: -TOP_LEVELS - 1 : -1]]


@dataclass
class _Book:
    in_sync: bool = False
    last_update: int = 0
    bids: Side = field(default_factory=Side)
    asks: Side = field(default_factory=Side)
    buffer: deque[Diff] = field(default_factory=lambda: deque(maxlen=_MOST_BUFFERED))


@dataclass(frozen=True)
class Top:
    """The best levels after a diff, as the JSON text of each level."""

    symbol: str
    time_ms: int
    bids: list[str]
    asks: list[str]


class Books:
    """The kept books of all symbols of a capture.

    Parameters
    ----------
    counts
        Where depth messages that gave no snapshot are counted, by reason.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._books: dict[str, _Book] = {}
        self._pending: list[Snapshot] = []
        self._last_price: dict[str, Decimal] = {}

    def saw_price(self, symbol: str, price: Decimal) -> None:
        """Remember a price: it tells whose snapshot it is where update ids do not."""
        self._last_price[symbol] = price

    def diff(self, symbol: str, diff: Diff) -> list[Top]:
        """Take a diff; return the book after it, or after all that it made joinable."""
        book = self._books.setdefault(symbol, _Book())
        if book.in_sync:
            tops = self._follow(symbol, book, [diff])
            if book.in_sync:
                return tops
        else:
            self._wait(book, diff)
        for snapshot in self._pending:
            if self._joins(symbol, book, snapshot):
                return self._adopt(symbol, book, snapshot)
        return []

    def snapshot(self, snapshot: Snapshot) -> list[Top]:
        """Take a snapshot; return the books after the buffered diffs that follow it."""
        self._pending.append(snapshot)
        self._count(NOT_JOINED, 1)
        del self._pending[:-_MOST_PENDING]
        joining = [
            symbol
            for symbol, book in self._books.items()
            if not book.in_sync and self._joins(symbol, book, snapshot)
        ]
        if not joining:
            return []
        symbol = min(joining, key=lambda name: self._distance(name, snapshot))
        return self._adopt(symbol, self._books[symbol], snapshot)

    def _distance(self, symbol: str, snapshot: Snapshot) -> Decimal:
        """How far a snapshot's mid is from the symbol's last price; 1 means the same."""
        price, mid = self._last_price.get(symbol), snapshot.mid
        if not price or not mid:
            return _PLAUSIBLE_FACTOR
        return max(price / mid, mid / price)

    def _joins(self, symbol: str, book: _Book, snapshot: Snapshot) -> bool:
        if snapshot.symbol not in (None, symbol):
            return False
        last = snapshot.last_update
        first_after = next((diff for diff in book.buffer if diff.last > last), None)
        return (
            first_after is not None
            and first_after.first <= last + 1
            and self._distance(symbol, snapshot) <= _PLAUSIBLE_FACTOR
        )

    def _adopt(self, symbol: str, book: _Book, snapshot: Snapshot) -> list[Top]:
        self._pending.remove(snapshot)
        self._count(NOT_JOINED, -1)
        self._count(WAITING, -len(book.buffer))
        following = [diff for diff in book.buffer if diff.last > snapshot.last_update]
        self._count(CONTAINED, len(book.buffer) - len(following))
        book.buffer.clear()
        book.bids, book.asks = Side(snapshot.bids), Side(snapshot.asks)
        # The first diff may begin inside the snapshot: from its own end on there is no overlap.
        book.last_update = following[0].first - 1
        book.in_sync = True
        return self._follow(symbol, book, following)

    def _follow(self, symbol: str, book: _Book, diffs: list[Diff]) -> list[Top]:
        tops = []
        for diff in diffs:
            if book.in_sync and diff.last <= book.last_update:
                self._count(CONTAINED, 1)
            elif book.in_sync and diff.first == book.last_update + 1:
                book.bids.apply(diff.bids)
                book.asks.apply(diff.asks)
                book.last_update = diff.last
                tops.append(Top(symbol, diff.time_ms, book.bids.highest(), book.asks.lowest()))
            else:
                if book.in_sync:
                    self._count(OUT_OF_SYNC, 1)
                    book.in_sync = False
                self._wait(book, diff)
        return tops

    def _wait(self, book: _Book, diff: Diff) -> None:
        if len(book.buffer) == _MOST_BUFFERED:
            book.buffer.popleft()
            self._count(WAITING, -1)
            self._count(GIVEN_UP, 1)
        book.buffer.append(diff)
        self._count(WAITING, 1)

    def _count(self, reason: str, by: int) -> None:
        self._counts[reason] += by
        if not self._counts[reason]:
            del self._counts[reason]
