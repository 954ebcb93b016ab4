"""Maintenance of tables that jobs are writing: no row lost or doubled, no job told a lie."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.types import StringType

from tests.integration.support import cancel_jobs, count, prepared, produce, rows, wait_until
from tests.integration.test_jobs_parity import as_raw
from workbench.broker.offsets import read_all
from workbench.config import Settings
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import WALL_CLOCK, Difference, compare
from workbench.ingest.files import symbols_of
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
from workbench.jobs import stop, submit
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.maintenance.orphans import orphans
from workbench.lake.session import open_session
from workbench.stack import Stack

SEED = 23
Check = Callable[[Settings, str, float], None]
TRADES, LETTERS = "market.trades", "ops.dead_letters"
DEFECTS = Defects(malformed=200, duplicates=10, unroutable=200)


@pytest.fixture
def ready(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    settings = prepared(stack, tmp_path)
    yield settings
    cancel_jobs(settings)


def records(settings: Settings, events: int) -> list[tuple[bytes | None, bytes | None]]:
    symbols = choose(load_instruments(settings.symbols_file), 12)
    values = generate_day(date(2024, 6, 3), SEED, symbols, events, DEFECTS).values()
    return list(zip(symbols_of(values).to_pylist(), values.to_pylist(), strict=True))


def landed(settings: Settings) -> int:
    return count(settings, TRADES) + count(settings, LETTERS)


def differences(settings: Settings) -> dict[str, Difference]:
    """The tables against what the DuckDB definitions make of the messages in Kafka."""
    with connect() as con:
        load_raw(con, as_raw(read_all(settings, "raw.trades"), "raw.trades"))
        made = {
            job: run_definition(con, job, symbols=settings.symbols_file)
            for job in ("landing", "router")
        }
    letters = pa.concat_tables([made[job][LETTERS] for job in made])
    ignore = {*WALL_CLOCK, "error_message"}
    return {
        TRADES: compare(rows(settings, TRADES), made["landing"][TRADES], ignore=ignore),
        LETTERS: compare(rows(settings, LETTERS), letters, ignore=ignore),
    }


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[[Settings, str, float], None]:
    """Compare, print the line of the run, and fail where a row was lost or doubled."""

    def compared(settings: Settings, name: str, began: float) -> None:
        found = differences(settings)
        lost = sum(one.only_right for one in found.values())
        doubled = sum(one.only_left for one in found.values())
        seconds = time.monotonic() - began
        with capsys.disabled():
            line = f"{name} | seed {SEED} | {seconds:.0f} s | lost {lost} | doubled {doubled}"
            print(f"\n{line}", flush=True)
        assert not any(found.values()), found

    return compared


@contextmanager
def again_and_again(work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Do something in a loop meanwhile; the errors it met."""
    errors: list[BaseException] = []
    enough = threading.Event()

    def loop() -> None:
        while not enough.wait(0.5):
            try:
                work()
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield errors
    finally:
        enough.set()
        thread.join()


def test_two_jobs_and_a_maintainer_commit_to_one_table(ready: Settings, check: Check) -> None:
    began = time.monotonic()
    made = records(ready, 6_000)
    half = len(made) // 2
    outcomes: list[str | None] = []

    one_at_a_time = threading.Lock()

    def maintain(seconds: int = 2) -> None:
        with one_at_a_time:
            done = [*compact(ready), *expire(ready, older_than=timedelta(seconds=seconds))]
        outcomes.extend(one.outcome for one in done)
        outcomes.extend(one.error for one in done if one.error)

    submit(ready, ["landing", "router"])
    with again_and_again(maintain) as errors:
        for start in range(0, half, 150):
            produce(ready, "raw.trades", made[start : start + 150])
        wait_until(lambda: landed(ready) >= half, "the first half is landed", 180)
        with open_session(ready) as session:
            pinned = session.sql("SELECT count(*), sum(price) FROM market.trades").rows()
            # A savepoint knows what was committed by a snapshot that is about to expire.
            stop(ready, ["landing", "router"])
            maintain(0)
            submit(ready, ["landing", "router"])
            for start in range(half, len(made), 150):
                produce(ready, "raw.trades", made[start : start + 150])
            wait_until(lambda: landed(ready) >= len(made), "all of it is landed", 180)
            again = session.sql("SELECT count(*), sum(price) FROM market.trades").rows()
            assert again == pinned
    stop(ready, ["landing", "router"], drain=True)
    assert errors == []
    assert "compacted" in outcomes and "expired" in outcomes and "failed" not in outcomes, outcomes
    check(ready, "two jobs and a maintainer on one table", began)
    (done,) = compact(ready, [TRADES])
    assert done.files_after == 1
    expire(ready, older_than=timedelta(0))
    # Only metadata files of commits that lost a race, which PyIceberg leaves, and checksums.
    left = orphans(ready, older_than=timedelta(0), force=True)
    assert [one.file for one in left if one.file.endswith((".parquet", ".avro"))] == []
    orphans(ready, older_than=timedelta(0), force=True, delete=True)
    assert orphans(ready, older_than=timedelta(0), force=True) == []
    check(ready, "the same, compacted and expired to one snapshot", began)


def test_a_job_goes_on_when_a_column_is_added(ready: Settings, check: Check) -> None:
    began = time.monotonic()
    made = records(ready, 1_500)
    half = len(made) // 2
    submit(ready, ["landing", "router"])
    produce(ready, "raw.trades", made[:half])
    wait_until(lambda: landed(ready) >= half, "the first half is landed")
    query = "SELECT * FROM market.trades ORDER BY source_partition, source_offset"
    with open_session(ready) as session:
        pinned = session.sql(query).rows()
        with load_catalog(ready).load_table(TRADES).update_schema() as update:
            update.add_column("venue", StringType())
        produce(ready, "raw.trades", made[half:])
        wait_until(lambda: landed(ready) >= len(made), "the second half is landed")
        assert session.sql(query).rows() == pinned
        compact(ready, [TRADES])
        assert session.sql(query).rows() == pinned
        session.refresh()
        counts = session.sql("SELECT count(*), count(venue) FROM market.trades").rows()
        assert counts == [(count(ready, TRADES), 0)]
    stop(ready, ["landing", "router"], drain=True)
    check(ready, "a column added while a job runs", began)
