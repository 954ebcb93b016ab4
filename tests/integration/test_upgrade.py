"""Jobs that go on as another build: a column, a sink and a slot more, and one that may not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.types import DecimalType

from tests.integration.operators import VARIANTS, compiled_operators
from tests.integration.support import (
    as_raw,
    cancel_jobs,
    count,
    market_day,
    prepared,
    produce,
    rows,
    trade_event,
    wait_until,
)
from workbench.broker.offsets import read_all
from workbench.config import AlertRule, AlertSettings, Settings
from workbench.contracts import JOBS
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import WALL_CLOCK, compare
from workbench.errors import StackError, UsageError
from workbench.jobs import Cluster, process, restore, stop, submit
from workbench.jobs import upgrade as upgrade_module
from workbench.jobs.bookmark import restore_points
from workbench.jobs.deployment import job_names
from workbench.jobs.runs import run_of
from workbench.jobs.supervisor import Supervisor
from workbench.jobs.upgrade import upgrade
from workbench.lake.catalog import load_catalog
from workbench.stack import Stack, endpoints

JOB = "aggregates"
MORE_COLUMNS = (
    "  late,\n  TO_TIMESTAMP_LTZ(computed_at, 3)\nFROM results;",
    "  late,\n  TO_TIMESTAMP_LTZ(computed_at, 3),\n  high_price - low_price\nFROM results;",
)
MORE_SINKS = """
INSERT INTO `$lake`.market.minute_closes
SELECT symbol, TO_TIMESTAMP_LTZ(window_end, 3), close_price FROM results WHERE window_size = '1m';
"""
MORE_STATE = ("  SUM(quantity) AS total_volume", "  SUM(quantity) + 0 * AVG(price) AS total_volume")


CONTRACT = (
    "        tuple(_in_tables(field) for field in TRADE_AGGREGATE.fields),",
    "        (*(_in_tables(field) for field in TRADE_AGGREGATE.fields),"
    " Field('price_range', Type.DECIMAL, 'High less low', required=False)),",
)


class Build:
    """A copy of the project's jobs that can be changed without touching the project."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for package in ("flink_jobs", "workbench", "reference"):
            shutil.copytree(process.ROOT / package, folder / package)
        self.sql = folder / "flink_jobs" / JOB / f"{JOB}.sql"

    def change(self, before: str, after: str, file: Path | None = None) -> None:
        file = file or self.sql
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after, 1), "utf-8")

    def append(self, statement: str) -> None:
        self.sql.write_text(self.sql.read_text("utf-8") + statement, "utf-8")


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    settings = prepared(stack, tmp_path)
    yield settings
    cancel_jobs(settings)


def defined(settings: Settings) -> pa.Table:
    with connect() as con:
        load_raw(con, as_raw(read_all(settings, "raw.trades"), "raw.trades"))
        return run_definition(con, JOB)["market.trade_aggregates"]


def job_id(settings: Settings) -> str:
    state = Cluster(endpoints(settings).rest_url).job(job_names(settings)[JOB])
    assert state is not None and state.runs
    return state.id


def wait_for_output(settings: Settings, more_than: int) -> None:
    wait_until(lambda: count(settings, "market.trade_aggregates") > more_than, "windows close", 120)


