"""Which events were landed more than once."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, moment_of, sql_of, window

UNITS = {
    "copies": "events",
    "versions": "different contents",
    "event_time": "UTC",
    "first_arrival": "UTC",
    "last_arrival": "UTC",
}


def duplicates(session: Session, hours: float = 24, as_of: Moment | None = None) -> Result:
    """Return the events whose ``trade_id`` came more than once.

    What a producer sends twice is two messages, and both are landed and count as volume.

    Parameters
    ----------
    session
        The session to ask.
    hours
        Length of the window ``(as_of - hours, as_of]`` of event time.
    as_of
        End of the window; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per repeated event: ``trade_id``, ``symbol``, ``copies`` [events], ``versions``
        [different contents: 1 for true copies, more where one id was given to several events],
        ``event_time`` (the first), ``first_arrival``, ``last_arrival`` [UTC, by Kafka's time].
        The most copies first, then by id; empty without duplicates.

    Raises
    ------
    UsageError
        For `hours` or an `as_of` that cannot be used.

    Notes
    -----
    Duplicates within the window only: two copies with event times on both sides of its start are
    not seen as such. Refusing them while they are read is ``flink.deduplicate_s``.

    Examples
    --------
    >>> duplicates(session).rows()      # doctest: +SKIP
    """
    return session.result(
        sql_of("duplicates"),
        window(session, as_of, hours),
        tables=(TRADES,),
        units=UNITS,
        as_of=moment_of(session, as_of),
        caption=f"Events that came more than once in {hours:g} h",
    )
