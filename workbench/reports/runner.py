"""Run a report: pin the data, execute the notebook, keep what came out as one folder."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import workbench
from workbench.config import Settings
from workbench.contracts import TABLES
from workbench.errors import KernelError, LakeError, NotebookError
from workbench.ingest.reference import symbols_in_force
from workbench.lake.lineage import lineage_of
from workbench.lake.session import Session, open_session
from workbench.lake.times import show_moment
from workbench.reports.cache import earlier_run
from workbench.reports.code import OWN, code_of, versions
from workbench.reports.context import handed_over
from workbench.reports.execute import Execution, execute
from workbench.reports.freshness import grade, limits_of
from workbench.reports.known_values import check_values
from workbench.reports.lock import one_run
from workbench.reports.page import page_of
from workbench.reports.parameters import ReportSpec, parse_parameters
from workbench.reports.registry import notebook_of, report_named
from workbench.reports.report import MIME
from workbench.reports.runs import (
    FOLDER,
    FORMAT,
    NOTEBOOK,
    PAGE,
    PDF,
    REFERENCE,
    SUMMARY,
    ReportRun,
    write_summary,
)

_HANDED_OVER = ("figures", "checks", "tables", "verdict")


def run_report(
    settings: Settings,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    force: bool = False,
    wait: bool = False,
    require_fresh: bool = False,
    pdf: bool = False,
    cell_timeout_s: int | None = None,
    timeout_s: int | None = None,
) -> ReportRun:
    """Run a report on the newest snapshots and keep it.

    Every table is resolved to one snapshot before the notebook starts, and the notebook reads
    those. It runs in a temporary folder; the finished folder is renamed into place, so that
    nobody ever sees half a run, and the snapshots are tagged in Iceberg. Where an earlier run
    has the same code, parameters and snapshots, and the data the same grade of freshness, nothing
    is run and that one is returned.

    Parameters
    ----------
    settings
        The settings in force.
    name
        A report, for example ``market_day``.
    parameters
        Its parameters by name; values may be text.
    force
        Run it though an earlier run is the same.
    wait
        Wait where the same report is being run for the same as-of; otherwise that is an error.
    require_fresh
        Run nothing on stale data.
    pdf
        Print the page as PDF, too.
    cell_timeout_s, timeout_s
        How long one cell and the whole may take; the settings say it when None.

    Returns
    -------
    ReportRun
        Also where checks failed: see `ReportRun.raise_for_checks`.

    Raises
    ------
    UsageError
        For an unknown report or parameter, a wrong type, or a symbol, account or sector that the
        lake does not have, before anything runs.
    LakeError
        When there is no data to report on.
    StaleData
        With `require_fresh`, where the newest data is too old.
    ReportIsRunning
        When another process runs it, and `wait` was not asked for.
    KernelError
        When the kernel died or did not start: another try may go well.
    NotebookError
        When a cell raised or took too long; what was done until then is kept and named.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> run = run_report(load_settings(), "market_day", {"top": 5})     # doctest: +SKIP
    >>> run.figures["executions"]                                       # doctest: +SKIP
    48211
    """
    spec = report_named(settings, name)
    asked = parse_parameters(spec, parameters or {})
    source = notebook_of(settings, spec)
    if pdf:
        from workbench.reports.pdf import check_browser

        check_browser()
    clock = Stopwatch()
    # Open until the snapshots are tagged: its lease keeps expiry away from them.
    with open_session(settings) as session:
        check_values(session, asked)
        as_of = asked.as_of or session.newest_event(spec.table)
        if as_of is None:
            raise LakeError(
                f"{spec.table} has no rows to report on", hint="land some: `make demo` does"
            )
        now = datetime.now(UTC)
        limits = limits_of(settings, spec.name, spec.freshness, spec.table)
        newest = session.newest_event(limits.table, asked.as_of)
        freshness = grade(newest, asked.as_of, now, limits)
        if require_fresh:
            freshness.raise_if_stale(spec.name)
        values = asked.model_dump(mode="json") | {"as_of": as_of.isoformat()}
        folder = settings.project / FOLDER / spec.name / f"{as_of:%Y-%m-%dT%H%M%SZ}"
        clock.stop("pin")
        with one_run(folder, wait=wait):
            if not force:
                pins, how = session.pins, freshness.grade
                found = earlier_run(settings, spec.name, source, values, pins, how)
                if found is not None:
                    found = _with_pdf(found) if pdf and found.pdf is None else found
                    return replace(found, freshness=freshness.as_json("now"))
            order = Order(
                spec, source, values, as_of, now, session.snapshots, freshness.as_json(),
                cell_timeout_s or settings.reports.cell_timeout_s,
                timeout_s or settings.reports.timeout_s,
            )  # fmt: skip
            kept = _keep(settings, session, order, clock, pdf)
    _raise_for_error(kept)
    return kept


class Stopwatch:
    """Seconds of each part, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def stop(self, name: str) -> None:
        """End a part that began with the one before."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


@dataclass(frozen=True)
class Order:
    """What is run, on what, and for how long at most."""

    spec: ReportSpec
    source: Path
    parameters: Mapping[str, Any]
    as_of: datetime
    started: datetime
    snapshots: Mapping[str, str | None]
    freshness: Mapping[str, Any]
    cell_timeout_s: int
    timeout_s: int
    #: Reference data to read instead of the one in force.
    reference: Path | None = None


def chosen(order: Order) -> dict[str, Any]:
    """Return the parameters that are not the report's defaults: a page without them misleads."""
    defaults = order.spec.parameters().model_dump(mode="json")
    return {
        name: value
        for name, value in order.parameters.items()
        if name != "as_of" and value != defaults.get(name)
    }


