"""Sending dead letters again, once, whatever is cut off in between.

One run is one Kafka transaction. The lake and Kafka cannot commit together, so each run writes
three things in this order: a row ``intended`` per letter in ops.dead_letter_replays, the
transaction, a row ``sent`` (or ``failed``) per letter. A run that is cut off after the first is
*unclear*. The next replay settles it before it sends anything: opening its own transactional
producer, which has the same id, makes the broker end what the other had open; then each record
that got through is in the topic, with a header that names its run.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workbench.config import Settings
from workbench.contracts import topic_named
from workbench.dead_letters.letters import find_named
from workbench.dead_letters.marks import Mark, open_marks, write_marks
from workbench.dead_letters.plan import Plan, Planned, Skipped
from workbench.dead_letters.transaction import NotSent, Transaction, find_sent
from workbench.errors import LakeError, WorkbenchError
from workbench.lake.session import open_session

#: A run holds at most so many messages and bytes; what is beyond goes into a run of its own.
RUN_MESSAGES = 10_000
RUN_BYTES = 64 * 1024 * 1024
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sent:
    """A record that was sent again, and where it is now."""

    record: str
    topic: str
    partition: int
    offset: int
    edited: bool
    run_id: str


@dataclass(frozen=True)
class Replayed:
    """What a replay did."""

    sent: tuple[Sent, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def replay(
    settings: Settings, plan: Plan, *, again: bool = False, progress: Progress = lambda _: None
) -> Replayed:
    """Send what was planned and mark it.

    Parameters
    ----------
    settings
        The settings in force.
    plan
        From `make_plan`.
    again
        Whether to send what was sent before.
    progress
        Told what is going on.

    Raises
    ------
    WorkbenchError
        Where a run could not be sent (nothing of it is in Kafka then), or it is not known whether
        it was; runs before it stay sent and marked.

    Examples
    --------
    >>> replay(settings, make_plan(settings, letters))                  # doctest: +SKIP
    Replayed(sent=(Sent(record='raw.trades/0/123', ...),), skipped=())
    """
    if not plan.planned:
        return Replayed(skipped=plan.skipped)
    sent: list[Sent] = []
    with Transaction(settings) as transaction:
        settle(settings, progress)
        # Only now nobody else can be sending: what was planned may have been sent meanwhile.
        ready, late = (plan.planned, ()) if again else _still_pending(settings, plan.planned)
        for number, run in enumerate(_runs(ready), start=1):
            sent += _send(settings, transaction, run)
            progress(f"run {number}: {len(sent)} of {len(ready)} sent")
    return Replayed(tuple(sent), (*plan.skipped, *late))


def _still_pending(
    settings: Settings, planned: tuple[Planned, ...]
) -> tuple[tuple[Planned, ...], tuple[Skipped, ...]]:
    names = [str(letter.id) for each in planned for letter in each.letters]
    with open_session(settings, read_only=True) as session:
        states = {letter.id: letter.state for letter in find_named(session, names)}
    ready: list[Planned] = []
    late: list[Planned] = []
    for each in planned:
        pending = all(states[letter.id] == "pending" for letter in each.letters)
        (ready if pending else late).append(each)
    why = "it was sent again meanwhile, or a replay of it was cut off: see `dlq show`"
    return tuple(ready), tuple(Skipped(letter, why) for each in late for letter in each.letters)


def _runs(planned: tuple[Planned, ...]) -> Iterator[list[Planned]]:
    run: list[Planned] = []
    size = 0
    for each in planned:
        if run and (len(run) >= RUN_MESSAGES or size + len(each.value) > RUN_BYTES):
            yield run
            run, size = [], 0
        run.append(each)
        size += len(each.value)
    if run:
        yield run


def _send(settings: Settings, transaction: Transaction, run: list[Planned]) -> list[Sent]:
    run_id = uuid.uuid4().hex
    marks = [
        Mark(run_id, letter.id, letter.failed_at, each.edited, each.topic)
        for each in run
        for letter in each.letters
    ]
    write_marks(settings, marks, "intended")
    try:
        places = transaction.send(run_id, run)
    except NotSent as error:
        write_marks(settings, marks, "failed")
        raise WorkbenchError(f"nothing was sent: {error}", hint="try again") from error
    write_marks(settings, [mark.at(*places[mark.letter.record]) for mark in marks], "sent")
    return [
        Sent(each.record, each.topic, *places[each.record], each.edited, run_id) for each in run
    ]


def settle(settings: Settings, progress: Progress = lambda _: None) -> None:
    """Find out of every run that was cut off whether it got through, and mark it so.

    A run that is older than the retention of its topic stays unclear: nothing can tell any more.

    Raises
    ------
    LakeError
        Where the marks cannot be read or written.
    StackError
        Where the broker does not answer.
    """
    by_run: dict[tuple[str, str], list[tuple[Mark, datetime]]] = defaultdict(list)
    for mark, since in open_marks(settings):
        by_run[mark.run_id, mark.to_topic].append((mark, since))
    for (run_id, topic), found in by_run.items():
        since = min(moment for _, moment in found)
        if datetime.now(UTC) - since > timedelta(days=topic_named(topic).retention_days):
            continue
        marks = [mark for mark, _ in found]
        places = find_sent(settings, run_id, topic, since)
        there = [mark for mark in marks if mark.letter.record in places]
        if there and len(there) < len(marks):
            raise LakeError(
                f"replay {run_id} is in {topic} only in part",
                hint="was the topic made anew? `dlq show` has the details; --again sends it",
            )
        if there:
            write_marks(settings, [m.at(*places[m.letter.record]) for m in marks], "sent")
        else:
            write_marks(settings, marks, "failed")
        progress(f"run {run_id} was cut off: it was {'sent' if there else 'not sent'}")
