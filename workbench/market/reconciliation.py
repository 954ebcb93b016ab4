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
    REPLAYS,
    TRADES,
    sql_of,
    whole_number,
)
from workbench.market.settled import settled, with_prefix

COUNTS = ("records", "good", "late", "dead", "filtered", "open", "missing")
UNITS = {**dict.fromkeys(COUNTS, "records"), "settled_until": "UTC"}
#: The jobs whose dead letters are those of raw.trades.
REFUSING = ("landing", "router")


def reconciliation(
    session: Session, raw_count: int | None = None, book_count: int | None = None
) -> Result:
    """Return for every job: in = good + late + dead + filtered + open, and what is missing.

    Everything that the session has pinned counts. While jobs run, each has come another way: what
    one of them may still be about to write is open, and not missing. The results of aggregates and
    enrichment count up to a moment that they and the landing have passed, see
    `workbench.market.settled`; after a drain that is the end.

    Parameters
    ----------
    session
        The session to ask.
    raw_count, book_count
        Messages of raw.trades and of raw.orderbook as counted in Kafka; when None, what the
        offsets in the lake say: each partition from its first to its last, less the ends of the
        transactions of ``workbench dlq replay``, which take an offset each. Those of other
        transactional producers look missing then, and so does what an aborted transaction,
        retention or compaction has taken: count the messages that readers see
        (`workbench.broker.offsets.count_messages`) and give the counts. Of a file that a batch
        run has read, the lines that left a trace count.

    Returns
    -------
    Result
        One row per job and source: ``job``, ``source``; ``records`` (in), ``good`` (in its
        table), ``late`` (in ``ops.late_rows``), ``dead`` (in ``ops.dead_letters``; for landing
        with those of the router), ``filtered`` (events that are no executions, which aggregates
        and enrichment leave out), ``open`` (executions behind ``settled_until``; for landing what
        the router was ahead with), ``missing`` (what is left of ``records``: 0 when all is
        accounted for, negative when something is there twice) [records]; ``settled_until`` [UTC,
        null where nothing is settled, and of jobs without such a moment]. In the order of the
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
    moments = settled(session)
    values = {
        "raw_topics": with_prefix(session.settings, "raw.trades"),
        "book_topics": with_prefix(session.settings, "raw.orderbook"),
        "raw_jobs": list(REFUSING),
        "executions": list(EXECUTIONS),
        "windows": moments.windows,
        "enriched": moments.enriched,
        "raw_count": raw_count if raw_count is None else whole_number("raw_count", raw_count, 0),
        "book_count": (
            book_count if book_count is None else whole_number("book_count", book_count, 0)
        ),
    }
    return session.result(
        sql_of("reconciliation"),
        values,
        tables=(TRADES, AGGREGATES, ENRICHED, BOOKS, LATE_ROWS, DEAD_LETTERS, REPLAYS),
        units=UNITS,
        caption="What came in and where it is",
    )
