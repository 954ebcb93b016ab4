"""Why an answer is empty: it is of a moment before the first commit, or before the first event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workbench.lake.pins import Pin
from workbench.lake.times import show_moment


def why_empty(pins: Iterable[Pin], as_of: datetime | None, rows: int) -> str:
    """Return from when on there is data, where a moment is before it; else nothing.

    Parameters
    ----------
    pins
        The tables that were asked.
    as_of
        The moment of the answer.
    rows
        How many rows it has. A count of an empty table is one row, and as empty.
    """
    if as_of is None:
        return ""
    asked = list(pins)
    for pin in asked:
        first = pin.first_commit if pin.snapshot is None else None
        if first is not None and first > as_of:
            return (
                f"first data: {pin.table.name} was first committed at {show_moment(first)}; the "
                "as-of of a session is the time of commits, not of events"
            )
    if rows:
        return ""
    begins = [(pin.oldest_event(), pin.table.name) for pin in asked if pin.rows]
    known = [(moment, name) for moment, name in begins if moment is not None]
    if known and len(known) == len(begins) and min(known)[0] > as_of:
        first, name = min(known)
        return f"first data: {name} begins at {show_moment(first)}, after the as-of"
    return ""
