"""What the questions share: their SQL, the moment they are asked for, checked arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.lake.times import Moment, parse_moment

TRADES = "market.trades"
# An empty table has no newest event; any moment gives the same empty answer.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: 400 years: longer windows are slips of the keyboard, and overflow DuckDB's timestamps.
LONGEST_WINDOW_HOURS = 400 * 366 * 24


@cache
def sql_of(name: str) -> str:
    """Return the text of ``NAME.sql`` of this package."""
    return files("workbench.market").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def moment_of(session: Session, as_of: Moment | None) -> datetime | None:
    """Return the moment a question is about: as asked, else the newest event in the trades.

    None where nothing was asked and the table is empty.
    """
    if as_of is not None:
        return parse_moment(as_of)
    return session.newest_event(TRADES)


def window(session: Session, as_of: Moment | None, hours: object) -> dict[str, Any]:
    """Return the bound values ``$since`` (exclusive) and ``$as_of`` (inclusive)."""
    number = isinstance(hours, int | float) and not isinstance(hours, bool)
    length = float(str(hours)) if number else 0.0
    if not 0 < length <= LONGEST_WINDOW_HOURS:
        raise UsageError(f"hours must be a number above 0, got {hours!r}")
    moment = moment_of(session, as_of) or EPOCH
    try:
        return {"since": moment - timedelta(hours=length), "as_of": moment}
    except OverflowError as error:
        raise UsageError(f"hours reaches before the year 1, got {hours!r}") from error


def whole_number(name: str, value: object, least: int) -> int:
    """Return a whole number that is large enough.

    Raises
    ------
    UsageError
        Names the argument and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise UsageError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def identity(name: str, value: object) -> str:
    """Return the name of a thing that is not blank.

    Raises
    ------
    UsageError
        Names the argument and the value.
    """
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} must be a name, got {value!r}")
    return value
