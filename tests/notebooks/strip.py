"""Exploration notebooks are kept without outputs: ``python -m tests.notebooks.strip``.

``--staged`` is what the hook calls (`make hooks`): outputs go out of what is about to be
committed, and the file in the folder keeps them. With files, they are stripped where they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbstripout import strip_output

from workbench.reports.typed_cell import is_exploration


def stripped(text: str) -> str | None:
    """Return an exploration notebook without outputs; None where there is nothing to do."""
    try:
        plain = json.loads(text)
        if not is_exploration(plain.get("metadata", {})) or not has_outputs(plain):
            return None
    except (ValueError, AttributeError, KeyError):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notebook = nbformat.reads(text, as_version=4)
        strip_output(notebook, keep_output=False, keep_count=False, keep_id=True)
        notebook.metadata.pop("widgets", None)
        return str(nbformat.writes(notebook)) + "\n"


def has_outputs(notebook: Any) -> bool:
    """Return whether a notebook holds anything that a run has left."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    left = any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    return left or "widgets" in notebook.get("metadata", {})


def _git(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments], input=given, capture_output=True, text=True, check=True
    )
    return done.stdout


def strip_staged() -> list[str]:
    """Take the outputs out of the staged exploration notebooks; return their names."""
    changed = []
    listed = _git("diff", "--cached", "--name-only", "-z", "--diff-filter=ACMR", "--", "*.ipynb")
    for name in filter(None, listed.split("\0")):
        clean = stripped(_git("show", f":{name}"))
        if clean is None:
            continue
        mode = _git("ls-files", "--stage", "--", name).split()[0]
        blob = _git("hash-object", "-w", "--stdin", given=clean).strip()
        _git("update-index", "--cacheinfo", f"{mode},{blob},{name}")
        changed.append(name)
    return changed


def main() -> None:
    """Strip files, or what is staged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--staged", action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    asked = parser.parse_args()
    changed = strip_staged() if asked.staged else []
    for file in asked.files:
        clean = stripped(file.read_text(encoding="utf-8"))
        if clean is not None:
            file.write_text(clean, encoding="utf-8")
            changed.append(str(file))
    for name in changed:
        print(f"outputs removed: {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
