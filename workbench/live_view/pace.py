"""How often a live view may draw."""

from __future__ import annotations

#: A browser that draws more often has no time left for clicks.
REDRAWS_PER_SECOND = 2.0


class Pace:
    """Lets one thing happen so many times a second at most, and the last of many always.

    Parameters
    ----------
    per_second
        How often at most.

    Examples
    --------
    >>> pace = Pace(2)
    >>> pace.wanted()
    >>> pace.due(0.0), pace.due(0.1)
    (True, False)
    >>> pace.wanted()
    >>> pace.due(0.3), pace.due(0.5), pace.due(1.5)
    (False, True, False)
    """

    def __init__(self, per_second: float = REDRAWS_PER_SECOND) -> None:
        self._between = 1 / per_second
        self._last: float | None = None
        self._wanted = False

    def wanted(self) -> None:
        """Say that there is something new to draw."""
        self._wanted = True

    def due(self, now: float) -> bool:
        """Return whether to draw now; if so, it counts as done."""
        if not self._wanted or (self._last is not None and now < self._last + self._between):
            return False
        self._last, self._wanted = now, False
        return True
