"""What a replay would send, decided and shown before anything is sent."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.config import Settings
from workbench.contracts import topic_named
from workbench.contracts.reader import Refused, read_record, status_problem
from workbench.contracts.records import DUPLICATE, TRADE_EVENT, Record
from workbench.contracts.strict_json import parse_json
from workbench.contracts.topics import MAX_MESSAGE_BYTES
from workbench.dead_letters.edit import parse_assignment, set_fields
from workbench.dead_letters.ids import Coordinates, LetterId
from workbench.dead_letters.letters import Letter, newest
from workbench.dead_letters.original import Original, originals
from workbench.errors import UsageError

#: Room for key, headers and framing beside the value of a message.
_FRAMING_BYTES = 16 * 1024


@dataclass(frozen=True)
class Planned:
    """One record that would be sent.

    Parameters
    ----------
    letters
        The dead letters it is about: of one record, one for each job that refused it.
    topic, key, value
        What goes where; topic without the prefix of the settings.
    edited
        Whether these are other bytes than were refused.
    refusal
        Why a job would refuse it again, in words; None where the rules of the contract hold.
    """

    letters: tuple[Letter, ...]
    topic: str
    key: bytes | None
    value: bytes
    edited: bool
    refusal: str | None

    @property
    def record(self) -> str:
        """Coordinates of the refused record."""
        return self.letters[0].id.record


@dataclass(frozen=True)
class Skipped:
    """A letter that would not be sent, and why."""

    letter: Letter
    why: str


@dataclass(frozen=True)
class Plan:
    """What would be sent, and what would not."""

    planned: tuple[Planned, ...]
    skipped: tuple[Skipped, ...]


def make_plan(
    settings: Settings,
    letters: Iterable[Letter],
    *,
    values: Mapping[LetterId, bytes] | None = None,
    sets: Sequence[str] = (),
    to: str | None = None,
    again: bool = False,
    duplicates: bool = False,
) -> Plan:
    """Decide what a replay of these letters sends; sends nothing.

    Parameters
    ----------
    settings
        The settings in force.
    letters
        The letters; those of one record are one message.
    values
        Mended values by id, from `read_values`; a letter that is not among them is skipped.
    sets
        Changes to each record, as ``field=value``.
    to
        Topic of the contracts; None for the one each record came from.
    again
        Whether to send what was sent before.
    duplicates
        Whether to send what was refused as a duplicate. Its first copy is in the tables: once the
        horizon is over, no job would know this one any more, and it would land as well.

    Raises
    ------
    UsageError
        For an unknown topic, an assignment that is none, or both ways of mending at once.
    StackError
        Where the broker does not answer.

    Examples
    --------
    >>> plan = make_plan(settings, letters, sets=["price=12.50"])       # doctest: +SKIP
    """
    if values is not None and sets:
        raise UsageError("--edit and --set at once", hint="mend in the file, or with --set")
    if to is not None:
        topic_named(to)
    for text in sets:
        parse_assignment(text, None)
    by_record: dict[Coordinates, list[Letter]] = defaultdict(list)
    for letter in newest(letters):
        by_record[letter.id.coordinates].append(letter)
    records = originals(settings, [group[0] for group in by_record.values()])
    planned: list[Planned] = []
    skipped: list[Skipped] = []
    for where, group in by_record.items():
        try:
            _check_state(group, again)
            if not duplicates:
                _check_new(group)
            planned.append(_plan(group, records[where], values, sets, to))
        except _Skip as skip:
            skipped += [Skipped(letter, str(skip)) for letter in group]
    return Plan(tuple(planned), tuple(skipped))


class _Skip(Exception):
    """Why a record is not sent."""


def _check_state(letters: list[Letter], again: bool) -> None:
    for letter in letters:
        if letter.state == "replayed" and not again:
            raise _Skip(f"it was sent again to {letter.replayed_to}: --again sends it once more")


def _check_new(letters: list[Letter]) -> None:
    if any(letter.error_type == DUPLICATE for letter in letters):
        raise _Skip(
            "its event is in the tables already and would land twice: its id, or --reason "
            f"{DUPLICATE}, sends it all the same"
        )


def _plan(
    letters: list[Letter],
    original: Original,
    values: Mapping[LetterId, bytes] | None,
    sets: Sequence[str],
    to: str | None,
) -> Planned:
    first = letters[0]
    topic = to or first.id.topic
    if first.original_value is None:
        raise _Skip("a tombstone has nothing to send")
    if topic.startswith("file:"):
        raise _Skip("it came from a file: name a topic with --to")
    value = original.value
    record = topic_named(topic).record
    if values is not None:
        value = _mended(letters, values)
    elif value is None:
        raise _Skip(original.note)
    elif sets:
        try:
            value = set_fields(value, dict(parse_assignment(text, record) for text in sets))
        except ValueError as error:
            raise _Skip(str(error)) from None
    if len(value) > MAX_MESSAGE_BYTES - _FRAMING_BYTES:
        raise _Skip(f"{len(value):,} bytes with headers are more than a topic takes")
    edited = value != original.value
    return Planned(
        tuple(letters), topic, _key(topic, original, value, edited), value, edited,
        refusal(topic, record, value),
    )  # fmt: skip


def _mended(letters: list[Letter], values: Mapping[LetterId, bytes]) -> bytes:
    for letter in letters:
        for name in (letter.id, LetterId(*letter.id.coordinates)):
            if name in values:
                return values[name]
    raise _Skip("there is no value for it in the file")


def _key(topic: str, original: Original, value: bytes, edited: bool) -> bytes | None:
    """The record's own key; the contract's field where that was mended, or the key is not known."""
    field = topic_named(topic).key
    if field is not None and (edited or not original.from_kafka):
        try:
            found = parse_json(value.decode("utf-8"))[field]
        except (ValueError, KeyError, TypeError, IndexError):
            found = None
        if type(found) is str and found:
            return found.encode()
    return original.key


def refusal(topic: str, record: Record | None, value: bytes) -> str | None:
    """Return why a job would refuse a value that arrived in a topic now; None where none would."""
    if record is None:
        return None
    verdict = read_record(record, value, int(time.time() * 1000))
    problem = None
    if isinstance(verdict, Refused):
        problem = verdict
    elif record is TRADE_EVENT:
        problem = status_problem(verdict.values["status"])
    return f"{problem.error_type}: {problem.error_message}" if problem else None
