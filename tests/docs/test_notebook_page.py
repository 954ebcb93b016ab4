"""The page on notebooks, followed cell by cell on the small lake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from tests.notebooks.small_lake import build_small_lake
from workbench.notebook import current

PAGE = Path(__file__).parents[2] / "docs" / "notebook.md"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(build_small_lake(tmp_path).project))
    monkeypatch.setattr(current, "_current", None)
    made = InteractiveShell()
    yield made
    current.session().close()
    made.history_manager.end_session()


def test_every_cell_of_the_page_runs(shell: InteractiveShell) -> None:
    cells = re.findall(r"^```(?:ipython|python)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(cells) == 6
    for cell in cells:
        with capture_output() as shown:
            done = shell.run_cell(cell)
        assert done.success, f"{cell}\n{shown.stdout}"
    busiest = shell.user_ns["busiest"]
    assert isinstance(busiest, pl.DataFrame)
    assert busiest.columns == ["symbol", "executions", "volume"]
    assert "KO" not in busiest["symbol"].to_list()
    assert shell.user_ns["result"].lineage[0].table == "market.trades"
    assert shell.user_ns["explorer"].result.rows()
