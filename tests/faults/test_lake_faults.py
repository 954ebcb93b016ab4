"""Torn files and a locked catalog: what is broken is named, the rest goes on, nothing is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.unit.lake_rows import trade, trades
from workbench.config import Settings, load_settings
from workbench.errors import LakeError
from workbench.lake import tables
from workbench.lake.catalog import catalog_file, load_catalog
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.session import open_session
from workbench.lake.write import append

pytestmark = pytest.mark.fault
TRADES = "market.trades"
SEED = 0
COUNT = "SELECT count(*) FROM market.trades"


@pytest.fixture
def lake(tmp_path: Path) -> Settings:
    """A lake with three commits of one trade each."""
    settings = load_settings(tmp_path)
    tables.apply(settings)
    for number in range(3):
        append(settings, TRADES, trades([trade(number)]))
    return settings


@pytest.fixture(autouse=True)
def one_line(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[dict[str, int]]:
    """Print what the run showed: seed, seconds, rows lost and doubled."""
    began = time.monotonic()
    found = {"lost": 0, "doubled": 0}
    yield found
    with capsys.disabled():
        print(
            f"\n{request.node.name} | seed {SEED} | {time.monotonic() - began:.1f} s | "
            f"lost {found['lost']} | doubled {found['doubled']}",
            flush=True,
        )


def metadata(lake: Settings) -> Path:
    location = load_catalog(lake).load_table(TRADES).metadata_location
    return Path(location.removeprefix("file://"))


def compared(lake: Settings, wanted: int, found: dict[str, int]) -> None:
    """Every trade from 0 on is there once."""
    ids = load_catalog(lake).load_table(TRADES).scan().to_arrow()["trade_id"].to_pylist()
    found["lost"] = len({f"t{number}" for number in range(wanted)} - {*ids})
    found["doubled"] = len(ids) - len({*ids})
    assert (found["lost"], found["doubled"], len(ids)) == (0, 0, wanted)


TEARS = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "without its end": lambda whole: whole[:-1],
    "zeros": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("tear", TEARS)
def test_torn_metadata_is_named_and_other_tables_are_read(
    lake: Settings, tear: str, one_line: dict[str, int]
) -> None:
    file = metadata(lake)
    whole = file.read_bytes()
    file.write_bytes(TEARS[tear](whole))
    with open_session(lake) as session:
        for query in (COUNT, 'FROM "market"."trades"', "FROM market.executions"):
            with pytest.raises(LakeError) as torn:
                session.sql(query).rows()
            said = str(torn.value)
            assert file.name in said and "go back one commit to file://" in said
            assert len(said.splitlines()) == 1
        assert session.sql("SELECT count(*) FROM ops.dead_letters").rows() == [(0,)]
        assert session.sql("SELECT count(*) AS trades FROM ops.late_rows").rows() == [(0,)]
        assert TRADES not in session.snapshots
        shown = {row[0]: row[-1] for row in session.tables().rows()}
        assert file.name in shown[TRADES]
    problems = {one.table: one.problem for one in tables.list_tables(lake) if one.problem}
    assert list(problems) == [TRADES]
    with pytest.raises(LakeError, match="cannot be read"):
        append(lake, TRADES, trades([trade(9)]))
    # The way back that is written in the documentation; then what was lost is written again.
    with closing(sqlite3.connect(catalog_file(lake))) as catalog, catalog:
        catalog.execute(
            "UPDATE iceberg_tables SET metadata_location = previous_metadata_location "
            "WHERE table_namespace = 'market' AND table_name = 'trades'"
        )
    with open_session(lake) as session:
        assert session.sql(COUNT).rows() == [(2,)]
    append(lake, TRADES, trades([trade(2)]))
    compared(lake, 3, one_line)


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_data_file_is_named_with_its_day(
    lake: Settings, tear: str, one_line: dict[str, int]
) -> None:
    task = next(iter(load_catalog(lake).load_table(TRADES).scan().plan_files()))
    file = Path(task.file.file_path.removeprefix("file://"))
    whole = file.read_bytes()
    file.write_bytes(TEARS[tear](whole))
    with open_session(lake) as session:
        with pytest.raises(LakeError) as torn:
            session.sql("FROM market.trades").rows()
        assert file.name in str(torn.value) and "write 2024-08-08 again" in str(torn.value)
        assert session.sql("SELECT count(*) FROM ops.dead_letters").rows() == [(0,)]
    head = metadata(lake)
    (done,) = compact(lake, [TRADES])
    assert done.error is not None and file.name in done.error
    assert metadata(lake) == head, "a compaction that cannot read a file changes nothing"
    file.write_bytes(whole)
    compared(lake, 3, one_line)


def test_half_of_a_new_metadata_file_that_nobody_committed_is_harmless(
    lake: Settings, one_line: dict[str, int]
) -> None:
    current = metadata(lake)
    number = int(current.name.partition("-")[0]) + 1
    half = current.with_name(f"{number:05d}-00000000-dead-dead-dead-000000000000.metadata.json")
    half.write_bytes(current.read_bytes()[:200])
    with open_session(lake) as session:
        assert session.sql(COUNT).rows() == [(3,)]
    append(lake, TRADES, trades([trade(3)]))
    compact(lake)
    expire(lake)
    compared(lake, 4, one_line)


LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"BEGIN {sys.argv[2]}")
print("locked", flush=True)
time.sleep(float(sys.argv[3]))
connection.execute("ROLLBACK")
"""


@contextmanager
def locked(lake: Settings, kind: str, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Another process holds the catalog's write lock so long, from now on."""
    other = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(catalog_file(lake)), kind, str(seconds)],
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        yield other
    finally:
        other.kill()
        other.communicate()


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_commits_wait_for_a_catalog_that_is_locked_for_20_seconds(
    lake: Settings, kind: str, one_line: dict[str, int]
) -> None:
    with locked(lake, kind, 20) as other:
        with open_session(lake) as session:
            # Readers do not wait for the lock, and so cannot time out on it.
            assert session.sql(COUNT).rows() == [(3,)]
            assert other.poll() is None
        append(lake, TRADES, trades([trade(3)]))
        assert other.wait() == 0
    (done,) = compact(lake, [TRADES])
    assert done.outcome == "compacted"
    compared(lake, 4, one_line)


def test_a_compaction_waits_for_a_locked_catalog(lake: Settings, one_line: dict[str, int]) -> None:
    with locked(lake, "IMMEDIATE", 8) as other:
        (done,) = compact(lake, [TRADES])
        assert other.wait() == 0
    assert (done.outcome, done.files_after) == ("compacted", 1)
    compared(lake, 3, one_line)
