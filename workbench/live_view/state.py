"""How a live view stands with its broker, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from workbench.lake.times import show_moment, show_span


class Phase(Enum):
    """Where a live view is."""

    CONNECTING = "connecting"
    FOLLOWING = "following"
    #: The broker is away; the view tries again by itself.
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class LiveState:
    """What a live view knows of its connection; every step gives a new one.

    Parameters
    ----------
    phase
        Where it is.
    read
        Messages read.
    unreadable
        Of them, those that break the contract: they are not shown.
    skipped
        Offsets that were jumped over because there were too many to show.
    lag
        Offsets that are not read yet; None where that is not known.
    why
        Why it waits, or what ended it, in words; empty where somebody ended it.
    since
        When the phase began, by a clock that only goes on [s].
    breaks
        How often the connection was lost.
    """

    phase: Phase = Phase.CONNECTING
    read: int = 0
    unreadable: int = 0
    skipped: int = 0
    lag: int | None = None
    why: str = ""
    since: float = 0.0
    breaks: int = 0

    def received(self, now: float, read: int, unreadable: int = 0) -> LiveState:
        """Messages came: whatever was, it follows now."""
        counted = replace(self, read=self.read + read, unreadable=self.unreadable + unreadable)
        return counted._following(now)

    def caught_up_to(self, now: float, lag: int, skipped: int = 0) -> LiveState:
        """The broker said how far its topics reach."""
        return replace(self, lag=lag, skipped=self.skipped + skipped)._following(now)

    def lost(self, now: float, why: str) -> LiveState:
        """The broker does not answer; said once, however often it does not."""
        if self.phase is Phase.STOPPED:
            return self
        if self.phase is Phase.WAITING:
            return replace(self, why=why)
        return replace(
            self, phase=Phase.WAITING, why=why, since=now, lag=None, breaks=self.breaks + 1
        )

    def stopped(self, now: float, why: str = "") -> LiveState:
        """It is over, for good."""
        return replace(self, phase=Phase.STOPPED, since=now, why=why)

    def _following(self, now: float) -> LiveState:
        if self.phase in (Phase.FOLLOWING, Phase.STOPPED):
            return self
        return replace(self, phase=Phase.FOLLOWING, since=now, why="")

    def in_words(
        self, now: float, *, rows: int, newest: datetime | None, missed: int | None = None
    ) -> str:
        """Return the status line.

        Parameters
        ----------
        now
            The clock of `since`.
        rows
            Rows in the window.
        newest
            Event time of the newest row.
        missed
            Messages that came since the drawing was paused; None when it is not.

        Examples
        --------
        >>> LiveState().received(0, 3).caught_up_to(0, 0).in_words(1, rows=3, newest=None)
        'live · 3 rows in the window · all read · 3 messages so far'
        >>> LiveState().lost(0, "no broker answers").in_words(65, rows=0, newest=None)
        'waiting for the broker since 1 min (no broker answers); tries again by itself'
        """
        held = f"{rows:,} row{'' if rows == 1 else 's'} in the window"
        moment = [f"as of {show_moment(newest.replace(microsecond=0))}"] if newest else []
        counts = [f"{self.read:,} message{'' if self.read == 1 else 's'} so far"]
        if self.unreadable:
            counts.append(f"{self.unreadable:,} could not be read")
        if self.skipped:
            counts.append(f"about {self.skipped:,} jumped over")
        if self.phase is Phase.CONNECTING:
            return "connecting to the broker"
        if self.phase is Phase.WAITING:
            waited = show_span(now - self.since)
            said = f"waiting for the broker since {waited} ({self.why}); tries again by itself"
            return " · ".join([said, *([held, *moment] if rows else [])])
        if self.phase is Phase.STOPPED:
            ended = f"stopped: {self.why}" if self.why else "stopped"
            return " · ".join([ended, held, *moment, *counts])
        behind = "reading" if self.lag is None else "all read"
        if self.lag:
            behind = f"about {self.lag:,} behind"
        name = "live" if missed is None else f"paused, {missed:,} messages came since"
        return " · ".join([name, held, behind, *moment, *counts])
