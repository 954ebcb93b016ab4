"""The exact bytes of a refused record: from Kafka as long as it holds them.

Coordinates alone prove nothing: a topic that was made anew counts from 0 again. What Kafka holds
there must begin with what the dead letter kept.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workbench.broker.clients import (
    ANSWER_SECONDS,
    cluster_metadata,
    kafka_errors,
    make_consumer,
    topic_name,
)
from workbench.config import Settings
from workbench.contracts.reader import original_value
from workbench.contracts.records import ORIGINAL_VALUE_CHARACTERS
from workbench.dead_letters.ids import Coordinates
from workbench.dead_letters.letters import Letter
from workbench.errors import StackError

#: Records between two wanted ones that are read over; further away the consumer seeks.
_GAP = 2_000
#: A read that moves nowhere for this long has lost its broker.
STUCK_SECONDS = 30.0
_REPLACED = re.compile("\ufffd+")


@dataclass(frozen=True)
class Original:
    """A refused record as it was sent.

    Parameters
    ----------
    value
        Its exact bytes; None where nobody has them any more, or it is a tombstone.
    key
        Its key; None where it had none or Kafka does not hold it any more.
    headers
        Its headers, in order.
    note
        Where the value is from, or why there is none.
    from_kafka
        Whether Kafka still holds it.
    """

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    note: str = ""
    from_kafka: bool = False


def originals(settings: Settings, letters: Iterable[Letter]) -> dict[Coordinates, Original]:
    """Return the record of each letter, by its coordinates.

    Where Kafka does not hold a record any more, the text of the dead letter stands in, if that is
    all of it.

    Raises
    ------
    StackError
        Where the broker does not answer.
    """
    by_record = {letter.id.coordinates: letter for letter in letters}
    kept = fetch(settings, by_record)
    return {
        where: _original(letter, kept.get(where, "Kafka does not hold it any more"))
        for where, letter in by_record.items()
    }


def from_letter(letter: Letter, why: str) -> Original:
    """Return the record as the dead letter's own text has it, where that is all of it."""
    text = letter.original_value
    if text is None:
        return Original(None, note="a tombstone: there is no value")
    if len(text) >= ORIGINAL_VALUE_CHARACTERS:
        return Original(None, note=f"{why}, and the dead letter has only its start")
    if "\ufffd" in text:
        return Original(None, note=f"{why}, and the dead letter lacks bytes that are not UTF-8")
    return Original(text.encode(), note=f"from ops.dead_letters: {why}")


def _original(letter: Letter, found: Original | str) -> Original:
    if isinstance(found, str):
        return from_letter(letter, found)
    if letter.original_value is None and found.value is None:
        return Original(None, found.key, found.headers, "a tombstone: there is no value", True)
    if not begins_as(letter.original_value, found.value):
        return from_letter(letter, "Kafka holds another record there")
    return found


def begins_as(kept: str | None, value: bytes | None) -> bool:
    """Say whether a dead letter's text is what one would keep of these bytes.

    >>> begins_as("abc", b"abc"), begins_as("abc", b"abd"), begins_as(None, b"")
    (True, False, False)
    """
    here = original_value(value)
    if kept is None or here is None or "\ufffd" not in kept:
        return kept == here
    # Engines differ in how many U+FFFD stand for a run of bad bytes, and so in where the cut is.
    ours, theirs = _REPLACED.sub("\ufffd", here), _REPLACED.sub("\ufffd", kept)
    whole = len(kept) < ORIGINAL_VALUE_CHARACTERS
    length = min(len(ours), len(theirs))
    return ours == theirs if whole else ours[:length] == theirs[:length]


def fetch(settings: Settings, wanted: Iterable[Coordinates]) -> dict[Coordinates, Original | str]:
    """Read records at their coordinates; the reason in words for one that is not there.

    Raises
    ------
    StackError
        Where the broker does not answer.
    """
    parts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for topic, partition, offset in wanted:
        parts[topic, partition].append(offset)
    found: dict[Coordinates, Original | str] = {}
    if not parts:
        return found
    known = cluster_metadata(settings).topics
    consumer = make_consumer(settings)
    try:
        with kafka_errors(settings):
            for (topic, partition), offsets in parts.items():
                full = topic_name(settings, topic)
                if full not in known or partition not in known[full].partitions:
                    why = "it came from a file" if topic.startswith("file:") else "no such topic"
                    found.update(((topic, partition, offset), why) for offset in offsets)
                    continue
                for offset, record in _read(consumer, full, partition, sorted(offsets)).items():
                    found[topic, partition, offset] = record
    finally:
        consumer.close()
    return found


def _read(consumer: Consumer, topic: str, partition: int, offsets: list[int]) -> dict[int, Any]:
    """Read the records at ascending offsets of one partition; what is not there is left out."""
    low, high = consumer.get_watermark_offsets(
        TopicPartition(topic, partition), timeout=ANSWER_SECONDS
    )
    left = deque(offset for offset in offsets if low <= offset < high)
    found: dict[int, Original] = {}
    if not left:
        return found
    consumer.assign([TopicPartition(topic, partition, left[0])])
    moved = time.monotonic()
    while left:
        taken = consumer.consume(1_000, timeout=0.2)
        if not taken and time.monotonic() - moved > STUCK_SECONDS:
            raise StackError(f"{topic} cannot be read", hint="`workbench stack status`")
        for message in taken:
            moved = time.monotonic()
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return found
                raise KafkaException(error)
            at = int(message.offset() or 0)
            while left and left[0] < at:
                left.popleft()
            if left and left[0] == at:
                left.popleft()
                found[at] = Original(
                    message.value(),
                    message.key(),
                    _headers(message),
                    "from Kafka",
                    True,
                )
            if left and left[0] > at + _GAP:
                consumer.seek(TopicPartition(topic, partition, left[0]))
                break
            if not left:
                break
    return found


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    found: Any = message.headers() or ()
    return tuple(found)
