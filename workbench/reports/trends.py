"""A named figure over past runs."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from workbench.config import Settings
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.database import PinnedDatabase
from workbench.lake.result import Result
from workbench.reports.runs import list_runs


def trend(settings: Settings, name: str, figure: str, *, all_runs: bool = False) -> Result:
    """Return one figure of a report over its kept runs.

    Parameters
    ----------
    settings
        The settings in force.
    name
        The report.
    figure
        The name of the figure.
    all_runs
        Every run; otherwise the newest of each as-of.

    Returns
    -------
    Result
        Columns ``as_of`` (UTC), ``value`` (double), ``exact`` (text), ``unit``, ``run``,
        ``verdict``, ``started_at`` (UTC), by as-of. Runs that stopped with an error are left out.

    Raises
    ------
    UsageError
        When no kept run has the figure; names the nearest.
    """
    text = files("workbench.reports").joinpath("sql/trend.sql").read_text(encoding="utf-8")
    values: dict[str, Any] = {"name": name, "figure": figure, "all_runs": all_runs}
    database = PinnedDatabase(settings, {}, read_only=True)
    rows = database.arrow(text, values)
    if not rows.num_rows:
        runs = list_runs(settings, name)
        if not runs:
            raise UsageError(f"report {quoted(name)} has no runs", hint="`workbench report list`")
        known = dict.fromkeys(one["name"] for run in runs for one in run.summary["figures"])
        raise UsageError(
            f"no run of {name} has a figure {quoted(figure)}", hint=did_you_mean(figure, [*known])
        )
    units = sorted({str(unit) for unit in rows["unit"].to_pylist()})
    return Result(
        database,
        text,
        values,
        units={"value": " or ".join(units)},
        caption=f"{figure} of {name} over its runs",
        table=rows,
    )
