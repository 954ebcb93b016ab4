"""How old a report's data is: fresh, degraded or stale, graded once when the run begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workbench.config import Settings
from workbench.errors import StaleData
from workbench.lake.times import show_moment, show_span


@dataclass(frozen=True)
class FreshnessLimits:
    """From which age on data is degraded, and from which it is stale.

    Parameters
    ----------
    degraded_after, stale_after
        Age of the newest event.
    table
        The table whose newest event counts.
    """

    degraded_after: timedelta = timedelta(hours=1)
    stale_after: timedelta = timedelta(days=1)
    table: str = "market.trades"


@dataclass(frozen=True)
class Freshness:
    """The age of the data a run reads, and its grade.

    The age is that of the newest event up to the as-of the run was asked for, against that as-of;
    and against the moment the run began where it was asked for none (or for one still to come).
    """

    #: ``fresh``, ``degraded`` or ``stale``.
    grade: str
    table: str
    newest_event: datetime | None
    #: What the age is counted up to, and which of the two it is: ``as-of`` or ``clock``.
    until: datetime
    against: str
    #: None where there is no event up to then.
    age_s: float | None
    limits: FreshnessLimits

    def as_json(self, clock: str = "the start of the run") -> dict[str, Any]:
        """Return it as report.json keeps it; `clock` is what its words call the clock."""
        return {
            "grade": self.grade,
            "table": self.table,
            "newest_event": self.newest_event.isoformat() if self.newest_event else None,
            "until": self.until.isoformat(),
            "against": self.against,
            "age_s": self.age_s,
            "degraded_after_s": self.limits.degraded_after.total_seconds(),
            "stale_after_s": self.limits.stale_after.total_seconds(),
            "words": self.in_words(clock),
        }

    def in_words(self, clock: str = "the start of the run") -> str:
        """Return the grade and what it rests on, as one line."""
        if self.age_s is None:
            up_to = " up to the as-of" if self.against == "as-of" else ""
            return f"{self.grade}: {self.table} has no rows{up_to}"
        than = "the as-of" if self.against == "as-of" else clock
        if not self.age_s:
            return f"{self.grade}: {self.table} reaches {than}"
        return f"{self.grade}: {self.table} ends {show_span(self.age_s)} before {than}"

    def raise_if_stale(self, name: str) -> None:
        """Raise where the data is stale.

        Raises
        ------
        StaleData
            Names the newest event and the limit.
        """
        if self.grade == "stale":
            newest = show_moment(self.newest_event) if self.newest_event else "none"
            raise StaleData(
                f"report {name}: {self.in_words()} (newest event {newest}, stale from "
                f"{show_span(self.limits.stale_after.total_seconds())} on)",
                hint="is the landing job running? `workbench status` says",
            )


def grade(
    newest: datetime | None,
    asked: datetime | None,
    now: datetime,
    limits: FreshnessLimits,
) -> Freshness:
    """Grade the age of the newest event; no event at all is stale.

    Parameters
    ----------
    newest
        The newest event at or before the as-of: what came after it says nothing of a hole there.
    asked
        The as-of that was asked for.
    now
        When the run begins.
    limits
        From which age on data is degraded and stale.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon, limits = datetime(2024, 8, 8, 12, tzinfo=UTC), FreshnessLimits()
    >>> grade(noon, noon + timedelta(hours=2), noon + timedelta(days=9), limits).in_words()
    'degraded: market.trades ends 2 h before the as-of'
    >>> grade(noon, None, noon + timedelta(days=9), limits).grade
    'stale'
    """
    against = "as-of" if asked is not None and asked <= now else "clock"
    until = asked if asked is not None and asked <= now else now
    # An event of a clock that runs ahead of this one is not older than now.
    age = None if newest is None else max(timedelta(), until - newest)
    if age is None or age >= limits.stale_after:
        word = "stale"
    else:
        word = "degraded" if age >= limits.degraded_after else "fresh"
    age_s = None if age is None else round(age.total_seconds(), 3)
    return Freshness(word, limits.table, newest, until, against, age_s, limits)


def limits_of(
    settings: Settings, name: str, own: FreshnessLimits | None, table: str = "market.trades"
) -> FreshnessLimits:
    """Return the limits in force: the settings for this report, its own, those for all.

    `table` is the one that counts where the report has no limits of its own.
    """
    base = own or FreshnessLimits(
        timedelta(seconds=settings.reports.degraded_after_s),
        timedelta(seconds=settings.reports.stale_after_s),
        table,
    )
    for_this = settings.reports.limits.get(name)
    if for_this is None:
        return base
    degraded, stale = for_this.degraded_after_s, for_this.stale_after_s
    return FreshnessLimits(
        base.degraded_after if degraded is None else timedelta(seconds=degraded),
        base.stale_after if stale is None else timedelta(seconds=stale),
        base.table,
    )