def test_a_changed_job_goes_on_and_one_that_may_not_is_refused(settings, tmp_path, monkeypatch):
    """One savepoint, taken by one build and restored by another: no row lost, none doubled."""
    messages = market_day(settings, 3, 6_000)
    submit(settings, [JOB])
    produce(settings, "raw.trades", messages[:2_500])
    wait_for_output(settings, 0)

    # A build with a column, a sink and a slot more.
    catalog = load_catalog(settings)
    with catalog.load_table("market.trade_aggregates").update_schema() as change:
        change.add_column("price_range", DecimalType(18, 8))
    catalog.create_table(
        "market.minute_closes",
        pa.schema(
            {
                "symbol": pa.string(),
                "minute": pa.timestamp("us", "UTC"),
                "close": pa.decimal128(18, 8),
            }
        ),
    )
    build = Build(tmp_path / "build")
    build.change(*MORE_COLUMNS)
    build.change(*CONTRACT, build.root / "workbench" / "contracts" / "tables.py")
    build.append(MORE_SINKS)
    monkeypatch.setattr(process, "ROOT", build.root)
    wider = settings.model_copy(
        update={"flink": settings.flink.model_copy(update={"parallelism": 2})}
    )
    before = job_id(settings)
    ids = upgrade(wider, [JOB])
    assert job_id(settings) == ids[JOB] != before
    assert Cluster(endpoints(settings).rest_url).parallelism(ids[JOB]) == 2
    landed = count(settings, "market.trade_aggregates")
    produce(settings, "raw.trades", messages[2_500:])
    wait_for_output(settings, landed)

    # A build whose windows keep something else: it could not go on, so nothing stops.
    build.change(*MORE_STATE)
    with pytest.raises(UsageError, match=r"PT1M keeps something else.*--drop-state.*--drain"):
        upgrade(wider, [JOB])
    assert job_id(settings) == ids[JOB]

    # The way out that the refusal names: close the windows, and start without state.
    stop(wider, [JOB], drain=True)
    found = compare(
        rows(settings, "market.trade_aggregates"),
        defined(settings),
        ignore={*WALL_CLOCK, "price_range"},
    )
    assert found.rows[0] > 1_000
    assert not found, found
    landed = count(settings, "market.trade_aggregates")
    submit(wider, [JOB])
    assert count(settings, "market.trade_aggregates") == landed

    added = rows(settings, "market.trade_aggregates").to_pylist()
    with_range = [row for row in added if row["price_range"] is not None]
    assert all(r["price_range"] == r["high_price"] - r["low_price"] for r in with_range)
    # The new sink starts at the savepoint, with what closed after it.
    minutes = {(r["symbol"], r["window_end"], r["close_price"]) for r in with_range
               if r["window_size"] == "1m"}  # fmt: skip
    closes = rows(settings, "market.minute_closes").to_pylist()
    assert {(r["symbol"], r["minute"], r["close"]) for r in closes} == minutes
    assert len(closes) == len(minutes) > 100


@pytest.mark.long
def test_a_function_that_keeps_something_else_is_refused_before_the_job_stops(
    settings, tmp_path, monkeypatch
):
    """The plan names a Java function and not what it keeps: its number stands for that."""
    before = submit(settings, [JOB])[JOB]
    produce(settings, "raw.trades", market_day(settings, 3, 500))
    build = Build(tmp_path / "build")
    build.change('"open_close": 1', '"open_close": 2', build.root / "flink_jobs" / "plans.py")
    monkeypatch.setattr(process, "ROOT", build.root)
    with pytest.raises(UsageError, match=r"of PT15M keeps something else.*--drain"):
        upgrade(settings, [JOB])
    assert job_id(settings) == before
    cluster = Cluster(endpoints(settings).rest_url)
    wait_until(lambda: cluster.records_read(before) > 0, "it reads")
    # The way out that it names. Then the job runs by a plan that has the number.
    stop(settings, [JOB], drain=True)
    assert count(settings, "market.trade_aggregates") > 0
    submit(settings, [JOB])
    assert '"accumulator": 2' in run_of(settings, JOB, job_id(settings)).plan


@pytest.mark.long
def test_state_that_no_operator_can_go_on_from_is_dropped_when_asked(
    settings, tmp_path, monkeypatch
):
    """Sources go on where they were, windows start empty: what was in them is what is missing."""
    messages = market_day(settings, 3, 2_000)
    submit(settings, [JOB])
    produce(settings, "raw.trades", messages[:1_000])
    wait_for_output(settings, 0)
    build = Build(tmp_path / "build")
    build.change(*MORE_STATE)
    monkeypatch.setattr(process, "ROOT", build.root)
    upgrade(settings, [JOB], drop_state=True)
    produce(settings, "raw.trades", messages[1_000:])
    wait_for_output(settings, count(settings, "market.trade_aggregates"))
    stop(settings, [JOB], drain=True)
    landed, wanted = rows(settings, "market.trade_aggregates"), defined(settings)
    found = compare(landed, wanted, ignore=WALL_CLOCK)
    total = lambda table: sum(table["trade_count"].to_pylist())  # noqa: E731
    assert 0 < total(wanted) - total(landed) <= 3 * 1_000
    assert found.only_left <= found.only_right < wanted.num_rows / 2


