"""Up to which moment the results of a job can be held against the trades landed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workbench.config import Settings
from workbench.contracts import topic_named
from workbench.contracts.jobs import OUT_OF_ORDERNESS_S
from workbench.lake.session import Session
from workbench.market.question import sql_of

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Settled:
    """The settled moments of a session's snapshots, whole minutes; None where nothing is."""

    #: Of the windows of a minute and the late rows: the aggregates job.
    windows: datetime | None
    #: Of the enriched trades: the enrichment job, behind the router.
    enriched: datetime | None

    def of(self, job: str) -> datetime | None:
        """Return the moment of a job by its name."""
        return {"aggregates": self.windows, "enrichment": self.enriched}[job]


def settled(session: Session) -> Settled:
    """Return the moments of event time that both a job and the landing of trades have passed.

    Every job commits at checkpoints of its own, and a window is written only when the watermark
    has passed its end. So while a stream runs, or rests with its last minutes open, the tables
    stand at different places, and sums over all of them differ although every row is right. Up to
    the settled moment they must be equal: what differs there is lost, or there twice. What lies
    behind it is not settled yet.

    Where every symbol's newest execution that was landed is also the newest that the job has
    written, nothing is on its way, and all is settled: so it is after a drain, in a batch run, and
    when later events have closed the last windows. Otherwise the moment is the earliest of

    * the watermark of the trades landed: of each partition of ``raw.trades`` the newest event (or
      its arrival, where its clock was ahead) less the out-of-orderness that the jobs allow (5 s),
      and of all partitions the lowest. One whose newest record arrived more than
      ``flink.idle_timeout_ms`` before the newest of all is idle and left out, as it is by the jobs;
    * for windows, the end of the newest one of a minute that was closed on time;
    * for windows, the first execution that came late, after the clock of its own partition had
      passed the two: it may be in one table and not yet in the other;
    * for enriched trades, the first execution landed that is not enriched, where enrichment has not
      come to a later one of its partition in every partition of ``processed.trades.filled`` (as
      many as the contract has): what is missing before such a later one is lost;

    rounded down to the whole minute.

    It takes for granted that landing reads its partitions evenly. Where it works off a backlog it
    may not: wait for it, as ``--wait-fresh`` of a schedule does.

    Parameters
    ----------
    session
        The session whose snapshots are looked at.

    Returns
    -------
    Settled
        The moment of each job; events before it are settled.

    Examples
    --------
    >>> settled(session).windows                                        # doctest: +SKIP
    datetime.datetime(2024, 8, 9, 19, 58, tzinfo=datetime.timezone.utc)
    """
    raw = {"raw_topics": with_prefix(session.settings, "raw.trades")}
    disorder = {"out_of_order_s": OUT_OF_ORDERNESS_S}
    idle = {"idle_ms": session.settings.flink.idle_timeout_ms}
    [clocks] = _ask(session, "clocks", {**raw, **disorder, **idle})

    def moment(name: str, reached: datetime | None, values: dict[str, Any]) -> datetime | None:
        if reached is None:
            return None
        both = _whole(min(reached, clocks["trades"] or reached))
        [found] = _ask(session, name, {**raw, **values, "moment": both})
        if found["all_closed"]:
            return _whole(found["newest"]) + MINUTE if found["newest"] else both
        return _whole(min(both, found["late"] or both))

    topic = topic_named("processed.trades.filled")
    filled = {
        "filled_topics": with_prefix(session.settings, topic.name),
        "lanes": topic.partitions_in(session.settings.kafka.profile),
    }
    # Of the enriched trades, where the first is missing says it all.
    enriched = clocks["enriched"] and (clocks["trades"] or clocks["enriched"])
    return Settled(
        moment("windows", clocks["windows"], disorder), moment("enriched", enriched, filled)
    )


def _ask(session: Session, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = session.sql(sql_of(f"settled_{name}"), values).arrow().to_pylist()
    return rows


def _whole(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def with_prefix(settings: Settings, topic: str) -> list[str]:
    """Return what ``source_topic`` may be for a topic: its name, and that of this deployment."""
    return sorted({topic, f"{settings.kafka.topic_prefix}{topic}"})
