"""Send files to the raw topics, as fast as it goes or by the clock of their events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException

from workbench.broker.clients import (
    ANSWER_SECONDS,
    bootstrap_servers,
    cluster_metadata,
    describe,
    kafka_errors,
    make_producer,
    topic_name,
)
from workbench.broker.offsets import end_offsets
from workbench.config import Settings
from workbench.errors import UsageError, WorkbenchError
from workbench.ingest.files import FORMS, STDIN, TOPIC_OF_FORM, iter_batches
from workbench.ingest.interrupts import Interrupts
from workbench.ingest.pace import due_times, event_times
from workbench.ingest.tally import Tally

#: What the caller hears while it runs: messages sent so far and seconds since the start.
Progress = Callable[[int, float], None]

_PROGRESS_SECONDS = 0.5
#: Small batches by the clock, so that what is due next is known soon.
_PACED_ROWS, _FAST_ROWS = 1_000, 20_000
#: What is sent at once is led by at most so many records, until each partition has one, and then by
#: a rest. A partition that has had none for a while counts as quiet and holds no clock of event
#: time: the others would run ahead of it, and all of its records be late.
_LEAD_ROWS, _LEAD_SECONDS = 200, 1.0
#: A broker that delivers nothing for this long is lost.
_DELIVERY_SECONDS = 30


@dataclass
class Replayed:
    """What a replay did.

    Attributes
    ----------
    sent
        Messages the broker acknowledged, by topic of the contracts.
    failed
        Messages that were not delivered, by reason.
    seconds
        From the first message to the last acknowledgement.
    tally
        What was read and not sent.
    """

    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.sent.total() / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        return {
            "sent": self.sent.total(),
            "by_topic": dict(sorted(self.sent.items())),
            "failed": self.failed.total(),
            "failures": dict(sorted(self.failed.items())),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "left_out": self.tally.as_dict(),
        }


class Sender:
    """Hands batches to one idempotent producer and counts what was not delivered.

    Parameters
    ----------
    settings
        Which broker.
    topics
        Topics of the contracts that must be there.

    Raises
    ------
    WorkbenchError
        Where the broker does not answer or a topic is missing.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        known = cluster_metadata(settings).topics
        missing = [name for name in topics if topic_name(settings, name) not in known]
        if missing:
            raise WorkbenchError(
                f"no topic {topic_name(settings, missing[0])!r} on the broker",
                hint="create it with `workbench topics apply`",
            )
        self._settings = settings
        self._names = {name: topic_name(settings, name) for name in topics}
        self._contract_names = {full: name for name, full in self._names.items()}
        self._producer = make_producer(
            settings,
            message_timeout_ms=_DELIVERY_SECONDS * 1000,
            # Only failures come back: a call per message would halve the rate.
            delivery_report_only_error=True,
        )
        self._last_error: KafkaError | None = None
        self.handed: Counter[str] = Counter()
        self.undelivered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    @property
    def is_broken(self) -> bool:
        """Whether sending on makes no sense: something was lost that is not the message's fault."""
        return bool(self.failed) and set(self.failed) != {"MSG_SIZE_TOO_LARGE"}

    def send(self, topics: list[str], keys: list[bytes | None], values: list[bytes | None]) -> None:
        """Hand over messages in order; waits while the producer's queue is full."""
        produce, names, failed = self._producer.produce, self._names, self._on_failure
        for topic, key, value in zip(topics, keys, values, strict=True):
            while True:
                try:
                    produce(names[topic], value, key, on_delivery=failed)
                    break
                except BufferError:
                    self._producer.poll(0.05)
                except KafkaException as exception:
                    self._count(exception.args[0], topic)
                    break
            self.handed[topic] += 1
            if self.failed and self.is_broken:
                break
        self._producer.poll(0)

    def wait(self, seconds: float) -> None:
        """Let what was handed over go out for this long."""
        self._producer.poll(seconds)

    def quiet_partitions(self, before: dict[tuple[str, int], int]) -> int:
        """Return how many partitions of its topics have got nothing since they ended there."""
        self._producer.flush(_DELIVERY_SECONDS)
        if self.is_broken:
            return 0
        return sum(end == before.get(key) for key, end in self.ends().items())

    def ends(self) -> dict[tuple[str, int], int]:
        """Return where each partition of its topics ends."""
        return end_offsets(self._settings, self._names)

    def finish(self, progress: Callable[[], None] = lambda: None) -> None:
        """Wait until everything is acknowledged or has failed."""
        deadline = time.monotonic() + _DELIVERY_SECONDS + ANSWER_SECONDS
        left = len(self._producer)
        while left and time.monotonic() < deadline:
            before, left = left, self._producer.flush(_PROGRESS_SECONDS)
            if left < before:
                deadline = time.monotonic() + _DELIVERY_SECONDS + ANSWER_SECONDS
            progress()
        if left:
            # What is given up comes back as failed, each with its topic.
            self._producer.purge()
            self._producer.flush(1)

    def error(self) -> WorkbenchError | None:
        """Return what went wrong as one error with the count; None where nothing did."""
        if not self.failed:
            return None
        reasons = ", ".join(f"{name} {count:,}" for name, count in self.failed.most_common())
        hint = None
        if self._last_error is not None:
            told = describe(self._last_error, bootstrap_servers(self._settings))
            hint = f"{told.message}; {told.hint}"
        return WorkbenchError(
            f"{self.failed.total():,} messages were not acknowledged ({reasons})", hint=hint
        )

    def _on_failure(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.undelivered[self._contract_names.get(message.topic(), message.topic())] += 1
            self._count(error, None)

    def _count(self, error: KafkaError, topic: str | None) -> None:
        self.failed[error.name()] += 1
        self._last_error = error
        if topic is not None:
            self.undelivered[topic] += 1


def topics_of(form: str) -> tuple[str, ...]:
    """Return the topics that files of a form go to.

    Examples
    --------
    >>> topics_of("trades")
    ('raw.trades',)
    """
    return (TOPIC_OF_FORM[form],) if form in TOPIC_OF_FORM else tuple(TOPIC_OF_FORM.values())


def parse_speed(text: str) -> float | None:
    """Return a multiple of real time; None for ``max``.

    Raises
    ------
    UsageError
        Where it is neither ``max`` nor a number above zero.

    Examples
    --------
    >>> parse_speed("60"), parse_speed("max")
    (60.0, None)
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"speed {text!r}", hint="a multiple of real time above 0, or max")
    return speed


def replay(
    settings: Settings,
    paths: Sequence[str | Path],
    form: str,
    *,
    speed: float | None = None,
    loop: bool = False,
    progress: Progress = lambda _sent, _seconds: None,
) -> Replayed:
    """Send files to the raw topics of the contracts, keyed by symbol.

    The order within a symbol is kept. Values are sent byte for byte as `iter_batches` gives them.

    Parameters
    ----------
    paths, form
        As `iter_batches` takes them.
    speed
        Multiple of real time by event time; None for as fast as it goes.
    loop
        Start again at the end, until Ctrl-C; the records keep their times.
    progress
        Called about twice a second.

    Returns
    -------
    Replayed
        After Ctrl-C what was sent until then; the interrupt is not passed on.

    Raises
    ------
    UsageError
        Where a file is missing, or standard input should loop.
    WorkbenchError
        Where a file cannot be read, the broker does not answer, a topic is missing, or messages
        were not delivered; the error then carries the result as ``replayed``.
    """
    if loop and STDIN in [str(path) for path in paths]:
        raise UsageError(
            "standard input cannot be read twice", hint="leave out --loop, or name a file"
        )
    done = Replayed()
    rows = _FAST_ROWS if speed is None else _PACED_ROWS
    batches = iter_batches(paths, form, batch_rows=rows, tally=done.tally)
    sender = Sender(settings, topics_of(form) if form in FORMS else ())
    interrupts = Interrupts()
    clock = _Clock(sender, speed, progress, interrupts)
    try:
        with interrupts.caught(), kafka_errors(settings):
            while True:
                before = done.tally.rows
                for batch in batches:
                    clock.send(batch)
                    if sender.is_broken:
                        break
                if not loop or sender.is_broken:
                    break
                if done.tally.rows == before:
                    raise UsageError("nothing to send again and again", hint="the files are empty")
                clock.restart()
                batches = iter_batches(paths, form, batch_rows=rows, tally=done.tally)
    except KeyboardInterrupt:
        pass
    finally:
        sender.finish(clock.tell)
        done.seconds = clock.seconds
        done.sent = sender.handed - sender.undelivered
        done.failed = sender.failed
    error = sender.error()
    if error is not None:
        error.replayed = done  # type: ignore[attr-defined]
        raise error
    return done


class _Clock:
    """Sends each record when it is due, or at once."""

    def __init__(
        self, sender: Sender, speed: float | None, progress: Progress, interrupts: Interrupts
    ) -> None:
        self._sender = sender
        self._interrupts = interrupts
        self._speed = speed
        self._progress = progress
        self._begun = self._told = time.monotonic()
        self._led = False
        self.restart()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def restart(self) -> None:
        """The next record is due at once, whatever its time."""
        self._event_ms = float("-inf")
        self._first_ms: float | None = None
        self._started = time.monotonic()

    def tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._progress(self._sender.handed.total(), self.seconds)

    def send(self, batch: pa.RecordBatch) -> None:
        topics, keys, values = (column.to_pylist() for column in batch.columns)
        if self._speed is None:
            sent = 0 if self._led else self._lead(topics, keys, values)
            with self._interrupts.held():
                self._sender.send(topics[sent:], keys[sent:], values[sent:])
            self.tell()
            return
        due = due_times(event_times(batch.column(2)), self._event_ms)
        self._event_ms = float(due[-1])
        start = 0
        while start < len(due) and not self._sender.is_broken:
            now_ms = self._now(due)
            end = int(due.searchsorted(now_ms, side="right"))
            if end > start:
                with self._interrupts.held():
                    self._sender.send(topics[start:end], keys[start:end], values[start:end])
                start = end
            else:
                wait = (due[start] - now_ms) / 1000 / self._speed
                self._sender.wait(min(max(wait, 0.001), _PROGRESS_SECONDS))
            self.tell()

    def _lead(self, topics: list[str], keys: list[bytes | None], values: list[bytes | None]) -> int:
        """Send a few, so that no partition is quiet when the rest comes; return how many."""
        if len(topics) <= _LEAD_ROWS:
            return 0  # so few need none
        self._led = True
        before, sent = self._sender.ends(), 0
        while sent < _LEAD_ROWS and self._sender.quiet_partitions(before):
            end = sent + len(before)
            with self._interrupts.held():
                self._sender.send(topics[sent:end], keys[sent:end], values[sent:end])
            sent = end
        rested = time.monotonic() + _LEAD_SECONDS
        while (left := rested - time.monotonic()) > 0:
            self._sender.wait(left)
        return sent

    def _now(self, due: Any) -> float:
        """Where the clock of the events stands; it starts with the first known time."""
        assert self._speed is not None
        if self._first_ms is None:
            known = due[due > float("-inf")]
            if not len(known):
                return float("-inf")
            self._first_ms, self._started = float(known[0]), time.monotonic()
        return self._first_ms + (time.monotonic() - self._started) * 1000 * self._speed
