"""Renew the stored outputs of the report notebooks: ``python -m tests.notebooks.refresh [NAME...]``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.notebooks.small_lake import build_small_lake
from workbench.reports.parameters import REPORTS
from workbench.reports.report import MIME

ROOT = Path(__file__).parents[2]


def refresh(path: Path) -> None:
    """Execute a notebook on the small lake and keep its outputs, and nothing of the machine."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "title": notebook.metadata.get("title", path.stem),
    }
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
        for output in cell.get("outputs", []):
            # What it hands to the runner is on the page already.
            output.get("data", {}).pop(MIME, None)
    nbformat.write(notebook, path)


def main() -> None:
    """Build the lake and renew the reports that are named, or every one."""
    with tempfile.TemporaryDirectory() as scratch:
        build_small_lake(Path(scratch))
        os.environ["WORKBENCH_PROJECT"] = scratch
        os.environ["PYTHONPATH"] = str(ROOT)
        for report in REPORTS:
            if sys.argv[1:] and report.name not in sys.argv[1:]:
                continue
            path = ROOT / "notebooks" / f"{report.name}.ipynb"
            refresh(path)
            print(f"renewed {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