def execute_order(
    settings: Settings,
    order: Order,
    work: Path,
    clock: Stopwatch,
    meanwhile: Callable[[], None] | None = None,
) -> tuple[dict[str, Any], Any]:
    """Execute the notebook in an empty folder; return what it says and the notebook.

    What is returned is the part of report.json that the notebook and its code decide. `meanwhile`
    is called while the kernel works.
    """
    started = order.started
    run = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    # A copy, so that what changes while it runs is read by nobody.
    reference = order.reference or symbols_in_force(settings)
    if reference.is_file():
        shutil.copyfile(reference, work / REFERENCE)
    environment = {
        **handed_over({"run": run, "freshness": order.freshness, "chosen": chosen(order)}),
        **({"WORKBENCH_REFERENCE__SYMBOLS": str(work / REFERENCE)} if order.reference else {}),
    }
    done = execute(
        settings,
        order.source,
        work / NOTEBOOK,
        {**order.parameters, "snapshots": dict(order.snapshots)},
        environment=environment,
        cell_timeout_s=order.cell_timeout_s,
        timeout_s=order.timeout_s,
        meanwhile=meanwhile,
    )
    clock.stop("execute")
    told, handed = _told(done)
    modules = handed.get("modules", [])
    summary = {
        "format": FORMAT,
        "name": order.spec.name,
        "title": order.spec.title,
        "run": run,
        "as_of": order.as_of.isoformat(),
        "started_at": started.isoformat(),
        "parameters": dict(order.parameters),
        "freshness": dict(order.freshness),
        "snapshots": dict(order.snapshots),
        "read": _read(settings, order, done.notebook, modules, handed.get("read", [])),
        **told,
        "code": code_of(settings, order.source, modules),
        "versions": versions(),
    }
    clock.seconds |= {
        "kernel": round(done.kernel_s, 3),
        "cells": round(done.cells_s, 3),
        "queries": handed.get("query_s", 0.0),
    }
    return summary, done.notebook


def _keep(
    settings: Settings, session: Session, order: Order, clock: Stopwatch, pdf: bool
) -> ReportRun:
    """Execute, write all files, tag the snapshots, and rename the folder into place."""
    place = settings.project / FOLDER / order.spec.name / f"{order.as_of:%Y-%m-%dT%H%M%SZ}"
    # Beside its place, so that the rename at the end stays within one file system.
    with tempfile.TemporaryDirectory(prefix=".running-", dir=settings.project / FOLDER) as scratch:
        work = Path(scratch) / "run"
        work.mkdir()
        summary, notebook = execute_order(settings, order, work, clock, _load_what_follows)
        summary["sources"] = _sources(session)
        clock.stop("sources")
        if notebook is not None:
            title = f"{order.spec.title} - {show_moment(order.as_of)}"
            (work / PAGE).write_text(page_of(notebook, title, _foot(summary)), encoding="utf-8")
        clock.stop("page")
        from workbench.reports.tags import pin_for_ever, tag_of

        if pdf and not summary["error"]:
            from workbench.reports.pdf import print_page

            print_page(work / PAGE, work / PDF)
            clock.stop("pdf")
        summary |= {"tag": None, "tagged": []}
        if not summary["error"]:
            summary["tag"] = tag_of(order.spec.name, summary["run"])
            summary["tagged"] = pin_for_ever(settings, summary["tag"], order.snapshots)
        clock.stop("tags")
        summary["timings_s"] = clock.seconds
        summary["finished_at"] = datetime.now(UTC).isoformat()
        summary["files"] = digests(work)
        write_summary(work, summary)
        place.mkdir(parents=True, exist_ok=True)
        folder = place / summary["run"]
        work.rename(folder)
    return ReportRun(folder, summary, freshness=dict(order.freshness))


