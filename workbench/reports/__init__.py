"""Notebooks as validated reports: pinned data, typed parameters, every headline number checked.

A notebook uses `Report` and `Column`; whoever runs reports, `run`, `rerun`, `kept`, `find`,
`diff`, `trend`, `check`, `prune`, `available` and `new`: the commands of ``workbench report``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reports.api import (
        available,
        check,
        diff,
        find,
        kept,
        new,
        prune,
        rerun,
        run,
        trend,
    )
    from workbench.reports.report import Report
    from workbench.reports.tables import Column

__all__ = [
    "Column", "Report", "available", "check", "diff", "find", "kept", "new", "prune", "rerun",
    "run", "trend",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # On first use: a kernel that makes a report need not load what runs one.
    if name not in __all__:
        raise AttributeError(f"module 'workbench.reports' has no attribute {name!r}")
    homes = {"Report": "report", "Column": "tables"}
    found = getattr(import_module(f"workbench.reports.{homes.get(name, 'api')}"), name)
    # Not the module of the same name, which its import has put here.
    globals()[name] = found
    return found
