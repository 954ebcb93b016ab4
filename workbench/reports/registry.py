"""The reports there are: those that ship, and the notebooks of the project's own folder.

A notebook in ``notebooks/`` of a project is a report as soon as it has a cell tagged
``parameters``. Nothing is imported or run to find that out.
"""

from __future__ import annotations

import re
from pathlib import Path

import workbench
from workbench.config import Settings
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.reports.parameters import REPORTS, ReportSpec
from workbench.reports.typed_cell import spec_of_notebook

NOTEBOOKS = "notebooks"
#: What a name may be: it becomes a folder and a part of tags.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def all_reports(settings: Settings) -> list[ReportSpec]:
    """Return the shipped reports and the project's own, by name.

    A notebook whose parameters cannot be read is left out here; `report_named` says why.
    """
    found = {spec.name: spec for spec in REPORTS}
    for path in _own_notebooks(settings):
        if path.stem in found:
            continue
        try:
            spec = spec_of_notebook(path)
        except UsageError:
            continue
        if spec is not None:
            found[spec.name] = spec
    return [found[name] for name in sorted(found)]


def report_named(settings: Settings, name: str) -> ReportSpec:
    """Return the report of this name.

    Raises
    ------
    UsageError
        When there is none, names the nearest; or when its parameters cannot be read.
    """
    for spec in REPORTS:
        if spec.name == name:
            return spec
    for path in _own_notebooks(settings):
        if path.stem == name:
            found = spec_of_notebook(path)
            if found is None:
                raise UsageError(
                    f"notebook {name} is no report",
                    hint="tag its cell of defaults `parameters`; see docs/reports.md",
                )
            return found
    known = [spec.name for spec in all_reports(settings)]
    raise UsageError(f"no report {quoted(name)}", hint=did_you_mean(name, known))


def check_name(name: str) -> str:
    """Return a name that a report may have.

    Raises
    ------
    UsageError
        For any other.

    Examples
    --------
    >>> check_name("my_day")
    'my_day'
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} cannot be the name of a report",
            hint="letters, digits, _ and -, at most 64; for example my_day",
        )
    return name


def notebook_of(settings: Settings, spec: ReportSpec) -> Path:
    """Return the notebook of a report: the project's own, else the one of this checkout.

    Raises
    ------
    UsageError
        When there is none; says where it was looked for.
    """
    if spec.notebook is not None:
        return spec.notebook
    package = Path(workbench.__file__).parent.parent
    places = [folder / NOTEBOOKS / f"{spec.name}.ipynb" for folder in (settings.project, package)]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(
        f"no notebook of report {spec.name}",
        hint="looked for " + " and ".join(str(place) for place in dict.fromkeys(places)),
    )


def _own_notebooks(settings: Settings) -> list[Path]:
    folder = settings.project / NOTEBOOKS
    return [path for path in sorted(folder.glob("*.ipynb")) if _NAME.fullmatch(path.stem)]
