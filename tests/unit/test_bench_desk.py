"""The desk: every engine answers every question alike, on a lake in which nothing is empty."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from bench.desk import BY_HAND, FRAMES, IN_FRAMES, QUESTIONS, asked_of, questions
from bench.desk_lake import files_of, lake_of_files, lake_of_trades, out_of_the_page_cache
from bench.frames import difference
from workbench.config import Settings
from workbench.lake.catalog import load_catalog
from workbench.lake.session import open_session


def silent(said: str) -> None:
    pass


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return lake_of_trades(tmp_path_factory.mktemp("desk") / "lake", 30_000, 36, silent)


@pytest.fixture(scope="module")
def rows(lake: Settings):
    return questions(lake, 1, silent)


def test_every_question_is_asked_by_hand_and_of_frames_where_it_is_of_the_trades(rows):
    asked = {(row["task"], row["engine"]) for row in rows}
    wanted = {(task, engine) for task in QUESTIONS for engine in ("workbench", BY_HAND)}
    wanted |= {(task, engine) for task in IN_FRAMES for engine in FRAMES}
    assert asked == wanted


def test_every_engine_gives_the_answer_of_the_workbench(rows):
    assert [(row["task"], row["engine"], row["wrong"]) for row in rows if row["wrong"]] == []


@pytest.mark.parametrize("task", IN_FRAMES)
@pytest.mark.parametrize("engine", FRAMES)
def test_frames_answer_with_every_column(lake: Settings, task: str, engine: str):
    with open_session(lake) as session:
        expected = QUESTIONS[task](session).arrow()
        answer = getattr(FRAMES[engine], task)(asked_of(session))
    assert set(expected.column_names) <= set(answer.column_names)


def test_no_table_that_is_asked_is_empty(lake: Settings):
    with open_session(lake) as session:
        empty = {name for name, pin in session.pins.items() if not pin.rows}
        sectors = QUESTIONS["sector_performance"](session).arrow()["sector"].to_pylist()
    assert empty == {"ops.dead_letter_replays"}
    assert "UNKNOWN" in sectors and len(sectors) > 2


def test_a_lake_is_filled_once(lake: Settings):
    with open_session(lake) as session:
        before = session.snapshots
    lake_of_trades(lake.project, 30_000, 36, silent)
    with open_session(lake) as session:
        assert session.snapshots == before


def test_a_lake_that_was_half_filled_is_filled_anew(tmp_path: Path):
    folder = tmp_path / "files"
    lake_of_files(folder, 100, silent)
    (folder / "filled").unlink()
    with open_session(lake_of_files(folder, 100, silent)) as session:
        assert len(session.pins["market.trades"].files) == 100


def test_a_float_is_right_within_the_rounding_of_the_answer():
    exact = pa.table({"vwap": pa.array([Decimal("1.2346"), None], pa.decimal128(18, 4))})
    assert difference(pa.table({"vwap": [1.23456, None]}), exact) is None
    assert difference(pa.table({"vwap": [1.2344, None]}), exact) is not None
    assert difference(pa.table({"vwap": [1.2346, 0.0]}), exact) is not None
    assert difference(pa.table({"vwap": [1.2346]}), exact) == "1 rows, 2 expected"
    assert "no column" in str(difference(pa.table({"mean": [1.0, 2.0]}), exact))


def test_a_sum_is_right_within_a_billionth():
    exact = pa.table({"notional": pa.array([Decimal(10) ** 12], pa.decimal128(38, 16))})
    assert difference(pa.table({"notional": [1e12 + 900]}), exact) is None
    assert difference(pa.table({"notional": [1e12 + 1100]}), exact) is not None


def test_files_out_of_the_page_cache_are_read_from_the_disk(tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)
    if not out_of_the_page_cache([file]):
        pytest.skip("this file system keeps its files in the page cache")
    assert file.read_bytes() == b"x" * 100_000


def test_files_of_a_lake_are_catalog_metadata_and_data(lake: Settings):
    kinds = {path.suffix for path in files_of(lake)}
    assert {".parquet", ".avro", ".json", ".db"} <= kinds


def test_a_lake_leaves_the_page_cache_while_its_catalog_is_open(lake: Settings, tmp_path: Path):
    probe = tmp_path / "probe"
    probe.write_bytes(b"x" * 100_000)
    if not out_of_the_page_cache([probe]):
        pytest.skip("this file system keeps its files in the page cache")
    catalog = load_catalog(lake)
    assert catalog.load_table("market.trades").current_snapshot() is not None
    assert out_of_the_page_cache(files_of(lake))