@pytest.mark.long
def test_a_job_that_does_not_start_goes_on_as_it_was(settings, monkeypatch):
    messages = market_day(settings, 3, 2_000)
    submit(settings, [JOB])
    produce(settings, "raw.trades", messages[:1_000])
    wait_for_output(settings, 0)
    too_wide = settings.model_copy(
        update={"flink": settings.flink.model_copy(update={"parallelism": 100})}
    )
    before = job_id(settings)
    with pytest.raises(StackError, match="100 slots are needed"):
        upgrade(too_wide, [JOB])
    assert job_id(settings) == before

    started = upgrade_module.start_jobs
    tried = []

    def fail_once(*arguments: object) -> dict[str, str]:
        if not tried:
            tried.append(arguments)
            raise StackError("no luck")
        return started(*arguments)

    monkeypatch.setattr(upgrade_module, "start_jobs", fail_once)
    with pytest.raises(StackError, match="was not upgraded and goes on as before: no luck"):
        upgrade(settings, [JOB])
    produce(settings, "raw.trades", messages[1_000:])
    wait_for_output(settings, count(settings, "market.trade_aggregates"))
    stop(settings, [JOB], drain=True)
    found = compare(rows(settings, "market.trade_aggregates"), defined(settings), ignore=WALL_CLOCK)
    assert not found, found


#: Prices of symbols, at seconds: before other rules are in force, and after.
BEFORE = [("KEPT", 0, 100), ("KEPT", 10, 101), ("RAISED", 0, 100), ("RAISED", 10, 103),
          ("CALM", 0, 100)]  # fmt: skip
AFTER = [("KEPT", 20, 100.6), ("RAISED", 30, 105), ("RAISED", 75, 104), ("CALM", 20, 103),
         ("NEW", 20, 50), ("NEW", 30, 50.5)]  # fmt: skip
#: Symbol, baseline and price of each alert.
ALERTS = [
    ("RAISED", 100, 103),
    # Less than 2 % away from a baseline that only the savepoint knows.
    ("KEPT", 100, Decimal("100.6")),
    # Not at 30: that was within the cooldown of the alert before. CALM has moved less than its 5 %.
    ("RAISED", 103, 104),
    ("NEW", 50, Decimal("50.5")),
]


def test_alerts_and_books_go_on_from_their_state_by_other_rules(settings):
    """What their functions keep is in the savepoint; the rules that count are those of now."""
    start, jobs = 1_717_420_000_000, ["alerts", "orderbook"]
    cluster = Cluster(endpoints(settings).rest_url)

    def send(ids: dict[str, str], prices: list[tuple[str, int, float]], mid: int) -> None:
        trades = [
            trade_event(at, symbol=symbol, price=price, timestamp_ms=start + 1000 * at)
            for symbol, at, price in prices
        ]
        # One key for all: in the order they are sent.
        produce(settings, "raw.trades", [(b"one", trade) for trade in trades])
        bid, ask = ([{"price": mid + by, "quantity": 1}] for by in (-1, 1))
        book = {"symbol": "BOOK", "timestamp_ms": start + mid, "bids": bid, "asks": ask}
        produce(settings, "raw.orderbook", [(b"BOOK", json.dumps(book).encode())])
        for job, records in (("alerts", len(prices)), ("orderbook", 1)):
            wait_until(
                lambda job=job, n=records: cluster.records_read(ids[job]) == n, f"{job} has read"
            )

    send(submit(settings, jobs), BEFORE, 100)
    calm = {"CALM": AlertRule(threshold_percent=Decimal(5))}
    rules = AlertSettings(threshold_percent=Decimal("0.5"), symbols=calm)
    changed = settings.model_copy(update={"alerts": rules})
    stop(settings, jobs)
    send(submit(changed, jobs), AFTER, 101)
    stop(changed, jobs)
    alerts = rows(settings, "market.price_alerts").to_pylist()
    found = [(row["symbol"], row["baseline_price"], row["current_price"]) for row in alerts]
    assert sorted(found) == sorted(ALERTS)
    books = rows(settings, "market.orderbook_metrics").sort_by("event_time").to_pylist()
    assert [row["mid_change"] for row in books] == [None, 1]
    assert books[1]["previous_time"] == books[0]["event_time"]


