"""A new report in a project's own folder: a notebook that runs at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.errors import UsageError
from workbench.reports.parameters import REPORTS
from workbench.reports.registry import NOTEBOOKS, check_name

_ABOUT = """# {title}

What this report answers, in one sentence. One UTC day of trading, up to the as-of.
"""
_PARAMETERS = """\
as_of: str | None = None  # moment of event time; the newest trade when None
top: int = 5  # symbols in the table
symbols: list["Symbol"] = []  # symbols of interest; all when empty
snapshots = {}  # set by the run: the snapshot of every table"""
_OPEN = """\
import workbench as wb
from workbench.reports import Column, Report
from workbench.reports.market_day import market_day
from workbench.reports.second_path import SecondPath

session = wb.open(snapshots=snapshots or None)
report = Report("{title}", session, as_of)
day = market_day(report.as_of)"""
_QUESTION = '''\
rows = session.sql(
    """
    SELECT symbol, count(*) AS executions, sum(quantity) AS volume,
        sum(notional(price, quantity)) AS notional
    FROM market.executions
    WHERE event_time >= $since AND event_time < $until
        AND (len($symbols) = 0 OR list_contains($symbols, symbol))
    GROUP BY symbol
    ORDER BY notional DESC, symbol
    """,
    {**day.bounds, "symbols": symbols},
).arrow().to_pylist()
report.figure("executions", sum(row["executions"] for row in rows), "executions")
report.figure("notional", sum(row["notional"] for row in rows), "quote currency")
report.figures_table("The day in figures")
report.table(
    "Most traded",
    rows[:top],
    [
        Column("symbol", "symbol"),
        Column("executions", "executions", digits=0),
        Column("notional", "notional", "quote currency", 2),
    ],
    name="most traded",
)'''
_CHECK = """\
again = SecondPath(session).by_symbol(day)
again = [again[name] for name in again if not symbols or name in symbols]
POLARS = "Polars over the raw trades"
report.check(
    "executions",
    sum(row["executions"] for row in rows),
    other=sum(each["executions"] for each in again),
    source=POLARS,
)
report.check(
    "notional",
    sum(row["notional"] for row in rows),
    other=sum(each["notional"] for each in again),
    unit="quote currency",
    source=POLARS,
)"""


#: Bounds of the parameters, beside the notebook.
_BOUNDS = """\
[parameters.top]
ge = 1
le = 50
"""


def new_report(settings: Settings, name: str, title: str | None = None) -> Path:
    """Write a notebook that is a report already, to be changed.

    Parameters
    ----------
    settings
        The settings in force.
    name
        Name of the report: the notebook is ``notebooks/NAME.ipynb`` in the project's folder, with
        the bounds of its parameters in ``NAME.toml``.
    title
        Its title; made from the name when None.

    Raises
    ------
    UsageError
        For a name that is no name of a report, or is taken.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> new_report(load_settings(getfixture("tmp_path")), "my_day").name
    'my_day.ipynb'
    """
    path = settings.project / NOTEBOOKS / f"{check_name(name)}.ipynb"
    if name in [spec.name for spec in REPORTS]:
        raise UsageError(f"report {name!r} ships with the workbench", hint="choose another name")
    bounds = path.with_suffix(".toml")
    for file in (path, bounds):
        if file.exists():
            raise UsageError(f"{file} is there already", hint="choose another name, or remove it")
    title = (title or name.replace("_", " ").replace("-", " ").capitalize()).strip()
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    compared, ignored = ["nbval-check-output"], ["nbval-ignore-output"]
    cells = [
        _cell("about", _ABOUT.format(title=title)),
        _cell("parameters", _PARAMETERS, ["parameters"]),
        _cell("open", _OPEN.format(title=quoted), []),
        _cell("header", "report.header()", ignored),
        _cell("text-1", "## The question"),
        _cell("question", _QUESTION, compared),
        _cell("text-2", "## The same numbers by a second path"),
        _cell("checks", _CHECK, compared),
        _cell("text-3", "## Sources"),
        _cell("sources", "report.sources()", ignored),
        _cell("finish", "report.finish()", ignored),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    bounds.write_text(_BOUNDS, encoding="utf-8")
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _cell(name: str, source: str, tags: list[str] | None = None) -> dict[str, Any]:
    """A cell of text, or of code where tags are given."""
    cell: dict[str, Any] = {
        "id": name,
        "metadata": {},
        "source": source.strip().splitlines(keepends=True),
    }
    if tags is None:
        return {"cell_type": "markdown", **cell}
    metadata = {"tags": tags} if tags else {}
    code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
    return {**cell, **code, "metadata": metadata}
