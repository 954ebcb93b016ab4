"""Best quotes and order books around the path of the price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.contracts.records import MARKET_DATA_TICK, ORDER_BOOK
from workbench.ingest.generate.columns import decimals, levels, names, schema
from workbench.ingest.generate.instruments import Instrument
from workbench.ingest.generate.prices import Path
from workbench.ingest.generate.seeds import stream
from workbench.ingest.generate.times import draw_times

Ints = NDArray[np.int64]
LEVELS = 20


def _sizes(random: np.random.Generator, instrument: Instrument, shape: tuple[int, ...]) -> Ints:
    """Quantities in 1e-8: round lots of stocks, any step of coins."""
    draws = np.exp(random.normal(1.2, 0.9, shape))
    lot = instrument.step * 137 if instrument.is_crypto else max(instrument.step, 100 * 10**8)
    return np.asarray((draws.astype(np.int64) + 1) * lot)


def _best(
    random: np.random.Generator, instrument: Instrument, path: Path, times: Ints
) -> tuple[Ints, Ints]:
    """Best bid and ask in ticks; the spread is 1 tick or a few, wider for dear prices."""
    mid = path.at(times) * 1e8 / instrument.tick
    spread = 1 + random.poisson(0.4 + mid * 1.5e-5)
    bid = np.maximum(np.rint(mid - spread / 2), LEVELS * 3).astype(np.int64)
    return bid, bid + spread


def quote_columns(
    seed: int, instruments: Sequence[Instrument], day: date, counts: Sequence[int]
) -> pa.Table:
    """Return best quotes as the contract's MarketDataTick, in order of time."""
    parts: list[tuple[Ints, ...]] = []
    for number, (instrument, count) in enumerate(zip(instruments, counts, strict=True)):
        random = stream(seed, "quotes", instrument.symbol, day.toordinal())
        path = Path(seed, instrument, day)
        times = draw_times(random, count, path.start_ms, path.end_ms, crypto=instrument.is_crypto)
        bid, ask = _best(random, instrument, path, times)
        sizes = _sizes(random, instrument, (2, count))
        which = np.full(count, number)
        parts.append((times, which, bid * instrument.tick, ask * instrument.tick, *sizes))
    times, which, bid, ask, bid_size, ask_size = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.argsort(times, kind="stable")
    which = which[order]
    columns = [
        names([each.symbol for each in instruments], which),
        # Half a tick is still a whole number of 1e-8, unless the tick is 1e-8 itself.
        decimals((bid + ask)[order] // 2),
        decimals(bid[order]),
        decimals(bid_size[order]),
        decimals(ask[order]),
        decimals(ask_size[order]),
        names([each.exchange for each in instruments], which),
        pa.array(times[order]),
    ]
    return pa.Table.from_arrays(columns, schema=schema(MARKET_DATA_TICK))


def book_columns(
    seed: int, instruments: Sequence[Instrument], day: date, counts: Sequence[int]
) -> pa.Table:
    """Return order books of `LEVELS` levels as the contract's OrderBookSnap, in order of time."""
    parts: list[tuple[Ints, ...]] = []
    for number, (instrument, count) in enumerate(zip(instruments, counts, strict=True)):
        random = stream(seed, "books", instrument.symbol, day.toordinal())
        path = Path(seed, instrument, day)
        times = draw_times(random, count, path.start_ms, path.end_ms, crypto=instrument.is_crypto)
        bid, ask = _best(random, instrument, path, times)
        # Mostly the next tick, sometimes a hole; a bid never reaches zero.
        gaps = np.cumsum(random.geometric(0.7, (2, count, LEVELS - 1)), axis=2)
        gaps = np.concatenate((np.zeros((2, count, 1), np.int64), gaps), axis=2)
        bids = np.maximum(bid[:, None] - gaps[0], 1 + np.arange(LEVELS)[::-1])
        asks = ask[:, None] + gaps[1]
        sizes = _sizes(random, instrument, (2, count, LEVELS))
        which = np.full(count, number)
        parts.append((times, which, bids * instrument.tick, asks * instrument.tick, *sizes))
    times, which, bid_prices, ask_prices, bid_sizes, ask_sizes = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.argsort(times, kind="stable")
    columns = [
        names([each.symbol for each in instruments], which[order]),
        pa.array(times[order]),
        levels(bid_prices[order], bid_sizes[order]),
        levels(ask_prices[order], ask_sizes[order]),
    ]
    return pa.Table.from_arrays(columns, schema=schema(ORDER_BOOK))
