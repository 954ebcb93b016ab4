"""Prices: a market factor, a factor per sector and own moves, by day and within the day.

Each symbol's log price returns slowly to its base, so that years of history stay believable; its
daily moves are drawn from one stream from `FIRST_DAY` on, so that a day needs no earlier day's run.
Within the day the path is a bridge from the open to the close of that day.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UsageError
from workbench.ingest.generate.instruments import Instrument
from workbench.ingest.generate.seeds import stream

Floats = NDArray[np.float64]

FIRST_DAY = date(2000, 1, 1)
_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_EXCHANGE_ZONE = ZoneInfo("America/New_York")
#: Share of a log price's distance from its base that is left after a day: of stocks, of coins.
_PERSISTENCE, _CRYPTO_PERSISTENCE = 0.998, 0.99
_MARKET_VOLATILITY = 0.008
_SECTOR_VOLATILITY = 0.006
_OWN_VOLATILITY = {"MEGA": 0.009, "LARGE": 0.012, "MID": 0.016, "SMALL": 0.02}
_CRYPTO_FACTOR = 2.0
#: A day in a hundred brings news: an own move this many times the usual.
_NEWS_PROBABILITY, _NEWS_FACTOR = 0.01, 5.0
#: Share of the day's variance that is over at the open.
_OVERNIGHT = 0.25
_JUMP_PROBABILITY, _JUMP_SIZE = 0.05, 0.02
# Rough levels, so that a generated coin looks like one; every other price is drawn.
_BASE = {
    "BTCUSDT": 60_000.0,
    "ETHUSDT": 2_700.0,
    "BNBUSDT": 550.0,
    "SOLUSDT": 150.0,
    "LTCUSDT": 70.0,
    "XRPUSDT": 0.6,
    "ADAUSDT": 0.4,
    "DOGEUSDT": 0.12,
}


def session(instrument: Instrument, day: date) -> tuple[int, int] | None:
    """Return start and end of trading in epoch ms; None on a day without.

    Stocks trade from 9:30 to 16:00 New York time on weekdays (the calendar knows no holidays),
    crypto pairs all day, UTC.

    Examples
    --------
    >>> stock = Instrument("AAPL", "Information Technology", "MEGA", "NASDAQ", 10**6, 10**8)
    >>> start, end = session(stock, date(2024, 1, 2))
    >>> (end - start) // 60_000
    390
    """
    if instrument.is_crypto:
        midnight = (day - date(1970, 1, 1)).days * _DAY_MS
        return midnight, midnight + _DAY_MS
    if day.weekday() >= 5:
        return None
    start = datetime.combine(day, time(9, 30), _EXCHANGE_ZONE).timestamp()
    end = datetime.combine(day, time(16), _EXCHANGE_ZONE).timestamp()
    return round(start * 1000), round(end * 1000)


def _day_number(day: date) -> int:
    number = (day - FIRST_DAY).days
    if number < 1:
        raise UsageError(f"no prices before {FIRST_DAY + timedelta(days=1)}", hint="a later start")
    return number


@lru_cache(maxsize=64)
def _factor(seed: int, name: str, days: int) -> Floats:
    return stream(seed, "daily factor", name).standard_normal(days)


@lru_cache(maxsize=2048)
def _beta(seed: int, symbol: str) -> float:
    return float(stream(seed, "beta", symbol).uniform(0.6, 1.5))


@lru_cache(maxsize=2048)
def _daily(seed: int, instrument: Instrument, last_year: int) -> Floats:
    """Log prices at the close of every day from `FIRST_DAY` to the end of a year."""
    days = (date(last_year, 12, 31) - FIRST_DAY).days + 1
    own = stream(seed, "daily own", instrument.symbol)
    base = _BASE.get(instrument.symbol) or float(
        np.clip(np.exp(own.normal(np.log(110.0), 0.6)), 15.0, 900.0)
    )
    draws = own.standard_normal((days, 2))
    # The second column decides about news: one draw per day keeps the stream in step.
    news = np.where(np.abs(draws[:, 1]) > 2.5758, _NEWS_FACTOR, 1.0)
    scale = _CRYPTO_FACTOR if instrument.is_crypto else 1.0
    moves = scale * (
        _MARKET_VOLATILITY * _beta(seed, instrument.symbol) * _factor(seed, "market", days)
        + _SECTOR_VOLATILITY * _factor(seed, instrument.sector, days)
        + _OWN_VOLATILITY.get(instrument.tier, 0.015) * news * draws[:, 0]
    )
    weekday = (np.arange(days) + FIRST_DAY.weekday()) % 7
    trades = np.ones(days, bool) if instrument.is_crypto else weekday < 5
    levels = np.empty(days)
    persistence = _CRYPTO_PERSISTENCE if instrument.is_crypto else _PERSISTENCE
    distance = 0.0
    for number, (move, open_) in enumerate(zip(moves.tolist(), trades.tolist(), strict=True)):
        if open_:
            distance = persistence * distance + move
        levels[number] = distance
    return np.asarray(np.log(base) + levels, np.float64)


@lru_cache(maxsize=256)
def _minutes(seed: int, name: str, day: int) -> Floats:
    return stream(seed, "minutes", name, day).standard_normal(_DAY_MS // _MINUTE_MS)


class Path:
    """The mid price of one symbol on one day.

    Parameters
    ----------
    seed, instrument, day
        What path; the same arguments give the same path.
    """

    def __init__(self, seed: int, instrument: Instrument, day: date) -> None:
        times = session(instrument, day)
        if times is None:
            raise UsageError(f"{instrument.symbol} does not trade on {day}", hint="a weekday")
        self.start_ms, self.end_ms = times
        number = _day_number(day)
        levels = _daily(seed, instrument, day.year)
        before, close = levels[number - 1], levels[number]
        own = stream(seed, "path", instrument.symbol, day.toordinal())
        open_ = before + _OVERNIGHT * (close - before)
        self._log = self._bridge(seed, instrument, day, own, open_, close)
        self._grid = self.start_ms + _MINUTE_MS * np.arange(len(self._log))

    def _bridge(
        self,
        seed: int,
        instrument: Instrument,
        day: date,
        own: np.random.Generator,
        open_: float,
        close: float,
    ) -> Floats:
        minutes = (self.end_ms - self.start_ms) // _MINUTE_MS
        # Minutes of the UTC day, so that stocks and coins feel the same market.
        midnight = (day - date(1970, 1, 1)).days * _DAY_MS
        at = (np.arange(minutes) + (self.start_ms - midnight) // _MINUTE_MS) % 1440
        ordinal = day.toordinal()
        moves = (
            _MARKET_VOLATILITY
            * _beta(seed, instrument.symbol)
            * _minutes(seed, "market", ordinal)[at]
            + _SECTOR_VOLATILITY * _minutes(seed, instrument.sector, ordinal)[at]
            + _OWN_VOLATILITY.get(instrument.tier, 0.015) * own.standard_normal(minutes)
        )
        moves *= np.sqrt((1 - _OVERNIGHT) / minutes) * (
            _CRYPTO_FACTOR if instrument.is_crypto else 1
        )
        jump, where, size = own.random(), own.integers(minutes), own.normal(0, _JUMP_SIZE)
        walk = np.concatenate(([0.0], np.cumsum(moves)))
        steps = np.arange(minutes + 1)
        bridge = open_ + walk + steps / minutes * (close - open_ - walk[-1])
        if jump < _JUMP_PROBABILITY:  # news: the price is elsewhere from one minute to the next
            drift = steps / minutes * size
            bridge = bridge + np.where(steps > where, size, 0.0) - drift
        return np.asarray(bridge, np.float64)

    def at(self, times_ms: NDArray[np.int64]) -> Floats:
        """The mid price at epoch times in ms, in the quote currency."""
        return np.asarray(np.exp(np.interp(times_ms, self._grid, self._log)))