def _load_what_follows() -> None:
    """Load what makes the page and the tags: less to wait for behind the kernel."""
    # What Arrow looks for when it makes a table, Iceberg's writer, and a page of nothing.
    import pandas  # noqa: F401
    import pyiceberg.catalog.sql  # noqa: F401
    from nbformat.v4 import new_notebook

    import workbench.reports.tags  # noqa: F401

    page_of(new_notebook(), "", "")  # type: ignore[no-untyped-call]


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run but report.json."""
    return {
        file.name: sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name not in (SUMMARY, f".{SUMMARY}")
    }


def _with_pdf(run: ReportRun) -> ReportRun:
    """Print the page of a kept run, and put the file on its record."""
    from workbench.reports.pdf import print_page

    print_page(run.html, run.folder / PDF)
    summary = {**run.summary, "files": digests(run.folder)}
    write_summary(run.folder, summary)
    return ReportRun(run.folder, summary, cached=True)


def _raise_for_error(run: ReportRun) -> None:
    error, kind = run.summary["error"], run.summary["error_kind"]
    if not error:
        return
    said = f"report {run.summary['name']} stopped: {error}"
    if kind == "kernel":
        raise KernelError(said, hint="the kernel died; is there enough memory?")
    if kind == "timeout":
        raise NotebookError(said, hint="--timeout and --cell-timeout give it more time")
    raise NotebookError(said, hint=f"see {run.folder / NOTEBOOK}")


def _sources(session: Session) -> list[dict[str, Any]]:
    """Every pinned table: rows, files, snapshot, and the Flink jobs and checkpoints behind it."""
    rows = [row for row in session.tables().arrow().to_pylist() if row["kind"] == "table"]
    for row in rows:
        pin = session.pins[row["table"]]
        row["writers"] = [] if pin.broken else lineage_of(pin, session.settings).rows()
        row["writers"] = [one for one in row["writers"] if one["job_id"]]
    found: list[dict[str, Any]] = json.loads(json.dumps(rows, default=str))
    return found


def _foot(summary: Mapping[str, Any]) -> str:
    return (
        f"{summary['title']}, run {summary['run']}, workbench {workbench.__version__}. "
        f"Parameters, snapshots, figures and checks are in {SUMMARY} beside this page."
    )


def _read(
    settings: Settings, order: Order, notebook: Any, modules: list[str], queried: list[str]
) -> list[str]:
    """The tables a report reads: those its session was asked for, and those its code names.

    The second path reads files without the session, so the text of the code counts as well.
    """
    if notebook is None:
        return sorted(order.snapshots)
    texts = [
        cell.source
        for cell in notebook.cells
        # The injected cell names every table.
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    package = Path(workbench.__file__).parent
    for name in modules:
        if name.startswith("workbench/reports/"):
            texts.append((package.parent / name).read_text(encoding="utf-8"))
        elif name.startswith(OWN):
            texts.append((settings.project / name.removeprefix(OWN)).read_text(encoding="utf-8"))
    code = "\n".join(texts)
    named = {t.name for t in TABLES if re.search(rf"['\"]{re.escape(t.name)}['\"]", code)}
    return sorted((named | {*queried}) & order.snapshots.keys())


def _told(done: Execution) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the notebook handed over at its end, and what went wrong on the way, in one line."""
    told: dict[str, Any] = {
        "figures": [], "checks": [], "tables": [], "verdict": "error",
        "error": done.error, "error_kind": done.kind,
    }  # fmt: skip
    if done.error is not None or done.notebook is None:
        return told, {}
    outputs = [output for cell in done.notebook.cells for output in cell.get("outputs", [])]
    for output in outputs:
        if output["output_type"] == "error":
            value = str(output["evalue"]).splitlines()
            error = f"{output['ename']}: {value[0] if value else ''}"
            return {**told, "error": error, "error_kind": "cell"}, {}
    for output in outputs:
        if MIME in output.get("data", {}):
            report = output["data"][MIME]
            return told | {name: report[name] for name in _HANDED_OVER}, report.get("run", {})
    return {**told, "error": "it never calls report.finish()", "error_kind": "unfinished"}, {}
