"""How good the data is, in a few numbers."""

from __future__ import annotations

from workbench.contracts.records import EXECUTIONS
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import (
    DEAD_LETTERS,
    ENRICHED,
    EPOCH,
    LATE_ROWS,
    TRADES,
    moment_of,
    sql_of,
)

UNITS = {"share_pct": "%"}


def data_quality(session: Session, as_of: Moment | None = None) -> Result:
    """Return how much of the data is duplicate, late, refused, silent or unknown.

    Parameters
    ----------
    session
        The session to ask.
    as_of
        Events up to this moment of event time; the newest of the trades when None. Dead letters
        have no event time: all of them count.

    Returns
    -------
    Result
        One row per measure, always the same five: ``measure``, ``found``, ``of_all`` (what it is
        held against), ``unit`` of both, ``share_pct`` [%, half-up to 4 decimals; null of none].

        ``duplicate events`` repeat a ``trade_id``; ``late executions`` are in no window; ``dead
        letters`` are held against all records, good and refused; ``minutes without trades`` lie
        between a symbol's first and last execution of a day; ``executions without reference
        data`` were enriched with UNKNOWN.

    Raises
    ------
    UsageError
        For an `as_of` that cannot be used.

    Notes
    -----
    Each has a question of its own that names the rows: `duplicates`, `late_rows`,
    `dead_letters`, `trading_gaps`, `missing_reference`; `reconciliation` says whether anything
    is lost. The dimensions are those of ISO/IEC 25012: accuracy, currentness, completeness.

    Examples
    --------
    >>> data_quality(session).rows()      # doctest: +SKIP
    """
    moment = moment_of(session, as_of)
    return session.result(
        sql_of("data_quality"),
        {"as_of": moment or EPOCH, "executions": list(EXECUTIONS)},
        tables=(TRADES, ENRICHED, LATE_ROWS, DEAD_LETTERS),
        units=UNITS,
        as_of=moment,
        caption="Quality of the data",
        figure="data_quality",
    )