#: A client of its own, which can be killed.
UPGRADE = """
import json, sys
from pathlib import Path
from workbench.config import load_settings
from workbench.jobs.upgrade import upgrade
values = json.load(sys.stdin)
upgrade(load_settings(Path(values.pop("project")), **values), ["landing"])
"""


def test_an_upgrade_that_is_killed_is_made_good_by_a_supervisor(settings):
    messages = market_day(settings, 3, 1_500)
    cluster = Cluster(endpoints(settings).rest_url)
    first = submit(settings, ["landing"])["landing"]
    produce(settings, "raw.trades", messages[:700])
    wait_until(lambda: count(settings, "market.trades") == 700, "the first part is landed")
    wider = settings.model_copy(
        update={"flink": settings.flink.model_copy(update={"parallelism": 2})}
    )
    client = subprocess.Popen([sys.executable, "-c", UPGRADE], stdin=subprocess.PIPE, text=True)
    client.stdin.write(wider.model_dump_json())
    client.stdin.close()
    try:
        wait_until(lambda: cluster.state(first) == "FINISHED", "the upgrade has stopped the job")
        assert client.poll() is None
    finally:
        client.kill()
        client.wait(30)
    produce(settings, "raw.trades", messages[700:])
    said: list[str] = []
    Supervisor(wider, said.append).look()
    assert any("landing: goes on from file:" in line for line in said), said
    again = cluster.job(job_names(settings)["landing"])
    assert again.runs and cluster.parallelism(again.id) == 1
    wait_until(lambda: count(settings, "market.trades") >= 1_500, "the rest is landed")
    stop(settings, ["landing"])
    # The client's child has heard of its death, and has submitted nothing.
    started = [job for job in cluster.jobs() if job.name == again.name]
    assert [job.id for job in started] == [again.id, first]
    places = rows(settings, "market.trades").select(["source_partition", "source_offset"])
    assert len(places) == len(places.group_by(places.column_names).aggregate([])) == 1_500


def test_a_job_is_restored_from_a_savepoint_of_choice(settings):
    messages = market_day(settings, 3, 1_500)
    submit(settings, ["landing"])
    produce(settings, "raw.trades", messages[:700])
    wait_until(lambda: count(settings, "market.trades") == 700, "the first part is landed")
    first = stop(settings, ["landing"])["landing"]
    submit(settings, ["landing"])
    produce(settings, "raw.trades", messages[700:])
    wait_until(lambda: count(settings, "market.trades") == 1_500, "the rest is landed")
    stop(settings, ["landing"])
    places = [place for place, _ in restore_points(settings, "landing")]
    # Flink writes file:/, Python file:///: the folder's name tells them apart.
    assert first.rsplit("/", 1)[-1] in [place.rsplit("/", 1)[-1] for place in places[1:]]
    with pytest.raises(UsageError, match="no savepoint or checkpoint in /nowhere"):
        restore(settings, "landing", "/nowhere")
    restore(settings, "landing", first)
    # What came after that savepoint is landed once more.
    wait_until(lambda: count(settings, "market.trades") == 2_300, "800 records are read again")
    with pytest.raises(UsageError, match="already"):
        restore(settings, "landing", first)


def test_operators_keep_their_ids_and_their_state(tmp_path):
    """What is written in operators.json holds for ever: savepoints find their operators by it.

    New operators are written there by ``python -m tests.integration.operators``. Where the state
    of one looks different, no job goes on from an older savepoint: say so in the changelog.
    """
    from flink_jobs.plans import registry_file

    written = {job.name: json.loads(registry_file(job.name).read_text("utf-8")) for job in JOBS}
    compiled: dict[str, dict[str, object]] = {job.name: {} for job in JOBS}
    for deduplicate_s in VARIANTS:
        for job, found in compiled_operators(tmp_path, deduplicate_s).items():
            compiled[job] |= found
    assert compiled == written
    for found in written.values():
        assert len({operator["id"] for operator in found.values()}) == len(found)
