"""Run a report: pin the data, execute the notebook, keep what came out as one folder."""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import workbench
from workbench.config import Settings
from workbench.errors import LakeError, NotebookError, UsageError, ValidationFailed
from workbench.lake.session import open_session
from workbench.lake.times import show_moment
from workbench.reports.page import page_of
from workbench.reports.parameters import ReportSpec, parse_parameters, report_named
from workbench.reports.report import MIME

NOTEBOOK, PAGE, SUMMARY = "notebook.ipynb", "report.html", "report.json"
FOLDER = "reports"
#: Kept with a run: the packages its numbers went through.
_PACKAGES = ("duckdb", "polars", "pyarrow", "pyiceberg", "plotly", "papermill", "nbconvert")


@dataclass(frozen=True)
class ReportRun:
    """One finished run.

    Attributes
    ----------
    folder
        ``reports/NAME/AS_OF/RUN``, with the notebook, the HTML page and report.json.
    summary
        What report.json holds.
    """

    folder: Path
    summary: dict[str, Any]

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / PAGE

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        """The checks that did not hold."""
        return [check for check in self.summary["checks"] if not check["passed"]]

    def raise_for_checks(self) -> None:
        """Raise where the report's own checks say that a number is wrong.

        Raises
        ------
        ValidationFailed
            Names the first failed check and the page to look at.
        """
        failed = self.failed_checks
        if failed or self.summary["verdict"] != "passed":
            first = f", first {failed[0]['name']!r}" if failed else ""
            raise ValidationFailed(
                f"report {self.summary['name']}: {len(failed)} of "
                f"{len(self.summary['checks'])} checks failed{first}",
                hint=f"see {self.html}",
            )


