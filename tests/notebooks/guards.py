"""What must hold for a report notebook, because nbval passes silently without it."""

from __future__ import annotations

import re
from typing import Any

COMPARED = "nbval-check-output"
IGNORED = "nbval-ignore-output"
# Two runs on the same data must give the same cell.
_UNSTABLE = re.compile(
    r"\b(now|today|utcnow|time|monotonic|perf_counter|uuid4|random|sample|shuffle)\s*\("
    r"|\bimport random\b|\bnp\.random\b"
)
_PATH = re.compile(r"(/tmp/|/home/|/root/|/Users/|[A-Z]:\\\\)")


def problems(notebook: Any) -> list[str]:
    """Return what is wrong with a report notebook, in words; empty when nothing is."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tags = [set(cell.metadata.get("tags", [])) for cell in cells]
    found = []
    if not any("parameters" in each for each in tags):
        found.append("no cell is tagged parameters")
    compared = [cell for cell, each in zip(cells, tags, strict=True) if COMPARED in each]
    if not compared:
        found.append("no cell is compared")
    for cell in compared:
        if not cell.outputs:
            found.append(f"compared cell {cell.id!r} has no stored output")
        if _UNSTABLE.search(cell.source):
            found.append(f"compared cell {cell.id!r} uses the clock or randomness")
    for cell, each in zip(cells, tags, strict=True):
        if ".plot(" in cell.source and IGNORED not in each:
            found.append(f"figure cell {cell.id!r} is not tagged {IGNORED}")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"cell {cell.id!r} holds an error: {output.ename}")
            if _PATH.search(str(output)):
                found.append(f"cell {cell.id!r} holds a path of some machine")
    if not cells or "report.finish()" not in cells[-1].source:
        found.append("the last cell does not call report.finish()")
    return found
