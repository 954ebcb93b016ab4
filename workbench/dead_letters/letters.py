"""The dead letters of the lake, and what became of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from workbench.dead_letters.ids import Coordinates, LetterId, parse_id
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.lake.times import Moment, parse_moment

#: Nobody mends more than this in one go; a selection beyond it would not fit into memory.
MOST_LETTERS = 100_000
STATES = ("pending", "unclear", "replayed")


@dataclass(frozen=True)
class Letter:
    """One refused record, as one job reported it.

    Parameters
    ----------
    id
        Where its record lies, and the job.
    topic
        Dead-letter topic it went to.
    error_type, error_message
        The reason, and in words.
    original_value
        The start of its value as text; None for a tombstone.
    failed_at
        When it was refused, UTC.
    state
        ``pending``; ``replayed``; ``unclear`` when a replay was cut off and nobody has looked yet
        whether it got through.
    replayed_at, replayed_to
        When and where it was last sent again, as ``TOPIC/PARTITION/OFFSET``.
    replays
        How often it was sent again.
    """

    id: LetterId
    topic: str
    error_type: str
    error_message: str
    original_value: str | None
    failed_at: datetime
    state: str = "pending"
    replayed_at: datetime | None = None
    replayed_to: str | None = None
    replays: int = 0


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; what is not said does not restrict.

    Parameters
    ----------
    ids
        These only; one without a job means every job that refused the record.
    job, reason
        Of this job; with this ``error_type``.
    topic
        Of this source topic, or in this dead-letter topic.
    since, until
        Refused from, up to; a date means its start and its end, UTC.
    state
        One of `STATES`.
    unsent
        Leave out what was sent again.
    """

    ids: tuple[LetterId, ...] | None = None
    job: str | None = None
    reason: str | None = None
    topic: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    state: str | None = None
    unsent: bool = False

    def parameters(self) -> dict[str, Any]:
        """Return the values that the SQL binds."""
        return {
            "ids": None if self.ids is None else [str(each) for each in self.ids],
            "job": self.job,
            "reason": self.reason,
            "topic": self.topic,
            "since": None if self.since is None else _start(self.since),
            "until": None if self.until is None else parse_moment(self.until, "until"),
            "state": self.state,
            "unsent": self.unsent,
        }


def _start(moment: Moment) -> datetime:
    """A moment in UTC; a date means its start."""
    found = parse_moment(moment, "since")
    is_day = len(moment.strip()) == len("2024-08-08") if isinstance(moment, str) else False
    if is_day or (isinstance(moment, date) and not isinstance(moment, datetime)):
        return datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found


@cache
def letters_sql(ending: str) -> str:
    """Return the query of the letters, each with its state, with this SELECT at its end."""
    text = files("workbench.dead_letters").joinpath("letters.sql").read_text(encoding="utf-8")
    return f"{text}{ending}"


_COUNTS = """
SELECT
  error_type,
  count(*) FILTER (state = 'pending') AS pending,
  count(*) FILTER (state = 'unclear') AS unclear,
  count(*) FILTER (state = 'replayed') AS replayed,
  max(failed_at) AS newest
FROM letters
WHERE ($state IS NULL OR state = $state) AND NOT ($unsent AND state = 'replayed')
GROUP BY error_type
ORDER BY count(*) DESC, error_type
"""
_ROWS = """
SELECT * FROM letters
WHERE ($state IS NULL OR state = $state) AND NOT ($unsent AND state = 'replayed')
ORDER BY failed_at DESC, source_topic, source_partition, source_offset DESC, job
LIMIT $limit
"""


def count_by_reason(
    session: Session, selection: Selection = Selection()
) -> list[tuple[str, int, int, int, datetime]]:
    """Count dead letters by reason, the most frequent first.

    Returns
    -------
    list of tuple
        error_type, then how many are pending, unclear and replayed, and when the newest was
        refused.

    Examples
    --------
    >>> count_by_reason(session)                                        # doctest: +SKIP
    [('missing-field', 2, 0, 0, datetime.datetime(...))]
    """
    rows: list[tuple[str, int, int, int, datetime]] = session.sql(
        letters_sql(_COUNTS), selection.parameters()
    ).rows()
    return rows


def find(
    session: Session, selection: Selection = Selection(), limit: int | None = None
) -> list[Letter]:
    """Return dead letters, the newest first.

    Parameters
    ----------
    session
        The session to ask: what it has pinned.
    selection
        Which ones.
    limit
        At most so many; None for all.

    Raises
    ------
    UsageError
        Where all would be more than `MOST_LETTERS`.

    Examples
    --------
    >>> find(session, Selection(reason="not-positive"), limit=1)        # doctest: +SKIP
    [Letter(id=LetterId(topic='raw.trades', ...), ...)]
    """
    most = MOST_LETTERS + 1 if limit is None else limit
    rows = (
        session.sql(letters_sql(_ROWS), {**selection.parameters(), "limit": most})
        .arrow()
        .to_pylist()
    )
    if limit is None and len(rows) > MOST_LETTERS:
        raise UsageError(
            f"more than {MOST_LETTERS:,} dead letters", hint="narrow it with --reason or --limit"
        )
    return [_letter(row) for row in rows]


def _letter(row: dict[str, Any]) -> Letter:
    names = ("source_topic", "source_partition", "source_offset", "job")
    topic, partition, offset, job = (row.pop(name) for name in names)
    return Letter(LetterId(topic, partition, offset, job), **row)


def find_named(session: Session, names: Iterable[str]) -> list[Letter]:
    """Return the newest dead letter of each id, in the order of the ids.

    An id without a job names the letter of every job that refused the record.

    Raises
    ------
    UsageError
        For a text that is no id, or an id nobody refused; names it.
    """
    ids = tuple(dict.fromkeys(parse_id(name) for name in names))
    of_record: dict[Coordinates, list[Letter]] = defaultdict(list)
    for letter in newest(find(session, Selection(ids=ids))):
        of_record[letter.id.coordinates].append(letter)
    chosen: dict[LetterId, Letter] = {}
    for each in ids:
        there = of_record.get(each.coordinates, ())
        of_id = [letter for letter in there if each.job in (None, letter.id.job)]
        if not of_id:
            raise UsageError(
                f"no dead letter {str(each)!r}", hint="`workbench dlq list` shows what there is"
            )
        chosen.update((letter.id, letter) for letter in of_id)
    return list(chosen.values())


def newest(letters: Iterable[Letter]) -> list[Letter]:
    """Return one letter per id: a topic that was made anew, or read anew, reports an id twice."""
    latest: dict[LetterId, Letter] = {}
    for letter in letters:
        known = latest.get(letter.id)
        if known is None or known.failed_at < letter.failed_at:
            latest[letter.id] = letter
    return list(latest.values())
