"""The life of orders: NEW, then fills, a cancellation or a rejection; each event has its own id."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.records import SIDES, STATUSES
from workbench.ingest.generate.instruments import Instrument
from workbench.ingest.generate.prices import Path
from workbench.ingest.generate.seeds import stream
from workbench.ingest.generate.times import draw_times

Ints = NDArray[np.int64]

NEW, FILLED, PARTIAL, CANCELLED, REJECTED = (
    STATUSES.index(name) for name in ("NEW", "FILLED", "PARTIALLY_FILLED", "CANCELLED", "REJECTED")
)
BUY = SIDES.index("BUY")
#: Accounts; a few of them trade most. Each has this many traders of its own.
ACCOUNTS, TRADERS_PER_ACCOUNT = 40, 3
_ACCOUNT_WEIGHTS = 1.0 / np.arange(1, ACCOUNTS + 1) ** 0.8
_MOST_PARTS = 4

# What becomes of an order: (probability, parts after NEW from, to, status of the last part).
# Every part but the last is a partial fill.
_FATES = (
    (0.03, 1, 1, REJECTED),
    (0.21, 1, 1, CANCELLED),
    (0.06, 2, 3, CANCELLED),
    (0.45, 1, 1, FILLED),
    (0.22, 2, _MOST_PARTS, FILLED),
    (0.03, 0, 0, NEW),  # still open when the day ends
)
_FATE_MASS = np.cumsum([fate[0] for fate in _FATES])
_FATE_LOW = np.array([fate[1] for fate in _FATES])
_FATE_HIGH = np.array([fate[2] for fate in _FATES])
_FATE_LAST = np.array([fate[3] for fate in _FATES])
#: Mean wait for the next event of an order in ms, by the status the order ends in.
_MEAN_WAIT_MS = np.array([1.0, 2_500.0, 2_500.0, 45_000.0, 4.0])


@dataclass
class Events:
    """Order events of one or more symbols, column by column, in order of time."""

    time_ms: Ints
    #: Which instrument of the day.
    instrument: Ints
    #: Number of the order, and of the event, within symbol and day.
    order: Ints
    sequence: Ints
    side: Ints
    status: Ints
    #: Price in ticks and quantity in steps of the instrument.
    price: Ints
    quantity: Ints
    account: Ints
    trader: Ints

    def take(self, index: Ints) -> Events:
        """Return the events at these positions."""
        return Events(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def concatenate(parts: list[Events]) -> Events:
        """Return all events, part by part."""
        names = [field.name for field in fields(Events)]
        return Events(*(np.concatenate([getattr(part, n) for part in parts]) for n in names))


def _parts(random: np.random.Generator, count: int) -> tuple[Ints, Ints]:
    """How many events follow each NEW, and the status of the last of them."""
    fate = np.minimum(np.searchsorted(_FATE_MASS, random.random(count)), len(_FATES) - 1)
    low, high = _FATE_LOW[fate], _FATE_HIGH[fate]
    return low + (random.random(count) * (high - low + 1)).astype(np.int64), _FATE_LAST[fate]


def _quantities(random: np.random.Generator, instrument: Instrument, prices: Ints) -> Ints:
    """Ordered quantities in steps: round lots of stocks, fractions of coins by value."""
    count = len(prices)
    if instrument.is_crypto:
        value = np.exp(random.normal(np.log(1_500.0), 1.1, count))
        steps = value * 1e16 / (prices * instrument.tick * float(instrument.step))
        return np.maximum(steps.astype(np.int64), _MOST_PARTS)
    lots = np.minimum(np.exp(random.normal(0.6, 1.0, count)), 50.0).astype(np.int64) + 1
    odd = random.integers(_MOST_PARTS, 100, count)
    shares = np.where(random.random(count) < 0.7, lots * 100, odd)
    return np.asarray(np.maximum(shares * 10**8 // instrument.step, _MOST_PARTS))


def _split(random: np.random.Generator, total: Ints, parts: Ints) -> Ints:
    """Split each total into its number of parts of at least 1: an array of orders by parts."""
    count = len(total)
    cuts = np.sort(random.random((count, _MOST_PARTS - 1)), axis=1)
    # Only the first parts - 1 cuts count; the last part takes what is left.
    spare = (total - parts)[:, None]
    reached = (cuts * spare).astype(np.int64)
    column = np.arange(_MOST_PARTS - 1)[None, :]
    reached = np.where(column < (parts - 1)[:, None], reached, spare)
    edges = np.concatenate((np.zeros((count, 1), np.int64), reached, spare), axis=1)
    return np.diff(edges, axis=1) + (np.arange(_MOST_PARTS)[None, :] < parts[:, None])


def symbol_events(seed: int, instrument: Instrument, number: int, day: date, count: int) -> Events:
    """Return exactly `count` order events of one symbol on one day.

    Parameters
    ----------
    number
        The instrument's place among those of the day.
    count
        Orders whose whole life fits are kept; the rest of the count are orders still open.
    """
    random = stream(seed, "orders", instrument.symbol, day.toordinal())
    path = Path(seed, instrument, day)
    parts, last = _parts(random, count)
    whole = int(np.searchsorted(np.cumsum(parts + 1), count, side="right"))
    # Complete orders first; what is missing to the count are orders that stay open.
    orders = whole + count - int((parts[:whole] + 1).sum())
    parts[whole:orders], last[whole:orders] = 0, NEW
    parts, last = parts[:orders], last[:orders]
    shuffled = random.permutation(orders)
    parts, last = parts[shuffled], last[shuffled]

    start = draw_times(random, orders, path.start_ms, path.end_ms, crypto=instrument.is_crypto)
    side = (random.random(orders) < 0.5).astype(np.int64)
    mid = path.at(start) * 1e8 / instrument.tick
    # A buyer bids below the mid or crosses the spread; a seller the other way round.
    away = np.round(random.normal(0.5, 2.0, orders)) * np.where(side == BUY, -1.0, 1.0)
    limit = np.maximum(np.rint(mid + away), 1).astype(np.int64)
    ordered = _quantities(random, instrument, limit)
    split = _split(random, ordered, np.maximum(parts, 1))
    account = random.choice(ACCOUNTS, orders, p=_ACCOUNT_WEIGHTS / _ACCOUNT_WEIGHTS.sum())
    trader = account * TRADERS_PER_ACCOUNT + random.integers(0, TRADERS_PER_ACCOUNT, orders)

    lengths = parts + 1
    order = np.repeat(np.arange(orders), lengths)
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    place = np.arange(count) - first[order]
    wait = 1 + random.exponential(_MEAN_WAIT_MS[last[order]]).astype(np.int64)
    wait[place == 0] = 0
    elapsed = np.cumsum(wait)
    elapsed -= elapsed[first][order]
    time_ms = np.minimum(start[order] + elapsed, path.end_ms - 1)

    status = np.where(place == 0, NEW, np.where(place == parts[order], last[order], PARTIAL))
    quantity = np.where(place == 0, ordered[order], split[order, np.maximum(place - 1, 0)])
    # A fill is at the limit or a tick or two better.
    better = np.minimum(random.geometric(0.6, count) - 1, 2)
    better *= np.where(side[order] == BUY, -1, 1) * np.isin(status, (FILLED, PARTIAL))
    price = np.maximum(limit[order] + better, 1)

    sorted_ = np.argsort(time_ms, kind="stable")
    events = Events(
        time_ms,
        np.full(count, number),
        order,
        np.zeros(count, np.int64),
        side[order],
        status,
        price,
        quantity,
        account[order],
        trader[order],
    ).take(sorted_)
    events.sequence = np.arange(count)
    return events
