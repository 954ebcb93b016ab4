"""Price alerts, once more: a state machine over prices in their order, in plain Python."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from workbench.config import AlertSettings

#: Percent of the baseline from which a move is more severe.
SEVERITY = ((Decimal(10), "CRITICAL"), (Decimal(5), "HIGH"), (Decimal(2), "MEDIUM"))
_MOST = Decimal("9999999999999999.99")


@dataclass(frozen=True)
class Price:
    """A price of a symbol, as a trade or a quote brought it."""

    symbol: str
    price: Decimal
    #: ms since 1970, UTC.
    time: int


@dataclass
class _Known:
    baseline: Decimal
    since: int
    last_alert: int | None = None


def price_alerts(
    prices: Iterable[Price], settings: AlertSettings | None = None
) -> list[dict[str, Any] | None]:
    """Return for each price the alert it raises, as the record PriceAlert, or None.

    Parameters
    ----------
    prices
        In the order they arrived.
    settings
        Threshold, window and cooldown; the defaults when None. State does not expire here: what
        a symbol has left behind for longer than the window has no effect.

    Examples
    --------
    >>> prices = [Price("A", Decimal(100), 1000), Price("A", Decimal(103), 2000)]
    >>> alert = price_alerts(prices)[1]
    >>> alert["direction"], alert["pct_change"], alert["severity"]
    ('UP', Decimal('3.00'), 'MEDIUM')
    """
    rules = settings or AlertSettings()
    known: dict[str, _Known] = {}
    return [_step(known, price, *_rule(rules, price.symbol)) for price in prices]


def _rule(settings: AlertSettings, symbol: str) -> tuple[Decimal, int, int]:
    own = settings.symbols.get(symbol)
    given = settings.model_dump() | (own.model_dump(exclude_none=True) if own else {})
    return given["threshold_percent"], 1000 * given["window_s"], 1000 * given["cooldown_s"]


def _step(
    known: dict[str, _Known], now: Price, threshold: Decimal, window: int, cooldown: int
) -> dict[str, Any] | None:
    state = known.get(now.symbol)
    if state is None:
        known[now.symbol] = _Known(now.price, now.time)
        return None
    if now.time - state.since > window:
        state.baseline, state.since = now.price, now.time
        return None
    moved = abs(now.price - state.baseline) * 100
    if moved < threshold * state.baseline:
        return None
    if state.last_alert is not None and now.time - state.last_alert < cooldown:
        return None
    alert = _alert(state, now, moved)
    state.baseline, state.since, state.last_alert = now.price, now.time, now.time
    return alert


def _alert(state: _Known, now: Price, moved: Decimal) -> dict[str, Any]:
    parts = (now.symbol, f"{state.baseline:.8f}", f"{now.price:.8f}", state.since, now.time)
    identity = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]
    severity = (name for percent, name in SEVERITY if moved >= percent * state.baseline)
    percent = (moved / state.baseline).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {
        "alert_id": identity,
        "alert_type": "PRICE_MOVEMENT",
        "symbol": now.symbol,
        "direction": "UP" if now.price > state.baseline else "DOWN",
        "baseline_price": state.baseline,
        "current_price": now.price,
        "pct_change": min(percent, _MOST),
        "window_start_ms": state.since,
        "detected_at_ms": now.time,
        "severity": next(severity, "LOW"),
    }
