"""Whether every record is somewhere."""

from __future__ import annotations

from workbench.contracts.records import EXECUTIONS
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.market.question import (
    AGGREGATES,
    BOOKS,
    DEAD_LETTERS,
    ENRICHED,
    LATE_ROWS,
    TRADES,
    sql_of,
    whole_number,
)

COUNTS = ("records", "good", "late", "dead", "filtered", "missing")
UNITS = dict.fromkeys(COUNTS, "records")
#: The jobs whose dead letters are those of raw.trades.
REFUSING = ("landing", "router")


def reconciliation(
    session: Session, raw_count: int | None = None, book_count: int | None = None
) -> Result:
    """Return for every job: in = good + late + dead + filtered, and what is missing.

    Everything that the session has pinned counts; jobs that are still reading are behind.

    Parameters
    ----------
    session
        The session to ask.
    raw_count, book_count
        Messages of raw.trades and of raw.orderbook as counted in Kafka; when None, what the
        offsets in the lake say: each partition from its first to its last. Offsets of Kafka
        transactions and what retention or compaction took look missing then. Of a file that a
        batch run has read, the lines that left a trace count.

    Returns
    -------
    Result
        One row per job and source: ``job``, ``source``; ``records`` (in), ``good`` (in its
        table), ``late`` (in ``ops.late_rows``), ``dead`` (in ``ops.dead_letters``; for landing
        with those of the router), ``filtered`` (events that are no executions, which aggregates
        and enrichment leave out), ``missing`` (what is left of ``records``: 0 when all is
        accounted for, negative when something is there twice) [records]. In the order of the
        pipeline; always the same rows, with one more for files where there were batch runs.

    Raises
    ------
    UsageError
        For a count that is none.

    Notes
    -----
    The accounting of ``docs/architecture.md``, Nothing disappears. The router and the alerts are
    not in it: most of what they write is in Kafka only.

    Examples
    --------
    >>> reconciliation(session).df().query("missing != 0")      # doctest: +SKIP
    """
    prefix = session.settings.kafka.topic_prefix
    values = {
        "raw_topics": sorted({"raw.trades", f"{prefix}raw.trades"}),
        "raw_jobs": list(REFUSING),
        "executions": list(EXECUTIONS),
        "raw_count": raw_count if raw_count is None else whole_number("raw_count", raw_count, 0),
        "book_count": (
            book_count if book_count is None else whole_number("book_count", book_count, 0)
        ),
    }
    return session.result(
        sql_of("reconciliation"),
        values,
        tables=(TRADES, AGGREGATES, ENRICHED, BOOKS, LATE_ROWS, DEAD_LETTERS),
        units=UNITS,
        caption="What came in and where it is",
    )
