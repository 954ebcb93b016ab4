"""Seeded records with every defect of the generator, sent in the background at a bounded rate."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass
from datetime import date

from flink_jobs.ddl import OUT_OF_ORDERNESS_S
from tests.integration.test_quotes_and_books import books, quotes
from workbench.broker.clients import make_producer, topic_name
from workbench.config import Settings
from workbench.ingest.files import symbols_of
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments

RAW_TRADES = "raw.trades"
DEFECTS = Defects(malformed=28, duplicates=12, late=90, future=6, unroutable=10)
#: What is wrong with the time of some of `hard_records`, in ms: they are late by so much where the
#: watermark stands by all others.
AMISS = {
    "1 s late": -1_000 - 1_000 * OUT_OF_ORDERNESS_S,
    "1 min late": -60_000 - 1_000 * OUT_OF_ORDERNESS_S,
    "1 day late": -86_400_000 - 1_000 * OUT_OF_ORDERNESS_S,
    "1 min ahead": 60_000,
}
#: One in so many is amiss.
AMISS_EVERY = 30
_TIME = re.compile(rb'"timestamp_ms":([0-9]+)')
_FILLED = re.compile(rb'"trade_id":"[^"]*"(.*"status":"FILLED".*)')
#: Longer than any fault lasts: a record that was handed over is delivered, or the test fails.
DELIVERY_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class Record:
    """One message to send."""

    topic: str
    key: bytes | None
    value: bytes | None


def trade_records(settings: Settings, seed: int, events: int) -> list[Record]:
    """Return a generated day of trades with known defects, in order of arrival."""
    symbols = choose(load_instruments(settings.symbols_file), 12)
    values = generate_day(date(2024, 6, 3), seed, symbols, events, DEFECTS).values()
    keys = symbols_of(values).to_pylist()
    pairs = zip(keys, values.to_pylist(), strict=True)
    return [Record(RAW_TRADES, key, value) for key, value in pairs]


def market_records(settings: Settings, seed: int, events: int) -> list[Record]:
    """Return trades as `trade_records` does, and quotes and order books of other symbols.

    Order within a symbol is all that jobs may count on, so no symbol is in two topics.
    """
    generator = random.Random(seed)
    others = [Record("raw.marketdata", *message) for message in quotes(generator)]
    more = [Record("raw.orderbook", *message) for message in books(generator)]
    streams = (trade_records(settings, seed, events), others, more)
    # Each topic evenly over the whole run.
    placed = [(n / len(each), record) for each in streams for n, record in enumerate(each)]
    return [record for _, record in sorted(placed, key=lambda pair: pair[0])]


def hard_records(settings: Settings, seed: int, events: int, rate: int) -> list[Record]:
    """Return trades as `trade_records` does, all in one partition, with times that are amiss.

    Times are those of the clock when `rate` are sent a second from now on. Trade ids of those of
    `AMISS` begin with what they are; some of the generator's own defects are ten years ahead.
    """
    made: list[Record] = []
    trades = trade_records(settings, seed, events)
    now = time.time()
    for number, record in enumerate(trades):
        value, on_time = record.value or b"", round(1_000 * (now + number / rate))
        filled = _FILLED.search(value)
        if filled and number % AMISS_EVERY == 0:
            kind = [*AMISS][number // AMISS_EVERY % len(AMISS)]
            on_time += AMISS[kind]
            value = b'{"trade_id":"%s-%d"' % (kind.encode(), number) + filled[1]
        if not _ten_years_ahead(value):
            value = _TIME.sub(b'"timestamp_ms":%d' % on_time, value)
        made.append(Record(RAW_TRADES, b"all in one partition", value))
    return made


def _ten_years_ahead(value: bytes) -> bool:
    found = _TIME.search(value)
    return found is not None and int(found[1]) > 2_000_000_000_000


class Load:
    """Records on their way to Kafka, in order, `rate` a second, until `finish` sends the rest.

    Parameters
    ----------
    settings
        Where the broker is.
    records
        What is sent.
    rate
        Records a second.
    """

    def __init__(self, settings: Settings, records: list[Record], rate: int) -> None:
        self.records, self.rate = records, rate
        self.sent = 0
        self._settings = settings
        self._producer = make_producer(
            settings, message_timeout_ms=DELIVERY_MS, reconnect_backoff_max_ms=500
        )
        self._failed: list[str] = []
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        for record in self.records:
            while not self._hurry.is_set():
                ahead = self.sent / self.rate - (time.monotonic() - began)
                if ahead <= 0:
                    break
                self._producer.poll(min(ahead, 0.1))
            self._send(record)
            self.sent += 1

    def _send(self, record: Record) -> None:
        topic = topic_name(self._settings, record.topic)
        while True:
            try:
                self._producer.produce(topic, record.value, record.key, on_delivery=self._delivered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._failed.append(str(error))

    def finish(self) -> None:
        """Send what is left as fast as it goes; return when Kafka has all of it."""
        self._hurry.set()
        self._thread.join()
        left = self._producer.flush(DELIVERY_MS / 1000)
        assert left == 0 and not self._failed, (left, self._failed[:3])

    def abandon(self) -> None:
        """Send nothing more: the test has failed already."""
        self._producer.purge()
        self.rate = 10**9
        self._hurry.set()