def run_report(
    settings: Settings,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    cell_timeout_s: int = 600,
) -> ReportRun:
    """Run a report on the newest snapshots and keep it.

    Every table is resolved to one snapshot before the notebook starts, and the notebook reads
    those. It runs in a temporary folder; the finished folder is renamed into place, so that
    nobody ever sees half a run.

    Parameters
    ----------
    settings
        The settings in force.
    name
        A shipped report, for example ``market_day``.
    parameters
        Its parameters by name; values may be text.
    cell_timeout_s
        How long one cell may take.

    Returns
    -------
    ReportRun
        Also where checks failed: see `ReportRun.raise_for_checks`.

    Raises
    ------
    UsageError
        For an unknown report or parameter, or a wrong type, before anything runs.
    LakeError
        When there is no data to report on.
    NotebookError
        When a cell raised; what was done until then is kept and named.
    """
    spec = report_named(name)
    asked = parse_parameters(spec, parameters or {})
    source = notebook_of(settings, spec)
    started = datetime.now(UTC)
    clock = _Clock()
    as_of, snapshots, tables = _pin(settings, asked.as_of)
    clock.stop("pin")
    parameters = asked.model_dump(mode="json") | {"as_of": as_of.isoformat()}
    summary: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "run": f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        "as_of": as_of.isoformat(),
        "started_at": started.isoformat(),
        "parameters": parameters,
        "snapshots": snapshots,
        "tables": tables,
        "versions": _versions(source),
    }
    folder = settings.project / FOLDER / spec.name / f"{as_of:%Y-%m-%dT%H%M%SZ}" / summary["run"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the rename at the end stays within one file system.
    with tempfile.TemporaryDirectory(prefix=".running-", dir=settings.project / FOLDER) as scratch:
        work = Path(scratch) / "run"
        work.mkdir()
        injected = {**parameters, "snapshots": snapshots}
        with _kernel_environment(settings, Path(scratch)):
            notebook = _execute(settings, source, work / NOTEBOOK, injected, cell_timeout_s)
        clock.stop("execute")
        summary |= _told(notebook)
        page = page_of(notebook, f"{spec.title} - {show_moment(as_of)}", _foot(summary))
        (work / PAGE).write_text(page, encoding="utf-8")
        clock.stop("page")
        summary["timings_s"] = clock.seconds
        (work / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        work.rename(folder)
    if summary["error"]:
        raise NotebookError(
            f"report {spec.name} stopped: {summary['error']}", hint=f"see {folder / NOTEBOOK}"
        )
    return ReportRun(folder, summary)


class _Clock:
    """Seconds of each part, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def stop(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def _pin(
    settings: Settings, asked: datetime | None
) -> tuple[datetime, dict[str, str | None], list[dict[str, Any]]]:
    """Resolve every table to one snapshot, once; the moment is that of the newest trade there."""
    with open_session(settings) as session:
        as_of = asked or session.newest_event("market.trades")
        if as_of is None:
            raise LakeError(
                "market.trades has no rows to report on", hint="land some: `make demo` does"
            )
        tables = [row for row in session.tables().arrow().to_pylist() if row["kind"] == "table"]
        return as_of, session.snapshots, json.loads(json.dumps(tables, default=str))


def _foot(summary: dict[str, Any]) -> str:
    return (
        f"{summary['title']}, run {summary['run']}, workbench {workbench.__version__}. "
        f"Parameters, snapshots, figures and checks are in {SUMMARY} beside this page."
    )


def notebook_of(settings: Settings, spec: ReportSpec) -> Path:
    """Return the notebook of a report: the project's own, else the one of this checkout.

    Raises
    ------
    UsageError
        When there is none; says where it was looked for.
    """
    package = Path(workbench.__file__).parent.parent
    places = [folder / "notebooks" / f"{spec.name}.ipynb" for folder in (settings.project, package)]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(
        f"no notebook of report {spec.name}",
        hint="looked for " + " and ".join(str(place) for place in dict.fromkeys(places)),
    )


def _execute(
    settings: Settings,
    source: Path,
    target: Path,
    parameters: dict[str, Any],
    cell_timeout_s: int,
) -> Any:
    """Run the notebook with these parameters; what it did, also where it stopped early."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    try:
        return papermill.execute_notebook(
            str(source),
            str(target),
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=str(settings.project),
            progress_bar=False,
            execution_timeout=cell_timeout_s,
            # Errors only: that a kernel on loopback does not encrypt is no news to anybody.
            extra_arguments=["--log-level=40"],
        )
    except PapermillExecutionError:
        return papermill.iorw.load_notebook_node(str(target))
    except (TimeoutError, RuntimeError) as error:
        # A cell that takes too long, or a kernel that died or did not start.
        reason = str(error).strip().splitlines()
        raise NotebookError(
            f"report {source.stem} stopped: {reason[0] if reason else type(error).__name__}",
            hint="a cell timed out or the kernel died; is there enough memory?",
        ) from error


@contextmanager
def _kernel_environment(settings: Settings, scratch: Path) -> Iterator[None]:
    """What the kernel inherits: this project, this code, and no start-up files of a person."""
    profile = scratch / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    # Otherwise every run says that a kernel on loopback is not encrypted.
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")
    package = str(Path(workbench.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    changes = {
        "WORKBENCH_PROJECT": str(settings.project.resolve()),
        "PYTHONPATH": path,
        "IPYTHONDIR": str(scratch / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _told(notebook: Any) -> dict[str, Any]:
    """What the notebook handed over at its end, and what went wrong on the way, in one line."""
    told: dict[str, Any] = {"figures": [], "checks": [], "verdict": "error", "error": None}
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for output in outputs:
        if output["output_type"] == "error":
            value = str(output["evalue"]).splitlines()
            return {**told, "error": f"{output['ename']}: {value[0] if value else ''}"}
    for output in outputs:
        if MIME in output.get("data", {}):
            report = output["data"][MIME]
            return told | {name: report[name] for name in ("figures", "checks", "verdict")}
    return {**told, "error": "it never calls report.finish()"}


def _versions(source: Path) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "workbench": workbench.__version__,
        "notebook_sha256": sha256(source.read_bytes()).hexdigest(),
        **{name: version(name) for name in _PACKAGES},
        "platform": sys.platform,
    }
