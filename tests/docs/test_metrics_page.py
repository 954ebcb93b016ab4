"""The page of metrics has every metric as the code defines it."""

from __future__ import annotations

from pathlib import Path

from workbench.metrics import METRICS
from workbench.metrics.screen import DEGRADED_SECONDS, FRESH_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "metrics.md"


def rows() -> list[str]:
    """The rows of the table, one per metric, in the order of their definitions."""
    found = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        cells = (
            f"`{metric.name}`", metric.type, labels, metric.unit, metric.help, metric.source,
            metric.threshold,
        )  # fmt: skip
        found.append("| " + " | ".join(cells) + " |")
    return found


def test_the_table_of_metrics_is_what_the_code_says() -> None:
    page = PAGE.read_text("utf-8").splitlines()
    begin = page.index("| --- | --- | --- | --- | --- | --- | --- |") + 1
    written = page[begin : page.index("", begin)]
    assert written == rows(), "write it with `python -m tests.docs.test_metrics_page`"


def test_the_bounds_of_freshness_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text("utf-8").split())
    assert f"less than {FRESH_SECONDS:.0f} s behind" in text
    assert f"below {DEGRADED_SECONDS / 60:.0f} minutes" in text


if __name__ == "__main__":
    lines = PAGE.read_text("utf-8").splitlines()
    start = lines.index("| --- | --- | --- | --- | --- | --- | --- |") + 1
    lines[start : lines.index("", start)] = rows()
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
