"""What the questions share: their SQL, the moment they are asked for, checked arguments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.session import Session
from workbench.lake.times import Moment, parse_moment

TRADES = "market.trades"
AGGREGATES = "market.trade_aggregates"
ENRICHED = "market.enriched_trades"
ALERTS = "market.price_alerts"
BOOKS = "market.orderbook_metrics"
DEAD_LETTERS = "ops.dead_letters"
REPLAYS = "ops.dead_letter_replays"
LATE_ROWS = "ops.late_rows"
#: The sector of symbols without reference data.
UNKNOWN_SECTOR = "UNKNOWN"
# An empty table has no newest event; any moment gives the same empty answer.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: 400 years: longer windows are slips of the keyboard, and overflow DuckDB's timestamps.
LONGEST_WINDOW_HOURS = 400 * 366 * 24


@cache
def sql_of(name: str) -> str:
    """Return the text of ``NAME.sql`` of this package."""
    return files("workbench.market").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def moment_of(session: Session, as_of: Moment | None, *tables: str) -> datetime | None:
    """Return the moment a question is about: as asked, else the newest event in the tables.

    The tables are the trades when none is named. None where nothing was asked and all of them
    are empty.
    """
    if as_of is not None:
        return parse_moment(as_of)
    newest = (session.newest_event(table) for table in tables or (TRADES,))
    return max((moment for moment in newest if moment), default=None)


def midnight(moment: datetime) -> datetime:
    """Return the beginning of a moment's UTC day."""
    return datetime.combine(moment.date(), time(), UTC)


def day_so_far(moment: datetime | None) -> dict[str, Any]:
    """Return the bound values ``$midnight`` and ``$as_of`` (both inclusive) of a moment's day."""
    bound = moment or EPOCH
    return {"midnight": midnight(bound), "as_of": bound}


def window(session: Session, as_of: Moment | None, hours: object, *tables: str) -> dict[str, Any]:
    """Return the bound values ``$since`` (exclusive) and ``$as_of`` (inclusive)."""
    number = isinstance(hours, int | float) and not isinstance(hours, bool)
    length = float(str(hours)) if number else 0.0
    if not 0 < length <= LONGEST_WINDOW_HOURS:
        raise UsageError(
            f"hours must be a number above 0, at most {LONGEST_WINDOW_HOURS:,}, got {quoted(hours)}"
        )
    moment = moment_of(session, as_of, *tables) or EPOCH
    try:
        return {"since": moment - timedelta(hours=length), "as_of": moment}
    except OverflowError as error:
        raise UsageError(f"hours reaches before the year 1, got {quoted(hours)}") from error


def whole_number(name: str, value: object, least: int, most: int = 2**63 - 1) -> int:
    """Return a whole number that is large enough, and not too large.

    Raises
    ------
    UsageError
        Names the argument and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        upper = f" and at most {most:,}" if most < 2**63 - 1 else ""
        raise UsageError(
            f"{name} must be a whole number of at least {least}{upper}, got {quoted(value)}"
        )
    return value


def identity(name: str, value: object) -> str:
    """Return the name of a thing that is not blank.

    Raises
    ------
    UsageError
        Names the argument and the value.
    """
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} must be a name, got {quoted(value)}")
    return value


def choice(name: str, value: object, known: Iterable[str]) -> str:
    """Return a word that is one of those known.

    Raises
    ------
    UsageError
        Names the argument, the value and the nearest.
    """
    words = list(known)
    if value not in words:
        raise UsageError(f"no {name} {quoted(value)}", hint=did_you_mean(str(value), words))
    return str(value)


def require_symbol(session: Session, symbol: str) -> None:
    """Refuse a symbol that neither traded nor is in the reference data.

    A misspelt symbol would look like one that did not trade.

    Raises
    ------
    UsageError
        Names the nearest symbol that trades.
    """
    if _known(session, "known_symbol", symbol=symbol):
        return
    traded = session.arrow(sql_of("traded_symbols")).column("symbol").to_pylist()
    hint = did_you_mean(symbol, traded)
    if not hint.startswith("did"):
        hint = "workbench top lists those that trade"
    raise UsageError(f"no symbol {quoted(symbol)}", hint=hint)


def require_account(session: Session, account_id: str) -> None:
    """Refuse an account that no trade of the pinned lake names, executed or not.

    A misspelt account would look like one that holds nothing.

    Raises
    ------
    UsageError
        Names the nearest account, or some of those there are.
    """
    if _known(session, "known_account", account_id=account_id):
        return
    near = session.arrow(sql_of("nearest_accounts"), {"account_id": account_id})
    names = near.column("account_id").to_pylist()
    hint = did_you_mean(account_id, names)
    if not hint.startswith("did"):
        hint = f"there is for example {names[0]!r}"
    raise UsageError(f"no account {quoted(account_id)}", hint=hint)


def require_sector(session: Session, sector: str) -> None:
    """Refuse a sector that the reference data does not have.

    Raises
    ------
    UsageError
        Names the nearest.
    """
    known = session.arrow(sql_of("sectors")).column("sector").to_pylist()
    choice("sector", sector, [*known, UNKNOWN_SECTOR])


def _known(session: Session, query: str, **values: str) -> bool:
    """What a query says of a value; where there is nothing at all, nothing is misspelt."""
    known = session.arrow_once(sql_of(query), values)
    return known.num_rows == 0 or bool(known.column("known")[0].as_py())
