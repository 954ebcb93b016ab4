"""``wb.reports``: what `workbench report` does, as functions for a notebook or a script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import Any

from workbench.config import Settings, load_settings
from workbench.errors import UsageError, quoted
from workbench.lake.result import Result
from workbench.reports.compare import Comparison, compare
from workbench.reports.parameters import ReportSpec
from workbench.reports.pruning import Pruned
from workbench.reports.pruning import prune as _prune
from workbench.reports.registry import all_reports
from workbench.reports.rerunning import Rerun, Which
from workbench.reports.rerunning import rerun as _rerun
from workbench.reports.runner import run_report
from workbench.reports.runs import ReportRun, find_run, list_runs
from workbench.reports.template import new_report
from workbench.reports.trends import trend as _trend
from workbench.reports.verify import Finding, verify


def run(name: str, *, settings: Settings | None = None, **options: Any) -> ReportRun:
    """Run a report; see `workbench.reports.runner.run_report`.

    Parameters
    ----------
    name
        The report.
    settings
        The settings in force; found from the working directory when None.
    **options
        ``parameters`` (a mapping), ``force``, ``wait``, ``require_fresh``, ``pdf``,
        ``cell_timeout_s`` and ``timeout_s``.

    Raises
    ------
    UsageError
        For an option that is none of these; also as `run_report` does, with its other errors.

    Examples
    --------
    >>> import workbench as wb
    >>> run = wb.reports.run("market_day", parameters={"top": 5})        # doctest: +SKIP
    >>> run.figures["executions"], run.html                              # doctest: +SKIP
    (48211, PosixPath('reports/market_day/.../report.html'))
    """
    known = [each for each in signature(run_report).parameters if each not in ("settings", "name")]
    for option in options:
        if option not in known:
            raise UsageError(
                f"no option {quoted(option)}",
                hint=f"a parameter of the report is parameters={{{option!r}: ...}}",
            )
    return run_report(settings or load_settings(), name, **options)


def available(*, settings: Settings | None = None) -> list[ReportSpec]:
    """Return the reports there are: those that ship and the project's own."""
    return all_reports(settings or load_settings())


def kept(name: str | None = None, *, settings: Settings | None = None) -> list[ReportRun]:
    """Return the kept runs of one report or of all, the newest first."""
    return list_runs(settings or load_settings(), name)


def find(wanted: str, *, settings: Settings | None = None) -> ReportRun:
    """Return one run: by id, by the start of one, ``NAME`` (its newest) or ``NAME~1``."""
    return find_run(settings or load_settings(), wanted)


def diff(before: str, after: str, *, settings: Settings | None = None) -> Comparison:
    """Return which figures and tables of two runs differ, and what is different behind them.

    Examples
    --------
    >>> wb.reports.diff("market_day~1", "market_day").changes            # doctest: +SKIP
    (Change(kind='figure', name='executions', ...),)
    """
    settings = settings or load_settings()
    return compare(find_run(settings, before).summary, find_run(settings, after).summary)


def rerun(wanted: str, *, notebook: Which = "current", settings: Settings | None = None) -> Rerun:
    """Run a kept run once more on its snapshots; see `workbench.reports.rerunning.rerun`."""
    return _rerun(settings or load_settings(), wanted, notebook=notebook)


def check(wanted: str, *, settings: Settings | None = None) -> list[Finding]:
    """Return whether files, figures, checks and snapshots of a kept run are as they were."""
    settings = settings or load_settings()
    return verify(settings, find_run(settings, wanted))


def trend(
    name: str,
    figure: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    all_runs: bool = False,
    settings: Settings | None = None,
) -> Result:
    """Return a named figure over past runs: columns ``as_of``, ``value``, ``unit``, ``run``, ...

    Of the runs with the parameters of the newest, or with those that are given.

    Examples
    --------
    >>> wb.reports.trend("market_day", "notional").plot(y="value")       # doctest: +SKIP
    """
    return _trend(settings or load_settings(), name, figure, parameters, all_runs=all_runs)


def prune(
    name: str | None = None,
    *,
    older_than: timedelta | None = None,
    keep: int | None = None,
    stray_tags: bool = False,
    dry_run: bool = True,
    settings: Settings | None = None,
) -> list[Pruned]:
    """Drop old runs and the tags they made; by default it only says which."""
    return _prune(
        settings or load_settings(),
        name,
        older_than=older_than,
        keep=keep,
        stray_tags=stray_tags,
        dry_run=dry_run,
    )


def new(name: str, title: str | None = None, *, settings: Settings | None = None) -> Path:
    """Write ``notebooks/NAME.ipynb``, a report that runs at once and is yours to change."""
    return new_report(settings or load_settings(), name, title)
