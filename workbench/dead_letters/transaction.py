"""Kafka's side of a replay: a transaction per run, and the search for one that was cut off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from workbench.broker.clients import (
    ANSWER_SECONDS,
    bootstrap_servers,
    cluster_metadata,
    describe,
    kafka_errors,
    make_consumer,
    make_producer,
    topic_name,
)
from workbench.config import Settings
from workbench.dead_letters.original import STUCK_SECONDS
from workbench.dead_letters.plan import Planned
from workbench.errors import StackError, WorkbenchError

#: Headers of a record that was sent again: the coordinates of the refused one, and the run.
REPLAYED_FROM = "workbench.replayed-from"
REPLAY_RUN = "workbench.replay-run"
#: The broker ends a transaction that is open for longer.
_OPEN_SECONDS = 300
_COMMIT_SECONDS = 60.0
_ATTEMPTS = 5
#: Clocks of brokers may be this wrong where they stamp messages themselves.
_CLOCK_SKEW = timedelta(minutes=10)


class NotSent(WorkbenchError):
    """A transaction that was aborted: none of it will ever be seen."""


class Transaction:
    """The one transactional producer of replays: opening it ends what another one had open.

    Raises
    ------
    StackError
        Where the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> Transaction:
        # The broker takes transactions of one id one after the other, whoever sends them.
        self._producer: Producer = make_producer(
            self._settings,
            transactional_id=topic_name(self._settings, "workbench-dlq-replay"),
            transaction_timeout_ms=_OPEN_SECONDS * 1000,
            message_timeout_ms=_OPEN_SECONDS * 1000,
        )
        with kafka_errors(self._settings):
            self._producer.init_transactions(_COMMIT_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # An open transaction is the next one's to end.
        self._producer.purge()

    def send(self, run_id: str, run: Sequence[Planned]) -> dict[str, tuple[int, int]]:
        """Send one run; return partition and offset by the coordinates of the refused record.

        Raises
        ------
        NotSent
            Where it was aborted.
        StackError
            Where it is not known whether the commit got through.
        """
        places: dict[str, tuple[int, int]] = {}
        failures: list[KafkaError] = []
        producer = self._producer
        try:
            producer.begin_transaction()
            for each in run:
                self._produce(run_id, each, places, failures)
            if producer.flush(_COMMIT_SECONDS) or failures:
                raise KafkaException(*failures[:1])
        except KafkaException as error:
            self._abort()
            raise NotSent(self._words(error)) from error
        except BaseException:
            self._abort()
            raise
        self._commit(run_id)
        return places

    def _produce(
        self,
        run_id: str,
        each: Planned,
        places: dict[str, tuple[int, int]],
        failures: list[KafkaError],
    ) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
            else:
                places[each.record] = _place(message)

        headers: Any = [(REPLAYED_FROM, each.record.encode()), (REPLAY_RUN, run_id.encode())]
        while True:
            try:
                self._producer.produce(
                    topic_name(self._settings, each.topic),
                    value=each.value,
                    key=each.key,
                    headers=headers,
                    on_delivery=delivered,
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _commit(self, run_id: str) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._producer.commit_transaction(_COMMIT_SECONDS)
                return
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.txn_requires_abort():
                    self._abort()
                    raise NotSent(self._words(error)) from error
                if not cause.retriable():
                    break
        raise StackError(
            f"it is not known whether replay {run_id} was sent",
            hint="the next `workbench dlq replay` finds out before it sends anything",
        )

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_COMMIT_SECONDS)
        except KafkaException:
            # Fenced, or no broker: it was never committed, and the broker ends it by itself.
            return

    def _words(self, error: KafkaException) -> str:
        cause = error.args[0] if error.args else None
        if not isinstance(cause, KafkaError):
            return "the broker did not take all of it in time"
        if cause.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED):
            return "another replay began meanwhile"
        return describe(cause, bootstrap_servers(self._settings)).message


def find_sent(
    settings: Settings, run_id: str, topic: str, since: datetime
) -> dict[str, tuple[int, int]]:
    """Return what a topic holds of a run: partition and offset by the refused coordinates.

    Parameters
    ----------
    settings
        The settings in force.
    run_id
        The run.
    topic
        Name of the contract, without the prefix.
    since
        When the run was intended: nothing of it is older.

    Raises
    ------
    StackError
        Where the broker does not answer.
    """
    full = topic_name(settings, topic)
    known = cluster_metadata(settings).topics
    if full not in known:
        return {}
    stamp = int((since - _CLOCK_SKEW).timestamp() * 1000)
    consumer = make_consumer(settings)
    places: dict[str, tuple[int, int]] = {}
    try:
        with kafka_errors(settings):
            asked = [TopicPartition(full, part, stamp) for part in known[full].partitions]
            # -1 is the end: nothing in that partition is so new.
            starts = [
                part
                for part in consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
                if part.offset >= 0
            ]
            consumer.assign(starts)
            left = {part.partition for part in starts}
            moved = time.monotonic()
            while left:
                taken = consumer.consume(10_000, timeout=1.0)
                if not taken and time.monotonic() - moved > STUCK_SECONDS:
                    raise StackError(f"{full} cannot be read", hint="`workbench stack status`")
                for message in taken:
                    moved = time.monotonic()
                    error = message.error()
                    if error is None:
                        headers: dict[str, Any] = dict(message.headers() or ())
                        if headers.get(REPLAY_RUN) == run_id.encode():
                            record = headers[REPLAYED_FROM].decode()
                            places[record] = _place(message)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
                    else:
                        raise KafkaException(error)
    finally:
        consumer.close()
    return places


def _place(message: Message) -> tuple[int, int]:
    return int(message.partition() or 0), int(message.offset() or 0)
