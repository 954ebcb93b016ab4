"""The page of benchmarks: numbers with their spread, wrong answers without a rate, goals judged."""

from __future__ import annotations

from typing import Any

import pytest

from bench.page import bars, engines, pictures, render, router, verdict
from bench.stats import at, middle, percentile, ratio

FACTS = {
    "command": "python -m bench router",
    "finished": "2026-01-01 00:00 UTC",
    "machine": {"processor": "P", "cores": 2, "memory_gib": 8, "system": "Linux 6"},
    "load": [1.0, 0.5, 0.1],
    "versions": {"Python": "3.11"},
}


def row(engine: str, rate: float | None, cpu: float | None, **more: Any) -> dict[str, Any]:
    return {
        "engine": engine,
        "task": "router",
        "run": "warm",
        "durability": "exactly-once, checkpoints on disk",
        "events": 1_000_000,
        "rate": rate,
        "cpu_per_million": cpu,
        "late_cpu_per_million": cpu,
        "broker_cpu_s": 2.0,
        "startup_s": 5.0,
        "startup_cpu_s": 3.0,
        "wrong": None,
        **more,
    }


ROWS = [
    row("workbench", 90_000, 9.0),
    row("workbench", 80_000, 9.5),
    row("workbench", 85_000, 11.0),
    row("Flink pass-through", 100_000, 7.0),
]


def test_a_percentile_is_a_value_that_was_measured():
    values = [float(value) for value in range(1, 1001)]
    assert percentile(values, 0.99) == 990.0
    assert percentile([7.0], 0.5) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_page_says_how_fast_the_machine_was_where_that_is_known():
    said = "additions in Python took"
    assert said not in render({"router": {**FACTS, "rows": ROWS}})
    page = render({"router": {**FACTS, "pace_s": [0.25, 0.5], "rows": ROWS}})
    assert f"0.1; five million {said} 0.25 CPU s before and 0.50 behind.\n" in page


def test_ratio_of_what_was_not_measured_is_none():
    assert ratio(None, 1.0) is None
    assert ratio(1.0, 0.0) is None
    assert ratio(3.0, 2.0) == 1.5


def test_a_curve_is_read_between_its_points():
    curve = [(0.0, 0.0), (1.0, 10.0), (1.0, 20.0), (2.0, 20.0)]
    assert at(curve, 0.5) == 5.0
    assert at(curve, 1.5) == 20.0
    assert at(curve, -1.0) == 0.0


def test_repeats_are_shown_as_the_middle_with_its_range():
    assert middle([3, 1, 2]) == {"median": 2, "min": 1, "max": 3}
    assert "85,000 (80,000 to 90,000)" in engines(ROWS)


def test_a_wrong_answer_has_no_rate():
    wrong = row("workbench", None, None, wrong="1 of 10 windows are missing")
    shown = engines([wrong])
    assert "WRONG" in shown
    assert "None" not in shown
    page = render({"router": {**FACTS, "rows": [*ROWS, wrong]}})
    assert "1 of 10 windows are missing" in page


def test_goals_are_judged_by_the_ratio_of_one_run():
    text = "\n".join(router({"rows": ROWS}))
    assert "0.9 of the rate of the pass-through: **0.85**, NOT met" in text
    assert "at most 10 CPU s/M: **9.5**, met" in text
    assert verdict(None, "Goal", 1, at_most=True) == "- Goal: not measured."


def test_a_page_says_on_what_and_how_it_was_measured():
    page = render({"router": {**FACTS, "rows": ROWS}})
    assert "python -m bench router" in page
    assert "2 cores (P), 8 GiB" in page
    assert "load average at the end 1.0, 0.5, 0.1" in page


def test_a_picture_has_a_bar_for_each_value():
    rows = [
        {**row("workbench", rate, 9.0), "along": "slots", "value": value}
        for value, rate in ((1, 50_000), (2, 80_000), (2, 90_000))
    ]
    found = pictures({"growth": {"rows": rows}})
    assert list(found) == ["bench-slots.svg"]
    assert found["bench-slots.svg"].count("<rect") == 2
    assert "85,000" in found["bench-slots.svg"]
    assert bars("nothing", []).endswith("</svg>\n")


def waited(task: str, engine: str, *seconds: float, wrong: str | None = None) -> dict[str, Any]:
    return {"task": task, "engine": engine, "run": "warm", "seconds": list(seconds),
            "wrong": wrong, "events": 10}  # fmt: skip


def test_waiting_is_judged_by_the_slowest_way_and_counts_as_a_goal():
    rows = [
        waited("workbench --help", "a new process", 0.1, 0.2, 0.1),
        waited("workbench top", "a new process", 1.0),
        waited("workbench top", "a new process, nothing in the page cache", 2.0),
        waited("session on 5,000 files", "a new process, with all imports", 0.9),
        waited("session on 5,000 files", "again in that process", 0.1),
    ]
    page = render({"workbench": {**FACTS, "rows": rows}})
    assert "- Goal: workbench --help, at most 0.3 s: **0.1**, met." in page
    assert "- Goal: workbench top, at most 1.5 s: **2**, NOT met" in page
    assert "- Goal: session on 5,000 files, at most 1.0 s: **0.9**, met." in page
    assert "2 of 3 goals are met." in page


def test_a_question_stands_beside_others_with_ratios():
    rows = [
        waited("top_symbols", "workbench", 0.12, 0.10, 0.14),
        waited("top_symbols", "the same SQL over read_parquet", 0.10),
        waited("top_symbols", "Polars", 0.06),
        waited("top_symbols", "pandas", 0.3, wrong="volume: 1, 2 expected"),
        waited("spread_curve", "workbench", 0.1),
        waited("spread_curve", "the same SQL over read_parquet", 0.1),
    ]
    page = render({"workbench": {**FACTS, "rows": rows}})
    own = "0.120 (0.100 to 0.140) s"
    assert f"| top_symbols | {own} | 0.100 s (0.83) | 0.060 s (0.50) | wrong answer |" in page
    assert "| spread_curve | 0.100 s | 0.100 s (1.00) | - | - |" in page
    assert "- Goal: top_symbols, at most 1.3 times the SQL by hand: **1.2**, met." in page
    assert "- WRONG, pandas, top_symbols, warm: volume: 1, 2 expected" in page
