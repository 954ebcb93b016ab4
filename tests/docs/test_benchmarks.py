"""The page of benchmarks and its pictures are what its results say."""

from __future__ import annotations

import json
from pathlib import Path

from bench.page import pictures, render

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))


def test_the_page_is_what_its_results_say() -> None:
    written = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert written == render(RESULTS), "docs/benchmarks.md is stale: `python -m bench publish`"


def test_the_pictures_are_what_the_results_say() -> None:
    written = {file.name for file in (DOCS / "images").glob("bench-*.svg")}
    assert written == set(pictures(RESULTS))
    for name, svg in pictures(RESULTS).items():
        assert (DOCS / "images" / name).read_text(encoding="utf-8") == svg, name
