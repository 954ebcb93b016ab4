"""A seeded day of trade events or order books as JSON, written fast, in arrival order.

`workbench.ingest.generate` makes more believable days; this one takes any number of symbols and
makes a million records in seconds. After the last event every symbol has one *closing* execution
an hour later, so that every engine can close the day's windows by event time, without a drain.
Jobs without windows need none: days of prices that *move*, and of *books*, have no such records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

DAY_START_MS = int(datetime(2024, 6, 3, 13, 30, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 390 * 60_000
#: The closing executions: windows that start at or after this moment belong to no result.
CLOSE_MS = DAY_START_MS + DAY_MS + 3_600_000
#: Events arrive up to about this much after one that happened later. No two share a millisecond,
#: so that which is first or last does not depend on how an engine breaks a tie.
JITTER_MS = 1_000
_CHUNK = 100_000
_BOOKS_CHUNK = 5_000
#: Levels of each side of a book.
LEVELS = 20
#: Prices of a symbol lie around its slow wave: standard deviation, as a share of the price. Those
#: that move are away from each other by the 2 % of an alert again and again.
_NOISE = {"trades": 1e-3, "moves": 1.2e-2}
# Shares of statuses, about those of a generated day.
_STATUSES = ("NEW", "FILLED", "PARTIALLY_FILLED", "CANCELLED", "REJECTED")
_SHARES = (0.40, 0.26, 0.21, 0.115, 0.015)
_TRADE = ("FILLED", "PARTIALLY_FILLED")
#: The share of records that are executions, and so have a price.
TRADED = sum(share for status, share in zip(_STATUSES, _SHARES, strict=True) if status in _TRADE)
_EXCHANGES = ("NASDAQ", "NYSE", "ARCA", "BATS")


@dataclass(frozen=True)
class Shape:
    """What decides every byte of the records, and on how many partitions they lie.

    Parameters
    ----------
    events, symbols, partitions, seed
        How many, of how many symbols, on how many partitions, and which ones.
    kind
        ``trades``; ``moves``, trades whose prices move enough to raise alerts; ``books``, order
        books of 20 levels a side.
    """

    events: int = 1_000_000
    symbols: int = 100
    partitions: int = 2
    seed: int = 1
    kind: Literal["trades", "moves", "books"] = "trades"

    @property
    def name(self) -> str:
        """A name for topics and files of this shape.

        Examples
        --------
        >>> Shape(events=50_000).name
        'n50000-s100-p2-r1'
        >>> Shape(events=50_000, kind="books").name
        'n50000-s100-p2-r1-books'
        """
        kind = "" if self.kind == "trades" else f"-{self.kind}"
        return f"n{self.events}-s{self.symbols}-p{self.partitions}-r{self.seed}{kind}"

    @property
    def source(self) -> str:
        """The topic of the contracts that the records lie in."""
        return "raw.orderbook" if self.kind == "books" else "raw.trades"

    @property
    def total(self) -> int:
        """How many records there are, the closing ones included."""
        return self.events + (self.symbols if self.kind == "trades" else 0)

    def as_dict(self) -> dict[str, int | str]:
        return asdict(self)


def ticker(number: int) -> str:
    """Return the symbol of this number: four letters.

    Examples
    --------
    >>> ticker(0), ticker(27)
    ('AAAA', 'AABB')
    """
    letters = []
    for _ in range(4):
        number, letter = divmod(number, 26)
        letters.append(chr(65 + letter))
    return "".join(reversed(letters))


def records(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Yield key (the symbol) and value of every record, in the order they are sent."""
    if shape.events > DAY_MS:
        raise ValueError(f"a day has {DAY_MS:,} milliseconds, {shape.events:,} events are too many")
    yield from _books(shape) if shape.kind == "books" else _trades(shape)


def _times(random: np.random.Generator, numbers: np.ndarray, events: int) -> np.ndarray:
    """When the events of these numbers happened: in order, but for the jitter."""
    block = numbers // max(1, JITTER_MS * events // DAY_MS)
    shuffled = numbers[np.argsort(block + random.random(len(numbers)), kind="stable")]
    return DAY_START_MS + shuffled * DAY_MS // events


