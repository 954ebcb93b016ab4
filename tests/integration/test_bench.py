"""A rate counts only where the answer is right."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.flinkjob import RegistryJob
from bench.lab import Lab
from bench.page import engines
from bench.records import Shape
from bench.suites import run_one


@pytest.mark.timeout(600)
@pytest.mark.long
def test_answers_are_compared_before_a_rate_counts(tmp_path: Path) -> None:
    lab = Lab(tmp_path, slots=2, progress=lambda _: None)
    shape = Shape(events=20_000, symbols=10)
    with lab.running():
        lab.preload(shape)

        def run() -> dict[str, object]:
            return run_one(lab, shape, lambda: RegistryJob(lab, shape, ["aggregates"]), "first")

        right = run()
        assert right["wrong"] is None
        assert right["events"] == 20_010
        assert isinstance(right["rate"], float) and right["rate"] > 0
        assert isinstance(right["cpu_per_million"], float) and right["cpu_per_million"] > 0
        # The definition now says something else of one window: the engine's answer is wrong.
        file = tmp_path / "expected" / shape.name / "windows.parquet"
        table = pq.read_table(file)
        counts = table["trade_count"].to_pylist()
        counts[0] += 1
        place = table.column_names.index("trade_count")
        column = table.schema.field("trade_count")
        pq.write_table(table.set_column(place, column, [counts]), file)
        wrong = run()
    assert "only_left=1, only_right=1" in str(wrong["wrong"])
    assert wrong["rate"] is wrong["seconds"] is wrong["cpu_per_million"] is None
    assert "WRONG" in engines([wrong])
