"""The tour runs from its first cell to its last, with nothing but a lake."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.notebooks.small_lake import build_small_lake
from workbench.reports.typed_cell import is_exploration

TOUR = Path(__file__).parents[2] / "notebooks" / "tour.ipynb"


def test_the_tour_runs_to_its_end_without_a_broker(tmp_path, monkeypatch):
    build_small_lake(tmp_path)
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(TOUR.parents[1]))
    notebook = nbformat.read(TOUR, as_version=4)
    assert is_exploration(notebook.metadata)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = {
        cell.id: "\n".join(
            str(output.get("text") or output.get("data", {}).get("text/plain"))
            for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    silent = [name for name, text in shown.items() if not text]
    assert silent == ["biggest", "parameters-bound"]
    assert "6 rows" in shown["biggest-shown"] and "market.trades @" in shown["biggest-shown"]
    assert "Explorer" in shown["explore"]
    assert "nothing to follow: no broker is running" in shown["live"]