def _trades(shape: Shape) -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(shape.seed)
    names = [ticker(number) for number in range(shape.symbols)]
    base = random.lognormal(4.5, 0.8, shape.symbols)
    for first in range(0, shape.events, _CHUNK):
        count = min(_CHUNK, shape.events - first)
        numbers = np.arange(first, first + count)
        times = _times(random, numbers, shape.events)
        place = numbers / shape.events
        which = random.integers(0, shape.symbols, count)
        noise = random.normal(0, _NOISE[shape.kind], count)
        prices = np.round(base[which] * (1 + 0.02 * np.sin(place * 9) + noise), 2)
        quantities = np.round(random.lognormal(3.5, 1.2, count) + 0.0001, 4)
        statuses = random.choice(len(_STATUSES), count, p=_SHARES)
        others = random.integers(0, 1 << 16, count)
        columns = (times, which, np.maximum(prices, 0.01), quantities, statuses, others)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for number, (time, symbol, price, quantity, status, other) in enumerate(rows, first):
            yield names[symbol], _value(number, names[symbol], time, price, quantity, status, other)
    for number, name in enumerate(names if shape.kind == "trades" else (), shape.events):
        yield name, _value(number, name, CLOSE_MS, 1.0, 1.0, 1, 0)


def _value(
    number: int, symbol: str, time: int, price: float, quantity: float, status: int, other: int
) -> bytes:
    name = _STATUSES[status]
    return (
        f'{{"trade_id":"T20240603-{number:08d}","order_id":"O20240603-{number // 3:08d}",'
        f'"symbol":"{symbol}","side":"{"SELL" if other & 1 else "BUY"}","quantity":{quantity},'
        f'"price":{price},"status":"{name}","exchange":"{_EXCHANGES[other >> 1 & 3]}",'
        f'"trader_id":"TR-{other >> 3 & 63:03d}","account_id":"ACC-{other >> 9:03d}",'
        f'"timestamp_ms":{time},"event_type":"{"TRADE" if name in _TRADE else "ORDER"}"}}'
    ).encode()


def _books(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Yield books around a middle in cents; from level to level it is 1 to 3 cents."""
    random = np.random.default_rng(shape.seed)
    names = [ticker(number) for number in range(shape.symbols)]
    base = 100 * random.lognormal(4.5, 0.8, shape.symbols)
    for first in range(0, shape.events, _BOOKS_CHUNK):
        count = min(_BOOKS_CHUNK, shape.events - first)
        numbers = np.arange(first, first + count)
        times = _times(random, numbers, shape.events).tolist()
        which = random.integers(0, shape.symbols, count)
        wave = 0.02 * np.sin(numbers / shape.events * 9) + random.normal(0, 1e-3, count)
        middles = np.maximum(base[which] * (1 + wave), 100.0).astype(np.int64)
        bids = _levels(random, middles, -1)
        asks = _levels(random, middles, 1)
        for time, symbol, bid, ask in zip(times, which.tolist(), bids, asks, strict=True):
            name = names[symbol]
            value = f'{{"symbol":"{name}","timestamp_ms":{time},"bids":[{bid}],"asks":[{ask}]}}'
            yield name, value.encode()


def _levels(random: np.random.Generator, middles: np.ndarray, sign: int) -> Iterator[str]:
    """Yield the levels of one side of each book, from the best outwards."""
    shape = (len(middles), LEVELS)
    away = random.integers(1, 4, shape).cumsum(axis=1)
    prices: list[Any] = ((middles[:, None] + sign * away) / 100).tolist()
    quantities: list[Any] = np.round(random.lognormal(3.5, 1.2, shape) + 0.0001, 4).tolist()
    for side in zip(prices, quantities, strict=True):
        yield ",".join(f'{{"price":{p},"quantity":{q}}}' for p, q in zip(*side, strict=True))
