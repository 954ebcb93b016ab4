"""The questions of the report market_day: one day of event time, in DuckDB SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from typing import Any

from workbench.contracts.records import EXECUTIONS
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment, parse_moment

#: The finest that event times can be told apart by.
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Day:
    """The UTC day of a moment, up to the moment itself."""

    since: datetime
    #: Exclusive.
    until: datetime

    @property
    def as_of(self) -> datetime:
        """The last moment of the day's part: what the helpers take."""
        return self.until - TICK

    @property
    def hours(self) -> float:
        """Length, for the helpers' windows of hours before `as_of`."""
        return (self.until - self.since) / timedelta(hours=1)

    @property
    def bounds(self) -> dict[str, Any]:
        """The values ``$since`` and ``$until``."""
        return {"since": self.since, "until": self.until}


def market_day(as_of: Moment) -> Day:
    """Return the day a moment is in, up to the moment: what came later is in no number.

    Examples
    --------
    >>> day = market_day("2024-08-08T12:30:15Z")
    >>> day.since.isoformat(), day.as_of.isoformat()
    ('2024-08-08T00:00:00+00:00', '2024-08-08T12:30:15+00:00')
    """
    moment = parse_moment(as_of)
    return Day(datetime.combine(moment.date(), time(), UTC), moment + TICK)


def day_totals(session: Session, day: Day) -> dict[str, Any]:
    """Return the day in one row.

    ``events``, ``executions``, ``symbols``, ``accounts``, ``duplicates`` (events that repeat a
    trade_id), ``volume`` [shares or coins], ``notional`` and ``vwap`` [quote currency].
    """
    return ask_one(session, "day_totals", {**day.bounds, "executions": list(EXECUTIONS)})


def window_totals(session: Session, day: Day) -> dict[str, Any]:
    """Return ``executions``, ``volume`` and ``notional`` of the day's one-minute windows.

    Those of executions that came too late for any window are counted in. The day has to end with a
    whole minute: see `workbench.reports.flink_results`.
    """
    return ask_one(session, "window_totals", day.bounds)


def enriched_totals(session: Session, day: Day) -> Result:
    """Return ``sector``, ``executions``, ``volume``, ``notional`` of the day's enriched trades."""
    return ask(session, "enriched_totals", day.bounds)


def largest_account(session: Session, day: Day) -> str | None:
    """Return the account that traded the most notional, or None where there are no accounts.

    Where none traded on the day, it is the first by name of those that the lake has.
    """
    rows = ask(session, "largest_account", day.bounds).rows()
    rows = rows or ask(session, "first_account", {}).rows()
    return rows[0][0] if rows else None


def ask(session: Session, name: str, values: dict[str, Any]) -> Result:
    """Ask the text of ``sql/NAME.sql`` with these values."""
    text = files("workbench.reports").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    return session.sql(text, values)


def ask_one(session: Session, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Ask a text that answers with one row."""
    [row] = ask(session, name, values).arrow().to_pylist()
    return dict(row)
