"""A session opens with little: no writer is imported, and a snapshot is planned once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.config import Settings, load_settings
from workbench.errors import LakeError
from workbench.lake import reading
from workbench.lake.catalog import catalog_file, load_catalog
from workbench.lake.pins import resolve
from workbench.lake.reading import LocalFileIO, PlanCache, Sources
from workbench.lake.session import open_session

TRADES = "market.trades"


def test_what_is_read_lightly_is_what_the_catalog_says(lake: Settings, land: Land) -> None:
    land(trade(1))
    light, whole = Sources(lake).table(TRADES), load_catalog(lake).load_table(TRADES)
    assert light is not None
    assert light.metadata == whole.metadata
    assert light.location() == whole.location()
    wanted = [task.file.file_path for task in whole.scan().plan_files()]
    assert [task.file.file_path for task in light.scan().plan_files()] == wanted


def test_a_table_that_is_not_there_is_none(lake: Settings) -> None:
    load_catalog(lake).drop_table("ops.late_rows")
    assert Sources(lake).table("ops.late_rows") is None


def test_another_catalog_of_the_file_is_not_looked_into(lake: Settings, land: Land) -> None:
    land(trade(1))
    other = load_settings(lake.project, lake={"catalog": "other"})
    assert Sources(other).table(TRADES) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"format-version": 2}'])
def test_torn_metadata_is_told_as_ever(lake: Settings, land: Land, content: bytes) -> None:
    land(trade(1))
    place = load_catalog(lake).load_table(TRADES).metadata_location
    Path(place.removeprefix("file://")).write_bytes(content)
    with pytest.raises(LakeError, match=r"its metadata file .* cannot be read"):
        Sources(lake).table(TRADES)
    with open_session(lake) as session:
        assert session.sql("SELECT count(*) FROM ops.late_rows").rows() == [(0,)]


def test_a_catalog_that_is_none_is_told_as_ever(lake: Settings) -> None:
    catalog_file(lake).write_bytes(b"no database, whatever its name says")
    with pytest.raises(LakeError, match=r"catalog .* cannot be opened"):
        resolve(lake)


def test_a_table_opened_for_reading_writes_and_deletes_nothing(lake: Settings) -> None:
    file = lake.project / "x"
    file.write_text("kept")
    with pytest.raises(LakeError, match="opened for reading"):
        LocalFileIO().new_output(f"file://{file}")
    with pytest.raises(LakeError, match="opened for reading"):
        LocalFileIO().delete(f"file://{file}")
    assert file.read_text() == "kept"


def test_opening_brings_no_writer_and_no_database_toolkit(lake: Settings, land: Land) -> None:
    land(trade(1))
    program = (
        "import sys, pathlib\n"
        "from workbench.config import load_settings\n"
        "from workbench.lake.session import open_session\n"
        "session = open_session(load_settings(pathlib.Path(sys.argv[1])))\n"
        "assert session.sql('SELECT count(*) FROM market.trades').rows() == [(1,)]\n"
        "from workbench.market import top_symbols\n"
        "assert len(top_symbols(session).rows()) == 1\n"
        "heavy = {'sqlalchemy', 'pyarrow.dataset', 'pyiceberg.io.pyarrow', 'polars', 'plotly'}\n"
        "heavy |= {'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(lake.project)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_snapshot_is_planned_once(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading.PLANS, "_kept", type(reading.PLANS._kept)())
    land(trade(1))
    first, again = resolve(lake)[TRADES], resolve(lake)[TRADES]
    assert first.files is again.files
    land(trade(2))
    newer = resolve(lake)[TRADES]
    assert len(newer.files) == 2
    assert len(first.files) == 1


def test_the_cache_of_plans_is_bounded() -> None:
    cache, planned = PlanCache(most_files=5), []

    def ask(snapshot: int, count: int) -> None:
        def plan() -> list[object]:
            planned.append(snapshot)
            return [object()] * count

        assert len(cache.files("t", snapshot, plan)) == count  # type: ignore[arg-type]

    for snapshot, count in ((1, 3), (2, 2), (1, 3), (3, 1), (1, 3), (2, 2), (4, 9), (4, 9)):
        ask(snapshot, count)
    assert planned == [1, 2, 3, 2, 4]
