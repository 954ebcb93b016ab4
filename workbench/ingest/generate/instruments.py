"""What is traded: the symbols of the reference data, as the generator needs them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from workbench.errors import UsageError, did_you_mean

CRYPTO = "Crypto"
_TIERS = ("MEGA", "LARGE", "MID", "SMALL")
#: Units of the contracts' decimals: 8 decimals.
UNITS = Decimal(10) ** 8


@dataclass(frozen=True)
class Instrument:
    """One symbol.

    Parameters
    ----------
    symbol, sector, tier, exchange
        As in the reference data.
    tick
        Smallest step of a price, in 1e-8 of the quote currency.
    step
        Smallest step of a quantity, in 1e-8 of a share or coin.
    """

    symbol: str
    sector: str
    tier: str
    exchange: str
    tick: int
    step: int

    @property
    def is_crypto(self) -> bool:
        """Whether it trades around the clock and in fractions."""
        return self.sector == CRYPTO


def load_instruments(path: Path) -> list[Instrument]:
    """Return the instruments of a reference file, by symbol.

    Without columns ``tick_size`` and ``quantity_step`` (or with empty cells) a stock moves in
    steps of 0.01 and 1 share, a crypto pair in steps of 0.01 and 0.0001 coins.

    Raises
    ------
    UsageError
        Where the file is missing or a step is no positive decimal.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UsageError(
            f"no reference data at {path}", hint="`workbench reference apply FILE` puts it there"
        ) from None
    return sorted((_instrument(row, path) for row in rows), key=lambda each: each.symbol)


def _instrument(row: dict[str, str], path: Path) -> Instrument:
    crypto = row.get("sector") == CRYPTO
    tick = row.get("tick_size") or "0.01"
    step = row.get("quantity_step") or ("0.0001" if crypto else "1")
    try:
        units = [int(Decimal(text) * UNITS) for text in (tick, step)]
    except ArithmeticError:
        units = [0, 0]
    if min(units) <= 0:
        raise UsageError(
            f"{path.name}: {row.get('symbol')} has tick {tick!r} and step {step!r}",
            hint="both are decimals of at least 0.00000001",
        )
    return Instrument(
        row["symbol"],
        row.get("sector") or "",
        row.get("market_cap_tier") or "",
        row.get("exchange") or "",
        *units,
    )


def choose(instruments: Sequence[Instrument], wanted: int | Sequence[str]) -> list[Instrument]:
    """Return the named instruments, or `wanted` of them: the largest of each sector in turn.

    Raises
    ------
    UsageError
        Where a name is not in the reference data, there are fewer than `wanted`, or none is wanted.
    """
    if not isinstance(wanted, int):
        if not wanted:
            raise UsageError("no symbols asked for", hint="how many, or names: AAPL,BTCUSDT")
        known = {each.symbol: each for each in instruments}
        for symbol in wanted:
            if symbol not in known:
                raise UsageError(
                    f"no symbol {symbol!r} in the reference data",
                    hint=did_you_mean(symbol, list(known))
                    if len(known) < 30
                    else "`workbench reference show` lists them",
                )
        return sorted({known[symbol] for symbol in wanted}, key=lambda each: each.symbol)
    if not 1 <= wanted <= len(instruments):
        raise UsageError(
            f"{wanted} symbols asked for", hint=f"the reference data has 1 to {len(instruments)}"
        )
    ranks: dict[str, int] = {}
    turns = []
    for each in sorted(instruments, key=lambda one: (_rank(one.tier), one.symbol)):
        turn = ranks[each.sector] = ranks.get(each.sector, -1) + 1
        turns.append((turn, each.sector, each))
    turns.sort(key=lambda entry: entry[:2])
    return sorted((each for _, _, each in turns[:wanted]), key=lambda each: each.symbol)


def _rank(tier: str) -> int:
    return _TIERS.index(tier) if tier in _TIERS else len(_TIERS)
