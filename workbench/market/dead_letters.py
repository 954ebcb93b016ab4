"""What the jobs refused, and why."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import DEAD_LETTERS, REPLAYS, moment_of, sql_of

UNITS = {
    **dict.fromkeys(("records", "pending", "unclear", "replayed"), "records"),
    "first_failed": "UTC",
    "last_failed": "UTC",
}


def dead_letters(session: Session, as_of: Moment | None = None) -> Result:
    """Return the refused records by job, topic and reason, and what became of them.

    Parameters
    ----------
    session
        The session to ask.
    as_of
        Records refused up to this moment by the wall clock; all when None. A record that nobody
        could read has no event time.

    Returns
    -------
    Result
        One row per job, topics and reason: ``job``, ``source_topic`` (that it was read from),
        ``topic`` (the dead-letter topic it went to), ``error_type``, ``records`` = ``pending`` +
        ``unclear`` (a replay began and did not say how it ended) + ``replayed``,
        ``first_failed``, ``last_failed`` [UTC]. The most records first, then by the names; empty
        where nothing was refused.

    Raises
    ------
    UsageError
        For an `as_of` that cannot be used.

    Notes
    -----
    Reasons and what to do about each: ``docs/guide.md``, Dead letters. The records themselves
    and their replay: ``workbench dlq``.

    Examples
    --------
    >>> dead_letters(session).df()      # doctest: +SKIP
    """
    # With it come the replay and all that writes: no other question should wait for these imports.
    from workbench.dead_letters.letters import Selection, letters_sql

    moment = moment_of(session, as_of, DEAD_LETTERS)
    selection = Selection(until=moment if as_of is not None else None)
    return session.result(
        letters_sql(sql_of("dead_letters")),
        selection.parameters(),
        tables=(DEAD_LETTERS, REPLAYS),
        units=UNITS,
        as_of=moment,
        caption="Refused records by reason",
    )
