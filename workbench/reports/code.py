"""Which code a report stands on: its notebook, the modules it imported, their SQL, the packages."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import workbench
from workbench.config import Settings
from workbench.ingest.reference import symbols_in_force

#: Kept with a run: the packages its numbers and its page went through.
PACKAGES = (
    "duckdb", "polars", "pyarrow", "pyiceberg", "numpy", "pandas", "plotly", "papermill",
    "nbconvert",
)  # fmt: skip
#: What makes the page, outside of the kernel.
_PAGE = ("reports/page.py", "reports/page.css")
#: Prefix of what lies in the project's folder and not in the package.
OWN = "project:"


def versions() -> dict[str, str]:
    """Return the versions of Python, the workbench and the packages."""
    found = {"python": platform.python_version(), "workbench": workbench.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**found, "platform": sys.platform}


def imported(project: Path) -> list[str]:
    """Return the modules of the workbench and of the project that this process has loaded."""
    own = project.resolve()
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py"):
            continue
        path = Path(file)
        if _package() in path.parents:
            found.add(path.relative_to(_package().parent).as_posix())
        elif own in path.parents and not {"site-packages", ".venv"} & {*path.parts}:
            found.add(OWN + path.relative_to(own).as_posix())
    return sorted(found)


def code_of(settings: Settings, notebook: Path, modules: Iterable[str]) -> dict[str, Any]:
    """Return what identifies the code: a digest per file, one over all, and the git commit.

    Parameters
    ----------
    settings
        The settings in force.
    notebook
        The notebook; its outputs do not count.
    modules
        What `imported` returned in the kernel.
    """
    folders = {name.rpartition("/")[0] for name in modules if not name.startswith(OWN)}
    names = {*modules, *(f"workbench/{name}" for name in _PAGE)}
    root = _package().parent
    for folder in folders - {"workbench", ""}:
        for pattern in ("*.sql", "*/*.sql"):
            names |= {file.relative_to(root).as_posix() for file in (root / folder).glob(pattern)}
    files = {name: _digest(_place(settings, name)) for name in sorted(names)}
    found: dict[str, Any] = {
        "notebook": notebook_digest(notebook),
        "reference": _digest(symbols_in_force(settings)),
        "files": files,
    }
    digest = sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return {"digest": digest, **_commit(root), **found}


def code_changes(settings: Settings, notebook: Path, kept: Mapping[str, Any]) -> list[str]:
    """Return which files differ from those that a kept run stood on; empty when none does."""
    changed = [
        name for name, digest in kept["files"].items() if _digest(_place(settings, name)) != digest
    ]
    if notebook_digest(notebook) != kept["notebook"]:
        changed.insert(0, "the notebook")
    if _digest(symbols_in_force(settings)) != kept["reference"]:
        changed.append("the reference data")
    return changed


def package_changes(kept: Mapping[str, str]) -> list[str]:
    """Return which versions differ from those of a kept run, as ``duckdb 1.5.4 -> 1.5.5``."""
    now = versions()
    return [
        f"{name} {kept.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in sorted({*kept, *now})
        if kept.get(name) != now.get(name)
    ]


def notebook_digest(path: Path) -> str:
    """Return the digest of a notebook's text and code, without outputs and injected values."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in cells
        if "injected-parameters" not in cell.get("metadata", {}).get("tags", [])
    ]
    return sha256(json.dumps(source).encode()).hexdigest()


def _package() -> Path:
    return Path(workbench.__file__).parent


def _place(settings: Settings, name: str) -> Path:
    if name.startswith(OWN):
        return settings.project / name.removeprefix(OWN)
    return _package().parent / name


def _digest(file: Path) -> str | None:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def _commit(folder: Path) -> dict[str, Any]:
    """The git commit of a checkout, and whether files of the package differ from it."""
    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no", "--", "workbench", "notebooks")
    return {"commit": commit, "dirty": None if status is None else bool(status)}
