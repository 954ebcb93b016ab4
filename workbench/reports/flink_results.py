"""A day as Flink's jobs have it, up to the moment where that is settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workbench.lake.session import Session
from workbench.market.settled import MINUTE, settled
from workbench.reports.checks import Value
from workbench.reports.market_day import Day, day_totals, enriched_totals, window_totals

#: What a check says where there is nothing that it could compare: of nothing it would always hold.
NOTHING_SETTLED = "nothing is settled yet"
#: What is held against the trades.
SUMS = ("executions", "volume", "notional")


@dataclass(frozen=True)
class FlinkResults:
    """The results of a job for a day, and what of the day they do not cover yet.

    Parameters
    ----------
    done
        What has become of an execution that the job is done with, in words.
    source
        What the results are, in words.
    settled, open
        The day in two parts, before and behind the settled moment.
    results
        ``executions``, ``volume`` and ``notional`` of the settled part, by the job.
    landed, behind
        The same of the trades landed, of the settled part and of the open one.
    """

    done: str
    source: str
    settled: Day
    open: Day
    results: Mapping[str, Any]
    landed: Mapping[str, Any]
    behind: Mapping[str, Any]

    def other(self, what: str) -> Value:
        """Return one of the results for a check; in words where there are only open executions."""
        if self.behind["executions"] and not self.landed["executions"]:
            return NOTHING_SETTLED
        found: Value = self.results[what]
        return found


def flink_results(session: Session, day: Day) -> tuple[FlinkResults, FlinkResults]:
    """Return what the aggregates job and the enrichment job have made of a day's executions.

    Both are comparable with the trades landed up to a moment only, which
    `workbench.market.settled` defines; what is settled and what is open add up to the day. Windows
    are whole minutes, so of them the minute of the as-of is settled only where no execution of it
    came after the as-of: that one is in the window, and in no number of the report.

    Parameters
    ----------
    session
        The session to ask.
    day
        The day, or another span of time that begins with a whole minute.

    Examples
    --------
    >>> windows, enriched = flink_results(session, day)                 # doctest: +SKIP
    >>> windows.landed["notional"] == windows.results["notional"]       # doctest: +SKIP
    True
    """
    moments = settled(session)
    minute = day.as_of.replace(second=0, microsecond=0)
    rest = Day(day.until, minute + MINUTE)
    whole = minute if day_totals(session, rest)["executions"] else rest.until
    closed, still_open = _parts(day, moments.windows, whole)
    windows = FlinkResults(
        "in windows",
        "the aggregates job's windows of a minute",
        closed,
        still_open,
        window_totals(session, closed),
        day_totals(session, closed),
        day_totals(session, still_open),
    )
    done, to_do = _parts(day, moments.enriched, day.until)
    rows = enriched_totals(session, done).arrow().to_pylist()
    enriched = FlinkResults(
        "enriched",
        "the enrichment job's rows",
        done,
        to_do,
        {name: sum(row[name] for row in rows) for name in SUMS},
        day_totals(session, done),
        day_totals(session, to_do),
    )
    return windows, enriched


def _parts(day: Day, moment: datetime | None, end: datetime) -> tuple[Day, Day]:
    cut = day.since if moment is None else max(day.since, min(moment, end))
    return replace(day, until=cut), replace(day, since=cut)
